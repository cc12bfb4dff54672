# Portals of a unit in a network: several, of both families, and addresses and links that change.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import json
import os
import re
import subprocess

import pytest

from dvsan_oids import (dvsanMemberAddress, dvsanMemberAnnounce, dvsanMemberGeneration, dvsanMemberLease,
                        dvsanMemberOperState, dvsanPortalAddress, dvsanPortalAddressType, dvsanPortalIfIndex,
                        dvsanPortalOperState, dvsanPortalPort, dvsanUnitLastError)
from support import BUILD
from support.oids import COLD_START, IF_INDEX, LINK_DOWN, LINK_UP
from support.patience import wait_for
from support.unit_box import DEGRADED, RUNNING, Box, Process, own_box

ALICE, SECRET = "iqn.2026-11.host:alice", "secret-of-alice"
TROUBLE = f"{dvsanUnitLastError}.0"


class Wire:
    """Two network namespaces, unit and host, with two cables between them: san0-host0, san1-host1."""

    def __init__(self):
        self.unit, self.host = (f"dvsan{os.getpid() % 100000}{end}" for end in "uh")

    def ip(self, end, *args):
        subprocess.run(["ip", "-n", getattr(self, end), *args], check=True)

    def lay(self):
        for end in ("unit", "host"):
            subprocess.run(["ip", "netns", "add", getattr(self, end)], check=True)
            self.ip(end, "link", "set", "lo", "up")
        for n in "01":
            self.ip("unit", "link", "add", "san" + n, "type", "veth", "peer", "name", "host" + n,
                    "netns", self.host)
            self.ip("unit", "link", "set", "san" + n, "up")
            self.ip("host", "link", "set", "host" + n, "up")
        self.ip("host", "addr", "add", "192.0.2.1/24", "dev", "host0")
        self.ip("host", "addr", "add", "198.51.100.1/24", "dev", "host1")
        self.ip("host", "addr", "add", "2001:db8::1/64", "dev", "host1", "nodad")

    def take_away(self):
        for end in (self.unit, self.host):
            subprocess.run(["ip", "netns", "del", end], check=False, stderr=subprocess.DEVNULL)

    def addresses(self, interface, *addresses):
        """Replaces what the unit's interface has."""
        self.ip("unit", "addr", "flush", "dev", interface, "scope", "global")
        for address in addresses:
            self.ip("unit", "addr", "add", address, "dev", interface, *(["nodad"] if ":" in address else []))

    def at_host(self, *args, env=None, check=False):
        return subprocess.run(["ip", "netns", "exec", self.host, *map(str, args)], check=check, timeout=120,
                              env=dict(os.environ, **(env or {})), capture_output=True, text=True)


class WiredBox(Box):
    """Managed at %portal1, and by the tests over the loopback interface; snmpd listens at all."""

    def __init__(self, wire, portals, management="udp:%portal1:1161", cms="127.0.0.2"):
        self.wire = wire
        super().__init__("127.0.0.1", cms, prefix=["ip", "netns", "exec", wire.unit])
        self.portals_xml = lambda: portals
        self.management, self.listen = management, "udp:1161"
        self.write_files()

    def rows(self):
        """index -> (port, operational state), in the only portal group"""
        return {int(index.partition(".")[0]): tuple(row)
                for index, row in self.table(dvsanPortalPort, dvsanPortalOperState).items()}

    def listening(self):
        """Where tgtd listens, but for the loopback interface."""
        return sorted(line.split(": ", 1)[1].rpartition(",")[0]
                      for line in self.tgtadm("--mode", "portal", "--op", "show").splitlines()
                      if line.startswith("Portal:") and "127.0.0.1" not in line)

    def reaches(self, portal):
        """Whether the host gets at volume 1 by libiscsi's tool through the portal."""
        done = self.wire.at_host("iscsi-inq", "-i", ALICE, f"iscsi://{portal}/{self.iqn(1)}/1",
                                 env={"LIBISCSI_CHAP_USERNAME": "alice", "LIBISCSI_CHAP_PASSWORD": SECRET})
        return done.returncode == 0 and "DIRECT_ACCESS" in done.stdout


def announcements(box):
    """coldStart is lost when the receiver is not ready yet."""
    return box.traps(COLD_START) + box.traps(dvsanMemberAnnounce)


@pytest.fixture(name="wire")
def fixture_wire():
    wire = Wire()
    try:
        wire.lay()
        yield wire
    finally:
        wire.take_away()


@pytest.fixture(name="make")
def fixture_make(wire):
    """Makes boxes that are taken away after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **how: stack.enter_context(own_box(WiredBox, addresses=(wire, *args), **how))


def test_portals_of_both_families_are_served(wire, make):
    wire.addresses("san0", "192.0.2.7/24")
    wire.addresses("san1", "198.51.100.7/24", "2001:db8::7/64")
    box = make('<portal index="1" address="192.0.2.7"/><portal index="2" address="2001:db8::7" port="3261"/>'
               '<portal index="3" interface="san1"/><portal index="4" interface="san1" family="ipv6"/>')
    box.start()
    box.serve(1, "data", 8, ALICE, "alice", SECRET)
    assert box.rows() == {1: ("3260", "1"), 2: ("3261", "1"), 3: ("3260", "1"), 4: ("3260", "1")}
    assert box.get(*(f"{dvsanPortalAddressType}.{i}.1" for i in (1, 2, 3, 4))) == ["1", "2", "1", "2"]
    assert box.get(f"{dvsanPortalAddress}.3.1", f"{dvsanPortalAddress}.4.1") == \
        ["c6336407", "20010db8000000000000000000000007"]
    assert box.get(f"{dvsanMemberAddress}.0") == "udp:192.0.2.7:1161"
    assert box.listening() == ["192.0.2.7:3260", "198.51.100.7:3260", "[2001:db8::7]:3260",
                               "[2001:db8::7]:3261"]
    for portal in ("192.0.2.7:3260", "[2001:db8::7]:3261", "198.51.100.7:3260", "[2001:db8::7]:3260"):
        assert box.reaches(portal), portal


def test_a_link_is_told_of_the_portal_that_it_carries(wire, make):
    wire.addresses("san0", "192.0.2.7/24")
    wire.addresses("san1", "198.51.100.7/24")
    box = make('<portal index="1" address="192.0.2.7"/><portal index="2" interface="san1"/>')
    box.start_receiver()
    box.start()
    box.serve(1, "data", 8, ALICE, "alice", SECRET)
    wait_for("an announcement", lambda: announcements(box))
    index = box.get(f"{dvsanPortalIfIndex}.2.1")
    column = f".{IF_INDEX}.{index}"
    wire.ip("host", "link", "set", "host1", "down")
    for user in ("notify", "third"):
        down = wait_for("linkDown", lambda who=user: box.traps(LINK_DOWN, who))[0]
        assert down[column] == f"INTEGER: {index}"
    assert box.rows() == {1: ("3260", "1"), 2: ("3260", "2")}
    assert box.get(f"{dvsanMemberOperState}.0") == DEGRADED
    wait_for("the reason", lambda: box.get(TROUBLE) ==
             "portal 2 at 198.51.100.7:3260 is down: its interface has no carrier")
    assert box.reaches("192.0.2.7:3260")
    wire.ip("host", "link", "set", "host1", "up")
    for user in ("notify", "third"):
        up = wait_for("linkUp", lambda who=user: box.traps(LINK_UP, who))[0]
        assert up[column] == f"INTEGER: {index}"
    assert box.rows()[2] == ("3260", "1")
    wait_for("no trouble", lambda: box.get(TROUBLE) == "")
    wait_for("the portal to be reached", lambda: box.reaches("198.51.100.7:3260"))


def test_a_portal_follows_its_interface(wire, make):
    wire.addresses("san0", "192.0.2.7/24")
    box = make('<portal index="1" interface="san0"/>')
    box.start_receiver()
    box.start()
    box.serve(1, "data", 8, ALICE, "alice", SECRET)
    wait_for("an announcement", lambda: announcements(box))
    box.set((f"{dvsanMemberLease}.0", "u", 3600))
    generation, said = int(box.get(f"{dvsanMemberGeneration}.0")), len(box.traps(dvsanMemberAnnounce))

    wire.ip("unit", "addr", "add", "192.0.2.77/25", "dev", "san0")  # another one beside it is no news
    assert box.get(f"{dvsanMemberAddress}.0") == "udp:192.0.2.7:1161"
    wire.addresses("san0", "192.0.2.8/24")
    wait_for("the new address", lambda: box.get(f"{dvsanMemberAddress}.0") == "udp:192.0.2.8:1161")
    wait_for("tgtd to follow", lambda: box.listening() == ["192.0.2.8:3260"])
    assert box.reaches("192.0.2.8:3260")
    assert int(box.get(f"{dvsanMemberGeneration}.0")) > generation
    told = wait_for("an announcement", lambda: box.traps(dvsanMemberAnnounce)[said:])[-1]
    assert told[f".{dvsanMemberAddress}.0"] == 'STRING: "udp:192.0.2.8:1161"'

    box.agent.kill()  # what it does not see it finds when it starts
    wire.addresses("san0", "192.0.2.9/24")
    box.start_agent()
    wait_for("the new address", lambda: box.try_get(f"{dvsanMemberAddress}.0") == "udp:192.0.2.9:1161")
    wait_for("tgtd to follow", lambda: box.listening() == ["192.0.2.9:3260"])


def test_an_interface_without_an_address_is_waited_for(wire, make):
    box = make('<portal index="1" interface="san0"/><portal index="2" interface="san9"/>')
    box.start_receiver()
    box.start()
    assert box.rows() == {}
    assert box.get(f"{dvsanMemberOperState}.0", f"{dvsanMemberAddress}.0") == ["3", ""]
    wait_for("the reason", lambda: "portal 1 is not there: interface san0 " in box.get(TROUBLE))
    assert not announcements(box)
    wire.addresses("san0", "192.0.2.7/24")
    told = wait_for("the announcement", lambda: announcements(box))[0]
    assert told[f".{dvsanMemberAddress}.0"] == 'STRING: "udp:192.0.2.7:1161"'
    assert box.rows() == {1: ("3260", "1")}
    wait_for("tgtd to listen", lambda: box.listening() == ["192.0.2.7:3260"])


def test_an_address_counts_when_the_kernel_has_checked_it(wire, make):
    box = make('<portal index="1" address="2001:db8::7"/><portal index="2" interface="san1" family="ipv6" '
               'port="3261"/>', management="udp6:[%portal2]:1161")
    box.start()
    assert box.rows() == {1: ("3260", "2")}
    wire.ip("unit", "addr", "add", "2001:db8::7/64", "dev", "san1")  # for a second or two it is tentative
    wait_for("both portals", lambda: box.rows() == {1: ("3260", "1"), 2: ("3261", "1")})
    wait_for("tgtd to listen", lambda: box.listening() == ["[2001:db8::7]:3260", "[2001:db8::7]:3261"])
    assert box.get(f"{dvsanMemberAddress}.0") == "udp6:[2001:db8::7]:1161"
    wait_for("the unit to be well", lambda: box.get(f"{dvsanMemberOperState}.0") == RUNNING)


class Station:
    """dvsan-cms at the host's end of the cable."""

    def __init__(self, box):
        self.box, self.folder = box, box.dir / "cms"
        self.folder.mkdir(mode=0o700)
        for name in ("notify.auth", "notify.priv"):
            box.write(f"cms/{name}", (box.dir / name).read_text())
        for name in ("auth", "priv"):
            box.write(f"cms/provision.{name}", f"{name}-pass-of-provision\n")
        box.write("cms/cms.xml", """<cms name="station" state-dir="state">
  <http address="127.0.0.1" port="8480"/>
  <snmp listen="udp:192.0.2.1:1162">
    <notify user="notify" auth-pass-file="notify.auth" priv-pass-file="notify.priv"/>
    <provision user="provision" auth-pass-file="provision.auth" priv-pass-file="provision.priv" accept="yes"/>
  </snmp>
  <poll interval="60s" timeout="1s"/>
  <lease time="300s"/>
</cms>
""")
        self.log = self.folder / "dvsan-cms.log"
        self.process = Process("dvsan-cms", str(self.folder), [
            "ip", "netns", "exec", box.wire.host, str(BUILD / "bin/dvsan-cms"), "-c", str(self.folder / "cms.xml")])
        self.process.start()
        found = wait_for("the password", lambda: re.search(r"password[^:]*: *(\S+)", self.log.read_text()))
        box.write("cms/admin", found[1] + "\n")

    def dvsan(self, *args, check=True):
        done = self.box.wire.at_host(BUILD / "bin/dvsan", *args, "--json",
                                     env={"DVSAN_PASSWORD_FILE": str(self.folder / "admin"),
                                          "DVSAN_URL": "http://127.0.0.1:8480"})
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None

    def unit(self):
        return next(iter(self.dvsan("unit", "list", check=False) or []), None)


def test_the_station_follows_and_tells_the_hosts(wire, make):
    wire.addresses("san0", "192.0.2.7/24")
    wire.addresses("san1", "2001:db8::7/64")
    box = make('<portal index="1" interface="san0"/><portal index="2" address="2001:db8::7"/>', cms="192.0.2.1")
    station = Station(box)
    try:
        box.start()
        wait_for("the unit to join", lambda: (station.unit() or {}).get("state") == "up")
        station.dvsan("volume", "create", "data", "--size", "8M")
        box.write("cms/secret", SECRET + "\n")
        station.dvsan("host", "add", "alice", "--iqn", ALICE, "--chap-secret-file", box.dir / "cms/secret")
        station.dvsan("volume", "assign", "data", "--host", "alice")

        def portals():
            return station.dvsan("host", "connect-info", "alice")["volumes"][0]["portals"]
        assert portals() == ["192.0.2.7:3260", "[2001:db8::7]:3260"]
        # The station would poll once a minute: all that follows it learns by being told.
        wire.addresses("san0", "192.0.2.8/24")
        wait_for("the new portal", lambda: portals() == ["192.0.2.8:3260", "[2001:db8::7]:3260"])
        assert station.unit()["address"] == "udp:192.0.2.8:1161"
        event = next(e for e in station.dvsan("event", "list") if e["subject"] == "host alice" and
                     "192.0.2.8" in e["text"])
        assert event["text"] == ("reaches its volume data at 192.0.2.8:3260, [2001:db8::7]:3260 now; "
                                 "before at 192.0.2.7:3260, [2001:db8::7]:3260")
        box.tgtd.kill()
        wait_for("the station to hear of it", lambda: station.unit()["state"] == "degraded", 5)
        box.start_tgtd()
        wait_for("the station to hear of it", lambda: station.unit()["state"] == "up", 10)
    except BaseException:
        print(station.log.read_text()[-4000:])
        raise
    finally:
        station.process.kill()

"""What a thief has: of one unit's disk that unit and no more, of one host's files that host's volumes."""
import os
import shutil
import urllib.request
from urllib.error import HTTPError

import pytest

from dvsanlab.settings import NOTIFY_PORT
from test_enrol import (Keys, enrol, get, identity, inform, net_snmp,
                        new_code, notify_user, users_of_snmpd, wait_up)
from test_resize import Writer
from dvsan_oids import dvsanMemberName, dvsanMib
from support import initiators, noise, packets, patience
from support.oids import COLD_START, LINK_DOWN, SYS_UP_TIME

LAB = {"units": 2, "hosts": 2, "enrolled": True}
SECRET = "web-has-one-here"


@pytest.fixture(scope="module", autouse=True)
def in_use(lab):
    """Each host has a volume on a unit of its own, and the host web one on each unit."""
    lab.client.post("/hosts", {"name": "web", "iqn": "iqn.2026-11.test:web", "chap_secret": SECRET})
    for n in ("1", "2"):
        lab.create("v" + n, "16M", unit="unit" + n)
        lab.assign("v" + n, "host" + n)
        lab.create("web" + n, "16M", unit="unit" + n)
        lab.assign("web" + n, "web")


def of_web(lab, n):
    """How the host web reaches its volume on that unit."""
    info = lab.client.get("/hosts/web/connect-info")
    found = next(v for v in info["volumes"] if v["name"] == "web" + n)
    return {"portal": found["portals"][0], "iqn": found["iqn"], "lun": found["lun"],
            "initiator": info["iqn"], "user": info["chap_user"],
            "secret": initiators.unit_secret(SECRET, found["unit_uuid"])}


class Stolen:
    """A copy of a unit's disk, which is all that the thief has; as a unit of test_enrol's tools."""

    def __init__(self, unit, folder):
        self.name, self.address, self.folder = unit.name, unit.address, folder
        shutil.copytree(unit.folder, folder, ignore=lambda at, names: [
            n for n in names if "sock" in n or not os.access(os.path.join(at, n), os.R_OK)])

    def path(self, name):
        return os.path.join(self.folder, name)

    def files(self):
        for folder, _, names in os.walk(self.folder):
            for name in names:
                with open(os.path.join(folder, name), "rb") as f:
                    yield name, f.read()


@pytest.fixture(name="stolen", scope="module")
def fixture_stolen(lab, in_use):
    lab.run("stop", "unit1") # so that all is on it
    made = Stolen(lab.units["unit1"], os.path.join(lab.work, "stolen"))
    lab.run("start", "unit1")
    wait_up(lab)
    return made


def all_keys(lab, stolen):
    """Its users, also at engines other than those that they were made for."""
    return [k for k in [*users_of_snmpd(stolen), notify_user(lab, stolen)]
            if k.name != "dvsan-monitor"]


def test_nothing_of_others_is_on_the_disk(lab, stolen):
    two = lab.units["unit2"]
    secrets = [lab.secret(who).encode() for who in ("host2", "admin")]
    secrets += [SECRET.encode(), of_web(lab, "2")["secret"].encode()]
    for keys in [*users_of_snmpd(two), notify_user(lab, two)]:
        if keys.name != "dvsan-monitor": # the lab has one monitor for all
            secrets += [bytes.fromhex(k) for k in (keys.auth, keys.priv)]
    with open(os.path.join(lab.lab.station.folder, "state", "key"), encoding="ascii") as f:
        secrets.append(bytes.fromhex(f.read().strip()))
    found = dict(stolen.files())
    assert {"identity", "unit.db", "snmpd.conf", "unit.xml"} <= set(found)
    for name, data in stolen.files():
        for secret in secrets:
            for form in (secret, secret.hex().encode(), secret.hex().upper().encode()):
                assert form not in data, (name, form)


@pytest.mark.parametrize("what", ["get", "set", "walk"])
def test_the_other_unit_hears_nobody(lab, stolen, what):
    two = lab.units["unit2"]
    names = {k.name for k in all_keys(lab, two)} # he may know these: they are sent in the clear
    for keys in all_keys(lab, stolen):
        for name in {keys.name, *names}:
            user = Keys(name, keys.auth, keys.priv)
            target = f"udp:{two.address}:1161"
            done = {"get": lambda: get(lab, user, two),
                    "set": lambda: net_snmp(lab, "snmpset", user, target, dvsanMemberName + ".0", "s", "x"),
                    "walk": lambda: net_snmp(lab, "snmpwalk", user, target, dvsanMib)}[what]()
            assert done.returncode != 0 and not done.stdout, (user, done.stdout)
            assert "Authentication failure" in done.stderr or "Unknown user" in done.stderr, done
    assert lab.unit("unit2")["name"] == "unit2"


def test_the_monitor_changes_nothing(lab, stolen):
    """Its pass-phrases are the one thing that a lab's units share; INSTALL makes them anew on each."""
    monitor = next(k for k in users_of_snmpd(stolen) if k.name == "dvsan-monitor")
    one = lab.units["unit1"]
    assert get(lab, monitor, one).returncode == 0
    done = net_snmp(lab, "snmpset", monitor, f"udp:{one.address}:1161", dvsanMemberName + ".0", "s", "x")
    assert done.returncode != 0
    assert get(lab, monitor, lab.units["unit2"]).returncode != 0 # localised keys go nowhere else


def test_the_station_hears_what_concerns_the_unit_alone(lab, stolen):
    address, port = packets.station(lab)
    for keys in all_keys(lab, stolen):
        assert net_snmp(lab, "snmpwalk", keys, f"udp:{address}:{port}", SYS_UP_TIME).returncode != 0
    theirs, own = notify_user(lab, lab.units["unit2"]).name, notify_user(lab, stolen)
    varbinds = packets.announcement(lab.unit("unit2"), state="4")
    forged = inform(lab, Keys(theirs, own.auth, own.priv), varbinds, LINK_DOWN)
    assert forged.returncode != 0 # not even acknowledged
    assert inform(lab, own, varbinds, LINK_DOWN).returncode == 0
    patience.wait_for("the station to tell of it", lambda: any(
        "signed with another member's keys" in text for text in lab.texts()))
    assert lab.unit("unit2")["state"] == "up"


def test_the_door_and_the_api_want_what_is_not_there(lab, stolen):
    station = (lab.lab.station.address, NOTIFY_PORT)
    with noise.Member(station, noise.new_code()) as member, \
            pytest.raises(noise.RefusedError, match="no code that begins so"):
        member.ask()
    kept = identity(stolen)
    for secret in [kept["notify_keys"], kept["uuid"], *(k.auth for k in users_of_snmpd(stolen))]:
        asked = urllib.request.Request(
            f"http://{station[0]}:8480/api/v1/units", headers={"Authorization": "Bearer " + secret})
        with pytest.raises(HTTPError) as refused:
            urllib.request.urlopen(asked, timeout=60)
        refused.value.close()
        assert refused.value.code == 401


@pytest.mark.parametrize("thief, other", [("1", "2"), ("2", "1")],
                         ids=["a unit's accounts", "a host's node record"])
def test_an_account_opens_its_own_volumes_alone(lab, thief, other):
    """Those that unit1 keeps are host1's; what connect-info left on host2 is host2's."""
    own = initiators.access(lab, "host" + thief, "v" + thief)
    assert initiators.can_log_in(own)
    victim = initiators.access(lab, "host" + other, "v" + other)
    for name in ("initiator", "user", "secret"): # he may also call himself as the other one does
        assert not initiators.can_log_in({**victim, name: own[name]})
    assert not initiators.can_log_in({**victim, "user": own["user"], "secret": own["secret"]})
    assert not initiators.can_log_in({**own, **{n: victim[n] for n in ("portal", "iqn", "lun")}})
    assert initiators.can_log_in(victim)


def test_an_account_of_one_unit_opens_nothing_on_another(lab):
    here, there = (of_web(lab, n) for n in ("1", "2"))
    assert here["user"] == there["user"] and here["secret"] != there["secret"]
    assert initiators.can_log_in(here) and initiators.can_log_in(there)
    assert not initiators.can_log_in({**there, "secret": here["secret"]})
    assert not initiators.can_log_in({**here, "secret": there["secret"]})


@pytest.mark.parametrize("end", ["unassign", "rekey"])
def test_a_stolen_account_ends_under_whatever_name(lab, end):
    """tgtd takes an account with the name of any host that a volume is given to, and does not tell which
    session came by which: so none goes on, and the other hosts' sessions come again by themselves."""
    volume = "both-" + end
    lab.create(volume, "16M", unit="unit2")
    lab.assign(volume, "host1")
    lab.assign(volume, "host2")
    owner, other = (initiators.access(lab, h, volume) for h in ("host1", "host2"))
    thief = {**owner, "initiator": other["initiator"], "timeout_s": 60}
    with initiators.nbd(lab, thief, "thief") as theirs, initiators.nbd(lab, other) as uri:
        taken, writer = Writer(theirs, 2000, 100), Writer(uri, 0, 100)
        patience.wait_for("both to write", lambda: min(taken.count, writer.count) > 10)
        if end == "unassign":
            lab.unassign(volume, "host1")
        else:
            lab.dvsan("host", "rekey", "host1", "--now", "--yes", "--save-secret",
                      os.path.join(lab.work, "again.secret"))
        patience.wait_for("the thief's session to end", lambda: taken.error)
        count = writer.count
        patience.wait_for("the other host to go on", lambda: writer.count > count + 10)
        print(f"{end}: the longest write of the other host took {writer.longest * 1000:.0f} ms")
        writer.stop()
    assert not initiators.can_log_in(thief) and not initiators.can_log_in(owner)
    assert initiators.can_log_in(other)


def test_what_is_revoked_is_worth_nothing(lab, stolen):
    own = notify_user(lab, stolen)
    lab.client.ask("POST", "/units/unit1/revoke")
    assert lab.unit("unit1")["trust"] == "revoked"
    for state, trap in (("2", COLD_START), ("4", LINK_DOWN)):
        done = inform(lab, own, packets.announcement(lab.unit("unit1"), state=state), trap)
        assert done.returncode != 0, done
    assert lab.unit("unit1")["trust"] == "revoked"

    # The owner comes back by a new code, the thief does not.
    lab.run("stop", "unit1/agent")
    lab.run("stop", "unit1/snmpd")
    done = enrol(lab.units["unit1"], new_code(lab, name="unit1", again=True)["code"])
    assert done.returncode == 0, done.stderr
    lab.run("start", "unit1")
    wait_up(lab)
    assert inform(lab, own, packets.announcement(lab.unit("unit1"))).returncode != 0
    for keys in all_keys(lab, stolen):
        assert get(lab, keys, lab.units["unit1"]).returncode != 0

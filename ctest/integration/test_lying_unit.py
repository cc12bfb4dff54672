"""What the station makes of a unit that shows odd tables: by a lying unit, below a real snmpd."""
import concurrent.futures
import os
import re
import time
import socket
import unicodedata
import uuid

import pytest

from support import initiators, packets, stand
from support.liar import Liar
from support.patience import until
from support.testlab import Refused

LAB = {"units": 2, "hosts": 1}
SECONDS = 240  # until something is there, on a machine that does much else
SECRET = "abcdefghijklmnop"


@pytest.fixture(name="liar")
def fixture_liar(lab):
    """unit2, with its agent gone and a lying one in its place."""
    with Liar(lab, "unit2") as liar:
        yield liar
    forget(lab, liar)


def forget(lab, liar):
    """All that the liar brought, and itself."""
    unit = unit_of(lab, liar)
    if unit is None:
        return
    assert until(lambda: unit_of(lab, liar)["state"] in ("down", "stopped"), SECONDS)
    lab.dvsan("unit", "forget", str(liar.number), "--yes")


def unit_of(lab, liar):
    try:
        return lab.unit(str(liar.number))
    except Refused as e:
        assert e.code == "not_found"
        return None


def volumes_of(lab, liar):
    unit = unit_of(lab, liar)
    return [v for v in lab.client.get("/volumes") if unit and v["unit"] == unit["name"]]


def joins(lab, liar, volumes):
    """Announces the liar, and waits until so many of its volumes are in the pool."""
    liar.tell()
    liar.announce()
    assert until(lambda: (unit_of(lab, liar) or {}).get("volumes") == volumes, SECONDS, every=0.2), \
        unit_of(lab, liar)
    return volumes_of(lab, liar)


def station_log(lab):
    with open(os.path.join(lab.lab.station.folder, "cms.log"), encoding="utf-8", errors="replace") as f:
        return f.read()


def processor_seconds(lab):
    """What the station has computed so far."""
    return stand.computed(lab.lab.station.cms.pid())


def seen_again(lab, liar, times):
    for _ in range(times):
        before = unit_of(lab, liar)["last_seen"]
        assert until(lambda: unit_of(lab, liar)["last_seen"] not in (None, before), SECONDS, every=0.2)


# Rows that are not taken

def test_wrong_rows(lab, liar):
    good = liar.volume(1)
    for index, iqn in enumerate(("iqn.2026-11.evil:x;touch${IFS}pwned;#", "iqn.2026-11.evil:$(reboot)",
                                 "iqn.2026-11.Evil:x", "ALL", ""), 2):
        liar.volume(index, dvsanVolumeIqn=("s", iqn))
    liar.volume(20, dvsanVolumeIqn=("x", "iqn.2026-11.evil:\x1b[2J".encode().hex()))
    liar.volume(21, dvsanVolumeLun=("u", 4000000000))
    liar.volume(22, dvsanVolumePortalGroup=("u", 99))
    liar.volume(25, dvsanVolumeLun=("u", 256))
    liar.volume(23, dvsanVolumeName=("x", "00"))
    liar.volume(24, dvsanVolumeUuid=("x", "00" * 16))
    liar.rule(1, 1, "iqn.2026-11.good:one")
    liar.rule(1, 2, "iqn.2026-11.evil:x`reboot`")
    liar.rule(1, 3, "iqn.2026-11.good:three", dvsanAccessChapUser=("s", "$(reboot)"))
    for index, address in enumerate(("0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1"), 2):
        liar.portal(index, address=address)
    for index, address in enumerate(("::", "fe80::1", "ff02::1", "::ffff:192.0.2.1"), 10):
        liar.portal(index, dvsanPortalAddressType=("i", 2),
                    dvsanPortalAddress=("x", packed(address)))
    liar.medium(2, dvsanMediumName=("s", "a/b"))
    volumes = joins(lab, liar, 1)
    assert [v["uuid"] for v in volumes] == [good]
    assert [a["initiator"] for a in lab.client.get("/assignments")
            if a["volume"] == volumes[0]["name"]] == ["iqn.2026-11.good:one"]
    unit = unit_of(lab, liar)
    assert [p["address"] for p in unit["portals"]] == ["192.0.2.77"]
    assert [m["name"] for m in unit["media"]] == ["m1"]
    assert "table of volumes, index 2.0, does not follow the MIB" in station_log(lab)


def packed(address):
    return socket.inet_pton(socket.AF_INET6, address).hex()


def test_hosts_of_a_unit_that_is_forgotten(lab):
    """Those that nobody added, and only it named, go with it."""
    with Liar(lab, "unit2") as liar:
        liar.volume(1)
        for i in range(1, 6):
            liar.rule(1, i, f"iqn.2026-11.test:crowd{i}")
        joins(lab, liar, 1)
        lab.client.post("/hosts", {"name": "crowd1", "iqn": "iqn.2026-11.test:crowd1", "chap_secret": SECRET})
        assert sum("crowd" in h["iqn"] for h in lab.client.get("/hosts")) == 5
    forget(lab, liar)
    assert [h["iqn"] for h in lab.client.get("/hosts") if "crowd" in h["iqn"]] == ["iqn.2026-11.test:crowd1"]
    assert lab.events("was forgotten, with 1 volume and 4 hosts that nobody but it named")
    lab.client.delete("/hosts/crowd1")


def test_text_that_would_draw(lab, liar):
    """Escapes, direction marks and what is not seen do not reach who reads the API."""
    odd = "a\x1b]0;t\x07\u202eb\u2066c\u200bd\u2028e\ufefff\x85g"
    hexed = ("x", odd.encode().hex())
    liar.volume(1, dvsanVolumeName=hexed, dvsanVolumeOperState=("i", 4), dvsanVolumeLastError=hexed)
    liar.medium(1, dvsanMediumLastError=hexed, dvsanMediumOperState=("i", 3))
    liar.scalar("dvsanMemberSoftwareVersion", hexed)
    liar.scalar("dvsanUnitLastError", hexed)
    liar.scalar("dvsanMemberName", hexed)
    liar.is_asked = lambda: liar.get("dvsanMemberEpoch") == "1"
    joins(lab, liar, 1)
    for path in ("/units", "/volumes", "/media", "/events?limit=1000"):
        answer = str(lab.client.get(path))
        strange = {c for c in answer if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")}
        assert not strange, (path, strange)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]",
                         station_log(lab))


def test_names_that_read_as_uuids(lab, liar):
    """Who names a thing by a UUID means the thing with that UUID."""
    victim = lab.create("victim", "16M", unit="unit1")
    host = lab.client.get("/hosts/host1")
    liar.volume(1, dvsanVolumeName=("s", victim["uuid"].upper()))
    liar.rule(1, 1, f"iqn.2026-11.a:{host['uuid']}")
    liar.scalar("dvsanMemberName", ("s", lab.unit("unit1")["uuid"]))
    liar_volume = joins(lab, liar, 1)[0]
    assert liar_volume["name"] == "volume-" + victim["uuid"].upper()
    assert unit_of(lab, liar)["name"] == "unit-" + lab.unit("unit1")["uuid"]
    assert lab.volume(victim["uuid"])["name"] == "victim"
    assert lab.unit(lab.unit("unit1")["uuid"])["name"] == "unit1"
    assert lab.client.get("/hosts/" + host["uuid"])["name"] == "host1"
    for body in ({"name": victim["uuid"], "size": "16M"}, {"name": str(liar.number), "size": "16M"}):
        with pytest.raises(Refused, match="reads as a UUID"):
            lab.client.post("/volumes", body)
    lab.done(lab.client.delete("/volumes/" + victim["uuid"]))
    assert [v["uuid"] for v in volumes_of(lab, liar)] == [liar_volume["uuid"]]


# Much of it

def test_many_volumes_of_one_name(lab):
    """They are taken in with the work that other names take, and so is what comes later. The tries
    for a name are counted in test_pool.c; here the rest of the way is seen not to be quadratic."""
    def take_in(**columns):
        with Liar(lab, "unit2") as liar:
            for index in range(1, 3001):
                liar.volume(index, mib=1, **columns)
            before = processor_seconds(lab)
            volumes = joins(lab, liar, 3000)
            computed = processor_seconds(lab) - before
        forget(lab, liar)
        return volumes, computed

    _, different = take_in()
    volumes, same = take_in(dvsanVolumeName=("s", "same"))
    print(f"computed for names that differ {different:.2f} s, for one name {same:.2f} s")
    assert {v["name"] for v in volumes} == {"same"} | {f"same-{n}" for n in range(2, 3001)}
    assert same < 3 * different # quadratic, it was a hundred times that
    named = [e for e in lab.events("was found on liar and taken in") if "volume same" in e["subject"]]
    assert len(named) == 16
    assert lab.events("in all, 3000 volumes and 0 hosts were found there and taken in")


def five_looks(lab, liar):
    """What they cost: (seconds that the station computed, variables that it asked for)."""
    seen_again(lab, liar, 1)
    seconds, answered = processor_seconds(lab), liar.answered()
    seen_again(lab, liar, 5)
    return processor_seconds(lab) - seconds, liar.answered() - answered


def told_so(liar, name):
    """How often this object was written."""
    return sum(1 for oid, _ in liar.sets() if oid.startswith(liar.oids[name] + "."))


def test_a_lease_that_is_not_kept(lab, liar):
    """A unit that takes what it is told and does not show it is told again at each regular look,
    not as fast as it answers."""
    liar.volume(1)
    joins(lab, liar, 1)
    seen_again(lab, liar, 1)
    before = told_so(liar, "dvsanMemberLease")
    seen_again(lab, liar, 5)
    assert 0 < told_so(liar, "dvsanMemberLease") - before <= 10
    assert "took this station's lease and does not show it" in station_log(lab)


def test_an_order_that_is_not_carried_out(lab, liar):
    """The same of a volume that is to go, is acknowledged, and stays."""
    liar.volume(1)
    volume = joins(lab, liar, 1)[0]
    liar.keep_lease()
    liar.tell()
    lab.client.delete(f"/volumes/{volume['name']}")
    assert until(lambda: told_so(liar, "dvsanVolumeRowStatus"), SECONDS)
    seen_again(lab, liar, 1)
    before = told_so(liar, "dvsanVolumeRowStatus")
    seen_again(lab, liar, 5)
    assert told_so(liar, "dvsanVolumeRowStatus") - before <= 10


def test_many_initiators(lab, liar):
    """A unit brings as many hosts as it may, rules beyond that stay as they are, a person can still
    add hosts, and nothing goes on computing."""
    liar.volume(1, mib=1)
    liar.rule(1, 1, "iqn.2026-11.liar:1-1")
    joins(lab, liar, 1)
    few = five_looks(lab, liar)
    for volume in range(1, 161):
        liar.volume(volume, mib=1)
        for rule in range(1, 101):
            liar.rule(volume, rule, f"iqn.2026-11.liar:{volume}-{rule}")
    liar.next_generation(5)
    before = processor_seconds(lab)
    joins(lab, liar, 100)
    reading = processor_seconds(lab) - before
    assert until(lambda: lab.events("60 of its volumes are not taken in, since more than 10000 "
                                   "initiators"), SECONDS)
    lab.client.post("/hosts", {"name": "added", "iqn": "iqn.2026-11.liar:added",
                               "chap_secret": SECRET, "one_secret": True})

    def rests():  # when it never did, five looks cost many times what the reading had
        many = five_looks(lab, liar)
        print(f"computed to take all in {reading:.2f} s; five looks at few {few}, at many {many}")
        return many[1] < 3 * few[1] and many[0] < few[0] + reading
    assert until(rests, SECONDS / 4)
    lab.client.delete("/hosts/added")


# Without end

@pytest.mark.parametrize("name, value, what", [
    ("dvsanVolumeName", ("s", "x"), "more volumes than the 16384"),
    ("dvsanMediumName", ("s", "x"), "more media than the 256"),
    ("dvsanPortalPort.7", ("u", 1), "more portals than the 512"),
])
def test_endless_tables(lab, liar, name, value, what):
    column, _, index = name.partition(".")
    liar.volume(1)
    liar.endless(column, value, index and "." + index)
    at, start = len(station_log(lab)), time.monotonic()
    liar.tell()
    liar.announce()
    assert until(lambda: any(what in e["text"] for e in lab.events("announced itself at")), SECONDS)
    assert unit_of(lab, liar) is None
    lines = [line for line in station_log(lab)[at:].splitlines() if "does not follow the MIB" in line]
    # Ten a minute, the 100th and so on of up to 16,384, whose reading may take minutes.
    assert len(lines) <= 15 * (1 + (time.monotonic() - start) // 60), lines


def test_a_unit_that_turns_endless(lab, liar):
    """Its tables are left alone for a while, and are read when they are good again."""
    liar.volume(1)
    joins(lab, liar, 1)
    liar.endless("dvsanVolumeName", ("s", "x"))
    liar.next_generation(5)
    liar.tell()
    assert until(lambda: unit_of(lab, liar)["state"] == "down", SECONDS)
    assert [v["name"] for v in volumes_of(lab, liar)] == ["v1"]
    assert until(lambda: lab.events("is down: its tables have no end")
                 or lab.events("is down: it shows more volumes than the 16384"), SECONDS)
    assert liar.answered() < 100000 # some readings up to the limit, not one after the other
    liar.extra.clear()
    liar.next_generation(6)
    liar.tell()
    assert until(lambda: unit_of(lab, liar)["state"] == "up", SECONDS)


# Announcements

def test_announcements_of_units_that_do_not_exist(lab, liar):
    """Whoever has the key can announce as many as he likes: others get their place all the same,
    and he does not fill the log or the events."""
    nowhere = lab.lab.station.address.rpartition(".")[0] + ".200"
    folder = os.path.join(lab.work, "flood")
    before = len(lab.events("announced itself at"))
    liar.volume(1)
    liar.tell()

    def ghost(number):
        said = {"engine_id": "80001f8805" + f"{number:024x}", "uuid": str(uuid.uuid4()), "name": "ghost",
                "address": f"udp:{nowhere}:1161", "epoch": 1, "generation": 1, "software": "0"}
        return packets.notify(lab, packets.announcement(said), timeout=60,
                              folder=f"{folder}-{number % 8}")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda part: [ghost(n) for n in range(part, 300, 8)], range(8)))
    assert all(map(all, taken))
    liar.announce()
    assert until(lambda: unit_of(lab, liar), SECONDS)
    assert len(lab.events("announced itself at")) - before <= 20


# iSCSI names in capitals

def test_a_host_that_spells_its_name_in_capitals(lab):
    """It gets in with the spelling that was given for it and with the canonical one, and with no
    other; the name is taken in any."""
    loud, quiet = "iqn.2018-12.com.wz:TEST001", "iqn.2018-12.com.wz:test001"
    lab.client.post("/hosts", {"name": "loud", "iqn": loud, "chap_secret": SECRET, "one_secret": True})
    with pytest.raises(Refused, match="same name in another spelling") as e:
        lab.client.post("/hosts", {"name": "quiet", "iqn": quiet, "chap_secret": SECRET})
    assert e.value.code == "exists"
    lab.create("capital", "16M", unit="unit1")
    lab.assign("capital", "loud")
    info = lab.client.get("/hosts/loud/connect-info")
    assert info["iqn"] == loud
    assert loud in lab.dvsan("host", "connect-info", "loud").stdout
    volume = info["volumes"][0]
    how = {"portal": volume["portals"][0], "iqn": volume["iqn"], "lun": volume["lun"],
           "initiator": loud, "user": info["chap_user"], "secret": SECRET}
    assert initiators.can_log_in(how)
    assert initiators.can_log_in(dict(how, initiator=quiet))
    assert not initiators.can_log_in(dict(how, initiator="iqn.2018-12.com.wz:Test001"))
    lab.unassign("capital", "loud")
    assert not initiators.can_log_in(how)
    lab.done(lab.client.delete("/volumes/capital"))
    lab.client.delete("/hosts/loud")


def test_a_found_rule_in_another_spelling(lab, liar):
    """Two units that spell one name differently know one host."""
    liar.volume(1)
    liar.volume(2)
    liar.rule(1, 1, "iqn.2018-12.com.wz:Found")
    liar.rule(2, 1, "iqn.2018-12.com.wz:found")
    joins(lab, liar, 2)
    hosts = [h for h in lab.client.get("/hosts") if h["iqn"].lower() == "iqn.2018-12.com.wz:found"]
    assert len(hosts) == 1
    assert sorted(hosts[0]["volumes"]) == ["v1", "v2"]

"""Enrolment: a unit gets keys of its own by a one-time code, and they open nothing but that unit."""
import json
import os
import re
import subprocess

import pytest

from dvsan_oids import dvsanMemberName
from support import initiators, packets, patience
from support.oids import COLD_START, LINK_DOWN, SYS_UP_TIME

LAB = {"units": 2, "hosts": 1, "enrolled": True}


class Keys:
    """An SNMP user by localised keys, as a thief finds them on a unit's disk."""

    def __init__(self, name, auth, priv):
        self.name, self.auth, self.priv = name, auth, priv

    def __repr__(self):
        return self.name

    def options(self):
        return ["-v3", "-l", "authPriv", "-a", "SHA-256", "-x", "AES", "-u", self.name,
                "-3k", "0x" + self.auth, "-3K", "0x" + self.priv, "-t", "2", "-r", "1"]


def identity(unit):
    with open(unit.path("state/identity"), encoding="ascii") as f:
        return json.load(f)


def users_of_snmpd(unit):
    """All users with their keys in what snmpd keeps."""
    with open(unit.path("snmpd.state/snmpd.conf"), encoding="ascii") as f:
        text = f.read()
    found = re.findall(r"^usmUser \d+ \d+ 0x\w+ 0x(\w+) 0x\w+ \S+ \S+ 0x(\w+) \S+ 0x(\w+)", text, re.M)
    return [Keys(bytes.fromhex(name).rstrip(b"\0").decode(), auth, priv)
            for name, auth, priv in found]


def notify_user(lab, unit):
    """The unit's own user at the station."""
    del lab
    return user_of(identity(unit))


def user_of(kept):
    """The same of what an enrolment gave."""
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    number = int(kept["uuid"].replace("-", ""), 16) << 2
    name = "".join(letters[number >> 5 * (25 - i) & 31] for i in range(26))
    keys = kept["notify_keys"]
    return Keys(f"{name}-{'ab'[kept['number'] % 2]}", keys[:64], keys[64:])


def net_snmp(lab, tool, keys, target, *words):
    folder = os.path.join(lab.work, "snmp")
    os.makedirs(folder, exist_ok=True)
    return subprocess.run([tool, *keys.options(), target, *words], capture_output=True, text=True,
                          env=dict(os.environ, MIBS="", SNMPCONFPATH=folder,
                                   SNMP_PERSISTENT_DIR=folder), timeout=60, check=False)


def get(lab, keys, unit, oid=dvsanMemberName + ".0"):
    return net_snmp(lab, "snmpget", keys, f"udp:{unit.address}:1161", oid)


def inform(lab, keys, varbinds, trap=COLD_START):
    address, port = packets.station(lab)
    return net_snmp(lab, "snmpinform", keys, f"udp:{address}:{port}", "", trap, *varbinds)


def enrol(unit, code, *more):
    return unit.dvsan_unit("--enrol", code, *more, timeout=120)


def wait_up(lab, name="unit1"):
    patience.wait_for(f"{name} to be up", lambda: lab.unit(name)["state"] == "up")


# ---- What was made ----------------------------------------------------------------------------

def test_each_has_keys_of_its_own(lab):
    one, two = lab.units["unit1"], lab.units["unit2"]
    assert lab.unit("unit1")["trust"] == lab.unit("unit2")["trust"] == "enrolled"
    assert get(lab, users_of_snmpd(one)[-1], one).stdout # it is the tool that works here
    keys = [k for unit in (one, two) for user in [*users_of_snmpd(unit), notify_user(lab, unit)]
            if user.name != "dvsan-monitor" for k in (user.auth, user.priv)]
    assert len(keys) == 12 and len(set(keys)) == 12
    for unit in (one, two):
        assert not {"station_keys"} & set(identity(unit))
        assert os.stat(unit.path("state/identity")).st_mode & 0o777 == 0o600


def test_no_pass_phrase_is_on_a_units_disk(lab):
    for name in ("snmpd.conf", "unit.xml"):
        with open(lab.units["unit1"].path(name), encoding="ascii") as f:
            text = "\n".join(line for line in f.read().splitlines() if not line.startswith("#"))
        assert "dvsan-provision" not in text and "pass-file" not in text
    assert not {"notify", "provision"} & set(os.listdir(lab.lab.settings.path("secrets")))


# ---- What a thief of one unit's disk has ------------------------------------------------------

def test_keys_of_one_unit_open_no_other(lab):
    one, two = lab.units["unit1"], lab.units["unit2"]
    for keys in [*users_of_snmpd(one), notify_user(lab, one)]:
        if keys.name == "dvsan-monitor": # the lab has one monitor for all; it may only read
            continue
        done = get(lab, keys, two)
        assert done.returncode != 0 and not done.stdout, (keys, done.stdout)
        assert "Authentication failure" in done.stderr or "Unknown user name" in done.stderr, done


def test_keys_of_one_unit_are_not_the_stations(lab):
    """The station is an engine, too, and answers nobody."""
    for keys in [*users_of_snmpd(lab.units["unit1"]), notify_user(lab, lab.units["unit1"])]:
        address, port = packets.station(lab)
        done = net_snmp(lab, "snmpget", keys, f"udp:{address}:{port}", SYS_UP_TIME)
        assert done.returncode != 0 and not done.stdout


@pytest.mark.parametrize("trap", [COLD_START, LINK_DOWN])
@pytest.mark.parametrize("state", ["2", "4"], ids=["running", "good-bye"])
def test_nobody_speaks_in_anothers_name(lab, trap, state):
    victim = lab.unit("unit2")
    varbinds = packets.announcement(victim, state=state, epoch=str(victim["epoch"] + 1),
                                    address="udp:127.0.0.99:1161")
    done = inform(lab, notify_user(lab, lab.units["unit1"]), varbinds, trap)
    assert done.returncode == 0, done.stderr # the thief is known, and what he says is not believed
    patience.wait_for("the station to tell of it", lambda: any(
        "signed with another member's keys" in text for text in lab.texts()))
    now = lab.unit("unit2")
    assert (now["state"], now["address"], now["epoch"]) == ("up", victim["address"], victim["epoch"])


def test_a_new_unit_does_not_come_by_anothers_keys(lab):
    stranger = dict(lab.unit("unit2"), uuid="00000000-0000-4000-8000-000000000001", name="ghost")
    inform(lab, notify_user(lab, lab.units["unit1"]), packets.announcement(stranger))
    patience.wait_for("the station to tell of it", lambda: sum(
        "signed with another member's keys" in text for text in lab.texts()) >= 2)
    assert {u["name"] for u in lab.client.get("/units")} == {"unit1", "unit2"}


# ---- Codes ------------------------------------------------------------------------------------

@pytest.fixture
def stopped(lab):
    """unit1 with its snmpd and agent stopped; started again behind the test."""
    lab.run("stop", "unit1/agent")
    lab.run("stop", "unit1/snmpd")
    yield lab.units["unit1"]
    lab.run("start", "unit1")
    wait_up(lab)


def new_code(lab, **what):
    return lab.client.post("/codes", what)


def test_wrong_codes_are_refused_and_told(lab, stopped):
    made = new_code(lab, name="unit1", again=True)
    code = made["code"]
    mistyped = code[:-1] + ("0" if code[-1] != "0" else "1")
    done = enrol(stopped, mistyped)
    assert done.returncode == 2 and "mistyped" in done.stderr
    done = enrol(stopped, new_code(lab, name="other")["code"])
    assert done.returncode != 0 and "is enrolled already" in done.stderr \
        and "dvsan unit add unit1 --again" in done.stderr
    told, = (text for text in lab.texts() if "was refused with the code" in text and "already" in text)
    assert re.match(r"unit1 \(\S{36}\) at \S+ was refused with the code \S{5}: ", told), told
    # A second code for one name is told of the first; the CLI says how to end that.
    assert new_code(lab, name="other")["also_open"] != []
    said = lab.dvsan("unit", "add", "unit1", "--again", "--valid", "30d").stdout
    assert f"The code {made['id']} is open for unit1, too: dvsan code delete {made['id']} ends it." in said
    assert "30 days (30d) at most" in lab.dvsan("unit", "add", "third", "--valid", "31d", code=2).stderr
    assert {c["id"]: c["tries"] for c in lab.client.get("/codes")}[made["id"]] == 1000

    lab.client.delete(f"/codes/{made['id']}")
    done = enrol(stopped, code)
    assert done.returncode != 0 and "no code that begins so" in done.stderr
    late = new_code(lab, name="unit1", again=True, seconds=1)
    patience.wait_for("the code to expire", lambda: {c["id"]: c["state"] for c in lab.client.get(
        "/codes")}[late["id"]] == "expired")
    done = enrol(stopped, late["code"])
    assert done.returncode != 0 and "expired at" in done.stderr
    elsewhere = new_code(lab, name="unit1", again=True, **{"from": "192.0.2.0/24"})
    done = enrol(stopped, elsewhere["code"])
    assert done.returncode != 0 and "for addresses in 192.0.2.0/24" in done.stderr
    assert lab.unit("unit1")["trust"] == "enrolled" # with the keys that it has


def test_a_unit_that_runs_is_not_enrolled(lab):
    done = enrol(lab.units["unit1"], new_code(lab, name="unit1", again=True)["code"])
    assert done.returncode != 0 and "snmpd is running" in done.stderr


def test_enrolling_again_gives_other_keys(lab, stopped):
    """And the old ones are worth nothing, at the station and at the unit itself."""
    before = [*users_of_snmpd(stopped), notify_user(lab, stopped)]
    code = new_code(lab, name="unit1", again=True)["code"]
    done = enrol(stopped, code)
    assert done.returncode == 0, done.stderr
    after = [*users_of_snmpd(stopped), notify_user(lab, stopped)]
    assert not {k.auth for k in before if k.name != "dvsan-monitor"} & {k.auth for k in after}
    # It has them: who comes with the code now is somebody else, even if he says that he is unit1.
    done = enrol(stopped, code.lower().replace("-", " "))
    assert done.returncode != 0 and "was used at" in done.stderr and "by unit1" in done.stderr
    assert [k.auth for k in [*users_of_snmpd(stopped), notify_user(lab, stopped)]] == \
        [k.auth for k in after]
    lab.run("start", "unit1")
    wait_up(lab)
    assert identity(stopped)["number"] == 3
    for keys in before[:-1]:
        if keys.name != "dvsan-monitor":
            assert get(lab, keys, stopped).returncode != 0
    assert inform(lab, before[-1], packets.announcement(lab.unit("unit1"))).returncode != 0


# ---- It goes on -------------------------------------------------------------------------------

def test_volumes_are_made_and_used(lab):
    lab.create("e1", "16M", unit="unit1")
    lab.assign("e1", "host1")
    assert initiators.can_log_in(initiators.access(lab, "host1", "e1"))


def test_the_station_starts_again(lab):
    lab.run("stop", "cms")
    lab.run("start", "cms")
    for name in ("unit1", "unit2"):
        wait_up(lab, name)
    lab.run("stop", "unit2/agent")
    patience.wait_for("its good-bye", lambda: lab.unit("unit2")["state"] == "stopped")
    lab.run("start", "unit2/agent")
    wait_up(lab, "unit2")
    with open(os.path.join(lab.lab.station.folder, "cms.log"), encoding="utf-8") as log:
        assert "will not be taken" not in log.read() # of the traps of units with users of their own

"""An agent of another kind of member than a unit, made of what every agent has and a table of its own: what it does by
that alone, and that a station refuses its kind with a sentence."""
import os
import signal
import subprocess
import uuid

import pytest

from dvsan_oids import dvsan as ROOT, dvsanMemberAnnounce, dvsanMemberObjects as MEMBER
from support import BUILD, patience
from support.oids import COLD_START
from support.patience import wait_for
from support.snmp import SnmpError
from support.unit_box import Box, own_box

LAB = {"units": 2}
DEMO = os.path.join(BUILD, "tests", "second_agent_demo")
SERVICES, CHANGED = ROOT + ".9.1.1", ROOT + ".9.1.2"
KIND, LEASE, HOLDER, INTENT, MARK, SPIN = (f"{MEMBER}.{n}.0" for n in (2, 8, 10, 12, 13, 18))
STANDS, SHUTTING_DOWN = 2, 4


class Second(Box):
    """In the place of the unit's agent."""
    def __init__(self, *addresses):
        super().__init__(*addresses)
        self.number = uuid.uuid4()

    def start_agent(self, *before):
        (self.dir / "own").mkdir(mode=0o700)
        self.agent.argv = [*self.prefix, *before, DEMO, self.path("unit.xml"), self.path("own"), str(self.number), "web9"]
        self.agent.start()


def word(station, number):
    return [(HOLDER, "x", station), (INTENT, "u", number), (MARK, "u", 1)]


def test_what_every_agent_does():
    with own_box(Second) as box:
        box.start_snmpd()
        box.start_receiver()
        box.start_agent()
        first = wait_for("coldStart", lambda: box.traps(COLD_START))[0]
        assert first[".1.3.6.1.6.3.1.1.4.3.0"].endswith(f".{ROOT}.2.1.2")
        assert first[f".{KIND}"] == "INTEGER: 2"
        assert [first[f".{SERVICES}.3.{n}"] for n in (1, 2)] == ["INTEGER: 1"] * 2
        assert not any(oid.startswith(f".{ROOT}.1.2.") for oid in first), "it tells of volumes"
        wait_for("two repetitions", lambda: len(box.traps(dvsanMemberAnnounce)) >= 2)
        assert box.get(f"{MEMBER}.1.0") == box.number.hex
        assert box.walk(SERVICES) == {f".{SERVICES}.2.1": "web", f".{SERVICES}.2.2": "mail",
                                      f".{SERVICES}.3.1": "1", f".{SERVICES}.3.2": "1"}
        # It is led by one station, and by that one's newest word.
        box.set(*word("a1" * 16, 7), (LEASE, "u", 3600), (SPIN, "i", box.get(SPIN)))
        assert box.get(HOLDER) == "a1" * 16 and 3000 < int(box.get(LEASE)) <= 3600
        for other in (word("b2" * 16, 8), word("a1" * 16, 6)):
            with pytest.raises(SnmpError, match="noAccess"):
                box.set(*other, (LEASE, "u", 60), (SPIN, "i", box.get(SPIN)))
        # What changes of its own is told as that is in a unit.
        generation = int(box.get(f"{MEMBER}.6.0"))
        os.kill(box.agent.popen.pid, signal.SIGUSR1)
        told = wait_for("the change", lambda: box.traps(CHANGED, "third"))[0]
        assert told[f".{SERVICES}.3.1"] == f"INTEGER: {STANDS}" and told[f".{KIND}"] == "INTEGER: 2"
        assert box.get(f"{SERVICES}.3.1") == str(STANDS) and int(box.get(f"{MEMBER}.6.0")) == generation + 1
        os.kill(box.agent.popen.pid, signal.SIGTERM)
        wait_for("its good-bye", lambda: [n for n in box.traps(dvsanMemberAnnounce)
                                          if n[f".{MEMBER}.7.0"] == f"INTEGER: {SHUTTING_DOWN}"])
        wait_for("its end", lambda: not box.agent.running())
        assert box.agent.popen.returncode == 0


def second(lab, *more):
    """Below the snmpd of unit2, in the place of that unit's agent."""
    folder = os.path.join(lab.work, "second")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(lab.work, "second.log"), "ab") as log:
        return subprocess.Popen([DEMO, lab.units["unit2"].path("unit.xml"), folder, str(uuid.uuid4()), "web9", *more],
                                stdout=log, stderr=log, env=dict(os.environ, MIBS=""))


def end(process):
    process.terminate()
    assert process.wait(patience.seconds(15)) == 0


def told(lab):
    return [e for e in lab.client.get("/events?limit=1000") if e["subject"] == "host web9"]


def units(lab):
    return {u["uuid"]: u["name"] for u in lab.client.get("/units")}


def informs(lab):
    return lab.client.get("/pool")["notifications"]["informs"]


@pytest.fixture(name="place")
def fixture_place(lab):
    """Of unit2, whose agent is stopped."""
    unit = lab.units["unit2"]
    unit.stop(unit.agent)
    patience.wait_for("unit2 to be away", lambda: lab.unit("unit2")["state"] in ("stopped", "down"))
    yield unit
    unit.start()
    patience.wait_for("unit2 to be up", lambda: lab.unit("unit2")["state"] == "up")


def test_a_station_refuses_its_kind(lab, place):
    before = units(lab)
    demo = second(lab)
    try:
        event = patience.wait_for("the station to tell of it", lambda: told(lab))[0]
        assert event["severity"] == "warning" and event["text"].startswith("it announced itself from 127.")
        assert event["text"].endswith(" and is not taken into the pool: this station takes units alone")
        # It goes on announcing itself, and that is heard.
        heard = informs(lab)
        patience.wait_for("three more", lambda: informs(lab) >= heard + 3)
    finally:
        end(demo)
    assert told(lab) == [event]
    with open(os.path.join(lab.lab.station.folder, "cms.log"), encoding="utf-8") as log:
        assert len([line for line in log if "host web9: it announced itself from " in line]) == 1
    assert units(lab) == before and place.name in before.values()


def test_a_code_for_a_unit_is_not_for_it(lab, place):
    place.stop(place.snmpd)
    made = lab.client.post("/codes", {"name": "web9"})
    demo = second(lab, made["code"])
    assert demo.wait(patience.seconds(30)) != 0
    with open(os.path.join(lab.work, "second.log"), encoding="utf-8") as log:
        assert f"the code {made['id']} is for a unit, not for a host" in log.read()
    assert "identity" not in os.listdir(os.path.join(lab.work, "second"))
    assert "web9" not in units(lab).values()
    lab.client.delete(f"/codes/{made['id']}")

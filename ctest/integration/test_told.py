"""What a person is told of units that fail, are away, or are forgotten: what is so now, what was, and what is not known."""
import os
import re
import shutil
import signal

import pytest

from dvsanlab.process import kill_all
from support import initiators
from support.files import edit
from support.hanging import Hanging
from support.patience import until
from support.testlab import Refused

LAB = {"units": 2, "hosts": 2}
SECONDS = 60  # until something that is sure to come has come
VOLUMES = ("one", "two", "three")


def state_of(lab, unit):
    return lab.unit(unit)["state"]


def states(lab):
    return {u["name"]: u["state"] for u in lab.client.get("/units")}


def events(lab, after=0):
    return [(e["subject"], e["text"]) for e in lab.client.get(f"/events?limit=1000&after={after}")]


def last_event(lab):
    return lab.client.get("/events?limit=1")[-1]["id"]


@pytest.fixture(name="volumes", scope="module")
def fixture_volumes(lab):
    for name in VOLUMES:
        lab.create(name, "16M", unit="unit1")
        lab.assign(name, "host1")
    return VOLUMES


def test_one_cause_is_told_once(lab, volumes):
    unit, seen = lab.units["unit1"], lab.unit("unit1")["last_seen"]
    # What is read of a unit while it changes is told as it comes: here nothing changes any more.
    assert until(lambda: lab.unit("unit1")["last_seen"] != seen, SECONDS)
    before = last_event(lab)
    kill_all(unit.tgtds.values())
    assert until(lambda: state_of(lab, "unit1") == "degraded", SECONDS)
    assert until(lambda: all(lab.volume(v)["state"] == "failed" for v in volumes), SECONDS)
    assert "3 of its volumes cannot be served: tgtd " in lab.unit("unit1")["reason"]
    assert "3 of its volumes cannot be served" in " ".join(lab.dvsan("unit", "show", "unit1").stdout.split())
    told = events(lab, before)
    assert len(told) == 1 and told[0][0] == "unit unit1", told
    assert told[0][1].startswith("3 of its volumes have failed: tgtd "), told
    before = last_event(lab)
    unit.start(unit.tgtds[1])
    assert until(lambda: state_of(lab, "unit1") == "up", SECONDS)
    assert events(lab, before) == [("unit unit1", "is well again"),
                                   ("unit unit1", "3 of its volumes are served again")]
    assert lab.unit("unit1")["reason"] is None


def test_a_start_is_no_failure(lab, volumes):
    """Also where its first pass takes long: what is not served yet has not failed."""
    before, unit = last_event(lab), lab.units["unit1"]
    kill_all([unit.agent])
    os.kill(unit.tgtds[1].pid(), signal.SIGSTOP)
    try:
        unit.start(unit.agent)
        assert until(lambda: "failed" in (lab.volume("one")["state"], lab.volume("one")["last_state"]), SECONDS)
    finally:
        os.kill(unit.tgtds[1].pid(), signal.SIGCONT)
    assert until(lambda: state_of(lab, "unit1") == "up", SECONDS)
    assert not [e for e in events(lab, before) if e[0].startswith("volume")], events(lab, before)


def test_a_start_is_no_news_of_a_medium(lab, volumes):
    """It does not answer, before and after: that was told."""
    unit = lab.units["unit1"]
    hanging = Hanging(unit.path("media"))
    try:
        assert until(lambda: lab.client.get("/media")[0]["state"] == "failed", SECONDS)
        assert until(lambda: "has not answered since" in (lab.volume("one")["last_error"] or ""), SECONDS)
        assert lab.volume("one")["state"] == "online"
        before = last_event(lab)
        kill_all([unit.agent])
        assert until(lambda: state_of(lab, "unit1") == "down", SECONDS)
        unit.start(unit.agent)
        assert until(lambda: state_of(lab, "unit1") == "degraded", SECONDS)
        assert lab.client.get("/media")[0]["state"] == "failed"
        told = events(lab, before)
        assert not [t for _, t in told if "medium" in t or "volume" in t], told
    finally:
        hanging.answers()
    assert until(lambda: state_of(lab, "unit1") == "up", SECONDS)
    assert ("unit unit1", "its medium pool0 is well again") in events(lab, before)


def check_unknown(lab, volumes):
    """What depends on unit1 is not shown as if it were so now."""
    unit = lab.unit("unit1")
    assert not unit["current"] and unit["note"] and unit["last_seen"]
    assert {p["up"] for p in unit["portals"]} == {None}
    medium, = [m for m in lab.client.get("/media") if m["unit"] == "unit1"]
    assert (medium["state"], medium["last_state"], medium["as_of"]) == ("unknown", "online", unit["last_seen"])
    for name in volumes:
        volume = lab.volume(name)
        assert (volume["state"], volume["last_state"], volume["note"]) == ("unreachable", "online", unit["note"])
        assert volume["as_of"] == unit["last_seen"]
    rights = lab.client.get("/assignments?host=host1")
    assert {(a["state"], a["note"]) for a in rights} == {("unknown", unit["note"])}
    info = lab.client.get("/hosts/host1/connect-info")["volumes"]
    assert {(v["access"], v["note"]) for v in info} == {("unknown", unit["note"])}
    assert "unknown" in lab.dvsan("medium", "list").stdout
    assert "unknown" in lab.dvsan("host", "show", "host1").stdout
    return unit


def test_what_serves_is_told_apart_from_what_can_be_managed(lab, volumes):
    unit, how = lab.units["unit1"], initiators.access(lab, "host1", "one")
    kill_all([unit.agent])
    assert until(lambda: state_of(lab, "unit1") == "down", SECONDS)
    shown = check_unknown(lab, volumes)
    assert "its agent does not: it does not run (start it), or it hangs" in shown["note"] and "goes on serving" in shown["note"]
    assert initiators.can_log_in(how)
    kill_all(unit.processes)
    assert until(lambda: "whether it serves is not known" in lab.unit("unit1")["note"], SECONDS)
    check_unknown(lab, volumes)
    unit.start()
    assert until(lambda: state_of(lab, "unit1") == "up" and lab.unit("unit1")["current"], SECONDS)
    assert lab.unit("unit1")["note"] is None and lab.volume("one")["state"] == "online"


def test_one_that_was_stopped(lab, volumes):
    unit = lab.units["unit1"]
    unit.stop(unit.agent)
    assert until(lambda: state_of(lab, "unit1") == "stopped", SECONDS)
    shown = check_unknown(lab, volumes)
    assert shown["last_error"] == "its agent was stopped" and "was stopped" in shown["note"]


def test_what_is_in_use_is_not_forgotten_by_mistake(lab, volumes):
    with pytest.raises(Refused, match=r"one \(host1\).*only if the unit comes back.*force it") as e:
        lab.client.delete("/units/unit1")
    assert e.value.code == "conflict"
    assert len(lab.client.get("/volumes")) == len(volumes)
    assert lab.unit("unit1")["hosts"] == ["host1"]
    # What was to be taken from a host meanwhile comes back to it with the unit, which is said.
    lab.client.delete("/assignments/one/host1")
    with pytest.raises(Refused, match=r"one \(host1, which was to lose it\)"):
        lab.client.delete("/units/unit1")
    assert "is forgotten" in lab.dvsan("unit", "forget", "unit1", "--yes").stdout
    assert lab.client.get("/volumes") == lab.client.get("/assignments") == []
    assert any(s == "volume one" and "was to be unassigned from host host1" in t for s, t in events(lab))
    unit = lab.units["unit1"]
    unit.start(unit.agent)
    assert until(lambda: [v["state"] for v in lab.client.get("/volumes")] == ["online"] * len(volumes), SECONDS)
    assert {(a["volume"], a["host"]) for a in lab.client.get("/assignments")} == {(v, "host1") for v in volumes}


def end_copy(lab, uuid, folder):
    """When its file is gone, the unit says why it is degraded, and how it forgets the volume."""
    unit, file = lab.units["unit2"], os.path.join(folder, uuid + ".img")
    os.rename(file, file + ".away")
    assert until(lambda: "which is not used there" in (lab.unit("unit2")["reason"] or ""), SECONDS), lab.unit("unit2")
    assert state_of(lab, "unit2") == "degraded"
    assert "is gone" in lab.unit("unit2")["reason"]
    option = re.search(r"--forget=[-0-9a-f]+", lab.unit("unit2")["reason"])[0]
    unit.dvsan_unit(option, timeout=SECONDS).check_returncode()
    assert until(lambda: state_of(lab, "unit2") == "up", SECONDS)
    os.rename(file + ".away", file)  # and is found again


def test_what_was_left_out_is_taken_in_when_it_may_be(lab, volumes):
    """Two units show one volume; the pool's one is forgotten, also by a station that has started since."""
    uuid = lab.volume("one")["uuid"]
    ones, twos = (lab.units[u].path("media") for u in ("unit1", "unit2"))
    shutil.copy(os.path.join(ones, uuid + ".img"), os.path.join(twos, "copy"))
    os.rename(os.path.join(twos, "copy"), os.path.join(twos, uuid + ".img"))
    def warned():
        return [t for s, t in events(lab) if s == "volume one" and "unit2 shows a volume of the same UUID" in t]
    assert until(warned, SECONDS)
    assert lab.volume("one")["unit"] == "unit1"
    end_copy(lab, uuid, twos)
    lab.run("kill", "cms")
    lab.run("start", "cms")
    assert until(lambda: {u["state"] for u in lab.client.get("/units")} == {"up"}, SECONDS)
    kill_all(lab.units["unit1"].processes)
    assert until(lambda: state_of(lab, "unit1") == "down", SECONDS)
    lab.client.delete("/units/unit1?force=true")
    assert until(lambda: [v["unit"] for v in lab.client.get("/volumes") if v["uuid"] == uuid] == ["unit2"], SECONDS)


def test_a_unit_has_its_name_when_that_is_free(lab, volumes):
    one, two = lab.units["unit1"], lab.units["unit2"]
    one.start()
    assert until(lambda: states(lab).get("unit1") == "up", SECONDS)
    two.stop(two.agent)
    edit(two.path("unit.xml"), 'name="unit2"', 'name="unit1"')
    two.start(two.agent)
    assert until(lambda: [u["name"] for u in lab.client.get("/units")] == ["unit1", "unit1-2"], SECONDS)
    kill_all(one.processes)
    assert until(lambda: state_of(lab, "unit1") == "down", SECONDS)
    lab.client.delete("/units/unit1?force=true")
    assert until(lambda: [u["name"] for u in lab.client.get("/units")] == ["unit1"], SECONDS)

    # One that a person gave stays, whatever the unit calls itself.
    assert "is called attic now" in lab.dvsan("unit", "rename", "unit1", "attic").stdout
    one.start()
    assert until(lambda: states(lab) == {"attic": "up", "unit1": "up"}, SECONDS)
    lab.run("kill", "cms")
    lab.run("start", "cms")
    assert until(lambda: states(lab) == {"attic": "up", "unit1": "up"}, SECONDS)
    with pytest.raises(Refused, match="there is a unit unit1 already"):
        lab.client.ask("PATCH", "/units/attic", {"name": "unit1"})

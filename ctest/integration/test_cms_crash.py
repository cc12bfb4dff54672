"""The station may be killed at any moment: I/O goes on, the pool is the same, no task is lost."""
import os
import threading

import pytest

from dvsan_oids import dvsanVolumeName
from support import initiators
from support.patience import until
from support.testlab import Refused, Unanswered

LAB = {"units": 2, "hosts": 2}
KILLS = 12


def test_io_goes_on_without_the_station(lab):
    lab.create("busy", "64M")
    lab.assign("busy", "host1")
    how = initiators.access(lab, "host1", "busy")
    before = lab.everything()
    with initiators.writing(lab, how) as writer:
        assert writer.goes_on(), writer.error
        lab.run("kill", "cms")
        assert writer.goes_on(), writer.error
        # Also a new host's login needs no station.
        assert initiators.can_log_in(how)
        lab.run("start", "cms")
        assert until(lambda: lab.client.get("/pool")["units_up"] == 2, 10)
        assert writer.goes_on(), writer.error
    after = lab.everything()
    for what in ("volumes", "hosts", "assignments", "media", "tasks"):
        assert after[what] == before[what]


def index_of_units(lab):
    """What the units themselves hold, asked without the station: {name: rows}."""
    return {unit: sorted(lab.column(unit, dvsanVolumeName).values()) for unit in lab.units}


@pytest.mark.parametrize("n", range(KILLS))
def test_no_task_is_lost_wherever_it_is_killed(lab, n):
    """Asks for many things and kills the station while they are queued or running, each time a
    little later: all that was accepted gets done, and nothing is done twice or halfway."""
    accepted, unanswered = [], []
    names = [f"crash{n}-{i}" for i in range(8)]
    timer = threading.Timer(0.01 + 0.025 * n, lambda: lab.lab.kill(["cms"]))
    timer.start()
    try:
        for name in names:
            try:
                accepted.append((name, lab.client.post("/volumes", {"name": name, "size": "16M"})))
                accepted.append((name, lab.client.post("/assignments",
                                                       {"volume": name, "host": "host2"})))
            except (Unanswered, ConnectionError):
                unanswered.append(name)
    finally:
        timer.join()
    lab.run("start", "cms")
    assert until(lambda: lab.client.get("/pool")["units_up"] == len(lab.units), 10)
    for name, task in accepted:
        lab.done(lab.client.get(f"/tasks/{task['id']}"), 60)
    for task in lab.client.get("/tasks"):
        lab.finish(task, 60)
    volumes = {v["name"]: v for v in lab.client.get("/volumes")}
    for name in {name for name, _ in accepted}:
        assert volumes[name]["state"] == "online", volumes[name]
    for name in names:
        if name in volumes:  # also one whose request was cut off: it is whole, or it is not there
            assert volumes[name]["state"] == "online", volumes[name]
    assigned = {name for name, task in accepted if task["kind"] == "assign"}
    for name in assigned:
        assert volumes[name]["hosts"] == ["host2"]
        assert initiators.can_log_in(initiators.access(lab, "host2", name))
    shown = {name: sorted(v["name"] for v in volumes.values() if v["unit"] == name)
             for name in lab.units}
    assert index_of_units(lab) == shown
    extents_are_apart(volumes.values())
    clear(lab, names, volumes)


def extents_are_apart(volumes):
    by_place = {}
    for v in volumes:
        by_place.setdefault((v["unit"], v["medium"]), []).append((v["start_lba"], v["end_lba"]))
    for extents in by_place.values():
        extents.sort()
        for (_, end), (start, _) in zip(extents, extents[1:]):
            assert end < start, extents


def clear(lab, names, volumes):
    for name in names:
        if name in volumes:
            for host in volumes[name]["hosts"]:
                lab.unassign(name, host)
            lab.done(lab.client.delete(f"/volumes/{name}"), 60)
    assert until(lambda: not set(names) & {v["name"] for v in lab.client.get("/volumes")}, 10)


def test_unit_and_station_die_together(lab):
    volume = lab.create("both", "16M", unit="unit2")
    lab.assign("both", "host1")
    volume = lab.volume("both")
    lab.run("kill", "cms", "unit2")
    lab.run("start", "cms")
    assert until(lambda: lab.volume("both")["state"] == "unreachable", 10)
    with pytest.raises(Refused):
        lab.client.post("/volumes", {"name": "both", "size": "16M"})
    lab.run("start", "unit2")
    assert until(lambda: lab.volume("both") == volume, 10), lab.volume("both")
    assert initiators.can_log_in(initiators.access(lab, "host1", "both"))
    assert os.path.exists(os.path.join(lab.units["unit2"].folder, "media"))

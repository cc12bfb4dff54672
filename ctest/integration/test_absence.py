"""An agent that is away is answered for by its snmpd: that is no news of what the unit holds."""
import contextlib
import os
import signal
import threading

import pytest

from dvsanlab.process import kill_all
from support import initiators
from support.faults import FaultPoints, needs_faults
from support.patience import until

LAB = {"units": 1, "hosts": 1}
pytestmark = needs_faults
SECONDS = 60  # until something that is sure to come has come


def state_of(lab):
    return lab.unit("unit1")["state"]


class Absence:
    """The station has asked the unit what it is; before it reads the tables, snmpd is another one, to which
    the agent, which hangs, has not come back."""

    def __init__(self, lab, faults):
        self.lab, self.faults = lab, faults
        self.station, self.unit = lab.lab.station.cms, lab.units["unit1"]

    @contextlib.contextmanager
    def while_reading(self, cause):
        """Does what makes the station read; the block is run while the agent is away."""
        self.faults.stop_at("look.read")
        news = threading.Thread(target=cause) # which may be answered only when the station goes on
        news.start()
        assert until(self.faults.is_stopped, SECONDS)
        agent = self.unit.agent.pid()
        os.kill(agent, signal.SIGSTOP)
        try:
            kill_all([self.unit.snmpd])
            self.unit.start(self.unit.snmpd)
            os.kill(self.station.pid(), signal.SIGCONT)
            news.join(SECONDS)
            assert until(lambda: state_of(self.lab) == "down", SECONDS)
            assert self.lab.unit("unit1")["last_error"].startswith(
                ("its agent does not answer", "its agent is not running"))  # to a GET, or in a walk
            yield
        finally:
            os.kill(agent, signal.SIGCONT)
        assert until(lambda: state_of(self.lab) == "up", SECONDS)


@pytest.fixture(name="absence", scope="module")
def fixture_absence(lab):
    station = lab.lab.station
    faults = FaultPoints(station.cms)
    station.stop()
    station.start()
    assert until(lambda: state_of(lab) == "up", SECONDS)
    for name in ("kept", "ended", "changed"):
        lab.create(name, "16M")
    for name in ("kept", "ended"):
        lab.assign(name, "host1")
    return Absence(lab, faults)


def test_changes_that_could_not_be_read_are_read_later(lab, absence):
    tasks = []

    def rename():
        tasks.append(lab.client.ask("PATCH", "/volumes/changed", {"name": "renamed"}))

    with absence.while_reading(rename):
        assert lab.client.get(f"/tasks/{tasks[0]['id']}")["state"] == "running"
    lab.done(tasks[0])


def test_nothing_has_vanished_and_nothing_is_done(lab, absence):
    how = initiators.access(lab, "host1", "ended")
    unit = lab.units["unit1"]
    kill_all([unit.agent])
    tasks = [lab.client.delete("/assignments/ended/host1"), lab.client.delete("/volumes/renamed")]
    with absence.while_reading(lambda: unit.start(unit.agent)):
        assert not any("vanished" in t for t in lab.texts())
        for task in tasks:
            assert lab.client.get(f"/tasks/{task['id']}")["state"] == "running"
        assert [v["name"] for v in lab.client.get("/volumes")] == ["ended", "kept", "renamed"]
        assert [(a["volume"], a["state"]) for a in lab.client.get("/assignments")] == \
            [("ended", "revoking"), ("kept", "unknown")]
        assert initiators.can_log_in(how), "it was not ended, whatever is said of it"
    for task in tasks:
        lab.done(task)
    assert not initiators.can_log_in(how)
    assert not any("vanished" in t or "taken in" in t for t in lab.texts())
    assert initiators.can_log_in(initiators.access(lab, "host1", "kept"))

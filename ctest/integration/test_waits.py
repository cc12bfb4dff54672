"""Whatever is asked while a thing it needs is away: it ends, or tells for what it waits and what ends the wait."""
import contextlib
import os
import re
import signal

import pytest

from dvsanlab.process import kill_all
from support.files import edit
from support.patience import until
from support.testlab import Refused

LAB = {"units": 2, "hosts": 0}
SECONDS = 90  # until something that is sure to come has come
VOLUMES = ("delete", "forget", "unassign", "resize", "rename", "cancel", "host")
OVER = ("done", "failed", "cancelled")
# What a text must tell beside the reason: something to do.
WAY_OUT = re.compile(r"start it|start the unit|bring it back|ended and started|dvsan task cancel \d+"
                     r"|dvsan unit forget \w+|--forget|unassign it first|stop it first|delete it")


class Case:
    """A volume for each request, on a medium of a unit. said: what came of each request."""

    def __init__(self, lab, name, unit, medium):
        self.lab, self.name, self.unit, self.medium, self.said = lab, name, unit, medium, {}
        for what in VOLUMES:
            lab.create(self.volume(what), "8M", unit=unit, medium=medium)
            if what in ("unassign", "host"):
                host = self.volume(what)
                lab.client.post("/hosts", {"name": host, "iqn": f"iqn.2026-11.test:{host}",
                                           "chap_secret": "a-secret-of-16ch"})
                lab.assign(host, host)
        lab.client.post("/hosts", {"name": self.volume("cancel"), "iqn": f"iqn.2026-11.test:{name}-cancel",
                                   "chap_secret": "a-secret-of-16ch"})

    def volume(self, what):
        return f"{self.name}-{what}"

    def request(self, what, method, path, body=None):
        """The task, None when it was over with the answer, or the refusal's text; each names a way out while it
        does not end."""
        try:
            task = self.lab.client.ask(method, path, body)
        except Refused as e:
            assert e.code in ("conflict", "not_found"), e
            assert e.code == "not_found" or WAY_OUT.search(str(e)), str(e)
            self.said[what] = str(e)
            return str(e)
        if not task or "steps" not in task:
            return None
        told = until(lambda: self.told(task), SECONDS)  # one answer: the next may tell nothing, until a look has come
        assert told, self.now(task)
        if told["state"] not in OVER:
            assert WAY_OUT.search(told["waiting"]), told
            self.said[what] = told["waiting"]
        return told

    def now(self, task):
        return self.lab.client.get(f"/tasks/{task['id']}")

    def over(self, task):
        return self.now(task)["state"] in OVER

    def told(self, task):
        """The task, once it is over or tells for what it waits; else None."""
        now = self.now(task)
        return now if now["state"] in OVER or now["waiting"] else None

    def ends(self, task, *states):
        assert until(lambda: self.over(task), SECONDS), self.now(task)
        assert self.now(task)["state"] in states, self.now(task)

    def cancel(self, task):
        return self.lab.client.post(f"/tasks/{task['id']}/cancel", None)

    def all(self):
        """Every request, in one state of things: {what: what it came to}."""
        name, got = self.volume, {}
        got["delete"] = self.request("delete", "DELETE", f"/volumes/{name('delete')}")
        got["forget"] = self.request("forget", "POST", f"/volumes/{name('forget')}/forget")
        got["unassign"] = self.request("unassign", "DELETE", f"/assignments/{name('unassign')}/{name('unassign')}")
        got["resize"] = self.request("resize", "PATCH", f"/volumes/{name('resize')}", {"size": "16M"})
        got["rename"] = self.request("rename", "PATCH", f"/volumes/{name('rename')}", {"name": name("renamed")})
        got["cancel"] = self.request("cancel", "POST", "/assignments",
                                     {"volume": name("cancel"), "host": name("cancel")})
        got["host"] = self.request("host", "DELETE", f"/hosts/{name('host')}")
        got["revoke"] = self.request("revoke", "DELETE", f"/assignments/{name('host')}/{name('host')}")
        got["host again"] = self.request("host again", "DELETE", f"/hosts/{name('host')}")
        return got

    def forget_unit(self):
        return self.request("unit", "DELETE", f"/units/{self.unit}?force=true")

    def forget(self, what):
        """The way out of what waits for a medium; it ends also what waited before."""
        with contextlib.suppress(Refused):
            self.lab.done(self.lab.client.post(f"/volumes/{self.volume(what)}/forget", None))

    def delete_host(self, what):
        gone = f"there is no host \"{self.volume(what)}\""
        assert until(lambda: self.request(what, "DELETE", f"/hosts/{self.volume(what)}") in (None, gone), SECONDS)


def open_tasks(lab):
    return [t for state in ("queued", "running") for t in lab.client.get(f"/tasks?state={state}")]


def medium_is(lab, case, state):
    media = {m["name"]: m["state"] for m in lab.unit(case.unit)["media"]}
    return media.get(case.medium) == state


@pytest.fixture(name="cases", scope="module")
def fixture_cases(lab):
    """unit1 with two media more, one to fail and one to be taken out of the configuration."""
    for index, name in ((2, "failed"), (3, "unnamed")):
        os.makedirs(os.path.join(lab.work, name))
        lab.add_media("unit1", f'<medium index="{index}" name="{name}" kind="dir" size="256M" '
                               f'path="{os.path.join(lab.work, name)}"/>')
        assert until(lambda n=name: lab.has_medium("unit1", n), SECONDS)
    return {"failed": Case(lab, "failed", "unit1", "failed"), "unnamed": Case(lab, "unnamed", "unit1", "unnamed"),
            "hung": Case(lab, "hung", "unit1", "pool0"), "down": Case(lab, "down", "unit2", "pool0")}


def medium_away(lab, case):
    """All requests while a medium is away; then the ways out that they named."""
    got = case.all()
    assert isinstance(got["delete"], str) and "--forget" in got["delete"]
    assert got["forget"]["state"] == "done", got["forget"]
    assert isinstance(got["resize"], str)
    assert got["rename"]["state"] == "done", got["rename"]
    assert "dvsan task cancel" in case.said["cancel"]
    assert case.cancel(got["cancel"])["state"] == "cancelled"
    assert "stop it first" in case.forget_unit()
    for what in ("delete", "unassign", "host", "resize", "cancel"):
        case.forget(what)
    for what in ("unassign", "revoke"):
        case.ends(got[what], "done")
    for what in ("unassign", "host", "cancel"):
        case.delete_host(what)
    assert not open_tasks(lab)
    assert {v["name"] for v in lab.client.get("/volumes") if v["name"].startswith(case.name)} == \
        {case.volume("renamed")}


def test_a_medium_that_failed(lab, cases):
    case = cases["failed"]
    folder = os.path.join(lab.work, "failed")
    os.rename(folder, folder + ".away")
    assert until(lambda: medium_is(lab, case, "failed"), SECONDS)
    medium_away(lab, case)


def test_what_was_to_be_forgotten_is_kept_when_its_medium_is_back(lab, cases):
    """Before its unit was told to forget it; what was forgotten is taken in again."""
    case, unit, name = cases["failed"], lab.units["unit1"], cases["failed"].volume("renamed")
    folder = os.path.join(lab.work, "failed")
    kill_all([unit.agent])
    task = lab.client.post(f"/volumes/{name}/forget", None)
    os.rename(folder + ".away", folder)
    unit.start(unit.agent)
    case.ends(task, "failed")
    assert "its medium is back" in case.now(task)["error"]["detail"]
    assert until(lambda: lab.volume(name)["state"] == "online", SECONDS)
    assert until(lambda: sum(v["medium"] == "failed" for v in lab.client.get("/volumes")) == len(VOLUMES), SECONDS)
    lab.done(lab.client.delete(f"/volumes/{name}"))


def test_a_medium_that_is_not_configured(lab, cases):
    case, unit = cases["unnamed"], lab.units["unit1"]
    unit.stop(unit.agent)
    edit(unit.path("unit.xml"), re.compile(r'<medium index="3"[^>]*/>'), "")
    unit.start(unit.agent)
    assert until(lambda: medium_is(lab, case, "failed") and lab.unit("unit1")["state"] == "degraded", SECONDS)
    medium_away(lab, case)
    case.forget("renamed")
    assert until(lambda: lab.unit("unit1")["state"] == "up", SECONDS)


def test_a_tgtd_that_hangs(lab, cases):
    case, tgtd = cases["hung"], lab.units["unit1"].tgtds[1]
    os.kill(tgtd.pid(), signal.SIGSTOP)
    try:
        new = case.request("create", "POST", "/volumes", {"name": "hung-new", "size": "8M", "unit": "unit1"})
        got = case.all()
        assert new["state"] == "running" and "dvsan task cancel" in new["waiting"], new
        assert "delete it" in got["forget"]
        assert got["rename"]["state"] == "done"
        assert got["delete"]["state"] == got["unassign"]["state"] == got["revoke"]["state"] == "running"
        assert "wait for task" in got["host again"]
        assert "stop it first" in case.forget_unit()
        assert case.cancel(got["cancel"])["state"] == "cancelled"
    finally:
        os.kill(tgtd.pid(), signal.SIGCONT)
    for task in (new, got["delete"], got["unassign"], got["resize"], got["revoke"]):
        case.ends(task, "done")
    for what in ("unassign", "host"):
        case.delete_host(what)
    assert not open_tasks(lab)


def test_a_unit_that_is_down_and_forgotten(lab, cases):
    case, unit = cases["down"], lab.units["unit2"]
    kill_all(unit.processes)
    assert until(lambda: lab.unit("unit2")["state"] == "down", SECONDS)
    got = case.all()
    assert "dvsan unit forget unit2" in got["forget"]
    for what in ("delete", "unassign", "resize", "rename", "cancel", "revoke"):
        assert got[what]["state"] == "running" and "dvsan unit forget unit2" in got[what]["waiting"], got[what]
    for what in ("resize", "rename", "cancel"):
        assert case.cancel(got[what])["state"] == "cancelled"
    for what in ("delete", "unassign"):
        with pytest.raises(Refused, match="cannot be taken back.*dvsan unit forget unit2"):
            case.cancel(got[what])
    assert "wait for task" in got["host again"] and "dvsan unit forget unit2" in got["host again"]

    assert case.forget_unit() is None
    for what in ("delete", "unassign", "revoke"):
        case.ends(got[what], "failed")
    assert not open_tasks(lab)
    again = case.all()
    assert again.pop("host again") is None or again["host"] is None  # nothing holds it any more
    assert all(isinstance(said, str) or said is None for said in again.values()), again
    assert "there is no unit" in case.forget_unit()
    for what in ("unassign", "cancel"):
        case.delete_host(what)
    assert not open_tasks(lab)

"""A host gets another CHAP secret while it works: the old account is accepted until it is ended."""
import os
import threading

import pytest

from tools import initiators
from tools.testlab import until

LAB = {"units": 2, "hosts": 0}
IQN = "iqn.2026-11.lab.dvsan:web"


class Loop(threading.Thread):
    """Does something over and over until it is ended; keeps what went wrong."""

    def __init__(self, step):
        super().__init__(daemon=True)
        self.step, self.going, self.count, self.error = step, True, 0, None
        self.start()

    def run(self):
        while self.going and not self.error:
            try:
                self.step()
                self.count += 1
            except Exception as error:  # pylint: disable=broad-except
                self.error = error

    def end(self, at_least):
        """Ends it when it has done that often what it does."""
        assert until(lambda: self.error or self.count >= at_least, 60)
        self.going = False
        self.join(60)
        assert not self.error and not self.is_alive(), self.error


def previous(lab):
    return lab.dvsan_json("host", "show", "web")["previous"]


def ways(lab, secret):
    lab.secret = {"web": secret}.get
    return [initiators.access(lab, "web", f"t{n}") for n in (1, 2)]


def secret_in(path):
    with open(path, encoding="ascii") as f:
        return f.read()


@pytest.fixture(scope="module", name="old")
def _old(lab):
    """How the host reaches its volumes, one on each unit, before all."""
    path = os.path.join(lab.work, "web.secret")
    lab.dvsan("host", "add", "web", "--iqn", IQN, "--save-secret", path)
    for n in (1, 2):
        lab.create(f"t{n}", size="16M", unit=f"unit{n}")
        lab.assign(f"t{n}", "web")
    return ways(lab, secret_in(path))


def test_a_rotation_under_io(lab, old):
    data = os.path.join(lab.work, "data")
    with open(data, "wb") as f:
        f.write(os.urandom(1 << 20))

    def log_in_as_before():
        done = initiators.tool(old[0], "iscsi-inq", check=False)
        assert done.returncode == 0, done.stderr

    lab.run("kill", "unit2")  # it is away, and takes the new account when it is back
    with initiators.nbdkit(lab, old[0]) as uri:
        writer, reconnects = Loop(lambda: initiators.nbdcopy(data, uri)), Loop(log_in_as_before)
        path = os.path.join(lab.work, "web2.secret")
        said = lab.dvsan("host", "rekey", "web", "--save-secret", path).stdout
        assert "CHAP user web.2" in said and "dvsan host rekey web --finish" in said
        new = ways(lab, secret_in(path))
        assert new[0]["user"] == "web.2" and new[0]["secret"] != old[0]["secret"]
        assert until(lambda: previous(lab)["awaited_units"] == ["unit2"], 60)
        assert until(lambda: initiators.can_log_in(new[0]), 60)

        shown = lab.dvsan("host", "show", "web").stdout
        assert "web.2" in shown and "unit2" in shown and "--finish" in shown
        refused = lab.dvsan("host", "rekey", "web", "--finish", code=4).stderr
        assert "unit2" in refused and "--now" in refused
        assert "--finish" in lab.dvsan("host", "rekey", "web", code=4).stderr

        # Both are as they were after a restart of the station and of the unit's agent.
        lab.run("kill", "cms")
        lab.run("start", "cms")
        lab.run("kill", "unit1/agent")
        lab.run("start", "unit1/agent")
        assert until(lambda: lab.unit("unit1")["state"] == "up", 60)
        assert initiators.can_log_in(new[0]) and initiators.can_log_in(old[0])
        lab.run("start", "unit2")
        assert until(lambda: previous(lab)["awaited_units"] == [], 60)
        assert until(lambda: all(map(initiators.can_log_in, [*old, *new])), 60)

        reconnects.end(3)
        before = writer.count
        lab.dvsan("host", "rekey", "web", "--finish")
        assert previous(lab) is None
        for n in (0, 1):
            assert until(lambda: not initiators.can_log_in(old[n]), 60)
            assert until(lambda: initiators.can_log_in(new[n]), 60)
        writer.end(before + 2)  # a session of the old account goes on
    with initiators.nbdkit(lab, new[0]) as uri:
        copy = os.path.join(lab.work, "copy")
        initiators.nbdcopy(uri, copy)
        with open(copy, "rb") as a, open(data, "rb") as b:
            assert a.read(1 << 20) == b.read()
    events = [e["text"] for e in lab.client.get("/events") if e["subject"] == "host web"]
    assert sum("web stays valid" in text for text in events) == 1
    assert sum("web has ended" in text for text in events) == 1
    assert not [e for e in lab.client.get("/events") if "by no request" in e["text"]]


def test_at_once(lab, old):
    """Both accounts of before end, and the right way to a new volume is the new one."""
    path = os.path.join(lab.work, "web3.secret")
    before = ways(lab, secret_in(os.path.join(lab.work, "web2.secret")))
    assert "terminal" in lab.dvsan("host", "rekey", "web", "--now", code=None).stderr
    lab.dvsan("host", "rekey", "web", "--now", "--yes", "--save-secret", path)
    new = ways(lab, secret_in(path))
    assert new[0]["user"] == "web.3"
    assert until(lambda: all(map(initiators.can_log_in, new)), 60)
    assert not any(map(initiators.can_log_in, [*old, *before]))
    assert "nothing to end" in lab.dvsan("host", "rekey", "web", "--finish", code=4).stderr


def test_one_secret_becomes_another_one_on_each_unit(lab, old):
    assert old
    lab.client.post("/hosts", {"name": "all", "iqn": IQN + "-all", "chap_secret": "one-for-all-unit",
                               "one_secret": True})
    lab.secret = {"all": "one-for-all-unit"}.get
    lab.assign("t1", "all")
    before = initiators.access(lab, "all", "t1")
    lab.client.post("/hosts/all/rekey", {"chap_secret": "one-for-all-unit", "per_unit": True})
    new = initiators.access(lab, "all", "t1")
    assert new["secret"] != before["secret"] and new["user"] == "all.2"
    assert until(lambda: initiators.can_log_in(new), 60)
    assert initiators.can_log_in(before)
    # A volume that comes meanwhile takes both.
    lab.assign("t2", "all")
    assert until(lambda: lab.dvsan_json("host", "show", "all")["previous"]["awaited_units"] == [], 60)
    way = initiators.access(lab, "all", "t2")
    assert until(lambda: initiators.can_log_in(way), 60)
    assert initiators.can_log_in(dict(way, user="all", secret="one-for-all-unit"))

"""A host gets another CHAP secret while it works: the old account is accepted until it is ended."""
import contextlib
import filecmp
import os
import shutil
import threading

import pytest

from support import initiators, patience
from support.patience import until

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
    with initiators.nbd(lab, old[0]) as uri:
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
    with initiators.nbd(lab, new[0]) as uri:
        copy = os.path.join(lab.work, "copy")
        initiators.nbdcopy(uri, copy)
        with open(copy, "rb") as a, open(data, "rb") as b:
            assert a.read(1 << 20) == b.read()
    events = [e["text"] for e in lab.client.get("/events") if e["subject"] == "host web"]
    assert sum("web stays valid" in text for text in events) == 1
    assert sum("web ends on each unit" in text for text in events) == 1
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


def test_a_unit_that_is_away_is_named(lab, old):
    """There what has ended is good: nobody is to believe that it is not."""
    assert old
    lab.client.post("/hosts", {"name": "far", "iqn": IQN + "-far", "chap_secret": "first-for-far"})
    lab.assign("t2", "far")
    lab.secret = {"far": "first-for-far"}.get
    before = initiators.access(lab, "far", "t2")
    assert until(lambda: initiators.can_log_in(before), 60)
    lab.units["unit2"].stop(lab.units["unit2"].agent)  # its tgtd goes on
    patience.wait_for("unit2 to be away", lambda: not lab.unit("unit2")["current"])
    path = os.path.join(lab.work, "far.secret")
    said = lab.dvsan("host", "rekey", "far", "--now", "--yes", "--save-secret", path).stderr
    assert "what has ended opens volumes of unit2" in said
    assert initiators.can_log_in(before)
    shown = lab.dvsan_json("host", "show", "far")
    assert shown["outdated_units"] == ["unit2"] and shown["previous"] is None
    assert "Units that take what has ended" in lab.dvsan("host", "show", "far").stdout
    assert [e for e in lab.client.get("/events") if e["subject"] == "host far"
            and "may log in on unit2 by what has ended" in e["text"]]
    lab.units["unit2"].start(lab.units["unit2"].agent)
    patience.wait_for("unit2 to be told", lambda: lab.dvsan_json("host", "show", "far")["outdated_units"] == [])
    assert not initiators.can_log_in(before)
    lab.dvsan("volume", "unassign", "t2", "--host", "far", "--yes")
    lab.dvsan("host", "delete", "far", "--yes")


def test_one_secret_becomes_another_one_on_each_unit(lab, old):
    assert old
    lab.client.post("/hosts", {"name": "all", "iqn": IQN + "-all", "chap_secret": "one-for-all-unit",
                               "one_secret": True})
    lab.secret = {"all": "one-for-all-unit"}.get
    lab.assign("t1", "all")
    before = initiators.access(lab, "all", "t1")
    # What units know is made into no other secret: who has one of them could do so, too.
    told = os.path.join(lab.work, "all.secret")
    with open(os.open(told, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
        f.write("one-for-all-unit")
    refused = lab.dvsan("host", "rekey", "all", "--per-unit", "--chap-secret-file", told, code=4).stderr
    assert "that is the secret that host all has as CHAP user all, which units know" in refused
    lab.client.post("/hosts/all/rekey", {"chap_secret": "not-for-all-unit", "per_unit": True})
    lab.secret = {"all": "not-for-all-unit"}.get
    refused = lab.dvsan("host", "rekey", "all", "--now", "--yes", "--chap-secret-file", told, code=4).stderr
    assert "which units know" in refused
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


# ---- Backups ----------------------------------------------------------------------------------

class Backup:
    """A folder as it was while whoever writes there was stopped."""

    def __init__(self, lab, folder, stop, start):
        self.folder, self.stop, self.start = folder, stop, start
        self.kept = os.path.join(lab.work, f"backup{len(os.listdir(lab.work))}")
        with self.stopped():
            shutil.copytree(folder, self.kept)

    @contextlib.contextmanager
    def stopped(self):
        self.stop()
        yield
        self.start()

    def restore(self):
        with self.stopped():
            assert filecmp.dircmp(self.folder, self.kept).diff_files  # else nothing has happened since
            shutil.rmtree(self.folder)
            shutil.copytree(self.kept, self.folder)


def of_station(lab):
    return Backup(lab, os.path.join(lab.folder, "cms", "state"), lab.lab.station.stop, lab.lab.station.start)


def of_unit1(lab):
    """Without its tgtd, where the sessions are."""
    unit = lab.units["unit1"]
    return Backup(lab, unit.path("state"), lambda: unit.stop(unit.agent), lambda: unit.start(unit.agent))


def rekey(lab, number):
    """The ways by the new account, which all units have."""
    path = os.path.join(lab.work, f"web{number}.secret")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    lab.dvsan("host", "rekey", "web", "--save-secret", path)
    settled(lab)
    return ways(lab, secret_in(path))


def wait_up(lab):
    patience.wait_for("all units to be up", lambda: {u["state"] for u in lab.client.get("/units")} == {"up"})


def settled(lab):
    wait_up(lab)
    patience.wait_for("all units to have the new account", lambda: previous(lab)["awaited_units"] == [])


def opens(lab, good, bad):
    """Waits until the ways that are good open both volumes, and those that are not open none."""
    del lab
    patience.wait_for("the good ways to open", lambda: all(map(initiators.can_log_in, good)))
    patience.wait_for("the others to open nothing", lambda: not any(map(initiators.can_log_in, bad)))


def differences(lab, wanted):
    patience.wait_for("both units to show more than the store knows",
                      lambda: {u["lead"] for u in lab.client.get("/units")} == {"newer"})
    return patience.wait_for("what differs", lambda: [
        text for text in {d["text"] for d in lab.client.get("/station")["differences"]} if wanted in text])


def adopt(lab, what):
    lab.dvsan("station", "adopt", what, "--yes")
    patience.wait_for("the station to lead", lambda: {u["lead"] for u in lab.client.get("/units")} == {"leads"})


def test_a_station_restored_from_before_a_rotation(lab, old):
    """The store counts, or the units' accounts do, whose secret is asked for; I/O goes on by either."""
    assert old
    before = ways(lab, secret_in(os.path.join(lab.work, "web3.secret")))
    backup = of_station(lab)
    wait_up(lab)
    with initiators.writing(lab, before[0]) as writer:
        lost = rekey(lab, 4)
        opens(lab, [*before, *lost], [])
        backup.restore()
        assert differences(lab, "as the CHAP user web.4, and as web.3 by the store")
        adopt(lab, "store")
        opens(lab, before, lost)
        assert writer.goes_on(), writer.error

        new = rekey(lab, 4)
        opens(lab, [*before, *new], lost)
        backup.restore()
        differences(lab, "as the CHAP user web.4, and as web.3 by the store")
        adopt(lab, "units")
        mend = f"dvsan host add web --iqn {IQN} --chap-secret-file"
        shown = lab.dvsan("host", "show", "web").stdout
        assert "web.4" in shown and "web.3" in shown and mend in shown
        assert len(lab.events(mend, "host web")) == 1
        for words in (["host", "rekey", "web"], ["host", "rekey", "web", "--finish"]):
            assert mend in lab.dvsan(*words, code=4).stderr
        opens(lab, [*before, *new], lost)
        lab.dvsan(*mend.split()[1:], os.path.join(lab.work, "web4.secret"))
        settled(lab)
        opens(lab, [*before, *new], lost)
        assert writer.goes_on(), writer.error


def test_a_station_restored_from_the_middle_behind_the_finish(lab, old):
    """What was ended is not valid again."""
    assert old
    before, new = (ways(lab, secret_in(os.path.join(lab.work, f"web{n}.secret"))) for n in (3, 4))
    backup = of_station(lab)
    settled(lab)
    with initiators.writing(lab, new[0]) as writer:
        lab.dvsan("host", "rekey", "web", "--finish")
        opens(lab, new, before)
        backup.restore()
        assert differences(lab, "as the CHAP user web.3, and may by the store")
        adopt(lab, "units")
        assert previous(lab) is None and lab.dvsan_json("host", "show", "web")["secret_known"]
        assert lab.events("has the CHAP user web.4 alone, as on unit", "host web")
        opens(lab, new, before)
        assert writer.goes_on(), writer.error


def test_a_unit_restored(lab, old):
    """From before a rotation, and from its middle, before and behind the finish."""
    assert old
    before = ways(lab, secret_in(os.path.join(lab.work, "web4.secret")))
    first = of_unit1(lab)
    with initiators.writing(lab, before[0]) as writer:
        new = rekey(lab, 5)
        opens(lab, [*before, *new], [])
        middle = of_unit1(lab)
        first.restore()
        settled(lab)
        opens(lab, [*before, *new], [])
        assert writer.goes_on(), writer.error
        lab.dvsan("host", "rekey", "web", "--finish")
        opens(lab, new, before)
        middle.restore()
        opens(lab, new, before)
        assert writer.goes_on(), writer.error
    with initiators.writing(lab, new[0]) as writer:
        first.restore()
        opens(lab, new, before)
        assert writer.goes_on(), writer.error

"""A host gets another IQN while it works: the one that it had is accepted until it is ended."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import shutil

import pytest

from dvsan_oids import dvsanAccessInitiator
from support import initiators
from support.patience import until, wait_for
from support.testlab import Refused

from test_host_rekey import Loop

LAB = {"units": 2, "hosts": 0}
OLD, NEW, NEXT = (f"iqn.2026-11.lab.dvsan:{name}" for name in ("web-old", "web-new", "web-next"))
SECRET = "abcdefghijklmnop"
SECONDS = 60


def ways(lab, iqn):
    """How the host reaches its volumes, one on each unit, by that name."""
    lab.secret = {"web": SECRET}.get
    return [dict(initiators.access(lab, "web", f"t{n}"), initiator=iqn) for n in (1, 2)]


def previous(lab):
    return lab.dvsan_json("host", "show", "web")["previous_iqn"]


def admits(unit_ways):
    return all(map(initiators.can_log_in, unit_ways))


def rules(lab, unit):
    return sorted(lab.column(unit, dvsanAccessInitiator).values())


@pytest.fixture(scope="module", name="old", autouse=True)
def _old(lab):
    lab.client.post("/hosts", {"name": "web", "iqn": OLD, "chap_secret": SECRET})
    for n in (1, 2):
        lab.create(f"t{n}", size="16M", unit=f"unit{n}")
        lab.assign(f"t{n}", "web")
    return ways(lab, OLD)


def test_what_is_refused(lab):
    """Nothing is changed by it."""
    lab.client.post("/hosts", {"name": "other", "iqn": OLD + "-2", "chap_secret": SECRET})
    before = lab.client.get("/hosts")
    target = lab.volume("t1")["iqn"]
    for iqn, why in ((OLD + "-2", "host other has the IQN"), (OLD.upper().replace("IQN", "iqn"), "another spelling"),
                     (OLD, "already"), (target, "target name"), ("web", "iSCSI name"), ("", "iSCSI name")):
        with pytest.raises(Refused, match=why):
            lab.client.ask("PATCH", "/hosts/web", {"iqn": iqn})
    assert "nothing to end" in lab.dvsan("host", "change", "web", "--finish", code=4).stderr
    assert "say what to change" in lab.dvsan("host", "change", "web", code=None).stderr
    assert "terminal" in lab.dvsan("host", "change", "web", "--iqn", NEW, "--now", code=None).stderr
    assert lab.client.get("/hosts") == before and rules(lab, "unit1") == [OLD]


def test_a_change_under_io(lab, old):
    data = os.path.join(lab.work, "data")
    with open(data, "wb") as f:
        f.write(os.urandom(1 << 20))
    new = ways(lab, NEW)
    assert admits(old) and not any(map(initiators.can_log_in, new))
    lab.run("kill", "unit2")  # it is away, and lets the new one in when it is back
    with initiators.nbd(lab, old[0]) as uri:
        writer = Loop(lambda: initiators.nbdcopy(data, uri))
        said = lab.dvsan("host", "change", "web", "--iqn", NEW).stdout
        assert OLD in said and "dvsan host change web --finish" in said
        assert until(lambda: initiators.can_log_in(new[0]), SECONDS)
        assert until(lambda: previous(lab)["awaited_units"] == ["unit2"], SECONDS)
        refused = lab.dvsan("host", "change", "web", "--finish", code=4).stderr
        assert "unit2" in refused and "--now" in refused
        assert "still valid" in lab.dvsan("host", "change", "web", "--iqn", NEXT, code=4).stderr
        shown = lab.dvsan("host", "show", "web").stdout
        assert NEW in shown and OLD in shown and "unit2" in shown and "--finish" in shown
        # The previous one is nobody else's, nor to be added.
        with pytest.raises(Refused, match="may still log in as"):
            lab.client.ask("PATCH", "/hosts/other", {"iqn": OLD})
        with pytest.raises(Refused, match="may still log in as"):
            lab.client.post("/hosts", {"name": "third", "iqn": OLD, "chap_secret": SECRET})

        # All that is so in the middle is so after a crash of the station and of the unit's agent.
        lab.run("kill", "cms")
        lab.run("start", "cms")
        lab.run("kill", "unit1/agent")
        lab.run("start", "unit1/agent")
        assert until(lambda: lab.unit("unit1")["state"] == "up", SECONDS)
        assert initiators.can_log_in(new[0]) and initiators.can_log_in(old[0])
        assert until(lambda: rules(lab, "unit1") == [NEW, OLD], SECONDS)
        lab.run("start", "unit2")
        assert until(lambda: previous(lab)["awaited_units"] == [], SECONDS)
        assert until(lambda: admits(old + new), SECONDS)
        before = writer.count
        writer.end(before + 2)

    # What the host does by its new name goes on when the old one ends, and a session of that ends.
    with initiators.nbd(lab, new[0]) as uri, initiators.nbd(lab, old[1], "gone") as gone:
        writer = Loop(lambda: initiators.nbdcopy(data, uri))
        assert until(lambda: writer.count > 1, SECONDS)
        initiators.nbdcopy(data, gone)
        lab.dvsan("host", "change", "web", "--finish")
        assert previous(lab) is None
        assert until(lambda: not any(map(initiators.can_log_in, old)), SECONDS)
        with pytest.raises(Exception):
            initiators.nbdcopy(data, gone)
        assert admits(new)
        before = writer.count
        writer.end(before + 2)
        copy = os.path.join(lab.work, "copy")
        initiators.nbdcopy(uri, copy)
        with open(copy, "rb") as a, open(data, "rb") as b:
            assert a.read(1 << 20) == b.read()
    assert until(lambda: rules(lab, "unit1") == [NEW] and rules(lab, "unit2") == [NEW], SECONDS)
    assert len(lab.texts(f"{OLD} stays valid", "host web")) == 1
    assert len(lab.texts(f"{OLD} ends on each unit", "host web")) == 1
    assert not lab.texts("by no request")


def test_a_volume_that_comes_and_goes_meanwhile(lab):
    lab.client.ask("PATCH", "/hosts/web", {"iqn": NEXT})
    lab.create("t3", size="16M", unit="unit1")
    lab.assign("t3", "web")
    assert until(lambda: rules(lab, "unit1") == sorted([NEW, NEXT] * 2), SECONDS)
    lab.unassign("t3", "web")
    assert rules(lab, "unit1") == sorted([NEW, NEXT])
    # Back again: the two change places, and nothing ends.
    lab.client.ask("PATCH", "/hosts/web", {"iqn": NEW})
    assert previous(lab)["iqn"] == NEXT
    lab.client.post("/hosts/web/finish-iqn", {})
    assert until(lambda: rules(lab, "unit1") == [NEW], SECONDS)
    assert admits(ways(lab, NEW))


def test_at_once(lab):
    before = ways(lab, NEW)
    assert admits(before)
    lab.dvsan("host", "change", "web", "--iqn", NEXT, "--now", "--yes")
    assert previous(lab) is None
    new = ways(lab, NEXT)
    assert until(lambda: admits(new), SECONDS)
    assert not any(map(initiators.can_log_in, before))
    assert rules(lab, "unit1") == [NEXT]


def test_a_unit_that_is_away_is_told_of(lab):
    before = ways(lab, NEXT)
    lab.units["unit2"].stop(lab.units["unit2"].agent)  # its tgtd goes on
    wait_for("unit2 to be away", lambda: not lab.unit("unit2")["current"])
    lab.dvsan("host", "change", "web", "--iqn", NEW, "--now", "--yes")
    assert lab.texts("may log in on unit2 by what has ended", "host web")
    assert initiators.can_log_in(before[1])
    lab.units["unit2"].start(lab.units["unit2"].agent)
    assert until(lambda: admits(ways(lab, NEW)), SECONDS)
    assert not any(map(initiators.can_log_in, before))


def test_an_older_store_that_a_person_settles(lab):
    """What ended on the units ends in the store as well, when what they have counts."""
    state = os.path.join(lab.lab.station.folder, "state")
    kept = os.path.join(lab.work, "state-kept")
    lab.client.ask("PATCH", "/hosts/web", {"iqn": OLD})
    assert until(lambda: previous(lab)["awaited_units"] == [], SECONDS)
    lab.run("stop", "cms")
    shutil.copytree(state, kept)
    lab.run("start", "cms")
    assert until(lambda: lab.unit("unit2")["state"] == lab.unit("unit1")["state"] == "up", SECONDS)
    lab.client.post("/hosts/web/finish-iqn", {})
    for unit in ("unit1", "unit2"):
        assert until(lambda: rules(lab, unit) == [OLD], SECONDS)  # pylint: disable=cell-var-from-loop
    lab.run("stop", "cms")
    shutil.rmtree(state)
    shutil.copytree(kept, state)
    lab.run("start", "cms")
    assert until(lambda: {u["lead"] for u in lab.client.get("/station")["units"]} == {"newer"}, SECONDS)
    assert previous(lab)["iqn"] == NEW
    assert [d for d in lab.client.get("/station")["differences"] if f"as {NEW}, and may by the store" in d["text"]]
    lab.dvsan("station", "adopt", "units", "--yes")
    assert until(lambda: {u["lead"] for u in lab.client.get("/station")["units"]} == {"leads"}, SECONDS)
    assert previous(lab) is None and lab.texts(f"{NEW} has ended", "host web")
    assert until(lambda: rules(lab, "unit1") == [OLD], SECONDS)
    assert admits(ways(lab, OLD))


def test_a_station_that_lost_its_store(lab):
    """It finds two hosts, for which all goes on."""
    lab.client.ask("PATCH", "/hosts/web", {"iqn": NEW})
    assert until(lambda: previous(lab)["awaited_units"] == [], SECONDS)
    both = ways(lab, OLD) + ways(lab, NEW)
    assert admits(both)
    lab.lose_store()
    assert until(lambda: {h["iqn"] for h in lab.client.get("/hosts")} == {OLD, NEW}, SECONDS)
    assert until(lambda: {v["name"] for v in lab.client.get("/volumes")} >= {"t1", "t2"}, SECONDS)
    assert rules(lab, "unit1") == rules(lab, "unit2") == [NEW, OLD]
    assert admits(both)

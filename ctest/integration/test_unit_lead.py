# Who leads a unit: what dvsan-unit lets in while a station does, and what it keeps of that.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import signal

import pytest

from dvsan_oids import (dvsanAccessEntry, dvsanAccessRowStatus, dvsanMemberHeldFor, dvsanMemberHolder,
                        dvsanMemberHolderName, dvsanMemberIntent, dvsanMemberIntentMark, dvsanMemberLease,
                        dvsanMemberObjects, dvsanMemberRefusals, dvsanMemberRefused, dvsanMemberSpinLock,
                        dvsanMemberTakeOver, dvsanVolumeAdminState, dvsanVolumeEntry, dvsanVolumeName,
                        dvsanVolumeRowStatus, dvsanVolumeSize)
from support.patience import wait_for
from support.snmp import SnmpError
from support.unit_box import DESTROY, OFFLINE, ONLINE, create_set, grant_set, own_box

ALICE, SECRET = "iqn.2026-11.host:alice", "secret-of-alice"
ONE, TWO = "a1" * 16, "b2" * 16  # stations
LEASE, HOLDER, NAME, INTENT, MARK, TAKE_OVER, HELD, REFUSED, REFUSALS, SPIN = (f"{oid}.0" for oid in (
    dvsanMemberLease, dvsanMemberHolder, dvsanMemberHolderName, dvsanMemberIntent, dvsanMemberIntentMark,
    dvsanMemberTakeOver, dvsanMemberHeldFor, dvsanMemberRefused, dvsanMemberRefusals, dvsanMemberSpinLock))


def word(station, number, mark):
    return [(HOLDER, "x", station), (INTENT, "u", number), (MARK, "u", mark)]


def lease(station, number, mark, seconds=3600, name="pool one"):
    return [*word(station, number, mark), (NAME, "s", name), (LEASE, "u", seconds)]


def knowing(box, sets):
    """With the value by which a station shows that it knows what the unit was told last."""
    return [*sets, (SPIN, "i", box.get(SPIN))]


RENAME = [(f"{dvsanVolumeName}.1", "s", "other")]
UNDONE = {
    "rename": RENAME,
    "offline": [(f"{dvsanVolumeAdminState}.1", "i", 2)],
    "rename and grow": [*RENAME, (f"{dvsanVolumeSize}.1", "u", 32)],
    "destroy": [(f"{dvsanVolumeRowStatus}.2", "i", DESTROY)],
    "a rule": grant_set(2, 1, ALICE, "alice", SECRET),
    "the end of a rule": [(f"{dvsanAccessRowStatus}.1.1", "i", DESTROY)],
    "a volume with a rule": [*create_set(9, "v9", 8, "09" * 16), *grant_set(9, 1, ALICE, "alice", SECRET)],
    "a lease": [(LEASE, "u", 7)],
    "the end of the lease": [(LEASE, "u", 0)],
}


@pytest.fixture(name="box", scope="module")
def fixture_box():
    with own_box(secret=SECRET) as box:
        box.start()
        box.create(1, "v1")
        box.create(2, "v2")
        box.grant(1, 1, ALICE, "alice", SECRET)
        wait_for("both", lambda: box.volumes() == {1: ONLINE, 2: ONLINE})
        yield box


@pytest.fixture(autouse=True)
def fixture_nobody_leads(box):
    """Each test begins with a unit that nobody leads, whatever the one before has left."""
    yield
    station, number, mark = box.get(HOLDER), int(box.get(INTENT)), box.get(MARK)
    if station.strip('"'):
        box.set(*lease(station.replace(" ", ""), number, mark, 0, "nobody"))
    assert box.get(HELD) == "0"


def seen(box):
    """All that a SET could change, but for what is left of times, and what was refused."""
    found = {**box.walk(dvsanVolumeEntry), **box.walk(dvsanAccessEntry), **box.walk(dvsanMemberObjects)}
    return {oid: value for oid, value in found.items()
            if oid.strip(".") not in (LEASE, HELD, REFUSED, REFUSALS, SPIN)}


@contextlib.contextmanager
def refused(box, words):
    before, count = seen(box), int(box.get(REFUSALS))
    with pytest.raises(SnmpError) as e:
        yield
    assert "noAccess" in str(e.value), e.value
    assert words in box.get(REFUSED)
    assert int(box.get(REFUSALS)) > count
    assert seen(box) == before


def test_without_a_station_any_tool_may(box):
    box.set((LEASE, "u", 3600))  # a lease that names no station gives nobody the lead
    box.set(*RENAME)
    box.set((f"{dvsanVolumeName}.1", "s", "v1"), (f"{dvsanVolumeAdminState}.2", "i", 2))
    wait_for("offline", lambda: box.volumes()[2] == OFFLINE)
    box.set((f"{dvsanVolumeAdminState}.2", "i", 1))
    wait_for("online", lambda: box.volumes()[2] == ONLINE)


def test_while_a_station_leads_what_it_would_undo_is_refused(box):
    box.set(*knowing(box, lease(ONE, 100, 1)))
    for what in UNDONE.values():
        with refused(box, "pool one"):
            box.set(*what)
    for said in ("volume 1", "rule 1 of volume 2"):  # the log has them, too
        assert said in box.said()
    # What it would take over is not.
    box.create(3, "v3")
    wait_for("the volume", lambda: box.volumes().get(3) == ONLINE)
    box.set((f"{dvsanVolumeSize}.3", "u", 16))
    wait_for("its size", lambda: box.get(f"{dvsanVolumeSize}.3") == "16")
    # And what the station orders is done.
    box.set(*word(ONE, 101, 1), (f"{dvsanVolumeRowStatus}.3", "i", DESTROY))
    wait_for("its end", lambda: 3 not in box.volumes())
    assert box.get(INTENT) == "101"


def test_the_word_comes_first_and_stands_or_falls_with_the_rest(box):
    box.set(*knowing(box, lease(ONE, 200, 1)))
    with refused(box, "names no station"):
        box.set(*RENAME, *word(ONE, 201, 1))
    before = seen(box)
    with pytest.raises(SnmpError):  # two volumes of one name
        box.set(*word(ONE, 201, 1), (f"{dvsanVolumeName}.1", "s", "v2"))
    with pytest.raises(SnmpError):
        box.set((HOLDER, "x", ONE), (INTENT, "u", 202))  # half a word
    with pytest.raises(SnmpError):
        box.set(*word("00" * 16, 202, 1), (LEASE, "u", 60))
    assert seen(box) == before
    box.set(*word(ONE, 201, 1), *RENAME)
    box.set(*word(ONE, 201, 1), (f"{dvsanVolumeName}.1", "s", "v1"))
    assert box.get(INTENT) == "201"


def test_an_older_store_and_a_copy_are_refused(box):
    box.set(*knowing(box, lease(ONE, 300, 1)))
    for number, mark in ((299, 1), (300, 2), (0, 1)):
        with refused(box, "older store"):
            box.set(*word(ONE, number, mark), *RENAME)
        with refused(box, "older store"):
            box.set(*lease(ONE, number, mark))
    for blind in (lease(ONE, 301, 2), [*word(ONE, 301, 2), *RENAME]):
        with refused(box, "does not know"):
            box.set(*blind)
    known = knowing(box, lease(ONE, 303, 2))
    box.set(*word(ONE, 302, 1), (f"{dvsanVolumeName}.1", "s", "v1"))  # an order comes in between
    with pytest.raises(SnmpError):
        box.set(*known)
    assert box.get(INTENT) == "302"
    box.set(*knowing(box, lease(ONE, 303, 2)))  # it was started again
    with refused(box, "does not know"):
        box.set(*word(ONE, 304, 1), *RENAME)  # the copy that led before


def test_another_station_waits_or_takes_over_on_purpose(box):
    box.set(*knowing(box, lease(ONE, 400, 1)))
    with refused(box, "pool two asked for the lead"):
        box.set(*lease(TWO, 9, 9, name="pool two"))
    with refused(box, "does not lead"):
        box.set(*word(TWO, 9, 9), *RENAME)
    box.set(*knowing(box, [*lease(TWO, 9, 9, name="pool two"), (TAKE_OVER, "i", 1)]))
    assert box.get(HOLDER).replace(" ", "").lower() == TWO
    assert box.get(NAME).strip('"') == "pool two"
    assert box.get(TAKE_OVER) == "2"
    with refused(box, "does not lead"):
        box.set(*word(ONE, 401, 1), *RENAME)
    box.set(*lease(TWO, 9, 9, 1, name="pool two"))
    wait_for("the end of the lease", lambda: box.get(HELD) == "0")
    box.set(*knowing(box, lease(ONE, 400, 1)))  # nobody keeps it for ever


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGKILL])
def test_the_lead_outlives_the_agent(box, signo):
    box.set(*knowing(box, lease(ONE, 500, 5)))
    box.agent.end(signo)
    box.start_agent()
    box.wait_ready()
    assert [box.get(oid).replace(" ", "").lower() for oid in (HOLDER, INTENT, MARK)] == [ONE, "500", "5"]
    assert box.get(LEASE) == "0"  # it asks to be looked at
    assert 3000 < int(box.get(HELD)) <= 3600
    with refused(box, "pool one"):
        box.set(*RENAME)
    with refused(box, "pool one"):
        box.set(*lease(TWO, 9, 9, name="pool two"))

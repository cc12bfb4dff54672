"""What a unit is asked to end while a medium or tgtd is not well: it ends, or says for what it waits and takes the way
out that this names."""
import contextlib
import os
import signal
import sqlite3

import pytest

from dvsan_oids import (dvsanAccessLastError, dvsanMediumLastError, dvsanMediumName, dvsanMediumOperState,
                        dvsanMemberOperState, dvsanUnitLastError, dvsanVolumeForce, dvsanVolumeLastError,
                        dvsanVolumeName, dvsanVolumeRowStatus, dvsanVolumeSize, dvsanVolumeStartLba)
from support import disks
from support.database import query
from support.patience import wait_for
from support.snmp import SnmpError
from support.unit_box import ACTIVE, DEGRADED, DELETING, DESTROY, FAILED, REVOKING, RUNNING, create_set, own_box

TROUBLE = f"{dvsanUnitLastError}.0"
HOST, USER, SECRET = "iqn.2026-11.host:h", "h", "secret-of-host"
FIRST = '<medium index="1" name="m1" kind="dir" path="media" size="256M"/>'
SECOND = '<medium index="7" name="second" kind="dir" path="second" size="64M"/>'
GONE = "not in the configuration any more"


@pytest.fixture(scope="module")
def box():
    with own_box() as b:
        (b.dir / "second").mkdir()
        b.write_config(FIRST + SECOND)
        b.start()
        b.wait_medium(7)
        b.serve(1, "bystander", 8, HOST, USER, SECRET)
        yield b


def end_agent(box):
    box.agent.end()
    box.start_agent()
    wait_for("the unit's tables", lambda: box.try_get(f"{dvsanMediumOperState}.1") == "1")


@contextlib.contextmanager
def medium_failed(box):
    os.rename(box.dir / "second", box.dir / "away")
    wait_for("the medium to fail", lambda: box.get(f"{dvsanMediumOperState}.7") == "3")
    yield "is gone"
    os.rename(box.dir / "away", box.dir / "second")


@contextlib.contextmanager
def medium_not_configured(box):
    box.write_config(FIRST)
    end_agent(box)
    assert box.get(f"{dvsanMediumName}.7", f"{dvsanMediumOperState}.7") == ["second", "3"]
    assert GONE in box.get(f"{dvsanMediumLastError}.7")
    yield GONE
    if set(box.volumes()) == {1}:
        assert list(box.table(dvsanMediumName)) == ["1"], "a medium without volumes is still shown"
        assert box.get(f"{dvsanMemberOperState}.0") == RUNNING, "all that was away is forgotten, and the unit not well"
    box.write_config(FIRST + SECOND)
    end_agent(box)


@contextlib.contextmanager
def tgtd_hung(box):
    box.tgtd.popen.send_signal(signal.SIGSTOP)
    yield "tgtd"
    box.tgtd.popen.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def tgtd_dead(box):
    box.tgtd.kill()
    yield "tgtd"
    box.start_tgtd()


STATES = {f.__name__: f for f in (medium_failed, medium_not_configured, tgtd_hung, tgtd_dead)}
AWAY = ("medium_failed", "medium_not_configured")


def force(box, index):
    box.set((f"{dvsanVolumeRowStatus}.{index}", "i", DESTROY), (f"{dvsanVolumeForce}.{index}", "i", 1))


def says(box, oid, *words):
    text = box.get(oid)
    return text if all(w in text for w in words) else None


def gone(box, index):
    return index not in box.volumes()


def recorded(box):
    return {i for i, in query(box.path("state/unit.db"), "SELECT idx FROM volume")}


def delete(box, state, index, why):
    """Of a medium that is away: waits, says so, and is forgotten. Else it ends when tgtd has let go."""
    box.revoke(index, 1)
    if state == "tgtd_hung":
        wait_for("the rule to tell", lambda: says(box, f"{dvsanAccessLastError}.{index}.1", "let go", why))
        return "later"
    wait_for("the rule to end", lambda: (index, 1) not in box.rules())
    box.destroy(index)
    if state in AWAY:
        wait_for("the volume to tell", lambda: says(box, f"{dvsanVolumeLastError}.{index}", "forgotten", why))
        assert box.volumes()[index] == DELETING
        force(box, index)
    wait_for("the volume to go", lambda: gone(box, index))
    return "now"


def forget(box, state, index, why):
    if state in AWAY:
        force(box, index)
        assert gone(box, index) and (index, 1) not in box.rules()
        return "now"
    with pytest.raises(SnmpError, match="inconsistentValue"):
        force(box, index)
    return "kept"


def unassign(box, state, index, why):
    box.revoke(index, 1)
    if state == "tgtd_hung":
        wait_for("the rule to tell", lambda: says(box, f"{dvsanAccessLastError}.{index}.1", "let go", why))
        assert box.rules()[index, 1] == REVOKING
        return "kept"
    wait_for("the rule to end", lambda: (index, 1) not in box.rules())
    return "kept"


def resize(box, state, index, why):
    grow = (f"{dvsanVolumeSize}.{index}", "u", 12)
    if state in AWAY:
        with pytest.raises(SnmpError, match="resourceUnavailable"):
            box.set(grow)
    else:
        box.set(grow)
    return "kept"


def rename(box, state, index, why):
    box.set((f"{dvsanVolumeName}.{index}", "s", f"renamed{index}"))
    assert box.get(f"{dvsanVolumeName}.{index}") == f"renamed{index}"
    return "kept"


ACTS = {f.__name__: f for f in (delete, forget, unassign, resize, rename)}
NUMBERS = iter(range(10, 1000))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("act", ACTS)
def test_it_ends_or_tells_and_has_a_way_out(box, act, state):
    index = next(NUMBERS)
    uuid = "".join(f"{index:04x}" for _ in range(8))
    box.set(*create_set(index, f"v{index}", 8, uuid, medium=7))
    box.wait_volume(index, 2)
    box.grant(index, 1, HOST, USER, SECRET)
    box.wait_rule(index, 1, ACTIVE)
    with STATES[state](box) as why:
        if state in AWAY:
            wait_for("the volume to tell", lambda: says(box, f"{dvsanVolumeLastError}.{index}", why))
        result = ACTS[act](box, state, index, why)
    # When all is well again, what waited goes on, and what was forgotten is found again.
    if result == "now" and state in AWAY:
        found = wait_for("the volume to be found", lambda: [i for i, s in box.volumes().items() if i != 1 and s == 2])
        assert found == [next(NUMBERS)], "behind all that ever were"
        box.destroy(found[0])
        wait_for("the volume to go", lambda: gone(box, found[0]))
    else:
        if result == "kept":
            box.wait_volume(index, 2)
            if (index, 1) in box.rules():
                box.revoke(index, 1)
        if result != "now":
            wait_for("the rule to end", lambda: (index, 1) not in box.rules())
            box.destroy(index)
        wait_for("the volume to go", lambda: gone(box, index))
    assert recorded(box) == {1}
    box.wait_volume(1, 2)
    box.wait_rule(1, 1, ACTIVE)


def test_a_medium_that_is_too_small_for_its_volumes_fails_alone(box):
    """It does not keep the unit from starting, and is well when it has its size again."""
    for index, mib in ((900, 24), (901, 24)):
        box.set(*create_set(index, f"v{index}", mib, f"{index:032x}", medium=7))
        box.wait_volume(index, 2)
    small = SECOND.replace("64M", "40M")
    box.write_config(FIRST + small)
    end_agent(box)
    wait_for("the medium to tell", lambda: says(box, f"{dvsanMediumLastError}.7", "give it the size that it had"))
    assert box.get(f"{dvsanMediumOperState}.7") == "3"
    box.wait_volume(900, FAILED)
    box.wait_volume(1, 2)
    assert box.inquire(box.iqn(1), HOST, USER, SECRET)
    force(box, 901)  # the other way out
    box.wait_volume(900, 2)
    box.write_config(FIRST + SECOND)
    end_agent(box)
    found = wait_for("the volume to be found", lambda: [i for i, s in box.volumes().items() if i > 901 and s == 2])
    for index in (900, *found):
        box.destroy(index)
        wait_for("the volume to go", lambda index=index: gone(box, index))


def test_a_row_that_was_left_over_is_not_in_the_way(box):
    """Of a medium that is not configured any more, while its volume is on another one."""
    box.set(*create_set(905, "moved", 8, f"{905:032x}", medium=7))
    box.wait_volume(905, 2)
    box.grant(905, 1, HOST, USER, SECRET)
    box.wait_rule(905, 1, ACTIVE)
    box.write_config(FIRST + SECOND.replace('index="7" name="second"', 'index="8" name="third"'))
    end_agent(box)
    found, = wait_for("the volume where it is now", lambda: [i for i, s in box.volumes().items() if i > 905 and s == 2])
    assert gone(box, 905) and (905, 1) not in box.rules() and (found, 1) not in box.rules()
    assert "7" not in box.table(dvsanMediumName)
    box.destroy(found)
    wait_for("the volume to go", lambda: gone(box, found))
    box.write_config(FIRST + SECOND)
    end_agent(box)


def test_another_medium_at_an_index_without_volumes_may_be_taken(box):
    other = '<medium index="9" name="other" kind="dir" path="other" size="64M"/>'
    (box.dir / "other").mkdir()
    box.write_config(FIRST + SECOND + other)
    end_agent(box)
    box.wait_medium(9)
    box.write_config(FIRST + SECOND.replace('path="second"', 'path="other"'))
    end_agent(box)
    wait_for("the medium to be told apart", lambda: says(box, f"{dvsanMediumLastError}.7",
                                                         "not the medium that was there before",
                                                         "--take"))
    box.take("second")
    box.wait_medium(7)
    box.write_config(FIRST + SECOND)
    end_agent(box)
    box.take("second")
    box.wait_medium(7)


def test_a_target_of_somebody_elses_over_a_volumes_blocks(box):
    """It is left alone and told; another name of the file, as tgtd takes it, is the same file."""
    file, = (box.dir / "media").glob("*.img")
    path = os.path.relpath(file, os.readlink(f"/proc/{box.tgtd.popen.pid}/cwd"))
    box.tgtadm("-C", "0", "--mode", "target", "--op", "new", "--tid", "78", "--targetname", "iqn.2001-04.com.other:x")
    box.tgtadm("-C", "0", "--mode", "logicalunit", "--op", "new", "--tid", "78", "--lun", "1", "-b", path)
    wait_for("the unit to tell", lambda: says(box, TROUBLE, "target 78", "volume bystander", "tgtadm"))
    assert box.get(f"{dvsanMemberOperState}.0") == DEGRADED, "degraded"
    assert box.inquire(box.iqn(1), HOST, USER, SECRET)
    box.tgtadm("-C", "0", "--mode", "target", "--op", "delete", "--force", "--tid", "78")
    wait_for("the unit to be well", lambda: box.get(TROUBLE, f"{dvsanMemberOperState}.0") == ["", "2"])


@contextlib.contextmanager
def attached(file, *options):
    path = disks.attach(file, *options)
    yield path
    disks.detach(path)


def test_a_target_of_somebody_elses_over_what_lies_on_a_volumes_blocks(box):
    """A loop device over the file, or over a part of it; not one over another file."""
    file, = (box.dir / "media").glob("*.img")
    (box.dir / "other.img").write_bytes(bytes(1 << 20))
    with attached(file) as whole, attached(whole, "-o", 1 << 20, "--sizelimit", 1 << 20) as part, \
            attached(box.dir / "other.img") as other:
        for path, told in (whole, True), (part, True), (other, False):
            box.tgtadm("-C", "0", "--mode", "target", "--op", "new", "--tid", "78", "-T", "iqn.2001-04.com.other:x")
            box.tgtadm("-C", "0", "--mode", "logicalunit", "--op", "new", "--tid", "78", "--lun", "1", "-b", path)
            if told:
                wait_for("the unit to tell", lambda: says(box, TROUBLE, "target 78", "volume bystander", "tgtadm"))
            else:
                box.create(920, "pass")
                box.wait_volume(920, 2)
                assert box.get(TROUBLE) == ""
            box.tgtadm("-C", "0", "--mode", "target", "--op", "delete", "--force", "--tid", "78")
            wait_for("the unit to be well", lambda: box.get(TROUBLE, f"{dvsanMemberOperState}.0") == ["", "2"])
    box.destroy(920)
    wait_for("the volume to go", lambda: gone(box, 920))


def test_accounts_that_overlap_are_mended(box):
    for index in (910, 911):
        box.set(*create_set(index, f"v{index}", 8, f"{index:032x}", medium=7))
        box.wait_volume(index, 2)
    box.agent.end()
    with contextlib.closing(sqlite3.connect(box.dir / "state/unit.db")) as db, db:
        db.execute("UPDATE volume SET start_lba = (SELECT start_lba FROM volume WHERE idx = 910) WHERE idx = 911")
    box.start_agent()
    box.wait_ready()
    for index in (910, 911):
        box.wait_volume(index, 2)
    starts = box.get(*(f"{dvsanVolumeStartLba}.{i}" for i in (910, 911)))
    assert abs(int(starts[0]) - int(starts[1])) >= 8 * 2048
    for index in (910, 911):
        box.destroy(index)
        wait_for("the volume to go", lambda index=index: gone(box, index))

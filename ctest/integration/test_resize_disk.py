# Volumes on a disk grow, in place or by a copy, and shrink; what SNMP, the table and initiators say is the same.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import signal

import pytest

from dvsan_oids import (dvsanVolumeAdminState, dvsanVolumeBlocks, dvsanVolumeLastError, dvsanVolumeProgress,
                        dvsanVolumeSize, dvsanVolumeStartLba)
from support import unit_box
from support.disks import image, loops, partitions
from support.faults import FaultPoints, needs_faults
from support.patience import wait_for
from support.power import VolatileDisk
from support.raw_initiator import Lun
from support.snmp import SnmpError
from support.unit_box import OFFLINE, ONLINE
from test_media import HOST, MIB, SECRET, grant, io, rows, user
from test_resize import size_set, wait_free

DISK = '<medium index="1" name="d1" kind="disk" path="{}" initialise="yes"/>'
BLOCKS = 2048  # of a MiB
TAKEN_OFFLINE = 2


@pytest.fixture(name="box")
def fixture_box():
    with unit_box.own_box() as box:
        yield box


def start(box, mib=64, path="disk.img"):
    """A disk of so many MiB; its volumes can begin at 1 MiB."""
    disk = image(box.dir, mib, path)
    box.write_config(DISK.format(path))
    box.start()
    box.wait_medium(1)
    return disk


def capacity(box, index):
    """In MiB, as an initiator is told."""
    with contextlib.closing(Lun(box.portal, HOST, box.iqn(index), user(index), SECRET)) as lun:
        last = int.from_bytes(lun.command(b"\x25" + bytes(9), room=8)[:4], "big")
    return (last + 1) // BLOCKS


def place(box, index):
    first, blocks = map(int, box.get(f"{dvsanVolumeStartLba}.{index}", f"{dvsanVolumeBlocks}.{index}"))
    return first // BLOCKS, blocks // BLOCKS


def wait_place(box, index, first, mib):
    wait_for(f"volume {index} at {first}, {mib} MiB", lambda: place(box, index) == (first, mib))
    box.wait_volume(index, ONLINE)


def check_same(box, disk):
    """The table says what SNMP says, and nothing is left behind."""
    wait_for("no left-over partition", lambda: all(not p[3] for p in partitions(disk)[0].values()))
    assert {u: p[:3] for u, p in partitions(disk)[0].items()} == rows(box)


def two_volumes(box):
    """Of 8 MiB each, the first of which is in the way of nobody and the second in its."""
    box.create(1, "grows", 8)
    box.create(2, "behind", 8)
    for index in (1, 2):
        box.wait_volume(index, ONLINE)
        grant(box, index)
    assert "wrote 8388608" in io(box, 1, "write -P 0x41 0 8M", "flush")
    assert "wrote 8388608" in io(box, 2, "write -P 0x42 0 8M", "flush")


def check_data(box, mib):
    """What was written is there, and zeros behind it."""
    said = io(box, 1, "read -P 0x41 0 8M", f"read -P 0 8M {mib - 8}M")
    assert f"read {(mib - 8) * MIB}" in said and "Pattern" not in said, said
    assert "Pattern" not in io(box, 2, "read -P 0x42 0 8M")


def test_grows_in_place(box):
    disk = start(box)
    two_volumes(box)
    assert place(box, 2) == (9, 8)
    with open(disk, "r+b") as f:
        f.seek(17 * MIB)
        f.write(b"old" * MIB)
    before = list(loops(disk))
    with contextlib.closing(Lun(box.portal, HOST, box.iqn(2), user(2), SECRET)) as lun:
        box.set(*size_set(2, 24))
        wait_place(box, 2, 9, 24)
        assert lun.ended(20), "its initiator goes on with the old size"
    assert capacity(box, 2) == 24
    assert list(loops(disk)) == before
    said = io(box, 2, "read -P 0x42 0 8M", "read -P 0 8M 16M")
    assert "Pattern" not in said
    wait_free(box, (33, 63))
    check_same(box, disk)


@needs_faults
@pytest.mark.parametrize("why", ["journal", "SIGTERM"])
def test_a_growth_that_cannot_be_recorded_takes_nothing_away(box, why):
    faults = FaultPoints(box.agent)
    disk = start(box)
    two_volumes(box)
    journal, away = box.dir / "state/unit.db", box.dir / "away.db"
    target = box.iqn(2)
    with contextlib.closing(Lun(box.portal, HOST, box.iqn(2), user(2), SECRET)) as lun:
        faults.stop_at("gpt.written.change")
        box.set(*size_set(2, 24))
        wait_for("it to be there", faults.is_stopped, 60)
        assert [p[1] for p in partitions(disk)[0].values() if p[0] == 9 * BLOCKS] == [24 * BLOCKS]
        if why == "journal":
            journal.rename(away)
        else:
            box.agent.popen.send_signal(signal.SIGTERM)
        box.agent.popen.send_signal(signal.SIGCONT)
        if why == "journal":  # the second time says that the pass of the first one is over
            wait_for("two passes", lambda: box.said().count("cannot be recorded yet") >= 2, 60)
            assert place(box, 2) == (9, 8)
            assert box.volumes()[2] == ONLINE
            assert lun.pread(0, 512) == b"\x42" * 512, "the session did not stay"
    if why == "SIGTERM":  # it may have come to recording the growth before it ended
        box.agent.popen.wait(60)
        with contextlib.closing(Lun(box.portal, HOST, target, user(2), SECRET)) as lun:
            assert lun.pread(0, 512) == b"\x42" * 512
    if why == "journal":
        assert capacity(box, 2) == 8
        away.rename(journal)
    else:
        box.start_agent()
        box.wait_ready()
    wait_place(box, 2, 9, 24)
    wait_for("the new size", lambda: capacity(box, 2) == 24)
    assert "Pattern" not in io(box, 2, "read -P 0x42 0 8M", "read -P 0 8M 16M")
    check_same(box, disk)


def test_grows_by_a_copy_when_it_is_forced(box):
    disk = start(box)
    two_volumes(box)
    with pytest.raises(SnmpError, match="inconsistentValue"):
        box.set(*size_set(1, 16))
    assert "it must be copied to grow" in box.said()
    with pytest.raises(SnmpError, match="resourceUnavailable"):
        box.set(*size_set(1, 48, force=True))
    assert "in one piece" in box.said()
    assert place(box, 1) == (1, 8)
    check_same(box, disk)

    lun = Lun(box.portal, HOST, box.iqn(1), user(1), SECRET)
    box.set(*size_set(1, 16, force=True))
    wait_place(box, 1, 17, 16)
    assert lun.ended(5)
    lun.close()
    box.wait_rule(1, 1, unit_box.ACTIVE)
    assert capacity(box, 1) == 16
    assert int(box.get(f"{dvsanVolumeSize}.1")) == 16
    check_data(box, 16)
    wait_free(box, (1, 9), (33, 63))
    check_same(box, disk)
    with open(disk, "rb") as f:
        f.seek(MIB)
        assert f.read(8 * MIB) == bytes(8 * MIB), "what it held is left where it was"

    # Out of use already: nothing needs force. And back to where it began.
    box.set((f"{dvsanVolumeAdminState}.1", "i", TAKEN_OFFLINE))
    box.wait_volume(1, OFFLINE)
    box.create(3, "wall", 8)
    box.wait_volume(3, ONLINE)
    box.create(4, "wall-behind", 8)
    box.wait_volume(4, ONLINE)
    assert (place(box, 3), place(box, 4)) == ((1, 8), (33, 8))
    box.set(*size_set(1, 20))
    wait_for("the move", lambda: place(box, 1) == (41, 20))
    box.set((f"{dvsanVolumeAdminState}.1", "i", 1))
    box.wait_volume(1, ONLINE)
    box.wait_rule(1, 1, unit_box.ACTIVE)
    check_data(box, 20)
    wait_free(box, (17, 33), (61, 63))
    check_same(box, disk)


def test_shrinks_by_force_alone(box):
    disk = start(box)
    two_volumes(box)
    with pytest.raises(SnmpError, match="inconsistentValue"):
        box.set(*size_set(2, 4))
    box.set(*size_set(2, 4, force=True))
    wait_place(box, 2, 9, 4)
    box.wait_rule(2, 1, unit_box.ACTIVE)
    assert capacity(box, 2) == 4
    assert "Pattern" not in io(box, 2, "read -P 0x42 0 4M")
    check_same(box, disk)
    box.set(*size_set(2, 8))
    wait_place(box, 2, 9, 8)
    said = io(box, 2, "read -P 0x42 0 4M", "read -P 0 4M 4M")
    assert "Pattern" not in said
    check_same(box, disk)


@pytest.fixture
def slow(box):
    """A disk that takes seconds to copy a volume of 48 MiB, which is full of 0x41; 56 MiB are behind it."""
    disk = VolatileDisk(str(box.dir), 192, rate="80M")
    try:
        disk.power_on()
        box.write_config(DISK.format(disk.path))
        box.start()
        box.wait_medium(1)
        box.create(1, "long", 48)
        box.create(2, "other", 8)
        for index in (1, 2):
            box.wait_volume(index, ONLINE)
            grant(box, index)
        assert "wrote 50331648" in io(box, 1, "write -P 0x41 0 48M", "flush")
        yield disk
    finally:
        for process in (box.agent, box.tgtd):
            if process:
                process.kill()
        disk.cut()
        disk.clean()


def test_a_long_copy_holds_up_nothing_else(box, slow):
    del slow
    box.set(*size_set(1, 64, force=True))
    box.wait_volume(1, OFFLINE)
    assert "being copied" in box.get(f"{dvsanVolumeLastError}.1")
    wait_for("progress", lambda: 0 < int(box.get(f"{dvsanVolumeProgress}.1")) < 100)
    assert box.rules()[(1, 1)] == unit_box.PENDING
    box.revoke(1, 1)
    box.revoke(2, 1)
    wait_for("no rules", lambda: not box.rules())
    assert box.volumes()[1] == OFFLINE, "the copy was too fast to show anything"
    box.create(3, "made-meanwhile", 8)
    box.wait_volume(3, ONLINE)
    assert box.volumes()[1] == OFFLINE, "the copy was too fast to show anything"
    wait_place(box, 1, 57, 64)
    grant(box, 1)
    assert "Pattern" not in io(box, 1, "read -P 0x41 0 48M", "read -P 0 48M 16M")


def test_a_volume_that_is_deleted_while_it_is_copied(box, slow):
    box.set(*size_set(1, 64, force=True))
    box.wait_volume(1, OFFLINE)
    box.revoke(1, 1)
    wait_for("no rule", lambda: (1, 1) not in box.rules())
    box.destroy(1)
    wait_for("the volume to be gone", lambda: list(box.volumes()) == [2])
    wait_free(box, (1, 49), (57, 191))
    check_same(box, slow.path)

# Disks and devices as media of a real unit, and media of all kinds that fail and come back.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import os
import pathlib
import re
import subprocess
import time

import pytest

from dvsan_oids import (dvsanMediumBlocks, dvsanMediumLastError, dvsanMediumOperState, dvsanMediumOvercommitted,
                        dvsanMediumReserves, dvsanMediumStorageBlocks, dvsanMediumStorageFreeBlocks, dvsanVolumeBlocks,
                        dvsanVolumeLastError, dvsanVolumeName, dvsanVolumeSize, dvsanVolumeStartLba, dvsanVolumeThin,
                        dvsanVolumeUuid)
from support import disks, unit_box
from support.crash_box import raw_uuid
from support.disks import image, loops, partitions
from support.patience import wait_for
from support.raw_initiator import CheckCondition, Lun
from support.snmp import SnmpError
from support.unit_box import FAILED, ONLINE

HOST, SECRET = "iqn.2026-11.test.host:media", "a-secret-of-16ch"
MIB = 1 << 20
DISK = '<medium index="1" name="d1" kind="disk" path="disk.img" initialise="yes"/>'


@pytest.fixture
def box():
    """A unit that is not started yet; more by box.another()."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(unit_box.own_box())
        first.another = lambda: stack.enter_context(unit_box.own_box(name="unit2"))
        yield first


def rows(box):
    """The volume table: UUID -> (start, blocks, name)."""
    return {raw_uuid(number): (int(start), int(blocks), name)
            for number, start, blocks, name in box.table(
                dvsanVolumeUuid, dvsanVolumeStartLba, dvsanVolumeBlocks, dvsanVolumeName).values()}


def error_of(box, index):
    return box.get(f"{dvsanVolumeLastError}.{index}")


def poke(box, index=1):
    """Has the unit look at its media now, as it does every few seconds by itself."""
    name = box.get(f"{dvsanVolumeName}.{index}")
    box.set((f"{dvsanVolumeName}.{index}", "s", name + "."))
    box.set((f"{dvsanVolumeName}.{index}", "s", name))


def io(box, index, *commands):
    """qemu-io on a volume, as a host that may use it."""
    target = f"driver=iscsi,transport=tcp,portal={box.portal}:3260,target={box.iqn(index)},lun=1," \
             f"user={user(index)},password={SECRET},initiator-name={HOST}"
    args = [a for c in commands for a in ("-c", c)]
    done = subprocess.run(["qemu-io", "--image-opts", *args, target], capture_output=True, text=True,
                          timeout=120, check=False)
    return done.stdout + done.stderr


def user(index):
    return f"user{index}"


def grant(box, index):
    box.grant(index, 1, HOST, user(index), SECRET)
    box.wait_rule(index, 1, unit_box.ACTIVE)


# ---- Disks

def test_the_partition_table_is_the_volume_table(box):
    disk = image(box.dir, 256)
    box.write_config(DISK)
    box.start()
    for index, mib in ((1, 8), (2, 16), (3, 32)):
        box.create(index, f"volume-{index}-of-the-table", mib)
    for index in (1, 2, 3):
        box.wait_volume(index, ONLINE)
    assert {u: p[:3] for u, p in partitions(disk)[0].items()} == rows(box)
    assert sorted(r[0] for r in rows(box).values()) == [2048, 2048 + 16384, 2048 + 16384 + 32768]

    grant(box, 2)
    assert "wrote 65536" in io(box, 2, "write -P 0x5a 0 64k", "flush")
    start = 2048 + 16384
    with open(disk, "rb") as f:
        f.seek(start * 512)
        assert f.read(65536) == b"\x5a" * 65536

    # Deleted: cleared and gone; made again over the same blocks: nothing is found.
    box.revoke(2, 1)
    box.wait_volume(2, ONLINE)
    wait_for("no rule", lambda: not box.rules())
    box.destroy(2)
    wait_for("the volume to be gone", lambda: 2 not in box.volumes())
    assert {u: p[:3] for u, p in partitions(disk)[0].items()} == rows(box)
    with open(disk, "rb") as f:
        f.seek(start * 512)
        assert f.read(16 * MIB) == bytes(16 * MIB)
    box.create(4, "again", 16)
    box.wait_volume(4, ONLINE)
    assert int(box.get(f"{dvsanVolumeStartLba}.4")) == start
    grant(box, 4)
    assert "Pattern verification failed" not in io(box, 4, "read -P 0 0 16M")

    # Renamed there, too.
    box.set((f"{dvsanVolumeName}.1", "s", "renamed"))
    wait_for("the partition's name", lambda: "renamed" in [p[2] for p in partitions(disk)[0].values()])


def test_a_crash_leaves_no_loop_device(box):
    disk = image(box.dir, 64)
    box.write_config(DISK)
    box.start()
    box.create(1, "one", 8)
    box.wait_volume(1, ONLINE)
    before = list(loops(disk))
    assert len(before) == 1
    box.agent.kill()
    box.start_agent()
    box.wait_ready()
    box.wait_volume(1, ONLINE)
    assert list(loops(disk)) == before
    box.agent.kill()
    box.tgtd.kill()
    wait_for("no loop device", lambda: not loops(disk))


@pytest.fixture
def slow(box):
    """A file system that can only be cleared by writing, so that it takes long."""
    where = box.dir / "slow"
    where.mkdir()
    subprocess.run(["mount", "-t", "ramfs", "none", where], check=True)
    yield where
    for process in (box.agent, box.tgtd):
        process.kill()
    subprocess.run(["umount", "-l", where], check=True)


def test_killed_half_way_through_a_delete_nothing_is_left(box, slow):
    mib, last = 1536, 1535
    disk = image(slow, mib + 8)
    box.write_config('<medium index="1" name="d1" kind="disk" path="slow/disk.img" initialise="yes"/>')
    box.start()
    box.wait_medium(1)
    box.create(1, "secret", mib)
    box.wait_volume(1, ONLINE)
    start = int(box.get(f"{dvsanVolumeStartLba}.1")) * 512
    grant(box, 1)
    assert "wrote 65536" in io(box, 1, f"write -P 0x77 {last}M 64k", "write -P 0x77 0 64k", "flush")
    box.revoke(1, 1)
    wait_for("no rule", lambda: not box.rules())
    box.destroy(1)

    def first_bytes():
        with open(disk, "rb") as f:
            f.seek(start)
            return f.read(16)

    wait_for("the clearing to begin", lambda: first_bytes() == bytes(16))
    box.agent.kill()
    assert [p[3] for p in partitions(disk)[0].values()] == ["GUID:48"]
    with open(disk, "rb") as f:
        f.seek(start + last * MIB)
        assert f.read(16) == b"\x77" * 16, "the kill came too late to show anything"
    box.start_agent()
    box.wait_ready()
    wait_for("the volume to be gone", lambda: not box.volumes())
    assert not partitions(disk)[0]
    box.create(2, "again", mib)
    box.wait_volume(2, ONLINE)
    assert int(box.get(f"{dvsanVolumeStartLba}.2")) * 512 == start
    grant(box, 2)
    assert "Pattern" not in io(box, 2, f"read -P 0 {last}M 1M", "read -P 0 0 1M")


def test_killed_at_any_moment_of_a_delete_nothing_is_left(box):
    disk = image(box.dir, 64)
    box.write_config(DISK)
    box.start()
    for turn, delay in enumerate((0, 0.005, 0.01, 0.02, 0.05), 1):
        box.create(turn, f"turn{turn}", 40)
        box.wait_volume(turn, ONLINE)
        grant(box, turn)
        assert "wrote 41943040" in io(box, turn, "write -P 0x77 0 40M")
        box.revoke(turn, 1)
        wait_for("no rule", lambda: not box.rules())
        box.destroy(turn)
        time.sleep(delay)  # the moment is what is tried here
        box.agent.kill()
        box.start_agent()
        box.wait_ready()
        wait_for("the volume to be gone", lambda: not box.volumes())
        assert not partitions(disk)[0]
        with open(disk, "rb") as f:
            f.seek(MIB)
            assert f.read(40 * MIB) == bytes(40 * MIB)
        wait_for("no loop device", lambda: not loops(disk))


def test_a_disk_moved_to_another_unit_brings_its_volumes(box):
    disk = image(box.dir, 128)
    box.write_config(DISK)
    box.start()
    ids = [box.create(1, "alpha", 8), box.create(5, "beta", 16)]
    for index in (1, 5):
        box.wait_volume(index, ONLINE)
    grant(box, 1)
    assert "wrote" in io(box, 1, "write -P 0x42 0 4k", "flush")
    table = rows(box)

    other = box.another()
    other.write_config('<medium index="1" name="d9" kind="disk" path="moved.img"/>')
    os.rename(disk, other.dir / "moved.img")
    poke(box)
    box.wait_failed(1, "its medium cannot be used")
    wait_for("its lock to be free", lambda: not loops(other.dir / "moved.img"))
    other.start()
    # It says whose it is; another machine that sees it, or a tgtd whose agent is gone, may serve it.
    assert re.search("is used by unit .*--take", other.get(f"{dvsanMediumLastError}.1"))
    assert not other.volumes() and not loops(other.dir / "moved.img")
    other.take("d9")
    wait_for("both volumes", lambda: len(other.volumes()) == 2)
    for index in other.volumes():
        other.wait_volume(index, ONLINE)
    assert rows(other) == table
    assert set(rows(other)) == set(ids)
    assert not other.rules()
    index = next(i for i in other.volumes() if other.get(f"{dvsanVolumeName}.{i}") == "alpha")
    grant(other, index)
    assert "Pattern" not in io(other, index, "read -P 0x42 0 4k")

    # And back again, while both run.
    other.agent.end()
    other.tgtd.kill()
    os.rename(other.dir / "moved.img", disk)
    poke(box)
    wait_for("the refusal", lambda: "is used by unit" in error_of(box, 1))
    box.take("d1")
    poke(box)
    box.wait_volume(1, ONLINE)
    box.wait_volume(5, ONLINE)


def test_two_units_never_share_a_disk(box):
    disk = image(box.dir, 64)
    box.write_config(DISK)
    box.start()
    other = box.another()
    other.write_config(f'<medium index="1" name="d1" kind="disk" path="{disk}"/>'
                       f'<medium index="2" name="m2" kind="dir" path="media" size="64M"/>')
    other.start()
    wait_for("the refusal", lambda: "in use by another process" in other.said())
    other.set(*unit_box.create_set(1, "beside", 8, "00" * 15 + "01", medium=2))
    other.wait_volume(1, ONLINE)


def test_a_damaged_table_is_repaired_or_refused(box):
    disk = image(box.dir, 64)
    box.write_config(DISK)
    box.start()
    box.create(1, "one", 8)
    box.wait_volume(1, ONLINE)
    table = partitions(disk)[0]
    with open(disk, "r+b") as f:
        f.seek(512)
        f.write(b"damage" * 20)
    poke(box)
    wait_for("the repair", lambda: "repaired from the other" in box.said())
    assert partitions(disk)[0].keys() == table.keys()
    box.wait_volume(1, ONLINE)
    saved = disk.read_bytes()
    with open(disk, "r+b") as f:
        for at in (512, 64 * MIB - 512):
            f.seek(at)
            f.write(b"damage" * 20)
    poke(box)
    box.wait_failed(1, "damaged")
    disk.write_bytes(saved)
    box.wait_volume(1, ONLINE)


def test_a_partition_that_is_gone_is_not_made_again(box):
    disk = image(box.dir, 64)
    box.write_config(DISK)
    box.start()
    box.create(1, "one", 8)
    box.create(2, "two", 8)
    box.wait_volume(2, ONLINE)
    saved = disk.read_bytes()
    subprocess.run(["sfdisk", "-q", "--delete", disk, "1"], check=True)
    poke(box, 2)
    box.wait_failed(1, "its partition is gone")
    box.wait_volume(2, ONLINE)
    disk.write_bytes(saved)
    box.wait_volume(1, ONLINE)
    subprocess.run(["sfdisk", "-q", "--delete", disk, "1"], check=True)
    poke(box, 2)
    box.wait_volume(1, FAILED)
    box.destroy(1)
    wait_for("the row to be gone", lambda: 1 not in box.volumes())


# ---- Devices

def test_a_device_is_one_volume_as_it_is(box):
    disk = image(box.dir, 32, "lun.img")
    with open(disk, "r+b") as f:
        f.write(b"\x33" * 4096)
    box.write_config('<medium index="1" name="lun" kind="device" path="lun.img"/>')
    box.start()
    with pytest.raises(SnmpError, match="inconsistentValue"):
        box.create(1, "part", 16)
    box.create(1, "whole", 32)
    box.wait_volume(1, ONLINE)
    with pytest.raises(SnmpError, match="inconsistentValue|resourceUnavailable"):
        box.set(*unit_box.create_set(2, "more", 32, f"{2:032x}"))
    grant(box, 1)
    assert "Pattern" not in io(box, 1, "read -P 0x33 0 4k")
    box.revoke(1, 1)
    wait_for("no rule", lambda: not box.rules())
    box.destroy(1)
    wait_for("the volume to be gone", lambda: not box.volumes())
    assert disk.read_bytes()[:4096] == b"\x33" * 4096


# ---- Media that fail

def test_media_that_vanish_come_back_by_themselves(box):
    image(box.dir, 64)
    image(box.dir, 32, "lun.img")
    (box.dir / "other").mkdir()
    box.write_config(DISK + '<medium index="2" name="x" kind="dir" path="media" size="64M"/>'
                     '<medium index="3" name="lun" kind="device" path="lun.img"/>'
                     '<medium index="4" name="well" kind="dir" path="other" size="64M"/>')
    box.start()
    for medium in (1, 2, 3, 4):
        box.set(*unit_box.create_set(medium, f"v{medium}", 32, f"{medium:032x}", medium=medium))
    for medium in (1, 2, 3, 4):
        box.wait_volume(medium, ONLINE)
    paths = [box.dir / name for name in ("disk.img", "media", "lun.img")]
    for path in paths:
        path.rename(str(path) + ".away")
    for medium in (1, 2, 3):
        box.wait_failed(medium, "its medium cannot be used")
    assert box.volumes()[4] == ONLINE
    for path in paths:
        pathlib.Path(str(path) + ".away").rename(path)
    for medium in (1, 2, 3, 4):
        box.wait_volume(medium, ONLINE)


def test_a_truncated_image_fails(box):
    disk = image(box.dir, 64)
    box.write_config(DISK)
    box.start()
    box.create(1, "one", 8)
    box.wait_volume(1, ONLINE)
    saved = disk.read_bytes()
    os.truncate(disk, 32 * MIB)
    poke(box)
    box.wait_failed(1, "shrunk|another size")
    disk.write_bytes(saved)
    box.wait_volume(1, ONLINE)


@pytest.fixture
def small(box):
    """A file system of 32 MiB of its own, at the box's folder small."""
    where = box.dir / "small"
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none", where], check=True)
    yield where
    for process in (box.agent, box.tgtd):
        process.kill()
    subprocess.run(["umount", "-l", where], check=True)


def test_a_full_file_system_takes_thin_volumes_offline_alone(box, small):
    box.write_config('<medium index="1" name="x" kind="dir" path="small" size="64M"/>')
    box.start()
    full = list(unit_box.create_set(1, "full", 8, "00" * 15 + "01"))
    box.set(*full[:-1], (f"{dvsanVolumeThin}.1", "i", 2), full[-1])
    box.create(2, "thin", 16)
    box.wait_volume(1, ONLINE)
    box.wait_volume(2, ONLINE)
    # What is really left, and what is promised beyond it: of the thin one all, of the full one nothing.
    storage, left, beyond, reserves = (f"{column}.1" for column in (
        dvsanMediumStorageBlocks, dvsanMediumStorageFreeBlocks, dvsanMediumOvercommitted, dvsanMediumReserves))
    total = os.statvfs(small).f_blocks * os.statvfs(small).f_frsize // 512
    wait_for("the storage", lambda: box.get(storage, reserves) == [str(total), "1"])
    wait_for("what is left", lambda: 0 < int(box.get(left)) <= total - 8 * MIB // 512)
    (small / "hog").write_bytes(b"x" * (8 * MIB))
    with open(small / "hog", "ab", buffering=0) as f, pytest.raises(OSError):
        while f.write(bytes(4096)):
            pass
    box.wait_failed(2, "full")
    assert box.volumes()[1] == ONLINE
    wait_for("what is promised beyond it", lambda: 14 * MIB < int(box.get(beyond)) * 512 <= 16 * MIB)
    (small / "hog").unlink()
    box.wait_volume(2, ONLINE)


def fill(folder):
    """Takes all the room of a file system; what it returns is to be deleted to give it back."""
    hog = folder / "hog"
    with open(hog, "ab", buffering=0) as f, pytest.raises(OSError):
        for piece in (MIB, 4096):
            with contextlib.suppress(OSError):
                while f.write(bytes(piece)):
                    pass
        f.write(bytes(4096))
    return hog


def test_a_sparse_image_on_a_full_file_system(box, small):
    """No write is lost without a word: what the cache could not get rid of fails the next flush."""
    image(small, 64)
    box.write_config('<medium index="1" name="x" kind="disk" path="small/disk.img" initialise="yes"/>')
    box.start()
    box.wait_medium(1)
    full = list(unit_box.create_set(1, "full", 8, "00" * 15 + "01"))
    box.set(*full[:-1], (f"{dvsanVolumeThin}.1", "i", 2), full[-1])
    box.create(2, "thin", 24)
    box.wait_volume(1, ONLINE)
    box.wait_volume(2, ONLINE)
    grant(box, 2)
    shown = box.tgtadm("--mode", "target", "--op", "show").split(box.iqn(2))[1]
    window = re.search(r"Backing store path: (/dev/\S+)", shown)[1]
    host = Lun(box.portal, HOST, box.iqn(2), user(2), SECRET)
    host.write(0, b"a" * 65536)
    host.flush()
    hog = fill(small)
    host.write(8 * MIB, b"b" * 65536)
    subprocess.run(["blockdev", "--flushbufs", window], capture_output=True, check=False)
    poke(box, 2)
    box.wait_failed(2, "full")
    assert box.volumes()[1] == ONLINE
    host.close()

    hog.unlink()
    box.wait_volume(2, ONLINE)
    host = Lun(box.portal, HOST, box.iqn(2), user(2), SECRET)
    with pytest.raises(CheckCondition):
        host.flush()
    host.write(8 * MIB, b"b" * 65536)
    host.flush()
    assert host.pread(0, 65536) == b"a" * 65536
    with open(small / "disk.img", "rb") as f:
        f.seek(int(box.get(f"{dvsanVolumeStartLba}.2")) * 512 + 8 * MIB)
        assert f.read(65536) == b"b" * 65536
    host.close()


@pytest.fixture
def fragile(box):
    """A file system of its own that becomes read-only when it finds an error; yields its folder
    and what makes it find one."""
    where, below = box.dir / "fragile", image(box.dir, 48, "below.img")
    where.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", below], check=True)
    mount(where)
    device = subprocess.run(["findmnt", "-no", "SOURCE", where], capture_output=True, text=True,
                            check=True).stdout.strip()
    yield where, pathlib.Path("/sys/fs/ext4", os.path.basename(device), "trigger_fs_error")
    for process in (box.agent, box.tgtd):
        process.kill()
    subprocess.run(["umount", "-l", where], check=False)


def mount(where):
    subprocess.run(["mount", "-o", "loop,errors=remount-ro", where.parent / "below.img", where], check=True)


@pytest.mark.parametrize("kind", ["dir", "disk"])
def test_a_file_system_that_became_read_only(box, fragile, kind):
    where, trigger = fragile
    image(where, 24)
    box.write_config('<medium index="1" name="x" kind="dir" path="fragile" size="16M"/>' if kind == "dir"
                     else '<medium index="1" name="x" kind="disk" path="fragile/disk.img" initialise="yes"/>')
    box.start()
    box.create(1, "one", 8)
    box.wait_volume(1, ONLINE)
    trigger.write_text("test")
    poke(box)
    box.wait_failed(1, "[Rr]ead-only")
    wait_for("the file system to be free",
             lambda: subprocess.run(["umount", where], capture_output=True).returncode == 0)
    mount(where)
    box.wait_volume(1, ONLINE)


def test_a_device_that_returns_errors(box):
    """A loop device whose file lost its end: reads there fail."""
    disk = image(box.dir, 64, "below.img")
    loop = disks.attach(disk)
    try:
        box.write_config(f'<medium index="1" name="x" kind="disk" path="{loop}" initialise="yes"/>')
        box.start()
        box.create(1, "one", 8)
        box.wait_volume(1, ONLINE)
        saved = disk.read_bytes()
        os.truncate(disk, 16 * MIB)
        poke(box)
        box.wait_failed(1, "its medium cannot be used")
        with open(disk, "r+b") as f:
            f.write(saved)
        box.wait_volume(1, ONLINE)
    finally:
        box.agent.kill()
        box.tgtd.kill()
        disks.detach(loop)


def test_too_few_descriptors_take_no_volume_away(box):
    """What the agent is short of tells nothing of its media, and there is room for what it needs itself."""
    count = 70
    box.write_config('<medium index="1" name="d1" kind="disk" path="disk.img" initialise="yes"/>')
    disk = image(box.dir, 2 * count + 16)
    box.start()
    for index in range(1, count + 1):
        box.create(index, f"v{index}", 1)
    wait_for("all volumes", lambda: list(box.volumes().values()) == [ONLINE] * count, 60)
    grant(box, 1)
    grant(box, count)
    taken = sorted(loops(disk))
    assert len(taken) == count

    # A session that lives through it all.
    target = box.iqn(count)
    with contextlib.closing(Lun(box.portal, HOST, target, user(count), SECRET)) as lun:
        lun.pread(0, 512)
        box.agent.end()
        box.start_agent("prlimit", "--nofile=80")
        box.wait_ready()
        wait_for("all volumes", lambda: list(box.volumes().values()) == [ONLINE] * count, 60)
        lun.pread(0, 512)
        poke(box)
        poke(box)
        lun.pread(0, 512)
    assert sorted(loops(disk)) == taken
    assert box.get(f"{dvsanMediumOperState}.1") == str(unit_box.M_ONLINE)
    assert "Pattern" not in io(box, 1, "write -P 0x21 0 4k", "read -P 0x21 0 4k")
    # How many descriptors are free at a moment moves by some, with what the agent looks at just then.
    for last in range(count + 1, count + 12):
        box.create(last, f"v{last}", 1)
        wait_for("its outcome", lambda: box.volumes().get(last) in (ONLINE, FAILED))
        if box.volumes()[last] == FAILED:
            break
    assert "limit of open files is near" in error_of(box, last)
    box.destroy(last)
    wait_for("its end", lambda: last not in box.volumes())

    # With the limit that it is given by its service it goes on.
    box.agent.end()
    box.start_agent()
    box.wait_ready()
    box.create(last, "there-is-room", 1)
    box.wait_volume(last, ONLINE)


@pytest.mark.parametrize("agent", ["there", "away"])
def test_a_file_put_in_place_of_one_that_is_served(box, agent):
    """As cp, mv and rsync restore an image: by a new file of the old name, while tgtd has the old one open."""
    box.start()
    box.create(1, "restored", 8)
    box.create(2, "other", 8)
    box.wait_volume(2, ONLINE)
    grant(box, 1)
    path = next(p for p in (box.dir / "media").glob("*.img")
                if p.stem.replace("-", "") in rows(box) and rows(box)[p.stem.replace("-", "")][2] == "restored")
    assert "wrote" in io(box, 1, "write -P 0x11 0 64k", "flush")
    subprocess.run(["cp", path, f"{path}.restored"], check=True)
    assert "wrote" in io(box, 1, "write -P 0x22 0 64k", "flush")
    if agent == "away":
        box.agent.kill()
    os.rename(f"{path}.restored", path)
    if agent == "away":
        box.start_agent()
        box.wait_ready()
    said = "tgtd had another file open than the one at"
    wait_for("what was put there to be served", lambda: "Pattern" not in io(box, 1, "read -P 0x11 0 64k"))
    wait_for("that to be said", lambda: said in box.said())
    if agent == "there":
        assert "restored is failed: another file was put in place" in box.said()
    box.wait_volume(1, ONLINE)
    assert box.said().count(said) == 1 and box.volumes()[2] == ONLINE
    # What is written now is not lost when tgtd ends.
    assert "wrote" in io(box, 1, "write -P 0x33 0 64k", "flush")
    box.tgtd.kill()
    box.start_tgtd()
    wait_for("the same again", lambda: "Pattern" not in io(box, 1, "read -P 0x33 0 64k")
             and "read 65536" in io(box, 1, "read -P 0x33 0 64k"))
    assert box.said().count(said) == 1
    box.destroy(2)
    wait_for("its end", lambda: 2 not in box.volumes())
    assert "that are not known" not in box.said()


def test_a_copy_on_another_medium(box):
    """A volume's file that was copied to another medium of its unit: nobody uses the copy, which is told."""
    (box.dir / "second").mkdir()
    box.write_config('<medium index="1" name="m1" kind="dir" path="media" size="256M"/>'
                     '<medium index="2" name="m2" kind="dir" path="second" size="256M"/>')
    box.start()
    box.create(1, "v1", 8)
    box.wait_volume(1, ONLINE)
    path = next((box.dir / "media").glob("*.img"))
    subprocess.run(["cp", path, box.dir / "second"], check=True)
    said = "what it holds of volume v1 is a copy that is not used: the volume is on medium m1"
    wait_for("the copy to be told", lambda: said in box.get(f"{dvsanMediumLastError}.2"))
    assert said in box.said() and box.volumes()[1] == ONLINE
    os.unlink(box.dir / "second" / path.name)
    wait_for("the end of it", lambda: said not in box.get(f"{dvsanMediumLastError}.2"))


def test_a_device_that_grew(box):
    """lvextend below a volume ends no session; the volume grows when that is asked for."""
    disk = image(box.dir, 32, "lun.img")
    box.write_config('<medium index="1" name="lun" kind="device" path="lun.img"/>')
    box.start()
    box.create(1, "whole", 32)
    box.wait_volume(1, ONLINE)
    grant(box, 1)
    with contextlib.closing(Lun(box.portal, HOST, box.iqn(1), user(1), SECRET)) as lun:
        os.truncate(disk, 48 * MIB)
        blocks = f"{dvsanMediumBlocks}.1"
        wait_for("the medium to be larger", lambda: box.get(blocks) == str(48 * MIB // 512))
        poke(box)
        lun.pread(0, 512)
    assert box.volumes() == {1: ONLINE}
    assert box.get(f"{dvsanVolumeBlocks}.1") == str(32 * MIB // 512)
    box.set((f"{dvsanVolumeSize}.1", "u", 48))
    wait_for("the volume to be larger", lambda: box.get(f"{dvsanVolumeBlocks}.1") == str(48 * MIB // 512))
    box.wait_volume(1, ONLINE)
    wait_for("its end to be written to", lambda: "wrote 65536" in io(box, 1, f"write -P 0x44 {47 * MIB} 64k", "flush"))
    with open(disk, "rb") as f:
        f.seek(47 * MIB)
        assert f.read(65536) == b"\x44" * 65536

# A medium that is slow to give room to volumes: the unit does everything else meanwhile.
# SPDX-License-Identifier: BSD-2-Clause
import subprocess

import pytest

from dvsan_oids import dvsanVolumeBlocks, dvsanVolumeProgress, dvsanVolumeThin
from support.patience import wait_for
from support.power import VolatileDisk
from support.unit_box import ACTIVE, CREATING, ONLINE, create_set, own_box
from test_media import HOST, SECRET, grant, user
from test_resize import size_set

MIB = 1 << 20
FULL = 2
SMALL, LONG = 1, 2  # volumes


@pytest.fixture(name="box")
def fixture_box():
    """A unit with a folder on a file system that has no fallocate, on a disk of 4 MB a second, and a
    small volume there, in use."""
    with own_box() as b:
        disk = VolatileDisk(str(b.dir), 192, rate="32M")
        where = b.dir / "slow"
        where.mkdir()
        try:
            disk.power_on()
            subprocess.run(["mkfs.ext4", "-q", "-O", "^extent,^64bit,^has_journal", disk.path], check=True)
            subprocess.run(["mount", "-o", "sync", disk.path, where], check=True)
            b.write_config('<medium index="1" name="m" kind="dir" path="slow" size="160M"/>')
            b.start()
            b.wait_medium(1)
            b.create(SMALL, "small", 8)
            b.wait_volume(SMALL, ONLINE)
            grant(b, SMALL)
            yield b
        finally:
            for process in (b.agent, b.tgtd):
                process.kill()
            subprocess.run(["umount", where], capture_output=True, check=False)
            disk.cut()
            disk.clean()


def size(box):
    return int(box.get(f"{dvsanVolumeBlocks}.{LONG}")) // 2048


def change_access(box, volume):
    """Takes all rules of a volume away and makes one."""
    for v, index in box.rules():
        if v == volume:
            box.revoke(v, index)
    wait_for("no rule", lambda: volume not in [v for v, _ in box.rules()])
    box.grant(volume, 1, HOST, user(volume), SECRET)
    box.wait_rule(volume, 1, ACTIVE)


def test_room_is_claimed_in_slices(box):
    sets = list(create_set(LONG, "long", 32, "00" * 15 + "02"))
    box.set(*sets[:-1], (f"{dvsanVolumeThin}.{LONG}", "i", FULL), sets[-1])
    wait_for("progress", lambda: 0 < int(box.get(f"{dvsanVolumeProgress}.{LONG}")) < 100)
    change_access(box, SMALL)
    assert box.volumes()[LONG] == CREATING, "it was too fast to show anything"
    box.wait_volume(LONG, ONLINE, 60)
    path = next(p for p in (box.dir / "slow").glob("*.img") if p.stat().st_size == 32 * MIB)
    assert path.stat().st_blocks * 512 >= 32 * MIB

    grant(box, LONG)
    # 16 s or more: its end takes the target offline for a moment, and the login below comes before that.
    box.set(*size_set(LONG, 96))
    wait_for("progress", lambda: 0 < int(box.get(f"{dvsanVolumeProgress}.{LONG}")) < 100)
    change_access(box, LONG)
    assert box.volumes()[LONG] == ONLINE
    assert box.inquire(box.iqn(LONG), HOST, user(LONG), SECRET)
    assert size(box) == 32, "it was too fast to show anything"
    wait_for("the new size", lambda: size(box) == 96, 60)
    box.wait_volume(LONG, ONLINE)
    assert path.stat().st_blocks * 512 >= 96 * MIB


def test_killed_while_room_is_claimed(box):
    sets = list(create_set(LONG, "long", 32, "00" * 15 + "02"))
    box.set(*sets[:-1], (f"{dvsanVolumeThin}.{LONG}", "i", FULL), sets[-1])
    wait_for("progress", lambda: 0 < int(box.get(f"{dvsanVolumeProgress}.{LONG}")) < 100)
    for _ in range(2):
        box.agent.kill()
        box.start_agent()
        box.wait_ready()
    box.wait_volume(LONG, ONLINE, 60)
    box.set(*size_set(LONG, 64))
    wait_for("progress", lambda: 0 < int(box.get(f"{dvsanVolumeProgress}.{LONG}")) < 100)
    box.agent.kill()
    box.start_agent()
    box.wait_ready()
    box.wait_volume(LONG, ONLINE)
    wait_for("the new size", lambda: size(box) == 64, 60)
    box.wait_volume(LONG, ONLINE)
    folder = box.dir / "slow"
    assert sorted(p.stat().st_size for p in folder.glob("*.img")) == [8 * MIB, 64 * MIB]
    assert not list(folder.glob("*.new"))

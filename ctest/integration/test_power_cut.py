# What a host has flushed is on the disk: the power is cut, and the rest of the disk is looked at.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import os
import struct
import subprocess
import types

import nbd
import pytest

from dvsan_oids import dvsanVolumeName, dvsanVolumeStartLba
from support import initiators, unit_box
from support.patience import wait_for
from support.power import VolatileDisk
from support.raw_initiator import CheckCondition, Lun, Refused
from support.unit_box import ONLINE

HOST, USER, SECRET = "iqn.2026-11.test.host:power", "power", "a-secret-of-16ch"
MIB = 1 << 20
PIECE = 64 << 10
VOLUME_MIB = 16
# Where what is written how begins, in bytes; far from each other, over the whole volume.
WRITTEN, FLUSHED, FORCED = ([(i * 5 + k) * (MIB // 2) for i in range(6)] for k in (0, 1, 2))
WRITE_THROUGH = [(i * 5 + 3) * (MIB // 2) for i in range(6)]
MODE_SENSE_6, MODE_SELECT_6 = 0x1A, 0x15
CACHING, WCE, DPOFUA = 0x08, 0x04, 0x10


def pattern(offset, word=b"host"):
    return struct.pack(">Q4s4x", offset, word) * (PIECE // 16)


@pytest.fixture(name="box")
def fixture_box():
    with unit_box.own_box() as b:
        yield b


class Place:
    """A medium of some kind on a disk that can lose its power."""

    def __init__(self, box, kind):
        self.box, self.kind = box, kind
        self.disk = VolatileDisk(str(box.dir), 96)
        self.folder = box.dir / "fs"
        self.folder.mkdir()
        self.has_fs = kind in ("dir", "image")
        self.mounts = []
        self.probes = 0

    def power_on(self):
        first = not os.path.exists(self.disk.file)
        self.disk.power_on()
        if self.has_fs and first:
            subprocess.run(["mkfs.ext4", "-q", self.disk.path], check=True)
        if self.has_fs:
            self.mount(self.disk.path, self.folder)
        if self.kind == "image" and first:
            with open(self.folder / "disk.img", "wb") as f:
                f.truncate(64 * MIB)
        self.config = {"dir": '<medium index="1" name="m" kind="dir" path="fs" size="64M"/>',
                "image": '<medium index="1" name="m" kind="disk" path="fs/disk.img" initialise="yes"/>',
                "disk": f'<medium index="1" name="m" kind="disk" path="{self.disk.path}" initialise="yes"/>',
                "device": f'<medium index="1" name="m" kind="device" path="{self.disk.path}"/>'}[self.kind]

        return self.config

    def probe(self):
        """Writes what nobody flushes, unless another process of the machine flushes all file systems: sync(2). Returns
        a judge of that: it takes a folder where the medium is seen, and tells whether one did. Without a file system
        sync(2) does not reach the disk's cache."""
        if not self.has_fs:
            return lambda folder: False
        self.probes += 1
        name = f"probe{self.probes}"
        (self.folder / name).write_bytes(pattern(0, b"sync"))
        return lambda folder: (folder / name).exists() and (folder / name).read_bytes() == pattern(0, b"sync")

    def mount(self, what, where, *options):
        subprocess.run(["mount", *options, what, where], check=True)
        self.mounts.append(where)

    def volume_mib(self):
        return 96 if self.kind == "device" else VOLUME_MIB

    def power_cut(self):
        self.disk.cut()
        for process in (self.box.agent, self.box.tgtd):
            if process:
                process.kill()
        self.take_away()

    def take_away(self):
        """The dead disk, which nobody has open any more."""
        for where in self.mounts:
            subprocess.run(["umount", "-l", where], check=True)
        self.mounts = []
        self.disk.clean()

    @contextlib.contextmanager
    def remains(self):
        """Yields a reader of the volume as a power cut would leave it now: offset -> a piece."""
        copy, seen = self.box.dir / "copy.img", self.box.dir / "seen"
        seen.mkdir(exist_ok=True)
        start = 0 if self.kind in ("dir", "device") else int(self.box.get(f"{dvsanVolumeStartLba}.1")) * 512
        self.disk.remains(copy)
        path = copy
        if self.has_fs:  # mounting replays the journal, as after a power cut
            self.mount(copy, seen, "-o", "loop")
            path = seen / "disk.img" if self.kind == "image" else next(seen.glob("*.img"))
        try:
            with open(path, "rb") as f:
                yield lambda offset: os.pread(f.fileno(), PIECE, start + offset)
        finally:
            if self.has_fs:
                subprocess.run(["umount", seen], check=True)
                self.mounts.remove(seen)
            copy.unlink()


@pytest.fixture(name="place", params=["dir", "image", "disk", "device"])
def fixture_place(request, box):
    """A volume on the medium, online, which HOST may use."""
    place = Place(box, request.param)
    try:
        box.write_config(place.power_on())
        box.start()
        box.wait_medium(1)
        box.serve(1, "flushed", place.volume_mib(), HOST, USER, SECRET)
        yield place
    finally:
        place.power_cut()


def scsi(box):
    return Lun(box.portal, HOST, box.iqn(1), USER, SECRET)


class Nbd:
    """The same through dvsan-nbd."""

    def __init__(self, box):
        work = types.SimpleNamespace(work=str(box.dir))
        how = {"portal": f"{box.portal}:3260", "iqn": box.iqn(1), "lun": 1, "initiator": HOST, "user": USER,
               "secret": SECRET}
        self.server = initiators.nbd(work, how)
        self.handle = nbd.NBD()
        self.handle.connect_uri(self.server.__enter__())
        assert self.handle.can_fua() and self.handle.can_flush()

    def write(self, offset, data, fua=False):
        self.handle.pwrite(data, offset, nbd.CMD_FLAG_FUA if fua else 0)

    def flush(self):
        self.handle.flush()

    def close(self):
        self.handle.shutdown(nbd.SHUTDOWN_ABANDON_PENDING)
        self.server.__exit__(None, None, None)


def holds(read, offsets):
    return [read(o) == pattern(o) for o in offsets]


def caching(host):
    """The device-specific parameter, and the Caching mode page."""
    sense = host.command(struct.pack(">BBBBBx", MODE_SENSE_6, 0x08, CACHING, 0, 64), room=64)
    return sense[2], sense[4:]


@pytest.mark.parametrize("how", [scsi, Nbd])
def test_what_was_flushed_is_there_after_a_power_cut(box, place, how):
    host = how(box)
    others_flush = False
    try:
        is_flushed = place.probe()
        for offset in FLUSHED:
            host.write(offset, pattern(offset))
        with place.remains() as read:
            others_flush = is_flushed(box.dir / "seen")
            assert others_flush or not any(holds(read, FLUSHED)), "what nobody flushed is on the disk"
        host.flush()
        with place.remains() as read:
            assert all(holds(read, FLUSHED))
        for offset in FORCED:
            host.write(offset, pattern(offset), fua=True)
        with place.remains() as read:
            assert all(holds(read, FLUSHED + FORCED))
        is_flushed = place.probe()
        for offset in WRITTEN:
            host.write(offset, pattern(offset))
        place.power_cut()
    finally:
        host.close()

    box.write_config(place.power_on())
    box.start_tgtd()
    box.start_agent()
    box.wait_ready()
    box.wait_volume(1, ONLINE)
    box.wait_rule(1, 1, unit_box.ACTIVE)
    host = scsi(box)
    assert all(holds(lambda o: host.pread(o, PIECE), FLUSHED + FORCED))
    others_flush |= is_flushed(place.folder)
    assert others_flush or not any(holds(lambda o: host.pread(o, PIECE), WRITTEN))
    host.close()
    if others_flush:
        pytest.skip("the machine flushed by itself, as sync(2) does: what is lost without a flush was not shown")


def test_the_cache_is_told_and_can_be_turned_off(box, place):
    host = scsi(box)
    parameter, page = caching(host)
    assert parameter & DPOFUA, "FUA is not offered"
    assert (page[0] & 0x3F, page[2] & WCE) == (CACHING, WCE)
    through = bytes([page[0] & 0x3F]) + page[1:2] + bytes([page[2] & ~WCE]) + page[3:2 + page[1]]
    host.command(struct.pack(">BB2xBx", MODE_SELECT_6, 0x10, 4 + len(through)), bytes(4) + through)
    assert caching(host)[1][2] & WCE == 0
    for offset in WRITE_THROUGH:
        host.write(offset, pattern(offset))
    with place.remains() as read:
        assert all(holds(read, WRITE_THROUGH))
    host.close()


def test_what_was_written_outlives_a_killed_tgtd(box, place):
    """A cache of the machine's, not of tgtd's: only the machine loses it."""
    host = scsi(box)
    for offset in WRITTEN:
        host.write(offset, pattern(offset))
    box.tgtd.kill()
    host.close()
    box.start_tgtd()
    wait_for("tgtd to serve again", lambda: box.targets())
    box.wait_volume(1, ONLINE)
    box.wait_rule(1, 1, unit_box.ACTIVE)
    host = scsi(box)
    assert all(holds(lambda o: host.pread(o, PIECE), WRITTEN))
    host.flush()
    with place.remains() as read:
        assert all(holds(read, WRITTEN))
    host.close()


def test_a_disk_that_dies_takes_its_volumes_offline_alone(box, place):
    (box.dir / "other").mkdir()
    box.agent.kill()
    box.write_config(place.config + '<medium index="2" name="well" kind="dir" path="other" size="64M"/>')
    box.start_agent()
    box.wait_ready()
    box.wait_medium(2)
    box.set(*unit_box.create_set(2, "well", 8, "00" * 15 + "02", medium=2))
    box.wait_volume(2, ONLINE)
    box.wait_volume(1, ONLINE)
    host = scsi(box)
    host.write(0, pattern(0))
    place.disk.cut()
    with pytest.raises((CheckCondition, Refused, OSError)):
        host.flush()
    host.close()
    box.wait_failed(1, "its medium cannot be used")
    assert box.volumes()[2] == ONLINE
    box.set((f"{dvsanVolumeName}.2", "s", "goes-on"))
    place.take_away()
    place.power_on()
    box.wait_volume(1, ONLINE)
    host = scsi(box)
    host.write(0, pattern(0))
    host.flush()
    with place.remains() as read:
        assert all(holds(read, [0]))
    host.close()

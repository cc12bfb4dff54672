# Volumes grow under the load of initiators that are not ours: none of them may see an error. Each of the 12 loads, four
# on each kind of medium, sees GROWTHS growths.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import os
import signal
import subprocess
import uuid

import pytest

from dvsan_oids import dvsanMediumBlocks, dvsanVolumeBlocks, dvsanVolumeSize
from support.crash_box import megabytes
from support.disks import LoopDevice
from support.patience import wait_for
from support.unit_box import ACTIVE, GROWTHS, ONLINE, create_set, own_box
from test_media import poke

MIB = 2048  # blocks
FIRST_MIB = 32
PATIENCE_S = 120
HOST, SECRET = "iqn.2026-11.host:stock", "secret-of-stock"
MEDIA = {"folder": '<medium index="1" name="folder" kind="dir" path="media" size="16G"/>',
         "disk": '<medium index="2" name="disk" kind="disk" path="disk.img" initialise="yes"/>',
         "device": '<medium index="3" name="device" kind="device" path="{}"/>'}
DEVICE = 3


@pytest.fixture(name="device", scope="module")
def fixture_device(tmp_path_factory):
    with contextlib.closing(LoopDevice(tmp_path_factory.mktemp("device") / "image", FIRST_MIB)) as device:
        yield device


@pytest.fixture(name="box", scope="module")
def fixture_box(device):
    with own_box(secret=SECRET) as box:
        with open(box.dir / "disk.img", "wb") as f:
            f.truncate(16 << 30)
        box.write_config("".join(MEDIA.values()).format(device.path))
        box.start()
        for medium in (1, 2, 3):
            box.wait_medium(medium)
        yield box


class Volume:
    """Alone on its medium, so that it grows where it is. device: which it is, or None."""

    def __init__(self, box, medium, device):
        self.box, self.device = box, device
        self.index = 1 + max(box.volumes(), default=0)
        self.mib = device.mib if device else FIRST_MIB
        box.set(*create_set(self.index, f"v{self.index}", self.mib, uuid.uuid4().hex, medium))
        box.grant(self.index, 1, HOST, "stock", SECRET)
        box.wait_rule(self.index, 1, ACTIVE)
        self.iqn = box.iqn(self.index)
        self.tid = box.tids()[self.index]
        self.url = f"iscsi://{box.portal}:3260/{self.iqn}/1"

    def is_served(self):
        """Whether tgtd has a LUN of that size, and lets hosts in."""
        shown = self.box.tgtadm("--mode", "target", "--op", "show")
        shown = shown.partition(f"Target {self.tid}:")[2].partition("\nTarget ")[0]
        return f"Size: {megabytes(self.mib)} MB," in shown and "State: ready" in shown

    def grow(self):
        """By 1 MiB."""
        box, self.mib = self.box, self.mib + 1
        if self.device:
            self.device.grow(self.mib)
            poke(box, self.index)
            wait_for("the medium's size", lambda: box.get(f"{dvsanMediumBlocks}.{DEVICE}") == str(self.mib * MIB),
                     PATIENCE_S)
        box.set((f"{dvsanVolumeSize}.{self.index}", "u", self.mib))
        wait_for(f"{self.mib} MiB", lambda: box.get(f"{dvsanVolumeBlocks}.{self.index}") == str(self.mib * MIB),
                 PATIENCE_S)
        wait_for("tgtd to serve it", self.is_served, PATIENCE_S)
        box.wait_volume(self.index, ONLINE, PATIENCE_S)

    def has_session(self):
        return "Session" in self.box.tgtadm("--mode", "conn", "--op", "show", "--tid", str(self.tid))

    def end(self):
        self.box.revoke(self.index, 1)
        wait_for("nobody to use it", lambda: (self.index, 1) not in self.box.rules())
        self.box.destroy(self.index)
        wait_for("its end", lambda: self.index not in self.box.volumes())


@pytest.fixture(name="volume", params=MEDIA)
def fixture_volume(box, device, request):
    volume = Volume(box, 1 + list(MEDIA).index(request.param), device if request.param == "device" else None)
    yield volume
    volume.end()


def environment():
    return dict(os.environ, LIBISCSI_CHAP_USERNAME="stock", LIBISCSI_CHAP_PASSWORD=SECRET)


class Load:
    """iscsi-perf: reads 4 KiB at random, so many at a time, until it is ended."""

    def __init__(self, volume, in_flight):
        self.box, self.tid = volume.box, str(volume.tid)
        self.log = self.box.dir / f"iscsi-perf.{volume.index}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["iscsi-perf", "-i", HOST, "-m", str(in_flight), "-b", "8", "-r", volume.url],
                env=environment(), stdout=log, stderr=log)

    def reads(self):
        """How many commands the present session has read by; None while there is none."""
        for line in self.box.tgtadm("--mode", "sys", "--op", "stat").splitlines():
            words = line.split()
            if words[0].isdigit() and words[1] == "1" and words[0] == self.tid:
                return int(words[6])
        return None

    def wait_reads(self):
        """Until it reads, which it does only when all before was answered or sent again."""
        wait_for("reads", lambda: self.process.poll() is not None or (self.reads() or 0) > 64, PATIENCE_S)
        assert self.process.poll() is None, self.log.read_text()

    def end(self):
        """Its status is 1 after any error. It may miss that all was answered: each unit attention, as of a
        new session, makes it count one less than there are under way; then it takes a second signal."""
        def has_ended():
            self.process.send_signal(signal.SIGINT)
            try:
                return self.process.wait(5) is not None
            except subprocess.TimeoutExpired:
                return False

        wait_for("its end", has_ended, PATIENCE_S)
        text = self.log.read_text()
        assert self.process.returncode == 0 and "failed" not in text, text


@pytest.mark.parametrize("in_flight", [1, 16])
def test_no_read_fails(volume, in_flight):
    load = Load(volume, in_flight)
    try:
        for _ in range(GROWTHS):
            load.wait_reads()
            volume.grow()
        load.wait_reads()
        load.end()
    finally:
        load.process.kill()
        load.process.wait()


def grow_under(command, volume, growths):
    """Runs a copy while the volume grows, so often at most; returns how often that was."""
    grown = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        while grown < growths:
            wait_for("its session", lambda: process.poll() is not None or volume.has_session(), PATIENCE_S)
            if process.poll() is not None:
                break
            volume.grow()
            grown += 1
        said = process.communicate(timeout=PATIENCE_S)[0]
    assert (process.returncode, grown > 0) == (0, True), said
    return grown


def test_qemu_writes_and_reads_all(box, volume):
    """Copies in, then out, by qemu's initiator, until the volume has grown so often under each; compared byte by byte."""
    image, back = box.dir / "image", box.dir / "back"
    image.write_bytes(os.urandom(FIRST_MIB << 20))
    there = (f"driver=raw,size={FIRST_MIB}M,file.driver=iscsi,file.transport=tcp,file.portal={box.portal}:3260,"
             f"file.target={volume.iqn},file.lun=1,file.initiator-name={HOST},file.user=stock,"
             "file.password-secret=chap")
    for copy in (["-n", "--target-image-opts", str(image), there],
                 ["-O", "raw", "--image-opts", there, str(back)]):
        # Slow enough that growths fall into it.
        command = ["qemu-img", "convert", "--object", f"secret,id=chap,data={SECRET}", "-r", "8M", "-m", "4",
                   "-t", "none", "-T", "none", *copy]
        left = GROWTHS
        while left > 0:
            left -= grow_under(command, volume, left)
    assert back.read_bytes() == image.read_bytes()

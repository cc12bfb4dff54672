# Volumes grow under the load of initiators that are not ours: none of them may see an error.
# SPDX-License-Identifier: BSD-2-Clause
import os
import signal
import subprocess
import uuid

import pytest

from crash_box import megabytes
from unit_box import (ACTIVE, GROWTHS, ONLINE, VOLUME, V_BLOCKS, V_SIZE, Box, create_set, free_addresses, wait_for)

MIB = 2048  # blocks
FIRST_MIB = 32
PATIENCE_S = 120
HOST, SECRET = "iqn.2026-11.host:stock", "secret-of-stock"
MEDIA = ('<medium index="1" name="folder" kind="dir" path="media" size="16G"/>'
         '<medium index="2" name="disk" kind="disk" path="disk.img" initialise="yes"/>')


@pytest.fixture(name="box", scope="module")
def fixture_box():
    addresses, held = free_addresses(2)
    box = Box(*addresses)
    try:
        with open(box.dir / "disk.img", "wb") as f:
            f.truncate(16 << 30)
        box.write_config(MEDIA)
        box.start()
        yield box
        text = box.agent_log.read_text()
        for bad in ("AddressSanitizer", "runtime error:", "LeakSanitizer", SECRET):
            assert bad not in text, text[-8000:]
    except BaseException:
        print(box.agent_log.read_text()[-8000:])
        raise
    finally:
        box.close()
        for s in held:
            s.close()


@pytest.fixture(name="volume", params=["folder", "disk"])
def fixture_volume(box, request):
    """A volume alone on its medium, so that it grows where it is; yields its index."""
    index = 1 + max(box.volumes(), default=0)
    box.wait_medium(1)
    box.wait_medium(2)
    box.set(*create_set(index, f"v{index}", FIRST_MIB, uuid.uuid4().hex, 1 if request.param == "folder" else 2))
    box.grant(index, 1, HOST, "stock", SECRET)
    box.wait_rule(index, 1, ACTIVE)
    yield index
    box.revoke(index, 1)
    wait_for("nobody to use it", lambda: (index, 1) not in box.rules())
    box.destroy(index)
    wait_for("its end", lambda: index not in box.volumes())


def environment():
    return dict(os.environ, LIBISCSI_CHAP_USERNAME="stock", LIBISCSI_CHAP_PASSWORD=SECRET)


def url(box, index):
    return f"iscsi://{box.portal}:3260/{box.iqn(index)}/1"


def is_served(box, tid, mib):
    """Whether tgtd has a LUN of that size, and lets hosts in."""
    shown = box.tgtadm("--mode", "target", "--op", "show").partition(f"Target {tid}:")[2].partition("\nTarget ")[0]
    return f"Size: {megabytes(mib)} MB," in shown and "State: ready" in shown


def grow(box, index, mib):
    tid = box.tids()[index]
    box.set((f"{VOLUME}.{V_SIZE}.{index}", "u", mib))
    wait_for(f"{mib} MiB", lambda: box.get(f"{VOLUME}.{V_BLOCKS}.{index}") == str(mib * MIB), PATIENCE_S)
    wait_for("tgtd to serve it", lambda: is_served(box, tid, mib), PATIENCE_S)
    box.wait_volume(index, ONLINE, PATIENCE_S)


class Load:
    """iscsi-perf: reads 4 KiB at random, so many at a time, until it is ended."""

    def __init__(self, box, index, in_flight):
        self.box, self.tid = box, str(box.tids()[index])
        self.log = box.dir / f"iscsi-perf.{index}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["iscsi-perf", "-i", HOST, "-m", str(in_flight), "-b", "8", "-r", url(box, index)],
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
def test_no_read_fails(box, volume, in_flight):
    load = Load(box, volume, in_flight)
    try:
        for n in range(1, GROWTHS + 1):
            load.wait_reads()
            grow(box, volume, FIRST_MIB + n)
        load.wait_reads()
        load.end()
    finally:
        load.process.kill()
        load.process.wait()


def test_qemu_writes_and_reads_all(box, volume):
    """A copy in, then one out, by qemu's initiator, while the volume grows; compared byte by byte."""
    image, back = box.dir / "image", box.dir / "back"
    image.write_bytes(os.urandom(FIRST_MIB << 20))
    there = (f"driver=raw,size={FIRST_MIB}M,file.driver=iscsi,file.transport=tcp,file.portal={box.portal}:3260,"
             f"file.target={box.iqn(volume)},file.lun=1,file.initiator-name={HOST},file.user=stock,"
             "file.password-secret=chap")
    mib, tid = FIRST_MIB, str(box.tids()[volume])
    for copy in (["-n", "--target-image-opts", str(image), there],
                 ["-O", "raw", "--image-opts", there, str(back)]):
        # Slow enough that growths fall into it.
        command = ["qemu-img", "convert", "--object", f"secret,id=chap,data={SECRET}", "-r", "8M", "-m", "4",
                   "-t", "none", "-T", "none", *copy]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            grown = 0
            while process.poll() is None and grown < GROWTHS:
                mib += 1
                grown += 1
                grow(box, volume, mib)
                wait_for("its session", lambda p=process: p.poll() is not None or box.tgtadm(
                    "--mode", "conn", "--op", "show", "--tid", tid), PATIENCE_S)
            said = process.communicate(timeout=PATIENCE_S)[0]
        assert (process.returncode, grown > 1) == (0, True), said
    assert back.read_bytes() == image.read_bytes()

# What hosts give back: of thin volumes on folders, and of no others, and what is read behind it.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import os
import struct
import subprocess
import uuid

import pytest

from dvsan_oids import dvsanVolumeThin
from support.patience import wait_for
from support.raw_initiator import CheckCondition, Lun
from support.unit_box import ACTIVE, create_set, own_box

HOST, SECRET = "iqn.2026-11.host:thin", "secret-of-thin!"
MIB, GIB = 1 << 20, 1 << 30
SIZE_MIB = 6 << 10
MEDIA = ('<medium index="1" name="folder" kind="dir" path="media" size="64G"/>'
         '<medium index="2" name="disk" kind="disk" path="disk.img" initialise="yes"/>')
TRUE, FALSE = 1, 2
THIN, FULL, ON_DISK = 1, 2, 3


@pytest.fixture(name="box", scope="module")
def fixture_box():
    with own_box(secret=SECRET) as box:
        with open(box.dir / "disk.img", "wb") as f:
            f.truncate(256 << 20)
        box.write_config(MEDIA)
        box.start()
        box.wait_medium(1)
        box.wait_medium(2)
        for index, medium, thin, mib in ((THIN, 1, TRUE, SIZE_MIB), (FULL, 1, FALSE, 16), (ON_DISK, 2, TRUE, 16)):
            *row, go = create_set(index, f"v{index}", mib, uuid.uuid4().hex, medium)
            box.set(*row, (f"{dvsanVolumeThin}.{index}", "i", thin), go)
            box.grant(index, 1, HOST, "thin", SECRET)
            box.wait_rule(index, 1, ACTIVE)
        yield box


class Host(Lun):
    def unmap(self, offset, count):
        data = struct.pack(">HHIQII", 22, 16, 0, offset // 512, count // 512, 0)
        self.command(struct.pack(">BB5xH", 0x42, 0, len(data)), data)

    def zero(self, offset, count, unmap):
        """WRITE SAME (16) of a block of zeros."""
        self.command(struct.pack(">BBQI", 0x93, 0x08 * unmap, offset // 512, count // 512), bytes(512))

    def offers_unmap(self):
        """As READ CAPACITY (16) and the page of logical block provisioning say: (LBPME, LBPRZ, LBPU)."""
        capacity = self.command(struct.pack(">BB8xI", 0x9e, 0x10, 32), room=32)
        page = self.command(struct.pack(">BBBHB", 0x12, 1, 0xb2, 64, 0), room=64)
        return bool(capacity[14] & 0x80), bool(capacity[14] & 0x40), bool(page[5] & 0x80)


def host(box, index):
    return contextlib.closing(Host(box.portal, HOST, box.iqn(index), "thin", SECRET))


def image_of(box, index):
    name = box.iqn(index).rpartition(":")[2]
    return next(f for f in (box.dir / "media").iterdir() if f.stem == name)


def allocated(path):
    return os.stat(path).st_blocks * 512


def test_thin_volumes_give_room_back(box):
    with host(box, THIN) as h:
        assert h.offers_unmap() == (True, True, True)
        data = os.urandom(MIB)
        for at in (0, MIB, 2 * MIB):
            h.write(at, data)
        h.flush()
        before = allocated(image_of(box, THIN))
        h.unmap(MIB, MIB)
        assert h.pread(MIB, MIB) == bytes(MIB)
        assert h.pread(0, MIB) == h.pread(2 * MIB, MIB) == data
        assert allocated(image_of(box, THIN)) <= before - MIB
        # Not on the boundaries of what the file system gives back: zeros all the same, and no more.
        h.write(MIB, data)
        h.zero(MIB + 512, 3 * 512, unmap=True)
        assert h.pread(MIB, MIB) == data[:512] + bytes(3 * 512) + data[4 * 512:]
        h.zero(0, 3 * MIB, unmap=True)
        assert h.pread(0, 3 * MIB) == bytes(3 * MIB)


def test_what_is_more_than_tgtd_can_count_hurts_no_other_block(box):
    """Of 4 GiB and more at once tgtd does some or nothing; what it did not do is what it was, elsewhere too."""
    with host(box, THIN) as h:
        data = os.urandom(MIB)
        at = (0, 3 * GIB, 5 * GIB, (SIZE_MIB - 1) * MIB)
        for offset in at:
            h.write(offset, data)
        for count in (4 * GIB, 4 * GIB + GIB):
            h.unmap(0, count)
            for offset in at[:2]:
                assert h.pread(offset, MIB) in (data, bytes(MIB))
            for offset in at[2:]:
                assert h.pread(offset, MIB) == data
        h.unmap(0, 4 * GIB - 512)  # the most that Linux asks for
        assert h.pread(0, MIB) == h.pread(3 * GIB, MIB) == bytes(MIB)
        assert h.pread(5 * GIB, MIB) == data


@pytest.mark.parametrize("index", [FULL, ON_DISK])
def test_others_offer_nothing_and_refuse(box, index):
    with host(box, index) as h:
        assert h.offers_unmap() == (False, False, False)
        data = os.urandom(MIB)
        h.write(0, data)
        for ask in (lambda: h.unmap(0, MIB), lambda: h.zero(0, MIB, unmap=True)):
            with pytest.raises(CheckCondition) as refused:
                ask()
            assert refused.value.args[0] == 5  # ILLEGAL REQUEST
        assert h.pread(0, MIB) == data
        h.zero(0, MIB, unmap=False)
        assert h.pread(0, MIB) == bytes(MIB)


def test_qemu_copies_holes_as_holes(box):
    """Over what was written before, so that a hole that is left out would be seen."""
    image = box.dir / "sparse.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, f"{SIZE_MIB}M"], check=True)
    subprocess.run(["qemu-io", "-c", "write -P 5 0 1M", image], check=True, capture_output=True)
    with host(box, THIN) as h:
        for offset in (MIB, 3 * GIB, 5 * GIB):
            h.write(offset, os.urandom(MIB))
    there = (f"driver=raw,file.driver=iscsi,file.transport=tcp,file.portal={box.portal}:3260,"
             f"file.target={box.iqn(THIN)},file.lun=1,file.initiator-name={HOST},file.user=thin,"
             "file.password-secret=chap")
    subprocess.run(["qemu-img", "convert", "--object", f"secret,id=chap,data={SECRET}", "-n",
                    "--target-image-opts", image, there], check=True, timeout=300)
    with host(box, THIN) as h:
        assert h.pread(0, MIB) == b"\x05" * MIB
        for offset in (MIB, 3 * GIB, 5 * GIB):
            assert h.pread(offset, MIB) == bytes(MIB)
    wait_for("the room", lambda: allocated(image_of(box, THIN)) < 8 * MIB)

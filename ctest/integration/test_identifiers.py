# What volumes call themselves: no two of many units alike, and the same whatever happens to one.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import os
import struct

import pytest

from dvsan_oids import dvsanVolumeName, dvsanVolumeSize
from support.patience import wait_for
from support.raw_initiator import Lun, Refused
from support.unit_box import ACTIVE, ONLINE, create_set, own_box

HOST, SECRET = "iqn.2026-11.host:names", "secret-of-names"
DISK = '<medium index="2" name="disk" kind="disk" path="{}" initialise="yes"/>'
FOLDER = '<medium index="1" name="m1" kind="dir" path="media" size="256M"/>'


@pytest.fixture(name="units")
def fixture_units():
    with own_box(name="unit1") as first, own_box(name="unit2") as second:
        for unit in (first, second):
            unit.start()
            unit.wait_medium(1)
        yield first, second


def use(unit, index, medium=1):
    unit.set(*create_set(index, f"v{index}", 16, os.urandom(16).hex(), medium))
    unit.wait_volume(index, ONLINE)
    let_in(unit, index)


def let_in(unit, index):
    unit.grant(index, 1, HOST, "names", SECRET)
    unit.wait_rule(index, 1, ACTIVE)


def identity(unit, index):
    """The serial number, and the designators of the LUN as (code set, type, octets)."""
    lun = wait_for("its session", lambda: try_session(unit, index))
    with contextlib.closing(lun):
        serial = lun.command(struct.pack(">BBBHB", 0x12, 1, 0x80, 255, 0), room=255)[4:].decode().strip()
        page = lun.command(struct.pack(">BBBHB", 0x12, 1, 0x83, 255, 0), room=255)
    found, at = [], 4
    while at < 4 + int.from_bytes(page[2:4], "big"):
        assert page[at + 1] & 0x30 == 0  # of the LUN
        found.append((page[at] & 15, page[at + 1] & 15, page[at + 4:at + 4 + page[at + 3]]))
        at += 4 + page[at + 3]
    return serial, tuple(found)


def try_session(unit, index):
    try:
        return Lun(unit.portal, HOST, unit.iqn(index), "names", SECRET)
    except (OSError, Refused):  # it is just being made
        return None


def test_two_fresh_units_show_nothing_twice(units):
    for unit in units:
        use(unit, 1)
        use(unit, 2)
    seen = [identity(unit, index) for unit in units for index in (1, 2)]
    assert len({serial for serial, _ in seen}) == 4
    for serial, designators in seen:
        digits = serial.replace("-", "")
        (code, kind, t10), (_, naa3_kind, naa3), (_, naa6_kind, naa6) = designators
        assert (code, kind, t10) == (2, 1, b"DVSAN   " + digits[4:].encode())
        assert (naa3_kind, naa3[0] >> 4, len(naa3)) == (3, 3, 8)
        assert (naa6_kind, naa6.hex()) == (3, "6000" + digits[4:])
    for kind in range(3):
        assert len({designators[kind] for _, designators in seen}) == 4, seen


def test_names_stay_over_restarts_renaming_and_growth(units):
    unit = units[0]
    use(unit, 1)
    before = identity(unit, 1)
    unit.set((f"{dvsanVolumeName}.1", "s", "another"))
    unit.set((f"{dvsanVolumeSize}.1", "u", 24))
    unit.wait_volume(1, ONLINE)
    assert identity(unit, 1) == before
    for who in ("agent", "tgtd"):
        getattr(unit, who).kill()
        getattr(unit, "start_" + who)()
        unit.wait_ready()
        unit.wait_volume(1, ONLINE)
        unit.wait_rule(1, 1, ACTIVE)
        assert identity(unit, 1) == before


def test_names_move_along_with_a_disk(units):
    first, second = units
    disk = first.dir / "disk.img"
    with open(disk, "wb") as f:
        f.truncate(256 << 20)
    first.agent.end()
    first.write_config(FOLDER + DISK.format(disk))
    first.start_agent()
    first.wait_ready()
    first.wait_medium(2)
    use(first, 5, medium=2)
    use(second, 1)  # so that what comes has another index there
    before = identity(first, 5)
    first.agent.end()
    first.tgtd.kill()
    second.agent.end()
    second.write_config(FOLDER + DISK.format(disk))
    second.start_agent()
    second.wait_ready()
    second.take("disk")
    index = wait_for("the disk's volume", lambda: next((i for i in second.volumes() if i != 1), None))
    assert index != 5
    second.wait_volume(index, ONLINE)
    let_in(second, index)
    assert identity(second, index) == before

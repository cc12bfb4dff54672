"""A disk is moved from one unit to another: the pool's volumes and their hosts move with it."""
import os

import pytest

from support import initiators
from support.patience import until

LAB = {"units": 2, "hosts": 1, "enrolled": True}
MIB = 1 << 20


def give_disk(lab, unit, path):
    lab.add_media(unit, f'<medium index="7" name="disk7" kind="disk" path="{path}" initialise="yes"/>')


def is_on(lab, unit, state="online"):
    return until(lambda: (lambda v: v["unit"] == unit and v["state"] == state)(lab.volume("moving")), 30)


@pytest.fixture
def disk(lab):
    path = os.path.join(lab.work, "disk.img")
    with open(path, "wb") as f:
        f.truncate(128 * MIB)
    give_disk(lab, "unit1", path)
    return path


def test_volumes_and_their_hosts_follow_the_disk(lab, disk):
    assert until(lambda: lab.has_medium("unit1", "disk7"), 20)
    lab.create("moving", "32M", unit="unit1", medium="disk7")
    lab.assign("moving", "host1")
    before = lab.volume("moving")
    how = initiators.access(lab, "host1", "moving")
    assert initiators.can_log_in(how)

    # Pulled out while all run, and put into the other unit.
    moved = disk + ".moved"
    os.rename(disk, moved)
    assert is_on(lab, "unit1", "failed"), lab.volume("moving")
    give_disk(lab, "unit2", moved)
    lab.take("unit2", "disk7")
    assert is_on(lab, "unit2"), lab.volume("moving")
    after = lab.volume("moving")
    assert (after["uuid"], after["name"], after["blocks"]) == (before["uuid"], "moving", before["blocks"])
    assert until(lambda: initiators.can_log_in(initiators.access(lab, "host1", "moving")), 20)
    assert any("moving" in e["subject"] and "has moved from unit1 to unit2" in e["text"]
               for e in lab.client.get("/events?limit=200"))

    # It stays there, though the first unit goes on telling of what it lost; and is deleted there.
    lab.unassign("moving", "host1")
    assert lab.volume("moving")["unit"] == "unit2"
    lab.done(lab.client.delete("/volumes/moving"))

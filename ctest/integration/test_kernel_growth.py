"""Volumes grow, and give room back, under Linux's own initiator, below file systems, a mirror and multipath. Each of
the six disks that these are made of sees GROWTHS growths under writes."""
import contextlib
import os
import re
import subprocess

import pytest

from test_connect import type_in
from test_kernel import log_in

from support.disks import LoopDevice
from support.guest import WROTE
from support.patience import until
from support.unit_box import GROWTHS

LAB = {"units": 2, "hosts": 1, "portals": 2}
FIRST_MIB = 64
PATIENCE_S = 120
# Names of volumes, and where they are: unit, medium.
PLACES = {"on-folder": ("unit1", "pool0"), "on-disk": ("unit2", "disk"), "on-device": ("unit1", "device")}
# Each block is on the disk before the next one is written; ends with 1 at the first error.
WRITER = f"""
    n=0
    while [ ! -e /tmp/stop ]; do
        dd if=/dev/urandom of=/mnt/block bs=4k count=16 conv=fsync 2>/tmp/error || {{ cat /tmp/error; exit 1; }}
        n=$((n + 1)); {WROTE}
    done"""
TROUBLE = "I/O error|critical target|EXT4-fs (error|warning)|emounting|md/raid1:.*(fail|Disk failure)|Buffer I/O"


class Volumes:
    """Those of the lab, each alone on its medium, so that it grows where it is. disks: theirs in the guest."""

    def __init__(self, lab, device):
        self.lab, self.device, self.mib, self.disks = lab, device, {}, {}

    def create(self, name):
        unit, medium = PLACES[name]
        assert until(lambda: self.lab.unit(unit)["state"] == "up" and self.lab.has_medium(unit, medium), 60)
        self.lab.create(name, f"{FIRST_MIB}M", unit=unit, medium=medium)
        self.lab.assign(name, "host1")
        self.mib[name] = FIRST_MIB

    def grow(self, name):
        """By 1 MiB."""
        unit, medium = PLACES[name]
        self.mib[name] += 1
        if medium == "device":
            self.device.grow(self.mib[name])
            assert until(lambda: any(m["name"] == medium and m["blocks"] == self.mib[name] * 2048
                                     for m in self.lab.unit(unit)["media"]), 60)
        self.lab.done(self.lab.client.ask("PATCH", f"/volumes/{name}", {"size": f"{self.mib[name]}M"}), PATIENCE_S)


@pytest.fixture(name="volumes", scope="module")
def fixture_volumes(lab, guest):
    with contextlib.closing(LoopDevice(os.path.join(lab.work, "device.img"), FIRST_MIB)) as device:
        image = os.path.join(lab.work, "disk.img")
        with open(image, "wb") as f:
            f.truncate(4 << 30)
        lab.add_media("unit1", f'<medium index="2" name="device" kind="device" path="{device.path}"/>')
        lab.add_media("unit2", f'<medium index="2" name="disk" kind="disk" path="{image}" initialise="yes"/>')
        volumes = Volumes(lab, device)
        for name in PLACES:
            volumes.create(name)
            volumes.disks[name] = log_in(lab, guest, name)
        yield volumes


def grow_under_writes(volumes, guest, *names):
    """Grows each of the volumes in turn while a file is written below /mnt."""
    def goes_on():
        before = guest.written()
        assert until(lambda: guest.is_over(writer) or guest.written() > before + 1, PATIENCE_S), guest.state()

    guest.run("rm -f /tmp/stop /tmp/written; dmesg -C")
    writer = guest.begin(WRITER)
    for _ in range(GROWTHS):
        for name in names:
            goes_on()
            volumes.grow(name)
    goes_on()
    guest.run("touch /tmp/stop")
    status, said = guest.result(writer)
    assert status == 0, said + guest.state()
    trouble = guest.run(f"dmesg | grep -E '{TROUBLE}' || true")
    assert not trouble, trouble


@pytest.mark.parametrize("name", PLACES)
def test_a_file_system_sees_no_error(volumes, guest, name):
    disk = volumes.disks[name]
    guest.run(f"mkfs.ext4 -q {disk} && mount {disk} /mnt")
    grow_under_writes(volumes, guest, name)
    # What was written is there, and after the rescan that a host needs so is the room.
    guest.run(f"""set -e
        cp /mnt/block /tmp/block; umount /mnt; mount {disk} /mnt; cmp /mnt/block /tmp/block
        iscsiadm -m session -R > /dev/null
        [ $(blockdev --getsize64 {disk}) = {volumes.mib[name] << 20} ]
        resize2fs {disk} 2> /dev/null
        umount /mnt; e2fsck -fn {disk}""")


def test_a_mirror_keeps_both_legs(volumes, guest):
    legs = ("on-folder", "on-disk")
    disks = " ".join(volumes.disks[name] for name in legs)
    guest.run(f"""set -e
        modprobe raid1
        mdadm --create /dev/md0 --run --level=1 --metadata=1.2 --bitmap=internal --size={FIRST_MIB - 8}M \
            --raid-devices=2 {disks} --assume-clean > /dev/null 2>&1
        mkfs.ext4 -q /dev/md0 && mount /dev/md0 /mnt""")
    grow_under_writes(volumes, guest, *legs)
    assert "[UU]" in guest.run("cat /proc/mdstat")
    guest.run(f"umount /mnt; mdadm --stop /dev/md0; wipefs -aq {disks}")


def test_what_is_deleted_is_given_back(lab, volumes, guest):
    """By fstrim and by blkdiscard, of which what is read behind it is zero."""
    def allocated():
        name = lab.volume("on-folder")["uuid"]
        found = subprocess.run(["find", lab.folder, "-name", f"{name}.img", "-printf", "%b"], check=True,
                               capture_output=True, text=True).stdout
        return int(found) * 512

    disk = volumes.disks["on-folder"]
    guest.run(f"""set -e
        mkfs.ext4 -q {disk} && mount {disk} /mnt
        dd if=/dev/urandom of=/mnt/large bs=1M count=32 conv=fsync 2>/dev/null""")
    before = allocated()
    guest.run("rm /mnt/large; sync; fstrim /mnt; umount /mnt; sync")
    assert allocated() <= before - (31 << 20)
    guest.run(f"""set -e
        dd if=/dev/urandom of={disk} bs=1M count=16 oflag=direct 2>/dev/null
        blkdiscard {disk}
        dd if={disk} bs=1M count=16 iflag=direct 2>/dev/null | cmp -n {16 << 20} - /dev/zero""")
    assert allocated() < 1 << 20
    assert not guest.run(f"dmesg | grep -E '{TROUBLE}' || true")


def test_multipath_takes_the_ways_again(lab, volumes, guest):
    """A growth ends the sessions of all ways at once; what is written waits, as the settings that are told say. This
    is the last test: it takes all other volumes away."""
    guest.run("iscsiadm -m node -u && iscsiadm -m node -o delete")
    for name in PLACES:
        if name != "on-device":
            lab.unassign(name, "host1")
    guest.udev()
    type_in(lab, guest, "host1", "--for", "multipath")
    ways = "multipath -ll | grep -c 'active ready running'"
    assert until(lambda: guest.run(f"{ways} || true").strip() == "2", PATIENCE_S), guest.run("multipath -ll")
    disk = "/dev/mapper/" + re.search(r"^(\w+) .*dm-\d+ DVSAN", guest.run("multipath -ll"), re.M).group(1)
    guest.run(f"wipefs -aq {disk} && mkfs.ext4 -q {disk} && mount {disk} /mnt")
    grow_under_writes(volumes, guest, "on-device")
    assert until(lambda: guest.run(f"{ways} || true").strip() == "2", PATIENCE_S), guest.run("multipath -ll")
    guest.run(f"cp /mnt/block /tmp/block; umount /mnt; mount {disk} /mnt; cmp /mnt/block /tmp/block; umount /mnt")

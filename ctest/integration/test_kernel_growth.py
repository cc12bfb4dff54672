"""Volumes grow, and give room back, under Linux's own initiator, below a file system and below a mirror."""
import subprocess

import pytest

from test_kernel import log_in
from tools.testlab import until
from unit_box import GROWTHS

LAB = {"units": 2, "hosts": 1}
FIRST_MIB = 64
PATIENCE_S = 120
# Each block is on the disk before the next one is written; ends with 1 at the first error.
WRITER = """
    n=0
    while [ ! -e /tmp/stop ]; do
        dd if=/dev/urandom of=/mnt/block bs=4k count=16 conv=fsync 2>/tmp/error || { cat /tmp/error; exit 1; }
        n=$((n + 1)); echo $n > /tmp/written
    done"""
TROUBLE = "I/O error|critical target|EXT4-fs (error|warning)|emounting|md/raid1:.*(fail|Disk failure)|Buffer I/O"


@pytest.fixture(name="disks", scope="module")
def fixture_disks(lab, guest):
    """Two volumes, one on each unit: their disks in the guest."""
    for n in (1, 2):
        lab.create(f"grow{n}", f"{FIRST_MIB}M", unit=f"unit{n}")
        lab.assign(f"grow{n}", "host1")
    return [log_in(lab, guest, f"grow{n}") for n in (1, 2)]


def written(guest):
    return int(guest.run("cat /tmp/written 2>/dev/null || echo 0"))


def grow_under_writes(lab, guest, volumes, first):
    """Grows each of the volumes in turn while a file is written; returns the last size in MiB."""
    guest.run("rm -f /tmp/stop /tmp/written; dmesg -C")
    writer = guest.begin(WRITER)
    for n in range(1, GROWTHS + 1):
        for volume in volumes:
            before = written(guest)
            assert until(lambda b=before: guest.is_over(writer) or written(guest) > b + 1, PATIENCE_S)
            lab.done(lab.client.ask("PATCH", f"/volumes/{volume}", {"size": f"{first + n}M"}))
    before = written(guest)
    assert until(lambda: guest.is_over(writer) or written(guest) > before + 1, PATIENCE_S), guest.state()
    guest.run("touch /tmp/stop")
    status, said = guest.result(writer)
    assert status == 0, said + guest.state()
    trouble = guest.run(f"dmesg | grep -E '{TROUBLE}' || true")
    assert not trouble, trouble
    return first + GROWTHS


def test_a_file_system_sees_no_error(lab, guest, disks):
    guest.run(f"mkfs.ext4 -q {disks[0]} && mount {disks[0]} /mnt")
    mib = grow_under_writes(lab, guest, ["grow1"], FIRST_MIB)
    # What was written is there, and after the rescan that a host needs so is the room.
    guest.run(f"""set -e
        cp /mnt/block /tmp/block; umount /mnt; mount {disks[0]} /mnt; cmp /mnt/block /tmp/block
        iscsiadm -m session -R > /dev/null
        [ $(blockdev --getsize64 {disks[0]}) = {mib << 20} ]
        resize2fs {disks[0]} 2> /dev/null
        umount /mnt; e2fsck -fn {disks[0]}""")


def test_a_mirror_keeps_both_legs(lab, guest, disks):
    guest.run(f"""set -e
        modprobe raid1
        mdadm --create /dev/md0 --run --level=1 --metadata=1.2 --bitmap=internal --size={FIRST_MIB - 8}M \
            --raid-devices=2 {disks[0]} {disks[1]} --assume-clean > /dev/null 2>&1
        mkfs.ext4 -q /dev/md0 && mount /dev/md0 /mnt""")
    grow_under_writes(lab, guest, ["grow1", "grow2"], FIRST_MIB + GROWTHS)
    assert "[UU]" in guest.run("cat /proc/mdstat")
    guest.run("umount /mnt; mdadm --stop /dev/md0")


def test_what_is_deleted_is_given_back(lab, guest, disks):
    """By fstrim and by blkdiscard, of which what is read behind it is zero."""
    def allocated():
        name = lab.volume("grow1")["uuid"]
        found = subprocess.run(["find", lab.folder, "-name", f"{name}.img", "-printf", "%b"], check=True,
                               capture_output=True, text=True).stdout
        return int(found) * 512

    disk = disks[0]
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

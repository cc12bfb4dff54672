"""What hosts write is not taken for this machine's own by udev; by the package udev, where that is installed."""
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess

import pytest

from support import SOURCE, disks
from support.disks import PARTITION_TYPE

RULES = pathlib.Path("/usr/lib/udev/rules.d")
OURS = SOURCE / "packaging/udev/59-dvsan.rules"
MIB = 1 << 20
LOOP_SET_STATUS64, LOOP_GET_STATUS64, AUTOCLEAR, FLAGS_AT, INFO_BYTES = 0x4C04, 0x4C05, 4, 52, 232

pytestmark = [
    pytest.mark.skipif(not shutil.which("udevadm") or not (RULES / "60-persistent-storage.rules").exists(),
                       reason="the package udev is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="loop devices take root"),
]


def properties(tmp_path, device, ours):
    """What udev would make of a device, in a /run of its own."""
    rules = [str(RULES / "60-persistent-storage.rules")] + ([str(OURS)] if ours else [])
    name = os.path.basename(device)
    done = subprocess.run(
        ["unshare", "-m", "sh", "-ec",
         "mount --make-rprivate /; mkdir -p /run/udev; mount -t tmpfs none /run/udev; mkdir /run/udev/rules.d;"
         f"cp {' '.join(rules)} /run/udev/rules.d; udevadm test --action=add {sysfs(name)}"],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line and " " not in line[:20])


def sysfs(name):
    return os.path.realpath(f"/sys/class/block/{name}")


@pytest.fixture
def loop(tmp_path):
    made = []

    def make(*options):
        done = subprocess.run(["losetup", "-f", "--show", *options, tmp_path / "img"], capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            pytest.skip("no loop device can be made")
        made.append(done.stdout.strip())
        return made[-1]

    with open(tmp_path / "img", "wb") as f:
        f.truncate(64 * MIB)
    subprocess.run(["sfdisk", "-q", tmp_path / "img"], input=f"label: gpt\nsize=32M,type={PARTITION_TYPE}\nsize=16M\n",
                   text=True, check=True)
    for at in (1, 33):
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", f"offset={at * MIB}", tmp_path / "img", "16M"], check=True)
    yield make
    for device in made:
        disks.drop_partitions(device)
        subprocess.run(["losetup", "-d", device], check=False, capture_output=True)


def hidden(found):
    return found.get("SYSTEMD_READY") == "0" and "ID_FS_TYPE" not in found and \
        "by-uuid" not in found.get("DEVLINKS", "")


def test_partitions(tmp_path, loop):
    disk = loop("-P")
    if not os.path.exists(disk + "p1"):
        subprocess.run(["partx", "-a", disk], check=True)
    before = properties(tmp_path, disk + "p1", ours=False)
    assert before["ID_FS_TYPE"] == "ext4" and "by-uuid" in before["DEVLINKS"], "the test shows nothing"
    found = properties(tmp_path, disk + "p1", ours=True)
    assert hidden(found) and "by-partuuid" in found["DEVLINKS"], found
    found = properties(tmp_path, disk + "p2", ours=True)
    assert found["ID_FS_TYPE"] == "ext4" and not hidden(found), "another partition is left alone"


def test_windows(tmp_path, loop):
    window = loop("-o", str(MIB), "--sizelimit", str(16 * MIB))
    assert not hidden(properties(tmp_path, window, ours=True)), "a loop device of somebody else's"
    with open(window, "r+b", buffering=0) as f:  # which holds it, since it ends by itself from now on
        info = bytearray(INFO_BYTES)
        fcntl.ioctl(f, LOOP_GET_STATUS64, info)
        flags, = struct.unpack_from("I", info, FLAGS_AT)
        struct.pack_into("I", info, FLAGS_AT, flags | AUTOCLEAR)
        fcntl.ioctl(f, LOOP_SET_STATUS64, bytes(info))
        assert hidden(properties(tmp_path, window, ours=True))

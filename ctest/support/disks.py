"""Files that are disks, their partitions, and loop devices over them."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import re
import subprocess

PARTITION_TYPE = "D75A4E2C-3B60-4C1F-8D5B-647673616E31"  # of volumes


def image(folder, mib, name="disk.img"):
    """Makes a sparse file; returns its path."""
    path = folder / name
    with open(path, "wb") as f:
        f.truncate(mib << 20)
    return path


def partitions(disk):
    """What sfdisk says of a disk that has volumes alone: UUID -> (start, blocks, name, attributes), and the usable
    (first, last + 1)."""
    text = subprocess.run(["sfdisk", "-d", disk], capture_output=True, text=True, check=True).stdout
    found, usable = {}, {k: int(v) for k, v in re.findall(r"(first|last)-lba: (\d+)", text)}
    for start, blocks, kind, uuid, more in re.findall(
            r"start= *(\d+), size= *(\d+), type=([\w-]+), uuid=([\w-]+)(.*)", text):
        assert kind == PARTITION_TYPE
        name, attributes = (re.search(f'{word}="([^"]*)"', more) for word in ("name", "attrs"))
        found[uuid.replace("-", "").lower()] = (
            int(start), int(blocks), name[1] if name else "", attributes[1] if attributes else "")
    return found, (usable["first"], usable["last"] + 1)


def loops(disk):
    """Loop devices over the disk: path -> (offset, bytes)."""
    text = subprocess.run(["losetup", "-n", "--raw", "-O", "NAME,OFFSET,SIZELIMIT", "-j", disk],
                          capture_output=True, text=True, check=True).stdout
    return {name: (int(offset), int(size)) for name, offset, size in map(str.split, text.splitlines())}


def attach(file, *options):
    """Makes a loop device over a file; returns its path. The kernel gives it the partitions that a former user of
    the device left, and keeps them, whatever the file says: those go."""
    path = subprocess.run(["losetup", "-f", "--show", *map(str, options), file], check=True, capture_output=True,
                          text=True).stdout.strip()
    drop_partitions(path)
    return path


def detach(path):
    """It ends when nobody has it open any more; its partitions end now."""
    drop_partitions(path)
    subprocess.run(["losetup", "-d", path], check=True)


def drop_partitions(path):
    subprocess.run(["partx", "-d", path], capture_output=True, check=False)


class LoopDevice:
    """A block device that grows, as a logical volume of a machine does. file: made, sparse, of so many MiB. path: of
    the device."""

    def __init__(self, file, mib):
        self.file = file
        with open(file, "wb") as f:
            f.truncate(mib << 20)
        self.path = attach(file)

    @property
    def mib(self):
        return os.path.getsize(self.file) >> 20

    def grow(self, mib):
        os.truncate(self.file, mib << 20)
        subprocess.run(["losetup", "-c", self.path], check=True)

    def close(self):
        detach(self.path)

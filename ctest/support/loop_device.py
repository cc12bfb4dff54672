"""Loop devices."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import subprocess


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

"""A block device that grows, as a logical volume of a machine does: a loop device over a sparse file."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import subprocess


class LoopDevice:
    """file: made, of so many MiB. path: of the device; it ends by itself when nobody has it open any more."""

    def __init__(self, file, mib):
        self.file = file
        with open(file, "wb") as f:
            f.truncate(mib << 20)
        self.path = subprocess.run(["losetup", "-f", "--show", file], check=True, capture_output=True,
                                   text=True).stdout.strip()

    @property
    def mib(self):
        return os.path.getsize(self.file) >> 20

    def grow(self, mib):
        os.truncate(self.file, mib << 20)
        subprocess.run(["losetup", "-c", self.path], check=True)

    def close(self):
        subprocess.run(["losetup", "-d", self.path], check=True)

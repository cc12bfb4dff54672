"""A disk with a volatile write cache, whose power can be cut.

nbdkit keeps what is written in a cache of its own and puts it into the image when it is told to flush, so
the image holds at any moment what a real disk would hold after a power cut. nbdfuse makes a file of it, and
a loop device over that file is the disk: flushes that the kernel sends to the disk reach nbdkit.
"""
import contextlib
import os
import signal
import subprocess

from dvsanlab import probe

from . import disks
from .patience import until


class VolatileDisk:
    """A disk of some MiB, in files of its own in a folder; at path while it has power. rate: bits a
    second that it reads, and that it writes, such as 100M."""

    def __init__(self, folder, mib, rate=None):
        self.slow = ["--filter=rate", f"rate={rate}"] if rate else []
        self.folder, self.image = str(folder), os.path.join(folder, "platters.img")
        self.file = os.path.join(folder, "volatile")
        self.path = os.path.join(folder, "disk")  # a link: the device may have another name each time
        self.device = self.cache = self.fuse = None
        with open(self.image, "wb") as f:
            f.truncate(mib << 20)

    def power_on(self):
        socket = os.path.join(self.folder, "disk.sock")
        with open(os.path.join(self.folder, "disk.log"), "ab") as log:
            self.cache = subprocess.Popen(["nbdkit", "-f", "-U", socket, *self.slow[:1], "--filter=cache",
                                           "file", self.image, "cache=writeback", *self.slow[1:]],
                                          stdout=log, stderr=log)
            assert until(lambda: probe.unix_answers(socket), 20), self.said()
            with open(self.file, "ab"):
                pass
            self.fuse = subprocess.Popen(["nbdfuse", self.file, "--unix", socket], stdout=log, stderr=log)
        assert until(lambda: os.path.getsize(self.file) > 0, 20), self.said()
        self.device = disks.attach(self.file)
        os.symlink(self.device, self.path)
        fd = os.open(self.path, os.O_RDWR)
        with contextlib.suppress(OSError):
            os.fsync(fd)  # takes the errors of the loop device's former user
        os.close(fd)

    def said(self):
        with open(os.path.join(self.folder, "disk.log"), encoding="utf-8") as f:
            return f"the disk did not start: nbdkit {self.cache.poll()}, {f.read()}"

    def remains(self, copy):
        """Copies what a power cut would leave now."""
        self.cache.send_signal(signal.SIGSTOP)
        try:
            subprocess.run(["cp", "--sparse=always", self.image, copy], check=True)
        finally:
            self.cache.send_signal(signal.SIGCONT)

    def cut(self):
        """From here on nothing reaches the image; whoever has the device open gets errors."""
        for process in (self.cache, self.fuse):
            if process:
                process.kill()
                process.wait()
        self.cache = self.fuse = None

    def clean(self):
        """Takes away what the cut left behind; nobody has the device open any more."""
        if self.device:
            os.unlink(self.path)
            disks.detach(self.device)
            self.device = None
        subprocess.run(["umount", "-l", self.file], capture_output=True, check=False)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, "disk.sock"))

"""A machine that systemd has booted: the files of this one under an overlay, with namespaces of its own for
processes, mounts, network, names and control groups."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from .patience import until

# Run with a folder. What Debian and udev have in /dev is made, since that of the machine that runs
# tests may lack it. systemd must not set up the kernel, which is everybody's. A container's mounts are
# shared, as those of a machine: what brings a service its credentials mounts them from elsewhere.
BOOT = """
mount -t tmpfs -o mode=755 tmpfs "$1"
cd "$1"
mkdir upper work root
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay root
cd root
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}"; done
mknod -m 666 dev/tty c 5 0
mknod -m 660 dev/loop-control c 10 237
for n in $(seq 0 255); do mknod -m 660 "dev/loop$n" b 7 "$n"; done
chgrp disk dev/loop*
mkdir -p dev/shm old
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx
: >etc/fstab
rm -rf etc/systemd/system etc/dvsan srv/dvsan var/lib/dvsan var/lib/snmp/snmpd.conf
mkdir etc/systemd/system
printf '[Unit]\\nRequires=basic.target\\nAfter=basic.target\\nAllowIsolate=yes\\n' >etc/systemd/system/test.target
ip link set lo up
hostname dvsan-test
pivot_root . old
umount -l old
mount --make-rshared /
exec chroot . /lib/systemd/systemd --unit=test.target --show-status=no </dev/null
"""
NAMESPACES = ("--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--uts", "--ipc",
              "--net", "--cgroup")
UNCHANGED = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}


class Machine:
    """Booted when made. root: its files, seen from here."""

    def __init__(self):
        self.stack = contextlib.ExitStack()
        with self.stack:
            self._boot()
            self.stack = self.stack.pop_all()

    def _boot(self):
        folder = tempfile.mkdtemp(prefix="dvsan-boot-")
        self.stack.callback(shutil.rmtree, folder)
        group = self._control_group(folder)
        files = pathlib.Path(folder, "files")
        files.mkdir()
        self.log = open(pathlib.Path(folder, "log"), "w+", encoding="utf-8")
        self.stack.callback(self.log.close)
        # It goes into the control group before that becomes the top of a namespace.
        enter = f'echo 0 >"{group}/cgroup.procs"; exec "$@"'
        self.process = subprocess.Popen(
            ["sh", "-ec", enter, "sh", "unshare", *NAMESPACES, "sh", "-ec", BOOT, "sh", str(files)],
            env=dict(UNCHANGED, container="dvsan-test"), stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log)
        self.stack.callback(self._end)
        assert until(self._is_up, 60), self._told()
        self.root = pathlib.Path(f"/proc/{self.first}/root")

    def _control_group(self, folder):
        mount = pathlib.Path(folder, "cgroup")
        mount.mkdir()
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", str(mount)], check=True)
        self.stack.callback(subprocess.run, ["umount", str(mount)], check=True)
        group = mount / os.path.basename(folder)
        group.mkdir()
        self.stack.callback(self._remove_groups, group)
        return group

    @staticmethod
    def _remove_groups(top):
        def gone():
            for path, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError): # what ran in it is about to end
                    os.rmdir(path)
            return not top.exists()
        assert until(gone, 10), top

    def _told(self):
        self.log.seek(0)
        return self.log.read()

    def _is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(self._told())
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.first = int(children[0]) if children else None
        if not self.first or b"systemd" not in pathlib.Path(f"/proc/{self.first}/cmdline").read_bytes():
            return False
        return self.run("systemctl", "is-active", "test.target", check=False).stdout == "active\n"

    def _end(self):
        self.process.send_signal(signal.SIGKILL) # and with it, all that runs there
        self.process.wait(600)

    def run(self, *argv, check=True, env=None):
        done = subprocess.run(["nsenter", "-t", str(self.first), "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w",
                               *map(str, argv)], env=dict(UNCHANGED, **(env or {})), check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
        if check and done.returncode != 0:
            raise AssertionError(f"{argv} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def sh(self, script, **options):
        return self.run("bash", "-euc", script, **options).stdout

    def close(self):
        self.stack.close()

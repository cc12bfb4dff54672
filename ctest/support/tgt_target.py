# A private tgtd with one volume, for tests of initiators.
# SPDX-License-Identifier: BSD-2-Clause
import os
import signal
import socket
import subprocess

from .net import free_port
from .patience import wait_for

TARGET = "iqn.2026-11.test.dvsan:volume"
INITIATOR = "iqn.2026-11.test.dvsan:host"
USER = "tester"
SECRET = "Hush-hush-12345"
# What makes tgtd fast; its defaults are not.
PARAMETERS = {"MaxRecvDataSegmentLength": 262144, "InitialR2T": "No", "MaxOutstandingR2T": 8,
              "FirstBurstLength": 262144, "MaxBurstLength": 1048576}


class Target:
    """One tgtd, one target, LUN 1 on a file; it can be killed, frozen and started again."""

    def __init__(self, folder, address, size, threads=4):
        self.folder, self.address, self.threads = folder, address, threads
        self.port = free_port(address)
        self.disk = os.path.join(folder, "disk")
        self.process = None
        with open(self.disk, "wb") as f:
            f.truncate(size)

    def fill(self):
        """Allocates every block, so that reads are reads."""
        with open(self.disk, "r+b") as f:
            block = os.urandom(1 << 20)
            for _ in range(os.path.getsize(self.disk) >> 20):
                f.write(block)

    @property
    def portal(self):
        return f"{self.address}:{self.port}"

    def environment(self):
        return dict(os.environ, TGT_IPC_SOCKET=os.path.join(self.folder, "tgtd"))

    def adm(self, mode, op, *arguments):
        command = ["tgtadm", "-C", "0", "--lld", "iscsi", "--mode", mode, "--op", op]
        return subprocess.run(command + [str(a) for a in arguments], env=self.environment(),
                              check=True, capture_output=True, text=True).stdout

    def closed_connections(self):
        """How many connections to its portal the kernel remembers that were closed lately."""
        end = f"{socket.inet_aton(self.address)[::-1].hex().upper()}:{self.port:04X}"
        with open("/proc/net/tcp", encoding="ascii") as f:
            return sum(line.split()[3] == "06" and end in line.split()[1:3] for line in f)

    def start(self, provision=True):
        self.log = open(os.path.join(self.folder, "tgtd.log"), "a")
        self.process = subprocess.Popen(
            ["tgtd", "-f", "-C", "0", "-t", str(self.threads), "--iscsi",
             f"portal={self.portal}"],
            env=self.environment(), stdout=self.log, stderr=self.log)
        wait_for("tgtd", lambda: self.adm("sys", "show"))
        if provision:
            self.provision()

    def provision(self):
        self.adm("account", "new", "--user", USER, "--password", SECRET)
        self.adm("target", "new", "--tid", 1, "--targetname", TARGET)
        for name, value in PARAMETERS.items():
            self.adm("target", "update", "--tid", 1, "--name", name, "--value", value)
        self.adm("logicalunit", "new", "--tid", 1, "--lun", 1, "--backing-store", self.disk,
                 "--bstype", "rdwr")
        self.adm("logicalunit", "update", "--tid", 1, "--lun", 1, "--params",
                 "thin_provisioning=1")
        self.adm("account", "bind", "--tid", 1, "--user", USER)
        self.allow()

    def allow(self):
        self.adm("target", "bind", "--tid", 1, "--initiator-name", INITIATOR)

    def revoke(self):
        self.adm("target", "unbind", "--tid", 1, "--initiator-name", INITIATOR)

    def sessions(self):
        """The [(session, connection)] that are live."""
        found, session = [], None
        for line in self.adm("conn", "show", "--tid", 1).splitlines():
            words = line.split()
            if words[:1] == ["Session:"]:
                session = words[1]
            elif words[:1] == ["Connection:"]:
                found.append((session, words[1]))
        return found

    def drop_sessions(self):
        for sid, cid in self.sessions():
            self.adm("conn", "delete", "--tid", 1, "--sid", sid, "--cid", cid)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.log.close()
            self.process = None

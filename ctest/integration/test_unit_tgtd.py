# dvsan-unit with supervise="yes": it starts tgtd, which outlives it, and is never ended by it.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import os
import re
import signal
import socket
import stat
import struct
import time

import pytest

from unit_box import ACTIVE, ONLINE, Box, free_addresses, wait_for

ALICE, SECRET = "iqn.2026-11.host:alice", "secret-of-alice"
MALLORY = "iqn.2026-11.host:mallory"


class Supervised(Box):
    """Its agent starts tgtd."""

    def write_config(self, media='<medium index="1" name="m1" kind="dir" path="media" size="256M"/>'):
        super().write_config(media)
        self.edit("<tgtd ", '<tgtd supervise="yes" ')

    def edit(self, old, new):
        path = self.dir / "unit.xml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def tgtd_pid(self):
        """The process that answers at tgtd's socket, or None."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(1)
            try:
                s.connect(str(self.dir / "run/tgtd.0"))
            except OSError:
                return None
            return struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]

    def start(self):
        self.start_snmpd()
        self.start_agent()
        self.wait_ready()
        return wait_for("tgtd", self.tgtd_pid)

    def log(self):
        return self.agent_log.read_text()

    def wait_log(self, text, seconds=20):
        wait_for(f"the log to say {text}", lambda: text in self.log(), seconds)

    def close(self):
        if self.agent:
            self.agent.kill()
        pid = self.tgtd_pid()
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        super().close()


@pytest.fixture(name="addresses", scope="module")
def fixture_addresses():
    addresses, held = free_addresses(2)
    yield addresses
    for s in held:
        s.close()


@pytest.fixture(name="box")
def fixture_box(addresses):
    box = Supervised(*addresses)
    try:
        yield box
        for bad in ("AddressSanitizer", "runtime error:", "LeakSanitizer", SECRET):
            assert bad not in box.log()
    except BaseException:
        print(box.log()[-8000:] if box.agent_log.exists() else "no log")
        raise
    finally:
        box.close()


def listeners(pid):
    """Where the process listens by TCP over IPv4 or IPv6, as (hex address, port)."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            inodes.update(re.findall(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{fd}")))
    found = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as f:
            for line in f.readlines()[1:]:
                words = line.split()
                if words[3] == "0A" and words[9] in inodes:
                    address, port = words[1].split(":")
                    found.add((address, int(port, 16)))
    return found


def hex_of(address):
    return struct.pack("<I", struct.unpack(">I", socket.inet_aton(address))[0]).hex().upper()


def files_of(pid, folder):
    """The files below a folder that the process has open."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            path = os.readlink(f"/proc/{pid}/fd/{fd}")
            if path.startswith(str(folder)):
                found.add(os.path.relpath(path, folder))
    return found


def test_starts_one_that_is_its_own(box):
    """Only the portals, the threads as configured, nothing of the agent's open."""
    pid = box.start()
    assert os.getsid(pid) == pid
    wait_for("the portal alone", lambda: listeners(pid) == {(hex_of(box.portal), 3260)})
    with open(f"/proc/{pid}/cmdline", encoding="ascii") as f:
        argv = f.read().split("\0")
    assert argv[:6] == ["tgtd", "-f", "-C", "0", "-t", "2"]
    with open(f"/proc/{pid}/environ", encoding="ascii") as f:
        names = {word.partition("=")[0] for word in f.read().split("\0") if word}
    assert names == {"PATH", "TGT_IPC_SOCKET"}
    assert files_of(pid, box.dir) == {"state/tgtd.0.log", "run/tgtd.0.lock"}
    agents = {os.readlink(f"/proc/{box.agent.popen.pid}/fd/{fd}")
              for fd in os.listdir(f"/proc/{box.agent.popen.pid}/fd")}
    shared = {name for name in agents if name.startswith("socket:")}
    mine = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert not shared & mine
    assert stat.S_ISFIFO(os.stat(box.dir / "state/tgtd.0.log").st_mode)
    box.create(1, "v1")
    box.wait_volume(1, ONLINE)
    assert files_of(pid, box.dir / "media") == {name for name in os.listdir(box.dir / "media")
                                                if not name.startswith(".") and "lock" not in name}


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_outlives_the_agent(box, signo):
    """Hosts go on meanwhile, and the next agent goes on with it, and with its log."""
    pid = box.start()
    box.create(1, "v1")
    box.wait_volume(1, ONLINE)
    box.grant(1, 1, ALICE, "alice", SECRET)
    box.wait_rule(1, 1, ACTIVE)
    iqn = box.iqn(1)
    box.agent.end(signo)
    assert box.inquire(iqn, ALICE, "alice", SECRET)
    for _ in range(200):  # more than its log has room for
        with socket.create_connection((box.portal, 3260)) as s:
            s.sendall(bytes(48))
    assert box.inquire(iqn, ALICE, "alice", SECRET)
    box.start_agent()
    box.wait_log(f"goes on as process {pid}")
    box.wait_ready()
    assert box.tgtd_pid() == pid
    box.wait_volume(1, ONLINE)
    assert not box.inquire(iqn, ALICE, "alice", "wrong-secret-1")
    box.wait_log(f"tgtd: CHAP initiator auth.: authentication of {ALICE} failed (wrong secret!?)")


def test_starts_it_again(box):
    """It tells why it ended, and all is served again."""
    pid = box.start()
    box.create(1, "v1")
    box.wait_volume(1, ONLINE)
    box.grant(1, 1, ALICE, "alice", SECRET)
    box.wait_rule(1, 1, ACTIVE)
    iqn = box.iqn(1)
    os.kill(pid, signal.SIGKILL)
    box.wait_log(f"process {pid} was ended by signal 9 (Killed)")
    other = wait_for("another tgtd", lambda: box.tgtd_pid() not in (None, pid) and box.tgtd_pid())
    wait_for("alice to be served", lambda: box.inquire(iqn, ALICE, "alice", SECRET))
    wait_for("the portal alone", lambda: listeners(other) == {(hex_of(box.portal), 3260)})
    assert not os.path.exists(f"/proc/{pid}")  # nor a zombie


def test_leaves_alone_what_is_there(box):
    """A tgtd that somebody else started at the socket is used as it is."""
    box.start_tgtd()
    wait_for("tgtd", box.tgtd_pid)
    pid = box.start()
    assert pid == box.tgtd.popen.pid
    box.wait_log(f"goes on as process {pid}")
    box.tgtd.kill()
    box.wait_log(f"process {pid} has ended; why cannot be told")
    wait_for("a tgtd of its own", lambda: box.tgtd_pid() not in (None, pid))


def test_backs_off_and_says_why(box):
    """A tgtd that cannot run is started less and less often; what it said is in the log."""
    box.edit(f'socket="{box.dir}/run/tgtd"', f'socket="{box.dir}/nowhere/tgtd"')
    box.start_snmpd()
    box.start_agent()
    wait_for("three ends", lambda: box.log().count("has ended with status 1") >= 3)
    assert "failed to open lock file for management IPC" in box.log()
    times = [float(m[1]) * 60 + float(m[2]) for m in
             re.finditer(r"T\d+:(\d+):([\d.]+)Z .* tgtd: started process", box.log())][:3]
    gaps = [(b - a) % 3600 for a, b in zip(times, times[1:])]
    assert gaps[0] >= 0.1 and gaps[1] >= 0.2


@pytest.mark.parametrize("portal", ['interface="nosuch0"', 'address="198.51.100.77"'])
def test_never_listens_elsewhere(box, portal):
    """Also when no portal's address is there."""
    box.edit(f'address="{box.portal}"', portal)
    box.start_snmpd()
    box.start_agent()
    box.wait_ready()
    pid = wait_for("tgtd", box.tgtd_pid)
    for _ in range(100):
        assert listeners(pid) <= {(hex_of("127.255.255.254"), port) for port in range(1, 65536)}
        time.sleep(0.01)
    wait_for("the first address to be gone", lambda: not listeners(pid))


def test_reports_a_hung_one(box):
    """It is named in the log, not ended, and used again when it answers."""
    pid = box.start()
    box.create(1, "v1")
    box.wait_volume(1, ONLINE)
    os.kill(pid, signal.SIGSTOP)
    box.wait_log(f"process {pid} lives and has not answered for 15 seconds", 60)
    assert f"kill -9 {pid}" in box.log()
    assert box.log().count("started process") == 1
    os.kill(pid, signal.SIGCONT)
    box.wait_log(f"process {pid} answers again", 40)
    box.wait_volume(1, ONLINE)
    assert not box.inquire(box.iqn(1), MALLORY)


def parameters(box, tid):
    return dict(line.split("=", 1) for line in
                box.tgtadm("--mode", "target", "--op", "show", "--tid", str(tid)).splitlines()
                if "=" in line)


def test_session_parameters(box):
    """They come from the configuration, also for targets that are there when it changes."""
    pid = box.start()
    for index in (1, 2):
        box.create(index, f"v{index}")
        box.wait_volume(index, ONLINE)
    tuned = {"MaxRecvDataSegmentLength": "262144", "InitialR2T": "No", "ImmediateData": "Yes",
             "FirstBurstLength": "262144", "MaxBurstLength": "1048576", "MaxOutstandingR2T": "16"}
    for tid in (1, 2):
        assert tuned.items() <= parameters(box, tid).items()
    box.agent.end()
    box.tgtadm("--mode", "target", "--op", "update", "--tid", "2", "--name", "MaxBurstLength",
               "--value", "512")
    other = dict(tuned, MaxRecvDataSegmentLength="65536", InitialR2T="Yes", MaxOutstandingR2T="3")
    box.edit(' threads="2"/>', ' threads="2"><session MaxRecvDataSegmentLength="65536"'
             ' InitialR2T="Yes" MaxOutstandingR2T="3"/></tgtd>')
    box.start_agent()
    for tid in (1, 2):
        wait_for(f"the parameters of {tid}", lambda t=tid: other.items() <= parameters(box, t).items())
    box.wait_ready()
    assert box.tgtd_pid() == pid
    box.create(3, "v3")
    box.wait_volume(3, ONLINE)
    assert other.items() <= parameters(box, 3).items()
    assert box.log().count("set session parameters") == 2 + 2 + 1

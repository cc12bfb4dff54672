#!/usr/bin/python3
# The SNMP layer against Net-SNMP's own snmpd and tools: tables, SET in phases, lost masters, walks.
# SPDX-License-Identifier: BSD-2-Clause
import os
import queue
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import pytest

from support import BUILD, patience
from support.patience import wait_for

ROOT = ".1.3.6.1.4.1.8072.9999.9999.4711"
SCALAR = ROOT + ".1"
ROW = ROOT + ".2.1"
LARGE = ROOT + ".3.1"
LARGE_ROWS = 400
USER = ("demo", "authentication1", "privacy-privacy1")
AUTH = ["-v3", "-u", USER[0], "-l", "authPriv", "-a", "SHA-256", "-A", USER[1], "-x", "AES",
        "-X", USER[2]]
PID = os.getpid() % 62500
IP = f"127.11.{1 + PID // 250}.{1 + PID % 250}"  # so that runs side by side do not meet
PORT = 16161
TRAP_PORT = 16162
MANAGER_ENGINE = "80001f880501020304"
COLD_START = " 1.3.6.1.6.3.1.1.5.1 "


class Process:
    """A program whose lines of output are gathered while it runs."""

    def __init__(self, *argv):
        self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.errors = []
        self.readers = [threading.Thread(target=self.read, args=(self.child.stdout,
                                                                 self.lines.put)),
                        threading.Thread(target=self.read, args=(self.child.stderr,
                                                                 self.errors.append))]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def read(stream, take):
        for line in stream:
            take(line.rstrip("\n"))

    def line(self, seconds=10):
        try:
            return self.lines.get(timeout=patience.seconds(seconds))
        except queue.Empty:
            raise AssertionError(f"no line within {seconds} s; errors: {self.errors}") from None

    def drain(self):
        """The lines that are there; for when an earlier answer shows that all have come."""
        found = []
        while not self.lines.empty():
            found.append(self.lines.get())
        return found

    def ask(self, text, seconds=20):
        """Sends a line, and returns the lines of the answer up to the one with "done"."""
        self.child.stdin.write(text + "\n")
        self.child.stdin.flush()
        answer = []
        while not answer or not answer[-1].startswith("done"):
            answer.append(self.line(seconds))
        return answer

    def end(self, signo=signal.SIGTERM):
        """Ends it, and returns its exit code."""
        if self.child.poll() is None:
            if signo is None:
                self.child.stdin.close()
            else:
                self.child.send_signal(signo)
        code = self.child.wait(120)
        for reader in self.readers:
            reader.join()
        return code


class Lab:
    """One snmpd with our subagent, in a folder and on an address of its own."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="snmp-layer-")
        self.socket = f"{self.dir}/agentx"
        self.snmpd = self.agent = None
        self.env = dict(os.environ, MIBS="", SNMPCONFPATH=self.dir,
                        SNMP_PERSISTENT_DIR=f"{self.dir}/persistent")
        with open(f"{self.dir}/snmpd.conf", "w", encoding="ascii") as f:
            f.write(f"agentAddress udp:{IP}:{PORT}\n"
                    f"master agentx\nagentXSocket {self.socket}\nagentXPerms 0700 0700\n"
                    f"createUser {USER[0]} SHA-256 {USER[1]} AES {USER[2]}\n"
                    f"rwuser {USER[0]} authpriv\nmaxGetbulkResponses 500\n"
                    f"trapsess -v 3 -u {USER[0]} -l authPriv -a SHA-256 -A {USER[1]} -x AES "
                    f"-X {USER[2]} -Ci -e 0x{MANAGER_ENGINE} udp:{IP}:{TRAP_PORT}\n")
        os.mkdir(f"{self.dir}/manager", 0o700)
        with open(f"{self.dir}/manager/engine", "w", encoding="ascii") as f:
            f.write(f"{MANAGER_ENGINE} 1\n")  # given above, or snmpd waits for it in vain

    def start_snmpd(self):
        self.snmpd = subprocess.Popen(
            ["/usr/sbin/snmpd", "-f", "-C", "-c", f"{self.dir}/snmpd.conf", "-Lf",
             f"{self.dir}/snmpd.log", "-I", "-smux"], env=self.env)

    def kill_snmpd(self):
        self.snmpd.kill()
        self.snmpd.wait()

    def start_agent(self, expect=("connected",), timing=()):
        self.agent = Process(f"{BUILD}/tests/sn_agent_demo", self.socket, f"{self.dir}/agent",
                             str(LARGE_ROWS), *timing)
        for line in expect:
            assert self.agent.line() == line

    def stop(self):
        if self.agent:
            self.agent.end()
        if self.snmpd:
            self.kill_snmpd()
        shutil.rmtree(self.dir)

    def run(self, tool, *args):
        argv = [f"/usr/bin/{tool}", *AUTH, "-On", "-Oe", "-t", "3", "-r", "1", f"{IP}:{PORT}", *args]
        return subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=60)

    def get(self, *oids):
        result = self.run("snmpget", *oids)
        assert result.returncode == 0, result.stderr
        return [line.split(" = ", 1)[1] for line in result.stdout.splitlines()]

    def set(self, *triples):
        """Returns "" or the error-status of a SET."""
        result = self.run("snmpset", *triples)
        if result.returncode == 0:
            return ""
        found = re.search(r"Reason: (\w+)", result.stderr)
        assert found, result.stderr
        return found[1]

    def rows(self):
        return self.run("snmpwalk", ROW).stdout

    def set_phases(self, *triples):
        """Does a SET; returns its error-status and what the agent said."""
        self.get(SCALAR + ".1.0")  # the CleanupSet of an earlier one is behind us as well
        self.agent.drain()
        status = self.set(*triples)
        self.get(SCALAR + ".1.0")  # CleanupSet has no answer: it is behind us when this has one
        return status, self.agent.drain()


@pytest.fixture(scope="module")
def lab():
    made = Lab()
    try:
        made.start_snmpd()
        made.start_agent()
        yield made
        made.agent.drain()
        code = made.agent.end()
        errors = "\n".join(made.agent.errors)
        assert (code == 0 and not errors) or is_known_leak(errors), errors
        assert made.agent.drain() == ["ended"]
    finally:
        made.stop()


def is_known_leak(errors):
    """Net-SNMP 5.9.3 loses a struct sockaddr_un whenever receiving from the master fails."""
    leaks = re.findall(r"leak of (\d+) byte\(s\) in (\d+) object", errors)
    return bool(leaks) and leaks == [(str(110 * int(count)), count) for _, count in leaks] and \
        errors.count("#0 ") == len(leaks) == errors.count("libnetsnmp.so")


def create(lab, index, name, size="1"):
    return lab.set(f"{ROW}.6.{index}", "i", "4", f"{ROW}.2.{index}", "s", name,
                   f"{ROW}.3.{index}", "u", size)


def destroy(lab, *indexes):
    assert lab.set(*[word for i in indexes for word in (f"{ROW}.6.{i}", "i", "6")]) == ""


def numbers(oid):
    return [int(n) for n in oid.strip(".").split(".")]


# ---- Reading --------------------------------------------------------------------------------


def test_walks_are_in_order(lab):
    for i in (3, 20, 100):
        assert create(lab, i, f"row{i}") == ""
    walks = [lab.run("snmpwalk", ROOT), lab.run("snmpbulkwalk", "-Cr7", ROOT),
             lab.run("snmpbulkwalk", "-Cr200", ROOT)]
    for walk in walks:
        assert walk.returncode == 0
        assert walk.stdout == walks[0].stdout
    oids = [numbers(line.split(" = ")[0]) for line in walks[0].stdout.splitlines()]
    assert all(a < b for a, b in zip(oids, oids[1:]))
    assert len(oids) == 4 + 3 * 6 + 2 + 2 * LARGE_ROWS  # parity is there for 20 and 100 only
    # The same by a GETNEXT from names that do not exist.
    for name in (ROOT, SCALAR + ".1", SCALAR + ".0.9", ROW + ".1.7", ROW + ".1.7.8.9"):
        expected = next(o for o in oids if o > numbers(name))
        got = lab.run("snmpgetnext", name).stdout.split(" = ")[0]
        assert numbers(got) == expected
    behind = lab.run("snmpgetnext", ROOT).stdout
    assert behind
    destroy(lab, 3, 20, 100)


def test_what_is_not_there(lab):
    create(lab, 3, "three")
    assert lab.get(f"{SCALAR}.1.0", f"{SCALAR}.1.1", f"{SCALAR}.9.0", f"{ROW}.2.3", f"{ROW}.2.4",
                   f"{ROW}.1.3", f"{ROW}.5.3", f"{ROW}.2.3.1", f"{SCALAR}.1") == [
        'STRING: "demo"',
        "No Such Instance currently exists at this OID",
        "No Such Object available on this agent at this OID",
        'STRING: "three"',
        "No Such Instance currently exists at this OID",
        "No Such Object available on this agent at this OID",
        "No Such Instance currently exists at this OID",
        "No Such Instance currently exists at this OID",
        "No Such Instance currently exists at this OID",
    ]
    destroy(lab, 3)


MIB = """DEMO-MIB DEFINITIONS ::= BEGIN
demo OBJECT IDENTIFIER ::= { iso 3 6 1 4 1 8072 9999 9999 4711 }
demoTable OBJECT-TYPE SYNTAX SEQUENCE OF DemoEntry MAX-ACCESS not-accessible STATUS current
    DESCRIPTION "" ::= { demo 2 }
demoEntry OBJECT-TYPE SYNTAX DemoEntry MAX-ACCESS not-accessible STATUS current
    DESCRIPTION "" INDEX { demoIndex } ::= { demoTable 1 }
DemoEntry ::= SEQUENCE { demoIndex INTEGER, demoName OCTET STRING, demoMode INTEGER }
demoIndex OBJECT-TYPE SYNTAX INTEGER MAX-ACCESS not-accessible STATUS current
    DESCRIPTION "" ::= { demoEntry 1 }
demoName OBJECT-TYPE SYNTAX OCTET STRING MAX-ACCESS read-create STATUS current
    DESCRIPTION "" ::= { demoEntry 2 }
demoMode OBJECT-TYPE SYNTAX INTEGER MAX-ACCESS read-create STATUS current
    DESCRIPTION "" ::= { demoEntry 4 }
END
"""


def test_snmptable(lab):
    for i in (4, 7):
        create(lab, i, f"name{i}")
    with open(f"{lab.dir}/DEMO-MIB.txt", "w", encoding="ascii") as f:
        f.write(MIB)
    env = dict(lab.env, MIBDIRS=lab.dir, MIBS="DEMO-MIB")
    argv = ["/usr/bin/snmptable", *AUTH, "-Ci", "-Cf", "|", "-CH", f"{IP}:{PORT}",
            "DEMO-MIB::demoTable"]
    result = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
    lines = result.stdout.splitlines()  # the third says that the MIB above has not all columns
    assert lines[:2] == ['4|"name4"|1', '7|"name7"|1'], result.stderr
    destroy(lab, 4, 7)


# ---- SET ------------------------------------------------------------------------------------


def test_set_statuses(lab):
    create(lab, 1, "one")
    before = lab.rows()
    long_name = "x" * 33
    cases = [
        ((f"{SCALAR}.3.0", "s", "text"), "wrongType"),
        ((f"{SCALAR}.3.0", "u", "7"), "wrongType"),
        ((f"{SCALAR}.3.0", "i", "3601"), "wrongValue"),
        ((f"{SCALAR}.3.0", "i", "-6"), "wrongValue"),
        ((f"{SCALAR}.4.0", "s", "x" * 17), "wrongLength"),
        ((f"{SCALAR}.1.0", "s", "text"), "notWritable"),
        ((f"{SCALAR}.9.0", "i", "1"), "notWritable"),
        ((f"{SCALAR}.3.1", "i", "1"), "noCreation"),
        ((f"{ROW}.1.1", "u", "1"), "notWritable"),
        ((f"{ROW}.2.1", "s", ""), "wrongLength"),
        ((f"{ROW}.2.1", "s", long_name), "wrongLength"),
        ((f"{ROW}.3.1", "i", "1"), "wrongType"),
        ((f"{ROW}.4.1", "i", "4"), "wrongValue"),
        ((f"{ROW}.4.1", "i", "-2147483648"), "wrongValue"),
        ((f"{ROW}.5.1", "s", "odd"), "notWritable"),
        ((f"{ROW}.2.2", "s", "two"), "inconsistentName"),
        ((f"{ROW}.6.2", "i", "6"), "inconsistentName"),
        ((f"{ROW}.6.1", "i", "4"), "inconsistentValue"),
        ((f"{ROW}.6.1", "i", "5"), "wrongValue"),
        ((f"{ROW}.3.1", "u", "13"), "inconsistentValue"),
        ((f"{ROW}.8.1", "i", "1"), "notWritable"),
        ((f"{ROW}.4.1", "i", "2", f"{ROW}.4.1", "i", "3"), "inconsistentValue"),
        ((f"{LARGE}.1.2", "u", "1"), "notWritable"),
        ((f"{LARGE}.1.3", "u", "1"), "notWritable"),
        ((f"{ROW}.2." + ".".join(["1"] * 33), "s", "deep"), "noCreation"),
    ]
    for triples, status in cases:
        assert (triples, lab.set(*triples)) == (triples, status)
    assert lab.rows() == before
    assert lab.get(f"{SCALAR}.3.0", f"{SCALAR}.4.0") == ["INTEGER: 0", '""']
    destroy(lab, 1)


def test_set_values(lab):
    assert create(lab, 5, "five", "4294967295") == ""
    assert lab.set(f"{SCALAR}.3.0", "i", "-5", f"{SCALAR}.4.0", "s", "x" * 16,
                   f"{ROW}.7.5", "o", ".1.3.4294967295", f"{ROW}.4.5", "i", "3") == ""
    assert lab.get(f"{SCALAR}.3.0", f"{SCALAR}.4.0", f"{ROW}.7.5", f"{ROW}.3.5", f"{ROW}.4.5",
                   f"{ROW}.8.5") == [
        "INTEGER: -5", f'STRING: "{"x" * 16}"', "OID: .1.3.4294967295",
        "Gauge32: 4294967295", "INTEGER: 3", "Counter64: 18446744069414584320"]
    assert lab.set(f"{SCALAR}.3.0", "i", "0", f"{SCALAR}.4.0", "s", "") == ""
    destroy(lab, 5)


def test_phases_of_a_set(lab):
    create(lab, 1, "one")
    assert lab.set_phases(f"{ROW}.2.1", "s", "uno", f"{SCALAR}.3.0", "i", "9",
                          f"{ROW}.4.1", "i", "2") == (
        "", ["check 1", "check scalars", "apply 1", "apply scalars", "commit 1", "commit scalars",
             "release 1", "release scalars"])
    lab.set(f"{SCALAR}.3.0", "i", "0")
    before = lab.rows()

    # The last variable is bad by its type, by its row's check, or when it is applied.
    assert lab.set_phases(f"{ROW}.2.1", "s", "eins", f"{SCALAR}.3.0", "i", "7",
                          f"{SCALAR}.4.0", "i", "1") == ("wrongType", [])
    assert lab.set_phases(f"{ROW}.2.1", "s", "eins", f"{SCALAR}.3.0", "i", "7",
                          f"{ROW}.3.2", "u", "13") == (
        "inconsistentValue",
        ["check 1", "check scalars", "check 2", "release 1", "release scalars", "release 2"])
    assert lab.set_phases(f"{ROW}.2.1", "s", "eins", f"{SCALAR}.3.0", "i", "7",
                          f"{ROW}.2.2", "s", "fail", f"{ROW}.6.2", "i", "4") == (
        "commitFailed",
        ["check 1", "check scalars", "check 2", "apply 1", "apply scalars", "apply 2",
         "undo scalars", "undo 1", "release 1", "release scalars", "release 2"])
    assert lab.rows() == before
    assert lab.get(f"{SCALAR}.3.0") == ["INTEGER: 0"]
    destroy(lab, 1)


def test_the_blamed_variable(lab):
    create(lab, 1, "one")
    result = lab.run("snmpset", f"{ROW}.2.1", "s", "uno", f"{ROW}.4.1", "i", "2",
                     f"{ROW}.3.1", "u", "13")
    assert f"Failed object: {ROW}.3.1" in result.stderr
    destroy(lab, 1)


def test_create_and_destroy(lab):
    assert create(lab, 2, "two") == ""
    assert create(lab, 2, "two") == "inconsistentValue"
    assert create(lab, 1, "one") == ""
    assert lab.get(f"{SCALAR}.2.0") == ["Gauge32: 2"]
    # Two rows at once, and one of them wrongly: neither.
    assert lab.set(f"{ROW}.6.1", "i", "6", f"{ROW}.6.9", "i", "6") == "inconsistentName"
    assert lab.get(f"{SCALAR}.2.0") == ["Gauge32: 2"]
    destroy(lab, 1, 2)
    assert lab.get(f"{SCALAR}.2.0") == ["Gauge32: 0"]


# ---- Losing the master ----------------------------------------------------------------------


def registrations(lab):
    """How often the log says that something was registered twice."""
    with open(f"{lab.dir}/snmpd.log", encoding="utf-8", errors="replace") as f:
        return f.read().count("duplicate registration")


def test_master_is_killed_and_comes_back(lab):
    create(lab, 1, "one")
    before = lab.run("snmpwalk", ROOT).stdout
    for _ in range(3):
        lab.agent.drain()
        lab.kill_snmpd()
        assert lab.agent.line() == "lost"
        time.sleep(0.3)  # a restart takes a while
        lab.start_snmpd()
        wait_for("the master's socket", lambda: os.path.exists(lab.socket))
        assert lab.agent.line() == "connected"
        assert lab.run("snmpwalk", ROOT).stdout == before
    assert registrations(lab) == 0
    assert lab.agent.drain() == []
    destroy(lab, 1)


def test_master_comes_later(lab):
    lab.agent.end()
    lab.kill_snmpd()
    os.unlink(lab.socket)
    lab.start_agent(expect=())
    time.sleep(0.5)  # it looks for its master in vain for this long
    lab.start_snmpd()
    wait_for("the master's socket", lambda: os.path.exists(lab.socket))
    assert lab.agent.line(2) == "connected"
    assert lab.get(f"{SCALAR}.1.0") == ['STRING: "demo"']


def test_notifications_after_each_pause(lab, manager):
    """A master that hung for whatever time: the agent is told of its return, and notifies again.

    A hang is found by a ping, and what follows takes its turns at asking again; here all of that
    takes a tenth of the usual time, so that these pauses cover its phases."""
    assert manager.ask(f"listen udp:{IP}:{TRAP_PORT}") == ["done "]
    lab.agent.end()
    lab.start_agent(timing=("200", "1", "700"))
    for pause in (0.5, 1.2, 1.6, 2.0, 2.4, 2.8, 3.2, 3.6, 4.0):
        lab.snmpd.send_signal(signal.SIGSTOP)
        try:
            time.sleep(pause)
        finally:
            lab.snmpd.send_signal(signal.SIGCONT)
        wait_for("the demo", lambda: lab.run("snmpget", f"{SCALAR}.1.0").stdout.endswith('"demo"\n'), 60)
        told = ["connected"] + lab.agent.drain()
        while told[-1] != "connected":  # the tables are there before the agent is told
            told.append(lab.agent.line(60))
        assert told == ["connected"] + ["lost", "connected"] * (len(told) // 2), told
        lab.agent.child.send_signal(signal.SIGUSR1)
        while (line := manager.line(60)) != f"inform demo {ROOT[1:]}.0.1 0":
            assert COLD_START in line  # snmpd's own
        assert lab.agent.drain() == [], pause
    lab.agent.end()
    lab.start_agent()


def test_nothing_goes_out_without_a_master(lab):
    lab.kill_snmpd()
    assert lab.agent.line() == "lost"
    lab.agent.child.send_signal(signal.SIGUSR1)
    assert lab.agent.line() == "not sent"
    lab.start_snmpd()
    assert lab.agent.line(30) == "connected"


class FakeMaster:
    """The few messages of AgentX (RFC 2741) that a misbehaving master needs."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(5)
        self.listener.settimeout(patience.seconds(10))
        self.peer = None

    def header(self, kind, payload, transaction=0, packet=1):
        return struct.pack("=BBBBIIII", 1, kind, 0, 0, 1, transaction, packet, len(payload)) + payload

    def receive(self):
        head = self.exactly(20)
        kind, flags, transaction, packet, length = *struct.unpack("=xBBxxxxx", head[:8]), \
            *struct.unpack("=III", head[8:])
        return kind, transaction, packet, self.exactly(length)

    def exactly(self, size):
        data = b""
        while len(data) < size:
            piece = self.peer.recv(size - len(data))
            assert piece, "the subagent closed"
            data += piece
        return data

    def accept(self):
        self.peer, _ = self.listener.accept()
        self.peer.settimeout(patience.seconds(10))

    def answer_all(self, until):
        """Says yes to all, up to and with the message of kind until."""
        while True:
            kind, transaction, packet, _ = self.receive()
            self.peer.sendall(self.header(18, struct.pack("=IHH", 0, 0, 0), transaction, packet))
            if kind == until:
                return

    def test_set(self, oid, value):
        ids = numbers(oid)
        name = struct.pack("=BBBB", len(ids), 0, 0, 0) + struct.pack(f"={len(ids)}I", *ids)
        self.peer.sendall(self.header(8, struct.pack("=HH", 2, 0) + name + struct.pack("=i", value),
                                      77))

    def commit_set(self):
        self.peer.sendall(self.header(9, b"", 77))

    def clean_up_set(self):
        self.peer.sendall(self.header(11, b"", 77))

    def error(self):
        """The error of the next response."""
        kind, _, _, payload = self.receive()
        assert kind == 18
        return struct.unpack("=IHH", payload[:8])[1]

    def close(self):
        self.peer.close()


def test_master_leaves_a_set_unfinished(tmp_path):
    master = FakeMaster(str(tmp_path / "agentx"))
    agent = Process(f"{BUILD}/tests/sn_agent_demo", str(tmp_path / "agentx"), str(tmp_path), "1")
    try:
        for phases in (["check scalars", "release scalars"],
                       ["check scalars", "apply scalars", "commit scalars", "release scalars"]):
            master.accept()
            master.answer_all(3)  # one registration for all three tables
            assert agent.line() == "connected"
            master.test_set(f"{SCALAR}.3.0", 42)
            assert master.receive()[0] == 18
            if "apply scalars" in phases:
                master.commit_set()
                assert master.receive()[0] == 18
            master.close()
            lines = [agent.line() for _ in range(len(phases) + 1)]
            assert lines == [*phases, "lost"]
        master.accept()  # and then says nothing
        assert agent.end() == 0
        assert agent.errors == []
    finally:
        agent.end(signal.SIGKILL)


def test_master_repeats_itself(tmp_path):
    """It does, when an agent keeps it waiting."""
    master = FakeMaster(str(tmp_path / "agentx"))
    agent = Process(f"{BUILD}/tests/sn_agent_demo", str(tmp_path / "agentx"), str(tmp_path), "1")
    try:
        master.accept()
        master.answer_all(3)
        for value in (41, 42):
            for _ in range(3):
                master.test_set(f"{SCALAR}.3.0", value)
            assert [master.error() for _ in range(3)] == [0, 0, 0]
            for _ in range(2):
                master.commit_set()
            errors = [master.error(), master.error()]  # the refusal may come first
            assert 0 in errors and errors != [0, 0]
            master.clean_up_set()
            assert master.error() == 0
            master.commit_set()  # of a SET that has ended
            assert master.error() == 5
        lines = [agent.line() for _ in range(17)]
        once = ["check scalars", "release scalars"] * 2 + [
            "check scalars", "apply scalars", "commit scalars", "release scalars"]
        assert lines == ["connected", *once, *once]
        master.close()
        assert agent.line() == "lost"
    finally:
        agent.end(signal.SIGKILL)


# ---- Notifications --------------------------------------------------------------------------


@pytest.fixture
def manager(lab):
    made = Process(f"{BUILD}/tests/sn_manager_demo", f"{lab.dir}/manager", *USER)
    yield made
    assert made.end(None) == 0
    assert made.errors == [] or all("Net-SNMP" in line for line in made.errors)


def test_notification_through_the_master(lab, manager):
    assert manager.ask(f"listen udp:{IP}:{TRAP_PORT}") == ["done "]
    lab.agent.child.send_signal(signal.SIGUSR1)
    assert manager.line(20) == f"inform demo {ROOT[1:]}.0.1 0"


def notify(lab, tool, *auth):
    argv = [f"/usr/bin/{tool}", *auth, "-t", "1", "-r", "0", f"udp:{IP}:{TRAP_PORT + 1}", "5", ROOT + ".0.2",
            SCALAR + ".3.0", "i", "7"]
    return subprocess.run(argv, env=lab.env, capture_output=True, text=True, timeout=120).returncode


def stats(manager, names="informs traps version security malformed"):
    words = manager.ask("stats")[-1].split()[1:]
    found = dict(zip(words[::2], map(int, words[1::2])))
    return [found[name] for name in names.split()]


def test_what_the_listener_takes(lab, manager):
    assert manager.ask(f"listen udp:{IP}:{TRAP_PORT + 1}") == ["done "]
    assert notify(lab, "snmpinform", *AUTH) == 0
    assert manager.line() == f"inform demo {ROOT[1:]}.0.2 7"
    assert stats(manager) == [1, 0, 0, 0, 0]

    refused = [
        ("snmpinform", ["-v2c", "-c", "public"], "version"),
        ("snmptrap", ["-v2c", "-c", "public"], "version"),
        ("snmpinform", ["-v3", "-u", "demo", "-l", "noAuthNoPriv"], "security"),
        ("snmpinform", [*AUTH[:4], "authNoPriv", *AUTH[5:9]], "security"),
        ("snmpinform", ["-v3", "-u", "nobody", *AUTH[3:]], "security"),
        ("snmpinform", [*AUTH[:8], "wrong-passphrase", *AUTH[9:]], "security"),
        ("snmptrap", ["-e", "0x8000000001020304", *AUTH], "security"),  # an engine nobody knows
    ]
    for tool, auth, counter in refused:
        before = stats(manager, counter)
        notify(lab, tool, *auth)
        wait_for(f"{tool} {auth} counted", lambda: stats(manager, counter)[0] > before[0])
    assert stats(manager, "informs traps") == [1, 0]
    assert manager.drain() == []

    assert manager.ask("accept 8000000001020304") == ["done "]
    notify(lab, "snmptrap", "-e", "0x8000000001020304", *AUTH)
    assert manager.line() == f"trap demo {ROOT[1:]}.0.2 7"
    assert stats(manager, "informs traps") == [1, 1]


# ---- The manager ----------------------------------------------------------------------------


def test_manager_gets(lab, manager):
    assert manager.ask(f"peer udp:{IP}:{PORT}") == ["done "]
    assert manager.ask(f"get {SCALAR}.1.0 {SCALAR}.9.0 {SCALAR}.1.7") == [
        f'var {SCALAR[1:]}.1.0 "demo"', f"var {SCALAR[1:]}.9.0 noSuchObject",
        f"var {SCALAR[1:]}.1.7 noSuchInstance", "done ok 0 "]


def test_manager_sets(lab, manager):
    manager.ask(f"peer udp:{IP}:{PORT}")

    def outcome(*words):
        return manager.ask("set " + " ".join(words))[-1].split(" ", 3)[1:]

    assert outcome(f"{ROW}.6.4 i 4", f"{ROW}.2.4 s four", f"{SCALAR}.3.0 i 3")[:2] == ["ok", "0"]
    assert manager.ask(f"get {ROW}.2.4 {SCALAR}.3.0")[:2] == [f'var {ROW[1:]}.2.4 "four"',
                                                             f"var {SCALAR[1:]}.3.0 3"]
    for words, code, status, name in (
            ((f"{SCALAR}.3.0 i 1", f"{SCALAR}.4.0 i 1"), "invalid", 7, "wrongType at variable 2"),
            ((f"{SCALAR}.3.0 i 1", f"{ROW}.3.4 u 13"), "conflict", 12, "inconsistentValue at variable 2"),
            ((f"{ROW}.2.9 s nine",), "conflict", 18, "inconsistentName at variable 1"),
            ((f"{SCALAR}.1.0 s x",), "invalid", 17, "notWritable at variable 1"),
            ((f"{ROW}.2.4 s fail",), "io", 14, "commitFailed at variable 1"),
            ((f".1.3.6.1.2.1.1.3.0 u 1",), "invalid", 17, "notWritable at variable 1")):
        assert outcome(*words) == [code, str(status), f"udp:{IP}:{PORT} answered {name}"]
    assert outcome(f"{ROW}.6.4 i 6", f"{SCALAR}.3.0 i 0")[0] == "ok"


def test_manager_walks(lab, manager):
    for i in range(1, 11):
        create(lab, i, f"n{i}", str(i))
    manager.ask(f"peer udp:{IP}:{PORT}")
    everything = [f'row {i} "n{i}" {i} {chr(34) + "even" + chr(34) if i % 2 == 0 else "noSuchInstance"} 1'
                  for i in range(1, 11)]
    columns = f"{ROW}.2 {ROW}.3 {ROW}.5 {ROW}.6"
    assert manager.ask(f"walk - {columns}") == [*everything, "done ok 10 rows "]
    assert manager.ask(f"walk 8 {columns}") == [*everything[8:], "done ok 2 rows "]
    assert manager.ask(f"walk 10 {columns}") == ["done ok 0 rows "]
    assert manager.ask(f"walk - {ROW}.5") == [*(f'row {i} "even"' for i in range(2, 11, 2)),
                                              "done ok 5 rows "]
    assert manager.ask(f"walk - {ROOT}.77 {ROW}.2")[-1] == "done ok 10 rows "
    # Answers that carry what proves the subagent's word, another number, and none.
    count = manager.ask(f"get {SCALAR}.2.0")[0].split()[-1]
    assert manager.ask(f"proof {SCALAR}.2 {count}") == ["done "]
    assert manager.ask(f"walk - {columns}") == [*everything, "done ok 10 rows "]
    assert manager.ask(f"walk 10 {columns}") == ["done ok 0 rows "]
    for proof in (f"{SCALAR}.2 77", f"{SCALAR}.9 {count}", f"{ROOT}.77 {count}"):
        manager.ask(f"proof {proof}")
        assert manager.ask(f"walk - {columns}")[0].startswith("done unreachable 0 rows its agent is not running")
    manager.ask("proof - 0")
    assert manager.ask("stop 4") == ["done "]
    assert manager.ask(f"walk - {columns}") == [*everything[:4], "done ok 4 rows "]
    assert manager.ask("drop 3") == ["done "]
    assert manager.ask(f"walk - {columns}") == [*everything[:3],
                                                "done cancelled 3 rows the walk was cancelled"]
    manager.ask(f"peer udp:{IP}:{PORT}")
    destroy(lab, *range(1, 11))

    answer = manager.ask(f"walk - {LARGE}.1 {LARGE}.2")
    assert answer == [*(f'row {2 * i} {2 * i} "one row of many"' for i in range(1, LARGE_ROWS + 1)),
                      f"done ok {LARGE_ROWS} rows "]


def test_manager_rides_out_a_restart_of_the_agent(lab, manager):
    manager.ask(f"peer udp:{IP}:{PORT}")
    get = f"get {SCALAR}.1.0"
    good = [f'var {SCALAR[1:]}.1.0 "demo"', "done ok 0 "]
    assert manager.ask(get) == good
    for _ in range(2):
        lab.agent.drain()
        lab.kill_snmpd()
        assert manager.ask(get)[-1].startswith("done timeout 0 ")
        lab.start_snmpd()
        assert [lab.agent.line(), lab.agent.line()] == ["lost", "connected"]
        assert manager.ask(get) == good  # engineBoots is another now


def test_manager_rides_out_a_new_engine(lab, manager):
    manager.ask(f"peer udp:{IP}:{PORT}")
    get = f"get {SCALAR}.1.0"
    good = manager.ask(get)
    lab.agent.drain()
    lab.kill_snmpd()
    shutil.rmtree(f"{lab.dir}/persistent")  # and with it the engine ID
    lab.start_snmpd()
    assert [lab.agent.line(), lab.agent.line()] == ["lost", "connected"]
    assert manager.ask(get) == good

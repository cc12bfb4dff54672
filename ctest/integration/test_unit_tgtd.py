# dvsan-unit with supervise="yes": it starts tgtd, which outlives it, and is never ended by it.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import json
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import time

import pytest

from dvsan_oids import dvsanAccessLastError
from support import patience
from support.database import query
from support.oids import ISCSI
from support.patience import wait_for
from support.raw_initiator import SECURITY, Lun, Refused, Session
from support.snmp import SnmpError
from support.unit_box import ACTIVE, ONLINE, Supervised, own_box

ALICE, SECRET = "iqn.2026-11.host:alice", "secret-of-alice"
BOB, MALLORY = "iqn.2026-11.host:bob", "iqn.2026-11.host:mallory"


@pytest.fixture(name="box")
def fixture_box():
    with own_box(Supervised, SECRET) as box:
        yield box


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
    assert files_of(pid, box.dir) == {"state/tgtd.0.log", "tgtd.sock.0.lock"}
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


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGKILL, signal.SIGABRT])
def test_outlives_the_agent(box, signo):
    """Hosts go on meanwhile, and the next agent goes on with it, and with its log."""
    pid = box.start()
    box.serve(1, "v1", 8, ALICE, "alice", SECRET)
    iqn = box.iqn(1)
    box.agent.end(signo)
    assert box.inquire(iqn, ALICE, "alice", SECRET)
    for _ in range(200):  # more than its log has room for
        with socket.create_connection((box.portal, 3260)) as s:
            s.sendall(bytes(48))
    assert box.inquire(iqn, ALICE, "alice", SECRET)
    box.start_agent()
    box.wait_said(f"goes on as process {pid}")
    box.wait_ready()
    assert box.tgtd_pid() == pid
    box.wait_volume(1, ONLINE)
    assert not box.inquire(iqn, ALICE, "alice", "wrong-secret-1")
    box.wait_said(f"tgtd: CHAP initiator auth.: authentication of {ALICE} failed (wrong secret!?)")


def test_starts_it_again(box):
    """It tells why it ended, and all is served again."""
    pid = box.start()
    box.serve(1, "v1", 8, ALICE, "alice", SECRET)
    iqn = box.iqn(1)
    os.kill(pid, signal.SIGKILL)
    box.wait_said(f"process {pid} was ended by signal 9 (Killed)")
    other = wait_for("another tgtd", lambda: box.tgtd_pid() not in (None, pid) and box.tgtd_pid())
    wait_for("alice to be served", lambda: box.inquire(iqn, ALICE, "alice", SECRET))
    wait_for("the portal alone", lambda: listeners(other) == {(hex_of(box.portal), 3260)})
    assert not os.path.exists(f"/proc/{pid}")  # nor a zombie


def test_no_host_makes_it_hang_over_a_store_without_a_file(box):
    """As rbd's is: tgtd looks at its standard input for what is mapped."""
    pid = box.start()
    name = "iqn.2026-11.test.other:null"
    box.tgtadm("-C", "0", "--mode", "target", "--op", "new", "--tid", "5", "-T", name)
    box.tgtadm("-C", "0", "--mode", "logicalunit", "--op", "new", "--tid", "5", "--lun", "1", "--backing-store",
               "/dev/zero", "--bstype", "null")
    box.tgtadm("-C", "0", "--mode", "logicalunit", "--op", "update", "--tid", "5", "--lun", "1", "--params",
               "thin_provisioning=1")
    box.tgtadm("-C", "0", "--mode", "target", "--op", "bind", "--tid", "5", "-I", "ALL")
    done = subprocess.run(["qemu-img", "map", "-f", "raw", "--max-length", "1M", "--output=json",
                           f"iscsi://{box.portal}:3260/{name}/1"], capture_output=True, text=True, check=False,
                          timeout=patience.seconds(30))
    assert json.loads(done.stdout)[0]["data"], done.stderr
    assert os.readlink(f"/proc/{pid}/fd/0").startswith("pipe:")


def test_leaves_alone_what_is_there(box):
    """A tgtd that somebody else started at the socket is used as it is."""
    box.start_tgtd()
    wait_for("tgtd", box.tgtd_pid)
    pid = box.start()
    assert pid == box.tgtd.popen.pid
    box.wait_said(f"goes on as process {pid}")
    box.tgtd.kill()
    box.wait_said(f"process {pid} has ended; why cannot be told")
    wait_for("a tgtd of its own", lambda: box.tgtd_pid() not in (None, pid))


def test_backs_off_and_says_why(box):
    """A tgtd that cannot run is started less and less often; what it said is in the log."""
    box.edit(f'socket="{box.dir}/tgtd.sock"', f'socket="{box.dir}/nowhere/tgtd"')
    box.start_snmpd()
    box.start_agent()
    wait_for("three ends", lambda: box.said().count("has ended with status 1") >= 3)
    assert "failed to open lock file for management IPC" in box.said()
    times = [(int(m[1]) * 60 + int(m[2])) * 1000 + int(m[3]) for m in
             re.finditer(r"T\d+:(\d+):(\d+)\.(\d{3})Z .* tgtd: started process", box.said())][:3]
    gaps = [(b - a) % 3600000 for a, b in zip(times, times[1:])]
    assert gaps[0] >= 99 and gaps[1] >= 199  # ms, of which the log cuts the fractions off


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
    box.wait_said(f"process {pid} lives and has not answered for 15 seconds", 60)
    assert f"kill -9 {pid}" in box.said()
    assert box.said().count("started process") == 1
    os.kill(pid, signal.SIGCONT)
    box.wait_said(f"process {pid} answers again", 40)
    box.wait_volume(1, ONLINE)
    assert not box.inquire(box.iqn(1), MALLORY)


def parameters(box, index):
    tid = box.tids().get(index, 0)
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
    for index in (1, 2):
        assert tuned.items() <= parameters(box, index).items()
    box.agent.end()
    box.tgtadm("--mode", "target", "--op", "update", "--tid", str(box.tids()[2]), "--name", "MaxBurstLength",
               "--value", "512")
    other = dict(tuned, MaxRecvDataSegmentLength="65536", InitialR2T="Yes", MaxOutstandingR2T="3")
    box.edit(' threads="2"/>', ' threads="2"><session MaxRecvDataSegmentLength="65536"'
             ' InitialR2T="Yes" MaxOutstandingR2T="3"/></tgtd>')
    box.start_agent()
    for index in (1, 2):
        wait_for(f"the parameters of {index}", lambda i=index: other.items() <= parameters(box, i).items())
    box.wait_ready()
    assert box.tgtd_pid() == pid
    box.create(3, "v3")
    box.wait_volume(3, ONLINE)
    assert other.items() <= parameters(box, 3).items()
    assert box.said().count("set session parameters") == 2 + 2 + 1


def test_what_was_changed_by_hand_is_put_back(box):
    """Without a restart of anything."""
    box.start()
    box.create(1, "v1")
    box.wait_volume(1, ONLINE)
    tid = str(box.tids()[1])
    update = ("--mode", "target", "--op", "update", "--tid", tid)
    for name, value in (("HeaderDigest", "CRC32C"), ("DataDigest", "CRC32C"), ("InitialR2T", "Yes")):
        box.tgtadm(*update, "--name", name, "--value", value)
    box.tgtadm("--mode", "account", "--op", "new", "--user", "other", "--password", "secret-of-other")
    box.tgtadm("--mode", "account", "--op", "bind", "--tid", tid, "--user", "other", "--outgoing")
    box.tgtadm("--mode", "logicalunit", "--op", "update", "--tid", tid, "--lun", "1", "--params", "readonly=1")
    wanted = {"HeaderDigest": "None", "DataDigest": "None", "InitialR2T": "No"}
    wait_for("the parameters", lambda: wanted.items() <= parameters(box, 1).items(), 60)
    wait_for("the account to go", lambda: "(outgoing)" not in box.tgtadm("--mode", "target", "--op", "show"), 60)
    wait_for("the LUN to be writable", lambda: "Readonly: Yes" not in box.tgtadm("--mode", "target", "--op", "show"), 60)
    box.wait_volume(1, ONLINE)


def test_needs_no_root():
    """Agent and tgtd run as whoever starts the agent."""
    uid = 65534
    prefix = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if os.geteuid() == 0 else []
    with own_box(Supervised, prefix=prefix) as box:
        for path in (box.dir, *box.dir.rglob("*")) if prefix else ():
            os.chown(path, uid, uid)
        pid = box.start()
        assert not prefix or os.stat(f"/proc/{pid}").st_uid == uid
        box.create(1, "v1")
        box.wait_volume(1, ONLINE)
        with open(f"/proc/{pid}/limits", encoding="ascii") as f:
            limit = re.search(r"^Max open files\s+(\d+)\s+(\d+)", f.read(), re.M)
        assert limit[1] == limit[2]  # it has a descriptor or more for each volume
        box.agent.kill()
        box.start_agent()
        box.wait_said(f"goes on as process {pid}")


def test_several_instances():
    """Each is kept running by itself, has its log, and its logins are its own volumes'."""
    with own_box(Supervised, instances=2) as box:
        box.start()
        first = box.tgtd_pid(1)
        second = wait_for("the second tgtd", lambda: box.tgtd_pid(2))
        for index in (1, 2):
            box.serve(index, f"v{index}", 8, ALICE, "alice", SECRET)
        wait_for("the second one's portal", lambda: listeners(second) == {(hex_of(box.portal), 3261)})
        os.kill(second, signal.SIGKILL)
        box.wait_said(f"tgtd2: process {second} was ended by signal 9")
        wait_for("another one", lambda: box.tgtd_pid(2) not in (None, second))
        assert box.tgtd_pid(1) == first
        box.wait_volume(2, ONLINE)
        box.wait_rule(2, 1, ACTIVE)
        with contextlib.suppress(Refused):
            Session(box.portal, ALICE, box.iqn(2), port=3261).login("alice", WRONG)
        wait_for("the count", lambda: box.get(f"{TARGETS}.1.2.2") == "1")
        assert box.get(f"{TARGETS}.1.1.1") == "0"
        assert f"tgtd2: CHAP initiator auth.: authentication of {ALICE} failed" in box.said()


# ---- Refused logins

TARGETS, LOGINS = ISCSI + ".1.6.1.1", ISCSI + ".1.6.2.1"
FAILURE = ISCSI + ".0.1"
WRONG = "wrong-secret-1"


def failures(box, volume):
    """iscsiTgtLoginFailures, and what is told of the last one: kind, initiator, address, port."""
    count, authentication, *last = box.get(f"{TARGETS}.1.1.{volume}", f"{LOGINS}.5.1.{volume}",
                                           *(f"{TARGETS}.{c}.1.{volume}" for c in range(3, 8)))
    assert count == authentication
    return int(count), last


def refused(box, times=1, initiator=ALICE, user="alice", volume=1):
    """Logs in in vain, and waits until that is in the log."""
    before = box.said().count("CHAP initiator auth") + box.said().count("No valid user/pass")
    for _ in range(times):
        assert not box.inquire(box.iqn(volume), initiator, user, WRONG)
    wait_for("the log", lambda: box.said().count("CHAP initiator auth") +
             box.said().count("No valid user/pass") >= before + times)


@pytest.fixture(name="guarded")
def fixture_guarded(box):
    """Volume 1 admits alice, volumes 2 and 3 admit bob."""
    box.start_receiver()
    box.start()
    for index in (1, 2, 3):
        box.create(index, f"v{index}")
        box.wait_volume(index, ONLINE)
    box.grant(1, 1, ALICE, "alice", SECRET)
    box.grant(2, 1, BOB, "bob", SECRET)
    box.grant(3, 1, BOB, "bob", SECRET)
    for volume in (1, 2, 3):
        box.wait_rule(volume, 1, ACTIVE)
    return box


def test_refused_logins_are_counted_and_told(guarded):
    """Each with a wrong secret or user, at the only volume that admits the initiator."""
    box = guarded
    assert failures(box, 1) == (0, [".0.0", "", "0", "", "0"])
    refused(box)
    last = [f".{LOGINS}.5", ALICE, "0", "", "0"]
    wait_for("the count", lambda: failures(box, 1) == (1, last))
    refused(box, user="nobody")
    wait_for("the count", lambda: failures(box, 1) == (2, last))
    assert int(box.get(f"{TARGETS}.2.1.1")) > 0
    told = wait_for("two notifications", lambda: len(box.traps(FAILURE, "third")) == 2 and
                    box.traps(FAILURE, "third"))
    for count, trap in enumerate(told, 1):
        at = [f".{TARGETS}.{column}.1.1" for column in (1, 3, 4, 5, 6, 7)]
        assert [oid for oid in trap if oid.startswith(f".{TARGETS}.")] == at
        values = [trap[oid].partition(": ")[2] for oid in at]
        assert values[0] == str(count) and values[1] == f".{LOGINS}.5" and ALICE in values[2]
        assert values[3] == "0" and values[4] in ("", '""') and values[5] == "0"
    assert not box.traps(FAILURE)  # the station has no use for it
    assert failures(box, 2)[0] == failures(box, 3)[0] == 0
    # The station reads it at the rule, until the host gets in.
    why = f"{dvsanAccessLastError}.1.1"
    wait_for("the reason", lambda: "wrong CHAP user or secret: 2 logins refused" in box.get(why))
    assert box.rules()[1, 1] == ACTIVE and "another volume" not in box.get(why)
    assert box.get(f"{dvsanAccessLastError}.2.1") == ""
    refused(box, initiator=BOB, user="bob", volume=2)
    for volume in (2, 3):
        wait_for("the reason", lambda v=volume: "1 login refused" in box.get(f"{dvsanAccessLastError}.{v}.1"))
        assert "at this or another volume of the host" in box.get(f"{dvsanAccessLastError}.{volume}.1")
    with contextlib.closing(Lun(box.portal, ALICE, box.iqn(1), "alice", SECRET)):
        wait_for("the end of that", lambda: box.get(why) == "")


def test_what_is_not_certain_is_not_counted(guarded):
    """Which of several volumes it was, who has no rule, and a tgtd that others use as well."""
    box = guarded
    refused(box, initiator=BOB, user="bob", volume=2)
    assert not box.inquire(box.iqn(1), MALLORY, "alice", WRONG)
    assert not box.inquire(box.iqn(1) + "x", ALICE, "alice", WRONG)
    box.grant(2, 2, ALICE, "alice", SECRET)
    box.wait_rule(2, 2, ACTIVE)
    refused(box)
    box.revoke(2, 2)
    wait_for("the rule to be gone", lambda: (2, 2) not in box.rules())
    refused(box)
    wait_for("the count", lambda: failures(box, 1)[0] == 1)
    box.tgtadm("--mode", "target", "--op", "new", "--tid", "99", "--targetname", "iqn.2026-11.test:other")
    box.create(4, "v4")  # upon which the agent looks at all targets
    box.wait_volume(4, ONLINE)
    refused(box)
    box.tgtadm("--mode", "target", "--op", "delete", "--tid", "99")
    box.create(5, "v5")
    box.wait_volume(5, ONLINE)
    refused(box)
    wait_for("the count", lambda: failures(box, 1)[0] == 2)
    assert failures(box, 2)[0] == failures(box, 3)[0] == 0


def recorded_refusals(box, index):
    """What the journal has of them, which lags behind what is shown."""
    return query(box.path("state/unit.db"), "SELECT refused FROM volume WHERE idx = ?", index)[0][0]


def test_refused_logins_survive_the_agent(guarded):
    """What happens while it is away may be counted or not, but is never somebody else's."""
    box = guarded
    refused(box, 2)
    wait_for("the count", lambda: failures(box, 1)[0] == 2)
    before = failures(box, 1)
    wait_for("the count to be recorded", lambda: recorded_refusals(box, 1) == 2)
    box.agent.kill()
    box.start_agent()
    box.wait_ready()
    assert failures(box, 1) == before
    box.wait_rule(1, 1, ACTIVE)
    refused(box)
    wait_for("the count", lambda: failures(box, 1)[0] == 3)


def test_a_flood_of_refused_logins(guarded):
    """All are counted; three are told in ten seconds; few are in the agent's log."""
    box, started = guarded, time.monotonic()
    for _ in range(40):
        assert not box.inquire(box.iqn(1), ALICE, "alice", WRONG)
    wait_for("the count", lambda: failures(box, 1)[0] == 40)
    told, logged = len(box.traps(FAILURE, "third")), box.said().count("CHAP initiator auth")
    took = time.monotonic() - started  # longer where others use the machine, and then more may be told
    assert told <= 3 * (2 + took // 10) and logged <= 21 + took
    last = wait_for("the last notification", lambda: [
        t for t in box.traps(FAILURE, "third") if t[f".{TARGETS}.1.1.1"].endswith(": 40")], 30)
    assert len(last) == 1


def test_forged_lines_are_not_believed(guarded):
    """What an initiator writes into tgtd's log stays text."""
    box = guarded
    line = f"tgtd: CHAP initiator auth.: authentication of {ALICE} failed (wrong secret!?)"
    for name in (line, f"x failed (wrong secret!?)\n{line}"):
        with contextlib.suppress(OSError, Refused):
            Session(box.portal, name, box.iqn(1)).login("alice", WRONG)
    # Keys that are not understood, until there is no room to say so, upon which tgtd logs them.
    session = Session(box.portal, MALLORY, "")
    session.keys = {"InitiatorName": MALLORY, "SessionType": "Discovery"}
    keys = {f"k{i}": "" for i in range(500)}
    with contextlib.suppress(OSError, Refused):
        session.send(SECURITY, None, {**session.keys, **keys, f"\n{line}": "", line: ""})
    session.close()
    wait_for("the forged line", lambda: "Dropping key (" in box.said())
    assert not box.inquire(box.iqn(1), ALICE, "alice", WRONG)
    wait_for("the count", lambda: failures(box, 1)[0] == 1)


def test_without_supervision_nothing_is_claimed(box):
    """No instances, rather than zeros, where the log is not read."""
    box.edit('supervise="yes" ', "")
    box.start_tgtd()
    wait_for("tgtd", box.tgtd_pid)
    box.start()
    box.create(1, "v1")
    box.wait_volume(1, ONLINE)
    assert not box.walk(TARGETS)
    with pytest.raises(SnmpError):
        box.get(f"{LOGINS}.5.1.1")
    assert box.get(f"{LOGINS}.1.1.1") == "0"

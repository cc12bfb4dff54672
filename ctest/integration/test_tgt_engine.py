# The tgt engine against Debian's tgtd, looked at with libiscsi's tools.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from support import BUILD, patience
from support.faults import needs_faults
from support.patience import wait_for
from support.raw_initiator import OPERATIONAL, CheckCondition, Lun, Refused, Session

DEMO = os.path.join(BUILD, "tests", "tgt_demo")
PREFIX = "iqn.2026-11.org.dvsan:"
ALICE, BOB = ("alice", "alices-secret"), ("bob", "bobs-secret-12")
H1, H2 = "iqn.2026-11.org.example:h1", "iqn.2026-11.org.example:h2"

addresses = (f"127.12.{n // 200 + 1}.{n % 200 + 1}" for n in itertools.count())


def uuid(n):
    return f"11111111-2222-4333-8444-{n:012d}"


class Result:
    """What a run of tgt_demo printed."""

    def __init__(self, run):
        self.log = run.stderr
        self.text = run.stdout
        self.ok = run.returncode == 0
        rows = [line.split(" ") for line in run.stdout.splitlines()]
        self.steps = next((int(r[1]) for r in rows if r[0] == "steps"), None)
        self.ms = next((int(r[1]) for r in rows if r[0] == "ms"), None)
        self.targets = {int(r[1]): (r[2], int(r[3]), " ".join(r[4:]))
                        for r in rows if r[0] == "target"}
        self.rules = {(int(r[1]), r[2]): (r[3], " ".join(r[4:])) for r in rows if r[0] == "rule"}
        self.holding = [r[1] for r in rows if r[0] == "holding"]
        self.foreign = [r[1] for r in rows if r[0] == "foreign"]
        self.other = next((" ".join(r[1:]) for r in rows if r[0] == "other"), None)

    def all_ok(self):
        return self.ok and self.other is None and not self.rules and all(t[0] == "ok" for t in self.targets.values())


class Unit:
    """A tgtd of its own, a folder of files, and what it should serve."""

    def __init__(self, threads=2):
        self.folder = tempfile.mkdtemp(prefix="dvsan-tgt-")
        self.address = next(addresses)
        self.socket = os.path.join(self.folder, "tgtd")
        self.threads = threads
        self.accounts = {}
        self.path_of = {}  # tid -> a file that is none of the folder's
        self.targets = {}  # tid -> [rules, options]
        self.tgtd = None
        self.start()

    def start(self):
        with open(os.path.join(self.folder, "log"), "a", encoding="utf-8") as log:
            self.tgtd = subprocess.Popen(
                ["tgtd", "-f", "-C", "7", "-t", str(self.threads),
                 "--iscsi", f"portal={self.address}:3260"],
                env={**os.environ, "TGT_IPC_SOCKET": self.socket}, stdout=log, stderr=log)
        wait_for("tgtd", lambda: self.demo("portals", self.address).ok)

    def kill(self):
        self.tgtd.kill()
        self.tgtd.wait()

    def close(self):
        self.kill()
        shutil.rmtree(self.folder)

    def alive(self):
        return self.tgtd.poll() is None

    def demo(self, *args, stdin="", timeout_ms=5000):
        return Result(subprocess.run(
            [DEMO, f"{self.socket}.7", PREFIX, str(timeout_ms), *args], input=stdin,
            capture_output=True, text=True, timeout=60, check=False))

    def adm(self, *args):
        return subprocess.run(["tgtadm", "-C", "7", "--lld", "iscsi", *args],
                              env={**os.environ, "TGT_IPC_SOCKET": self.socket},
                              capture_output=True, text=True, check=False)

    def path(self, tid):
        return self.path_of.get(tid) or os.path.join(self.folder, f"{tid}.img")

    def volume(self, tid, *rules, options=""):
        self.targets[tid] = [list(rules), options]
        if tid not in self.path_of:
            with open(self.path(tid), "ab") as f:
                f.truncate(16 << 20)

    def wanted(self):
        lines = [f"account {user} {secret}" for user, secret in self.accounts.items()]
        for tid, (rules, options) in self.targets.items():
            lines.append(f"target {tid} {PREFIX}v{tid} {self.path(tid)} {uuid(tid)} {options}")
            lines += [f"rule {initiator} {user}" for initiator, user in rules]
        return "\n".join(lines) + "\n"

    def reconcile(self, **kwargs):
        return self.demo("reconcile", stdin=self.wanted(), **kwargs)

    def tool(self, tool, tid, initiator, account, *args, address=None):
        env = dict(os.environ)
        if account:
            env["LIBISCSI_CHAP_USERNAME"], env["LIBISCSI_CHAP_PASSWORD"] = account
        url = f"iscsi://{address or self.address}/{PREFIX}v{tid}/1"
        return subprocess.Popen([tool, "-i", initiator, *args, url], env=env,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def logs_in(self, tid, initiator, account, address=None):
        """The LUN's identity when iscsi-inq gets in, None when it is refused."""
        with self.tool("iscsi-inq", tid, initiator, account, address=address) as tool:
            out, err = tool.communicate(timeout=120)
        if tool.returncode == 0:
            return out
        assert "Login Failed" in err or "failed" in err.lower(), err
        return None

    def session(self, tid, initiator, account, **kwargs):
        s = Session(self.address, initiator, f"{PREFIX}v{tid}", **kwargs)
        s.login(*account)
        return s

    def sessions(self, tid):
        return self.adm("--mode", "conn", "--op", "show", "--tid", str(tid)).stdout


@pytest.fixture(name="unit")
def fixture_unit():
    unit = Unit()
    unit.accounts = dict([ALICE, BOB])
    yield unit
    alive = unit.alive()
    unit.close()
    assert alive, "tgtd died"


def test_who_gets_in(unit):
    unit.volume(5, (H1, "alice"))
    unit.volume(6)
    assert unit.reconcile().all_ok()
    inquiry = unit.logs_in(5, H1, ALICE)
    assert "Vendor:DVSAN" in inquiry and "Product:VOLUME" in inquiry
    for initiator, account in [
            (H2, ALICE),  # another name
            (H1, ("alice", "another-secret")),
            (H1, None),
            (H1, BOB),  # an account of the unit, but not of this target
            (H1, ("nobody", "alices-secret")),
            (H2, None)]:
        assert unit.logs_in(5, initiator, account) is None
    for initiator, account in [(H1, ALICE), (H1, None), (H2, BOB), (H2, None)]:
        assert unit.logs_in(6, initiator, account) is None


def test_a_name_in_capital_letters(unit):
    """It is the name in small ones, too; but tgtd compares bytes, so any other mixture is not admitted."""
    spelled = "iqn.2018-12.com.wz:TEST001"
    unit.volume(5, (spelled, "alice"))
    assert unit.reconcile().all_ok()
    sessions = [unit.session(5, name, ALICE, isid=n) for n, name in enumerate((spelled, spelled.lower()))]
    assert unit.logs_in(5, "iqn.2018-12.com.wz:Test001", ALICE) is None
    again = unit.reconcile()
    assert again.all_ok() and again.steps == 0
    assert not any(s.ended(0.1) for s in sessions)
    unit.targets[5][0] = []
    assert unit.reconcile().all_ok()
    assert all(s.ended(5) for s in sessions)


ODD_NAMES = ["IQN.2026-11.org.x:Up", "IQN.2026-11.ORG.X:UP", "Naa.52004567BA64678D0123456789ABCDEF", "naa.52004567BA64678D",
             "EUI.02004567A425678D", "iqn.2026-11.org.x:", "iqn.2026-11.org.x:-lead-", "iqn.2026-11.org.X:..", "iqn.2026-11.org.x::",
             "Iqn.2026-11.org." + "x" * 203 + ":abC"]


def test_odd_names_are_names(unit):
    """tgtd lists addresses and names as one; a name of any spelling that is accepted is bound, used, and unbound again."""
    assert max(len(name) for name in ODD_NAMES) == 223
    unit.volume(5, (H1, "alice"), *((name, "alice") for name in ODD_NAMES))
    assert unit.reconcile().all_ok()
    held = unit.session(5, H1, ALICE)
    for name in ODD_NAMES:
        assert unit.logs_in(5, name, ALICE), name
    again = unit.reconcile()
    assert again.all_ok() and again.steps == 0
    unit.targets[5][0] = [(H1, "alice")]
    assert unit.reconcile().all_ok()
    assert unit.reconcile().steps == 0
    for name in ODD_NAMES:
        assert unit.logs_in(5, name, ALICE) is None, name
    assert not held.ended(0.1)


def test_what_is_no_name_is_unbound(unit):
    """Somebody's text that is neither a name nor an address; tgtd takes any."""
    unit.volume(5, (H1, "alice"))
    assert unit.reconcile().all_ok()
    for way in ("-Q", "-I"):
        unit.adm("--mode", "target", "--op", "bind", "--tid", "5", way, "iqn.2026-11.a..b")
        unit.adm("--mode", "target", "--op", "bind", "--tid", "5", way, "someone")
    assert unit.adm("--mode", "target", "--op", "show").stdout.count("iqn.2026-11.a..b") > 0
    assert unit.reconcile().all_ok()
    shown = unit.adm("--mode", "target", "--op", "show").stdout
    assert "a..b" not in shown and "someone" not in shown
    assert unit.logs_in(5, H1, ALICE)


def test_trouble_stays_with_its_rule(unit):
    """A user whose account another target holds, a name that is none, a user without a secret: their rules fail, each with its reason."""
    assert unit.adm("--mode", "target", "--op", "new", "--tid", "9", "-T", "iqn.2001-04.com.other:disk").returncode == 0
    assert unit.adm("--mode", "account", "--op", "new", "--user", "bob", "--password", "other-secret-1").returncode == 0
    assert unit.adm("--mode", "account", "--op", "bind", "--tid", "9", "--user", "bob").returncode == 0
    unit.volume(5, (H2, "bob"), ("iqn.2026-11.a..b", "alice"), (H1, "alice"), ("iqn.2026-11.org.example:h3", "carol"))
    result = unit.reconcile()
    assert result.ok and result.targets[5][0] == "ok"
    assert {name: code for (_, name), (code, _) in result.rules.items()} == \
        {H2: "conflict", "iqn.2026-11.a..b": "invalid", "iqn.2026-11.org.example:h3": "conflict"}
    assert unit.logs_in(5, H1, ALICE)
    assert unit.logs_in(5, H2, BOB) is None


def test_what_initiators_see(unit):
    unit.volume(5, (H1, "alice"))
    unit.volume(6, (H2, "bob"))
    assert unit.reconcile().all_ok()
    env = {**os.environ, "LIBISCSI_CHAP_USERNAME": ALICE[0], "LIBISCSI_CHAP_PASSWORD": ALICE[1]}
    run = subprocess.run(["iscsi-ls", "-s", "-i", H1, f"iscsi://{unit.address}"], env=env,
                         capture_output=True, text=True, timeout=120, check=False)
    assert f"{PREFIX}v5" in run.stdout and f"{PREFIX}v6" not in run.stdout
    assert "Lun:1" in run.stdout
    with unit.tool("iscsi-inq", 5, H1, ALICE, "-e", "1", "-c", str(0x80)) as tool:
        assert uuid(5) in tool.communicate(timeout=120)[0]


def test_hosts_are_told_of_the_boot(unit):
    """By a mode page of a vendor's; the page that all read is what it was."""
    unit.volume(5, (H1, "alice"))
    assert unit.reconcile().all_ok()
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        boot = bytes.fromhex(f.read().strip().replace("-", ""))
    lun = Lun(unit.address, H1, f"{PREFIX}v5", *ALICE)
    try:
        page = lun.command(bytes([0x1A, 0x08, 0x3E, 0, 255, 0]), room=255)
        assert page[4:] == bytes([0x3E, 20]) + b"DVSN" + boot
        assert page[0] == len(page) - 1 and page[3] == 0
        caching = lun.command(bytes([0x1A, 0x08, 0x08, 0, 255, 0]), room=255)
        assert caching[4:6] == bytes([0x08, 18])
    finally:
        lun.close()


def test_parameters(unit):
    unit.volume(5)
    assert unit.reconcile().all_ok()
    shown = unit.adm("--mode", "target", "--op", "show", "--tid", "5").stdout
    for line in ["InitialR2T=No", "ImmediateData=Yes", "MaxRecvDataSegmentLength=262144",
                 "FirstBurstLength=262144", "MaxBurstLength=1048576", "MaxOutstandingR2T=16"]:
        assert line in shown.splitlines()


def test_second_run_does_nothing(unit):
    unit.volume(5, (H1, "alice"), (H2, "bob"))
    unit.volume(6, options="offline")
    assert unit.reconcile().all_ok()
    session = unit.session(5, H1, ALICE)
    again = unit.reconcile()
    assert again.all_ok() and again.steps == 0
    assert again.targets[5][1] == 1
    assert not session.ended(0.1)


def test_revoke(unit):
    """Of the first of two accounts: tgtd dies of that when it is done in the obvious order."""
    unit.volume(5, (H1, "alice"), (H2, "bob"))
    assert unit.reconcile().all_ok()
    with unit.tool("iscsi-perf", 5, H1, ALICE, "-b", "8", "-m", "32") as busy:
        wait_for("the session", lambda: H1 in unit.sessions(5))
        idle, other = unit.session(5, H1, ALICE), unit.session(5, H2, BOB)
        as_other = unit.session(5, H2, ALICE, isid=2)  # alice's account, under bob's name
        unit.targets[5][0] = [(H2, "bob")]
        assert unit.reconcile().all_ok()
        assert idle.ended(60) and as_other.ended(60)
        assert other.ended(60)  # tgtd does not tell which of the two was alice
        assert H1 not in unit.sessions(5)
        assert unit.logs_in(5, H1, ALICE) is None and unit.logs_in(5, H2, ALICE) is None
        assert H1 not in unit.sessions(5)  # iscsi-perf keeps trying
        busy.kill()
    assert unit.logs_in(5, H2, BOB)
    assert unit.reconcile().steps == 0


@needs_faults
@pytest.mark.parametrize("point", ["set offline", "unbind initiator", "unbind account", "bind account"])
def test_revoke_broken_off(unit, point):
    """The one that revokes ends between two steps: the next one ends what was to end."""
    unit.volume(5, (H1, "alice"), (H2, "bob"))
    assert unit.reconcile().all_ok()
    as_other = unit.session(5, H2, ALICE)
    unit.targets[5][0] = [(H2, "bob")]
    stop = os.path.join(unit.folder, "stop")
    with open(stop, "w", encoding="ascii") as f:
        f.write(f"tgt.done.{point}:1")
    with subprocess.Popen([DEMO, f"{unit.socket}.7", PREFIX, "5000", "reconcile"], stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env=dict(os.environ, DVSAN_FAULT_STOP=stop)) as broken_off:
        broken_off.stdin.write(unit.wanted())
        broken_off.stdin.close()
        assert os.WIFSTOPPED(os.waitpid(broken_off.pid, os.WUNTRACED)[1])
        assert unit.logs_in(5, H2, ALICE) is None
        broken_off.kill()
    assert not as_other.ended(0.1)
    assert unit.reconcile().all_ok()
    assert as_other.ended(60)
    assert unit.logs_in(5, H2, ALICE) is None and unit.logs_in(5, H2, BOB)
    assert unit.reconcile().steps == 0


def test_new_secret(unit):
    unit.volume(5, (H1, "alice"), (H2, "bob"))
    unit.volume(6, (H1, "alice"))
    assert unit.reconcile().all_ok()
    hers = [unit.session(5, H1, ALICE), unit.session(6, H1, ALICE)]
    his = unit.session(5, H2, BOB)
    unit.accounts["alice"] = "rotated-secret"
    result = unit.reconcile()
    assert result.all_ok()
    assert "rotated-secret" not in result.log + result.text
    assert all(s.ended(1) for s in hers)
    assert his.ended(1)  # it might have been hers
    assert unit.logs_in(5, H1, ALICE) is None
    assert unit.logs_in(5, H1, ("alice", "rotated-secret"))
    assert unit.logs_in(6, H1, ("alice", "rotated-secret"))


def test_an_account_made_anew_by_hand(unit):
    unit.volume(5, (H1, "alice"))
    unit.volume(6, (H2, "bob"))
    assert unit.reconcile().all_ok()
    his = unit.session(6, H2, BOB)
    for args in [("delete",), ("new", "--password", "made-by-hand-1"), ("bind", "--tid", "5")]:
        assert unit.adm("--mode", "account", "--op", *args, "--user", "alice").returncode == 0
    hers = unit.session(5, H1, ("alice", "made-by-hand-1"))
    assert unit.reconcile().all_ok()
    assert hers.ended(1) and not his.ended(0.1)
    assert unit.logs_in(5, H1, ("alice", "made-by-hand-1")) is None
    assert unit.logs_in(5, H1, ALICE)
    assert unit.reconcile().steps == 0


def test_delete_in_use(unit):
    unit.volume(5, (H1, "alice"))
    unit.volume(6, (H2, "bob"))
    assert unit.reconcile().all_ok()
    gone, stays = unit.session(5, H1, ALICE), unit.session(6, H2, BOB)
    del unit.targets[5]
    assert unit.reconcile().all_ok()
    assert gone.ended(1) and not stays.ended(0.1)
    assert f"{PREFIX}v5" not in unit.adm("--mode", "target", "--op", "show").stdout
    assert os.path.exists(unit.path(5))


def test_offline_and_online(unit):
    unit.volume(5, (H1, "alice"))
    assert unit.reconcile().all_ok()
    session = unit.session(5, H1, ALICE)
    unit.targets[5][1] = "offline"
    assert unit.reconcile().all_ok()
    assert session.ended(1)
    assert unit.logs_in(5, H1, ALICE) is None
    opened = [os.readlink(f"/proc/{unit.tgtd.pid}/fd/{fd}")
              for fd in os.listdir(f"/proc/{unit.tgtd.pid}/fd")]
    assert unit.path(5) not in opened
    unit.targets[5][1] = ""
    assert unit.reconcile().all_ok()
    assert unit.logs_in(5, H1, ALICE)


def test_replay_after_kill(unit):
    unit.volume(5, (H1, "alice"))
    unit.volume(6, (H2, "bob"))
    assert unit.reconcile().all_ok()
    watch = subprocess.Popen([DEMO, f"{unit.socket}.7", PREFIX, "5000", "watch"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert watch.stdout.readline() == f"pid {unit.tgtd.pid}\n"
    unit.kill()
    assert watch.communicate(timeout=patience.seconds(10))[0] == "ended\n"
    dead = unit.reconcile()
    assert not dead.ok and "failed unreachable tgtd does not listen" in dead.text
    assert dead.targets[5][0] == "unreachable"
    unit.start()
    replayed = unit.reconcile()
    assert replayed.all_ok() and replayed.steps > 0
    assert unit.logs_in(5, H1, ALICE) and unit.logs_in(6, H2, BOB)
    assert unit.logs_in(5, H2, BOB) is None


def test_killed_in_the_middle(unit):
    """The demo is killed at any moment; another run puts everything right."""
    for tid in range(1, 41):
        unit.volume(tid, (H1, "alice"), (H2, "bob"))
    for delay in [0.002, 0.004, 0.008, 0.016]:
        run = subprocess.Popen([DEMO, f"{unit.socket}.7", PREFIX, "5000", "reconcile"],
                               stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, text=True)
        with contextlib.suppress(BrokenPipeError):
            run.stdin.write(unit.wanted())
            run.stdin.close()
        time.sleep(delay)
        run.kill()
        run.wait()
        unit.accounts["alice"] = f"secret-of-{delay}"
    assert unit.reconcile().all_ok()
    assert unit.reconcile().steps == 0
    assert unit.logs_in(40, H1, ("alice", unit.accounts["alice"]))


def test_trouble_stays_with_its_target(unit):
    for tid in (5, 6, 7):
        unit.volume(tid, (H1, "alice"))
    os.remove(unit.path(6))
    unit.targets[7][0] = [(H1, "carol")]
    result = unit.reconcile()
    assert result.ok
    assert result.targets[5][0] == "ok"
    assert result.targets[6][0] == "invalid"
    assert f"target 6: opening {unit.path(6)} failed" in result.targets[6][2]
    assert result.targets[7][0] == "ok" and "has no secret yet" in result.rules[7, H1][1]
    assert unit.logs_in(5, H1, ALICE)
    assert unit.logs_in(6, H1, ALICE) is None
    unit.volume(6, (H1, "alice"))
    unit.accounts["carol"] = "carols-secret"
    assert unit.reconcile().all_ok()
    assert unit.logs_in(6, H1, ALICE)


def test_what_others_made(unit):
    for args in [("--op", "new", "--tid", "9", "-T", "iqn.2001-04.com.other:disk"),
                 ("--op", "bind", "--tid", "9", "-I", "ALL"),
                 ("--op", "new", "--tid", "5", "-T", PREFIX + "leftover")]:
        assert unit.adm("--mode", "target", *args).returncode == 0
    unit.adm("--mode", "target", "--op", "bind", "--tid", "5", "-I", "ALL")
    before = unit.adm("--mode", "target", "--op", "show").stdout.split("Target 9")[1]
    unit.volume(5, (H1, "alice"))
    result = unit.reconcile()
    assert result.all_ok() and result.foreign == ["iqn.2001-04.com.other:disk"]
    assert unit.adm("--mode", "target", "--op", "show").stdout.split("Target 9")[1] == before
    # And what is done to ours by hand is put right.
    unit.adm("--mode", "target", "--op", "bind", "--tid", "5", "-I", "ALL")
    unit.adm("--mode", "account", "--op", "unbind", "--tid", "5", "--user", "alice")
    unit.adm("--mode", "logicalunit", "--op", "update", "--tid", "5", "--lun", "1",
             "--params", "thin_provisioning=1")
    assert unit.reconcile().all_ok()
    assert unit.logs_in(5, H1, ALICE)
    assert unit.logs_in(5, H2, ALICE) is None
    assert "Thin-provisioning: Yes" not in unit.adm("--mode", "target", "--op", "show").stdout


def test_hanging_tgtd(unit):
    unit.volume(5, (H1, "alice"))
    unit.tgtd.send_signal(signal.SIGSTOP)
    result = unit.reconcile(timeout_ms=300)
    assert not result.ok and "failed timeout" in result.text
    unit.tgtd.send_signal(signal.SIGCONT)
    assert unit.reconcile().all_ok()


def test_login_under_way(unit):
    """Who was let in by name and has not shown a secret yet must show it after a revoke too."""
    unit.volume(5, (H1, "alice"))
    assert unit.reconcile().all_ok()
    target = f"{PREFIX}v5"
    named = Session(unit.address, H1, target, isid=1)
    named.offer()
    downgraded = Session(unit.address, H1, target, isid=2)
    downgraded.send(0, None, {**downgraded.keys, "AuthMethod": "CHAP"})
    authenticated = Session(unit.address, H1, target, isid=3)
    authenticated.offer()
    authenticated.authenticate(*ALICE, next_stage=OPERATIONAL)
    unit.targets[5][0] = []
    assert unit.reconcile().all_ok()
    with pytest.raises(Refused):
        named.authenticate(*ALICE)
    with pytest.raises(Refused):
        downgraded.offer("None")
    # tgtd does not ask again after CHAP: this becomes a session, and the next run ends it.
    authenticated.finish()
    assert unit.reconcile().all_ok()
    assert authenticated.ended(1)


FORGED = """x
            Connection: 0
                IP Address: 127.0.0.1
    LUN information:
    Account information:
    ACL information:
Target 6: {prefix}v6
    System information:
        Driver: iscsi
        State: ready
    I_T nexus information:
        I_T nexus: 77
            Initiator: {name} alias: y"""


@pytest.mark.parametrize("alias", ["A" * 3000, FORGED.format(prefix=PREFIX, name=H1),
                                   "x\n    LUN information:", "\n\n", "x" * 920 + "\n   "])
def test_hostile_alias(unit, alias):
    """An alias gets into tgtd's listings as it is; it must neither hide nor hinder anything."""
    unit.volume(5, (H1, "alice"), (H2, "bob"))
    unit.volume(6, (H2, "bob"))
    assert unit.reconcile().all_ok()
    hostile = unit.session(5, H1, ALICE, alias=alias)
    other = unit.session(6, H2, BOB)
    unit.volume(7, (H2, "bob"))
    assert unit.reconcile().all_ok()
    assert unit.logs_in(7, H2, BOB)
    unit.targets[5][0] = [(H2, "bob")]
    assert unit.reconcile().all_ok()
    assert hostile.ended(1)
    assert unit.sessions(5) == ""
    # Who knows a neighbour's target name can have its sessions ended instead; they come again.
    assert alias.startswith("x\n            Connection") or not other.ended(0.1)


def test_portals(unit):
    second = next(addresses)
    unit.volume(5, (H1, "alice"))
    assert unit.reconcile().all_ok()
    for _ in range(2):
        assert unit.demo("portals", unit.address, second).ok
    assert unit.logs_in(5, H1, ALICE, address=second)
    refused = unit.demo("portals", "192.0.2.1")
    assert not refused.ok and "adding portal=192.0.2.1:3260 failed" in refused.text
    assert unit.adm("--mode", "portal", "--op", "show").stdout.count(second) == 1


def test_statistics(unit):
    unit.volume(5, (H1, "alice"))
    assert unit.reconcile().all_ok()
    assert unit.demo("statistics").text == ""
    with unit.tool("iscsi-perf", 5, H1, ALICE) as busy:
        def reads():
            rows = [r.split() for r in unit.demo("statistics").text.splitlines()]
            return [r for r in rows if r[1:3] == ["5", "1"] and int(r[5]) > 0]
        row = wait_for("the session", reads)[0]
        busy.kill()
    assert int(row[6]) > 0 and row[8] == "0"


def test_many_volumes(capsys):
    """A thousand volumes with a rule each, for fifty hosts, into an empty tgtd."""
    unit = Unit(threads=2)
    try:
        for n in range(50):
            unit.accounts[f"user{n}"] = f"secret-of-user{n}"
        for tid in range(1, 1001):
            unit.volume(tid, (f"iqn.2026-11.org.example:h{tid % 50}", f"user{tid % 50}"))
        first = unit.reconcile()
        assert first.all_ok()
        second = unit.reconcile()
        assert second.all_ok() and second.steps == 0
        threads = len(os.listdir(f"/proc/{unit.tgtd.pid}/task"))
        assert 2000 <= threads < 2010
        assert unit.logs_in(777, "iqn.2026-11.org.example:h27", ("user27", "secret-of-user27"))
        unit.kill()
        unit.start()
        replay = unit.reconcile()
        assert replay.all_ok()
        with capsys.disabled():
            print(f"\n1000 volumes: replayed in {replay.ms} ms, {replay.steps} steps, "
                  f"{threads} threads; looked over in {second.ms} ms")
    finally:
        unit.close()


# ---- Sessions that do not end, and targets that do not

class Slow:
    """A file whose reads wait while it is held, by nbdfuse over nbdkit."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "slow")
        self.gate = os.path.join(folder, "gate")
        os.mkdir(self.folder)
        self.process = subprocess.Popen(
            ["nbdfuse", self.folder + "/disk", "--command", "nbdkit", "-s", "eval",
             "get_size=echo 16777216", "thread_model=echo parallel", "can_write=exit 0",
             f"pread=while [ -e {self.gate} ]; do sleep 0.05; done; head -c $3 /dev/zero",
             "pwrite=cat > /dev/null", "can_flush=exit 0", "flush=exit 0"])
        wait_for("the file", lambda: os.path.exists(self.path) and os.path.getsize(self.path) == 16 << 20)

    @property
    def path(self):
        return self.folder + "/disk"

    def hold(self, held):
        if held:
            open(self.gate, "w", encoding="ascii").close()
        else:
            os.unlink(self.gate)

    def close(self):
        with contextlib.suppress(FileNotFoundError):
            self.hold(False)
        subprocess.run(["umount", "-l", self.path], check=False, capture_output=True)
        self.process.terminate()
        self.process.wait(120)


@pytest.fixture(name="slow")
def fixture_slow(unit):
    if not os.access("/dev/fuse", os.W_OK) or not shutil.which("nbdfuse"):
        pytest.skip("there is no FUSE here")
    slow = Slow(unit.folder)
    unit.path_of = {5: slow.path}
    yield slow
    slow.close()


READ_ONE = bytes.fromhex("28000000000000000100")


def begin_to_read(unit, slow):
    """A session of H1 with volume 5, of which one read hangs."""
    session = unit.session(5, H1, ALICE)
    with contextlib.suppress(CheckCondition):
        session.command(bytes(6))  # takes the unit attention of a new session
    slow.hold(True)
    session.begin(READ_ONE, room=512)
    return session


def has_lun(unit, tid):
    shown = unit.adm("--mode", "target", "--op", "show").stdout
    return "LUN: 1" in shown.partition(f"Target {tid}:")[2].partition("\nTarget ")[0]


def test_a_session_that_never_ends_holds_up_nothing(unit, slow):
    """Two LUN resets wait for one command; when it has ended tgtd shows its session for ever. Then the rule is
    revoked, the volume taken away, and a volume comes in its place."""
    unit.volume(5, (H1, "alice"))
    unit.volume(6, (H2, "bob"))
    assert unit.reconcile().all_ok()
    session = begin_to_read(unit, slow)
    session.reset_lun()
    session.reset_lun()
    wait_for("the session", lambda: "Session" in unit.sessions(5))
    slow.hold(False)
    session.close()
    unit.targets[5][0] = []
    revoked = unit.reconcile()
    assert "Session" in unit.sessions(5), "tgtd has mended it: this test has no ghost"
    assert revoked.all_ok(), revoked.text
    assert "shows it until it is started anew" in revoked.log
    del unit.targets[5]
    deleted = unit.reconcile()
    assert deleted.all_ok() and not has_lun(unit, 5), deleted.text
    unit.volume(5, (H2, "bob"))
    assert unit.reconcile().all_ok()
    assert unit.logs_in(5, H2, BOB) and unit.logs_in(6, H2, BOB)


def test_a_hanging_command_keeps_its_own_volume_alone(unit, slow):
    """The one whose read hangs cannot be taken away, and says so; another one can."""
    unit.volume(5, (H1, "alice"))
    unit.volume(6, (H2, "bob"))
    assert unit.reconcile().all_ok()
    session = begin_to_read(unit, slow)
    unit.targets.clear()
    held = unit.reconcile()
    assert "have not ended" in held.other and held.holding == [f"{PREFIX}v5"]
    assert not has_lun(unit, 6)
    slow.hold(False)
    wait_for("all to be well", lambda: unit.reconcile().all_ok())
    session.close()

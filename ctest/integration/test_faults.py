# One medium after another fails, at the unit's start and while it runs; all others go on serving.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import fcntl
import functools
import os
import re
import shutil
import sqlite3
import subprocess
import threading

import pytest

from dvsan_oids import (dvsanMediumLastError, dvsanMediumOperState, dvsanMemberOperState, dvsanMemberUuid,
                        dvsanUnitLastError, dvsanVolumeAdminState, dvsanVolumeBlocks, dvsanVolumeGeneration,
                        dvsanVolumeName, dvsanVolumeUuid)
from support import unit_box
from support.patience import wait_for
from support.snmp import SnmpError
from support.unit_box import DEGRADED, ONLINE, RUNNING

HOST, SECRET = "iqn.2026-11.test.host:faults", "a-secret-of-16ch"
MIB = 1 << 20
TROUBLE = f"{dvsanUnitLastError}.0"
WELL, LOW, BROKEN = "1", "2", "3"
# Index, kind, and what lies at its path.
MEDIA = {"dir": (2, "folder"), "disk": (3, "disks/disk.img"), "device": (4, "luns/lun.img")}
CONFIG = """<medium index="1" name="well" kind="dir" path="media" size="64M"/>
<medium index="2" name="folder" kind="dir" path="folder" size="64M"/>
<medium index="3" name="disk" kind="disk" path="disks/disk.img" initialise="yes"/>
<medium index="4" name="lun" kind="device" path="luns/lun.img"/>"""
# Root may enter and write everything; a hardened service may not.
UNPRIVILEGED = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner"]


class Host(threading.Thread):
    """Writes and reads back on a volume in one session for as long as it is let."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.going, self.rounds, self.bad = True, 0, []
        self.tool = subprocess.Popen(["stdbuf", "-oL", "qemu-io", "--image-opts", url], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT)
        self.start()

    def order(self, command):
        """One at a time: what it has read ahead it forgets until more comes."""
        self.tool.stdin.write(command + "\n")
        self.tool.stdin.flush()
        for line in self.tool.stdout:
            if re.search("failed|error|Pattern|denied", line):
                self.bad.append(line)
            if "65536/65536" in line:
                return
        self.bad.append("it has ended")
        self.going = False

    def run(self):
        while self.going:
            n = self.rounds % 200 + 1
            self.order(f"write -f -P {n} 0 64k")
            self.order(f"read -P {n} 0 64k")
            self.rounds += 1

    def end(self):
        """What went wrong."""
        self.going = False
        self.join(30)
        self.tool.kill()
        self.tool.communicate()
        return self.bad


class Unit(unit_box.Box):
    """A unit with a well medium, on which a host works all the time, and one of each kind."""

    def __init__(self, *addresses):
        super().__init__(*addresses)
        for folder in ("folder", "disks", "luns"):
            (self.dir / folder).mkdir()
        for kind in ("disk", "device"):
            with open(self.dir / MEDIA[kind][1], "wb") as f:
                f.truncate(32 * MIB)
        self.write_config(CONFIG)
        self.seals = {}

    def running(self):
        return self.agent.running() and self.tgtd.running() and self.snmpd.running()

    def start_agent(self):
        super().start_agent(*UNPRIVILEGED)

    def medium(self, kind):
        return self.dir / MEDIA[kind][1]

    def url(self, index):
        return f"driver=iscsi,transport=tcp,portal={self.portal}:3260,target={self.iqn(index)},lun=1," \
               f"user=user{index},password={SECRET},initiator-name={HOST}"

    def io(self, index, *commands):
        args = [a for c in commands for a in ("-c", c)]
        done = subprocess.run(["qemu-io", "--image-opts", *args, self.url(index)], timeout=120,
                              capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def add_volumes(self):
        for index, mib in ((1, 8), (2, 8), (3, 8), (4, 32)):
            self.set(*unit_box.create_set(index, f"v{index}", mib, f"{index:032x}", medium=index))
        for index in (1, 2, 3, 4):
            self.wait_volume(index, ONLINE)
            self.grant(index, 1, HOST, f"user{index}", SECRET)
            self.wait_rule(index, 1, unit_box.ACTIVE)

    def sessions(self, index):
        out = self.tgtadm("--mode", "conn", "--op", "show", "--tid", str(self.tids().get(index, 0)))
        return re.findall(r"Session: (\d+)", out)

    def poke(self):
        """Has it look at its media now, as it does every few seconds by itself."""
        self.set((f"{dvsanVolumeName}.1", "s", "v1."))
        self.set((f"{dvsanVolumeName}.1", "s", "v1"))

    def log_since(self, mark):
        return self.said()[mark:]


@pytest.fixture(name="unit", scope="module")
def fixture_unit():
    with unit_box.own_box(Unit, SECRET) as unit:
        unit.start()
        unit.add_volumes()
        yield unit


# ---- Faults: each is a context in which what lies at the path is broken

def undone(steps):
    """A context of a generator, which goes on behind its yield even when a test fails."""
    @contextlib.contextmanager
    @functools.wraps(steps)
    def context(*args):
        going = steps(*args)
        next(going)
        try:
            yield
        finally:
            next(going, None)
    return context


@undone
def missing(path):
    away = path.with_name(path.name + ".away")
    path.rename(away)
    yield
    away.rename(path)


@undone
def replaced(path):
    """Another one is at its path: a file system that is not mounted, a blank disk."""
    with missing(path):
        if path.with_name(path.name + ".away").is_dir():
            path.mkdir()
        else:
            path.write_bytes(bytes(32 * MIB))
        yield
        if path.is_dir():
            assert not list(path.iterdir()), "something was written to what is not the medium"
            path.rmdir()
        else:
            assert path.read_bytes() == bytes(32 * MIB), "a disk that is not the medium was changed"
            path.unlink()


@undone
def closed(path):
    before = path.stat().st_mode
    path.chmod(0)
    yield
    path.chmod(before)


@undone
def read_only(path):
    """A read-only view of its folder is mounted over it."""
    where = path if path.is_dir() else path.parent
    subprocess.run(["mount", "--bind", where, where], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", where], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", where], check=True)


@undone
def locked(path):
    """By another process, as another agent would."""
    with open(path / ".dvsan-lock" if path.is_dir() else path, "r+b") as f:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@undone
def marker_damaged(path):
    marker = path / ".dvsan-medium"
    saved = marker.read_bytes()
    marker.write_bytes(b"\x00\xffnoise")
    yield
    marker.write_bytes(saved)


@undone
def marker_gone(path):
    with missing(path / ".dvsan-medium"):
        yield


@undone
def truncated(path):
    saved = path.read_bytes()
    os.truncate(path, 16 * MIB)
    yield
    with open(path, "r+b") as f:
        f.write(saved)


@undone
def tables_damaged(path):
    saved = path.read_bytes()
    with open(path, "r+b") as f:
        for at in (512, 32 * MIB - 512):
            f.seek(at)
            f.write(b"damage" * 20)
    damaged = path.read_bytes()
    yield
    assert path.read_bytes() == damaged, "a disk whose table is damaged was written to"
    with open(path, "r+b") as f:
        f.write(saved)


@undone
def cut(path):
    saved = path.read_bytes()
    os.truncate(path, 4 * MIB)
    yield
    with open(path, "r+b") as f:
        f.write(saved)


AT_WORK, AT_START = "running", "at_start"
BOTH = (AT_WORK, AT_START)
FAULTS = [
    ("dir", missing, BOTH, "is gone"),
    ("dir", replaced, BOTH, "another folder, or copy of it, is at|is gone; is the file system still mounted"),
    ("dir", closed, BOTH, "Permission denied"),
    ("dir", read_only, BOTH, "read-only"),
    ("dir", locked, (AT_START,), "is locked by process"),
    ("dir", marker_damaged, BOTH, "should hold the medium's UUID; restore it"),
    ("dir", marker_gone, BOTH, "is gone; is the file system still mounted"),
    ("disk", missing, BOTH, "No such file"),
    ("disk", replaced, BOTH, "something else is at|the disk that was there before"),
    ("disk", closed, BOTH, "Permission denied"),
    ("disk", read_only, BOTH, "[Rr]ead-only"),
    ("disk", locked, (AT_START,), "in use by another process"),
    ("disk", truncated, BOTH, "shrunk|both copies of the partition table"),
    ("disk", tables_damaged, BOTH, "both copies of the partition table"),
    ("device", missing, BOTH, "No such file"),
    ("device", closed, BOTH, "Permission denied"),
    ("device", read_only, BOTH, "[Rr]ead-only"),
    ("device", locked, (AT_START,), "in use by another process"),
]


def ids():
    return [f"{kind}-{fault.__name__}-{when}" for kind, fault, whens, _ in FAULTS for when in whens]


@pytest.fixture(name="host")
def fixture_host(unit):
    host = Host(unit.url(1))
    sessions = wait_for("its session", lambda: unit.sessions(1))
    yield host
    assert unit.sessions(1) == sessions, "the session on the well medium was lost"
    bad = host.end()
    assert not bad, bad


def stop_agent(unit):
    assert unit.agent.end() == 0


def start_agent(unit):
    unit.start_agent()
    unit.wait_ready()


def check_failed(unit, index, when, why):
    """That it has failed for this reason, and no other has. Behind a start all are, until they were looked at; why
    None: it need not have."""
    def others():
        return {state for i, state in unit.volumes().items() if i != index}
    if why:
        unit.wait_failed(index, why)
    if when == AT_START:
        wait_for("the others to be served", lambda: others() == {ONLINE})
    assert others() == {ONLINE}


@pytest.mark.parametrize("kind,fault,when,why",
                         [(k, f, w, r) for k, f, whens, r in FAULTS for w in whens], ids=ids())
def test_a_medium_that_fails(unit, host, kind, fault, when, why):
    index, path = MEDIA[kind][0], unit.medium(kind)
    seal = f"{index}{len(fault.__name__)}{len(when)}"
    pattern = unit.seals[index] = int(seal) % 250 + 1
    assert "wrote 65536" in unit.io(index, f"write -P {pattern} 1M 64k", "flush")
    others = {i: ONLINE for i in (1, 2, 3, 4) if i != index}
    mark = unit.agent_log.stat().st_size
    if when == AT_START:
        stop_agent(unit)
    rounds = host.rounds
    with fault(path):
        if when == AT_START:
            start_agent(unit)
        else:
            unit.poke()
        check_failed(unit, index, when, why)
        assert unit.get(f"{dvsanMediumOperState}.{index}") == BROKEN
        assert re.search(why, unit.get(f"{dvsanMediumLastError}.{index}"))
        assert re.search(f"medium {['', 'well', 'folder', 'disk', 'lun'][index]} is failed: .*({why})",
                         unit.log_since(mark))
        with pytest.raises(SnmpError, match="resourceUnavailable"):
            unit.set(*unit_box.create_set(9, "no", 8, "99" * 16, medium=index))
        unit.set(*unit_box.create_set(8, "beside", 8, "88" * 16, medium=1))
        unit.wait_volume(8, ONLINE)
        assert unit.running()
        wait_for("I/O meanwhile", lambda: host.rounds > rounds + 1)
    unit.wait_volume(index, ONLINE)
    assert unit.get(f"{dvsanMediumOperState}.{index}", f"{dvsanMediumLastError}.{index}") == [WELL, ""]
    assert "Pattern" not in unit.io(index, f"read -P {pattern} 1M 64k")
    unit.destroy(8)
    wait_for("the volume beside to be gone", lambda: unit.volumes() == {**others, index: ONLINE})


def sealed(unit, index):
    """The pattern that a host has written there."""
    if index not in unit.seals:
        unit.seals[index] = 0x5a
        assert "wrote 65536" in unit.io(index, "write -P 0x5a 1M 64k", "flush")
    return unit.seals[index]


def image(unit, kind):
    return unit.medium(kind) / "00000000-0000-0000-0000-000000000002.img" if kind == "dir" else unit.medium(kind)


@pytest.mark.parametrize("kind,fault,why", [("dir", missing, "is gone"),
                                            ("dir", closed, None),
                                            ("dir", cut, "should have 8388608"),
                                            ("device", truncated, "has 16 MiB, and the volume should have 32")])
@pytest.mark.parametrize("when", BOTH)
def test_a_volume_that_fails_alone(unit, host, kind, fault, when, why):
    index = MEDIA[kind][0]
    pattern = sealed(unit, index)
    if when == AT_START:
        stop_agent(unit)
    with fault(image(unit, kind)):
        if when == AT_START:
            start_agent(unit)
        else:
            unit.poke()
        check_failed(unit, index, when, why)  # None: tgtd may open what the agent may not
    unit.wait_volume(index, ONLINE)
    assert "Pattern" not in unit.io(index, f"read -P {pattern} 1M 64k")


# ---- The state folder

def shown(unit):
    """What a SET could have changed."""
    columns = (dvsanVolumeUuid, dvsanVolumeName, dvsanVolumeBlocks, dvsanVolumeAdminState, dvsanVolumeGeneration)
    return [unit.walk(c) for c in columns], sorted(os.listdir(unit.medium("dir")))


def refused(unit, why):
    """A SET is refused with nothing half done, and the unit says why."""
    wait_for("the reason", lambda: re.search(why, unit.get(TROUBLE)))
    before = shown(unit)
    with pytest.raises(SnmpError, match="commitFailed"):
        unit.set(*unit_box.create_set(9, "no", 8, "99" * 16, medium=2),
                 (f"{dvsanVolumeName}.1", "s", "renamed"))
    with pytest.raises(SnmpError, match="commitFailed"):
        unit.grant(1, 9, HOST + "9", "user9", SECRET)
    assert shown(unit) == before
    assert (1, 9) not in unit.rules()
    assert set(unit.volumes().values()) == {ONLINE}
    assert unit.get(f"{dvsanMemberOperState}.0") == DEGRADED
    assert "changes cannot be recorded and are refused" in unit.said()


def recovered(unit):
    wait_for("no reason", lambda: unit.get(TROUBLE) == "")
    unit.set(*unit_box.create_set(9, "yes", 8, "99" * 16, medium=2))
    unit.wait_volume(9, ONLINE)
    unit.destroy(9)
    wait_for("the volume to be gone", lambda: 9 not in unit.volumes())
    assert unit.get(f"{dvsanMemberOperState}.0") == RUNNING


def restart(unit):
    """What is recorded is what is there."""
    before = unit.get(f"{dvsanMemberUuid}.0"), unit.walk(dvsanVolumeName)
    unit.agent.kill()
    start_agent(unit)
    assert (unit.get(f"{dvsanMemberUuid}.0"), unit.walk(dvsanVolumeName)) == before


def refuses_to_start(unit, why):
    """And nothing is lost: what is served goes on being served."""
    mark = unit.agent_log.stat().st_size
    served = unit.targets()
    unit.start_agent()
    assert unit.agent.popen.wait(120) != 0
    assert re.search(why, unit.log_since(mark)), unit.log_since(mark)
    assert unit.targets() == served


@undone
def opened(path):
    path.chmod(0o755)
    yield
    path.chmod(0o700)


@undone
def given_away(path):
    os.chown(path, 65534, 65534)
    yield
    os.chown(path, 0, 0)


@pytest.mark.parametrize("fault,why", [(missing, "put back the folder|cannot look at the state"),
                                       (closed, "cannot look|not there any more|Permission denied")])
def test_a_state_folder_that_fails_while_the_unit_runs(unit, host, fault, why):
    with fault(unit.dir / "state"):
        refused(unit, why)
    recovered(unit)
    restart(unit)


@pytest.mark.parametrize("fault,why", [(opened, "chmod 0700"), (given_away, "runuser -u nobody")])
def test_a_state_folder_that_others_have(unit, host, fault, why):
    with fault(unit.dir / "state"):
        wait_for("the reason", lambda: re.search(why, unit.get(TROUBLE)))
        assert set(unit.volumes().values()) == {ONLINE}
        stop_agent(unit)
        refuses_to_start(unit, why)
    start_agent(unit)
    recovered(unit)


@contextlib.contextmanager
def own_file_system(unit):
    """The state folder on a small file system of its own."""
    state, saved = unit.dir / "state", unit.dir / "state.saved"
    stop_agent(unit)
    shutil.copytree(state, saved)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "none", state], check=True)
    shutil.copytree(saved, state, dirs_exist_ok=True)
    start_agent(unit)
    try:
        yield state
    finally:
        unit.agent.end()
        shutil.rmtree(saved)
        shutil.copytree(state, saved)
        subprocess.run(["umount", "-l", state], check=True)
        shutil.rmtree(state)
        saved.rename(state)
        start_agent(unit)


def fill(folder):
    hog = folder / "hog"
    with open(hog, "wb", buffering=0) as f, contextlib.suppress(OSError):
        while f.write(bytes(4096)):
            pass
    return hog


def test_a_state_folder_whose_file_system_is_full(unit, host):
    with own_file_system(unit) as state:
        hog = fill(state)
        refused(unit, "file system .* is full")
        hog.unlink()
        recovered(unit)
        restart(unit)
        hog = fill(state)
        stop_agent(unit)
        refuses_to_start(unit, "full")
        hog.unlink()
        start_agent(unit)
        recovered(unit)


def test_a_state_folder_that_is_read_only(unit, host):
    """Of a file system that cannot be remounted while its files are open, so at the start alone."""
    stop_agent(unit)
    with read_only(unit.dir / "state"):
        refuses_to_start(unit, "[Rr]ead-only")
    start_agent(unit)
    recovered(unit)


# ---- The journal

def edit(at, what):
    def change(path):
        with open(path, "r+b") as f:
            f.seek(at)
            f.write(what)
    return change


def newer(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 999")


DAMAGES = {"truncated": (lambda p: os.truncate(p, p.stat().st_size // 2), "damaged"),
           "zeroed": (lambda p: p.write_bytes(bytes(p.stat().st_size)), "damaged"),
           "random header": (edit(0, os.urandom(100)), "damaged"),
           "random page": (edit(8192, os.urandom(4096)), "damaged"),
           "no database": (lambda p: p.write_bytes(b"nothing that is a database" * 100), "damaged"),
           "newer": (newer, "written by a newer version; install that one again")}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal(unit, host, damage):
    journal = unit.dir / "state/unit.db"
    change, why = DAMAGES[damage]
    unit.agent.kill()  # so that it is also found as a crash leaves it
    saved = journal.read_bytes()
    change(journal)
    damaged = journal.read_bytes()
    refuses_to_start(unit, why)
    if damage != "newer":
        assert "put a backup in its place" in unit.said()
    assert journal.read_bytes() == damaged, "it was changed"
    journal.write_bytes(saved)
    start_agent(unit)
    recovered(unit)


def test_the_journal_is_whole_in_one_file(unit, host):
    """Between commits nothing beside it is needed, even after a kill."""
    unit.set(*unit_box.create_set(9, "last", 8, "99" * 16, medium=2))
    for _ in range(20):  # a kill may come in the middle of the worker's next commit
        unit.agent.kill()
        beside = list((unit.dir / "state").glob("unit.db?*"))
        if all(path.stat().st_size == 0 for path in beside):
            break
        start_agent(unit)
        unit.wait_volume(9, ONLINE)
    else:
        pytest.fail("it was never killed between commits")
    for path in beside:
        path.unlink()
    start_agent(unit)
    unit.wait_volume(9, ONLINE)
    unit.destroy(9)
    wait_for("the volume to be gone", lambda: 9 not in unit.volumes())

# Kills at every step: whoever dies when, the unit comes back as it was promised to be.
# SPDX-License-Identifier: BSD-2-Clause
"""Operations by fault points by victims.

Each operation is run once to learn the points that it passes (src/base/fault.h). A cell of the matrix
is the operation run again until it stops at one of them; there the victims are killed, and started
again. Then all that the unit is must be as intended: as the SET's answer promised, or, if it was lost,
as before or as after and nothing in between.

By default each point is met with the agent, the whole unit and one of the daemons killed, in operations
by turns. With DVSAN_CRASH_MATRIX=PATTERN all cells run whose names match: "*" for the whole matrix, in an
hour, "grow-*/unit" for a part, and the name that a failure tells for the one.
"""
import collections
import fnmatch
import json
import os
import pathlib
import re
import shlex
import subprocess
import time
import uuid

import pytest

from dvsan_oids import (dvsanAccessChapSecret, dvsanAccessRowStatus, dvsanFreeExtentBlocks, dvsanFreeExtentStartLba,
                        dvsanVolumeAdminState, dvsanVolumeForce, dvsanVolumeName, dvsanVolumeRowStatus, dvsanVolumeSize,
                        dvsanVolumeThin)
from support import BUILD, SOURCE, net, unit_box
from support.crash_box import BLOCKS, DIR, DISK, MARK, MIB, CrashBox, Intended, Volume
from support.faults import has_faults, needs_faults
from support.raw_initiator import Session
from support.snmp import PRINTED, SnmpError, tool_environment
from support.unit_box import create_set, grant_set

VICTIMS = {"unit": ["unit"], "tgtd": ["tgtd"], "snmpd": ["snmpd"], "full": ["unit", "tgtd", "snmpd"]}
FIRST_SECRET, OTHER_SECRET = "the-first-secret", "another-secret-1"
LEFT_OVER_MAX = 8  # volumes of earlier cells, which must stay as they are
STOP_SECONDS = 8
ATTEMPTS = 3
DEAR = 5  # as many cells less by default of operations that take long
FAILURES_MAX = 5


# ---- Operations

class World:
    """A running unit, and what it should be."""

    def __init__(self, box):
        self.box, self.want, self.index, self.session = box, Intended(), 0, None
        box.start()
        for medium in (DIR, DISK):
            box.wait_medium(medium)
        self.now = self.settle()
        self.own = [self.make(medium, 4, rules=1) for medium in (DIR, DISK)]  # which nobody touches

    def settle(self):
        self.want, self.now = self.box.settle(self.want)
        return self.now

    # ---- Volumes for an operation

    def describe(self, medium, mib, thin=True, rules=0):
        """A volume to be made, and the SET that does it."""
        self.index += 1
        v = Volume(self.index, uuid.uuid4().hex, f"volume-{self.index}", medium, mib, thin)
        sets = list(create_set(v.index, v.name, mib, v.uuid, medium))
        sets.insert(-1, (f"{dvsanVolumeThin}.{v.index}", "i", 1 if thin else 2))
        for i in range(1, rules + 1):
            v.rules[i] = (f"iqn.2026-11.test.host:h{i}", f"user-{v.index}-{i}")
            sets += grant_set(v.index, i, *v.rules[i], FIRST_SECRET)
        return v, sets

    def put(self, want, v):
        want.volumes[v.index] = v
        want.secrets.update((user, FIRST_SECRET) for _, user in v.rules.values())

    def make(self, medium, mib, thin=True, rules=0):
        """A volume with data in it."""
        v, sets = self.describe(medium, mib, thin, rules)
        self.box.prepare(*sets)
        self.put(self.want, v)
        self.settle()
        self.write(v)
        return v

    def write(self, v):
        v.first_mib = v.mib
        with open(self.box.dir / "media" / v.file() if v.medium == DIR else self.box.disk, "r+b") as f:
            for at in (0, v.mib * MIB - MARK):
                f.seek((self.now.start(v.index) * 512 if v.medium == DISK else 0) + at)
                f.write(v.mark())

    def subject(self, medium, mib=8, thin=True, rules=0, online=True, room=None):
        """A volume as asked for: one that an earlier cell left, or a new one."""
        for v in reversed(self.want.volumes.values()):
            if v not in self.own and (v.medium, v.mib, v.first_mib, v.thin, len(v.rules), v.online) == \
                    (medium, mib, mib, thin, rules, online) and room in (None, self.has_room(v)):
                return v
        if len(self.want.volumes) > LEFT_OVER_MAX:
            self.sweep()
        v = self.make(medium, mib, thin, rules)
        if room not in (None, self.has_room(v)):
            if room:  # it is in a hole
                self.sweep()
                v = self.make(medium, mib, thin, rules)
            else:
                self.make(medium, 4)
        assert room in (None, self.has_room(v))
        if not online:
            self.box.prepare((f"{dvsanVolumeAdminState}.{v.index}", "i", 2))
            v.online = False
            self.settle()
        return v

    def has_room(self, v):
        end = self.now.start(v.index) + v.mib * BLOCKS
        return any(int(r[dvsanFreeExtentStartLba]) == end for i, r in self.now.free.items() if i[0] == v.medium)

    def sweep(self):
        """Deletes all that cells left."""
        left = [v for v in self.want.volumes.values() if v not in self.own]
        rules = [(f"{dvsanAccessRowStatus}.{v.index}.{i}", "i", unit_box.DESTROY)
                 for v in left for i in v.rules]
        if rules:
            self.box.prepare(*rules)
            for v in left:
                v.rules.clear()
            self.settle()
        if left:
            self.box.prepare(*((f"{dvsanVolumeRowStatus}.{v.index}", "i", unit_box.DESTROY) for v in left))
            for v in left:
                del self.want.volumes[v.index]
            self.settle()

    def soil(self):
        """What lay on the disk before must not be seen in new volumes."""
        dirt = b"\xee" * MIB
        with open(self.box.disk, "r+b") as f:
            for (medium, start), row in self.now.free.items():
                room = int(row[dvsanFreeExtentBlocks]) // BLOCKS
                for mib in {*range(min(16, room)), 100, 263} if medium == DISK else ():
                    f.seek((start + mib) * MIB)
                    f.write(dirt)


def creates(mib, thin, rules=0):
    def prepare(world, medium):
        if len(world.want.volumes) > LEFT_OVER_MAX or mib > 100:
            world.sweep()
        world.soil()
        v, sets = world.describe(medium, mib, thin, rules)
        return [v], sets, lambda want: world.put(want, v)
    return prepare


def resizes(mib, force=False, thin=True, room=None):
    def prepare(world, medium):
        v = world.subject(medium, thin=thin, rules=1, room=room)
        world.soil()
        sets = [(f"{dvsanVolumeSize}.{v.index}", "u", mib)]
        sets += [(f"{dvsanVolumeForce}.{v.index}", "i", 1)] * force
        return [v], sets, lambda want: setattr(want.volumes[v.index], "mib", mib)
    return prepare


def grows_by_a_copy(world, medium):
    v = world.subject(medium, rules=1, room=False)
    world.soil()

    def effect(want):
        want.gone.append((world.now.start(v.index), v.mib * BLOCKS))
        want.volumes[v.index].mib = 12
    return [v], [(f"{dvsanVolumeSize}.{v.index}", "u", 12), (f"{dvsanVolumeForce}.{v.index}", "i", 1)], effect


def renames(world, medium):
    v = world.subject(medium, rules=1)
    name = f"{v.name}-{world.index}"
    world.index += 1
    return ([v], [(f"{dvsanVolumeName}.{v.index}", "s", name)],
            lambda want: setattr(want.volumes[v.index], "name", name))


def switches(online):
    def prepare(world, medium):
        v = world.subject(medium, rules=1, online=not online)
        return ([v], [(f"{dvsanVolumeAdminState}.{v.index}", "i", 1 if online else 2)],
                lambda want: setattr(want.volumes[v.index], "online", online))
    return prepare


def deletes(mib):
    def prepare(world, medium):
        v = world.subject(medium, mib)

        def effect(want):
            del want.volumes[v.index]
            if medium == DISK:
                want.gone.append((world.now.start(v.index), v.mib * BLOCKS))
        return [v], [(f"{dvsanVolumeRowStatus}.{v.index}", "i", unit_box.DESTROY)], effect
    return prepare


def grants(world, medium):
    v = world.subject(medium, rules=1)
    iqn, user = "iqn.2026-11.test.host:second", f"user-{v.index}-second"

    def effect(want):
        want.volumes[v.index].rules[2] = (iqn, user)
        want.secrets[user] = FIRST_SECRET
    return [v], grant_set(v.index, 2, iqn, user, FIRST_SECRET), effect


def changes_secret(world, medium):
    v = world.subject(medium, rules=2)
    iqn, user = v.rules[1]
    old = world.want.secrets[user]
    new = OTHER_SECRET if old == FIRST_SECRET else FIRST_SECRET
    world.want.refused = [(v.target(), iqn, user, new)]

    def effect(want):
        want.secrets[user] = new
        want.refused = [(v.target(), iqn, user, old)]
    return [v], [(f"{dvsanAccessChapSecret}.{v.index}.1", "s", new)], effect


def revokes(in_use):
    def prepare(world, medium):
        v = world.subject(medium, rules=2)
        iqn, user = v.rules[1]
        secret = world.want.secrets[user]
        if in_use:
            world.session = Session(world.box.portal, iqn, v.target())
            world.session.login(user, secret)

        def effect(want):
            del want.volumes[v.index].rules[1]
            want.refused = [(v.target(), iqn, user, secret)]
        return [v], [(f"{dvsanAccessRowStatus}.{v.index}.1", "i", unit_box.DESTROY)], effect
    return prepare


def does_several(world, medium):
    """Two volumes made, one grown, one shrunk, one deleted, one renamed, a rule added and one removed:
    by a single SET."""
    world.sweep()
    other = DISK if medium == DIR else DIR
    parts = [prepare(world, m) for prepare, m in (
        (deletes(8), medium), (resizes(12), other), (resizes(4, force=True), medium), (grants, other),
        (revokes(False), medium), (renames, other), (creates(8, True, rules=1), medium),
        (creates(8, False), other))]

    def effect(want):
        for _, _, of_part in parts:
            of_part(want)
    return [v for part in parts for v in part[0]], [s for part in parts for s in part[1]], effect


OPERATIONS = {f"{name}-{'dir' if medium == DIR else 'disk'}": (prepare, medium) for medium, some in (
    (DIR, {"grow-moved": resizes(12, room=False)}),
    (DISK, {"grow-copied": grows_by_a_copy, "create-large": creates(264, True), "delete-large": deletes(264)}),
    *((m, {"create": creates(8, True, rules=1), "create-full": creates(8, False),
           "grow": resizes(12, room=True), "grow-full": resizes(12, thin=False, room=True),
           "shrink": resizes(4, force=True), "rename": renames, "take-offline": switches(False),
           "bring-online": switches(True), "grant": grants, "change-secret": changes_secret,
           "revoke": revokes(False), "revoke-in-use": revokes(True), "delete": deletes(8),
           "several": does_several, "recover": does_several})
      for m in (DIR, DISK))) for name, prepare in some.items()}


# ---- Cells

class Cell(collections.namedtuple("Cell", "operation point nth victim")):
    def __str__(self):
        return f"{self.operation}/{self.point}:{self.nth}/{self.victim}"


class NotPassed(Exception):
    pass


# Here the SET was journaled and all were killed. The operation is to start them again.
def is_recovery(operation):
    return operation.startswith("recover-")


def begin(world, operation):
    """Makes ready for an operation; returns its volumes, the SET, and what is to be after it."""
    prepare, medium = OPERATIONS[operation]
    world.session = None
    world.want.gone, world.want.refused = [], []
    volumes, sets, effect = prepare(world, medium)
    new = world.want.copy()
    effect(new)
    if is_recovery(operation):
        world.box.faults.stop_at("journal.committed", 1)
        manager = send(world, sets)
        wait_for_stop(world.box, manager)
        world.box.kill(VICTIMS["full"])
        manager.kill()
        manager.communicate()
    return [v.index for v in volumes], sets, new


def send(world, sets):
    return subprocess.Popen(world.box.snmp_command("snmpset", *sets, options=["-t", "3", "-r", "0", *PRINTED]),
                            env=tool_environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(world, volumes, *candidates):
    world.want, world.now = world.box.settle(*candidates, whole=volumes)
    if world.session:
        world.session.close()
    # Volumes of earlier copies are not those of this one.
    world.own = [world.want.volumes[o.index] for o in world.own]
    for v in world.want.volumes.values():
        if not v.first_mib:
            world.write(v)


def learn(world, operation):
    """The points that an operation passes: [(point, nth)]."""
    volumes, sets, new = begin(world, operation)
    world.box.faults.recorded()
    if is_recovery(operation):
        world.box.restart(VICTIMS["full"])
    else:
        world.box.prepare(*sets)
    finish(world, volumes, new)
    seen, found = collections.Counter(), []
    for point in world.box.faults.recorded():
        seen[point] += 1
        found.append((point, seen[point]))
    return found


def wait_for_stop(box, manager):
    """Until the agent stops, or has passed no point at all for so long."""
    passed, deadline = None, 0
    while not box.faults.is_stopped():
        if passed != (now := box.faults.record.stat().st_size if box.faults.record.exists() else 0):
            passed, deadline = now, time.monotonic() + STOP_SECONDS
        if time.monotonic() > deadline:
            box.faults.stop.unlink(missing_ok=True)
            raise NotPassed
        time.sleep(0.002)


def answer(manager, seconds):
    """Whether the manager was promised what it asked for. What is in the journal is a promise, too."""
    if not manager:
        return True
    try:
        text = manager.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        manager.kill()
        manager.communicate()
        return False
    if manager.returncode == 0:
        return True
    assert re.search("Timeout|genError|No Response", text), text
    return False


def run(world, cell):
    box, victims, manager = world.box, VICTIMS[cell.victim], None
    volumes, sets, new = begin(world, cell.operation)
    box.faults.stop_at(cell.point, cell.nth)
    if is_recovery(cell.operation):
        box.restart(VICTIMS["full"])
    else:
        manager = send(world, sets)
    wait_for_stop(box, manager)
    box.kill(victims)
    if "unit" not in victims:
        box.go_on()
    if "snmpd" in victims:  # the new one must not answer for it
        promised = answer(manager, 0.3)
        box.restart(victims)
    else:
        box.restart(victims)
        promised = answer(manager, 10)
    finish(world, volumes, *([new] if promised else [world.want, new]))


# ---- Which cells

def occurrences(learnt):
    """point -> [(operation, nth)]"""
    found = collections.defaultdict(list)
    for operation, points in learnt.items():
        for point, nth in points:
            found[point].append((operation, nth))
    return found


def every_cell(learnt):
    return [Cell(operation, point, nth, victim) for operation, points in learnt.items()
            for point, nth in points for victim in VICTIMS]


def some_cells(learnt):
    """Each point in turn, in the operations that had the fewest cells so far."""
    used = collections.Counter({operation: DEAR for operation in learnt if "several" in operation or
                                is_recovery(operation)})
    found = []
    for i, (point, places) in enumerate(sorted(occurrences(learnt).items())):
        for victim in ("unit", "full", ("tgtd", "snmpd")[i % 2]):
            operation, nth = min(places, key=lambda place: (used[place], used[place[0]]))
            used[operation] += 1
            used[(operation, nth)] += 1
            found.append(Cell(operation, point, nth, victim))
    return sorted(found, key=lambda cell: list(learnt).index(cell.operation))


def chosen_cells(learnt):
    pattern = os.environ.get("DVSAN_CRASH_MATRIX")
    if not pattern:
        return some_cells(learnt)
    return [cell for cell in every_cell(learnt) if fnmatch.fnmatchcase(str(cell), pattern)]


# ---- Tests

def test_other_builds_have_no_trace():
    """Nothing that has fault points has them when it is compiled without the option."""
    with open(BUILD / "compile_commands.json", encoding="utf-8") as f:
        commands = [c for c in json.load(f) if '#include "base/fault.h"' in pathlib.Path(c["file"]).read_text()
                    and not c["file"].endswith(("/fault.c", "/test_fault.c"))]
    assert commands
    for command in commands:
        words = [w for w in shlex.split(command["command"]) if w != "-DDVSAN_FAULTS"]
        words[words.index("-o") + 1] = "-"
        text = subprocess.run([*words, "-E"], cwd=command["directory"], capture_output=True, text=True,
                              check=True).stdout
        assert "DV_FAULT" not in text and "fault_pass" not in text, command["file"]
    for program in (SOURCE / "build/release/bin").glob("*"):
        assert not has_faults(program)


class Worlds:
    """One unit after the other, at the same addresses."""

    def __init__(self, addresses):
        self.addresses, self.world = addresses, None

    def begin(self):
        self.end()
        self.world = World(CrashBox(*self.addresses))

    def end(self):
        if self.world:
            self.world.box.close()
        self.world = None

    def log(self):
        return self.world.box.said()

    def try_cell(self, cell):
        """None, or what went wrong, after which there is a new unit."""
        for _ in range(ATTEMPTS):
            try:
                run(self.world, cell)
                return None
            except NotPassed:  # the observer may have come in between
                failure = f"{cell}: the operation did not pass the point again"
            except (AssertionError, SnmpError, OSError) as error:
                print(f"{cell}: {error}\nthe end of the log:\n{self.log()[-6000:]}")
                self.begin()
                return f"{cell}: {error}"
            self.begin()
        return failure


@pytest.fixture(scope="module", name="worlds")
def fixture_worlds():
    with net.own_addresses(2) as addresses:
        worlds = Worlds(addresses)
        worlds.begin()
        yield worlds
        worlds.world.box.agent.end()
        text = worlds.log()
        worlds.end()
    for bad in ("AddressSanitizer", "runtime error:", "LeakSanitizer", FIRST_SECRET, OTHER_SECRET):
        assert bad not in text, text[-8000:]


@pytest.fixture(scope="module", name="learnt")
def fixture_learnt(worlds):
    return {operation: learn(worlds.world, operation) for operation in OPERATIONS}


@needs_faults
def test_every_point_is_passed(learnt):
    """One that no operation passes is one that nobody tries."""
    there = set()
    for folder in ("src", "snmp-agents"):
        for path in (SOURCE / folder).rglob("*.c"):
            if "cms" not in path.parts:  # the station's points are for its own tests
                there.update(re.findall(r'DV_FAULT(?:_OF)?\("([^"]+)"', path.read_text()))
    # Enrolment is a run of its own, and tried in test_enrol_peer; other keys in test_rekey; the first
    # sealing of a journal in test_unit_key.
    there = {name for name in there if not name.startswith(("enrol.", "member.", "sealing."))}
    passed = [point + "." for point in occurrences(learnt)]
    assert there
    assert not [name for name in there if not any(p.startswith(name + ".") for p in passed)]


@needs_faults
def test_matrix(worlds, learnt):
    cells, failures, begun = chosen_cells(learnt), [], time.monotonic()
    for count, cell in enumerate(cells, 1):
        failures += filter(None, [worlds.try_cell(cell)])
        if count % 100 == 0:
            print(f"{count} of {len(cells)} cells, {len(failures)} failures")
        if len(failures) == FAILURES_MAX:
            break
    print(f"{count} cells of {len(every_cell(learnt))}: {len(occurrences(learnt))} points in"
          f" {len(learnt)} operations, {time.monotonic() - begun:.0f} s")
    assert not failures, "\n".join(failures)

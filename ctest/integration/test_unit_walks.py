# Walks of all tables of dvsan-unit, while volumes come and go, and GETNEXT from where nothing is.
# SPDX-License-Identifier: BSD-2-Clause
import bisect
import os
import pathlib
import random
import re
import threading
import uuid

import pytest

from dvsan_oids import (dvsan, dvsanAccessEntry, dvsanAccessRowStatus, dvsanChangeEntry, dvsanChangeIndex,
                        dvsanChangeKind, dvsanFreeExtentEntry, dvsanVolumeEntry, dvsanVolumeGeneration, dvsanVolumeName,
                        dvsanVolumeReadBytes, dvsanVolumeReadOps, dvsanVolumeRowStatus, dvsanVolumeUuid,
                        dvsanVolumeWriteOps, dvsanVolumeWrittenBytes)
from support import SOURCE, snmp
from support.oids import STANDARD
from support.patience import wait_for
from support.snmp import tool_environment
from support.unit_box import ACTIVE, DESTROY, ONLINE, Box, create_set, grant_set, own_box

ALICE, SECRET = "iqn.2026-11.host:alice", "secret-of-alice"
# Volumes that exist all the time, between and behind those that come and go.
STABLE = (1, 60, 120, 121, 300, 499, 2000000, 2147483647)
BUSY = (1, 121, 2147483647)  # with a session that reads all the time
COMING_AND_GOING = [n for n in range(2, 520) if n not in STABLE][:500]
AT_ONCE = 5  # volumes in a SET
ALIVE = 4  # such groups at a time
COUNTED = (dvsanVolumeReadOps, dvsanVolumeWriteOps, dvsanVolumeReadBytes, dvsanVolumeWrittenBytes,
           dvsanVolumeGeneration)
WALK_SECONDS = 300  # within which any walk ends


def texts():
    folder = os.environ.get("DVSAN_STANDARD_MIBS") or SOURCE.parent / "shared/standard-mibs"
    return folder if (pathlib.Path(folder) / "ISCSI-MIB").exists() else None


def numbers(oid):
    return tuple(map(int, oid.strip(".").split(".")))


def under(oid, base):
    return oid[:len(numbers(base))] == numbers(base)


def run(box, name, *args, options=(), env=None):
    return snmp.run(box.snmp_command(name, *args, options=["-t", "20", "-r", "1", *options]), env=env,
                    timeout=WALK_SECONDS, errors="replace").stdout


def variables(text):
    """What a walk printed: [(OID, value)], in its order, with what came twice."""
    found = re.findall(r"^\.([\d.]+) = (.*(?:\n(?!\.\d).*)*)$", text, re.MULTILINE)
    return [(numbers(oid), " ".join(value.split())) for oid, value in found
            if not value.startswith("No ")]


def walk(box, oid, name="snmpbulkwalk", *options):
    found = variables(run(box, name, oid, options=[*snmp.PRINTED, *options]))
    names = [name for name, _ in found]
    for before, behind in zip(names, names[1:]):
        assert before < behind, f"{oid}: {behind} comes behind {before}"
    return dict(found)


def everything(box, name="snmpbulkwalk", *options):
    found = {}
    for oid in (dvsan, *STANDARD):
        found.update(walk(box, oid, name, *options))
    return found


def is_fixed(oid):
    """Whether it has the same value as long as its volume is there."""
    return under(oid, dvsanAccessEntry) or (under(oid, dvsanVolumeEntry) and not any(under(oid, c) for c in COUNTED))


def is_kept(oid):
    """Whether it is there as long as the volumes that stay are."""
    return not under(oid, dvsanChangeEntry) and not under(oid, dvsanFreeExtentEntry)


class Walker(threading.Thread):
    """Walks again and again until told to stop, and once more after that."""

    def __init__(self, box, walk_once):
        super().__init__()
        self.box, self.walk_once = box, walk_once
        self.enough = threading.Event()
        self.walks, self.error = 0, None

    def run(self):
        try:
            last = False
            while not last:
                last = self.enough.is_set()
                self.walk_once()
                self.walks += 1
        except BaseException as error:  # is raised where the thread is joined
            self.error = error
            self.enough.set()

    def end(self):
        self.enough.set()
        self.join()
        if self.error:
            raise self.error


def check_kept(found, kept):
    missing = [oid for oid in kept if oid not in found]
    assert not missing, f"{len(missing)} of {len(kept)} are missing, such as {missing[:3]}"
    other = [(oid, kept[oid], found[oid]) for oid in kept if is_fixed(oid) and kept[oid] != found[oid]]
    assert not other, other[:3]


def walkers(box, kept):
    def by(name, *options):
        return Walker(box, lambda: check_kept(everything(box, name, *options), kept))
    found = [by("snmpwalk"), by("snmpbulkwalk", "-Cr7"), by("snmpbulkwalk", "-Cr50"), by("snmpbulkwalk", "-Cr300")]
    if texts():
        whole = {table: rows_of(box, table) for table in tables()}
        found.append(Walker(box, lambda: check_tables(box, whole)))
    return found


def tables():
    """The names of all tables that the unit serves, and their modules."""
    caps = (SOURCE / "snmp-agents/unit/std/oids.h").read_text()
    names = [entry.removesuffix("Entry") + "Table" for entry in re.findall(r"#define OID_(\w+Entry) ", caps)]
    module = {"sc": "SCSI-MIB", "ip": "IPS-AUTH-MIB", "is": "ISCSI-MIB"}
    ours = re.findall(r"^(\w+Table) OBJECT-TYPE", (SOURCE / "mibs/DVSAN-UNIT-MIB").read_text(), re.MULTILINE)
    return [f"DVSAN-UNIT-MIB::{name}" for name in ours] + [f"{module[name[:2]]}::{name}" for name in names]


def rows_of(box, table):
    """What snmptable shows: index -> cells, "?" where there is nothing. It puts a row that came
    between its requests for two columns behind the others."""
    env = dict(tool_environment(), MIBS="ALL", MIBDIRS=f"{SOURCE}/mibs:{texts()}")
    text = run(box, "snmptable", table, options=["-Ci", "-CH", "-Cf", "|", "-Oe", "-OX", "-OU"], env=env)
    rows = [line.split("|") for line in text.splitlines() if "|" in line]
    indexes = [tuple(map(int, re.findall(r"\d+", row[0]))) for row in rows]
    assert len(indexes) == len(set(indexes)), (table, indexes)
    return dict(zip(indexes, (row[1:] for row in rows)))


def check_tables(box, whole):
    for table, kept in whole.items():
        found = rows_of(box, table)
        for index, cells in kept.items():
            if table.endswith(("ChangeTable", "FreeExtentTable")):
                continue
            assert index in found, (table, index)
            assert [c == "?" for c in found[index]] == [c == "?" for c in cells], (table, index, found[index])


# ---- Volumes that come and go

def insist(box, *sets):
    """A volume that just lost its rules may be refused for a moment."""
    wait_for(f"{sets[0]} to be taken", lambda: box.set(*sets), 60)


def come(box, group):
    sets = ()
    for n in group:
        sets += create_set(n, f"passing-{n}", 1, uuid.uuid4().hex)
        sets += grant_set(n, n, f"iqn.2026-11.host:h{n}", f"user{n % 7}", f"secret-of-user{n % 7}")
    box.set(*sets)


def go(box, group):
    box.set(*((f"{dvsanAccessRowStatus}.{n}.{n}", "i", DESTROY) for n in group))
    insist(box, *((f"{dvsanVolumeRowStatus}.{n}", "i", DESTROY) for n in group))


def come_and_go(box, rng, still_well):
    order = COMING_AND_GOING[:]
    rng.shuffle(order)
    groups = [order[i:i + AT_ONCE] for i in range(0, len(order), AT_ONCE)]
    for i in range(len(groups) + ALIVE):
        if i < len(groups):
            come(box, groups[i])
        if i >= ALIVE:
            go(box, groups[i - ALIVE])
        if not still_well():
            return


# ---- The unit

class Unit(Box):
    """A unit with the volumes that stay, and hosts that read some of them."""

    def __init__(self, *addresses):
        super().__init__(*addresses)
        self.write_config('<medium index="1" name="m1" kind="dir" path="media" size="2G"/>')
        self.model = {n: (uuid.uuid4().hex, f"stays-{n}") for n in STABLE}
        self.hosts = []
        self.patience = ["-t", "20", "-r", "1"]

    def fill(self):
        for n, (volume, name) in self.model.items():
            self.set(*create_set(n, name, 4, volume), *grant_set(n, 1, ALICE, "alice", SECRET),
                     *grant_set(n, 2147483647, "iqn.2026-11.host:bob", "bob", "secret-of-bob"))
        wait_for("all to be served", lambda: self.volumes() == dict.fromkeys(STABLE, ONLINE), 60)
        wait_for("all rules", lambda: set(self.rules().values()) == {ACTIVE}, 60)
        for n in BUSY:
            self.hosts.append(self.process(
                f"host{n}", ["iscsi-perf", "-i", ALICE, "-t", "3600", "-r", "-m", "1",
                             f"iscsi://{self.portal}:3260/{self.iqn(n)}/1"],
                LIBISCSI_CHAP_USERNAME="alice", LIBISCSI_CHAP_PASSWORD=SECRET))
        # Sessions and what targets offer are read once a second.
        wait_for("the sessions", lambda: len(walk(self, f"{STANDARD[2]}.1.10.1.1.3")) == len(BUSY), 60)
        wait_for("what targets offer", lambda: len(walk(self, f"{STANDARD[2]}.1.5.1.1.6")) == len(STABLE), 60)

    def close(self):
        for host in self.hosts:
            host.kill()
        super().close()


@pytest.fixture(name="box", scope="module")
def fixture_box():
    with own_box(Unit, SECRET) as box:
        box.start()
        box.fill()
        yield box
        assert all(host.running() for host in box.hosts)


def seeded():
    seed = int(os.environ.get("DVSAN_SEED", random.SystemRandom().getrandbits(32)))
    print(f"to repeat: DVSAN_SEED={seed}")
    return random.Random(seed)


# ---- GETNEXT when it is quiet

def mutate(rng, oid):
    """A name near one that is there: shorter, longer, before it, behind it, or with large numbers."""
    oid = list(oid)
    large = (0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff)
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(7, len(oid)) if len(oid) > 7 else 7
        way = rng.randrange(6)
        if way == 0:
            oid = oid[:at + 1]
        elif way == 1:
            oid += [rng.choice(large) for _ in range(rng.choice((1, 2, 40, 128 - len(oid))))]
        elif way == 2 and at < len(oid):
            oid[at] = rng.choice(large)
        elif way == 3 and at < len(oid):
            oid[at] = min(oid[at] + 1, 0xffffffff)
        elif way == 4 and at < len(oid):
            oid[at] = max(oid[at] - 1, 0)
        oid = oid[:128]
    return tuple(oid)


def next_of(box, oids):
    text = run(box, "snmpgetnext", *(".".join(map(str, oid)) for oid in oids), options=["-On", "-Oe", "-Ox"])
    found = variables(text)
    assert len(found) == len(oids)
    return [name for name, _ in found]


def check_next(there, probe, got):
    """Returns whether the next is in the same region, so that it is known exactly."""
    at = bisect.bisect_right(there, probe)
    region = next((oid for oid in (dvsan, *STANDARD) if under(probe, oid)), None)
    assert got > probe, ".".join(map(str, probe)) + " is answered by " + ".".join(map(str, got))
    if at < len(there) and region and under(there[at], region):
        assert got == there[at], probe
        return True
    if region:
        assert not under(got, region), probe
    return False


def test_getnext_finds_the_next_from_anywhere(box):
    rng = seeded()
    there = sorted(everything(box))
    asked = rounds = 0
    while rounds < 40:
        probes = [mutate(rng, rng.choice(there)) for _ in range(50)]
        answers, before = next_of(box, probes), there
        there = sorted(everything(box))
        if there != before:  # the last of what the box was made by is still under way
            assert not [oid for oid in set(there) ^ set(before) if is_kept(oid)]
            continue
        rounds += 1
        asked += sum(check_next(there, probe, got) for probe, got in zip(probes, answers))
    assert asked > 1000


def test_getnext_behind_the_largest_index_of_every_column(box):
    there = sorted(everything(box))
    columns = {oid[:end] for oid in there for end in range(9, len(oid)) if oid[end - 2] == 1}
    probes = sorted({column + (0xffffffff,) * n for column in columns for n in range(1, 5)})
    got = [answer for i in range(0, len(probes), 50) for answer in next_of(box, probes[i:i + 50])]
    assert sum(check_next(there, probe, answer) for probe, answer in zip(probes, got)) > 500


# ---- Walks while volumes come and go

def test_walks_are_whole_while_volumes_come_and_go(box):
    rng = seeded()
    before = everything(box)
    kept = {oid: value for oid, value in before.items() if is_kept(oid)}
    assert sum(under(oid, f"{STANDARD[2]}.1.11") for oid in kept) > 0  # connections of sessions
    threads = walkers(box, kept)
    for thread in threads:
        thread.start()
    try:
        come_and_go(box, rng, lambda: not any(thread.error for thread in threads))
    finally:
        for thread in threads:
            thread.enough.set()
    for thread in threads:
        thread.end()
    print("walks:", [thread.walks for thread in threads])
    assert all(thread.walks >= 2 for thread in threads)

    wait_for("only those that stay", lambda: box.volumes() == dict.fromkeys(STABLE, ONLINE), 60)
    rules = {(n, rule): ACTIVE for n in STABLE for rule in (1, 2147483647)}
    wait_for("only their rules", lambda: box.rules() == rules, 60)
    wait_for("what is served", lambda: set(box.targets()) == set(STABLE))
    for n, (volume, name) in box.model.items():
        assert box.get(f"{dvsanVolumeUuid}.{n}", f"{dvsanVolumeName}.{n}") == [volume, name]
        assert box.iqn(n).replace("-", "").endswith(volume)
    assert {f.stem.replace("-", "") for f in (box.dir / "media").glob("*.img")} == \
        {volume for volume, _ in box.model.values()}
    after = everything(box)
    assert {o for o in after if not under(o, dvsanChangeEntry)} == {o for o in before if not under(o, dvsanChangeEntry)}
    check_kept(after, {oid: value for oid, value in before.items() if not under(oid, dvsanChangeEntry)})
    assert [after[o] for o in after if under(o, dvsanFreeExtentEntry)] == \
        [before[o] for o in before if under(o, dvsanFreeExtentEntry)]
    deleted = [oid[-1] for oid, kind in walk(box, dvsanChangeKind).items() if kind == "INTEGER: 4"]
    named = {int(box.get(f"{dvsanChangeIndex}.{generation}")) for generation in deleted[-20:]}
    assert len(deleted) == len(COMING_AND_GOING) and named <= set(COMING_AND_GOING)

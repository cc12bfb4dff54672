# A unit whose agent stops at a fault point, and the comparison of all it is with all it should be.
# SPDX-License-Identifier: BSD-2-Clause
import copy
import dataclasses
import hashlib
import signal
import time

from dvsan_oids import (dvsanAccessChapUser, dvsanAccessEntry, dvsanAccessInitiator, dvsanAccessOperState,
                        dvsanAccessSecretIsSet, dvsanFreeExtentEndLba, dvsanFreeExtentEntry, dvsanFreeExtentStartLba,
                        dvsanMediumLastError, dvsanMemberOperState, dvsanUnitLastError, dvsanUnitObjects,
                        dvsanVolumeAdminState, dvsanVolumeBlocks, dvsanVolumeEntry, dvsanVolumeLastError,
                        dvsanVolumeMedium, dvsanVolumeName, dvsanVolumeOperState, dvsanVolumeProgress, dvsanVolumeSize,
                        dvsanVolumeStartLba, dvsanVolumeThin, dvsanVolumeUuid)
from . import patience, unit_box
from .disks import image, loops, partitions
from .faults import FaultPoints
from .raw_initiator import Refused, Session
from .snmp import SnmpError

DIR, DISK = 1, 2  # the media
MIB = 1 << 20
BLOCKS = MIB // 512
DIR_MIB, DISK_MIB = 1024, 1024
MARK = 65536  # bytes of a volume's own pattern at its beginning, and at the end it had first
WORDS = {"unit": "agent", "tgtd": "tgtd", "snmpd": "snmpd"}


# ---- What there should be

@dataclasses.dataclass
class Volume:
    index: int
    uuid: str
    name: str
    medium: int
    mib: int
    thin: bool = True
    online: bool = True
    first_mib: int = 0  # when its marks were written; 0: it was never written to
    rules: dict = dataclasses.field(default_factory=dict)  # index -> (initiator, CHAP user)

    def id(self):
        u = self.uuid
        return f"{u[:8]}-{u[8:12]}-{u[12:16]}-{u[16:20]}-{u[20:]}"

    def file(self):
        return self.id() + ".img"

    def target(self):
        return f"{unit_box.IQN}:{self.id()}"

    def mark(self):
        return hashlib.sha256(self.uuid.encode()).digest() * (MARK // 32)

    def content(self):
        """All of it, as a host would read it."""
        data = bytearray(self.mib * MIB)
        if self.first_mib:
            for at in (0, self.first_mib * MIB - MARK):
                if at < len(data):
                    data[at:at + MARK] = self.mark()
        return data


@dataclasses.dataclass
class Intended:
    volumes: dict = dataclasses.field(default_factory=dict)
    secrets: dict = dataclasses.field(default_factory=dict)  # of CHAP users
    gone: list = dataclasses.field(default_factory=list)  # (start, blocks) of what was deleted on DISK
    refused: list = dataclasses.field(default_factory=list)  # (target, initiator, user, secret)

    def copy(self):
        return copy.deepcopy(self)

    def users(self):
        return {user for v in self.volumes.values() for _, user in v.rules.values()}

    def on(self, medium):
        return [v for v in self.volumes.values() if v.medium == medium]


# ---- What there is

class Actual:
    """Everything at one moment, more or less; SnmpError while the unit cannot be asked."""

    def __init__(self, box):
        table = box.walk(dvsanUnitObjects)
        self.member = box.get(f"{dvsanMemberOperState}.0")
        self.trouble = box.get(f"{dvsanUnitLastError}.0")
        self.media = {oid: value for oid, value in table.items() if oid.startswith(f".{dvsanMediumLastError}.")}
        self.volumes = rows(table, dvsanVolumeEntry, 1)
        self.rules = rows(table, dvsanAccessEntry, 2)
        self.free = rows(table, dvsanFreeExtentEntry, 2)
        self.files = {f.name: f.stat().st_size for f in (box.dir / "media").iterdir()}
        self.partitions, self.usable = partitions(box.disk)
        self.loops = loops(box.disk)
        self.targets = {box.index_of(t["name"]) or tid: t for tid, t in
                        targets(box.tgtadm("--mode", "target", "--op", "show")).items()}
        self.accounts = [a.strip() for a in
                         box.tgtadm("--mode", "account", "--op", "show").splitlines()[1:]]

    def start(self, index):
        return int(self.volumes[(index,)][dvsanVolumeStartLba])


def rows(table, entry, index_len):
    """index -> {column's OID: text}; SnmpError when the table changed while it was walked, column by column."""
    found = {}
    for oid, value in table.items():
        if oid.startswith(f".{entry}."):
            column, *index = oid[len(entry) + 2:].split(".")
            assert len(index) == index_len, oid
            found.setdefault(tuple(map(int, index)), {})[f"{entry}.{column}"] = value
    if len({frozenset(row) for row in found.values()}) > 1:
        raise SnmpError(f"the table {entry} changed while it was walked")
    return found


def targets(text):
    """tgtd's targets: tid -> {"name", "state", "accounts", "acl", "luns": {lun: {key: value}}}."""
    found, target, lun, section = {}, None, None, ""
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 4
        key, _, value = (part.strip() for part in line.strip().partition(":"))
        if depth == 0:
            target = {"name": value, "state": "", "accounts": [], "acl": [], "luns": {}}
            found[int(key.split()[1])] = target
        elif depth == 1:
            section = key
        elif depth == 2 and section == "System information" and key == "State":
            target["state"] = value
        elif depth == 2 and section == "LUN information":
            lun = target["luns"].setdefault(int(value), {})
        elif depth == 3 and section == "LUN information":
            lun[key] = value
        elif depth == 2 and section == "Account information":
            target["accounts"].append(line.strip())
        elif depth == 2 and section == "ACL information":
            target["acl"].append(line.strip())
    return found


def megabytes(mib):
    """As tgtd shows the size of a LUN: see plan_megabytes() in src/logic."""
    blocks = mib * BLOCKS
    return (blocks - (blocks // 625 - 974)) // 1950


# ---- The difference

def difference(box, want, now, whole=()):
    """What of the unit is not as intended, as sentences. The volumes in whole are read to the end, and
    logged in to."""
    return list(tables(want, now)) or \
        [*target_daemon(box, want, now), *media(box, want, now), *blocks(box, want, now, whole)] or \
        list(logins(box, want, whole))


def tables(want, now):
    if now.member != "2":
        yield f"the member's state is {now.member}: {now.trouble}, {now.media}"
    if {i for i, in now.volumes} != set(want.volumes):
        yield f"volumes {sorted(now.volumes)} instead of {sorted(want.volumes)}"
        return
    for v in want.volumes.values():
        row = now.volumes[(v.index,)]
        shown = {"uuid": raw_uuid(row[dvsanVolumeUuid]), "name": row[dvsanVolumeName],
                 "medium": row[dvsanVolumeMedium], "size": row[dvsanVolumeSize],
                 "thin": row[dvsanVolumeThin], "blocks": row[dvsanVolumeBlocks],
                 "admin": row[dvsanVolumeAdminState], "oper": row[dvsanVolumeOperState],
                 "progress": row[dvsanVolumeProgress], "error": row[dvsanVolumeLastError]}
        wanted = {"uuid": v.uuid, "name": v.name, "medium": v.medium, "size": v.mib,
                  "thin": 1 if v.thin else 2, "blocks": v.mib * BLOCKS, "admin": 1 if v.online else 2,
                  "oper": unit_box.ONLINE if v.online else unit_box.OFFLINE, "progress": 100, "error": ""}
        for key, value in wanted.items():
            if shown[key] != str(value):
                yield f"volume {v.index} has {key} {shown[key]} instead of {value}"
    rules = {(v.index, i): r for v in want.volumes.values() for i, r in v.rules.items()}
    if set(now.rules) != set(rules):
        yield f"rules {sorted(now.rules)} instead of {sorted(rules)}"
        return
    for key, row in now.rules.items():
        shown = tuple(row[column] for column in (dvsanAccessInitiator, dvsanAccessChapUser, dvsanAccessSecretIsSet,
                                                 dvsanAccessOperState))
        if shown != (*rules[key], "1", str(unit_box.ACTIVE)):
            yield f"rule {key} is {shown}"


def raw_uuid(value):
    return value if len(value) == 32 else value.encode().hex()


def target_daemon(box, want, now):
    guards = [a for a in now.accounts if a.startswith("dvsan:guard:")]
    marks = sorted(a.split(":", 3)[3] for a in now.accounts if a.startswith("dvsan:mark:"))
    users = sorted(a for a in now.accounts if not a.startswith("dvsan:"))
    if len(guards) != 1 or marks != sorted(want.users()) or users != sorted(want.users()):
        yield f"accounts {now.accounts} for {sorted(want.users())}"
    if set(now.targets) != set(want.volumes):
        yield f"targets {sorted(now.targets)} instead of {sorted(want.volumes)}"
        return
    for v in want.volumes.values():
        t = now.targets[v.index]
        if t["name"] != v.target() or t["state"] != ("ready" if v.online else "offline"):
            yield f"target {v.index} is {t['name']}, {t['state']}"
        rules = v.rules.values() if v.online else ()
        if sorted(t["acl"]) != sorted(iqn for iqn, _ in rules):
            yield f"target {v.index} admits {t['acl']}"
        if sorted(t["accounts"]) != sorted(guards + [user for _, user in rules]):
            yield f"target {v.index} holds the accounts {t['accounts']}"
        if set(t["luns"]) != ({0, 1} if v.online else {0}):
            yield f"target {v.index} has the LUNs {sorted(t['luns'])}"
        elif v.online:
            yield from lun(box, v, t["luns"][1], now)


def lun(box, v, shown, now):
    size, path = int(shown["Size"].split()[0]), shown["Backing store path"]
    flags = [shown[k] for k in ("Online", "Removable media", "Readonly", "Thin-provisioning")]
    gives_back = "Yes" if v.thin and v.medium == DIR else "No"
    if size != megabytes(v.mib) or flags != ["Yes", "No", "No", gives_back] or shown["SCSI SN"] != v.id():
        yield f"LUN of target {v.index}: {shown}"
    if v.medium == DIR and path != str(box.dir / "media" / v.file()):
        yield f"target {v.index} serves {path}"
    if v.medium == DISK and now.loops.get(path) != (now.start(v.index) * 512, v.mib * MIB):
        yield f"target {v.index} serves {path}, which is not its part of the disk: {now.loops}"


def media(box, want, now):
    files = {v.file(): v.mib * MIB for v in want.on(DIR)}
    shown = {name: size for name, size in now.files.items() if not name.startswith(".dvsan-")}
    if shown != files:
        yield f"files {shown} instead of {files}"
    shown = {u: (start, size, name, attributes) for u, (start, size, name, attributes) in now.partitions.items()}
    parts = {v.uuid: (now.start(v.index), v.mib * BLOCKS, v.name[:36], "") for v in want.on(DISK)}
    if shown != parts:
        yield f"partitions {shown} instead of {parts}"
    shown = sorted(now.loops.values())
    windows = sorted((now.start(v.index) * 512, v.mib * MIB) for v in want.on(DISK))
    if shown != windows:
        yield f"loop devices {now.loops} instead of {windows}"
    first, end = now.usable
    for medium, at, end in ((DIR, 0, DIR_MIB), (DISK, -(-first // BLOCKS), end // BLOCKS)):
        shown = [(int(r[dvsanFreeExtentStartLba]) // BLOCKS, (int(r[dvsanFreeExtentEndLba]) + 1) // BLOCKS)
                 for i, r in now.free.items() if i[0] == medium]
        free = gaps(at, end, [(now.start(v.index) // BLOCKS, v.mib) for v in want.on(medium)])
        if shown != free:
            yield f"medium {medium}: free extents {shown} instead of {free}"


def gaps(at, end, extents):
    """What is left of at..end, as (from, to); None where extents overlap or leave it."""
    found = []
    for start, size in sorted(extents):
        if start < at or start + size > end:
            return None
        found += [(at, start)] * (start > at)
        at = start + size
    return found + [(at, end)] * (at < end)


def blocks(box, want, now, whole):
    for v in want.volumes.values():
        with open(box.dir / "media" / v.file() if v.medium == DIR else box.disk, "rb") as f:
            f.seek(now.start(v.index) * 512 if v.medium == DISK else 0)
            wanted = v.content() if v.index in whole else v.content()[:MARK]
            if f.read(len(wanted)) != wanted:
                yield f"volume {v.index} has other data than it should have"
    taken = [(now.start(v.index), v.mib * BLOCKS) for v in want.on(DISK)]
    with open(box.disk, "rb") as f:
        for start, size in want.gone:
            if any(start < s + n and s < start + size for s, n in taken):
                continue
            f.seek(start * 512)
            if f.read(size * 512).count(0) != size * 512:
                yield f"what a deleted volume held can still be read at block {start}"


def logins(box, want, whole):
    for v in (want.volumes[i] for i in whole if i in want.volumes):
        for iqn, user in v.rules.values():
            if login(box, v.target(), iqn, user, want.secrets[user]) != v.online:
                yield f"a login of {iqn} to volume {v.index} was {'refused' if v.online else 'taken'}"
    for target, iqn, user, secret in want.refused:
        if login(box, target, iqn, user, secret):
            yield f"a login of {iqn} to {target} should have been refused"


def login(box, target, iqn, user, secret):
    try:
        session = Session(box.portal, iqn, target)
    except ConnectionError:
        return False
    try:
        session.login(user, secret)
        return True
    except Refused:
        return False
    finally:
        session.close()


# ---- The box

class CrashBox(unit_box.Box):
    """A unit with a folder and a disk, its agent recording fault points."""

    def __init__(self, address, cms):
        super().__init__(address, cms)
        self.disk, self.faults = self.dir / "disk.img", FaultPoints(self.agent, record=True)
        image(self.dir, DISK_MIB)
        self.write_config(
            f'<medium index="{DIR}" name="m1" kind="dir" path="media" size="{DIR_MIB}M"/>'
            f'<medium index="{DISK}" name="d1" kind="disk" path="disk.img" initialise="yes"/>')
        self.patience = ["-t", "1", "-r", "0"]

    def kill(self, victims):
        """With SIGKILL, at once."""
        for victim in victims:
            getattr(self, WORDS[victim]).popen.send_signal(signal.SIGKILL)
        for victim in victims:
            getattr(self, WORDS[victim]).popen.wait(120)

    def go_on(self):
        self.agent.popen.send_signal(signal.SIGCONT)

    def restart(self, victims):
        for victim in victims:
            getattr(self, "start_" + WORDS[victim])()

    # ---- What is intended

    def prepare(self, *triples):
        """A SET that is no part of what is tried; all of ours may be repeated."""
        usual, self.patience = self.patience, ["-t", "5", "-r", "3"]
        try:
            self.set(*triples)
        finally:
            self.patience = usual

    def settle(self, *candidates, whole=(), seconds=120):
        """Waits until the unit is as one of the candidates is; returns that one, and the look."""
        deadline = time.monotonic() + patience.seconds(seconds)
        while True:
            try:
                now = Actual(self)
                found = [difference(self, want, now, whole) for want in candidates]
            except (SnmpError, OSError) as error:
                found = [[f"it cannot be looked at: {error}"]]
            for want, why in zip(candidates, found):
                if not why:
                    return want, now
            if time.monotonic() > deadline:
                raise AssertionError("; or\n".join("\n".join(why) for why in found))

# SET requests of dvsan-unit whose last varbind is bad: told exactly, and nothing is changed.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import re
import sqlite3
import uuid

import pytest

from dvsan_oids import (dvsan, dvsanAccessChapSecret, dvsanAccessChapUser, dvsanAccessEntry, dvsanAccessInitiator,
                        dvsanAccessLastError, dvsanAccessOperState, dvsanAccessPreviousUser, dvsanAccessRowStatus,
                        dvsanAccessSecretIsSet, dvsanAccessSecretMark, dvsanAccessStorageType, dvsanChangeEntry,
                        dvsanFreeExtentEntry, dvsanMediumEntry, dvsanMediumStorageFreeBlocks, dvsanMemberEpoch,
                        dvsanMemberGeneration, dvsanMemberLease, dvsanMemberName, dvsanMemberObjects,
                        dvsanMemberOperState, dvsanMemberSoftwareVersion, dvsanMemberUuid, dvsanPortalEntry,
                        dvsanUnitHeartbeat, dvsanUnitNotificationsLost, dvsanUnitObjects, dvsanUnitSummary,
                        dvsanVolumeAdminState, dvsanVolumeBlocks, dvsanVolumeDescription, dvsanVolumeEntry,
                        dvsanVolumeForce, dvsanVolumeMedium,
                        dvsanVolumeName, dvsanVolumeRowStatus, dvsanVolumeSize, dvsanVolumeThin, dvsanVolumeUuid,
                        netSnmpPlaypen)
from support import BUILD
from support.oids import STANDARD, SYS_CONTACT, SYS_NAME
from support.patience import wait_for
from support.snmp import SnmpError
from support.unit_box import ACTIVE, DESTROY, GO, OFFLINE, ONLINE, Box, create_set, grant_set, own_box

ALICE, SECRET = "iqn.2026-11.host:alice", "secret-of-alice"
DEMO = netSnmpPlaypen + ".4711"  # another subagent of the same master
LEASE = f"{dvsanMemberLease}.0"
UUIDS = {index: uuid.UUID(int=index, version=4).hex for index in range(1, 100)}
FREE, GONE = 10, 99  # indexes of volumes that good varbinds make, and that bad ones name


# The heartbeat, how many notifications could not go out, and what the file system has left.
FREE_OF_THE_MACHINE = f".{dvsanMediumStorageFreeBlocks}."
MOVE_BY_THEMSELVES = (f".{dvsanUnitHeartbeat}.0", f".{dvsanUnitNotificationsLost}.0")


def volume(column, kind, value, index=GONE):
    return f"{column}.{index}", kind, value


def access(column, kind, value, index=f"1.{GONE}"):
    return f"{column}.{index}", kind, value


def new_volume(index, *others, **changed):
    """A createAndGo with its varbinds in the order of the columns, but those of others behind them."""
    values = {"uuid": UUIDS[index], "name": f"v{index}", "medium": 1, "size": 8, **changed}
    sets = {dvsanVolumeUuid: ("x", values["uuid"]), dvsanVolumeName: ("s", values["name"]),
            dvsanVolumeMedium: ("u", values["medium"]), dvsanVolumeSize: ("u", values["size"]),
            dvsanVolumeRowStatus: ("i", GO)}
    for column in others:
        sets[column] = sets.pop(column)
    return [volume(column, *value, index) for column, value in sets.items()]


def new_rule(index, *others, iqn="iqn.2026-11.host:new", user="new", secret="secret-of-new"):
    sets = {dvsanAccessInitiator: ("s", iqn), dvsanAccessChapUser: ("s", user), dvsanAccessChapSecret: ("s", secret),
            dvsanAccessRowStatus: ("i", GO)}
    for column in others:
        sets[column] = sets.pop(column)
    return [access(column, *value, index) for column, value in sets.items()]


# ---- The tables: what is good, and what is bad and why
# Volume 1 is served, with rule 1.1; 2 is offline; 3 is served and nobody's.

GOOD = {
    "create": new_volume(FREE) + [volume(dvsanVolumeThin, "i", 2, FREE), volume(dvsanVolumeAdminState, "i", 2, FREE),
                                  volume(dvsanVolumeForce, "i", 2, FREE)],
    "create with a rule": new_volume(FREE) + new_rule(f"{FREE}.1"),
    "create again": new_volume(3),
    "rename": [volume(dvsanVolumeName, "s", "renamed", 3)],
    "grow": [volume(dvsanVolumeSize, "u", 16, 3)],
    "shrink": [volume(dvsanVolumeForce, "i", 1, 3), volume(dvsanVolumeSize, "u", 4, 3)],
    "offline": [volume(dvsanVolumeAdminState, "i", 2, 1)],
    "online": [volume(dvsanVolumeAdminState, "i", 1, 2)],
    "as it is": [volume(dvsanVolumeUuid, "x", UUIDS[3], 3), volume(dvsanVolumeMedium, "u", 1, 3),
                 volume(dvsanVolumeThin, "i", 1, 3)],
    "delete": [volume(dvsanVolumeRowStatus, "i", DESTROY, 3)],
    "delete nothing": [volume(dvsanVolumeRowStatus, "i", DESTROY, 50)],
    "grant": new_rule("3.1"),
    "grant again": new_rule("1.1", iqn=ALICE, user="alice", secret=SECRET),
    "new secret": [access(dvsanAccessChapSecret, "s", "another-secret", "1.1")],
    "another user": [access(dvsanAccessChapUser, "s", "alice.2", "1.1"),
                     access(dvsanAccessChapSecret, "s", "secret-of-alice.2"[:16], "1.1")],
    "no secret": [access(dvsanAccessChapSecret, "s", "", "1.1")],
    "revoke": [access(dvsanAccessRowStatus, "i", DESTROY, "1.1")],
    "revoke nothing": [access(dvsanAccessRowStatus, "i", DESTROY, "1.50")],
    "lease": [(LEASE, "u", 7)],
}
TOGETHER = sum((GOOD[name] for name in ("create with a rule", "rename", "grow", "offline", "online", "grant",
                                        "new secret", "revoke nothing", "lease")), [])

WRITABLE = {dvsanVolumeUuid: "x", dvsanVolumeName: "s", dvsanVolumeMedium: "u", dvsanVolumeSize: "u",
            dvsanVolumeThin: "i", dvsanVolumeAdminState: "i", dvsanVolumeRowStatus: "i", dvsanVolumeForce: "i",
            dvsanVolumeDescription: "s"}
RULE_WRITABLE = {dvsanAccessInitiator: "s", dvsanAccessChapUser: "s", dvsanAccessChapSecret: "s",
                 dvsanAccessRowStatus: "i", dvsanAccessSecretMark: "u", dvsanAccessPreviousUser: "s"}
VALUES = {"x": UUIDS[GONE], "s": "some-good-text", "u": 1, "i": 1}
OTHER = {"x": ("u", 1), "s": ("i", 1), "u": ("i", 1), "i": ("u", 1)}  # values of another type
LONG = "9." * 33  # more sub-identifiers than any index of ours has


def bad_volumes():
    for column, kind in WRITABLE.items():
        yield "wrongType", [volume(column, *OTHER[kind])]
        yield "wrongType", [volume(column, "o", "1.3.6.1")]
        value = VALUES[kind] if column != dvsanVolumeRowStatus else GO
        for index in ("0", "2147483648", "4294967295", "99.1", LONG + "1"):
            yield "noCreation", [volume(column, kind, value, index)]
        if column != dvsanVolumeRowStatus:
            yield "inconsistentName", [volume(column, kind, value)]
    for column, length in ((dvsanVolumeUuid, 15), (dvsanVolumeUuid, 17), (dvsanVolumeUuid, 0)):
        yield "wrongLength", [volume(column, "x", "01" * length)]
    for name in ("", "x" * 64):
        yield "wrongLength", [volume(dvsanVolumeName, "s", name)]
    yield "wrongLength", [volume(dvsanVolumeDescription, "s", "x" * 256)]
    for text in ("line\nend", "\x7f"):
        yield "wrongValue", [volume(dvsanVolumeDescription, "s", text, 2)]
    yield "wrongValue", [volume(dvsanVolumeUuid, "x", "00" * 16)]
    for name in ("a/b", 'quo"te', " ", "line\nend"):
        yield "wrongValue", [volume(dvsanVolumeName, "s", name)]
    for column, kind, values in ((dvsanVolumeMedium, "u", (0, 2147483648)), (dvsanVolumeSize, "u", (0,)),
                                 (dvsanVolumeThin, "i", (0, 3)), (dvsanVolumeAdminState, "i", (0, 3, -1)),
                                 (dvsanVolumeForce, "i", (0, 3)), (dvsanVolumeRowStatus, "i", (-1, 0, 1, 2, 3, 5, 7))):
        for value in values:
            yield "wrongValue", [volume(column, kind, value)]
    columns = (f"{dvsanVolumeEntry}.{number}" for number in (*range(26), 4294967295))
    for column in (c for c in columns if c not in WRITABLE):
        for index in (3, GONE):
            yield "notWritable", [volume(column, "u", 1, index)]
    yield "wrongValue", new_volume(GONE, dvsanVolumeMedium, medium=2)
    yield "resourceUnavailable", new_volume(GONE, dvsanVolumeSize, size=4096)
    yield "resourceUnavailable", [volume(dvsanVolumeSize, "u", 4294967295, 2)]
    yield "inconsistentValue", [volume(dvsanVolumeRowStatus, "i", GO)]
    for missing in (dvsanVolumeUuid, dvsanVolumeName, dvsanVolumeMedium, dvsanVolumeSize):
        yield "inconsistentValue", [s for s in new_volume(GONE) if s[0] != f"{missing}.{GONE}"]
    yield "inconsistentValue", new_volume(GONE, dvsanVolumeName, name="v1")
    yield "inconsistentValue", new_volume(GONE, dvsanVolumeUuid, uuid=UUIDS[1])
    yield "inconsistentValue", [volume(dvsanVolumeName, "s", "v1", 2)]
    yield "inconsistentValue", [volume(dvsanVolumeUuid, "x", UUIDS[1], 2)]
    yield "inconsistentValue", [volume(dvsanVolumeMedium, "u", 2, 2)]
    yield "inconsistentValue", [volume(dvsanVolumeThin, "i", 2, 2)]
    yield "inconsistentValue", [volume(dvsanVolumeSize, "u", 4, 2)]  # not forced
    yield "inconsistentValue", [volume(dvsanVolumeRowStatus, "i", DESTROY, 1)]  # it has a rule
    yield "inconsistentValue", [volume(dvsanVolumeRowStatus, "i", GO, 2)]
    yield "inconsistentValue", new_volume(2, dvsanVolumeUuid, uuid=UUIDS[50])
    yield "inconsistentValue", [volume(dvsanVolumeName, "s", "once", 2), volume(dvsanVolumeName, "s", "twice", 2)]


def bad_rules():
    for column, kind in RULE_WRITABLE.items():
        yield "wrongType", [access(column, *OTHER[kind])]
        value = {dvsanAccessInitiator: "iqn.2026-11.host:some", dvsanAccessRowStatus: GO,
                 dvsanAccessPreviousUser: ""}.get(column, VALUES[kind])
        for index in ("1", "1.0", "0.1", "1.2147483648", "2147483648.1", "1.1.1", LONG + "1"):
            yield "noCreation", [access(column, kind, value, index)]
        if column != dvsanAccessRowStatus:
            yield "inconsistentName", [access(column, kind, value)]
    for column, longest in ((dvsanAccessInitiator, 223), (dvsanAccessChapUser, 223), (dvsanAccessChapSecret, 255),
                            (dvsanAccessPreviousUser, 63)):
        yield "wrongLength", [access(column, "s", "x" * (longest + 1))]
    for column in (dvsanAccessInitiator, dvsanAccessChapUser):
        yield "wrongLength", [access(column, "s", "")]
    yield "wrongLength", [access(dvsanAccessChapSecret, "s", "short")]
    for iqn in ("alice", "iqn.", "iqn.2026-11.Host:with space"):
        yield "wrongValue", [access(dvsanAccessInitiator, "s", iqn)]
    for user in ("with space", "com,ma", "dvsan:guard"):
        yield "wrongValue", [access(dvsanAccessChapUser, "s", user)]
    for status in (-1, 0, 1, 2, 3, 5, 7):
        yield "wrongValue", [access(dvsanAccessRowStatus, "i", status)]
    for column in (*(f"{dvsanAccessEntry}.{number}" for number in (0, 1, 12, 4294967295)), dvsanAccessSecretIsSet,
                   dvsanAccessOperState, dvsanAccessLastError, dvsanAccessStorageType):
        for index in ("1.1", f"1.{GONE}"):
            yield "notWritable", [access(column, "i", 1, index)]
    yield "inconsistentName", new_rule(f"{GONE}.1")  # there is no such volume
    yield "inconsistentValue", [access(dvsanAccessRowStatus, "i", GO)]
    for missing in (dvsanAccessInitiator, dvsanAccessChapUser, dvsanAccessChapSecret):
        yield "inconsistentValue", [s for s in new_rule("1.99") if s[0] != f"{missing}.1.99"]
    yield "inconsistentValue", new_rule("1.99", dvsanAccessInitiator, iqn=ALICE)
    yield "inconsistentValue", new_rule("2.98") + new_rule("2.99", dvsanAccessChapSecret, iqn="iqn.2026-11.host:other",
                                                           secret="other-than-that")
    yield "inconsistentValue", [access(dvsanAccessInitiator, "s", "iqn.2026-11.host:bob", "1.1")]
    yield "inconsistentValue", [access(dvsanAccessChapUser, "s", "bob", "1.1"),
                                access(dvsanAccessChapSecret, "s", "", "1.1")]
    yield "wrongValue", [access(dvsanAccessPreviousUser, "s", "alice", "1.1")]


def bad_others():
    """Of other tables, and of other agents of the same master."""
    for column in (dvsanMemberUuid, dvsanMemberName, dvsanMemberEpoch, dvsanMemberOperState, dvsanMemberSoftwareVersion,
                   f"{dvsanMemberObjects}.99"):
        yield "notWritable", [(f"{column}.0", "u", 1)]
    yield "wrongType", [(LEASE, "i", 7)]
    yield "wrongValue", [(LEASE, "u", 86401)]
    for index in ("", ".1", ".0.0"):
        yield "noCreation", [(f"{dvsanMemberLease}{index}", "u", 7)]
    for table in (dvsanUnitSummary, dvsanMediumEntry, dvsanPortalEntry, dvsanChangeEntry, dvsanFreeExtentEntry,
                  f"{dvsanUnitObjects}.99"):
        yield "notWritable", [(f"{table}.2.1", "u", 1)]
    yield "notWritable", [(f"{dvsan}.99.1", "u", 1)]
    for module in STANDARD:  # what the user may not even write to
        yield "noAccess", [(f"{module}.1.1.1.2.1", "i", 1)]
    yield "noAccess", [(SYS_NAME, "s", "name")]
    yield "wrongType", [(SYS_CONTACT, "i", 1)]
    yield "wrongType", [(f"{DEMO}.1.3.0", "s", "text")]
    yield "wrongValue", [(f"{DEMO}.1.3.0", "i", 3601)]
    yield "wrongLength", [(f"{DEMO}.1.4.0", "s", "x" * 17)]
    yield "notWritable", [(f"{DEMO}.1.1.0", "s", "text")]
    yield "noCreation", [(f"{DEMO}.1.3.1", "i", 1)]
    yield "inconsistentName", [(f"{DEMO}.2.1.2.2", "s", "gone")]
    yield "inconsistentValue", [(f"{DEMO}.2.1.3.1", "u", 13)]
    # The other agent refuses it only when ours has recorded the good ones.
    yield "commitFailed", [(f"{DEMO}.2.1.2.1", "s", "fail")]


BAD = [*bad_volumes(), *bad_rules(), *bad_others()]


def one_of_each_way():
    """Refused by the master alone, by our agent before and after it looks at rows, by the other one
    before and after ours has recorded what is good."""
    wanted = [("noAccess", STANDARD[0]), ("wrongType", dvsanVolumeEntry), ("inconsistentValue", dvsanVolumeEntry),
              ("inconsistentName", dvsanAccessEntry), ("inconsistentValue", DEMO), ("commitFailed", DEMO)]
    return [next((status, sets) for status, sets in BAD if status == way and sets[-1][0].startswith(where))
            for way, where in wanted]


# ---- What they are tried on

class SharedBox(Box):
    """A unit whose snmpd has other things to write to: its own, and a second subagent's."""
    demo = None

    def third_manager(self):
        return "".join(f"view {view} included .{oid}\n" for view in ("provision", "station")
                       for oid in (DEMO, SYS_CONTACT))

    def start_demo(self):
        (self.dir / "demo").mkdir(mode=0o700)
        self.demo = self.process("sn_agent_demo", [BUILD / "tests/sn_agent_demo", self.path("agentx.sock"),
                                                   self.dir / "demo", 2])
        wait_for("the other agent", lambda: self.try_get(f"{DEMO}.1.1.0"))
        self.set(*((f"{DEMO}.2.1.{column}.1", kind, value)
                   for column, kind, value in ((2, "s", "one"), (3, "u", 1), (6, "i", GO))))

    def close(self):
        if self.demo:
            self.demo.kill()
        super().close()


@pytest.fixture(name="box", scope="module")
def fixture_box():
    with own_box(SharedBox, SECRET) as box:
        box.start()
        box.start_demo()
        for index in (1, 2, 3):
            box.set(*create_set(index, f"v{index}", 8, UUIDS[index]))
        box.set(*grant_set(1, 1, ALICE, "alice", SECRET))
        box.set(volume(dvsanVolumeAdminState, "i", 2, 2), (LEASE, "u", 86400))
        for index, state in ((1, ONLINE), (2, OFFLINE), (3, ONLINE)):
            box.wait_volume(index, state)
        box.wait_rule(1, 1, ACTIVE)
        # What targets offer is read once a second.
        wait_for("quiet", lambda: picture(box, *STANDARD) == picture(box, *STANDARD) and
                 len(box.walk(f"{STANDARD[2]}.1.5.1.1.6")) == 3)
        yield box


def journal(box):
    """Everything that is recorded, as SQL."""
    with contextlib.closing(sqlite3.connect(f"file:{box.dir}/state/unit.db?mode=ro", uri=True)) as db:
        return list(db.iterdump())


def picture(box, *oids):
    """All that can be seen of both agents, but how much is left of the lease."""
    patience, box.patience = box.patience, [*box.patience, "-Cr200"]
    found = {}
    for oid in (netSnmpPlaypen, *oids):
        found.update(box.walk(oid))
    box.patience = patience
    assert int(found.pop("." + LEASE)) > 80000
    for name in [n for n in found if n.endswith(MOVE_BY_THEMSELVES) or FREE_OF_THE_MACHINE in n]:
        del found[name]
    return found


def refusal(box, sets):
    """The status of the answer, and the name of the varbind that it blames."""
    try:
        box.set(*sets)
    except SnmpError as error:
        text = str(error)
    else:
        return "it was taken"
    status = re.search(r"Reason: (\w+)", text)
    blamed = re.search(r"Failed object: \.([\d.]+)", text)
    return (status[1], blamed[1]) if status and blamed else text


def wanted_refusal(status, bad):
    return status, bad[-1][0].rstrip(".")


def check_refused(box, cases):
    everything = picture(box, *STANDARD, SYS_CONTACT)
    before, recorded = picture(box), journal(box)
    assert f".{dvsanMemberGeneration}.0" in before  # the generation among all else
    for status, good, bad in cases:
        assert (bad, refusal(box, [*good, *bad])) == (bad, wanted_refusal(status, bad)), good
        assert picture(box) == before, (good, bad)
        assert journal(box) == recorded, (good, bad)
    assert picture(box, *STANDARD, SYS_CONTACT) == everything


def test_a_bad_last_varbind_undoes_all_before_it(box):
    assert len(TOGETHER) + max(len(bad) for _, bad in BAD) < 128
    check_refused(box, [(status, TOGETHER, bad) for status, bad in BAD])


@pytest.mark.parametrize("name", GOOD)
def test_each_action_is_undone(box, name):
    check_refused(box, [(status, GOOD[name], bad) for status, bad in one_of_each_way()])


def test_what_was_undone_is_good_by_itself(box):
    """Else all of the above would prove nothing."""
    box.set(*TOGETHER)
    box.set((LEASE, "u", 86400))
    wait_for("the new volume", lambda: box.volumes() == {1: OFFLINE, 2: ONLINE, 3: ONLINE, FREE: ONLINE})
    size = f"{dvsanVolumeBlocks}.3"
    wait_for("volume 3 to have grown", lambda: box.get(size) == str(16 * 2048))
    assert box.get(f"{dvsanVolumeName}.3") == "renamed"
    for name in ("create", "create again", "as it is", "shrink", "delete nothing", "grant", "grant again",
                 "no secret", "revoke", "revoke nothing"):
        box.set(*GOOD[name])
    wait_for("volume 3 to be cut", lambda: box.get(size) == str(4 * 2048))
    box.set(access(dvsanAccessRowStatus, "i", DESTROY, "3.1"))
    wait_for("the rules to be gone", lambda: list(box.rules()) == [(FREE, 1)])
    box.set(*GOOD["delete"])
    wait_for("volume 3 to be gone", lambda: 3 not in box.volumes())

# SET requests of dvsan-unit whose last varbind is bad: told exactly, and nothing is changed.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import re
import sqlite3
import uuid

import pytest

from support import BUILD
from support.patience import wait_for
from support.unit_box import (ACCESS, ACTIVE, A_ERROR, A_INITIATOR, A_IS_SET, A_MARK, A_OPER, A_PREVIOUS, A_SECRET,
                              A_STATUS, A_STORAGE, A_USER, CHANGE, DESTROY, GO, MEMBER, OFFLINE, ONLINE, ROOT, UNIT,
                              VOLUME, V_ADMIN, V_BLOCKS, V_FORCE, V_MEDIUM, V_NAME, V_SIZE, V_STATUS, V_THIN, V_UUID,
                              Box, SnmpError, create_set, free_addresses, grant_set)

ALICE, SECRET = "iqn.2026-11.host:alice", "secret-of-alice"
AGENTS = "1.3.6.1.4.1.8072.9999.9999"  # holds ours and
DEMO = AGENTS + ".4711"  # another subagent of the same master
CONTACT = "1.3.6.1.2.1.1.4.0"  # of the master itself
STANDARD = [f"1.3.6.1.2.1.{module}" for module in (139, 141, 142)]  # made of the same state
LEASE = f"{MEMBER}.8.0"
UUIDS = {index: uuid.UUID(int=index, version=4).hex for index in range(1, 100)}
FREE, GONE = 10, 99  # indexes of volumes that good varbinds make, and that bad ones name


# The heartbeat, how many notifications could not go out, and what the file system has left.
FREE_OF_THE_MACHINE = ".9999.21137.1.2.1.2.1.10."
MOVE_BY_THEMSELVES = (".9999.21137.1.2.1.1.6.0", ".9999.21137.1.2.1.1.7.0")


def volume(column, kind, value, index=GONE):
    return f"{VOLUME}.{column}.{index}", kind, value


def access(column, kind, value, index=f"1.{GONE}"):
    return f"{ACCESS}.{column}.{index}", kind, value


def new_volume(index, *others, **changed):
    """A createAndGo with its varbinds in the order of the columns, but those of others behind them."""
    sets = {V_UUID: ("x", UUIDS[index]), V_NAME: ("s", f"v{index}"), V_MEDIUM: ("u", 1), V_SIZE: ("u", 8),
            V_STATUS: ("i", GO)}
    sets.update({column: (sets[column][0], changed[name]) for name, column in
                 (("uuid", V_UUID), ("name", V_NAME), ("medium", V_MEDIUM), ("size", V_SIZE)) if name in changed})
    for column in others:
        sets[column] = sets.pop(column)
    return [volume(column, *value, index) for column, value in sets.items()]


def new_rule(index, *others, iqn="iqn.2026-11.host:new", user="new", secret="secret-of-new"):
    sets = {A_INITIATOR: ("s", iqn), A_USER: ("s", user), A_SECRET: ("s", secret), A_STATUS: ("i", GO)}
    for column in others:
        sets[column] = sets.pop(column)
    return [access(column, *value, index) for column, value in sets.items()]


# ---- The tables: what is good, and what is bad and why
# Volume 1 is served, with rule 1.1; 2 is offline; 3 is served and nobody's.

GOOD = {
    "create": new_volume(FREE) + [volume(V_THIN, "i", 2, FREE), volume(V_ADMIN, "i", 2, FREE),
                                  volume(V_FORCE, "i", 2, FREE)],
    "create with a rule": new_volume(FREE) + new_rule(f"{FREE}.1"),
    "create again": new_volume(3),
    "rename": [volume(V_NAME, "s", "renamed", 3)],
    "grow": [volume(V_SIZE, "u", 16, 3)],
    "shrink": [volume(V_FORCE, "i", 1, 3), volume(V_SIZE, "u", 4, 3)],
    "offline": [volume(V_ADMIN, "i", 2, 1)],
    "online": [volume(V_ADMIN, "i", 1, 2)],
    "as it is": [volume(V_UUID, "x", UUIDS[3], 3), volume(V_MEDIUM, "u", 1, 3), volume(V_THIN, "i", 1, 3)],
    "delete": [volume(V_STATUS, "i", DESTROY, 3)],
    "delete nothing": [volume(V_STATUS, "i", DESTROY, 50)],
    "grant": new_rule("3.1"),
    "grant again": new_rule("1.1", iqn=ALICE, user="alice", secret=SECRET),
    "new secret": [access(A_SECRET, "s", "another-secret", "1.1")],
    "another user": [access(A_USER, "s", "alice.2", "1.1"), access(A_SECRET, "s", "secret-of-alice.2"[:16], "1.1")],
    "no secret": [access(A_SECRET, "s", "", "1.1")],
    "revoke": [access(A_STATUS, "i", DESTROY, "1.1")],
    "revoke nothing": [access(A_STATUS, "i", DESTROY, "1.50")],
    "lease": [(LEASE, "u", 7)],
}
TOGETHER = sum((GOOD[name] for name in ("create with a rule", "rename", "grow", "offline", "online", "grant",
                                        "new secret", "revoke nothing", "lease")), [])

WRITABLE = {V_UUID: "x", V_NAME: "s", V_MEDIUM: "u", V_SIZE: "u", V_THIN: "i", V_ADMIN: "i", V_STATUS: "i",
            V_FORCE: "i"}
RULE_WRITABLE = {A_INITIATOR: "s", A_USER: "s", A_SECRET: "s", A_STATUS: "i", A_MARK: "u",
                 A_PREVIOUS: "s"}
VALUES = {"x": UUIDS[GONE], "s": "some-good-text", "u": 1, "i": 1}
OTHER = {"x": ("u", 1), "s": ("i", 1), "u": ("i", 1), "i": ("u", 1)}  # values of another type
LONG = "9." * 33  # more sub-identifiers than any index of ours has


def bad_volumes():
    for column, kind in WRITABLE.items():
        yield "wrongType", [volume(column, *OTHER[kind])]
        yield "wrongType", [volume(column, "o", "1.3.6.1")]
        value = VALUES[kind] if column != V_STATUS else GO
        for index in ("0", "2147483648", "4294967295", "99.1", LONG + "1"):
            yield "noCreation", [volume(column, kind, value, index)]
        if column != V_STATUS:
            yield "inconsistentName", [volume(column, kind, value)]
    for column, length in ((V_UUID, 15), (V_UUID, 17), (V_UUID, 0)):
        yield "wrongLength", [volume(column, "x", "01" * length)]
    for name in ("", "x" * 64):
        yield "wrongLength", [volume(V_NAME, "s", name)]
    yield "wrongValue", [volume(V_UUID, "x", "00" * 16)]
    for name in ("a/b", 'quo"te', " ", "line\nend"):
        yield "wrongValue", [volume(V_NAME, "s", name)]
    for column, kind, values in ((V_MEDIUM, "u", (0, 2147483648)), (V_SIZE, "u", (0,)),
                                 (V_THIN, "i", (0, 3)), (V_ADMIN, "i", (0, 3, -1)), (V_FORCE, "i", (0, 3)),
                                 (V_STATUS, "i", (-1, 0, 1, 2, 3, 5, 7))):
        for value in values:
            yield "wrongValue", [volume(column, kind, value)]
    for column in (0, 1, *(c for c in range(2, 25) if c not in WRITABLE), 25, 4294967295):
        for index in (3, GONE):
            yield "notWritable", [volume(column, "u", 1, index)]
    yield "wrongValue", new_volume(GONE, V_MEDIUM, medium=2)
    yield "resourceUnavailable", new_volume(GONE, V_SIZE, size=4096)
    yield "resourceUnavailable", [volume(V_SIZE, "u", 4294967295, 2)]
    yield "inconsistentValue", [volume(V_STATUS, "i", GO)]
    for missing in (V_UUID, V_NAME, V_MEDIUM, V_SIZE):
        yield "inconsistentValue", [s for s in new_volume(GONE) if s[0] != f"{VOLUME}.{missing}.{GONE}"]
    yield "inconsistentValue", new_volume(GONE, V_NAME, name="v1")
    yield "inconsistentValue", new_volume(GONE, V_UUID, uuid=UUIDS[1])
    yield "inconsistentValue", [volume(V_NAME, "s", "v1", 2)]
    yield "inconsistentValue", [volume(V_UUID, "x", UUIDS[1], 2)]
    yield "inconsistentValue", [volume(V_MEDIUM, "u", 2, 2)]
    yield "inconsistentValue", [volume(V_THIN, "i", 2, 2)]
    yield "inconsistentValue", [volume(V_SIZE, "u", 4, 2)]  # not forced
    yield "inconsistentValue", [volume(V_STATUS, "i", DESTROY, 1)]  # it has a rule
    yield "inconsistentValue", [volume(V_STATUS, "i", GO, 2)]
    yield "inconsistentValue", new_volume(2, V_UUID, uuid=UUIDS[50])
    yield "inconsistentValue", [volume(V_NAME, "s", "once", 2), volume(V_NAME, "s", "twice", 2)]


def bad_rules():
    for column, kind in RULE_WRITABLE.items():
        yield "wrongType", [access(column, *OTHER[kind])]
        value = {A_INITIATOR: "iqn.2026-11.host:some", A_STATUS: GO, A_PREVIOUS: ""}.get(column, VALUES[kind])
        for index in ("1", "1.0", "0.1", "1.2147483648", "2147483648.1", "1.1.1", LONG + "1"):
            yield "noCreation", [access(column, kind, value, index)]
        if column != A_STATUS:
            yield "inconsistentName", [access(column, kind, value)]
    for column, longest in ((A_INITIATOR, 223), (A_USER, 223), (A_SECRET, 255), (A_PREVIOUS, 63)):
        yield "wrongLength", [access(column, "s", "x" * (longest + 1))]
    for column in (A_INITIATOR, A_USER):
        yield "wrongLength", [access(column, "s", "")]
    yield "wrongLength", [access(A_SECRET, "s", "short")]
    for iqn in ("alice", "iqn.", "iqn.2026-11.Host:with space"):
        yield "wrongValue", [access(A_INITIATOR, "s", iqn)]
    for user in ("with space", "com,ma", "dvsan:guard"):
        yield "wrongValue", [access(A_USER, "s", user)]
    for status in (-1, 0, 1, 2, 3, 5, 7):
        yield "wrongValue", [access(A_STATUS, "i", status)]
    for column in (0, 1, A_IS_SET, A_OPER, A_ERROR, A_STORAGE, A_PREVIOUS + 1, 4294967295):
        for index in ("1.1", f"1.{GONE}"):
            yield "notWritable", [access(column, "i", 1, index)]
    yield "inconsistentName", new_rule(f"{GONE}.1")  # there is no such volume
    yield "inconsistentValue", [access(A_STATUS, "i", GO)]
    for missing in (A_INITIATOR, A_USER, A_SECRET):
        yield "inconsistentValue", [s for s in new_rule("1.99") if s[0] != f"{ACCESS}.{missing}.1.99"]
    yield "inconsistentValue", new_rule("1.99", A_INITIATOR, iqn=ALICE)
    yield "inconsistentValue", new_rule("2.98") + new_rule("2.99", A_SECRET, iqn="iqn.2026-11.host:other",
                                                           secret="other-than-that")
    yield "inconsistentValue", [access(A_INITIATOR, "s", "iqn.2026-11.host:bob", "1.1")]
    yield "inconsistentValue", [access(A_USER, "s", "bob", "1.1"), access(A_SECRET, "s", "", "1.1")]
    yield "wrongValue", [access(A_PREVIOUS, "s", "alice", "1.1")]


def bad_others():
    """Of other tables, and of other agents of the same master."""
    for column in (1, 3, 5, 7, 9, 99):
        yield "notWritable", [(f"{MEMBER}.{column}.0", "u", 1)]
    yield "wrongType", [(LEASE, "i", 7)]
    yield "wrongValue", [(LEASE, "u", 86401)]
    for index in ("", ".1", ".0.0"):
        yield "noCreation", [(f"{MEMBER}.8{index}", "u", 7)]
    for table in (f"{UNIT}.1", f"{UNIT}.2.1", f"{UNIT}.5.1", CHANGE, f"{UNIT}.7.1", f"{UNIT}.99"):
        yield "notWritable", [(f"{table}.2.1", "u", 1)]
    yield "notWritable", [(f"{ROOT}.99.1", "u", 1)]
    for module in STANDARD:  # what the user may not even write to
        yield "noAccess", [(f"{module}.1.1.1.2.1", "i", 1)]
    yield "noAccess", [("1.3.6.1.2.1.1.5.0", "s", "name")]
    yield "wrongType", [(CONTACT, "i", 1)]
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
    wanted = [("noAccess", STANDARD[0]), ("wrongType", VOLUME), ("inconsistentValue", VOLUME),
              ("inconsistentName", ACCESS), ("inconsistentValue", DEMO), ("commitFailed", DEMO)]
    return [next((status, sets) for status, sets in BAD if status == way and sets[-1][0].startswith(where))
            for way, where in wanted]


# ---- What they are tried on

class SharedBox(Box):
    """A unit whose snmpd has other things to write to: its own, and a second subagent's."""
    demo = None

    def third_manager(self):
        return "".join(f"view {view} included .{oid}\n" for view in ("provision", "station")
                       for oid in (DEMO, CONTACT))

    def start_demo(self):
        (self.dir / "demo").mkdir(mode=0o700)
        self.demo = self.process("sn_agent_demo", [BUILD / "tests/sn_agent_demo", self.dir / "run/agentx",
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
    addresses, held = free_addresses(2)
    box = SharedBox(*addresses)
    try:
        box.start()
        box.start_demo()
        for index in (1, 2, 3):
            box.set(*create_set(index, f"v{index}", 8, UUIDS[index]))
        box.set(*grant_set(1, 1, ALICE, "alice", SECRET))
        box.set(volume(V_ADMIN, "i", 2, 2), (LEASE, "u", 86400))
        for index, state in ((1, ONLINE), (2, OFFLINE), (3, ONLINE)):
            box.wait_volume(index, state)
        box.wait_rule(1, 1, ACTIVE)
        # What targets offer is read once a second.
        wait_for("quiet", lambda: picture(box, *STANDARD) == picture(box, *STANDARD) and
                 len(box.walk(f"{STANDARD[2]}.1.5.1.1.6")) == 3)
        yield box
        assert box.agent.end() == 0
        log = box.agent_log.read_text()
        assert "Sanitizer" not in log and "runtime error:" not in log and SECRET not in log, log[-8000:]
    finally:
        box.close()
        for s in held:
            s.close()


def journal(box):
    """Everything that is recorded, as SQL."""
    with contextlib.closing(sqlite3.connect(f"file:{box.dir}/state/unit.db?mode=ro", uri=True)) as db:
        return list(db.iterdump())


def picture(box, *oids):
    """All that can be seen of both agents, but how much is left of the lease."""
    patience, box.patience = box.patience, [*box.patience, "-Cr200"]
    found = {}
    for oid in (AGENTS, *oids):
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
    everything = picture(box, *STANDARD, CONTACT)
    before, recorded = picture(box), journal(box)
    assert f".{MEMBER}.6.0" in before  # the generation among all else
    for status, good, bad in cases:
        assert (bad, refusal(box, [*good, *bad])) == (bad, wanted_refusal(status, bad)), good
        assert picture(box) == before, (good, bad)
        assert journal(box) == recorded, (good, bad)
    assert picture(box, *STANDARD, CONTACT) == everything


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
    size = f"{VOLUME}.{V_BLOCKS}.3"
    wait_for("volume 3 to have grown", lambda: box.get(size) == str(16 * 2048))
    assert box.get(f"{VOLUME}.{V_NAME}.3") == "renamed"
    for name in ("create", "create again", "as it is", "shrink", "delete nothing", "grant", "grant again",
                 "no secret", "revoke", "revoke nothing"):
        box.set(*GOOD[name])
    wait_for("volume 3 to be cut", lambda: box.get(size) == str(4 * 2048))
    box.set(access(A_STATUS, "i", DESTROY, "3.1"))
    wait_for("the rules to be gone", lambda: list(box.rules()) == [(FREE, 1)])
    box.set(*GOOD["delete"])
    wait_for("volume 3 to be gone", lambda: 3 not in box.volumes())

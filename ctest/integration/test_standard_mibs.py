# ISCSI-MIB, SCSI-MIB and IPS-AUTH-MIB as dvsan-unit serves them, between real snmpd, tgtd and initiators.
# SPDX-License-Identifier: BSD-2-Clause
import os
import pathlib
import re
import signal
import struct
import subprocess
import threading

import pytest

from dvsan_oids import dvsanVolumeReadBytes, dvsanVolumeReadOps, dvsanVolumeWriteOps, dvsanVolumeWrittenBytes
from support import SOURCE, snmp
from support.oids import IPS_AUTH, ISCSI, SCSI
from support.patience import wait_for
from support.raw_initiator import Session
from support.snmp import SnmpError, tool_environment
from support.unit_box import ACTIVE, AUTH, ONLINE, PRIV, USER, Supervised, own_box

MODULES = {"SCSI-MIB": SCSI, "IPS-AUTH-MIB": IPS_AUTH, "ISCSI-MIB": ISCSI}
HEADER = SOURCE / "snmp-agents/unit/std/oids.h"
CAPS = SOURCE / "mibs/DVSAN-CAPS-MIB"
ALICE, BOB, SECRET = "iqn.2026-11.host:alice", "iqn.2026-11.host:bob", "secret-of-alice"
BLOCK = 512


def texts():
    for folder in (os.environ.get("DVSAN_STANDARD_MIBS"), SOURCE.parent / "shared/standard-mibs"):
        if folder and (pathlib.Path(folder) / "ISCSI-MIB").exists():
            return str(folder)
    return None


needs_texts = pytest.mark.skipif(not texts(), reason="the IETF's MIB texts are not here; name their "
                                                     "folder in DVSAN_STANDARD_MIBS")


def with_texts():
    return dict(tool_environment(), MIBS=":".join(MODULES), MIBDIRS=texts())


def definitions():
    """name -> (column's number or None, its OID), as the header of the agent has them."""
    text = HEADER.read_text()
    entries = {n: ".".join(i.split(", ")) for n, i in
               re.findall(r"#define OID_(\w+) .*\.id = \{ ([\d, ]+) \}", text)}
    columns = {n: int(c) for n, c in re.findall(r"SUB_(\w+) = (\d+),", text)}
    return entries, columns


def translate(*names):
    done = subprocess.run(["snmptranslate", "-On", *names], env=with_texts(), capture_output=True,
                          text=True, check=True)
    return dict(zip(names, done.stdout.split()))


def module_of(name):
    return {"i": "ISCSI-MIB", "s": "SCSI-MIB"}[name[0]] if name[:3] != "ips" else "IPS-AUTH-MIB"


class Initiator(Session):
    """Logs in, and reads and writes one block after the other. LUN 1, no unsolicited data."""

    def __init__(self, box, volume, name=ALICE, user="alice", secret=SECRET, isid=1):
        super().__init__(box.portal, name, box.iqn(volume), isid=isid,
                         port=3260 + (volume - 1) % box.instances)
        self.login(user, secret)
        self.sn, self.stat_sn = 1, 0
        self.command(bytes(6))  # TEST UNIT READY takes the unit attention of a new session

    def command(self, cdb, read=0, data=b""):
        flags = 0x81 | (0x40 if read else 0) | (0x20 if data else 0)
        self.sock.sendall(struct.pack(">BBHIQIIII16s", 1, flags, 0, len(data), 1 << 48, self.sn,
                                      read or len(data), self.sn, self.stat_sn + 1, cdb) + data)
        self.sn += 1
        got = b""
        while True:
            header = self.read(48)
            length = int.from_bytes(header[5:8], "big")
            body = self.read(length + -length % 4)[:length]
            self.stat_sn = int.from_bytes(header[24:28], "big")
            if header[0] == 0x25:
                got += body
            if header[0] == 0x21 or (header[0] == 0x25 and header[1] & 1):
                return header[3], got

    def write(self, block, data):
        cdb = struct.pack(">BBIBHB", 0x2A, 0, block, 0, len(data) // BLOCK, 0)
        assert self.command(cdb, data=data)[0] == 0

    def read_blocks(self, block, count):
        cdb = struct.pack(">BBIBHB", 0x28, 0, block, 0, count, 0)
        status, data = self.command(cdb, read=count * BLOCK)
        assert status == 0 and len(data) == count * BLOCK
        return data

    def inquire(self, page):
        return self.command(struct.pack(">BBBHB", 0x12, 1, page, 255, 0), read=255)[1]

    def log_out(self):
        self.sock.sendall(struct.pack(">BBHIQIHHII16s", 0x46, 0x80, 0, 0, 0, self.sn, 0, 0, self.sn,
                                      self.stat_sn + 1, b""))
        assert self.read(48)[0] == 0x26
        self.close()


def give(box, *volumes):
    for volume in volumes:
        box.create(volume, f"v{volume}")
    for volume in volumes:
        box.wait_volume(volume, ONLINE)


def let_in(box, volume, rule, name=ALICE, user="alice", secret=SECRET):
    box.grant(volume, rule, name, user, secret)
    box.wait_rule(volume, rule, ACTIVE)


@pytest.fixture(name="box")
def fixture_box():
    with own_box(secret=SECRET) as box:
        box.start()
        yield box


@pytest.fixture(name="full", scope="module")
def fixture_full():
    """Three volumes, four rules and one idle session; the tests below only look."""
    with own_box(Supervised, SECRET) as box:
        box.start()
        give(box, 1, 7, 4000000)
        let_in(box, 1, 3)
        let_in(box, 1, 2147483647, BOB, "bob", "secret-of-bob")
        let_in(box, 7, 1)
        let_in(box, 4000000, 2, BOB, "bob", "secret-of-bob")
        box.session = Initiator(box, 7)
        wait_for("the session", lambda: sessions(box))
        wait_for("what targets offer", lambda: len(column(box, "iscsiNodeInitialR2T")) == 3)
        yield box
        box.session.close()


def run(box, tool, *args, env=None):
    done = snmp.run([tool, *snmp.who(USER, AUTH, PRIV), "-t", "5", *args], env=env)
    assert not done.stderr
    return done.stdout


def lines(box, tool, *args):
    """A walk as a list of (OID, value), with what is told twice."""
    out = run(box, tool, "-On", "-OU", f"udp:{box.address}:1161", *args)
    out = re.sub(r"\n(?!\.)", " ", out.rstrip("\n"))
    return [tuple(line.split(" = ", 1)) for line in out.split("\n")]


def numbers(oid):
    return tuple(map(int, oid.strip(".").split(".")))


def object_oid(name):
    """The OID of a column that the agent serves."""
    entries, columns = definitions()
    entry = {"iscsiInst": "iscsiInstanceAttributesEntry", "iscsiTgtPortal": "iscsiTgtPortalAttributesEntry",
             "iscsiPortal": "iscsiPortalAttributesEntry", "iscsiNode": "iscsiNodeAttributesEntry",
             "iscsiTgtLogin": "iscsiTargetLoginStatsEntry", "iscsiTgtAuth": "iscsiTgtAuthAttributesEntry",
             "iscsiTgtLoginFailures": "iscsiTargetAttributesEntry", "iscsiTgtLast": "iscsiTargetAttributesEntry",
             "iscsiCxn": "iscsiConnectionAttributesEntry", "scsiInst": "scsiInstanceEntry",
             "scsiDevice": "scsiDeviceEntry", "scsiPort": "scsiPortEntry", "scsiTransport": "scsiTransportEntry",
             "scsiTgtDev": "scsiTgtDevEntry", "scsiTgtPort": "scsiTgtPortEntry",
             "scsiAuthIntr": "scsiAuthorizedIntrEntry", "scsiAttIntrPort": "scsiAttIntrPortEntry",
             "scsiLuId": "scsiLuIdEntry", "scsiLunMap": "scsiLunMapEntry", "scsiLu": "scsiLuEntry",
             "ipsAuthInst": "ipsAuthInstanceAttributesEntry", "ipsAuthIdentName": "ipsAuthIdentNameAttributesEntry",
             "ipsAuthIdent": "ipsAuthIdentAttributesEntry", "ipsAuthCredChap": "ipsAuthCredChapAttributesEntry",
             "ipsAuthCred": "ipsAuthCredentialAttributesEntry"}
    stats = {"iscsiSsnCmdPDUs", "iscsiSsnTxDataOctets", "iscsiSsnRxDataOctets", "iscsiSsnLCTxDataOctets",
             "iscsiSsnLCRxDataOctets"}
    if name.startswith("iscsiSsn"):
        above = "iscsiSessionStatsEntry" if name in stats else "iscsiSessionAttributesEntry"
    else:
        above = entry[max((p for p in entry if name.startswith(p)), key=len)]
    return f"{entries[above]}.{columns[name]}"


def column(box, name):
    """index -> value"""
    oid = object_oid(name)
    return {tuple(numbers(k)[len(numbers(oid)):]): v for k, v in box.walk(oid).items()}


def sessions(box):
    return column(box, "iscsiSsnInitiatorName")


# ---- The module texts

@needs_texts
def test_identifiers_are_those_of_the_texts():
    entries, columns = definitions()
    names = [*entries, *columns]
    said = translate(*(f"{module_of(n)}::{n}" for n in names))
    for name, oid in entries.items():
        assert said[f"{module_of(name)}::{name}"] == "." + oid
    for name in columns:
        assert said[f"{module_of(name)}::{name}"] == "." + object_oid(name), name


@needs_texts
def test_types_are_those_of_the_texts(full):
    for oid in MODULES.values():
        out = run(full, "snmpbulkwalk", f"udp:{full.address}:1161", oid, env=with_texts())
        assert "Wrong Type" not in out
        assert "::" in out


@needs_texts
def test_what_is_there_is_what_the_capabilities_say(full):
    """Each object of a group that is told to be included is there, unless told not to be; no other is."""
    said = re.sub(r'"[^"]*"', "", CAPS.read_text())
    for module, root in MODULES.items():
        part = re.search(rf"SUPPORTS\s+{module}\s+INCLUDES\s+\{{(.*?)\}}(.*?)(?=SUPPORTS|::=)", said, re.S)
        text = re.sub(r'"[^"]*"|--[^\n]*', "", (pathlib.Path(texts()) / module).read_text())
        wanted = set()
        for group in re.findall(r"\w+", part[1]):
            found = re.search(rf"^\s*{group}\s+OBJECT-GROUP\s+OBJECTS\s*\{{(.*?)\}}", text, re.S | re.M)
            wanted |= set(re.findall(r"\w+", found[1])) if found else set()
        wanted -= set(re.findall(r"VARIATION\s+(\w+)\s+ACCESS\s+not-implemented", part[2]))
        out = run(full, "snmpbulkwalk", "-Os", f"udp:{full.address}:1161", root, env=with_texts())
        assert {line.split(".", 1)[0] for line in out.splitlines() if re.match(r"\w+\.\d.* = ", line)} == wanted


@pytest.mark.parametrize("module", ["DVSAN-MEMBER-MIB", "DVSAN-UNIT-MIB"])
def test_our_own_modules_are_implemented_whole(module):
    groups = re.findall(r"^(\w+) (?:OBJECT|NOTIFICATION)-GROUP$", (SOURCE / "mibs" / module).read_text(), re.M)
    part = re.search(rf"SUPPORTS\s+{module}\s+INCLUDES\s+\{{(.*?)\}}", CAPS.read_text(), re.S)
    assert re.findall(r"\w+", part[1]) == groups


@needs_texts
@pytest.mark.parametrize("table, rows", [
    ("ISCSI-MIB::iscsiInstanceAttributesTable", 1), ("ISCSI-MIB::iscsiPortalAttributesTable", 1),
    ("ISCSI-MIB::iscsiTgtPortalAttributesTable", 1), ("ISCSI-MIB::iscsiNodeAttributesTable", 3),
    ("ISCSI-MIB::iscsiTargetLoginStatsTable", 3), ("ISCSI-MIB::iscsiTgtAuthAttributesTable", 4),
    ("ISCSI-MIB::iscsiSessionAttributesTable", 1), ("ISCSI-MIB::iscsiSessionStatsTable", 1),
    ("ISCSI-MIB::iscsiConnectionAttributesTable", 1), ("SCSI-MIB::scsiInstanceTable", 1),
    ("SCSI-MIB::scsiDeviceTable", 3), ("SCSI-MIB::scsiPortTable", 3), ("SCSI-MIB::scsiTransportTable", 3),
    ("SCSI-MIB::scsiTgtDevTable", 3), ("SCSI-MIB::scsiTgtPortTable", 3), ("SCSI-MIB::scsiAuthorizedIntrTable", 4),
    ("SCSI-MIB::scsiAttIntrPortTable", 1), ("SCSI-MIB::scsiLuTable", 3), ("SCSI-MIB::scsiLuIdTable", 9),
    ("SCSI-MIB::scsiLunMapTable", 3), ("IPS-AUTH-MIB::ipsAuthInstanceAttributesTable", 3),
    ("IPS-AUTH-MIB::ipsAuthIdentAttributesTable", 4), ("IPS-AUTH-MIB::ipsAuthIdentNameAttributesTable", 4),
    ("IPS-AUTH-MIB::ipsAuthCredentialAttributesTable", 4), ("IPS-AUTH-MIB::ipsAuthCredChapAttributesTable", 4)])
def test_tables_are_shown_by_snmptable(full, table, rows):
    for how in ([], ["-CB"]):
        out = run(full, "snmptable", *how, "-Ci", "-CH", "-Cf", "|", f"udp:{full.address}:1161", table,
                  env=with_texts())
        found = [line.split("|") for line in out.splitlines() if "|" in line]
        assert len(found) == rows, out
        for values in zip(*found):  # an object is there for all rows or for none
            assert len({value == "?" for value in values}) == 1, out


# ---- Walks

@pytest.mark.parametrize("module", MODULES)
def test_all_ways_to_walk_agree(full, module):
    walked = lines(full, "snmpwalk", MODULES[module])
    assert [numbers(oid) for oid, _ in walked] == sorted({numbers(oid) for oid, _ in walked})
    for repetitions in (1, 7, 500):
        assert lines(full, "snmpbulkwalk", f"-Cr{repetitions}", MODULES[module]) == walked
    for start in range(0, len(walked), 40):
        some = walked[start:start + 40]
        assert lines(full, "snmpget", *(oid for oid, _ in some)) == some


def test_secrets_are_nowhere(full):
    assert not any("secret" in value for module in MODULES.values() for _, value in lines(full, "snmpwalk", module))


def test_nothing_can_be_set(full):
    for name, kind, value in (("iscsiNodeFirstBurstLength", "u", "65536"), ("scsiDeviceAlias", "s", "mine"),
                              ("ipsAuthIdentDescription", "s", "me")):
        index = ".".join(map(str, next(iter(column(full, name)))))
        done = subprocess.run(["snmpset", "-v3", "-l", "authPriv", "-u", USER, "-a", "SHA-256", "-A", AUTH, "-x",
                               "AES", "-X", PRIV, f"udp:{full.address}:1161", f"{object_oid(name)}.{index}", kind,
                               value], env=tool_environment(), capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "notWritable" in done.stderr or "noAccess" in done.stderr, done.stderr


# ---- What is shown

def test_volumes_are_nodes_and_devices(full):
    names = {i: full.iqn(i) for i in (1, 7, 4000000)}
    assert column(full, "iscsiNodeName") == {(1, i): n for i, n in names.items()}
    assert column(full, "iscsiNodeAlias") == {(1, i): f"v{i}" for i in names}
    assert column(full, "scsiTransportDevName") == {(1, i, 1): n for i, n in names.items()}
    assert column(full, "scsiTgtPortName") == {(1, i, 1): n + ",t,0x0001" for i, n in names.items()}
    assert column(full, "scsiLuStatus") == {(1, i, 1): "2" for i in names}
    assert column(full, "ipsAuthInstDescr") == {(i,): n for i, n in names.items()}
    assert column(full, "scsiLunMapLuIndex") == {(1, i, 1, 8, 0, 1, 0, 0, 0, 0, 0, 0): "1" for i in names}
    assert column(full, "iscsiInstNodeNumber") == {(1,): "3"}


def test_rules_are_authorizations_and_identities(full):
    rules = {(1, 3): (ALICE, "alice"), (1, 2147483647): (BOB, "bob"), (7, 1): (ALICE, "alice"),
             (4000000, 2): (BOB, "bob")}
    identity = object_oid("ipsAuthIdentDescription")
    assert column(full, "scsiAuthIntrName") == {(1, v, 0, r): n for (v, r), (n, _) in rules.items()}
    assert column(full, "iscsiTgtAuthIdentity") == {(1, v, r): f".{identity}.{v}.{r}" for v, r in rules}
    assert column(full, "ipsAuthIdentName") == {(v, r, 1): n for (v, r), (n, _) in rules.items()}
    assert column(full, "ipsAuthCredChapUserName") == {(v, r, 1): u for (v, r), (_, u) in rules.items()}
    assert set(column(full, "iscsiTgtAuthRowStatus").values()) == {"1"}


def test_what_targets_offer_is_what_tgtd_says(full):
    said = dict(line.split("=", 1) for line in
                full.tgtadm("--mode", "target", "--op", "show", "--tid", str(full.tids()[7])).splitlines() if "=" in line)
    truth = {"Yes": "1", "No": "2"}
    for name in ("InitialR2T", "ImmediateData", "DataSequenceInOrder", "DataPDUInOrder"):
        assert column(full, "iscsiNode" + name)[(1, 7)] == truth[said[name]], name
    for name in ("MaxOutstandingR2T", "FirstBurstLength", "MaxBurstLength", "MaxConnections", "DefaultTime2Wait",
                 "DefaultTime2Retain", "ErrorRecoveryLevel"):
        assert column(full, "iscsiNode" + name)[(1, 7)] == said[name], name


def test_identifiers_and_names_are_those_of_inquiry(full):
    page = full.session.inquire(0x83)
    at, told = 4, []
    while at < 4 + int.from_bytes(page[2:4], "big"):
        code, kind, length = page[at] & 15, page[at + 1] & 15, page[at + 3]
        told.append((code, kind, page[at + 4:at + 4 + length]))
        at += 4 + length
    value = object_oid("scsiLuIdValue")
    raw = [bytes.fromhex(v.removeprefix("Hex-STRING: ")) for _, v in
           lines(full, "snmpwalk", "-Ox", f"{value}.1.7")]
    codes, kinds = (column(full, name) for name in ("scsiLuIdCodeSet", "scsiLuIdType"))
    assert told == [(int(codes[1, 7, 1, i + 1]), int(kinds[1, 7, 1, i + 1]), v) for i, v in enumerate(raw)]
    standard = full.session.command(struct.pack(">BBBHB", 0x12, 0, 0, 96, 0), read=96)[1]
    for name, begin, end in (("scsiLuVendorId", 8, 16), ("scsiLuProductId", 16, 32), ("scsiLuRevisionId", 32, 36)):
        assert standard[begin:end].decode().strip() == column(full, name)[1, 7, 1]


# ---- Sessions and counters

def tgtd_statistics(box):
    """(index, sid) -> (bytes read, commands, bytes written, commands), as done, over all LUNs."""
    found, indexes = {}, {tid: index for index, tid in box.tids().items()}
    for line in box.tgtadm("--mode", "sys", "--op", "stat").splitlines()[1:]:
        f = list(map(int, line.split()))
        f[0] = indexes[f[0]]
        old = found.get((f[0], f[2]), (0, 0, 0, 0))
        found[f[0], f[2]] = tuple(a + b for a, b in zip(old, (f[5], f[6], f[9], f[10])))
    return found


def session_counters(box):
    """(index, sid) -> (octets sent, octets received, commands)"""
    sent, received, commands = (column(box, n) for n in ("iscsiSsnTxDataOctets", "iscsiSsnRxDataOctets",
                                                         "iscsiSsnCmdPDUs"))
    return {k[1:]: (int(sent[k]), int(received[k]), int(commands[k])) for k in sent}


def volume_counters(box, volume):
    return tuple(int(box.get(f"{column}.{volume}")) for column in (
        dvsanVolumeReadBytes, dvsanVolumeReadOps, dvsanVolumeWrittenBytes, dvsanVolumeWriteOps))


def unit_counters(box, volume):
    """What the SCSI-MIB says of a logical unit: commands, and MiB read and written."""
    return tuple(int(column(box, n)[1, volume, 1]) for n in ("scsiLuHSInCommands", "scsiLuReadMegaBytes",
                                                             "scsiLuWrittenMegaBytes"))


def agrees(box):
    told = tgtd_statistics(box)
    shown = session_counters(box)
    return told and shown == {k: (rb, wb, rc + wc) for k, (rb, rc, wb, wc) in told.items()} and told


def test_sessions_appear_and_vanish(box):
    give(box, 5)
    let_in(box, 5, 2)
    assert not sessions(box)
    session = Initiator(box, 5)
    wait_for("the session", lambda: sessions(box))
    (index, name), = sessions(box).items()
    assert index[:2] == (1, 5) and name == ALICE
    assert column(box, "iscsiSsnTargetName") == {index: box.iqn(5)}
    assert column(box, "iscsiSsnTSIH") == {index: str(index[2])}
    assert column(box, "iscsiSsnAuthIdentity") == {index: f".{object_oid('ipsAuthIdentDescription')}.5.2"}
    assert column(box, "scsiAttIntrPortAuthIntrIdx") == {(1, 5, 1, index[2]): "2"}
    remote, = column(box, "iscsiCxnRemoteAddr").values()
    assert remote.startswith("7f") or remote.startswith("\x7f")
    assert column(box, "iscsiTgtLoginAccepts") == {(1, 5): "1"}
    assert column(box, "scsiAuthIntrAttachedTimes") == {(1, 5, 0, 2): "1"}
    assert column(box, "iscsiInstSessionNumber") == {(1,): "1"}
    session.log_out()
    wait_for("the session's end", lambda: not sessions(box))
    assert not column(box, "iscsiCxnState")
    assert column(box, "iscsiTgtLoginAccepts") == {(1, 5): "1"}


def test_numbers_are_those_of_tgtd(box):
    """Two initiators on one volume: while they write, nothing shown is ahead of tgtd or goes back."""
    give(box, 1)
    let_in(box, 1, 1)
    let_in(box, 1, 2, BOB, "bob", "secret-of-bob")
    alice, bob = Initiator(box, 1), Initiator(box, 1, BOB, "bob", "secret-of-bob", isid=2)
    last = (0, 0, 0)
    data = os.urandom(8192)
    for i in range(300):
        alice.write(16 * i, data)
        if i % 3 == 0:
            assert bob.read_blocks(16 * i, 16) == data
        if i % 25 == 0:
            shown = session_counters(box)
            told = tgtd_statistics(box)
            assert all(shown[k][1] <= told[k][2] and shown[k][0] <= told[k][0] for k in shown)
            now = unit_counters(box, 1)
            assert all(a <= b for a, b in zip(last, now))
            last = now
    told = wait_for("the same numbers", lambda: agrees(box))
    read, reads, written, writes = map(sum, zip(*told.values()))
    assert written == 300 * 8192 and read == 100 * 8192
    assert unit_counters(box, 1) == (reads + writes, read >> 20, written >> 20)
    assert volume_counters(box, 1) == (read, reads, written, writes)
    by_rule = column(box, "scsiAuthIntrHSOutCommands")
    assert sum(map(int, by_rule.values())) == reads + writes
    assert int(by_rule[1, 1, 0, 1]) == 300 and int(by_rule[1, 1, 0, 2]) == 100
    alice.log_out()
    bob.log_out()
    wait_for("the sessions' end", lambda: not sessions(box))
    assert volume_counters(box, 1) == (read, reads, written, writes)
    assert column(box, "scsiAuthIntrHSOutCommands") == by_rule


def write_some(box, session, count=40):
    before = volume_counters(box, 1)[2]
    for i in range(count):
        session.write(16 * i, bytes(8192))
    wait_for("the writes", lambda: volume_counters(box, 1)[2] == before + count * 8192)


def everything_counted(box):
    return (volume_counters(box, 1), unit_counters(box, 1), column(box, "iscsiTgtLoginAccepts"),
            column(box, "scsiAuthIntrHSOutCommands"), column(box, "scsiAuthIntrAttachedTimes"))


def come_back(box):
    box.start_agent()
    wait_for("the agent", lambda: box.try_get(f"{dvsanVolumeReadBytes}.1") is not None)


@pytest.mark.parametrize("how", ["kill", "end"])
def test_counters_survive_the_agent(box, how):
    give(box, 1)
    let_in(box, 1, 1)
    session = Initiator(box, 1)
    write_some(box, session)
    counted = everything_counted(box)
    getattr(box.agent, how)()  # the session lives on, and writes while nobody looks
    for i in range(8):
        session.write(16 * i, bytes(8192))
    come_back(box)
    wait_for("the session", lambda: sessions(box))
    wait_for("what was written meanwhile",
             lambda: volume_counters(box, 1)[2] == counted[0][2] + 8 * 8192)
    assert volume_counters(box, 1)[3] == counted[0][3] + 8
    assert everything_counted(box)[2] == counted[2]  # it is no new login
    session.log_out()
    wait_for("the session's end", lambda: not sessions(box))
    counted = everything_counted(box)
    box.agent.kill()
    come_back(box)
    assert everything_counted(box) == counted


@pytest.fixture(name="pair")
def fixture_pair():
    """A unit with two instances of tgtd; volumes 1 and 3 are the first one's, 2 and 4 the other's."""
    with own_box(secret=SECRET, instances=2) as box:
        box.start()
        yield box


def test_each_tgtd_is_an_instance(pair):
    """With its own portal, nodes and sessions, whose numbers are the same in both."""
    give(pair, 1, 2, 3, 4)
    for volume in (1, 2, 3, 4):
        let_in(pair, volume, 1)
    mine = [Initiator(pair, volume) for volume in (1, 2)]
    wait_for("the sessions", lambda: len(sessions(pair)) == 2)
    assert set(column(pair, "iscsiInstDescr")) == {(1,), (2,)}
    assert column(pair, "iscsiInstNodeNumber") == {(1,): "2", (2,): "2"}
    assert column(pair, "iscsiInstSessionNumber") == {(1,): "1", (2,): "1"}
    assert column(pair, "iscsiTgtPortalPort") == {(1, 1, 0): "3260", (2, 1, 0): "3261"}
    assert set(column(pair, "iscsiNodeName")) == {(1, 1), (1, 3), (2, 2), (2, 4)}
    assert set(column(pair, "iscsiTgtAuthIdentity")) == {(1, 1, 1), (1, 3, 1), (2, 2, 1), (2, 4, 1)}
    instance = object_oid("iscsiInstDescr")
    assert column(pair, "scsiTransportPointer") == {(1, v, 1): f".{instance}.{(v - 1) % 2 + 1}" for v in (1, 2, 3, 4)}
    (_, _, first), (_, _, second) = sorted(sessions(pair))
    assert sorted(sessions(pair)) == [(1, 1, first), (2, 2, second)] and first == second
    assert set(column(pair, "scsiAttIntrPortName")) == {(1, 1, 1, first), (1, 2, 1, second)}
    wait_for("what targets offer", lambda: len(column(pair, "iscsiNodeInitialR2T")) == 4)
    for oid in MODULES.values():
        walked = lines(pair, "snmpwalk", oid)
        assert [numbers(o) for o, _ in walked] == sorted({numbers(o) for o, _ in walked})
        assert lines(pair, "snmpbulkwalk", "-Cr7", oid) == walked
        for start in range(0, len(walked), 40):
            some = walked[start:start + 40]
            assert lines(pair, "snmpget", *(o for o, _ in some)) == some
    for session in mine:
        session.close()


def test_two_tgtds_are_counted_apart(pair):
    """Their sessions have the same numbers; nothing is counted twice, or for another volume."""
    give(pair, 1, 2)
    let_in(pair, 1, 1)
    let_in(pair, 2, 1)
    one, two = Initiator(pair, 1), Initiator(pair, 2)

    def written():
        return [volume_counters(pair, v)[2] >> 13 for v in (1, 2)]

    def write(session, count):
        for i in range(count):
            session.write(16 * i, bytes(8192))
    write(one, 10)
    write(two, 25)
    wait_for("the writes", lambda: written() == [10, 25])
    pair.agent.kill()
    write(one, 1)
    write(two, 2)
    come_back(pair)
    wait_for("what was written meanwhile", lambda: written() == [11, 27])
    pair.tgtds[2].kill()
    wait_for("the end of its session", lambda: list(sessions(pair)) and {k[0] for k in sessions(pair)} == {1})
    write(one, 4)
    wait_for("the writes", lambda: written() == [15, 27])
    pair.agent.kill()  # while one of them is away
    write(one, 1)
    come_back(pair)
    wait_for("what was written meanwhile", lambda: written() == [16, 27])
    two.close()
    pair.start_tgtd(2)
    pair.wait_volume(2, ONLINE)
    again = Initiator(pair, 2)
    write(again, 3)
    wait_for("the writes", lambda: written() == [16, 30])
    assert column(pair, "iscsiTgtLoginAccepts") == {(1, 1): "1", (2, 2): "2"}
    one.close()
    again.close()


def test_counters_survive_tgtd(box):
    give(box, 1)
    let_in(box, 1, 1)
    session = Initiator(box, 1)
    write_some(box, session)
    counted = everything_counted(box)
    box.tgtd.kill()
    wait_for("the end of the sessions", lambda: not sessions(box))
    assert everything_counted(box) == counted
    session.close()
    box.start_tgtd()
    box.wait_volume(1, ONLINE)
    again = wait_for("a login", lambda: log_in(box))
    write_some(box, again)
    assert volume_counters(box, 1)[2] == counted[0][2] + 40 * 8192
    assert column(box, "iscsiTgtLoginAccepts") == {(1, 1): "2"}
    again.close()


def log_in(box):
    try:
        return Initiator(box, 1)
    except OSError:
        return None


def test_what_a_session_did_until_it_was_revoked_is_counted(box):
    give(box, 1)
    let_in(box, 1, 1)
    session = Initiator(box, 1)
    for i in range(60):
        session.write(16 * i, bytes(8192))
    box.revoke(1, 1)
    wait_for("the rule's end", lambda: not box.rules())
    assert volume_counters(box, 1)[2:] == (60 * 8192, 60)
    session.close()


def test_a_tgtd_that_hangs_blocks_nobody_and_shows_nothing_old(box):
    give(box, 1)
    let_in(box, 1, 1)
    session = Initiator(box, 1)
    write_some(box, session)
    counted = volume_counters(box, 1)
    box.tgtd.popen.send_signal(signal.SIGSTOP)
    wait_for("the sessions to be unknown", lambda: not sessions(box), 6)
    assert volume_counters(box, 1) == counted
    box.tgtd.popen.send_signal(signal.SIGCONT)
    wait_for("the session", lambda: sessions(box))
    assert volume_counters(box, 1) == counted
    assert column(box, "iscsiTgtLoginAccepts") == {(1, 1): "1"}
    session.close()


def test_rows_come_and_go_with_volumes(box):
    give(box, 3)
    let_in(box, 3, 1)
    assert set(column(box, "scsiLuStatus")) == {(1, 3, 1)}
    box.revoke(3, 1)
    wait_for("the rule's end", lambda: not box.rules())
    assert not column(box, "scsiAuthIntrName")
    box.destroy(3)
    wait_for("the volume's end", lambda: not box.volumes())
    for name in ("iscsiNodeName", "scsiLuIdValue", "scsiLunMapLuIndex", "ipsAuthInstDescr"):
        assert not column(box, name)
    box.create(3, "again")
    box.wait_volume(3, ONLINE)
    wait_for("its counters' begin", lambda: int(column(box, "scsiLuLastCreation")[1, 3, 1]) > 0)
    assert unit_counters(box, 3) == (0, 0, 0)


class Churn(threading.Thread):
    """Volumes, each with a rule, come and go until it is stopped."""

    def __init__(self, box):
        super().__init__()
        self.box, self.stop, self.trouble = box, threading.Event(), None

    def step(self, index):
        if index not in self.box.volumes():
            self.box.create(index, f"v{index}")
            self.box.grant(index, 1, ALICE, "alice", SECRET)
        elif (index, 1) in self.box.rules():
            self.box.revoke(index, 1)
        else:
            self.box.destroy(index)

    def run(self):
        index = 0
        while not self.stop.is_set() and not self.trouble:
            index = index % 30 + 1
            try:
                self.step(index)
            except SnmpError as error:
                if "inconsistent" not in str(error):  # it is on its way out already
                    self.trouble = error


def test_walks_are_in_order_while_rows_come_and_go(box):
    churn = Churn(box)
    churn.start()
    try:
        for _ in range(40):
            for root in MODULES.values():
                walked = [numbers(oid) for oid, _ in lines(box, "snmpbulkwalk", "-Cr5", root)]
                assert walked == sorted(set(walked))
    finally:
        churn.stop.set()
        churn.join()
    assert not churn.trouble

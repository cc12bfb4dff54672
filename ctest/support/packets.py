"""Notifications that should not be: sent raw, or by Net-SNMP's own tools with what is asked for."""
import contextlib
import os
import socket
import subprocess
import threading

from dvsanlab import secret
from dvsanlab.settings import NOTIFY_PORT
from dvsan_oids import (dvsanMemberAddress, dvsanMemberEpoch, dvsanMemberGeneration, dvsanMemberKind, dvsanMemberName,
                        dvsanMemberOperState, dvsanMemberSoftwareVersion, dvsanMemberUuid, dvsanProductUnit)
from .oids import COLD_START, ENGINE_ID, TRAP_ENTERPRISE


def station(lab):
    return lab.lab.station.address, NOTIFY_PORT


def send_raw(lab, *packets):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for packet in packets:
            s.sendto(packet, station(lab))


def notify(lab, varbinds, *, user="dvsan-notify", phrase=None, level="authPriv", version="3",
           trap=COLD_START, inform=True, target=None, timeout=1, folder=None):
    """Sends a notification with snmpinform or snmptrap; returns whether it was acknowledged (which
    a trap never is). varbinds: flat list of OID, type, value. phrase None: the right one. folder: of
    the tool's own files; one for each of several that run at once."""
    phrase = phrase or secret.read(lab.lab.settings, "notify")
    folder = folder or os.path.join(lab.work, "snmp")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "snmp.conf")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
              encoding="ascii") as f:
        f.write(f"defAuthPassphrase {phrase}\ndefPrivPassphrase {phrase}\n")
    address, port = target or station(lab)
    who = ["-c", "public"] if version != "3" else \
        ["-u", user, "-l", level, "-a", "SHA-256", "-x", "AES"]
    done = subprocess.run(
        ["snmpinform" if inform else "snmptrap", "-v", version, *who, "-t", str(timeout), "-r", "0",
         f"udp:{address}:{port}", "", trap, *varbinds],
        env=dict(os.environ, MIBS="", SNMPCONFPATH=folder, SNMP_PERSISTENT_DIR=folder),
        capture_output=True, text=True, timeout=60, check=False)
    return inform and done.returncode == 0


def old_trap(lab):
    """Sends an SNMPv1 trap."""
    address, port = station(lab)
    subprocess.run(["snmptrap", "-v", "1", "-c", "public", f"udp:{address}:{port}", "", "", "6", "1",
                    ""], env=dict(lab.env, MIBS=""), capture_output=True, timeout=60, check=True)


def announcement(unit, **changed):
    """The varbinds with which this unit announces itself, or what is changed of them; None leaves
    one out."""
    fields = {
        "enterprise": (TRAP_ENTERPRISE, "o", dvsanProductUnit),
        "engine_id": (ENGINE_ID, "x", unit["engine_id"]),
        "uuid": (dvsanMemberUuid + ".0", "x", unit["uuid"].replace("-", "")),
        "kind": (dvsanMemberKind + ".0", "i", "1"),
        "name": (dvsanMemberName + ".0", "s", unit["name"]),
        "address": (dvsanMemberAddress + ".0", "s", unit["address"]),
        "epoch": (dvsanMemberEpoch + ".0", "u", str(unit["epoch"])),
        "generation": (dvsanMemberGeneration + ".0", "u", str(unit["generation"])),
        "state": (dvsanMemberOperState + ".0", "i", "2"),
        "software": (dvsanMemberSoftwareVersion + ".0", "s", unit["software"]),
    }
    varbinds = []
    for name, (oid, kind, value) in fields.items():
        value = changed.get(name, value)
        if value is None:
            continue
        if isinstance(value, tuple):
            kind, value = value
        varbinds += [oid, kind, value]
    return varbinds


class Recorder:
    """Passes packets between one sender and the station, and keeps what was sent to it."""

    def __init__(self, lab, address):
        self.sent = []
        self.inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inside.bind((address, NOTIFY_PORT))
        self.outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.outside.connect(station(lab))
        self.sender = None
        self.threads = [threading.Thread(target=run, daemon=True)
                        for run in (self._in, self._out)]
        for thread in self.threads:
            thread.start()

    def _in(self):
        with contextlib.suppress(OSError):
            while True:
                packet, self.sender = self.inside.recvfrom(65535)
                self.sent.append(packet)
                self.outside.send(packet)

    def _out(self):
        with contextlib.suppress(OSError):
            while packet := self.outside.recv(65535): # empty when it was shut down
                self.inside.sendto(packet, self.sender)

    def close(self):
        for s in (self.inside, self.outside):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits
            s.close()


def record_inform(lab, address, varbinds):
    """The last packet of an acknowledged inform: a whole, right, authenticated message."""
    recorder = Recorder(lab, address)
    try:
        assert notify(lab, varbinds, target=(address, NOTIFY_PORT), timeout=60)
        return recorder.sent[-1]
    finally:
        recorder.close()

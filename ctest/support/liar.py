"""A lying unit: whatever tables a test wants, told by a real snmpd to the station.

lying_unit_demo takes the place of a lab unit's agent, below that unit's own snmpd, with a UUID of its
own. A test writes down what it says, by the names of the MIB, and may change it at any time:

    with Liar(lab, "unit2") as liar:
        liar.volume(1, dvsanVolumeIqn=("s", "iqn.2026-11.evil:x;reboot"))
        liar.tell()        # start, or read anew what it says
        liar.announce()    # so that the station asks

Values are (TYPE, VALUE) as lying_unit_demo.c has them. None leaves an object out.
"""
import os
import re
import signal
import subprocess
import uuid

import dvsan_oids

from . import BUILD, packets
from .patience import until

SCALARS = {
    "dvsanMemberKind": ("i", 1), "dvsanMemberName": ("s", "liar"), "dvsanMemberEpoch": ("u", 1),
    "dvsanMemberGeneration": ("u", 1), "dvsanMemberOperState": ("i", 2), "dvsanMemberLease": ("u", 60),
    "dvsanMemberSoftwareVersion": ("s", "0.1.0"), "dvsanUnitNotificationsSuppressed": ("u", 0),
    "dvsanMemberHolder": ("x", ""), "dvsanMemberHolderName": ("s", ""), "dvsanMemberIntent": ("u", 0),
    "dvsanMemberIntentMark": ("u", 0), "dvsanMemberHeldFor": ("u", 0),
    "dvsanMemberRefused": ("s", ""), "dvsanMemberRefusals": ("t", 0), "dvsanMemberSpinLock": ("i", 0),
    "dvsanUnitChangesSince": ("u", 0), "dvsanUnitLastError": ("s", ""),
    "dvsanUnitNotificationError": ("s", ""), "dvsanMemberKeyNumber": ("u", 0),
}
MIB_BLOCKS = 2048


class Liar:
    def __init__(self, lab, unit):
        self.lab, self.unit = lab, unit
        self.member = lab.units[unit]
        self.oids, self.objects, self.extra = vars(dvsan_oids), {}, []
        self.process = None
        self.number = uuid.uuid4()
        self.path = os.path.join(lab.work, f"lies-of-{unit}")
        self.log = os.path.join(lab.work, f"liar-{unit}.log")
        self.engine = lab.unit(unit)["engine_id"]
        self.address = lab.unit(unit)["address"]
        for name, value in SCALARS.items():
            self.scalar(name, value)
        self.scalar("dvsanMemberUuid", ("x", self.number.hex))
        self.scalar("dvsanMemberAddress", ("s", self.address))
        self.medium(1)
        self.portal(1)

    # What it says

    def scalar(self, name, value):
        self.put(name, "0", value)

    def put(self, name, index, value):
        if name in self.oids:  # one that this MIB has
            self.objects[f"{self.oids[name]}.{index}"] = value

    def row(self, index, values, changed):
        values.update(changed)
        for name, value in values.items():
            self.put(name, index, value)

    def medium(self, index, **changed):
        blocks = 1 << 40
        self.row(index, {
            "dvsanMediumName": ("s", f"m{index}"), "dvsanMediumKind": ("i", 1),
            "dvsanMediumBlocks": ("c", blocks), "dvsanMediumFreeBlocks": ("c", 0),
            "dvsanMediumLargestFreeBlocks": ("c", 0), "dvsanMediumOperState": ("i", 1),
            "dvsanMediumLastError": ("s", ""), "dvsanMediumStorageBlocks": ("c", blocks),
            "dvsanMediumStorageFreeBlocks": ("c", 0), "dvsanMediumOvercommitted": ("c", 0),
            "dvsanMediumReserves": ("i", 1)}, changed)

    def portal(self, index, group=1, address="192.0.2.77", **changed):
        self.row(f"{index}.{group}", {
            "dvsanPortalAddressType": ("i", 1),
            "dvsanPortalAddress": ("x", bytes(map(int, address.split("."))).hex()),
            "dvsanPortalPort": ("u", 3260), "dvsanPortalIfIndex": ("i", 1),
            "dvsanPortalOperState": ("i", 1)}, changed)

    def volume(self, index, mib=16, **changed):
        """The UUID is made of the liar's and the index, so it is the same each time."""
        number = uuid.uuid5(self.number, str(index))
        self.row(index, {
            "dvsanVolumeUuid": ("x", number.hex), "dvsanVolumeName": ("s", f"v{index}"),
            "dvsanVolumeMedium": ("u", 1), "dvsanVolumeSize": ("u", mib), "dvsanVolumeThin": ("i", 1),
            "dvsanVolumeStartLba": ("c", index * mib * MIB_BLOCKS),
            "dvsanVolumeBlocks": ("c", mib * MIB_BLOCKS),
            "dvsanVolumeEndLba": ("c", (index + 1) * mib * MIB_BLOCKS - 1),
            "dvsanVolumeBlockSize": ("u", 512), "dvsanVolumeIqn": ("s", f"iqn.2026-11.liar:{number}"),
            "dvsanVolumeLun": ("u", 1), "dvsanVolumeAdminState": ("i", 1),
            "dvsanVolumeOperState": ("i", 2), "dvsanVolumeProgress": ("u", 100),
            "dvsanVolumeLastError": ("s", ""), "dvsanVolumeGeneration": ("u", 1),
            "dvsanVolumePortalGroup": ("u", 1)}, changed)
        return str(number)

    def rule(self, volume, index, initiator, **changed):
        self.row(f"{volume}.{index}", {
            "dvsanAccessInitiator": ("s", initiator), "dvsanAccessChapUser": ("s", f"user{index}"),
            "dvsanAccessSecretIsSet": ("i", 1), "dvsanAccessOperState": ("i", 2),
            "dvsanAccessLastError": ("s", ""), "dvsanAccessSecretMark": ("u", 0)}, changed)

    def sets(self):
        """What it was told since it began: (the object's OID with its instance, the value in octets)."""
        with open(self.log, encoding="ascii", errors="replace") as f:
            return [(m[1], bytes.fromhex(m[2])) for m in re.finditer(r"^set (\S+) (\S*)$", f.read(), re.M)]

    def keep_lease(self):
        """From now on it shows the lease that it was given last."""
        told = dict(self.sets())
        for name, kind in (("Holder", "x"), ("HolderName", "x"), ("Intent", "u"), ("IntentMark", "u")):
            value = told[f"{self.oids['dvsanMember' + name]}.0"]
            self.scalar("dvsanMember" + name, (kind, int.from_bytes(value[:4], "little")
                                               if kind == "u" else value.hex()))
        self.scalar("dvsanMemberHeldFor", ("u", 3600))

    def endless(self, name, value, index=""):
        """One object for each index: as many as there are numbers."""
        kind, text = value
        prefix = f"{self.oids[name]}{index}."
        self.objects = {oid: v for oid, v in self.objects.items() if not oid.startswith(prefix)}
        self.extra.append(f"endless {self.oids[name]}{index} {kind} {text}")

    def delay(self, milliseconds):
        self.extra.append(f"delay {milliseconds}")

    def count(self, column):
        prefix = self.oids[column] + "."
        return sum(1 for oid, value in self.objects.items() if oid.startswith(prefix) and value)

    def next_generation(self, generation):
        self.scalar("dvsanMemberGeneration", ("u", generation))
        self.scalar("dvsanUnitChangesSince", ("u", generation))

    # Its life

    def tell(self):
        for name, column in (("dvsanUnitVolumes", "dvsanVolumeUuid"),
                             ("dvsanUnitMedia", "dvsanMediumName")):
            self.scalar(name, ("u", self.count(column)))
        with open(self.path, "w", encoding="utf-8") as f:
            f.writelines(f"{oid} {value[0]} {value[1]}\n"
                         for oid, value in self.objects.items() if value)
            f.writelines(line + "\n" for line in self.extra)
        if self.process:
            self.process.send_signal(signal.SIGHUP)
            return
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(BUILD, "tests", "lying_unit_demo"),
                 "unix:" + self.member.path("agentx.sock"), self.path],
                stdout=log, stderr=log, env=dict(os.environ, MIBS=""))
        assert until(self.is_asked, 30), "the liar does not answer"

    def get(self, name, index="0"):
        done = self.lab.snmp(self.unit, "snmpget", "-Oqv", f"{self.oids[name]}.{index}", check=False)
        return done.stdout.strip()

    def is_asked(self):
        return self.get("dvsanMemberSoftwareVersion").strip('"') == "0.1.0"

    def answered(self):
        """How many variables the agent has answered since its start."""
        def told():
            with open(self.log, encoding="ascii", errors="replace") as f:
                return re.findall(r"^answered (\d+)$", f.read(), re.M)
        before = len(told())
        self.process.send_signal(signal.SIGUSR1)
        assert until(lambda: len(told()) > before, 30), "the liar does not say what it was asked"
        return int(told()[-1])

    def announce(self, **changed):
        said = {"engine_id": self.engine, "uuid": str(self.number), "name": "liar",
                "address": self.address, "epoch": 1, "generation": 1, "software": "0.1.0"}
        assert packets.notify(self.lab, packets.announcement(said, **changed), timeout=60)

    def __enter__(self):
        self.lab.run("stop", self.unit + "/agent")
        return self

    def __exit__(self, *_):
        """It ends; the true agent stays stopped."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

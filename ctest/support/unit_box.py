# One IP SAN unit for tests: stock snmpd and tgtd with dvsan-unit beside them, and a receiver.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import uuid

from dvsan_oids import (dvsanAccessChapSecret, dvsanAccessChapUser, dvsanAccessInitiator, dvsanAccessOperState,
                        dvsanAccessOperState_active, dvsanAccessOperState_failed, dvsanAccessOperState_pending,
                        dvsanAccessOperState_revoking, dvsanAccessRowStatus, dvsanMediumFreeBlocks,
                        dvsanMediumOperState, dvsanMediumOperState_failed, dvsanMediumOperState_online,
                        dvsanMemberOperState, dvsanMemberOperState_degraded, dvsanMemberOperState_running,
                        dvsanMemberOperState_starting, dvsanVolumeIqn, dvsanVolumeLastError, dvsanVolumeMedium,
                        dvsanVolumeName, dvsanVolumeOperState, dvsanVolumeOperState_creating,
                        dvsanVolumeOperState_deleting, dvsanVolumeOperState_failed, dvsanVolumeOperState_offline,
                        dvsanVolumeOperState_online, dvsanVolumeRowStatus, dvsanVolumeSize, dvsanVolumeUuid)
from . import BUILD, SOURCE, patience, snmp
from .oids import TRAP_OID
from .patience import wait_for
from .snmp import SnmpError

PROGRAM = BUILD / "bin/dvsan-unit"

GO, DESTROY = 4, 6  # RowStatus, RFC 2579
CREATING, ONLINE, OFFLINE, FAILED, DELETING = (
    dvsanVolumeOperState_creating, dvsanVolumeOperState_online, dvsanVolumeOperState_offline,
    dvsanVolumeOperState_failed, dvsanVolumeOperState_deleting)
PENDING, ACTIVE, RULE_FAILED, REVOKING = (
    dvsanAccessOperState_pending, dvsanAccessOperState_active, dvsanAccessOperState_failed,
    dvsanAccessOperState_revoking)
M_ONLINE, M_FAILED = dvsanMediumOperState_online, dvsanMediumOperState_failed
STARTING, RUNNING, DEGRADED = (str(state) for state in (
    dvsanMemberOperState_starting, dvsanMemberOperState_running, dvsanMemberOperState_degraded))

# How often each volume grows under each load. There are 12 of these in test_growth.py and 6 in test_kernel_growth.py,
# so by default 36 growths are seen, and more than 1,000 with 56.
GROWTHS = int(os.environ.get("DVSAN_GROWTHS", "2"))

# What no test ends an agent by.
CRASHES = [-signo for signo in (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV)]

USER, AUTH, PRIV = "provision", "auth-pass-of-provision", "priv-pass-of-provision"
IQN = "iqn.2026-11.test.dvsan"


class Process:
    """A daemon with its output in a file; killed at the end if it still runs."""

    def __init__(self, name, argv, log, env=None, prefix=()):
        self.name, self.log = name, log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen([*prefix, *map(str, argv)], stdin=subprocess.DEVNULL,
                                          stdout=out, stderr=out, env=env)

    def running(self):
        return self.popen.poll() is None

    def end(self, signo=signal.SIGTERM, seconds=patience.seconds(15)):
        if self.running():
            self.popen.send_signal(signo)
        return self.popen.wait(seconds)

    def kill(self):
        return self.end(signal.SIGKILL)


class Box:
    """Starts nothing by itself. address is the unit's, cms the receiver's; media one of 256 MiB.
    Of several instances of tgtd the first is tgtd, and all are in tgtds."""

    def __init__(self, address, cms, name="unit1", prefix=(), portal=None, instances=1):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="dvsan-unit-"))
        self.address, self.cms, self.name, self.prefix = address, cms, name, list(prefix)
        self.portal, self.instances = portal or address, instances
        self.program = PROGRAM
        self.patience = ["-t", "5", "-r", "3"]  # of the SNMP tools
        self.snmpd = self.agent = self.receiver = None
        self.tgtds = {}  # by portal group
        self.indexes = {}  # of volumes by the names of their targets
        self.engine = "80001f8804" + os.urandom(8).hex()
        self.agent_log = self.dir / "dvsan-unit.log"
        for folder in ("media", "run", "conf", "snmpd", "trapd"):
            (self.dir / folder).mkdir(mode=0o700)
        self.write_files()

    def write_files(self):
        for name, text in (("notify.auth", "auth-pass-of-notify"), ("notify.priv", "priv-pass-of-notify")):
            self.write(name, text + "\n")
        words = {"ADDRESS": f"udp:{self.address}:1161", "ENGINE_ID": "0x" + self.engine,
                 "ENGINE_OID": ".".join(map(str, [len(self.engine) // 2, *bytes.fromhex(self.engine)])),
                 "AGENTX": self.dir / "run/agentx", "AGENTX_PERMS": "0600 0700",
                 "PROVISION_USER": USER,
                 "PROVISION_AUTH": AUTH, "PROVISION_PRIV": PRIV, "MONITOR_USER": "monitor",
                 "MONITOR_AUTH": "auth-pass-of-monitor", "MONITOR_PRIV": "priv-pass-of-monitor"}
        text = (SOURCE / "snmp-agents/snmpd.conf.in").read_text() + self.third_manager()
        self.write("conf/snmpd.conf", re.sub(r"@(\w+)@", lambda m: str(words[m[1]]), text))
        self.write("conf/snmptrapd.conf",
                   'createUser notify SHA-256 "auth-pass-of-notify" AES "priv-pass-of-notify"\n'
                   f"createUser -e 0x{self.engine} third SHA-256 auth-pass-of-third AES priv-pass-of-third\n"
                   "authUser log notify priv\nauthUser log third priv\nagentxsocket /nonexistent\n"
                   "format1 TRAP %P#%V#%v\\n\nformat2 TRAP %P#%V#%v\\n\n")
        self.write_config()

    def third_manager(self):
        """The receiver again, as one that knows snmpd alone."""
        return ("createUser third SHA-256 auth-pass-of-third AES priv-pass-of-third\n"
                "view all included .1\ngroup third usm third\n"
                'access third "" usm priv exact none none all\n'
                "trapsess -v 3 -u third -l authPriv -a SHA-256 -A auth-pass-of-third -x AES"
                f" -X priv-pass-of-third -e 0x{self.engine} udp:{self.cms}:1162\n")

    def write_config(self, media='<medium index="1" name="m1" kind="dir" path="media" size="256M"/>'):
        self.write("unit.xml", f"""<unit name="{self.name}" state-dir="state" iqn-prefix="{IQN}" log="debug">
  <media>{media}</media>
  <portals><portal index="1" address="{self.portal}" port="3260"/></portals>
  <tgtd socket="{self.dir}/run/tgtd" instances="{self.instances}" threads="2"/>
  <snmp agentx="{self.dir}/run/agentx" management-address="udp:{self.address}:1161">
    <notify user="notify" auth-pass-file="notify.auth" priv-pass-file="notify.priv"/>
  </snmp>
  <cms address="udp:{self.cms}:1162"/>
</unit>
""")

    def write(self, name, text):
        path = self.dir / name
        path.touch(mode=0o600)
        path.write_text(text)

    # ---- Processes

    def process(self, name, argv, **env):
        return Process(name, argv, self.dir / (name + ".log"),
                       env=dict(os.environ, MIBS="", **env), prefix=self.prefix)

    def folders(self, state):
        """Where Net-SNMP's daemons read, and where they keep what they must know again."""
        return {"SNMPCONFPATH": f"{self.dir}/conf:{self.dir / state}",
                "SNMP_PERSISTENT_DIR": str(self.dir / state)}

    def start_snmpd(self):
        self.snmpd = self.process("snmpd", ["snmpd", "-f", "-Lo"], **self.folders("snmpd"))

    @property
    def tgtd(self):
        return self.tgtds.get(1)

    def start_tgtd(self, group=1):
        (self.dir / f"run/tgtd.{group - 1}").unlink(missing_ok=True)
        self.tgtds[group] = self.process(
            f"tgtd{group}", ["tgtd", "-f", "-C", str(group - 1), "-t", "2", "--iscsi", "portal=127.0.0.1:0"],
            TGT_IPC_SOCKET=str(self.dir / "run/tgtd"))

    def start_agent(self):
        self.agent = self.process("dvsan-unit", [self.program, "-c", self.dir / "unit.xml"])

    def take(self, medium):
        """Says that no other unit serves the medium of this name."""
        done = subprocess.run([self.program, "-c", self.dir / "unit.xml", f"--take={medium}"], capture_output=True,
                              text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr

    def start_receiver(self):
        self.receiver = self.process(
            "snmptrapd", ["snmptrapd", "-f", "-Lf", self.dir / "traps", "-On",
                          f"udp:{self.cms}:1162"], **self.folders("trapd"))

    def start(self):
        self.start_snmpd()
        for group in range(1, self.instances + 1):
            self.start_tgtd(group)
        self.start_agent()
        self.wait_ready()

    def wait_ready(self):
        wait_for("the unit's tables", lambda: self.try_get(f"{dvsanMemberOperState}.0") in (RUNNING, DEGRADED))

    def close(self):
        ended = self.agent.popen.poll() if self.agent else None
        for p in (self.agent, self.snmpd, *self.tgtds.values(), self.receiver):
            if p:
                p.kill()
        shutil.rmtree(self.dir)
        assert ended not in CRASHES, f"the agent died by {signal.Signals(-ended).name}"

    # ---- SNMP

    def snmp_command(self, tool, *args, options=None):
        """options: in place of those by which numbers are printed as they are."""
        return [*self.prefix, tool, *snmp.who(USER, AUTH, PRIV),
                *self.patience, *(snmp.PRINTED if options is None else options),
                f"udp:{self.address}:1161", *snmp.words(args)]

    def snmp(self, tool, *args):
        return snmp.parse(snmp.run(self.snmp_command(tool, *args)).stdout)

    def get(self, *oids):
        found = self.snmp("snmpget", *oids)
        missing = [oid for oid in oids if "." + oid not in found]
        if missing:
            raise SnmpError(f"No Such Object: {missing}")
        values = [found["." + oid] for oid in oids]
        return values[0] if len(values) == 1 else values

    def try_get(self, oid):
        """The value, or None when it cannot be had at once."""
        patience, self.patience = self.patience, ["-t", "0.3", "-r", "0"]
        try:
            return self.get(oid)
        except SnmpError:
            return None
        finally:
            self.patience = patience

    def walk(self, oid):
        return self.snmp("snmpbulkwalk", oid)

    def table(self, *columns):
        """The index's text -> values in these columns. A walk takes columns one after the other, so it is repeated
        until no row has come or gone meanwhile."""
        def look():
            found = [{oid[len(f".{c}."):]: value for oid, value in self.walk(c).items()} for c in columns]
            if any(values.keys() != found[0].keys() for values in found):
                raise SnmpError(f"{columns}: rows come and go")
            return [{index: [values[index] for values in found] for index in found[0]}]
        return wait_for("the table", look)[0]

    def set(self, *triples):
        return self.snmp("snmpset", *triples)

    def create(self, index, name, mib=8, volume_uuid=None):
        volume_uuid = volume_uuid or uuid.uuid4().hex
        def tried():
            """Not while the medium's room is not known, as right behind a start."""
            try:
                self.set(*create_set(index, name, mib, volume_uuid))
            except SnmpError as e:
                if "resourceUnavailable" not in str(e) or self.try_get(f"{dvsanMediumFreeBlocks}.1") != "0":
                    return [e]
                return None
            return ["done"]
        result, = wait_for("room for the volume", tried)
        if result != "done":
            raise result
        return volume_uuid

    def destroy(self, index):
        self.set((f"{dvsanVolumeRowStatus}.{index}", "i", DESTROY))

    def grant(self, volume, index, iqn, user, secret):
        self.set(*grant_set(volume, index, iqn, user, secret))

    def revoke(self, volume, index):
        self.set((f"{dvsanAccessRowStatus}.{volume}.{index}", "i", DESTROY))

    def volumes(self):
        """index -> oper state"""
        return {int(oid.rsplit(".", 1)[1]): int(v) for oid, v in self.walk(dvsanVolumeOperState).items()}

    def rules(self):
        """(volume, index) -> oper state"""
        return {tuple(map(int, oid.rsplit(".", 2)[1:])): int(v)
                for oid, v in self.walk(dvsanAccessOperState).items()}

    def wait_volume(self, index, state, seconds=20):
        wait_for(f"volume {index} to be {state}", lambda: self.volumes().get(index) == state, seconds)

    def wait_failed(self, index, why):
        """Until it has failed for this reason (a pattern): behind a start all are failed, until they were looked at."""
        wait_for(f"volume {index} to fail, {why}", lambda: self.volumes().get(index) == FAILED and
                 re.search(why, self.get(f"{dvsanVolumeLastError}.{index}")))

    def wait_medium(self, index):
        """Until it is online and was looked at, so that room on it is known."""
        wait_for(f"medium {index} to be online",
                 lambda: self.get(f"{dvsanMediumOperState}.{index}") == str(M_ONLINE)
                 and self.get(f"{dvsanMediumFreeBlocks}.{index}") != "0")

    def wait_rule(self, volume, index, state, seconds=20):
        wait_for(f"rule {volume}.{index} to be {state}",
                 lambda: self.rules().get((volume, index)) == state, seconds)

    # ---- tgtd and iSCSI

    def tgtadm(self, *args):
        done = subprocess.run([*self.prefix, "tgtadm", "--lld", "iscsi", *args], capture_output=True, text=True,
                              env=dict(os.environ, TGT_IPC_SOCKET=str(self.dir / "run/tgtd")), check=False)
        return done.stdout

    def index_of(self, name):
        """Which volume a target is; None when that is not known, which it stays once it was."""
        if name not in self.indexes:
            with contextlib.suppress(SnmpError):
                self.indexes.update((iqn, int(oid.rsplit(".", 1)[1]))
                                    for oid, iqn in self.walk(dvsanVolumeIqn).items())
        return self.indexes.get(name)

    def tids(self, group=1):
        """The targets' ids in a tgtd: volume's index -> tid."""
        found = re.findall(r"^Target (\d+): (\S+)", self.tgtadm("-C", str(group - 1), "--mode", "target", "--op", "show"),
                           re.M)
        return {self.index_of(name): int(tid) for tid, name in found}

    def targets(self, group=1):
        """What a tgtd serves: volume's index, or tid of what is none -> (name, sorted names of its initiators)."""
        found, tid, acl = {}, None, False
        for line in self.tgtadm("-C", str(group - 1), "--mode", "target", "--op", "show").splitlines():
            match = re.match(r"Target (\d+): (\S+)", line)
            if match:
                tid, acl = int(match[1]), False
                found[tid] = (match[2], [])
            elif "ACL information" in line:
                acl = True
            elif acl:
                found[tid][1].append(line.strip())
        return {self.index_of(n) or t: (n, sorted(a)) for t, (n, a) in found.items()}

    def iqn(self, index):
        return self.get(f"{dvsanVolumeIqn}.{index}")

    def inquire(self, target, initiator, user="", secret="", group=1):
        """Logs in as an initiator and asks who is there; True when that was allowed."""
        env = dict(os.environ)
        if user:
            env.update(LIBISCSI_CHAP_USERNAME=user, LIBISCSI_CHAP_PASSWORD=secret)
        done = subprocess.run([*self.prefix, "iscsi-inq", "-i", initiator,
                               f"iscsi://{self.portal}:{3259 + group}/{target}/1"],
                              env=env, capture_output=True, text=True, check=False, timeout=patience.seconds(20))
        return done.returncode == 0 and "DIRECT_ACCESS" in done.stdout

    # ---- Notifications

    def notifications(self):
        """What snmptrapd logged: a list of {oid: value}, with the trap's OID under "trap". An inform that is sent
        again, since its answer was late, is one; all have the time in them."""
        path = self.dir / "traps"
        if not path.exists():
            return []
        found = []
        for line in dict.fromkeys(path.read_text(errors="replace").splitlines()):
            if line.startswith("TRAP "):
                variables = dict(v.split(" = ", 1) for v in line[5:].split("#") if " = " in v)
                variables = {k.strip(): v.strip() for k, v in variables.items()}
                variables["user"] = line.partition("user ")[2].partition(",")[0]
                variables["trap"] = variables.get("." + TRAP_OID, "").split(": .")[-1]
                found.append(variables)
        return found

    def traps(self, oid, user="notify"):
        return [n for n in self.notifications() if (n["trap"], n["user"]) == (oid, user)]


@contextlib.contextmanager
def own_box(kind=Box, secret="", **how):
    """A box on addresses of its own, to be started. Its agent is ended last, which is when leaks are told, and what it
    wrote is judged: nothing of a sanitizer, and not the secret."""
    addresses, held = free_addresses(2)
    box = kind(*addresses, **how)
    try:
        yield box
        if box.agent:  # one that does not run was ended by the test, or died by itself
            fine = (0,) if box.agent.running() else (0, -signal.SIGKILL)
            assert box.agent.end() in fine, f"the agent ended with {box.agent.popen.returncode}"
        text = box.agent_log.read_text()
        for bad in ("Sanitizer", "runtime error:", *filter(None, [secret])):
            assert bad not in text, text[max(0, text.find(bad) - 200):][:8000]
    except BaseException:
        if box.agent:
            print(box.agent_log.read_text()[-8000:])
        raise
    finally:
        box.close()
        for s in held:
            s.close()


class Supervised(Box):
    """Its agent starts tgtd."""

    def write_config(self, media='<medium index="1" name="m1" kind="dir" path="media" size="256M"/>'):
        super().write_config(media)
        self.edit("<tgtd ", '<tgtd supervise="yes" ')

    def edit(self, old, new):
        path = self.dir / "unit.xml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def tgtd_pid(self, group=1):
        """The process that answers at the socket of a portal group's tgtd, or None."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(1)
            try:
                s.connect(str(self.dir / f"run/tgtd.{group - 1}"))
            except OSError:
                return None
            return struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]

    def start(self):
        self.start_snmpd()
        self.start_agent()
        self.wait_ready()
        return wait_for("tgtd", self.tgtd_pid)

    def log(self):
        return self.agent_log.read_text()

    def wait_log(self, text, seconds=20):
        wait_for(f"the log to say {text}", lambda: text in self.log(), seconds)

    def close(self):
        if self.agent:
            self.agent.kill()
        for group in range(1, self.instances + 1):
            pid = self.tgtd_pid(group)
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        super().close()


def create_set(index, name, mib, volume_uuid, medium=1):
    return ((f"{dvsanVolumeUuid}.{index}", "x", volume_uuid),
            (f"{dvsanVolumeName}.{index}", "s", name),
            (f"{dvsanVolumeMedium}.{index}", "u", medium),
            (f"{dvsanVolumeSize}.{index}", "u", mib),
            (f"{dvsanVolumeRowStatus}.{index}", "i", GO))


def grant_set(volume, index, iqn, user, secret):
    return ((f"{dvsanAccessInitiator}.{volume}.{index}", "s", iqn),
            (f"{dvsanAccessChapUser}.{volume}.{index}", "s", user),
            (f"{dvsanAccessChapSecret}.{volume}.{index}", "s", secret),
            (f"{dvsanAccessRowStatus}.{volume}.{index}", "i", GO))


def free_addresses(count):
    """Addresses of 127.14/16 that no other run uses now: a lock on each one's UDP port is held."""
    held = []
    third = os.getpid() % 250 + 1
    for last in range(1, 255):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            s.bind((f"127.14.{third}.{last}", 1160))
        except OSError:
            s.close()
            continue
        held.append(s)
        if len(held) == count:
            return [h.getsockname()[0] for h in held], held
    raise AssertionError("no free address in 127.14/16")

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

import dvsan_oids as mib
from dvsanlab import box, config, process
from dvsanlab.snmp import daemon_environment, snmpd_conf
from dvsan_oids import (dvsanAccessChapSecret, dvsanAccessChapUser, dvsanAccessInitiator, dvsanAccessOperState,
                        dvsanAccessRowStatus, dvsanMediumFreeBlocks, dvsanMediumOperState, dvsanMemberOperState,
                        dvsanVolumeIqn, dvsanVolumeLastError, dvsanVolumeMedium, dvsanVolumeName, dvsanVolumeOperState,
                        dvsanVolumeRowStatus, dvsanVolumeSize, dvsanVolumeUuid)
from . import BUILD, net, patience, snmp, stand
from .files import edit
from .oids import TRAP_OID
from .patience import wait_for
from .snmp import SnmpError

PROGRAM = BUILD / "bin/dvsan-unit"

GO, DESTROY = 4, 6  # RowStatus, RFC 2579
CREATING, ONLINE, OFFLINE, FAILED, DELETING = (
    mib.dvsanVolumeOperState_creating, mib.dvsanVolumeOperState_online, mib.dvsanVolumeOperState_offline,
    mib.dvsanVolumeOperState_failed, mib.dvsanVolumeOperState_deleting)
PENDING, ACTIVE, RULE_FAILED, REVOKING = (
    mib.dvsanAccessOperState_pending, mib.dvsanAccessOperState_active, mib.dvsanAccessOperState_failed,
    mib.dvsanAccessOperState_revoking)
M_ONLINE, M_FAILED = mib.dvsanMediumOperState_online, mib.dvsanMediumOperState_failed
STARTING, RUNNING, DEGRADED = (str(state) for state in (
    mib.dvsanMemberOperState_starting, mib.dvsanMemberOperState_running, mib.dvsanMemberOperState_degraded))

# How often each volume grows under each load. There are 12 of these in test_growth.py and 6 in test_kernel_growth.py,
# so by default 36 growths are seen, and more than 1,000 with 56.
GROWTHS = int(os.environ.get("DVSAN_GROWTHS", "2"))

# What no test ends an agent by.
CRASHES = [-signo for signo in (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV)]

USER, AUTH, PRIV = "provision", "auth-pass-of-provision", "priv-pass-of-provision"
IQN = "iqn.2026-11.test.dvsan"


class Process(process.Process):
    """One whose end this process waits for."""

    def start(self):
        super().start()
        self.popen.returncode = None

    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def end(self, signo=signal.SIGTERM, seconds=patience.seconds(15)):
        """How it ended; None if it was never started. One that is stopped goes on to its end."""
        if self.running():
            self.popen.send_signal(signo)
            self.popen.send_signal(signal.SIGCONT)
        return self.popen and self.popen.wait(seconds)

    def kill(self):
        return self.end(signal.SIGKILL)


class Box(box.Box):
    """One without a station, beside which a receiver listens in the station's place. Media: one of 256 MiB.
    prefix: of the commands of all its processes."""
    threads = 2
    log = "debug"
    unit_more = f' iqn-prefix="{IQN}"'
    notify = '<notify user="notify" auth-pass-file="notify.auth" priv-pass-file="notify.priv"/>'

    def __init__(self, address, cms, name="unit1", prefix=(), portal=None, instances=1):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="dvsan-unit-"))
        self.prefix, self.portal = list(prefix), portal or address
        super().__init__(name, str(self.dir), str(PROGRAM), address, cms, [self.portal], instances)
        self.receiver = self.new_process("snmptrapd", ["snmptrapd", "-f", "-Lf", self.path("traps"), "-On",
                                                       f"udp:{cms}:1162"], daemon_environment(self.folder, "trapd"))
        self.patience = ["-t", "5", "-r", "3"]  # of the SNMP tools
        self.indexes = {}  # of volumes by the names of their targets
        self.make_folders("media", "trapd")
        self.engine = self.engine_id().removeprefix("0x")
        self.agent_log = pathlib.Path(self.agent.log)
        self.write_files()

    def write_files(self):
        for name, text in (("notify.auth", "auth-pass-of-notify"), ("notify.priv", "priv-pass-of-notify")):
            self.write(name, text + "\n")
        self.write("snmpd.conf", snmpd_conf(self, {
            "PROVISION": (USER, AUTH, PRIV), "MONITOR": ("monitor", "auth-pass-of-monitor", "priv-pass-of-monitor")},
            self.third_manager()))
        self.write("snmptrapd.conf",
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
                f" -X priv-pass-of-third -e 0x{self.engine} udp:{self.station}:1162\n")

    def write_config(self, media='<medium index="1" name="m1" kind="dir" path="media" size="256M"/>'):
        self.write("unit.xml", config.unit(self, media))

    def write(self, name, text):
        path = self.dir / name
        path.touch(mode=0o600)
        path.write_text(text)

    def edit(self, old, new):
        """Changes what its configuration says."""
        edit(self.path("unit.xml"), old, new)

    # ---- Processes

    def new_process(self, name, argv, env=None):
        return Process(name, self.folder, [*self.prefix, *map(str, argv)],
                       {"MIBS": "", stand.MARK: os.environ.get(stand.MARK, ""), **(env or {})})

    def process(self, name, argv, **env):
        """Started, and known to nobody else."""
        made = self.new_process(name, argv, env)
        made.start()
        return made

    def tgtd_portal(self, group):
        return "127.0.0.1:0"  # the address may come later

    @property
    def tgtd(self):
        return self.tgtds.get(1)

    def start_snmpd(self):
        self.snmpd.start()

    def start_tgtd(self, group=1):
        pathlib.Path(self.tgtd_socket(group)).unlink(missing_ok=True)
        self.tgtds.setdefault(group, self.new_tgtd(group)).start()

    def start_agent(self, *before):
        """before: a command that starts it."""
        self.agent.argv = [*self.prefix, *before, str(self.program), "-c", self.path("unit.xml")]
        self.agent.start()

    def start_receiver(self):
        self.receiver.start()

    def start(self):
        self.start_snmpd()
        for group in range(1, self.instances + 1):
            self.start_tgtd(group)
        self.start_agent()
        self.wait_ready()

    def take(self, medium):
        """Says that no other unit serves the medium of this name."""
        done = self.dvsan_unit(f"--take={medium}", timeout=60)
        assert done.returncode == 0, done.stderr

    def said(self):
        """What the agent has logged."""
        return self.agent_log.read_text(errors="replace") if self.agent_log.exists() else ""

    def wait_said(self, text, seconds=20):
        wait_for(f"the log to say {text}", lambda: text in self.said(), seconds)

    def wait_ready(self):
        wait_for("the unit's tables", lambda: self.try_get(f"{dvsanMemberOperState}.0") in (RUNNING, DEGRADED))

    def close(self):
        ended = self.agent.popen and self.agent.popen.poll()
        for p in (self.agent, self.snmpd, *self.tgtds.values(), self.receiver):
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

    def serve(self, index, name, mib, iqn, user, secret):
        """A volume that one initiator may use."""
        self.create(index, name, mib)
        self.grant(index, 1, iqn, user, secret)
        self.wait_rule(index, 1, ACTIVE)
        self.wait_volume(index, ONLINE)

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
                              env=dict(os.environ, **self.tgt_environment()), check=False)
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
        text = re.sub(r"\n(?=[0-9A-F]{2} )", "", path.read_text(errors="replace"))  # long octets go on in another line
        for line in dict.fromkeys(text.splitlines()):
            if line.startswith("TRAP "):
                variables = dict(v.split(" = ", 1) for v in line[5:].split("#") if " = " in v)
                variables = {k.strip(): v.strip() for k, v in variables.items()}
                variables["user"] = line.partition("user ")[2].partition(",")[0]
                variables["trap"] = variables.get("." + TRAP_OID, "").split(": .")[-1]
                found.append(variables)
        return found

    def traps(self, oid, user="notify"):
        return [n for n in self.notifications() if (n["trap"], n["user"]) == (oid, user)]


living = []  # boxes, of which is told when a test fails


@contextlib.contextmanager
def own_box(kind=Box, secret="", addresses=None, **how):
    """A box, to be started, on addresses of its own, unless some are given. Its agent is ended last, which is when
    leaks are told, and what it wrote is judged: nothing of a sanitizer, and no secret."""
    with contextlib.ExitStack() as stack:
        made = kind(*(addresses or stack.enter_context(net.own_addresses(2))), **how)
        stack.callback(made.close)
        living.append(made)
        stack.callback(living.remove, made)
        yield made
        if made.agent.popen:  # one that does not run was ended by the test, or died by itself
            fine = (0,) if made.agent.running() else (0, -signal.SIGKILL)
            code, text = made.agent.end(), stand.LOST_SENDERS.sub("", made.said())
            fine += (1,) if text != made.said() else ()  # as the sanitizer ends it for such a leak
            assert code in fine, f"the agent ended with {code}: {text[-4000:]}"
        text = stand.LOST_SENDERS.sub("", made.said())
        for bad in ("Sanitizer", "runtime error:", "auth-pass", "priv-pass", *filter(None, [secret])):
            assert bad not in text, text[max(0, text.find(bad) - 200):][:8000]


class Supervised(Box):
    """Its agent starts tgtd."""
    tgtd_more = 'supervise="yes" '

    def tgtd_pid(self, group=1):
        """The process that answers at the socket of a portal group's tgtd, or None."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(1)
            try:
                s.connect(self.tgtd_socket(group))
            except OSError:
                return None
            return struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]

    def start(self):
        self.start_snmpd()
        self.start_agent()
        self.wait_ready()
        return wait_for("tgtd", self.tgtd_pid)

    def close(self):
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


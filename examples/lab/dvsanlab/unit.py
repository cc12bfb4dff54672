"""A unit of the lab: its folder, its processes, how they start, are ready and stop."""
import os
import subprocess

from . import config, probe, snmp
from .errors import LabError
from .process import Process
from .settings import ISCSI_PORT, MAX_INSTANCES, SECOND_PORTAL, SNMP_PORT, write_made

START_SECONDS = 30   # for one process to be ready, on a busy machine
GOODBYE_SECONDS = 15 # for the agent to tell the station that it stops


class Unit:
    """number: 1.. ; its name is unitN and its address the lab's base + N."""

    kind = "unit"

    def __init__(self, settings, number, say=print):
        self.settings, self.number, self.say = settings, number, say
        self.name = f"unit{number}"
        self.address = settings.address(number)
        self.portals = [settings.address(number + n * SECOND_PORTAL)
                        for n in range(settings.portals)]
        self.media = ["media"] + [f"media{n}" for n in range(1, settings.media)]
        self.folder = settings.path(self.name)
        self.snmpd = self._process(
            "snmpd", ["/usr/sbin/snmpd", "-f", "-Lo", "-I", "-smux"], # whose port all would share
            snmp.snmpd_environment(self.folder))
        self.tgtds = [self._tgtd(group) for group in range(1, settings.instances + 1)]
        self.agent = self._process(
            "agent", [settings.program("dvsan-unit"), "-c", self.path("unit.xml")])
        self.processes = [self.snmpd, *self.tgtds, self.agent]

    def control_port(self, group):
        """Of the tgtd that is this portal group, 1..; no two units have the same one."""
        return self.number * MAX_INSTANCES + group - 1

    def port(self, group):
        return ISCSI_PORT + group - 1

    def _tgtd(self, group):
        return self._process(
            "tgtd" if group == 1 else f"tgtd{group}",
            ["/usr/sbin/tgtd", "-f", "-C", str(self.control_port(group)), "-t", "4",
             "--iscsi", f"portal={self.address}:{self.port(group)}"],
            self.tgt_environment())

    def path(self, name):
        return os.path.join(self.folder, name)

    def _process(self, name, argv, env=None):
        return Process(f"{self.name}/{name}", self.folder, argv, env)

    def tgt_environment(self):
        return {"TGT_IPC_SOCKET": self.path("tgtd.sock")}

    def ports(self):
        """(process, address, port, whether UDP) that must be free before it can start."""
        return [(self.snmpd, self.address, SNMP_PORT, True),
                *((tgtd, self.address, self.port(group), False)
                  for group, tgtd in enumerate(self.tgtds, 1))]

    def prepare(self):
        """Makes its folder and configuration; keeps what is there of its state."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        for name in ("state", *self.media):
            os.makedirs(self.path(name), mode=0o700, exist_ok=True)
        snmp.write_snmpd(self.settings, f"udp:{self.address}:{SNMP_PORT}", self.folder, self.say)
        write_made(self.path("unit.xml"), config.unit(self), self.say)

    def engine_id(self):
        return snmp.engine_id(self.path("snmpd.state/engine-id"))

    def is_enrolled(self):
        return self.settings.shared or os.path.exists(self.path("state/identity"))

    def enrol(self, code):
        done = subprocess.run([self.settings.program("dvsan-unit"), "-c", self.path("unit.xml"),
                               "--enrol", "-"], input=code + "\n", capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise LabError(f"{self.name} could not be enrolled.", done.stderr)

    def snmpd_ready(self):
        return probe.snmp_answers(self.address, SNMP_PORT) \
            and probe.unix_answers(self.path("agentx.sock"))

    def tgtd_ready(self, group):
        return probe.unix_answers(self.path(f"tgtd.sock.{self.control_port(group)}")) \
            and probe.tcp_answers(self.address, self.port(group))

    def start(self, process=None):
        """Starts what does not run yet, or the one process given, and waits until it serves.
        Whether the agent is known to the station is for the station to say."""
        wanted = self.processes if process is None else [process]
        for p in wanted:
            if p is not self.agent:
                p.start()
        if self.snmpd in wanted:
            self.snmpd.wait_ready(self.snmpd_ready, START_SECONDS)
        for group, tgtd in enumerate(self.tgtds, 1):
            if tgtd in wanted:
                tgtd.wait_ready(lambda g=group: self.tgtd_ready(g), START_SECONDS)
        if self.agent in wanted:
            self.agent.start()

    def stop(self, process=None):
        """In order: the agent says goodbye while the others still serve it."""
        for p in reversed(self.processes) if process is None else [process]:
            if p in self.tgtds:
                group = self.tgtds.index(p) + 1
                p.stop(lambda g=group: self._ask_tgtd_to_end(g), seconds=2)
            else:
                p.stop(seconds=GOODBYE_SECONDS)

    def _ask_tgtd_to_end(self, group):
        # It ignores SIGTERM, and refuses this while it has a target; then it is killed, and that
        # loses nothing: what an initiator flushed is in the files.
        subprocess.run(["/usr/sbin/tgtadm", "-C", str(self.control_port(group)), "--op",
                        "delete", "--mode", "system"], env=self.tgt_environment(), check=False,
                       timeout=5, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

"""A unit of the lab: its address, how it is enrolled, and how its processes start, are ready and stop."""
import os
import subprocess

from . import config, snmp
from .box import Box
from .errors import LabError
from .settings import MAX_INSTANCES, SECOND_PORTAL, SNMP_PORT, write_made

START_SECONDS = 30   # for one process to be ready, on a busy machine
GOODBYE_SECONDS = 15 # for the agent to tell the station that it stops


class Unit(Box):
    """number: 1.. ; its name is unitN and its address the lab's base + N."""

    kind = "unit"

    def __init__(self, settings, number, say=print):
        self.settings, self.number, self.say = settings, number, say
        self.control_base = number * MAX_INSTANCES  # no two units have the same one
        self.media = ["media"] + [f"media{n}" for n in range(1, settings.media)]
        name = f"unit{number}"
        super().__init__(
            name, settings.path(name), settings.program("dvsan-unit"), settings.address(number),
            settings.address(0), [settings.address(number + n * SECOND_PORTAL)
                                  for n in range(settings.portals)], settings.instances)
        self.log, self.notify = settings.log, config.shared_user(settings, "notify")

    def ports(self):
        """(process, address, port, whether UDP) that must be free before it can start."""
        return [(self.snmpd, self.address, SNMP_PORT, True),
                *((tgtd, self.address, self.port(group), False)
                  for group, tgtd in self.tgtds.items())]

    def prepare(self):
        """Makes its folder and configuration; keeps what is there of its state."""
        self.make_folders("state", *self.media)
        self.snmp_more = config.snmpd(self)
        write_made(self.path("snmpd.conf"), snmp.snmpd_conf(
            self, snmp.lab_users(self.settings), snmp.traps(self.settings, self.engine_id())), self.say)
        write_made(self.path("unit.xml"), config.unit(self, config.media(self.media)), self.say)

    def is_enrolled(self):
        return self.settings.shared or os.path.exists(self.path("state/identity"))

    def enrol(self, code):
        done = self.dvsan_unit("--enrol", "-", input=code + "\n")
        if done.returncode != 0:
            raise LabError(f"{self.name} could not be enrolled.", done.stderr)

    def start(self, process=None):
        """Starts what does not run yet, or the one process given, and waits until it serves.
        Whether the agent is known to the station is for the station to say."""
        wanted = self.processes if process is None else [process]
        for p in wanted:
            if p is not self.agent:
                p.start()
        if self.snmpd in wanted:
            self.snmpd.wait_ready(self.snmpd_ready, START_SECONDS)
        for group, tgtd in self.tgtds.items():
            if tgtd in wanted:
                tgtd.wait_ready(lambda g=group: self.tgtd_ready(g), START_SECONDS)
        if self.agent in wanted:
            self.agent.start()

    def stop(self, process=None):
        """In order: the agent says goodbye while the others still serve it."""
        for p in reversed(self.processes) if process is None else [process]:
            group = next((group for group, tgtd in self.tgtds.items() if tgtd is p), None)
            if group:
                p.stop(lambda g=group: self._ask_tgtd_to_end(g), seconds=2)
            else:
                p.stop(seconds=GOODBYE_SECONDS)

    def _ask_tgtd_to_end(self, group):
        # It ignores SIGTERM, and refuses this while it has a target; then it is killed, and that
        # loses nothing: what an initiator flushed is in the files.
        subprocess.run(["/usr/sbin/tgtadm", "-C", str(self.control_port(group)), "--op",
                        "delete", "--mode", "system"], env=self.tgt_environment(), check=False,
                       timeout=5, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

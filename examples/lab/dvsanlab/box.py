"""One unit: stock snmpd and tgtd with dvsan-unit beside them, in a folder of its own. The units of
the lab are such boxes, and so are those of the project's tests."""
import os
import subprocess

from . import config, probe, snmp
from .process import Process
from .settings import ISCSI_PORT, SNMP_PORT


class Box:
    """Where its files are, and its processes, which nothing starts by itself. program: dvsan-unit.
    address: where snmpd listens. station: the address that notifications go to. portals: addresses
    at which volumes are served. config.unit() and snmp.snmpd_conf() say what is to be in its files."""
    control_base = 0 # the control port of the first tgtd
    threads = 4 # of tgtd, for each file that it serves
    log = "info"
    unit_more = tgtd_more = snmp_more = notify = "" # more of these elements of unit.xml

    def __init__(self, name, folder, program, address, station, portals, instances=1):
        self.name, self.folder, self.program = name, folder, program
        self.address, self.station = address, station
        self.portals, self.instances = portals, instances
        self.listen = self.management = f"udp:{address}:{SNMP_PORT}" # for snmpd, and for others
        self.snmpd = self.new_process(
            "snmpd", ["/usr/sbin/snmpd", "-f", "-Lo", "-I", "-smux"], # whose port all would share
            snmp.daemon_environment(folder, "snmpd.state"))
        self.tgtds = {group: self.new_tgtd(group) for group in range(1, instances + 1)}
        self.agent = self.new_process("agent", [program, "-c", self.path("unit.xml")])

    def path(self, name):
        return os.path.join(self.folder, name)

    # Processes

    def new_process(self, name, argv, env=None):
        return Process(f"{self.name}/{name}", self.folder, argv, env)

    @property
    def processes(self):
        return [self.snmpd, *self.tgtds.values(), self.agent]

    def control_port(self, group):
        """Of the tgtd that is this portal group, 1.. ."""
        return self.control_base + group - 1

    def port(self, group):
        return ISCSI_PORT + group - 1

    def tgtd_portal(self, group):
        """Where tgtd listens before the agent tells it where."""
        return f"{self.address}:{self.port(group)}"

    def new_tgtd(self, group):
        return self.new_process(
            "tgtd" if group == 1 else f"tgtd{group}",
            ["/usr/sbin/tgtd", "-f", "-C", str(self.control_port(group)), "-t", str(self.threads),
             "--iscsi", f"portal={self.tgtd_portal(group)}"], self.tgt_environment())

    def tgt_environment(self):
        return {"TGT_IPC_SOCKET": self.path("tgtd.sock")}

    def tgtd_socket(self, group):
        return self.path(f"tgtd.sock.{self.control_port(group)}")

    def dvsan_unit(self, *options, **how):
        """Runs dvsan-unit with these options on its configuration, and returns how it ended."""
        return subprocess.run([self.program, "-c", self.path("unit.xml"), *options],
                              capture_output=True, text=True, check=False, **how)

    def snmpd_ready(self):
        return probe.snmp_answers(self.address, SNMP_PORT) \
            and probe.unix_answers(self.path("agentx.sock"))

    def tgtd_ready(self, group):
        return probe.unix_answers(self.tgtd_socket(group)) \
            and probe.tcp_answers(self.address, self.port(group))

    # Files

    def make_folders(self, *names):
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        for name in names:
            os.makedirs(self.path(name), mode=0o700, exist_ok=True)
        snmp.make_state(self.path("snmpd.state"))

    def engine_id(self):
        return snmp.engine_id(self.path("snmpd.state/engine-id"))

    def portals_xml(self):
        return config.portals(self.portals)

"""What the lab tells people: its status, its environment, its logs."""
import os
import shlex
import sys
import time

from . import secret, snmp
from .settings import ISCSI_PORT, SNMP_PORT
from .station import HOST_IQN

HEADINGS = ("NAME", "KIND", "ADDRESS", "PROCESSES", "STATE", "VOLUMES")


def status(lab):
    """The table of members, as text."""
    known = lab.states()
    rows = [HEADINGS]
    for member in lab.members:
        running = [p for p in member.processes if p.pid()]
        names = [p.name.partition("/")[2] + ("" if p in running else " (not running)")
                 for p in member.processes]
        if member is lab.station:
            state = "up" if known or member.ready() else "down"
            volumes = str(sum(u["volumes"] for u in known.values())) if known else "-"
        else:
            unit = known.get(member.name)
            state = unit["state"] if unit else "unknown"
            volumes = str(unit["volumes"]) if unit else "-"
        rows.append((member.name, member.kind, member.address, ", ".join(names), state, volumes))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
                     for row in rows)


def environment(lab):
    """What `lab env` exports, as a dict."""
    s = lab.settings
    env = {"DVSAN_URL": s.url(), "DVSAN_TOKEN": secret.read(s, "token"),
           "DVSAN_LAB_DIR": s.folder}
    for unit in lab.units:
        env[f"DVSAN_UNIT{unit.number}_SNMP"] = f"udp:{unit.address}:{SNMP_PORT}"
        env[f"DVSAN_UNIT{unit.number}_SNMP_USER"] = snmp.USER.format("monitor")
        env[f"DVSAN_UNIT{unit.number}_PORTAL"] = f"{unit.address}:{ISCSI_PORT}"
    for host in s.host_names():
        env[f"DVSAN_{host.upper()}_IQN"] = HOST_IQN.format(host)
        env[f"DVSAN_{host.upper()}_CHAP_USER"] = host
        env[f"DVSAN_{host.upper()}_SECRET_FILE"] = secret.path(s, host)
    if s.hosts: # libiscsi, and so also qemu, logs in as the first host, with no secret in a URL
        env["LIBISCSI_CHAP_USERNAME"] = s.host_names()[0]
        env["LIBISCSI_CHAP_PASSWORD"] = secret.read(s, s.host_names()[0])
    env.update(snmp.client_environment(s))
    if s.shared:
        env["DVSAN_SNMP_PROVISION"] = snmp.client_folder(s, "provision")
    return env


ENV_HELP = """\
# For your shell:  eval "$(examples/lab/lab env)"  and then for example
#   dvsan pool show
#   snmpwalk $DVSAN_UNIT1_SNMP 1.3.6.1.4.1.8072.9999.9999.21137
#   SNMPCONFPATH=$DVSAN_SNMP_PROVISION snmpset $DVSAN_UNIT1_SNMP ...
#   dvsan host connect-info host1 --chap-secret-file $DVSAN_HOST1_SECRET_FILE
#   iscsi-ls -i $DVSAN_HOST1_IQN -s iscsi://$DVSAN_UNIT1_PORTAL
#   dvsan host connect-info host1 --volume NAME --nbd --chap-secret-file $DVSAN_HOST1_SECRET_FILE >FILE
#   dvsan-nbd --socket SOCKET FILE
"""


def exports(lab):
    """Lines that a shell evaluates."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in environment(lab).items()]
    build = shlex.quote(os.path.join(lab.settings.build, "bin"))
    lines.append(f'case ":$PATH:" in *:{build}:*) ;; *) export PATH={build}:"$PATH" ;; esac')
    return ENV_HELP + "\n".join(lines)


def logs(member, process, follow):
    """Prints the logs of a member's processes, or of one; with follow, also what comes."""
    processes = [process] if process else member.processes
    places = {}
    while True:
        for p in processes:
            try:
                with open(p.log, encoding="utf-8", errors="replace") as f:
                    f.seek(places.get(p, 0))
                    for line in f:
                        sys.stdout.write(line if process else f"{p.name}: {line}")
                        if not line.endswith("\n"):
                            sys.stdout.write("\n")
                    places[p] = f.tell()
            except FileNotFoundError:
                pass
        sys.stdout.flush()
        if not follow:
            return
        time.sleep(0.2)

"""The lab's command line."""
import argparse
import os
import signal
import sys

from . import lab as labs, settings as places, show
from .errors import LabError

DESCRIPTION = """\
Brings up a whole dvsan on this machine: a station (dvsan-cms) and units, each with its own snmpd,
tgtd and dvsan-unit on its own loopback address. Everything a lab has lies in one folder; several
labs run side by side when they have different folders and addresses.

The configuration files in it, unit1/unit.xml, unit1/snmpd.conf and their like, are yours to change:
`lab start` and `lab up` make them once and keep what you did to them.

NAME is a member, such as unit1 or cms, or one process of it: unit1/snmpd, unit1/tgtd,
unit1/agent.
"""

EXAMPLES = """\
examples:
  examples/lab/lab up --units 3 --hosts 1
  eval "$(examples/lab/lab env)"; dvsan pool show
  examples/lab/lab kill unit2; examples/lab/lab start unit2
  examples/lab/lab up --instances 2                         units that use two cores
  examples/lab/lab up --dir /tmp/lab2 --base 127.0.2.10     a second one beside it
  examples/lab/lab down
"""


def parser():
    raw = argparse.RawDescriptionHelpFormatter
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--dir", metavar="FOLDER", default=argparse.SUPPRESS,
                        help="the lab's folder (default: DVSAN_LAB_DIR, else build/lab)")
    p = argparse.ArgumentParser(prog="lab", description=DESCRIPTION, epilog=EXAMPLES,
                                formatter_class=raw, parents=[common])
    commands = p.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name, function, text):
        c = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".",
                                parents=[common])
        c.set_defaults(function=function)
        return c

    c = add("up", up, "make a lab, or start all that does not run of one that is there")
    c.add_argument("--units", type=int, metavar="N", help="how many units (default: 3)")
    c.add_argument("--instances", type=int, metavar="N",
                   help="how many tgtd serve the volumes of each unit (default: 1)")
    c.add_argument("--portals", type=int, metavar="N",
                   help="how many portals each unit has, 1 or 2 (default: 1)")
    c.add_argument("--media", type=int, metavar="N",
                   help="how many folders each unit has for volumes (default: 1)")
    c.add_argument("--traps-to", metavar="ADDRESS:PORT",
                   help="a manager that gets the units' notifications too, by SNMPv3 as the user "
                        "dvsan-monitor (default: none)")
    c.add_argument("--shared-keys", action="store_true", default=None,
                   help="station and units share pass-phrases, and no unit is enrolled (default: "
                        "each unit has keys of its own)")
    c.add_argument("--hosts", type=int, metavar="N",
                   help="how many host records, host1 and so on (default: 0)")
    c.add_argument("--base", metavar="ADDRESS",
                   help=f"the station's address; the units have those that follow "
                        f"(default: {places.DEFAULT_BASE})")
    c.add_argument("--build", metavar="FOLDER",
                   help="whose programs to run (default: build/release, build/debug or build/asan, "
                        "the first that is there)")
    c.add_argument("--log", choices=("error", "warning", "info", "debug"),
                   help="how much dvsan-cms and dvsan-unit log (default: info)")
    add("status", status, "show the members, their processes and what the station says of them")
    add("down", down, "end all processes of the lab and remove its folder")
    for name, function, text in (
            ("start", start, "start members, or processes, and wait until they are ready"),
            ("stop", stop, "stop members cleanly: units say goodbye to the station"),
            ("kill", kill, "end members at once with SIGKILL, as a power cut would")):
        add(name, function, text).add_argument("names", nargs="+", metavar="NAME")
    c = add("logs", logs, "print the logs of a member or of a process")
    c.add_argument("name", metavar="NAME")
    c.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
    add("env", env, "print exports for a shell, with which dvsan, the Net-SNMP tools and the "
                    "iSCSI tools reach this lab")
    return p


def say(line):
    print(f"lab: {line}", flush=True)


def up(args):
    folder = args.dir
    there = places.load(folder)

    def choose(given, kept, default):
        return given if given is not None else getattr(there, kept) if there else default
    build = os.path.realpath(args.build) if args.build else None
    lab = labs.up(places.Settings(
        folder, choose(args.base, "base", places.DEFAULT_BASE), choose(args.units, "units", 3),
        choose(args.hosts, "hosts", 0), choose(build, "build", places.default_build()),
        choose(args.log, "log", "info"), choose(args.instances, "instances", 1),
        choose(args.portals, "portals", 1), choose(args.media, "media", 1),
        choose(args.traps_to, "traps", ""), choose(args.shared_keys, "shared", False)), say)
    say(f"up: the console is at {lab.settings.url()}")


def status(args):
    print(show.status(labs.get(args.dir)))


def down(args):
    labs.down(args.dir, say)


def start(args):
    labs.get(args.dir, say).start(args.names)


def stop(args):
    labs.get(args.dir, say).stop(args.names)


def kill(args):
    labs.get(args.dir, say).kill(args.names)


def logs(args):
    member, process = labs.get(args.dir).find(args.name)
    show.logs(member, process, args.follow)


def env(args):
    print(show.exports(labs.get(args.dir)))


def main(argv):
    args = parser().parse_args(argv)
    folder = getattr(args, "dir", None) or os.environ.get("DVSAN_LAB_DIR") or places.DEFAULT_DIR
    args.dir = os.path.realpath(folder)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        args.function(args)
    except LabError as e:
        if e.tail:
            print(f"{e.tail}\n", file=sys.stderr)
        print(f"lab: {e}", file=sys.stderr)
        return 1
    except PermissionError as e:
        print(f"lab: {e.filename}: permission denied. The lab is somebody else's: run this as who "
              f"brought it up, perhaps with sudo.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0

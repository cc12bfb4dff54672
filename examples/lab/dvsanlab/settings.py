"""A lab's settings and where its things lie. They are kept in lab.json in its folder."""
import fcntl
import ipaddress
import json
import os
import re
import shutil

from .errors import LabError

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
DEFAULT_DIR = os.path.join(ROOT, "build", "lab")
DEFAULT_BASE = "127.0.0.10"
BUILDS = ("release", "debug", "asan")
MAX_UNITS = 200
MAX_INSTANCES = 16 # of tgtd in a unit
MAX_HOSTS = 200
MAX_PORTALS = 2 # of a unit
MAX_MEDIA = 16 # of a unit
SECOND_PORTAL = 100 # from a unit's address to that of its second portal

SNMP_PORT = 1161
NOTIFY_PORT = 1162
ISCSI_PORT = 3260
HTTP_PORT = 8480
LONGEST_SOCKET = len("/unit200/tgtd.sock.3215")
BARELY_MADE = ([], ["lab.json.new"]) # what a folder holds when `up` ended just after making it
TRAPS = re.compile(r"\d+(\.\d+){3}:\d{1,5}")
SOCKET_PATH_MAX = 107  # sun_path, less the NUL


def default_build():
    """The newest kind of build there is, the release one first."""
    for preset in BUILDS:
        build = os.path.join(ROOT, "build", preset)
        if os.path.exists(os.path.join(build, "bin", "dvsan-cms")):
            return build
    return os.path.join(ROOT, "build", BUILDS[0])


KEPT = ("base", "units", "hosts", "build", "log", "instances", "portals", "media", "traps",
        "shared")


class Settings:
    """What a lab is: its folder, its addresses, its size, whose programs it runs. instances: of
    tgtd in each unit; portals and media: of each unit; traps: "ADDRESS:PORT" of a receiver of
    notifications besides the station, "" for none; shared: station and units share pass-phrases,
    else each unit is enrolled."""

    def __init__(self, folder, base, units, hosts, build, log="info", instances=1, portals=1,
                 media=1, traps="", shared=False):
        self.folder, self.base, self.build, self.log = folder, base, build, log
        self.units, self.hosts, self.instances = units, hosts, instances
        self.portals, self.media, self.traps, self.shared = portals, media, traps, shared

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def address(self, number):
        """The loopback address of the station (0) or a unit (1..)."""
        return str(ipaddress.IPv4Address(self.base) + number)

    def program(self, name):
        return os.path.join(self.build, "bin", name)

    def host_names(self):
        return [f"host{n}" for n in range(1, self.hosts + 1)]

    def url(self):
        return f"http://{self.address(0)}:{HTTP_PORT}"

    def save(self):
        write_file(self.path("lab.json"), json.dumps(
            {name: getattr(self, name) for name in KEPT}, indent=4) + "\n")


def write_file(path, text, mode=0o600):
    """Writes a file whole or not at all."""
    temporary = path + ".new"
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w",
                   encoding="utf-8") as f:
        os.fchmod(f.fileno(), mode)
        f.write(text)
    os.replace(temporary, path)


def write_made(path, text, say):
    """Writes a file that is made from the settings. One that a person changed behind that is kept,
    and said to be; what was written last lies beside it."""
    made = path + ".made"
    try:
        with open(path, encoding="utf-8") as f, open(made, encoding="utf-8") as m:
            there, before = f.read(), m.read()
    except FileNotFoundError:
        there = before = None
    if there != before:
        if text != before:
            say(f"{path} was changed by hand and is kept as it is; the lab's options of now are "
                f"not in it. Remove it to have it made anew.")
        return
    write_file(made, text)
    write_file(path, text)


def load(folder):
    """The settings of the lab in this folder; None when there is no lab."""
    try:
        with open(os.path.join(folder, "lab.json"), encoding="utf-8") as f:
            kept = json.load(f)
        return Settings(folder, **{name: kept[name] for name in KEPT})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, NotADirectoryError) as e:
        raise LabError(f"{folder}/lab.json cannot be read ({e}); take the lab down.") from e


def check(settings):
    """Refuses what cannot work, before anything is made."""
    try:
        first, last = (ipaddress.IPv4Address(settings.address(n)) for n in (0, settings.units))
    except ValueError as e:
        raise LabError(f"--base {settings.base} is not an IPv4 address "
                       f"with {settings.units} more behind it.") from e
    if not (first.is_loopback and last.is_loopback):
        raise LabError(f"--base {settings.base} is not a loopback address; "
                       f"take one such as {DEFAULT_BASE}.")
    if not 0 <= settings.units <= MAX_UNITS or not 0 <= settings.hosts <= MAX_HOSTS:
        raise LabError(f"A lab has at most {MAX_UNITS} units and {MAX_HOSTS} hosts.")
    if not 1 <= settings.instances <= MAX_INSTANCES:
        raise LabError(f"A unit has 1 to {MAX_INSTANCES} instances of tgtd.")
    if not 1 <= settings.portals <= MAX_PORTALS or not 1 <= settings.media <= MAX_MEDIA:
        raise LabError(f"A unit has 1 to {MAX_PORTALS} portals and 1 to {MAX_MEDIA} media.")
    if settings.portals > 1 and settings.units >= SECOND_PORTAL:
        raise LabError(f"A lab whose units have a second portal has at most {SECOND_PORTAL - 1} "
                       f"units.")
    if settings.traps and not TRAPS.fullmatch(settings.traps):
        raise LabError(f"--traps-to {settings.traps} is not ADDRESS:PORT of IPv4, such as "
                       f"127.0.0.1:162.")
    if len(settings.folder) + LONGEST_SOCKET > SOCKET_PATH_MAX:
        raise LabError(f"The folder {settings.folder} has too long a path for the Unix sockets in "
                       f"it; choose one of at most {SOCKET_PATH_MAX - LONGEST_SOCKET} characters "
                       f"with --dir.")
    if "\n" in settings.folder or '"' in settings.folder or " " in settings.folder:
        raise LabError(f"The folder {settings.folder!r} has a space or a quote in its path, which "
                       f"snmpd's configuration cannot hold; choose another with --dir.")
    for name in ("dvsan-cms", "dvsan-unit", "dvsan"):
        if not os.access(settings.program(name), os.X_OK):
            raise LabError(f"{settings.program(name)} is not there: build dvsan first, with "
                           f"cmake --preset release && cmake --build --preset release, "
                           f"or name a build folder with --build.")
    for name in ("snmpd", "tgtd", "tgtadm"):
        if not shutil.which(name, path="/usr/sbin:/usr/bin"):
            raise LabError(f"{name} is not installed; run examples/lab/install-packages.")


def make_folder(folder):
    """Makes the lab's folder; refuses one that holds something else."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError as e:
        if not os.path.isdir(folder) or os.listdir(folder) not in BARELY_MADE:
            raise LabError(f"{folder} is there already and is not a lab; "
                           f"choose another folder with --dir.") from e


def is_lab(folder):
    """Whether this is a lab's folder, perhaps one that was never finished."""
    return os.path.exists(os.path.join(folder, "lab.json")) or os.listdir(folder) in BARELY_MADE


def remove(folder):
    """Removes a lab's folder. What makes it one goes last, so that this can be repeated."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif name != "lab.json":
            os.unlink(path)
    if os.path.exists(os.path.join(folder, "lab.json")):
        os.unlink(os.path.join(folder, "lab.json"))
    os.rmdir(folder)


class Lock:
    """Keeps two commands from changing the same lab at once. The folder itself is what is locked,
    so nothing is left behind."""

    def __init__(self, folder):
        self.fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self.fd, fcntl.LOCK_EX)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

"""The whole lab: bringing it up, taking it down, and its members by their names."""
import os
import socket
from concurrent.futures import ThreadPoolExecutor

from . import probe, secret, settings as places, snmp
from .errors import LabError
from .process import kill_all, kill_strays
from .rest import Refused, Unanswered
from .settings import Lock
from .station import Station
from .unit import Unit
from .waiting import until

JOIN_SECONDS = 60
PARALLEL = 8


class Lab:
    """say: called with each line of progress."""

    def __init__(self, settings, say=print):
        self.settings, self.say = settings, say
        self.station = Station(settings, say)
        self.units = [Unit(settings, n, say) for n in range(1, settings.units + 1)]
        self.members = [self.station] + self.units

    def find(self, name):
        """(member, its process or None for all of them) for unit1, cms, unit1/tgtd."""
        member_name, slash, process_name = name.partition("/")
        for member in self.members:
            if member.name == member_name:
                if not slash:
                    return member, None
                for process in member.processes:
                    if process.name == name:
                        return member, process
                names = ", ".join(p.name for p in member.processes)
                raise LabError(f"{member_name} has no process {process_name!r}; it has {names}.")
        names = ", ".join(m.name for m in self.members)
        raise LabError(f"This lab has no member {member_name!r}; it has {names}.")

    def client(self):
        return self.station.log_in()

    # Up

    def up(self):
        self._check_ports()
        secret.make_all(self.settings)
        snmp.write_clients(self.settings)
        for member in self.members:
            member.prepare()
        self.say(f"starting the station and {len(self.units)} units in {self.settings.folder}")
        self.station.start()
        client = self.client()
        self.station.add_hosts(client)
        self._enrol(client, self.units)
        self._start_all(self.units)
        self._wait_joined(client, self.units)

    def _check_ports(self):
        for member in self.members:
            for process, address, port, udp in member.ports():
                kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
                if not process.pid() and not probe.is_free(address, port, kind):
                    raise LabError(f"{'UDP' if udp else 'TCP'} port {port} of {address} is in use, "
                                   f"perhaps by another lab; choose other addresses with --base.")

    def _enrol(self, client, units):
        """Gives keys of their own to those that have none."""
        new = [u for u in units if not u.is_enrolled()]
        if not new:
            return
        self.say(f"enrolling {len(new)} units")
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda u: u.enrol(self.station.code_for(client, u)), new))

    def _start_all(self, members):
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda m: m.start(), members))

    def _wait_joined(self, client, units):
        """Waits until the station shows these units as up."""
        if not units:
            return
        missing = {u.name for u in units}
        self.say(f"waiting for {len(missing)} units to join the pool")

        def joined():
            try:
                for unit in client.get("/units"):
                    if unit["state"] in ("up", "degraded"):
                        missing.discard(unit["name"])
            except Unanswered:
                pass # the station is being started too
            return not missing

        def ended():
            """An agent that ended instead: its unit is not waited for."""
            return next((u.agent for u in units if u.name in missing and not u.agent.pid()), None)
        if not until(lambda: joined() or ended(), JOIN_SECONDS, every=0.05) or missing:
            agent = ended()
            if agent:
                raise LabError(f"{agent.name} has ended. Its log is {agent.log}.", agent.tail())
            first = min(missing)
            agent = next(u.agent for u in units if u.name == first)
            raise LabError(f"{', '.join(sorted(missing))} did not join the pool within "
                           f"{JOIN_SECONDS} seconds. {first}'s log is {agent.log}.", agent.tail())

    # Members

    def start(self, names):
        found = [self.find(name) for name in names]
        for member, _ in found:
            member.prepare()
        self._enrol_found(found)
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda f: f[0].start(f[1]), found))
        for member, process in found:
            for p in [process] if process else member.processes:
                if not p.pid():
                    raise LabError(f"{p.name} has ended. Its log is {p.log}.", p.tail())
        # A unit whose station is away, or one that lacks a process, need not join.
        units = [m for m, _ in found if m is not self.station and all(p.pid() for p in m.processes)]
        if units and self.station.cms.pid():
            self._wait_joined(self.client(), units)

    def _enrol_found(self, found):
        units = [m for m, _ in found if m is not self.station and not m.is_enrolled()]
        if units and self.station.cms.pid():
            self._enrol(self.client(), units)

    def stop(self, names):
        found = [self.find(name) for name in names]
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda f: f[0].stop(f[1]), found))

    def kill(self, names):
        found = [self.find(name) for name in names]
        kill_all([p for member, process in found
                  for p in (member.processes if process is None else [process])])

    # Asking

    def states(self):
        """What the station says of each unit, by name; {} when it does not answer."""
        try:
            return {u["name"]: u for u in self.client().get("/units")}
        except (Unanswered, Refused):
            return {}


def up(settings, say=print):
    """Brings a lab up: makes it, or starts what does not run of one that is there already."""
    there = places.load(settings.folder)
    if there is None:
        places.check(settings)
        places.make_folder(settings.folder)
    with Lock(settings.folder):
        if there is not None:
            settings = _grown(there, settings)
            places.check(settings)
        settings.save()
        lab = Lab(settings, say)
        lab.up()
    return lab


def _grown(there, asked):
    """The lab that is there, with as many members as are asked for."""
    if asked.base != there.base:
        raise LabError(f"The lab in {there.folder} is at {there.base}; take it down first, or "
                       f"choose another folder with --dir.")
    for what in ("instances", "portals", "media", "traps", "shared"):
        if getattr(asked, what) != getattr(there, what):
            raise LabError(f"The lab in {there.folder} was made with other {what} "
                           f"({getattr(there, what) or 'none'}); take it down first.")
    if asked.units < there.units or asked.hosts < there.hosts:
        raise LabError(f"The lab in {there.folder} has {there.units} units and {there.hosts} hosts "
                       f"already; to make it smaller take it down first.")
    return asked


def get(folder, say=print):
    """The lab in this folder."""
    settings = places.load(folder)
    if settings is None:
        raise LabError(f"There is no lab in {folder}; `lab up` makes one.")
    return Lab(settings, say)


def down(folder, say=print):
    """Ends every process of the lab and removes its folder, in whatever state it is."""
    if not os.path.isdir(folder):
        say(f"there is no lab in {folder}")
        return
    if not places.is_lab(folder):
        raise LabError(f"{folder} is not a lab's folder; nothing was removed.")
    with Lock(folder):
        say(f"taking down the lab in {folder}")
        if not kill_strays(folder):
            raise LabError(f"Some processes of the lab in {folder} did not end, even by SIGKILL; "
                           f"try `lab down` again.")
        places.remove(folder)

"""The lab's station: dvsan-cms, its first password, a token and the hosts."""
import os
import re

from . import config, probe, rest, secret
from .errors import LabError
from .process import Process
from .settings import HTTP_PORT, NOTIFY_PORT, write_made

START_SECONDS = 30
STOP_SECONDS = 15
PASSWORD = re.compile(r"password[^:\n]*: *(\S+)", re.I)
HOST_IQN = "iqn.2026-11.lab.dvsan:{}"


class Station:
    name, kind = "cms", "station"

    def __init__(self, settings, say=print):
        self.settings, self.say = settings, say
        self.address = settings.address(0)
        self.folder = settings.path(self.name)
        # What it prints goes to a file of its own: at the first start that is the password, which
        # must not stay in a log.
        self.printed = os.path.join(self.folder, "printed")
        self.cms = Process("cms/cms", self.folder,
                           [settings.program("dvsan-cms"), "-c",
                            os.path.join(self.folder, "cms.xml")], stdout=self.printed)
        self.processes = [self.cms]

    def ports(self):
        return [(self.cms, self.address, HTTP_PORT, False),
                (self.cms, self.address, NOTIFY_PORT, True)]

    def prepare(self):
        os.makedirs(os.path.join(self.folder, "state"), mode=0o700, exist_ok=True)
        write_made(os.path.join(self.folder, "cms.xml"), config.station(self), self.say)

    def ready(self):
        return probe.tcp_answers(self.address, HTTP_PORT)

    def start(self, process=None):
        del process # it has only one
        self.cms.start()
        self.cms.wait_ready(self.ready, START_SECONDS)

    def stop(self, process=None):
        del process
        self.cms.stop(seconds=STOP_SECONDS)

    def log_in(self):
        """A client of its API with the lab's token, which is made when there is none yet."""
        if not secret.have(self.settings, "token"):
            client = rest.Client(self.settings.url(), password=self._password())
            secret.keep(self.settings, "token", client.post("/tokens", {"name": "lab"})["token"])
        return rest.Client(self.settings.url(), token=secret.read(self.settings, "token"))

    def _password(self):
        if not secret.have(self.settings, "admin"):
            try:
                with open(self.printed, encoding="utf-8", errors="replace") as f:
                    found = PASSWORD.search(f.read())
            except FileNotFoundError:
                found = None
            if not found:
                raise LabError(f"dvsan-cms did not print the admin's password at its first start. "
                               f"Its log is {self.cms.log}.", self.cms.tail())
            secret.keep(self.settings, "admin", found.group(1))
            os.truncate(self.printed, 0)
        return secret.read(self.settings, "admin")

    def code_for(self, client, unit):
        """A one-time code by which the unit is enrolled."""
        there = {u["name"] for u in client.get("/units")}
        return client.post("/codes", {"name": unit.name, "again": unit.name in there})["code"]

    def add_hosts(self, client):
        """Makes the records of host1.. that are missing. They have one secret for all units, since
        libiscsi takes one from the environment for whatever it reaches."""
        there = {h["name"] for h in client.get("/hosts")}
        for name in self.settings.host_names():
            if name not in there:
                client.post("/hosts", {"name": name, "iqn": HOST_IQN.format(name),
                                       "chap_secret": secret.read(self.settings, name),
                                       "one_secret": True})

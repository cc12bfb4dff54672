"""A lab for one test file: brought up and taken down by the lab's own command."""
import json
import os
import re
import shutil
import subprocess
import time

from dvsanlab import lab as labs, rest, secret, settings, show

from . import BUILD, SOURCE, patience, snmp, stand
from .files import edit

LAB = os.path.join(SOURCE, "examples", "lab", "lab")
SANITIZER = re.compile(
    r"ERROR: (Address|Leak|Thread)Sanitizer|WARNING: ThreadSanitizer|runtime error:")
LONGEST = settings.SOCKET_PATH_MAX - settings.LONGEST_SOCKET
Refused, Unanswered = rest.Refused, rest.Unanswered


def folder_for(name):
    """In the build folder; in /tmp when that is too deep for the paths of sockets."""
    folder = os.path.join(BUILD, "labs", name)
    return folder if len(folder) <= LONGEST else f"/tmp/dvsan-{os.getpid()}-{name}"


class TestLab:
    """name: of the folder. base: the station's address. folder: else one of the build's. command:
    the lab's command, perhaps behind one that changes who runs it. build: whose programs it runs."""
    __test__ = False  # not for pytest to collect

    def __init__(self, name, base, folder=None, command=(LAB,), build=BUILD):
        self.folder, self.base = folder or folder_for(name), base
        self.command, self.build = command, build
        stand.labs.append(self.folder)
        self.kept_logs = os.path.join(BUILD, "labs", name + ".logs")
        self.work = self.folder + ".work"  # files of the tests
        self.run("down")
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.rmtree(self.kept_logs, ignore_errors=True)
        os.makedirs(self.work, mode=0o700)

    # Its life

    def run(self, *args, check=True):
        """Runs examples/lab/lab on this lab and returns what it printed."""
        env = dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1")
        done = subprocess.run([*self.command, args[0], "--dir", self.folder, *args[1:]], env=env,
                              capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"lab {' '.join(args)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def up(self, units, enrolled=False, **more):
        """enrolled: each unit has keys of its own; else tests can speak to units as the station
        does, with the pass-phrases that all share. more: the options of `lab up` by their names."""
        options = [word for name, value in more.items()
                   for word in ("--" + name.replace("_", "-"), str(value))]
        options += [] if enrolled else ["--shared-keys"]
        self.run("up", "--units", str(units), "--base", self.base, "--build", self.build, *options)
        self.lab = labs.get(self.folder)
        self.units = {unit.name: unit for unit in self.lab.units}
        self.client = self.lab.client()
        self.env = dict(os.environ, **show.environment(self.lab))
        self.env["PATH"] = os.path.join(BUILD, "bin") + ":" + self.env["PATH"]

    def down(self):
        """Stops all cleanly, so that leaks are told, and takes the lab away."""
        try:
            if settings.load(self.folder):
                self.run("stop", *self.units)
                self.run("stop", "cms")
            return self.sanitizer_reports()
        finally:
            self.run("down")
            shutil.rmtree(self.work, ignore_errors=True)

    def logs(self):
        """Paths of all logs."""
        return sorted(os.path.join(folder, name)
                      for top in (self.folder, self.work)
                      for folder, _, names in os.walk(top) for name in names
                      if name.endswith(".log"))

    def keep_logs(self):
        os.makedirs(self.kept_logs, exist_ok=True)
        for path in self.logs():
            name = os.path.relpath(path, self.folder).replace("../", "").replace("/", "-")
            shutil.copy(path, os.path.join(self.kept_logs, name))
        return self.kept_logs

    def sanitizer_reports(self):
        """What the sanitizers wrote into any log, as text; "" is good."""
        found = []
        for path in self.logs():
            with open(path, encoding="utf-8", errors="replace") as f:
                lines = stand.LOST_SENDERS.sub("", f.read()).splitlines()
            for number, line in enumerate(lines):
                if SANITIZER.search(line):
                    found.append(path + ":\n" + "\n".join(lines[number:number + 40]))
        return "\n\n".join(found)

    # Asking and telling

    def events(self, words="", subject="", after=0):
        """Those of a subject, or of all, that have these words; after: an event's number."""
        return [e for e in self.client.get(f"/events?limit=1000&after={after}")
                if words in e["text"] and subject in ("", e["subject"])]

    def texts(self, *which):
        return [e["text"] for e in self.events(*which)]

    def unit(self, name):
        return self.client.get(f"/units/{name}")

    def volume(self, name):
        return self.client.get(f"/volumes/{name}")

    def finish(self, task, seconds=30):
        """Waits for a task that has been asked for, and returns it as it ended."""
        end = time.monotonic() + patience.seconds(seconds)
        while task["state"] in ("queued", "running"):
            left = end - time.monotonic()
            assert left > 0, f"task is not over after {patience.seconds(seconds)} s: {task}"
            task = self.client.get(f"/tasks/{task['id']}?wait={max(1, min(30, int(left)))}"
                                   f"&seen={task['version']}")
        return task

    def done(self, task, seconds=30):
        task = self.finish(task, seconds)
        assert task["state"] == "done", task
        return task

    def create(self, name, size="64M", **more):
        self.done(self.client.post("/volumes", {"name": name, "size": size, **more}))
        return self.volume(name)

    def assign(self, volume, host):
        return self.done(self.client.post("/assignments", {"volume": volume, "host": host}))

    def unassign(self, volume, host):
        return self.done(self.client.delete(f"/assignments/{volume}/{host}"))

    def add_media(self, unit, lines):
        """Adds <medium .../> lines to a unit's configuration and starts its agent again."""
        u = self.units[unit]
        u.stop(u.agent)
        edit(u.path("unit.xml"), "</media>", lines + "</media>")
        u.start(u.agent)

    def take(self, unit, medium):
        """Says at a unit that no other one serves this medium."""
        done = self.units[unit].dvsan_unit(f"--take={medium}", timeout=60)
        assert done.returncode == 0, done.stderr

    def make_files_anew(self, unit):
        """Undoes what a test changed of a unit's configuration; `lab start` would keep it."""
        for name in ("unit.xml", "snmpd.conf"):
            os.unlink(self.units[unit].path(name))
        self.units[unit].prepare()

    def lose_store(self, *beside):
        """The station starts with an empty store and another key; beside: what stops and starts with it."""
        self.run("stop", "cms", *beside)
        state = os.path.join(self.lab.station.folder, "state")
        for name in os.listdir(state):
            if name.startswith("pool.db") or name == "key":
                os.unlink(os.path.join(state, name))
        for name in ("token", "admin"):
            os.unlink(secret.path(self.lab.settings, name))
        self.run("start", "cms", *beside)
        self.client = self.lab.client()

    def has_medium(self, unit, name):
        """Whether the pool can place volumes on a medium."""
        return any(m["name"] == name and m["free_blocks"] > 0 for m in self.unit(unit)["media"])

    def everything(self):
        """All that requests could have changed, to compare before and after."""
        kept = {what: self.client.get("/" + what)
                for what in ("volumes", "hosts", "assignments", "media")}
        kept["units"] = [{k: v for k, v in unit.items()
                          if k not in ("last_seen", "generation", "media")}
                         for unit in self.client.get("/units")]
        for medium in kept["media"]:
            del medium["storage_free_blocks"]  # of the machine that the tests run on
        kept["tasks"] = [task["id"] for task in self.client.get("/tasks")]
        return kept

    def dvsan(self, *args, code=0, stdin=None):
        """Runs the command line; code: the exit code that is expected, None for any."""
        done = subprocess.run([os.path.join(BUILD, "bin", "dvsan"), *args], env=self.env,
                              input=stdin, capture_output=True, text=True, check=False)
        assert not SANITIZER.search(done.stderr), done.stderr
        assert code is None or done.returncode == code, \
            f"dvsan {' '.join(args)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def dvsan_json(self, *args):
        return json.loads(self.dvsan(*args, "--json").stdout)

    def snmp(self, unit, tool, *args, user="monitor", check=True):
        """Runs one of Net-SNMP's tools on a unit, as a user of the lab."""
        env = dict(self.env, MIBS="", SNMPCONFPATH=self.lab.settings.path("snmp", user))
        return snmp.run([tool, "-On", self.env[f"DVSAN_{unit.upper()}_SNMP"], *snmp.words(args)], check, env=env)

    def column(self, unit, oid, user="monitor"):
        """What a unit shows in a column: the index's text -> value."""
        found = snmp.parse(self.snmp(unit, "snmpwalk", *snmp.PRINTED, oid, user=user).stdout)
        return {name[len(oid) + 2:]: value for name, value in found.items()}

    def secret(self, host):
        return secret.read(self.lab.settings, host)

    def secret_path(self, host):
        return secret.path(self.lab.settings, host)

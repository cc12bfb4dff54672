"""One process of the lab: started, found again by a later command, signalled, never mistaken.

A process is known by the file NAME.pid in its folder, which holds its PID, its start time and the
machine's boot: a PID alone may by now be somebody else's. Each process also carries MARK in its
environment, so that `down` finds one whose file was never written.
"""
import contextlib
import os
import select
import signal
import subprocess

from .errors import LabError
from .waiting import until

MARK = "DVSAN_LAB_PROCESS"
TAIL_LINES = 15
TAIL_BYTES = 65536


def boot_id():
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        return f.read().strip()


def start_time(pid):
    """The process's start in clock ticks since boot; None when it is gone, or only a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()  # the name before it may hold anything
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Handle:
    """A process that was there when it was opened; signals can reach no other."""

    def __init__(self, pid, started):
        self.fd = None
        try:
            fd = os.pidfd_open(pid)
        except (ProcessLookupError, OSError):
            return
        if started is not None and start_time(pid) == started:
            self.fd = fd
        else:
            os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.fd is not None:
            os.close(self.fd)

    def signal(self, number):
        if self.fd is not None:
            try:
                signal.pidfd_send_signal(self.fd, number)
            except ProcessLookupError:
                pass

    def wait_gone(self, seconds):
        """Whether it ended in time."""
        return self.fd is None or bool(select.select([self.fd], [], [], seconds)[0])


def private(path, flags):
    return os.open(path, flags, 0o600)


class Process:
    """name: as people say it, "unit1/tgtd". folder: where its log and its .pid file lie.
    stdout: a file for what it prints, when that is not for the log."""

    def __init__(self, name, folder, argv, env=None, stdout=None):
        self.name = name
        self.base = os.path.join(folder, name.rpartition("/")[2])
        self.folder = folder
        self.argv = argv
        self.env = env or {}
        self.log = self.base + ".log"
        self.stdout = stdout or self.log
        self.pidfile = self.base + ".pid"
        self.popen = None  # when it was started by this object

    def _recorded(self):
        try:
            with open(self.pidfile, encoding="ascii") as f:
                pid, started, boot = f.read().split()
        except (OSError, ValueError):
            return None, None
        return (int(pid), int(started)) if boot == boot_id() else (None, None)

    def handle(self):
        pid, started = self._recorded()
        return Handle(pid, started) if pid else Handle(-1, None)

    def pid(self):
        """Its PID while it runs, else None."""
        pid, started = self._recorded()
        return pid if pid and start_time(pid) == started else None

    def start(self):
        """Starts it; does nothing while it runs. True when it was started."""
        if self.pid():
            return False
        # The locale decides how numbers and errors are written in logs: one for all.
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", MARK: self.base}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        env.update(self.env)
        with open(self.log, "ab", opener=private) as log, \
                open(self.stdout, "ab", opener=private) as printed:
            try:
                child = subprocess.Popen(self.argv, cwd=self.folder, env=env, umask=0o077,
                                         stdin=subprocess.DEVNULL, stdout=printed, stderr=log,
                                         start_new_session=True)
            except OSError as e:
                raise LabError(f"{self.name} could not be started: {self.argv[0]}: "
                               f"{e.strerror}.") from e
        temporary = self.pidfile + ".new"
        with open(temporary, "w", encoding="ascii") as f:
            f.write(f"{child.pid} {start_time(child.pid) or 0} {boot_id()}\n")
        os.replace(temporary, self.pidfile)
        child.returncode = 0  # it outlives us, and that is right: no warning, please
        self.popen = child
        return True

    def wait_ready(self, ready, seconds):
        """Waits for ready() while the process runs; an error tells the end of its log."""
        found = until(lambda: ready() or not self.pid(), seconds, every=0.01)
        if not self.pid():
            raise LabError(f"{self.name} ended while it was starting. Its log is {self.log}.",
                           self.tail())
        if not found:
            raise LabError(f"{self.name} was not ready within {seconds} seconds. "
                           f"Its log is {self.log}.", self.tail())

    def stop(self, ask=None, seconds=10):
        """Ends it: ask(), else SIGTERM; SIGKILL when it does not end in time."""
        with self.handle() as handle:
            if handle.fd is not None:
                if ask:
                    ask()
                else:
                    handle.signal(signal.SIGTERM)
                if not handle.wait_gone(seconds):
                    handle.signal(signal.SIGKILL)
                    handle.wait_gone(seconds)
        self.forget()

    def forget(self):
        try:
            os.unlink(self.pidfile)
        except FileNotFoundError:
            pass

    def tail(self, lines=TAIL_LINES):
        try:
            with open(self.log, "rb") as f:
                f.seek(max(0, os.path.getsize(self.log) - TAIL_BYTES))
                return "\n".join(f.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


def kill_all(processes):
    """SIGKILL to all of them at once."""
    with contextlib.ExitStack() as stack:
        handles = [stack.enter_context(p.handle()) for p in processes]
        for handle in handles:
            handle.signal(signal.SIGKILL)
        for handle in handles:
            handle.wait_gone(10)
    for p in processes:
        p.forget()


def strays(folder):
    """(PID, start time) of every process that was started for a lab in this folder."""
    prefix = (MARK + "=" + folder.rstrip("/") + "/").encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        started = start_time(entry)
        try:
            with open(f"/proc/{entry}/environ", "rb") as f:
                variables = f.read().split(b"\0")
        except OSError:
            continue
        if started and any(v.startswith(prefix) for v in variables):
            found.append((int(entry), started))
    return found


def kill_strays(folder):
    """Ends them all; True when none is left."""
    def none_left():
        left = strays(folder)
        for pid, started in left:
            with Handle(pid, started) as handle:
                handle.signal(signal.SIGKILL)
        return not left
    return bool(until(none_left, 10))

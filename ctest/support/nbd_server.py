# A dvsan-nbd for tests, and workers that check what it does.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import json
import os
import random
import signal
import subprocess
import threading

import nbd

from . import BUILD
from .net import free_port
from .patience import wait_for
from .tgt_target import INITIATOR, SECRET, TARGET, USER, Target

PROGRAM = os.path.join(BUILD, "bin", "dvsan-nbd")


class Server:
    """One dvsan-nbd, on a socket in a folder."""

    def __init__(self, folder, params, options=(), file=None, stdin=None, fds=(), env=None):
        self.socket = os.path.join(folder, "nbd.sock")
        self.log_path = os.path.join(folder, "nbd.log")
        if file is None:
            file = write_params(folder, params)
        self.log = open(self.log_path, "w")
        self.process = subprocess.Popen([PROGRAM, "--socket", self.socket, *options, *([file] if file else [])],
                                        stdin=stdin, stderr=self.log, pass_fds=fds, env=env)

    def wait(self):
        wait_for("the volume to be served", lambda: "is served" in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()
        return self

    def uri(self):
        return f"nbd+unix:///?socket={self.socket}"

    def connect(self):
        handle = nbd.NBD()
        handle.set_strict_mode(0)
        handle.connect_unix(self.socket)
        return handle

    def most_memory(self):
        """So many bytes have been resident at once, at most."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmHWM:"))

    def said(self):
        with open(self.log_path) as f:
            return f.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=60)
        self.log.close()
        if status >= 0:  # it was not killed
            assert not os.path.exists(self.socket)
        said = self.said()
        assert "Sanitizer" not in said, said
        assert "runtime error" not in said, said
        assert SECRET not in said
        return status


def write_params(folder, params):
    path = os.path.join(folder, "params.json")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        json.dump(params, f)
    return path


def parameters(target):
    return {"portal": target.portal, "target": TARGET, "initiator": INITIATOR,
            "chap_user": USER, "chap_secret": SECRET, "timeout_s": 60}


@contextlib.contextmanager
def served(folder, address, size, name="", env=None):
    """A tgtd and its volume's server, which is at an address, too; the server has to end well."""
    target = Target(str(folder), address, size)
    target.start()
    try:
        place = (address, free_port(address))
        server = Server(str(folder), parameters(target),
                        options=["--listen", "%s:%d" % place, "--name", name], env=env)
        server.place, server.disk = place, target.disk
        try:
            yield target, server.wait()
        finally:
            server.stop()
    finally:
        target.kill()


class Worker(threading.Thread):
    """Random requests in a region of its own, checked against a model in memory."""

    def __init__(self, server, seed, start, length, until):
        super().__init__()
        self.random = random.Random(seed)
        self.handle = server.connect()
        self.start_at, self.length, self.until = start, length, until
        self.model = bytearray(length)
        self.count, self.error = 0, None

    def step(self):
        r = self.random
        size = 512 * (r.randint(1, 16) if r.random() < 0.9 else r.randint(1, 4096))
        size = min(size, self.length)
        at = 512 * r.randint(0, (self.length - size) // 512)
        kind = r.random()
        fua = nbd.CMD_FLAG_FUA if r.random() < 0.05 else 0
        if kind < 0.45:
            data = r.randbytes(size)
            self.handle.pwrite(data, self.start_at + at, fua)
            self.model[at:at + size] = data
        elif kind < 0.90:
            data = self.handle.pread(size, self.start_at + at)
            if data != self.model[at:at + size]:
                raise AssertionError(f"{size} bytes at {self.start_at + at} differ")
        elif kind < 0.95:
            flags = r.choice([0, nbd.CMD_FLAG_NO_HOLE]) | fua
            self.handle.zero(size, self.start_at + at, flags)
            self.model[at:at + size] = bytes(size)
        elif kind < 0.98:
            self.handle.trim(size, self.start_at + at, fua)
            data = self.handle.pread(size, self.start_at + at)  # old or zeros: as it is now
            self.model[at:at + size] = data
        else:
            self.handle.flush()

    def run(self):
        try:
            while not self.until():
                self.step()
                self.count += 1
            data = self.handle.pread(self.length, self.start_at)
            if data != self.model:
                raise AssertionError(f"the region at {self.start_at} differs at the end")
            self.handle.shutdown()
        except Exception as error:  # told to the test, which fails
            self.error = error


class Load:
    """Workers side by side on a range of a volume, until finish()."""

    def __init__(self, server, disk, start, length, workers=8):
        seed = random.SystemRandom().randrange(1 << 32)
        print(f"seed {seed}")
        length //= workers
        self.disk = disk
        self.stop = threading.Event()
        self.workers = [Worker(server, seed + i, start + i * length, length, self.stop.is_set)
                        for i in range(workers)]
        for worker in self.workers:
            worker.start()

    def counts(self):
        return [w.count for w in self.workers]

    def wait_for_progress(self, by=20, seconds=20):
        """Every worker gets on, so no request is lost."""
        before = self.counts()
        wait_for("every worker to get on",
                 lambda: any(w.error for w in self.workers) or
                 all(w.count >= b + by for w, b in zip(self.workers, before)), seconds)
        self.check()

    def check(self):
        for worker in self.workers:
            if worker.error:
                raise worker.error

    def finish(self):
        self.stop.set()
        for worker in self.workers:
            worker.join(timeout=90)
            assert not worker.is_alive(), "a request hangs"
        self.check()
        with open(self.disk, "rb") as f:
            data = f.read()
        for worker in self.workers:
            at = worker.start_at
            assert data[at:at + worker.length] == worker.model

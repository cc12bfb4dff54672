# The nbdkit plugin against a real tgtd: data, access, and lost sessions.
# SPDX-License-Identifier: BSD-2-Clause
import errno
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import threading
import time

import nbd
import pytest

from tgt_target import INITIATOR, SECRET, TARGET, USER, Target, wait_for

BUILD = os.environ["DVSAN_BUILD"]
PLUGIN = os.path.join(BUILD, "lib", "nbdkit-dvsan-plugin.so")
MANUAL = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "man",
                      "nbdkit-dvsan-plugin.1")
ADDRESS = "127.13.1.1"
MIB = 1 << 20
SIZE = 64 * MIB
SANITIZERS = {"address": "libasan.so", "thread": "libtsan.so"}
# With a sanitizer loaded beforehand, p11-kit, which nbdkit links, may hang in its destructor.
MAY_HANG_AT_EXIT = bool(os.environ.get("DVSAN_SANITIZE"))


def environment():
    """nbdkit is not built with the sanitizer that the plugin needs: it is loaded beforehand."""
    env = dict(os.environ)
    for name, library in SANITIZERS.items():
        if name in os.environ.get("DVSAN_SANITIZE", "").split(","):
            path = subprocess.run(["gcc", f"-print-file-name={library}"], capture_output=True,
                                  text=True, check=True).stdout.strip()
            env["LD_PRELOAD"] = os.path.realpath(path)
    # The leak check traces its own process, which the plugin forbids.
    env["ASAN_OPTIONS"] = "detect_leaks=0"
    return env


class Server:
    """One nbdkit with the plugin, on a socket in a folder."""

    def __init__(self, folder, params, options=(), plugin_options=None, stdin=None, fds=()):
        self.socket = os.path.join(folder, "nbd.sock")
        self.log_path = os.path.join(folder, "nbdkit.log")
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        if plugin_options is None:
            path = os.path.join(folder, "params.json")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
                json.dump(params, f)
            plugin_options = [f"params={path}"]
        self.log = open(self.log_path, "w")
        self.process = subprocess.Popen(
            ["nbdkit", "-f", "-t", "32", "-U", self.socket, *options, PLUGIN, *plugin_options],
            stdin=stdin, stderr=self.log, env=environment(), pass_fds=fds)

    def wait(self):
        wait_for("nbdkit", lambda: os.path.exists(self.socket) or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()
        return self

    def uri(self):
        return f"nbd+unix:///?socket={self.socket}"

    def connect(self):
        found = []

        def connected():  # the socket is there a moment before it is listened at
            handle = nbd.NBD()
            handle.set_strict_mode(0)
            try:
                handle.connect_unix(self.socket)
            except nbd.Error as e:
                if e.errnum != errno.ECONNREFUSED:
                    raise
                return False
            found.append(handle)
            return True
        wait_for("nbdkit to listen", connected)
        return found[0]

    def said(self):
        with open(self.log_path) as f:
            return f.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=5 if MAY_HANG_AT_EXIT else 30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
            assert MAY_HANG_AT_EXIT, "nbdkit does not end"
        self.log.close()
        said = self.said()
        assert "Sanitizer" not in said, said
        assert "runtime error" not in said, said
        assert SECRET not in said
        return status


@pytest.fixture
def target(tmp_path):
    t = Target(str(tmp_path), ADDRESS, SIZE)
    t.start()
    yield t
    t.kill()


@pytest.fixture
def params(target):
    return {"portal": target.portal, "target": TARGET, "initiator": INITIATOR,
            "chap_user": USER, "chap_secret": SECRET, "timeout_s": 60}


@pytest.fixture
def serve(tmp_path):
    """Starts servers, and checks at the end that each ended well."""
    servers = []

    def start(params, **arguments):
        servers.append(Server(str(tmp_path), params, **arguments))
        return servers[-1]
    yield start
    for server in servers:
        server.stop()


def refused(tmp_path, params, **arguments):
    """nbdkit must not start; returns what it says."""
    server = Server(str(tmp_path), params, **arguments)
    wait_for("nbdkit to give up", lambda: server.process.poll() is not None or
             (MAY_HANG_AT_EXIT and "error" in server.said()))
    assert server.stop() != 0
    assert not os.path.exists(server.socket)
    return server.said()


# Data ------------------------------------------------------------------------------------------

def test_what_is_written_is_read_back(target, params, serve, tmp_path):
    data = random.Random(1).randbytes(SIZE)
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(data)
    server = serve(params).wait()
    subprocess.run(["nbdcopy", "--flush", str(source), server.uri()], check=True)
    subprocess.run(["nbdcopy", server.uri(), str(back)], check=True)
    digest = hashlib.sha256(data).hexdigest()
    assert hashlib.sha256(back.read_bytes()).hexdigest() == digest
    with open(target.disk, "rb") as f:
        assert hashlib.sha256(f.read()).hexdigest() == digest
    info = json.loads(subprocess.run(["nbdinfo", "--json", "--no-content", server.uri()], check=True,
                                     capture_output=True).stdout)["exports"][0]
    assert info["export-size"] == SIZE and info["block_size_minimum"] == 512
    assert info["can_fua"] and info["can_multi_conn"] and not info["is_read_only"]
    # The same bytes by another initiator.
    image = tmp_path / "image"
    subprocess.run(["qemu-img", "convert", "-O", "raw", "--image-opts",
                    f"driver=iscsi,transport=tcp,portal={target.portal},target={TARGET},lun=1,"
                    f"user={USER},password-secret=s,initiator-name={INITIATOR}", "--object",
                    f"secret,id=s,data={SECRET}", str(image)], check=True)
    assert hashlib.sha256(image.read_bytes()).hexdigest() == digest


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
    """Workers on all of a volume, until finish()."""

    def __init__(self, server, target, workers=8):
        seed = random.SystemRandom().randrange(1 << 32)
        print(f"seed {seed}")
        length = SIZE // workers
        self.target = target
        self.stop = threading.Event()
        self.workers = [Worker(server, seed + i, i * length, length, self.stop.is_set)
                        for i in range(workers)]
        for worker in self.workers:
            worker.start()

    def counts(self):
        return [w.count for w in self.workers]

    def wait_for_progress(self, by=20, patience=60):
        """Every worker gets on, so no request is lost."""
        before = self.counts()
        wait_for("every worker to get on",
                 lambda: any(w.error for w in self.workers) or
                 all(w.count >= b + by for w, b in zip(self.workers, before)), patience)
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
        with open(self.target.disk, "rb") as f:
            data = f.read()
        for worker in self.workers:
            at = worker.start_at
            assert data[at:at + worker.length] == worker.model


@pytest.fixture
def load(target, params, serve):
    loads = []

    def start(**arguments):
        server = serve(dict(params, **arguments)).wait()
        loads.append(Load(server, target))
        loads[-1].wait_for_progress()
        return server, loads[-1]
    yield start
    for started in loads:
        started.stop.set()
        for worker in started.workers:
            worker.join(timeout=90)


def test_random_requests_match_a_model(load):
    _, running = load()
    running.wait_for_progress(200)
    running.finish()


def test_header_digest(load):
    _, running = load(header_digest="crc32c")
    running.wait_for_progress(50)
    running.finish()


def test_large_requests_are_cut_up(params, serve):
    handle = serve(params).wait().connect()
    for size in (MIB - 512, 32 * MIB, 64 * MIB):
        data = random.Random(size).randbytes(size)
        handle.pwrite(data, SIZE - size)
        assert handle.pread(size, SIZE - size) == data
    handle.shutdown()


def test_zero_and_trim(target, params, serve):
    handle = serve(params).wait().connect()

    def allocated():
        return os.stat(target.disk).st_blocks * 512
    handle.pwrite(b"x" * 16 * MIB, 0)
    handle.pwrite(b"x" * 16 * MIB, 16 * MIB)
    handle.flush()
    assert allocated() >= 32 * MIB
    handle.zero(8 * MIB, 0)
    assert handle.pread(8 * MIB, 0) == bytes(8 * MIB)
    assert handle.pread(512, 8 * MIB) == b"x" * 512
    assert allocated() < 32 * MIB, "zeroing may make holes"
    handle.pwrite(b"x" * 8 * MIB, 0)
    before = allocated()
    handle.zero(8 * MIB, 0, nbd.CMD_FLAG_NO_HOLE)
    assert handle.pread(8 * MIB, 0) == bytes(8 * MIB)
    assert allocated() == before, "but not when it is told not to"
    handle.zero(MIB, 0, nbd.CMD_FLAG_FAST_ZERO)
    with pytest.raises(nbd.Error) as failure:
        handle.zero(MIB, 0, nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_NO_HOLE)
    assert failure.value.errnum == errno.ENOTSUP
    handle.trim(16 * MIB, 16 * MIB, nbd.CMD_FLAG_FUA)
    assert allocated() < before
    handle.shutdown()


def test_without_provisioning(target, params, serve):
    target.adm("logicalunit", "update", "--tid", 1, "--lun", 1, "--params",
               "thin_provisioning=0")
    handle = serve(params).wait().connect()
    assert not handle.can_trim() and not handle.can_fast_zero() and handle.can_zero()
    handle.pwrite(b"x" * 3 * MIB, 0)
    handle.zero(2 * MIB, 0)
    assert handle.pread(3 * MIB, 0) == bytes(2 * MIB) + b"x" * MIB
    handle.shutdown()


def test_read_only_unit(target, params, serve):
    target.adm("logicalunit", "update", "--tid", 1, "--lun", 1, "--params", "readonly=1")
    handle = serve(params).wait().connect()
    assert handle.is_read_only()
    assert handle.pread(512, 0) == bytes(512)
    handle.shutdown()


def test_unaligned_requests(params, serve):
    server = serve(params).wait()
    handle = server.connect()
    with pytest.raises(nbd.Error) as failure:
        handle.pread(100, 0)
    assert failure.value.errnum == errno.EINVAL
    with pytest.raises(nbd.Error):
        handle.pwrite(b"x" * 512, 1)
    assert "not a whole number of blocks of 512 bytes" in server.said()
    assert "--filter=blocksize" in server.said()
    handle.shutdown()


def test_blocksize_filter_takes_any_request(params, serve):
    handle = serve(params, options=["--filter=blocksize"]).wait().connect()
    handle.pwrite(b"hello", 1000)
    assert handle.pread(7, 999) == b"\0hello\0"
    handle.shutdown()


# Access ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("change, says", [
    ({"chap_secret": "Wrong-secret-123"}, "authentication failure"),
    ({"chap_user": "somebody"}, "authentication failure"),
    ({"chap_user": None, "chap_secret": None}, "authentication failure"),
    ({"initiator": "iqn.2026-11.test.dvsan:stranger"}, "not for this initiator"),
    ({"target": "iqn.2026-11.test.dvsan:nothing"}, "target not found"),
    ({"lun": 7}, "LUN 7 is not ready"),
])
def test_refused_logins_end_nbdkit(params, tmp_path, change, says):
    changed = {k: v for k, v in dict(params, **change).items() if v is not None}
    said = refused(tmp_path, changed)
    assert says in said, said
    assert changed["target"] in said and changed["portal"] in said


def test_unreachable_portal(params, tmp_path):
    params.update(portal="127.13.1.2:9", timeout_s=1)
    assert "cannot connect" in refused(tmp_path, params)


def test_revoked_access_fails_requests(target, params, serve):
    server = serve(params).wait()
    handle = server.connect()
    handle.pwrite(b"y" * 512, 0)
    target.revoke()
    target.drop_sessions()
    began = time.monotonic()
    with pytest.raises(nbd.Error) as failure:
        handle.pread(512, 0)
    print(f"refused after {time.monotonic() - began:.2f} s")
    assert failure.value.errnum == errno.EPERM
    assert "refused" in server.said()
    assert target.sessions() == []
    target.allow()

    def works():
        try:
            return handle.pread(512, 0) == b"y" * 512
        except nbd.Error:
            return False
    wait_for("access to be back", works)
    handle.shutdown()


# Lost sessions ---------------------------------------------------------------------------------

def test_killed_target(target, load):
    _, running = load()
    for _ in range(3):
        target.kill()
        time.sleep(random.random() / 2)
        target.start()
        running.wait_for_progress()
    running.finish()


def test_target_returns_before_its_volumes(target, load):
    """A restarted tgtd knows no target at first; requests wait for that, too."""
    _, running = load()
    target.kill()
    target.start(provision=False)
    # Without any target tgtd closes connections unseen; with another one it says "not found".
    target.adm("target", "new", "--tid", 9, "--targetname", TARGET + "-other")
    closed = target.closed_connections()
    wait_for("two logins to be refused", lambda: target.closed_connections() >= closed + 2)
    target.provision()
    running.wait_for_progress()
    running.finish()


def test_dropped_sessions(target, load):
    server, running = load()
    for _ in range(10):
        target.drop_sessions()
        running.wait_for_progress(5)
    assert "closed" in server.said()
    running.finish()


def test_silent_target(target, load):
    server, running = load()
    target.freeze()
    try:
        wait_for("the silence to be noticed", lambda: "no answer to" in server.said())
    finally:
        target.thaw()
    running.wait_for_progress()
    running.finish()


def test_short_silence_is_borne(target, load):
    server, running = load()
    target.freeze()
    time.sleep(1)  # a silence of this length is what is tried
    target.thaw()
    running.wait_for_progress()
    running.finish()
    assert "no answer" not in server.said()


def test_requests_fail_in_the_end(target, params, serve):
    params["timeout_s"] = 2
    server = serve(params).wait()
    handle = server.connect()
    handle.pwrite(b"z" * 512, 0)
    target.kill()
    with pytest.raises(nbd.Error) as failure:
        handle.pread(512, 0)
    assert failure.value.errnum == errno.EIO
    target.start()
    wait_for("the session", target.sessions)
    assert handle.pread(512, 0) == b"z" * 512
    handle.shutdown()


def test_an_idle_server_notices_and_returns(target, params, serve):
    server = serve(params).wait()
    handle = server.connect()
    target.drop_sessions()
    wait_for("the loss to be noticed", lambda: "closed" in server.said())
    wait_for("the session to be back", target.sessions)
    assert handle.pread(512, 0) == bytes(512)
    handle.shutdown()


# A target that lies ----------------------------------------------------------------------------

READ = 0x88  # what a rule of it is about
SHORT, CLOSE, SILENCE = "short", "close", "silence"


class Liar:
    """The program of ctest/support/liar.h; each call is one line to it."""

    def __init__(self):
        self.process = subprocess.Popen([os.path.join(BUILD, "tests", "liar_demo"), ADDRESS,
                                         str(SIZE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.portal = self.process.stdout.readline().strip()

    def say(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        try:
            assert self.process.wait(timeout=60) == 0
        finally:
            self.process.kill()
            self.process.stdout.close()


@pytest.fixture
def liar():
    target = Liar()
    yield target
    target.stop()


def lying(liar, **more):
    return dict({"portal": liar.portal, "target": "iqn.2026-11.test.dvsan:liar",
                 "initiator": INITIATOR, "timeout_s": 3600}, **more)


class Request(threading.Thread):
    """One request that may take long, and its end."""

    def __init__(self, act):
        super().__init__()
        self.act, self.error = act, None
        self.start()

    def run(self):
        try:
            self.act()
        except nbd.Error as error:
            self.error = error

    def end(self):
        self.join(timeout=90)
        assert not self.is_alive(), "a request hangs"
        return self.error


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_requests_at_once(liar, serve, signum):
    server = serve(lying(liar)).wait()
    handle = server.connect()
    liar.say("rule", READ, 0, 0, SILENCE, 0)
    request = Request(lambda: handle.pread(4096, 0))
    wait_for("the read", lambda: liar.say("count", READ))
    server.process.send_signal(signum)
    assert request.end()  # an hour before its deadline


def test_a_signal_ends_requests_that_wait_for_a_session(target, params, serve):
    server = serve(dict(params, timeout_s=3600)).wait()
    handle = server.connect()
    target.kill()
    wait_for("the loss to be noticed", lambda: "closed" in server.said())
    request = Request(lambda: handle.pread(4096, 0))
    server.process.send_signal(signal.SIGTERM)
    assert request.end()


def test_a_read_without_data_is_an_error(liar, serve):
    handle = serve(lying(liar)).wait().connect()
    for sent in (0, 2048):
        liar.say("rule", READ, 0, 1, SHORT, sent)
        with pytest.raises(nbd.Error) as failure:
            handle.pread(4096, 0)
        assert failure.value.errnum == errno.EIO
    assert handle.pread(4096, 0) == bytes(4096)
    handle.shutdown()


def test_a_session_that_ends_at_each_read(liar, serve):
    server = serve(lying(liar)).wait()
    handle = server.connect()
    liar.say("rule", READ, 0, 0, CLOSE, 0)
    with pytest.raises(nbd.Error) as failure:
        handle.pread(4096, 0)
    assert failure.value.errnum == errno.EIO
    assert liar.say("count", READ) == 5
    wait_for("the log", lambda: "5 sessions in a row ended under it" in server.said())
    assert server.said().count("the session was closed") <= 2  # the loss, and why the read failed
    handle.shutdown()


def test_a_reboot_fails_the_next_flush_of_every_client(liar, serve):
    server = serve(lying(liar)).wait()
    writer, other = server.connect(), server.connect()
    writer.pwrite(b"w" * 4096, 0)
    liar.say("reboot")
    for handle in (writer, other):
        with pytest.raises(nbd.Error) as failure:
            handle.flush()
        assert failure.value.errnum == errno.EIO
        handle.flush()
    wait_for("the log", lambda: "restarted after blocks had been written" in server.said())
    for handle in (writer, other):
        handle.shutdown()


# Parameters ------------------------------------------------------------------------------------

def test_secret_is_nowhere(params, serve):
    server = serve(params, options=["-v"]).wait()
    handle = server.connect()
    handle.pwrite(bytes(512), 0)
    with open(f"/proc/{server.process.pid}/cmdline", "rb") as f:
        assert SECRET.encode() not in f.read()
    with open(f"/proc/{server.process.pid}/environ", "rb") as f:
        assert SECRET.encode() not in f.read()
    handle.shutdown()  # stop() looks through the output


def test_parameters_from_standard_input(params, serve):
    ends = os.pipe()
    os.write(ends[1], json.dumps(params).encode())
    os.close(ends[1])
    server = serve(None, plugin_options=["-"], stdin=ends[0]).wait()
    os.close(ends[0])
    handle = server.connect()
    assert handle.get_size() == SIZE
    handle.shutdown()


def test_parameters_from_a_descriptor(params, serve):
    ends = os.pipe()
    os.write(ends[1], json.dumps(params).encode())
    os.close(ends[1])
    server = serve(None, plugin_options=[f"/dev/fd/{ends[0]}"], fds=[ends[0]]).wait()
    os.close(ends[0])
    handle = server.connect()
    assert handle.get_size() == SIZE
    handle.shutdown()


def test_bad_parameters(tmp_path):
    assert "params=FILE is missing" in refused(tmp_path, None, plugin_options=[])
    assert "unknown parameter 'portal'" in refused(tmp_path, None,
                                                   plugin_options=["portal=127.0.0.1"])
    assert "cannot open" in refused(tmp_path, None,
                                    plugin_options=[f"params={tmp_path}/missing"])
    path = tmp_path / "bad.json"
    path.write_text('{\n"lun": "one"\n}')
    said = refused(tmp_path, None, plugin_options=[str(path)])
    assert f'{path}:2: "lun": must be a whole number from 0 to 255' in said


def test_background(params, tmp_path):
    path, pid_file, socket = tmp_path / "params.json", tmp_path / "pid", tmp_path / "nbd.sock"
    path.touch(0o600)
    path.write_text(json.dumps(params))
    subprocess.run(["nbdkit", "-P", str(pid_file), "-U", str(socket), PLUGIN, str(path)],
                   check=True, env=environment())
    wait_for("nbdkit", pid_file.exists)
    pid = int(pid_file.read_text())
    try:
        handle = nbd.NBD()
        handle.connect_unix(str(socket))
        handle.pwrite(b"q" * 4096, 0)
        assert handle.pread(4096, 0) == b"q" * 4096
        handle.shutdown()
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_for("nbdkit to end", lambda: MAY_HANG_AT_EXIT or not os.path.exists(f"/proc/{pid}"))


def test_help_and_manual_agree():
    said = subprocess.run(["nbdkit", PLUGIN, "--help"], capture_output=True, text=True,
                          env=environment(), check=True).stdout
    in_help = set(re.findall(r'^  "(\w+)"', said, re.M))
    with open(MANUAL) as f:
        in_manual = set(re.findall(r"^\.It Cm (\w+)", f.read(), re.M))
    assert in_help and in_help | {"params"} == in_manual
    dumped = subprocess.run(["nbdkit", PLUGIN, "--dump-plugin"], capture_output=True, text=True,
                            env=environment(), check=True).stdout
    assert "name=dvsan" in dumped and "thread_model=parallel" in dumped
    assert "dvsan_transport=iscsi" in dumped

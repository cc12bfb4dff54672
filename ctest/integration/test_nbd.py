# dvsan-nbd against a real tgtd: data, access, and lost sessions.
# SPDX-License-Identifier: BSD-2-Clause
import errno
import hashlib
import json
import os
import random
import signal
import subprocess
import threading
import time

import nbd
import pytest

from support import BUILD
from support.nbd_server import PROGRAM, Load, Server, parameters, write_params
from support.patience import wait_for
from support.tgt_target import INITIATOR, SECRET, TARGET, USER, Target

ADDRESS = "127.13.1.1"
MIB = 1 << 20
SIZE = 64 * MIB


@pytest.fixture
def target(tmp_path):
    t = Target(str(tmp_path), ADDRESS, SIZE)
    t.start()
    yield t
    t.kill()


@pytest.fixture
def params(target):
    return parameters(target)


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
    """It must not serve; returns what it says."""
    server = Server(str(tmp_path), params, **arguments)
    wait_for("it to give up", lambda: server.process.poll() is not None)
    assert server.stop() != 0
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


@pytest.fixture
def load(target, params, serve):
    loads = []

    def start(**arguments):
        server = serve(dict(params, **arguments)).wait()
        loads.append(Load(server, target.disk, 0, SIZE))
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
    for size in (MIB - 512, 20 * MIB, 32 * MIB):
        data = random.Random(size).randbytes(size)
        handle.pwrite(data, SIZE - size)
        assert handle.pread(size, SIZE - size) == data
    handle.shutdown()


def test_zero_and_trim(target, params, serve):
    handle = serve(params).wait().connect()

    def allocated():
        handle.flush()  # what is not yet on the disk has no place there, and then may take one more for the map
        return os.stat(target.disk).st_blocks * 512
    handle.pwrite(b"x" * 16 * MIB, 0)
    handle.pwrite(b"x" * 16 * MIB, 16 * MIB)
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
    with pytest.raises(nbd.Error) as failure:
        handle.pread(512, SIZE)
    assert failure.value.errnum == errno.EINVAL
    with pytest.raises(nbd.Error) as failure:
        handle.pwrite(b"x" * 512, SIZE)
    assert failure.value.errnum == errno.ENOSPC
    with pytest.raises(nbd.Error) as failure:
        handle.pread(64 * MIB, 0)
    assert failure.value.errnum == errno.EOVERFLOW
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
def test_refused_logins_end_it(params, tmp_path, change, says):
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
        time.sleep(random.random() / 2)  # how long it is away is what is tried
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
    server = serve(params, options=["--verbose"]).wait()
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
    server = serve(None, file="-", stdin=ends[0]).wait()
    os.close(ends[0])
    handle = server.connect()
    assert handle.get_size() == SIZE
    handle.shutdown()


def test_parameters_from_a_descriptor(params, serve):
    ends = os.pipe()
    os.write(ends[1], json.dumps(params).encode())
    os.close(ends[1])
    server = serve(None, file=f"/dev/fd/{ends[0]}", fds=[ends[0]]).wait()
    os.close(ends[0])
    handle = server.connect()
    assert handle.get_size() == SIZE
    handle.shutdown()


def test_bad_parameters(params, tmp_path):
    assert "parameters is missing" in refused(tmp_path, None, file="")
    assert "too many arguments" in refused(tmp_path, None, options=["x"], file="y")
    assert "cannot open" in refused(tmp_path, None, file=f"{tmp_path}/missing")
    path = tmp_path / "bad.json"
    path.write_text('{\n"lun": "one"\n}')
    said = refused(tmp_path, None, file=str(path))
    assert f'{path}:2: "lun": must be a whole number from 0 to 255' in said
    done = subprocess.run([PROGRAM, write_params(str(tmp_path), params)], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode != 0 and "say --socket PATH or --listen ADDRESS:PORT" in done.stderr


# Places, and life ------------------------------------------------------------------------------

def test_places(params, serve, tmp_path):
    server = serve(params, options=["--listen", f"{ADDRESS}:10809", "--name", "a b"]).wait()
    assert os.stat(server.socket).st_mode & 0o777 == 0o600
    listed = json.loads(subprocess.run(["nbdinfo", "--list", "--json", f"nbd://{ADDRESS}"], check=True,
                                       capture_output=True).stdout)
    assert [e["export-name"] for e in listed["exports"]] == ["a b"]
    for uri in (f"nbd://{ADDRESS}/a%20b", f"nbd://{ADDRESS}/", server.uri()):
        handle = nbd.NBD()
        handle.connect_uri(uri)
        assert handle.get_size() == SIZE
        handle.shutdown()
    handle = nbd.NBD()
    with pytest.raises(nbd.Error):
        handle.connect_uri(f"nbd://{ADDRESS}/other")
    other = tmp_path / "other"
    other.mkdir()
    again = subprocess.run([PROGRAM, "--socket", server.socket, write_params(str(other), params)],
                           capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode != 0 and "Address already in use" in again.stderr
    server.process.kill()  # leaves its socket, which the next one takes
    server.process.wait()
    assert os.path.exists(server.socket)
    serve(params).wait().connect().shutdown()


def test_read_only(params, serve):
    handle = serve(params, options=["--read-only"]).wait().connect()
    assert handle.is_read_only()
    with pytest.raises(nbd.Error) as failure:
        handle.pwrite(bytes(512), 0)
    assert failure.value.errnum == errno.EPERM
    handle.shutdown()


def test_a_command(params, tmp_path):
    path = write_params(str(tmp_path), params)
    done = subprocess.run([PROGRAM, "--run", 'nbdinfo --size "$uri"; test -S "$socket"; exit 3', path],
                          capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (3, str(SIZE)), done.stderr


def test_a_command_may_still_write_when_it_is_told_to_end(params, tmp_path):
    """And it has no connection to the unit of its own."""
    path, done = write_params(str(tmp_path), params), tmp_path / "done"
    command = (f"trap 'qemu-io -f raw -c \"write -P 0x5a 0 4096\" -c flush \"$uri\" && touch {done}; exit 7' TERM; "
               f"ls -l /proc/self/fd > {tmp_path}/fds; touch {tmp_path}/there; while :; do read -t 1 x < {tmp_path}/fifo; done")
    os.mkfifo(tmp_path / "fifo")
    keep = os.open(tmp_path / "fifo", os.O_RDWR)
    server = subprocess.Popen([PROGRAM, "--run", "exec bash -c '" + command.replace("'", "'\\''") + "'", path])
    wait_for("the command to run", (tmp_path / "there").exists)
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0
    os.close(keep)
    assert done.exists()
    assert "socket:" not in (tmp_path / "fds").read_text()


def test_a_command_that_does_not_end_is_ended(params, tmp_path):
    path = write_params(str(tmp_path), params)
    server = subprocess.Popen([PROGRAM, "--run", f"trap '' TERM; touch {tmp_path}/there; exec sleep 600", path])
    wait_for("the command to run", (tmp_path / "there").exists)
    server.send_signal(signal.SIGTERM)
    server.send_signal(signal.SIGTERM)
    wait_for("the server to end", lambda: server.poll() is not None or server.send_signal(signal.SIGINT))
    assert server.returncode == 0


def test_the_next_server_keeps_its_place(params, serve, tmp_path):
    """It may listen as soon as the one before does no more."""
    first = serve(params).wait()
    first.process.send_signal(signal.SIGTERM)
    wait_for("the socket to go", lambda: not os.path.exists(first.socket))
    second = serve(params).wait()
    assert first.process.wait(60) == 0
    second.connect().shutdown()
    second.stop()  # before the first one is looked at, whose place it has


def test_background(params, tmp_path):
    path, pid_file, log = write_params(str(tmp_path), params), tmp_path / "pid", tmp_path / "log"
    command = [PROGRAM, "--background", str(log), "--pid-file", str(pid_file), "--socket", str(tmp_path / "nbd.sock"), path]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    pid = int(pid_file.read_text())
    try:
        handle = nbd.NBD()
        handle.connect_unix(str(tmp_path / "nbd.sock"))
        handle.pwrite(b"q" * 4096, 0)
        assert handle.pread(4096, 0) == b"q" * 4096
        handle.shutdown()
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_for("it to end", lambda: not os.path.exists(f"/proc/{pid}"))
    assert not pid_file.exists()
    write_params(str(tmp_path), dict(params, target="iqn.2026-11.test.dvsan:nothing"))
    failed = subprocess.run(command, timeout=60, capture_output=True, text=True, check=False)
    assert failed.returncode != 0 and "target not found" in failed.stderr

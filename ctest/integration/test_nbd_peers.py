# dvsan-nbd and the clients that people use: libnbd's tools and binding, qemu's, fio.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import urllib.parse

import nbd
import pytest

from support import patience
from support.nbd_server import Load, served
from support.patience import wait_for

ADDRESS = "127.13.4.1"
KIB, MIB = 1 << 10, 1 << 20
SIZE = 32 * MIB
NAME = "a disk/1"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("nbd"), ADDRESS, SIZE, NAME) as (_, one):
        # By its name, over TCP; by none, over its socket.
        one.named = f"nbd://{one.place[0]}:{one.place[1]}/{urllib.parse.quote(NAME, safe='')}"
        yield one


def run(*command, status=0, seconds=120):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False,
                          timeout=patience.seconds(seconds))
    assert done.returncode == status, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def fill(server, data, at=0):
    with open(server.disk, "r+b") as f:
        f.seek(at)
        f.write(data)


def on_disk(server, at=0, length=SIZE):
    with open(server.disk, "rb") as f:
        f.seek(at)
        return f.read(length)


@pytest.fixture
def image(tmp_path):
    """A file as large as the volume, of data, zeros that are written, and holes."""
    path = tmp_path / "image"
    with open(path, "wb") as f:
        for at in range(0, SIZE, 4 * MIB):
            f.seek(at)
            f.write(random.randbytes(MIB) + bytes(MIB))
        f.truncate(SIZE)
    return path


def covers(extents):
    """That they are the whole volume, in order and without gaps."""
    at = 0
    for start, length in extents:
        assert start == at and length > 0
        at += length
    assert at == SIZE


# libnbd ----------------------------------------------------------------------------------------

def test_nbdinfo(server):
    for uri in (server.uri(), server.named):
        assert int(run("nbdinfo", "--size", uri)) == SIZE
        info = json.loads(run("nbdinfo", "--json", uri))
        assert info["protocol"] == "newstyle-fixed" and info["structured"] and not info["TLS"]
        export = info["exports"][0]
        assert export["export-size"] == SIZE and export["contexts"] == ["base:allocation"]
        assert export["block_size_minimum"] == 512 and export["block_size_maximum"] == 32 * MIB
        assert export["block_size_preferred"] >= 4096
        for can in ("flush", "fua", "multi_conn", "trim", "zero", "fast_zero", "df"):
            assert export[f"can_{can}"], can
        assert not export["can_cache"] and not export["is_read_only"] and not export["is_rotational"]
    run("nbdinfo", "--can", "write", server.named)
    run("nbdinfo", "--is", "readonly", server.named, status=2)


def test_nbdinfo_lists(server):
    assert f'export="{NAME}":' in run("nbdinfo", "--list", server.uri())
    listed = json.loads(run("nbdinfo", "--list", "--json", server.named))["exports"]
    assert [e["export-name"] for e in listed] == [NAME]
    run("nbdinfo", "--size", f"nbd://{server.place[0]}:{server.place[1]}/another", status=1)


def test_nbdinfo_maps(server):
    extents = json.loads(run("nbdinfo", "--map", "--json", server.uri()))
    covers((e["offset"], e["length"]) for e in extents)
    assert f"{SIZE}" in run("nbdinfo", "--map", "--totals", server.uri()).split()


@pytest.mark.parametrize("options", [
    [], ["--synchronous"], ["--allocated", "--connections=1", "--requests=200"],
    ["--connections=8", "--threads=4", "--request-size=524288"]], ids=" ".join)
def test_nbdcopy(server, image, tmp_path, options):
    fill(server, b"\xa5" * SIZE)
    run("nbdcopy", "--flush", *options, image, server.uri())
    data = image.read_bytes()
    assert on_disk(server) == data
    run("nbdcopy", *options, server.named, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data


def test_nbdcopy_between_servers(server, image, tmp_path):
    fill(server, b"\x5a" * SIZE)
    run("nbdcopy", "--flush", "--", "[", "qemu-nbd", "-r", "-f", "raw", image, "]", server.named)
    assert on_disk(server) == image.read_bytes()
    (tmp_path / "back").touch()
    os.truncate(tmp_path / "back", SIZE)
    run("nbdcopy", "--flush", "--", server.uri(), "[", "qemu-nbd", "-f", "raw", tmp_path / "back", "]")
    assert (tmp_path / "back").read_bytes() == image.read_bytes()


@contextlib.contextmanager
def mounted(uri, folder):
    """The volume as a file, by nbdfuse."""
    folder.mkdir()
    file = folder / "volume"
    with subprocess.Popen(["nbdfuse", str(file), uri], stderr=subprocess.PIPE, text=True) as fuse:
        try:
            wait_for("the volume as a file", lambda: file.exists() or fuse.poll() is not None)
            if fuse.poll() is not None:
                said = fuse.stderr.read()
                if "fuse" in said and ("not permitted" in said or "not found" in said or "No such" in said):
                    pytest.skip(f"there is no FUSE for us: {said.strip()}")
                raise AssertionError(said)
            yield file
        finally:
            fuse.terminate()  # it unmounts
            try:
                fuse.wait(timeout=patience.seconds(60))
            except subprocess.TimeoutExpired:
                fuse.kill()
                raise
    assert not os.path.ismount(folder)


def test_nbdfuse_and_a_file_system(server, tmp_path):
    files = tmp_path / "files"
    (files / "folder").mkdir(parents=True)
    for n in range(40):
        (files / "folder" / f"file{n}").write_bytes(random.randbytes(random.randrange(200 * KIB)))
    with mounted(server.named, tmp_path / "one") as file:
        assert file.stat().st_size == SIZE
        run("mkfs.ext4", "-q", "-F", "-d", files, file)
    with mounted(server.uri(), tmp_path / "two") as file:
        run("e2fsck", "-f", "-n", file)
        back = tmp_path / "back"
        back.mkdir()
        run("debugfs", "-R", f"rdump /folder {back}", file)
    for path in (files / "folder").iterdir():
        assert (back / "folder" / path.name).read_bytes() == path.read_bytes()
    run("e2fsck", "-f", "-n", server.disk)  # it is on the disk, too


def test_nbdsh(server):
    """By what the script nbdsh runs, with the Python that has the binding."""
    says = run(sys.executable, "-m", "nbd", "-u", server.named, "-c", "h.pwrite(b'nbdsh' + bytes(507), 4096, nbd.CMD_FLAG_FUA)",
               "-c", "print(h.pread(512, 4096)[:5].decode(), h.get_size(), h.get_export_name())")
    assert says.split(maxsplit=2) == ["nbdsh", str(SIZE), NAME + "\n"]


def connect(server, **settings):
    handle = nbd.NBD()
    for what, value in settings.items():
        getattr(handle, f"set_{what}")(value)
    handle.connect_unix(server.socket)
    return handle


@pytest.mark.parametrize("structured", [False, True])
def test_replies_of_both_kinds(server, structured):
    handle = connect(server, request_structured_replies=structured)
    assert handle.get_structured_replies_negotiated() == structured == handle.can_df()
    data = random.randbytes(2 * MIB)
    handle.pwrite(data, MIB)
    assert handle.pread(2 * MIB, MIB) == data
    pieces = []
    if structured:
        assert handle.pread_structured(MIB, MIB, lambda *a: pieces.append((a[1], a[2])), nbd.CMD_FLAG_DF) == data[:MIB]
        assert pieces == [(MIB, nbd.READ_DATA)]
    handle.shutdown()


def test_many_requests_at_once(server):
    """By the binding's own requests in flight; each reply belongs to its request."""
    data = random.randbytes(4 * MIB)
    fill(server, data)
    handle, done = connect(server), {}
    for n in range(1024):
        buffer = nbd.Buffer(4 * KIB)
        at = 4 * KIB * random.randrange(1024)
        cookie = handle.aio_pread(buffer, at)
        done[cookie] = (buffer, at)
        while handle.aio_in_flight() > 200:
            handle.poll(-1)
    while handle.aio_in_flight():
        handle.poll(-1)
    assert all(handle.aio_command_completed(cookie) for cookie in done)
    assert all(buffer.to_bytearray() == data[at:at + 4 * KIB] for buffer, at in done.values())
    handle.shutdown()


def test_negotiation_step_by_step(server):
    handle = connect(server, opt_mode=True)
    names, found = [], []
    assert handle.opt_list(lambda name, text: names.append(name)) == 1 and names == [NAME]
    handle.add_meta_context("base:")
    assert handle.opt_list_meta_context(found.append) == 1 and found == ["base:allocation"]
    handle.set_export_name("another")
    for refused in (handle.opt_info, lambda: handle.opt_list_meta_context(found.append), handle.opt_go):
        with pytest.raises(nbd.Error):
            refused()
    handle.set_export_name(NAME)
    handle.set_full_info(True)
    handle.clear_meta_contexts()
    handle.add_meta_context("base:allocation")
    handle.add_meta_context("x-nobody:knows")
    handle.opt_info()
    assert handle.get_size() == SIZE and handle.get_canonical_export_name() == NAME
    handle.opt_go()
    assert handle.can_meta_context("base:allocation") and not handle.can_meta_context("x-nobody:knows")
    extents = []
    handle.block_status(SIZE, 0, lambda name, at, entries, error: extents.extend(entries))
    assert extents and sum(extents[::2]) <= SIZE
    handle.shutdown()
    handle = connect(server, opt_mode=True)
    handle.opt_abort()


def test_what_a_good_client_would_not_send(server):
    """The checks of the client are off; those of the server are on, and the connection lives on."""
    for structured in (False, True):
        handle = connect(server, strict_mode=0, request_structured_replies=structured)
        handle.pwrite(b"g" * 4096, 0)
        unknown = 1 << 14
        refusals = [
            (lambda: handle.pread(1, 0), errno.EINVAL),
            (lambda: handle.pread(512, 100), errno.EINVAL),
            (lambda: handle.pread(512, SIZE), errno.EINVAL),
            (lambda: handle.pread(0, 0), errno.EINVAL),
            (lambda: handle.pread(33 * MIB, 0), errno.EOVERFLOW if structured else errno.EINVAL),
            (lambda: handle.pread(512, 0, unknown), errno.EINVAL),
            (lambda: handle.pwrite(b"", 0), errno.EINVAL),
            (lambda: handle.pwrite(b"x" * 511, 0), errno.EINVAL),
            (lambda: handle.pwrite(b"x" * 512, SIZE), errno.ENOSPC),
            (lambda: handle.pwrite(bytes(33 * MIB), 0), errno.EINVAL),
            (lambda: handle.pwrite(b"x" * 512, 0, nbd.CMD_FLAG_NO_HOLE), errno.EINVAL),
            (lambda: handle.zero(512, SIZE), errno.ENOSPC),
            (lambda: handle.trim(512, SIZE), errno.EINVAL),
            (lambda: handle.trim(512, 0, nbd.CMD_FLAG_FAST_ZERO), errno.EINVAL),
            (lambda: handle.cache(512, 0), errno.EINVAL),
        ]
        if not structured:
            refusals.append((lambda: handle.pread(512, 0, nbd.CMD_FLAG_DF), errno.EINVAL))
        for n, (refusal, number) in enumerate(refusals):
            with pytest.raises(nbd.Error) as failure:
                refusal()
            assert failure.value.errnum == number, f"refusal {n}"
        handle.flush(nbd.CMD_FLAG_FUA)
        handle.pread(512, 0, nbd.CMD_FLAG_FUA)
        assert handle.pread(4096, 0) == b"g" * 4096
        handle.shutdown()


# qemu ------------------------------------------------------------------------------------------

def test_qemu_img(server, image, tmp_path):
    fill(server, b"\xc3" * SIZE)
    data = image.read_bytes()
    for uri in (server.uri(), server.named):
        assert json.loads(run("qemu-img", "info", "--output=json", uri))["virtual-size"] == SIZE
    run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", "-W", "-m", "8", image, server.named)
    assert on_disk(server) == data
    run("qemu-img", "compare", "-f", "raw", "-F", "raw", image, server.uri())
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", server.uri(), tmp_path / "image.qcow2")
    run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", tmp_path / "image.qcow2", server.named)
    covers((e["start"], e["length"]) for e in json.loads(run("qemu-img", "map", "-f", "raw", "--output=json", server.uri())))
    fill(server, b"?", 9 * MIB)
    assert "mismatch at offset" in run("qemu-img", "compare", "-f", "raw", "-F", "raw", image, server.uri(), status=1)


def test_qemu_io(server):
    fill(server, b"\xff" * MIB)

    def io(*commands):
        return run("qemu-io", "-f", "raw", "-d", "unmap", *(w for c in commands for w in ("-c", c)), server.named)
    io("write -P 0x11 0 64k", "read -P 0x11 0 64k", "write -f -P 0x22 64k 512", "flush", "read -P 0x22 64k 512",
       "read -P 0xff 66048 512", "write -P 0x33 100 1000", "read -P 0x33 100 1000", "read -P 0x11 0 100")
    assert on_disk(server, 0, 64 * KIB) == b"\x11" * 100 + b"\x33" * 1000 + b"\x11" * (64 * KIB - 1100)
    io("write -z -u 0 64k", "read -P 0 0 64k", "write -z 64k 64k", "read -P 0 64k 64k", "write -z -u -n 128k 64k",
       "read -P 0 128k 64k", "discard 192k 64k", "discard 0 32m", "write -z -f 1m 512")
    assert on_disk(server, 0, 192 * KIB) == bytes(192 * KIB)
    io(*(f"aio_write -P {n} {n * 3}M 2M" for n in range(1, 9)), "aio_flush",
       *(f"aio_read -P {n} {n * 3}M 2M" for n in range(1, 9)), "aio_flush")
    assert "Pattern verification failed" in run("qemu-io", "-r", "-f", "raw", "-c", "read -P 7 3M 512", server.uri(), status=1)


class Chain:
    """A server of qemu that has the volume from ours."""

    def __init__(self, path, *command):
        self.path = str(path)
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def connect(self):
        handle = nbd.NBD()
        handle.connect_unix(self.path)
        return handle

    def __enter__(self):
        wait_for("the server of qemu", lambda: os.path.exists(self.path) or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.stderr.read()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            said = self.process.communicate(timeout=patience.seconds(60))[1]
        finally:
            self.process.kill()
        assert self.process.returncode == 0, said


@pytest.mark.parametrize("which", ["qemu-storage-daemon", "qemu-nbd"])
def test_qemu_in_between(server, tmp_path, which):
    path = tmp_path / "socket"
    command = {
        "qemu-nbd": ["qemu-nbd", "-f", "raw", "-t", "-e", "8", "--discard=unmap", "-k", str(path), server.named],
        "qemu-storage-daemon": [
            "qemu-storage-daemon", "--blockdev",
            f"driver=nbd,node-name=volume,server.type=unix,server.path={server.socket},export={NAME},discard=unmap",
            "--nbd-server", f"addr.type=unix,addr.path={path}", "--export",
            "type=nbd,id=out,node-name=volume,name=,writable=on"]}[which]
    fill(server, bytes(16 * MIB))
    with Chain(path, *command) as chain:
        running = Load(chain, server.disk, 0, 16 * MIB, workers=4)
        try:
            running.wait_for_progress(100)
            running.finish()
        finally:
            running.stop.set()


# fio -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options", [
    ["--rw=randwrite", "--bs=4k", "--size=16m"],
    ["--rw=randrw", "--rwmixread=50", "--bs=4k", "--size=16m", "--fsync=64"],
    ["--rw=write", "--bs=1m", "--size=32m"]], ids=lambda o: " ".join(o[:2]))
def test_fio_verifies(server, options):
    if not shutil.which("fio"):
        pytest.skip("fio is not installed")
    said = run("fio", "--name=verify", "--ioengine=nbd", f"--uri={server.uri()}", "--iodepth=32",
               "--verify=crc32c", "--verify_fatal=1", "--do_verify=1", "--verify_state_save=0", "--output-format=json", "--thread",
               *options)
    job = json.loads(said[said.index("{"):])["jobs"][0]  # each thread greets first
    assert job["error"] == 0 and job["write"]["io_bytes"] > 0 and job["read"]["io_bytes"] >= job["write"]["io_bytes"]

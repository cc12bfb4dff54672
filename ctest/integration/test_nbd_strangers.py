# dvsan-nbd and clients that send garbage, stall or vanish, while one that is good does checked I/O.
# SPDX-License-Identifier: BSD-2-Clause
import os
import random
import select
import struct

import pytest

from support.nbd_server import Load, served
from support.nbd_wire import (DISC, EXPORT_NAME, FLUSH, GO, LIST, OPT_INFO, READ, SET_CONTEXT, STATUS, STRUCTURED, TRIM,
                              WRITE, ZEROES, Wire, option, queries, request, simple, wants)
from support.patience import wait_for

ADDRESS = "127.13.5.1"
KIB, MIB = 1 << 10, 1 << 20
BLOCK = 512
SIZE = 64 * MIB
GOOD = 16 * MIB  # the volume's beginning is the good client's
CLIENTS = 64     # that there may be
SERVER_MOST = 256 * MIB  # of data of all clients, but that each may have one request, or 1 MiB
ASAN = "address" in os.environ.get("DVSAN_SANITIZE", "")
SHADOW = 1 / 8 if ASAN else 0  # of what is allocated
QUARANTINE = 16  # MiB that the address sanitizer keeps of what was freed
SLACK = 64 * MIB  # for stacks of malloc, rounding, and what 64 clients have in their buffers


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    env = dict(os.environ)
    env["ASAN_OPTIONS"] = ":".join(filter(None, (env.get("ASAN_OPTIONS"), f"quarantine_size_mb={QUARANTINE}")))
    with served(tmp_path_factory.mktemp("nbd"), ADDRESS, SIZE, env=env) as (_, one):
        with open(one.disk, "r+b") as f:
            for at in range(GOOD, SIZE, MIB):
                f.seek(at)
                f.write(os.urandom(MIB))
        yield one


@pytest.fixture(scope="module")
def good(server):
    """The good client. What it has written is compared at the end."""
    load = Load(server, server.disk, 0, GOOD, workers=2)
    try:
        load.wait_for_progress()
        yield load
        load.finish()
    finally:
        load.stop.set()


@pytest.fixture
def dice():
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    return random.Random(seed)


def on_disk(server, at, length):
    with open(server.disk, "rb") as f:
        f.seek(at)
        return f.read(length)


# Garbage ---------------------------------------------------------------------------------------

FLAGS = struct.pack(">I", 3)
ENTRY = FLAGS + option(EXPORT_NAME)


def some(r, most):
    return r.randbytes(r.randrange(1, most))


def an_option(r):
    data = r.choice([b"", some(r, 20), wants(some(r, 40), 3), queries(b"base:allocation", some(r, 9)), some(r, 10000)])
    length = r.choice([len(data), len(data), len(data), r.randrange(100), r.getrandbits(32)])
    return option(r.choice([*range(12), r.getrandbits(32)]), data, length)


def a_request(r):
    """Anything but a change of blocks that there are."""
    command = r.choice([READ, FLUSH, STATUS, WRITE, TRIM, ZEROES, 5, 8, r.getrandbits(16)])
    offset = r.choice([0, SIZE, r.randrange(SIZE), r.getrandbits(64)])
    if command in (WRITE, TRIM, ZEROES):
        offset = SIZE + r.getrandbits(40)
    length = r.choice([0, BLOCK, 64 * KIB, r.randrange(MIB), r.getrandbits(32)])
    return request(command, r.getrandbits(64), offset, length, r.choice([0, 1, 1 << r.randrange(16)]), some(r, 2000) if
                   command == WRITE else b"")


def a_spoilt_talk(r):
    """A good negotiation of which some octets are others."""
    talk = bytearray(FLAGS + option(STRUCTURED) + option(SET_CONTEXT, queries(b"base:allocation")) + option(LIST) +
                     option(OPT_INFO, wants(b"", 3)) + option(GO, wants(b"", 1, 3)))
    for _ in range(r.randrange(1, 4)):
        talk[r.randrange(len(talk))] ^= 1 << r.randrange(8)
    return bytes(talk) + request(READ, 1, 0, BLOCK) + request(DISC, 2)


GARBAGE = {
    "flags": lambda r: some(r, 3000),
    "options": lambda r: FLAGS + some(r, 3000),
    "an option": lambda r: FLAGS + b"".join(an_option(r) for _ in range(r.randrange(1, 9))),
    "requests": lambda r: ENTRY + some(r, 3000),
    "a request": lambda r: ENTRY + b"".join(a_request(r) for _ in range(r.randrange(1, 20))),
    "data": lambda r: ENTRY + request(WRITE, 1, SIZE, r.getrandbits(32)) + some(r, 200000),
    "a talk": a_spoilt_talk,
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage(server, good, dice, what):
    for n in range(150):
        with Wire(server.place if n % 2 else server.socket) as wire:
            if wire.send(GARBAGE[what](dice)):
                try:
                    wire.half_close()
                except OSError:
                    continue  # it has been cut off
            wire.rest()  # and it comes to an end
    good.wait_for_progress()
    assert server.process.poll() is None


# Clients that are slow, or gone ----------------------------------------------------------------

BEGUN = {
    "nothing": b"",
    "half of its flags": FLAGS[:2],
    "its flags": FLAGS,
    "half of an option": FLAGS + option(GO, wants())[:10],
    "an option without its data": FLAGS + option(GO, wants())[:-1],
    "an option too long": FLAGS + option(4711, bytes(10000), 1 << 31),
    "entry": ENTRY,
    "half of a request": ENTRY + request(READ, 1, 0, BLOCK)[:20],
    "a write without its data": ENTRY + request(WRITE, 1, GOOD, 32 * MIB),
    "half of a write": ENTRY + request(WRITE, 1, GOOD, 64 * KIB, 0, bytes(32 * KIB)),
    "half of a refused write": ENTRY + request(WRITE, 1, SIZE, 64 * KIB, 0, bytes(32 * KIB)),
}


def test_clients_that_stop(server, good):
    before = on_disk(server, GOOD, MIB)
    wires = []
    for what, begun in BEGUN.items():
        for place in (server.socket, server.place) * 2:
            wires.append(Wire(place))
            assert wires[-1].get(18), what
            wires[-1].send(begun)
    good.wait_for_progress(100)
    with Wire(server.place) as another:
        assert another.go()
        another.send(request(READ, 1, GOOD, MIB))
        assert another.get(16 + MIB) == simple(1, 0, before)
    for n, wire in enumerate(wires):
        _ = wire.reset() if n % 4 == 1 else wire.socket.close()
    good.wait_for_progress()
    assert on_disk(server, GOOD, MIB) == before


def test_a_client_of_single_octets(server, good, dice):
    data = dice.randbytes(4 * KIB)
    with Wire(server.place) as wire:
        assert wire.go()
        stream = request(WRITE, 1, 20 * MIB, len(data), 0, data)
        assert wire.trickle(stream, len(stream) // 2)
        good.wait_for_progress()
        assert wire.get(16) == simple(1)
        wire.trickle(request(FLUSH, 2), 1000)
        assert wire.get(16) == simple(2)
        wire.trickle(request(READ, 3, 20 * MIB, len(data)), 1000)
        assert b"".join(wire.get(1) for _ in range(16 + len(data))) == simple(3, 0, data)


def test_clients_that_take_nothing(server, good):
    """What is held for them is bounded, and who begins to take gets all of it."""
    clients, size = 10, 4 * MIB
    requests = [request(READ, n, GOOD + n % 8 * size, size) for n in range(20)]
    bound = server.most_memory() + (1 + SHADOW) * (SERVER_MOST + clients * size + CLIENTS * MIB) + QUARANTINE * MIB + SLACK
    for patient in range(2):
        wires = [Wire(server.place if n % 2 else server.socket) for n in range(clients)]
        for wire in wires:
            assert wire.go()
            assert wire.send(b"".join(requests))
        for wire in wires:
            assert select.select([wire.socket], [], [], 120)[0], "nothing has been answered"
        good.wait_for_progress(100)
        got = {}
        for _ in requests:
            head = wires[patient].get(16)
            cookie = struct.unpack(">Q", head[8:])[0]
            assert head == simple(cookie) and cookie not in got
            got[cookie] = wires[patient].get(size)
        for cookie, data in got.items():
            assert data == on_disk(server, GOOD + cookie % 8 * size, size)
        for n, wire in enumerate(wires):
            _ = wire.reset() if n % 2 else wire.socket.close()
        good.wait_for_progress()
        used = server.most_memory()
        print(f"{used >> 20} MiB of {bound / MIB:.0f}")
        assert used <= bound


def test_clients_that_vanish(server, good, dice):
    """In the middle of a write nothing is written of it; behind it, all of it."""
    at, size = 24 * MIB, MIB
    before = on_disk(server, at, size)
    for n in range(40):
        with Wire(server.place if n % 2 else server.socket) as wire:
            assert wire.go()
            wire.send(request(READ, 1, GOOD, 8 * MIB) +
                      request(WRITE, 2, at, size, 0, bytes(dice.randrange(size))))
            if n % 4 == 1:
                wire.reset()
            elif n % 4 == 2:
                wire.half_close()
                assert wire.rest()[:16] == simple(1)
    good.wait_for_progress()
    assert on_disk(server, at, size) == before
    data = dice.randbytes(size)
    with Wire(server.place) as wire:
        assert wire.go()
        wire.send(request(WRITE, 2, at, size, 0, data))
    wait_for("the write of a client that has gone", lambda: on_disk(server, at, size) == data)


def test_clients_are_asked_whether_they_are_there(server, good):
    """One whose machine has lost its power says nothing of it."""
    with Wire(server.place) as wire:
        assert wire.go()
        here, there = ("%s:%04X" % (bytes(map(int, reversed(address.split(".")))).hex().upper(), port)
                       for address, port in (server.place, wire.socket.getsockname()))

        def is_minded():
            with open("/proc/net/tcp", encoding="ascii") as f:
                rows = [line.split() for line in f]
            return [row[5][:2] for row in rows if row[1:3] == [here, there]] == ["02"]  # a timer of keep-alive
        wait_for("the kernel to mind the connection", is_minded)


def test_more_clients_than_there_may_be(server, good):
    wires = []

    def comes():
        wires.append(Wire(server.place if len(wires) % 2 else server.socket))
        if wires[-1].go():
            return True
        wires.pop().socket.close()
        return False
    for n in range(len(good.workers), CLIENTS):
        wait_for(f"client {n + 1} to be taken, as soon as those of before are forgotten", comes)
    for place in (server.socket, server.place):
        with Wire(place) as more:
            assert more.rest() == b""
    for wire in wires:
        wire.send(request(READ, 1, GOOD, BLOCK))
    for wire in wires:
        assert wire.get(16 + BLOCK) == simple(1, 0, on_disk(server, GOOD, BLOCK))
    good.wait_for_progress()
    wires.pop().socket.close()
    wait_for("the room of one that left", comes)
    for wire in wires:
        wire.socket.close()

# What dvsan-nbd says, octet by octet, against doc/proto.md of the NBD project.
# SPDX-License-Identifier: BSD-2-Clause
import concurrent.futures
import os
import random
import struct

import pytest

from support.nbd_server import Server, parameters, served
from support.nbd_wire import (ABORT, ACK, CACHE, CONTEXT, DF, DISC, EINVAL, ENOSPC, ENOTSUP, EOVERFLOW, EPERM,
                              ESHUTDOWN, EXPORT_NAME, EXTENDED, FAST, FLUSH, FUA, GO, GREETING, INFO, INVALID, LIST,
                              LIST_CONTEXT, NO_HOLE, OPT_INFO, PEEK, READ, REQ_ONE, RESIZE, SERVER, SET_CONTEXT,
                              STARTTLS, STATUS, STRUCTURED, TOO_BIG, TRIM, UNKNOWN, UNSUP, WRITE, ZEROES, Failed,
                              Refused, Wire, check, chunk, data_chunk, option, queries, reply, request, simple,
                              status_chunk, string, wants)
from support.patience import wait_for

ADDRESS = "127.13.3.1"
MIB = 1 << 20
BLOCK = 512
MOST = 32 * MIB  # bytes of data of a request
SIZE = 40 * MIB
NAME = "the volume äöü".encode()
# Transmission flags: there are flags, flush, FUA, trim, zeroes, several connections, fast zero.
FLAGS = 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 11
DF_FLAG = 1 << 7
READ_ONLY_FLAGS = 1 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 8
ALLOCATION = b"base:allocation"
LONG = 9000  # more than any option's data are looked at
OCTETS = 1200  # so many are sent one by one


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("nbd"), ADDRESS, SIZE, NAME.decode()) as (target, one):
        one.target = target
        with open(target.disk, "r+b") as f:
            for at in (0, SIZE - MIB):
                f.seek(at)
                f.write(os.urandom(MIB))
        yield one


def on_disk(server, at, length):
    with open(server.disk, "rb") as f:
        f.seek(at)
        return f.read(length)


# Negotiation -----------------------------------------------------------------------------------

def export(flags=FLAGS, size=SIZE):
    return struct.pack(">HQH", 0, size, flags)


BLOCKS = struct.pack(">HIII", 3, BLOCK, 4096, MOST)
CANONICAL = struct.pack(">H", 1) + NAME


def told(number, flags=FLAGS, *more):
    return [reply(number, INFO, export(flags)), reply(number, INFO, BLOCKS),
            *(reply(number, INFO, m) for m in more), reply(number, ACK)]


def contexts(number, *found):
    return [reply(number, CONTEXT, struct.pack(">I", n) + name) for n, name in found] + [reply(number, ACK)]


def chosen(flags, zeroes):
    return struct.pack(">QH", SIZE, flags) + bytes(124 if zeroes else 0)


def refused(number, kind, data=b""):
    return [option(number, data)], [Refused(number, kind)]


def cut(number, data):
    """The same at each length that is too short, and at one that is too long."""
    lengths = [*range(len(data)), None]
    return ([option(number, data[:n] if n is not None else data + b"x") for n in lengths],
            [Refused(number, INVALID)] * len(lengths))


STRUCT = ([option(STRUCTURED)], [reply(STRUCTURED, ACK)])
ONE = (SET_CONTEXT, queries(ALLOCATION))
HAS_ONE = contexts(SET_CONTEXT, (1, ALLOCATION))
LISTED = [reply(LIST, SERVER, string(NAME)), reply(LIST, ACK)]


def both(*parts):
    """Several pairs of what is sent and what comes, one behind the other."""
    return [o for sent, _ in parts for o in sent], [a for _, answers in parts for a in answers]


# What is sent, and what comes. Behind each row the negotiation goes on.
STAYS = {
    "list": ([option(LIST)], LISTED),
    "list twice": ([option(LIST)] * 2, LISTED * 2),
    "list with data": refused(LIST, INVALID, b"\0"),
    "list with long data": refused(LIST, INVALID, bytes(LONG)),
    "TLS": refused(STARTTLS, UNSUP),
    "TLS with data": refused(STARTTLS, UNSUP, b"\0"),
    "TLS with long data": refused(STARTTLS, UNSUP, bytes(LONG)),
    "structured": STRUCT,
    "structured twice": both(STRUCT, STRUCT),
    "structured with data": refused(STRUCTURED, INVALID, b"\0"),
    "structured with long data": refused(STRUCTURED, INVALID, bytes(LONG)),
    "extended headers": refused(EXTENDED, UNSUP),
    "peek": refused(PEEK, UNSUP),
    "option 0": refused(0, UNSUP),
    "option 12": refused(12, UNSUP, b"abc"),
    "option 2^31": refused(1 << 31, UNSUP),
    "option 2^32 - 1": refused((1 << 32) - 1, UNSUP, bytes(100)),
    "an unknown option with long data": refused(4711, UNSUP, bytes(100000)),
    "an unknown option with the longest that is looked at": refused(4711, UNSUP, bytes(8192)),
    "info": ([option(OPT_INFO, wants())], told(OPT_INFO)),
    "info by name": ([option(OPT_INFO, wants(NAME))], told(OPT_INFO)),
    "info with blocks": ([option(OPT_INFO, wants(b"", 3))], told(OPT_INFO)),
    "info with the export": ([option(OPT_INFO, wants(b"", 0))], told(OPT_INFO)),
    "info with the name": ([option(OPT_INFO, wants(b"", 1))], told(OPT_INFO, FLAGS, CANONICAL)),
    "info with what is not known": ([option(OPT_INFO, wants(b"", 2, 4, 0xffff, 1))], told(OPT_INFO, FLAGS, CANONICAL)),
    "info with the name twice": ([option(OPT_INFO, wants(NAME, 1, 1))], told(OPT_INFO, FLAGS, CANONICAL)),
    "info with 2,000 wishes": ([option(OPT_INFO, wants(b"", *[3] * 2000))], told(OPT_INFO)),
    "info twice": ([option(OPT_INFO, wants(b"", 3))] * 2, told(OPT_INFO) * 2),
    "info behind structured": both(STRUCT, ([option(OPT_INFO, wants())], told(OPT_INFO, FLAGS | DF_FLAG))),
    "info of another": refused(OPT_INFO, UNKNOWN, wants(b"another")),
    "info of a name that begins so": refused(OPT_INFO, UNKNOWN, wants(NAME + b"x")),
    "info of a beginning": refused(OPT_INFO, UNKNOWN, wants(NAME[:-1])),
    "info of the longest name": refused(OPT_INFO, UNKNOWN, wants(b"n" * 4096)),
    "info of a longer name": refused(OPT_INFO, INVALID, wants(b"n" * 4097)),
    "info of a name of 4 GiB": refused(OPT_INFO, INVALID, b"\xff\xff\xff\xff\0\0"),
    "info of a name as long as its data": refused(OPT_INFO, INVALID, struct.pack(">I", 6) + bytes(2)),
    "info cut": cut(OPT_INFO, wants(NAME, 1, 3)),
    "info with fewer wishes than it says": refused(OPT_INFO, INVALID, wants(b"", 3, count=2)),
    "info with more wishes than it says": refused(OPT_INFO, INVALID, wants(b"", 3, count=0)),
    "info with 65,535 wishes that are not there": refused(OPT_INFO, INVALID, wants(b"", count=65535)),
    "info too long": refused(OPT_INFO, TOO_BIG, bytes(LONG)),
    "go to another": refused(GO, UNKNOWN, wants(b"another")),
    "go cut": cut(GO, wants(NAME, 1)),
    "go too long": refused(GO, TOO_BIG, bytes(LONG)),
    "contexts": ([option(LIST_CONTEXT, queries())], contexts(LIST_CONTEXT, (0, ALLOCATION))),
    "contexts by name": ([option(LIST_CONTEXT, queries(name=NAME))], contexts(LIST_CONTEXT, (0, ALLOCATION))),
    "contexts of a space": ([option(LIST_CONTEXT, queries(b"base:"))], contexts(LIST_CONTEXT, (0, ALLOCATION))),
    "a context": ([option(LIST_CONTEXT, queries(ALLOCATION))], contexts(LIST_CONTEXT, (0, ALLOCATION))),
    "a context twice": ([option(LIST_CONTEXT, queries(ALLOCATION, b"base:"))],
                        contexts(LIST_CONTEXT, (0, ALLOCATION))),
    "other contexts": ([option(LIST_CONTEXT, queries(b"base:other", b"qemu:", b"x-y:z", b"base", b"", b"base:allocatio"))],
                       contexts(LIST_CONTEXT)),
    "contexts of another": refused(LIST_CONTEXT, UNKNOWN, queries(name=b"another")),
    "contexts cut": cut(LIST_CONTEXT, queries(b"base:", ALLOCATION)),
    "contexts with 2^32 - 1 queries": refused(LIST_CONTEXT, INVALID, queries(b"base:", count=(1 << 32) - 1)),
    "contexts with a query of 4 GiB": refused(LIST_CONTEXT, INVALID, queries(count=1) + b"\xff\xff\xff\xff"),
    "contexts too long": refused(LIST_CONTEXT, TOO_BIG, bytes(LONG)),
    "set contexts too early": refused(*ONE[:1], INVALID, ONE[1]),
    "set contexts of another too early": refused(SET_CONTEXT, INVALID, queries(ALLOCATION, name=b"another")),
    "set a context": both(STRUCT, ([option(*ONE)], HAS_ONE)),
    "set it twice at once": both(STRUCT, ([option(SET_CONTEXT, queries(ALLOCATION, b"x-y:z", ALLOCATION))], HAS_ONE)),
    "set it again": both(STRUCT, ([option(*ONE)] * 2, HAS_ONE * 2)),
    "set none": both(STRUCT, ([option(SET_CONTEXT, queries())], contexts(SET_CONTEXT))),
    "set a space": both(STRUCT, ([option(SET_CONTEXT, queries(b"base:", b"base:other", b"qemu:dirty-bitmap:x"))],
                                 contexts(SET_CONTEXT))),
    "set contexts of another": both(STRUCT, refused(SET_CONTEXT, UNKNOWN, queries(ALLOCATION, name=b"another"))),
    "set contexts cut": both(STRUCT, cut(SET_CONTEXT, queries(ALLOCATION))),
    "set contexts too long": both(STRUCT, refused(SET_CONTEXT, TOO_BIG, bytes(LONG))),
}
# Those that end in an entry to the requests.
ENTERS = {
    "go": ([option(GO, wants())], told(GO)),
    "go by name": ([option(GO, wants(NAME, 3, 1))], told(GO, FLAGS, CANONICAL)),
    "go behind info": ([option(OPT_INFO, wants(b"", 1)), option(GO, wants(b"", 1))],
                       told(OPT_INFO, FLAGS, CANONICAL) + told(GO, FLAGS, CANONICAL)),
    "go behind a refusal": both(refused(GO, UNKNOWN, wants(b"another")), ([option(GO, wants())], told(GO))),
    "go behind much": both(refused(STARTTLS, UNSUP), refused(EXTENDED, UNSUP), ([option(LIST)], LISTED),
                           ([option(GO, wants())], told(GO))),
    "the old way": ([option(EXPORT_NAME)], [chosen(FLAGS, True)]),
    "the old way by name": ([option(EXPORT_NAME, NAME)], [chosen(FLAGS, True)]),
}
ABRIDGED = {  # with the flag that there is no need of zeroes
    "the old way": ([option(EXPORT_NAME)], [chosen(FLAGS, False)]),
    "the old way by name": ([option(EXPORT_NAME, NAME)], [chosen(FLAGS, False)]),
    "go": ([option(GO, wants(NAME))], told(GO)),
}
STRUCTURED_ENTERS = {
    "go": both(STRUCT, ([option(GO, wants())], told(GO, FLAGS | DF_FLAG))),
    "the old way": both(STRUCT, ([option(EXPORT_NAME, NAME)], [chosen(FLAGS | DF_FLAG, True)])),
}
# And in the end of the connection, though what is sent behind it would be answered.
ENDS = {
    "abort": ([option(ABORT)], [reply(ABORT, ACK)]),
    "abort with data": ([option(ABORT, b"abc")], [reply(ABORT, ACK)]),
    "abort with long data": ([option(ABORT, bytes(LONG))], [reply(ABORT, ACK)]),
    "the old way to another": ([option(EXPORT_NAME, b"another")], []),
    "the old way to a longer name": ([option(EXPORT_NAME, NAME + b"\0")], []),
    "the old way to the longest name": ([option(EXPORT_NAME, b"n" * 4096)], []),
    "the old way to a name that is too long": ([option(EXPORT_NAME, bytes(LONG))], []),
    "no option": ([b"IHAVEOPS" + option(LIST)[8:]], []),
    "a request": ([request(READ, 1, 0, BLOCK)], []),
}


def converse(server, flags, sent, slow):
    """All that comes until the end, behind the greeting."""
    stream = struct.pack(">I", flags) + b"".join(sent)
    with Wire(server.place if slow else server.socket) as wire:
        if slow:
            assert wire.get(len(GREETING)) == GREETING
        _ = wire.trickle(stream, OCTETS) if slow else wire.send(stream)  # False: it has been cut off
        if not slow:
            assert wire.get(len(GREETING)) == GREETING
        return wire.rest()


PACE = pytest.mark.parametrize("slow", [False, True], ids=["at once", "octet by octet"])


@PACE
@pytest.mark.parametrize("what", STAYS)
def test_options(server, what, slow):
    sent, answers = STAYS[what]
    check(converse(server, 1, [*sent, option(LIST), option(ABORT)], slow), [*answers, *LISTED, reply(ABORT, ACK)])


@PACE
@pytest.mark.parametrize("flags, table, structured", [
    (0, ENTERS, False), (1, ENTERS, False), (2, ABRIDGED, False), (3, ABRIDGED, False), (1, STRUCTURED_ENTERS, True)])
def test_entries(server, flags, table, structured, slow):
    data = on_disk(server, BLOCK, BLOCK)
    for what, (sent, answers) in table.items():
        print(what)
        last = data_chunk(7, BLOCK, data) if structured else simple(7, 0, data)
        check(converse(server, flags, [*sent, request(READ, 7, BLOCK, BLOCK), request(DISC, 8)], slow), [*answers, last])


@PACE
@pytest.mark.parametrize("what", ENDS)
def test_ends(server, what, slow):
    sent, answers = ENDS[what]
    check(converse(server, 1, [*sent, option(LIST)], slow), answers)


@PACE
@pytest.mark.parametrize("flags", [4, 5, 7, 1 << 16 | 1, 1 << 31, (1 << 32) - 1], ids=hex)
def test_flags_that_were_not_offered(server, flags, slow):
    check(converse(server, flags, [option(LIST)], slow), [])


def test_options_without_end(server):
    """The protocol lets a server cut off who only takes its time."""
    with Wire(server.socket) as wire:
        wire.send(struct.pack(">I", 1))
        assert wire.get(len(GREETING)) == GREETING
        for _ in range(100):
            wire.send(option(LIST))
            check(wire.get(sum(map(len, LISTED))), LISTED)
        wire.send(option(LIST))
        check(wire.rest(), [])


# Requests --------------------------------------------------------------------------------------

class Talk:
    """One way of replies: what is to be answered to a request of a cookie."""

    def __init__(self, server, structured, contexts=False):
        self.structured, self.contexts = structured, contexts
        self.wire = Wire(server.socket)
        assert self.wire.go(structured, contexts)

    def error(self, cookie, error):
        return Failed(cookie, error) if self.structured else simple(cookie, error)

    def done(self, cookie):
        return chunk(cookie) if self.structured else simple(cookie)

    def data(self, cookie, offset, data):
        if not self.structured or not data:
            return simple(cookie, 0, data) if not self.structured else chunk(cookie)
        return data_chunk(cookie, offset, data)

    def right(self, server, command, cookie, offset, length, error):
        if error:
            return self.error(cookie, error)
        if command == READ:
            return self.data(cookie, offset, on_disk(server, offset, length))
        if command == STATUS:
            return status_chunk(cookie, 1, (length, 0))
        return self.done(cookie)

    def end(self):
        """All that has come."""
        self.wire.send(request(DISC, 0))
        with self.wire:
            return self.wire.rest()


WAYS = pytest.mark.parametrize("structured, contexts", [(False, False), (True, False), (True, True)],
                               ids=["simple", "structured", "contexts"])
TOP = 1 << 64
OVER = {READ: EINVAL, WRITE: ENOSPC, TRIM: EINVAL, ZEROES: ENOSPC, STATUS: EINVAL}
# Offset, length, and what is wrong with it: over the end, not of whole blocks, nothing at all.
RANGES = [
    (0, 0, "nothing"), (SIZE, 0, "nothing"), (SIZE + BLOCK, 0, "over"), (TOP - BLOCK, 0, "over"),
    (BLOCK, BLOCK, ""), (SIZE - BLOCK, BLOCK, ""), (0, MIB, ""), (SIZE, BLOCK, "over"),
    (SIZE - BLOCK, 2 * BLOCK, "over"), (0, SIZE + BLOCK, "over"), (SIZE - 1, 2, "over"),
    (TOP - BLOCK, BLOCK, "over"), (TOP - BLOCK, 2 * BLOCK, "over"), (TOP - 1, 1, "over"), (TOP - BLOCK, MIB, "over"),
    (TOP // 2, BLOCK, "over"), (1 << 32, BLOCK, "over"), (0, (1 << 32) - BLOCK, "over"), (BLOCK, (1 << 32) - 1, "over"),
    (1, BLOCK, "part"), (0, 1, "part"), (0, BLOCK - 1, "part"), (BLOCK - 1, BLOCK, "part"), (SIZE - 1, 1, "part"),
    (0, MOST, ""), (0, MOST + BLOCK, "long"), (0, SIZE, "long"),
]


def range_error(command, talk, length, wrong):
    if command == STATUS and not talk.contexts:
        return EINVAL
    if command in (READ, WRITE) and length > MOST:
        return EOVERFLOW if command == READ and talk.structured else EINVAL
    if wrong == "over":
        return OVER[command]
    return EINVAL if wrong in ("part", "nothing") else 0


@pytest.mark.parametrize("command, structured, contexts", [
    *((command, structured, False) for command in (READ, WRITE, TRIM, ZEROES, STATUS) for structured in (False, True)),
    (READ, True, True), (STATUS, True, True)])
def test_ranges(server, command, structured, contexts):
    for offset, length, wrong in RANGES:
        if command == WRITE and length > SIZE + BLOCK:
            continue  # so much is not sent
        print(offset, length, wrong)
        data = os.urandom(BLOCK) * (length // BLOCK) + bytes(length % BLOCK) if command == WRITE else b""
        talk = Talk(server, structured, contexts)
        error = range_error(command, talk, length, wrong)
        before = on_disk(server, 0, MIB) + on_disk(server, SIZE - MIB, MIB)
        talk.wire.send(request(command, 77, offset, length, 0, data) + request(FLUSH, TOP - 1))
        stream = talk.wire.get(1) + talk.end()
        right = [talk.right(server, command, 77, offset, length, error)]
        right.append(talk.done(TOP - 1))
        # The two may be answered in either order.
        check(stream, right if stream[:16] != talk.done(TOP - 1)[:16] else right[::-1])
        if error or command in (READ, STATUS):
            assert on_disk(server, 0, MIB) + on_disk(server, SIZE - MIB, MIB) == before
        elif command in (WRITE, ZEROES):
            assert on_disk(server, offset, length) == (data or bytes(length))


def test_flushes_have_no_range(server):
    for structured in (False, True):
        talk = Talk(server, structured)
        rows = [(0, 0, 0), (BLOCK, 0, EINVAL), (0, BLOCK, EINVAL), (TOP - 1, (1 << 32) - 1, EINVAL)]
        for n, (offset, length, error) in enumerate(rows):
            talk.wire.send(request(FLUSH, n, offset, length))
            right = talk.error(n, error) if error else talk.done(n)
            check(talk.wire.get(len(right)) if isinstance(right, bytes) else reads_chunk(talk.wire), [right])
        check(talk.end(), [])


def reads_chunk(wire):
    head = wire.get(20)
    return head + wire.get(struct.unpack(">I", head[16:])[0])


def next_reply(talk, data=0):
    """The next one, with so much data if it is simple and no error."""
    if talk.structured:
        return reads_chunk(talk.wire)
    head = talk.wire.get(16)
    return head + talk.wire.get(data if head[4:8] == bytes(4) else 0)


# What each may have besides FUA, which may come with all.
MAY = {READ: DF, WRITE: 0, FLUSH: 0, TRIM: 0, ZEROES: NO_HOLE | FAST, STATUS: REQ_ONE}


@WAYS
def test_commands_and_flags(server, structured, contexts):
    talk = Talk(server, structured, contexts)
    for command in [*range(10), 0xff, 0x100, 0x8000, 0xffff]:
        if command == DISC:
            continue
        for bit in [*range(-1, 16)]:
            flags = 1 << bit if bit >= 0 else 0
            known = command in MAY and (command != STATUS or contexts)
            allowed = known and not flags & ~(MAY[command] | FUA) and (flags != DF or structured)
            length = 0 if command == FLUSH else 4 * BLOCK
            data = b"w" * length if command == WRITE else b""
            cookie = command << 16 | flags
            talk.wire.send(request(command, cookie, 2 * length, length, flags, data))
            right = talk.right(server, command, cookie, 2 * length, length, 0 if allowed else EINVAL)
            check(next_reply(talk, length if command == READ else 0), [right])
    check(talk.end(), [])


@pytest.mark.parametrize("structured", [False, True])
def test_zeroes_that_cannot_be_fast(server, structured):
    talk = Talk(server, structured)
    for n, flags in enumerate([FAST | NO_HOLE, FAST | NO_HOLE | FUA]):
        before = on_disk(server, 0, MIB)
        talk.wire.send(request(ZEROES, n, 0, MIB, flags))
        check(next_reply(talk), [talk.error(n, ENOTSUP)])
        assert on_disk(server, 0, MIB) == before
    check(talk.end(), [])


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize("last", ["disconnect", "half-close"])
def test_cookies(server, structured, last):
    """Each request has its own reply, in any order, also those that were outstanding at the end."""
    talk = Talk(server, structured)
    cookies = [0, TOP - 1, 0x0102030405060708, *(random.getrandbits(64) for _ in range(400))]
    right, stream = {}, bytearray()
    for n, cookie in enumerate(cookies):
        offset, length = BLOCK * random.randrange(1024), BLOCK * random.randrange(1, 16)
        if n % 3 == 2:
            stream += request(WRITE, cookie, 2 * MIB + 16 * BLOCK * n, length, 0, struct.pack(">Q", cookie) * (length // 8))
            right[cookie] = talk.done(cookie)
        else:
            stream += request(READ, cookie, offset, length)
            right[cookie] = talk.data(cookie, offset, on_disk(server, offset, length))
    stream += request(READ, 5, 0, BLOCK) * 3  # three of one cookie are three replies
    right[5] = talk.data(5, 0, on_disk(server, 0, BLOCK))
    if last == "disconnect":
        stream += request(DISC, 9, 0, 0, FUA)

    def say():
        talk.wire.send(stream)
        if last == "half-close":
            talk.wire.half_close()
    with talk.wire, concurrent.futures.ThreadPoolExecutor() as another:
        said = another.submit(say)
        answers, at, seen = talk.wire.rest(), 0, []
        said.result()
    while at < len(answers):
        cookie = struct.unpack_from(">Q", answers, at + 8)[0]
        check(answers[at:at + len(right[cookie])], [right[cookie]])
        at += len(right[cookie])
        seen.append(cookie)
    assert sorted(seen) == sorted([*cookies, 5, 5, 5])
    for n, cookie in enumerate(cookies):
        if n % 3 == 2:
            assert on_disk(server, 2 * MIB + 16 * BLOCK * n, 8) == struct.pack(">Q", cookie)


def test_what_is_no_request(server):
    for magic in (0, 0x12560953, 0x21e41c71, 0x67446698, 0x13956025):
        talk = Talk(server, True)
        talk.wire.send(request(READ, 1, 0, BLOCK))
        first = reads_chunk(talk.wire)
        talk.wire.send(request(READ, 2, 0, BLOCK, magic=magic) + request(READ, 3, 0, BLOCK))
        check(first + talk.end(), [talk.data(1, 0, on_disk(server, 0, BLOCK))])


@pytest.mark.parametrize("how", ["cut", "too long", "of another", "none"])
def test_contexts_that_were_taken_away(server, how):
    """The last setting counts, also when it fails."""
    last = {"cut": refused(SET_CONTEXT, INVALID, queries(ALLOCATION, count=2)),
            "too long": refused(SET_CONTEXT, TOO_BIG, bytes(LONG)),
            "of another": refused(SET_CONTEXT, UNKNOWN, queries(ALLOCATION, name=b"another")),
            "none": ([option(SET_CONTEXT, queries())], contexts(SET_CONTEXT))}[how]
    sent, answers = both(STRUCT, ([option(*ONE)], HAS_ONE), last, ([option(EXPORT_NAME)], [chosen(FLAGS | DF_FLAG, False)]))
    check(converse(server, 3, [*sent, request(STATUS, 1, 0, BLOCK), request(DISC, 2)], False), [*answers, Failed(1, EINVAL)])


@PACE
def test_a_conversation(server, slow):
    """One client that does a bit of everything, sent in one piece, or octet by octet."""
    sent, answers = both(STRUCT, ([option(*ONE)], HAS_ONE), ([option(GO, wants(NAME))], told(GO, FLAGS | DF_FLAG)))
    data = random.randbytes(BLOCK)
    requests = [(WRITE, 8 * MIB, BLOCK, FUA, data), (READ, 8 * MIB, BLOCK, DF, b""), (STATUS, MIB, MIB, REQ_ONE, b""),
                (CACHE, 0, BLOCK, 0, b""), (RESIZE, 0, BLOCK, 0, b""), (READ, 8 * MIB, BLOCK, 0, b"")]
    right = [chunk(0), data_chunk(1, 8 * MIB, data), status_chunk(2, 1, (MIB, 0)), Failed(3, EINVAL), Failed(4, EINVAL),
             data_chunk(5, 8 * MIB, data)]
    with Wire(server.place) as wire:
        assert wire.get(len(GREETING)) == GREETING
        stream = struct.pack(">I", 3) + b"".join(sent)
        assert wire.trickle(stream, OCTETS) if slow else wire.send(stream)
        check(wire.get(sum(map(len, answers))), answers)
        for n, (command, offset, length, flags, more) in enumerate(requests):
            stream = request(command, n, offset, length, flags, more)
            assert wire.trickle(stream, OCTETS) if slow else wire.send(stream)
            check(reads_chunk(wire), [right[n]])
        wire.send(request(DISC, 9))
        assert wire.rest() == b""


@pytest.mark.parametrize("structured", [False, True])
def test_a_server_that_ends(server, tmp_path, structured):
    """What is outstanding fails, and the connection ends."""
    other = Server(str(tmp_path), parameters(server.target)).wait()
    talk = Talk(other, structured)
    server.target.freeze()
    try:
        talk.wire.send(request(READ, 1, 0, BLOCK) + request(WRITE, 2, 0, BLOCK, 0, bytes(BLOCK)) + request(RESIZE, 3))
        check(next_reply(talk), [talk.error(3, EINVAL)])  # so the others have been taken, too
        other.process.terminate()
        check(b"".join(sorted([next_reply(talk), next_reply(talk)], key=lambda r: r[8:16])),
              [talk.error(1, ESHUTDOWN), talk.error(2, ESHUTDOWN)])
        with talk.wire:
            check(talk.wire.rest(), [])
        wait_for("it to end, however often it is told", lambda: hurry(other.process))
        assert other.stop() == 0
    finally:
        server.target.thaw()


def hurry(process):
    for _ in range(1000):
        if process.poll() is not None:
            return True
        process.terminate()
    return False


def test_read_only(server, tmp_path):
    other = Server(str(tmp_path), parameters(server.target), options=["--read-only", "--name", NAME.decode()]).wait()
    other.disk = server.disk
    check(converse(other, 1, [option(OPT_INFO, wants()), option(ABORT)], False),
          [*told(OPT_INFO, READ_ONLY_FLAGS), reply(ABORT, ACK)])
    before = on_disk(server, 0, MIB)
    rows = [(READ, BLOCK, 0), (WRITE, BLOCK, EPERM), (TRIM, BLOCK, EPERM), (ZEROES, BLOCK, EPERM), (FLUSH, 0, 0)]
    for structured in (False, True):
        talk = Talk(other, structured)
        for command, length, error in rows:
            talk.wire.send(request(command, 1, 0, length, FUA, bytes(length) if command == WRITE else b""))
            check(next_reply(talk, length), [talk.right(other, command, 1, 0, length, error)])
        check(talk.end(), [])
    assert on_disk(server, 0, MIB) == before
    assert other.stop() == 0

"""A raw client of NBD: builds what is sent, octet by octet, and holds what comes against what should.

The numbers are those of doc/proto.md of the NBD project."""
import socket
import struct

# Option replies
ACK, SERVER, INFO, CONTEXT = 1, 2, 3, 4
UNSUP, INVALID, UNKNOWN, TOO_BIG = (1 << 31 | n for n in (1, 3, 6, 9))
# Options
EXPORT_NAME, ABORT, LIST, PEEK, STARTTLS, OPT_INFO, GO, STRUCTURED, LIST_CONTEXT, SET_CONTEXT, EXTENDED = range(1, 12)
# Commands, and their flags
READ, WRITE, DISC, FLUSH, TRIM, CACHE, ZEROES, STATUS, RESIZE = range(9)
FUA, NO_HOLE, DF, REQ_ONE, FAST = 1, 2, 4, 8, 16
# Errors
EPERM, EINVAL, ENOSPC, EOVERFLOW, ENOTSUP, ESHUTDOWN = 1, 22, 28, 75, 95, 108
GREETING = b"NBDMAGICIHAVEOPT\0\3"
STRING_MOST = 4096


def string(text):
    return struct.pack(">I", len(text)) + text


def option(number, data=b"", length=None):
    return struct.pack(">QII", 0x49484156454f5054, number, len(data) if length is None else length) + data


def wants(name=b"", *infos, count=None):
    """The data of INFO and GO."""
    return string(name) + struct.pack(f">H{len(infos)}H", len(infos) if count is None else count, *infos)


def queries(*texts, name=b"", count=None):
    """The data of LIST_META_CONTEXT and SET_META_CONTEXT."""
    return string(name) + struct.pack(">I", len(texts) if count is None else count) + b"".join(map(string, texts))


def reply(number, kind, data=b""):
    return struct.pack(">QIII", 0x3e889045565a9, number, kind, len(data)) + data


def request(command, cookie, offset=0, length=0, flags=0, data=b"", magic=0x25609513):
    return struct.pack(">IHHQQI", magic, flags, command, cookie, offset, length) + data


def simple(cookie, error=0, data=b""):
    return struct.pack(">IIQ", 0x67446698, error, cookie) + data


def chunk(cookie, kind=0, data=b""):
    """The only one of its reply."""
    return struct.pack(">IHHQI", 0x668e33ef, 1, kind, cookie, len(data)) + data


def data_chunk(cookie, offset, data):
    return chunk(cookie, 1, struct.pack(">Q", offset) + data)


def status_chunk(cookie, context, *extents):
    return chunk(cookie, 5, struct.pack(f">I{2 * len(extents)}I", context, *(n for e in extents for n in e)))


def is_text(data):
    """What is told to a person: a string of the protocol that says something."""
    text = data.decode("utf-8")
    return 0 < len(data) <= STRING_MOST and text.isprintable()


class Refused:
    """An option's error: its text may be any."""

    def __init__(self, number, kind):
        self.number, self.kind = number, kind

    def taken_from(self, stream):
        size = struct.unpack_from(">I", stream, 16)[0] if len(stream) >= 20 else 0
        good = stream[:20] == reply(self.number, self.kind, bytes(size))[:20] and is_text(stream[20:20 + size])
        return 20 + size if good else 0

    def __repr__(self):
        return f"option {self.number}: error {self.kind:#x} and its text"


class Failed:
    """A structured reply that is an error: its text may be any."""

    def __init__(self, cookie, error):
        self.cookie, self.error = cookie, error

    def taken_from(self, stream):
        size = struct.unpack_from(">H", stream, 24)[0] if len(stream) >= 26 else 0
        head = chunk(self.cookie, 0x8001, struct.pack(">IH", self.error, size) + bytes(size))[:26]
        return 26 + size if stream[:26] == head and is_text(stream[26:26 + size]) else 0

    def __repr__(self):
        return f"cookie {self.cookie}: a chunk with error {self.error} and its text"


def check(stream, expected):
    """That the octets are these and no others."""
    at = 0
    for n, part in enumerate(expected):
        if isinstance(part, bytes):
            size = len(part) if stream[at:at + len(part)] == part else 0
        else:
            size = part.taken_from(stream[at:])
        assert size or part == b"", (f"answer {n} is not {str(part)[:300]} but {stream[at:at + 300]}, "
                                     f"behind {stream[max(0, at - 60):at]}")
        at += size
    assert at == len(stream), f"and then comes {stream[at:at + 300]}"


class Wire:
    """A connection. Each wait is bounded."""

    def __init__(self, place, patience=120):
        self.socket = socket.socket(socket.AF_UNIX if isinstance(place, str) else socket.AF_INET)
        self.socket.settimeout(patience)
        self.socket.connect(place)
        if not isinstance(place, str):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False: the server has closed."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def trickle(self, data, octets):
        """The first octets one by one."""
        return all(self.send(data[i:i + 1]) for i in range(min(octets, len(data)))) and self.send(data[octets:])

    def get(self, size):
        """So many octets, or what comes before the end."""
        got = bytearray()
        while len(got) < size:
            try:
                piece = self.socket.recv(min(size - len(got), 1 << 20))
            except ConnectionResetError:
                break
            if not piece:
                break
            got += piece
        return bytes(got)

    def rest(self):
        return self.get(1 << 40)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Is gone at once, and what it had not read with it."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def go(self, structured=False, contexts=False):
        """Through the negotiation, by the shortest way; False when there is no room."""
        if self.get(len(GREETING)) != GREETING:
            return False
        chosen = option(STRUCTURED) if structured or contexts else b""
        if contexts:
            chosen += option(SET_CONTEXT, queries(b"base:allocation"))
        self.send(struct.pack(">I", 3) + chosen + option(EXPORT_NAME))
        answers = (20 if chosen else 0) + (20 + 4 + 15 + 20 if contexts else 0) + 10
        return len(self.get(answers)) == answers

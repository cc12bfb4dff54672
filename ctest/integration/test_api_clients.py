"""The REST API and clients that are odd, slow, many, or guess: others are served all the same."""
import base64
import contextlib
import os
import re
import selectors
import socket
import threading
import time

import pytest

from support.packets import NOTIFY_PORT
from support.patience import until

LAB = {"units": 1}
PLACES = 256         # console/api/places.h
LONG = 120           # seconds; only so that a hang ends


class Api:
    def __init__(self, lab):
        self.lab = lab
        host, port = lab.client.url.split("//")[1].split(":")
        self.address = host, int(port)
        self.token = lab.client.authorization
        self.login = b"Authorization: " + self.token.encode() + b"\r\n"
        self.line = b" HTTP/1.1\r\nHost: localhost\r\n" + self.login

    def connect(self, source=None):
        s = socket.create_connection(self.address, timeout=LONG, source_address=source and (source, 0))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def raw(self, data):
        """Sends bytes, and returns all that comes until the server closes, which it has to do."""
        with self.connect() as s:
            s.sendall(data)
            return read_all(s)

    def get(self, login=None, source=None):
        """The status of one request on a connection of its own."""
        with self.connect(source) as s:
            s.sendall(b"GET /api/v1/pool HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
                      (self.login if login is None else login) + b"\r\n")
            return statuses(read_all(s))

    def password(self):
        with open(self.lab.secret_path("admin"), encoding="ascii") as f:
            return f.read().strip()

    def station_log(self):
        path = next(p for p in self.lab.logs() if os.path.basename(p).startswith("cms"))
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def memory(self, field):
        pid = next(p for p in self.lab.lab.station.processes).pid()
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            return int(re.search(rf"{field}:\s*(\d+) kB", f.read())[1]) << 10


def read_all(s):
    got = b""
    with contextlib.suppress(ConnectionError):
        while piece := s.recv(65536):
            got += piece
    return got


def statuses(answers):
    return [int(n) for n in re.findall(rb"HTTP/1\.1 (\d+) ", answers)]


def basic(user, password):
    return b"Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()) + b"\r\n"


@pytest.fixture(scope="module")
def api(lab):
    return Api(lab)


# ---- Where a request ends

SMUGGLED = b'{"name": "smuggled"}'
ODD = {
    "two lengths": b"Content-Length: 2\r\nContent-Length: %d\r\n",
    "plus": b"Content-Length: +2\r\n",
    "letters behind": b"Content-Length: 2abc\r\n",
    "hex": b"Content-Length: 0x2\r\n",
    "space before the colon": b"Content-Length : 2\r\n",
    "list": b"Content-Length: 2, 2\r\n",
    "empty": b"Content-Length:\r\n",
    "length and chunks": b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    "chunks in disguise": b"Transfer-Encoding: xchunked\r\n",
    "chunks folded": b"Transfer-Encoding:\r\n chunked\r\n",
    "bare LF": b"A: b\nContent-Length: 2\r\n",
    "bare CR": b"A: b\rContent-Length: 2\r\n",
    "no name": b": x\r\n",
    "NUL": b"A: b\0\r\n",
    "two hosts": b"Host: localhost\r\n",
}


@pytest.mark.parametrize("odd", ODD)
def test_nothing_is_smuggled(api, odd):
    """Behind a request whose end is in doubt nothing is run."""
    follower = (b"POST /api/v1/tokens" + api.line + b"Content-Type: application/json\r\n" +
                b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED)
    answers = api.raw(b"POST /api/v1/volumes" + api.line + b"Content-Type: application/json\r\n" +
                      ODD[odd].replace(b"%d", b"%d" % len(follower)) + b"\r\n{}" + follower)
    assert statuses(answers) == [400] and b"\r\nConnection: close\r\n" in answers
    assert "smuggled" not in [t["name"] for t in api.lab.client.get("/tokens")]


def test_chunks(api):
    """Nobody needs chunks here: they are refused, and what they hold is no request."""
    answers = api.raw(b"POST /api/v1/volumes" + api.line + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
                      b"GET /api/v1/pool" + api.line + b"\r\n")
    assert statuses(answers) == [411]


def test_one_after_the_other(api):
    """Requests that are sent ahead are answered in their order, whole ones only."""
    answers = api.raw(b"GET /api/v1/pool" + api.line + b"\r\n" +
                      b"POST /api/v1/volumes" + api.line +
                      b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" +
                      b"\r\nGET /api/v1/nothing" + api.line + b"\r\n" +
                      b"GET /api/v1/units" + api.line + b"Connection: close\r\n\r\n" +
                      b"GET /api/v1/pool" + api.line + b"\r\n")
    assert statuses(answers) == [200, 400, 404, 200]
    with api.connect() as s: # ends in the middle
        s.sendall(b"GET /api/v1/pool" + api.line + b"\r\n" + b"POST /api/v1/volumes" + api.line)
        s.shutdown(socket.SHUT_WR)
        assert statuses(read_all(s)) == [200, 400]


def test_old_and_absolute(api):
    assert statuses(api.raw(b"GET /api/v1/pool HTTP/1.0\r\n" + api.login + b"Host: localhost\r\n\r\n")) == [200]
    assert statuses(api.raw(b"GET http://localhost/api/v1/pool" + api.line + b"Connection: close\r\n\r\n")) == [200]
    # Where it goes says the URL, not the header.
    assert statuses(api.raw(b"GET http://evil.example/api/v1/pool" + api.line + b"Connection: close\r\n\r\n")) == [421]


@pytest.mark.parametrize("line, status", [
    (b"TRACE /api/v1/pool", 405), (b"OPTIONS /api/v1/pool", 405), (b"get /api/v1/pool", 405), (b"PRI /api/v1/pool", 405),
    (b"OPTIONS *", 404), (b"GET //api/v1/pool", 404), (b"GET /api/v1/../v1/pool", 404),
])
def test_what_nobody_offers(api, line, status):
    """It is told in a sentence, and the next request of the connection is answered."""
    answers = api.raw(line + api.line + b"\r\n" + b"GET /api/v1/pool" + api.line + b"Connection: close\r\n\r\n")
    assert statuses(answers) == [status, 200]
    assert b"is not possible here; possible are: GET" in answers or b"there is nothing at " in answers


def test_what_is_no_upgrade(api):
    """Offers to go on in another protocol are left alone; garbage behind a request ends the connection."""
    for offer in (b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
                  b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                  b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"):
        answers = api.raw(b"GET /api/v1/pool" + api.line + offer + b"\r\n" + b"garbage\r\n\r\n")
        assert statuses(answers) == [200, 400]


def test_continue(api):
    """Who waits to be asked for the body is asked, unless it is too large."""
    head = b"POST /api/v1/volumes" + api.line + b"Content-Type: application/json\r\nExpect: 100-continue\r\n"
    with api.connect() as s:
        s.sendall(head + b"Connection: close\r\nContent-Length: 2\r\n\r\n")
        assert s.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(b"{}")
        assert statuses(read_all(s)) == [400]
    assert statuses(api.raw(head + b"Content-Length: 65537\r\n\r\n")) == [413]
    assert statuses(api.raw(head.replace(b"100-continue", b"tea") + b"\r\n")) == [417]


# ---- Slow and many


def drip(connections, everything, over):
    """Sends each connection's bytes, one a turn, until over; notes when a connection ended."""
    ended = {}
    with selectors.DefaultSelector() as selector:
        for s in connections:
            s.setblocking(False)
            selector.register(s, selectors.EVENT_READ)
        start, turn = time.monotonic(), 0
        while len(ended) < len(connections) and not over():
            turn_end = start + turn
            for s in connections:
                if s not in ended and turn < len(everything[s]):
                    with contextlib.suppress(OSError):
                        s.send(everything[s][turn:turn + 1])
            while (left := turn_end + 1 - time.monotonic()) > 0 and len(ended) < len(connections):
                for key, _ in selector.select(left):
                    got = b""
                    with contextlib.suppress(BlockingIOError, ConnectionError):
                        got = key.fileobj.recv(65536)
                    if not got or key.fileobj not in ended:
                        ended.setdefault(key.fileobj, statuses(got))
                        selector.unregister(key.fileobj)
            turn += 1
    return ended


def test_slow_ones_keep_nobody_out(api):
    """34 bodies of 60,000 bytes, a byte a second; as many slow heads, and half-open ones."""
    body = (b"POST /api/v1/volumes" + api.line +
            b"Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n")
    with contextlib.ExitStack() as stack:
        everything = {}
        for _ in range(34):
            s = stack.enter_context(api.connect())
            s.sendall(body)
            everything[s] = b" " * 60000
            everything[stack.enter_context(api.connect())] = body * 10
            everything[stack.enter_context(api.connect())] = b""
        connections, ended = list(everything), {}
        over = threading.Event()
        thread = threading.Thread(
            target=lambda: ended.update(drip(connections, everything, over.is_set)))
        thread.start()
        try:
            served, end = 0, time.monotonic() + LONG
            while thread.is_alive() and time.monotonic() < end:
                assert api.get() == [200]
                served += 1
        finally:
            over.set()
            thread.join(LONG)
    assert served > 0 and len(ended) == len(connections)
    for s, data in everything.items(): # what had begun was told why it ended
        assert ended[s] == ([408] if data else [])


def test_many_of_one_source_keep_nobody_out(api):
    """One address takes all places that there are; another one is served, and keeps its own."""
    with contextlib.ExitStack() as stack:
        mine = stack.enter_context(api.connect("127.0.0.3"))
        request = b"GET /api/v1/pool" + api.line + b"\r\n"
        greedy = [stack.enter_context(api.connect("127.0.0.2")) for _ in range(2 * PLACES)]
        for s in greedy:
            with contextlib.suppress(ConnectionError):
                s.sendall(b"GET /api/v1/pool HTTP/1.1\r\n")
        for _ in range(3):
            assert api.get(source="127.0.0.4") == [200]
            mine.sendall(request)
            assert b"HTTP/1.1 200 " in mine.recv(65536)
        # And a newcomer from the greedy address costs one of its own.
        assert api.get(source="127.0.0.2") == [200]


def test_who_does_not_read_stops_nobody(api):
    """Answers that nobody takes are not made ahead, and hold no thread."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(api.address)
        s.settimeout(LONG)
        with contextlib.suppress(ConnectionError, socket.timeout):
            s.setblocking(False)
            for _ in range(20000): # far more answers than the sockets' buffers hold
                try:
                    s.send((b"GET /api/v1/events" + api.line + b"\r\n") * 10)
                except BlockingIOError:
                    break
        assert api.get() == [200]


# ---- Guessing


@pytest.fixture
def restarted(api):
    """A station that has not seen the right password since its start."""
    api.lab.run("stop", "cms")
    api.lab.run("start", "cms")
    until(lambda: api.get() == [200], LONG)


def guess(api, over, answers, number):
    tries = 0
    while not over.is_set():
        tries += 1
        with contextlib.suppress(ConnectionError):
            answers.extend(api.get(basic("admin", f"guess {number} {tries}")))


def test_guessers(api, restarted):
    """Thirty that guess all the time: the right password has its turn, and memory stays."""
    before, over, answers = api.memory("VmRSS"), threading.Event(), []
    threads = [threading.Thread(target=guess, args=(api, over, answers, n)) for n in range(30)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: answers, LONG)
        for _ in range(5):
            assert api.get(basic("admin", api.password())) == [200]
            assert api.get() == [200] # and with a token
        assert api.get(basic("root", api.password())) == [401]
    finally:
        over.set()
        for thread in threads:
            thread.join(LONG)
    assert set(answers) == {401}
    # One check takes 64 MiB; eight of them at once took 512.
    assert api.memory("VmHWM") - before < 300 << 20


def test_guesses_from_elsewhere(api, restarted):
    """Sources have their turns: who comes from elsewhere does not stand behind a hundred guesses."""
    with contextlib.ExitStack() as stack:
        for n in range(100):
            s = stack.enter_context(api.connect("127.0.0.2"))
            s.sendall(b"GET /api/v1/pool HTTP/1.1\r\nHost: localhost\r\n" + basic("admin", f"guess {n}") + b"\r\n")
        assert api.get(basic("admin", api.password()), source="127.0.0.3") == [200]
        # From now on nobody waits for argon2: the hundred are answered, each a second later.
        until(lambda: api.get(basic("admin", api.password()), source="127.0.0.2") == [200], LONG)


def test_wrong_tokens_log_a_number(api):
    """Whoever sends wrong tokens as fast as can be fills no log, and is slowed down."""
    lines = api.station_log().count("refused a login")

    def send():
        for n in range(6):
            api.get(b"Authorization: Bearer wrong-%d\r\n" % n)
    threads = [threading.Thread(target=send) for _ in range(50)]
    for thread in threads:
        thread.start()
    assert api.get() == [200]
    for thread in threads:
        thread.join(LONG)
    log = api.station_log()
    # Ten of a minute and then powers of ten; the tests before may have begun a minute.
    assert log.count("refused a login") - lines <= 2 * 12
    assert "refused a login from 127." in log


def listening_ports(pid):
    """The TCP ports of IPv4 at which a process listens."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            inodes.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f][1:]
    return {int(row[1].split(":")[1], 16) for row in rows
            if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}


@pytest.fixture(name="behind")
def fixture_behind(api):
    """Where civetweb listens, which any user of the machine can find."""
    ports = listening_ports(api.lab.lab.station.cms.pid()) - {api.address[1], NOTIFY_PORT}
    assert len(ports) == 1
    return "127.0.0.1", ports.pop()


def test_civetweb_hears_the_front_alone(api, behind):
    """Its own port answers nobody else, whatever his token and his key."""
    for key in (b"", b"X-Dvsan-From: \r\n", b"X-Dvsan-From: " + 43 * b"A" + b" 127.0.0.1 keep\r\n",
                b"X-Dvsan-From: " + 5000 * b"A" + b"\r\n"):
        with socket.create_connection(behind, timeout=LONG) as s:
            with contextlib.suppress(ConnectionError):
                s.sendall(b"GET /api/v1/pool" + api.line + key + b"Connection: close\r\n\r\n")
            assert b"HTTP/1.1 200" not in read_all(s)
    assert api.get() == [200]


def test_strangers_at_civetweb_hold_nothing(api, behind):
    """Many more connections than civetweb has threads, which say nothing, or a byte now and then:
    each is ended without a word, and the API's clients are served meanwhile."""
    with contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(socket.create_connection(behind, timeout=LONG))
                     for _ in range(200)]
        slow = b"GET /" + b"a" * 1000
        said = {s: b"" if n % 4 == 0 else slow for n, s in enumerate(strangers)}
        ended, over = {}, threading.Event()
        thread = threading.Thread(target=lambda: ended.update(drip(strangers, said, over.is_set)))
        thread.start()
        try:
            for _ in range(3):
                assert api.get() == [200]
            thread.join(LONG)
        finally:
            over.set()
            thread.join(LONG)
    assert [ended.get(s) for s in strangers] == [[]] * len(strangers)
    assert "ended a connection of another process" in api.station_log()

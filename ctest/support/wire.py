"""What goes over the wire: a capture of all packets of a range of addresses, and SNMPv3 messages
opened by keys that one has (RFC 3412, RFC 3414, RFC 3826, RFC 7860), without Net-SNMP."""
import contextlib
import ctypes
import hashlib
import hmac
import socket
import struct
import threading

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

ETH_P_IP = 0x0800
PACKET_OUTGOING = 4
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
TCP, UDP = 6, 17


def _filter(network, datagrams):
    """Classic BPF: packets from or to this /24, or UDP's alone of these."""
    program = [(0x30, 0, 0, 9), (0x15, 0, 7, UDP)] if datagrams else []
    program += [(0x20, 0, 0, 12), (0x54, 0, 0, 0xffffff00), (0x15, 3, 0, network),
               (0x20, 0, 0, 16), (0x54, 0, 0, 0xffffff00), (0x15, 0, 1, network),
               (0x06, 0, 0, 0xffffffff), (0x06, 0, 0, 0)]
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    return struct.pack("HP", len(program), ctypes.addressof(buffer)), buffer


class Capture:
    """All IPv4 packets on the loopback interface from or to address's /24, from the beginning of
    the with statement to its end; datagrams: UDP alone, where hosts write much. Needs CAP_NET_RAW:
    PermissionError else."""

    def __init__(self, address, datagrams=False):
        network = struct.unpack(">I", socket.inet_aton(address))[0] & 0xffffff00
        self.packets = []
        self.s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        with contextlib.suppress(OSError):
            self.s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        text, kept = _filter(network, datagrams)
        self.s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, text)
        del kept
        self.s.bind(("lo", ETH_P_IP))
        self.s.settimeout(0.1)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._read)

    def _read(self):
        while True:
            try:
                data, where = self.s.recvfrom(65536)
            except TimeoutError:
                if self.stopping.is_set():
                    return
                continue
            if where[2] != PACKET_OUTGOING: # on loopback each is there twice
                self.packets.append(data)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *why):
        self.stopping.set()
        self.thread.join()
        self.s.close()

    def _split(self):
        for p in self.packets:
            head = (p[0] & 15) * 4
            total = struct.unpack(">H", p[2:4])[0]
            if p[9] in (TCP, UDP):
                ports = struct.unpack(">HH", p[head:head + 4])
                yield p[9], (socket.inet_ntoa(p[12:16]), ports[0]), \
                    (socket.inet_ntoa(p[16:20]), ports[1]), p[head:total]

    def datagrams(self):
        """(from, to, data) of UDP."""
        return [(a, b, data[8:]) for kind, a, b, data in self._split() if kind == UDP]

    def streams(self):
        """{(from, to): bytes} of TCP."""
        parts = {}
        for kind, a, b, data in self._split():
            if kind != TCP:
                continue
            number, flags = struct.unpack(">I", data[4:8])[0], data[13]
            stream = parts.setdefault((a, b), {})
            if flags & 2: # SYN
                stream.clear()
            elif len(data) > (data[12] >> 4) * 4:
                stream[number] = data[(data[12] >> 4) * 4:]
        return {ends: b"".join(text for _, text in sorted(stream.items()))
                for ends, stream in parts.items()}


# ---- SNMPv3 -------------------------------------------------------------------------------------

def _element(data, at):
    """Tag, where its value begins, and where it ends."""
    tag, length, at = data[at], data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7f
        length, at = int.from_bytes(data[at:at + count], "big"), at + count
    if at + length > len(data):
        raise ValueError("cut off")
    return tag, at, at + length


def _elements(data, at, end):
    found = []
    while at < end:
        tag, begin, at = _element(data, at)
        found.append((tag, begin, at))
    return found


class Message:
    """An SNMPv3 message as it was heard. ValueError or IndexError: it is none."""

    def __init__(self, data):
        self.data = data
        _, begin, end = _element(data, 0)
        version, head, parameters, scoped = _elements(data, begin, end)
        if data[version[1]:version[2]] != b"\3":
            raise ValueError("not SNMPv3")
        self.flags = data[slice(*_elements(data, *head[1:])[2][1:])][0]
        _, begin, end = _element(data, parameters[1])
        engine, boots, time, user, auth, salt = _elements(data, begin, end)
        self.engine, self.user, self.salt = (data[b:e] for _, b, e in (engine, user, salt))
        self.boots, self.time = (int.from_bytes(data[b:e], "big") for _, b, e in (boots, time))
        self.auth = auth[1:]
        self.payload = data[scoped[1]:scoped[2]]

    @property
    def private(self):
        return self.flags & 3 == 3

    def is_signed_with(self, key):
        """HMAC-SHA-256-192 over the message with zeros in place of the signature."""
        begin, end = self.auth
        if end - begin != 24:
            return False
        text = self.data[:begin] + bytes(24) + self.data[end:]
        return hmac.compare_digest(hmac.new(key, text, hashlib.sha256).digest()[:24],
                                   self.data[begin:end])

    def opened(self, key):
        """The scoped PDU by AES-128-CFB, or None when what comes out is none."""
        iv = struct.pack(">II", self.boots, self.time) + self.salt
        if len(iv) != 16:
            return None
        text = Cipher(algorithms.AES(key), modes.CFB(iv)).decryptor().update(self.payload)
        try:
            tag, begin, end = _element(text, 0)
            parts = _elements(text, begin, end)
        except (ValueError, IndexError):
            return None
        return text if tag == 0x30 and [t for t, _, _ in parts[:2]] == [4, 4] else None


def error_of(text):
    """Error status and index of the PDU in what a message was opened to."""
    _, begin, end = _element(text, 0)
    pdu = _elements(text, begin, end)[2]
    _, status, index, _ = _elements(text, *pdu[1:])
    return tuple(int.from_bytes(text[b:e], "big") for _, b, e in (status, index))


def messages(datagrams):
    """Those of datagrams that are SNMPv3 messages."""
    found = []
    for _, _, data in datagrams:
        with contextlib.suppress(ValueError, IndexError):
            found.append(Message(data))
    return found

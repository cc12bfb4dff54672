"""Both sides of an enrolment, written from the Noise Protocol Framework (revision 34) and the
description in docs/design/security.md, over other libraries than the programs use."""
import ctypes
import functools
import hashlib
import hmac
import json
import os
import secrets
import socket
import struct

from cryptography.exceptions import InvalidTag  # noqa: F401  for who uses this
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NAME = b"Noise_NNpsk2_25519_ChaChaPoly_BLAKE2b"
PROLOGUE = b"dvsan enrolment 1"
ASK, ANSWER, SEALED, REFUSED = 1, 2, 3, 4
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


# ---- Codes ------------------------------------------------------------------------------------

def split_code(code):
    """The code's name and its secret."""
    plain = code.replace("-", "")
    return plain[:5], plain[5:19]


def join_code(name, secret):
    digit = DIGITS[hashlib.blake2b((name + secret).encode(), digest_size=16).digest()[0] % 32]
    plain = name + secret + digit
    return "-".join(plain[i:i + 5] for i in range(0, 20, 5))


def new_code():
    drawn = "".join(secrets.choice(DIGITS) for _ in range(19))
    return join_code(drawn[:5], drawn[5:])


def other_secret(code):
    """The same code's name with another secret."""
    name, secret = split_code(code)
    return join_code(name, secret[:-1] + ("0" if secret[-1] != "0" else "1"))


@functools.cache
def key_of(code):
    """Argon2id, which hashlib and this version of cryptography lack. It takes long, and a talk may not."""
    name, secret = split_code(code)
    salt = hashlib.blake2b(name.encode(), digest_size=16, key=b"dvsan enrolment code\0").digest()
    out = ctypes.create_string_buffer(32)
    rc = ctypes.CDLL("libsodium.so.23").crypto_pwhash(
        out, ctypes.c_ulonglong(32), secret.encode(), ctypes.c_ulonglong(len(secret)), salt,
        ctypes.c_ulonglong(2), ctypes.c_size_t(64 << 20), ctypes.c_int(2))
    assert rc == 0
    return out.raw


# ---- The handshake (section 5) ------------------------------------------------------------------

class CipherState:
    def __init__(self, key):
        self.cipher, self.n = ChaCha20Poly1305(key), 0

    def _nonce(self):
        nonce = struct.pack("<IQ", 0, self.n)
        self.n += 1
        return nonce

    def encrypt(self, data, ad=b""):
        return self.cipher.encrypt(self._nonce(), data, ad)

    def decrypt(self, data, ad=b""):
        return self.cipher.decrypt(self._nonce(), data, ad)


class SymmetricState:
    def __init__(self, prologue):
        self.h = NAME.ljust(64, b"\0")
        self.ck, self.cipher = self.h, None
        self.mix_hash(prologue)

    def hkdf(self, data, count):
        def mac(key, text):
            return hmac.new(key, text, hashlib.blake2b).digest()
        key, out = mac(self.ck, data), [b""]
        for i in range(count):
            out.append(mac(key, out[-1] + bytes([i + 1])))
        return out[1:]

    def mix_hash(self, data):
        self.h = hashlib.blake2b(self.h + data).digest()

    def mix_key(self, data):
        self.ck, key = self.hkdf(data, 2)
        self.cipher = CipherState(key[:32])

    def mix_key_and_hash(self, data):
        self.ck, text, key = self.hkdf(data, 3)
        self.mix_hash(text)
        self.cipher = CipherState(key[:32])

    def encrypt(self, data):
        out = self.cipher.encrypt(data, self.h)
        self.mix_hash(out)
        return out

    def decrypt(self, data):
        out = self.cipher.decrypt(data, self.h)
        self.mix_hash(data)
        return out

    def split(self):
        return [CipherState(key[:32]) for key in self.hkdf(b"", 2)]


class Handshake:
    """-> e; <- e, ee, psk"""

    def __init__(self, secret=None):
        self.state = SymmetricState(PROLOGUE)
        self.own = X25519PrivateKey.from_private_bytes(secret) if secret \
            else X25519PrivateKey.generate()

    def _send_e(self):
        public = self.own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.state.mix_hash(public)
        self.state.mix_key(public)
        return public

    def _receive_e(self, message):
        self.other = X25519PublicKey.from_public_bytes(message[:32])
        self.state.mix_hash(message[:32])
        self.state.mix_key(message[:32])

    def ask(self, data):
        return self._send_e() + self.state.encrypt(data)

    def read_ask(self, message):
        self._receive_e(message)
        return self.state.decrypt(message[32:])

    def answer(self, psk, data=b""):
        public = self._send_e()
        self.state.mix_key(self.own.exchange(self.other))
        self.state.mix_key_and_hash(psk)
        message = public + self.state.encrypt(data)
        self.receiving, self.sending = self.state.split()
        return message

    def read_answer(self, psk, message):
        self._receive_e(message)
        self.state.mix_key(self.own.exchange(self.other))
        self.state.mix_key_and_hash(psk)
        data = self.state.decrypt(message[32:])
        self.sending, self.receiving = self.state.split()
        return data


# ---- Frames -------------------------------------------------------------------------------------

def frame(kind, data):
    return struct.pack(">HB", len(data), kind) + data


def read_exactly(s, count):
    data = b""
    while len(data) < count:
        more = s.recv(count - len(data))
        if not more:
            raise EOFError("the other side has ended the connection")
        data += more
    return data


def read_frame(s):
    length, kind = struct.unpack(">HB", read_exactly(s, 3))
    return kind, read_exactly(s, length)


def frames_in(stream):
    """The whole frames in one direction of a recorded connection."""
    found = []
    while len(stream) >= 3:
        length, kind = struct.unpack(">HB", stream[:3])
        if len(stream) < 3 + length:
            break
        found.append((kind, stream[3:3 + length]))
        stream = stream[3 + length:]
    return found


# ---- The member's side ----------------------------------------------------------------------------

class RefusedError(Exception):
    """The station's sentence; sealed: by the station itself."""

    def __init__(self, text, sealed):
        super().__init__(text)
        self.sealed = sealed


class Member:
    """One connection of a member to the station."""

    def __init__(self, station, code, source=None):
        self.code, self.shake = code, Handshake()
        self.s = socket.create_connection(station, timeout=60,
                                          source_address=(source, 0) if source else None)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.s.close()

    def ask(self):
        """The station's answer, which tells nothing to who lacks the code."""
        self.s.sendall(frame(ASK, self.shake.ask(split_code(self.code)[0].encode())))
        kind, data = read_frame(self.s)
        if kind == REFUSED:
            raise RefusedError(json.loads(data)["error"]["detail"], sealed=False)
        assert kind == ANSWER
        return data

    def prove(self, answer):
        """InvalidTag: the station has another code, or somebody sits between."""
        assert self.shake.read_answer(key_of(self.code), answer) == b""

    def tell(self, what):
        """Sends an object sealed and returns the one that comes back."""
        self.s.sendall(frame(SEALED, self.shake.sending.encrypt(json.dumps(what).encode())))
        kind, data = read_frame(self.s)
        assert kind == SEALED
        found = json.loads(self.shake.receiving.decrypt(data))
        if "error" in found:
            raise RefusedError(found["error"]["detail"], sealed=True)
        return found

    def enrol(self, request, keep=True):
        self.prove(self.ask())
        grant = self.tell(request)
        if keep:
            self.tell({"kept": True})
        return grant


def request(**changed):
    """What a unit says of itself that nobody knows yet."""
    made = {"kind": "unit", "uuid": new_uuid(), "name": "peer", "engine_id": new_engine(),
            "address": "udp:127.0.0.1:9", "software": "peer"}
    return dict(made, **changed)


def new_uuid():
    text = os.urandom(16).hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def new_engine():
    return "80001f8805" + os.urandom(12).hex()


# ---- The station's side ----------------------------------------------------------------------------

class Station:
    """Enrols one member, which connects to its address."""

    def __init__(self, address, code):
        self.code = code
        self.listener = socket.create_server((address, 0))
        self.address = "%s:%d" % self.listener.getsockname()
        self.asked = self.request = self.kept = None

    def serve(self):
        with self.listener, self.listener.accept()[0] as s:
            s.settimeout(60)
            shake = Handshake()
            kind, data = read_frame(s)
            assert kind == ASK
            self.asked = shake.read_ask(data).decode()
            s.sendall(frame(ANSWER, shake.answer(key_of(self.code))))
            self.request = json.loads(shake.receiving.decrypt(read_frame(s)[1]))
            self.grant = {
                "uuid": self.request["uuid"], "name": "given", "number": 7,
                "station": {"uuid": new_uuid(), "name": "peer", "engine_id": new_engine(),
                            "address": "udp:127.0.0.1:1162"},
                "notify_keys": os.urandom(48).hex(),
                "station_keys": [os.urandom(48).hex() for _ in range(2)]}
            s.sendall(frame(SEALED, shake.sending.encrypt(json.dumps(self.grant).encode())))
            self.kept = json.loads(shake.receiving.decrypt(read_frame(s)[1]))
            s.sendall(frame(SEALED, shake.sending.encrypt(b"{}")))


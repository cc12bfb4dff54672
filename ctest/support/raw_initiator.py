# An iSCSI initiator of one login, for what a decent one would not do.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import hashlib
import socket
import struct

SECURITY, OPERATIONAL, FULL = 0, 1, 3


class Refused(Exception):
    """The target's login status, class and detail."""


class CheckCondition(Exception):
    """What the target answered a command in place of doing it: its sense key, and code and qualifier."""


class Session:
    """A login in steps, so that it can be left half done, and then commands one at a time."""

    def __init__(self, address, name, target, alias=None, isid=1, port=3260):
        self.sock = socket.create_connection((address, port), timeout=60)
        self.isid = isid
        self.command_number = 1
        self.keys = {"InitiatorName": name, "SessionType": "Normal", "TargetName": target}
        if alias is not None:
            self.keys["InitiatorAlias"] = alias

    def close(self):
        self.sock.close()

    def send(self, stage, next_stage, keys):
        text = b"".join(f"{k}={v}".encode() + b"\0" for k, v in keys.items())
        transit = 0x80 | next_stage if next_stage is not None else 0
        header = struct.pack(">BBBB", 0x43, transit | stage << 2, 0, 0)
        header += struct.pack(">I", len(text))  # no AHS, 24 bits of length
        header += struct.pack(">HI", 0x4000, self.isid) + struct.pack(">H", 0)
        header += struct.pack(">IHHII", 1, 0, 0, 1, 0) + bytes(16)
        self.sock.sendall(header + text + bytes(-len(text) % 4))
        return self.receive()

    def receive(self):
        header = self.read(48)
        length = int.from_bytes(header[5:8], "big")
        text = self.read(length + -length % 4)[:length]
        if header[36]:
            raise Refused(header[36], header[37])
        self.moved_on = bool(header[1] & 0x80)
        return dict(pair.split("=", 1) for pair in text.decode().split("\0") if pair)

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            if not piece:
                raise Refused("closed")
            data += piece
        return data

    def offer(self, method="CHAP"):
        """The first request: who and what, and how to authenticate."""
        return self.send(SECURITY, None if method == "CHAP" else FULL,
                         {**self.keys, "AuthMethod": method})

    def authenticate(self, user, secret, next_stage=FULL):
        """CHAP; on return the security stage is done."""
        got = self.send(SECURITY, None, {"CHAP_A": "5"})
        challenge = bytes.fromhex(got["CHAP_C"][2:])
        digest = hashlib.md5(bytes([int(got["CHAP_I"])]) + secret.encode() + challenge)
        return self.send(SECURITY, next_stage,
                         {"CHAP_N": user, "CHAP_R": "0x" + digest.hexdigest()})

    def finish(self):
        """From the operational stage into the session."""
        got = self.send(OPERATIONAL, FULL, {"HeaderDigest": "None"})
        while not self.moved_on:
            got = self.send(OPERATIONAL, FULL, got)  # agrees to whatever is offered

    def login(self, user, secret):
        self.offer()
        self.authenticate(user, secret, OPERATIONAL)
        self.finish()

    def begin(self, cdb, room=0):
        """Sends one command to LUN 1 and waits for nothing."""
        number, self.command_number = self.command_number, self.command_number + 1
        header = struct.pack(">BBHI", 0x01, 0x80 | 0x40 * bool(room), 0, 0) + b"\0\1" + bytes(6)
        self.sock.sendall(header + struct.pack(">IIII", number, room, number, 0) + cdb.ljust(16, b"\0"))

    def reset_lun(self):
        """Asks for a reset of LUN 1, at once, and waits for nothing."""
        self.reset_tag = getattr(self, "reset_tag", 0x7000) + 1
        header = struct.pack(">BBHI", 0x42, 0x80 | 5, 0, 0) + b"\0\1" + bytes(6)
        self.sock.sendall(header + struct.pack(">IIII", self.reset_tag, 0xffffffff, self.command_number, 0) + bytes(16))

    def command(self, cdb, data=b"", room=0):
        """Sends one command to LUN 1, with data to write or room for what is read; returns what was read."""
        number, self.command_number = self.command_number, self.command_number + 1
        flags = 0x80 | 0x20 * bool(data) | 0x40 * bool(room)
        header = struct.pack(">BBHI", 0x01, flags, 0, len(data)) + b"\0\1" + bytes(6)
        header += struct.pack(">IIII", number, len(data) or room, number, 0) + cdb.ljust(16, b"\0")
        self.sock.sendall(header + data + bytes(-len(data) % 4))
        found = b""
        while True:
            header = self.read(48)
            length = int.from_bytes(header[5:8], "big")
            text = self.read(length + -length % 4)[:length]
            opcode, done, status = header[0] & 0x3f, header[1] & 0x01, header[3]
            if opcode == 0x25:  # data, which may carry the status
                found += text
            elif opcode != 0x21:
                raise Refused(f"opcode {opcode:#x}")
            if (opcode == 0x21 or done) and status == 2:
                raise CheckCondition(text[4] & 0x0f, text[14:16].hex())
            if opcode == 0x21 or done:
                assert status == 0, f"status {status:#x}"
                return found

    def ended(self, timeout):
        """True when the target closes the connection within the timeout."""
        self.sock.settimeout(timeout)
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False


WRITE_10, READ_10, SYNCHRONIZE_CACHE_10 = 0x2A, 0x28, 0x35
FUA = 0x08


class Lun(Session):
    """A session with a volume, and what a host does with it: each call is one command. Offsets are in bytes."""

    def __init__(self, address, name, target, user, secret):
        super().__init__(address, name, target)
        self.login(user, secret)
        with contextlib.suppress(CheckCondition):
            self.command(bytes(6))  # takes the unit attention of a new session

    def write(self, offset, data, fua=False):
        self.command(struct.pack(">BBIxHx", WRITE_10, FUA * fua, offset // 512, len(data) // 512), data)

    def flush(self):
        self.command(struct.pack(">B9x", SYNCHRONIZE_CACHE_10))

    def pread(self, offset, count):
        return self.command(struct.pack(">BxIxHx", READ_10, offset // 512, count // 512), room=count)

"""Net-SNMP's tools, as a test starts them, and what they print."""
# SPDX-License-Identifier: BSD-2-Clause
import atexit
import contextlib
import functools
import os
import re
import shutil
import subprocess
import tempfile

from . import patience

PRINTED = ("-On", "-Oe", "-OU", "-Ox", "-Ot")  # numbers and octets as they are


class SnmpError(patience.NotYet):
    """A unit is not there yet, hangs, or has refused."""


@functools.cache
def tool_state():
    """Where Net-SNMP's tools keep their own; gone at the end."""
    folder = tempfile.mkdtemp(prefix="dvsan-tools-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def tool_environment():
    return dict(os.environ, MIBS="", SNMPCONFPATH="/nonexistent", SNMP_PERSISTENT_DIR=tool_state())


def who(user, auth, priv):
    """The options by which a tool speaks as a user."""
    return ["-v3", "-l", "authPriv", "-u", user, "-a", "SHA-256", "-A", auth, "-x", "AES", "-X", priv]


def words(varbinds):
    """What the tools take: texts as they are, and each (OID, type, value) as three of them."""
    return [str(word) for v in varbinds for word in (v if isinstance(v, tuple) else (v,))]


def run(argv, check=True, **options):
    env = options.pop("env", None) or tool_environment()
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, **options)
    if check and done.returncode != 0:
        raise SnmpError(done.stdout + done.stderr)
    return done


def parse(text):
    """snmpget's lines as {oid: value}; octets in hex become text when they are printable."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"(\.[\d.]+) = (?:([\w-]+): ?)?(.*)", line)
        if match:
            oid, kind, value = match.groups()
            if not kind and value.startswith("No "):  # such object, such instance, more variables
                continue
            last = oid
            if kind == "Hex-STRING":
                raw = bytes.fromhex(value)
                value = raw.decode() if raw.isascii() and raw.decode().isprintable() else raw.hex()
            found[oid] = value.strip('"')
        elif found:  # a long string in hex goes on
            with contextlib.suppress(ValueError):
                found[last] += bytes.fromhex(line).decode()
    return found

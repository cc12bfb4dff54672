"""Is anybody there? Questions that need no pass-phrase and no program."""
import socket

# An SNMPv3 discovery (RFC 3414 section 4): an empty request without a user, which every engine
# answers with a report that names itself.
DISCOVERY = bytes.fromhex(
    "303a" "020103"
    "300f" "02021234" "020300ffe3" "040104" "020103"     # msgID, msgMaxSize, reportable, USM
    "0410" "300e" "0400" "020100" "020100" "0400" "0400" "0400"
    "3012" "0400" "0400" "a00c" "02021234" "020100" "020100" "3000")


def snmp_answers(address, port, timeout=0.1):
    """Whether an SNMP engine answers at UDP address:port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        try:
            s.connect((address, port))
            s.send(DISCOVERY)
            return bool(s.recv(65535))
        except OSError:
            return False


def tcp_answers(address, port, timeout=1.0):
    """Whether TCP address:port takes a connection."""
    try:
        with socket.create_connection((address, port), timeout):
            return True
    except OSError:
        return False


def unix_answers(path):
    """Whether somebody listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        try:
            s.connect(path)
            return True
        except OSError:
            return False


def is_free(address, port, kind):
    """Whether we could listen at address:port; kind is SOCK_STREAM or SOCK_DGRAM."""
    with socket.socket(socket.AF_INET, kind) as s:
        if kind == socket.SOCK_STREAM:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((address, port))
            return True
        except OSError:
            return False

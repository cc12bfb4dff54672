"""Loopback addresses that no other test uses."""
import contextlib
import os
import socket


def listened_at():
    """Each N for which something listens in 127.17.N.0/24: a test that was killed leaves its lab."""
    found = set()
    for name in ("tcp", "udp"):
        with open("/proc/net/" + name, encoding="ascii") as f:
            for line in f.readlines()[1:]:
                at, state = line.split()[1:4:2]
                if at[4:8] == "117F" and (name == "udp" or state == "0A"):
                    found.add(int(at[2:4], 16))
    return found


@contextlib.contextmanager
def own_range():
    """Yields N: 127.17.N.0/24 belongs to the caller until the end, over all processes of this
    network namespace. The lock is an abstract socket, so that it vanishes with its holder."""
    for n in sorted(set(range(1, 255)) - listened_at()):
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            lock.bind(f"\0dvsan-test-127.17.{n}")
        except OSError:
            lock.close()
            continue
        with lock:
            yield n
        return
    raise RuntimeError("all of 127.17.0.0/16 is in use by other tests")


@contextlib.contextmanager
def own_addresses(count):
    """Yields so many addresses of 127.14/16 that nobody else uses until the end: each one's UDP port 1160 is held."""
    with contextlib.ExitStack() as stack:
        found = []
        for last in range(1, 255):
            address = f"127.14.{os.getpid() % 250 + 1}.{last}"
            s = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            with contextlib.suppress(OSError):
                s.bind((address, 1160))
                found.append(address)
            if len(found) == count:
                yield found
                return
        raise RuntimeError("no free address in 127.14/16")


def free_port(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def connections(address, port):
    """How many TCP connections are established at address:port, as its server sees them."""
    packed = socket.inet_aton(address)[::-1].hex().upper()
    with open("/proc/net/tcp", encoding="ascii") as f:
        return sum(1 for line in f
                   if (fields := line.split())[1] == f"{packed}:{port:04X}" and fields[3] == "01")

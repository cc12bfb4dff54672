"""Loopback addresses that no other test uses."""
import contextlib
import socket


@contextlib.contextmanager
def own_range():
    """Yields N: 127.17.N.0/24 belongs to the caller until the end, over all processes of this
    network namespace. The lock is an abstract socket, so that it vanishes with its holder."""
    for n in range(1, 255):
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


def connections(address, port):
    """How many TCP connections are established at address:port, as its server sees them."""
    packed = socket.inet_aton(address)[::-1].hex().upper()
    with open("/proc/net/tcp", encoding="ascii") as f:
        return sum(1 for line in f
                   if (fields := line.split())[1] == f"{packed}:{port:04X}" and fields[3] == "01")

"""Initiators: our dvsan-nbd, libiscsi's own tools, and qemu's."""
import base64
import contextlib
import hashlib
import json
import os
import subprocess
import tempfile
import threading

import nbd as libnbd

from . import BUILD
from .patience import until

NBD = os.path.join(BUILD, "bin", "dvsan-nbd")
QEMU_IQN = "iqn.2008-11.org.linux-kvm"  # what qemu calls itself when it is given only a URL


def unit_secret(secret, uuid):
    """The CHAP secret that a unit knows of a host, made of the host's own."""
    digest = hashlib.sha256(f"{secret}:{uuid}".encode()).digest()
    return base64.b64encode(digest, b"ab")[:16].decode()


def access(lab, host, volume):
    """How the host reaches the volume: {portal, iqn, lun, initiator, user, secret}."""
    info = lab.client.get(f"/hosts/{host}/connect-info")
    found = next(v for v in info["volumes"] if v["name"] == volume)
    secret = lab.secret(host)
    if not info["one_secret"]:
        secret = unit_secret(secret, found["unit_uuid"])
    return {"portal": found["portals"][0], "iqn": found["iqn"], "lun": found["lun"],
            "initiator": info["iqn"], "user": info["chap_user"], "secret": secret}


def url(how):
    return f"iscsi://{how['portal']}/{how['iqn']}/{how['lun']}"


def chap(how):
    """CHAP for libiscsi, so that the secret is in no argument."""
    env = dict(os.environ)
    if how["user"] is not None:
        env["LIBISCSI_CHAP_USERNAME"] = how["user"]
        env["LIBISCSI_CHAP_PASSWORD"] = how["secret"]
    return env


def tool(how, name, *args, check=True):
    """Runs one of libiscsi's tools on the volume."""
    return subprocess.run([name, "-i", how["initiator"], *args, url(how)], env=chap(how),
                          capture_output=True, text=True, timeout=60, check=check)


def can_log_in(how):
    return tool(how, "iscsi-inq", check=False).returncode == 0


def params_file(folder, how):
    """Writes the parameters of dvsan-nbd and returns the file's path."""
    params = {"portal": how["portal"], "target": how["iqn"], "lun": how["lun"],
              "initiator": how["initiator"], "timeout_s": how.get("timeout_s", 10)}
    if how["user"] is not None:
        params.update(chap_user=how["user"], chap_secret=how["secret"])
    fd, path = tempfile.mkstemp(dir=folder, suffix=".json")
    with os.fdopen(fd, "w") as f:
        json.dump(params, f)
    return path


@contextlib.contextmanager
def nbd(lab, how, name="nbd"):
    """Serves the volume by dvsan-nbd; yields the NBD URI."""
    base = os.path.join(lab.work, name)
    socket, pid = base + ".sock", base + ".pid"
    with open(base + ".log", "ab") as log:
        server = subprocess.Popen([NBD, "--socket", socket, "--pid-file", pid, params_file(lab.work, how)],
                                  stdout=log, stderr=log)
    try:
        # The socket is there before the volume is, and the file when it is served.
        assert until(lambda: server.poll() is not None or os.path.exists(pid), 30)
        if server.poll() is not None:
            with open(base + ".log", encoding="utf-8") as f:
                raise AssertionError(f"dvsan-nbd ended with {server.returncode}:\n{f.read()}")
        yield f"nbd+unix:///?socket={socket}"
    finally:
        server.terminate()
        server.wait(10)


class Writer(threading.Thread):
    """Writes numbered blocks round and round by NBD, reading each one back."""
    BLOCK = 65536

    def __init__(self, uri):
        super().__init__()
        self.uri, self.count = uri, 0
        self.error, self.stopping = None, threading.Event()

    def run(self):
        try:
            handle = libnbd.NBD()
            handle.connect_uri(self.uri)
            blocks = handle.get_size() // self.BLOCK
            while not self.stopping.is_set():
                data = self.count.to_bytes(8, "big") * (self.BLOCK // 8)
                offset = self.count % blocks * self.BLOCK
                handle.pwrite(data, offset)
                if handle.pread(self.BLOCK, offset) != data:
                    raise AssertionError(f"block {self.count} did not come back as written")
                self.count += 1
            handle.flush()
            handle.shutdown()
        except Exception as e:  # pylint: disable=broad-except
            self.error = e

    def goes_on(self, blocks=50):
        """Whether so many more blocks are written."""
        goal = self.count + blocks
        return until(lambda: self.count >= goal or self.error, 20) and not self.error


@contextlib.contextmanager
def writing(lab, how):
    """Yields a Writer through one session, which never fails."""
    with nbd(lab, how) as uri:
        writer = Writer(uri)
        writer.start()
        try:
            yield writer
        finally:
            writer.stopping.set()
            writer.join(60)
    assert not writer.error, writer.error


def qemu_img(*args, env=None, check=True):
    return subprocess.run(["qemu-img", *args], env=env, capture_output=True, text=True,
                          timeout=120, check=check)


def nbdcopy(source, target):
    subprocess.run(["nbdcopy", source, target], capture_output=True, text=True, timeout=120,
                   check=True)

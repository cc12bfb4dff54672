"""What the CLI makes of a station that does not answer, or not as one that is well."""
import http.server
import json
import os
import re
import subprocess
import threading

import pytest

from support import BUILD

DVSAN = os.path.join(BUILD, "bin", "dvsan")


# ---- A change that worked, of which no more can be told

class Station(http.server.BaseHTTPRequestHandler):
    """Carries out what is asked, and then answers only what it is told to."""
    good = ()

    def answer(self, status, what):
        text = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def change(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.changed = True
        self.answer(202, {"id": 7, "kind": "volume_resize", "state": "done", "progress": 100, "summary": "resize",
                          "steps": [], "error": None, "waiting": None})

    do_PATCH = do_POST = change

    def do_GET(self):
        volume = {"name": "db", "size": (32 if self.server.changed else 16) << 20, "start_lba": 0, "end_lba": 65535,
                  "medium": "m", "hosts": ["host1"]}
        if not self.server.changed or self.path.rsplit("/", 1)[-1] in self.good:
            self.answer(200, volume)
        else:
            self.answer(500, {"title": "Internal Server Error", "status": 500, "code": "internal",
                              "detail": "the disk of the station is full"})

    def log_message(self, *args):
        del args


@pytest.mark.parametrize("args, good, warning", [
    (("volume", "resize", "db", "--size", "32M"), (), "it is done, but cannot be shown now"),
    (("volume", "create", "db", "--size", "32M"), (), "it is done, but cannot be shown now"),
    (("volume", "resize", "db", "--size", "32M"), ("db",),
     "its hosts do not see that by themselves, and what makes them cannot be told now")])
def test_a_change_that_cannot_be_shown_is_no_failure(args, good, warning):
    handler = type("Handler", (Station,), {"good": good})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.changed = False
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            done = subprocess.run([DVSAN, *args], capture_output=True, text=True, check=False, timeout=60,
                                  env={"PATH": os.environ["PATH"], "DVSAN_TOKEN": "t" * 43,
                                       "DVSAN_URL": f"http://127.0.0.1:{server.server_port}"})
        finally:
            server.shutdown()
            thread.join()
    assert server.changed
    assert done.returncode == 0, done.stderr
    assert f"{warning}: " in done.stderr and "the disk of the station is full" in done.stderr, done.stderr
    if good:
        assert "Volume db has 32MiB now" in done.stdout


# ---- A station that ends without an answer

class Mute(Station):
    """Its first answer is a good one; of the next it ends the connection; then it tells an event."""

    def change(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.changed = True
        self.close_connection = True

    do_PATCH = do_POST = change

    def do_GET(self):
        self.server.asked += 1
        event = {"id": 5, "time": "2026-11-30T10:00:00Z", "severity": "info", "subject": "pool", "text": "is back"}
        if self.server.busy:
            self.server.busy, self.server.asked = False, 0
            self.answer(503, {"title": "Busy", "status": 503, "code": "busy", "detail": "in a moment"})
        elif self.server.asked == 2:
            self.close_connection = True
        else:
            self.answer(200, [event] if self.server.asked > 2 else [])


@pytest.fixture(name="mute")
def fixture_mute():
    """Its environment for the CLI, and the server."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mute) as server:
        server.asked, server.changed, server.busy = 0, False, False
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield {"PATH": os.environ["PATH"], "DVSAN_TOKEN": "t" * 43,
                   "DVSAN_URL": f"http://127.0.0.1:{server.server_port}"}, server
        finally:
            server.shutdown()
            thread.join()


def test_a_change_whose_answer_is_lost_may_have_been_made(mute, tmp_path):
    """That is said, and the secret of a host that may be there is kept."""
    env, server = mute
    secret = tmp_path / "secret"
    add = [DVSAN, "host", "add", "web", "--iqn", "iqn.2026-11.test:web"]
    done = subprocess.run([*add, "--save-secret", str(secret)], capture_output=True, text=True, check=False,
                          timeout=60, env=env)
    assert server.changed and done.returncode != 0
    assert "may have carried out the request all the same" in done.stderr
    assert f"its CHAP secret is in {secret}" in done.stderr and len(secret.read_text()) == 16
    done = subprocess.run(add, capture_output=True, text=True, check=False, timeout=60, env=env)
    assert done.returncode != 0 and "delete it and add it again" in done.stderr
    nowhere = dict(env, DVSAN_URL="http://127.0.0.1:1")
    other = tmp_path / "other"
    done = subprocess.run([*add, "--save-secret", str(other)], capture_output=True, text=True, check=False,
                          timeout=60, env=nowhere)
    assert done.returncode != 0 and "may have carried out" not in done.stderr and not other.exists()


@pytest.mark.parametrize("args, said", [
    (("host", "rekey", "web", "--now", "--yes"), r"dvsan host show web\), the secret of that, shown only now, is: \S{16}\n"),
    (("host", "rekey", "web", "--save-secret", "FILE"), r"the secret of that is in FILE\n"),
    (("token", "create", "lost"), r"dvsan token delete lost\)"),
    (("unit", "add", "unit7"), r"dvsan code list\), nobody has it")])
def test_what_only_a_lost_answer_told_is_not_lost(mute, tmp_path, args, said):
    env, server = mute
    file = str(tmp_path / "secret")
    done = subprocess.run([DVSAN, *(file if a == "FILE" else a for a in args)], capture_output=True, text=True,
                          check=False, timeout=60, env=env)
    assert server.changed and done.returncode != 0
    assert re.search(said.replace("FILE", re.escape(file)), done.stderr), done.stderr
    assert "--save-secret" not in args or os.path.getsize(file) == 16


@pytest.mark.parametrize("busy_at_first", [False, True])
def test_who_follows_events_waits_for_the_station(mute, busy_at_first):
    env, server = mute
    server.busy = busy_at_first
    follow = subprocess.Popen([DVSAN, "event", "list", "--follow", "--json"], env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert json.loads(follow.stdout.readline())["text"] == "is back"
    finally:
        follow.terminate()
        said = follow.communicate()[1]
    assert "still waiting: " in said, said


def test_a_file_whose_name_cannot_be_shown(mute):
    env, server = mute
    done = subprocess.run([DVSAN, "host", "connect-info", "web", "--chap-secret-file", "/a\nb"], capture_output=True,
                          text=True, check=False, timeout=60, env=env)
    assert done.returncode != 0 and "cannot be shown" in done.stderr and server.asked == 0

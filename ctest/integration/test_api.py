"""The REST API as its clients meet it: HTTP itself, logging in, and what it refuses."""
import base64
import errno
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from support import BUILD
from support.patience import until
from support.testlab import Refused

LAB = {"units": 1, "hosts": 1}
IQN = "iqn.2026-11.org.example:web"
SECRET = "0123456789abcdef"


@pytest.fixture(scope="module")
def api(lab):
    return Api(lab)


class Api:
    def __init__(self, lab):
        self.lab = lab
        self.address = lab.client.url.split("//")[1]
        self.login = {"Authorization": lab.client.authorization}

    def ask(self, method, path, body=None, headers=None, login=True, connection=None):
        """Status, headers and data of one request, which is sent as it is given here."""
        connection = connection or http.client.HTTPConnection(self.address, timeout=120)
        sent = dict(self.login if login else {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        connection.request(method, path, body=body,
                           headers={k: v for k, v in sent.items() if v is not None})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, answer.headers, json.loads(text) if text else None

    def refused(self, status, *args, code=None, **more):
        """Asks what must be refused, and returns the sentence."""
        got, headers, problem = self.ask(*args, **more)
        assert got == status, problem
        assert headers["Content-Type"] == "application/problem+json"
        assert problem["status"] == status
        assert problem["type"] == "urn:dvsan:problem:" + problem["code"]
        assert problem["title"] and problem["detail"]
        assert code in (None, problem["code"])
        return problem["detail"]

    def intent(self):
        """All that requests could have changed, to compare before and after."""
        kept = {what: self.ask("GET", "/api/v1/" + what)[2] for what in ("volumes", "hosts", "assignments")}
        kept["tasks"] = [task["id"] for task in self.ask("GET", "/api/v1/tasks")[2]]
        return kept

    def raw(self, data):
        """Sends bytes and returns all that comes until the server closes."""
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=120) as s:
            got = b""
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while piece := s.recv(65536):
                    got += piece
            except ConnectionError:
                pass # it had enough of this
            except OSError as e:
                if e.errno != errno.ENOTCONN:
                    raise
        return got


# ---- Who may ask


def test_no_login(api):
    for path in ("/api/v1/pool", "/api/v1/nothing", "/", "/etc/passwd"):
        status, headers, problem = api.ask("GET", path, login=False)
        assert status == 401 and problem["code"] == "denied"
        assert {h.split()[0] for h in headers.get_all("WWW-Authenticate")} == {"Bearer", "Basic"}


@pytest.mark.parametrize("header", [
    "Bearer wrong", "Bearer", "Basic", "Basic !!!", "Digest x", "Bearer " + "x" * 5000,
    "Basic " + base64.b64encode(b"admin:wrong").decode(),
    "Basic " + base64.b64encode(b"root:wrong").decode(),
    "Basic " + base64.b64encode(b"admin\0:wrong").decode(),
])
def test_wrong_login(api, header):
    api.refused(401, "GET", "/api/v1/pool", headers={"Authorization": header}, code="denied")


def test_password(api):
    with open(api.lab.secret_path("admin"), encoding="ascii") as f:
        password = f.read().strip()
    for user, status in (("admin", 200), ("root", 401)):
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        assert api.ask("GET", "/api/v1/pool", headers={"Authorization": f"Basic {login}"})[0] == status


def test_token(api):
    status, _, token = api.ask("POST", "/api/v1/tokens", {"name": "ci"})
    assert status == 201 and set(token) == {"id", "name", "token"}
    login = {"Authorization": "Bearer " + token["token"]}
    assert api.ask("GET", "/api/v1/pool", headers=login)[0] == 200
    listed = api.ask("GET", "/api/v1/tokens")[2]
    assert [set(t) for t in listed] == [{"id", "name", "created"}] * len(listed)
    assert token["token"] not in json.dumps(listed)
    status, headers, data = api.ask("DELETE", f"/api/v1/tokens/{token['id']}")
    assert (status, data) == (204, None) and headers["Content-Length"] is None
    api.refused(401, "GET", "/api/v1/pool", headers=login)
    api.refused(404, "DELETE", f"/api/v1/tokens/{token['id']}")
    api.refused(400, "DELETE", "/api/v1/tokens/x")


def test_other_sites(api):
    for host in ("evil.example", "localhost.evil.example:8480", ""):
        api.refused(421, "GET", "/api/v1/pool", headers={"Host": host})
    assert api.ask("GET", "/api/v1/pool", headers={"Host": "localhost:8480"})[0] == 200
    api.refused(403, "GET", "/api/v1/pool", headers={"Origin": "http://evil.example"})
    assert api.ask("GET", "/api/v1/pool", headers={"Origin": "http://" + api.address})[0] == 200


# ---- HTTP


def test_headers(api):
    status, headers, pool = api.ask("GET", "/api/v1/pool")
    assert status == 200 and pool["units"] == 1
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Date"].endswith(" GMT")
    assert "Server" not in headers


def test_head(api):
    _, headers, _ = api.ask("GET", "/api/v1/units/unit1")
    status, head, data = api.ask("HEAD", "/api/v1/units/unit1")
    assert status == 200 and data is None
    # last_seen may have moved on, which has the same length.
    assert head["Content-Length"] == headers["Content-Length"]
    status, head, data = api.ask("HEAD", "/api/v1/units/nope")
    assert status == 404 and data is None and int(head["Content-Length"]) > 0


def test_unknown_paths(api):
    for path in ("/", "/api", "/api/v1", "/api/v1/", "/api/v2/pool", "/api/v1/pool/", "/index.html",
                 "/api/v1//pool", "/api/v1/../v1/pool", "/%2e%2e/etc/passwd"):
        api.refused(404, "GET", path, code="not_found")


def test_wrong_methods(api):
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "POST"):
        status, headers, problem = api.ask(method, "/api/v1/pool")
        assert status == 405 and headers["Allow"] == "GET, HEAD", problem
    assert api.ask("PUT", "/api/v1/volumes/x")[1]["Allow"] == "GET, HEAD, PATCH, DELETE"


def test_paths_with_odd_names(api):
    for name in ("a%2Fb", "a%27b", "%22", "%C3%A4", "a%20b", "..", "%2e%2e", "x" * 200, "%FF"):
        api.refused(404, "GET", "/api/v1/volumes/" + name, code="not_found")
    for name in ("%", "%zz", "a%00b", "x" * 300):
        api.refused(400, "GET", "/api/v1/volumes/" + name)


def test_queries(api):
    for path in ("pool?x=1", "events?limit=0", "events?limit=1001", "events?limit=x", "events?after=-1",
                 "events?limit=1&limit=2", "events?after=9223372036854775808", "tasks?state=gone",
                 "assignments?volume=a%2Fb"):
        api.refused(400, "GET", "/api/v1/" + path, code="invalid")
    api.refused(404, "GET", "/api/v1/assignments?volume=nope")
    assert api.ask("GET", "/api/v1/events?limit=1&after=0")[0] == 200
    assert api.ask("GET", "/api/v1/tasks?state=running")[2] == []


def test_bodies(api):
    before = api.intent()
    post = ("POST", "/api/v1/volumes")
    good = {"name": "x", "size": "1G"}
    api.refused(415, *post, good, headers={"Content-Type": "text/plain"})
    api.refused(415, *post, good, headers={"Content-Type": None})
    assert "JSON" in api.refused(400, *post, "{")
    assert "missing" in api.refused(400, *post)
    assert "JSON object" in api.refused(400, *post, [])
    assert "duplicate" in api.refused(400, *post, '{"name":"x","name":"y","size":1}')
    assert "colour" in api.refused(400, *post, {**good, "colour": 1})
    assert "name" in api.refused(400, *post, {"size": "1G"})
    assert "size" in api.refused(400, *post, {"name": "x"})
    assert "thin" in api.refused(400, *post, {**good, "thin": 1})
    api.refused(400, *post, b'{"name":"\xff","size":1}')
    api.refused(400, "GET", "/api/v1/pool", {})
    api.refused(400, "DELETE", "/api/v1/volumes/x", {})
    assert api.intent() == before


def test_size_limit(api):
    status, headers, problem = api.ask("POST", "/api/v1/volumes", b"x" * (64 * 1024 + 1))
    assert status == 413 and problem["code"] == "invalid" and headers["Connection"] == "close"
    # A body that is announced and not sent costs nothing.
    answer = api.raw(b"POST /api/v1/volumes HTTP/1.1\r\nHost: localhost\r\nAuthorization: " +
                     api.login["Authorization"].encode() +
                     b"\r\nContent-Length: 99999999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert api.ask("POST", "/api/v1/volumes", b" " * (64 * 1024))[0] == 400


NOT_HTTP = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", # TLS
    b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET * HTTP/1.1\r\n\r\n",
    b"BREW /api/v1/pool HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    b"POST /api/v1/volumes HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST /api/v1/volumes HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    b"GET /api/v1/pool HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \x00\xff\r\n\r\n",
    b"\0" * 100,
]


@pytest.mark.parametrize("data", NOT_HTTP, ids=range(len(NOT_HTTP)))
def test_not_http(api, data):
    answer = api.raw(data)
    if answer:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert int(head.split()[1]) >= 400
        assert b"application/problem+json" in head
        assert json.loads(body)["detail"]
    assert api.ask("GET", "/api/v1/pool")[0] == 200


def test_keep_alive(api):
    connection = http.client.HTTPConnection(api.address, timeout=120)
    connection.connect()
    first = connection.sock
    for path, status in (("pool", 200), ("nothing", 404), ("units", 200)):
        assert api.ask("GET", "/api/v1/" + path, connection=connection)[0] == status
        assert connection.sock is first
    # A refused body is read, or the connection is closed: never taken for the next request.
    api.ask("POST", "/api/v1/volumes", '{"name": 7}', connection=connection)
    assert api.ask("GET", "/api/v1/pool", connection=connection)[0] == 200


def test_quick_one_after_the_other(api):
    """No answer on a kept connection waits for an acknowledgement of the one before, which may take 40 ms."""
    connection = http.client.HTTPConnection(api.address, timeout=120)

    def is_quick():  # a busy machine makes some of them slow; 40 ms each is another thing
        start = time.monotonic()
        api.ask("GET", "/api/v1/pool", connection=connection)
        return time.monotonic() - start < 0.03
    for _ in range(20):  # while the kernel acknowledges at once, as it does at first
        is_quick()
    assert until(is_quick, 20)


def test_many_at_once(api):
    results = []

    def ask():
        results.append(api.ask("GET", "/api/v1/units")[0])
    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [200] * 100


# ---- Things


def test_fields(api):
    """What scripts may count on."""
    volume = api.lab.create("fields1", "8M")
    assert {"name", "uuid", "unit", "medium", "start_lba", "blocks", "end_lba", "block_size", "size", "thin",
            "iqn", "lun", "portals", "state", "progress", "last_error", "hosts"} <= set(volume)
    assert volume["end_lba"] - volume["start_lba"] + 1 == volume["blocks"] == 16384
    assert volume["size"] == 8 << 20 and volume["hosts"] == [] and volume["state"] == "online"
    unit = api.lab.unit("unit1")
    assert {"name", "uuid", "kind", "state", "address", "engine_id", "epoch", "generation", "software",
            "block_size", "blocks", "free_blocks", "largest_free_blocks", "volumes", "last_seen",
            "last_error", "media", "portals"} <= set(unit)
    assert unit["kind"] == "unit" and unit["volumes"] == 1
    assert unit == {**api.ask("GET", f"/api/v1/units/{unit['uuid']}")[2], "last_seen": unit["last_seen"]}
    pool = api.ask("GET", "/api/v1/pool")[2]
    assert {"name", "version", "block_size", "blocks", "free_blocks", "units", "units_up", "volumes",
            "hosts", "notifications"} <= set(pool)
    media = api.ask("GET", "/api/v1/media")[2]
    assert media == unit["media"] and media[0]["unit"] == "unit1"
    task = api.ask("GET", "/api/v1/tasks")[2][-1]
    assert {"id", "kind", "state", "progress", "summary", "volume", "host", "steps", "waiting", "error",
            "created", "started", "finished", "version"} <= set(task)
    assert task["volume"] == volume["uuid"] and task["volume_name"] == "fields1"
    api.lab.assign("fields1", "host1")
    assert api.lab.volume("fields1")["hosts"] == ["host1"]
    info = api.ask("GET", "/api/v1/hosts/host1/connect-info")[2]
    assert info["volumes"][0]["iqn"] == volume["iqn"] and info["volumes"][0]["access"] == "active"
    assignments = api.ask("GET", "/api/v1/assignments?host=host1")[2]
    assert [(a["volume"], a["host"], a["state"]) for a in assignments] == [("fields1", "host1", "active")]
    assert api.ask("GET", "/api/v1/assignments/fields1/host1")[2] == assignments[0]
    api.refused(409, "DELETE", "/api/v1/volumes/fields1", code="conflict")
    api.lab.unassign("fields1", "host1")
    api.refused(404, "GET", "/api/v1/assignments/fields1/host1")
    api.lab.done(api.ask("DELETE", "/api/v1/volumes/fields1")[2])


@pytest.mark.parametrize("change, code, status", [
    ({"size": 0}, "invalid", 400), ({"size": -1}, "invalid", 400), ({"size": "0"}, "invalid", 400),
    ({"size": "-1"}, "invalid", 400), ({"size": 2**63}, "invalid", 400), ({"size": str(2**63)}, "invalid", 400),
    ({"size": 2**63 - 1}, None, None), ({"size": 2**70}, "invalid", 400), ({"size": 1.5}, "invalid", 400),
    ({"size": "10X"}, "invalid", 400), ({"size": None}, "invalid", 400), ({"size": "100T"}, "no_space", 507),
    ({"name": "a/b"}, "invalid", 400), ({"name": "a'b"}, "invalid", 400), ({"name": 'a"b'}, "invalid", 400),
    ({"name": ""}, "invalid", 400), ({"name": "x" * 64}, "invalid", 400), ({"name": "ä"}, "invalid", 400),
    ({"name": "../x"}, "invalid", 400), ({"name": "a\nb"}, "invalid", 400), ({"name": "a\0b"}, "invalid", 400),
    ({"unit": "nope"}, "not_found", 404), ({"medium": "nope"}, "not_found", 404),
])
def test_bad_volumes(api, change, code, status):
    before = api.intent()
    got, _, problem = api.ask("POST", "/api/v1/volumes", {"name": "bad", "size": "8M", **change})
    assert got == status if status else got in (400, 507), problem
    assert code in (None, problem["code"])
    assert api.intent() == before


@pytest.mark.parametrize("change, code", [
    ({"iqn": "nonsense"}, "invalid"), ({"iqn": "iqn.2026-13.org.example:x"}, "invalid"),
    ({"iqn": "iqn.2026-11.org.example:x;y"}, "invalid"), ({"chap_secret": "short"}, "invalid"),
    ({"chap_secret": "x" * 17}, "invalid"), ({"chap_secret": "has blanks in it"}, "invalid"),
    ({"chap_secret": 1234567890123}, "invalid"), ({"name": "host1"}, "exists"),
    ({"iqn": "iqn.2026-11.lab.dvsan:host1"}, "exists"), ({"chap_user": ""}, "invalid"),
    ({"chap_user": "x" * 64}, "invalid"), ({"chap_user": "host1"}, "exists"),
])
def test_bad_hosts(api, change, code):
    before = api.intent()
    body = {"name": "web", "iqn": IQN, "chap_secret": SECRET, **change}
    status, _, problem = api.ask("POST", "/api/v1/hosts", body)
    assert status in (400, 409) and problem["code"] == code
    assert str(change.get("chap_secret", SECRET)) not in problem["detail"]
    assert api.intent() == before


def test_host(api):
    status, headers, host = api.ask("POST", "/api/v1/hosts", {"name": "web", "iqn": IQN, "chap_secret": SECRET})
    assert status == 201 and headers["Location"] == "/api/v1/hosts/web"
    assert host["chap_user"] == "web" and host["secret_known"] is True and host["volumes"] == []
    everything = json.dumps([api.ask("GET", "/api/v1/" + path)[2] for path in
                             ("hosts", "hosts/web", "hosts/web/connect-info", "events", "assignments")])
    assert SECRET not in everything
    assert [h["name"] for h in api.ask("GET", "/api/v1/hosts")[2]] == ["host1", "web"]
    assert api.ask("DELETE", "/api/v1/hosts/web")[0] == 204
    api.refused(404, "DELETE", "/api/v1/hosts/web")


def test_task_answers(api):
    status, headers, task = api.ask("POST", "/api/v1/volumes", {"name": "t1", "size": 1 << 20})
    assert status == 202 and headers["Location"] == f"/api/v1/tasks/{task['id']}"
    api.lab.done(task)
    api.refused(409, "POST", f"/api/v1/tasks/{task['id']}/cancel", code="conflict")
    for path in ("tasks/999999", "tasks/999999?wait=1"):
        api.refused(404, "GET", "/api/v1/" + path)
    for path in ("tasks/x", "tasks/0", "tasks/-1", "tasks/1?wait=61", "tasks/1?wait=x"):
        api.refused(400, "GET", "/api/v1/" + path)
    api.lab.done(api.ask("DELETE", "/api/v1/volumes/t1")[2])


# ---- Waiting, and the end


def agent_of(api):
    return next(p for p in api.lab.units["unit1"].processes if p.name.endswith("agent")).pid()


@pytest.fixture(scope="module")
def stuck(api):
    """A task that is under way for as long as this is: its unit's agent has stopped to answer."""
    until(lambda: api.lab.unit("unit1")["state"] == "up", 30)
    agent = agent_of(api)
    os.kill(agent, signal.SIGSTOP)
    task = api.ask("POST", "/api/v1/volumes", {"name": "stuck", "size": "1M"})[2]
    assert task["state"] in ("queued", "running"), task
    yield f"/api/v1/tasks/{task['id']}"
    os.kill(agent, signal.SIGCONT)


def test_wait_times_out(api, stuck):
    start = time.monotonic()
    assert api.ask("GET", f"{stuck}?wait=1&seen=999999")[2]["state"] in ("queued", "running")
    assert time.monotonic() - start >= 1
    # A version that is past already is answered at once, however long one would wait.
    start = time.monotonic()
    assert api.ask("GET", f"{stuck}?wait=60&seen=0")[0] == 200
    assert time.monotonic() - start < 60  # as long as it would have waited


def test_waits_leave_room_for_others(api, stuck):
    """However many wait, the others are served meanwhile."""
    statuses, threads = [], []

    def wait():
        statuses.append(api.ask("GET", stuck + "?wait=20&seen=999999")[0])
    for _ in range(40):
        threads.append(threading.Thread(target=wait))
        threads[-1].start()
    assert until(lambda: statuses.count(503) > 0, 10)  # so as many wait as may
    assert api.ask("GET", "/api/v1/pool")[0] == 200
    assert len(statuses) < len(threads)  # some wait still
    for thread in threads:
        thread.join(60)
    assert set(statuses) == {200, 503} and statuses.count(200) >= 16


def test_stop_while_some_wait(api, stuck):
    outcomes = []

    def wait():
        try:
            outcomes.append(api.ask("GET", stuck + "?wait=60&seen=999999")[0])
        except (OSError, http.client.HTTPException) as e:
            outcomes.append(type(e))
    threads = [threading.Thread(target=wait) for _ in range(5)]
    idle = http.client.HTTPConnection(api.address, timeout=120)
    api.ask("GET", "/api/v1/pool", connection=idle)
    for thread in threads:
        thread.start()
    api.ask("GET", "/api/v1/pool")
    start = time.monotonic()
    api.lab.run("stop", "cms")
    took = time.monotonic() - start
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads) and len(outcomes) == 5
    api.lab.run("start", "cms")
    assert took < 60  # as long as they would have waited
    assert api.ask("GET", stuck)[2]["state"] in ("queued", "running")


def test_cancel_ends_a_wait(api, stuck):
    answers = []

    def wait():
        answers.append(api.ask("GET", stuck + "?wait=60&seen=999999")[2])
    thread = threading.Thread(target=wait)
    thread.start()
    assert api.ask("POST", stuck + "/cancel")[0] == 200
    os.kill(agent_of(api), signal.SIGCONT)  # till it answers, its order may still be carried out
    thread.join(60)
    assert [a["state"] for a in answers] == ["cancelled"]


def test_port_in_use(api):
    """A second station on the same address says which, and what is wrong."""
    folder = os.path.join(api.lab.work, "second")
    with open(os.path.join(api.lab.folder, "cms", "cms.xml"), encoding="utf-8") as f:
        text = f.read()
    text = text.replace('state-dir="state"', f'state-dir="{folder}"').replace(":1162", ":1163")
    path = os.path.join(api.lab.folder, "cms", "second.xml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    done = subprocess.run([os.path.join(BUILD, "bin", "dvsan-cms"), "-c", path], timeout=120,
                          capture_output=True, text=True, check=False)
    os.unlink(path)
    assert done.returncode != 0
    assert f"cannot listen at {api.address}" in done.stderr
    assert "Address already in use" in done.stderr


def test_nothing_is_left_behind(api):
    """All that waited is gone: every thread is free again."""
    with pytest.raises(Refused):
        api.lab.volume("bad")
    for _ in range(3):
        test_many_at_once(api)

"""Whatever is asked or sent, the answer is a clear error or a counted drop, and nothing changes."""
import json
import os
import random
import socket
import struct

import pytest

from support import net, packets
from support.oids import LINK_DOWN
from support.patience import until
from support.testlab import Refused
from dvsanlab import rest

LAB = {"units": 1, "hosts": 1}
GOOD = {"name": "good", "size": "16M"}
IQN = "iqn.2026-11.example:bad"
SECRET = "a-secret-of-16-ch"[:16]


@pytest.fixture(scope="module", autouse=True)
def used(lab):
    """A pool with something in it that could be damaged."""
    lab.create("used", "32M")
    lab.assign("used", "host1")


@pytest.fixture(autouse=True)
def nothing_changes(lab, used):
    """Around each test: all is as before, and the same processes run."""
    del used
    if not all(processes(lab).values()):  # of the test before, which has failed; go on
        lab.run("start", *lab.units, "cms")
    before, pids = lab.everything(), processes(lab)
    yield
    assert processes(lab) == pids
    assert lab.everything() == before


def processes(lab):
    return {p.name: p.pid() for member in lab.lab.members for p in member.processes}


def refuse(client, method, path, body=None, raw=None):
    """Asks for it, and returns the problem that was answered."""
    with pytest.raises(Refused) as e:
        client.ask(method, path, body, raw)
    problem = e.value.problem
    assert problem.get("status") == e.value.status
    assert {"type", "title", "code", "detail"} <= set(problem), problem
    assert len(problem["detail"]) > 10, problem
    return e.value


# Requests by REST

def test_a_target_is_no_host(lab):
    for iqn in (lab.volume("used")["iqn"], lab.volume("used")["iqn"].upper()):
        e = refuse(lab.client, "POST", "/hosts", {"name": "bad", "iqn": iqn, "chap_secret": SECRET})
        assert e.status == 400 and "target name of volume used" in e.problem["detail"], e.problem


def test_a_code_for_a_unit_again_names_it(lab):
    said = lab.dvsan("unit", "add", "--again", code=2).stderr
    assert "needs its name" in said, said


@pytest.mark.parametrize("size", [
    0, -1, 1.5, True, None, [], {}, "", "0", "-1G", "1.5", "ten", " 1G", "1G ", "1GG", "0x10", "1e3",
    "NaN", "1G\x00", 1 << 63, (1 << 63) - 1, 1 << 64, -(1 << 63), str(1 << 63), str(1 << 64),
    "16E", "99999999999999999999999999", "9" * 400, "8E"])
def test_sizes(lab, size):
    e = refuse(lab.client, "POST", "/volumes", {"name": "bad", "size": size})
    assert e.status in (400, 507), e


def test_more_than_there_is(lab):
    e = refuse(lab.client, "POST", "/volumes", {"name": "bad", "size": "11G"})
    assert (e.status, e.code) == (507, "no_space")


@pytest.mark.parametrize("name", [
    "", ".", "..", ".a", "-a", "a/b", "../../etc/passwd", "a'b", 'a"b', "a b", "a\nb", "a\tb", "a;b",
    "a\u0000b", "ä", "a\u202eb", "😀", "x" * 64, "x" * 5000, "%s%n", "'; DROP TABLE volume; --",
    "<script>alert(1)</script>", None, 5, ["a"], {"a": "b"}, False])
@pytest.mark.parametrize("what", ["volumes", "hosts", "tokens"])
def test_names(lab, what, name):
    body = {"volumes": {"size": "16M"}, "hosts": {"iqn": IQN, "chap_secret": SECRET},
            "tokens": {}}[what]
    assert refuse(lab.client, "POST", "/" + what, dict(body, name=name)).status == 400


@pytest.mark.parametrize("path, body, status", [
    ("/volumes", dict(GOOD, name="used"), 409),
    ("/volumes", dict(GOOD, unit="unit7"), 404),
    ("/volumes", dict(GOOD, unit="../unit1"), None),
    ("/volumes", dict(GOOD, unit=1), 400),
    ("/volumes", dict(GOOD, medium="nothing"), 404),
    ("/volumes", dict(GOOD, thin="yes"), 400),
    ("/volumes", dict(GOOD, colour="red"), 400),
    ("/volumes", {"name": "bad"}, 400),
    ("/volumes", {"size": "1G"}, 400),
    ("/volumes", {}, 400),
    ("/volumes", [], 400),
    ("/volumes", "text", 400),
    ("/hosts", {"name": "host1", "iqn": IQN, "chap_secret": SECRET}, 409),
    ("/hosts", {"name": "bad", "iqn": "iqn.2026-11.lab.dvsan:host1", "chap_secret": SECRET}, 409),
    ("/hosts", {"name": "bad", "iqn": "nonsense", "chap_secret": SECRET}, 400),
    ("/hosts", {"name": "bad", "iqn": "iqn.2026-11.example:" + "x" * 300, "chap_secret": SECRET}, 400),
    ("/hosts", {"name": "bad", "iqn": "iqn.2026-11.example:a b", "chap_secret": SECRET}, 400),
    ("/hosts", {"name": "bad", "iqn": IQN, "chap_secret": "short"}, 400),
    ("/hosts", {"name": "bad", "iqn": IQN, "chap_secret": "x" * 17}, 400),
    ("/hosts", {"name": "bad", "iqn": IQN, "chap_secret": "line\nbreak-is-in"}, 400),
    ("/hosts", {"name": "bad", "iqn": IQN}, 400),
    ("/assignments", {"volume": "nothing", "host": "host1"}, 404),
    ("/assignments", {"volume": "used", "host": "nobody"}, 404),
    ("/assignments", {"volume": "used"}, 400),
    ("/assignments", {"volume": 1, "host": 1}, 400),
    ("/codes", {"again": True}, 400),
    ("/codes", {"name": "unit7", "again": True}, 404),
    ("/codes", {"from": "192.0.2.0/024"}, 400),
])
def test_bodies(lab, path, body, status):
    e = refuse(lab.client, "POST", path, body)
    assert e.status in ((status,) if status else (400, 404)), e
    assert SECRET not in json.dumps(e.problem)


@pytest.mark.parametrize("raw", [
    b"", b"{", b"nonsense", b"\xff\xfe", b"\x00" * 100, b'{"name": "bad", "size": "16M"} trailing',
    b'{"name": "bad", "name": "bad2", "size": "16M"}', b"[" * 20000, b'{"a":' * 10000,
    b'{"name": "bad", "size": 1e999}', b'{"name": "\\ud800", "size": "16M"}'])
def test_what_is_not_json(lab, raw):
    assert refuse(lab.client, "POST", "/volumes", raw=raw).status == 400


def test_a_body_that_is_too_large(lab):
    raw = json.dumps(dict(GOOD, name="x" * 70000)).encode()
    assert refuse(lab.client, "POST", "/volumes", raw=raw).status == 413


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/nothing", 404), ("GET", "/", 404), ("GET", "/units/nothing", 404),
    ("GET", "/volumes/..%2f..%2fetc%2fpasswd", 404), ("GET", "/volumes/%00", None),
    ("GET", "/volumes/" + "x" * 3000, None), ("GET", "/tasks/-1", None),
    ("GET", "/tasks/18446744073709551616", None), ("GET", "/tasks/abc", None),
    ("GET", "/events?limit=-1", 400), ("GET", "/events?after=x", 400),
    ("GET", "/tasks/1?wait=99999", 400),
    ("DELETE", "/volumes/nothing", 404), ("DELETE", "/hosts/nobody", 404),
    ("DELETE", "/assignments/used/nobody", 404), ("DELETE", "/units/unit1", 409),
    ("DELETE", "/pool", 405), ("PUT", "/volumes", 405), ("PUT", "/volumes/used", 405),
    ("PATCH", "/volumes/used", 400), ("PATCH", "/volumes/nothing", None),
    ("POST", "/tasks/999999/cancel", 404), ("DELETE", "/tokens/999999", 404)])
def test_paths(lab, method, path, status):
    assert refuse(lab.client, method, path).status in ((status,) if status else (400, 404))


@pytest.mark.parametrize("header", [
    None, "Bearer ", "Bearer nonsense", "Basic nonsense", "Basic " + "A" * 5000, "Digest a=b",
    "Basic YWRtaW46", "Basic YWRtaW46d3Jvbmc="])
def test_nobody_comes_in_without_a_token(lab, header):
    client = rest.Client(lab.lab.settings.url())
    client.authorization = header
    for method, path in (("GET", "/pool"), ("POST", "/volumes"), ("DELETE", "/volumes/used")):
        assert refuse(client, method, path, GOOD).status == 401


@pytest.mark.parametrize("raw", [
    b"\x00" * 1000, b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    b"POST /api/v1/volumes HTTP/1.1\r\nContent-Length: -5\r\n\r\n{}",
    b"POST /api/v1/volumes HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\n\r\n"])
def test_what_is_not_http(lab, raw):
    address = lab.lab.settings.url().removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), 5) as s:
        try:
            s.sendall(raw)
            s.shutdown(socket.SHUT_WR)
            s.settimeout(60)
            while s.recv(4096):
                pass
        except OSError:
            pass


# The command line

@pytest.mark.parametrize("args", [
    ("volume", "create", "bad", "--size", "1G", "--unit", "unit7"),
    ("volume", "create", "bad", "--size", "0"),
    ("volume", "create", "bad", "--size", "11G"),
    ("volume", "create", "bad", "--size", "-1G"),
    ("volume", "create", "bad", "--size", "-1"),
    ("volume", "create", "bad", "--size", str(1 << 63)),
    ("volume", "create", "bad", "--size", "ten"),
    ("volume", "create", "bad"),
    ("volume", "create"),
    ("volume", "create", "a/b", "--size", "1G"),
    ("volume", "create", "a'b", "--size", "1G"),
    ("volume", "create", 'a"b', "--size", "1G"),
    ("volume", "create", "../a", "--size", "1G"),
    ("volume", "create", "a\x1b[31mb", "--size", "1G"),
    ("volume", "create", "", "--size", "1G"),
    ("volume", "create", "used", "--size", "1G"),
    ("volume", "delete", "nothing"),
    ("volume", "delete", "used"),
    ("volume", "delete", "a/../used"),
    ("volume", "assign", "used", "--host", "nobody"),
    ("volume", "assign", "nothing", "--host", "host1"),
    ("volume", "unassign", "nothing", "--host", "host1"),
    ("host", "add", "host1", "--iqn", IQN),
    ("host", "add", "bad", "--iqn", "nonsense"),
    ("host", "delete", "host1"),
    ("unit", "show", "unit7"),
    ("task", "watch", "999999"),
    ("task", "cancel", "abc"),
    ("nonsense",), ("volume", "nonsense"), ("--nonsense",),
])
def test_the_command_line(lab, args):
    done = lab.dvsan(*args, code=None)
    assert 0 < done.returncode < 126, done
    assert done.stderr.startswith("dvsan: ") and len(done.stderr) > 20, done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("env, words", [
    ({"DVSAN_TOKEN": "nonsense"}, "token"),
    ({"DVSAN_URL": "http://127.17.0.254:1"}, "127.17.0.254"),
    ({"DVSAN_URL": "nonsense:/"}, ""),
])
def test_the_command_line_without_a_station(lab, env, words, monkeypatch):
    for name, value in env.items():
        monkeypatch.setitem(lab.env, name, value)
    done = lab.dvsan("pool", "show", code=None)
    assert 0 < done.returncode < 126 and words in done.stderr.lower(), done


# Notifications

def counts(lab):
    return lab.client.get("/pool")["notifications"]


def counted(lab, before, which, at_least=1):
    """Whether the count has grown by so much, and no notification was taken in."""
    def grown():
        now = counts(lab)
        return now if now[which] >= before[which] + at_least else None
    now = until(grown, 10)
    assert now, (before, counts(lab))
    assert (now["informs"], now["traps"]) == (before["informs"], before["traps"])


@pytest.mark.parametrize("version, inform", [("1", False), ("2c", False), ("2c", True)])
def test_old_versions_are_dropped(lab, version, inform):
    before = counts(lab)
    varbinds = packets.announcement(lab.unit("unit1"), state="4")
    if version == "1":
        packets.old_trap(lab)
    else:
        assert not packets.notify(lab, varbinds, version=version, inform=inform)
    counted(lab, before, "dropped_version")


@pytest.mark.parametrize("what", [
    {"phrase": "not-the-right-phrase"}, {"user": "nobody"}, {"user": "dvsan-monitor"},
    {"level": "noAuthNoPriv"}, {"level": "authNoPriv"}])
@pytest.mark.parametrize("inform", [False, True])
def test_forged_notifications_are_dropped(lab, what, inform):
    before = counts(lab)
    unit = lab.unit("unit1")
    assert not packets.notify(lab, packets.announcement(unit, state="4"), inform=inform,
                              trap=LINK_DOWN, **what)
    counted(lab, before, "dropped_security")


def test_garbage_is_dropped(lab):
    before = counts(lab)
    chance = random.Random(1)
    garbage = [chance.randbytes(n) for n in (1, 2, 3, 10, 100, 1000, 1472, 9000, 65507)]
    garbage += [bytes([0x30, 0x84]) + b"\xff" * 40, b"\x30\x80\x00\x00", b"\x30" * 500,
                bytes.fromhex("3003020103"), bytes.fromhex("300302017f"), b"\x00" * 2000]
    for packet in garbage:
        packets.send_raw(lab, packet)
    packets.send_raw(lab, b"")
    counted(lab, before, "dropped_malformed", len(garbage) - 2)


def test_truncated_and_altered_informs_are_dropped(lab):
    with net.own_range() as n:
        # One that is right in every way but says nothing new: the unit has this epoch already.
        whole = packets.record_inform(lab, f"127.17.{n}.10",
                                      packets.announcement(lab.unit("unit1")))
    assert len(whole) > 200
    before = counts(lab)

    def dropped():
        return sum(v for k, v in counts(lab).items() if k.startswith("dropped"))
    start = dropped()
    altered = [whole[:n] for n in range(1, len(whole), 5)]
    chance = random.Random(2)
    for _ in range(300):
        packet = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            packet[chance.randrange(len(packet))] ^= 1 << chance.randrange(8)
        altered.append(bytes(packet))
    altered.append(whole + b"\x00" * 10)
    for packet in altered:
        packets.send_raw(lab, packet)
        lab.client.get("/pool")  # keeps pace: none is lost in the socket's buffer
    # What differs only in bytes that nothing covers, such as msgID, may pass as the whole one does.
    assert until(lambda: dropped() - start >= len(altered) * 0.9, 10), (before, counts(lab))


def test_a_storm_of_garbage_does_not_stop_the_station(lab):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for i in range(20000):
            s.sendto(struct.pack(">I", i) * 20, packets.station(lab))
    assert until(lambda: packets.notify(lab, packets.announcement(lab.unit("unit1"))), 10)
    assert lab.unit("unit1")["state"] == "up"


@pytest.mark.parametrize("changed", [
    {"uuid": None}, {"uuid": ("x", "00")}, {"uuid": ("s", "text")}, {"uuid": ("x", "00" * 16)},
    {"kind": "9"}, {"kind": ("s", "unit")}, {"name": ""}, {"name": "a/b"}, {"name": "x" * 200},
    {"name": ("x", "ff0a00")}, {"address": ""}, {"address": None}, {"address": "nonsense:::"},
    {"address": "x" * 255}, {"address": "unix:/etc/passwd"}, {"engine_id": ("x", "00")},
    {"engine_id": ("x", "00" * 33)}, {"engine_id": None}, {"epoch": ("s", "1")}, {"state": "77"},
    {"enterprise": ("o", "1.3.6.1.4.1.1")}, {"enterprise": None}, {"generation": None},
])
def test_a_members_own_nonsense_changes_nothing(lab, changed):
    """Authenticated, but not what the MIB says: whoever has the key of one unit may send it."""
    before = lab.unit("unit1")
    packets.notify(lab, packets.announcement(before, **changed))
    assert until(lambda: lab.unit("unit1")["state"] == "up", 5)
    for field in ("uuid", "address", "engine_id", "name", "blocks", "volumes"):
        assert lab.unit("unit1")[field] == before[field]


def test_an_announcement_alone_moves_no_unit(lab):
    """It is only news: what answers at the address it names must be the unit's own engine."""
    before = lab.unit("unit1")
    other = before["address"].replace(":1161", ":1199")
    packets.notify(lab, packets.announcement(before, address=other))
    packets.notify(lab, packets.announcement(before, name="unit9"))
    assert until(lambda: lab.unit("unit1")["state"] == "up", 10)
    after = lab.unit("unit1")
    assert (after["name"], after["address"]) == ("unit1", before["address"])
    assert os.path.exists(lab.folder)

"""Enrolment with a second implementation, with those who have no code, and as the wire shows it."""
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from dvsanlab.settings import NOTIFY_PORT
from test_enrol import (enrol, identity, inform, new_code, notify_user, stopped,  # noqa: F401
                        user_of, users_of_snmpd, wait_up)
from support import BUILD, noise, packets, patience, wire
from support.faults import needs_faults

LAB = {"units": 2, "hosts": 1, "enrolled": True}


def door(lab):
    return lab.lab.station.address, NOTIFY_PORT


def near(lab, last):
    """An address of the lab's own range."""
    return lab.base.rpartition(".")[0] + f".{last}"


def shown(lab, made):
    return next(c for c in lab.client.get("/codes") if c["id"] == made["id"])


def refusal(station, code, source=None, what=None):
    with noise.Member(station, code, source) as member, \
            pytest.raises(noise.RefusedError) as refused:
        member.prove(member.ask())
        member.tell(what or noise.request())
    return refused.value


def guess(station, code, source=None):
    """Asks with a wrong secret, and leaves as the other side would."""
    with noise.Member(station, noise.other_secret(code), source) as member, \
            pytest.raises(noise.InvalidTag):
        member.prove(member.ask())


# ---- A second implementation on either side -----------------------------------------------------

def test_another_member_enrols(lab):
    what, made = noise.request(name="peer1"), new_code(lab, name="given1")
    with noise.Member(door(lab), made["code"]) as member:
        grant = member.enrol(what)
    assert (grant["name"], grant["uuid"], grant["number"]) == ("given1", what["uuid"], 1)
    assert grant["station"]["address"] == "udp:%s:%d" % door(lab)
    keys = [grant["notify_keys"], *grant["station_keys"]]
    assert len(set(keys)) == 3 and {len(k) for k in keys} == {96}
    unit = lab.unit("given1")
    assert unit["trust"] == "enrolled" and unit["engine_id"].replace(":", "") == what["engine_id"]
    assert shown(lab, made)["state"] == "used" and shown(lab, made)["tries"] == 1000


def copy_of(lab, unit, name):
    """A unit's configuration with folders and an engine of its own; the path of its unit.xml."""
    folder = os.path.join(lab.work, name)
    for part in ("state", "snmpd.state", *unit.media):
        os.makedirs(os.path.join(folder, part), mode=0o700)
    with open(unit.path("unit.xml"), encoding="utf-8") as f:
        text = f.read().replace(unit.folder, folder)
    text = text.replace(unit.engine_id().removeprefix("0x"), noise.new_engine())
    path = os.path.join(folder, "unit.xml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def enrol_copy(path, code, station):
    return subprocess.run([os.path.join(BUILD, "bin", "dvsan-unit"), "-c", path, "--enrol", "-",
                           "--station", station], input=code, capture_output=True, text=True,
                          timeout=120, check=False)


def test_a_unit_enrols_at_another_station(lab):
    path = copy_of(lab, lab.units["unit1"], "copy")
    code = noise.new_code()
    station = noise.Station(near(lab, 200), code)
    thread = threading.Thread(target=station.serve)
    thread.start()
    done = enrol_copy(path, code, station.address)
    thread.join(60)
    assert done.returncode == 0, done.stderr
    assert station.asked == noise.split_code(code)[0] and station.kept
    with open(os.path.join(os.path.dirname(path), "state", "identity"), encoding="ascii") as f:
        kept = json.load(f)
    assert kept["notify_keys"] == station.grant["notify_keys"] and kept["number"] == 7
    with open(os.path.join(os.path.dirname(path), "snmpd.state", "snmpd.conf"),
              encoding="ascii") as f:
        text = f.read()
    assert all(k[:64] in text and k[64:] in text for k in station.grant["station_keys"])


# ---- Who has no code ------------------------------------------------------------------------------

class Relay:
    """Sits between members and the station, and plays the station to the one and a member to the
    other, without the code; or changes one byte of one frame."""

    def __init__(self, lab, change=None):
        self.lab, self.change = lab, change
        self.listener = socket.create_server((near(lab, 201), 0))
        self.address = "%s:%d" % self.listener.getsockname()
        self.thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *why):
        self.thread.join(60)
        self.listener.close()

    def _serve(self):
        with self.listener.accept()[0] as member, \
                socket.create_connection(door(self.lab), timeout=60) as station:
            member.settimeout(60)
            try:
                (self._play if self.change is None else self._pass)(member, station)
            except (EOFError, ConnectionError):
                pass

    def _play(self, member, station):
        inner, outer = noise.Handshake(), noise.Handshake()
        name = inner.read_ask(noise.read_frame(member)[1])
        station.sendall(noise.frame(noise.ASK, outer.ask(name)))
        kind, answer = noise.read_frame(station)
        assert kind == noise.ANSWER
        with pytest.raises(noise.InvalidTag):
            outer.read_answer(os.urandom(32), answer)
        member.sendall(noise.frame(noise.ANSWER, inner.answer(os.urandom(32))))
        noise.read_frame(member)

    def _pass(self, member, station):
        for i in range(5):
            kind, data = noise.read_frame((member, station)[i % 2])
            if i == self.change:
                data = bytes([data[0] ^ 1]) + data[1:]
            (station, member)[i % 2].sendall(noise.frame(kind, data))


@pytest.mark.parametrize("change", [None, 1, 2, 3], ids=["plays both", "answer", "request", "grant"])
def test_who_sits_between_is_noticed_by_both(lab, change):
    path = copy_of(lab, lab.units["unit1"], f"copy-{change}")
    made = new_code(lab)
    with Relay(lab, change) as relay:
        done = enrol_copy(path, made["code"], relay.address)
    assert done.returncode != 0
    if change == 2: # it was the station that noticed
        assert "look at its events" in done.stderr, done.stderr
    else:
        assert "somebody sits between" in done.stderr, done.stderr
    assert not os.path.exists(os.path.join(os.path.dirname(path), "state", "identity"))
    assert not os.path.exists(os.path.join(os.path.dirname(path), "snmpd.state", "snmpd.conf"))
    if change == 3: # the station had let it in, and waits to hear of it
        assert shown(lab, made)["state"] == "used"
        return
    patience.wait_for("the station to tell of it", lambda: any(
        f"tried the code {made['id']} and does not know it, or somebody sits between" in text
        for text in lab.texts()))
    assert shown(lab, made)["used"] == 0


def test_a_stranger_ends_no_code_for_its_owner(lab):
    """The code's first characters are heard by all who listen."""
    made, station = new_code(lab), door(lab)
    stranger, owner = near(lab, 202), near(lab, 203)
    held = [noise.Member(station, noise.other_secret(made["code"]), stranger) for _ in range(7)]
    answers = []
    for member in held: # at once: none is known to be wrong yet
        try:
            answers.append(member.ask())
        except noise.RefusedError as e:
            assert "too many at once" in str(e) and not e.sealed
    assert len(answers) == 5
    for member in held:
        member.s.close()
    patience.wait_for("the tries to be counted", lambda: "too often from " + stranger in str(
        refusal(station, made["code"], stranger)))
    assert shown(lab, made)["tries"] == 995 and shown(lab, made)["state"] == "open"
    with noise.Member(station, made["code"], owner) as member:
        assert member.enrol(noise.request(name="owner"))["name"] == "owner"
    assert any(stranger in text and "0 more such tries" in text for text in lab.texts())


def test_many_come_at_once_with_one_code(lab):
    made, station = new_code(lab, count=12), door(lab)
    held = [noise.Member(station, made["code"]) for _ in range(12)]
    answers = [member.ask() for member in held]
    for i, (member, answer) in enumerate(zip(held, answers)):
        with member:
            member.prove(answer)
            member.tell(noise.request(name=f"many{i}"))
    assert shown(lab, made)["used"] == 12
    assert "was used at" in str(refusal(station, made["code"]))


def test_a_code_gives_its_keys_until_they_are_kept(lab):
    what, made, station = noise.request(name="twice"), new_code(lab), door(lab)
    grants = []
    for keep in (False, False, True): # the connection breaks twice
        with noise.Member(station, made["code"]) as member:
            grants.append(member.enrol(what, keep))
    assert grants[0] == grants[1] == grants[2]
    assert any("was given its keys once more" in text for text in lab.texts())
    told = refusal(station, made["code"], what=what)
    assert "was used at" in str(told) and "by twice" in str(told) and told.sealed
    assert "was used at" in str(refusal(station, made["code"])) # another one


def test_none_takes_anothers_engine(lab):
    made, theirs = new_code(lab), lab.unit("unit2")["engine_id"]
    told = refusal(door(lab), made["code"], what=noise.request(engine_id=theirs))
    assert "has the ID of unit2" in str(told)
    told = refusal(door(lab), made["code"], what=noise.request(
        engine_id=identity(lab.units["unit1"])["station"]["engine_id"]))
    assert "has the ID of the station itself" in str(told)


def test_keys_of_a_forgotten_unit_are_not_made_again(lab):
    what, station = noise.request(name="gone"), door(lab)
    said = packets.announcement(dict(lab.unit("unit1"), **{
        key: what[key] for key in ("name", "uuid", "engine_id", "address")}))
    grants = []
    for _ in range(2):
        with noise.Member(station, new_code(lab)["code"]) as member:
            grants.append(member.enrol(what))
        assert inform(lab, user_of(grants[-1]), said).returncode == 0
        asked = lab.dvsan("unit", "forget", "gone", code=2).stderr
        assert "a new code that is typed on it (dvsan unit add gone) brings it in again" in asked, asked
        answer = lab.dvsan("unit", "forget", "gone", "--yes").stdout
        assert "Should it come back: dvsan unit add gone, and on it the line" in answer, answer
        assert any("was forgotten" in text and "dvsan unit add gone" in text for text in lab.texts())
        patience.wait_for("it to be forgotten", lambda: "gone" not in {
            u["name"] for u in lab.client.get("/units")})
        assert "Unknown user name" in inform(lab, user_of(grants[-1]), said).stderr
    assert [g["number"] for g in grants] == [1, 3]
    keys = [k for g in grants for k in (g["notify_keys"], *g["station_keys"])]
    assert len(set(keys)) == 6


def test_a_try_counts_though_the_station_dies(lab):
    made = new_code(lab)
    with noise.Member(door(lab), noise.other_secret(made["code"])) as member:
        member.ask()
        lab.run("kill", "cms")
    lab.run("start", "cms")
    assert shown(lab, made)["tries"] == 999


def starts_and_stops(path, code, station, point):
    """Enrols up to a fault point; the stopped process."""
    stop = os.path.join(os.path.dirname(path), "stop")
    with open(stop, "w", encoding="ascii") as f:
        f.write(point + ":1")
    process = subprocess.Popen([os.path.join(BUILD, "bin", "dvsan-unit"), "-c", path, "--enrol",
                                code, "--station", station], stderr=subprocess.PIPE, text=True,
                               env=dict(os.environ, DVSAN_FAULT_STOP=stop))
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), process.stderr.read()
    return process


@needs_faults
@pytest.mark.parametrize("point", ["enrol.between", "enrol.kept"])
def test_a_member_that_dies_does_it_again(lab, point):
    path = copy_of(lab, lab.units["unit1"], "dies-" + point)
    folder, station = os.path.dirname(path), "%s:%d" % door(lab)
    made = new_code(lab, name="dies-" + point.rpartition(".")[2])
    users = os.path.join(folder, "snmpd.state", "snmpd.conf")
    process = starts_and_stops(path, made["code"], station, point)
    process.kill()
    process.communicate()
    assert os.path.exists(os.path.join(folder, "state", "identity")) == (point == "enrol.kept")
    with open(users, encoding="ascii") as f:
        first = f.read()
    done = enrol_copy(path, made["code"], station)
    assert done.returncode == 0, done.stderr
    with open(users, encoding="ascii") as f:
        assert f.read() == first and first.count("usmUser") == 2
    assert os.stat(users).st_mode & 0o777 == 0o600
    done = enrol_copy(path, made["code"], station) # now it has all
    assert done.returncode != 0 and "was used at" in done.stderr


@needs_faults
def test_a_station_that_dies_meanwhile_has_let_it_in(lab):
    path = copy_of(lab, lab.units["unit1"], "orphan")
    made = new_code(lab, name="orphan")
    process = starts_and_stops(path, made["code"], "%s:%d" % door(lab), "enrol.between")
    lab.run("kill", "cms")
    process.send_signal(signal.SIGCONT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    lab.run("start", "cms")
    assert lab.unit("orphan")["trust"] == "enrolled" and shown(lab, made)["state"] == "used"


# ---- What the wire shows -------------------------------------------------------------------------

def forms(secret):
    """A secret's bytes as they might be written."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for cut in range(3): # as part of something longer
        text = base64.b64encode(secret[cut:])
        yield text[:len(text) // 4 * 4 - 4]


def test_a_capture_tells_nothing(lab, stopped):  # noqa: F811
    one, two = lab.units["unit1"], lab.units["unit2"]
    made = new_code(lab, name="unit1", again=True)
    try:
        capture = wire.Capture(lab.base)
    except PermissionError:
        pytest.skip("capturing packets takes CAP_NET_RAW")
    with capture:
        done = enrol(one, made["code"])
        assert done.returncode == 0, done.stderr
        lab.run("start", "unit1")
        wait_up(lab)
        lab.create("seen", "16M", unit="unit1")
        lab.assign("seen", "host1") # takes the CHAP secret there
        lab.create("seen2", "16M", unit="unit2")

    plain, name = made["code"].replace("-", ""), noise.split_code(made["code"])[0]
    mine = {k.name: k for k in [*users_of_snmpd(one), notify_user(lab, one)]}
    others = [*users_of_snmpd(two), notify_user(lab, two)]
    others = [k for k in others if k.name != "dvsan-monitor"]
    secrets = [lab.secret("host1").encode(), made["code"].encode(), plain.encode(),
               plain[5:].encode(), plain[5:19].encode(), noise.key_of(made["code"])]
    secrets += [bytes.fromhex(key) for k in [*mine.values(), *others] for key in (k.auth, k.priv)]
    streams = {ends: text for ends, text in capture.streams().items()
               if 8480 not in (ends[0][1], ends[1][1])} # a person's own connection to the API
    everything = [data for _, _, data in capture.datagrams()] + list(streams.values())
    for secret in secrets:
        for form in forms(secret):
            assert not any(form in data for data in everything), form

    # The enrolment is there; and whoever learns the code later opens nothing with it.
    talk = {ends: noise.frames_in(text) for ends, text in streams.items()
            if NOTIFY_PORT in (ends[0][1], ends[1][1])}
    asked = next(frames for ends, frames in talk.items() if ends[1][1] == NOTIFY_PORT)
    told = next(frames for ends, frames in talk.items() if ends[0][1] == NOTIFY_PORT)
    assert [k for k, _ in asked] == [noise.ASK, noise.SEALED, noise.SEALED]
    assert [k for k, _ in told] == [noise.ANSWER, noise.SEALED, noise.SEALED]
    listener = noise.Handshake()
    assert listener.read_ask(asked[0][1]).decode() == name # this much is in the clear
    for secret in (None, bytes(32)): # any key but the one that the member threw away
        later = noise.Handshake(secret)
        later.state.mix_hash(asked[0][1][:32])
        later.state.mix_key(asked[0][1][:32])
        later.state.decrypt(asked[0][1][32:])
        with pytest.raises(noise.InvalidTag):
            later.read_answer(noise.key_of(made["code"]), told[0][1])

    # Each message that says something is signed and sealed by keys of its own member alone.
    sealed = [m for m in wire.messages(capture.datagrams()) if m.private]
    engines = {lab.unit(u)["engine_id"].replace(":", "").lower(): u for u in ("unit1", "unit2")}
    opened = {"unit1": 0, "unit2": 0}
    owners = {**engines, notify_user(lab, one).name: "unit1", notify_user(lab, two).name: "unit2"}
    keyring = {"unit1": [k for k in mine.values() if k.name != "dvsan-monitor"], "unit2": others}
    for m in sealed:
        owner = owners.get(m.engine.hex()) or owners.get(m.user.decode())
        for unit, keys in keyring.items():
            signs = any(m.is_signed_with(bytes.fromhex(k.auth)) for k in keys)
            opens = any(m.opened(bytes.fromhex(k.priv)) for k in keys)
            assert signs == opens
            assert not signs or unit == owner
            opened[unit] += signs
    assert opened["unit1"] > 20 and opened["unit2"] > 0, (opened, len(sealed))
    # What a set of a volume's rule carries is in them, so this looked at the right messages.
    texts = [m.opened(bytes.fromhex(mine[m.user.decode()].priv)) for m in sealed
             if m.user.decode() in mine and engines.get(m.engine.hex()) == "unit1"]
    assert any(lab.secret("host1").encode() in text for text in texts if text)


# ---- A station that knows nothing of an enrolment any more ---------------------------------------

def test_an_older_store_makes_no_keys_again(lab):
    """Nor does a new one: whoever had the keys of an enrolment that is not in it has nothing."""
    station, what = lab.lab.station, noise.request(name="anew")
    state, kept = os.path.join(lab.folder, "cms", "state"), os.path.join(lab.work, "kept")
    said = packets.announcement(dict(lab.unit("unit1"), **{
        key: what[key] for key in ("name", "uuid", "engine_id", "address")}))
    station.stop()
    shutil.copytree(state, kept)
    grants = []
    for _ in range(2):
        shutil.rmtree(state)
        shutil.copytree(kept, state)
        station.start()
        with noise.Member(door(lab), new_code(lab)["code"]) as member:
            grants.append(member.enrol(what))
        assert inform(lab, user_of(grants[-1]), said).returncode == 0
        if len(grants) == 1:
            station.stop()
    assert [g["number"] for g in grants] == [1, 1]
    keys = [k for g in grants for k in (g["notify_keys"], *g["station_keys"])]
    assert len(set(keys)) == 6
    assert "Authentication failure" in inform(lab, user_of(grants[0]), said).stderr

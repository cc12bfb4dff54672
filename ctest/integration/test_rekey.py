"""Rotation of a unit's keys: under I/O, wherever either side is killed, and behind restored backups."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess

import pytest

from dvsanlab.process import kill_all
from support import BUILD, initiators, packets, patience, wire
from support.faults import FaultPoints, needs_faults
from support.oids import USM
from test_enrol import enrol, get, identity, inform, new_code, notify_user, users_of_snmpd, wait_up

LAB = {"units": 1, "hosts": 1, "enrolled": True}


def number(lab):
    return lab.unit("unit1")["key_number"]


def station_keys(lab, unit):
    """The station's user of the present number at the unit, as snmpd has written it down."""
    place = "ab"[number(lab) % 2]
    keys, = [k for k in users_of_snmpd(unit) if k.name == "dvsan-station-" + place]
    return keys


def opens(lab, keys, unit):
    return get(lab, keys, unit).returncode == 0


def is_believed(lab, keys):
    return inform(lab, keys, packets.announcement(lab.unit("unit1"))).returncode == 0


def wait_for_number(lab, wanted):
    unit = lab.units["unit1"]
    patience.wait_for(f"unit1 to have its keys of number {wanted}",
                      lambda: (number(lab), identity(unit)["number"]) == (wanted, wanted), 30)


@pytest.fixture(name="writer", scope="module")
def under_io(lab):
    """Writes and reads a volume of unit1 without an end."""
    lab.create("v1", "64M")
    lab.assign("v1", "host1")
    with initiators.writing(lab, initiators.access(lab, "host1", "v1")) as writer:
        yield writer


def test_two_numbers_are_good_for_a_while(lab, writer):
    unit = lab.units["unit1"]
    met = [(station_keys(lab, unit), notify_user(lab, unit))]
    for expected in (2, 3):
        said = lab.dvsan("unit", "rekey", "unit1").stdout
        assert "other keys" in said and "good until the next change" in said
        assert number(lab) == identity(unit)["number"] == expected
        assert lab.unit("unit1")["key_before"]
        met.append((station_keys(lab, unit), notify_user(lab, unit)))
        assert writer.goes_on(), writer.error
    assert len({k.auth for pair in met for k in pair}) == len({k.priv for pair in met for k in pair}) == 6
    for (station, own), good in zip(met, (False, True, True)):
        assert opens(lab, station, unit) == good
        assert is_believed(lab, own) == good
    assert not [e for e in lab.texts() if "is down" in e or "not believed" in e]


KEY_CHANGE = bytes.fromhex("2b060106030f0102020106")  # usmUserAuthKeyChange
INCONSISTENT_VALUE = 12


def heard_change(lab, keys):
    """The SET of a rotation that changes keys, as it went over the wire, signed with these."""
    try:
        capture = wire.Capture(lab.base, datagrams=True)
    except PermissionError:
        pytest.skip("capturing packets takes CAP_NET_RAW")
    with capture:
        lab.dvsan("unit", "rekey", "unit1")
    found = [m for m in wire.messages(capture.datagrams()) if m.private and m.is_signed_with(bytes.fromhex(keys.auth))
             and KEY_CHANGE in (m.opened(bytes.fromhex(keys.priv)[:16]) or b"")]
    # The answer has the same variables, and comes later.
    return found[0]


def test_a_change_that_somebody_sends_again_changes_nothing(lab, writer):
    """snmpd takes it, since nothing of it is too old; the agent's lock refuses it."""
    unit, before = lab.units["unit1"], station_keys(lab, lab.units["unit1"])
    message, after = heard_change(lab, before), station_keys(lab, unit)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((unit.address, 1161))
        s.settimeout(patience.seconds(5))
        s.send(message.data)
        answer = wire.Message(s.recv(65536))
    assert answer.is_signed_with(bytes.fromhex(before.auth))
    assert wire.error_of(answer.opened(bytes.fromhex(before.priv)[:16])) == (INCONSISTENT_VALUE, 1)
    assert opens(lab, before, unit) and opens(lab, after, unit)
    lab.dvsan("unit", "rekey", "unit1")  # is made of the keys that are there
    assert opens(lab, after, unit) and opens(lab, station_keys(lab, unit), unit) and not opens(lab, before, unit)
    assert writer.goes_on(), writer.error


def test_those_of_before_end_at_once(lab, writer):
    unit = lab.units["unit1"]
    station, own = station_keys(lab, unit), notify_user(lab, unit)
    expected = number(lab) + 1
    assert "open nothing any more" in lab.dvsan("unit", "rekey", "unit1", "--now").stdout
    assert number(lab) == expected and not lab.unit("unit1")["key_before"]
    assert not opens(lab, station, unit) and not is_believed(lab, own)
    assert opens(lab, station_keys(lab, unit), unit) and is_believed(lab, notify_user(lab, unit))
    assert writer.goes_on(), writer.error


def test_a_unit_that_is_killed_has_its_new_keys(lab, writer):
    unit, expected = lab.units["unit1"], number(lab)
    kill_all([unit.snmpd, unit.agent])
    unit.start()
    wait_up(lab)
    wait_for_number(lab, expected)
    assert writer.goes_on(), writer.error


def test_a_unit_that_is_away_gets_them_when_it_is_back(lab, writer):
    unit, expected = lab.units["unit1"], number(lab) + 1
    unit.stop(unit.agent)
    patience.wait_for("unit1 to be away", lambda: lab.unit("unit1")["state"] in ("stopped", "down"))
    task = lab.client.post("/units/unit1/rekey", {})
    assert re.match("unit1 (is stopped|does not answer)", task["waiting"]) and f"dvsan task cancel {task['id']}" in task["waiting"]
    done = lab.dvsan("unit", "rekey", "unit1", code=4)
    assert f"task {task['id']}" in done.stderr and "cancel it" in done.stderr
    lab.dvsan("task", "cancel", str(task["id"]))
    assert lab.client.get(f"/tasks/{task['id']}")["state"] == "cancelled"
    task = lab.client.post("/units/unit1/rekey", {})
    unit.start(unit.agent)
    lab.done(task, 60)
    wait_for_number(lab, expected)
    assert writer.goes_on(), writer.error


def test_an_snmpd_that_lets_nobody_change_keys(lab, writer):
    """As one that was set up before there was a rotation."""
    unit, before = lab.units["unit1"], number(lab)
    path = unit.path("snmpd.conf")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    try:
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(line for line in text.splitlines(True) if f".{USM}." not in line)
        unit.stop(unit.snmpd)
        unit.start(unit.snmpd)
        wait_up(lab)
        task = lab.finish(lab.client.post("/units/unit1/rekey", {}))
        assert task["state"] == "failed" and "run dvsan-unit --init there" in task["error"]["detail"]
        assert number(lab) == before
    finally:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        unit.stop(unit.snmpd)
        unit.start(unit.snmpd)
    wait_up(lab)
    lab.dvsan("unit", "rekey", "unit1")
    assert number(lab) == before + 1
    assert writer.goes_on(), writer.error


def test_init_adds_what_a_file_of_before_lacks(tmp_path):
    """And nothing twice, whatever else somebody wrote there."""
    for name in ("usr/sbin/snmpd", "usr/sbin/tgtd"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("dvsan:x:990:990::/:/bin/false\nDebian-snmp:x:991:991::/:/bin/false\n")
    (tmp_path / "etc/group").write_text("root:x:0:\ndvsan:x:990:\nDebian-snmp:x:991:\n")

    def init(*more):
        done = subprocess.run([os.path.join(BUILD, "bin", "dvsan-unit"), "--init", "--yes", "--root", tmp_path, *more],
                              capture_output=True, text=True, check=True, timeout=60)
        return done.stdout

    init("--name", "u", "--address", "192.0.2.7", "--media", "/srv/dvsan/p", "--size", "1G")
    conf = tmp_path / "etc/snmp/snmpd.conf"
    lines = conf.read_text().splitlines()
    views = [line for line in lines if f".{USM}.2.1." in line or ".2021.100.13.0" in line]
    assert len(views) == 5 and "restart snmpd" not in init()
    conf.write_text("\n".join(line for line in lines if line not in views) + "\n# mine\n")
    assert "restart snmpd" in init()
    after = conf.read_text()
    assert "# mine\n" in after and all(after.count(line + "\n") == 1 for line in views)
    assert "restart snmpd" not in init() and conf.read_text() == after


def stop_at(lab, process, point):
    """Has the process stop itself when it passes the point, and waits until it has."""
    faults = FaultPoints(process)
    faults.stop_at(point)
    task = lab.client.post("/units/unit1/rekey", {"now": True})
    patience.wait_for(f"{process.name} to stop at {point}", faults.is_stopped, 30)
    return task


def end_of(lab, task):
    lab.done(lab.client.get(f"/tasks/{task['id']}"), 60)
    wait_up(lab)


@pytest.fixture(name="faults", scope="module")
def with_faults(lab):
    """The station and the agent of unit1 stop where a test says."""
    station, unit = lab.lab.station, lab.units["unit1"]
    for process in (station.cms, unit.agent):
        FaultPoints(process)
    station.stop()
    station.start()
    unit.stop(unit.agent)
    unit.start(unit.agent)
    wait_up(lab)


@needs_faults
@pytest.mark.parametrize("point", ["rekey.change", "rekey.changed", "rekey.saved", "rekey.given",
                                   "rekey.recorded"])
def test_the_station_is_killed(lab, writer, faults, point):
    del faults
    station, expected = lab.lab.station, number(lab) + 1
    task = stop_at(lab, station.cms, point)
    kill_all([station.cms])
    station.start()
    end_of(lab, task)
    wait_for_number(lab, expected)
    assert not lab.unit("unit1")["key_before"]
    assert writer.goes_on(), writer.error


@needs_faults
@pytest.mark.parametrize("point", ["member.keys", "member.keys_kept"])
def test_the_agent_is_killed(lab, writer, faults, point):
    del faults
    unit, expected = lab.units["unit1"], number(lab) + 1
    task = stop_at(lab, unit.agent, point)
    kill_all([unit.agent])
    unit.start(unit.agent)
    end_of(lab, task)
    wait_for_number(lab, expected)
    assert writer.goes_on(), writer.error


@needs_faults
def test_snmpd_is_killed_before_it_has_saved(lab, writer, faults):
    """What it was told is gone, and is told once more."""
    del faults
    station, unit, expected = lab.lab.station.cms, lab.units["unit1"], number(lab) + 1
    task = stop_at(lab, station, "rekey.changed")
    kill_all([unit.snmpd])
    unit.start(unit.snmpd)
    os.kill(station.pid(), signal.SIGCONT)
    end_of(lab, task)
    wait_for_number(lab, expected)
    assert writer.goes_on(), writer.error


# ---- A person comes in between -----------------------------------------------------------------

def half_way(lab):
    """The unit has its new keys on disk, and the station has not heard so. The task, and the unit's own keys of
    before and from then on."""
    unit, before = lab.units["unit1"], notify_user(lab, lab.units["unit1"])
    task = stop_at(lab, unit.agent, "member.keys_kept")
    after = notify_user(lab, unit)
    assert after.auth != before.auth
    return task, [before, after]


def let_agent_go_on(lab):
    os.kill(lab.units["unit1"].agent.pid(), signal.SIGCONT)


def enrol_again(lab, expected, **code):
    """Gives the unit keys by a code, and nothing but that."""
    unit = lab.units["unit1"]
    unit.stop(unit.agent)
    unit.stop(unit.snmpd)
    done = enrol(unit, new_code(lab, **code)["code"])
    assert done.returncode == 0, done.stderr
    unit.start()
    wait_up(lab)
    wait_for_number(lab, expected)
    assert is_believed(lab, notify_user(lab, unit))


def failed(lab, task, why):
    task = lab.client.get(f"/tasks/{task['id']}")
    assert task["state"] == "failed" and why in task["error"]["detail"], task


@needs_faults
def test_a_rotation_is_taken_back_half_way(lab, writer, faults):
    """What the unit has of it stays, and is met when the unit shows it."""
    del faults
    expected = number(lab) + 1
    task, own = half_way(lab)
    lab.dvsan("task", "cancel", str(task["id"]))
    assert lab.client.get(f"/tasks/{task['id']}")["state"] == "cancelled" and number(lab) == expected - 1
    let_agent_go_on(lab)
    wait_for_number(lab, expected)
    wait_up(lab)
    assert is_believed(lab, own[1])
    assert writer.goes_on(), writer.error


@needs_faults
def test_a_unit_is_quarantined_half_way(lab, writer, faults):
    """Its rotation waits for a person, and goes on."""
    del faults
    expected = number(lab) + 1
    task, own = half_way(lab)
    lab.dvsan("unit", "quarantine", "unit1")
    patience.wait_for("the task to say for what it waits", lambda: "dvsan unit accept unit1" in
                      (lab.client.get(f"/tasks/{task['id']}")["waiting"] or ""))
    let_agent_go_on(lab)
    assert "dvsan unit accept unit1" in lab.unit("unit1")["note"]
    assert "dvsan unit accept unit1" in lab.dvsan("unit", "rekey", "unit1", code=4).stderr
    lab.dvsan("unit", "accept", "unit1")
    end_of(lab, task)
    wait_for_number(lab, expected)
    assert is_believed(lab, own[1])
    assert writer.goes_on(), writer.error


@needs_faults
def test_a_unit_is_revoked_half_way(lab, writer, faults):
    """Its keys of before and the new ones are worth nothing, also after the station was killed."""
    del faults
    station, unit, expected = lab.lab.station, lab.units["unit1"], number(lab) + 3
    before = station_keys(lab, unit)
    task, own = half_way(lab)
    lab.dvsan("unit", "revoke", "unit1", "--yes")
    failed(lab, task, "unit unit1 was revoked")
    let_agent_go_on(lab)
    for _ in range(2):
        assert not any(is_believed(lab, keys) for keys in own)
        shown = lab.unit("unit1")
        assert (shown["trust"], shown["state"]) == ("revoked", "down") and "dvsan unit add unit1 --again" in shown["note"]
        kill_all([station.cms])
        station.start()
    for words in (["rekey", "unit1"], ["accept", "unit1"]):
        assert "dvsan unit add unit1 --again" in lab.dvsan("unit", *words, code=4).stderr
    enrol_again(lab, expected, name="unit1", again=True)
    assert not opens(lab, before, unit) and not any(is_believed(lab, keys) for keys in own)
    lab.dvsan("unit", "rekey", "unit1")
    assert number(lab) == expected + 1
    assert writer.goes_on(), writer.error


# ---- Backups ----------------------------------------------------------------------------------

def restore(kept, place):
    shutil.rmtree(place)
    shutil.copytree(kept, place)


def test_a_unit_restored_from_before_the_rotation_joins(lab, writer):
    unit, kept = lab.units["unit1"], os.path.join(lab.work, "unit")
    start = number(lab)
    stopped = (unit.agent, unit.snmpd)
    for process in stopped:
        unit.stop(process)
    for name in ("state", "snmpd.state"):
        shutil.copytree(unit.path(name), os.path.join(kept, name))
    unit.start()
    wait_up(lab)
    lab.dvsan("unit", "rekey", "unit1")
    for process in stopped:
        unit.stop(process)
    for name in ("state", "snmpd.state"):
        restore(os.path.join(kept, name), unit.path(name))
    assert identity(unit)["number"] == start
    unit.start()
    wait_for_number(lab, start + 1)
    wait_up(lab)
    assert any("has the keys of before their last change" in e for e in lab.texts())
    assert is_believed(lab, notify_user(lab, unit))
    lab.dvsan("unit", "rekey", "unit1")
    assert number(lab) == start + 2
    assert writer.goes_on(), writer.error


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_station_restored_from_before_rotations_hears_its_unit(lab, writer, times):
    station, unit = lab.lab.station, lab.units["unit1"]
    kept = os.path.join(lab.work, f"cms-{times}")
    state, start = os.path.join(lab.folder, "cms", "state"), number(lab)
    station.stop()
    shutil.copytree(state, kept)
    station.start()
    wait_up(lab)
    for _ in range(times):
        lab.dvsan("unit", "rekey", "unit1")
    station.stop()
    restore(kept, state)
    station.start()
    patience.wait_for("the station to see that its store is an older one",
                      lambda: lab.unit("unit1")["lead"] == "newer")
    lab.dvsan("station", "adopt", "units", "--yes")
    wait_for_number(lab, start + times)
    wait_up(lab)
    assert is_believed(lab, notify_user(lab, unit))
    lab.dvsan("unit", "rekey", "unit1", "--now")
    assert number(lab) == start + times + 1
    assert writer.goes_on(), writer.error


def test_a_unit_restored_from_before_two_rotations_is_told(lab, writer):
    """It had said good-bye, and is there again, which nobody would see."""
    unit, kept = lab.units["unit1"], os.path.join(lab.work, "unit-old")
    for process in (unit.agent, unit.snmpd):
        unit.stop(process)
    for name in ("state", "snmpd.state"):
        shutil.copytree(unit.path(name), os.path.join(kept, name))
    unit.start()
    wait_up(lab)
    for _ in range(2):
        lab.dvsan("unit", "rekey", "unit1")
    for process in (unit.agent, unit.snmpd):
        unit.stop(process)
    patience.wait_for("unit1 to be stopped", lambda: lab.unit("unit1")["state"] in ("stopped", "down"))
    for name in ("state", "snmpd.state"):
        restore(os.path.join(kept, name), unit.path(name))
    unit.start()
    patience.wait_for("the station to say that the unit takes none of its keys", lambda:
                      "dvsan unit add unit1 --again" in (lab.unit("unit1")["note"] or ""))
    shown = lab.unit("unit1")
    assert shown["state"] == "down" and "it takes none of the station's keys" in shown["last_error"], shown
    patience.wait_for("the unit to say so in its log", lambda: "does not take this unit's keys; if that lasts"
                      in pathlib.Path(unit.agent.log).read_text(encoding="utf-8"))
    enrol_again(lab, number(lab) + 2, name="unit1", again=True)
    assert writer.goes_on(), writer.error


def test_a_station_whose_keys_a_unit_takes_no_more_says_what_to_do(lab, writer):
    """Both are further apart than is looked for: the number in the store is made another one."""
    station = lab.lab.station
    station.stop()
    with contextlib.closing(sqlite3.connect(
            os.path.join(lab.folder, "cms", "state", "pool.db"))) as db, db:
        db.execute("UPDATE unit SET key_number = key_number + 3, key_before = 0 WHERE name = 'unit1'")
    station.start()
    patience.wait_for("the station to say that the unit takes none of its keys", lambda:
                      "dvsan unit add unit1 --again" in (lab.unit("unit1")["note"] or ""))
    assert any("is down: it takes none of the station's keys" in e and "dvsan unit add unit1 --again" in e
               for e in lab.texts())
    said = lab.dvsan("unit", "show", "unit1").stdout
    assert "it takes none of the station's keys" in said, said
    assert "dvsan unit add unit1 --again, and on the unit" in " ".join(said.split()), said
    enrol_again(lab, number(lab) + 2, name="unit1", again=True)
    assert writer.goes_on(), writer.error


@needs_faults
def test_a_unit_restored_from_the_middle_gets_others(lab, writer, faults):
    """Its snmpd has them, and its agent has none of them yet."""
    del faults
    unit, kept, expected = lab.units["unit1"], os.path.join(lab.work, "unit-middle"), number(lab) + 1
    task = stop_at(lab, unit.agent, "member.keys")
    kill_all([unit.agent])
    unit.stop(unit.snmpd)
    for name in ("state", "snmpd.state"):
        shutil.copytree(unit.path(name), os.path.join(kept, name))
    unit.start()
    end_of(lab, task)
    wait_for_number(lab, expected)
    unit.stop(unit.agent)
    unit.stop(unit.snmpd)
    for name in ("state", "snmpd.state"):
        restore(os.path.join(kept, name), unit.path(name))
    assert identity(unit)["number"] == expected - 1
    unit.start()
    wait_for_number(lab, expected + 1)
    wait_up(lab)
    assert any("its own keys are not the present ones" in e for e in lab.texts())
    assert is_believed(lab, notify_user(lab, unit))
    assert writer.goes_on(), writer.error


@pytest.mark.parametrize("times", [0, 1])
def test_a_station_restored_from_the_middle_goes_on(lab, writer, times):
    """Of a rotation that ended since, and was followed by others."""
    station, unit, start = lab.lab.station, lab.units["unit1"], number(lab)
    kept, state = os.path.join(lab.work, f"cms-middle-{times}"), os.path.join(lab.folder, "cms", "state")
    unit.stop(unit.agent)
    patience.wait_for("unit1 to be away", lambda: lab.unit("unit1")["state"] in ("stopped", "down"))
    task = lab.client.post("/units/unit1/rekey", {})
    station.stop()
    shutil.copytree(state, kept)
    station.start()
    unit.start(unit.agent)
    end_of(lab, task)
    for _ in range(times):
        lab.dvsan("unit", "rekey", "unit1")
    lab.create(f"since-{times}", "1M")
    station.stop()
    restore(kept, state)
    station.start()
    assert lab.client.get(f"/tasks/{task['id']}")["state"] == "running"
    patience.wait_for("the station to see that its store is an older one",
                      lambda: lab.unit("unit1")["lead"] == "newer")
    lab.dvsan("station", "adopt", "units", "--yes")
    end_of(lab, task)
    wait_for_number(lab, start + 1 + times)
    assert is_believed(lab, notify_user(lab, unit))
    lab.dvsan("unit", "rekey", "unit1", "--now")
    assert number(lab) == start + 2 + times
    assert writer.goes_on(), writer.error


@needs_faults
def test_a_unit_is_forgotten_half_way(lab, writer, faults):
    """Nobody is ever given the keys that it had, nor those that it was to have."""
    del faults
    unit, expected = lab.units["unit1"], number(lab) + 3
    task, own = half_way(lab)
    kill_all([unit.agent])
    patience.wait_for("unit1 to be down", lambda: lab.unit("unit1")["state"] == "down")
    announced = packets.announcement(lab.unit("unit1"))
    lab.dvsan("unit", "forget", "unit1", "--yes")
    failed(lab, task, "unit unit1 was forgotten")
    unit.start(unit.agent)
    assert not any(inform(lab, keys, announced).returncode == 0 for keys in own)
    assert lab.client.get("/units") == []
    enrol_again(lab, expected, name="unit1")
    patience.wait_for("its volume to be taken in", lambda: lab.volume("v1")["state"] == "online")
    assert not any(is_believed(lab, keys) for keys in own)
    lab.dvsan("unit", "rekey", "unit1", "--now")
    assert number(lab) == expected + 1
    assert writer.goes_on(), writer.error

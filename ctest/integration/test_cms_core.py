"""What the station makes of silence, lost answers, clones, moves, strangers, and its own losses."""
import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from dvsan_oids import (dvsanAccessInitiator, dvsanMemberHolder, dvsanMemberIntent, dvsanMemberIntentMark,
                        dvsanVolumeName, dvsanVolumeRowStatus)
from support import BUILD, initiators, packets
from support.files import edit
from support.oids import LINK_DOWN
from support.patience import until
from support.testlab import Refused
from support.unit_box import DESTROY, create_set, grant_set

LAB = {"units": 2, "hosts": 2}
POLLS = 3           # silences that make a unit down
DOWN_SECONDS = 10   # for these, with a busy machine
OTHER_ENGINE = "80001f8880aaaaaaaaaaaaaaaa"


def state_of(lab, unit):
    return lab.unit(unit)["state"]


def is_in_state(lab, unit, state, seconds=DOWN_SECONDS):
    assert until(lambda: state_of(lab, unit) == state, seconds), lab.unit(unit)


def is_seen_again(lab, unit, times=1):
    """Waits until the station has had answers from it in so many further seconds."""
    for _ in range(times):
        before = lab.unit(unit)["last_seen"]
        assert until(lambda: lab.unit(unit)["last_seen"] not in (before, None), DOWN_SECONDS)


class Stopped:
    """A process that hangs inside the block: it is there and does not answer."""

    def __init__(self, process):
        self.pid = process.pid()

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


def set_on_unit(lab, unit, *varbinds):
    """A SET by somebody else than the station, who has its key and speaks in its name: the unit
    refuses most of what others ask for."""
    word = [f"{oid}.0" for oid in (dvsanMemberHolder, dvsanMemberIntent, dvsanMemberIntentMark)]
    done = lab.snmp(unit, "snmpget", "-Oqv", "-Ox", *word)
    values = [line.strip().strip('"').replace(" ", "") for line in done.stdout.splitlines()]
    lab.snmp(unit, "snmpset", *zip(word, "xuu", values), *varbinds, user="provision")


def volume_index(lab, name):
    """Its dvsanVolumeIndex, which is also tgtd's target id, asked of the unit."""
    unit = lab.volume(name)["unit"]
    return next(int(index) for index, shown in lab.column(unit, dvsanVolumeName).items() if shown == name)


def drop(lab, *names):
    for name in names:
        for host in lab.volume(name)["hosts"]:
            lab.unassign(name, host)
        lab.done(lab.client.delete(f"/volumes/{name}"))


# Silence

def test_a_short_silence_is_ridden_out(lab):
    with Stopped(lab.units["unit1"].snmpd):
        time.sleep(POLLS / 2)  # this long a silence is what is tried
    is_seen_again(lab, "unit1", 2)
    assert state_of(lab, "unit1") == "up"
    assert not lab.events(subject="unit unit1", words="is down")


def test_a_long_silence_is_not(lab):
    with Stopped(lab.units["unit1"].snmpd):
        is_in_state(lab, "unit1", "down")
        assert lab.events(subject="unit unit1", words="is down")
        assert lab.client.get("/pool")["units_up"] == 1
        with pytest.raises(Refused) as e:
            lab.create("nowhere", "16M", unit="unit1")
        assert e.value.code == "unreachable"
    is_in_state(lab, "unit1", "up")


def test_an_agent_that_died_is_silence_too(lab):
    lab.run("kill", "unit1/agent")
    is_in_state(lab, "unit1", "down")
    lab.run("start", "unit1/agent")
    is_in_state(lab, "unit1", "up")


# Requests that have to wait

def test_lost_answers_do_nothing_twice(lab):
    with Stopped(lab.units["unit1"].snmpd):
        task = lab.client.post("/volumes", {"name": "once", "size": "16M", "unit": "unit1"})
        is_in_state(lab, "unit1", "down")  # so its SETs go unanswered
    lab.done(task)
    lab.assign("once", "host1")
    with Stopped(lab.units["unit1"].snmpd):
        task = lab.client.delete("/assignments/once/host1")
        is_in_state(lab, "unit1", "down")  # so its SETs go unanswered
    lab.done(task)
    assert lab.unit("unit1")["volumes"] == 1
    drop(lab, "once")


def test_a_request_rides_out_a_restart_of_the_agent(lab):
    """snmpd answers for an agent that is away: it knows no such thing. That is no refusal."""
    lab.create("early", "16M", unit="unit1")
    lab.run("kill", "unit1/agent")
    tasks = [lab.client.post("/volumes", {"name": "meanwhile", "size": "16M", "unit": "unit1"}),
             lab.client.post("/assignments", {"volume": "early", "host": "host1"})]
    is_in_state(lab, "unit1", "down")  # so snmpd has answered for it
    lab.run("start", "unit1/agent")
    for task in tasks:
        lab.done(task)
    drop(lab, "early", "meanwhile")


def test_a_hanging_agent_is_no_refusal(lab):
    """Its snmpd answers with an error when the agent takes too long."""
    with Stopped(lab.units["unit1"].agent):
        task = lab.client.post("/volumes", {"name": "hung", "size": "16M", "unit": "unit1"})
        is_in_state(lab, "unit1", "down")  # so snmpd has waited for it in vain
    lab.done(task)
    is_in_state(lab, "unit1", "up")
    drop(lab, "hung")


def test_tasks_wait_for_a_unit_and_say_so(lab):
    for name in ("kept", "taken", "gone"):
        lab.create(name, "16M", unit="unit2")
    lab.assign("taken", "host1")
    lab.run("kill", "unit2")
    is_in_state(lab, "unit2", "down")
    tasks = [lab.client.post("/assignments", {"volume": "kept", "host": "host1"}),
             lab.client.delete("/assignments/taken/host1"), lab.client.delete("/volumes/gone")]
    for task in tasks:
        assert task["state"] == "running", task
        assert "unit2 does not answer" in task["waiting"], task
    assert lab.create("elsewhere", "16M")["unit"] == "unit1"  # nobody else waits
    lab.run("start", "unit2")
    for task in tasks:
        lab.done(task)
    assert initiators.can_log_in(initiators.access(lab, "host1", "kept"))
    assert lab.volume("taken")["hosts"] == []
    drop(lab, "kept", "taken", "elsewhere")


def test_what_waits_can_be_taken_back(lab):
    lab.create("still", "16M", unit="unit2")
    with Stopped(lab.units["unit2"].snmpd):
        new = lab.client.post("/volumes", {"name": "never", "size": "16M", "unit": "unit2"})
        right = lab.client.post("/assignments", {"volume": "still", "host": "host1"})
        for task in (new, right):
            now = lab.client.post(f"/tasks/{task['id']}/cancel", None)
            assert now["state"] == "cancelled" or "may still be carried out" in now["waiting"], now
    for task in (new, right):
        assert until(lambda task=task: task_state(lab, task) == "cancelled", DOWN_SECONDS)
        with pytest.raises(Refused):
            lab.client.post(f"/tasks/{task['id']}/cancel", None)
    assert until(lambda: {v["name"] for v in lab.client.get("/volumes")} == {"still"}, DOWN_SECONDS)
    assert until(lambda: lab.client.get("/assignments") == [], DOWN_SECONDS)
    is_in_state(lab, "unit2", "up")
    assert lab.unit("unit2")["volumes"] == 1
    drop(lab, "still")


def task_state(lab, task):
    return lab.client.get(f"/tasks/{task['id']}")["state"]


def cancelled_on_the_way(lab, ask, meanwhile=lambda task: None):
    """The task, over, that was cancelled while its order lay unread with unit2's snmpd. A look that was under way
    then keeps the order from being sent, and the task ends at once: then it is asked once more."""
    for _ in range(10):
        is_in_state(lab, "unit2", "up")
        with Stopped(lab.units["unit2"].snmpd):
            task = ask()
            now = lab.client.post(f"/tasks/{task['id']}/cancel", None)
            if now["state"] == "running":
                assert "may still be carried out" in now["waiting"], now
                meanwhile(task)
        if now["state"] == "running":
            assert until(lambda: lab.client.get(f"/tasks/{task['id']}")["finished"], DOWN_SECONDS)
            return lab.client.get(f"/tasks/{task['id']}")
        assert now["state"] == "cancelled", now
        is_in_state(lab, "unit2", "up")
        is_seen_again(lab, "unit2")  # and what was asked for is gone
    raise AssertionError("no cancelled task told of its order")


def test_an_order_on_its_way_is_not_taken_back_before_it_is_known(lab):
    """snmpd reads it later: a cut is told then, and what was made goes again."""
    def size():
        return lab.volume("way")["size"] >> 20

    def change(**body):
        return lambda: lab.client.ask("PATCH", "/volumes/way", body)

    def is_told(over, cancelled):
        assert over["state"] == ("cancelled" if cancelled else "done"), over
        assert cancelled or "carried out before it could be taken back" in over["error"]["detail"], over

    def restart(task):
        is_in_state(lab, "unit2", "down")
        now = lab.client.get(f"/tasks/{task['id']}")
        assert now["state"] == "running" and "start it" in now["waiting"], now
        lab.run("kill", "cms")
        lab.run("start", "cms")
        with pytest.raises(Refused, match=f"wait for task {task['id']} .*may still be carried out"):
            lab.client.ask("PATCH", "/volumes/way", {"size": "256M"})
        now = lab.client.post(f"/tasks/{task['id']}/cancel", None)  # the same request once more
        assert now["state"] == "running" and "may still be carried out" in now["waiting"], now
    lab.create("way", "128M", unit="unit2")
    over = cancelled_on_the_way(lab, change(size="48M", force=True), restart)
    is_told(over, size() == 128)
    had = size()
    over = cancelled_on_the_way(lab, change(size="160M"))
    is_told(over, size() == had)
    had = size()
    over = cancelled_on_the_way(lab, change(name="way2"))
    is_told(over, "way" in {v["name"] for v in lab.client.get("/volumes")})
    name = next(v["name"] for v in lab.client.get("/volumes") if v["name"].startswith("way"))
    over = cancelled_on_the_way(lab, lambda: lab.client.post("/assignments", {"volume": name, "host": "host1"}))
    assert over["state"] == "cancelled", over
    assert until(lambda: lab.client.get("/assignments") == [], DOWN_SECONDS)
    over = cancelled_on_the_way(
        lab, lambda: lab.client.post("/volumes", {"name": "never", "size": "16M", "unit": "unit2"}))
    assert over["state"] == "cancelled", over
    assert until(lambda: {v["name"] for v in lab.client.get("/volumes")} == {name}, DOWN_SECONDS)
    is_seen_again(lab, "unit2", 2)  # nothing is done later
    assert {v["name"]: v["size"] >> 20 for v in lab.client.get("/volumes")} == {name: had}
    assert lab.client.get("/assignments") == [] and lab.unit("unit2")["volumes"] == 1
    drop(lab, name)


def test_a_revoked_right_is_not_given_back(lab):
    """Taken away while it is still being given: the last word counts."""
    lab.create("late", "16M", unit="unit2")
    with Stopped(lab.units["unit2"].snmpd):
        given = lab.client.post("/assignments", {"volume": "late", "host": "host1"})
        taken = lab.client.delete("/assignments/late/host1")
        assert lab.client.get(f"/tasks/{given['id']}")["state"] == "cancelled"
    lab.done(taken)
    assert lab.volume("late")["hosts"] == []
    drop(lab, "late")


# Who a unit is

def test_a_clone_that_nobody_answers_for_changes_nothing(lab):
    """Whoever has the notify key can name any UUID, with any engine, at any address."""
    lab.create("mine", "16M", unit="unit1")
    before, other = lab.unit("unit1"), lab.unit("unit2")
    for claim in ({"engine_id": OTHER_ENGINE, "address": "udp:127.17.0.253:1161"},
                  {"engine_id": other["engine_id"], "address": other["address"]},
                  {"engine_id": OTHER_ENGINE, "address": before["address"]}):
        assert packets.notify(lab, packets.announcement(before, epoch="99", **claim))
    lab.assign("mine", "host1")
    is_seen_again(lab, "unit1", times=3)  # longer than a question takes
    assert not lab.events(subject="unit unit1", words="another engine")
    assert lab.unit("unit1")["state"] == "up"
    drop(lab, "mine")


@contextlib.contextmanager
def copied(lab, *folders):
    """Unit 1's folders in the place of unit 2's, and then unit 2 started."""
    original, copy = lab.units["unit1"], lab.units["unit2"]
    lab.run("kill", "unit2")
    is_in_state(lab, "unit2", "down")
    own = {name: copy.path(name) for name in folders}
    for name, path in own.items():
        os.rename(path, path + ".own")
        shutil.copytree(original.path(name), path)
    copy.prepare()  # for the engine's ID
    try:
        for process in copy.processes:
            process.start()
        yield
    finally:
        lab.run("kill", "unit2")
        for path in own.values():
            shutil.rmtree(path)
            os.rename(path + ".own", path)
    lab.run("start", "unit2")
    is_in_state(lab, "unit2", "up")


def test_a_clone_is_not_talked_to(lab):
    """With the agent's state and an engine of its own."""
    lab.create("mine", "16M", unit="unit1")
    before = lab.unit("unit1")
    with copied(lab, "state"):
        is_in_state(lab, "unit1", "conflict")
        assert lab.events(subject="unit unit1", words="another engine")
        after = lab.unit("unit1")
        assert (after["engine_id"], after["address"]) == (before["engine_id"], before["address"])
        with pytest.raises(Refused):
            lab.create("refused", "16M", unit="unit1")
        task = lab.client.post("/assignments", {"volume": "mine", "host": "host1"})
        assert "conflict" in task["waiting"], task
    lab.run("stop", "cms")
    lab.run("start", "cms")  # the clone has not been heard since
    is_in_state(lab, "unit1", "up")
    lab.done(task)
    drop(lab, "mine")


def test_a_copied_machine_takes_nothing_over(lab):
    """With the agent's state and snmpd's, so with the same engine, started more often."""
    lab.create("original", "16M", unit="unit1")
    before = lab.unit("unit1")
    with copied(lab, "state", "snmpd.state"):
        assert until(lambda: lab.events(subject="unit unit1", words="if that is a clone"), 10)
        lab.assign("original", "host1")
        assert initiators.can_log_in(initiators.access(lab, "host1", "original"))
        after = lab.unit("unit1")
        assert (after["state"], after["address"]) == ("up", before["address"])
    drop(lab, "original")


def count_boots(unit, boots):
    """What snmpd finds of its count of starts when it starts next."""
    edit(unit.path("snmpd.state/snmpd.conf"), re.compile(r"^engineBoots \d+$", re.M), f"engineBoots {boots}")


@pytest.mark.parametrize("leave, gone", [("stop", "stopped"), ("kill", "down")])
def test_a_restored_snmpd_is_talked_to_again(lab, leave, gone):
    """Its backup counts fewer starts, as a replay of old messages would."""
    lab.create("restored", "16M", unit="unit2")
    for boots in (1000, 500):
        lab.run(leave, "unit2")
        is_in_state(lab, "unit2", gone)
        count_boots(lab.units["unit2"], boots)
        lab.run("start", "unit2")
        is_in_state(lab, "unit2", "up")
    lab.assign("restored", "host1")
    drop(lab, "restored")


def test_a_late_good_bye_takes_no_unit_out(lab):
    unit = lab.unit("unit1")
    assert packets.notify(lab, packets.announcement(unit, state="4", epoch=str(unit["epoch"] - 1)),
                          trap=LINK_DOWN)
    assert state_of(lab, "unit1") == "up"
    # One of this run, which any unit of those with the key can have sent, makes the station look.
    def said():
        return sum(e["subject"] == "unit unit1" and "is being stopped" in e["text"]
                   for e in lab.client.get("/events?limit=1000"))
    before = said()
    assert packets.notify(lab, packets.announcement(unit, state="4"), trap=LINK_DOWN)
    lab.create("after-good-bye", "1M", unit="unit1")
    assert state_of(lab, "unit1") == "up"
    assert said() == before
    drop(lab, "after-good-bye")


def rename(unit, name):
    """Starts the unit's agent with another name."""
    unit.agent.stop()
    edit(unit.path("unit.xml"), f'<unit name="{unit.name}"', f'<unit name="{name}"')
    unit.agent.start()


def start_at(unit, port):
    """Starts a stopped unit whose snmpd listens at another port than the one it had."""
    unit.prepare()
    for name in ("unit.xml", "snmpd.conf"):
        edit(unit.path(name), f"udp:{unit.address}:1161", f"udp:{unit.address}:{port}")
    for process in unit.processes:
        process.start()


@pytest.mark.parametrize("leave", ["stop", "kill"])
def test_a_new_address_is_followed(lab, leave):
    lab.create("moving", "16M", unit="unit2")
    unit, before = lab.units["unit2"], lab.unit("unit2")
    lab.run(leave, "unit2")
    start_at(unit, 1166)
    try:
        assert until(lambda: lab.unit("unit2")["address"] == f"udp:{unit.address}:1166", 10)
        is_in_state(lab, "unit2", "up")
        after = lab.unit("unit2")
        assert (after["uuid"], after["engine_id"]) == (before["uuid"], before["engine_id"])
        lab.assign("moving", "host1")
    finally:
        unit.stop()
    lab.make_files_anew("unit2")
    lab.run("start", "unit2")
    assert until(lambda: lab.unit("unit2")["address"] == before["address"], 10)
    is_in_state(lab, "unit2", "up")
    drop(lab, "moving")


def test_two_units_of_one_name(lab):
    lab.create("there", "16M", unit="unit2")
    rename(lab.units["unit2"], "unit1")
    assert until(lambda: {u["name"] for u in lab.client.get("/units")} == {"unit1", "unit1-2"}, 10)
    assert until(lambda: lab.volume("there")["state"] == "online", 10)
    assert lab.volume("there")["unit"] == "unit1-2"
    lab.run("stop", "unit2/agent")
    lab.make_files_anew("unit2")
    lab.run("start", "unit2/agent")  # under its own name
    assert until(lambda: lab.volume("there")["unit"] == "unit2", 10)
    is_in_state(lab, "unit2", "up")
    drop(lab, "there")


def test_a_unit_is_forgotten_and_joins_anew(lab):
    lab.create("found", "16M", unit="unit2")
    lab.assign("found", "host1")
    how = initiators.access(lab, "host1", "found")
    with pytest.raises(Refused):
        lab.client.delete("/units/unit2")  # it is up
    lab.run("stop", "unit2")
    with pytest.raises(Refused, match="force"):
        lab.client.delete("/units/unit2")  # host1 uses a volume of it
    lab.client.delete("/units/unit2?force=true")
    assert [u["name"] for u in lab.client.get("/units")] == ["unit1"]
    assert lab.client.get("/volumes") == []
    lab.run("start", "unit2")
    assert lab.volume("found")["hosts"] == ["host1"]
    assert initiators.can_log_in(how)
    drop(lab, "found")


# What others do on a unit

def test_a_volume_that_vanishes_is_not_made_again(lab):
    lab.create("lost", "16M", unit="unit1")
    index = volume_index(lab, "lost")
    set_on_unit(lab, "unit1", (f"{dvsanVolumeRowStatus}.{index}", "i", DESTROY))
    assert until(lambda: lab.volume("lost")["state"] == "failed", 10), lab.volume("lost")
    assert lab.events(subject="volume lost", words="has vanished")
    is_seen_again(lab, "unit1", 2)
    assert lab.volume("lost")["state"] == "failed"
    with pytest.raises(Refused) as e:
        lab.client.post("/assignments", {"volume": "lost", "host": "host1"})
    assert e.value.code == "conflict"
    drop(lab, "lost")
    assert lab.client.get("/volumes") == []


def test_a_volume_that_somebody_else_made_is_taken_in(lab):
    uuid = "d5d5d5d5d5d54d5d8d5dd5d5d5d5d5d5"
    set_on_unit(lab, "unit1", *create_set(77, "foreign", 16, uuid))
    assert until(lambda: any(v["name"] == "foreign" and v["state"] == "online"
                             for v in lab.client.get("/volumes")), 10)
    assert lab.create("next", "16M", unit="unit1")["state"] == "online"
    drop(lab, "foreign", "next")


def test_a_rule_that_nobody_gave_is_removed(lab):
    lab.create("guarded", "16M", unit="unit1")
    lab.assign("guarded", "host1")
    index = volume_index(lab, "guarded")
    set_on_unit(lab, "unit1", *grant_set(index, 9, "iqn.2026-11.example:thief", "thief", "thiefs-own-secret"[:16]))

    def rules():
        return list(lab.column("unit1", f"{dvsanAccessInitiator}.{index}").values())
    assert until(lambda: rules() == ["iqn.2026-11.lab.dvsan:host1"], 10), rules()
    assert initiators.can_log_in(initiators.access(lab, "host1", "guarded"))
    drop(lab, "guarded")


# The station's own folder

def cms(lab):
    return [os.path.join(BUILD, "bin", "dvsan-cms"), "-c",
            os.path.join(lab.lab.station.folder, "cms.xml")]


def refused_to_start(lab, words):
    done = subprocess.run(cms(lab), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0 and done.stdout == "", done
    assert words in done.stderr, done.stderr


def test_two_stations_cannot_share_a_folder(lab):
    refused_to_start(lab, "another dvsan-cms uses")


def test_as_many_files_are_open_as_may_be(lab):
    """And too few for the pool are told of."""
    log = os.path.join(lab.work, "limited.log")
    lab.run("stop", "cms")

    def told():
        with open(log, encoding="utf-8") as file:
            return file.read()

    with open(log, "w", encoding="utf-8") as file, \
            subprocess.Popen(["prlimit", "--nofile=100:400", *cms(lab)], stderr=file) as station:
        try:
            assert until(lambda: "serves the pool" in told(), DOWN_SECONDS), told()
            with open(f"/proc/{station.pid}/limits", encoding="ascii") as limits:
                assert re.search(r"^Max open files +400 +400 ", limits.read(), re.M)
        finally:
            station.terminate()
    assert "400 files can be open at once, which is enough for 0 units, and the pool has 2" in told()
    lab.run("start", "cms")


def test_a_damaged_store_is_refused(lab):
    store = os.path.join(lab.lab.station.folder, "state", "pool.db")
    lab.run("stop", "cms")
    shutil.copy(store, store + ".good")
    db = sqlite3.connect(store)
    db.execute("DELETE FROM unit WHERE name = 'unit1'")
    db.commit()
    db.close()
    done = subprocess.run(cms(lab), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 10, done  # on which systemd does not start it again
    assert "pool.db is damaged (" in done.stderr and "put a backup in its place" in done.stderr, done.stderr
    os.rename(store + ".good", store)
    lab.run("start", "cms")
    is_in_state(lab, "unit1", "up")


def test_a_lost_key_is_told(lab):
    key = os.path.join(lab.lab.station.folder, "state", "key")
    lab.run("stop", "cms")
    os.rename(key, key + ".away")
    refused_to_start(lab, "put it back")
    os.rename(key + ".away", key)
    lab.run("start", "cms")
    is_in_state(lab, "unit1", "up")


@pytest.fixture
def small_state(lab):
    """The station's state folder, on a file system of its own that is soon full."""
    state = os.path.join(lab.lab.station.folder, "state")
    lab.run("stop", "cms")
    os.rename(state, state + ".own")
    os.mkdir(state, 0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", state], check=True)
    shutil.copytree(state + ".own", state, dirs_exist_ok=True)
    lab.run("start", "cms")
    yield state
    lab.run("stop", "cms")
    shutil.rmtree(state + ".own")  # an older one than units were told
    shutil.copytree(state, state + ".own")
    subprocess.run(["umount", state], check=True)
    os.rmdir(state)
    os.rename(state + ".own", state)
    lab.run("start", "cms")
    is_in_state(lab, "unit1", "up")


def test_what_cannot_be_stored_is_refused_and_not_told_as_done(lab, small_state):
    ballast = os.path.join(small_state, "ballast")
    with open(ballast, "wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(4096))

    def add(name):
        lab.client.post("/hosts", {"name": name, "iqn": f"iqn.2026-11.example:{name}",
                                   "chap_secret": "twelve-to-16"})
    refused = []
    for number in range(40):  # there may be room for some in the store's last block
        try:
            add(f"h{number}")
        except Refused as e:
            assert e.code == "no_space" and "full" in str(e), e
            refused.append(f"h{number}")
    os.unlink(ballast)
    known = [host["name"] for host in lab.client.get("/hosts")]
    with open(os.path.join(lab.lab.station.folder, "cms.log"), encoding="utf-8") as file:
        log = file.read()
    assert refused and not set(refused) & set(known)
    assert not [name for name in refused if f"host {name}: was added" in log]
    add(refused[0])


def test_a_new_station_cuts_nobody_off(lab):
    """Its store is lost: what the units have is taken in, with those who use it."""
    before = lab.create("precious", "16M", unit="unit1")
    lab.assign("precious", "host1")
    how = initiators.access(lab, "host1", "precious")
    lab.lose_store("unit1/agent", "unit2/agent")
    is_in_state(lab, "unit1", "up")
    after = lab.volume("precious")
    assert (after["uuid"], after["iqn"], after["start_lba"], after["hosts"]) == \
        (before["uuid"], before["iqn"], before["start_lba"], ["host1"])
    assert not lab.client.get("/hosts/host1")["secret_known"]
    assert initiators.can_log_in(how)
    assert lab.client.get("/assignments/precious/host1")["unasked"]
    # The units still keep the lead for the station of the lost store; nobody waits for its end.
    for name in ("unit1", "unit2"):
        assert until(lambda unit=name: lab.unit(unit)["lead"] == "held", 10), lab.unit(name)
    lab.client.post("/station/adopt", {"from": "units", "take_over": True})
    assert until(lambda: not lab.client.get("/assignments/precious/host1")["unasked"], 30)

    lab.create("more", "16M")
    with pytest.raises(Refused) as e:
        lab.client.post("/assignments", {"volume": "more", "host": "host1"})
    assert "secret" in str(e.value)
    # The admin tells the secret, and all is as it was.
    lab.client.post("/hosts", {"name": "host1", "iqn": lab.client.get("/hosts/host1")["iqn"],
                               "chap_secret": lab.secret("host1"), "one_secret": True})
    assert lab.client.get("/hosts/host1")["secret_known"]
    lab.assign("more", "host1")
    assert initiators.can_log_in(how)
    assert initiators.can_log_in(initiators.access(lab, "host1", "more"))
    drop(lab, "precious", "more")

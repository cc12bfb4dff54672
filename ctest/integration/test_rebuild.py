"""A unit loses its journal: it does not become another unit, and is made anew from its media."""
import os
import shutil
import subprocess
import threading

import pytest

from support import initiators, patience
from support.database import query
from support.patience import until
from support.unit_box import own_box

LAB = {"units": 1, "hosts": 2}
MIB = 1 << 20


@pytest.fixture(scope="module")
def disk(lab):
    path = os.path.join(lab.work, "disk.img")
    with open(path, "wb") as f:
        f.truncate(128 * MIB)
    lab.add_media("unit1", f'<medium index="7" name="disk7" kind="disk" path="{path}" initialise="yes"/>')
    assert until(lambda: lab.has_medium("unit1", "disk7"), 20)
    return path


class Writer(threading.Thread):
    """Writes and reads back by NBD for as long as it is let."""

    def __init__(self, uri):
        super().__init__(daemon=True)
        self.uri, self.going, self.rounds, self.bad = uri, True, 0, []
        self.start()

    def run(self):
        while self.going and not self.bad:
            n = self.rounds % 200 + 1
            done = subprocess.run(["qemu-io", "-f", "raw", "-c", f"write -f -P {n} 0 64k", "-c", f"read -P {n} 0 64k",
                                   self.uri], capture_output=True, text=True, timeout=120, check=False)
            if done.stdout.count("65536/65536") != 2 or "Pattern" in done.stdout:
                self.bad.append(done.stdout + done.stderr)
            self.rounds += 1

    def end(self):
        self.going = False
        self.join(120)
        return self.bad


def run_unit(lab, *args):
    return lab.units["unit1"].dvsan_unit(*args, timeout=120)


def known(lab):
    keep = ("uuid", "name", "blocks", "medium", "thin", "hosts")
    return [{k: v[k] for k in keep} for v in lab.client.get("/volumes")]


def all_online(lab):
    return until(lambda: all(v["state"] == "online" for v in lab.client.get("/volumes")), 30)


def all_active(lab):
    return until(lambda: all(a["state"] == "active" for a in lab.client.get("/assignments")), 30)


def state_dir(lab):
    path = lab.units["unit1"].path("state")
    assert os.path.exists(os.path.join(path, "unit.db"))
    return path


def names_there(lab):
    return sorted(name for name, in query(f"{state_dir(lab)}/unit.db", "SELECT name FROM volume"))


def test_a_lost_state_folder(lab, disk):
    unit = lab.units["unit1"]
    lab.create("thin", "32M", unit="unit1", medium="pool0")
    lab.create("full", "16M", unit="unit1", thin=False)
    lab.create("part", "32M", unit="unit1", medium="disk7")
    for volume in ("thin", "full", "part"):
        lab.assign(volume, "host1")
    lab.assign("part", "host2")
    before, uuid = known(lab), lab.unit("unit1")["uuid"]
    last_event = lab.client.get("/events?limit=1000")[-1]["id"]
    with initiators.nbd(lab, initiators.access(lab, "host1", "thin"), "a") as one, \
            initiators.nbd(lab, initiators.access(lab, "host1", "part"), "b") as two:
        writers = [Writer(one), Writer(two)]
        assert until(lambda: all(w.rounds > 1 for w in writers), 20)

        unit.stop(unit.agent)
        shutil.rmtree(state_dir(lab))
        lost = run_unit(lab)
        assert lost.returncode != 0 and uuid in lost.stderr and "--rebuild" in lost.stderr, lost.stderr
        assert not os.path.exists(unit.path("state")), "it made what it refused to make"
        rounds = [w.rounds for w in writers]
        assert until(lambda: all(w.rounds > r + 1 for w, r in zip(writers, rounds)), 20), "tgtd serves no more"

        rebuilt = run_unit(lab, "--rebuild")
        assert rebuilt.returncode == 0, rebuilt.stderr
        again = run_unit(lab, "--rebuild")
        assert again.returncode != 0 and "there is a journal" in again.stderr
        unit.start(unit.agent)
        assert until(lambda: lab.unit("unit1")["state"] == "up", 30), lab.unit("unit1")
        assert all_online(lab) and all_active(lab)
        rounds = [w.rounds for w in writers]
        assert until(lambda: all(w.rounds > r + 1 for w, r in zip(writers, rounds)), 30), "I/O does not go on"
        assert [w.end() for w in writers] == [[], []]
    assert lab.unit("unit1")["uuid"] == uuid and len(lab.client.get("/units")) == 1
    assert known(lab) == before
    for host in ("host1", "host2"):
        assert initiators.can_log_in(initiators.access(lab, host, "part"))
    texts = [e["text"] for e in lab.client.get(f"/events?after={last_event}&limit=1000")]
    assert not any("vanished" in t or "taken in" in t for t in texts), texts
    # Its own names, too.
    assert until(lambda: names_there(lab) == sorted(v["name"] for v in before), 10), names_there(lab)
    shown = subprocess.run(["sfdisk", "-d", disk], capture_output=True, text=True, check=True).stdout
    assert 'name="part"' in shown
    # And it is a unit like any other.
    lab.dvsan("volume", "resize", "thin", "--size", "48M")
    lab.unassign("full", "host1")
    lab.done(lab.client.delete("/volumes/full"))
    lab.create("new", "16M", unit="unit1")


def test_an_older_backup(lab, disk):
    """What was made since is found on the media; what was deleted since is shown as failed."""
    unit = lab.units["unit1"]
    lab.create("deleted", "16M", unit="unit1", medium="disk7")
    unit.stop(unit.agent)
    backup = os.path.join(lab.work, "unit.db")
    shutil.copy(os.path.join(state_dir(lab), "unit.db"), backup)
    unit.start(unit.agent)
    assert all_online(lab)
    lab.create("made", "16M", unit="unit1", medium="disk7")
    lab.create("made-too", "16M", unit="unit1")
    lab.assign("made", "host1")
    lab.done(lab.client.delete("/volumes/deleted"))
    before = known(lab)
    unit.stop(unit.agent)
    shutil.copy(backup, os.path.join(state_dir(lab), "unit.db"))
    unit.start(unit.agent)
    assert until(lambda: lab.unit("unit1")["state"] in ("up", "degraded"), 30)
    assert until(lambda: all(v["state"] == "online" for v in lab.client.get("/volumes")
                             if v["name"] in ("made", "made-too")), 30)
    assert all_active(lab)
    assert [v for v in known(lab) if v["name"] in [b["name"] for b in before]] == before


def test_media_that_disagree(lab, disk):
    unit = lab.units["unit1"]
    assert all_active(lab)
    uuid = lab.unit("unit1")["uuid"]
    unit.stop(unit.agent)
    shutil.move(state_dir(lab), unit.path("state.away"))
    with open(disk, "r+b") as f:
        note = f.read(440)
        assert uuid.encode() in note
        f.seek(0)
        f.write(note.replace(uuid.encode(), b"deadbeef" + uuid[8:].encode()))
    refused = run_unit(lab, "--rebuild")
    assert refused.returncode != 0 and "say which one this is" in refused.stderr, refused.stderr
    assert not os.path.exists(unit.path("state"))
    os.rename(disk, disk + ".away")
    refused = run_unit(lab, "--rebuild")
    assert refused.returncode != 0 and "cannot be asked whose it is" in refused.stderr, refused.stderr
    os.rename(disk + ".away", disk)
    assert run_unit(lab, "--rebuild=" + uuid).returncode == 0
    unit.start(unit.agent)
    # Which unit this is does not say that the other one does not serve the disk.
    assert until(lambda: "is used by unit deadbeef" in
                 next(m["last_error"] or "" for m in lab.unit("unit1")["media"] if m["name"] == "disk7"), 30)
    lab.take("unit1", "disk7")
    assert until(lambda: lab.unit("unit1")["state"] == "up", 30), lab.unit("unit1")
    assert all_active(lab)
    assert lab.unit("unit1")["uuid"] == uuid


def test_a_state_folder_that_is_away(lab, disk):
    """The unit goes on, changes nothing, and says why; and goes on by itself when the folder is back."""
    state = state_dir(lab)
    assert all_active(lab)
    before = known(lab)
    lab.create("idle", "16M", unit="unit1")
    how = initiators.access(lab, "host1", "part")
    os.rename(state, state + ".gone")
    assert until(lambda: (lab.unit("unit1")["last_error"] or "").endswith("nothing is recorded until then") or
                 "cannot look at the state" in (lab.unit("unit1")["last_error"] or ""), 20), lab.unit("unit1")
    assert lab.unit("unit1")["state"] == "degraded"
    assert initiators.can_log_in(how)
    failed = lab.finish(lab.client.post("/volumes", {"name": "no", "size": "16M", "unit": "unit1"}))
    assert failed["state"] == "failed" and "state" in failed["error"]["detail"], failed
    waiting = lab.client.delete("/volumes/idle")
    assert until(lambda: "refuses" in (lab.client.get(f"/tasks/{waiting['id']}")["waiting"] or ""), 10)
    os.rename(state + ".gone", state)
    assert until(lambda: lab.unit("unit1")["last_error"] is None, 20)
    assert lab.finish(waiting, 60)["state"] == "done"
    assert known(lab) == before
    said = [e["text"] for e in lab.client.get("/events?limit=1000") if e["subject"] == "unit unit1"]
    assert [t for t in said if "changes cannot be recorded: " in t]
    # Where a volume failed beside it, that tells of the end, too.
    assert [t for t in said if t.startswith("this is over: changes cannot be recorded: ") or t == "is well again"]


def test_a_person_says_that_it_is_a_new_unit():
    """The program itself: it becomes another unit, once, and not where there is a journal."""
    with own_box() as box:
        def program(*args):
            return box.dvsan_unit(*args, timeout=patience.seconds(30))

        def whose():
            return query(box.path("state/unit.db"), "SELECT hex(uuid), epoch FROM member")[0]

        box.start()
        first, _ = whose()
        kept = program("--rebuild=new")
        assert kept.returncode != 0 and "there is a journal" in kept.stderr, kept.stderr
        assert whose()[0] == first
        assert box.agent.end() == 0
        (box.dir / "state/unit.db").unlink()
        lost = program()
        assert lost.returncode != 0 and "--rebuild=new" in lost.stderr, lost.stderr
        assert program("--rebuild=nwe").returncode != 0
        assert not (box.dir / "state/unit.db").exists()
        new = program("--rebuild=new")
        assert new.returncode == 0 and "has a journal again" in new.stderr, new.stderr
        second, epoch = whose()
        assert first != second and epoch > 1
        box.start_agent()
        box.wait_ready()
        assert whose() == (second, epoch + 1)


def test_a_lost_journal_while_a_medium_is_away(lab, disk):
    """Another medium, which holds no volume then, says nothing: the unit does not become a new one."""
    unit, uuid = lab.units["unit1"], lab.unit("unit1")["uuid"]
    assert until(lambda: lab.unit("unit1")["state"] in ("up", "degraded"), 30), lab.unit("unit1")
    before = known(lab)
    unit.stop(unit.agent)
    state = state_dir(lab)
    pool, away = unit.path("media"), unit.path("media.away")
    assert os.path.isdir(pool)
    os.rename(os.path.join(state, "unit.db"), unit.path("kept.db"))
    os.rename(disk, disk + ".away")
    os.rename(pool, away)
    refused = run_unit(lab)
    assert refused.returncode == 4 and "a unit has run with this folder" in refused.stderr, refused.stderr
    os.rename(os.path.join(state, "snmp"), unit.path("snmp.kept"))
    refused = run_unit(lab)
    assert refused.returncode != 0 and "cannot be asked whether one was lost" in refused.stderr, refused.stderr
    assert "--rebuild=UUID" in refused.stderr and not os.path.exists(os.path.join(state, "unit.db"))
    os.rename(away, pool)
    os.rename(disk + ".away", disk)
    os.rename(unit.path("snmp.kept"), os.path.join(state, "snmp"))
    os.rename(unit.path("kept.db"), os.path.join(state, "unit.db"))
    unit.start(unit.agent)
    assert until(lambda: lab.unit("unit1")["state"] in ("up", "degraded"), 30), lab.unit("unit1")
    assert all_active(lab)
    assert lab.unit("unit1")["uuid"] == uuid and known(lab) == before

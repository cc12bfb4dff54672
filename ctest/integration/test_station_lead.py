"""Who leads the units: a store that was put back, a second station, a copy, and somebody's own SETs."""
import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import uuid

import pytest

from dvsanlab import rest, secret
from dvsan_oids import (dvsanAccessRowStatus, dvsanMemberIntent, dvsanMemberLease, dvsanMemberRefused,
                        dvsanVolumeAdminState, dvsanVolumeAdminState_offline, dvsanVolumeName, dvsanVolumeRowStatus)
from support import BUILD, initiators, packets
from support.patience import until
from support.testlab import Refused
from support.unit_box import DESTROY, create_set, grant_set

LAB = {"units": 2, "hosts": 3}
SECONDS = 60  # bounds only that a hang ends


def pool_db(lab):
    return os.path.join(lab.lab.station.folder, "state", "pool.db")


def station(client):
    return client.get("/station")


def lead(client, unit="unit1"):
    return next(u["lead"] for u in station(client)["units"] if u["unit"] == unit)


def told(client, unit, words):
    return any(e["subject"] == f"unit {unit}" and words in e["text"]
               for e in client.get("/events?limit=500"))


def differences(client):
    return sorted(d["text"] for d in station(client)["differences"])


def leads_all(lab, seconds=SECONDS):
    assert until(lambda: {u["lead"] for u in station(lab.client)["units"]} == {"leads"}, seconds), \
        station(lab.client)
    assert until(lambda: all(u["state"] == "up" for u in lab.client.get("/units")), seconds)


def snmp(lab, tool, *args):
    """Somebody who has the station's key."""
    return lab.snmp("unit1", tool, *args, user="provision", check=False)


def index_of(lab, name):
    return next(index for index, shown in lab.column("unit1", dvsanVolumeName).items() if shown == name)


def drop_all(lab):
    for a in lab.client.get("/assignments"):
        lab.unassign(a["volume"], a["host"])
    for v in lab.client.get("/volumes"):
        lab.done(lab.client.delete(f"/volumes/{v['name']}"))


# Somebody's own SETs

def test_what_a_station_would_undo_its_unit_refuses(lab):
    leads_all(lab)
    lab.create("mine", "16M", unit="unit1")
    lab.create("spare", "16M", unit="unit1")
    lab.assign("mine", "host1")
    before = lab.everything()
    mine, spare = index_of(lab, "mine"), index_of(lab, "spare")
    for sets in ([(f"{dvsanVolumeName}.{mine}", "s", "yours")],
                 [(f"{dvsanVolumeAdminState}.{mine}", "i", dvsanVolumeAdminState_offline)],
                 [(f"{dvsanVolumeRowStatus}.{spare}", "i", DESTROY)],
                 [(f"{dvsanAccessRowStatus}.{mine}.1", "i", DESTROY)],
                 grant_set(mine, 9, "iqn.2026-11.example:thief", "thief", "thiefs-own-word"),
                 [(f"{dvsanMemberLease}.0", "u", 1)]):
        done = snmp(lab, "snmpset", *sets)
        assert done.returncode != 0 and "noAccess" in done.stdout + done.stderr, (sets, done)
        assert "lab at" in snmp(lab, "snmpget", "-Oqv", f"{dvsanMemberRefused}.0").stdout
    assert until(lambda: told(lab.client, "unit1", "changes of others")
                 or told(lab.client, "unit1", "change of others"), SECONDS)
    assert lab.everything() == before
    assert initiators.can_log_in(initiators.access(lab, "host1", "mine"))
    # A volume that somebody makes is taken over.
    done = snmp(lab, "snmpset", *create_set(77, "theirs", 16, uuid.uuid4().hex))
    assert done.returncode == 0, done
    assert until(lambda: any(v["name"] == "theirs" and v["state"] == "online"
                             for v in lab.client.get("/volumes")), SECONDS)
    drop_all(lab)


def test_an_account_that_somebody_gave_a_host_while_nobody_led(lab):
    """With a volume of his own: it ends, and the host's comes in its place."""
    leads_all(lab)
    iqn, plain = "iqn.2026-11.example:each", "secret-of-each-1"
    lab.client.post("/hosts", {"name": "each", "iqn": iqn, "chap_secret": plain})
    lab.run("stop", "cms")
    done = None

    def is_set():  # once the lease has run out
        nonlocal done
        done = snmp(lab, "snmpset", *create_set(77, "theirs", 16, uuid.uuid4().hex))
        return done.returncode == 0

    def has_rule():  # once the volume is there
        nonlocal done
        done = snmp(lab, "snmpset", *grant_set(77, 1, iqn, "zz", "zzzzzzzzzzzz"))
        return done.returncode == 0

    assert until(is_set, SECONDS) and until(has_rule, SECONDS), done
    lab.run("start", "cms")
    lab.client = lab.lab.client()
    leads_all(lab)
    assert until(lambda: any(v["name"] == "theirs" for v in lab.client.get("/volumes")), SECONDS)
    assert [e for e in lab.client.get("/events") if "lets host each in on unit1 as the CHAP user zz" in e["text"]
            and "put right" in e["text"]]
    info = lab.client.get("/hosts/each/connect-info")["volumes"][0]
    way = {"portal": info["portals"][0], "iqn": info["iqn"], "lun": info["lun"], "initiator": iqn, "user": "each",
           "secret": initiators.unit_secret(plain, info["unit_uuid"])}
    assert until(lambda: initiators.can_log_in(way), SECONDS)
    assert not initiators.can_log_in(dict(way, user="zz", secret="zzzzzzzzzzzz"))
    lab.unassign("theirs", "each")
    lab.client.delete("/hosts/each")
    drop_all(lab)


# A store that was put back

@contextlib.contextmanager
def put_back(lab):
    """The store as it is now replaces what it has become by the end of the block."""
    kept = os.path.join(lab.work, "backup.db")
    source, copy = sqlite3.connect(pool_db(lab)), sqlite3.connect(kept)
    source.backup(copy)  # what INSTALL says, as sqlite3's command does it
    source.close()
    copy.close()
    yield
    lab.run("stop", "cms")
    for tail in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(pool_db(lab) + tail)
    shutil.copy(kept, pool_db(lab))
    os.unlink(kept)
    lab.run("start", "cms")
    lab.client = lab.lab.client()


def history(lab):
    """What was changed since the backup: host2 admitted, host1 not any more, one volume new, one gone."""
    lab.create("kept", "16M", unit="unit1")
    lab.create("gone", "16M", unit="unit2")
    lab.assign("kept", "host1")
    ways = {host: dict(initiators.access(lab, "host1", "kept"), initiator=lab.client.get(f"/hosts/{host}")["iqn"],
                       user=host, secret=lab.secret(host)) for host in ("host1", "host2")}
    with put_back(lab):
        lab.assign("kept", "host2")
        lab.unassign("kept", "host1")
        lab.done(lab.client.delete("/volumes/gone"))
        lab.create("new", "16M", unit="unit1")
        lab.assign("new", "host2")
        ways["new"] = initiators.access(lab, "host2", "new")
    return ways


def asks(lab):
    assert until(lambda: station(lab.client)["stopped"], SECONDS), station(lab.client)
    assert until(lambda: {u["lead"] for u in station(lab.client)["units"]} == {"newer"}, SECONDS)
    assert until(lambda: len(differences(lab.client)) == 3, SECONDS), differences(lab.client)


def test_a_store_put_back_orders_nothing_and_asks(lab):
    leads_all(lab)
    ways = history(lab)
    asks(lab)
    assert told(lab.client, "unit1", "was told more than this station's store knows")
    assert differences(lab.client) == [
        "host1 may not use volume kept, and may by the store: it would get an access rule",
        "host2 may use volume kept, and may not by the store: its access rule would end",
        "volume gone is not there, and is by the store"]
    for body, path in (({"name": "no", "size": "16M"}, "/volumes"),
                       ({"volume": "new", "host": "host3"}, "/assignments")):
        with pytest.raises(Refused) as e:
            lab.client.post(path, body)
        assert e.value.code == "conflict" and "dvsan station show" in str(e.value), e.value
    for _ in range(3):  # looks, each of which would order something
        seen = lab.unit("unit1")["last_seen"]
        assert until(lambda: lab.unit("unit1")["last_seen"] != seen, SECONDS)
    assert initiators.can_log_in(ways["host2"]) and initiators.can_log_in(ways["new"])
    assert not initiators.can_log_in(ways["host1"])
    # It asks again after a restart. Then what the units have counts.
    lab.run("stop", "cms")
    lab.run("start", "cms")
    asks(lab)
    done = subprocess.run(["dvsan", "station", "show"], env=lab.env, capture_output=True, text=True, check=True)
    assert "host2 may use volume kept" in done.stdout and "dvsan station adopt units" in done.stdout
    done = subprocess.run(["dvsan", "station", "adopt", "them"], env=lab.env, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 2 and "units" in done.stderr
    subprocess.run(["dvsan", "station", "adopt", "units", "--yes"], env=lab.env, check=True, stdout=subprocess.DEVNULL)
    leads_all(lab)
    for unit in ("unit1", "unit2"):
        assert told(lab.client, unit, "is led by this station from now on; what the unit has was taken over")
    assert not told(lab.client, "unit2", "of others")  # the station's own lease was refused there
    assert sorted((a["volume"], a["host"], a["state"]) for a in lab.client.get("/assignments")) == [
        ("kept", "host2", "active"), ("new", "host2", "active")]
    assert sorted(v["name"] for v in lab.client.get("/volumes")) == ["kept", "new"]
    assert initiators.can_log_in(ways["host2"]) and not initiators.can_log_in(ways["host1"])
    with pytest.raises(Refused):
        lab.client.post("/station/adopt", {"from": "units"})  # there is nothing to settle
    lab.assign("new", "host1")
    drop_all(lab)


def test_the_store_counts_when_a_person_says_so(lab):
    leads_all(lab)
    ways = history(lab)
    asks(lab)
    lab.client.post("/station/adopt", {"from": "store"})
    leads_all(lab)
    for unit in ("unit1", "unit2"):
        assert told(lab.client, unit, "is led by this station from now on; what the store says was kept, and is ordered")
    assert until(lambda: sorted((a["volume"], a["host"], a["state"]) for a in lab.client.get("/assignments"))
                 == [("kept", "host1", "active"), ("new", "host2", "active")], SECONDS)
    assert initiators.can_log_in(ways["host1"]) and not initiators.can_log_in(ways["host2"])
    drop_all(lab)


def test_a_secret_that_is_older_than_the_units_is_not_told_to_them(lab):
    leads_all(lab)
    lab.create("old", "16M", unit="unit1")
    lab.create("more", "16M", unit="unit1")
    lab.assign("old", "host2")
    lab.assign("more", "host1")
    iqn = lab.client.get("/hosts/host2")["iqn"]
    way = initiators.access(lab, "host2", "old")
    new = dict(way, secret="newest-of-host2")
    host = {"name": "host2", "iqn": iqn, "chap_secret": new["secret"], "one_secret": True}
    with put_back(lab):
        lab.unassign("old", "host2")
        lab.client.delete("/hosts/host2")
        lab.client.post("/hosts", host)
        lab.assign("old", "host2")
        assert initiators.can_log_in(new) and not initiators.can_log_in(way)
    assert until(lambda: differences(lab.client) == [
        "host2 uses volume old with a CHAP secret that is not the store's: the store's would replace it"],
        SECONDS), station(lab.client)
    subprocess.run(["dvsan", "station", "adopt", "units", "--yes"], env=lab.env, check=True, stdout=subprocess.DEVNULL)
    leads_all(lab)
    known = {h["name"]: h["secret_known"] for h in lab.client.get("/hosts")}
    assert known == {"host1": True, "host2": False, "host3": True}, known
    with pytest.raises(Refused) as e:
        lab.client.post("/assignments", {"volume": "more", "host": "host2"})
    assert "is not known here" in str(e.value) and iqn in str(e.value), e.value
    assert initiators.can_log_in(new) and not initiators.can_log_in(way)
    # It is asked for, and then told to all units.
    host["chap_secret"] = lab.secret("host2")
    lab.client.post("/hosts", host)
    lab.assign("more", "host2")
    assert until(lambda: initiators.can_log_in(way), SECONDS) and not initiators.can_log_in(new)
    assert initiators.can_log_in(initiators.access(lab, "host2", "more"))
    drop_all(lab)


def test_a_unit_that_is_away_is_left_out_and_told(lab):
    leads_all(lab)
    history(lab)
    asks(lab)
    lab.run("kill", "unit2")
    assert until(lambda: lab.unit("unit2")["state"] == "down", SECONDS)
    done = subprocess.run(["dvsan", "station", "adopt", "units", "--yes"], env=lab.env, check=True,
                          capture_output=True, text=True)
    way_out = "unit2 does not answer: start it and say what counts, or forget it (dvsan unit forget unit2)"
    assert f"Left out: {way_out}." in done.stdout, done
    show = subprocess.run(["dvsan", "station", "show"], env=lab.env, check=True, capture_output=True, text=True)
    assert f"Left out: {way_out}." in show.stdout, show
    assert until(lambda: lead(lab.client) == "leads", SECONDS), station(lab.client)
    for method, path, body in (("POST", "/volumes", {"name": "no", "size": "16M"}),
                               ("POST", "/station/adopt", {"from": "units"})):
        with pytest.raises(Refused) as e:
            lab.client.ask(method, path, body)
        assert e.value.code == "conflict" and way_out in str(e.value), e.value
    lab.run("start", "unit2")
    assert until(lambda: lab.unit("unit2")["state"] == "up", SECONDS)
    lab.client.post("/station/adopt", {"from": "units"})
    leads_all(lab)
    assert all(u["left_out"] is None for u in station(lab.client)["units"])
    drop_all(lab)


def test_a_store_that_is_as_new_goes_on(lab):
    leads_all(lab)
    lab.create("same", "16M", unit="unit1")
    with put_back(lab):
        pass
    leads_all(lab)
    assert not station(lab.client)["stopped"]
    lab.assign("same", "host1")
    drop_all(lab)


def test_codes_of_a_store_put_back_end_and_the_rest_is_told(lab):
    """A code that was deleted since is open in it: nothing else has changed."""
    leads_all(lab)
    code = lab.client.post("/codes", {"name": "unit9"})["id"]
    with put_back(lab):
        lab.client.delete(f"/codes/{code}")
        intent = station(lab.client)["intent"]
        assert until(lambda: snmp(lab, "snmpget", "-Oqv", f"{dvsanMemberIntent}.0").stdout.strip() == str(intent),
                     SECONDS), "the unit is not told of it"
    assert until(lambda: station(lab.client)["stopped"], SECONDS)
    assert until(lambda: lab.client.get("/codes") == [], SECONDS)
    (event,) = [e["text"] for e in lab.client.get("/events?limit=500") if e["subject"] == "pool store"
                and "1 code of before the station's start has ended" in e["text"]]
    assert "revoked" in event and "dvsan unit add" in event
    show = subprocess.run(["dvsan", "station", "show"], env=lab.env, check=True, capture_output=True, text=True)
    assert "units that were revoked or quarantined since" in show.stdout
    lab.client.post("/codes", {"name": "unit9"})  # one of now stays
    subprocess.run(["dvsan", "station", "adopt", "units", "--yes"], env=lab.env, check=True, stdout=subprocess.DEVNULL)
    leads_all(lab)
    (code,) = lab.client.get("/codes")
    assert code["state"] == "open"
    lab.client.delete(f"/codes/{code['id']}")


# A second station

class Second:
    """Another dvsan-cms with the same keys, at a port of its own; state: its folder, {} for an empty one."""

    def __init__(self, lab, state=None):
        first = lab.lab.station
        self.lab, self.folder = lab, os.path.join(lab.work, "second")
        os.makedirs(self.folder, mode=0o700)
        if state:
            shutil.copytree(state, os.path.join(self.folder, "state"), ignore=shutil.ignore_patterns("lock"))
        with open(os.path.join(first.folder, "cms.xml"), encoding="utf-8") as f:
            text = f.read()
        http = re.search(r'<http address="([^"]+)" port="(\d+)"', text)
        notify = re.search(r'listen="udp:([^:]+):(\d+)"', text)
        self.url = f"http://{http[1]}:{int(http[2]) + 1}"
        self.listen = notify[1], int(notify[2]) + 1
        text = text.replace(http[0], f'<http address="{http[1]}" port="{int(http[2]) + 1}"')
        text = text.replace(notify[0], f'listen="udp:{notify[1]}:{int(notify[2]) + 1}"')
        with open(os.path.join(self.folder, "cms.xml"), "w", encoding="utf-8") as f:
            f.write(text)
        self.start()

    def start(self):
        with open(os.path.join(self.folder, "second.log"), "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(BUILD, "bin", "dvsan-cms"), "-c", os.path.join(self.folder, "cms.xml")],
                stdout=subprocess.PIPE, stderr=log, text=True)

    def __enter__(self):
        return self

    def log_in(self):
        password = re.search(r"admin password: (\S+)", self.process.stdout.readline())[1]
        self.client = rest.Client(self.url, password=password)
        return self

    def log_in_as_first(self):
        self.client = rest.Client(self.url, token=secret.read(self.lab.lab.settings, "token"))
        assert until(lambda: answers(self.client), SECONDS)
        return self

    def hears_of(self, unit):
        """As if units announced themselves to it, too."""
        row = self.lab.unit(unit)

        def heard():
            packets.notify(self.lab, packets.announcement(row), target=self.listen)
            return any(u["name"] == unit and u["state"] == "up" for u in self.client.get("/units"))
        assert until(heard, SECONDS), self.client.get("/units")

    def stop(self):
        self.process.terminate()
        assert self.process.wait(SECONDS) == 0
        self.process.stdout.close()

    def done(self, task):
        assert until(lambda: self.client.get(f"/tasks/{task['id']}")["state"] == "done", SECONDS), \
            self.client.get(f"/tasks/{task['id']}")

    def __exit__(self, *_):
        self.stop()
        shutil.move(os.path.join(self.folder, "second.log"), os.path.join(self.lab.work, "second.log"))
        shutil.rmtree(self.folder)


def answers(client):
    try:
        return client.get("/station")
    except rest.Unanswered:
        return None


def test_a_second_station_leads_nothing_and_both_are_told(lab):
    leads_all(lab)
    lab.create("shared", "16M", unit="unit1")
    lab.assign("shared", "host1")
    with Second(lab).log_in() as second:
        second.hears_of("unit1")
        assert until(lambda: lead(second.client) == "held", SECONDS), station(second.client)
        assert told(second.client, "unit1", "is led by another station, lab at")
        row = second.client.get("/units/unit1")
        assert row["lead"] == "held" and row["leader"] == station(lab.client)["name"]
        assert until(lambda: told(lab.client, "unit1", station(second.client)["name"]), SECONDS)
        # What is asked of the second one is refused; the first one goes on.
        for method, path, body in (("POST", "/volumes", {"name": "new", "size": "16M"}),
                                   ("POST", "/volumes", {"name": "new", "size": "16M", "unit": "unit1"}),
                                   ("PATCH", "/volumes/shared", {"size": "32M"}),
                                   ("PATCH", "/volumes/shared", {"name": "mine"}),
                                   ("DELETE", "/assignments/shared/host1", None)):
            is_refused(second.client, method, path, body)
        lab.assign("shared", "host2")
        assert lead(lab.client) == "leads" and lead(second.client) == "held"
        assert second.client.get("/tasks") == []
        with pytest.raises(Refused):
            second.client.post("/station/adopt", {"from": "units"})
        # It takes over on purpose.
        second.client.post("/station/adopt", {"from": "units", "take_over": True})
        assert until(lambda: lead(second.client) == "leads", SECONDS), station(second.client)
        assert until(lambda: lead(lab.client) == "held", SECONDS)
        assert until(lambda: told(lab.client, "unit1", "is led by another station, lab at"), SECONDS)
        assert sorted(a["host"] for a in second.client.get("/assignments")) == ["host1", "host2"]
        is_refused(lab.client, "POST", "/assignments", {"volume": "shared", "host": "host3"})
        second.client.delete("/assignments/shared/host2")
        assert until(lambda: lab.volume("shared")["hosts"] != [] and
                     any("host2" in d for d in differences(lab.client)), SECONDS), differences(lab.client)
        # And the first one back, with what is so now.
        lab.client.post("/station/adopt", {"from": "units", "take_over": True})
        leads_all(lab)
        assert until(lambda: lead(second.client) == "held", SECONDS)
        assert lab.volume("shared")["hosts"] == ["host1"]
        # Once more, and the second one ends then: what it told the unit is asked about, not undone.
        second.client.post("/station/adopt", {"from": "units", "take_over": True})
        assert until(lambda: lead(lab.client) == "held", SECONDS)
    assert until(lambda: lead(lab.client) == "foreign", SECONDS), station(lab.client)
    assert told(lab.client, "unit1", "was led by another station, lab at")
    show = subprocess.run(["dvsan", "station", "show"], env=lab.env, capture_output=True, text=True, check=True)
    assert "dvsan station adopt units, or dvsan station adopt store" in show.stdout, show.stdout
    assert not station(lab.client)["stopped"]  # the other unit goes on
    lab.create("elsewhere", "16M", unit="unit2")
    lab.client.post("/station/adopt", {"from": "units"})
    leads_all(lab)
    assert initiators.can_log_in(initiators.access(lab, "host1", "shared"))
    drop_all(lab)


def is_refused(client, method, path, body):
    with pytest.raises(Refused, match=r"unit1 is led by another station, lab at .*: ask for it there, or take the "
                                      r"lead \(dvsan station adopt units --take-over\)") as e:
        client.ask(method, path, body)
    assert e.value.code == "conflict"


def test_who_takes_the_lead_by_itself_orders_nothing_from_before(lab):
    leads_all(lab)
    lab.create("shared", "16M", unit="unit1")
    lab.assign("shared", "host1")
    snmpd = lab.units["unit1"].snmpd.pid()
    with Second(lab).log_in() as second:
        second.hears_of("unit1")
        assert until(lambda: lead(second.client) == "held", SECONDS), station(second.client)
        os.kill(snmpd, signal.SIGSTOP)
        try:
            second.stop()
            second.start()
            assert until(lambda: answers(second.client), SECONDS)
            # Who leads is not known yet, so these are taken.
            tasks = [second.client.delete("/assignments/shared/host1"),
                     second.client.ask("PATCH", "/volumes/shared", {"name": "mine"})]
            lab.run("kill", "cms")
        finally:
            os.kill(snmpd, signal.SIGCONT)
        assert until(lambda: lead(second.client) == "leads", SECONDS), station(second.client)
        for task in tasks:
            task = second.client.get(f"/tasks/{task['id']}")
            assert task["state"] == "failed" and "was taken over instead" in task["error"]["detail"], task
        assert [(a["volume"], a["host"], a["state"]) for a in second.client.get("/assignments")] == [
            ("shared", "host1", "active")]
        assert told(second.client, "unit1", "what the unit has was taken over")
        second.done(second.client.ask("PATCH", "/volumes/shared", {"size": "32M"}))  # what is asked from now on
    lab.run("start", "cms")
    lab.client = lab.lab.client()
    assert until(lambda: lead(lab.client) == "foreign", SECONDS), station(lab.client)
    lab.client.post("/station/adopt", {"from": "units"})
    leads_all(lab)
    assert lab.volume("shared")["size"] == 32 << 20 and lab.volume("shared")["hosts"] == ["host1"]
    drop_all(lab)


def test_a_copy_of_the_station_is_told_from_it(lab):
    leads_all(lab)
    lab.create("one", "16M", unit="unit1")
    # Twice, so that the second copy comes right behind a person's word, which settled the first one alone.
    for host in ("host2", "host3"):
        with Second(lab, os.path.dirname(pool_db(lab))).log_in_as_first() as copy:
            assert station(copy.client)["uuid"] == station(lab.client)["uuid"]
            assert until(lambda: {u["lead"] for u in station(copy.client)["units"]} == {"leads"}, SECONDS), \
                station(copy.client)
            copy.client.post("/assignments", {"volume": "one", "host": host})
            assert until(lambda: {a["state"] for a in copy.client.get("/assignments")} == {"active"}, SECONDS)
            assert until(lambda: {u["lead"] for u in station(lab.client)["units"]} == {"newer"}, SECONDS), \
                station(lab.client)
            assert station(lab.client)["stopped"]
            assert told(lab.client, "unit1", station(copy.client)["name"])
            assert told(copy.client, "unit1", "if that one still runs, with a copy of this store, stop it")
        lab.client.post("/station/adopt", {"from": "units"})
        leads_all(lab)
        assert host in lab.volume("one")["hosts"]
    drop_all(lab)

"""A pool whose units share pass-phrases: one of them gets keys of its own while hosts use it."""
import os
import re

from support import initiators, packets, patience
from support.files import edit
from support.oids import LINK_DOWN

LAB = {"units": 2, "hosts": 1}


def enrol(lab, name):
    unit = lab.units[name]
    lab.run("stop", f"{name}/agent")
    lab.run("stop", f"{name}/snmpd")
    code = lab.client.post("/codes", {"name": name, "again": True})["code"]
    done = unit.dvsan_unit("--enrol", "-", input=code, timeout=120)
    assert done.returncode == 0, done.stderr
    lab.run("start", name)
    return done.stderr


def shared_secrets(lab):
    """All that units share, as pass-phrases and as the names of their users."""
    folder = lab.units["unit2"]
    text = open(folder.path("snmpd.conf"), encoding="utf-8").read()
    phrases = re.findall(r'^createUser dvsan-provision SHA-256 "(.*?)" AES "(.*?)"', text, re.M)
    assert phrases
    return {*phrases[0], "dvsan-provision", "dvsan-provision".encode().hex()}


def test_a_unit_moves_over_under_io(lab):
    assert lab.unit("unit1")["trust"] == "shared"
    lab.create("v1", "64M", unit="unit1")
    lab.assign("v1", "host1")
    how = initiators.access(lab, "host1", "v1")
    before = lab.unit("unit1")["uuid"]
    with initiators.writing(lab, how) as writer:
        assert writer.goes_on(), writer.error
        said = enrol(lab, "unit1")
        patience.wait_for("unit1 to be up", lambda: lab.unit("unit1")["state"] == "up")
        assert writer.goes_on(), writer.error
    now = lab.unit("unit1")
    assert now["trust"] == "enrolled" and now["uuid"] == before
    assert lab.unit("unit2")["trust"] == "shared"
    lab.create("v2", "1M", unit="unit1")
    # Nothing of what units share is left but in the copies, of which a person is told.
    unit = lab.units["unit1"]
    for name in ("unit.xml", "snmpd.conf", "snmpd.state/snmpd.conf"):
        text = open(unit.path(name), encoding="utf-8").read()
        assert "<notify" not in text and "engineBoots" in text or "state/" not in name
        assert not [s for s in shared_secrets(lab) if s in re.sub("^#.*", "", text, flags=re.M)], name
        assert f"{unit.path(name)}.before-enrolment" in said
        assert os.stat(unit.path(name + ".before-enrolment")).st_mode & 0o777 == 0o600
    assert "dvsan-monitor" in open(unit.path("snmpd.conf"), encoding="utf-8").read()


def test_the_station_says_who_shares_keys(lab):
    """And, once nobody does, that the pass-phrases can go."""
    assert "dvsan unit add --again UNIT" in lab.dvsan("station", "show").stdout
    assert {u["unit"]: u["trust"] for u in lab.client.get("/station")["units"]} == {"unit1": "enrolled", "unit2": "shared"}


def test_who_shares_keys_does_not_speak_for_one_that_has_its_own(lab):
    victim = lab.unit("unit1")
    assert victim["trust"] == "enrolled"
    assert packets.notify(lab, packets.announcement(victim, state="4"), trap=LINK_DOWN)
    patience.wait_for("the station to tell of it", lambda: any(
        "signed with keys that many know" in e["text"] for e in lab.client.get("/events")))
    assert lab.unit("unit1")["state"] == "up"


def test_when_nobody_shares_keys_the_pass_phrases_can_go(lab):
    enrol(lab, "unit2")
    patience.wait_for("unit2 to be up", lambda: lab.unit("unit2")["state"] == "up")
    assert "<notify> and <provision> can go from dvsan-cms.xml" in lab.dvsan("station", "show").stdout
    lab.run("stop", "cms")
    edit(os.path.join(lab.folder, "cms/cms.xml"), re.compile(r"\s*<(notify|provision) [^>]*/>"), "")
    lab.run("start", "cms")
    for name in ("unit1", "unit2"):
        patience.wait_for(f"{name} to be up", lambda n=name: lab.unit(n)["state"] == "up")
    lab.create("v3", "1M", unit="unit2")
    assert "dvsan-cms.xml" not in lab.dvsan("station", "show").stdout

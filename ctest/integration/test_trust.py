"""How far units are believed: those that wait, quarantine, and revoked keys."""
import os
import re
import threading

from dvsanlab import rest
from support import initiators, packets, patience
from support.files import edit
from support.oids import COLD_START

LAB = {"units": 2, "hosts": 1}


def trust(lab, name):
    return lab.unit(name)["trust"]


def refused(lab, path, body, text):
    try:
        lab.client.post(path, body)
    except rest.Refused as e:
        assert text in str(e)
    else:
        raise AssertionError(f"{path} was taken")


def test_quarantine_and_revocation_of_a_unit_in_use(lab):
    lab.create("v1", "64M", unit="unit1")
    lab.assign("v1", "host1")
    # Two whose one secret unit1 knows, too: of the previous account, and for a right that ended.
    for host in ("half", "was"):
        lab.client.post("/hosts", {"name": host, "iqn": f"iqn.2026-11.lab.dvsan:{host}",
                                   "chap_secret": f"one-for-{host}-x", "one_secret": True})
        lab.assign("v1", host)
    lab.client.post("/hosts/half/rekey", {"chap_secret": "one-on-each-unit", "per_unit": True})
    lab.dvsan("volume", "unassign", "v1", "--host", "was", "--yes")
    how = initiators.access(lab, "host1", "v1")
    with initiators.writing(lab, how) as writer:
        assert writer.goes_on(), writer.error
        lab.dvsan("unit", "quarantine", "unit1")
        assert trust(lab, "unit1") == "quarantined"
        assert "dvsan unit accept unit1" in lab.unit("unit1")["note"]
        assert writer.goes_on(), writer.error
        refused(lab, "/volumes", {"name": "v2", "size": "1M", "unit": "unit1"},
                "dvsan unit accept unit1")
        lab.create("v2", "1M")
        assert lab.volume("v2")["unit"] == "unit2"
        # its word is not taken, and what is asked for waits and says for what
        assert packets.notify(lab, packets.announcement(lab.unit("unit1")),
                              trap=COLD_START)
        lab.run("stop", "cms")
        lab.run("start", "cms")
        assert trust(lab, "unit1") == "quarantined"
        task = lab.client.ask("PATCH", "/volumes/v1", {"name": "v3"})
        patience.wait_for("the task to say for what it waits", lambda: "dvsan unit accept unit1"
                          in (lab.client.get(f"/tasks/{task['id']}")["waiting"] or ""))
        assert writer.goes_on(), writer.error
        lab.dvsan("unit", "accept", "unit1")
        patience.wait_for("unit1 to be up", lambda: lab.unit("unit1")["state"] == "up")
        assert trust(lab, "unit1") == "shared"
        assert writer.goes_on(), writer.error
        asked = lab.dvsan("unit", "revoke", "unit1", code=2).stderr
        assert "go on opening each unit that is not enrolled" in asked, asked
        said = lab.dvsan("unit", "revoke", "unit1", "--yes").stdout
        told = re.search("It knew the one secret of (.*), which opens volumes on other units", said)
        assert set(re.split(", | and ", told[1])) == {"host1", "half", "was"}, said
        (event,) = lab.events("knew the one secret of ")
        assert all(host in event["text"] for host in ("host1", "half", "was")), event
        assert "knows the pass-phrases that units share, which read and change unit2" in said
        assert lab.events("knows the pass-phrases that units share, which read and change unit2")
        assert "open each unit that is not enrolled" in lab.unit("unit1")["note"]
        assert trust(lab, "unit1") == "revoked"
        assert writer.goes_on(), writer.error


def test_a_revoked_unit_is_not_believed(lab):
    assert packets.notify(lab, packets.announcement(lab.unit("unit1")), trap=COLD_START)
    patience.wait_for("the station to tell of it",
                      lambda: lab.events("is not believed: it is revoked"))
    refused(lab, "/units/unit1/accept", None, "dvsan unit add unit1 --again")
    lab.run("stop", "cms")
    lab.run("start", "cms")
    assert trust(lab, "unit1") == "revoked" and lab.unit("unit1")["state"] == "down"


def test_a_unit_that_nobody_accepted_waits(lab):
    lab.run("stop", "cms")
    edit(os.path.join(lab.folder, "cms", "cms.xml"), ' accept="yes"', "")
    lab.run("start", "cms")
    patience.wait_for("unit2 to be up", lambda: lab.unit("unit2")["state"] == "up")  # of before
    lab.run("stop", "unit2")
    patience.wait_for("unit2 to be away", lambda: lab.unit("unit2")["state"] in ("stopped", "down"))
    lab.dvsan("unit", "forget", "unit2", "--yes")
    starting = threading.Thread(target=lab.run, args=("start", "unit2"))  # until it is up
    starting.start()
    patience.wait_for("unit2 to wait", lambda: any(
        u["name"] == "unit2" for u in lab.client.get("/units")))
    unit = lab.unit("unit2")
    assert unit["trust"] == "waiting" and unit["address"] and unit["engine_id"]
    assert unit["media"] == [] and unit["volumes"] == 0
    assert "v2" not in [v["name"] for v in lab.client.get("/volumes")]
    assert len(lab.events("waits to be accepted (dvsan unit accept unit2)")) == 1
    lab.run("stop", "cms")
    lab.run("start", "cms")
    assert trust(lab, "unit2") == "waiting"
    lab.dvsan("unit", "accept", "unit2")
    patience.wait_for("unit2 to be up", lambda: lab.unit("unit2")["state"] == "up")
    starting.join(60)
    assert trust(lab, "unit2") == "shared" and lab.volume("v2")["unit"] == "unit2"

"""Descriptions of volumes, hosts and units: given, changed, cleared, refused, and kept by who is to keep them."""
# SPDX-License-Identifier: BSD-2-Clause

import pytest

from dvsan_oids import dvsanVolumeDescription, dvsanVolumeName
from support.liar import Liar
from support.patience import until
from support.testlab import Refused

LAB = {"units": 2, "hosts": 1}
SECONDS = 30
LONGEST = "ä" * 127 + "x"  # 255 octets
BAD = {"two\nlines": "one line", "\x1b[2J": "one line", LONGEST + "y": "255 octets", "right\u202eleft": "one line"}


def description(lab, path):
    return lab.client.get(path)["description"]


def shown(lab, name):
    """What the unit shows of the volume's description, by SNMP."""
    return lab.column("unit1", dvsanVolumeDescription)[index_of(lab, name)]


def index_of(lab, name):
    return next(index for index, text in lab.column("unit1", dvsanVolumeName).items() if text == name)


@pytest.mark.parametrize("path, create", [
    ("/volumes/v1", ("/volumes", {"name": "v1", "size": "8M", "description": "the shop's orders"})),
    ("/hosts/h1", ("/hosts", {"name": "h1", "iqn": "iqn.2026-11.test:h1", "chap_secret": "a-secret-of-16ch",
                              "description": "the shop's orders"})),
    ("/units/unit1", None)])
def test_given_changed_cleared_refused(lab, path, create):
    def change(text):
        task = lab.client.ask("PATCH", path, {"description": text})
        if task and "steps" in task:
            lab.done(task)
    if create:
        made = lab.client.post(*create)
        if "steps" in made:
            lab.done(made)
        assert description(lab, path) == "the shop's orders"
    else:
        assert description(lab, path) is None
    for text in ("für den Laden", LONGEST):
        change(text)
        assert description(lab, path) == text
    for text, why in BAD.items():
        with pytest.raises(Refused, match=why):
            change(text)
        assert description(lab, path) == LONGEST
    change("")
    assert description(lab, path) is None


def test_bad_ones_make_nothing(lab):
    for text in BAD:
        with pytest.raises(Refused):
            lab.client.post("/volumes", {"name": "never", "size": "8M", "description": text})
        with pytest.raises(Refused):
            lab.client.post("/hosts", {"name": "never", "iqn": "iqn.2026-11.test:never", "description": text,
                                       "chap_secret": "a-secret-of-16ch"})
    assert "never" not in {thing["name"] for kind in ("/volumes", "/hosts") for thing in lab.client.get(kind)}


def test_by_the_command_line(lab):
    lab.dvsan("volume", "create", "cli1", "--size", "8M", "--description", "by hand")
    assert "by hand" in lab.dvsan("volume", "show", "cli1").stdout
    assert "described" in lab.dvsan("volume", "describe", "cli1", "by hand, twice").stdout
    assert description(lab, "/volumes/cli1") == "by hand, twice"
    lab.dvsan("host", "describe", "host1", "in rack 4")
    lab.dvsan("unit", "describe", "unit1", "in rack 5")
    assert description(lab, "/hosts/host1") == "in rack 4" and description(lab, "/units/unit1") == "in rack 5"
    refused = lab.dvsan("volume", "describe", "cli1", "a\nb", code=None)
    assert refused.returncode != 0 and "one line" in refused.stderr
    assert description(lab, "/volumes/cli1") == "by hand, twice"


def test_the_unit_has_it(lab):
    lab.create("kept", "8M", unit="unit1")
    lab.done(lab.client.ask("PATCH", "/volumes/kept", {"description": "seen by managers"}))
    assert shown(lab, "kept") == "seen by managers"
    lab.run("stop", "unit1")
    lab.run("start", "unit1")
    assert until(lambda: lab.unit("unit1")["state"] == "up" and shown(lab, "kept") == "seen by managers", SECONDS)
    # While the unit is away the station takes the words, and the unit gets them when it is back.
    lab.run("stop", "unit1")
    task = lab.client.ask("PATCH", "/volumes/kept", {"description": "given while it was away"})
    assert description(lab, "/volumes/kept") == "given while it was away"
    lab.run("start", "unit1")
    lab.done(task)
    assert shown(lab, "kept") == "given while it was away"


def test_a_manager_changes_it(lab):
    lab.create("snmp1", "8M", unit="unit1")

    def told(text):
        lab.snmp("unit1", "snmpset", f"{dvsanVolumeDescription}.{index_of(lab, 'snmp1')}", "s", text, user="provision")
    told("by a manager")
    assert until(lambda: description(lab, "/volumes/snmp1") == "by a manager", SECONDS)
    # One that is empty is what a unit shows that lost its journal: it is told again.
    told("")
    assert until(lambda: shown(lab, "snmp1") == "by a manager", SECONDS)
    assert description(lab, "/volumes/snmp1") == "by a manager"


def test_made_with_it_by_snmp(lab):
    """A manager's, that a station finds; what cannot be is refused, and makes nothing."""
    column, row = dvsanVolumeDescription.rsplit(".", 1)[0], "77"

    def make(text):
        return lab.snmp("unit1", "snmpset",
                        f"{column}.23.{row}", "i", "4", f"{column}.2.{row}", "x", "9d1c5f0a8e4b4a6f9c2d3e4f5a6b7c77",
                        f"{column}.3.{row}", "s", "snmp2", f"{column}.4.{row}", "u", "1", f"{column}.5.{row}", "u", "8",
                        f"{column}.26.{row}", "s", text, user="provision", check=False)
    assert "wrongLength" in make("x" * 256).stderr and "wrongValue" in make("a\tb").stderr
    assert row not in lab.column("unit1", dvsanVolumeName)
    assert make("made by hand").returncode == 0
    assert until(lambda: "snmp2" in {v["name"] for v in lab.client.get("/volumes")}, SECONDS)
    assert description(lab, "/volumes/snmp2") == "made by hand"


def test_an_older_agent(lab):
    """It has no such column: the station keeps the words, asks nothing of the unit, and goes on."""
    with Liar(lab, "unit2") as liar:
        number = liar.volume(1, dvsanVolumeName=("s", "older"))  # a row as of before there were descriptions
        liar.tell()
        liar.announce()
        assert until(lambda: number in {v["uuid"] for v in lab.client.get("/volumes")}, SECONDS)
        lab.done(lab.client.ask("PATCH", f"/volumes/{number}", {"description": "kept here"}))
        assert description(lab, f"/volumes/{number}") == "kept here"
        unit = str(liar.number)
        for _ in range(3):
            seen = lab.unit(unit)["last_seen"]
            assert until(lambda: lab.unit(unit)["last_seen"] != seen, SECONDS)  # pylint: disable=cell-var-from-loop
        assert not [oid for oid, _ in liar.sets() if oid.startswith(dvsanVolumeDescription)]
        assert description(lab, f"/volumes/{number}") == "kept here" and lab.unit(unit)["state"] == "up"
    assert until(lambda: lab.unit(unit)["state"] in ("down", "stopped"), SECONDS)
    lab.dvsan("unit", "forget", unit, "--yes")


def test_a_station_that_lost_its_store_finds_it(lab):
    lab.create("found", "8M", unit="unit1", description="found again")
    assert until(lambda: shown(lab, "found") == "found again", SECONDS)
    lab.lose_store()
    assert until(lambda: "found" in {v["name"] for v in lab.client.get("/volumes")}, SECONDS)
    assert description(lab, "/volumes/found") == "found again"

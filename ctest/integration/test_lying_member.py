"""A unit that lies with keys of its own: it has been enrolled, knows much about another unit's volumes,
and never had a medium of them. Nothing of others changes, it is told no secret, and each lie is told."""
import contextlib
import os
import signal
import sqlite3

import pytest

from test_enrol import inform, net_snmp, notify_user, users_of_snmpd

from dvsan_oids import dvsanAccessChapSecret, dvsanMediumProof
from support import initiators, packets, patience
from support.liar import Liar
from support.oids import COLD_START, LINK_DOWN
from support.testlab import Refused

LAB = {"units": 2, "hosts": 1, "enrolled": True}


class Member(Liar):
    """unit2 with its agent gone: its UUID, its engine, its keys, and whatever tables a test wants."""

    def __init__(self, lab):
        super().__init__(lab, "unit2")
        unit = lab.unit("unit2")
        self.epoch, self.generation = unit["epoch"] + 1, 1
        self.scalar("dvsanMemberUuid", ("x", unit["uuid"].replace("-", "")))
        self.scalar("dvsanMemberName", ("s", "unit2"))
        self.scalar("dvsanMemberEpoch", ("u", self.epoch))
        if os.path.exists(self.log):  # what the tests before were told
            os.unlink(self.log)

    def is_asked(self):
        return True

    def says(self, lab):
        """Takes effect: the station has read it."""
        self.generation += 1
        self.next_generation(self.generation)
        self.tell()
        said = dict(lab.unit("unit2"), epoch=self.epoch, generation=self.generation, software="0.1.0")
        patience.wait_for("the station to hear it", lambda: inform(
            lab, notify_user(lab, lab.units["unit2"]), packets.announcement(said)).returncode == 0)
        patience.wait_for("the station to read it", lambda: (
            lab.unit("unit2")["epoch"], lab.unit("unit2")["generation"]) == (self.epoch, self.generation))

    def is_led(self, lab):
        """Shows the lease that it was given, since a unit that nobody leads is ordered nothing."""
        patience.wait_for("a lease", lambda: self.oids["dvsanMemberHolder"] + ".0" in dict(self.sets()))
        given = dict(self.sets())
        for name, kind in (("dvsanMemberHolder", "x"), ("dvsanMemberHolderName", "s"),
                           ("dvsanMemberIntent", "u"), ("dvsanMemberIntentMark", "u")):
            value = given[self.oids[name] + ".0"]
            self.scalar(name, (kind, value.hex() if kind == "x" else value.decode() if kind == "s"
                               else int.from_bytes(value, "little")))
        self.tell()
        patience.wait_for("the station to lead it", lambda: lab.unit("unit2")["lead"] == "leads")

    def told_secrets(self):
        return [value for oid, value in self.sets() if oid.startswith(dvsanAccessChapSecret + ".")]

    def shows(self, index, volume, **changed):
        """A row of another unit's volume, as good as who knows all about it can make it."""
        self.volume(index, **{"dvsanVolumeUuid": ("x", volume["uuid"].replace("-", "")),
                              "dvsanVolumeName": ("s", volume["name"]),
                              "dvsanVolumeIqn": ("s", volume["iqn"]), **changed})


@pytest.fixture(name="volume")
def fixture_volume(lab):
    lab.create("mine", "16M", unit="unit1")
    lab.assign("mine", "host1")
    yield lab.volume("mine")
    lab.unassign("mine", "host1")
    lab.done(lab.client.delete("/volumes/mine"))


@pytest.fixture(name="liar")
def fixture_liar(lab, volume):
    del volume
    with Member(lab) as liar:
        yield liar
    lab.run("start", "unit2")
    patience.wait_for("the true unit2", lambda: lab.unit("unit2")["state"] == "up")


def test_who_may_see_the_proof(lab):
    """The station alone."""
    unit = lab.units["unit1"]
    seen = {}
    for keys in users_of_snmpd(unit):
        done = net_snmp(lab, "snmpwalk", keys, f"udp:{unit.address}:1161", dvsanMediumProof)
        seen[keys.name] = "Hex-STRING" in done.stdout
    assert seen["dvsan-monitor"] is False
    assert any(shown for name, shown in seen.items() if name.startswith("dvsan-station")), seen


def test_what_another_unit_has(lab, volume, liar):
    """Whatever it shows of a volume of unit1, with whatever proof, also while unit1 is away."""
    liar.shows(1, volume)
    liar.rule(1, 1, lab.client.get("/hosts/host1")["iqn"])
    liar.medium(1, dvsanMediumProof=("x", "5a" * 32))
    liar.says(lab)
    liar.is_led(lab)
    patience.wait_for("both to be shown", lambda: sorted(lab.volume("mine")["shown_by"]) ==
                      ["unit1", "unit2"])
    assert lab.volume("mine")["unit"] == "unit1"
    assert any("unit2 shows a volume of the same UUID" in text for text in lab.texts())
    agent = next(p.pid() for p in lab.units["unit1"].processes if p.name.endswith("agent"))
    os.kill(agent, signal.SIGSTOP)
    try:
        patience.wait_for("unit1 to be down", lambda: lab.unit("unit1")["state"] == "down")
        liar.says(lab)
        assert lab.volume("mine")["unit"] == "unit1"
    finally:
        os.kill(agent, signal.SIGCONT)
    patience.wait_for("unit1 to be up", lambda: lab.unit("unit1")["state"] == "up")
    now = lab.volume("mine")
    assert (now["unit"], now["hosts"]) == ("unit1", ["host1"])
    assert initiators.can_log_in(initiators.access(lab, "host1", "mine"))
    assert not liar.told_secrets()


def test_a_volume_of_its_own_with_a_rule_for_a_host(lab, volume, liar):
    """Which host a rule names is for the unit to say; the host's secret is not told for that."""
    del volume
    liar.volume(2)
    host = lab.client.get("/hosts/host1")
    liar.rule(2, 1, host["iqn"], dvsanAccessChapUser=("s", host["chap_user"]))
    liar.says(lab)
    patience.wait_for("the volume", lambda: any(v["unit"] == "unit2" for v in lab.client.get("/volumes")))
    liar.is_led(lab)
    liar.says(lab)
    assert not liar.told_secrets()
    assert initiators.can_log_in(initiators.access(lab, "host1", "mine"))
    own = next(v for v in lab.client.get("/volumes") if v["unit"] == "unit2")
    assert own["hosts"] == ["host1"]
    # A person says so: that none came before is not because none can be seen.
    lab.client.post("/assignments", {"volume": own["name"], "host": "host1"})
    patience.wait_for("the secret", liar.told_secrets)


def test_a_host_that_is_added_later(lab, volume, liar):
    """Its one secret for all units is not for a unit that named it before; a person's assignment sends it."""
    del volume
    iqn = "iqn.2026-11.test:later"
    liar.volume(3)
    liar.rule(3, 1, iqn)
    liar.says(lab)
    patience.wait_for("the host to be found", lambda: iqn in [h["iqn"] for h in lab.client.get("/hosts")])
    liar.is_led(lab)
    lab.client.post("/hosts", {"name": "later", "iqn": iqn, "chap_secret": "later-secret-01", "one_secret": True})
    liar.says(lab)
    assert any("has one secret for all units, which is not sent" in text for text in lab.texts())
    assert not liar.told_secrets()
    own = next(v["name"] for v in lab.client.get("/volumes") if "later" in v["hosts"])
    lab.client.post("/assignments", {"volume": own, "host": "later"})
    patience.wait_for("the secret", liar.told_secrets)


def test_a_person_says_where_a_volume_is(lab, volume, liar):
    """The station believes a person, and gives the other unit the host's secret only then."""
    def accept(unit):
        return lab.dvsan("volume", "accept", "mine", unit, "--yes").stdout
    with pytest.raises(Refused, match="unit2 does not show volume mine"):
        lab.client.post("/volumes/mine/accept", {"unit": "unit2"})
    with pytest.raises(Refused, match="volume mine is on unit1 already"):
        lab.client.post("/volumes/mine/accept", {"unit": "unit1"})
    liar.shows(1, volume)
    liar.says(lab)
    liar.is_led(lab)
    patience.wait_for("both to be shown", lambda: sorted(lab.volume("mine")["shown_by"]) ==
                      ["unit1", "unit2"])
    assert not liar.told_secrets()
    # What no host could use there is not taken for the volume.
    liar.shows(1, volume, dvsanVolumeOperState=("i", 4))
    liar.says(lab)
    with pytest.raises(Refused, match="unit2 cannot serve volume mine"):
        lab.client.post("/volumes/mine/accept", {"unit": "unit2"})
    liar.medium(1, dvsanMediumOperState=("i", 3), dvsanMediumLastError=("s", "it is not there"))
    liar.says(lab)
    with pytest.raises(Refused, match="medium .* of unit2 has failed.*it is not there.*bring it up first"):
        lab.client.post("/volumes/mine/accept", {"unit": "unit2"})
    liar.shows(1, volume)
    liar.medium(1)
    liar.says(lab)
    # Where it was its tgtd serves on, until its agent is back.
    way = initiators.access(lab, "host1", "mine")
    lab.run("stop", "unit1/agent")
    patience.wait_for("unit1 to be stopped", lambda: lab.unit("unit1")["state"] == "stopped")
    assert accept("unit2").startswith("Volume mine is on unit2 now.\nBut unit1, which had it, does not answer")
    assert lab.volume("mine")["unit"] == "unit2"
    assert initiators.can_log_in(way)
    assert "unit1, which had it, does not answer" in lab.dvsan("volume", "show", "mine").stdout
    assert any("is on unit2 now and not on unit1, as a person said" in text for text in lab.texts())
    patience.wait_for("the secret", liar.told_secrets)
    lab.run("start", "unit1")
    patience.wait_for("its host to be shut out there", lambda: not initiators.can_log_in(way))
    patience.wait_for("nothing to be left behind", lambda: lab.volume("mine")["left_behind"] is None)
    assert any("can be used by no host any more on unit1" in text for text in lab.texts())
    # And back.
    patience.wait_for("both to be shown again", lambda: sorted(lab.volume("mine")["shown_by"]) ==
                      ["unit1", "unit2"])
    assert accept("unit1") == "Volume mine is on unit1 now.\n"
    patience.wait_for("it to be online", lambda: lab.volume("mine")["state"] == "online")
    patience.wait_for("its host to be admitted", lambda: initiators.can_log_in(
        initiators.access(lab, "host1", "mine")))


def test_a_volume_that_its_unit_has_no_longer(lab, volume, liar):
    """What its medium has the station knows, and who does not show that waits for a person, who may say
    nothing: the volume is where it was when its medium is back."""
    unit, image = lab.units["unit1"], volume["uuid"] + ".img"
    liar.shows(1, volume)
    liar.medium(1, dvsanMediumProof=("x", "5a" * 32))
    liar.says(lab)
    liar.is_led(lab)
    lab.run("stop", "unit1/agent")
    os.rename(unit.path("media/" + image), unit.path("state/" + image))
    journal(unit, "DELETE FROM rule")
    journal(unit, "DELETE FROM volume")
    lab.run("start", "unit1")
    patience.wait_for("unit1 to show it no longer", lambda: lab.volume("mine")["shown_by"] == ["unit2"])
    patience.wait_for("the question", lambda: any(
        "is shown by unit2, and by unit1 no longer" in text for text in lab.texts()))
    liar.says(lab)
    now = lab.volume("mine")
    assert (now["unit"], now["state"], now["hosts"]) == ("unit1", "failed", ["host1"])
    assert "if it was moved, say so (dvsan volume accept mine unit2)" in now["to_accept"]
    assert "dvsan volume accept mine unit2" in " ".join(lab.dvsan("volume", "show", "mine").stdout.split())
    assert not liar.told_secrets()
    os.rename(unit.path("state/" + image), unit.path("media/" + image))
    patience.wait_for("it to be online", lambda: lab.volume("mine")["state"] == "online")
    patience.wait_for("its host to be admitted", lambda: initiators.can_log_in(
        initiators.access(lab, "host1", "mine")))
    now = lab.volume("mine")
    assert (now["unit"], now["to_accept"]) == ("unit1", None)
    assert not liar.told_secrets()


def test_a_name_and_an_address_of_another(lab, volume, liar):
    del volume
    address = lab.unit("unit1")["address"]
    liar.scalar("dvsanMemberName", ("s", "unit1"))
    liar.scalar("dvsanMemberAddress", ("s", address))
    liar.says(lab)
    one, two = lab.unit("unit1"), lab.unit("unit2")
    assert (one["address"], one["state"]) == (address, "up")
    assert two["address"] != address and two["uuid"] != one["uuid"]


@pytest.mark.parametrize("trap, state", [(LINK_DOWN, "4"), (COLD_START, "2")],
                         ids=["good-bye", "start"])
def test_news_in_anothers_name(lab, trap, state, request):
    """Of a liar who goes on as unit2, too: what was said in unit1's name changes nothing of unit1."""
    before = lab.unit("unit1")
    told = sum("signed with another member's keys" in text for text in lab.texts())
    for changed in ({"uuid": ("x", before["uuid"].replace("-", ""))}, {}):
        said = packets.announcement(before, state=state, epoch=str(before["epoch"] + 1), **changed)
        assert inform(lab, notify_user(lab, lab.units["unit2"]), said, trap).returncode == 0
    patience.wait_for("the station to tell of it", lambda: sum(
        "signed with another member's keys" in text for text in lab.texts()) > told, )
    now = lab.unit("unit1")
    assert [now[key] for key in ("state", "address", "epoch", "engine_id", "name")] == \
        [before[key] for key in ("state", "address", "epoch", "engine_id", "name")], request.node.name


def journal(unit, sql):
    with contextlib.closing(sqlite3.connect(unit.path("state/unit.db"))) as db, db:
        return db.execute(sql).fetchall()


def test_a_journal_that_somebody_changed(lab, volume):
    """While the agent is stopped: a rule's secret becomes another one under the same mark, the volume is
    offline and has another name. The planted secret never counts."""
    del volume
    unit = lab.units["unit1"]
    before = len(lab.texts())
    lab.run("stop", "unit1/agent")
    journal(unit, "UPDATE rule SET secret = 'another-secret1'")
    journal(unit, "UPDATE volume SET admin_online = 0, name = 'theirs'")
    lab.run("start", "unit1")

    def told():
        return lab.texts()[before:]
    for text in ("there is no CHAP secret any more on unit1", "was set offline on unit1 by no request, and is put right",
                 "was renamed to theirs on unit1 by no request, and is put right"):
        patience.wait_for(f"the event {text}", lambda text=text: any(text in told for told in told()))
    patience.wait_for("the true secret", lambda: initiators.can_log_in(
        initiators.access(lab, "host1", "mine")))
    patience.wait_for("it to be online", lambda: lab.volume("mine")["state"] == "online")
    patience.wait_for("its name", lambda: journal(unit, "SELECT name FROM volume") == [("mine",)])
    with open(unit.path("state/unit.db"), "rb") as f:
        assert b"another-secret1" not in f.read()
    assert not any("set online" in text for text in told())

"""A medium that is lost for good: its volumes are forgotten, and taken in again should it come back."""
import os

import pytest

from support import initiators
from support.database import query
from support.patience import until
from support.testlab import Refused

LAB = {"units": 2, "hosts": 1}
MIB = 1 << 20


def give_disk(lab, unit, path):
    lab.add_media(unit, f'<medium index="7" name="disk7" kind="disk" path="{path}" initialise="yes"/>')


def medium(lab, unit):
    return next(m for m in lab.unit(unit)["media"] if m["name"] == "disk7")


def rows(lab, unit):
    """The volumes that a unit has recorded."""
    return sorted(name for name, in query(lab.units[unit].path("state/unit.db"), "SELECT name FROM volume"))


@pytest.fixture(scope="module")
def disk(lab):
    path = os.path.join(lab.work, "disk.img")
    with open(path, "wb") as f:
        f.truncate(128 * MIB)
    give_disk(lab, "unit1", path)
    assert until(lambda: lab.has_medium("unit1", "disk7"), 20)
    return path


def test_a_medium_that_fails_is_told(lab, disk):
    lab.create("lost", "32M", unit="unit1", medium="disk7")
    lab.create("well", "16M", unit="unit1", medium="pool0")
    lab.assign("lost", "host1")
    lab.assign("well", "host1")
    os.rename(disk, disk + ".away")
    assert until(lambda: medium(lab, "unit1")["state"] == "failed", 30)
    assert "is gone" in medium(lab, "unit1")["last_error"] or "cannot open" in medium(lab, "unit1")["last_error"]
    assert until(lambda: lab.volume("lost")["state"] == "failed", 10)
    assert "its medium cannot be used" in lab.volume("lost")["last_error"]
    assert lab.unit("unit1")["state"] == "degraded"
    told = [t for s, t in [(e["subject"], e["text"]) for e in lab.events()] if s == "unit unit1" and "its medium disk7 has failed: " in t]
    assert len(told) == 1, [(e["subject"], e["text"]) for e in lab.events()]
    assert "has failed" not in [t for s, t in [(e["subject"], e["text"]) for e in lab.events()] if s == "volume lost"]
    assert "failed" in lab.dvsan("medium", "list").stdout
    assert "its medium cannot be used" in lab.dvsan("volume", "show", "lost").stdout
    assert lab.volume("well")["state"] == "online"
    assert initiators.can_log_in(initiators.access(lab, "host1", "well"))


def test_it_is_not_deleted_but_forgotten(lab, disk):
    with pytest.raises(Refused, match="unassign it first"):
        lab.client.post("/volumes/lost/forget", None)
    lab.client.delete("/assignments/lost/host1")
    with pytest.raises(Refused, match="disk7 of unit unit1.*bring it back, or forget the volume"):
        lab.client.delete("/volumes/lost")
    with pytest.raises(Refused, match="would bring it back"):
        lab.unassign("well", "host1")
        lab.client.post("/volumes/well/forget", None)
    assert "lost is forgotten" in lab.dvsan("volume", "delete", "lost", "--forget", "--yes").stdout
    assert [v["name"] for v in lab.client.get("/volumes")] == ["well"]
    assert until(lambda: rows(lab, "unit1") == ["well"], 10), rows(lab, "unit1")
    assert not [t for t in lab.client.get("/tasks") if t["state"] in ("queued", "running")]
    assert ("volume lost", "is forgotten; what its medium, which is away from unit1, holds of it is left alone") \
        in [(e["subject"], e["text"]) for e in lab.events()]


def test_it_is_taken_in_where_it_comes_back(lab, disk):
    with open(disk + ".away", "rb") as f:
        before = f.read()
    os.rename(disk + ".away", disk)
    assert until(lambda: any(v["name"] == "lost" and v["state"] == "online" for v in lab.client.get("/volumes")), 30)
    with open(disk, "rb") as f:
        assert f.read()[34 * 512:] == before[34 * 512:]
    assert until(lambda: lab.unit("unit1")["state"] == "up", 10)
    assert ("unit unit1", "its medium disk7 is well again") in [(e["subject"], e["text"]) for e in lab.events()]
    uuid = lab.volume("lost")["uuid"]
    lab.assign("lost", "host1")
    assert initiators.can_log_in(initiators.access(lab, "host1", "lost"))
    lab.unassign("lost", "host1")

    # Lost again, forgotten, and put into another unit.
    os.rename(disk, disk + ".other")
    assert until(lambda: medium(lab, "unit1")["state"] == "failed", 30)
    lab.dvsan("volume", "delete", "lost", "--forget", "--yes")
    give_disk(lab, "unit2", disk + ".other")
    lab.take("unit2", "disk7")
    assert until(lambda: any(v["uuid"] == uuid and v["unit"] == "unit2" and v["state"] == "online"
                             for v in lab.client.get("/volumes")), 30)
    lab.done(lab.client.delete("/volumes/lost"))


def test_a_secret_does_not_outlive_its_host(lab, disk):
    secret = "a-secret-to-wipe"
    lab.client.post("/hosts", {"name": "gone", "iqn": "iqn.2026-11.test:gone", "chap_secret": secret, "one_secret": True})
    lab.assign("well", "gone")
    databases = [os.path.join(top, n) for top, _, names in os.walk(lab.folder) for n in names if ".db" in n]
    station_db = next(p for p in databases if p.endswith("pool.db"))
    (sealed,), = query(station_db, "SELECT sealed_secret FROM host WHERE name = 'gone'")
    unit_dbs = [p for p in databases if p.endswith("unit.db")]
    on_units = []
    for path in unit_dbs:
        on_units += [text.encode() for text, in query(
            path, "SELECT secret FROM rule WHERE initiator = 'iqn.2026-11.test:gone'")]
    assert len(on_units) == 1 and on_units[0].startswith(b"sealed:")

    def holders(what):
        found = []
        for top, _, names in os.walk(lab.folder):
            for name in names:
                path = os.path.join(top, name)
                if os.path.isfile(path) and not name.endswith(".img"):
                    with open(path, "rb") as f:
                        if what in f.read():
                            found.append(os.path.relpath(path, lab.folder))
        return found

    assert holders(secret.encode()) == [], "both seal it"
    assert holders(on_units[0]), "the test looks in the wrong place"
    assert holders(sealed), "the test looks in the wrong place"
    lab.unassign("well", "gone")
    lab.client.delete("/hosts/gone")
    assert holders(secret.encode()) == []
    assert holders(sealed) == []
    assert holders(on_units[0]) == []

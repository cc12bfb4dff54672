"""Everything in a unit's rows that can name a thing of another member, by one liar with keys of its own."""
from test_lying_member import LAB, Member, fixture_liar, fixture_volume

from support import initiators, patience

__all__ = ["LAB", "Member", "fixture_liar", "fixture_volume"]  # what pytest looks for here


def portal_of(lab, unit):
    address, port = lab.unit(unit)["portals"][0]["address"], lab.unit(unit)["portals"][0]["port"]
    return address, port


def test_names_of_things_of_others(lab, volume, liar):
    """The target, the portal and the hosts of unit1's volume: what is not its own is not the pool's, and
    what it says of hosts is told to nobody as if it had been asked for."""
    address, port = portal_of(lab, "unit1")
    host = lab.client.get("/hosts/host1")
    liar.volume(4, dvsanVolumeName=("s", "mine"), dvsanVolumeIqn=("s", volume["iqn"]))
    number = liar.volume(5, dvsanVolumeName=("s", "mine"))
    liar.rule(5, 1, host["iqn"], dvsanAccessChapUser=("s", host["chap_user"]))
    liar.rule(5, 2, "iqn.2026-11.test:invented", dvsanAccessChapUser=("s", host["chap_user"]))
    liar.portal(2, address=address, dvsanPortalPort=("u", port))
    liar.says(lab)
    patience.wait_for("the good row", lambda: number in [v["uuid"] for v in lab.client.get("/volumes")])
    own = lab.client.get(f"/volumes/{number}")
    assert own["name"] == "mine-2" and own["iqn"].endswith(":" + number)
    assert [v["name"] for v in lab.client.get("/volumes") if v["iqn"] == volume["iqn"]] == ["mine"]
    assert [p["address"] for p in lab.unit("unit2")["portals"]] == ["192.0.2.77"]
    assert portal_of(lab, "unit1") == (address, port)
    for told in (f"shows 1 volume under target names that are not made of their UUIDs, such as {volume['iqn']}",
                 f"shows the portal {address}:{port}, which is of unit1",
                 "unit2 has access rules for host1, invented, which nobody here asked for",
                 "under the CHAP user of host host1"):
        assert any(told in text for text in lab.texts()), told
    # Its own volumes are printed as before, and of the other one what a person may say.
    printed = lab.dvsan("host", "connect-info", "host1").stdout
    assert own["iqn"] not in printed and volume["iqn"] in printed
    assert "Unit unit2 has an access rule for host host1, and nobody here assigned this volume to it" in printed
    assert "dvsan volume assign mine-2 --host host1" in printed
    refused = lab.dvsan("host", "connect-info", "host1", "--volume", "mine-2", "--nbd", code=None)
    assert refused.returncode != 0 and "nobody assigned that here" in refused.stderr
    assert initiators.can_log_in(initiators.access(lab, "host1", "mine"))
    assert any("host1: unit2 has an access rule for it" in text for text in lab.volume("mine-2")["access_errors"])
    # Who adds the host that it named has a user of the host's own name.
    lab.client.post("/hosts", {"name": "invented", "iqn": "iqn.2026-11.test:invented", "chap_secret": "its-secret-01"})
    assert lab.client.get("/hosts/invented")["chap_user"] == "invented"
    lab.client.post("/assignments", {"volume": "mine-2", "host": "host1"})
    assert own["iqn"] in lab.dvsan("host", "connect-info", "host1").stdout


def test_what_it_showed_when_that_is_deleted(lab, liar):
    """A volume that it showed beside unit1's comes without hosts when a person has deleted that one."""
    lab.create("gone", "16M", unit="unit1")
    lab.assign("gone", "host1")
    liar.shows(6, lab.volume("gone"))
    liar.rule(6, 1, lab.client.get("/hosts/host1")["iqn"])
    liar.rule(6, 2, "iqn.2026-11.test:another")
    liar.says(lab)
    patience.wait_for("both to be shown", lambda: len(lab.volume("gone")["shown_by"]) == 2)
    lab.unassign("gone", "host1")
    lab.done(lab.client.delete("/volumes/gone"))
    patience.wait_for("it to be found", lambda: any(
        "was found on unit2 and taken in without hosts" in text for text in lab.texts()))
    assert [(v["unit"], v["hosts"]) for v in lab.client.get("/volumes") if v["name"] == "gone"] == [("unit2", [])]
    assert "another" not in [h["name"] for h in lab.client.get("/hosts")]

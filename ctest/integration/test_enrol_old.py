"""A pool whose units share pass-phrases: one of them gets keys of its own while hosts use it."""
import os
import subprocess

from tools import initiators, packets, patience
from tools.testlab import BUILD
from test_cms_crash import Writer

LAB = {"units": 2, "hosts": 1}


def enrol(lab, name):
    unit = lab.units[name]
    lab.run("stop", f"{name}/agent")
    lab.run("stop", f"{name}/snmpd")
    code = lab.client.post("/codes", {})["code"] # whichever unit comes
    done = subprocess.run([os.path.join(BUILD, "bin", "dvsan-unit"), "-c", unit.path("unit.xml"),
                           "--enrol", "-"], input=code, capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stderr
    lab.run("start", name)


def test_a_unit_moves_over_under_io(lab):
    assert lab.unit("unit1")["trust"] == "shared"
    lab.create("v1", "64M", unit="unit1")
    lab.assign("v1", "host1")
    how = initiators.access(lab, "host1", "v1")
    before = lab.unit("unit1")["uuid"]
    with initiators.nbdkit(lab, how) as uri:
        writer = Writer(uri, 64 << 20)
        writer.start()
        try:
            assert writer.goes_on(), writer.error
            enrol(lab, "unit1")
            patience.wait_for("unit1 to be up", lambda: lab.unit("unit1")["state"] == "up")
            assert writer.goes_on(), writer.error
        finally:
            writer.stopping.set()
            writer.join(30)
    assert not writer.error, writer.error
    now = lab.unit("unit1")
    assert now["trust"] == "enrolled" and now["uuid"] == before
    assert lab.unit("unit2")["trust"] == "shared"
    lab.create("v2", "1M", unit="unit1")


def test_who_shares_keys_does_not_speak_for_one_that_has_its_own(lab):
    victim = lab.unit("unit1")
    assert victim["trust"] == "enrolled"
    assert packets.notify(lab, packets.announcement(victim, state="4"), trap=packets.LINK_DOWN)
    patience.wait_for("the station to tell of it", lambda: any(
        "signed with keys that many know" in e["text"] for e in lab.client.get("/events")))
    assert lab.unit("unit1")["state"] == "up"

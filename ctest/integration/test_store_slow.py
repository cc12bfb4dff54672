"""The station while its store hangs: what was asked for is written or refused, and all else goes on."""
# SPDX-License-Identifier: BSD-2-Clause
import os
import shutil
import subprocess
import threading

import pytest

from dvsan_oids import dvsanMemberLease
from support import disks, initiators
from support.patience import until
from support.testlab import Refused

LAB = {"units": 2, "hosts": 1}
SECONDS = 60
LEASE = f"{dvsanMemberLease}.0"


class Frozen:
    """A file system that takes no writes inside the block: who writes hangs in the kernel."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        subprocess.run(["fsfreeze", "--freeze", self.folder], check=True)
        return self

    def __exit__(self, *_):
        subprocess.run(["fsfreeze", "--unfreeze", self.folder], check=True)


@pytest.fixture(name="state")
def fixture_state(lab):
    """The station's state folder, on a file system of its own."""
    state = os.path.join(lab.lab.station.folder, "state")
    image = os.path.join(lab.work, "state.img")
    lab.run("stop", "cms")
    os.rename(state, state + ".own")
    os.mkdir(state, 0o700)
    with open(image, "wb") as f:
        f.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    device = disks.attach(image)
    subprocess.run(["mount", device, state], check=True)
    os.chmod(state, 0o700)
    shutil.copytree(state + ".own", state, dirs_exist_ok=True)
    lab.run("start", "cms")
    for name in lab.units:
        assert until(lambda name=name: lab.unit(name)["state"] == "up", SECONDS)
    yield state
    lab.run("stop", "cms")
    shutil.rmtree(state + ".own")  # an older one than units were told
    shutil.copytree(state, state + ".own", ignore=shutil.ignore_patterns("lost+found"))
    subprocess.run(["umount", state], check=True)
    disks.detach(device)
    os.rmdir(state)
    os.rename(state + ".own", state)


class Asked(threading.Thread):
    """A request under way."""

    def __init__(self, lab, path, body):
        super().__init__(daemon=True)
        self.client, self.path, self.body = lab.lab.client(), path, body
        self.client.timeout = None  # the test bounds how long it waits
        self.answer = self.refusal = None
        self.start()

    def run(self):
        try:
            self.answer = self.client.post(self.path, self.body)
        except Refused as e:
            self.refusal = e


def lease_of(lab, unit):
    """Seconds that are left of it, as the unit shows."""
    env = dict(os.environ, MIBS="", SNMPCONFPATH=lab.lab.settings.path("snmp", "provision"), SNMP_PERSISTENT_DIR=lab.work)
    done = subprocess.run(["snmpget", "-Oqv", lab.unit(unit)["address"], LEASE], env=env, check=True, capture_output=True,
                          text=True)
    return int(done.stdout)


def is_renewed(lab, unit):
    """Waits until the unit has less of its lease than it had, and then more."""
    last, lowest = lease_of(lab, unit), None

    def higher():
        nonlocal last, lowest
        now = lease_of(lab, unit)
        lowest, last = now if lowest is None else min(lowest, now), now
        return now > lowest
    assert until(higher, SECONDS), (last, lowest, stands(lab))


def stands(lab):
    """For who waited in vain: the units as the station has them, and what they show of their leases."""
    units = [lab.unit(name) for name in lab.units]
    return "; ".join(f"{u['name']} is {u['state']}, seen at {u['last_seen']}, lease {lease_of(lab, u['name'])} s" for u in units)


def is_quiet(lab):
    """Waits until all units were looked at twice more, so that nothing is new of them."""
    for _ in range(2):
        for name in lab.units:
            before = lab.unit(name)["last_seen"]
            assert until(lambda name=name, before=before: lab.unit(name)["last_seen"] != before, SECONDS), stands(lab)


def goes_on(lab, way):
    """Looks, leases, data, and whatever is only read."""
    is_quiet(lab)
    assert initiators.can_log_in(way)
    for path in ("/volumes", "/hosts", "/tasks", "/events", "/media", "/pool", "/station", "/codes", "/tokens"):
        lab.client.get(path)
    for name in lab.units:
        is_renewed(lab, name)
    is_quiet(lab)  # behind leases that told units a newer number, too


def ask_while_it_hangs(lab, state, way, turn):
    """Requests of which one may have begun: that one is carried out in the end, the others are refused."""
    names = [f"asked{turn}-{n}" for n in range(20)]
    is_quiet(lab)
    before = {v["name"] for v in lab.client.get("/volumes")}
    with Frozen(state):
        asked = [Asked(lab, "/volumes", {"name": name, "size": "16M", "unit": "unit1"}) for name in names]
        assert until(lambda: sum(one.refusal is not None for one in asked) >= len(asked) - 1, SECONDS), \
            f"refused: {[n for n, one in enumerate(asked) if one.refusal]}; {stands(lab)}"
        goes_on(lab, way)
        assert not [one for one in asked if one.answer]
        assert {v["name"] for v in lab.client.get("/volumes")} == before
        for one in asked:
            if one.refusal:
                assert one.refusal.code == "busy"
                assert "nothing was changed" in str(one.refusal) or "too many requests" in str(one.refusal)
    for one in asked:
        one.join(SECONDS)
    begun = [one for one in asked if one.answer]
    for one in begun:
        lab.done(one.answer)
    assert {v["name"] for v in lab.client.get("/volumes")} == before | {one.body["name"] for one in begun}
    assert lab.unit("unit1")["state"] == "up" and initiators.can_log_in(way)
    return begun


def test_a_store_that_hangs(lab, state):
    lab.create("before", "16M", unit="unit1")
    lab.assign("before", "host1")
    way = initiators.access(lab, "host1", "before")
    # What units show may be just being written when it begins to hang; then none of the requests has begun.
    assert any(ask_while_it_hangs(lab, state, way, turn) for turn in range(3))

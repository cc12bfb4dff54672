"""A unit with two tgtds in the pool: hosts are told the right portals, and use volumes of both."""
import contextlib
import os

import nbd
import pytest

from support import initiators
from support.files import edit
from support.patience import until

LAB = {"units": 1, "hosts": 1, "instances": 2}
NAMES = ("v1", "v2", "v3", "v4")
BLOCK = 4096


@pytest.fixture(name="volumes", scope="module")
def fixture_volumes(lab):
    for name in NAMES:
        lab.create(name, "64M")
        lab.assign(name, "host1")
    return {name: lab.volume(name) for name in NAMES}


def portals(lab):
    """volume -> where host1 is told to find it"""
    info = lab.client.get("/hosts/host1/connect-info")["volumes"]
    return {v["name"]: v["portals"] for v in info}


def of_group(volumes, group):
    return [name for name, v in volumes.items() if v["portal_group"] == group]


@contextlib.contextmanager
def opened(lab, name):
    """The volume by dvsan-nbd, as the station says how."""
    with initiators.nbd(lab, initiators.access(lab, "host1", name), name) as uri:
        handle = nbd.NBD()
        handle.connect_uri(uri)
        try:
            yield handle
        finally:
            handle.shutdown()


def set_instances(lab, before, after):
    """Another number in the unit's configuration, and its agent again."""
    unit = lab.units["unit1"]
    unit.stop(unit.agent)
    edit(unit.path("unit.xml"), f'instances="{before}"', f'instances="{after}"')
    unit.agent.start()
    assert until(lambda: lab.unit("unit1")["state"] == "up", 30)
    assert until(lambda: all(lab.volume(n)["state"] == "online" for n in NAMES), 30)


def test_a_volume_is_reached_at_its_group_alone(lab, volumes):
    address = lab.units["unit1"].address
    assert [(p["group"], p["port"]) for p in lab.unit("unit1")["portals"]] == [(1, 3260), (2, 3261)]
    assert sorted(len(of_group(volumes, g)) for g in (1, 2)) == [2, 2]
    for name, volume in volumes.items():
        expected = [f"{address}:{3259 + volume['portal_group']}"]
        assert volume["portals"] == expected and portals(lab)[name] == expected
        how = initiators.access(lab, "host1", name)
        assert initiators.can_log_in(how)
        other = f"{address}:{3262 - volume['portal_group']}"
        assert not initiators.can_log_in(dict(how, portal=other))
    # What people and programs are told.
    one = of_group(volumes, 2)[0]
    said = lab.dvsan("host", "connect-info", "host1", "--volume", one, "--chap-secret-file", "s").stdout
    assert f"{address}:3261" in said and f"{address}:3260" not in said
    params = lab.dvsan_json("host", "connect-info", "host1", "--volume", one, "--nbd",
                            "--chap-secret-file", "s")
    assert params["portal"] == f"{address}:3261"
    assert "3261" in lab.dvsan("unit", "show", "unit1").stdout


def test_hosts_use_volumes_of_both(lab, volumes):
    with contextlib.ExitStack() as stack:
        handles = {name: stack.enter_context(opened(lab, name)) for name in volumes}
        data = {name: os.urandom(1 << 20) for name in volumes}
        for name, handle in handles.items():
            handle.pwrite(data[name], 0)
            handle.flush()
        for name, handle in handles.items():
            assert handle.pread(1 << 20, 0) == data[name]


def test_a_dead_tgtd_is_no_matter_for_the_others_volumes(lab, volumes):
    first, second = (of_group(volumes, g)[0] for g in (1, 2))
    with opened(lab, first) as one, opened(lab, second) as two:
        lab.run("kill", "unit1/tgtd2")
        assert until(lambda: all(lab.volume(n)["state"] == "failed" for n in of_group(volumes, 2)), 20)
        assert all(lab.volume(n)["state"] == "online" for n in of_group(volumes, 1))
        assert "tgtd" in lab.volume(second)["last_error"]
        assert lab.unit("unit1")["state"] == "degraded"
        for i in range(50):
            one.pwrite(bytes([i]) * BLOCK, i * BLOCK)
        lab.run("start", "unit1/tgtd2")
        two.pwrite(b"2" * BLOCK, 0)  # waits in dvsan-nbd until its target is there again
        assert two.pread(BLOCK, 0) == b"2" * BLOCK
        assert one.pread(BLOCK, 49 * BLOCK) == bytes([49]) * BLOCK
    assert until(lambda: lab.unit("unit1")["state"] == "up", 20)


def test_hosts_are_told_when_a_volume_moves(lab, volumes):
    address = lab.units["unit1"].address
    stays, moves = of_group(volumes, 1), of_group(volumes, 2)
    with opened(lab, moves[0]) as handle:
        handle.pwrite(b"before" * 512, 0)
    for before, after, was, now in ((2, 1, 3261, 3260), (1, 2, 3260, 3261)):
        last = max((e["id"] for e in lab.client.get("/events")), default=0)
        set_instances(lab, before, after)
        assert {n: portals(lab)[n] for n in stays} == {n: [f"{address}:3260"] for n in stays}
        assert {n: portals(lab)[n] for n in moves} == {n: [f"{address}:{now}"] for n in moves}
        told = [e["text"] for e in lab.client.get("/events") if e["id"] > last and "reaches" in e["text"]]
        assert sorted(told) == [f"reaches its volume {n} at {address}:{now} now; before at {address}:{was}"
                                for n in sorted(moves)]
        for name in NAMES:
            assert until(lambda n=name: initiators.can_log_in(initiators.access(lab, "host1", n)), 10)
    with opened(lab, moves[0]) as handle:
        assert handle.pread(6 * 512, 0) == b"before" * 512

# A unit with several instances of tgtd: its volumes spread over them, and what happens when one fails.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import re
import signal

import pytest

from dvsan_oids import dvsanMemberOperState, dvsanPortalPort, dvsanVolumeLastError, dvsanVolumePortalGroup
from support.faults import FaultPoints, needs_faults
from support.patience import wait_for
from support.unit_box import ACTIVE, DEGRADED, DELETING, FAILED, ONLINE, RUNNING, Box, own_box

ALICE, SECRET = "iqn.2026-11.host:alice", "secret-of-alice"
ALL, ODD, EVEN = {1, 2, 3, 4}, {1, 3}, {2, 4}


@pytest.fixture(name="make")
def fixture_make():
    """Makes a unit with so many instances of tgtd, and four volumes that alice may use."""
    with contextlib.ExitStack() as stack:
        yield lambda instances: make(stack, instances)


def make(stack, instances):
    box = stack.enter_context(own_box(secret=SECRET, instances=instances))
    box.start()
    for volume in ALL:
        box.create(volume, f"v{volume}")
        box.grant(volume, 1, ALICE, "alice", SECRET)
    for volume in ALL:
        box.wait_rule(volume, 1, ACTIVE)
    return box


def served(box, group):
    """The volumes that a tgtd serves, each to alice and to nobody else; a target without rules counts as none."""
    return {t for t, (_, names) in box.targets(group).items() if names == [ALICE]}


def lets_in(box, volume, group):
    return box.inquire(box.iqn(volume), ALICE, "alice", SECRET, group)


def groups(box):
    return {int(o.rsplit(".", 1)[1]): int(g) for o, g in box.walk(dvsanVolumePortalGroup).items()}


def ports(box):
    """(portal, group) -> port"""
    return {tuple(map(int, o.rsplit(".", 2)[1:])): int(p) for o, p in box.walk(dvsanPortalPort).items()}


def in_state(box, volumes, state):
    return all(box.volumes().get(v) == state for v in volumes)


def restart(box, instances):
    """The agent again, with so many instances in its configuration; tgtds are not touched."""
    box.agent.end()
    box.instances = instances
    box.write_config()
    box.start_agent()
    box.wait_ready()


def reason(box, volume):
    return box.get(f"{dvsanVolumeLastError}.{volume}")


def stop(box, group):
    box.tgtds[group].popen.send_signal(signal.SIGSTOP)


def go_on(box, group):
    box.tgtds[group].popen.send_signal(signal.SIGCONT)


def test_volumes_are_spread(make):
    box = make(2)
    assert groups(box) == {1: 1, 2: 2, 3: 1, 4: 2}
    assert ports(box) == {(1, 1): 3260, (1, 2): 3261}
    assert (served(box, 1), served(box, 2)) == (ODD, EVEN)
    for volume in ALL:
        group = groups(box)[volume]
        assert lets_in(box, volume, group)
        assert not lets_in(box, volume, 3 - group)
    box.revoke(2, 1)
    wait_for("the rule's end", lambda: (2, 1) not in box.rules())
    box.destroy(2)
    wait_for("the volume's end", lambda: 2 not in box.volumes())
    assert set(box.targets(2)) == {4} and served(box, 1) == ODD
    assert box.get(f"{dvsanMemberOperState}.0") == RUNNING


def test_a_dead_tgtd_takes_only_its_own_volumes_along(make):
    box = make(2)
    box.tgtds[2].kill()
    wait_for("its volumes to fail", lambda: in_state(box, EVEN, FAILED))
    assert in_state(box, ODD, ONLINE) and box.get(f"{dvsanMemberOperState}.0") == DEGRADED
    wait_for("a reason", lambda: f"tgtd does not listen at {box.dir}/tgtd.sock.1" in reason(box, 2))
    # The other goes on with all it is asked for; what the dead one is asked for, it does later.
    box.serve(5, "v5", 8, ALICE, "alice", SECRET)
    box.create(6, "v6")
    assert lets_in(box, 1, 1) and lets_in(box, 5, 1)
    box.start_tgtd(2)
    wait_for("all volumes", lambda: in_state(box, ALL | {5, 6}, ONLINE))
    assert (served(box, 1), served(box, 2)) == (ODD | {5}, EVEN)
    wait_for("the portal", lambda: lets_in(box, 2, 2) and lets_in(box, 4, 2))
    wait_for("the unit", lambda: box.get(f"{dvsanMemberOperState}.0") == RUNNING)


def test_a_hanging_tgtd_does_not_hold_up_the_other(make):
    box = make(2)
    box.create(6, "v6")
    box.wait_volume(6, ONLINE)
    stop(box, 2)
    wait_for("its volumes to fail", lambda: in_state(box, EVEN, FAILED), 30)
    assert "did not answer in time" in reason(box, 2)
    assert in_state(box, ODD, ONLINE)
    for volume in (5, 7, 9):
        box.create(volume, f"v{volume}")
        box.wait_volume(volume, ONLINE)
    box.destroy(5)
    wait_for("the volume's end", lambda: 5 not in box.volumes())
    assert lets_in(box, 3, 1)
    # Of the hanging one nothing is destroyed, for it may serve it still.
    box.destroy(6)
    wait_for("a reason", lambda: box.volumes()[6] == DELETING and "did not answer in time" in reason(box, 6))
    go_on(box, 2)
    wait_for("the volume's end", lambda: 6 not in box.volumes())
    box.wait_volume(2, ONLINE)
    assert lets_in(box, 2, 2)


def test_fewer_instances_and_more_again(make):
    box = make(2)
    restart(box, 1)
    wait_for("all volumes", lambda: in_state(box, ALL, ONLINE))
    assert set(groups(box).values()) == {1} and ports(box) == {(1, 1): 3260}
    assert served(box, 1) == ALL and not box.targets(2)
    for volume in ALL:
        assert lets_in(box, volume, 1)
    restart(box, 2)
    wait_for("all volumes", lambda: in_state(box, ALL, ONLINE))
    assert (served(box, 1), served(box, 2)) == (ODD, EVEN)
    wait_for("both portals", lambda: all(lets_in(box, v, 1 + (v - 1) % 2) for v in ALL))
    restart(box, 2)  # nothing moves
    wait_for("all volumes", lambda: in_state(box, ALL, ONLINE))
    assert (served(box, 1), served(box, 2)) == (ODD, EVEN)


@pytest.mark.parametrize("before, after, old, kept, moved", [(2, 1, 2, ODD, EVEN), (1, 2, 1, set(), EVEN)])
def test_a_volume_waits_for_a_tgtd_that_may_still_serve_it(make, before, after, old, kept, moved):
    """The old one hangs: it has the volume open, and its hosts may write to it. Nobody else may have it."""
    box = make(before)
    if after > before:
        box.start_tgtd(after)
    box.agent.end()
    stop(box, old)
    box.instances = after
    box.write_config()
    box.start_agent()
    box.wait_ready()
    wait_for("a reason", lambda: all(re.search("the tgtd that served it before may still do so: .*in time",
                                               reason(box, v)) for v in moved), 30)
    assert in_state(box, kept, ONLINE) and in_state(box, moved, FAILED)
    assert not moved & set(box.targets(3 - old))
    # The same after another start of the agent.
    box.agent.kill()
    box.start_agent()
    box.wait_ready()
    wait_for("a reason", lambda: all("may still do so" in reason(box, v) for v in moved), 30)
    assert not moved & set(box.targets(3 - old))
    if before > after:
        box.tgtds[old].kill()  # a process that has ended serves nothing
    else:
        go_on(box, old)
    wait_for("all volumes", lambda: in_state(box, ALL, ONLINE), 30)
    assert served(box, after) >= moved
    wait_for("the portal", lambda: all(lets_in(box, v, after) for v in moved))


def test_an_old_tgtd_that_has_ended_holds_up_nothing(make):
    box = make(3)
    assert [served(box, g) for g in (1, 2, 3)] == [{1, 4}, {2}, {3}]
    box.agent.kill()
    for group in (2, 3):
        box.tgtds[group].kill()
    restart(box, 1)
    wait_for("all volumes", lambda: in_state(box, ALL, ONLINE))
    assert served(box, 1) == ALL


# ---- Killed while volumes move

class FaultBox(Box):
    """Its agent writes down the fault points that it passes, and stops at the one that it is told."""

    def __init__(self, *addresses, **how):
        super().__init__(*addresses, **how)
        self.faults = FaultPoints(self.agent, record=True)


def nothing_is_served_twice(box):
    """To be asked while the agent does nothing: the two are looked at one after the other."""
    return not set(box.targets(1)) & set(box.targets(2))


def is_settled(box, instances):
    wanted = ({1, 2}, set()) if instances == 1 else ({1}, {2})
    if (set(box.targets(1)), set(box.targets(2))) != wanted:
        return False
    return box.volumes() == {1: ONLINE, 2: ONLINE}


def change(box, instances):
    box.agent.kill()
    box.instances = instances
    box.write_config()


@needs_faults
@pytest.mark.parametrize("instances", [1, 2])
def test_killed_at_each_step_of_a_move(instances):
    """Whenever the agent dies while volume 2 moves, no two tgtds serve it, and the next agent ends the move."""
    with own_box(FaultBox, instances=2) as box:
        box.start()
        for volume in (1, 2):
            box.create(volume, f"v{volume}")
        wait_for("both volumes", lambda: is_settled(box, 2))
        change(box, 3 - instances)
        box.start_agent()
        wait_for("the beginning", lambda: is_settled(box, 3 - instances))
        change(box, instances)
        box.faults.recorded()
        box.start_agent()
        wait_for("the move", lambda: is_settled(box, instances))
        points = [p for p in dict.fromkeys(box.faults.recorded()) if p.startswith(("tgt.", "journal."))]
        assert len(points) > 5
        for point in points:
            change(box, 3 - instances)
            box.start_agent()
            wait_for("the beginning", lambda: is_settled(box, 3 - instances))
            change(box, instances)
            box.faults.stop_at(point)
            box.start_agent()
            wait_for(point, box.faults.is_stopped)
            assert nothing_is_served_twice(box)
            box.agent.kill()
            assert nothing_is_served_twice(box)
            box.start_agent()
            wait_for(f"the move that was cut short at {point}", lambda: is_settled(box, instances))

# What a unit tells by notifications of its media and volumes, and how often.
# SPDX-License-Identifier: BSD-2-Clause
import signal
import subprocess
import time

import pytest

from dvsan_oids import (dvsanMediumFailed, dvsanMediumLastError, dvsanMediumLow, dvsanMediumName, dvsanMediumOnline,
                        dvsanMediumOperState, dvsanMemberAnnounce, dvsanMemberLease, dvsanMemberName, dvsanPortalText,
                        dvsanUnitHeartbeat, dvsanUnitNotificationError, dvsanUnitNotificationsLost,
                        dvsanUnitNotificationsSuppressed, dvsanVolumeAdminState, dvsanVolumeLastError, dvsanVolumeName,
                        dvsanVolumeOperState, dvsanVolumeStateChange, dvsanVolumeUuid)
from support.patience import wait_for
from support.snmp import SnmpError
from support.unit_box import FAILED, OFFLINE, ONLINE, own_box

SUPPRESSED = f"{dvsanUnitNotificationsSuppressed}.0"
HEARTBEAT, LOST, NEWS_ERROR = (f"{oid}.0" for oid in (
    dvsanUnitHeartbeat, dvsanUnitNotificationsLost, dvsanUnitNotificationError))
PORTAL_TEXT = f"{dvsanPortalText}.1.1"
BURST = 20


@pytest.fixture(name="idle")
def fixture_idle():
    """A unit whose processes the test starts, but for the receiver, which is there."""
    with own_box() as box:
        box.start_receiver()
        yield box


@pytest.fixture(name="box")
def fixture_box(idle):
    idle.start()
    wait_for("an announcement", lambda: idle.traps(dvsanMemberAnnounce))
    lease(idle, 3600)
    return idle


def lease(box, seconds):
    box.set((f"{dvsanMemberLease}.0", "u", seconds))


def admin(box, index, online):
    box.set((f"{dvsanVolumeAdminState}.{index}", "i", 1 if online else 2))


def states(box, user="notify"):
    """The states that dvsanVolumeStateChange told, one by one."""
    return [int(value.rsplit(" ", 1)[1]) for n in box.traps(dvsanVolumeStateChange, user)
            for oid, value in n.items() if oid.startswith(f".{dvsanVolumeOperState}.")]


def test_a_volume_is_told_to_the_station_and_to_others(box):
    volume = box.create(7, "data")
    box.wait_volume(7, ONLINE)
    admin(box, 7, False)
    wait_for("offline to be told", lambda: states(box) == [OFFLINE])
    admin(box, 7, True)
    wait_for("online to be told", lambda: states(box) == [OFFLINE, ONLINE])
    wait_for("the others to be told", lambda: states(box, "third") == [OFFLINE, ONLINE])
    for user in ("notify", "third"):
        told = box.traps(dvsanVolumeStateChange, user)[0]
        assert list(told)[2:6] == [
            f".{column}.7" for column in (dvsanVolumeUuid, dvsanVolumeName, dvsanVolumeOperState, dvsanVolumeLastError)]
        assert told[f".{dvsanVolumeUuid}.7"].replace(" ", "").lower() == f"hex-string:{volume}"
        assert told[f".{dvsanVolumeName}.7"] == 'STRING: "data"'
        assert told[f".{dvsanMemberName}.0"] == 'STRING: "unit1"'
    box.destroy(7)
    wait_for("the volume to be gone", lambda: not box.volumes())
    assert len(states(box)) == 2  # neither making nor deleting it was told
    assert box.get(SUPPRESSED) == "0"


def test_without_a_lease_only_others_are_told(box):
    box.create(1, "data")
    box.wait_volume(1, ONLINE)
    lease(box, 0)
    admin(box, 1, False)
    wait_for("the others to be told", lambda: states(box, "third") == [OFFLINE])
    lease(box, 3600)
    admin(box, 1, True)
    wait_for("the station to be told", lambda: states(box) == [ONLINE])


def test_a_medium_that_fails_and_comes_back(box):
    box.create(1, "data")
    box.wait_volume(1, ONLINE)
    media, away = box.dir / "media", box.dir / "away"
    media.rename(away)
    for user in ("notify", "third"):
        told = wait_for("the failure", lambda who=user: box.traps(dvsanMediumFailed, who))[0]
        assert list(told)[2:5] == [
            f".{column}.1" for column in (dvsanMediumName, dvsanMediumOperState, dvsanMediumLastError)]
        assert told[f".{dvsanMediumName}.1"] == 'STRING: "m1"'
        assert told[f".{dvsanMediumOperState}.1"] == "INTEGER: 3"
        assert "is gone" in told[f".{dvsanMediumLastError}.1"]
    wait_for("the volume's failure", lambda: states(box) == [FAILED])
    away.rename(media)
    wait_for("the recovery", lambda: box.traps(dvsanMediumOnline) and box.traps(dvsanMediumOnline, "third"))
    wait_for("the volume's recovery", lambda: states(box) == [FAILED, ONLINE])
    assert len(box.traps(dvsanMediumFailed)) == len(box.traps(dvsanMediumOnline)) == 1


def test_a_medium_that_runs_low(idle):
    media = idle.dir / "media"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64M", "tmpfs", media], check=True)
    try:
        idle.start()
        wait_for("an announcement", lambda: idle.traps(dvsanMemberAnnounce))
        lease(idle, 3600)
        (media / "ballast").write_bytes(bytes(62 << 20))
        for user in ("notify", "third"):
            told = wait_for("low to be told", lambda who=user: idle.traps(dvsanMediumLow, who))[0]
            assert told[f".{dvsanMediumOperState}.1"] == "INTEGER: 2"
        (media / "ballast").unlink()
        wait_for("online to be told", lambda: idle.traps(dvsanMediumOnline))
    finally:
        for p in (idle.agent, idle.tgtd):
            p.kill()
        subprocess.run(["umount", "-l", media], check=False)


def test_a_volume_that_flaps_is_told_now_and_then(box):
    box.create(1, "data")
    box.wait_volume(1, ONLINE)
    started, changes = time.monotonic(), 200
    for i in range(changes):
        admin(box, 1, i % 2 == 1)
        box.wait_volume(1, ONLINE if i % 2 else OFFLINE)
    told = len(states(box, "third"))
    took = time.monotonic() - started
    assert BURST <= told <= BURST + took + 1
    # Each change was told, or is counted as suppressed, or (one) still waits.
    wait_for("the sum", lambda: changes - 1 <= len(states(box, "third")) + int(box.get(SUPPRESSED)) <= changes)
    wait_for("the state that it has", lambda: states(box)[-1] == states(box, "third")[-1] == ONLINE)
    assert states(box) == states(box, "third")


def test_what_happened_while_no_master_was_there_is_told_then(box):
    box.create(1, "data")
    box.wait_volume(1, ONLINE)
    box.snmpd.kill()
    box.tgtd.kill()
    text = "tgtd has ended"
    wait_for("the agent to see it", lambda: text in box.said())
    box.start_snmpd()
    wait_for("the failure to be told", lambda: states(box, "third") == [FAILED])
    box.start_tgtd()
    wait_for("the recovery to be told", lambda: states(box, "third") == [FAILED, ONLINE])


def test_the_master_has_nothing_to_complain_about(box):
    """What goes through snmpd has no 64-bit number, of which it cannot make a v1 trap."""
    box.create(7, "data")
    box.wait_volume(7, ONLINE)
    before = [len(box.traps(dvsanMemberAnnounce, user)) for user in ("notify", "third")]
    lease(box, 0)
    wait_for("announcements with the volume", lambda: all(
        len(box.traps(dvsanMemberAnnounce, user)) > n for user, n in zip(("notify", "third"), before)))
    told = {user: box.traps(dvsanMemberAnnounce, user)[-1] for user in ("notify", "third")}
    lbas = {user: [oid for oid, value in n.items() if value.startswith("Counter64:")] for user, n in told.items()}
    assert f".{dvsanVolumeUuid}.7" in told["notify"] and f".{dvsanVolumeUuid}.7" in told["third"]
    assert len(lbas["notify"]) == 3 and lbas["third"] == []
    assert "Counter64" not in (box.dir / "snmpd.log").read_text()


def test_a_heartbeat_tells_that_the_agent_lives(box):
    """snmpd goes on when the agent is gone: a manager sees it by what does not move any more."""
    first = int(box.get(HEARTBEAT))
    wait_for("the heartbeat to move", lambda: int(box.get(HEARTBEAT)) > first)
    box.agent.popen.send_signal(signal.SIGSTOP)  # an agent that hangs tells no heartbeat either
    with pytest.raises(SnmpError):
        box.get(HEARTBEAT)
    box.agent.popen.send_signal(signal.SIGCONT)
    wait_for("the heartbeat to be there again", lambda: int(box.get(HEARTBEAT)) > first)
    # And where the unit's disks are reached is there as people write it.
    assert box.get(PORTAL_TEXT) == f"{box.portal}:3260"
    box.agent.kill()
    wait_for("the heartbeat to stop", lambda: box.walk(HEARTBEAT) == {})  # which snmpd answers


def test_what_does_not_go_out_is_counted_and_said(box):
    """A station that leads and takes no notifications: the unit shows that it hears nothing."""
    box.create(7, "data")
    box.wait_volume(7, ONLINE)
    assert box.get(LOST, NEWS_ERROR) == ["0", ""]
    box.receiver.kill()
    admin(box, 7, False)
    wait_for("it to be said", lambda: "does not answer notifications" in box.get(NEWS_ERROR), 60)
    lost = int(box.get(LOST))
    assert lost > 0  # more than one when another was on its way
    admin(box, 7, True)
    wait_for("one more to be counted", lambda: int(box.get(LOST)) > lost, 60)
    box.start_receiver()

    def over():
        """The unit has nothing to tell, and asks when the station writes its lease again."""
        lease(box, 3600)
        return box.get(NEWS_ERROR) == ""
    wait_for("it to be over", over, 60)  # the receiver may take a moment

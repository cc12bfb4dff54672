"""A medium that does not answer is told, and holds up nothing but its own volumes."""
import signal
import subprocess

import pytest

from dvsan_oids import (dvsanAccessRowStatus, dvsanMediumLastError, dvsanMediumOperState, dvsanMemberOperState,
                        dvsanVolumeLastError)
from support import stand
from support.hanging import Hanging
from support.patience import wait_for
from support.power import VolatileDisk
from support.unit_box import (ACTIVE, CREATING, DEGRADED, DELETING, DESTROY, M_FAILED, M_ONLINE, ONLINE, RUNNING,
                              STARTING, create_set, own_box)

HOST, SECRET = "iqn.2026-11.host:h", "secret-of-host"
FIRST = '<medium index="1" name="m1" kind="dir" path="media" size="256M"/>'
THIRD = '<medium index="3" name="m3" kind="dir" path="third" size="64M"/>'
SECOND = '<medium index="2" name="m2" kind="dir" path="second" size="64M"/>'
WELL, SICK, LATE, DOOMED = 1, 2, 3, 4  # volumes


def user(volume):
    return f"user{volume}"


@pytest.fixture(name="box")
def fixture_box():
    with own_box() as b:
        (b.dir / "second").mkdir()
        b.write_config(FIRST + SECOND)
        yield b


def start(box):
    box.start()
    box.wait_medium(2)
    for volume, medium in ((WELL, 1), (SICK, 2), (DOOMED, 2)):
        box.set(*create_set(volume, f"v{volume}", 8, f"{volume:032x}", medium=medium))
        box.wait_volume(volume, ONLINE)
        box.grant(volume, 1, HOST, user(volume), SECRET)
        box.wait_rule(volume, 1, ACTIVE)


def wait_told(box):
    wait_for("the medium to be told", lambda: box.try_get(f"{dvsanMediumOperState}.2") == str(M_FAILED)
             and "has not answered since 20" in box.get(f"{dvsanMediumLastError}.2"), 60)
    assert box.get(f"{dvsanMemberOperState}.0") == DEGRADED
    assert box.get(f"{dvsanMediumOperState}.1") == str(M_ONLINE)


def all_else_goes_on(box):
    """On the other medium everything, and on this one what is tgtd's alone."""
    for volume in (WELL, SICK):
        box.revoke(volume, 1)
        wait_for("the rule to end", lambda volume=volume: (volume, 1) not in box.rules(), 60)
    assert not box.inquire(box.iqn(SICK), HOST, user(SICK), SECRET)
    box.grant(WELL, 1, HOST, user(WELL), SECRET)
    box.wait_rule(WELL, 1, ACTIVE)
    box.create(9, "v9")
    box.wait_volume(9, ONLINE)
    box.destroy(9)
    wait_for("the volume to go", lambda: 9 not in box.volumes())
    assert box.volumes()[SICK] == ONLINE, "its target was taken away"


def waits(box, *others):
    """What needs the medium says for what it waits."""
    box.set((f"{dvsanAccessRowStatus}.{DOOMED}.1", "i", DESTROY))
    wait_for("the rule to end", lambda: (DOOMED, 1) not in box.rules(), 60)
    box.destroy(DOOMED)
    for volume in (DOOMED, *others):
        wait_for("its volume to tell", lambda volume=volume: "has not answered since 20" in
                 box.get(f"{dvsanVolumeLastError}.{volume}"), 60)
    assert box.volumes()[DOOMED] == DELETING


def is_well(box):
    wait_for("the medium to be online", lambda: box.get(f"{dvsanMediumOperState}.2", f"{dvsanMediumLastError}.2")
             == [str(M_ONLINE), ""], 60)
    box.wait_volume(SICK, ONLINE, 60)
    wait_for("the volume to go", lambda: DOOMED not in box.volumes(), 60)
    wait_for("the unit to be well", lambda: box.get(f"{dvsanMemberOperState}.0") == RUNNING, 60)


def test_nobody_waits_for_media_that_hang(box):
    """Rules end while nobody knows yet whether those are only slow, and that of several at a time."""
    (box.dir / "third").mkdir()
    box.write_config(FIRST + SECOND + THIRD)
    start(box)
    box.wait_medium(3)
    hanging = [Hanging(box.dir / "second"), Hanging(box.dir / "third")]
    box.set(*create_set(LATE, "late", 8, f"{LATE:032x}", medium=2))
    for volume in (WELL, SICK):
        box.revoke(volume, 1)
        wait_for("the rule to end", lambda volume=volume: (volume, 1) not in box.rules(), 60)
    box.grant(WELL, 1, HOST, user(WELL), SECRET)
    box.wait_rule(WELL, 1, ACTIVE)
    assert box.get(*(f"{dvsanMediumOperState}.{n}" for n in (2, 3))) == [str(M_ONLINE)] * 2, "it waited for them"
    assert not box.inquire(box.iqn(SICK), HOST, user(SICK), SECRET)
    assert box.volumes()[SICK] == ONLINE
    assert box.volumes()[LATE] == CREATING
    wait_told(box)
    wait_for("the other one", lambda: box.get(f"{dvsanMediumOperState}.3") == str(M_FAILED), 5)
    for h in hanging:
        h.answers()
    box.wait_volume(LATE, ONLINE, 60)
    box.revoke(DOOMED, 1)
    wait_for("the rule to end", lambda: (DOOMED, 1) not in box.rules(), 60)
    box.destroy(DOOMED)
    is_well(box)


def test_a_medium_that_does_not_answer(box):
    start(box)
    hanging = Hanging(box.dir / "second")
    wait_told(box)
    assert "when it was looked at" in box.get(f"{dvsanMediumLastError}.2")
    assert box.inquire(box.iqn(SICK), HOST, user(SICK), SECRET)
    all_else_goes_on(box)
    assert box.agent.end() == 0
    assert "medium m2 does not answer" in box.said()
    box.start_agent()
    wait_for("its start to be over", lambda: box.try_get(f"{dvsanMemberOperState}.0") not in (None, STARTING), 60)
    assert box.get(f"{dvsanMediumOperState}.2") == str(M_FAILED), "it was shown as well"
    wait_told(box)  # also one that did not answer from the start
    assert "has not answered since 20" in box.get(f"{dvsanVolumeLastError}.{SICK}")
    assert set(box.tids()) >= {WELL, SICK, DOOMED}, "what was served is served no more"
    waits(box)
    hanging.answers()
    is_well(box)
    assert box.agent.end() == 0


def test_a_disk_that_hangs(box):
    disk = VolatileDisk(str(box.dir), 96)
    second = box.dir / "second"
    old = None
    try:
        disk.power_on()
        subprocess.run(["mkfs.ext4", "-q", disk.path], check=True)
        subprocess.run(["mount", disk.path, second], check=True)
        start(box)
        disk.cache.send_signal(signal.SIGSTOP)
        box.set(*create_set(LATE, "late", 8, f"{LATE:032x}", medium=2))
        wait_told(box)
        all_else_goes_on(box)
        waits(box, LATE)
        disk.cache.send_signal(signal.SIGCONT)
        is_well(box)
        box.wait_volume(LATE, ONLINE, 60)
        disk.cache.send_signal(signal.SIGSTOP)
        wait_told(box)
        old = box.agent.popen
        old.send_signal(signal.SIGTERM)
        wait_for("the agent to end", lambda: stand.state(old.pid) == "Z", 60)
        assert "medium m2 does not answer" in box.said()
        box.start_agent()  # all but that medium is free for it, whose volumes fail until then
        wait_for("the medium to fail", lambda: box.try_get(f"{dvsanMediumOperState}.2") == str(M_FAILED), 60)
        wait_for("the healthy one", lambda: box.get(f"{dvsanMediumOperState}.1") == str(M_ONLINE), 60)
        disk.cache.send_signal(signal.SIGCONT)  # upon which the kernel lets go of its thread
        assert old.wait(60) == 0
        is_well(box)
    finally:
        disk.cache.send_signal(signal.SIGCONT)
        for process in (box.agent, box.tgtd):
            if process:
                process.kill()
        if old:
            old.kill()
            old.wait(60)
        subprocess.run(["umount", second], capture_output=True, check=False)
        disk.cut()
        disk.clean()

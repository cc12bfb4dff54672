# dvsan-unit between stock snmpd and tgtd, as its managers and hosts see it.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import uuid

import pytest

from dvsan_oids import (dvsanAccessChapSecret, dvsanAccessRowStatus, dvsanAccessSecretIsSet, dvsanChangeIndex,
                        dvsanChangeKind, dvsanMediumFreeBlocks, dvsanMediumLastError, dvsanMediumOperState,
                        dvsanMemberAddress, dvsanMemberAnnounce, dvsanMemberEpoch, dvsanMemberGeneration,
                        dvsanMemberKind, dvsanMemberLease, dvsanMemberName, dvsanMemberOperState, dvsanMemberUuid,
                        dvsanPortalIfIndex, dvsanPortalOperState, dvsanProductUnit, dvsanUnitLastError,
                        dvsanUnitVolumes, dvsanVolumeAdminState, dvsanVolumeBlockSize, dvsanVolumeBlocks,
                        dvsanVolumeEndLba, dvsanVolumeEntry, dvsanVolumeGeneration, dvsanVolumeLastError,
                        dvsanVolumeMedium, dvsanVolumeName, dvsanVolumeReadBytes, dvsanVolumeReadOps,
                        dvsanVolumeRowStatus, dvsanVolumeSize, dvsanVolumeStartLba, dvsanVolumeUuid)
from support.oids import (COLD_START, ENGINE_ID, IF_ADMIN_STATUS, IF_INDEX, IF_OPER_STATUS, LINK_DOWN, LINK_UP,
                          SYS_NAME, TRAP_ENTERPRISE)
from support.patience import wait_for
from support.snmp import SnmpError
from support.unit_box import (ACTIVE, DEGRADED, DESTROY, FAILED, IQN, OFFLINE, ONLINE, PROGRAM, RULE_FAILED, RUNNING,
                              create_set, grant_set, own_box)

MEMBER = (dvsanMemberUuid, dvsanMemberKind, dvsanMemberName, dvsanMemberAddress, dvsanMemberEpoch,
          dvsanMemberGeneration, dvsanMemberOperState)
INTERFACE = (IF_INDEX, IF_ADMIN_STATUS, IF_OPER_STATUS)
ALICE, SECRET = "iqn.2026-11.host:alice", "secret-of-alice"


@pytest.fixture(name="idle")
def fixture_idle():
    """A unit whose processes the test starts."""
    with own_box(secret=SECRET) as box:
        yield box


@pytest.fixture(name="box")
def fixture_box(idle):
    idle.start()
    return idle


def lease(box, seconds):
    box.set((f"{dvsanMemberLease}.0", "u", seconds))


# ---- Joining

def test_announces_itself_until_it_holds_a_lease(idle):
    idle.start_receiver()
    idle.start()
    wait_for("coldStart", lambda: idle.traps(COLD_START))
    wait_for("two repetitions", lambda: len(idle.traps(dvsanMemberAnnounce)) >= 2)
    first = idle.traps(COLD_START)[0]
    member_uuid = idle.get(f"{dvsanMemberUuid}.0")
    assert first["." + TRAP_ENTERPRISE].endswith(f".{dvsanProductUnit}")
    assert first["." + ENGINE_ID].replace(" ", "").lower() == f"hex-string:{idle.engine}"
    assert first[f".{dvsanMemberUuid}.0"].replace(" ", "").lower() == f"hex-string:{member_uuid}"
    assert first[f".{dvsanMemberAddress}.0"] == f'STRING: "udp:{idle.address}:1161"'
    assert first[f".{dvsanUnitVolumes}.0"] == "Gauge32: 0"
    again = idle.traps(dvsanMemberAnnounce)[0]
    assert list(again)[2:9] == [f".{oid}.0" for oid in MEMBER]
    assert len(idle.traps(COLD_START)) == 1
    # Managers that know snmpd alone hear the same from it.
    ours = wait_for("the same", lambda: [n for n in idle.traps(COLD_START, "third") if n.get(
        "." + TRAP_ENTERPRISE, "").endswith(f".{dvsanProductUnit}")])
    assert [n[f".{dvsanMemberUuid}.0"] for n in ours] == [first[f".{dvsanMemberUuid}.0"]]
    wait_for("an announcement from it", lambda: idle.traps(dvsanMemberAnnounce, "third"))

    lease(idle, 3600)
    assert 3000 < int(idle.get(f"{dvsanMemberLease}.0")) <= 3600
    lease(idle, 3)
    said = 1 + len(idle.traps(dvsanMemberAnnounce))  # one may be under way

    def silent_until_the_end():
        now = len(idle.traps(dvsanMemberAnnounce))
        over = idle.get(f"{dvsanMemberLease}.0") == "0"
        assert over or now <= said
        return over
    wait_for("the end of the lease", silent_until_the_end)
    wait_for("an announcement after that", lambda: len(idle.traps(dvsanMemberAnnounce)) > said, 5)


def test_announcements_wait_for_a_station_that_comes_late(idle):
    idle.start()
    wait_for("one in vain", lambda: "does not answer" in idle.said())
    idle.start_receiver()
    wait_for("an announcement", lambda: idle.traps(dvsanMemberAnnounce))


def test_announcements_find_a_station_that_was_set_up_anew(idle):
    idle.start_receiver()
    idle.start()
    wait_for("coldStart", lambda: idle.traps(COLD_START))
    idle.receiver.kill()
    for kept in (idle.dir / "trapd").glob("*.conf"):
        kept.unlink()  # and with it the engine's ID
    (idle.dir / "traps").unlink()
    idle.start_receiver()
    wait_for("an announcement", lambda: idle.traps(dvsanMemberAnnounce))


def test_says_good_bye_and_leaves_tgtd_serving(box):
    box.start_receiver()
    box.create(1, "data")
    box.wait_volume(1, ONLINE)
    wait_for("an announcement", lambda: box.traps(dvsanMemberAnnounce))
    assert box.agent.end() == 0
    last = wait_for("linkDown", lambda: box.traps(LINK_DOWN))[-1]
    assert list(last)[2:5] == [f".{column}.1" for column in INTERFACE]
    assert last[f".{dvsanMemberOperState}.0"] == "INTEGER: 4"
    assert last[f".{dvsanVolumeBlocks}.1"] == "Counter64: 16384"
    assert len(box.targets()) == 1


def test_stops_when_nobody_listens(box):
    assert box.agent.end() == 0


@pytest.fixture(name="wired")
def fixture_wired():
    """A unit in a network namespace, whose portal is at the end of a cable; and the cable's name."""
    name = f"dvsan{os.getpid() % 100000}"

    def ip(*args):
        subprocess.run(["ip", *args], check=True)

    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "link", "add", "san0", "type", "veth", "peer", "name", "switch0")
        ip("-n", name, "addr", "add", "192.0.2.7/24", "dev", "san0")
        ip("-n", name, "link", "set", "san0", "up")
        ip("-n", name, "link", "set", "switch0", "up")
        with own_box(secret=SECRET, addresses=("127.0.0.1", "127.0.0.2"), prefix=["ip", "netns", "exec", name],
                     portal="192.0.2.7") as box:
            box.start_receiver()
            box.start()
            yield box, lambda *args: ip("-n", name, *args)
    finally:
        ip("netns", "del", name)


def test_links_are_told(wired):
    box, ip = wired
    index = box.get(f"{dvsanPortalIfIndex}.1.1")
    assert box.get(f"{dvsanPortalOperState}.1.1") == "1"
    wait_for("coldStart", lambda: box.traps(COLD_START))
    lease(box, 3600)
    columns = [f".{column}.{index}" for column in INTERFACE]

    ip("link", "set", "switch0", "down")  # the cable is pulled
    down = wait_for("linkDown", lambda: box.traps(LINK_DOWN))[0]
    assert list(down)[2:5] == columns
    assert [down[c] for c in columns] == [f"INTEGER: {n}" for n in (index, 1, 2)]
    assert down[f".{dvsanMemberOperState}.0"] == "INTEGER: 3"
    assert box.get(f"{dvsanPortalOperState}.1.1", f"{dvsanMemberOperState}.0") == ["2", "3"]

    ip("link", "set", "switch0", "up")
    up = wait_for("linkUp", lambda: box.traps(LINK_UP))[0]
    assert [up[c] for c in columns] == [f"INTEGER: {n}" for n in (index, 1, 1)]
    assert box.get(f"{dvsanPortalOperState}.1.1", f"{dvsanMemberOperState}.0") == ["1", "2"]

    ip("addr", "del", "192.0.2.7/24", "dev", "san0")  # the interface stays, its address goes
    wait_for("linkDown", lambda: len(box.traps(LINK_DOWN)) == 2)
    assert box.get(f"{dvsanPortalIfIndex}.1.1", f"{dvsanPortalOperState}.1.1") == ["0", "2"]
    ip("addr", "add", "192.0.2.7/24", "dev", "san0")
    wait_for("linkUp", lambda: len(box.traps(LINK_UP)) == 2)
    assert box.get(f"{dvsanPortalIfIndex}.1.1") == index


# ---- Volumes and rules

def test_a_volume_is_made_served_and_deleted(box):
    volume = box.create(5, "data", 16)
    box.wait_volume(5, ONLINE)
    columns = (dvsanVolumeUuid, dvsanVolumeName, dvsanVolumeSize, dvsanVolumeStartLba, dvsanVolumeBlocks,
               dvsanVolumeEndLba, dvsanVolumeLastError)
    assert box.get(*(f"{column}.5" for column in columns)) == \
        [volume, "data", "16", "0", "32768", "32767", ""]
    assert box.get(f"{dvsanUnitVolumes}.0", f"{dvsanMediumFreeBlocks}.1") == ["1", str((256 - 16) * 2048)]
    target = box.iqn(5)
    assert not box.inquire(target, ALICE)

    box.grant(5, 1, ALICE, "alice", SECRET)
    box.wait_rule(5, 1, ACTIVE)
    assert box.get(f"{dvsanAccessChapSecret}.5.1", f"{dvsanAccessSecretIsSet}.5.1") == ["", "1"]
    assert box.inquire(target, ALICE, "alice", SECRET)
    assert not box.inquire(target, ALICE, "alice", "not-his-secret")
    assert not box.inquire(target, ALICE)
    assert not box.inquire(target, "iqn.2026-11.host:eve", "alice", SECRET)

    with pytest.raises(SnmpError, match="inconsistentValue"):
        box.destroy(5)
    box.revoke(5, 1)
    wait_for("the rule to be gone", lambda: not box.rules())
    assert not box.inquire(target, ALICE, "alice", SECRET)
    generation = int(box.get(f"{dvsanMemberGeneration}.0"))
    box.destroy(5)
    wait_for("the volume to be gone", lambda: not box.volumes())
    wait_for("its target to be gone", lambda: not box.targets())
    assert not list((box.dir / "media").glob("*.img"))
    later = {int(oid.rsplit(".", 1)[1]): kind for oid, kind in box.walk(dvsanChangeKind).items()}
    deleted = [g for g, kind in later.items() if kind == "4"]
    assert len(deleted) == 1 and deleted[0] > generation
    assert box.get(f"{dvsanChangeIndex}.{deleted[0]}") == "5"
    assert box.get(f"{dvsanMediumFreeBlocks}.1") == str(256 * 2048)


def test_a_bad_varbind_undoes_the_whole_request(box):
    box.create(1, "kept")
    box.wait_volume(1, ONLINE)
    before = box.walk(dvsanVolumeEntry)
    good = create_set(2, "new", 8, uuid.uuid4().hex) + ((f"{dvsanVolumeName}.1", "s", "renamed"),)
    for bad in ((f"{dvsanVolumeName}.7", "s", "nowhere"),
                (f"{dvsanVolumeSize}.1", "u", 999),
                (f"{dvsanVolumeBlockSize}.1", "u", 512),
                (f"{dvsanMemberUuid}.0", "x", "00" * 16),
                (f"{dvsanMemberLease}.0", "u", 86401),
                (SYS_NAME, "s", "foreign")):  # outside the view
        with pytest.raises(SnmpError):
            box.set(*good, bad)
        assert box.walk(dvsanVolumeEntry) == before
    assert len(box.targets()) == 1


def test_requests_may_be_repeated(box):
    volume = box.create(1, "data")
    box.create(1, "data", volume_uuid=volume)
    box.wait_volume(1, ONLINE)
    before = box.get(f"{dvsanMemberGeneration}.0")
    box.create(1, "data", volume_uuid=volume)
    assert box.get(f"{dvsanMemberGeneration}.0") == before
    for index, name, volume_uuid in ((1, "data", None), (2, "data", None), (2, "other", volume)):
        with pytest.raises(SnmpError, match="inconsistentValue"):
            box.create(index, name, volume_uuid=volume_uuid)
    box.destroy(9)
    box.destroy(1)
    box.destroy(1)
    wait_for("the volume to be gone", lambda: not box.volumes())
    box.create(1, "data")  # another one with the same number and name
    box.wait_volume(1, ONLINE)


@pytest.mark.parametrize("column, kind, value, error", [
    (dvsanVolumeSize, "u", 0, "wrongValue"), (dvsanVolumeSize, "u", 257, "resourceUnavailable"),
    (dvsanVolumeSize, "u", 4294967295, "resourceUnavailable"), (dvsanVolumeSize, "i", 5, "wrongType"),
    (dvsanVolumeName, "s", 'quo"te', "wrongValue"), (dvsanVolumeName, "s", "a/b", "wrongValue"),
    (dvsanVolumeName, "s", "x" * 64, "wrongLength"), (dvsanVolumeUuid, "x", "00" * 16, "wrongValue"),
    (dvsanVolumeUuid, "x", "01" * 15, "wrongLength"), (dvsanVolumeRowStatus, "i", 5, "wrongValue"),
    (dvsanVolumeRowStatus, "i", 2, "wrongValue"), (dvsanVolumeMedium, "u", 2, "wrongValue"),
    (dvsanVolumeBlockSize, "u", 512, "notWritable")])
def test_what_is_wrong_is_refused(module_box, column, kind, value, error):
    name = f"{column}.3"
    sets = [s for s in create_set(3, "data", 8, uuid.uuid4().hex) if s[0] != name]
    with pytest.raises(SnmpError, match=error):
        module_box.set(*sets, (name, kind, value))
    assert module_box.volumes() == {}


@pytest.fixture(name="module_box", scope="module")
def fixture_module_box():
    with own_box(secret=SECRET) as box:
        box.start()
        yield box


def test_a_secret_is_one_for_all_rules_of_its_user(box):
    for index in (1, 2):
        box.create(index, f"v{index}")
        box.grant(index, 1, ALICE, "alice", SECRET)
    for index in (1, 2):
        box.wait_rule(index, 1, ACTIVE)
    box.set((f"{dvsanAccessChapSecret}.1.1", "s", "another-secret"))
    for index in (1, 2):
        box.wait_rule(index, 1, ACTIVE)
        assert not box.inquire(box.iqn(index), ALICE, "alice", SECRET)
        assert box.inquire(box.iqn(index), ALICE, "alice", "another-secret")


def sessions(box):
    return box.tgtadm("--mode", "target", "--op", "show").count("I_T nexus:")


def stay_logged_in(box, index, user, secret):
    """A host that reads all the time and logs in again whenever it is thrown out."""
    process = box.process("iscsi-perf", ["iscsi-perf", "-i", ALICE, "-t", "600", "-r",
                                         f"iscsi://{box.portal}:3260/{box.iqn(index)}/1"],
                          LIBISCSI_CHAP_USERNAME=user, LIBISCSI_CHAP_PASSWORD=secret)
    # Counted once a second, so this takes a moment longer than the login.
    wait_for("the host to have read", lambda: int(box.get(f"{dvsanVolumeReadBytes}.{index}")) > 0)
    assert sessions(box)
    return process


def test_a_rule_that_cannot_be_in_force_fails_alone(box):
    """Its CHAP user is somebody else's in tgtd; the volume serves all others, also one whose name is spelled oddly."""
    odd = "IQN.2026-11.host:Up"
    box.tgtadm("--mode", "target", "--op", "new", "--tid", "9", "-T", "iqn.2001-04.com.other:disk")
    box.tgtadm("--mode", "account", "--op", "new", "--user", "bob", "--password", "other-secret-1")
    box.tgtadm("--mode", "account", "--op", "bind", "--tid", "9", "--user", "bob")
    box.serve(1, "data", 8, ALICE, "alice", SECRET)
    box.grant(1, 2, "iqn.2026-11.host:bob", "bob", "secret-of-bob-1")
    box.grant(1, 3, odd, "alice", SECRET)
    box.wait_rule(1, 2, RULE_FAILED)
    box.wait_rule(1, 3, ACTIVE)
    box.wait_volume(1, ONLINE)
    assert box.inquire(box.iqn(1), ALICE, "alice", SECRET) and box.inquire(box.iqn(1), odd, "alice", SECRET)
    box.revoke(1, 3)
    wait_for("the rule's end", lambda: (1, 3) not in box.rules())
    box.wait_volume(1, ONLINE)


def test_revoking_ends_live_sessions(box):
    box.serve(1, "data", 8, ALICE, "alice", SECRET)
    host = stay_logged_in(box, 1, "alice", SECRET)
    try:
        box.revoke(1, 1)
        wait_for("the session to be ended", lambda: not sessions(box))
        wait_for("the rule to be gone", lambda: not box.rules())
        for _ in range(20):  # the host tries to come back
            assert not sessions(box)
            time.sleep(0.05)
        assert all(int(box.get(f"{column}.1")) > 0 for column in (dvsanVolumeReadOps, dvsanVolumeReadBytes))
    finally:
        host.kill()


def test_a_new_secret_ends_live_sessions(box):
    box.serve(1, "data", 8, ALICE, "alice", SECRET)
    host = stay_logged_in(box, 1, "alice", SECRET)
    try:
        box.set((f"{dvsanAccessChapSecret}.1.1", "s", "another-secret"))
        wait_for("the session to be ended", lambda: not sessions(box), 2)
        box.wait_rule(1, 1, ACTIVE)
        assert box.inquire(box.iqn(1), ALICE, "alice", "another-secret")
    finally:
        host.kill()


def test_sessions_live_on_while_the_agent_is_killed_and_restarted(box):
    box.serve(1, "data", 8, ALICE, "alice", SECRET)
    host = stay_logged_in(box, 1, "alice", SECRET)
    try:
        nexus = [line for line in box.tgtadm("--mode", "target", "--op", "show").splitlines()
                 if "I_T nexus:" in line]
        box.agent.kill()
        box.start_agent()
        box.wait_rule(1, 1, ACTIVE)
        box.wait_volume(1, ONLINE)
        assert nexus == [line for line in box.tgtadm("--mode", "target", "--op", "show").splitlines()
                         if "I_T nexus:" in line]
        assert host.running()
    finally:
        host.kill()


def test_a_volume_is_taken_offline_and_renamed(box):
    box.serve(1, "data", 8, ALICE, "alice", SECRET)
    target, generation = box.iqn(1), int(box.get(f"{dvsanVolumeGeneration}.1"))
    box.set((f"{dvsanVolumeAdminState}.1", "i", 2), (f"{dvsanVolumeName}.1", "s", "renamed"))
    box.wait_volume(1, OFFLINE)
    assert not box.inquire(target, ALICE, "alice", SECRET)
    assert int(box.get(f"{dvsanVolumeGeneration}.1")) > generation
    box.set((f"{dvsanVolumeAdminState}.1", "i", 1))
    box.wait_volume(1, ONLINE)
    assert box.iqn(1) == target
    assert box.inquire(target, ALICE, "alice", SECRET)


# ---- When things go wrong

def test_a_lost_file_is_told_and_not_made_again(box):
    box.create(1, "data")
    box.wait_volume(1, ONLINE)
    box.agent.end()
    file = next((box.dir / "media").glob("*.img"))
    file.unlink()
    box.start_agent()
    box.wait_failed(1, "is gone")
    assert not file.exists()
    assert box.get(f"{dvsanMemberOperState}.0") == DEGRADED
    box.destroy(1)
    wait_for("the volume to be gone", lambda: not box.volumes())


def say_forget(box, volume):
    done = box.dvsan_unit(f"--forget={volume}", timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_lost_file_may_be_forgotten(box):
    """By a person's word on the machine, and only while it cannot be served."""
    first, second = uuid.uuid4(), uuid.uuid4()
    for index, name in ((1, first), (2, second)):
        box.create(index, f"v{index}", 8, name.hex)
        box.wait_volume(index, ONLINE)
    say_forget(box, first)
    wait_for("the word to be refused", lambda: f"{first} is not forgotten: it has not failed" in
             box.said(), 60)
    os.rename(box.dir / f"media/{second}.img", box.dir / "lost.img")
    box.wait_failed(2, "is gone")
    say_forget(box, second)
    wait_for("the volume to be forgotten", lambda: list(box.volumes()) == [1], 60)
    assert not (box.dir / "state/forget").exists()


def test_an_unmounted_medium_is_told_and_not_written_to(idle):
    media = idle.dir / "media"

    (idle.dir / "aside").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", media], check=True)
    try:
        idle.start()
        idle.create(1, "data")
        idle.wait_volume(1, ONLINE)
        idle.agent.end()
        idle.tgtd.kill()
        subprocess.run(["mount", "--move", media, idle.dir / "aside"], check=True)
        idle.start_tgtd()
        idle.start_agent()
        wait_for("the medium to tell", lambda: "still mounted" in idle.get(f"{dvsanMediumLastError}.1"))
        idle.wait_volume(1, FAILED)
        assert idle.get(f"{dvsanMediumOperState}.1") == "3"
        with pytest.raises(SnmpError, match="resourceUnavailable"):
            idle.create(2, "elsewhere")
        subprocess.run(["mount", "--move", idle.dir / "aside", media], check=True)
        idle.wait_volume(1, ONLINE)
    finally:
        for p in (idle.agent, idle.tgtd):
            p.kill()
        subprocess.run(["umount", "-l", media], check=False)
        subprocess.run(["umount", "-l", idle.dir / "aside"], check=False, stderr=subprocess.DEVNULL)


def test_tgtd_may_end_and_come_back(box):
    box.serve(1, "data", 8, ALICE, "alice", SECRET)
    target = box.iqn(1)
    box.tgtd.kill()
    box.wait_volume(1, FAILED, 2)
    assert box.get(f"{dvsanMemberOperState}.0") == DEGRADED
    box.create(2, "meanwhile")
    box.start_tgtd()
    box.wait_volume(1, ONLINE, 5)
    box.wait_volume(2, ONLINE, 5)
    wait_for("running", lambda: box.get(f"{dvsanMemberOperState}.0") == RUNNING)
    assert box.inquire(target, ALICE, "alice", SECRET)


def test_a_tgtd_that_hangs_is_told_and_hurts_nobody_else(box):
    box.create(1, "data")
    box.wait_volume(1, ONLINE)
    box.tgtd.popen.send_signal(signal.SIGSTOP)
    box.create(2, "meanwhile")  # is answered at once all the same
    box.wait_volume(1, FAILED)
    box.tgtd.popen.send_signal(signal.SIGCONT)
    box.wait_volume(1, ONLINE)
    box.wait_volume(2, ONLINE)


@pytest.fixture(name="isns")
def fixture_isns(box):
    """Where tgtd finds somebody who takes what it says to an iSNS server."""
    with socket.create_server((box.portal, 0)) as s:
        yield {"iSNSServerIP": box.portal, "iSNSServerPort": str(s.getsockname()[1])}


@pytest.mark.parametrize("what", [{"State": "offline"}, {"iSNSAccessControl": "On", "iSNS": "On"}])
def test_a_tgtd_that_keeps_all_hosts_out(box, isns, what):
    """tgtd as a whole, whatever its targets are told. It is the unit's own to put right, but where somebody else has
    targets in it, who may want it so: that is told."""
    def bar():
        for name, value in (isns | what).items():
            box.tgtadm("--mode", "sys", "--op", "update", "--name", name, "-v", value)

    box.serve(1, "data", 8, ALICE, "alice", SECRET)
    target = box.iqn(1)
    bar()
    wait_for("the log to say so", lambda: "so no host could log in; that is ended" in box.said())
    wait_for("alice to be let in again", lambda: box.inquire(target, ALICE, "alice", SECRET))
    box.tgtadm("--mode", "target", "--op", "new", "--tid", "9", "-T", "iqn.2001-04.com.other:disk")
    bar()
    why = wait_for("the reason", lambda: box.get(f"{dvsanUnitLastError}.0"))
    assert why.startswith("no host can log in to volumes of portal group 1: ") and "not this unit's" in why
    assert box.get(f"{dvsanMemberOperState}.0") == DEGRADED and not box.inquire(target, ALICE, "alice", SECRET)
    name, _, value = why.partition("--name ")[2].rstrip(")").partition(" -v ")  # what it says ends it
    box.tgtadm("--mode", "sys", "--op", "update", "--name", name, "-v", value)
    wait_for("no trouble", lambda: box.get(f"{dvsanUnitLastError}.0", f"{dvsanMemberOperState}.0") == ["", RUNNING])
    assert box.inquire(target, ALICE, "alice", SECRET)


def test_snmpd_may_end_and_come_back(idle):
    idle.start_receiver()
    idle.start()
    lease(idle, 3600)
    idle.create(1, "data")
    idle.wait_volume(1, ONLINE)
    said = len(idle.traps(dvsanMemberAnnounce))
    idle.snmpd.kill()
    idle.start_snmpd()
    wait_for("the volume to be seen again", lambda: idle.try_get(f"{dvsanVolumeName}.1") == "data")
    wait_for("an announcement", lambda: len(idle.traps(dvsanMemberAnnounce)) > said)


def test_the_epoch_counts_starts_and_the_generation_goes_on(box):
    box.create(1, "data")
    box.wait_volume(1, ONLINE)
    shown = [f"{oid}.0" for oid in (dvsanMemberEpoch, dvsanMemberGeneration, dvsanMemberUuid)]
    epoch, generation, member = box.get(*shown)
    for how in (box.agent.kill, lambda: box.agent.end()):
        how()
        box.start_agent()
        box.wait_volume(1, ONLINE)
        now = box.get(*shown)
        assert int(now[0]) == int(epoch) + 1
        assert int(now[1]) > int(generation)
        assert now[2] == member
        epoch, generation = now[:2]


def test_a_second_agent_on_the_same_state_is_refused(box):
    done = box.dvsan_unit(timeout=120)
    assert done.returncode != 0
    assert "is in use by another process" in done.stderr


@pytest.fixture(name="small")
def fixture_small(idle):
    """A unit whose state directory is a file system of its own, with little room."""
    (idle.dir / "state").mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M,mode=0700", "tmpfs", idle.dir / "state"],
                   check=True)
    try:
        idle.start()
        yield idle
        idle.agent.kill()
    finally:
        subprocess.run(["umount", "-l", idle.dir / "state"], check=True)


def test_what_cannot_be_recorded_is_refused(small):
    ballast = small.dir / "state/ballast"
    small.create(1, "before")
    small.wait_volume(1, ONLINE)
    with open(ballast, "wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(4096))
    refused = {}
    for index in range(2, 40):  # what is left in the journal's last block may do for some
        try:
            small.create(index, f"v{index}")
        except SnmpError as error:
            refused[index] = str(error)
    assert refused and all("commitFailed" in text for text in refused.values())
    ballast.unlink()
    taken = set(range(1, 40)) - set(refused)
    wait_for("those that were taken", lambda: set(small.volumes()) == taken)
    small.create(100, "after")
    small.wait_volume(100, ONLINE)
    small.agent.kill()
    small.start_agent()
    wait_for("all of them, online",
             lambda: small.volumes() == dict.fromkeys(taken | {100}, ONLINE))


def test_a_journal_that_somebody_reads_holds_up_nothing(box):
    """A SET is refused at once and the unit names the process; what is only asked is answered."""
    box.create(1, "before")
    box.wait_volume(1, ONLINE)
    with contextlib.closing(sqlite3.connect(box.dir / "state/unit.db", isolation_level=None)) as db:
        db.execute("BEGIN")
        db.execute("SELECT * FROM member").fetchall()
        with pytest.raises(SnmpError, match="commitFailed"):
            box.create(2, "meanwhile")
        why = wait_for("the unit to tell", lambda: box.get(f"{dvsanUnitLastError}.0"))
        assert why.startswith("changes cannot be recorded: ") and f"unit.db is locked by process {os.getpid()}" in why
        assert box.volumes() == {1: ONLINE}
    wait_for("no trouble", lambda: box.get(f"{dvsanUnitLastError}.0") == "")
    box.create(2, "after")
    box.wait_volume(2, ONLINE)


def test_an_agent_that_hung_takes_the_request_when_it_is_sent_again(box):
    """The master repeats what is not answered, gives up, and throws the agent out."""
    box.patience = ["-t", "1", "-r", "2"]
    for pause in (0, 1.5, 6):
        index = 1 + len(box.volumes())
        volume = uuid.uuid4().hex
        box.agent.popen.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + pause
        while time.monotonic() < deadline:
            with contextlib.suppress(SnmpError):
                box.create(index, f"v{index}", volume_uuid=volume)
        box.agent.popen.send_signal(signal.SIGCONT)
        wait_for("the volume to be taken", lambda: box.create(index, f"v{index}", volume_uuid=volume))
        box.wait_volume(index, ONLINE)
        box.agent.kill()
        box.start_agent()
        box.wait_volume(index, ONLINE)


class Storm(threading.Thread):
    """Kills and restarts the unit's daemons at random moments, or halts them for a while."""

    def __init__(self, box, rng, kills):
        super().__init__()
        self.box, self.rng, self.kills = box, rng, kills

    def run(self):
        for _ in range(self.kills):
            time.sleep(self.rng.uniform(0, 0.5))
            name = self.rng.choice(("agent", "agent", "tgtd", "snmpd"))
            process = getattr(self.box, name)
            if self.rng.random() < 0.25:
                process.popen.send_signal(signal.SIGSTOP)
                time.sleep(self.rng.uniform(0, 2))
                process.popen.send_signal(signal.SIGCONT)
                continue
            process.kill()
            time.sleep(self.rng.choice((0, 0, 0.2)))
            getattr(self.box, "start_" + name)()


class Client:
    """Asks for random things until each is granted, and remembers what there should be."""

    def __init__(self, box, rng):
        self.box, self.rng = box, rng
        self.volumes, self.rules = {}, {}

    def insist(self, *sets):
        wait_for(f"{sets} to be taken", lambda: self.box.set(*sets), 60)

    def step(self):
        index = self.rng.randint(1, 6)
        rules = [r for r in self.rules if r[0] == index]
        if index not in self.volumes:
            self.volumes[index] = uuid.UUID(int=self.rng.getrandbits(128)).hex
            self.insist(*create_set(index, f"v{index}", 4, self.volumes[index]))
        elif rules and self.rng.random() < 0.6:
            del self.rules[rules[0]]
            self.insist((f"{dvsanAccessRowStatus}.{index}.{rules[0][1]}", "i", DESTROY))
        elif rules or self.rng.random() < 0.6:
            rule = (index, self.rng.randint(1, 3))
            iqn = f"iqn.2026-11.host:h{rule[1]}"
            if rule not in self.rules:
                self.rules[rule] = iqn
                self.insist(*grant_set(*rule, iqn, f"user{rule[1]}", f"secret-of-user{rule[1]}"))
        else:
            del self.volumes[index]
            self.insist((f"{dvsanVolumeRowStatus}.{index}", "i", DESTROY))

    def satisfied(self):
        volumes, rules = self.box.volumes(), self.box.rules()
        files = {f.stem.replace("-", "") for f in (self.box.dir / "media").glob("*.img")}
        targets = {tid: acl for tid, (_, acl) in self.box.targets().items()}
        wanted = {i: sorted(iqn for rule, iqn in self.rules.items() if rule[0] == i)
                  for i in self.volumes}
        return volumes == dict.fromkeys(self.volumes, ONLINE) and \
            rules == dict.fromkeys(self.rules, ACTIVE) and targets == wanted and \
            files == set(self.volumes.values())


@pytest.mark.parametrize("turn", range(2))
def test_what_is_served_is_what_was_asked_for_whoever_was_killed(box, turn):
    seed = int(os.environ.get("DVSAN_SEED", random.SystemRandom().getrandbits(32)))
    print(f"turn {turn}; to repeat: DVSAN_SEED={seed}")
    box.patience = ["-t", "0.5", "-r", "0"]
    storm = Storm(box, random.Random(seed), 20)
    client = Client(box, random.Random(seed + 1))
    storm.start()
    try:
        while storm.is_alive() or len(client.volumes) < 2:
            client.step()
    finally:
        storm.join()
    wait_for(f"volumes {client.volumes} and rules {client.rules}", client.satisfied, 30)
    for (volume, rule), iqn in client.rules.items():
        assert box.inquire(box.iqn(volume), iqn, f"user{rule}", f"secret-of-user{rule}")


# ---- The command line

def run(*args):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, check=False, timeout=120)


def test_the_command_line_says_what_is_wrong(idle):
    assert run("--version").stdout.startswith("dvsan-unit ")
    assert run("--help").returncode == 0
    assert run("-t", "-c", idle.dir / "unit.xml").returncode == 0
    assert run("--nonsense").returncode == 2
    assert run("superfluous").returncode == 2
    missing = run("-t", "-c", "/nonexistent/unit.xml")
    assert missing.returncode != 0 and "/nonexistent/unit.xml" in missing.stderr
    idle.write_config('<medium index="1" name="m1" kind="dir" path="media" size="much"/>')
    bad = run("--check", "--config", idle.dir / "unit.xml")
    assert bad.returncode != 0 and "unit.xml:4" in bad.stderr and "much" in bad.stderr


def test_another_prefix_is_told_before_it_takes_volumes_away(box):
    box.create(1, "data")
    box.wait_volume(1, ONLINE)
    text = (box.dir / "unit.xml").read_text()
    box.write("other.xml", text.replace(f'iqn-prefix="{IQN}"', 'iqn-prefix="iqn.2026-11.test.other"'))
    assert run("--check", "-c", box.dir / "unit.xml").returncode == 0
    told = run("--check", "-c", box.dir / "other.xml")
    assert told.returncode == 3 and f"such as data with the target name {box.iqn(1)}; put the iqn-prefix" in told.stdout


def test_a_volume_of_another_prefix_is_not_gone_while_tgtd_has_it(box):
    """It is no target of this unit's any more, so the unit does not end it: its room would be given out again
    while hosts go on writing to it."""
    box.create(1, "data")
    box.wait_volume(1, ONLINE)
    name = box.iqn(1)
    box.agent.end()
    box.edit(f'iqn-prefix="{IQN}"', 'iqn-prefix="iqn.2026-11.test.other"')
    box.start_agent()
    box.wait_ready()
    box.destroy(1)
    wait_for("the deletion to wait for tgtd", lambda: f"open with the target name {name}: put the iqn-prefix"
             in box.get(f"{dvsanVolumeLastError}.1"))
    assert name in box.tgtadm("--mode", "target", "--op", "show")
    tid, = re.findall(f"Target (\\d+): {name}", box.tgtadm("--mode", "target", "--op", "show"))
    box.tgtadm("--mode", "target", "--op", "delete", "--tid", tid, "--force")
    wait_for("the volume to be gone", lambda: 1 not in box.volumes())

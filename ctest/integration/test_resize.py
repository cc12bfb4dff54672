# Volumes grow, move, shrink and are renamed: by SNMP alone on one unit, then through the station.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import os
import re
import struct
import subprocess
import threading
import time

import nbd
import pytest

from dvsan_oids import (dvsanFreeExtentEndLba, dvsanFreeExtentStartLba, dvsanVolumeBlocks, dvsanVolumeEndLba,
                        dvsanVolumeForce, dvsanVolumeLastError, dvsanVolumeName, dvsanVolumeSize, dvsanVolumeStartLba)
from support import initiators
from support.patience import until, wait_for
from support.raw_initiator import Lun
from support.snmp import SnmpError
from support.testlab import Refused
from support.unit_box import ACTIVE, ONLINE, own_box

LAB = {"units": 1, "hosts": 1}
TRUE = 1
WRITERS = 8
MIB = 2048  # blocks
ALICE, SECRET = "iqn.2026-11.host:alice", "secret-of-alice"


@pytest.fixture(name="box")
def fixture_box():
    with own_box(secret=SECRET) as box:
        box.start()
        yield box


def size_set(index, mib, force=False):
    sets = [(f"{dvsanVolumeSize}.{index}", "u", mib)]
    return sets + [(f"{dvsanVolumeForce}.{index}", "i", TRUE)] * force


def extent(box, index):
    """(start, end, size asked for) in MiB, with the end behind the last block."""
    start, blocks, end, size = map(int, box.get(*(f"{c}.{index}"
                                                  for c in (dvsanVolumeStartLba, dvsanVolumeBlocks,
                                                            dvsanVolumeEndLba, dvsanVolumeSize))))
    assert end == start + blocks - 1
    return start // MIB, (end + 1) // MIB, size


def free_extents(box):
    return [(int(start) // MIB, (int(end) + 1) // MIB)
            for start, end in box.table(dvsanFreeExtentStartLba, dvsanFreeExtentEndLba).values()]


def wait_free(box, *extents):
    wait_for(f"{extents} to be free", lambda: free_extents(box) == list(extents))


def wait_extent(box, index, start, end):
    wait_for(f"volume {index} at {start}..{end}", lambda: extent(box, index) == (start, end, end - start))
    box.wait_volume(index, ONLINE)


def capacity(box, index):
    """What an initiator is told, in MiB."""
    env = dict(os.environ, LIBISCSI_CHAP_USERNAME="alice", LIBISCSI_CHAP_PASSWORD=SECRET)
    done = subprocess.run(["iscsi-readcapacity16", "-i", ALICE,
                           f"iscsi://{box.portal}:3260/{box.iqn(index)}/1"],
                          env=env, capture_output=True, text=True, check=False, timeout=120)
    found = re.search(r"Total size:\s*(\d+)", done.stdout, re.I)
    return int(found[1]) >> 20 if found else done.stdout + done.stderr


def sessions(box):
    return re.findall(r"I_T nexus: (\d+)", box.tgtadm("--mode", "target", "--op", "show"))


def test_grows_in_place_then_moves_then_is_refused(box):
    box.create(1, "a", 16)
    box.create(2, "b", 16)
    for index in (1, 2):
        box.grant(index, 1, ALICE, "alice", SECRET)
        box.wait_rule(index, 1, ACTIVE)
    wait_free(box, (32, 256))

    box.set(*size_set(2, 40))
    wait_extent(box, 2, 16, 56)
    assert capacity(box, 2) == 40
    wait_free(box, (56, 256))
    box.set(*size_set(2, 40))  # an answer was lost

    box.set(*size_set(1, 32))  # volume 2 is behind it
    wait_extent(box, 1, 56, 88)
    assert capacity(box, 1) == 32
    wait_free(box, (0, 16), (88, 256))

    with pytest.raises(SnmpError, match="resourceUnavailable"):
        box.set(*size_set(2, 169))
    assert extent(box, 2) == (16, 56, 40)
    assert box.get(f"{dvsanVolumeLastError}.2") == ""
    assert "in one piece" in box.said()
    box.set(*size_set(2, 168))
    wait_extent(box, 2, 88, 256)
    assert box.get(f"{dvsanVolumeLastError}.2") == ""
    wait_free(box, (0, 56))


def test_shrinks_by_force_alone(box):
    box.serve(1, "a", 32, ALICE, "alice", SECRET)
    with pytest.raises(SnmpError, match="inconsistentValue"):
        box.set(*size_set(1, 16))
    assert extent(box, 1) == (0, 32, 32)
    assert "must be forced" in box.said()
    assert box.get(f"{dvsanVolumeForce}.1") == "2"
    box.set(*size_set(1, 16, force=True))
    wait_extent(box, 1, 0, 16)
    box.wait_rule(1, 1, ACTIVE)
    assert capacity(box, 1) == 16
    wait_free(box, (16, 256))


def test_a_request_stands_or_falls_whole(box):
    box.create(1, "a", 16)
    box.create(2, "b", 16)
    box.wait_volume(2, ONLINE)
    with pytest.raises(SnmpError, match="resourceUnavailable"):
        box.set((f"{dvsanVolumeName}.1", "s", "renamed"), *size_set(1, 32), *size_set(2, 240))
    assert (extent(box, 1), extent(box, 2)) == ((0, 16, 16), (16, 32, 16))
    assert box.get(f"{dvsanVolumeName}.1") == "a"
    box.set((f"{dvsanVolumeName}.1", "s", "renamed"), *size_set(1, 32))
    wait_extent(box, 1, 32, 64)
    assert box.get(f"{dvsanVolumeName}.1") == "renamed"


@pytest.mark.parametrize("who", ["agent", "tgtd"])
def test_a_kill_in_between_is_healed(box, who):
    """Whatever was killed when: the row, the file, and what initiators see agree in the end."""
    box.serve(1, "a", 8, ALICE, "alice", SECRET)
    path = next((box.dir / "media").glob("*.img"))
    for i, mib in enumerate((16, 24, 12, 32, 20, 40)):
        box.set(*size_set(1, mib, force=True))
        time.sleep(i * 0.002)
        getattr(box, who).kill()
        getattr(box, "start_" + who)()
        box.wait_ready()
        wait_extent(box, 1, 0, mib)
        box.wait_rule(1, 1, ACTIVE)
        assert path.stat().st_size == mib << 20
        wait_for("the new size", lambda mib=mib: capacity(box, 1) == mib)
        wait_free(box, (mib, 256))


class Reserving(Lun):
    """What SPC-4 calls PERSISTENT RESERVE IN and OUT; the reservation is one of the only writer."""

    def out(self, action, key, new_key=0):
        self.command(struct.pack(">BBB2xIx", 0x5F, action, 1, 24), struct.pack(">QQ8x", key, new_key))

    def registered(self):
        return int.from_bytes(self.command(struct.pack(">BB5xHx", 0x5E, 0, 512), room=512)[4:8], "big") // 8

    def can_write(self):
        try:
            self.write(0, bytes(512))
        except AssertionError as e:
            assert str(e).startswith("status 0x18"), e  # RESERVATION CONFLICT
            return False
        return True


def test_a_reservation_outlives_a_growth_and_keeps_out_its_holder(box):
    """tgtd shows it to nobody but initiators that are logged in, so the unit cannot ask for it."""
    register, reserve, preempt = 0, 1, 4
    box.serve(1, "a", 8, ALICE, "alice", SECRET)
    how = (box.portal, ALICE, box.iqn(1), "alice", SECRET)
    with contextlib.closing(Reserving(*how)) as host:
        host.out(register, 0, 0x5EC2E7)
        host.out(reserve, 0x5EC2E7)
        assert host.registered() == 1 and host.can_write()
        for mode in ("target", "system", "portal", "account", "lld", "session --tid 1", "connection --tid 1"):
            shown = box.tgtadm("-C", "0", "--op", "show", "--mode", *mode.split())
            assert not re.search("reserv|regist|5ec2e7", shown, re.I), shown
        box.set(*size_set(1, 16))
        wait_extent(box, 1, 0, 16)
    with contextlib.closing(Reserving(*how)) as host:
        assert host.registered() == 1 and not host.can_write()
        host.out(register, 0, 0x5EC2E7)
        assert not host.can_write()
        host.out(preempt, 0x5EC2E7, 0x5EC2E7)
        assert host.can_write()
        box.set(*size_set(1, 8, force=True))
        wait_extent(box, 1, 0, 8)
    with contextlib.closing(Reserving(*how)) as host:
        assert host.registered() == 0 and host.can_write()


# ---- Through the station

@pytest.fixture(name="volume", scope="module")
def fixture_volume(lab):
    """Two neighbours of 64 MiB, the first of which host1 uses; yields how it does."""
    lab.create("db", "64M")
    lab.create("behind", "64M")
    lab.assign("db", "host1")
    return initiators.access(lab, "host1", "db")


def patch(lab, volume, /, **what):
    return lab.client.ask("PATCH", f"/volumes/{volume}", what)


def place(lab, name):
    """(start, end) in MiB."""
    v = lab.volume(name)
    return v["start_lba"] // MIB, (v["end_lba"] + 1) // MIB


class Writer:
    """Writes block after block, from first on, until it is stopped; knows how long each took."""

    def __init__(self, uri, first, blocks):
        self.uri, self.first, self.blocks = uri, first, blocks
        self.longest, self.count, self.error = 0, 0, None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def data(self, count):
        return (self.first << 32 | count).to_bytes(8, "big") * 512

    def offset(self, count):
        return (self.first + count % self.blocks) * 4096

    def run(self):
        try:
            h = nbd.NBD()
            h.connect_uri(self.uri)
            while not self.over.is_set():
                before = time.monotonic()
                h.pwrite(self.data(self.count), self.offset(self.count))
                self.longest = max(self.longest, time.monotonic() - before)
                self.count += 1
            h.flush()
            h.shutdown()
        except nbd.Error as e:
            self.error = e

    def stop(self):
        self.over.set()
        self.thread.join(30)
        assert not self.error, self.error
        h = nbd.NBD()
        h.connect_uri(self.uri)
        for i in range(max(0, self.count - self.blocks), self.count):
            assert h.pread(4096, self.offset(i)) == self.data(i), f"write {i} is lost"
        size = h.get_size()
        h.shutdown()
        return size


def test_a_volume_in_use_grows_and_moves(lab, volume):
    """behind lies behind db: db moves, then grows in place; nothing that was written is lost."""
    session = initiators.tool(volume, "iscsi-readcapacity16").stdout
    assert str(64 << 20) in session
    with initiators.nbd(lab, volume, "grow") as uri:
        writers = [Writer(uri, i * 1000, 500) for i in range(WRITERS)]
        assert until(lambda: all(w.count > 500 for w in writers), 20)
        for mib in (80, 96, 128):
            task = lab.done(patch(lab, "db", size=f"{mib}M"))
            assert (task["kind"], task["progress"]) == ("volume_resize", 100)
            assert [s["state"] for s in task["steps"]] == ["done", "done"]
            assert lab.volume("db")["size"] == mib << 20
            written = [w.count for w in writers]
            assert until(lambda n=written: all(w.count > c + 100 for w, c in zip(writers, n)), 20)
        print(f"the longest of {sum(w.count for w in writers)} writes took "
              f"{max(w.longest for w in writers) * 1000:.0f} ms")
        sizes = {w.stop() for w in writers}
    assert sizes == {128 << 20}, "a new client is told the old size"
    assert place(lab, "db") == (128, 256)
    assert place(lab, "behind") == (64, 128)
    assert str(128 << 20) in initiators.tool(volume, "iscsi-readcapacity16").stdout


def test_free_extents_are_shown(lab, volume):
    del volume
    free = lab.client.get("/media")[0]["free_extents"]
    assert free[0] == {"start_lba": 0, "blocks": 64 * MIB, "end_lba": 64 * MIB - 1}
    assert free[1]["start_lba"] == 256 * MIB
    assert sum(e["blocks"] for e in free) == lab.client.get("/media")[0]["free_blocks"]
    assert lab.dvsan_json("medium", "list", "--extents")[0]["start_lba"] == 0
    assert "START LBA" in lab.dvsan("medium", "list", "--extents").stdout


def test_what_cannot_be_is_refused_with_the_reason(lab, volume):
    del volume
    before = lab.volume("db")
    for what, status, why in (({"size": "11G"}, 507, "in one piece"),
                              ({"size": "64M"}, 409, "must be forced"),
                              ({"size": 0}, 400, "more than zero"), ({"name": "behind"}, 409, "already"),
                              ({"name": "a/b"}, 400, "name"), ({}, 400, "either"),
                              ({"name": "x", "size": "1G"}, 400, "either"),
                              ({"name": "x", "force": True}, 400, "force")):
        with pytest.raises(Refused) as refused:
            patch(lab, "db", **what)
        assert (refused.value.status, why in str(refused.value)) == (status, True), refused.value
    assert lab.volume("db") == before
    lab.dvsan("volume", "resize", "db", "--size", "64M", code=None)
    assert lab.volume("db") == before


def test_the_command_line_resizes_and_renames(lab, volume):
    del volume
    lab.create("cli", "64M")
    assert "128M" in lab.dvsan("volume", "resize", "cli", "--size", "+64M").stdout
    assert "32M" in lab.dvsan("volume", "resize", "cli", "--size", "32M", "--force", "--yes").stdout
    assert lab.volume("cli")["size"] == 32 << 20
    assert "other" in lab.dvsan("volume", "rename", "cli", "other").stdout
    assert lab.volume("other")["size"] == 32 << 20
    with pytest.raises(Refused):
        lab.volume("cli")
    names = lab.column("unit1", dvsanVolumeName).values()
    assert "other" in names and "cli" not in names
    lab.dvsan("volume", "rename", "other", code=None)
    lab.done(lab.client.delete("/volumes/other"))


def test_a_unit_that_is_away_is_waited_for(lab, volume):
    """Room is promised meanwhile; the station may be killed; what is not begun can be taken back."""
    del volume
    lab.create("late", "1G")
    lab.run("kill", "unit1")
    assert until(lambda: lab.unit("unit1")["state"] == "down", 10)
    task = patch(lab, "late", size="2G")
    with pytest.raises(Refused, match="being resized"):
        patch(lab, "late", size="3G")
    renamed = patch(lab, "behind", name="behind2")
    lab.run("kill", "cms")
    lab.run("start", "cms")
    lab.run("start", "unit1")
    lab.done(lab.client.get(f"/tasks/{task['id']}"))
    lab.done(lab.client.get(f"/tasks/{renamed['id']}"))
    assert lab.volume("late")["size"] == 2 << 30
    assert lab.volume("behind2")["size"] == 64 << 20

    lab.run("kill", "unit1")
    assert until(lambda: lab.unit("unit1")["state"] == "down", 10)
    task = patch(lab, "late", size="3G")
    over = lab.client.ask("POST", f"/tasks/{task['id']}/cancel")
    assert over["state"] == "cancelled" and over["error"]["detail"] == "it was taken back", over
    lab.run("start", "unit1")
    assert until(lambda: lab.volume("late")["state"] == "online", 10)
    assert lab.volume("late")["size"] == 2 << 30
    lab.done(lab.client.delete("/volumes/late"))


def test_a_resize_is_done_when_the_volume_is_served(lab, volume):
    """Not when its file has its size: hosts cannot use it then, and do not see the new size."""
    del volume
    unit = lab.units["unit1"]
    lab.create("slow", "16M", unit="unit1")
    unit.stop(unit.tgtds[1])
    assert until(lambda: lab.volume("slow")["state"] == "failed", 20)
    for size, end in (("32M", "done"), ("48M", "cancelled"), ("64M", "deleted")):
        task = patch(lab, "slow", size=size)
        assert until(lambda size=size: lab.volume("slow")["size"] == int(size[:-1]) << 20 and
                     lab.client.get(f"/tasks/{task['id']}")["waiting"], 20)
        now = lab.client.get(f"/tasks/{task['id']}")
        assert now["state"] == "running" and "tgtd" in now["waiting"], now
        if end == "cancelled":
            over = lab.client.ask("POST", f"/tasks/{task['id']}/cancel")
            assert over["state"] == end and over["error"]["detail"] == \
                "the size is 48MiB already and stays so; the volume is served with it as soon as unit1 can", over
        elif end == "deleted":
            deleting = lab.client.delete("/volumes/slow")
            over = lab.client.get(f"/tasks/{task['id']}")
            assert over["state"] == "cancelled" and over["error"]["detail"] == "the volume is being deleted", over
        unit.start(unit.tgtds[1])
        if end == "deleted":
            lab.done(deleting)
            break
        if end == "done":
            lab.done(now)
        assert until(lambda: lab.volume("slow")["state"] == "online", 20)
        assert lab.volume("slow")["size"] == int(size[:-1]) << 20
        unit.stop(unit.tgtds[1])
        assert until(lambda: lab.volume("slow")["state"] == "failed", 20)


def test_what_an_snmp_manager_resizes_the_station_takes_over(lab, volume):
    del volume
    v = lab.create("direct", "64M")
    index = next(i for i, name in lab.column("unit1", dvsanVolumeName).items() if name == "direct")
    lab.snmp("unit1", "snmpset", f"{dvsanVolumeSize}.{index}", "u", 96, user="provision")
    assert until(lambda: lab.volume("direct")["size"] == 96 << 20, 10)
    lab.run("stop", "cms")
    lab.run("start", "cms")
    assert until(lambda: lab.volume("direct")["state"] == "online", 10)
    assert lab.volume("direct")["size"] == 96 << 20
    assert lab.volume("direct")["uuid"] == v["uuid"]
    lab.done(patch(lab, "direct", size="128M"))
    lab.done(lab.client.delete("/volumes/direct"))


def test_a_disk_volume_in_use_is_copied_by_force_alone(lab, volume):
    del volume
    with open(os.path.join(lab.work, "disk.img"), "wb") as f:
        f.truncate(512 << 20)
    lab.add_media("unit1", f'<medium index="2" name="disk" kind="disk" path="{lab.work}/disk.img"'
                           ' initialise="yes"/>')
    assert until(lambda: lab.has_medium("unit1", "disk"), 20)
    for name in ("on-disk", "in-its-way"):
        lab.create(name, "64M", unit="unit1", medium="disk")
    lab.assign("on-disk", "host1")
    with pytest.raises(Refused, match="must be copied") as refused:
        patch(lab, "on-disk", size="128M")
    assert refused.value.status == 409
    assert lab.volume("on-disk")["size"] == 64 << 20
    with pytest.raises(Refused, match="in one piece"):
        patch(lab, "on-disk", size="448M", force=True)
    task = lab.done(patch(lab, "on-disk", size="128M", force=True))
    assert task["progress"] == 100
    assert until(lambda: lab.volume("on-disk")["state"] == "online", 10)
    assert place(lab, "on-disk") == (129, 257)
    how = initiators.access(lab, "host1", "on-disk")
    assert until(lambda: str(128 << 20) in initiators.tool(how, "iscsi-readcapacity16", check=False).stdout, 10)

# All of it without root: station, unit and host as a user with no capability, and what that user needs for disks.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import uuid

import pytest

from dvsan_oids import dvsanVolumeBlocks, dvsanVolumeLastError, dvsanVolumeSize, dvsanVolumeStartLba
from support import BUILD, SOURCE, disks, initiators, net
from support.patience import until, wait_for
from support.snmp import tool_state
from support.testlab import TestLab
from support.unit_box import ONLINE, create_set, own_box

USER = 61234 # nobody's
DISK_GROUP = 6
MIB = 1 << 20
NO_RIGHTS = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--no-new-privs", "--inh-caps=-all",
             "--bounding-set=-all")

# What udev makes on Debian, which not every machine that runs tests has: loop devices for the group disk.
DEVICES = f"""
mount -t tmpfs -o mode=755 tmpfs "$1"
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "$1/${{node%:*}}" c 1 "${{node#*:}}"; done
mknod -m 660 "$1/loop-control" c 10 237
for n in $(seq 0 255); do mknod -m 660 "$1/loop$n" b 7 "$n"; done
chgrp {DISK_GROUP} "$1"/loop*
mkdir "$1/shm"
ln -s /proc/self/fd "$1/fd"
mount --move "$1" /dev
echo ready
read -r end
"""


def give(*paths):
    """To the user, with all that is in them."""
    for top in map(pathlib.Path, paths):
        for path in (top, *top.rglob("*")):
            os.chown(path, USER, USER, follow_symlinks=False)


@pytest.fixture(name="place")
def place_of_the_user():
    """A folder of the user: what is built may lie where it cannot go."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dvsan-user-"))
    shutil.copytree(os.path.join(BUILD, "bin"), folder / "build/bin")
    for name in ("examples/lab", "mibs", "snmp-agents/snmpd.conf.in"):
        source, target = pathlib.Path(SOURCE, name), folder / name
        target.parent.mkdir(exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    give(folder)
    yield folder
    shutil.rmtree(folder)


# ---- A pool of its own ------------------------------------------------------------------------

def as_user(*argv, env=None):
    done = subprocess.run([*NO_RIGHTS, "--clear-groups", *map(str, argv)], env=env, check=False,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{argv}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(name="lab")
def users_lab(place, monkeypatch):
    shutil.copy(os.path.join(SOURCE, "ctest/support/lsan.supp"), place)
    monkeypatch.setenv("LSAN_OPTIONS", f"print_suppressions=0:suppressions={place}/lsan.supp")
    with net.own_range() as n:
        lab = TestLab("test_unprivileged", f"127.17.{n}.10", folder=str(place / "lab"),
                      command=(*NO_RIGHTS, "--clear-groups", "--", str(place / "examples/lab/lab")),
                      build=str(place / "build"))
        give(lab.work)
        try:
            lab.up(1, hosts=1)
            yield lab
        finally:
            reports = lab.down()
    assert not reports, reports


def copy(lab, place, data, write):
    """Copies a file to the volume, or the volume to a file, as a host of the user's."""
    how = initiators.access(lab, "host1", "v1")
    params = initiators.params_file(place, how)
    give(params)
    both = f"'{data}' $uri" if write else f"$uri '{data}'"
    as_user(place / "build/bin/dvsan-nbd", "--run", f"nbdcopy --flush {both}", params)


def uids(lab):
    """Of all processes of the lab: (real, effective, capabilities)."""
    found = set()
    for p in [*lab.lab.station.processes, *lab.units["unit1"].processes]:
        status = pathlib.Path(f"/proc/{p.pid()}/status").read_text()
        real, effective = re.search(r"^Uid:\t(\d+)\t(\d+)", status, re.M).groups()
        found.add((int(real), int(effective), re.search(r"^CapEff:\t(\w+)", status, re.M)[1].strip("0")))
    return found


def test_pool_without_any_right(lab, place):
    assert uids(lab) == {(USER, USER, "")}
    pattern, back = place / "pattern", place / "back"
    pattern.write_bytes(os.urandom(32 * MIB))
    back.touch()
    give(pattern, back)
    lab.create("v1", "32M")
    lab.assign("v1", "host1")
    copy(lab, place, pattern, write=True)
    lab.done(lab.client.ask("PATCH", "/volumes/v1", {"size": "48M"}))
    for name in ("agent", "snmpd", "tgtd"):
        lab.run("stop", f"unit1/{name}")
        lab.run("start", f"unit1/{name}")
    assert until(lambda: lab.unit("unit1")["state"] == "up", 30)
    copy(lab, place, back, write=False)
    assert back.read_bytes() == pattern.read_bytes() + bytes(16 * MIB)
    lab.unassign("v1", "host1")
    assert not initiators.can_log_in({"portal": f"{lab.units['unit1'].address}:3260", "iqn": lab.volume("v1")["iqn"],
                                      "lun": 1, "initiator": "iqn.x:y", "user": None})
    lab.done(lab.client.delete("/volumes/v1"))
    assert list((place / "lab/unit1/media").glob("*.img")) == []
    assert uids(lab) == {(USER, USER, "")}


# ---- Disks ------------------------------------------------------------------------------------

class Devices:
    """A /dev of our own. prefix: what makes a command see it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="dvsan-dev-")
        self.holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-ec", DEVICES,
                                        "sh", self.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"ready\n"
        self.prefix = ("nsenter", "-t", str(self.holder.pid), "-m", "-r", "-w")

    def run(self, *argv):
        return subprocess.run([*self.prefix, *map(str, argv)], check=True, capture_output=True,
                              text=True).stdout.strip()

    def close(self):
        self.holder.stdin.close()
        self.holder.stdout.close()
        self.holder.wait()
        os.rmdir(self.folder)


@pytest.fixture(name="devices")
def private_devices():
    devices = Devices()
    yield devices
    devices.close()


@contextlib.contextmanager
def users_box(devices, place, groups, media):
    """A unit of the user's that runs; media: as in its configuration, of the files in its folder."""
    with own_box(prefix=(*devices.prefix, *NO_RIGHTS, groups)) as box:
        with open(box.dir / "disk.img", "wb") as f:
            f.truncate(256 * MIB)
        box.write_config(media)
        give(box.dir, tool_state())
        box.program = place / "build/bin/dvsan-unit"
        box.start()
        yield box


IMAGE = '<medium index="1" name="image" kind="disk" path="disk.img" initialise="yes"/>'
FOLDER = '<medium index="2" name="folder" kind="dir" path="media" size="64M"/>'


def grow(box, index, mib):
    box.set((f"{dvsanVolumeSize}.{index}", "u", mib))
    wait_for("the growth", lambda: box.get(f"{dvsanVolumeBlocks}.{index}") == str(mib * 2048))
    box.wait_volume(index, ONLINE)
    assert box.get(f"{dvsanVolumeLastError}.{index}") == ""


def end(box, index):
    box.destroy(index)
    wait_for(f"volume {index} to be gone", lambda: index not in box.volumes())


def served(box):
    """The paths behind the LUNs."""
    return re.findall(r"Backing store path: (/\S+)", box.tgtadm("--mode", "target", "--op", "show"))


def test_image_takes_the_group_disk(devices, place):
    with users_box(devices, place, "--clear-groups", IMAGE + FOLDER) as box:
        box.wait_medium(2)
        box.set(*create_set(2, "v2", 8, uuid.uuid4().hex, medium=2))
        box.wait_volume(2, ONLINE)
        text = box.said()
        assert "medium image is failed: the volumes on" in text
        assert "group of /dev/loop-control" in text


def test_image_in_the_group_disk(devices, place):
    with users_box(devices, place, f"--groups={DISK_GROUP}", IMAGE) as box:
        box.wait_medium(1)
        box.create(1, "v1")
        box.wait_volume(1, ONLINE)
        assert served(box)[0].startswith("/dev/loop")
        grow(box, 1, 24)
        end(box, 1)


@pytest.fixture(name="disk")
def disk_device():
    """A block device of the group disk; it ends by itself when nobody has it open any more."""
    with tempfile.NamedTemporaryFile(prefix="dvsan-disk-") as image:
        image.truncate(256 * MIB)
        name = disks.attach(image.name)
        yield name
        disks.detach(name)


def test_disk_in_the_group_disk(devices, place, disk):
    """New volumes get loop devices; a node that the kernel made at boot is used, and outlives its
    volume, which harms nobody."""
    node = disk + "p1"
    medium = f'<medium index="1" name="disk" kind="disk" path="{disk}" initialise="yes"/>'
    with users_box(devices, place, f"--groups={DISK_GROUP}", medium) as box:
        wait_for("the disk to be looked at", lambda: "without CAP_SYS_ADMIN, new volumes are served by loop devices"
             in box.said())
        box.wait_medium(1)
        box.create(1, "v1")
        box.wait_volume(1, ONLINE)
        assert served(box)[0].startswith("/dev/loop")
        start, blocks = box.get(f"{dvsanVolumeStartLba}.1", f"{dvsanVolumeBlocks}.1")
        assert box.agent.end() == 0
        box.tgtd.kill()
        subprocess.run(["addpart", disk, "1", start, blocks], check=True)
        try:
            number = pathlib.Path(f"/sys/class/block/{os.path.basename(node)}/dev").read_text().strip()
            devices.run("mknod", "-m", "660", node, "b", *number.split(":"))
            devices.run("chgrp", DISK_GROUP, node)
            box.start_tgtd()
            box.start_agent()
            box.wait_volume(1, ONLINE)
            assert served(box) == [node]
            grow(box, 1, 24)
            end(box, 1)
            box.create(3, "v3", mib=16)
            box.wait_volume(3, ONLINE)
            assert served(box)[0] != node
            end(box, 3)
        finally:
            subprocess.run(["delpart", disk, "1"], check=True)

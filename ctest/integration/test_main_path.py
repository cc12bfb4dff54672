"""Units join by themselves, a volume is made and given to a host, used, and taken away."""
import hashlib
import os
import subprocess

import nbd
import pytest

from dvsan_oids import dvsanVolumeEndLba
from support import initiators
from support.patience import until
from support.testlab import Refused

LAB = {"units": 3, "hosts": 2}
GIB_BLOCKS = (1 << 30) // 512
PATIENCE_SECONDS = 20


@pytest.fixture(scope="module")
def volume(lab):
    """A volume with data in it, given to host1; yields (how to reach it, the data's hash)."""
    lab.create("main", "64M")
    lab.assign("main", "host1")
    path = os.path.join(lab.work, "data")
    data = os.urandom(64 << 20)
    with open(path, "wb") as f:
        f.write(data)
    how = initiators.access(lab, "host1", "main")
    with initiators.nbd(lab, how) as uri:
        initiators.nbdcopy(path, uri)
    return how, hashlib.sha256(data).hexdigest()


def file_hash(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


# The pool

def test_the_pool_is_the_sum_of_its_units(lab):
    units = lab.client.get("/units")
    assert [u["state"] for u in units] == ["up"] * 3
    assert [u["blocks"] for u in units] == [10 * GIB_BLOCKS] * 3
    pool = lab.client.get("/pool")
    assert pool["blocks"] == sum(u["blocks"] for u in units)
    assert pool["free_blocks"] == sum(u["free_blocks"] for u in units)
    assert (pool["units"], pool["units_up"]) == (3, 3)


def test_cold_units_are_in_the_pool(lab):
    lab.create("cold1", "128M", unit="unit1")
    lab.create("cold2", "256M", unit="unit2")
    lab.create("cold3", "384M", unit="unit3")
    tables = {v["name"]: v for v in lab.client.get("/volumes")}
    names = list(lab.units)
    lab.run("stop", *names)
    assert lab.client.get("/pool")["blocks"] == 0
    lab.run("start", *names)
    assert until(lambda: lab.client.get("/pool")["units_up"] == 3, 30)
    # With the right tables: the same extents as before, as the unit itself tells them too.
    assert {v["name"]: v for v in lab.client.get("/volumes")} == tables
    for name, mebibytes in (("cold1", 128), ("cold2", 256), ("cold3", 384)):
        volume = tables[name]
        assert volume["blocks"] == mebibytes * 2048
        assert volume["end_lba"] == volume["start_lba"] + volume["blocks"] - 1
        assert str(volume["end_lba"]) in lab.column(volume["unit"], dvsanVolumeEndLba).values()
    for name in ("cold1", "cold2", "cold3"):
        lab.done(lab.client.delete(f"/volumes/{name}"))


def test_a_cold_station_finds_running_units(lab):
    before = lab.everything()
    lab.run("stop", "cms")
    lab.run("start", "cms")
    assert until(lambda: lab.client.get("/pool")["units_up"] == 3, 10)
    after = lab.everything()
    for what in ("volumes", "hosts", "assignments", "tasks"):
        assert after[what] == before[what]


def test_a_stopped_unit_is_out_at_once(lab):
    lab.run("stop", "unit3")
    unit = lab.unit("unit3")  # the command returns when the unit has said goodbye and is gone
    assert unit["state"] == "stopped"
    pool = lab.client.get("/pool")
    assert (pool["units_up"], pool["blocks"]) == (2, 20 * GIB_BLOCKS)
    lab.run("start", "unit3")
    assert lab.unit("unit3")["state"] == "up"
    assert lab.client.get("/pool")["blocks"] == 30 * GIB_BLOCKS


def test_a_killed_unit_is_out(lab):
    lab.run("kill", "unit3")
    assert until(lambda: lab.unit("unit3")["state"] == "down", PATIENCE_SECONDS)
    assert lab.client.get("/pool")["blocks"] == 20 * GIB_BLOCKS
    lab.run("start", "unit3")
    assert lab.client.get("/pool")["blocks"] == 30 * GIB_BLOCKS


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_unit_returns_with_its_volumes_and_rules(lab, volume, how):
    access, digest = volume
    unit = lab.volume("main")["unit"]
    before = lab.volume("main")
    lab.run(how, unit)
    assert until(lambda: lab.volume("main")["state"] == "unreachable", 10)
    lab.run("start", unit)
    assert until(lambda: lab.volume("main") == before, 10), lab.volume("main")
    assert until(lambda: initiators.can_log_in(access), 10)
    path = os.path.join(lab.work, "returned")
    with initiators.nbd(lab, access) as uri:
        initiators.nbdcopy(uri, path)
    assert file_hash(path) == digest


def test_rules_that_a_unit_missed_are_given_to_it(lab):
    lab.create("missed", "16M", unit="unit2")
    lab.run("stop", "unit2")
    task = lab.client.post("/assignments", {"volume": "missed", "host": "host2"})
    assert "unit2" in until(lambda: lab.client.get(f"/tasks/{task['id']}")["waiting"], 5)
    lab.run("start", "unit2")
    lab.done(task)
    assert initiators.can_log_in(initiators.access(lab, "host2", "missed"))
    lab.unassign("missed", "host2")
    lab.done(lab.client.delete("/volumes/missed"))


# Data

def test_data_comes_back_through_dvsan_nbd(lab, volume):
    access, digest = volume
    path = os.path.join(lab.work, "back")
    with initiators.nbd(lab, access) as uri:
        initiators.nbdcopy(uri, path)
    assert file_hash(path) == digest


def test_data_comes_back_by_qemu_img_and_an_iscsi_url(lab):
    lab.client.post("/hosts", {"name": "qemu", "iqn": initiators.QEMU_IQN,
                               "chap_secret": "qemu-has-its-own", "one_secret": True})
    lab.create("forqemu", "64M")
    lab.assign("forqemu", "qemu")
    info = lab.client.get("/hosts/qemu/connect-info")["volumes"][0]
    how = {"portal": info["portals"][0], "iqn": info["iqn"], "lun": info["lun"],
           "initiator": initiators.QEMU_IQN, "user": "qemu", "secret": "qemu-has-its-own"}
    path, back = (os.path.join(lab.work, name) for name in ("qemu", "qemu.back"))
    with open(path, "wb") as f:
        f.write(os.urandom(64 << 20))
    env = initiators.chap(how)
    initiators.qemu_img("convert", "-n", "-f", "raw", "-O", "raw", path, initiators.url(how),
                        env=env)
    initiators.qemu_img("convert", "-f", "raw", "-O", "raw", initiators.url(how), back, env=env)
    assert file_hash(back) == file_hash(path)
    # What one initiator wrote, the other reads.
    with initiators.nbd(lab, how) as uri:
        initiators.nbdcopy(uri, back)
    assert file_hash(back) == file_hash(path)
    refused = initiators.qemu_img("info", initiators.url(how), check=False,
                                  env=initiators.chap(dict(how, secret="not-the-secret")))
    assert refused.returncode != 0 and "Failed to log in" in refused.stderr, refused.stderr
    lab.unassign("forqemu", "qemu")
    lab.done(lab.client.delete("/volumes/forqemu"))
    lab.client.delete("/hosts/qemu")


def test_libiscsis_tools_see_the_volume(lab, volume):
    access, _ = volume
    said = initiators.tool(access, "iscsi-readcapacity16").stdout
    assert str(64 << 20) in said, said
    assert "DIRECT_ACCESS" in initiators.tool(access, "iscsi-inq").stdout
    done = subprocess.run(["iscsi-ls", "-i", access["initiator"],
                           f"iscsi://{access['portal']}"], env=initiators.chap(access),
                          capture_output=True, text=True, timeout=60, check=True)
    assert access["iqn"] in done.stdout


# Who may

@pytest.mark.parametrize("wrong, words", [
    ({"initiator": "iqn.2026-11.example:somebody"}, "Target not found"),
    ({"secret": "not-the-secret"}, "Authentication failure"),
    ({"user": "somebody"}, "Authentication failure"),
    ({"user": None}, "Authentication failure"),
    ({"initiator": "iqn.2026-11.example:somebody", "user": None}, ""),
])
def test_others_are_refused_at_login(lab, volume, wrong, words):
    access, _ = volume
    assert initiators.can_log_in(access)
    done = initiators.tool(dict(access, **wrong), "iscsi-inq", check=False)
    assert done.returncode != 0
    assert "Failed to log in" in done.stderr and words in done.stderr, done.stderr
    with pytest.raises((AssertionError, subprocess.CalledProcessError)):
        with initiators.nbd(lab, dict(access, **wrong, timeout_s=1), "refused") as uri:
            initiators.nbdcopy(uri, os.path.join(lab.work, "refused.data"))


def test_another_host_of_the_pool_is_refused(lab, volume):
    access, _ = volume
    info = lab.client.get("/hosts/host2")
    other = dict(access, initiator=info["iqn"], user=info["chap_user"], secret=lab.secret("host2"))
    assert not initiators.can_log_in(other)
    # Neither by lending the other's name or secret.
    assert not initiators.can_log_in(dict(other, initiator=access["initiator"]))
    assert not initiators.can_log_in(dict(access, initiator=info["iqn"]))


@pytest.fixture(params=["libiscsi", "dvsan-nbd"])
def session(request, lab):
    """A volume, and somebody who is using it: yields (how to reach it, whether a
    read by its session succeeds; None when that cannot be asked)."""
    lab.create("taken", "64M", unit="unit1")
    lab.assign("taken", "host1")
    how = initiators.access(lab, "host1", "taken")
    if request.param == "libiscsi":
        user = subprocess.Popen(["iscsi-perf", "-i", how["initiator"], "-m", "4",
                                 initiators.url(how)], env=initiators.chap(how),
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield how, None
        user.kill()
        user.wait()
    else:
        with initiators.nbd(lab, how, "taken") as uri:
            handle = nbd.NBD()
            handle.connect_uri(uri)

            def works():
                try:
                    handle.pread(4096, 0)
                    return True
                except nbd.Error:
                    return False
            yield how, works
            handle.shutdown()
    lab.done(lab.client.delete("/volumes/taken"))


def test_unassign_ends_live_sessions(lab, session):
    how, works = session
    assert until(lambda: served(lab, "unit1", how["iqn"]), 10)
    assert not works or works()
    task = lab.client.delete("/assignments/taken/host1")
    assert until(lambda: not served(lab, "unit1", how["iqn"]), 10, every=0.01)
    lab.done(task)
    assert not initiators.can_log_in(how)
    assert not works or not works()
    assert not served(lab, "unit1", how["iqn"])


def served(lab, unit, iqn):
    """Whether an initiator is connected to this target, as tgtd itself says."""
    member = lab.units[unit]
    said = subprocess.run(["tgtadm", "-C", str(member.control_port(1)), "--lld", "iscsi", "--mode", "target",
                           "--op", "show"], env=dict(os.environ, **member.tgt_environment()),
                          capture_output=True, text=True, check=True).stdout
    target = next(t for t in said.split("Target ") if iqn in t)
    return "Connection:" in target


def test_a_volume_in_use_by_a_host_is_not_deleted(lab, volume):
    before = lab.volume("main")
    with pytest.raises(Refused) as e:
        lab.client.delete("/volumes/main")
    assert e.value.status == 409 and "host1" in str(e.value)
    assert lab.volume("main") == before


def test_the_command_line_does_it_all(lab):
    lab.dvsan("volume", "create", "bycli", "--size", "32M", "--unit", "unit2")
    lab.dvsan("volume", "assign", "bycli", "--host", "host2")
    assert [v for v in lab.dvsan_json("volume", "list") if v["name"] == "bycli"] == \
        [lab.volume("bycli")]
    info = lab.dvsan("host", "connect-info", "host2").stdout
    assert "iscsiadm" in info and lab.volume("bycli")["iqn"] in info
    assert lab.secret("host2") not in info
    params = os.path.join(lab.work, "bycli.json")
    lab.dvsan("volume", "unassign", "bycli", "--host", "host2", "--yes")
    lab.dvsan("volume", "delete", "bycli", "--yes")
    assert not os.path.exists(params)
    assert "bycli" not in lab.dvsan("volume", "list").stdout

"""libiscsi's own suite passes as many tests on volumes of each kind as on a bare tgtd with a file."""
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tools import initiators, net
from tools.testlab import until
from dvsanlab import probe
from dvsanlab.process import Process, kill_all

LAB = {"units": 1}
FIRST = "iqn.2007-10.com.github:sahlberg:libiscsi:iscsi-test"
SECOND = FIRST + "-2"
SECRET = "conformance-0001"
SIZE_MIB = 256
FAMILIES = ("ALL", "SCSI", "iSCSI", "LINUX")
LIMIT_SECONDS = 200  # for a family; it takes 3 on an idle machine, and a busy one decides nothing
BARE_TID = 1


def run_family(folder, name, family, url, user):
    """Returns (run, passed) and the names of the tests that failed."""
    env = dict(os.environ)
    if user:
        env.update(LIBISCSI_CHAP_USERNAME=user, LIBISCSI_CHAP_PASSWORD=SECRET)
    path = os.path.join(folder, f"{name}.{family}.log")
    with open(path, "w", encoding="utf-8") as f:
        subprocess.run(["iscsi-test-cu", "-d", "-n", "-t", family, "-i", FIRST, "-I", SECOND, url],
                       env=env, stdout=f, stderr=f, timeout=LIMIT_SECONDS, check=False)
    with open(path, encoding="utf-8", errors="replace") as f:
        said = f.read()
    summary = re.search(r"^\s+tests\s+\d+\s+(\d+)\s+(\d+)", said, re.M)
    assert summary, said[-2000:]
    failed = re.findall(r"^Suite (\S+), Test (\S+) had failures", said, re.M)
    return (int(summary[1]), int(summary[2])), {f"{family}.{s}.{t}" for s, t in failed}


def run_suite(folder, name, url, user):
    """All of it. Each family is a process of its own: some tests are in several, and one that
    wraps a function of libiscsi's wraps its own wrapper the second time, and calls itself."""
    counts, failed = [0, 0], set()
    for family in FAMILIES:
        (run, passed), names = run_family(folder, name, family, url, user)
        counts[0] += run
        counts[1] += passed
        failed |= names
    return tuple(counts), failed


def tgtadm(env, *args):
    subprocess.run(["tgtadm", "-C", "99", "--lld", "iscsi", *args], env=dict(os.environ, **env),
                   capture_output=True, text=True, check=True)


def bare_tgtd(folder, address):
    """A tgtd with one rdwr file and no access control at all."""
    path = os.path.join(folder, "bare.img")
    with open(path, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, SIZE_MIB << 20)
    env = {"TGT_IPC_SOCKET": os.path.join(folder, "bare.sock")}
    server = Process("bare", folder, ["/usr/sbin/tgtd", "-f", "-C", "99", "-t", "2", "--iscsi",
                                      f"portal={address}:3260"], env)
    server.start()
    server.wait_ready(lambda: probe.tcp_answers(address, 3260)
                      and probe.unix_answers(env["TGT_IPC_SOCKET"] + ".99"), 30)
    tid = ("--tid", str(BARE_TID))
    tgtadm(env, "--mode", "target", "--op", "new", *tid, "-T", "iqn.2026-11.bare:1")
    tgtadm(env, "--mode", "logicalunit", "--op", "new", *tid, "--lun", "1", "-b", path,
           "--bstype", "rdwr")
    tgtadm(env, "--mode", "target", "--op", "bind", *tid, "-I", "ALL")
    return server, f"iscsi://{address}:3260/iqn.2026-11.bare:1/1"


@pytest.fixture(scope="module")
def volumes(lab):
    """A volume on a medium of each kind, for both initiators: kind -> its URL."""
    for name, mib in (("disk", SIZE_MIB + 8), ("device", SIZE_MIB)):
        with open(os.path.join(lab.work, name + ".img"), "wb") as f:
            f.truncate(mib << 20)
    lab.add_media("unit1", f'<medium index="2" name="disk" kind="disk" path="{lab.work}/disk.img"'
                           f' initialise="yes"/><medium index="3" name="device" kind="device"'
                           f' path="{lab.work}/device.img"/>')
    lab.client.post("/hosts", {"name": "first", "iqn": FIRST, "chap_secret": SECRET})
    lab.client.post("/hosts", {"name": "second", "iqn": SECOND, "chap_secret": SECRET})
    assert until(lambda: lab.has_medium("unit1", "disk") and lab.has_medium("unit1", "device"), 20)
    for kind, medium in (("dir", "pool0"), ("disk", "disk"), ("device", "device")):
        lab.create(kind, f"{SIZE_MIB}M", unit="unit1", medium=medium)
        lab.assign(kind, "first")
        lab.assign(kind, "second")
    info = lab.client.get("/hosts/first/connect-info")["volumes"]
    return {v["name"]: f"iscsi://{v['portals'][0]}/{v['iqn']}/{v['lun']}" for v in info}


def test_volumes_are_as_good_as_a_bare_tgtd(lab, volumes):
    with net.own_range() as n, ThreadPoolExecutor() as pool:
        server, bare = bare_tgtd(lab.work, f"127.17.{n}.10")
        try:
            runs = {kind: pool.submit(run_suite, lab.work, "suite." + kind, url, "first")
                    for kind, url in volumes.items()}
            expected, bare_failed = run_suite(lab.work, "suite.bare", bare, None)
            results = {kind: run.result() for kind, run in runs.items()}
        finally:
            kill_all([server])  # tgtd does not end by SIGTERM
    print(f"bare tgtd: {expected}, volumes: " + ", ".join(f"{k}: {r[0]}" for k, r in results.items()))
    for kind, (got, failed) in results.items():
        assert got[0] == expected[0], kind
        assert got[1] >= expected[1], (kind, sorted(failed - bare_failed))
        # The volume and its unit are as well as before.
        assert until(lambda k=kind: lab.volume(k)["state"] == "online", 5)

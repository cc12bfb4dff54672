"""Each test of libiscsi's own suite ends on volumes of each kind as on a bare tgtd with a file."""
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import net
from support.patience import until
from dvsanlab import probe
from dvsanlab.process import Process, kill_all

LAB = {"units": 1}
FIRST = "iqn.2007-10.com.github:sahlberg:libiscsi:iscsi-test"
SECOND = FIRST + "-2"
SECRET = "conformance-0001"
SIZE_MIB = 256
FAMILIES = ("ALL", "SCSI", "iSCSI", "LINUX")
TESTS = 615  # in all families together
LIMIT_SECONDS = 700  # for a family; it takes 3 on an idle machine, and a busy one decides nothing
BARE_TID = 1


def run_tests(folder, name, tests, url, user):
    """How each of these tests ended: {FAMILY.SUITE.TEST: passed or FAILED, and whether it was skipped}."""
    env = dict(os.environ)
    if user:
        env.update(LIBISCSI_CHAP_USERNAME=user, LIBISCSI_CHAP_PASSWORD=SECRET)
    path = os.path.join(folder, f"{name}.{tests}.log")
    with open(path, "w", encoding="utf-8") as out, open(path + ".errors", "w", encoding="utf-8") as errors:
        subprocess.run(["iscsi-test-cu", "-d", "-v", "-t", tests, "-i", FIRST, "-I", SECOND, url],
                       env=env, stdout=out, stderr=errors, timeout=LIMIT_SECONDS, check=False)
    with open(path, encoding="utf-8", errors="replace") as f:
        said = f.read()
    summary = re.search(r"^\s+tests\s+\d+\s+(\d+)\s+(\d+)", said, re.M)
    assert summary, said[-2000:]
    found, suite = {}, None
    for part in re.split(r"^(?=Suite: |  Test: )", said, flags=re.M):
        if part.startswith("Suite: "):
            suite = part.split()[1]
        test = re.match(r"  Test: (\S+) \.\.\.", part)
        if test:  # what it says stands between that and how it ended
            ended = re.search(r"(?:\.\.\.|^)(passed|FAILED)", part, re.M)
            found[f"{tests.split('.')[0]}.{suite}.{test[1]}"] = (ended[1], "[SKIPPED]" in part)
    ended = [how for how, _ in found.values()]
    assert (len(ended), ended.count("passed")) == (int(summary[1]), int(summary[2])), path
    return found


def run_suite(folder, name, url, user):
    """All of it. Each family is a process of its own: some tests are in several, and one that
    wraps a function of libiscsi's wraps its own wrapper the second time, and calls itself."""
    found = {}
    for family in FAMILIES:
        found.update(run_tests(folder, name, family, url, user))
    return found


def different(bare, volume):
    return {name: (bare.get(name), volume.get(name)) for name in bare.keys() | volume.keys()
            if bare.get(name) != volume.get(name)}


def count(results):
    """(run, passed, skipped)"""
    return (len(results), sum(how == "passed" for how, _ in results.values()),
            sum(skipped for _, skipped in results.values()))


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
    # Both initiators of the suite log in with one account's secret, which it is told by the environment.
    for name, iqn in (("first", FIRST), ("second", SECOND)):
        lab.client.post("/hosts", {"name": name, "iqn": iqn, "chap_secret": SECRET, "one_secret": True})
    assert until(lambda: lab.has_medium("unit1", "disk") and lab.has_medium("unit1", "device"), 20)
    for kind, medium in (("dir", "pool0"), ("disk", "disk"), ("device", "device")):
        # Not thin, as the bare one: with UNMAP the suite runs other tests (see test_unmap.py for these).
        lab.create(kind, f"{SIZE_MIB}M", unit="unit1", medium=medium, thin=False)
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
            expected = run_suite(lab.work, "suite.bare", bare, None)
            results = {kind: run.result() for kind, run in runs.items()}
            # A busy machine may let a test fail that looks at the clock: those are run again, alone.
            for kind, got in results.items():
                for name in different(expected, got):
                    expected.update(run_tests(lab.work, "again.bare", name, bare, None))
                    got.update(run_tests(lab.work, "again." + kind, name, volumes[kind], "first"))
        finally:
            kill_all([server])  # tgtd does not end by SIGTERM
    print(f"bare tgtd: {count(expected)}, volumes: "
          + ", ".join(f"{kind}: {count(got)}" for kind, got in results.items()))
    assert len(expected) == TESTS
    for kind, got in results.items():
        assert not different(expected, got), kind
        # The volume and its unit are as well as before.
        assert until(lambda k=kind: lab.volume(k)["state"] == "online", 5)

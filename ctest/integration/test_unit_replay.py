# A unit with a thousand volumes whose tgtd is killed: all is served again, soon, to whom it was.
# SPDX-License-Identifier: BSD-2-Clause
import os
import re
import signal
import time
import uuid

import pytest

from dvsan_oids import dvsanMemberOperState
from support import stand
from support.patience import wait_for
from support.unit_box import ACTIVE, ONLINE, RUNNING, Supervised, create_set, grant_set, own_box

# tgtd takes a time for the n-th CHAP account that grows with n * n, and each host has two; a thousand
# hosts take it 4 s longer.
VOLUMES, HOSTS, RULES, THREADS = 1000, 100, 2, 2
AT_ONCE = 20  # rows in one SET
CPU_SECONDS = 4  # of agent and tgtd for all; how long it takes depends on who else uses the machine
SPARE_THREADS = 8


@pytest.fixture(name="box", scope="module")
def fixture_box():
    with own_box(Supervised) as box:
        box.log = "info"
        box.write_config('<medium index="1" name="m1" kind="dir" path="media" size="4G"/>')
        box.start()
        fill(box)
        yield box


def initiators(volume):
    """Those that a volume admits."""
    return [f"iqn.2026-11.host:h{(volume + k) % HOSTS}" for k in range(RULES)]


def user(initiator):
    return initiator.partition(":")[2]


def fill(box):
    rows = [create_set(i, f"v{i}", 1, uuid.uuid4().hex) for i in range(1, VOLUMES + 1)]
    rows += [grant_set(i, k, name, user(name), f"secret-of-{user(name)}"[:16])
             for i in range(1, VOLUMES + 1) for k, name in enumerate(initiators(i), 1)]
    for at in range(0, len(rows), AT_ONCE):
        box.set(*(triple for row in rows[at:at + AT_ONCE] for triple in row))
    wait_for("all to be served", lambda: all_served(box), 180)


def all_served(box):
    if box.get(f"{dvsanMemberOperState}.0") != RUNNING:
        return False
    volumes = box.volumes()
    if len(volumes) < VOLUMES or set(volumes.values()) != {ONLINE}:
        return False
    rules = box.rules()
    return len(rules) == VOLUMES * RULES and set(rules.values()) == {ACTIVE}


def served(box):
    """What tgtd has: volume's index -> (name, initiators, accounts)."""
    found, part = {}, None
    for line in box.tgtadm("--mode", "target", "--op", "show").splitlines():
        match = re.match(r"Target (\d+): (\S+)", line)
        if match:
            names, accounts = set(), set()
            found[box.index_of(match[2])] = (match[2], names, accounts)
        elif line.strip() in ("Account information:", "ACL information:"):
            part = accounts if "Account" in line else names
        elif re.match(r"    \S", line):
            part = None
        elif part is not None and line.strip():
            part.add(line.strip())
    return found


def threads_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"^Threads:\s+(\d+)", f.read(), re.M)[1])


def wanted(box, iqns):
    guard = {a for a in next(iter(served(box).values()))[2] if a.startswith("dvsan:guard:")}
    assert len(guard) == 1
    return {i: (iqns[i], set(initiators(i)), guard | {user(n) for n in initiators(i)}) for i in iqns}


def test_all_is_served_again(box):
    """Every volume, to exactly the initiators of its rules, by a bounded number of threads."""
    before = served(box)
    iqns = {tid: target[0] for tid, target in before.items()}
    assert len(iqns) == VOLUMES and before == wanted(box, iqns)
    for _ in range(2):
        pid, cpu = box.tgtd_pid(), stand.computed(box.agent.popen.pid)
        started = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        wait_for("another tgtd", lambda old=pid: box.tgtd_pid() not in (None, old))
        up = time.monotonic() - started
        wait_for("all to be served again", lambda: all_served(box), 120)
        took = time.monotonic() - started
        threads = threads_of(box.tgtd_pid())
        cpu = stand.computed(box.agent.popen.pid) - cpu, stand.computed(box.tgtd_pid())
        print(f"\n{VOLUMES} volumes with {RULES} rules each: tgtd was there again after {up:.2f} s, "
              f"all was served after {took:.2f} s, by {threads} threads; of that the agent computed "
              f"{cpu[0]:.2f} s and tgtd {cpu[1]:.2f} s")
        assert served(box) == wanted(box, iqns)
        assert VOLUMES * THREADS < threads <= 1 + VOLUMES * THREADS + SPARE_THREADS
        if not os.environ.get("DVSAN_SANITIZE"):
            assert sum(cpu) < CPU_SECONDS


def test_the_agent_starts_again(box):
    """It finds all as it should be, and changes nothing."""
    pid, before = box.tgtd_pid(), served(box)
    box.agent.kill()
    started = time.monotonic()
    box.start_agent()
    box.wait_ready()
    wait_for("all to be served", lambda: all_served(box), 60)
    print(f"\nthe agent knew of all {VOLUMES} volumes {time.monotonic() - started:.2f} s after its start")
    assert box.tgtd_pid() == pid and served(box) == before

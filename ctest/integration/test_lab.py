"""The lab itself: labs side by side, members by name, nothing left behind."""
import os
import signal
import stat
import subprocess

import pytest

from dvsan_oids import dvsanMemberName
from support import net
from support.oids import SYS_DESCR
from support.patience import until, wait_for
from support.stand import LOST_SENDERS
from support.testlab import SANITIZER, TestLab, labs
from support.unit_box import own_box
from dvsanlab.process import start_time, strays

LAB = {"units": 1, "hosts": 1}


def pids(lab):
    return {p.name: p.pid() for member in lab.lab.members for p in member.processes}


def test_it_can_be_brought_up_again(lab):
    before = pids(lab)
    assert all(before.values()), before
    lab.run("up")
    assert pids(lab) == before


@pytest.mark.parametrize("end, bad", [(lambda agent: agent.end(signal.SIGABRT), True),
                                      (lambda agent: agent.kill(), False), (lambda agent: agent.end(), False),
                                      (lambda agent: None, False)])
def test_an_agent_that_died_by_itself_is_told(end, bad):
    """A box takes its end by a test for none, and a fault of its own for one, though the test itself passed."""
    def run():
        with own_box() as box:
            box.start_agent()
            wait_for("the agent to run", lambda: "the unit is " in box.said())
            end(box.agent)
    if bad:
        with pytest.raises(AssertionError, match="SIGABRT"):
            run()
    else:
        run()


def test_an_agent_that_does_not_start_is_told():
    with pytest.raises(AssertionError, match="the agent ended with 2"), own_box() as box:
        box.write("unit.xml", "<unit/>")
        box.start_agent()
        wait_for("its end", lambda: not box.agent.running())


def test_secrets_are_for_their_owner_only(lab):
    for folder, _, names in os.walk(os.path.join(lab.folder, "secrets")):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        for name in names:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600


def test_no_secret_is_in_an_argument_or_a_log(lab):
    folder = os.path.join(lab.folder, "secrets")
    kept = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="ascii") as f:
            kept[name] = f.read().strip().encode()
    assert {"admin", "token", "monitor", "provision", "notify", "host1"} <= set(kept)
    said = {path: open(path, "rb").read() for path in lab.logs()}
    for name, pid in pids(lab).items():
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            said[name] = f.read()
    for place, text in said.items():
        for name, value in kept.items():
            assert value not in text, f"the secret {name} is in {place}"


def test_the_tools_reach_a_unit_as_env_says(lab):
    exports = lab.run("env")
    done = subprocess.run(
        ["bash", "-c", exports + "\nMIBS= snmpwalk -On $DVSAN_UNIT1_SNMP "
         f"{dvsanMemberName} && dvsan pool show"],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"unit1"' in done.stdout


def test_monitoring_sees_the_machine(lab):
    """The user dvsan-monitor reads what templates for Linux hosts ask for beside dvsan's own tables."""
    for what, oid in (("memory", "1.3.6.1.4.1.2021.4.5.0"), ("load", "1.3.6.1.4.1.2021.10.1.3.1"),
                      ("processor", "1.3.6.1.4.1.2021.11.53.0"), ("uptime", "1.3.6.1.2.1.25.1.1.0"),
                      ("interfaces", "1.3.6.1.2.1.2.1.0")):
        assert "No Such" not in lab.snmp("unit1", "snmpget", "-Oqv", oid).stdout, what


def test_old_versions_of_snmp_are_refused(lab):
    address = f"udp:{lab.units['unit1'].address}:1161"
    for version in ("1", "2c"):
        done = subprocess.run(["snmpget", "-v", version, "-c", "public", "-t", "0.3", "-r", "0",
                               address, SYS_DESCR], env=dict(lab.env, MIBS=""),
                              capture_output=True, text=True, check=False)
        assert "Timeout" in done.stderr, done.stdout + done.stderr


def test_a_process_is_killed_and_started(lab):
    before = pids(lab)
    lab.run("kill", "unit1/tgtd")
    assert pids(lab) == dict(before, **{"unit1/tgtd": None})
    lab.run("start", "unit1/tgtd")
    after = pids(lab)
    assert after["unit1/tgtd"] not in (None, before["unit1/tgtd"])
    assert until(lambda: lab.unit("unit1")["state"] == "up", 30)


def test_what_a_person_changed_is_kept(lab):
    """Also by a lab whose program makes other files than it did when it made these."""
    unit = lab.units["unit1"]
    made = {}
    for name in ("unit.xml", "snmpd.conf"):
        with open(unit.path(name), encoding="utf-8") as f:
            made[name] = f.read()
        with open(unit.path(name), "a", encoding="utf-8") as f:
            f.write("<!-- mine -->\n" if name == "unit.xml" else "# mine\n")
    assert "changed by hand" not in lab.run("start", "unit1")  # nothing is left out by keeping it
    for name, text in made.items():
        with open(unit.path(name), encoding="utf-8") as f:
            assert f.read().startswith(text) and "mine" in open(unit.path(name)).read()
    with open(unit.path("unit.xml.made"), "a", encoding="utf-8") as f:
        f.write("<!-- as an earlier program made it -->\n")
    assert f"{unit.path('unit.xml')} was changed by hand" in lab.run("start", "unit1")
    assert "mine" in open(unit.path("unit.xml"), encoding="utf-8").read()
    os.unlink(unit.path("unit.xml"))
    lab.run("start", "unit1")
    with open(unit.path("unit.xml"), encoding="utf-8") as f:
        assert f.read() == made["unit.xml"]


def test_an_agent_that_ends_at_once_is_not_waited_for(lab):
    unit = lab.units["unit1"]
    lab.run("stop", "unit1/agent")
    with open(unit.path("unit.xml"), encoding="utf-8") as f:
        made = f.read()
    with open(unit.path("unit.xml"), "w", encoding="utf-8") as f:
        f.write(made.replace("<unit ", "<unti ").replace("</unit>", "</unti>"))
    with pytest.raises(AssertionError, match="unit1/agent has ended. Its log is"):
        lab.run("start", "unit1/agent")
    with open(unit.path("unit.xml"), "w", encoding="utf-8") as f:
        f.write(made)
    lab.run("start", "unit1/agent")


def test_a_process_is_not_taken_for_another_with_its_pid(lab):
    pidfile = lab.units["unit1"].tgtds[1].pidfile
    with open(pidfile, encoding="ascii") as f:
        kept = f.read()
    innocent = subprocess.Popen(["sleep", "60"])
    try:
        boot = kept.split()[2]
        for forged in (f"{innocent.pid} 1 {boot}\n",
                       f"{innocent.pid} {start_time(innocent.pid)} 00000000\n", "", "garbage\n"):
            with open(pidfile, "w", encoding="ascii") as f:
                f.write(forged)
            lab.units["unit1"].tgtds[1].stop()
            assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()
        with open(pidfile, "w", encoding="ascii") as f:
            f.write(kept)
    assert lab.units["unit1"].tgtds[1].pid()


@pytest.mark.parametrize("args, words", [
    (("stop", "unit7"), "has no member 'unit7'"),
    (("stop", "unit1/nothing"), "has no process 'nothing'"),
    (("up", "--base", "127.99.0.1"), "take it down first"),
    (("up", "--units", "0"), "to make it smaller take it down first"),
])
def test_mistakes_are_explained(lab, args, words):
    with pytest.raises(AssertionError, match=words):
        lab.run(*args)


def test_a_folder_that_is_no_lab_is_left_alone(lab):
    folder = os.path.join(lab.work, "mine")
    os.makedirs(folder)
    with open(os.path.join(folder, "precious"), "w", encoding="ascii") as f:
        f.write("precious")
    for command in ("up", "down"):
        with pytest.raises(labs.LabError):
            if command == "up":
                labs.up(labs.places.Settings(folder, "127.99.0.1", 1, 0, lab.lab.settings.build))
            else:
                labs.down(folder)
    assert os.listdir(folder) == ["precious"]


def test_two_side_by_side_and_nothing_is_left_behind(lab):
    with net.own_range() as n:
        second = TestLab("test_lab_second", f"127.17.{n}.10")
        second.up(units=2)
        assert {u["name"] for u in second.client.get("/units")} == {"unit1", "unit2"}
        assert {u["name"] for u in lab.client.get("/units")} == {"unit1"}
        # Also what a crashed command has left: a process whose file was never written.
        os.unlink(second.units["unit2"].snmpd.pidfile)
        running = [pid for pid, _ in strays(second.folder)]
        assert len(running) == 7, running
        second.run("down")
        assert not strays(second.folder)
        assert not os.path.exists(second.folder)
        assert not any(os.path.exists(f"/proc/{pid}") and start_time(pid) for pid in running)
        second.run("down")  # again, and nothing happens
        assert not second.down()
    assert all(pids(lab).values())


def test_down_works_after_any_crash(lab):
    with net.own_range() as n:
        second = TestLab("test_lab_crashed", f"127.17.{n}.10")
        second.up(units=1)
        for pid, _ in strays(second.folder):
            os.kill(pid, signal.SIGKILL)
        for path in ("lab.json", "unit1/snmpd.pid"):
            with open(os.path.join(second.folder, path), "w", encoding="ascii") as f:
                f.write("{")
        second.run("down")
        assert not os.path.exists(second.folder)


def test_a_leak_of_the_library_hides_none_of_ours():
    leak = ("Direct leak of {size} byte(s) in {count} object(s) allocated from:\n"
            "    #0 0x7fb488cb83b7 in __interceptor_calloc ../../src/libsanitizer/asan/asan_malloc_linux.cpp:77\n"
            "    #1 0x7fb488bae95a  (/lib/x86_64-linux-gnu/{library}+0x9195a)\n"
            "    #2 0x7ffe30906bbf  ([stack]+0x1ebbf)\n\n")
    def report(*leaks):
        return ("==4421==ERROR: LeakSanitizer: detected memory leaks\n\n" + "".join(leaks) +
                "SUMMARY: AddressSanitizer: 110 byte(s) leaked in 1 allocation(s).\nmore\n")
    lost = leak.format(size=110, count=1, library="libnetsnmp.so.40")
    twice = leak.format(size=220, count=2, library="libnetsnmp.so.40")
    for leaks, told in (((lost,), False), ((lost, lost), False), ((twice,), False), ((), True),
                        ((lost, leak.format(size=111, count=1, library="libnetsnmp.so.40")), True),
                        ((leak.format(size=110, count=1, library="libevent-2.1.so.7"), lost), True)):
        assert bool(SANITIZER.search(LOST_SENDERS.sub("", report(*leaks)))) == told, leaks

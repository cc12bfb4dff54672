# docs/SNMP.md: what is typed there does what it says there, on a unit of a lab.
# SPDX-License-Identifier: BSD-2-Clause
import os
import re
import signal
import subprocess

import pytest

from dvsanlab import snmp
from support import BUILD, SOURCE, patience
from support.testlab import LAB as LAB_COMMAND

LAB = {"units": 1, "enrolled": True}
NAMES = "## Names instead of numbers"
LOOKS = ("snmpget", "snmpbulkwalk", "grep", "iscsi-")  # are repeated until they show what the page does
MARK = "end-of-command"


def page():
    with open(os.path.join(SOURCE, "docs", "SNMP.md"), encoding="utf-8") as f:
        return f.read()


def typed(text):
    """(command, the answer that the page shows) of all its console blocks."""
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.S | re.M):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            lines = part.split("\n")
            count = 1
            while count < len(lines) and lines[count].startswith("> "):
                count += 1
            yield ("\n".join([lines[0], *(line[2:] for line in lines[1:count])]), "\n".join(lines[count:]))


class Shell:
    """One shell for all that is typed, in which the page's machines are those of the lab."""

    def __init__(self, lab, home):
        unit = lab.units["unit1"]
        self.places = {"192.0.2.7:161": f"{unit.address}:1161", "192.0.2.7": unit.address,
                       "192.0.2.1:8480": f"{lab.base}:8480", "198.51.100.9:162": f"{lab.base}:10162",
                       "/etc/snmp/snmpd.conf": unit.path("snmpd.conf"),
                       "/etc/snmp/snmptrapd.conf": f"{home}/.snmp/snmptrapd.conf",
                       "/var/log/dvsan-traps": f"{home}/traps", "/run/snmptrapd.pid": f"{home}/snmptrapd.pid"}
        os.makedirs(f"{home}/kept", mode=0o700)
        env = dict(lab.env, HOME=str(home), MIBS="", SNMPCONFPATH=f"{home}/.snmp", SNMP_PERSISTENT_DIR=f"{home}/kept")
        self.bash = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     env=env, text=True)
        self.run(f"lab() {{ {LAB_COMMAND} \"$@\" --dir {lab.folder} >/dev/null; }}")
        self.run("systemctl() { case $* in\n"
                 "'restart snmpd') lab stop unit1/snmpd; lab start unit1/snmpd ;;\n"
                 "'stop dvsan-cms') lab stop cms ;;\n"
                 "*) echo not known: $* ;;\nesac; }")

    def there(self, text):
        for place, ours in self.places.items():
            text = text.replace(place, ours)
        return text

    def run(self, command):
        self.bash.stdin.write(f"{self.there(command)}\necho; echo {MARK}\n")
        self.bash.stdin.flush()
        lines = []
        for line in self.bash.stdout:
            if line == MARK + "\n":
                return "".join(lines).rstrip("\n")
            lines.append(line)
        raise AssertionError(f"the shell ended at {command}")

    def check(self, command, answer):
        """The last answer; an assertion when it is not what the page shows."""
        wanted = ".*".join(re.escape(part) for part in self.there(answer.rstrip("\n")).split("..."))
        said = []

        def is_right():
            said.append(self.run(command))
            return re.fullmatch(wanted, said[-1], re.S)
        right = patience.until(is_right, 20, every=0.2) if command.startswith(LOOKS) else is_right()
        assert right, f"$ {command}\n{said[-1]}\nbut docs/SNMP.md has\n{answer}"

    def close(self):
        if os.path.exists(self.there("/run/snmptrapd.pid")):
            with open(self.there("/run/snmptrapd.pid"), encoding="ascii") as f:
                os.kill(int(f.read()), signal.SIGTERM)
        self.bash.stdin.close()
        self.bash.stdout.close()
        self.bash.wait()


@pytest.fixture(scope="module")
def shell(lab, tmp_path_factory):
    # A lease that a test can wait for.
    config = os.path.join(lab.folder, "cms", "cms.xml")
    with open(config, encoding="utf-8") as f:
        text = f.read()
    assert 'lease time="30s"' in text
    lab.run("stop", "cms")
    with open(config, "w", encoding="utf-8") as f:
        f.write(text.replace('lease time="30s"', 'lease time="3s"'))
    lab.run("start", "cms")
    shell = Shell(lab, tmp_path_factory.mktemp("home"))
    yield shell
    shell.close()


def test_all_that_is_typed(shell):
    text = page().split(NAMES)[0]
    commands = list(typed(text))
    assert len(commands) > 40
    for command, answer in commands:
        shell.check(command, answer)


@pytest.mark.skipif(not snmp.standard_mibs(), reason="the IETF's MIB texts are not here; name their folder in "
                                                     "DVSAN_STANDARD_MIBS")
def test_names(shell):
    shell.run(f"export MIBDIRS={SOURCE}/mibs:{snmp.standard_mibs()}")
    commands = list(typed(page().split(NAMES)[1]))
    assert commands
    for command, answer in commands:
        shell.check(command, answer)


def test_numbers():
    """Those of the table are those of the modules."""
    with open(os.path.join(BUILD, "generated", "dvsan_oids.h"), encoding="ascii") as f:
        numbers = dict(re.findall(r"#define SUB_(\w+) (\d+)", f.read()))
    told = re.findall(r"\| (\d+) \| (dvsan\w+) (?=\|)", page())
    assert len(told) > 25
    assert [(number, name) for number, name in told if numbers.get(name) != number] == []

# The manual and --help of dvsan agree: every command and every option, in the same words.
# SPDX-License-Identifier: BSD-2-Clause
import re
import shutil
import subprocess

import pytest

from support import BUILD, SOURCE

DVSAN = BUILD / "bin/dvsan"
PAGE = SOURCE / "docs/man/dvsan.1"

pytestmark = pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")


def words(text):
    return " ".join(text.split())


def help_of(*command):
    done = subprocess.run([DVSAN, *command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    assert all(len(line) <= 80 for line in done.stdout.split("\n")), done.stdout
    return done.stdout


def section(text, title):
    """The lines under a title, with their continuations joined."""
    if title not in text:
        return []
    body = text.split(title + "\n")[1].split("\n\n")[0].rstrip("\n").split("\n")
    joined = []
    for line in body:
        if line.startswith(" " * 12):
            joined[-1] += " " + line.strip()
        else:
            joined.append(line)
    return [words(line) for line in joined]


def all_commands():
    lines = section(help_of(), "Commands; each has its own --help:")
    return [tuple(line.split()[:2]) for line in lines]


@pytest.fixture(scope="module")
def page():
    done = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=1000", PAGE],
                          capture_output=True, text=True, check=True)
    return words(re.sub(r".\x08", "", done.stdout))


def test_lint():
    done = subprocess.run(["mandoc", "-T", "lint", PAGE], capture_output=True, text=True)
    # Whether the manuals it refers to are installed here is not the page's matter.
    wrong = [line for line in done.stdout.split("\n")
             if line and "referenced manual not found" not in line and "mandoc.db" not in line]
    assert not wrong


def test_every_command(page):
    commands = all_commands()
    assert len(commands) > 20
    for group, verb in commands:
        text = help_of(group, verb)
        usage, sentence = [words(part) for part in text.split("\n\n")[:2]]
        assert usage.startswith(f"Usage: dvsan {group} {verb}")
        assert f"{usage[len('Usage: dvsan '):]} {sentence}" in page


def test_no_command_that_is_not_there(page):
    with open(PAGE) as f:
        documented = {tuple(line.split()[1:3]) for line in f if line.startswith(".Ic ")}
    assert documented == set(all_commands())


def test_every_option(page):
    options = set(section(help_of(), "Options of every command:"))
    for group, verb in all_commands():
        options |= set(section(help_of(group, verb), "\nOptions:"))
    assert len(options) > 15
    for option in options:
        assert option + "." in page


def test_no_option_that_is_not_there(page):
    with open(PAGE) as f:
        documented = set(re.findall(r"^\.It (?:Fl \w , )?Fl -([a-z-]+)", f.read(), re.M))
    known = set()
    for group, verb in all_commands():
        known |= set(re.findall(r"^  (?:-\w, )?--([a-z-]+)", help_of(group, verb), re.M))
    assert documented == known


def test_environment(page):
    for line in section(help_of(), "Environment:"):
        name, text = line.split(" ", 1)
        assert f"{name} {text}." in page


def test_groups():
    for group in {group for group, _ in all_commands()}:
        assert f"Usage: dvsan {group} COMMAND" in help_of(group)


def test_version():
    done = subprocess.run([DVSAN, "--version"], capture_output=True, text=True)
    assert re.fullmatch(r"dvsan \d+\.\d+\.\d+\n", done.stdout) and done.returncode == 0

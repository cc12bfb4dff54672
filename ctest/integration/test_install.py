# What `cmake --install` puts where, and that it works from there.
# SPDX-License-Identifier: BSD-2-Clause
import os
import re
import shutil
import subprocess

import pytest

from support import SOURCE
from support.installed import Installed

GOLDEN = SOURCE / "ctest/golden/install/files.txt"
PROGRAMS = ("bin/dvsan", "sbin/dvsan-cms", "sbin/dvsan-unit")
UNITS = ("dvsan-cms.service", "dvsan-tgtd@.service", "dvsan-unit.service", "snmpd.service")
# Of 100, by systemd-analyze. What is left is mostly the network, which these services are there for.
EXPOSURE = 20

# What the examples name and no machine of ours has.
LACKING = {"dvsan-cms": ("192.0.2.1 that snmp listens at",),
           "dvsan-unit": ("folder /srv/dvsan/fast of medium fast is not there",
                          "folder /srv/dvsan/safe of medium safe is not there",
                          "address 192.0.2.7 of portal 1", "address 2001:db8::7 of portal 2")}


def run(*argv, **options):
    done = subprocess.run([*map(str, argv)], capture_output=True, text=True, timeout=60, check=False,
                          **options)
    assert done.returncode == 0, f"{argv}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(name="tree", scope="module")
def install(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("install"))


def files(tree):
    """All files but programs."""
    return [p for p in tree.prefix.rglob("*")
            if p.is_file() and p.parent.name not in ("bin", "sbin")]


def test_files(tree):
    found = sorted(str(p.relative_to(tree.prefix)) for p in tree.root.rglob("*") if not p.is_dir())
    assert found == GOLDEN.read_text().splitlines()


def test_modes(tree):
    for path in files(tree):
        assert path.stat().st_mode & 0o7777 == 0o644, path
    for name in PROGRAMS:
        assert (tree.prefix / name).stat().st_mode & 0o7777 == 0o755


def test_nothing_refers_to_the_build(tree):
    for path in files(tree):
        assert str(SOURCE) not in path.read_text(), path
    for name in PROGRAMS:
        assert "RUNPATH" not in run("readelf", "-d", tree.prefix / name)


def test_programs_run(tree):
    for name in PROGRAMS:
        assert re.fullmatch(name.partition("/")[2] + r" \d+\.\d+\.\d+\n",
                            run(tree.prefix / name, "--version"))


@pytest.mark.parametrize("name", ["dvsan-cms", "dvsan-unit"])
def test_examples_are_good(tree, tmp_path, name):
    """With the pass-phrases that they name: by the program, and by the schema. Untouched they are
    another machine's, and the program says so."""
    example = tmp_path / f"{name}.xml"
    shutil.copy(tree.examples / f"{name}.xml", example)
    for secret in re.findall(r'pass-file="(.*?)"', example.read_text()):
        (tmp_path / secret).touch(mode=0o600)
        (tmp_path / secret).write_text("a pass-phrase\n")
    program = tree.prefix / "sbin" / name
    done = subprocess.run([program, "--check", "-c", example], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stdout.startswith(f"{example} is well formed, but does not fit this machine:")
    for lacking in LACKING[name]:
        assert lacking in done.stdout
    text = example.read_text()
    for theirs, ours in (("/srv/dvsan/fast", tmp_path / "fast"), ("/srv/dvsan/safe", tmp_path / "safe"),
                         ("/var/lib/dvsan", tmp_path), ("192.0.2.7", "127.0.0.1"),
                         ('"2001:db8::7"', '"127.0.0.2"'), ('interface="eth1"', 'interface="lo"'),
                         ("192.0.2.1:", "127.0.0.1:"), ("100G", "1M"), ("1.5T", "1M")):
        text = text.replace(theirs, str(ours))
    for folder in ("fast", "safe", "unit", "cms"):
        (tmp_path / folder).mkdir()
    example.write_text(text)
    said = run(program, "--check", "-c", example)
    assert said.splitlines()[0] == f"{example} is good."
    assert all("only this machine reaches" in line for line in said.splitlines()[2:]), said
    run("xmllint", "--noout", "--relaxng", tree.prefix / f"share/dvsan/{name}.rng", example)


def test_services_are_closed(tree, tmp_path):
    """As far as can be told without starting them; test_systemd does that."""
    units = tmp_path / "etc/systemd/system"
    shutil.copytree(tree.units, units)
    shutil.copy("/lib/systemd/system/snmpd.service", units)
    (units / "snmpd.service.d").mkdir()
    shutil.copy(tree.examples / "snmpd.service.conf", units / "snmpd.service.d")
    for unit in UNITS:
        run("systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={EXPOSURE}",
            f"--root={tmp_path}", unit)


def test_user_and_folders(tree, tmp_path):
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", f"--root={tmp_path}", tree.prefix / "lib/sysusers.d/dvsan.conf")
    gid = int(re.search(r"^dvsan:x:\d+:(\d+):", (tmp_path / "etc/passwd").read_text(), re.M)[1])
    run("systemd-tmpfiles", f"--root={tmp_path}", "--create", tree.prefix / "lib/tmpfiles.d/dvsan.conf")
    st = os.stat(tmp_path / "etc/dvsan")
    assert (st.st_mode & 0o7777, st.st_uid, st.st_gid) == (0o750, 0, gid)

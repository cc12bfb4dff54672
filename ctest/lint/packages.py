#!/usr/bin/python3
# Checks that the one list of Debian packages is whole, and that no script has its own.
# SPDX-License-Identifier: BSD-2-Clause
"""usage: packages.py ROOT"""
import os
import re
import subprocess
import sys

from tree import read, report

LIST = "examples/lab/packages"
INSTALLER = "examples/lab/install-packages"
# What dvsan tells people to type on their hosts.
TOLD = ("console/cli/connect_", "ctest/golden/connect/")
MUST_INSTALL = ("ctest/run", "examples/quickstart")
INSTALLS = re.compile(r"\b(apt|apt-get|aptitude)\b[^\n]*\binstall\b|\bdpkg\s+(-i|--install)\b")
HERE = os.path.relpath(__file__, sys.argv[1]) if len(sys.argv) > 1 else __file__


def tracked(root):
    """Every file of the project: git's when there is git, else all but builds."""
    done = subprocess.run(["git", "-C", root, "-c", "safe.directory=*", "ls-files"],
                          capture_output=True, text=True, check=False) if _has_git(root) else None
    if done and done.returncode == 0:
        yield from done.stdout.splitlines()
        return
    for folder, folders, files in os.walk(root):
        folders[:] = [d for d in folders if not d.startswith("build") and d != ".git"]
        for name in files:
            yield os.path.relpath(os.path.join(folder, name), root)


def _has_git(root):
    return os.path.exists(os.path.join(root, ".git")) and \
        any(os.access(os.path.join(d, "git"), os.X_OK) for d in os.get_exec_path())


def complaints(root):
    seen, section = set(), []
    for number, line in enumerate(read(root, LIST).splitlines(), 1):
        name = line.partition("#")[0].strip()
        if not name:
            section = []
            continue
        if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name):
            yield f"{LIST}:{number}: {name!r} is not one package's name"
        if name in seen:
            yield f"{LIST}:{number}: {name} is there twice"
        if section and name < section[-1]:
            yield f"{LIST}:{number}: {name} is not in its place by the alphabet"
        seen.add(name)
        section.append(name)
    for path in tracked(root):
        if path in (INSTALLER, HERE) or path.startswith(TOLD) or path.endswith(".md") or not os.path.isfile(os.path.join(root, path)):
            continue
        for number, line in enumerate(read(root, path).splitlines(), 1):
            if INSTALLS.search(line):
                yield f"{path}:{number}: installs packages by itself; {INSTALLER} does it"
    for path in MUST_INSTALL:
        if INSTALLER not in read(root, path):
            yield f"{path}: does not call {INSTALLER}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(report(list(complaints(sys.argv[1]))))

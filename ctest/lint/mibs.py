#!/usr/bin/python3
# Checks the MIB modules with smilint at its strictest.
# SPDX-License-Identifier: BSD-2-Clause
"""usage: mibs.py ROOT SMILINT

The IETF's own texts, which Debian does not ship, are looked for in the folder that
DVSAN_STANDARD_MIBS names, then in ../shared/standard-mibs beside ROOT. Without them the test is
skipped (exit code 77).
"""
import os
import subprocess
import sys

from tree import report

SKIPPED = 77


def standard_mibs(root):
    for folder in (os.environ.get("DVSAN_STANDARD_MIBS"),
                   os.path.join(root, "..", "shared", "standard-mibs")):
        if folder and os.path.exists(os.path.join(folder, "SNMPv2-SMI")):
            return os.path.abspath(folder)
    return None


def complaints(root, smilint, texts):
    folder = os.path.join(root, "mibs")
    env = dict(os.environ, SMIPATH=f"{folder}:{texts}")
    for name in sorted(os.listdir(folder)):
        if name.endswith("-MIB"):
            # By path: a module of this name elsewhere must not be taken for it.
            done = subprocess.run([smilint, "-l", "6", os.path.join(folder, name)], env=env,
                                  capture_output=True, text=True, check=False)
            said = (done.stdout + done.stderr).strip()
            yield from said.splitlines()
            if done.returncode != 0 and not said:
                yield f"mibs/{name}: smilint ended with {done.returncode}"


def main(root, smilint):
    texts = standard_mibs(root)
    if not texts:
        print("skipped: the IETF's MIB texts are not here; name their folder in "
              "DVSAN_STANDARD_MIBS")
        return SKIPPED
    return report(list(complaints(root, smilint, texts)))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))

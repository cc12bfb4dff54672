#!/usr/bin/python3
# Checks that clang-format would change nothing in our C files.
# SPDX-License-Identifier: BSD-2-Clause
"""usage: format.py ROOT CLANG_FORMAT"""
import subprocess
import sys

from tree import c_files

if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    root, clang_format = sys.argv[1:]
    files = c_files(root)
    if not files:
        sys.exit(f"no C files under {root}")
    sys.exit(subprocess.run([clang_format, "--dry-run", "-Werror", *files], cwd=root).returncode)

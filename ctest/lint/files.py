#!/usr/bin/python3
# Checks what every source file must have, and what it must not.
# SPDX-License-Identifier: BSD-2-Clause
"""usage: files.py ROOT

C files start with one comment line that names their job and then the SPDX line; no file of code
has more than 800 lines; nothing is left for later.
"""
import re
import sys

from tree import code_files, read, report

MAX_LINES = 800
LICENSE = "// SPDX-License-Identifier: BSD-2-Clause"
# Written so that this file does not complain about itself.
LATER = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X)\b")


def complaints(root):
    for path in code_files(root):
        lines = read(root, path).splitlines()
        if path.endswith((".c", ".h")):
            if not lines or not re.match(r"// \S.*\S$", lines[0]) or "SPDX" in lines[0]:
                yield f"{path}:1: the first line is not a // comment that names the file's job"
            if len(lines) < 2 or lines[1] != LICENSE:
                yield f"{path}:2: the second line is not {LICENSE}"
        if len(lines) > MAX_LINES:
            yield f"{path}:{len(lines)}: has more than {MAX_LINES} lines; split it by its jobs"
        for number, line in enumerate(lines, 1):
            mark = LATER.search(line)
            if mark:
                yield f"{path}:{number}: {mark[0]}: do it, or file it where it will be seen"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(report(list(complaints(sys.argv[1]))))

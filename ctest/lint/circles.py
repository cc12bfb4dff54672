#!/usr/bin/python3
# Checks that no files of a library call each other in a circle.
# SPDX-License-Identifier: BSD-2-Clause
"""usage: circles.py OBJECTS...

Each of OBJECTS is a folder with the object files of one library. A file calls another one when it
needs a symbol that the other one defines (nm). Files in a circle can only be read, tested and
changed together; break one by asking from above what the lower file was to be told, or by giving
the lower file a callback.
"""
import os
import subprocess
import sys

from tree import report


def symbols(path):
    """What an object file defines for others, and what it needs."""
    defined, needed = set(), set()
    lines = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    for line in lines.splitlines():
        kind, name = line.split()[-2:]
        if kind == "U":
            needed.add(name)
        elif kind in "TDRBC":
            defined.add(name)
    return defined, needed


def calls(folder):
    """Of each object file of the folder those that it calls."""
    paths = [os.path.join(at, name) for at, _, names in os.walk(folder)
             for name in names if name.endswith(".o")]
    of = {os.path.relpath(path, folder)[:-2]: symbols(path) for path in paths}
    owner = {name: file for file, (defined, _) in of.items() for name in defined}
    return {file: sorted({owner[name] for name in needed if name in owner} - {file})
            for file, (_, needed) in of.items()}


def circles(graph):
    """The sets of files that reach each other (Tarjan), each sorted."""
    found, number, low, stack = [], {}, {}, []

    def visit(file):
        number[file] = low[file] = len(number)
        stack.append(file)
        for other in graph[file]:
            if other not in number:
                visit(other)
                low[file] = min(low[file], low[other])
            elif other in stack:
                low[file] = min(low[file], number[other])
        if low[file] == number[file]:
            members = stack[stack.index(file):]
            del stack[stack.index(file):]
            if len(members) > 1:
                found.append(sorted(members))

    for file in sorted(graph):
        if file not in number:
            visit(file)
    return sorted(found)


def complaints(folders):
    for folder in folders:
        graph = calls(folder)
        if not graph:
            yield f"{folder}: there are no object files; build first"
        for files in circles(graph):
            arcs = "; ".join(f"{a} calls {', '.join(b for b in graph[a] if b in files)}"
                             for a in files)
            yield f"{folder}: a circle of {len(files)} files: {arcs}"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(report(list(complaints(sys.argv[1:]))))

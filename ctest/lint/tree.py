# The files of this project that the lints look at.
# SPDX-License-Identifier: BSD-2-Clause
import os

TOP = ("src", "snmp-agents", "console", "ctest", "mibs", "examples", "tgt-configs", "packaging")
CODE = (".c", ".h", ".py", ".sh", ".js", ".cmake")


def walk(root):
    """Yields the path of every file under the folders of TOP, relative to root."""
    for top in TOP:
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders[:] = sorted(d for d in folders if not d.startswith((".", "__", "build")))
            for name in sorted(files):
                yield os.path.relpath(os.path.join(folder, name), root)


def c_files(root):
    return [path for path in walk(root) if path.endswith((".c", ".h"))]


def code_files(root):
    """C files, scripts by their suffix or their #! line, and CMake's lists."""
    for path in walk(root):
        if path.endswith(CODE) or os.path.basename(path) == "CMakeLists.txt":
            yield path
        elif "." not in os.path.basename(path):
            with open(os.path.join(root, path), "rb") as f:
                if f.read(2) == b"#!":
                    yield path


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def report(complaints):
    """Prints each complaint and returns the exit code of the lint."""
    for line in complaints:
        print(line)
    return 1 if complaints else 0

#!/usr/bin/python3
# Checks the manual pages: well-formed, and saying the same as each program's --help.
# SPDX-License-Identifier: BSD-2-Clause
"""usage: man.py ROOT BUILD MANDOC

Every program has a page and every page a program, or a configuration's schema, which man_config.py
compares. The options of page and program are the same, in both directions; for dvsan also every
command with its usage, for dvsan-nbd its parameters.
"""
import os
import re
import subprocess
import sys

from tree import read, report

# mandoc's remarks on the machine it runs on, rather than on the page.
ABOUT_THE_MACHINE = re.compile(r"referenced manual not found|outdated mandoc\.db")
MAN_HEAD = re.compile(r"^\.It ((?:Fl|Cm) .*)$", re.M)
HELP_HEAD = re.compile(r"^ +(-[\w-]+(?: +\S+)?(?:, +--[\w-]+)?)", re.M)
HELP_OPTION = re.compile(r"(?<![\w-])(--[a-z][\w-]*|-[a-zA-Z])(?![\w-])")
HELP_PARAMETER = re.compile(r'^  "(\w+)" ', re.M)


def said_by(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    return done.stdout + done.stderr, done.returncode


def page_heads(text):
    """The options and parameters that a page lists."""
    found = set()
    for head in MAN_HEAD.findall(text):
        for part in re.split(r" , ", head):
            words = part.split()
            if words[0] == "Fl":
                found.add("-" + words[1])
            elif words[0] == "Cm":
                found.add(words[1])
    return found


def help_options(text):
    found = set()
    for head in HELP_HEAD.findall(text):
        found.update(HELP_OPTION.findall(head))
    return found


def commands(program):
    """(GROUP COMMAND, its help) of a program with commands."""
    text, _ = said_by(program, "--help")
    for group, verb in re.findall(r"^  ([a-z]+) ([a-z-]+)\b", text.partition("Options")[0], re.M):
        yield f"{group} {verb}", said_by(program, group, verb, "--help")[0]


def differences(page, documented, offered):
    for name in sorted(offered - documented):
        yield f"{page}: does not tell about {name}, which --help lists"
    for name in sorted(documented - offered):
        yield f"{page}: tells about {name}, which --help does not list"


def check_program(page, text, rendered, program):
    help_text, code = said_by(program, "--help")
    if code != 0:
        yield f"{program} --help ended with {code}"
    offered = help_options(help_text) | set(HELP_PARAMETER.findall(help_text))
    flat = " ".join(rendered.split())
    for command, command_help in commands(program):
        offered |= help_options(command_help)
        usage = re.match(r"Usage: \S+ (.*?)\n\n", command_help, re.S)
        wanted = " ".join(usage[1].split()) if usage else command
        if wanted not in flat:
            yield f"{page}: does not have: {wanted}"
    yield from differences(page, page_heads(text), offered)


def complaints(root, build, mandoc):
    folder = os.path.join(root, "docs", "man")
    pages = {name.rpartition(".")[0]: name for name in sorted(os.listdir(folder))}
    programs = set(os.listdir(os.path.join(build, "bin")))
    for name in sorted(programs - set(pages)):
        yield f"docs/man: {name} has no page"
    for name, file_name in pages.items():
        page, path = f"docs/man/{file_name}", os.path.join(folder, file_name)
        linted, _ = said_by(mandoc, "-T", "lint", path)
        for line in linted.splitlines():
            if not ABOUT_THE_MACHINE.search(line):
                yield line.replace("mandoc: " + path, page)
        text = read(root, page)
        if name in programs:
            rendered = re.sub(r".\x08", "", said_by(mandoc, "-T", "ascii", path)[0])
            yield from check_program(page, text, rendered, os.path.join(build, "bin", name))
        elif not os.path.exists(os.path.join(root, "tgt-configs", name.replace(".xml", ".rng"))):
            yield f"{page}: there is no program {name}"


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(report(list(complaints(*sys.argv[1:]))))

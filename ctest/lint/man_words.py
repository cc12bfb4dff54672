#!/usr/bin/python3
# Checks that dvsan(1) explains every column and every state that the command line prints.
# SPDX-License-Identifier: BSD-2-Clause
"""usage: man_words.py ROOT

No text for users calls an assignment, or the access rule by which a unit enforces it, by another word.
"What is shown" in dvsan(1) has a section "Fields of X" for each thing X. It has an item for each
title of the tables in console/cli that are about the thing, and for each word of the tables and
functions that its states come from; and it has no others.
"""
import collections
import os
import re
import sys

from tree import c_files, read, report

PAGE = "docs/man/dvsan.1"

# Which thing a table of columns is about: by its own name, else by a word of its function's.
TABLES = {"media_columns": "a medium", "portals": "a portal", "assignments": "an assignment",
          "steps": "a task", "units": "the station"}
FUNCTIONS = {"pool": "the pool", "station": "the station", "differences": "the station", "unit": "a unit",
             "medium": "a medium", "extents": "a free extent", "volume": "a volume", "host": "a host",
             "task": "a task", "code": "a code", "token": "an API token"}
FILES = {"console/cli/cmd_event.c": "an event"}

# Where a thing's words are in the code: functions with a table `names`, or that return texts.
WORDS = {"unit_state_name": "a unit", "unit_trust_name": "a unit", "lead_standing_name": "the station",
         "medium_kind_name": "a medium", "medium_state_name": "a medium", "pool_medium_state": "a medium",
         "volume_state_name": "a volume", "pool_volume_state": "a volume",
         "access_state_name": "an assignment", "pool_assignment_state": "an assignment",
         "task_state_name": "a task", "step_state_name": "a task",
         "event_severity_name": "an event", "state_of": "a code"}
# For one thing there is one word: people assign and unassign, units enforce access rules.
OTHER_WORDS = re.compile(r"\b(admit\w*|grant\w*)\b", re.I)
FOR_USERS = ("README.md", "docs/API.md", "docs/FAQ.md", "docs/INSTALL.md", "docs/SNMP.md")

# What --json alone has, or nothing.
UNSHOWN = {"member_kind_name", "member_state_name", "task_kind_name", "order_kind_name"}

COLUMNS = re.compile(r"static const struct table_column (\w+)\[\] = \{(.*?)\n *\};", re.S)
TITLE = re.compile(r'\{\s*"([^"]+)"')
FUNCTION = re.compile(r"^[a-z][\w \t*]*?[ *](\w+)\([^;{]*\)\n\{(.*?)^\}", re.S | re.M)
SECTION = re.compile(r"^\.Ss Fields of ([^\n]+)\n(.*?)(?=^\.S[sh] )", re.S | re.M)
ITEM = re.compile(r"^\.It (?!Em )([^\n]+)$", re.M)
WORD = re.compile(r"^\.It Em (\S+)$", re.M)


def thing_of(path, table, function):
    if path in FILES:
        return FILES[path]
    if table in TABLES:
        return TABLES[table]
    return next((FUNCTIONS[word] for word in function.split("_") if word in FUNCTIONS), None)


def shown_titles(root):
    """(path, table, thing or None, its titles)."""
    for path in c_files(root):
        if not path.startswith("console/cli/"):
            continue
        text = read(root, path)
        functions = [(m.start(), m.end(), m[1]) for m in FUNCTION.finditer(text)]
        for m in COLUMNS.finditer(text):
            inside = next((name for start, end, name in functions if start < m.start() < end), "")
            yield path, m[1], thing_of(path, m[1], inside), TITLE.findall(m[2])


def shown_words(root):
    """function -> the words that it gives."""
    found = {}
    for path in c_files(root):
        if not path.startswith(("src/model/", "src/logic/", "src/cms/", "console/api/")) or path.endswith(".h"):
            continue
        for m in FUNCTION.finditer(read(root, path)):
            is_table = m[1].endswith("_name") and "names[] = {" in m[2] and not path.startswith("src/cms/")
            if is_table or m[1] in WORDS:
                found[m[1]] = set(re.findall(r'"([a-z_]+)"', m[2]))
    return found


def other_words(root):
    pages = [os.path.join("docs/man", name) for name in sorted(os.listdir(os.path.join(root, "docs/man")))]
    for path in (*pages, *FOR_USERS):
        if not os.path.exists(os.path.join(root, path)):
            continue
        for number, line in enumerate(read(root, path).splitlines(), 1):
            for word in OTHER_WORDS.findall(line):
                yield f"{path}:{number}: {word}: say assign of what a person does, access rule of what a unit enforces"


def complaints(root):
    yield from other_words(root)
    text = read(root, PAGE)
    titles, words = collections.defaultdict(set), collections.defaultdict(set)
    for path, table, thing, found in shown_titles(root):
        if thing is None:
            yield f"{path}: the table {table} has no section in {PAGE}; name it in {os.path.basename(__file__)}"
        titles[thing].update(title.lower() for title in found)
    functions = shown_words(root)
    for name in sorted(set(functions) - set(WORDS) - UNSHOWN):
        yield f"{name}(): its words have no section in {PAGE}; name it in {os.path.basename(__file__)}"
    for name in sorted(set(WORDS) - set(functions)):
        yield f"{name}() is not there any more; say in {os.path.basename(__file__)} where its words are"
    for name, found in functions.items():
        if name in WORDS:
            words[WORDS[name]] |= found
    told = {m[1]: m[2] for m in SECTION.finditer(text)}
    for thing in sorted(set(told) | {t for t in titles if t}):
        items = {title.strip().lower() for line in ITEM.findall(told.get(thing, "")) for title in line.split(" , ")}
        said = set(WORD.findall(told.get(thing, "")))
        for what, wanted, there in (("field", titles[thing], items), ("word", words[thing], said)):
            for missing in sorted(wanted - there):
                yield f"{PAGE}: Fields of {thing}: does not explain the {what} {missing}"
            for wrong in sorted(there - wanted):
                yield f"{PAGE}: Fields of {thing}: explains the {what} {wrong}, which nothing prints"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(report(list(complaints(sys.argv[1]))))

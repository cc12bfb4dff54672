#!/usr/bin/python3
# Checks that a name means one thing in the whole tree, and tells where it is at home.
# SPDX-License-Identifier: BSD-2-Clause
"""usage: names.py ROOT

Two rules for src/, snmp-agents/ and console/:
1. No tag of a struct, union or enum, and no enumerator, is defined in two folders.
2. A function that a header declares begins with a word of its module: of the header's name, of the
   name of the file that defines it, of its folder, or with a tag that the folder's headers have.
"""
import collections
import os
import re
import sys

from tree import c_files, read, report

TOPS = ("src/", "snmp-agents/", "console/")

# Words that a folder, or a header, has besides.
WORDS = {
    "src/base": {"dv"},
    "src/snmp": {"sn"},  # beside Net-SNMP's names
    # The rules of small things that people type: each has the thing's name.
    "src/base/text.h": {"size", "number", "duration", "name", "new_name", "description", "iqn", "chap"},
}

NOISE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'", re.S)
TAG = re.compile(r"\b(?:struct|union|enum)\s+(\w+)\s*\{")
ENUM = re.compile(r"\benum\b\s*\w*\s*\{([^}]*)\}")
NAMED = re.compile(r"\b(?:struct|union|enum)\s+(\w+)\s*[{;]")
FUNCTION = re.compile(r"^(?!static|typedef|return|else)[A-Za-z_][\w \t*]*?[ *](\w+)\(", re.M)


def without_noise(text):
    return NOISE.sub(lambda m: " " + "\n" * m[0].count("\n"), text)


def outside_braces(text):
    """The text without what is in braces, lines kept."""
    out, depth = [], 0
    for char in text:
        depth += char == "{"
        if depth == 0 or char == "\n":
            out.append(char)
        depth -= char == "}"
    return "".join(out)


def numbers(word):
    """A word in the singular and the plural."""
    out = {word, word + "s"}
    if word.endswith("s"):
        out.add(word[:-1])
    if word.endswith("y"):
        out.add(word[:-1] + "ies")
    return out


class Names:
    def __init__(self, root):
        self.texts = {path: without_noise(read(root, path)) for path in c_files(root)
                      if path.startswith(TOPS)}

    def line(self, path, match):
        return self.texts[path].count("\n", 0, match.start(1)) + 1

    def defined(self):
        """name -> its places; tags and enumerators."""
        places = collections.defaultdict(list)
        for path, text in self.texts.items():
            for m in TAG.finditer(text):
                places["tag " + m[1]].append((path, self.line(path, m)))
            for m in ENUM.finditer(text):
                for item in m[1].split(","):
                    name = re.match(r"\s*(\w+)", item)
                    if name:
                        places["enumerator " + name[1]].append((path, self.line(path, m)))
        return places

    def doubled(self):
        for name, places in sorted(self.defined().items()):
            first = places[0]
            for path, line in places[1:]:
                if os.path.dirname(path) != os.path.dirname(first[0]):
                    yield (f"{path}:{line}: the {name} is also defined in {first[0]}:{first[1]}; "
                           "give one of them another name")

    def words(self, path, tags):
        folder = os.path.dirname(path)
        stem = os.path.splitext(os.path.basename(path))[0]
        words = {os.path.basename(folder)} | WORDS.get(folder, set()) | WORDS.get(path, set())
        for word in [stem, *stem.split("_"), *tags[folder]]:
            words |= numbers(word)
        return words

    def strangers(self):
        tags, homes = collections.defaultdict(set), collections.defaultdict(list)
        for path, text in self.texts.items():
            if path.endswith(".h"):
                tags[os.path.dirname(path)] |= {m[1] for m in NAMED.finditer(text)}
            else:
                for m in FUNCTION.finditer(outside_braces(text)):
                    homes[m[1]].append(path)
        for path in self.texts:
            if not path.endswith(".h"):
                continue
            text = outside_braces(self.texts[path])
            for m in FUNCTION.finditer(text):
                words = set().union(*(self.words(p, tags) for p in [path, *homes[m[1]]]))
                if not any(m[1] == word or m[1].startswith(word + "_") for word in words):
                    yield (f"{path}:{text.count(chr(10), 0, m.start(1)) + 1}: {m[1]}() does not begin "
                           "with a word of its module")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    tree = Names(sys.argv[1])
    sys.exit(report([*tree.doubled(), *tree.strangers()]))

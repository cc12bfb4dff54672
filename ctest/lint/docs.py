#!/usr/bin/python3
# Checks that the pages of documentation lead where they say, and that the map shows the whole tree.
# SPDX-License-Identifier: BSD-2-Clause
"""usage: docs.py ROOT

Six rules for *.md:
1. A relative link leads to a page that is there, and to a heading of that page. It leads to nothing
   but pages, since pages are installed without the rest of the tree.
2. A path in backquotes, or a file's name that ends in .c, .h or .py, names what is in the tree. The
   page of changes is about the past and may name what was.
3. A name in backquotes that has a low line, in docs/design, is in the code.
4. The map, docs/ARCHITECTURE.md, has a link to each page in docs/design.
5. The map names each folder of the table in includes.py.
6. The map has at most 140 lines.
"""
import fnmatch
import os
import re
import sys

from includes import LAYERS
from tree import TOP, code_files, read, report

MAP = "docs/ARCHITECTURE.md"
DESIGN = "docs/design/"
MAP_LINES = 140
OF_THE_PAST = ("CHANGELOG.md",)
GENERATED = ("dvsan_oids.h", "dvsan_oids.py")  # by a build

FENCE = re.compile(r"^```.*?^```[ \t]*$", re.M | re.S)
QUOTED = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+[ \t]+(.*?)[ \t]*$", re.M)
IN_TREE = re.compile(r"(?:" + "|".join((*TOP, "docs")) + r")/[\w./*@+-]*")
NAME = re.compile(r"[a-zA-Z]\w*_\w*")
FILE = re.compile(r"[\w./*-]+\.(?:c|h|py)")


def tree_of(root):
    """All files and folders, relative to root, without builds and what is hidden."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(d for d in folders if not d.startswith((".", "__", "build")))
        for name in sorted(folders + files):
            yield os.path.relpath(os.path.join(folder, name), root)


def without_fences(text):
    return FENCE.sub(lambda m: "\n" * m[0].count("\n"), text)


def anchors(text):
    """The anchors of a page's headings, as GitHub and GitLab make them."""
    seen, out = {}, set()
    for m in HEADING.finditer(without_fences(text)):
        slug = re.sub(r"[^\w\- ]", "", LINK.sub("]", m[1]).lower()).replace(" ", "-")
        out.add(slug if slug not in seen else f"{slug}-{seen[slug]}")
        seen[slug] = seen.get(slug, 0) + 1
    return out


class Docs:
    def __init__(self, root):
        self.paths = list(tree_of(root))
        self.known = set(self.paths)
        self.words = {word for path in code_files(root) for word in re.findall(r"\w*_\w*", read(root, path))}
        self.pages = {path: read(root, path) for path in self.paths if path.endswith(".md")}

    def links(self, page):
        """(line, address, page that it leads to, anchor) of each relative link."""
        text = without_fences(self.pages[page])
        for m in LINK.finditer(QUOTED.sub(lambda q: " " * len(q[0]), text)):
            if re.match(r"[a-z]+:", m[1]):
                continue
            path, _, anchor = m[1].partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            yield text.count("\n", 0, m.start()) + 1, m[1], target, anchor

    def check_links(self, page):
        for line, address, target, anchor in self.links(page):
            if target not in self.known:
                yield f"{page}:{line}: there is no {address}"
            elif target not in self.pages and target != "LICENSE":
                yield f"{page}:{line}: {address} is no page, so it is not installed; put it in backquotes"
            elif anchor and anchor not in anchors(self.pages[target]):
                yield f"{page}:{line}: {target} has no heading #{anchor}"

    def is_there(self, path):
        path = path.rstrip("/")
        if "*" in path:
            return any(fnmatch.fnmatch(known, path) for known in self.paths)
        return path in self.known

    def is_file(self, name):
        return name in GENERATED or any(fnmatch.fnmatch("/" + known, "*/" + name) for known in self.paths)

    def check_paths(self, page):
        text = without_fences(self.pages[page])
        for m in QUOTED.finditer(text):
            word = m[1].split()[0] if m[1].split() else ""
            if IN_TREE.fullmatch(word):
                good = self.is_there(word)
            elif FILE.fullmatch(word):
                good = self.is_file(word)
            elif NAME.fullmatch(word) and page.startswith(DESIGN):
                good = word in self.words
            else:
                continue
            if not good:
                yield f"{page}:{text.count(chr(10), 0, m.start()) + 1}: there is no {word}"

    def check_map(self):
        text = self.pages.get(MAP, "")
        linked = {target for _, _, target, _ in self.links(MAP)} if text else set()
        quoted = {m[1].rstrip("/") for m in QUOTED.finditer(text)}
        for page in self.pages:
            if page.startswith(DESIGN) and page not in linked:
                yield f"{MAP}:1: has no link to {page}"
        for folder in LAYERS:
            if folder in self.known and "." not in folder and folder not in quoted:
                yield f"{MAP}:1: does not name the folder `{folder}`"
        lines = text.count("\n")
        if lines > MAP_LINES:
            yield f"{MAP}:{lines}: has more than {MAP_LINES} lines; move what is said to a page of docs/design"

    def complaints(self):
        for page in self.pages:
            yield from self.check_links(page)
            if page not in OF_THE_PAST:
                yield from self.check_paths(page)
        yield from self.check_map()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(report(list(Docs(sys.argv[1]).complaints())))

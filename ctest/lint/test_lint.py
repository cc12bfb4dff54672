#!/usr/bin/python3
# Tests of the lints themselves: each rule is broken in a made-up tree and must be noticed.
# SPDX-License-Identifier: BSD-2-Clause
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import circles
import includes

HERE = os.path.dirname(os.path.abspath(__file__))

# A small tree that breaks nothing.
GOOD = {
    "src/base/err.h": "#include <stddef.h>\n",
    "src/model/unit.h": '#include "base/err.h"\n',
    "src/loop/loop.h": '#include "base/err.h"\n',
    "src/loop/loop.c": '#include "loop/loop.h"\n#include <event2/event.h>\n',
    "src/logic/plan.c": '#include "model/unit.h"\n#include "base/err.h"\n',
    "src/snmp/env.h": '#include "base/err.h"\n',
    "src/snmp/convert.h": '#include "snmp/env.h"\n#include <net-snmp/net-snmp-config.h>\n',
    "src/snmp/env.c": '#include "snmp/convert.h"\n#include "loop/loop.h"\n#include <dvsan_oids.h>\n',
    "src/tgt/client.h": '#include "logic/plan.h"\n',
    "src/logic/plan.h": "struct plan;\n",
    "src/sqlite/db.c": "#include <sqlite3.h>\n",
    "src/sqlite/db.h": '#include "model/unit.h"\n',
    "src/store/store.h": '#include "sqlite/db.h"\n',
    "src/cms/pool/pool.h": '#include "model/unit.h"\n#include <uthash.h>\n',
    "src/cms/cms.h": '#include "cms/pool/pool.h"\n',
    "src/cms/member/link.h": '#include "cms/cms.h"\n',
    "src/cms/main.c": '#include "cms/pool/pool.h"\n#include "console/api/api.h"\n#include "snmp/env.h"\n',
    "src/nbd/params.c": "#include <jansson.h>\n",
    "console/api/api.h": '#include "cms/pool/pool.h"\n',
    "console/api/api.c": '#include "console/api/api.h"\n#include <civetweb.h>\n',
    "console/cli/main.c": '#include "model/unit.h"\n#include <curl/curl.h>\n',
    "src/netlink/netlink.c": "#include <libmnl/libmnl.h>\n",
    "src/unit/state.h": '#include "tgt/client.h"\n#include <uthash.h>\n',
    "snmp-agents/member/member.h": '#include "snmp/env.h"\n#include "netlink/netlink.h"\n',
    "src/netlink/netlink.h": "struct netlink;\n",
    "snmp-agents/unit/tables.h": '#include "unit/state.h"\n#include "snmp-agents/member/member.h"\n',
    "ctest/unit/test_env.c": '#include "snmp/convert.h"\n#include "cms/pool/pool.h"\n#include <zlib.h>\n',
}

# (file, content, part of the complaint)
BAD_INCLUDES = [
    ("src/base/err.c", '#include "model/unit.h"', "src/base may not include src/model, only itself"),
    ("src/base/err.c", "#include <event2/event.h>", "event2/event.h is for src/loop only"),
    ("src/model/unit.c", '#include "logic/plan.h"', "src/model may not include src/logic"),
    ("src/logic/plan.h", '#include "tgt/client.h"', "src/logic may not include src/tgt"),
    ("src/logic/plan.c", '#include "loop/loop.h"', "src/logic may not include src/loop"),
    ("src/tgt/client.h", '#include "snmp/env.h"', "src/tgt may not include src/snmp"),
    ("src/tgt/client.c", '  #  include   "snmp/env.h"', "client.c:1: src/tgt may not include src/snmp"),
    ("src/block/leg.c", '#include "snmp/env.h"', "src/block may not include src/snmp"),
    ("src/cms/pool/pool.c", '#include "cms/member/link.h"', "src/cms/pool may not include src/cms/member"),
    ("src/cms/pool/pool.c", '#include "cms/cms.h"', "src/cms/pool may not include src/cms"),
    ("src/cms/cms.c", '#include "tgt/client.h"', "src/cms may not include src/tgt"),
    ("src/cms/cms.c", '#include "console/api/api.h"', "src/cms may not include console/api"),
    ("src/cms/cms.c", '#include "snmp/convert.h"', "private to src/snmp"),
    ("src/cms/cms.c", "#include <sqlite3.h>", "sqlite3.h is for src/sqlite only"),
    ("src/cms/cms.c", '#include "sqlite/db.h"', "src/cms may not include src/sqlite"),
    ("src/sqlite/rows.c", '#include "store/store.h"', "src/sqlite may not include src/store"),
    ("src/tgt/client.h", '#include <uthash.h>', "uthash.h is for src/snmp"),
    ("src/snmp/env.h", '#include "snmp/convert.h"',
     "src/snmp/env.h includes <net-snmp/net-snmp-config.h> and so is private to src/snmp"),
    ("console/cli/main.c", '#include "cms/pool/pool.h"', "console/cli may not include src/cms"),
    ("console/cli/http.c", "#include <civetweb.h>", "civetweb.h is for console/api only"),
    ("snmp-agents/unit/main.c", '#include "cms/pool/pool.h"', "snmp-agents/unit may not include src/cms"),
    ("src/unit/state.c", '#include "snmp/env.h"', "src/unit may not include src/snmp"),
    ("src/unit/state.c", "#include <dvsan_oids.h>", "dvsan_oids.h is for src/model"),
    ("src/unit/state.c", '#include "snmp-agents/unit/tables.h"',
     "src/unit may not include snmp-agents/unit"),
    ("snmp-agents/member/member.c", '#include "unit/state.h"', "snmp-agents/member may not include src/unit"),
    ("snmp-agents/unit/tables.c", "#include <libmnl/libmnl.h>", "libmnl/libmnl.h is for src/netlink only"),
    ("src/tgt/client.c", "#include <jansson.h>", "jansson.h is for src/enrol"),
    ("src/tgt/client.c", '#include "client.h"', 'there is no "client.h"'),
    ("src/tgt/client.c", "#include <zlib.h>", "<zlib.h> is not known"),
    ("src/new/thing.c", "", "its folder has no place in the table"),
]

# In each, something of GOOD is there a second time, or its name tells no module.
BAD_NAMES = [
    ("src/tgt/x.c", "struct table {\n    int a;\n};\n", "x.c:1: the tag table is also defined in src/base/table"),
    ("src/tgt/x.c", "enum table { A_B };\n", "x.c:1: the tag table is also defined in src/base/table"),
    ("src/tgt/x.c", "enum {\n    RED = 1,\n    BLUE };\n", "x.c:1: the enumerator BLUE is also"),
    ("src/tgt/sets.h", "int among(void);\n", "sets.h:1: among() does not begin with a word"),
    ("src/tgt/sets.h", "struct set { int a; };\nbool is_set(struct set *s,\n    int b);\n",
     "sets.h:2: is_set() does not begin"),
]
GOOD_NAMES = {
    "src/base/table.h": "struct table { int a; };\nenum { BLUE };\nvoid table_print(struct table *t);\n",
    # The same folder, a comment and a text, a declaration.
    "src/base/table.c": "struct table { int b; }; // struct tree { int a; };\n",
    "src/tgt/client.c": 'struct table;\nchar text[] = "enum { BLUE }";\nstatic int among(void);\n',
    "src/tgt/client.h": "struct trees *client_trees(void);\nint trees_of(struct trees *t);\nint tgt_a(void);\n"
                        "struct trees;\n",
    "src/base/mem.h": "void *dv_calloc(int a);\nstruct inside {\n    int (*call)(int a);\n};\n",
    # The one that defines it tells the module, too.
    "src/cms/station.h": "int links_new(void);\n",
    "src/cms/links.c": "int links_new(void)\n{\n    return 0;\n}\n",
}

JOB = "// A job.\n"
SPDX = "// SPDX-License-Identifier: BSD-2-Clause\n"

SCHEMA = """<grammar xmlns="http://relaxng.org/ns/structure/1.0"><start><element name="box">
<attribute name="size"/><optional><attribute name="kind"><choice><value>round</value></choice></attribute>
</optional><optional><element name="lid"/></optional></element></start></grammar>
"""
PAGE = """.Ss Element box
.Bl -tag
.It Va size
Its size.
Required.
Example: "1".
.It Va kind
Always round.
Default: none.
Example: "round".
.El
.Ss Element lid
.Sh EXAMPLES
.Bd -literal
<?xml version="1.0"?><box size="1"/>
.Ed
"""

# (in PAGE, what stands there instead, part of the complaint)
BAD_PAGES = [
    (".It Va kind", ".It Va sort", "does not tell about the attribute of box kind"),
    (".It Va kind", ".It Va sort", "tells about the attribute of box sort, which the schema does not have"),
    ("Element lid", "Element lids", "does not tell about the element lid"),
    ("Required.\n", "", "size of box: says Required where"),
    ("Default: none.", "Required.", "kind of box: what may be left out has a default"),
    ("Always round.\nDefault: none.\nExample: \"round\"", "Any.\nDefault: none.\nExample: \"x\"",
     "kind of box: does not name round"),
    ("Example: \"1\".\n", "", "size of box: has no example"),
    ("<?xml", "xml", "has no example of a whole file"),
]

# Of the real tree: (file, what is there, what stands there instead, part of the complaint)
BAD_WORDS = [
    ("console/cli/cmd_pool.c", '{"ADDRESS", "address"', '{"PLACE", "address"', "Fields of a unit: does not explain the field place"),
    ("console/cli/cmd_pool.c", "list_extents(", "list_gaps(", "the table columns has no section"),
    ("docs/man/dvsan.1", ".It Em stopped\n", ".It Em halted\n", "Fields of a unit: explains the word halted"),
    ("docs/man/dvsan.1", ".It Em stopped\n", ".It Em halted\n", "Fields of a unit: does not explain the word stopped"),
    ("docs/man/dvsan.1", ".It Em stopped\n", "Grants access.\n", "Grants: say assign of what a person does"),
    ("src/cms/pool/shown.c", '"unreachable"', '"away"', "Fields of a volume: does not explain the word away"),
    ("src/logic/lead.c", "lead_standing_name(", "lead_standing_word(", "lead_standing_name() is not there any more"),
    ("src/model/unit.c", "medium_kind_name(", "medium_sort_name(", "medium_sort_name(): its words have no section"),
]

BAD_FILES = [
    ("src/base/x.c", "", "x.c:1: the first line is not"),
    ("src/base/x.c", "#include <stdio.h>\n" + SPDX, "x.c:1: the first line is not"),
    ("src/base/x.c", SPDX + JOB, "x.c:1: the first line is not"),
    ("src/base/x.h", JOB + "\n" + SPDX, "x.h:2: the second line is not"),
    ("src/base/x.c", JOB + SPDX + "\n" * 799, "x.c:801: has more than 800 lines"),
    ("src/base/x.c", JOB + SPDX + "int x; // TO" + "DO: later\n", "x.c:3: TO" + "DO"),
    ("ctest/lint/x.py", "# FIX" + "ME\n", "x.py:1: FIX" + "ME"),
    ("examples/run", "#!/bin/sh\n# X" + "XX\n", "run:2: X" + "XX"),
]

GOOD_DOCS = {
    "README.md": "# A thing\n[map](docs/ARCHITECTURE.md#the-tree-and-its-way), [more](docs/design/one.md#two-1), [net](http://x/y)\n"
                 "`src/base`, `docs/design/*.md`, `loop.c`, `base/err.h`, `a [b](c)`, `man -l src/x`\n"
                 "```\n[no](where)\n# not a heading `src/none`\n```\n",
    "CHANGELOG.md": "# Changes\n`src/gone.c` went; see [the licence](LICENSE).\n",
    "LICENSE": "Do what you like.\n",
    "docs/design/one.md": "# One\n## Two\n## Two\n[up](../ARCHITECTURE.md), [here](#two)\n`struct no_thing x`, `thing_of`, `X_Y`\n",
    "src/base/thing.h": "int thing_of(int X_Y);\n",
    "docs/ARCHITECTURE.md": "# The map\n## The tree, and its way\n[One](design/one.md)\n" + "".join(
        f"`{folder}/`\n" for folder in includes.LAYERS if any(path.startswith(folder + "/") for path in GOOD)),
}

# (file, what is there, what stands there instead, part of the complaint)
BAD_DOCS = [
    ("README.md", "docs/ARCHITECTURE.md#", "docs/PLAN.md#", "README.md:2: there is no docs/PLAN.md"),
    ("README.md", "its-way)", "its-ways)", "README.md:2: docs/ARCHITECTURE.md has no heading #the-tree-and-its-ways"),
    ("README.md", "one.md#two-1", "one.md#two-2", "docs/design/one.md has no heading #two-2"),
    ("README.md", "docs/design/one.md#two-1", "src/base/err.h", "src/base/err.h is no page, so it is not installed"),
    ("README.md", "`src/base`", "`src/bass`", "README.md:3: there is no src/bass"),
    ("README.md", "`docs/design/*.md`", "`docs/design/*.txt`", "there is no docs/design/*.txt"),
    ("README.md", "`loop.c`", "`loops.c`", "there is no loops.c"),
    ("README.md", "`base/err.h`", "`base/loop.h`", "there is no base/loop.h"),
    ("docs/design/one.md", "(#two)", "(#three)", "one.md:4: docs/design/one.md has no heading #three"),
    ("docs/design/one.md", "`thing_of`", "`things_of`", "one.md:5: there is no things_of"),
    ("docs/ARCHITECTURE.md", "[One](design/one.md)", "", "has no link to docs/design/one.md"),
    ("docs/ARCHITECTURE.md", "`src/logic/`", "src/logic", "does not name the folder `src/logic`"),
    ("docs/ARCHITECTURE.md", "# The map\n", "# The map\n" + "\n" * 120, "has more than 140 lines"),
]


class Lints(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="dvsan-lint-")
        self.addCleanup(shutil.rmtree, self.root)
        for path, content in GOOD.items():
            self.write(path, JOB + SPDX + content)

    def write(self, path, content):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(content)

    def lint(self, script, *args):
        return subprocess.run([sys.executable, os.path.join(HERE, script), self.root, *args],
                              capture_output=True, text=True)

    def assert_clean(self, script, *args):
        result = self.lint(script, *args)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def check(self, script, table):
        self.assert_clean(script)
        for path, content, complaint in table:
            with self.subTest(path=path, complaint=complaint):
                full = os.path.join(self.root, path)
                before = GOOD.get(path)
                self.write(path, content)
                result = self.lint(script)
                self.assertEqual((result.returncode, result.stderr), (1, ""))
                self.assertIn(complaint, result.stdout)
                if before is None:
                    os.remove(full)
                else:
                    self.write(path, JOB + SPDX + before)
        self.assert_clean(script)

    def test_includes(self):
        self.check("includes.py", BAD_INCLUDES)

    def test_circles(self):
        good = {"a": ["b", "c"], "b": ["c"], "c": [], "d": ["a"]}
        self.assertEqual(circles.circles(good), [])
        self.assertEqual(circles.circles(good | {"c": ["b"]}), [["b", "c"]])
        self.assertEqual(circles.circles(good | {"c": ["d"]}), [["a", "b", "c", "d"]])
        result = self.lint("circles.py")
        self.assertEqual(result.returncode, 1)
        self.assertIn("no object files; build first", result.stdout)

    def test_files(self):
        self.check("files.py", BAD_FILES)

    def test_names(self):
        for path, content in GOOD_NAMES.items():
            self.write(path, JOB + SPDX + content)
        self.check("names.py", BAD_NAMES)

    def test_man_words(self):
        tree = os.path.dirname(os.path.dirname(HERE))
        for path in ("console/cli", "console/api", "src/model", "src/logic", "src/cms", "docs/man"):
            shutil.copytree(os.path.join(tree, path), os.path.join(self.root, path), dirs_exist_ok=True)
        self.assert_clean("man_words.py")
        for path, good, bad, complaint in BAD_WORDS:
            with self.subTest(path=path, complaint=complaint):
                with open(os.path.join(tree, path), encoding="utf-8") as f:
                    text = f.read()
                self.assertIn(good, text)
                self.write(path, text.replace(good, bad))
                result = self.lint("man_words.py")
                self.assertEqual((result.returncode, result.stderr), (1, ""))
                self.assertIn(complaint, result.stdout)
                self.write(path, text)

    def test_docs(self):
        for path, content in GOOD_DOCS.items():
            self.write(path, content)
        self.assert_clean("docs.py")
        for path, good, bad, complaint in BAD_DOCS:
            with self.subTest(path=path, complaint=complaint):
                self.assertIn(good, GOOD_DOCS[path])
                self.write(path, GOOD_DOCS[path].replace(good, bad))
                result = self.lint("docs.py")
                self.assertEqual((result.returncode, result.stderr), (1, ""))
                self.assertIn(complaint, result.stdout)
                self.assertEqual(result.stdout.count("\n"), 1)
                self.write(path, GOOD_DOCS[path])

    def test_man_config(self):
        self.write("tgt-configs/box.rng", SCHEMA)
        for good, bad, complaint in BAD_PAGES:
            self.write("docs/man/box.xml.5", PAGE)
            self.assert_clean("man_config.py")
            with self.subTest(bad=bad, complaint=complaint):
                self.write("docs/man/box.xml.5", PAGE.replace(good, bad))
                result = self.lint("man_config.py")
                self.assertEqual((result.returncode, result.stderr), (1, ""))
                self.assertIn(complaint, result.stdout)

    def test_file_of_800_lines(self):
        self.write("src/base/x.c", JOB + SPDX + "\n" * 798)
        self.write("src/base/y.c", JOB + SPDX + 'char name[] = "/tmp/x-XXXXXX";\n')
        self.assert_clean("files.py")

    def test_format(self):
        clang_format = shutil.which("clang-format")
        if not clang_format:
            self.skipTest("clang-format is not installed")
        self.write(".clang-format", "BasedOnStyle: LLVM\nSortIncludes: Never\n")
        self.assert_clean("format.py", clang_format)
        self.write("src/base/x.c", JOB + SPDX + "int   x ;\n")
        result = self.lint("format.py", clang_format)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("src/base/x.c:3", result.stderr)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
# Checks the manual pages of the configurations against their schemas and the programs that read them.
# SPDX-License-Identifier: BSD-2-Clause
"""usage: man_config.py ROOT [BUILD]

Each schema NAME.rng of tgt-configs has a page NAME.xml(5), with a section for each element and an
item for each attribute, and no others. An item says "Required." where the schema does, else
"Default: ", names all words that the schema allows, and gives an example. With BUILD, the program
NAME takes the page's example and both ends of each range, and refuses what is one beyond.
"""
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

from tree import read, report

RNG = "{http://relaxng.org/ns/structure/1.0}"
SECTION = re.compile(r"^\.Ss Element (\S+)\n(.*?)(?=^\.S[sh] |\Z)", re.S | re.M)
ITEM = re.compile(r"^\.It Va (\S+)\n(.*?)(?=^\.It |^\.El)", re.S | re.M)
RANGE = re.compile(r"\b(\d+)(|ms|s|m|h)[ \n]to[ \n](\d+)(|ms|s|m|h)(?=[.,;])")
# What an end of a range takes beside it.
BESIDE = {"FirstBurstLength": {"MaxBurstLength": "16777215"}, "MaxBurstLength": {"FirstBurstLength": "512"},
          "interval": {"lease/time": "24h"}, "time": {"poll/interval": "100ms"}}
GOOD, UNFIT, INVALID = 0, 3, 2


def schema(path):
    """element -> (the one that holds it, {attribute: (optional, its words)})."""
    elements = {}

    def walk(node, inside, optional):
        for child in node:
            if child.tag == RNG + "element":
                elements[child.get("name")] = (inside, {})
                walk(child, child.get("name"), False)
            elif child.tag == RNG + "attribute":
                words = [value.text for value in child.iter(RNG + "value")]
                elements[inside][1][child.get("name")] = (optional, words)
            else:
                walk(child, inside, child.tag == RNG + "optional")
    walk(ET.parse(path).getroot(), None, False)
    return elements


def differences(page, what, told, there):
    for name in sorted(there - told):
        yield f"{page}: does not tell about the {what} {name}"
    for name in sorted(told - there):
        yield f"{page}: tells about the {what} {name}, which the schema does not have"


def check_item(where, text, optional, words):
    if ("\nRequired.\n" in "\n" + text) == optional:
        yield f"{where}: says Required where the schema does not, or the other way round"
    if ("\nDefault: " in "\n" + text) != optional:
        yield f"{where}: what may be left out has a default, and nothing else has"
    if "\nExample: \"" not in "\n" + text:
        yield f"{where}: has no example"
    for word in words:
        if not re.search(rf"\b{word}\b", text):
            yield f"{where}: does not name {word}"


class Program:
    """Asks a program whether it takes variants of the page's example."""

    def __init__(self, path, example, elements):
        self.path, self.example, self.elements = path, example, elements

    def set(self, root, element, name, value):
        node = root if root.tag == element else root.find(f".//{element}")
        if node is None:
            holder = self.elements[element][0]
            node = ET.SubElement(root if root.tag == holder else root.find(f".//{holder}"), element)
        node.set(name, value)

    def ends_with(self, *settings):
        root = ET.fromstring(self.example)
        for element, name, value in settings:
            self.set(root, element, name, value)
        with tempfile.NamedTemporaryFile(suffix=".xml") as f:
            ET.ElementTree(root).write(f, "UTF-8", xml_declaration=True)
            f.flush()
            return subprocess.run([self.path, "-c", f.name, "-t"], capture_output=True, timeout=60, check=False,
                                  env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0")).returncode

    def takes(self, *settings):
        return self.ends_with(*settings) in (GOOD, UNFIT)

    def check_range(self, where, element, name, text):
        found = RANGE.search(text)
        if not found:
            return
        least, unit, most, other = found.groups()
        beside = [(*(key.split("/") if "/" in key else (element, key)), value)
                  for key, value in BESIDE.get(name, {}).items()]
        for value in (least + unit, most + (other or unit)):
            if not self.takes(*beside, (element, name, value)):
                yield f"{where}: the program does not take {value}"
        for value in (f"{int(least) - 1}{unit}", f"{int(most) + 1}{other or unit}"):
            if self.ends_with(*beside, (element, name, value)) != INVALID:
                yield f"{where}: the program does not refuse {value}"


def check_page(root, name, build):
    page = f"docs/man/{name}.xml.5"
    if not os.path.exists(os.path.join(root, page)):
        yield f"docs/man: {name}.rng has no page {name}.xml.5"
        return
    text, elements = read(root, page), schema(os.path.join(root, "tgt-configs", name + ".rng"))
    told = {element: dict(ITEM.findall(body)) for element, body in SECTION.findall(text)}
    yield from differences(page, "element", set(told), set(elements))
    example = re.search(r"^\.Bd -literal\n(<\?xml.*?)^\.Ed", text, re.S | re.M)
    if not example:
        yield f"{page}: has no example of a whole file"
        return
    program = Program(os.path.join(build, "bin", name), example[1].encode(), elements) if build else None
    if program and not program.takes():
        yield f"{page}: {name} does not take its example"
    for element, (_, attributes) in elements.items():
        items = told.get(element, {})
        yield from differences(page, f"attribute of {element}", set(items), set(attributes))
        for attribute, (optional, words) in attributes.items():
            where = f"{page}: {attribute} of {element}"
            if attribute in items:
                yield from check_item(where, items[attribute], optional, words)
                if program:
                    yield from program.check_range(where, element, attribute, items[attribute])


def complaints(root, build):
    for file_name in sorted(os.listdir(os.path.join(root, "tgt-configs"))):
        if file_name.endswith(".rng"):
            yield from check_page(root, file_name.removesuffix(".rng"), build)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(report(list(complaints(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None))))

#!/usr/bin/python3
# Checks that includes go one way, and that foreign types stay in the folder that owns them.
# SPDX-License-Identifier: BSD-2-Clause
"""usage: includes.py ROOT

Three rules:
1. A file may include what the table LAYERS gives its folder, and its own folder.
2. A foreign library's header is for the folders that FOREIGN gives it.
3. A header of ours that lets a foreign library's types through, directly or by another header,
   is private: no other folder may include it.
"""
import os
import re
import sys

from tree import c_files, read, report

ANY = "any folder"

# Each folder, and what it may include besides itself. Below come before above.
LAYERS = {
    "src/base": "",
    "src/model": "base",
    "src/loop": "base",
    "src/logic": "base model",
    "src/enrol": "base model",
    "src/config": "base model logic",
    # One foreign thing each; they never include one another.
    "src/snmp": "base loop model logic",
    "src/netlink": "base loop",
    "src/tgt": "base loop model logic",
    "src/media": "base loop model logic",
    "src/block": "base loop model logic",
    "src/iscsi": "base loop model logic block",
    "src/sqlite": "base model",
    "src/store": "base loop model logic sqlite",
    "src/discover": "base loop model logic",
    "src/mirror": "base loop model logic block",
    # The programs.
    "src/nbd": "base loop model logic block iscsi mirror",
    # The station: its parts in their order, what begins and ends them, the program.
    "src/cms/pool": "base model logic",
    "src/cms/core": "base loop model logic enrol config snmp store cms/pool cms/cms.h",
    "src/cms/task": "base loop model logic cms/pool cms/core",
    "src/cms/member": "base loop model logic enrol config snmp store cms/pool cms/core cms/task "
                      "cms/cms.h",
    "src/cms/unit": "base loop model logic config snmp cms/pool cms/core cms/task cms/member "
                    "cms/cms.h",
    "src/cms/join": "base loop model logic enrol config snmp store cms/pool cms/core cms/member "
                    "cms/unit cms/cms.h",
    "src/cms/request": "base loop model logic enrol config snmp store cms/pool cms/core "
                       "cms/member cms/task cms/unit cms/cms.h",
    "src/cms": "base loop model logic enrol config snmp store discover cms",
    "src/cms/main.c": "base loop model logic enrol config snmp store discover cms "
                      "console/api snmp-agents/cms",
    "src/unit": "base loop model logic config netlink tgt media sqlite",
    "src/host": "base loop model logic config netlink sqlite discover",
    "snmp-agents/member": "base loop model logic enrol config snmp netlink",
    "snmp-agents/unit": "base loop model logic enrol config snmp netlink media unit "
                        "snmp-agents/member",
    "snmp-agents/cms": "base loop model logic snmp cms",
    "console/api": "base loop model logic config snmp cms",
    "console/cli": "base model",
    # Tests look at everything.
    "ctest": ANY,
}

# Foreign headers (a name, or a folder with its slash), and whose they are.
FOREIGN = {
    "event2/": "src/loop",
    "net-snmp/": "src/snmp",
    "iscsi/": "src/iscsi",
    "sqlite3.h": "src/sqlite",
    "libpq-fe.h": "src/store",
    "libxml/": "src/config",
    "libfdisk/": "src/media",
    "blkid/": "src/media",
    "rbd/": "src/media",
    "avahi-": "src/discover",
    "ares.h": "src/discover",
    "civetweb.h": "console/api",
    "curl/": "console/cli",
    "libsmartcols.h": "console/cli",
    "rrd.h": "src/cms",
    "libmnl/": "src/netlink",
    "sodium.h": "src/base src/model src/enrol src/snmp src/tgt src/cms console/api",
    "jansson.h": "src/enrol src/cms console src/iscsi src/nbd",
    "dvsan_oids.h": "src/model src/snmp src/cms snmp-agents",
    "cmocka.h": "ctest",
}

# Headers without types of their own to leak, so rule 3 leaves them out.
HARMLESS = {
    "uthash.h": "src/snmp src/cms src/store src/unit src/host snmp-agents console",
    "utlist.h": "src/cms src/host snmp-agents console",
}

# What the compiler, libc and the kernel bring: anybody's.
SYSTEM_FOLDERS = ("sys/", "linux/", "net/", "netinet/", "arpa/", "asm/")
SYSTEM = set("""
    assert ctype dirent endian errno fcntl fnmatch getopt glob grp ifaddrs inttypes libgen limits
    locale malloc math mntent netdb poll pthread pwd regex resolv sched search semaphore setjmp signal
    spawn stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib string strings syslog
    termios time unistd wchar
""".split())

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def below(path, folder):
    return path == folder or path.startswith(folder + "/")


def layer_of(path):
    """The most specific entry of LAYERS for a file, or None."""
    found = [key for key in LAYERS if below(path, key)]
    return max(found, key=len) if found else None


def allowed(layer):
    """The folders that a layer may include, with its own."""
    own = os.path.dirname(layer) if layer.endswith(".c") else layer
    names = LAYERS[layer].split()
    return [own] + [n if n.startswith(("console/", "snmp-agents/")) else "src/" + n for n in names]


def foreign_owner(table, header):
    for name, owner in table.items():
        if header == name or (name[-1] in "/-" and header.startswith(name)):
            return owner.split()
    return None


class Tree:
    def __init__(self, root):
        self.root = root
        self.files = c_files(root)
        self.known = set(self.files)
        self.includes = {}  # path -> [(line, mark, header)]
        for path in self.files:
            text = read(root, path)
            self.includes[path] = [(text.count("\n", 0, m.start()) + 1, m[1], m[2].strip())
                                   for m in INCLUDE.finditer(text)]
        self.leaks = {}

    def resolve(self, header):
        """The file that an include of ours names, relative to src/ or the root."""
        for path in ("src/" + header, header):
            if path in self.known:
                return path
        return None

    def leak(self, path, seen=()):
        """The foreign header that a header of ours lets through, or None."""
        if path not in self.leaks and path not in seen:
            found = None
            for _, _, header in self.includes[path]:
                ours = self.resolve(header)
                if ours:
                    found = found or self.leak(ours, (*seen, path))
                elif foreign_owner(FOREIGN, header) is not None:
                    found = found or header
            self.leaks[path] = found
        return self.leaks.get(path)

    def check_ours(self, path, layer, target):
        if LAYERS[layer] is ANY:
            return None
        folders = allowed(layer)
        if not any(below(target, folder) for folder in folders):
            return (f"{layer} may not include {os.path.dirname(target)}, only "
                    + (", ".join(folders[1:]) or "itself"))
        leak = self.leak(target)
        if leak and not below(target, folders[0]):
            return (f"{target} includes <{leak}> and so is private to {os.path.dirname(target)}; "
                    "foreign types stay in one folder")
        return None

    def check_other(self, path, layer, mark, header):
        owner = foreign_owner(FOREIGN, header) or foreign_owner(HARMLESS, header)
        if owner is not None:
            if LAYERS[layer] is ANY or any(below(path, folder) for folder in owner):
                return None
            return f"{header} is for {', '.join(owner)} only"
        if mark == '"':
            return f'there is no "{header}"; write it relative to src/ or to the top folder'
        if header.startswith(SYSTEM_FOLDERS) or (header.endswith(".h") and header[:-2] in SYSTEM):
            return None
        if LAYERS[layer] is ANY:
            return None
        return f"<{header}> is not known; say in ctest/lint/includes.py whose it is"

    def complaints(self):
        for path in self.files:
            layer = layer_of(path)
            if layer is None:
                yield f"{path}:1: its folder has no place in the table of ctest/lint/includes.py"
                continue
            for line, mark, header in self.includes[path]:
                target = self.resolve(header)
                if target:
                    text = self.check_ours(path, layer, target)
                else:
                    text = self.check_other(path, layer, mark, header)
                if text:
                    yield f"{path}:{line}: {text}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(report(list(Tree(sys.argv[1]).complaints())))

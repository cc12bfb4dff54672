"""What the benchmarks share: their command lines, and a server that fio reads and writes. It finds ctest/support."""
# SPDX-License-Identifier: BSD-2-Clause
import argparse
import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))


def fail(why):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {why}")


def parser(text):
    return argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)


def add_build(p):
    p.add_argument("--build", default=os.path.join(ROOT, "build", "release"), metavar="FOLDER",
                   help="whose programs to measure (default: build/release)")


def parse(p, program):
    """The arguments, with a build that has this program and is the one of ctest/support from now on."""
    a = p.parse_args()
    if not os.access(os.path.join(a.build, "bin", program), os.X_OK):
        p.error(f"{a.build} has no {program}; build the release preset, or give --build")
    os.environ["DVSAN_BUILD"] = os.path.realpath(a.build)
    return a


def machine(a):
    """What figures depend on."""
    return (f"# {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, "
            f"{os.path.relpath(a.build, ROOT)}")


def find_nbd():
    for build in ("build/release", "build/debug"):
        path = os.path.join(ROOT, build, "bin/dvsan-nbd")
        if os.path.exists(path):
            if build != "build/release":
                print("note: not a release build", file=sys.stderr)
            return path
    return fail("dvsan-nbd was not found: build the release preset or give --program")


def private(folder, name, text):
    path = os.path.join(folder, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
        f.write(text)
    return path


class Nbd:
    """A server on a socket that fio reads and writes. SOCKET in its command stands for that."""

    def __init__(self, name, folder, command):
        from support.patience import wait_for
        self.name = name
        self.socket = os.path.join(folder, name + ".sock")
        self.log = open(os.path.join(folder, name + ".log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen([c.replace("SOCKET", self.socket) for c in command],
                                        stdout=self.log, stderr=self.log)
        wait_for(name, lambda: os.path.exists(self.socket) or self.process.poll() is not None)
        if self.process.poll() is not None:
            self.log.seek(0)
            fail(f"{name} failed: {self.log.read()}")

    def fio(self, rw, block, depth, *options, timeout=None):
        """Runs fio on it; what that says of its reads or writes."""
        r = subprocess.run(
            ["fio", "--name=bench", "--ioengine=nbd", f"--uri=nbd+unix:///?socket={self.socket}",
             f"--rw={rw}", f"--bs={block}", f"--iodepth={depth}", *options, "--output-format=json",
             "--norandommap", "--size=100%"], capture_output=True, text=True, check=False,
            timeout=timeout, cwd="/tmp")
        if r.returncode != 0 or "{" not in r.stdout:
            fail(f"fio on {self.name} failed: {r.stdout}{r.stderr}")
        job = json.loads(r.stdout[r.stdout.index("{"):])["jobs"][0]
        return job["read" if "read" in rw else "write"]

    def run(self, rw, block, depth, seconds):
        """Operations a second."""
        return self.fio(rw, block, depth, "--time_based", f"--runtime={int(seconds * 1000)}ms",
                        "--randrepeat=0", timeout=seconds + 30)["iops"]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def dvsan_nbd(folder, params, program):
    path = private(folder, "params.json", json.dumps(params))
    return Nbd("dvsan", folder, [program, "--socket", "SOCKET", path])

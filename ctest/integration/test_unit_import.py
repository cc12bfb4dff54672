"""Units that get their keys by files, without speaking with the station."""
import json
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
from urllib.parse import urlsplit

import pytest

from support import BUILD, patience

LAB = {"units": 1, "hosts": 0}
SERVICE = 61234 # a user who is nobody else
CONFIG = """<unit name="u" state-dir="closed/state">
  <media><medium index="1" name="m" kind="dir" path="m" size="64M"/></media>
  <portals><portal index="1" address="127.0.0.1"/></portals>
  <tgtd socket="tgtd"/>
  <snmp agentx="/nowhere" management-address="udp:127.0.0.1:161" engine-id="80001f88050123456789"/>
</unit>
"""


def agent(unit, *words, **more):
    return unit.dvsan_unit(*words, timeout=120, **more)


class Thief(threading.Thread):
    """Passes one request on to the station, and its answer to nobody."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        to = urlsplit(lab.env["DVSAN_URL"])
        self.station = (to.hostname, to.port)
        self.door = socket.create_server((to.hostname, 0))
        self.url = "http://%s:%d" % self.door.getsockname()
        self.start()

    def run(self):
        with self.door, self.door.accept()[0] as client, socket.create_connection(self.station) as station:
            threading.Thread(target=self._pass, args=(client, station), daemon=True).start()
            assert station.recv(1)
            client.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _pass(client, station):
        while data := client.recv(65536):
            station.sendall(data)


def import_in_vain(lab, *words):
    """The station lets the unit in, and its answer is lost; what the command says."""
    failed = lab.dvsan("--url", Thief(lab).url, "unit", "import", *words, code=None)
    assert failed.returncode != 0 and "may have carried out the request all the same" in failed.stderr
    assert not os.path.exists(words[1])
    return failed.stderr


def moves_to_no_other_pool_by_mistake(lab, unit, identity):
    """What another station gave is taken only when that is said."""
    def kept():
        with open(unit.path("state/identity"), "rb") as file:
            return file.read()

    with open(identity, encoding="utf-8") as file:
        other = json.load(file)
    other["station"].update(name="another one", engine_id="80001f880500112233445566778899aabb")
    elsewhere, before = identity + "-of-another-pool", kept()
    with open(os.open(elsewhere, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
        json.dump(other, file)
    lab.run("stop", "unit1/agent")
    lab.run("stop", "unit1/snmpd")
    done = agent(unit, "--identity", elsewhere)
    assert done.returncode != 0 and "is in the pool of the station" in done.stderr and "--yes" in done.stderr
    assert kept() == before
    for path, words in ((identity, ()), (elsewhere, ("--yes",)), (identity, ("--yes",))):
        done = agent(unit, "--identity", path, *words)
        assert done.returncode == 0, done.stderr
        assert (b"another one" in kept()) == (path == elsewhere)
    lab.run("start", "unit1")
    patience.wait_for("unit1 to be up", lambda: lab.unit("unit1")["state"] == "up")


def test_a_unit_becomes_a_member_by_files(lab):
    unit = lab.units["unit1"]
    request, identity = (os.path.join(lab.folder, name) for name in ("request", "its-identity"))
    lab.run("stop", "unit1/agent")
    lab.run("stop", "unit1/snmpd")
    done = agent(unit, "--identity-request")
    assert done.returncode == 0, done.stderr
    with open(request, "w", encoding="utf-8") as file:
        file.write(done.stdout)
    lab.dvsan("unit", "import", request, identity)
    assert stat.S_IMODE(os.stat(identity).st_mode) == 0o600
    assert lab.unit("unit1")["trust"] == "enrolled"
    os.chmod(identity, 0o640)
    done = agent(unit, "--identity", identity)
    assert done.returncode != 0 and "chmod 600" in done.stderr
    os.chmod(identity, 0o600)
    done = agent(unit, "--identity", identity)
    assert done.returncode == 0, done.stderr
    lab.run("start", "unit1")
    patience.wait_for("unit1 to be up", lambda: lab.unit("unit1")["state"] == "up")
    lab.create("v1", "1M", unit="unit1")
    moves_to_no_other_pool_by_mistake(lab, unit, identity)
    # the same request again gives out no keys
    os.remove(identity)
    failed = lab.dvsan("unit", "import", request, identity, code=None)
    assert failed.returncode != 0 and "enrolled already" in failed.stderr
    assert not os.path.exists(identity)
    assert "dvsan unit import --again gives it other keys" in failed.stderr


def test_a_unit_that_lost_its_identity_gets_another_one(lab):
    """As does one that was revoked, whose old keys open nothing any more."""
    unit = lab.units["unit1"]
    request, identity = (os.path.join(lab.folder, name) for name in ("request", "another-identity"))
    lab.run("stop", "unit1/agent")
    lab.run("stop", "unit1/snmpd")
    lab.dvsan("unit", "revoke", "unit1", "--yes")
    os.remove(unit.path("state/identity"))
    assert "run this command again, and it gets others" in import_in_vain(lab, request, identity, "--again")
    lab.dvsan("unit", "import", request, identity, "--again")
    assert lab.unit("unit1")["trust"] == "enrolled"
    done = agent(unit, "--identity", identity)
    assert done.returncode == 0, done.stderr
    lab.run("start", "unit1")
    patience.wait_for("unit1 to be up", lambda: lab.unit("unit1")["state"] == "up")
    assert lab.volume("v1")["state"] == "online"
    # Of a unit that the pool does not have nothing is to be given again.
    with open(request, encoding="utf-8") as file:
        stranger = file.read().replace(lab.unit("unit1")["uuid"], "00000000-0000-4000-8000-000000000001")
    with open(request, "w", encoding="utf-8") as file:
        file.write(stranger)
    os.remove(identity)
    failed = lab.dvsan("unit", "import", request, identity, "--again", code=None)
    assert failed.returncode != 0 and "leave --again out" in failed.stderr


def test_an_answer_that_is_lost(lab):
    """The command can be repeated, and says how: the keys that nobody has are worth nothing."""
    request, identity = (os.path.join(lab.folder, name) for name in ("new-request", "new-identity"))
    with open(os.path.join(lab.folder, "request"), encoding="utf-8") as file:
        what = dict(json.load(file), name="lost", uuid="00000000-0000-4000-8000-000000000002",
                    engine_id="80001f88040123456789abcdef")
    with open(request, "w", encoding="utf-8") as file:
        json.dump(what, file)
    assert "with --again when it says that the unit is enrolled already" in import_in_vain(lab, request, identity)
    assert lab.unit("lost")["key_number"] == 1
    failed = lab.dvsan("unit", "import", request, identity, code=4)
    assert "enrolled already" in failed.stderr and "--again" in failed.stderr and not os.path.exists(identity)
    lab.dvsan("unit", "import", request, identity, "--again")
    with open(identity, encoding="utf-8") as file:
        assert json.load(file)["number"] == lab.unit("lost")["key_number"] == 3


@pytest.fixture(name="folder")
def fixture_folder():
    """Where every user can go."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dvsan-owner-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="acting as somebody else takes root")
def test_root_opens_for_the_service_only_what_the_service_may_open(folder):
    """Root's groups give the service nothing either."""
    state = folder / "closed/state"
    state.mkdir(parents=True)
    (folder / "m").mkdir()
    state.chmod(0o700)
    os.chown(state, SERVICE, SERVICE)
    (folder / "unit.xml").write_text(CONFIG)

    def ask():
        return subprocess.run([os.path.join(BUILD, "bin", "dvsan-unit"), "-c", folder / "unit.xml", "--identity-request"],
                              capture_output=True, text=True, timeout=120, check=False, extra_groups=[0])

    state.parent.chmod(0o750)
    done = ask()
    assert done.returncode != 0 and "Permission denied" in done.stderr and not list(state.iterdir()), done
    state.parent.chmod(0o755)
    done = ask()
    assert done.returncode == 0 and (state / "unit.db").stat().st_uid == SERVICE, done
    assert (state / "unit.db").stat().st_gid == SERVICE

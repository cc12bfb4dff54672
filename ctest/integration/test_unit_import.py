"""Units that get their keys by files, without speaking with the station."""
import os
import stat
import subprocess

from tools import patience
from tools.testlab import BUILD

LAB = {"units": 1, "hosts": 0}


def agent(unit, *words, **more):
    return subprocess.run([os.path.join(BUILD, "bin", "dvsan-unit"), "-c", unit.path("unit.xml"),
                           *words], capture_output=True, text=True, timeout=120, check=False, **more)


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

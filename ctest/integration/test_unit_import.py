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

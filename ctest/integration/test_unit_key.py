"""Hosts' secrets on a unit are sealed: its key may be lost, and what older versions wrote is sealed at the first start."""
import os
import sqlite3
import subprocess

import pytest

from support import BUILD, initiators, patience, stand
from support.faults import needs_faults

LAB = {"units": 1, "hosts": 1, "enrolled": True}
PROGRAM = os.path.join(BUILD, "bin", "dvsan-unit")


def state(lab, name):
    return lab.units["unit1"].path("state/" + name)


def agent(lab, *options):
    """Run until it ends, or for a moment: it must refuse at once."""
    return lab.units["unit1"].dvsan_unit(*options, timeout=120)


def is_active(lab):
    return [a["state"] for a in lab.client.get("/assignments?host=host1")] == ["active"]


def test_a_lost_key_stops_no_host_and_the_station_sends_secrets_again(lab):
    lab.create("v1", "64M")
    lab.assign("v1", "host1")
    secret = lab.secret("host1").encode()
    with open(state(lab, "unit.db"), "rb") as f:
        assert secret not in f.read()
    how = initiators.access(lab, "host1", "v1")
    with initiators.writing(lab, how) as writer:
        lab.run("stop", "unit1/agent")
        os.unlink(state(lab, "key"))
        refused = agent(lab)
        assert refused.returncode != 0 and "is missing, and hosts' secrets in unit.db are sealed with it" in refused.stderr
        assert not os.path.exists(state(lab, "key"))
        assert writer.goes_on(), writer.error
        given_up = agent(lab, "--forget-secrets")
        assert given_up.returncode == 0 and "The secrets of 1 CHAP user were given up." in given_up.stdout
        lab.run("start", "unit1/agent")
        patience.wait_for("the station to send the secret again", lambda: is_active(lab))
        assert any("there is no CHAP secret any more on unit1" in e["text"] for e in lab.client.get("/events"))
        assert not any("by no request" in e["text"] for e in lab.client.get("/events"))
        assert writer.goes_on(), writer.error
    assert initiators.can_log_in(how)


def unseal(lab):
    """The journal as an older version wrote it. Returns the secret."""
    secret = lab.secret("host1")
    lab.run("stop", "unit1/agent")
    with sqlite3.connect(state(lab, "unit.db")) as db:
        db.execute("UPDATE rule SET secret = ?", (secret,))
        db.execute("UPDATE member SET sealed = ''")
    db.close()
    os.unlink(state(lab, "key"))
    assert holds(lab, "unit.db", secret)
    return secret


def holds(lab, name, secret):
    with open(state(lab, name), "rb") as f:
        return secret.encode() in f.read()


def expect_sealed(lab, secret):
    patience.wait_for("the unit to serve it again", lambda: is_active(lab))
    assert not [name for name in os.listdir(state(lab, ""))
                if os.path.isfile(state(lab, name)) and holds(lab, name, secret)]
    assert initiators.can_log_in(initiators.access(lab, "host1", "v1"))


def test_secrets_of_an_older_version_are_sealed_at_the_first_start(lab):
    secret = unseal(lab)
    lab.run("start", "unit1/agent")
    expect_sealed(lab, secret)


@needs_faults
@pytest.mark.parametrize("point", ["sealing.key", "sealing.done"])
def test_an_agent_that_dies_while_it_seals_loses_no_secret(lab, point):
    secret = unseal(lab)
    with open(os.path.join(lab.work, "stop"), "w", encoding="ascii") as f:
        f.write(point + ":1")
    with subprocess.Popen([PROGRAM, "-c", lab.units["unit1"].path("unit.xml")],
                          env=dict(os.environ, DVSAN_FAULT_STOP=f.name)) as process:
        patience.wait_for("it to stop there", lambda: stand.state(process.pid) == "T")
        process.kill()
    assert not os.path.exists(f.name) and not os.path.exists(state(lab, "key"))
    lab.run("start", "unit1/agent")
    expect_sealed(lab, secret)

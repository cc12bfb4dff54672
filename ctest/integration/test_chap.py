"""A host's CHAP secret is another one on each unit: what one unit knows opens no door of another."""
import os

import pytest

from support import initiators

LAB = {"units": 2, "hosts": 0}
IQN, OWN = "iqn.2026-11.lab.dvsan:web", "the-own-secret-1"


@pytest.fixture(scope="module", name="ways")
def _ways(lab):
    """How the host reaches its volume on each unit."""
    lab.secret = {"web": OWN}.get
    path = os.path.join(lab.work, "web.secret")
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as f:
        f.write(OWN)
    lab.dvsan("host", "add", "web", "--iqn", IQN, "--chap-secret-file", path)
    for n in (1, 2):
        lab.create(f"t{n}", size="16M", unit=f"unit{n}")
        lab.assign(f"t{n}", "web")
    return {n: initiators.access(lab, "web", f"t{n}") for n in (1, 2)}


def test_each_unit_has_its_own(lab, ways):
    assert ways[1]["secret"] != ways[2]["secret"]
    for n in (1, 2):
        assert initiators.can_log_in(ways[n])
        assert not initiators.can_log_in(dict(ways[n], secret=OWN))
        said = lab.dvsan("host", "secret", "web", "--unit", f"unit{n}", "--chap-secret-file",
                         os.path.join(lab.work, "web.secret")).stdout
        assert said == ways[n]["secret"] + "\n"
    other = os.path.join(lab.work, "other.secret")
    with open(os.open(other, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as f:
        f.write("another-secret-1")
    failed = lab.dvsan("host", "secret", "web", "--unit", "unit1", "--chap-secret-file", other, code=None)
    assert failed.returncode != 0 and not failed.stdout
    assert f"{other} does not hold the CHAP secret of host web" in failed.stderr


def test_a_thief_of_one_unit_opens_nothing_on_another(lab, ways):
    """With all files of unit1: whatever its journal holds as a secret is refused at unit2, also as
    what a unit's secret is made of, and neither the host's own nor unit2's is in any file."""
    folder = lab.units["unit1"].folder
    found = b""
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            if os.path.isfile(path) and os.path.getsize(path) < 8 << 20:
                with open(path, "rb") as f:
                    found += f.read()
    assert OWN.encode() not in found and ways[2]["secret"].encode() not in found
    unit2 = lab.client.get("/units/unit2")["uuid"]
    known = ways[1]["secret"]
    for secret in (known, initiators.unit_secret(known, unit2)):
        assert not initiators.can_log_in(dict(ways[2], secret=secret))
    assert initiators.can_log_in(ways[2])


def test_one_secret_for_all(lab, ways):
    lab.client.post("/hosts", {"name": "old", "iqn": IQN + "-old", "chap_secret": OWN, "one_secret": True})
    assert lab.dvsan_json("host", "show", "old")["one_secret"] is True
    assert lab.dvsan_json("host", "show", "web")["one_secret"] is False
    lab.secret = {"web": OWN, "old": OWN}.get
    for n in (1, 2):
        lab.assign(f"t{n}", "old")
        how = initiators.access(lab, "old", f"t{n}")
        assert how["secret"] == OWN and initiators.can_log_in(how)


def test_dvsan_nbd_makes_it_of_the_hosts_own(lab, ways):
    params = lab.dvsan_json("host", "connect-info", "web", "--volume", "t2", "--nbd",
                            "--chap-secret-file", "/s")
    assert params["chap_unit"] == lab.client.get("/units/unit2")["uuid"]
    assert params["chap_secret_file"] == "/s"

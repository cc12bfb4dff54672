# The services under a systemd of their own, set up as docs/INSTALL.md says, and as closed as they say.
# SPDX-License-Identifier: BSD-2-Clause
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from support import BUILD, SOURCE
from support.booted import Machine
from support.patience import until
from support.testlab import SANITIZER

SERVICES = {"dvsan-cms": ("dvsan", 0), "dvsan-unit": ("dvsan", 0), "dvsan-tgtd@0": ("dvsan", 0),
            "snmpd": ("Debian-snmp", 1 << 10)} # CAP_NET_BIND_SERVICE
MEDIA = '<medium index="1" name="pool0" kind="dir" path="/srv/dvsan/pool0" size="1GiB"/>'
IMAGE = '<medium index="2" name="image" kind="disk" path="/srv/dvsan/disk.img" initialise="yes"/>'


def commands(heading):
    """The blocks of commands below a heading of the guide."""
    text = pathlib.Path(SOURCE, "docs/INSTALL.md").read_text()
    section = re.split(r"^##+ ", text.partition(f"# {heading}\n")[2], flags=re.M)[0]
    return [re.sub("^    ", "", block, flags=re.M) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.M)
            if block.strip()]


def configure(machine, name, *changes):
    path = machine.root / f"etc/dvsan/{name}.xml"
    text = path.read_text()
    for pattern, new in changes:
        text, count = re.subn(pattern, new, text, flags=re.S)
        assert count, pattern
    path.write_text(text)


def media(text):
    return (r"<media>.*</media>", f"<media>{text}</media>")


@pytest.fixture(name="machine", scope="module")
def set_up(tmp_path_factory):
    """A station and a unit on one machine, with the addresses of the examples."""
    machine = Machine()
    try:
        folder = tmp_path_factory.mktemp("package")
        subprocess.run(["cpack", "-B", str(folder)], cwd=BUILD, check=True, capture_output=True)
        package, = folder.glob("*.deb")
        shutil.copy(package, machine.root / "root/dvsan.deb")
        machine.run("dpkg", "-i", "/root/dvsan.deb")
        machine.sh("ip addr add 192.0.2.1/32 dev lo; ip addr add 192.0.2.7/32 dev lo")
        # Looking for leaks takes ptrace(2), which the services may not call.
        machine.run("systemctl", "set-environment", "ASAN_OPTIONS=detect_leaks=0")
        machine.sh("dvsan-cms --init --name station --address 192.0.2.1")
        added = machine.sh("dvsan unit add unit1")
        line = re.search("^  (dvsan-unit .*)", added, re.M)[1]
        machine.sh(f"{line} --name unit1 --address 192.0.2.7 --size 1G")
        assert until(lambda: re.search(r"unit1 +up ", dvsan(machine, "unit", "list")), 30)
        yield machine
        assert not SANITIZER.search(machine.sh("journalctl -b --no-pager"))
    except BaseException:
        print(machine.run("journalctl", "-b", "--no-pager", "-n", "200", check=False).stdout)
        raise
    finally:
        machine.close()


def dvsan(machine, *args):
    return machine.run("dvsan", *args).stdout


def main_pid(machine, service):
    return int(machine.run("systemctl", "show", "-P", "MainPID", service).stdout)


@pytest.fixture(name="host", scope="module")
def host_with_a_volume(machine):
    """Serves v1 by NBD with dvsan-nbd, which stays connected."""
    dvsan(machine, "host", "add", "web", "--iqn", "iqn.2026-11.test:web", "--save-secret", "/root/web.secret")
    dvsan(machine, "volume", "create", "v1", "--size", "64M")
    dvsan(machine, "volume", "assign", "v1", "--host", "web")
    text = dvsan(machine, "host", "connect-info", "web", "--volume", "v1", "--nbd")
    (machine.root / "root/v1.json").write_text(text.replace("/etc/dvsan/web.secret", "/root/web.secret"))
    machine.run("dvsan-nbd", "--socket", "/run/v1.sock", "--background", "/root/nbd.log", "/root/v1.json")
    (machine.root / "root/pattern").write_bytes(os.urandom(64 << 20))
    return machine


def write(machine):
    machine.run("nbdcopy", "--flush", "/root/pattern", "nbd+unix:///?socket=/run/v1.sock")


def reads_back(machine):
    machine.run("nbdcopy", "nbd+unix:///?socket=/run/v1.sock", "/root/back")
    machine.run("cmp", "/root/pattern", "/root/back")


def sessions(machine):
    """tgtd's process, and the sessions and connections that it has."""
    text = machine.sh("TGT_IPC_SOCKET=/run/dvsan/tgtd runuser -u dvsan -- tgtadm --mode target --op show")
    return main_pid(machine, "dvsan-tgtd@0"), re.findall(r"I_T nexus: \d+|Connection: \d+", text)


@pytest.mark.parametrize("service", SERVICES)
def test_rights(machine, service):
    user, capabilities = SERVICES[service]
    status = (machine.root / f"proc/{main_pid(machine, service)}/status").read_text()
    uid = machine.run("id", "-u", user).stdout.strip()
    assert re.search(rf"^Uid:\t{uid}\t{uid}\t", status, re.M)
    for field in ("CapPrm", "CapBnd"):
        assert int(re.search(rf"^{field}:\t(\w+)", status, re.M)[1], 16) == capabilities
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
    assert re.search(r"^Seccomp:\t2$", status, re.M)


def test_password_is_not_in_the_journal(machine):
    password = (machine.root / "etc/dvsan/admin-password").read_text().strip()
    journal = machine.sh("journalctl -b --no-pager -o cat")
    assert len(password) > 8 and password not in journal
    assert not list((machine.root / "var/lib/dvsan/cms").glob("*password*"))


@pytest.mark.parametrize("service", ["dvsan-unit", "snmpd", "dvsan-cms"])
def test_data_path_goes_on(host, service):
    write(host)
    before = sessions(host)
    assert len(before[1]) == 2
    host.run("systemctl", "restart", service)
    assert sessions(host) == before
    host.run("systemctl", "stop", service)
    write(host)
    reads_back(host)
    host.run("systemctl", "start", service)
    assert sessions(host) == before
    killed = main_pid(host, service)
    host.run("systemctl", "kill", "-s", "KILL", service)
    assert until(lambda: main_pid(host, service) not in (0, killed), 20)
    assert until(lambda: host.run("systemctl", "is-active", service, check=False).stdout == "active\n", 20)
    assert sessions(host) == before
    assert until(lambda: re.search(r"unit1 +up ", dvsan(host, "unit", "list")), 30)


def test_tgtd_is_started_again(host):
    write(host)
    before, _ = sessions(host)
    host.run("systemctl", "kill", "-s", "KILL", "dvsan-tgtd@0")
    reads_back(host)
    after, _ = sessions(host)
    assert after != before
    host.run("systemctl", "stop", "dvsan-tgtd@0")
    assert host.run("systemctl", "is-failed", "dvsan-tgtd@0", check=False).stdout == "inactive\n"
    host.run("systemctl", "start", "dvsan-tgtd@0")
    reads_back(host)
    assert host.run("systemctl", "--failed", "--quiet").stdout == ""


def files_with(folder, text):
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


def test_a_credential_keeps_the_hosts_secrets(host):
    """A copy of the state folder gives no secret; the unit itself has them again, without the station."""
    if not (host.root / "usr/bin/systemd-creds").exists():
        pytest.skip("this systemd has no systemd-creds")
    write(host)
    secret = (host.root / "root/web.secret").read_bytes().strip()
    key = (host.root / "run/credentials/dvsan-unit.service/unit-key").read_bytes().strip()
    state, copy = host.root / "var/lib/dvsan/unit", host.root / "var/lib/dvsan/copy"
    assert len(secret) >= 12 and re.fullmatch(b"[0-9a-f]{64}", key)
    assert (host.root / "etc/dvsan/unit-key.cred").exists() and not (state / "key").exists()
    assert b"sealed:" in (state / "unit.db").read_bytes()
    for text in (secret, key, bytes.fromhex(key.decode())):
        assert not files_with(state, text) and not files_with(host.root / "etc/dvsan", text)

    host.run("systemctl", "stop", "dvsan-cms", "dvsan-unit")
    host.sh("cp -a /var/lib/dvsan/unit /var/lib/dvsan/copy; cp -p /etc/dvsan/dvsan-unit.xml /etc/dvsan/copy.xml")
    configure(host, "copy", ('state-dir="/var/lib/dvsan/unit"', 'state-dir="/var/lib/dvsan/copy"'))
    start_the_copy = ("runuser", "-u", "dvsan", "--", "dvsan-unit", "-c", "/etc/dvsan/copy.xml")
    done = host.run(*start_the_copy, check=False)
    assert done.returncode != 0 and "copy/key is missing, and hosts' secrets in unit.db are sealed with it" in done.stderr
    host.sh("umask 077; head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \\n' >/var/lib/dvsan/copy/key; "
            "chown dvsan: /var/lib/dvsan/copy/key")
    done = host.run(*start_the_copy, check=False)
    assert done.returncode != 0 and "are sealed with another key than /var/lib/dvsan/copy/key" in done.stderr
    assert not files_with(copy, secret)

    host.run("systemctl", "restart", "dvsan-tgtd@0")
    accounts = "TGT_IPC_SOCKET=/run/dvsan/tgtd runuser -u dvsan -- tgtadm --mode account --op show"
    assert "web" not in host.sh(accounts)
    host.run("systemctl", "start", "dvsan-unit")
    reads_back(host)
    assert "web" in host.sh(accounts) and not (state / "key").exists()
    host.run("systemctl", "start", "dvsan-cms")
    assert until(lambda: re.search(r"unit1 +up ", dvsan(host, "unit", "list")), 30)
    assert "no CHAP secret any more" not in dvsan(host, "event", "list")


def test_a_credential_that_cannot_be_opened_is_given_up(host):
    """As on another machine, or when a TPM's state changed: --init says what to do, and doing that as root helps."""
    if not (host.root / "etc/dvsan/unit-key.cred").exists():
        pytest.skip("this systemd has no systemd-creds")
    sealing, secret = "/var/lib/systemd/credential.secret", (host.root / "root/web.secret").read_bytes().strip()
    old = (host.root / "etc/dvsan/unit-key.cred").read_bytes()
    write(host)
    host.sh(f"systemctl stop dvsan-unit; rm {sealing}")
    assert host.run("systemctl", "start", "dvsan-unit", check=False).returncode != 0
    done = host.run("dvsan-unit", "--init", check=False)
    assert done.returncode != 0 and "systemd cannot open /etc/dvsan/unit-key.cred" in done.stderr, done
    assert "dvsan-unit --forget-secrets" in done.stderr
    host.run("systemctl", "stop", "dvsan-unit")
    said = host.run("dvsan-unit", "--forget-secrets").stdout
    assert "The secrets of 1 CHAP user were given up." in said and "removed /etc/dvsan/unit-key.cred" in said
    host.sh("systemctl reset-failed dvsan-unit; systemctl start dvsan-unit")
    state = host.root / "var/lib/dvsan/unit"
    assert until(lambda: b"sealed:" in (state / "unit.db").read_bytes() and (state / "key").exists(), 30)
    assert host.sh("find /var/lib/dvsan/unit ! -user dvsan") == ""
    reads_back(host)
    assert until(lambda: "active" in dvsan(host, "host", "show", "web"), 30)
    # What the agent made is a credential again, and the file goes.
    host.run("dvsan-unit", "--init")
    assert not (state / "key").exists() and (host.root / "etc/dvsan/unit-key.cred").read_bytes() != old
    host.run("systemctl", "restart", "dvsan-unit")
    assert until(lambda: re.search(r"unit1 +up ", dvsan(host, "unit", "list")), 30)
    assert not files_with(state, secret)
    reads_back(host)


def test_root_is_told_as_whom_to_run_it(host):
    """Not to make the unit's files its own, after which the agent could not read them."""
    journal = "/var/lib/dvsan/unit/unit.db"
    host.sh(f"systemctl stop dvsan-unit; mv {journal} /root/unit.db")
    done = host.run("dvsan-unit", "--rebuild", check=False)
    host.sh(f"mv /root/unit.db {journal}; systemctl start dvsan-unit")
    assert done.returncode != 0 and "runuser -u dvsan -- dvsan-unit" in done.stderr and "chown" not in done.stderr, done
    assert until(lambda: re.search(r"unit1 +up ", dvsan(host, "unit", "list")), 30)


def test_start_that_fails_says_so(machine):
    """At once, and not again and again."""
    configure(machine, "dvsan-unit", ('<unit name="unit1"', '<unit name="unit/1"'))
    done = machine.run("systemctl", "restart", "dvsan-unit", check=False)
    configure(machine, "dvsan-unit", ('<unit name="unit/1"', '<unit name="unit1"'))
    assert done.returncode != 0
    assert machine.run("systemctl", "is-failed", "dvsan-unit").stdout == "failed\n"
    machine.run("systemctl", "start", "dvsan-unit")


def test_closed_socket_is_named(machine):
    conf = machine.root / "etc/snmp/snmpd.conf"
    text = conf.read_text()
    conf.write_text(text.replace("agentXPerms 0660 0755 Debian-snmp dvsan", "agentXPerms 0600 0755"))
    machine.run("systemctl", "restart", "snmpd")
    assert until(lambda: "socket /run/agentx/master is closed to this user" in
                 machine.sh("journalctl -u dvsan-unit --no-pager -o cat"), 20)
    conf.write_text(text)
    machine.run("systemctl", "restart", "snmpd")
    assert until(lambda: re.search(r"unit1 +up ", dvsan(machine, "unit", "list")), 30)


def test_image_takes_its_drop_in(host):
    """Without it the medium fails, with the reason, and no other."""
    with open(host.root / "srv/dvsan/disk.img", "wb") as image:
        image.truncate(128 << 20)
    host.run("chown", "dvsan:", "/srv/dvsan/disk.img")
    configure(host, "dvsan-unit", media(MEDIA + IMAGE))
    host.run("systemctl", "restart", "dvsan-unit")
    assert until(lambda: "take loop devices, which this user may not make" in
                 host.sh("journalctl -u dvsan-unit --no-pager -o cat"), 20)
    reads_back(host)

    init, = commands("Disks, devices and images")
    host.sh(init + "systemctl restart dvsan-unit dvsan-tgtd@0")
    assert until(lambda: re.search(r"unit1 +up ", dvsan(host, "unit", "list")), 30)
    dvsan(host, "volume", "create", "v2", "--size", "16M", "--medium", "image")
    text = host.sh("TGT_IPC_SOCKET=/run/dvsan/tgtd runuser -u dvsan -- tgtadm --mode target --op show")
    assert re.search(r"Backing store path: /dev/loop\d+", text)
    reads_back(host)
    dvsan(host, "volume", "delete", "v2", "--yes")


def test_upgrade_and_removal(host):
    """An upgrade restarts what is ours and no data path; a removal leaves what is the admin's."""
    before = sessions(host)
    unit = main_pid(host, "dvsan-unit")
    host.run("dpkg", "-i", "/root/dvsan.deb")
    assert main_pid(host, "dvsan-unit") != unit
    assert sessions(host) == before
    reads_back(host)
    host.run("dpkg", "-r", "dvsan")
    for service in SERVICES:
        active = host.run("systemctl", "is-active", service, check=False).stdout
        assert active == ("active\n" if service == "snmpd" else "inactive\n"), service
    for kept in ("etc/dvsan/dvsan-unit.xml", "var/lib/dvsan/unit/unit.db", "srv/dvsan/pool0"):
        assert (host.root / kept).exists()

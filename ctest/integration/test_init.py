"""Three bare machines become a pool with a volume in use, by the commands that docs/INSTALL.md prints."""
import contextlib
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

from support import BUILD, SOURCE, noise
from support.booted import Machine
from support.oids import SYS_UP_TIME
from support.patience import until
from support.testlab import SANITIZER

NAMES = {"station": "192.0.2.1", "unit1": "192.0.2.7", "web": "192.0.2.20"}
LINE = re.compile(r"^  (dvsan-unit --init --enrol \S+ --station \S+)$", re.M)
MIB = 1 << 20


def command(heading, beginning):
    """The one line of the guide below this heading that begins so."""
    text = pathlib.Path(SOURCE, "docs/INSTALL.md").read_text()
    section = re.split(r"^## ", text.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.M)[0]
    line, = (line for line in section.splitlines() if line.startswith("    " + beginning))
    return line.strip()


@contextlib.contextmanager
def switch(machines):
    """Joins the machines by a network of their own: each has one interface with its address."""
    holder = subprocess.Popen(["unshare", "--net", "sh", "-ec", "ip link add br0 type bridge; ip link set br0 up; "
                               "echo up; exec sleep infinity"], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "up\n"
        for n, (name, address) in enumerate(NAMES.items()):
            inside = ["nsenter", "-n", "-t", str(holder.pid), "ip", "link"]
            subprocess.run([*inside, "add", f"port{n}", "type", "veth", "peer", "name", "eth0", "netns",
                            str(machines[name].first)], check=True)
            subprocess.run([*inside, "set", f"port{n}", "master", "br0", "up"], check=True)
            machines[name].sh(f"hostname {name}; ip addr add {address}/24 dev eth0; ip link set eth0 up")
        yield
    finally:
        holder.kill()
        holder.wait()


@pytest.fixture(name="machines", scope="module")
def boot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    subprocess.run(["cpack", "-B", str(folder)], cwd=BUILD, check=True, capture_output=True)
    package, = folder.glob("*.deb")
    with contextlib.ExitStack() as stack:
        machines = {}
        for name in NAMES:
            machine = machines[name] = Machine()
            stack.callback(machine.close)
            shutil.copy(package, machine.root / "root/dvsan.deb")
            machine.run("dpkg", "-i", "/root/dvsan.deb")
            # Looking for leaks takes ptrace(2), which the services may not call.
            machine.run("systemctl", "set-environment", "ASAN_OPTIONS=detect_leaks=0")
        stack.enter_context(switch(machines))
        try:
            yield machines
            for machine in machines.values():
                assert not SANITIZER.search(machine.sh("journalctl -b --no-pager"))
        except BaseException:
            for name, machine in machines.items():
                print(name, machine.run("journalctl", "-b", "--no-pager", "-n", "60", check=False).stdout)
            raise


@pytest.fixture(name="typed", scope="module")
def pool(machines):
    """All commands that were typed, and what the last one printed."""
    typed = []

    def type_in(name, line):
        typed.append((name, line))
        return machines[name].sh(line)

    type_in("station", command("The station", "dvsan-cms"))
    said = type_in("station", command("A unit", "dvsan unit add unit1"))
    type_in("unit1", LINE.search(said)[1])
    assert until(lambda: re.search(r"unit1 +up ", machines["station"].sh("dvsan unit list")), 60)
    said = type_in("station", command("A host", "dvsan volume create db1") + " --for dvsan")
    return typed, said


def test_a_host_is_not_left_without_its_volume(machines, typed):
    del typed
    station = machines["station"]
    done = station.run("dvsan", "volume", "create", "big", "--size", "900T", "--host", "other", "--iqn",
                       "iqn.2026-11.test:other", "--save-secret", "/root/other.secret", check=False)
    assert done.returncode == 5 and "Host other is deleted again." in done.stdout, done
    assert "other" not in station.sh("dvsan host list") and not (station.root / "root/other.secret").exists()


def test_three_machines_become_a_pool(machines, typed):
    lines, said = typed
    assert [name for name, _ in lines] == ["station", "station", "unit1", "station"]
    station, host = machines["station"], machines["web"]
    secret = re.search(r"shown only now: (\S+)", said)[1]
    (host.root / "etc/dvsan/web.secret").write_text(secret)
    (host.root / "etc/dvsan/web.secret").chmod(0o600)
    (host.root / "root/db1.json").write_text(station.sh("dvsan host connect-info web --volume db1 --nbd"))
    host.run("dvsan-nbd", "--socket", "/run/db1.sock", "--background", "/root/nbd.log", "/root/db1.json")
    host.sh("head -c 1M /dev/urandom > /root/pattern")
    uri = "nbd+unix:///?socket=/run/db1.sock"
    host.sh(f"qemu-io -f raw -c 'write -s /root/pattern 0 {MIB}' -c flush '{uri}'")
    said = host.sh(f"qemu-io -f raw -c 'read -v 0 512' '{uri}'")
    shown = bytes.fromhex("".join(re.findall(r"^[0-9a-f]+: +((?:[0-9a-f]{2} ){16})", said, re.M)))
    assert shown == (host.root / "root/pattern").read_bytes()[:512]


def test_the_unit_is_enrolled_and_knows_no_pass_phrase_of_the_pool(machines, typed):
    del typed
    unit = machines["unit1"]
    assert "enrolled" in machines["station"].sh("dvsan unit show unit1")
    for path in ("etc/dvsan/dvsan-unit.xml", "etc/snmp/snmpd.conf"):
        text = (unit.root / path).read_text()
        assert "provision" not in re.sub(r"^#.*|^view .*|^access .*|^group provision usm dvsan-station-[ab]$", "", text, flags=re.M)
        assert "notify" not in text
    assert unit.run("systemctl", "is-enabled", "tgt", check=False).stdout != "enabled\n"
    assert unit.sh("stat -c %a%U%G /etc/snmp/snmpd.conf") == "640rootDebian-snmp\n"
    assert unit.sh("snmpget -v 3 -u dvsan-monitor -l authPriv -a SHA-256 -A $(cat /etc/dvsan/monitor.auth) -x AES "
                   f"-X $(cat /etc/dvsan/monitor.priv) 192.0.2.7 {SYS_UP_TIME}")


def test_hosts_secrets_are_sealed(machines, typed):
    """By a credential where systemd has those, else by a file."""
    unit = machines["unit1"]
    secret = re.search(r"shown only now: (\S+)", typed[1])[1]
    assert (unit.root / "etc/dvsan/unit-key.cred").exists() != (unit.root / "var/lib/dvsan/unit/key").exists()
    journal = (unit.root / "var/lib/dvsan/unit/unit.db").read_bytes()
    assert b"sealed:" in journal and secret.encode() not in journal
    unit.run("systemctl", "restart", "dvsan-unit")
    assert until(lambda: re.search(r"unit1 +up ", machines["station"].sh("dvsan unit list")), 60)
    assert "active" in machines["station"].sh("dvsan host show web")


def test_init_may_be_run_again(machines, typed):
    del typed
    for name, line in (("unit1", "dvsan-unit --init"), ("station", "dvsan-cms --init")):
        machine = machines[name]
        path = f"/etc/dvsan/{line.split()[0]}.xml"
        machine.sh(f"echo '<!-- mine -->' >> {path}")
        before = machine.sh("cat /etc/dvsan/* /etc/snmp/* | sha256sum; systemctl show -P MainPID snmpd dvsan-unit dvsan-cms")
        said = machine.sh(line)
        assert f"kept {path}" in said and "made" not in said
        assert machine.sh("cat /etc/dvsan/* /etc/snmp/* | sha256sum; systemctl show -P MainPID snmpd dvsan-unit dvsan-cms") == before
    assert re.search(r"unit1 +up ", machines["station"].sh("dvsan unit list"))


def test_nothing_is_stopped_for_a_code_that_cannot_be_used(machines, typed):
    """Mistyped, or with a station that cannot be reached."""
    del typed
    unit, code = machines["unit1"], noise.new_code()
    mistyped = code[:-1] + ("0" if code[-1] != "0" else "1")
    pids = "systemctl show -P MainPID snmpd dvsan-unit"
    before = unit.sh(pids)
    for given, at, told in ((mistyped, "192.0.2.1", "the code is mistyped"), (code, "192.0.2.7:9", "cannot be reached")):
        done = unit.run("dvsan-unit", "--init", "--enrol", given, "--station", at, check=False)
        assert done.returncode != 0 and told in done.stderr, done
        assert unit.sh(pids) == before


def test_options_that_a_second_run_does_not_apply_are_named(machines, typed):
    """What they say is so already, or it is an error and nothing is changed."""
    del typed
    unit, station = machines["unit1"], machines["station"]
    unit.sh("dvsan-unit --init --name unit1 --address 192.0.2.7 --media /srv/dvsan/pool0")
    station.sh("dvsan-cms --init --name station --address 192.0.2.1")
    before = unit.sh("cat /etc/dvsan/* | sha256sum")
    for machine, line, told in (
            (unit, "dvsan-unit --init --name unit9", "--name unit9 (the file says unit1)"),
            (unit, "dvsan-unit --init --address 192.0.2.8 --size 1M --media /srv/dvsan/pool0 --media /srv/more",
             r"--address 192.0.2.8 (the file says 192.0.2.7), --media /srv/more (the file says nothing of it), --size 1M"),
            (unit, "dvsan-unit --init --name -", "must start with a letter"),
            (unit, "dvsan-unit --init --size much", "much"),
            (station, "dvsan-cms --init --name other --address 192.0.2.2",
             "--name other (the file says station), --address 192.0.2.2")):
        done = machine.run(*line.split(), check=False)
        assert done.returncode != 0 and told in done.stderr, done
    assert unit.sh("cat /etc/dvsan/* | sha256sum") == before


def test_an_image_gets_nothing_of_the_machine_that_makes_it(machines, typed):
    del typed
    host = machines["web"]
    host.sh("mkdir -p /image/usr/sbin /image/etc && touch /image/usr/sbin/snmpd /image/usr/sbin/tgtd &&"
            " cp /etc/passwd /etc/group /image/etc")
    given = ["--name", "unit4", "--address", "192.0.2.10", "--size", "64M"]
    for i in range(0, 6, 2):
        done = host.run("dvsan-unit", "--init", "--root", "/image", *given[:i], *given[i + 2:], check=False)
        assert done.returncode == 2 and f"{given[i]} is missing, and cannot be guessed" in done.stderr, done
        assert "192.0.2.20" not in done.stderr and not (host.root / "image/etc/dvsan/dvsan-unit.xml").exists()
    said = host.run("dvsan-unit", "--init", "--root", "/image", *given).stdout
    assert "Next, where it runs as a machine: dvsan unit add unit4" in said and "Start it" not in said
    text = (host.root / "image/etc/dvsan/dvsan-unit.xml").read_text()
    assert 'name="unit4"' in text and "192.0.2.10" in text and 'size="64M"' in text


def test_what_cannot_be_guessed_is_named(machines, typed):
    """Without a terminal nothing is asked, and nothing is made."""
    del typed
    host = machines["web"]
    host.sh("ip addr add 192.0.2.21/24 dev eth0")
    for program in ("dvsan-cms", "dvsan-unit"):
        done = host.run(program, "--init", check=False)
        assert done.returncode == 2 and "--address is missing, and cannot be guessed" in done.stderr, done
        assert "192.0.2.20, 192.0.2.21" in done.stderr
        assert not (host.root / f"etc/dvsan/{program}.xml").exists()
    # Nor with a code that is mistyped, or for a station that nobody names.
    code = noise.new_code()
    mistyped = code[:-1] + ("0" if code[-1] != "0" else "1")
    for given, told in ((["--enrol", mistyped, "--station", "192.0.2.1"], "the code is mistyped"),
                        (["--enrol", code], "say which, with --station"),
                        (["--enrol", code, "--station", "https://192.0.2.1"], "is no address of a station")):
        before = host.sh("ls -lR /etc/dvsan /etc/snmp /etc/systemd/system /srv | sha256sum")
        done = host.run("dvsan-unit", "--init", "--name", "other", "--address", "192.0.2.21", *given, check=False)
        assert done.returncode == 2 and told in done.stderr, done
        assert host.sh("ls -lR /etc/dvsan /etc/snmp /etc/systemd/system /srv | sha256sum") == before
    done = host.run(program, "--init", "--address", "224.0.0.1", check=False)
    assert done.returncode == 2 and "--address: " in done.stderr
    # An address of the other kind is one that could be meant, too; the way to the station tells.
    host.sh("ip addr del 192.0.2.21/24 dev eth0; ip addr add fd00::20/64 dev eth0 nodad")
    done = host.run("dvsan-unit", "--init", check=False)
    assert done.returncode == 2 and "192.0.2.20, fd00::20" in done.stderr, done
    host.sh("ip addr add 192.0.2.21/24 dev eth0")
    done = host.run("dvsan-unit", "--init", "--media", "/srv/a\nb", check=False)
    assert done.returncode == 2 and "control character" in done.stderr, done


def test_media_may_lie_elsewhere_by_any_name(machines, typed):
    """What systemd lets the services write to is what was meant; and a service gets no credential here."""
    del typed
    host = machines["web"]
    places = ["/srv/elsewhere", "/srv/else where", '/srv/50%n "of\\it" all\'s']
    media = [word for place in places for word in ("--media", place)]
    host.sh("mount --make-rprivate /")
    said = host.run("dvsan-unit", "--init", "--address", "192.0.2.21", "--name", "other", "--size", "64M", *media).stdout
    host.sh("mount --make-rshared /")
    assert "no credential of systemd can be used here" in said
    assert not list((host.root / "etc/dvsan").glob("unit-key*"))
    for service in "dvsan-unit.service", "dvsan-tgtd@3261.service":
        told = host.run("systemctl", "show", "-P", "ReadWritePaths", service).stdout
        assert {"-" + place for place in places} <= set(shlex.split(told)), told
    for place in places:
        assert host.run("stat", "-c", "%a%U", place).stdout == "700dvsan\n"


def test_each_file_of_somebody_else_stays_beside_ours(machines, typed):
    del typed
    host = machines["web"]
    conf = host.root / "etc/snmp/snmpd.conf"
    first, ours = host.sh("cat /etc/snmp/snmpd.conf.before-dvsan"), conf.read_text()
    for text in ("# of a package\n", "# of a person\n"):
        conf.write_text(text)
        host.sh("dvsan-unit --init")
        assert conf.read_text() == ours
    assert [host.sh(f"cat /etc/snmp/snmpd.conf.before-dvsan{n}") for n in ("", ".2", ".3")] == \
        [first, "# of a package\n", "# of a person\n"]


def test_an_init_that_is_killed_leaves_no_key_that_the_agent_cannot_read(machines, typed):
    """While systemd makes a credential of it, which a TPM takes its time for."""
    del typed
    host = machines["web"]
    creds, state = host.root / "usr/bin/systemd-creds", host.root / "var/lib/dvsan/unit"
    host.sh("rm -f /etc/dvsan/unit-key.cred /etc/systemd/system/dvsan-unit.service.d/unit-key.conf; "
            "mv /usr/bin/systemd-creds /usr/bin/true-creds")
    creds.write_text("#!/bin/sh\nkill -9 $PPID\n")
    creds.chmod(0o755)
    assert host.run("dvsan-unit", "--init", check=False).returncode in (-9, 137)
    assert not (state / "key").exists()
    host.sh("mv /usr/bin/true-creds /usr/bin/systemd-creds")
    host.sh("dvsan-unit --init")
    assert not (state / "key").exists() and not (host.root / "etc/dvsan/unit-key").exists()
    assert (host.root / "etc/dvsan/unit-key.cred").exists()


def notify_keys(machine):
    return re.search(r'"notify_keys": *"(\w+)"', (machine.root / "var/lib/dvsan/unit/identity").read_text())[1]


def test_a_lost_station_is_set_up_anew(machines, typed):
    """As the guide says it, by the key file that is left: the unit gets keys that it never had."""
    del typed
    station, unit = machines["station"], machines["unit1"]
    before, state = notify_keys(unit), "/var/lib/dvsan/cms"
    assert '"number": 1' in (unit.root / "var/lib/dvsan/unit/identity").read_text()
    lose = f"systemctl stop dvsan-cms; rm {state}/pool.db*; "
    station.sh(lose + "systemctl start dvsan-cms") # without --init, which the guide does not say
    done = station.run("dvsan", "unit", "list", check=False)
    assert done.returncode != 0 and "dvsan-cms --init says where" in done.stderr, done
    line, = re.findall(r"^  (install .*)$", station.sh("dvsan-cms --init"), re.M)
    station.sh(line)
    assert "unit1" not in station.sh("dvsan unit list")
    assert "The station drew" not in station.sh("dvsan-cms --init")
    password = station.sh("cat /etc/dvsan/admin-password")
    station.sh(lose + "dvsan-cms --init")
    assert "unit1" not in station.sh("dvsan unit list")
    assert station.sh("cat /etc/dvsan/admin-password") == password
    assert not (station.root / state[1:] / "admin-password").exists()
    unit.sh(LINE.search(station.sh("dvsan unit add unit1"))[1])
    assert until(lambda: re.search(r"unit1 +up ", station.sh("dvsan unit list")), 60)
    assert until(lambda: re.search(r"db1 .*online", station.sh("dvsan volume list")), 60)
    assert '"number": 1' in (unit.root / "var/lib/dvsan/unit/identity").read_text()
    assert notify_keys(unit) != before

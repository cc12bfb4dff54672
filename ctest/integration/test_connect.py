"""What connect-info prints, typed on a Linux host: two portals, a mirror, two pools, a reboot."""
import os
import re
import signal

import pytest

from support import net
from support.patience import until
from support.testlab import TestLab

LAB = {"units": 2, "hosts": 1, "portals": 2}


def type_in(lab, guest, host, *options):
    """Types what connect-info prints for a host, as a person does: first the two lines of the secret,
    then the rest. Returns what was typed and what the guest said."""
    path = f"/etc/dvsan/{host}.secret"
    text = lab.dvsan("host", "connect-info", host, *options).stdout
    asking = re.search(r"^\(umask 077.*?\n.*?\)$", text, re.M | re.S).group(0)
    secret = lab.secret(host)
    assert secret not in text and path in asking
    guest.run(f"cat > /tmp/asking <<'END'\n{asking}\nEND\nbash /tmp/asking <<< '{secret}'")
    assert guest.run(f"stat -c '%a %U' {path}; cat {path}") == f"600 root\n{secret}"
    rest = text.replace(asking, "")
    return rest, guest.run("cat > /tmp/typed <<'END_OF_TEXT'\n" + rest + "\nEND_OF_TEXT\n"
                           "bash /tmp/typed 2>&1")


def sessions(guest):
    """(portal, target, user of CHAP) of each session."""
    text = guest.run("iscsiadm -m session -P 2 2>&1 || true")
    found = set()
    for part in text.split("Target: ")[1:]:
        for session in part.split("Current Portal: ")[1:]:
            found.add((session.split(",")[0], part.split()[0],
                       re.search(r"username: (\S+)", session).group(1)))
    return found


def wanted(lab, host, portals=1):
    info = lab.client.get(f"/hosts/{host}/connect-info")
    return {(portal, v["iqn"], info["chap_user"])
            for v in info["volumes"] for portal in v["portals"][:portals]}


@pytest.fixture(scope="module", autouse=True)
def volumes(lab):
    """The volumes of a host that has another secret on each unit."""
    host = lab.client.get("/hosts/host1")
    lab.client.delete("/hosts/host1")
    lab.client.post("/hosts", {"name": "host1", "iqn": host["iqn"], "chap_secret": lab.secret("host1")})
    for n in (1, 2):
        lab.create(f"c{n}", size="64M", unit=f"unit{n}")
        lab.assign(f"c{n}", "host1")


@pytest.fixture
def fresh(guest):
    """The machine, as if it had never been connected to anything."""
    guest.run("""umount /root; mdadm --stop --scan; iscsiadm -m node -u; iscsiadm -m node -o delete; multipath -F; pkill multipathd
        pkill iscsid; rm -rf /etc/iscsi/initiatorname.iscsi /etc/iscsi/enabled /etc/multipath
        rm -rf /etc/dvsan; true""")
    guest.udev()
    return guest


def test_growth_is_seen_after_the_line_that_is_told(lab, fresh):
    type_in(lab, fresh, "host1", "--for", "open-iscsi")
    info = lab.client.get("/hosts/host1/connect-info")
    volume = next(v for v in info["volumes"] if v["name"] == "c1")
    disk = fresh.disk_of(volume["iqn"])
    said = lab.dvsan("volume", "resize", "c1", "--size", "+64M").stdout
    line = re.search(r"^  open-iscsi +(iscsiadm [^;]*);", said, re.M).group(1)
    assert volume["rescan"]["open-iscsi"].startswith(line)
    assert until(lambda: fresh.run(f"{line} >/dev/null; blockdev --getsize64 {disk}").strip() ==
                 str(128 << 20), 60), fresh.state()


def test_a_name_that_others_know_is_kept(lab, fresh):
    fresh.run("""echo InitiatorName=iqn.2026-11.org.example:mine > /etc/iscsi/initiatorname.iscsi
        systemctl start iscsid
        iscsiadm -m node -T iqn.2026-11.org.example:other -p 127.0.0.1:3260 -o new""")
    text = lab.dvsan("host", "connect-info", "host1", "--for", "open-iscsi").stdout
    part = text.partition("wanted=")[1] + text.partition("wanted=")[2].partition("\nfi\n")[0] + "\nfi"
    said = fresh.run("cat > /tmp/name <<'END'\n" + part + "\nEND\nbash /tmp/name")
    assert "dvsan host add NAME --iqn iqn.2026-11.org.example:mine" in said
    assert "iqn.2026-11.org.example:mine" in fresh.run("cat /etc/iscsi/initiatorname.iscsi")


def test_two_portals(lab, fresh):
    """By default a host whose volumes have two portals is told of multipath."""
    _, said = type_in(lab, fresh, "host1")
    assert sessions(fresh) == wanted(lab, "host1", portals=2)
    maps = fresh.run("multipath -ll")
    assert len(re.findall(r"^\w+ dm-\d+ DVSAN", maps, re.M)) == 2, said + maps
    assert len(re.findall(r"\d+:\d+:\d+:\d+ sd\w+ .*active ready running", maps)) == 4, maps
    disk = "/dev/mapper/" + re.search(r"^(\w+) dm-\d+ DVSAN", maps, re.M).group(1)
    fresh.run(f"wipefs -aq {disk} && mkfs.ext4 -q {disk} && mount {disk} /root && echo one > /root/file && sync")
    # One of two ways is lost; what is written then is there, and the way comes back by itself.
    cut = lab.units["unit1"].portals[1]
    fresh.run(f"ip route add blackhole {cut} && echo two > /root/file && sync")
    fresh.run("until multipath -ll | grep -q failed; do sleep 1; done")
    assert fresh.run("echo three > /root/file && sync && cat /root/file") == "three\n"
    fresh.run(f"""ip route del blackhole {cut}
        until [ $(multipath -ll | grep -c 'active ready running') = 4 ]; do sleep 1; done
        umount /root""")


WRITER = """
n=0; worst=0
read -r last _ < /proc/uptime
while [ ! -e /tmp/stop ]; do
    dd if=/dev/zero of=/root/log bs=64k count=1 seek=$((n % 64)) conv=notrunc,fsync 2>/dev/null || exit 1
    read -r now _ < /proc/uptime
    gap=$(( ${now/./} - ${last/./} )); last=$now
    [ $gap -gt $worst ] && worst=$gap
    n=$((n + 1)); echo "$n $worst" > /tmp/written.new; mv /tmp/written.new /tmp/written
done
"""


def test_a_mirror(lab, fresh, capsys):
    """md over two units: one is killed, hangs and returns under fsynced writes. The stall is what
    connect-info's time-outs make of it."""
    rest, _ = type_in(lab, fresh, "host1", "--for", "md")
    assert sessions(fresh) == wanted(lab, "host1")
    disks = re.findall(r"^  (/dev/disk/by-path/\S+)$", rest, re.M)
    create = re.search(r"^#   (mdadm --create .*?)\\\n#  *(\S+) \\\n#  *(\S+)$", rest, re.M | re.S)
    assert list(create.groups()[1:]) == disks
    fresh.run("modprobe raid1; " + " ".join(create.groups()).replace("/dev/md/NAME", "/dev/md0") +
              " --run --assume-clean && mkfs.ext4 -qF /dev/md0 && mount /dev/md0 /root")
    stalls = {}
    for how in ("kill", "stop"):
        fresh.run(f"rm -f /tmp/stop /tmp/written; cat > /tmp/writer <<'END'\n{WRITER}\nEND")
        writer = fresh.begin("bash /tmp/writer")
        fresh.run("until [ -e /tmp/written ]; do usleep 50000; done")
        tgtd = lab.units["unit2"].tgtds[1]
        if how == "kill":
            lab.run("kill", "unit2/tgtd")
        else:
            os.kill(tgtd.pid(), signal.SIGSTOP)
        fresh.run("until grep -q 'U_' /proc/mdstat; do usleep 100000; done")
        fresh.run("n=$(cut -d' ' -f1 /tmp/written); "
                  "until [ $(cut -d' ' -f1 /tmp/written) -gt $((n + 4)) ]; do usleep 50000; done; "
                  "touch /tmp/stop")
        status, text = fresh.result(writer)
        assert status == 0, text
        stalls[how] = int(fresh.run("cut -d' ' -f2 /tmp/written")) / 100
        if how == "kill":
            lab.run("start", "unit2/tgtd")
        else:
            os.kill(tgtd.pid(), signal.SIGCONT)
        fresh.disk_of([t for _, t, _ in wanted(lab, "host1")][0])
        # The leg is back when its session is; then it takes only what it missed.
        fresh.run(f"""disk={disks[1]}
            until mdadm /dev/md0 --remove faulty >/dev/null 2>&1 || ! grep -q F /proc/mdstat; do usleep 200000; done
            until udevadm settle && mdadm /dev/md0 --re-add $(readlink -f $disk) 2>/tmp/why; do sleep 1; done
            until grep -q UU /proc/mdstat; do usleep 200000; done
            mdadm --wait /dev/md0 || true""")
    fresh.run("""set -e
        umount /root; echo check > /sys/block/md0/md/sync_action; mdadm --wait /dev/md0 || true
        [ $(cat /sys/block/md0/md/mismatch_cnt) = 0 ]; e2fsck -fn /dev/md0
        mdadm --stop /dev/md0""")
    fresh.run("mdadm --zero-superblock " + " ".join(disks))  # or udev makes it again
    with capsys.disabled():
        print(f"\nlongest write of a mirror: {stalls['kill']} s when a leg's tgtd is killed, "
              f"{stalls['stop']} s when it hangs")


def test_two_pools_and_a_reboot(lab, fresh):
    """The second one's login leaves the first one's alone; both are there again after a reboot."""
    rest, said = type_in(lab, fresh, "host1", "--for", "open-iscsi")
    assert sessions(fresh) == wanted(lab, "host1")
    disks = re.findall(r"^  (/dev/disk/by-path/\S+)$", rest, re.M)
    assert len(disks) == 2 and said.count("M VOLUME") == 2, said
    assert fresh.run("cat /etc/iscsi/initiatorname.iscsi").strip() == \
        "InitiatorName=" + lab.client.get("/hosts/host1")["iqn"]
    settings = fresh.run("cat $(find /etc/iscsi/nodes -type f)")
    assert settings.count("node.session.timeo.replacement_timeout = 120") == 2
    assert settings.count("node.startup = automatic") == 2
    line = re.search(r"^#   (/dev/disk/\S+) \S+ ext4 (_netdev,nofail) 0 2$", rest, re.M)
    fresh.run(f"""set -e
        wipefs -aq {line.group(1)} && mkfs.ext4 -q {line.group(1)}
        echo "{line.group(1)} /root ext4 {line.group(2)} 0 0" >> /etc/fstab
        mount {line.group(1)} /root
        echo kept > /root/file; sync; umount /root""")
    with net.own_range() as n:
        other = TestLab("test_connect_2", f"127.17.{n}.10")
        try:
            other.up(units=1)
            path = os.path.join(other.work, "guest2.secret")
            other.dvsan("host", "add", "guest2", "--iqn", lab.client.get("/hosts/host1")["iqn"],
                        "--save-secret", path)
            with open(path, encoding="ascii") as f:
                other.secret = {"guest2": f.read().strip()}.get
            other.create("o1")
            other.assign("o1", "guest2")
            type_in(other, fresh, "guest2", "--for", "open-iscsi")
            both = wanted(lab, "host1") | wanted(other, "guest2")
            assert sessions(fresh) == both
            fresh.run("bash /tmp/typed")  # once more, which changes nothing
            assert sessions(fresh) == both
            fresh.reboot()
            assert sessions(fresh) == both
        finally:
            reports = other.down()
        assert not reports, reports
    assert fresh.run("findmnt -no SOURCE /root > /dev/null; cat /root/file") == "kept\n"
    fresh.run("umount /root; : > /etc/fstab")

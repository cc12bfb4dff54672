"""Linux's own initiator, open-iscsi, in a machine under qemu: what a host sees of a volume."""
import time

import pytest

from support import initiators
from support.guest import WROTE
from support.patience import until

LAB = {"units": 1, "hosts": 1}
PATIENCE_S = 120
# Block n holds the number n, and is on the disk before the next one is written.
WRITER = f"""
    n=0
    while [ ! -e /tmp/stop ]; do
        n=$((n + 1))
        printf '%-16d' $n | dd of=/mnt/numbers bs=16 seek=$n conv=notrunc,fsync 2>/tmp/error ||
            {{ cat /tmp/error; exit 1; }}
        {WROTE}
    done"""


def log_in(lab, guest, volume, **settings):
    """Logs the guest in at a volume and returns its disk there. settings: of the node's record."""
    how = initiators.access(lab, "host1", volume)
    guest.initiator(how["initiator"])
    node = f"iscsiadm -m node -T {how['iqn']} -p {how['portal']}"
    wanted = {"node.session.auth.authmethod": "CHAP", "node.session.auth.username": how["user"],
              "node.session.auth.password": how["secret"], **settings}
    guest.run(f"{node} -o new\n" +
              "\n".join(f"{node} -o update -n {n} -v '{v}'" for n, v in wanted.items()) +
              f"\n{node} --login")
    return guest.disk_of(how["iqn"])


@pytest.fixture(scope="module")
def volume(lab):
    lab.create("kernel1", size="64M")
    lab.assign("kernel1", "host1")
    return "kernel1"


def test_each_process_restarts_under_synced_writes(lab, guest, volume):
    """Whatever of the pool is killed and started, a file system on a volume sees no error and loses
    nothing."""
    disk = log_in(lab, guest, volume)
    guest.run(f"mkfs.ext4 -q {disk} && mount {disk} /mnt")
    writer = guest.begin(WRITER)

    def goes_on():
        before = guest.written()
        assert until(lambda: guest.is_over(writer) or guest.written() > before + 1, PATIENCE_S), guest.state()
        assert not guest.is_over(writer), guest.result(writer)

    goes_on()
    for name in ("unit1/agent", "unit1/snmpd", "cms", "unit1/tgtd", "unit1"):
        lab.run("kill", name)
        if name in ("unit1/agent", "unit1/snmpd", "cms"):
            goes_on()  # not in the data path
        lab.run("start", name)
        goes_on()
    # So are its sessions when another host loses the volume, since they might be that one's.
    lab.client.post("/hosts", {"name": "other", "iqn": "iqn.2026-11.test:other",
                               "chap_secret": "other-has-one"})
    lab.assign(volume, "other")
    before = time.monotonic()
    lab.unassign(volume, "other")
    goes_on()
    print(f"a kernel's writer went on within {time.monotonic() - before:.1f} s of the unassign")
    guest.run("touch /tmp/stop")
    assert guest.result(writer)[0] == 0
    last = guest.written()
    guest.run(f"""set -e
        umount /mnt; mount {disk} /mnt
        n=1; for number in $(tail -c +17 /mnt/numbers); do [ $number = $n ]; n=$((n + 1)); done
        [ $n = {last + 1} ]
        umount /mnt; e2fsck -fn {disk}; rm /tmp/stop /tmp/written""")
    assert not guest.run("dmesg | grep -E 'I/O error|EXT4-fs (error|warning)' || true")


def test_a_volume_is_taken_away_and_given_back(lab, guest, volume):
    """From under a mounted file system: its host gets errors, soon, and nothing of what it writes then
    is there; what it had synced is, when it has the volume again."""
    how = initiators.access(lab, "host1", volume)
    guest.run(f"iscsiadm -m node -T {how['iqn']} -u; iscsiadm -m node -T {how['iqn']} -o delete; true")
    settings = {"node.session.timeo.replacement_timeout": 5}
    disk = log_in(lab, guest, volume, **settings)
    guest.run(f"mount {disk} /mnt && echo before > /mnt/file && sync")
    lab.unassign(volume, "host1")
    assert not initiators.can_log_in(how)
    said = guest.run("for n in 1 2 3; do echo behind > /mnt/file && sync -f /mnt/file; done 2>&1; true",
                     seconds=PATIENCE_S)
    assert "Input/output error" in said or "Read-only file system" in said, said
    guest.run(f"umount -l /mnt; iscsiadm -m node -T {how['iqn']} -u; "
              f"iscsiadm -m node -T {how['iqn']} -o delete; true")
    lab.assign(volume, "host1")
    disk = log_in(lab, guest, volume, **settings)
    guest.run(f"e2fsck -p {disk} || [ $? = 1 ]")
    assert guest.run(f"mount {disk} /mnt && cat /mnt/file && umount /mnt") == "before\n"

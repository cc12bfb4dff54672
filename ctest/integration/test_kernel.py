"""Linux's own initiator, open-iscsi, in a machine under qemu: what a host sees of a volume."""
import pytest

from tools import initiators

LAB = {"units": 2, "hosts": 1}


def log_in(lab, guest, volume):
    """Logs the guest in at a volume and returns its disk there."""
    how = initiators.access(lab, "host1", volume)
    guest.initiator(how["initiator"])
    node = f"iscsiadm -m node -T {how['iqn']} -p {how['portal']}"
    settings = {"node.session.auth.authmethod": "CHAP", "node.session.auth.username": how["user"],
                "node.session.auth.password": how["secret"]}
    guest.run(f"{node} -o new\n" +
              "\n".join(f"{node} -o update -n {n} -v '{v}'" for n, v in settings.items()) +
              f"\n{node} --login")
    return guest.disk_of(how["iqn"])


@pytest.fixture(scope="module")
def volume(lab):
    lab.create("kernel1", size="64M")
    lab.assign("kernel1", "host1")
    return "kernel1"


def test_file_system(lab, guest, volume):
    """ext4 on a volume; what was written is read by an initiator that is not Linux's."""
    disk = log_in(lab, guest, volume)
    guest.run(f"""set -e
        mkfs.ext4 -q {disk}
        mount {disk} /mnt
        echo hello > /mnt/file
        sync -f /mnt/file
        umount /mnt""")
    assert guest.run(f"mount {disk} /mnt && cat /mnt/file && umount /mnt") == "hello\n"
    assert "I/O error" not in guest.run("dmesg")

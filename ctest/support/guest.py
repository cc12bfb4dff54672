"""A small Linux machine under qemu: Debian's kernel and its iSCSI initiator, md and multipath.

ctest/guest/build makes what it boots. It reaches the host's loopback addresses and nothing else.
"""
import base64
import os
import socket
import subprocess
import threading

from . import SOURCE, patience

FOLDER = os.path.join(SOURCE, "build", "guest")
QEMU = "qemu-system-x86_64"
BOOT_SECONDS = 180  # it takes 4; the rest is for a busy machine
RUN_SECONDS = 300
KEPT_MIB = 32


def missing():
    """Why no guest can be started here; "" if one can."""
    if subprocess.run(["which", QEMU], capture_output=True, check=False).returncode != 0:
        return f"{QEMU} is not installed"
    if subprocess.run([os.path.join(SOURCE, "ctest", "guest", "build"), "--check"],
                      check=False).returncode != 0:
        return "the guest is not made; ctest/guest/build makes it"
    return ""


# For writers' scripts: notes their $n for Guest.written(), which finds a whole number at any moment.
WROTE = "echo $n > /tmp/written.new; mv /tmp/written.new /tmp/written"


class Failed(AssertionError):
    """A script in the guest ended with another status than 0."""


class Guest:
    """One machine. folder: for its log and its disk. It may be started again behind its end: files
    below /etc/iscsi and /var/lib/iscsi and /etc/fstab are still there then."""

    def __init__(self, folder, memory_mib=384):
        self.folder, self.memory = folder, memory_mib
        self.log = os.path.join(folder, "guest.log")
        self.disk = os.path.join(folder, "guest.disk")
        self.process = None
        with open(self.disk, "wb") as f:
            f.truncate(KEPT_MIB << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.disk], check=True)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        ours, its = socket.socketpair()
        with its, open(self.log, "ab") as log:
            # -nodefaults and friends: fewer devices, a quicker boot. mitigations=off: the same.
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", QEMU, "-M", "pc,usb=off,vmport=off",
                 "-accel", "tcg,thread=multi", "-m", str(self.memory), "-nodefaults",
                 "-no-user-config", "-display", "none", "-no-reboot", "-monitor", "none",
                 "-kernel", os.path.join(FOLDER, "vmlinuz"),
                 "-initrd", os.path.join(FOLDER, "initrd"),
                 "-append", "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr "
                            "audit=0 no_timer_check random.trust_cpu=on rdinit=/init",
                 "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
                 "-chardev", f"socket,id=agent,fd={its.fileno()}", "-serial", "chardev:agent",
                 "-device", "virtio-rng-pci",
                 "-drive", f"if=virtio,format=raw,file={self.disk}",
                 "-netdev", "user,id=net,ipv6=off",
                 "-device", "virtio-net-pci,netdev=net,romfile="],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(its.fileno(),))
        self.answers, self.last = {}, 0
        self.news = threading.Condition()
        self.line = ours
        self.ready = self.ended = False
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        with self.news:
            self.news.wait_for(lambda: self.ready or self.ended, BOOT_SECONDS)
        if not self.ready:
            self.stop()
            raise AssertionError(f"the guest did not start:\n{self.console()}")

    def _read(self):
        line, text = self.line, b""
        while True:
            try:
                more = line.recv(65536)
            except OSError:
                more = b""
            text += more
            *lines, text = text.split(b"\n")
            with self.news:
                for words in (each.decode("ascii", "replace").split() for each in lines):
                    if words == ["ready"]:
                        self.ready = True
                    elif len(words) in (2, 3):
                        self.answers[int(words[0])] = (
                            int(words[1]), base64.b64decode("".join(words[2:])).decode(
                                "utf-8", "replace"))
                self.ended = not more
                self.news.notify_all()
            if not more:
                return

    def begin(self, script):
        """Starts a script for bash; result() waits for its end."""
        self.last += 1
        self.line.sendall(f"{self.last} {base64.b64encode(script.encode()).decode()}\n".encode())
        return self.last

    def is_over(self, number):
        with self.news:
            return number in self.answers

    def result(self, number, seconds=RUN_SECONDS):
        """(status, what it printed) of a script, when it is over."""
        with self.news:
            self.news.wait_for(lambda: number in self.answers or self.ended, seconds)
            if number in self.answers:
                return self.answers.pop(number)
        raise AssertionError(f"no end within {seconds} s in the guest:\n{self.state()}")

    def run(self, script, seconds=RUN_SECONDS):
        """Runs a script to its end; returns what it printed."""
        status, text = self.result(self.begin(script), seconds)
        if status != 0:
            raise Failed(f"{self.console()}\n--- status {status} in the guest of:\n{script}\n--- which said\n{text}")
        return text

    def written(self):
        """What a writer noted last (WROTE); 0 before that."""
        return int(self.run("cat /tmp/written 2>/dev/null || echo 0"))

    def state(self):
        """Where its processes stand, and what its kernel said."""
        if self.ended:
            return self.console()
        number = self.begin("ps -eo pid,stat,wchan:20,args; iscsiadm -m session -P 1; "
                            "cat /proc/mdstat; dmesg | tail -n 30")
        with self.news:
            self.news.wait_for(lambda: number in self.answers or self.ended, 30)
            return self.answers.pop(number, (0, ""))[1] + self.console()

    def console(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return "--- the guest's console\n" + "".join(f.readlines()[-40:])

    def stop(self):
        """Switches it off, as pulling the plug does."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.reader.join()  # or it would tell the next one that it has ended
            self.line.close()
            self.process = None

    def reboot(self):
        """Down as a machine goes down that has time for its file systems, and up again."""
        self.run("sync; umount -a -t ext4 -O _netdev 2>&1 || true; sync")
        self.stop()
        self.start()

    def udev(self):
        """Starts udev, which names disks by their paths. A reboot with enabled services does, too."""
        self.run("""pidof systemd-udevd > /dev/null && exit
            /usr/lib/systemd/systemd-udevd --daemon --resolve-names=never
            udevadm trigger --action=add --subsystem-match=block
            udevadm settle --timeout=60""")

    # The initiator

    def initiator(self, name=None):
        """Starts open-iscsi, as its service would. name: of the initiator, else the one it has."""
        set_name = f"echo InitiatorName={name} > /etc/iscsi/initiatorname.iscsi\n" if name else ""
        self.run(f"""{set_name}modprobe -a iscsi_tcp sd_mod sg
            systemctl start iscsid""")

    def disk_of(self, iqn, seconds=60):
        """/dev/sdX of the session to a target, when it is there."""
        found = patience.until(lambda: self.run(f"""for s in /sys/class/iscsi_session/*; do
                [ "$(cat $s/targetname 2>/dev/null)" = {iqn} ] && ls $s/device/target*/*/block
                done; true""").split(), seconds)
        assert found, f"no disk of {iqn}:\n{self.state()}"
        return "/dev/" + found[0]

"""The command line as people and scripts use it, against a real station and real units."""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time

import pytest

from support import BUILD, SOURCE, initiators, net, patience
from support.patience import until

LAB = {"units": 2, "hosts": 1}
DVSAN = os.path.join(BUILD, "bin", "dvsan")
IQN = "iqn.2026-11.org.example:"


def rows(text):
    return [line.split() for line in text.splitlines()]


class Terminal:
    """dvsan on a terminal of 80 columns."""

    def __init__(self, env, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(DVSAN, [DVSAN, *args], {**env, "TERM": "xterm"})
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.text = ""

    def read(self, wanted=None, seconds=30):
        """Reads until a text has come, or to the end."""
        end = time.monotonic() + patience.seconds(seconds)
        while wanted is None or wanted not in self.text:
            assert time.monotonic() < end, self.text
            if not select.select([self.fd], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(self.fd, 65536)
            except OSError:
                piece = b""
            if not piece:
                assert wanted is None, self.text
                break
            self.text += piece.decode()
        return self.text

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        self.read()
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


# ---- Who asks, and whom


def with_token(lab, data, **env):
    """Runs dvsan pool show with a token file that has these bytes."""
    path = os.path.join(lab.work, "token-file")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
        f.write(data)
    left_out = ("DVSAN_TOKEN", "DVSAN_PASSWORD_FILE")
    env = {**{k: v for k, v in lab.env.items() if k not in left_out}, "DVSAN_TOKEN_FILE": path, **env}
    return subprocess.run([DVSAN, "pool", "show"], env=env, capture_output=True, text=True, check=False)


def test_token_files(lab):
    """A file from Windows is as good; what else is odd is refused here, saying where."""
    token = lab.client.authorization.split()[1].encode()
    for end in (b"", b"\n", b"\r\n"):
        done = with_token(lab, token + end)
        assert done.returncode == 0, done.stderr
    for data in (token + b"\r", b"\xef\xbb\xbf" + token, token + b"\0\n"):
        done = with_token(lab, data)
        assert done.returncode != 0 and "is not plain text: byte " in done.stderr
        assert token.decode() not in done.stderr
    done = with_token(lab, token, DVSAN_TOKEN=token.decode() + "\r")
    assert f"DVSAN_TOKEN is not plain text: byte {len(token) + 1} is 0x0d" in done.stderr


@pytest.mark.parametrize("url", [
    "http://admin:hunter2@127.0.0.1:9", "http://hunter2@127.0.0.1:9", "https://127.0.0.1:9/?token=hunter2",
    "admin:hunter2@127.0.0.1", "http://admin:hunter2@nowhere.invalid",
])
def test_no_secret_of_a_url_is_printed(lab, url):
    token = lab.client.authorization.split()[1].encode()
    done = with_token(lab, token, DVSAN_URL=url)
    assert done.returncode != 0 and "hunter2" not in done.stderr + done.stdout
    assert "the station's URL" in done.stderr
    assert "hunter2" not in lab.dvsan("pool", "show", "--url", url, code=None).stderr


# ---- Lists and records


def test_pool(lab):
    pool = lab.dvsan_json("pool", "show")
    assert pool["units"] == 2 and pool["units_up"] == 2
    text = lab.dvsan("pool", "show").stdout
    assert re.search(r"^Units up:\s+2$", text, re.M) and re.search(r"^Size:\s+20GiB$", text, re.M)


def test_units(lab):
    table = rows(lab.dvsan("unit", "list").stdout)
    assert table[0] == ["NAME", "STATE", "SIZE", "FREE", "VOLUMES", "ADDRESS", "TRUST"]
    assert [row[:2] for row in table[1:]] == [["unit1", "up"], ["unit2", "up"]]
    listed = lab.dvsan_json("unit", "list")
    assert [unit["name"] for unit in listed] == ["unit1", "unit2"]
    shown = lab.dvsan_json("unit", "show", listed[1]["uuid"])
    assert shown["name"] == "unit2"
    assert "pool0" in lab.dvsan("unit", "show", "unit1").stdout
    media = lab.dvsan_json("medium", "list")
    assert [(m["unit"], m["name"]) for m in media] == [("unit1", "pool0"), ("unit2", "pool0")]
    assert "is up" in lab.dvsan("unit", "forget", "unit1", "--yes", code=4).stderr


def test_nothing_to_list(lab):
    done = lab.dvsan("volume", "list")
    assert done.stdout == "" and done.stderr == "There are no volumes.\n"
    assert lab.dvsan("volume", "list", "--json").stdout == "[]\n"


# ---- The life of a volume


def test_volume(lab):
    done = lab.dvsan("volume", "create", "db1", "--size", "96M", "--unit", "unit2")
    assert done.stdout.startswith("Volume db1 (96MiB) is online on unit unit2, LBA 0 to 196607")
    assert re.search(r"^task \d+, create volume db1 \(96MiB\): 100%, done$", done.stderr, re.M)
    table = rows(lab.dvsan("volume", "list").stdout)
    assert table[1][:4] == ["db1", "96MiB", "online", "unit2"] and table[1][-1] == "-"
    volume = lab.dvsan_json("volume", "list")[0]
    assert volume == lab.dvsan_json("volume", "show", "db1")
    assert (volume["start_lba"], volume["blocks"], volume["end_lba"]) == (0, 196608, 196607)
    lab.dvsan("volume", "assign", "db1", "--host", "host1")
    assert lab.dvsan_json("volume", "show", "db1")["hosts"] == ["host1"]
    assert re.search(r"^Hosts:\s+host1$", lab.dvsan("volume", "show", "db1").stdout, re.M)
    assert rows(lab.dvsan("host", "show", "host1").stdout)[-1] == ["db1", "unit2", "active", "-", "-"]
    assert "unassign" in lab.dvsan("volume", "delete", "db1", "--yes", code=4).stderr
    lab.dvsan("volume", "unassign", "db1", "--host", "host1", "--yes")
    # Not on a terminal nobody is asked: scripts need no --yes, and may give it.
    task = lab.dvsan_json("volume", "delete", "db1", "--yes")
    assert task["kind"] == "volume_delete" and task["state"] == "done"
    assert lab.dvsan("volume", "show", "db1", code=3).stderr == 'dvsan: there is no volume "db1"\n'


def test_sizes_are_whole_mib(lab):
    """And a person is told of it."""
    told = "volumes have whole MiB, so the size is rounded up to "
    done = lab.dvsan("volume", "create", "odd", "--size", "1.2M")
    assert told + "2MiB" in done.stderr and "2MiB" in done.stdout
    for size, whole in (("1.5M", "2MiB"), ("+100B", "3MiB")):
        done = lab.dvsan("volume", "resize", "odd", "--size", size)
        assert told + whole in done.stderr and whole in done.stdout
    done = lab.dvsan("volume", "resize", "odd", "--size", "500K", "--force", "--yes", code=2)
    assert "a volume of 512000 bytes is too small" in done.stderr
    done = lab.dvsan("volume", "resize", "odd", "--size", "4M")
    assert told not in done.stderr
    lab.dvsan("volume", "delete", "odd", "--yes")


def test_json_of_what_was_made(lab):
    volume = lab.dvsan_json("volume", "create", "db2", "--size", "1M")
    assert volume["name"] == "db2" and volume["state"] == "online"
    assignment = lab.dvsan_json("volume", "assign", "db2", "--host", "host1")
    assert (assignment["volume"], assignment["host"], assignment["state"]) == ("db2", "host1", "active")
    assert lab.dvsan_json("volume", "unassign", "db2", "--host", "host1", "--yes")["state"] == "done"
    assert lab.dvsan_json("volume", "delete", "db2", "--yes")["state"] == "done"


def test_no_wait(lab):
    task = lab.dvsan_json("volume", "create", "db3", "--size", "1M", "--no-wait")
    assert task["kind"] == "volume_create"
    watched = lab.dvsan_json("task", "watch", str(task["id"]))
    assert watched["state"] == "done"
    done = lab.dvsan("volume", "delete", "db3", "--no-wait", "--yes")
    assert f"dvsan task watch {task['id'] + 1}" in done.stdout
    lab.dvsan("task", "watch")
    assert lab.dvsan("task", "watch").stdout == "No task is under way.\n"


def test_tasks(lab):
    tasks = lab.dvsan_json("task", "list")
    assert [t["id"] for t in tasks] == sorted(t["id"] for t in tasks)
    assert len(lab.dvsan_json("task", "list", "--limit", "2")) == 2
    shown = lab.dvsan_json("task", "show", str(tasks[0]["id"]))
    assert shown == tasks[0] and shown["steps"]
    assert tasks[0]["summary"] in lab.dvsan("task", "show", str(tasks[0]["id"])).stdout
    assert "over" in lab.dvsan("task", "cancel", str(tasks[0]["id"]), code=4).stderr
    lab.dvsan("task", "watch", "999999", code=3)


@pytest.mark.parametrize("code, args, sentence", [
    (2, ["volume", "create", "x", "--size", "0G"], "more than zero"),
    (2, ["volume", "create", "x", "--size", "-1"], "negative"),
    (2, ["volume", "create", "x", "--size", "9223372036854775808B"], "too large"),
    (2, ["volume", "create", "x", "--size", "100B"], "a volume of 100 bytes is too small: the least is 1M"),
    (2, ["volume", "create", "x", "--size", "0.0000001G"], "a volume of 107 bytes is too small"),
    (2, ["volume", "create", "x", "--size", "1023.9K"], "is too small"),
    (2, ["volume", "create", "x", "--size", "5GB"], "write 5G or 5GiB"),
    (2, ["volume", "create", "x"], "--size"),
    (2, ["volume", "create", "a/b", "--size", "1M"], "a/b"),
    (2, ["volume", "create", "a'b", "--size", "1M"], "a'b"),
    (2, ["volume", "create", 'a"b', "--size", "1M"], 'a"b'),
    (2, ["volume", "create", "x", "--size", "9223372036854775807B"], "too large"),
    (5, ["volume", "create", "x", "--size", "100T"], "free"),
    (3, ["volume", "create", "x", "--size", "1M", "--unit", "nope"], "nope"),
    (3, ["volume", "create", "x", "--size", "1M", "--medium", "nope"], "nope"),
    (3, ["volume", "assign", "nope", "--host", "host1"], "nope"),
    (3, ["volume", "delete", "nope"], "nope"),
    (3, ["unit", "show", "nope"], "nope"),
    (3, ["host", "connect-info", "nope"], "nope"),
    (3, ["token", "delete", "999999", "--yes"], "999999"),
    (2, ["volum", "list"], "did you mean volume?"),
    (2, ["volume", "lits"], "did you mean volume list?"),
])
def test_refused(lab, code, args, sentence):
    before = lab.dvsan_json("volume", "list"), len(lab.dvsan_json("task", "list"))
    done = lab.dvsan(*args, code=code)
    assert done.stdout == "" and done.stderr.startswith("dvsan: ") and sentence in done.stderr
    assert (lab.dvsan_json("volume", "list"), len(lab.dvsan_json("task", "list"))) == before


@pytest.mark.parametrize("code, args, name", [
    (3, ["volume", "show", "nope", "--json"], "not_found"),
    (2, ["volume", "delete", "--json"], "invalid"),
    (2, ["--json", "volume", "create", "x", "--size", "100"], "invalid"),
    (2, ["volume", "create", "x", "--sise", "1G", "--json"], "invalid"),
    (5, ["volume", "create", "x", "--size", "100T", "--json"], "no_space"),
    (2, ["host", "delete", "host1", "--json"], "invalid"),
    (2, ["nonsense", "--json"], "invalid"),
])
def test_errors_in_json(lab, code, args, name):
    """They have one form, whoever refuses, and what is printed else is nothing."""
    done = lab.dvsan(*args, code=code, stdin="")
    assert done.stdout == ""
    error = json.loads(done.stderr)
    assert set(error) == {"error"} and set(error["error"]) == {"code", "detail"}
    assert error["error"]["code"] == name and len(error["error"]["detail"]) > 10


def test_lists_have_an_order(lab):
    """Natural order, whatever the order in which things came."""
    for n in (10, 2, 1):
        lab.create(f"o{n}", "1M", unit="unit1")
        lab.client.post("/hosts", {"name": f"ho{n}", "iqn": f"{IQN}ho{n}", "chap_secret": f"0123456789-{n:04}"})
    for n in (10, 2, 1):
        lab.assign("o1", f"ho{n}")
        lab.assign(f"o{n}", "host1")
    try:
        assert [v["name"] for v in lab.client.get("/volumes")] == ["o1", "o2", "o10"]
        assert lab.volume("o1")["hosts"] == ["ho1", "ho2", "ho10", "host1"]
        assert lab.client.get("/hosts/host1")["volumes"] == ["o1", "o2", "o10"]
        assert [(a["volume"], a["host"]) for a in lab.client.get("/assignments")] == \
            [("o1", "ho1"), ("o1", "ho2"), ("o1", "ho10"), ("o1", "host1"), ("o2", "host1"), ("o10", "host1")]
    finally:
        for n in (10, 2, 1):
            lab.unassign("o1", f"ho{n}")
            lab.unassign(f"o{n}", "host1")
            lab.client.delete(f"/hosts/ho{n}")
        for n in (10, 2, 1):
            lab.done(lab.client.delete(f"/volumes/o{n}"))


def test_name_is_taken(lab):
    lab.dvsan("volume", "create", "twice", "--size", "1M")
    assert "twice" in lab.dvsan("volume", "create", "twice", "--size", "1M", code=4).stderr
    lab.dvsan("volume", "delete", "twice", "--yes")


# ---- What destroys or drops asks first


DROPS = [
    (["volume", "delete", "kept"], ["kept", "unit1", "used by host1"]),
    (["volume", "delete", "kept", "--forget"], ["kept", "used by host1", "comes back"]),
    (["volume", "resize", "kept", "--size", "32M", "--force"], ["64MiB", "32MiB", "host1"]),
    (["volume", "unassign", "kept", "--host", "host1"], ["kept", "host1", "sessions are ended"]),
    (["host", "delete", "host1"], ["host1", "has the volumes kept", "secret"]),
    (["token", "delete", "kept"], ["token kept", "shut out"]),
    (["unit", "forget", "unit1"], ["unit1", "1 volume, which are used by host1", "joins again by itself"]),
]


def test_without_a_terminal_yes_is_needed(lab):
    lab.create("kept", "64M", unit="unit1")
    lab.assign("kept", "host1")
    token = lab.client.post("/tokens", {"name": "kept"})
    before = lab.everything(), lab.client.get("/tokens")
    for args, told in DROPS:
        for stdin in ("", "y\n"): # what is no terminal is not asked, whatever it would say
            done = lab.dvsan(*args, code=2, stdin=stdin)
            assert "say so with --yes" in done.stderr and done.stdout == ""
            assert all(word in done.stderr for word in told), done.stderr
    assert (lab.everything(), lab.client.get("/tokens")) == before
    lab.unassign("kept", "host1")
    lab.done(lab.client.delete("/volumes/kept"))
    lab.client.delete(f"/tokens/{token['id']}")


def test_a_token_by_its_name(lab):
    """A name that reads as another token's number is a name."""
    first = lab.dvsan_json("token", "create", "ci")
    second = lab.dvsan_json("token", "create", str(first["id"]))
    assert lab.dvsan_json("token", "delete", str(first["id"]), "--yes")["id"] == second["id"]
    assert "Token ci is deleted" in lab.dvsan("token", "delete", "ci", "--yes").stdout
    lab.dvsan("token", "delete", "ci", "--yes", code=3)


# ---- Hosts and their secrets


@pytest.mark.parametrize("iqn", ["IQN.2026-11.org.x:Up", "Naa.52004567BA64678D0123456789ABCDEF", "EUI.02004567A425678D",
                                 "iqn.2026-11.org.x:"])
def test_a_host_whose_name_is_spelled_oddly(lab, iqn):
    """It is admitted, shown as it is spelled, and takes nothing from the others."""
    lab.create("shared")
    lab.assign("shared", "host1")
    lab.dvsan("host", "add", "odd", "--iqn", iqn)
    assert lab.dvsan_json("volume", "assign", "shared", "--host", "odd")["state"] == "active"
    assert lab.dvsan_json("host", "show", "odd")["iqn"] == iqn
    assert iqn in lab.dvsan("host", "connect-info", "odd").stdout
    lab.dvsan("volume", "unassign", "shared", "--host", "odd", "--yes")
    volume = lab.dvsan_json("volume", "show", "shared")
    assert volume["state"] == "online" and volume["hosts"] == ["host1"] and volume["access_errors"] == []
    lab.dvsan("host", "delete", "odd", "--yes")
    lab.unassign("shared", "host1")
    lab.done(lab.client.delete("/volumes/shared"))


def test_host_secret_is_shown_once(lab):
    host = lab.dvsan_json("host", "add", "h1", "--iqn", IQN + "h1")
    assert re.fullmatch(r"[A-Za-z0-9_-]{16}", host["chap_secret"]) and host["chap_user"] == "h1"
    assert "chap_secret" not in lab.dvsan_json("host", "show", "h1")
    text = lab.dvsan("host", "add", "h2", "--iqn", IQN + "h2", "--chap-user", "two").stdout
    assert "CHAP user two" in text and re.search(r"shown only now: [A-Za-z0-9_-]{16}\n", text)
    assert [h["name"] for h in lab.dvsan_json("host", "list")] == ["h1", "h2", "host1"]
    for name in ("h1", "h2"):
        lab.dvsan("host", "delete", name, "--yes")
    lab.dvsan("host", "show", "h1", code=3)


def test_host_secret_in_files(lab):
    path = os.path.join(lab.work, "h3.secret")
    done = lab.dvsan("host", "add", "h3", "--iqn", IQN + "h3", "--save-secret", path)
    with open(path, encoding="ascii") as f:
        secret = f.read()
    assert re.fullmatch(r"[A-Za-z0-9_-]{16}", secret) and secret not in done.stdout
    assert os.stat(path).st_mode & 0o777 == 0o600
    lab.dvsan("host", "delete", "h3", "--yes")
    # A file that is there is never overwritten, and a host that is refused leaves no file.
    assert "exists" in lab.dvsan("host", "add", "h3", "--iqn", IQN + "h3", "--save-secret", path,
                                 code=4).stderr
    lab.dvsan("host", "show", "h3", code=3)
    lab.dvsan("host", "add", "host1", "--iqn", IQN + "h3", "--save-secret", path + "2", code=4)
    assert not os.path.exists(path + "2")
    host = lab.dvsan_json("host", "add", "h3", "--iqn", IQN + "h3", "--chap-secret-file", path)
    assert "chap_secret" not in host
    lab.dvsan("host", "delete", "h3", "--yes")
    os.chmod(path, 0o644)
    assert "chmod 600" in lab.dvsan("host", "add", "h3", "--iqn", IQN + "h3", "--chap-secret-file",
                                    path, code=6).stderr


@pytest.fixture
def connected(lab):
    lab.dvsan("volume", "create", "c1", "--size", "8M")
    lab.dvsan("volume", "assign", "c1", "--host", "host1")
    yield lab
    lab.dvsan("volume", "unassign", "c1", "--host", "host1", "--yes")
    lab.dvsan("volume", "delete", "c1", "--yes")


def test_pasted_lines_work(connected):
    def lines(kind, first):
        text = connected.dvsan("host", "connect-info", "host1", "--for", kind, "--chap-secret-file",
                               connected.secret_path("host1")).stdout
        assert connected.secret("host1") not in text
        return text[text.index(first):].split("\n#")[0]
    for kind, first in (("dvsan", "export LIBISCSI"), ("qemu", "qemu-img info")):
        done = subprocess.run(["bash", "-ec", lines(kind, first)], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 0, (kind, done.stdout, done.stderr)
    assert "8 MiB" in done.stdout # what qemu-img says of it


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_secret_lines_work(connected):
    """The line that takes the secret from the keyboard into a file."""
    path = os.path.join(connected.work, "new folder", "host1.secret")
    text = connected.dvsan("host", "connect-info", "host1", "--chap-secret-file", path).stdout
    line = text[text.index("(umask"):].split("\n\n")[0]
    subprocess.run(["bash", "-ec", line], input="0123456789abcdef\n", text=True, check=True, timeout=120)
    with open(path, encoding="ascii") as f:
        assert f.read() == "0123456789abcdef"
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_connect_info_as_data(connected):
    info = connected.dvsan_json("host", "connect-info", "host1")
    params = json.loads(connected.dvsan("host", "connect-info", "host1", "--nbd", "--volume", "c1",
                                        "--chap-secret-file", "/s").stdout)
    volume = info["volumes"][0]
    assert params == {"portal": volume["portals"][0], "target": volume["iqn"], "lun": volume["lun"],
                      "initiator": info["iqn"], "chap_user": "host1", "chap_secret_file": "/s"}
    assert "assign it first" in connected.dvsan("host", "connect-info", "host1", "--volume", "c2",
                                                code=3).stderr


def test_nbd_takes_its_parameters(connected):
    params = connected.dvsan("host", "connect-info", "host1", "--nbd", "--chap-secret-file",
                             connected.secret_path("host1")).stdout
    path = os.path.join(connected.work, "c1.json")
    with open(path, "w", encoding="utf-8") as f:
        f.write(params)
    done = subprocess.run([initiators.NBD, "--run", 'nbdinfo --size "$uri"', path], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.stdout.strip() == str(8 << 20), done.stderr


def test_host_without_volumes(lab):
    assert "has no volumes" in lab.dvsan("host", "connect-info", "host1").stdout
    assert "has no volumes" in lab.dvsan("host", "connect-info", "host1", "--nbd", code=4).stderr


# ---- Logging in


def dvsan(env, *args):
    return subprocess.run([DVSAN, *args], env={"PATH": "/usr/bin:/bin", **env}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)


def test_logins(lab):
    url = {"DVSAN_URL": lab.env["DVSAN_URL"]}
    done = dvsan(url, "pool", "show")
    assert done.returncode == 6 and "DVSAN_TOKEN" in done.stderr
    done = dvsan({**url, "DVSAN_TOKEN": "wrong"}, "pool", "show")
    assert done.returncode == 6 and "DVSAN_TOKEN" in done.stderr
    token = os.path.join(lab.work, "token")
    with open(os.open(token, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as f:
        f.write(lab.env["DVSAN_TOKEN"] + "\n")
    assert dvsan({**url, "DVSAN_TOKEN_FILE": token}, "pool", "show").returncode == 0
    assert dvsan({**url, "DVSAN_PASSWORD_FILE": lab.secret_path("admin")}, "pool", "show").returncode == 0
    os.chmod(token, 0o644)
    done = dvsan({**url, "DVSAN_TOKEN_FILE": token}, "pool", "show")
    assert done.returncode == 6 and "chmod 600" in done.stderr


def test_tokens(lab):
    token = lab.dvsan_json("token", "create", "ci")
    url = {"DVSAN_URL": lab.env["DVSAN_URL"], "DVSAN_TOKEN": token["token"]}
    assert dvsan(url, "pool", "show").returncode == 0
    assert "ci" in [t["name"] for t in lab.dvsan_json("token", "list")]
    assert "deleted" in lab.dvsan("token", "delete", str(token["id"]), "--yes").stdout
    assert dvsan(url, "pool", "show").returncode == 6


def test_password_on_a_terminal(lab):
    with open(lab.secret_path("admin"), encoding="ascii") as f:
        password = f.read().strip()
    env = {k: v for k, v in lab.env.items() if k != "DVSAN_TOKEN"}
    terminal = Terminal(env, "unit", "list")
    terminal.read("Password of admin: ")
    terminal.type(password + "\n")
    assert terminal.end() == 0
    assert "unit1" in terminal.text and password not in terminal.text


def test_other_urls(lab):
    env = {"DVSAN_TOKEN": "x"}
    with net.own_range() as n:
        done = dvsan({**env, "DVSAN_URL": f"http://127.17.{n}.1:9"}, "pool", "show")
    assert done.returncode == 7 and "start dvsan-cms" in done.stderr and f"127.17.{n}.1:9" in done.stderr
    done = dvsan({**env, "DVSAN_URL": "http://nowhere.invalid"}, "pool", "show")
    assert done.returncode == 7 and "DVSAN_URL" in done.stderr
    done = dvsan(env, "pool", "show", "--url", "http://nowhere.invalid")
    assert done.returncode == 7 and "correct --url" in done.stderr and "DVSAN_URL" not in done.stderr
    assert dvsan({**env, "DVSAN_URL": "ftp://x"}, "pool", "show").returncode == 2
    done = dvsan(env, "pool", "show", "--url", lab.env["DVSAN_URL"].replace("http:", "https:"))
    assert done.returncode == 7 and "speaks plain HTTP" in done.stderr and "write http:// in --url" in done.stderr
    # A proxy of the environment is not asked.
    proxy = {"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}
    assert dvsan({**lab.env, **proxy}, "pool", "show").returncode == 0
    assert lab.dvsan("pool", "show", "--url", lab.env["DVSAN_URL"] + "/").returncode == 0


# ---- Terminals


@pytest.mark.parametrize("line, wanted", [
    (["vo"], ["volume"]), (["volume", "un"], ["unassign"]), (["unit", "show", ""], ["unit1", "unit2"]),
    (["volume", "assign", "x", "--host", "h"], ["host1"]), (["task", "list", "--li"], ["--limit"]),
    (["nonsense", ""], []), (["volume", "create", ""], []),
])
def test_completion(lab, line, wanted):
    script = os.path.join(SOURCE, "console", "cli", "dvsan.bash")
    words = " ".join(f"'{word}'" for word in ["dvsan", *line])
    done = subprocess.run(["bash", "-c", f". {script}; COMP_WORDS=({words}); COMP_CWORD={len(line)}; "
                           "_dvsan; echo \"${COMPREPLY[@]}\""],
                          env=lab.env, capture_output=True, text=True, check=False)
    assert done.stdout.split() == wanted and done.stderr == ""


def test_colours_and_width(lab):
    terminal = Terminal(lab.env, "unit", "list")
    assert terminal.end() == 0
    assert "\x1b[32mup" in terminal.text
    for line in re.sub(r"\x1b\[[0-9;]*m", "", terminal.text).splitlines():
        assert len(line) <= 80
    terminal = Terminal({**lab.env, "NO_COLOR": "1"}, "unit", "list")
    assert terminal.end() == 0 and "\x1b[3" not in terminal.text
    assert "\x1b" not in lab.dvsan("unit", "list").stdout


def test_delete_asks_on_a_terminal(lab):
    lab.dvsan("volume", "create", "asked", "--size", "1M")
    for answer in ("n\n", "\n", "\x04"):
        terminal = Terminal(lab.env, "volume", "delete", "asked")
        terminal.read("Delete volume asked (1MiB on unit")
        terminal.type(answer)
        assert terminal.end() == 9
    assert lab.volume("asked")["state"] == "online"
    terminal = Terminal(lab.env, "volume", "delete", "asked")
    terminal.read("[y/N] ")
    terminal.type("y\n")
    assert terminal.end() == 0 and "Volume asked is deleted." in terminal.text
    lab.dvsan("volume", "create", "asked", "--size", "1M")
    terminal = Terminal(lab.env, "volume", "delete", "asked", "-y")
    assert terminal.end() == 0 and "[y/N]" not in terminal.text


# ---- Waiting for what does not come


@pytest.fixture
def unit2_hangs(lab):
    until(lambda: lab.unit("unit2")["state"] == "up", 30)
    agent = next(p for p in lab.units["unit2"].processes if p.name.endswith("agent")).pid()
    os.kill(agent, signal.SIGSTOP)
    yield lambda: os.kill(agent, signal.SIGCONT)
    os.kill(agent, signal.SIGCONT)
    until(lambda: lab.unit("unit2")["state"] == "up", 60)


def test_waiting(lab, unit2_hangs):
    """A bar on a terminal; Ctrl-C ends the wait and not the task, which can be taken back; the
    station may go and come meanwhile."""
    terminal = Terminal(lab.env, "volume", "create", "stuck", "--size", "1M", "--unit", "unit2")
    terminal.read("create volume stuck (1MiB) [")
    terminal.type("\x03")
    assert terminal.end() == 130
    task = re.search(r"Task (\d+) goes on", terminal.text)[1]
    assert f"dvsan task watch {task}" in terminal.text
    assert lab.dvsan_json("task", "show", task)["state"] in ("queued", "running")

    watch = subprocess.Popen([DVSAN, "task", "watch", task], env=lab.env, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    os.set_blocking(watch.stderr.fileno(), False)
    lab.run("kill", "cms")
    said = ""

    def away():
        nonlocal said
        said += watch.stderr.read() or ""
        return "still waiting" in said
    assert until(away, 30), said
    lab.run("start", "cms")
    lab.dvsan("task", "cancel", task, "--no-wait")
    assert "may still be carried out" in lab.dvsan_json("task", "show", task)["waiting"]
    unit2_hangs()  # no more
    os.set_blocking(watch.stderr.fileno(), True)
    assert watch.wait(60) == 9
    assert "was cancelled" in watch.stderr.read()
    watch.stdout.close()
    watch.stderr.close()


# ---- Units that go


def test_forget(lab):
    """A unit that is gone is listed as down, holds up nobody, and can be forgotten; if it comes back
    all the same, it joins again with what it has."""
    lab.dvsan("volume", "create", "left", "--size", "1M", "--unit", "unit2")
    lab.assign("left", "host1")
    lab.run("kill", "unit2")
    assert until(lambda: lab.unit("unit2")["state"] == "down", 60)
    assert rows(lab.dvsan("unit", "list").stdout)[2][:2] == ["unit2", "down"]
    assert lab.dvsan_json("volume", "show", "left")["state"] == "unreachable"
    assert lab.dvsan_json("volume", "create", "meanwhile", "--size", "1M")["unit"] == "unit1"
    terminal = Terminal(lab.env, "unit", "forget", "unit2")
    terminal.read("1 volume, which are used by host1?")
    terminal.read("[y/N] ")
    terminal.type("y\n")
    assert terminal.end() == 0
    assert [u["name"] for u in lab.dvsan_json("unit", "list")] == ["unit1"]
    lab.dvsan("volume", "show", "left", code=3)
    lab.run("start", "unit2")
    assert until(lambda: any(u["name"] == "unit2" and u["state"] == "up"
                             for u in lab.dvsan_json("unit", "list")), 60)
    assert until(lambda: [v["hosts"] for v in lab.client.get("/volumes") if v["name"] == "left"] == [["host1"]], 60)
    lab.dvsan("volume", "delete", "meanwhile", "--yes")


# ---- Events


def test_events(lab):
    events = lab.dvsan_json("event", "list")
    assert [e["id"] for e in events] == sorted(e["id"] for e in events)
    newest = lab.dvsan_json("event", "list", "--limit", "1")
    assert len(newest) == 1 and newest[0]["id"] >= events[-1]["id"]
    assert "joined" in lab.dvsan("event", "list").stdout


def test_events_as_they_come(lab):
    follow = subprocess.Popen([DVSAN, "event", "list", "--follow", "--limit", "1", "--json"], env=lab.env,
                              stdout=subprocess.PIPE, text=True)
    try:
        json.loads(follow.stdout.readline())
        lab.dvsan("volume", "create", "followed", "--size", "1M")
        while True: # it comes, or the test runs into its limit
            event = json.loads(follow.stdout.readline())
            if "followed" in event["text"]:
                break
    finally:
        follow.terminate()
        follow.wait()
        follow.stdout.close()
    lab.dvsan("volume", "delete", "followed", "--yes")


def test_output_that_cannot_be_written(lab):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([DVSAN, "unit", "list"], env=lab.env, stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)
    assert done.returncode == 1 and "could not be written" in done.stderr


def test_a_hosts_name_is_printed_as_it_is_spelled(lab):
    """tgtd lets in no other spelling but the one in lower case."""
    spelled = IQN + "Host-In-Both-Cases"
    lab.dvsan("host", "add", "both", "--iqn", spelled)
    try:
        assert spelled in lab.dvsan("host", "show", "both").stdout
        assert spelled in lab.dvsan("host", "list").stdout
        lab.create("for-both", "1M")
        lab.assign("for-both", "both")
        for to in ("open-iscsi", "qemu"):
            assert spelled in lab.dvsan("host", "connect-info", "both", "--for", to).stdout
        other = lab.dvsan("host", "add", "third", "--iqn", spelled.upper().replace("IQN.", "iqn."), code=None)
        assert other.returncode != 0 and spelled in other.stderr, other.stderr
    finally:
        lab.unassign("for-both", "both")
        lab.done(lab.client.delete("/volumes/for-both"))
        lab.dvsan("host", "delete", "both", "--yes", code=None)

"""Where the processes of a test stand: told when something was waited for in vain, and mended."""
import contextlib
import faulthandler
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading

MARK = "DVSAN_TEST_RUN"
BACKTRACE_SECONDS = 60
BACKTRACES = 12  # at most: a lab may have hundreds of processes
LAB_MARK = "DVSAN_LAB_PROCESS"  # of examples/lab
labs = []  # the folders of the test's labs
OURS = ("dvsan", "test_", "_demo")  # programs whose stacks tell something
# Net-SNMP 5.9.3 loses a sender's address, a struct sockaddr_un of 110 octets that netsnmp_unix_recv()
# allocates, when snmpd is killed in the middle of what it says. Such leaks, and no others.
LOST_SENDERS = re.compile(
    r"==\d+==ERROR: LeakSanitizer: detected memory leaks\n\n"
    r"(Direct leak of (" + "|".join(rf"{110 * n} byte\(s\) in {n}" for n in range(1, 10)) + r") object\(s\) allocated from:\n"
    r" +#0 \w+ in __interceptor_calloc .*\n +#1 \w+ +\(.*/libnetsnmp\.so\..*\n( +#.*\n)*\n)+SUMMARY: .*\n")


def mark():
    """Marks this process, so that all it starts are known by their environment."""
    os.environ[MARK] = secrets.token_hex(8)


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read().decode("utf-8", "replace")
    except OSError:
        return ""


def processes():
    """The processes that this one has started, and those that they have, by PID: their words."""
    mine = (f"{MARK}={os.environ.get(MARK)}", *(f"{LAB_MARK}={folder}/" for folder in labs))
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid() and \
                any(word.startswith(mine) for word in read(f"/proc/{name}/environ").split("\0")):
            found[int(name)] = read(f"/proc/{name}/cmdline").replace("\0", " ").strip()
    return found


def state(pid):
    """R, S, D, T, Z; "" when it is gone."""
    return read(f"/proc/{pid}/stat").rpartition(") ")[2][:1]


def computed(pid, thread=None):
    """Seconds that a process has computed, or one thread of it."""
    fields = read(f"/proc/{pid}/task/{thread}/stat" if thread else f"/proc/{pid}/stat").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def threads(pid):
    """A line for each thread: its state, and what it waits for in the kernel."""
    with contextlib.suppress(FileNotFoundError):
        for task in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
            at = f"/proc/{pid}/task/{task}/"
            yield (f"    thread {task} {read(at + 'comm').strip()}: {state(task)} "
                   f"{read(at + 'wchan') or '-'} syscall {read(at + 'syscall').split(' ')[0].strip() or '-'}")


def hangs(pid):
    """Whether one of its threads waits in the kernel, as for a frozen file system: a debugger would wait with it."""
    with contextlib.suppress(FileNotFoundError):
        return any(state(task) == "D" for task in os.listdir(f"/proc/{pid}/task"))
    return False


def stacks(pid):
    """What its threads have called, where a debugger is at hand."""
    if hangs(pid):
        return "    no stack: a thread waits in the kernel"
    if not shutil.which("gdb"):
        return ""
    try:
        done = subprocess.run(["gdb", "-batch", "-nx", "-p", str(pid), "-ex", "set print frame-arguments none",
                               "-ex", "thread apply all backtrace 24"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", check=False,
                              timeout=BACKTRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return "    no stack: the debugger did not end"
    return "\n".join("    " + line for line in done.stdout.splitlines()
                     if line.startswith(("Thread", "#")))


def where():
    """Where all processes of the test stand, as text."""
    parts, left = [], BACKTRACES
    for pid, words in sorted(processes().items()):
        parts.append(f"process {pid} {state(pid)}: {words[:200]}")
        parts += threads(pid)
        if left and any(name in os.path.basename(words.split(" ")[0]) for name in OURS) and state(pid) not in "TZ":
            parts.append(stacks(pid))
            left -= 1
    return "\n".join(part for part in parts if part) or "no process of the test is there"


def go_on():
    """Lets go on what a test has stopped and left so; returns what that was."""
    stopped = {pid: words for pid, words in processes().items() if state(pid) == "T"}
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    return stopped


def watch(seconds):
    """Ends this process with SIGINT, and tells where all stand, when it is not over by then: before
    whoever waits for it kills it without a word."""
    def late():
        print(f"\nnot over after {seconds} s; where all stand:\n{where()}", file=sys.stderr, flush=True)
        faulthandler.dump_traceback(file=sys.stderr)
        go_on()
        os.kill(os.getpid(), signal.SIGINT)  # fixtures take down what they made
    timer = threading.Timer(seconds, late)
    timer.daemon = True
    timer.start()
    return timer

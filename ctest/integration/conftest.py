"""The fixtures of the integration tests. A test file says what lab it wants: LAB = {"units": 3}."""
import os
import sys

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))  # the package support

from support import guest as guests, net, stand, unit_box  # noqa: E402
from support.testlab import TestLab  # noqa: E402

TAIL_LINES = 30


def pytest_configure():
    """Makes the test's processes known, and itself tell where they stand before ctest kills it."""
    stand.mark()
    if seconds := int(os.environ.get("DVSAN_TEST_SECONDS", "0")):
        stand.watch(seconds)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Tells of a failed test where all processes stand, and notes it for the fixtures."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        item.module.some_test_failed = item.failed = True
        report.sections += [("where all processes stand", stand.where()),
                            *((f"the end of {box.agent_log}", box.said()[-8000:]) for box in unit_box.living)]


@pytest.fixture(autouse=True)
def mended(request):
    """What a failed test leaves stopped, or a lab that it leaves broken, fails none behind it."""
    yield
    if not getattr(request.node, "failed", False):
        return
    for pid, words in stand.go_on().items():
        print(f"process {pid} was left stopped: {words}")
    if "lab" in request.fixturenames and isinstance(request.getfixturevalue("lab"), TestLab):
        request.getfixturevalue("lab").run("up", check=False)


def tell(test_lab):
    print(f"logs are kept in {test_lab.keep_logs()}")
    for path in test_lab.logs():
        with open(path, encoding="utf-8", errors="replace") as f:
            lines = f.read().splitlines()[-TAIL_LINES:]
        if lines:
            print(f"--- the end of {path}", *lines, sep="\n")


@pytest.fixture(scope="module")
def lab(request):
    """A running lab of this file's own."""
    wanted = getattr(request.module, "LAB", {"units": 1})
    with net.own_range() as n:
        test_lab = TestLab(request.module.__name__, f"127.17.{n}.10")
        try:
            test_lab.up(**wanted)
            yield test_lab
        except BaseException:
            tell(test_lab)
            test_lab.run("down")
            raise
        if getattr(request.module, "some_test_failed", False):
            tell(test_lab)
        reports = test_lab.down()
    assert not reports, reports


@pytest.fixture(scope="module")
def guest(lab):
    """A running machine with Linux's own initiator, which reaches the lab."""
    if why := guests.missing():
        pytest.skip(why)
    with guests.Guest(lab.work) as machine:
        yield machine

# Where tgtds listen: at what is configured, and nowhere else, whatever the configuration was before.
# SPDX-License-Identifier: BSD-2-Clause
import contextlib
import signal
import socket
import subprocess

import pytest

from dvsan_oids import (dvsanAccessLastError, dvsanMemberOperState, dvsanPortalText, dvsanUnitLastError,
                        dvsanVolumeLastError)
from support import net
from support.net import free_port
from support.patience import wait_for
from support.raw_initiator import CheckCondition, Lun, Refused
from support.unit_box import ACTIVE, CREATING, DEGRADED, ONLINE, PENDING, RUNNING, Box, Supervised, own_box

HOST, SECRET = "iqn.2026-11.host:guest", "secret-of-guest"
OPER, LAST_ERROR = f"{dvsanMemberOperState}.0", f"{dvsanUnitLastError}.0"
PORTAL_TEXT = f"{dvsanPortalText}.1.1"


class Portals:
    """A box whose portals are edited; four addresses, of which the first two are the box's own."""

    def __init__(self, kind, **how):
        self.kind, self.how, self.stack = kind, how, contextlib.ExitStack()

    def __enter__(self):
        self.addresses = self.stack.enter_context(net.own_addresses(4))
        self.box = self.stack.enter_context(own_box(self.kind, addresses=self.addresses[:2], **self.how))
        return self

    def __exit__(self, *failed):
        return self.stack.__exit__(*failed)

    def configure(self, *portals, instances=None):
        """portals: (address, port)"""
        self.box.instances = instances or self.box.instances
        self.box.portals_xml = lambda: "".join(f'<portal index="{i}" address="{a}" port="{p}"/>'
                                               for i, (a, p) in enumerate(portals, 1))
        self.box.write_config()

    def restart(self, *portals, **kwargs):
        self.box.agent.end()
        self.configure(*portals, **kwargs)
        self.box.start_agent()
        self.box.wait_ready()


def listens(address, port=3260):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
        s.settimeout(5)
        return s.connect_ex((address, port)) == 0


def give(box):
    box.serve(1, "v1", 8, HOST, "guest", SECRET)


def log_in(box, address):
    session = Lun(address, HOST, box.iqn(1), "guest", SECRET)
    session.write(0, bytes(4096))
    return session


@pytest.mark.parametrize("kind", [Box, Supervised])
def test_a_portal_that_is_taken_out_is_closed(kind):
    """With its sessions; those who came by another portal notice nothing."""
    with Portals(kind) as p:
        first, second = p.addresses[0], p.addresses[2]
        p.configure((first, 3260), (second, 3260))
        p.box.start()
        give(p.box)
        wait_for("both portals", lambda: listens(first) and listens(second))
        guest = log_in(p.box, second)
        stays = Stays(p, first)
        p.restart((first, 3260))
        wait_for("the portal to be closed", lambda: not listens(second))
        assert guest.ended(20)
        wait_for("the unit to run", lambda: p.box.get(OPER) == RUNNING)
        assert listens(first) and stays.goes_on()
        assert p.box.get(LAST_ERROR) == ""
        # It stays closed after one more start, and can come back.
        p.restart((first, 3260), (second, 3260))
        wait_for("the portal", lambda: listens(second))


class Stays:
    """A session by another portal, from another address than the guest's."""

    def __init__(self, portals, address):
        self.sock = socket.create_connection((address, 3260), source_address=(portals.addresses[3], 0))
        self.session = Lun.__new__(Lun)
        self.session.sock, self.session.isid, self.session.command_number = self.sock, 2, 1
        self.session.keys = {"InitiatorName": HOST, "SessionType": "Normal", "TargetName": portals.box.iqn(1)}
        self.session.login("guest", SECRET)
        with contextlib.suppress(CheckCondition):
            self.session.command(bytes(6))

    def goes_on(self):
        try:
            self.session.write(0, bytes(4096))
            return True
        except (OSError, Refused):
            return False


def test_another_address_another_port_another_family():
    with Portals(Box) as p:
        first, second = p.addresses[0], p.addresses[2]
        p.box.start()
        give(p.box)
        wait_for("the portal", lambda: listens(first))
        p.restart((second, 3260))
        wait_for("the move", lambda: listens(second) and not listens(first))
        p.restart((second, 3270))
        wait_for("the move", lambda: listens(second, 3270) and not listens(second))
        port = free_port("::1")
        p.restart(("::1", port))
        wait_for("the move", lambda: listens("::1", port) and not listens(second, 3270))
        assert p.box.get(PORTAL_TEXT) == f"[::1]:{port}"
        p.restart((first, 3260))
        wait_for("the move", lambda: listens(first) and not listens("::1", port))


def test_the_portals_of_an_instance_that_is_no_more():
    with Portals(Box, instances=2) as p:
        first = p.addresses[0]
        p.box.start()
        wait_for("both groups", lambda: listens(first) and listens(first, 3261))
        # It hangs meanwhile, so it cannot be told, which is shown with the address.
        p.box.tgtds[2].popen.send_signal(signal.SIGSTOP)
        p.restart((first, 3260), instances=1)
        wait_for("the unit to tell", lambda: f"at {first}, port 3261" in p.box.get(LAST_ERROR), 60)
        assert p.box.get(OPER) == DEGRADED
        p.box.tgtds[2].popen.send_signal(signal.SIGCONT)
        wait_for("the portal to be closed", lambda: not listens(first, 3261), 60)
        wait_for("the unit to run", lambda: p.box.get(OPER) == RUNNING and p.box.get(LAST_ERROR) == "", 60)
        assert listens(first)


def tgtadm(box, *args):
    subprocess.run(["tgtadm", "--lld", "iscsi", *args], check=True, capture_output=True,
                   env={**box.tgt_environment(), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def test_what_others_made_and_unmade():
    """A portal that somebody closed is open again; what somebody opened in a tgtd of his is left alone, and
    told; in a tgtd that is the agent's alone it is closed."""
    with Portals(Box) as p:
        first, second = p.addresses[0], p.addresses[2]
        p.box.start()
        wait_for("the portal", lambda: listens(first))
        tgtadm(p.box, "--mode", "portal", "--op", "delete", "--param", f"portal={first}:3260")
        tgtadm(p.box, "--mode", "portal", "--op", "new", "--param", f"portal={second}:3260")
        wait_for("the portal", lambda: listens(first))
        wait_for("word of the other", lambda: f"listens at {second}:3260, too" in p.box.said())
        assert listens(second)
        wait_for("the reason", lambda: f"listens at {second}:3260, too" in p.box.get(LAST_ERROR), 60)
        tgtadm(p.box, "--mode", "portal", "--op", "delete", "--param", f"portal={second}:3260")
        wait_for("the unit to run", lambda: p.box.get(OPER) == RUNNING and p.box.get(LAST_ERROR) == "", 60)
    with Portals(Supervised) as p:
        first, second = p.addresses[0], p.addresses[2]
        p.box.start()
        wait_for("the portal", lambda: listens(first))
        tgtadm(p.box, "--mode", "portal", "--op", "new", "--param", f"portal={second}:3260")
        wait_for("the other to be closed", lambda: not listens(second))


def test_the_reason_of_a_tgtd_that_ended():
    with Portals(Box) as p:
        p.box.start()
        give(p.box)
        wait_for("the unit to run", lambda: p.box.get(OPER) == RUNNING)
        p.box.tgtd.kill()
        wait_for("the reason", lambda: "nothing of portal group 1 is served" in p.box.get(LAST_ERROR))
        assert p.box.get(OPER) == DEGRADED
        p.box.start_tgtd()
        wait_for("the unit to run", lambda: p.box.get(OPER) == RUNNING and p.box.get(LAST_ERROR) == "")


def test_a_tgtd_that_hangs_ends_no_order():
    """What is being created or granted waits for it, saying why, and is not failed."""
    with Portals(Box) as p:
        p.box.start()
        give(p.box)
        p.box.tgtd.popen.send_signal(signal.SIGSTOP)
        p.box.create(2, "v2")
        p.box.grant(1, 2, HOST + "2", "guest2", SECRET)
        wait_for("the reason", lambda: "did not answer" in p.box.get(f"{dvsanVolumeLastError}.2")
                 and "did not answer" in p.box.get(LAST_ERROR), 60)
        assert p.box.volumes()[2] == CREATING
        wait_for("the reason", lambda: "did not answer" in p.box.get(f"{dvsanAccessLastError}.1.2"), 60)
        assert p.box.rules()[1, 2] == PENDING
        p.box.tgtd.popen.send_signal(signal.SIGCONT)
        p.box.wait_volume(2, ONLINE, 60)
        p.box.wait_rule(1, 2, ACTIVE, 60)
        assert p.box.get(f"{dvsanVolumeLastError}.2") == ""

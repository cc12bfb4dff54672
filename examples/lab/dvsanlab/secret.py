"""The lab's secrets: random, one set a lab, each in a file of mode 0600 in the folder secrets."""
import os
import secrets
import string

from .settings import write_file

PASSPHRASE_LENGTH = 24
CHAP_LENGTH = 16  # initiators differ in what they take; all take 12 to 16 characters
ALPHABET = string.ascii_letters + string.digits


def snmp_users(settings):
    """Those with pass-phrases: each is the SNMPv3 user dvsan-NAME."""
    return ("monitor", "provision", "notify") if settings.shared else ("monitor",)


def path(settings, name):
    return settings.path("secrets", name)


def read(settings, name):
    with open(path(settings, name), encoding="ascii") as f:
        return f.read().strip()


def keep(settings, name, value):
    os.makedirs(settings.path("secrets"), mode=0o700, exist_ok=True)
    write_file(path(settings, name), value)  # no newline: qemu would take it for a part


def have(settings, name):
    return os.path.exists(path(settings, name))


def make(settings, name, length):
    """Makes it unless it is there; returns its file's path."""
    if not have(settings, name):
        keep(settings, name, "".join(secrets.choice(ALPHABET) for _ in range(length)))
    return path(settings, name)


def make_all(settings):
    for user in snmp_users(settings):
        make(settings, user, PASSPHRASE_LENGTH)
    for host in settings.host_names():
        make(settings, host, CHAP_LENGTH)

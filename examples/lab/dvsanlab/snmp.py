"""Configuration of Debian's Net-SNMP: snmpd for a unit, and the command line tools for people."""
import os
import secrets

from . import secret
from .settings import ROOT, write_file

USER = "dvsan-{}"
MIBS = os.path.join(ROOT, "mibs")
SNMPD_CONF = os.path.join(ROOT, "snmp-agents", "snmpd.conf.in") # as for any unit
QUIET = "\n# The lab asks often whether it is there.\ndontLogTCPWrappersConnects yes\n"
TRAPS = """
# The lab's receiver of notifications: SNMPv3 traps, signed by this engine.
trapsess -v 3 -l authPriv -u {user} -a SHA-256 -A {phrase} -x AES -X {phrase} -e {engine} udp:{receiver}
"""
ENGINE_HEAD = "0x80001f8805" # RFC 3411 SnmpEngineID: Net-SNMP's enterprise number, octets follow

SNMP_CONF = """\
# With SNMPCONFPATH set to this folder, snmpget and its kin speak to the lab's units as {user}.
defVersion 3
defSecurityLevel authPriv
defSecurityName {user}
defAuthType SHA-256
defPrivType AES
defAuthPassphrase {phrase}
defPrivPassphrase {phrase}
"""


def snmpd_conf(box, users, more=""):
    """What a box's snmpd reads. users: those of snmpd.conf.in that there are, NAME: (user,
    pass-phrase of authentication, and of privacy)."""
    with open(SNMPD_CONF, encoding="utf-8") as f:
        text = f.read()
    engine = box.engine_id()
    words = {"ADDRESS": box.listen, "ENGINE_ID": engine, "ENGINE_OID": engine_oid(engine),
             "AGENTX": "unix:" + box.path("agentx.sock"), "AGENTX_PERMS": "0600 0700"}
    if "PROVISION" not in users:
        text = "".join(line for line in text.splitlines(True) if "@PROVISION_USER@" not in line
                       or line.startswith("#"))
    for name, user in users.items():
        words.update((f"{name}_{what}", word) for what, word in zip(("USER", "AUTH", "PRIV"), user))
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text + more + QUIET


def lab_users(settings):
    """Those of a unit of the lab."""
    return {user.upper(): (USER.format(user), *[secret.read(settings, user)] * 2)
            for user in secret.snmp_users(settings)}


def traps(settings, engine):
    """What snmpd is told of the lab's receiver of notifications."""
    return TRAPS.format(engine=engine, phrase=secret.read(settings, "monitor"), user=USER.format("monitor"),
                        receiver=settings.traps) if settings.traps else ""


def engine_id(path):
    """The unit's engine ID, made at the first time."""
    if not os.path.exists(path):
        write_file(path, ENGINE_HEAD + secrets.token_hex(12))
    with open(path, encoding="ascii") as f:
        return f.read()


def engine_oid(engine):
    """An engine ID as the index of a row: its length, and each byte (RFC 3414, usmUserTable)."""
    octets = bytes.fromhex(engine.removeprefix("0x"))
    return ".".join(map(str, [len(octets), *octets]))


def make_state(folder):
    """With the folder that Net-SNMP would make there, and tell of, itself."""
    os.makedirs(os.path.join(folder, "cert_indexes"), mode=0o700, exist_ok=True)


def daemon_environment(folder, state):
    """For snmpd or snmptrapd whose configuration is in this folder, and its state in state there."""
    # The state folder must be in the search path too: else snmpd never reads engineBoots back,
    # counts 1 again at each start, and managers that knew it are refused for minutes.
    state = os.path.join(folder, state)
    return {"SNMPCONFPATH": f"{folder}:{state}", "SNMP_PERSISTENT_DIR": state, "MIBS": ""}


def client_folder(settings, user):
    return settings.path("snmp", user)


def write_clients(settings):
    for user in secret.snmp_users(settings):
        folder = client_folder(settings, user)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        write_file(os.path.join(folder, "snmp.conf"), SNMP_CONF.format(
            user=USER.format(user), phrase=secret.read(settings, user)))
    make_state(settings.path("snmp", "state"))


def standard_mibs():
    """The folder of the IETF's MIB texts, which Debian does not ship; None when there is none."""
    for folder in (os.environ.get("DVSAN_STANDARD_MIBS"),
                   os.path.join(os.path.dirname(ROOT), "shared", "standard-mibs"),
                   "/var/lib/snmp/mibs/ietf", "/var/lib/mibs/ietf"):
        if folder and os.path.exists(os.path.join(folder, "SNMPv2-SMI")):
            return os.path.abspath(folder)
    return None


def client_environment(settings, user="monitor"):
    """What makes Net-SNMP's tools reach the units as a user, with no secret in any argument."""
    env = {"SNMPCONFPATH": client_folder(settings, user),
           "SNMP_PERSISTENT_DIR": settings.path("snmp", "state"), "MIBS": ""}
    texts = standard_mibs()
    if texts:
        env["MIBS"] = ":".join(sorted(name for name in os.listdir(MIBS) if name.startswith("DVSAN")))
        env["MIBDIRS"] = MIBS + ":" + texts
    return env

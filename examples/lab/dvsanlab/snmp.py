"""Configuration of Debian's Net-SNMP: snmpd for a unit, and the command line tools for people."""
import glob
import os

from . import secret
from .settings import ROOT, write_file

USER = "dvsan-{}"
ROOT_OID = ".1.3.6.1.4.1.8072.9999.9999.21137"
OUR_MODULES = "DVSAN-MIB:DVSAN-MEMBER-MIB:DVSAN-UNIT-MIB"

SNMPD_CONF = """\
# snmpd of the lab's {name}. Only SNMPv3 users with authentication and encryption get an answer.
master agentx
agentXSocket unix:{socket}
agentXPerms 0700 0700
maxGetbulkResponses 500
# The unit's agent sends linkUp and linkDown itself.
linkUpDownNotifications no
dontLogTCPWrappersConnects yes

# Who may see and do what (VACM, RFC 3415).
group monitor usm dvsan-monitor
group provision usm dvsan-provision
view monitor included .1.3.6.1.2.1
view monitor included .1.3.6.1.6.3.10.2.1
view monitor included {root}
view provision included {root}
#      group     context model level prefix read    write     notify
access monitor   ""      usm   priv  exact  monitor none      none
access provision ""      usm   priv  exact  monitor provision none
"""

CREATE_USER = 'createUser {user} SHA-256 "{phrase}" AES "{phrase}"\n'

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


def write_snmpd(settings, name, folder):
    """Writes what snmpd reads. The users go where snmpd turns pass-phrases into keys and strikes
    them out at its first start."""
    write_file(os.path.join(folder, "snmpd.conf"), SNMPD_CONF.format(
        name=name, socket=os.path.join(folder, "agentx.sock"), root=ROOT_OID))
    state = os.path.join(folder, "snmpd.state")
    make_state(state)
    kept = os.path.join(state, "snmpd.conf")
    if not glob.glob(os.path.join(state, "snmpd*.conf")):
        write_file(kept, "".join(
            CREATE_USER.format(user=USER.format(u), phrase=secret.read(settings, u))
            for u in ("monitor", "provision")))


def make_state(folder):
    """With the folder that Net-SNMP would make there, and tell of, itself."""
    os.makedirs(os.path.join(folder, "cert_indexes"), mode=0o700, exist_ok=True)


def snmpd_environment(folder):
    # The state folder must be in the search path too: else snmpd never reads engineBoots back,
    # counts 1 again at each start, and managers that knew it are refused for minutes.
    state = os.path.join(folder, "snmpd.state")
    return {"SNMPCONFPATH": f"{folder}:{state}", "SNMP_PERSISTENT_DIR": state, "MIBS": ""}


def client_folder(settings, user):
    return settings.path("snmp", user)


def write_clients(settings):
    for user in ("monitor", "provision"):
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
        env["MIBS"] = OUR_MODULES
        env["MIBDIRS"] = os.path.join(ROOT, "mibs") + ":" + texts
    return env

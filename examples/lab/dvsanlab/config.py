"""The XML configuration of dvsan-cms and dvsan-unit in the lab; tgt-configs/ explains it."""
from xml.sax.saxutils import quoteattr

from . import secret
from .settings import HTTP_PORT, ISCSI_PORT, NOTIFY_PORT, SNMP_PORT

MEDIUM_SIZE = "10G" # thin: it takes no room before it is written

UNIT = """\
<?xml version="1.0" encoding="UTF-8"?>
<unit name={name} state-dir="state" log="{log}">
  <media>
{media}
  </media>
  <portals>
{portals}
  </portals>
  <tgtd socket={tgtd} control-port="{first}" instances="{instances}" threads="2"/>
  <snmp agentx={agentx} management-address="udp:{address}:{snmp}" engine-id="{engine}"
        snmpd-state={snmpd} snmpd-conf={conf}>{notify}</snmp>
  <cms address="udp:{station}:{notify_port}"/>
</unit>
"""

# Pass-phrases that all share, of a lab without enrolment.
USER = """
    <{name} user="dvsan-{name}" auth-pass-file={phrase} priv-pass-file={phrase}{more}/>
"""

MEDIUM = '    <medium index="{}" name="{}" kind="dir" path="{}" size="{}" thin="yes"/>'
PORTAL = '    <portal index="{}" address="{}" port="{}"/>'

STATION = """\
<?xml version="1.0" encoding="UTF-8"?>
<cms name="lab" state-dir="state" log="{log}">
  <http address="{address}" port="{http}"/>
  <snmp listen="udp:{address}:{notify_port}">{notify}{provision}</snmp>
  <poll interval="1s" timeout="1s"/>
  <lease time="30s"/>
</cms>
"""


def shared_user(settings, name, more=""):
    return USER.format(name=name, phrase=quoteattr(secret.path(settings, name)), more=more) \
        if settings.shared else ""


def unit(u):
    return UNIT.format(
        log=u.settings.log, name=quoteattr(u.name), address=u.address,
        media="\n".join(MEDIUM.format(n, f"pool{n - 1}", folder, MEDIUM_SIZE)
                        for n, folder in enumerate(u.media, 1)),
        portals="\n".join(PORTAL.format(n, address, ISCSI_PORT)
                          for n, address in enumerate(u.portals, 1)),
        tgtd=quoteattr(u.path("tgtd.sock")), first=u.control_port(1), instances=u.settings.instances,
        agentx=quoteattr(u.path("agentx.sock")), snmp=SNMP_PORT,
        notify=shared_user(u.settings, "notify"), engine=u.engine_id().removeprefix("0x"),
        snmpd=quoteattr(u.path("snmpd.state/snmpd.conf")), conf=quoteattr(u.path("snmpd.conf")),
        station=u.settings.address(0), notify_port=NOTIFY_PORT)


def station(s):
    return STATION.format(
        log=s.settings.log, address=s.address, http=HTTP_PORT, notify_port=NOTIFY_PORT,
        notify=shared_user(s.settings, "notify"), provision=shared_user(s.settings, "provision", ' accept="yes"'))

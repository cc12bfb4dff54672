"""The XML configuration of dvsan-cms and dvsan-unit in the lab; tgt-configs/ explains it."""
from xml.sax.saxutils import quoteattr

from . import secret
from .settings import HTTP_PORT, ISCSI_PORT, NOTIFY_PORT

MEDIUM_SIZE = "10G" # thin: it takes no room before it is written

UNIT = """\
<?xml version="1.0" encoding="UTF-8"?>
<unit name={name} state-dir="state" log="{log}"{unit_more}>
  <media>
{media}
  </media>
  <portals>
{portals}
  </portals>
  <tgtd {tgtd_more}socket={tgtd} control-port="{first}" instances="{instances}" threads="2"/>
  <snmp agentx={agentx} management-address="{management}"{snmp_more}>{notify}</snmp>
  <cms address="udp:{station}:{notify_port}"/>
</unit>
"""

# What an enrolled unit needs of its snmpd.
SNMPD = """ engine-id="{engine}"
        snmpd-state={state} snmpd-conf={conf}"""

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


def media(folders):
    return "\n".join(MEDIUM.format(n, f"pool{n - 1}", folder, MEDIUM_SIZE)
                     for n, folder in enumerate(folders, 1))


def portals(addresses):
    return "\n".join(PORTAL.format(n, address, ISCSI_PORT) for n, address in enumerate(addresses, 1))


def snmpd(box):
    return SNMPD.format(engine=box.engine_id().removeprefix("0x"),
                        state=quoteattr(box.path("snmpd.state/snmpd.conf")),
                        conf=quoteattr(box.path("snmpd.conf")))


def unit(box, media_lines):
    """The unit.xml of a box."""
    return UNIT.format(
        name=quoteattr(box.name), log=box.log, unit_more=box.unit_more, media=media_lines,
        portals=box.portals_xml(), tgtd_more=box.tgtd_more, tgtd=quoteattr(box.path("tgtd.sock")),
        first=box.control_port(1), instances=box.instances, agentx=quoteattr(box.path("agentx.sock")),
        management=box.management, snmp_more=box.snmp_more, notify=box.notify, station=box.station,
        notify_port=NOTIFY_PORT)


def station(s):
    return STATION.format(
        log=s.settings.log, address=s.address, http=HTTP_PORT, notify_port=NOTIFY_PORT,
        notify=shared_user(s.settings, "notify"), provision=shared_user(s.settings, "provision", ' accept="yes"'))

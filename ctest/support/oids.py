"""Object identifiers of standards. Those of our own modules are in dvsan_oids, which the build makes."""
MIB_2 = "1.3.6.1.2.1"
SYS_DESCR, SYS_UP_TIME, SYS_CONTACT, SYS_NAME = (f"{MIB_2}.1.{n}.0" for n in (1, 3, 4, 5))
IF_INDEX, IF_ADMIN_STATUS, IF_OPER_STATUS = (f"{MIB_2}.2.2.1.{n}" for n in (1, 7, 8))
SCSI, IPS_AUTH, ISCSI = STANDARD = [f"{MIB_2}.{n}" for n in (139, 141, 142)]
TRAP_OID, TRAP_ENTERPRISE = (f"1.3.6.1.6.3.1.1.4.{n}.0" for n in (1, 3))
COLD_START, LINK_DOWN, LINK_UP = (f"1.3.6.1.6.3.1.1.5.{n}" for n in (1, 3, 4))
ENGINE_ID = "1.3.6.1.6.3.10.2.1.1.0"
USM = "1.3.6.1.6.3.15.1.2"

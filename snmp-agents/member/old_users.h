// The SNMP users that a unit shared with others before it was enrolled: found, and taken out.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEMBER_OLD_USERS_H
#define DVSAN_MEMBER_OLD_USERS_H

#include "config/member_config.h"
#include "model/enrolment.h"

// ---- Texts (pure) -----------------------------------------------------------------------------

#define OLD_USERS_MAX 16
struct old_users {
    char names[OLD_USERS_MAX][SNMP_USER_MAX + 1]; // without those that enrolment makes
    size_t count;
};

// The value of a word of snmpd.conf ("exactEngineID"); false when there is no such line.
bool old_users_value(const char *conf, const char *word, char *out, size_t room);
// Those that may write: of the groups of an `access` line with a view for that.
void old_users_find(const char *conf, struct old_users *out);
// snmpd.conf without them; the caller frees it, as the next two. What the station's own users need
// is added from the example when it is not there.
char *old_users_conf(const char *conf, const char *example, const struct old_users *old);
// snmpd's persistent file without them.
char *old_users_state(const char *state, const struct old_users *old);
// dvsan-unit.xml without <notify>; the same text when it has none.
char *old_users_xml(const char *xml);

// ---- The files ---------------------------------------------------------------------------------

// The engine ID of an snmpd.conf that is this unit's: it has the AgentX socket of the
// configuration, and its engine ID if it says one. False when there is none such.
bool old_users_engine(const struct member_config *config, struct engine_id *out);
// Takes them out of all three, and tells what was done; each file is kept beside itself as
// FILE.before-enrolment, mode 0600. What has none is left alone. snmpd must not run. May be
// repeated at any time.
int old_users_remove(const struct member_config *config, const char *config_path,
                     struct dv_err *err);

#endif

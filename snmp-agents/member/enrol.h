// Enrolling a member: it gets keys of its own, by a code or by a file.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEMBER_ENROL_H
#define DVSAN_MEMBER_ENROL_H

#include "config/member_config.h"
#include "enrol/message.h"

struct enrol_member {
    const struct member_config *config;
    const char *config_path; // the file that it was read from
    enum member_kind kind;
    const char *address; // of snmpd; "": it may change, and is announced
    // The member's own, made now for one that has none yet; called as the owner of the state
    // folder.
    int (*uuid)(const struct enrol_member *m, struct dv_uuid *out, struct dv_err *err);
    const void *arg; // the caller's own
};

// station: HOST, HOST:PORT or [ADDRESS]:PORT; NULL: that of the configuration. Neither the agent
// nor snmpd may run meanwhile. When root does it, what it writes belongs to the owners of the
// folders. What is broken off may be done again with the same code.
// A unit that shared users with others then loses these (old_users.h). leave: also when it is in
// the pool of another station, which loses it.
int enrol_by_code(const struct enrol_member *m, const char *code, const char *station, bool leave,
                  struct dv_err *err);
// Whether such a code could be and the station can be reached: before what runs is stopped for it.
int enrol_ready(const struct member_config *config, const char *code, const char *station,
                struct dv_err *err);

// Whether such a code and station could be, asked before anything is made. config NULL: there is
// none yet.
int enrol_check(const struct member_config *config, const char *code, const char *station,
                struct dv_err *err);

// Prints on standard output what the member says of itself, for dvsan unit import.
int enrol_print_request(const struct enrol_member *m, struct dv_err *err);
// The same as enrol_by_code, by an identity that the station wrote to a file of mode 0600.
int enrol_by_file(const struct enrol_member *m, const char *path, bool leave, struct dv_err *err);

#endif

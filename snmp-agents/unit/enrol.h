// dvsan-unit --enrol: a unit gets keys of its own.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_ENROL_H
#define DVSAN_UNIT_ENROL_H

#include "config/unit_config.h"

// station: HOST, HOST:PORT or [ADDRESS]:PORT; NULL: that of the configuration. Neither dvsan-unit
// nor snmpd may run meanwhile. When root does it, what it writes belongs to the owners of the
// folders. What is broken off may be done again with the same code.
// A unit that shared users with others then loses these (old_users.h); config_path is the file of
// the configuration. leave: also when it is in the pool of another station, which loses it.
int enrol_unit(const struct unit_config *config, const char *config_path, const char *code,
               const char *station, bool leave, struct dv_err *err);
// Whether such a code could be and the station can be reached: before what runs is stopped for it.
int enrol_ready(const struct unit_config *config, const char *code, const char *station,
                struct dv_err *err);

// Whether such a code and station could be, asked before anything is made. config NULL: there is
// none yet.
int enrol_check(const struct unit_config *config, const char *code, const char *station,
                struct dv_err *err);

// Prints on standard output what the unit says of itself, for dvsan unit import.
int enrol_print_request(const struct unit_config *config, struct dv_err *err);
// The same as enrol_unit, by an identity that the station wrote to a file of mode 0600.
int enrol_by_file(const struct unit_config *config, const char *config_path, const char *path,
                  bool leave, struct dv_err *err);

#endif

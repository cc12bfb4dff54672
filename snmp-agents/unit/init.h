// dvsan-unit --init: makes a machine a unit, as far as that can be done without a station.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_INIT_H
#define DVSAN_UNIT_INIT_H

#include "config/setup.h"
#include "config/unit_config.h"

#define INIT_MEDIA_MAX 64

// What the command line says; NULL where it says nothing.
struct unit_answers {
    const char *name, *address, *size;
    const char *station; // that it is to be enrolled at, whose way tells the address
    const char *media[INIT_MEDIA_MAX];
    size_t media_count;
};

// Makes what is not there of the configuration at path, snmpd's file, the media's folders and what
// systemd is to know; what is there stays. The caller frees *config with unit_config_free.
int init_unit(const struct setup *s, const char *path, const struct unit_answers *answers,
              struct unit_config **config, struct dv_err *err);
// Whether the unit has what it takes to be part of a pool: an identity, or pass-phrases of old.
bool init_is_member(const struct setup *s, const struct unit_config *config);

// The unit's services (root of a machine with systemd): stopped for an enrolment, and started.
int init_hold_services(const struct setup *s, struct dv_err *err);
int init_start_services(const struct setup *s, const struct unit_config *config,
                        struct dv_err *err);
// The credential of the secrets' key goes, where there is one: the agent makes another key, and the
// next init_unit a credential of that.
int init_drop_key(const struct setup *s, struct dv_err *err);
// How to start it where there is no systemd.
void init_print_start(const struct unit_config *config);

#endif

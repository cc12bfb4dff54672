// dvsan-cms --init: makes a machine the station.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_INIT_H
#define DVSAN_CMS_INIT_H

#include "config/setup.h"

// What the command line says; NULL where it says nothing.
struct station_answers {
    const char *name, *address;
    const char *password_file; // the admin's password, to be read; NULL: one is made
};

// Makes what is not there of the configuration at path, the state folder and the admin's password,
// and starts the service where systemd runs; what is there stays.
int init_station(const struct setup *s, const char *path, const struct station_answers *answers,
                 struct dv_err *err);

#endif

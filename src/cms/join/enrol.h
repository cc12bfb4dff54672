// Enrolment at the station.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_JOIN_ENROL_H
#define DVSAN_CMS_JOIN_ENROL_H

#include "cms/core/station.h"

void enrol_open(struct cms *cms);                      // the door; without it the station runs, too
int enrol_resume(struct cms *cms, struct dv_err *err); // listens to all that are enrolled

#endif

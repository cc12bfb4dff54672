// The member's side of an enrolment, as a command does it: it waits.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_ENROL_CLIENT_H
#define DVSAN_ENROL_CLIENT_H

#include "enrol/code.h"
#include "enrol/message.h"

// Has what the station grants on disk before it returns; from then on the code is used up.
typedef int enrol_keep_fn(void *arg, const struct grant *grant, struct dv_err *err);

// Whether that is HOST, HOST:PORT or [ADDRESS]:PORT; nobody is asked.
int enrol_check_station(const char *station, struct dv_err *err);
// Whether something takes connections there, before what is running is stopped for the talk.
int enrol_reach(const char *station, struct dv_err *err);

// station: one that passed the check. Tries each address of a name; each step may take ten
// seconds. The sentence of an error tells who refused and what to do; DV_DENIED also when the other
// side does not know the code, or somebody sits between. May be done again with the same code.
int enrol_ask(const char *station, const struct code *code, const struct enrol_request *request,
              enrol_keep_fn *keep, void *arg, struct dv_err *err);

#endif

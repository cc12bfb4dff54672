// What happened, told to people: written with the changes that it belongs to.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_CORE_EVENTS_H
#define DVSAN_CMS_CORE_EVENTS_H

#include "base/log.h"
#include "model/change.h"
#include "store/store.h"

struct cms;

// Adds an event to the list of changes. subject: "unit unit1", made by the caller's
// kind and name.
void events_add(struct cms *cms, struct changes *c, enum event_severity severity, const char *kind,
                const char *name, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
#define EVENTS_KEPT STORE_EVENTS_KEPT
int events_load(struct cms *cms, struct dv_err *err); // at the start
// One that was written.
void events_follow(struct cms *cms, const struct event_record *e);
void events_log(const struct event_record *e);
// The same for what strangers can cause: as log_limited, none beyond the limit.
void events_add_limited(struct log_limit *limit, struct cms *cms, struct changes *c,
                        enum event_severity severity, const char *kind, const char *name,
                        const char *fmt, ...) __attribute__((format(printf, 7, 8)));

#endif

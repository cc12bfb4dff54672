// A single leg as a disk that rides out lost sessions: requests wait and are sent again.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_ISCSI_VOLUME_H
#define DVSAN_ISCSI_VOLUME_H

#include "iscsi/leg.h"
#include "iscsi/pump.h"

struct volume;

struct volume_config {
    uint32_t timeout_ms; // a request that waits longer than this for a session fails
    // Told what happens to the session, in a sentence, with the pump's lock; may be NULL.
    void (*on_event)(void *arg, bool good, const char *text);
    void *arg;
};

// Takes over the leg. From any thread, not within the pump.
struct volume *volume_new(struct pump *pump, struct leg *leg, const struct volume_config *config);
void volume_free(struct volume *v); // NULL is fine; no request may be under way

// Connects, and waits for the first session. Fails at once when the login is refused, and after
// timeout_ms when the unit cannot be reached.
int volume_open(struct volume *v, struct dv_err *err);

// Carries out one request and returns 0 or an errno value: EACCES when the unit refuses this
// host, EIO when it could not be reached in time. Any thread, any number of them.
int volume_io(struct volume *v, enum leg_op op, unsigned flags, uint64_t offset, uint64_t bytes,
              void *data);

// Has the size read anew, when there is a session: a volume may have grown. A new session reads it,
// too.
void volume_refresh(struct volume *v);
struct leg_info volume_info(struct volume *v);
// The last reason why there was no session; code DV_OK when there never was one.
void volume_why(struct volume *v, struct dv_err *why);

#endif

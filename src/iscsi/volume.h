// A single leg as a disk that rides out lost sessions: requests wait and are sent again.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_ISCSI_VOLUME_H
#define DVSAN_ISCSI_VOLUME_H

#include "iscsi/leg.h"
#include "iscsi/pump.h"

struct volume_session;

struct volume_config {
    uint32_t timeout_ms; // a request that takes longer than this fails, whatever it waits for
    // Told what happens to the session, in a sentence, in the order in which it happens. Without
    // the pump's lock, from the pump's housekeeping thread, or from that of volume_open and
    // volume_free; never from two at once. It may block without holding up a request. May be NULL.
    void (*on_event)(void *arg, bool good, const char *text);
    void *arg;
};

// Takes over the leg. From any thread, not within the pump. One pump has one volume at most.
struct volume_session *volume_new(struct pump *pump, struct leg *leg,
                                  const struct volume_config *config);
void volume_free(struct volume_session *v); // NULL is fine; no request may be under way

// Connects, and waits for the first session. Fails at once when the login is refused, and after
// timeout_ms when there is no session by then.
int volume_open(struct volume_session *v, struct dv_err *err);

// Fails all requests, those under way and those to come, with ESHUTDOWN, and ends the session. Any
// thread.
void volume_shut(struct volume_session *v);

// Somebody who writes and flushes. When a unit's machine restarted between a write and its flush,
// the next flush of every client fails, once.
struct volume_client {
    unsigned told; // the losses that it knows of
};
void volume_client_init(struct volume_session *v, struct volume_client *client);

// Carries out one request and returns 0 or an errno value: EACCES when the unit refuses this
// host, EIO when it could not be reached in time, when five sessions in a row ended while this
// request was out, and for a flush that comes after a loss of unflushed writes. Any thread, any
// number of them. client: whose request it is; NULL: of nobody who has to be told of losses.
int volume_io(struct volume_session *v, struct volume_client *client, enum leg_op op,
              unsigned flags, uint64_t offset, uint64_t bytes, void *data);

// Has the size read anew, when there is a session: a volume may have grown. A new session reads it,
// too.
void volume_refresh(struct volume_session *v);
struct leg_info volume_info(struct volume_session *v);
// The last reason why there was no session; code DV_OK when there never was one.
void volume_why(struct volume_session *v, struct dv_err *why);

#endif

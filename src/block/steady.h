// A leg that rides out lost sessions of another: requests wait and are sent again.
// SPDX-License-Identifier: BSD-2-Clause
//
// leg_connect waits for the first session. The leg goes down again at once when the login is
// refused, and after timeout_ms when there is no session by then. Once it was ready it stays so,
// whatever becomes of the sessions below, until leg_disconnect.
//
// A request fails with EACCES while the unit refuses this host, and with EIO when it could not be
// carried out in time, when five sessions in a row ended while it was out, and, a flush, behind a
// loss of writes that were not flushed (unflushed.h). LEG_SIZE is answered at once, with ENOTCONN,
// while there is no session: a new session reads the size, too.
#ifndef DVSAN_BLOCK_STEADY_H
#define DVSAN_BLOCK_STEADY_H

#include "block/leg.h"
#include "loop/loop.h"

struct steady_config {
    uint32_t timeout_ms; // a request that takes longer than this fails, whatever it waits for
    // Told what happens to the sessions, in a sentence. May be NULL.
    void (*on_event)(void *arg, bool good, const char *text);
    void *arg;
};

// Takes over the leg below, which is down and is freed with it. Its own `why` is the last reason
// why there was no session; of code DV_OK when there never was one.
struct leg *steady_new(struct loop *loop, struct leg *below, const struct steady_config *config);

#endif

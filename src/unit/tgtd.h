// A tgtd that the unit's agent starts: kept running, and its log read.
// SPDX-License-Identifier: BSD-2-Clause
//
// Hosts' data goes through tgtd, so it must outlive the agent: it has a session of its own, none of
// the agent's descriptors, and nothing ends it when the agent ends. An agent that starts again
// finds it at its socket. It is never ended from here, also not when it hangs: that is for a
// person, since what hosts have written may be in its hands.
//
// Its standard error is a FIFO in the state folder, which it holds open for reading as well: so it
// neither gets SIGPIPE nor waits while no agent reads. What does not fit is lost.
#ifndef DVSAN_UNIT_TGTD_H
#define DVSAN_UNIT_TGTD_H

#include "config/unit_config.h"
#include "loop/loop.h"

struct tgtd;

struct tgtd_calls {
    // Its log says that it refused an initiator's CHAP user or secret. Only what is certain to be
    // a message of tgtd's own is told.
    void (*refused)(void *arg, uint32_t number, const char *initiator);
    void *arg;
};

// Looks whether one answers at the socket of number 1..instances, and starts one when none does,
// as soon as the loop runs; again, less and less often, when it ends. config is borrowed, and the
// state folder is there. Everything is for the loop's thread.
struct tgtd *tgtd_new(struct loop *loop, const struct unit_config *config, uint32_t number,
                      const struct tgtd_calls *calls, struct dv_err *err);
void tgtd_free(struct tgtd *t); // leaves tgtd alone; NULL is fine

// Whether it answered when it was asked last: one that lives and does not answer is reported.
void tgtd_answered(struct tgtd *t, bool answered);
// Reads what is in its log now, and calls back.
void tgtd_read_log(struct tgtd *t);

#endif

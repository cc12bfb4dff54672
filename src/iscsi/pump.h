// The pump: drives sockets from the threads that wait for them, sparing a lone request a switch.
// SPDX-License-Identifier: BSD-2-Clause
//
// Leader and followers. A thread that brings an operation starts it itself when the pump's lock
// is free, or leaves it for the holder to start together with whatever else is queued. If nobody
// leads, it then leads: it polls the sockets without the lock, takes the lock to serve them,
// completes everybody's operations, and goes on until its own is done; then it hands leadership
// to a thread that still waits. When nothing waits, a housekeeping thread keeps the sockets and
// timers going.
//
// "With the lock" below means: on whichever thread holds the pump at that moment. Everything that
// a pump drives (legs, a volume, a mirror) is touched with the lock only, so needs no lock itself.
//
// Lock order: the pump's lock is the innermost one. Code that holds it never blocks and never
// calls pump_run, pump_enter or pump_wait.
#ifndef DVSAN_ISCSI_PUMP_H
#define DVSAN_ISCSI_PUMP_H

#include "base/err.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pump;

struct pump *pump_new(struct dv_err *err);
// Starts the housekeeping thread; call it after the last fork.
int pump_start(struct pump *p, struct dv_err *err);
// Ends the housekeeping thread; nothing is driven between requests any more. Harmless when it
// was not started.
void pump_stop(struct pump *p);
void pump_free(struct pump *p); // stops first; NULL is fine; no operation may be under way

// An operation: embedded in the caller's own structure, usually on the waiting thread's stack.
struct pump_op {
    void (*start)(struct pump_op *op); // called once, with the lock
    // The pump's own:
    struct pump_op *prev, *next;
    atomic_uint word;
    bool finished; // under the lock
};
// Any thread: starts the operation and returns when pump_finish has been called for it.
void pump_run(struct pump *p, struct pump_op *op);
// With the lock: the operation is done; its memory must not be touched afterwards.
void pump_finish(struct pump *p, struct pump_op *op);

// A socket that the pump watches. All fields and calls are for the holder of the lock.
struct pump_source {
    int fd;          // -1: none at present
    unsigned events; // POLLIN, POLLOUT; kept up to date by the owner
    unsigned birth;  // the owner counts it up with each new descriptor: its number may be an old
                     // one's, of which a poll is still under way
    bool dirty;      // something was queued: flush is called once before the lock is let go
    void (*ready)(struct pump_source *s, unsigned revents);
    void (*flush)(struct pump_source *s);
    struct pump_source *next; // the pump's own
};
void pump_source_add(struct pump *p, struct pump_source *s); // at most 32
void pump_source_remove(struct pump *p, struct pump_source *s);

// A timer that fires once each time it is set, with the lock. Zero-initialise and set fn.
struct pump_timer {
    void (*fn)(struct pump_timer *t);
    uint64_t due_ms; // 0: not set
    struct pump_timer *next;
};
void pump_timer_set(struct pump *p, struct pump_timer *t, uint32_t in_ms);
void pump_timer_cancel(struct pump *p, struct pump_timer *t); // also when not set

uint64_t pump_now_ms(void); // CLOCK_MONOTONIC

// What its housekeeping thread calls without the lock, soon after pump_call_outside (with the
// lock); NULL: nothing. pump_set_outside returns when no such call is under way; not from within
// one. Without a housekeeping thread nothing is called.
void pump_set_outside(struct pump *p, void (*fn)(void *arg), void *arg);
void pump_call_outside(struct pump *p);

// Takes and leaves the lock, for short administrative work outside of operations.
void pump_enter(struct pump *p);
void pump_leave(struct pump *p);

#endif

// The event loop: descriptors, timers, signals, and work posted from other threads.
// SPDX-License-Identifier: BSD-2-Clause
//
// One thread runs the loop and owns all state that its callbacks touch. Everything here but
// loop_post, loop_call, loop_stop and loop_now_ms is for that thread alone. A loop runs once:
// after loop_stop it takes no more work.
#ifndef DVSAN_LOOP_LOOP_H
#define DVSAN_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
typedef void loop_fn(void *arg);

struct loop *loop_new(void);
// For few descriptors, and answers within microseconds: by poll(2), and where there is more than
// one processor, it does not sleep at once: while events come within 100 us of each other it keeps
// one busy.
struct loop *loop_new_few(void);
// NULL is fine. Free timers, fds and signals first. Stops the loop, and waits until the threads
// inside loop_call have left it; none may come in later.
void loop_free(struct loop *loop);
void loop_run(struct loop *loop);  // returns after loop_stop, at once if that was before
void loop_stop(struct loop *loop); // any thread, or a callback

// Any thread: fn(arg) runs once on the loop's thread, in the order posted. Posted work that the
// loop never reaches, because it stopped, is dropped: arg then still belongs to the poster.
void loop_post(struct loop *loop, loop_fn *fn, void *arg);
// Any other thread: as loop_post, but waits until fn has run. Returns false, without having run
// it, when the loop is stopping. Before loop_run it waits for that.
bool loop_call(struct loop *loop, loop_fn *fn, void *arg);

// What the callback that runs serves, for the measure below: a text that lives on. Each callback
// begins without one.
void loop_serves(struct loop *loop, const char *what);
// From now on each callback is measured, which takes two system calls: what carries data does
// without. Before loop_run.
void loop_measure(struct loop *loop);
// A turn is one callback, behind which others have theirs. What it computes is the processor time
// of the thread, so neither a wait for a disk nor other processes are in it. Turns that compute
// longer than LOOP_TURN_US are logged at level debug.
#define LOOP_TURN_US 10000
struct loop_turn {
    uint64_t computed_us, took_us;
    const char *what; // it served; NULL before the first turn
};
// The turn that computed longest, of all so far.
struct loop_turn loop_longest(const struct loop *loop);
// Whether the callback that runs has computed for less than a quarter of LOOP_TURN_US. A callback
// that takes up one thing after the other leaves the next one to another turn when it has not.
// Always true where nothing is measured.
bool loop_has_time(const struct loop *loop);

uint64_t loop_now_ms(void); // CLOCK_MONOTONIC in milliseconds; any thread

// A timer that fires once each time it is set, never early.
struct loop_timer;
struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *arg);
void loop_timer_set(struct loop_timer *t, uint32_t ms); // 0: at the next turn; replaces a setting
void loop_timer_cancel(struct loop_timer *t);
bool loop_timer_pending(const struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); // NULL is fine; also from its own callback

// Work that is done once for all that was noted for it: behind the callbacks that are due now and
// before the loop waits for more, however often it was set. Set from its own callback, it is done
// once more before that: only where this comes to an end.
struct loop_soon;
struct loop_soon *loop_soon_new(struct loop *loop, loop_fn *fn, void *arg);
void loop_soon_set(struct loop_soon *s);
void loop_soon_free(struct loop_soon *s); // NULL is fine; also from its own callback

// A descriptor, watched until freed. It is not closed here. Events are level-triggered; an error
// or a hang-up shows as whichever of the events are watched. events 0 pauses it.
enum { LOOP_READ = 1, LOOP_WRITE = 2 };
struct loop_fd;
typedef void loop_fd_fn(void *arg, int fd, unsigned events);
struct loop_fd *loop_fd_new(struct loop *loop, int fd, unsigned events, loop_fd_fn *fn, void *arg);
void loop_fd_events(struct loop_fd *f, unsigned events);
void loop_fd_free(struct loop_fd *f); // NULL is fine; also from its own callback; before close(2)

// A signal, taken as an event of the loop; one loop in a process may do so.
struct loop_signal;
struct loop_signal *loop_signal_new(struct loop *loop, int signo, loop_fn *fn, void *arg);
void loop_signal_free(struct loop_signal *s); // NULL is fine; the signal's old action comes back

#endif

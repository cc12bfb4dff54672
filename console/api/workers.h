// Threads that carry out what may take long, and hand it back to the loop it came from.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_WORKERS_H
#define DVSAN_API_WORKERS_H

struct loop;
struct workers;

typedef void work_fn(void *arg);

// done runs on home's thread.
struct workers *workers_new(struct loop *home, unsigned threads);
// Lets each thread end what it does; what waits is dropped. Call it when home has stopped. NULL is
// fine.
void workers_free(struct workers *w);

// Runs work(arg) on a thread, in the order of the calls, and then done(arg) on home's, which is the
// thread to call this from. When either is dropped, arg still belongs to the caller.
void workers_add(struct workers *w, work_fn *work, work_fn *done, void *arg);

#endif

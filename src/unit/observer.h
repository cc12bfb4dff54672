// Looks at a tgtd once a second, on a thread of its own: sessions, statistics, parameters.
// SPDX-License-Identifier: BSD-2-Clause
//
// An observer has its own thread, because the worker may be busy for minutes with a medium, and
// another tgtd may hang. The observer only reads. It looks more often for a tgtd that is not there,
// so it is also the first to find that tgtd.
#ifndef DVSAN_UNIT_OBSERVER_H
#define DVSAN_UNIT_OBSERVER_H

#include "config/unit_config.h"
#include "loop/loop.h"
#include "tgt/tgt.h"

#define OBSERVER_TGTD_MAX 127

struct observed_session {
    uint32_t tid;
    uint64_t sid; // the TSIH of RFC 7143
    uint32_t cid; // of its one connection
    char initiator[IQN_MAX_LEN + 1];
    char address[INET6_ADDRSTRLEN];
};

struct observed_target {
    uint32_t tid;
    struct tgt_parameters parameters;
};

struct sighting {
    uint64_t at_ms;                   // loop_now_ms() when it began
    char tgtd[OBSERVER_TGTD_MAX + 1]; // tells one run of tgtd from any other, on any boot
    struct tgt_statistics *rows;      // ascending by sighting_compare_rows
    size_t row_count;
    struct observed_session *sessions; // ascending by tid, sid
    size_t session_count;
    struct observed_target *targets; // ascending by tid; those whose parameters are known by now
    size_t target_count;
};
// The order of rows, for qsort and bsearch: by tid, sid, lun.
int sighting_compare_rows(const void *a, const void *b);
void sighting_free(struct sighting *o); // NULL is fine
// Gives targets the numbers that number(arg, tid) returns, and leaves out targets whose number is
// 0.
void sighting_rename(struct sighting *o, uint32_t (*number)(void *arg, uint32_t tid), void *arg);

struct observer;

// What the observer calls back, on the loop's thread.
struct observer_calls {
    // The targets to tell the parameters of, ascending; the caller frees them.
    uint32_t *(*targets)(void *arg, size_t *count);
    // A look is over: what was seen, which belongs to whom is called, or NULL with why not.
    void (*seen)(void *arg, struct sighting *o, const struct dv_err *err);
    void *arg;
};

// socket and prefix as in tgt_engine_new. The first look starts when the loop runs.
struct observer *observer_new(struct loop *loop, const char *socket, const char *prefix,
                              const struct observer_calls *calls, struct dv_err *err);
// Any other thread than the loop's, while the loop or observer_free runs: makes it look, and
// returns when the loop will take the result before anything that is posted to it from now on.
void observer_look(struct observer *o);
// Waits for a look under way, two seconds at most; the loop was stopped before. NULL is fine.
void observer_free(struct observer *o);

#endif

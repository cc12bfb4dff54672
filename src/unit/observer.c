// Looks at a tgtd once a second, on a thread of its own: sessions, statistics, parameters.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/observer.h"
#include "base/boot.h"
#include "base/file.h"
#include "base/mem.h"
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOOK_INTERVAL_MS 1000
#define GONE_INTERVAL_MS 100 // while it is not there
#define TIMEOUT_MS       2000
// Of so many targets parameters are read in one look. A pass waits for a look, and with thousands
// of targets tgtd takes 1 to 2 ms for each.
#define LOOK_PARAMETERS 64

struct observer {
    struct loop *loop;
    struct observer_calls calls;
    struct loop_timer *next;
    pthread_t thread;

    // The thread's.
    struct tgt_engine *tgt;
    int watch; // of the tgtd that was found; -1: none
    char tgtd[OBSERVER_TGTD_MAX + 1];
    struct sighting *last; // a copy of what was seen last in this run of tgtd, or NULL
    uint32_t refreshed;    // the last target whose parameters were read
    uint32_t *tids;        // the targets asked about last
    size_t tid_count;

    pthread_mutex_t mutex;
    pthread_cond_t wake, over;
    // Under the mutex.
    bool quit;
    uint64_t asked, done; // looks; one that is over answers all that asked before it began
    uint32_t *new_tids;   // for the next look, or NULL
    size_t new_count;
    struct result *results; // that the loop has not taken yet
    size_t result_count;
};

struct result {
    struct sighting *seen; // or NULL with
    struct dv_err err;
};

void sighting_free(struct sighting *o)
{
    if (!o)
        return;
    free(o->rows);
    free(o->sessions);
    free(o->targets);
    free(o);
}

static void *copy_of(const void *from, size_t count, size_t size)
{
    void *to = dv_calloc(count + 1, size);
    if (count > 0)
        memcpy(to, from, count * size);
    return to;
}

static struct sighting *observation_copy(const struct sighting *o)
{
    struct sighting *c = copy_of(o, 1, sizeof(*o));
    c->rows = copy_of(o->rows, o->row_count, sizeof(*o->rows));
    c->sessions = copy_of(o->sessions, o->session_count, sizeof(*o->sessions));
    c->targets = copy_of(o->targets, o->target_count, sizeof(*o->targets));
    return c;
}

// ---- On its own thread: which tgtd it is --------------------------------------------------------

static void forget(struct observer *o)
{
    if (o->watch >= 0)
        close(o->watch);
    o->watch = -1;
    sighting_free(o->last);
    o->last = NULL;
}

static bool has_ended(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    return poll(&p, 1, 0) != 0;
}

// The process, when it started, and in which boot: field 22 of stat(5) counts from that.
static int identify(pid_t pid, char out[OBSERVER_TGTD_MAX + 1], struct dv_err *err)
{
    char path[64], uuid[UUID_TEXT_LEN];
    size_t len;
    unsigned long long started;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    DV_FREE char *stat = NULL;
    struct dv_uuid boot;
    if (file_read(path, 4096, &stat, &len, err) != 0 || boot_id(&boot, err) != 0)
        return -1;
    const char *at = strrchr(stat, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (!at || sscanf(at, "%llu", &started) != 1)
        return dv_fail(err, DV_INTERNAL, "cannot tell when tgtd, process %d, started", (int)pid);
    snprintf(out, OBSERVER_TGTD_MAX + 1, "%s %d %llu", uuid_format(&boot, uuid), (int)pid, started);
    return 0;
}

static int meet(struct observer *o, struct dv_err *err)
{
    pid_t pid;
    if (o->watch >= 0 && !has_ended(o->watch))
        return 0;
    forget(o);
    if (tgt_watch(o->tgt, &pid, &o->watch, err) != 0) {
        o->watch = -1;
        return -1;
    }
    return identify(pid, o->tgtd, err);
}

// ---- On its own thread: a look ------------------------------------------------------------------

int sighting_compare_rows(const void *a, const void *b)
{
    const struct tgt_statistics *x = a, *y = b;
    if (x->tid != y->tid)
        return x->tid < y->tid ? -1 : 1;
    if (x->sid != y->sid)
        return x->sid < y->sid ? -1 : 1;
    return x->lun < y->lun ? -1 : x->lun > y->lun;
}

static int compare_sessions(const void *a, const void *b)
{
    const struct observed_session *x = a, *y = b;
    if (x->tid != y->tid)
        return x->tid < y->tid ? -1 : 1;
    return x->sid < y->sid ? -1 : x->sid > y->sid;
}

static const struct observed_session *known_session(const struct sighting *last, uint32_t tid,
                                                    uint64_t sid)
{
    const struct observed_session key = {.tid = tid, .sid = sid};
    if (!last || last->session_count == 0)
        return NULL;
    return bsearch(&key, last->sessions, last->session_count, sizeof(key), compare_sessions);
}

// "IP Address: 192.0.2.1", or "IP Address: [2001:db8::1]" as getnameinfo has it.
static void take_address(const char *text, char *out, size_t room)
{
    const char *at = strstr(text, ": ");
    dv_copy(out, room, at ? at + 2 : "");
    char *end = strchr(out, ']');
    if (out[0] == '[' && end) {
        *end = '\0';
        memmove(out, out + 1, strlen(out));
    }
}

static void add_session(struct sighting *now, uint32_t tid, const struct seen_session *s)
{
    struct observed_session *to = DV_APPEND(now->sessions, now->session_count);
    *to = (struct observed_session){.tid = tid, .sid = s->sid, .cid = s->cid};
    dv_copy(to->initiator, sizeof(to->initiator), s->initiator);
    take_address(s->address, to->address, sizeof(to->address));
}

// Who the sessions of one target are, whose rows are those from first up to end. Its connections
// are only asked for when there is a session that the last look did not see.
static int name_sessions(struct observer *o, struct sighting *now, size_t first, size_t end,
                         struct dv_err *err)
{
    struct seen_target seen = {0};
    uint32_t tid = now->rows[first].tid;
    bool asked = false;
    int rc = 0;
    for (size_t i = first; i < end && rc == 0; i++) {
        uint64_t sid = now->rows[i].sid;
        if (i > first && now->rows[i - 1].sid == sid)
            continue;
        const struct observed_session *known = known_session(o->last, tid, sid);
        if (known) {
            *DV_APPEND(now->sessions, now->session_count) = *known;
            continue;
        }
        if (!asked)
            rc = tgt_read_connections(o->tgt, tid, &seen, err);
        asked = true;
        for (size_t k = 0; rc == 0 && k < seen.session_count; k++)
            if (seen.sessions[k].sid == sid)
                add_session(now, tid, &seen.sessions[k]);
    }
    seen_clear_sessions(&seen);
    return rc;
}

static int read_sessions(struct observer *o, struct sighting *now, struct dv_err *err)
{
    if (tgt_read_statistics(o->tgt, &now->rows, &now->row_count, err) != 0)
        return -1;
    if (now->row_count > 0)
        qsort(now->rows, now->row_count, sizeof(*now->rows), sighting_compare_rows);
    for (size_t first = 0, end; first < now->row_count; first = end) {
        for (end = first + 1; end < now->row_count && now->rows[end].tid == now->rows[first].tid;)
            end++;
        if (name_sessions(o, now, first, end, err) != 0)
            return -1;
    }
    return 0;
}

static int compare_targets(const void *a, const void *b)
{
    const struct observed_target *x = a, *y = b;
    return x->tid < y->tid ? -1 : x->tid > y->tid;
}

// Drops the rows whose first field, a target, has no number, and sorts the others anew.
static size_t rename_rows(void *rows, size_t count, size_t size,
                          int (*compare)(const void *, const void *),
                          uint32_t (*number)(void *arg, uint32_t tid), void *arg)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        char *row = (char *)rows + i * size;
        uint32_t tid;
        memcpy(&tid, row, sizeof(tid));
        tid = number(arg, tid);
        if (tid == 0)
            continue;
        memcpy(row, &tid, sizeof(tid));
        memmove((char *)rows + kept++ * size, row, size);
    }
    if (kept > 1)
        qsort(rows, kept, size, compare);
    return kept;
}

_Static_assert(offsetof(struct tgt_statistics, tid) == 0 &&
                   offsetof(struct observed_session, tid) == 0 &&
                   offsetof(struct observed_target, tid) == 0,
               "rename_rows takes the first field");

void sighting_rename(struct sighting *o, uint32_t (*number)(void *arg, uint32_t tid), void *arg)
{
    o->row_count =
        rename_rows(o->rows, o->row_count, sizeof(*o->rows), sighting_compare_rows, number, arg);
    o->session_count = rename_rows(o->sessions, o->session_count, sizeof(*o->sessions),
                                   compare_sessions, number, arg);
    o->target_count =
        rename_rows(o->targets, o->target_count, sizeof(*o->targets), compare_targets, number, arg);
}

static const struct observed_target *known_target(const struct sighting *last, uint32_t tid)
{
    const struct observed_target key = {.tid = tid};
    if (!last || last->target_count == 0)
        return NULL;
    return bsearch(&key, last->targets, last->target_count, sizeof(key), compare_targets);
}

// Some at a time in turn. A target that is not there is no failure.
static void read_parameters(struct observer *o, struct sighting *now, const uint32_t *tids,
                            size_t count)
{
    size_t budget = LOOK_PARAMETERS;
    uint32_t from = o->refreshed;
    for (size_t i = 0; i < count; i++) {
        const struct observed_target *known = known_target(o->last, tids[i]);
        struct observed_target t = {.tid = tids[i]};
        struct dv_err err;
        if (tids[i] <= from || budget == 0) {
            if (known)
                *DV_APPEND(now->targets, now->target_count) = *known;
            continue;
        }
        budget--;
        o->refreshed = tids[i];
        if (tgt_read_parameters(o->tgt, tids[i], &t.parameters, &err) == 0)
            *DV_APPEND(now->targets, now->target_count) = t;
    }
    if (budget > 0)
        o->refreshed = 0;
}

// What was read is of the tgtd that is watched only when that has not ended meanwhile.
static struct sighting *look(struct observer *o, const uint32_t *tids, size_t count,
                             struct dv_err *err)
{
    struct sighting *now = dv_calloc(1, sizeof(*now));
    now->at_ms = loop_now_ms();
    int rc = meet(o, err);
    if (rc == 0)
        rc = read_sessions(o, now, err);
    if (rc == 0) {
        read_parameters(o, now, tids, count);
        if (has_ended(o->watch))
            rc = dv_fail(err, DV_UNREACHABLE, "tgtd has ended");
    }
    if (rc != 0) {
        sighting_free(now);
        return NULL;
    }
    memcpy(now->tgtd, o->tgtd, sizeof(now->tgtd));
    sighting_free(o->last);
    o->last = observation_copy(now);
    return now;
}

// ---- Between the threads ------------------------------------------------------------------------

static void look_over(void *arg)
{
    struct observer *o = arg;
    pthread_mutex_lock(&o->mutex);
    DV_FREE struct result *results = o->results;
    size_t count = o->result_count;
    o->results = NULL;
    o->result_count = 0;
    pthread_mutex_unlock(&o->mutex);
    bool seen = count > 0 && results[count - 1].seen;
    loop_timer_set(o->next, seen ? LOOK_INTERVAL_MS : GONE_INTERVAL_MS);
    for (size_t i = 0; i < count; i++)
        o->calls.seen(o->calls.arg, results[i].seen, &results[i].err);
}

static void start_look(void *arg)
{
    struct observer *o = arg;
    size_t count;
    uint32_t *tids = o->calls.targets(o->calls.arg, &count);
    pthread_mutex_lock(&o->mutex);
    free(o->new_tids);
    o->new_tids = tids;
    o->new_count = count;
    o->asked++;
    pthread_cond_signal(&o->wake);
    pthread_mutex_unlock(&o->mutex);
}

void observer_look(struct observer *o)
{
    pthread_mutex_lock(&o->mutex);
    uint64_t wanted = ++o->asked;
    pthread_cond_signal(&o->wake);
    while (o->done < wanted)
        pthread_cond_wait(&o->over, &o->mutex);
    pthread_mutex_unlock(&o->mutex);
}

// Waits for somebody to ask; returns which look that is, 0 at the end.
static uint64_t wait_for_work(struct observer *o)
{
    pthread_mutex_lock(&o->mutex);
    while (o->asked == o->done && !o->quit)
        pthread_cond_wait(&o->wake, &o->mutex);
    uint64_t number = o->quit ? 0 : o->asked;
    if (o->new_tids) {
        free(o->tids);
        o->tids = o->new_tids;
        o->tid_count = o->new_count;
        o->new_tids = NULL;
    }
    pthread_mutex_unlock(&o->mutex);
    return number;
}

// What whoever waits for the look posts next, the loop runs after it has taken the result.
static void give(struct observer *o, uint64_t number, const struct result *result)
{
    pthread_mutex_lock(&o->mutex);
    *DV_APPEND(o->results, o->result_count) = *result;
    loop_post(o->loop, look_over, o);
    o->done = number;
    pthread_cond_broadcast(&o->over);
    pthread_mutex_unlock(&o->mutex);
}

static void *observe(void *arg)
{
    struct observer *o = arg;
    uint64_t number;
    while ((number = wait_for_work(o)) != 0) {
        struct result result = {0};
        result.seen = look(o, o->tids, o->tid_count, &result.err);
        give(o, number, &result);
    }
    return NULL;
}

struct observer *observer_new(struct loop *loop, const char *socket, const char *prefix,
                              const struct observer_calls *calls, struct dv_err *err)
{
    struct observer *o = dv_calloc(1, sizeof(*o));
    o->loop = loop;
    o->calls = *calls;
    o->watch = -1;
    o->tgt = tgt_engine_new(socket, prefix, TIMEOUT_MS);
    pthread_mutex_init(&o->mutex, NULL);
    pthread_cond_init(&o->wake, NULL);
    pthread_cond_init(&o->over, NULL);
    int rc = pthread_create(&o->thread, NULL, observe, o);
    if (rc == 0) {
        o->next = loop_timer_new(loop, start_look, o);
        loop_timer_set(o->next, 0);
        return o;
    }
    (void)dv_fail_errno(err, rc, "cannot start the observer's thread");
    tgt_engine_free(o->tgt);
    free(o);
    return NULL;
}

void observer_free(struct observer *o)
{
    if (!o)
        return;
    loop_timer_free(o->next);
    pthread_mutex_lock(&o->mutex);
    o->quit = true;
    pthread_cond_signal(&o->wake);
    pthread_mutex_unlock(&o->mutex);
    pthread_join(o->thread, NULL);
    forget(o);
    tgt_engine_free(o->tgt);
    for (size_t i = 0; i < o->result_count; i++)
        sighting_free(o->results[i].seen);
    free(o->results);
    free(o->new_tids);
    free(o->tids);
    pthread_cond_destroy(&o->wake);
    pthread_cond_destroy(&o->over);
    pthread_mutex_destroy(&o->mutex);
    free(o);
}

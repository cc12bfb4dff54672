// The target daemon: reads everything it serves, whatever initiators write into its lists.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "base/mem.h"
#include "tgt/engine.h"
#include "tgt/show.h"
#include <stdlib.h>
#include <string.h>

#define EVICTIONS 8 // targets whose sessions one look may end to get a readable list
#define COMPARED  8 // targets whose parameters a look reads once all were read

static int ask_text(const struct tgt_engine *e, struct tgt_request r, char **text,
                    struct dv_err *err)
{
    int status = tgt_call(e->socket, e->timeout_ms, &r, text, err);
    return status == TGT_OK ? 0 : -1;
}

int tgt_read_names(const struct tgt_engine *e, struct seen *names, struct dv_err *err)
{
    DV_FREE char *text = NULL;
    struct tgt_request r = {.mode = TGT_DRIVERS, .op = TGT_SHOW, .doing = "listing drivers"};
    if (ask_text(e, r, &text, err) != 0)
        return -1;
    return show_names(text, names, err);
}

// 0, TGT_REFUSED when the list is not readable, -1 when there is none.
static int read_targets(const struct tgt_engine *e, const struct seen *names, struct seen *seen,
                        size_t *broken, struct dv_err *err)
{
    DV_FREE char *text = NULL;
    struct tgt_request r = {
        .mode = TGT_TARGET, .op = TGT_SHOW, .tid = TGT_ALL_TARGETS, .doing = "listing targets"};
    if (ask_text(e, r, &text, err) != 0)
        return -1;
    if (show_targets(text, names, seen, broken, err) == 0)
        return 0;
    seen_clear(seen);
    return TGT_REFUSED;
}

static int read_connections(const struct tgt_engine *e, struct seen_target *t, struct dv_err *err)
{
    DV_FREE char *text = NULL;
    struct tgt_request r = {.mode = TGT_CONNECTION,
                            .op = TGT_SHOW,
                            .tid = (int32_t)t->tid,
                            .doing = "listing connections"};
    int status = tgt_call(e->socket, e->timeout_ms, &r, &text, err);
    if (status == TGT_NO_TARGET)
        return 0;
    return status == TGT_OK ? show_connections(text, t, err) : -1;
}

int tgt_read_connections(struct tgt_engine *e, uint32_t tid, struct seen_target *t,
                         struct dv_err *err)
{
    *t = (struct seen_target){.tid = tid};
    return read_connections(e, t, err);
}

// Ends the sessions of the nearest target at or before *at that has any; they wrote into the list
// what cannot be read. Who forges a neighbour's whole block has the neighbour's ended first, which
// log in again; its own are next, so it cannot hide. -1 with err when there are none.
static int evict(struct tgt_engine *e, const struct seen *names, size_t *at, struct dv_err *err)
{
    struct dv_err why = *err;
    for (size_t i = *at + 1; i > 0; i--) {
        struct seen_target t = {.tid = names->targets[i - 1].tid};
        int r = read_connections(e, &t, err);
        size_t sessions = t.session_count;
        seen_clear_sessions(&t);
        if (r != 0)
            return -1;
        if (sessions == 0)
            continue;
        *at = i > 1 ? i - 2 : 0;
        log_warning("tgt", "target %u: ending its sessions: %s", t.tid, why.text);
        return tgt_do_end_sessions(e, t.tid, NULL, err) == 0 ? 0 : -1;
    }
    *err = why;
    return -1;
}

// The two lists are of two moments, so a first mismatch may only mean that somebody else changed
// something between them.
static int read_readable_targets(struct tgt_engine *e, struct seen *seen, struct dv_err *err)
{
    size_t culprit = SIZE_MAX;
    for (int round = 0;; round++) {
        struct seen names = {0};
        size_t broken = 0;
        int r = tgt_read_names(e, &names, err);
        if (r == 0)
            r = read_targets(e, &names, seen, &broken, err);
        if (r == TGT_REFUSED && round > 0) {
            if (broken < culprit)
                culprit = broken;
            if (round > EVICTIONS || culprit >= names.target_count ||
                evict(e, &names, &culprit, err) != 0)
                r = -1;
        }
        seen_clear(&names);
        if (r != TGT_REFUSED)
            return r;
    }
}

static bool is_ours(const struct tgt_engine *e, const struct seen_target *t)
{
    return strncmp(t->name, e->prefix, strlen(e->prefix)) == 0;
}

struct ghosts {
    struct tgt_ghost *list;
    size_t count;
};

// What is left of sessions that have ended is none.
static void drop_ghosts(const struct tgt_engine *e, struct seen_target *t, struct ghosts *still)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->session_count; i++) {
        struct seen_session *s = &t->sessions[i];
        if (!tgt_is_ghost(e, t->tid, s->sid)) {
            t->sessions[kept++] = *s;
            continue;
        }
        *DV_APPEND(still->list, still->count) = (struct tgt_ghost){t->tid, s->sid};
        free(s->initiator);
        free(s->address);
        t->ghost_count++;
    }
    t->session_count = kept;
}

// Of a tgtd that was just met all; then some in turn, since anybody may change them.
static int compare_sessions(struct tgt_engine *e, struct seen *seen, struct dv_err *err)
{
    size_t left = e->session_compared ? COMPARED : SIZE_MAX;
    uint32_t from = e->session_compared ? e->compared : 0;
    for (size_t i = 0; i < seen->target_count && left > 0; i++) {
        struct seen_target *t = &seen->targets[i];
        if (t->tid <= from || !is_ours(e, t))
            continue;
        if (tgt_compare_session(e, t->tid, &t->parameters_differ, err) != 0)
            return -1;
        e->compared = t->tid;
        left--;
    }
    if (left > 0)
        e->compared = 0;
    return 0;
}

int tgt_look(struct tgt_engine *e, struct seen *seen, struct dv_err *err)
{
    *seen = (struct seen){0};
    if (read_readable_targets(e, seen, err) != 0)
        return -1;
    for (size_t i = 0; i < seen->target_count; i++) {
        struct seen_target *t = &seen->targets[i];
        if (t->sessions_unclear && read_connections(e, t, err) != 0)
            return -1;
    }
    struct ghosts still = {0}; // those of a tgtd that was started anew since are none
    for (size_t i = 0; i < seen->target_count; i++)
        drop_ghosts(e, &seen->targets[i], &still);
    free(e->ghosts);
    e->ghosts = still.list;
    e->ghost_count = still.count;
    if (compare_sessions(e, seen, err) != 0)
        return -1;
    DV_FREE char *text = NULL;
    struct tgt_request r = {.mode = TGT_ACCOUNT, .op = TGT_SHOW, .doing = "listing accounts"};
    if (ask_text(e, r, &text, err) != 0)
        return -1;
    return show_accounts(text, seen, err);
}

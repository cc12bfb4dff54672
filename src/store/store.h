// The station's store: all its records, kept over restarts and crashes.
// SPDX-License-Identifier: BSD-2-Clause
//
// Speaks of model records alone, so that another database can stand behind it and pass the same
// tests. Used from one thread at a time, but for what is told at the end.
#ifndef DVSAN_STORE_STORE_H
#define DVSAN_STORE_STORE_H

#include "model/change.h"
#include "model/enrolment.h"
#include "model/lead.h"

#define STORE_EVENTS_KEPT 10000 // the newest
#define STORE_RUNS_KEPT   4096  // likewise

struct store;

// Opens or makes the store in the file path and brings its schema up to date.
struct store *store_open(const char *path, struct dv_err *err);
void store_free(struct store *s); // NULL is fine

// Applies all changes or, when it returns -1, none. What it has applied survives a crash of the
// program and, with all that was applied before it, a power cut if it is durable. DV_CONFLICT: the
// number of intent is to get higher than LEAD_NUMBER_MAX.
int store_apply(struct store *s, const struct changes *changes, bool durable, struct dv_err *err);

// Judges every value that is stored, whoever wrote it: DV_DAMAGED when one cannot be.
// Gives everything but events to take, part by part, in an order in which it can be applied to an
// empty pool; when it returns -1, something is missing. take may keep what is in a part, and leave
// it empty.
typedef void store_take_fn(void *arg, struct changes *part);
int store_load(struct store *s, store_take_fn *take, void *arg, struct dv_err *err);

// The newest limit events with an id above after, oldest first; the caller frees *events.
int store_events(struct store *s, uint64_t after, size_t limit, struct event_record **events,
                 size_t *count, struct dv_err *err);
// The largest ids ever given, 0 for none.
struct store_ids {
    uint64_t event, task, token;
};
int store_last_ids(struct store *s, struct store_ids *out, struct dv_err *err);
int store_tokens(struct store *s, struct token_record **tokens, size_t *count,
                 struct dv_err *err); // ascending by id; the caller frees *tokens

// One-time codes, and who used them, oldest first. The caller frees both lists.
int store_codes(struct store *s, struct code_record **codes, size_t *count, struct code_use **uses,
                size_t *use_count, struct dv_err *err);

// The starts of the station, oldest first, to be begun once all was loaded and found good. The
// number of the last one goes up in the same transaction as intent changes: whenever a volume, a
// host or an assignment is made, replaced or gone. What is returned lives until the next call here.
int store_begin_run(struct store *s, struct dv_err *err);
const struct lead_run *store_runs(const struct store *s, size_t *count); // count > 0 once begun

// Single values of the station itself: a key and some bytes. store_get sets *data to NULL when
// there is none; the caller frees it.
int store_set(struct store *s, const char *key, const void *data, size_t len, struct dv_err *err);
int store_get(struct store *s, const char *key, void **data, size_t *len, struct dv_err *err);

// ---- What another thread may read while changes are applied, one at a time ----
// The highest number that the keys of a forgotten unit had; 0: none is known.
int store_retired_keys(struct store *s, const struct dv_uuid *member, uint32_t *number,
                       struct dv_err *err);
// The hosts with a secret for all units that this one was told, and that is valid yet, as far as no
// right says so any more. The caller frees *hosts.
int store_told(struct store *s, const struct dv_uuid *unit, struct dv_uuid **hosts, size_t *count,
               struct dv_err *err);

#endif

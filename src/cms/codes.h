// One-time codes at the station: made, kept, tried, used up.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_CODES_H
#define DVSAN_CMS_CODES_H

#include "base/err.h"
#include "enrol/code.h"
#include "model/enrolment.h"
#include <uthash.h>

struct seal;
struct store;

struct code_entry {
    struct code_record rec;
    struct code_use *uses;
    size_t use_count;
    bool loaded;                 // of before the station's start
    struct code_source *sources; // since the station's start
    size_t source_count;         // CODE_TRIES at most, and what is under way
    UT_hash_handle hh;           // by rec.id
};

struct codes {
    struct store *store;
    const struct seal *seal;
    struct code_entry *all;
};

#define CODES_MAX 1024

// Reads them from the store. Both are borrowed.
int codes_load(struct codes *c, struct store *store, const struct seal *seal, struct dv_err *err);
void codes_free(struct codes *c);

struct code_entry *codes_find(const struct codes *c, const char *id); // NULL: there is none
// Each of these has what it changes on disk before it returns 0. Codes that expired a day ago go.
int codes_add(struct codes *c, const struct code_record *rec, const uint8_t key[CODE_KEY],
              int64_t now, struct dv_err *err);
int codes_delete(struct codes *c, const char *id, struct dv_err *err); // DV_NOT_FOUND
// Those that are not over and were read from the store; how many into *ended.
int codes_end_loaded(struct codes *c, int64_t now, size_t *ended, struct dv_err *err);
int codes_add_use(struct codes *c, struct code_entry *code, const struct code_use *use,
                  struct dv_err *err);
// The member has what it got on disk. That it has it already is fine.
int codes_keep_use(struct codes *c, struct code_entry *code, const struct dv_uuid *member,
                   struct dv_err *err);

// A try counts from its beginning, so that many at once are not more, and neither is a crash. Its
// end says whether it was one.
int codes_begin_try(struct codes *c, struct code_entry *code, const char *from, struct dv_err *err);
int codes_end_try(struct codes *c, struct code_entry *code, const char *from, bool wrong,
                  struct dv_err *err);
const struct code_source *codes_source(const struct code_entry *code, const char *from); // or NULL
int codes_key(const struct codes *c, const struct code_entry *code, uint8_t key[CODE_KEY],
              struct dv_err *err);

#endif

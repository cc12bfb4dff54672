// One-time codes at the station: made, kept, tried, used up.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_CODES_H
#define DVSAN_CMS_CODES_H

#include "base/err.h"
#include "enrol/code.h"
#include "model/enrolment.h"
#include <uthash.h>

struct changes;
struct change;
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
    const struct seal *seal;
    struct code_entry *all;
};

#define CODES_MAX 1024

// Reads them from the store. seal is borrowed.
int codes_load(struct codes *c, struct store *store, const struct seal *seal, struct dv_err *err);
void codes_free(struct codes *c);

struct code_entry *codes_find(const struct codes *c, const char *id); // NULL: there is none
// What is to be written goes to the changes. Codes that expired a day ago go.
int codes_add(struct codes *c, const struct code_record *rec, const uint8_t key[CODE_KEY],
              int64_t now, struct changes *out, struct dv_err *err);
// Those that are not over and were read from the store; returns how many.
size_t codes_end_loaded(struct codes *c, int64_t now, struct changes *out);
// The member has what it got on disk. That it has it already is fine.
void codes_keep_use(const struct code_entry *code, const struct dv_uuid *member,
                    struct changes *out);
// What was written about codes counts from now on.
void codes_follow(struct codes *c, const struct change *change);

// A try counts from its beginning, so that many at once are not more, and neither is a crash. Its
// end says whether it was one; out may be NULL of one that was wrong, or was not counted.
void codes_begin_try(struct code_entry *code, const char *from, struct changes *out);
void codes_end_try(struct code_entry *code, const char *from, bool wrong, struct changes *out);
const struct code_source *codes_source(const struct code_entry *code, const char *from); // or NULL
int codes_key(const struct codes *c, const struct code_entry *code, uint8_t key[CODE_KEY],
              struct dv_err *err);

#endif

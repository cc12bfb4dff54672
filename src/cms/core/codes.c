// One-time codes at the station.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/core/codes.h"

#include "base/mem.h"
#include "cms/core/seal.h"
#include "logic/enrolment.h"
#include "model/change.h"
#include "store/store.h"
#include <assert.h>
#include <string.h>

#define KEPT_S 86400 // after its end, so that who used it is still told

static_assert(sizeof(((struct code_record *)0)->sealed_key) == CODE_KEY + SEAL_MORE,
              "a sealed key fits its field");

static void entry_free(struct codes *c, struct code_entry *e)
{
    HASH_DEL(c->all, e);
    free(e->uses);
    free(e->sources);
    free(e);
}

static struct code_entry *entry_new(struct codes *c, const struct code_record *rec)
{
    struct code_entry *e = dv_calloc(1, sizeof(*e));
    e->rec = *rec;
    HASH_ADD_STR(c->all, rec.id, e);
    return e;
}

int codes_load(struct codes *c, struct store *store, const struct seal *seal, struct dv_err *err)
{
    DV_FREE struct code_record *records = NULL;
    DV_FREE struct code_use *uses = NULL;
    size_t count = 0, use_count = 0;
    *c = (struct codes){.seal = seal};
    if (store_codes(store, &records, &count, &uses, &use_count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        entry_new(c, &records[i])->loaded = true;
    for (size_t i = 0; i < use_count; i++) {
        struct code_entry *e = codes_find(c, uses[i].code);
        if (e)
            *DV_APPEND(e->uses, e->use_count) = uses[i];
    }
    return 0;
}

void codes_free(struct codes *c)
{
    while (c->all)
        entry_free(c, c->all);
}

struct code_entry *codes_find(const struct codes *c, const char *id)
{
    struct code_entry *e;
    HASH_FIND_STR(c->all, id, e);
    return e;
}

int codes_add(struct codes *c, const struct code_record *rec, const uint8_t key[CODE_KEY],
              int64_t now, struct changes *out, struct dv_err *err)
{
    struct code_record sealed = *rec;
    size_t old = 0;
    for (struct code_entry *e = c->all; e; e = e->hh.next) {
        if (now - e->rec.expires <= KEPT_S)
            continue;
        changes_code_gone(out, e->rec.id);
        old++;
    }
    if (HASH_COUNT(c->all) - old >= CODES_MAX)
        return dv_fail(err, DV_BUSY, "there are %d codes, which is the most: delete one first",
                       CODES_MAX);
    if (codes_find(c, rec->id)) // one in 33 million
        return dv_fail(err, DV_BUSY, "the code that was drawn is there already: try again");
    seal_bytes(c->seal, rec->id, CODE_ID, key, CODE_KEY, sealed.sealed_key);
    changes_code(out, &sealed);
    return 0;
}

size_t codes_end_loaded(struct codes *c, int64_t now, struct changes *out)
{
    size_t ended = 0;
    for (struct code_entry *e = c->all; e; e = e->hh.next) {
        if (!e->loaded || now >= e->rec.expires)
            continue;
        changes_code_gone(out, e->rec.id);
        ended++;
    }
    return ended;
}

static void put_use(struct code_entry *e, const struct code_use *use)
{
    for (size_t i = 0; i < e->use_count; i++)
        if (uuid_equal(&e->uses[i].member, &use->member) &&
            engine_id_equal(&e->uses[i].engine, &use->engine)) {
            e->uses[i] = *use;
            return;
        }
    *DV_APPEND(e->uses, e->use_count) = *use;
}

void codes_follow(struct codes *c, const struct change *change)
{
    const struct code_record *rec = change->records;
    const struct code_use *use = change->records;
    struct code_entry *e = codes_find(c, change->kind == &kind_code ? rec->id : use->code);
    if (change->kind == &kind_code_use) {
        if (e)
            put_use(e, use);
    } else if (change->op == CHANGE_PUT) {
        (e ? e : entry_new(c, rec))->rec = *rec;
    } else if (e) {
        entry_free(c, e);
    }
}

static struct code_source *find_source(const struct code_entry *code, const char *from)
{
    char network[TRY_SOURCE_ROOM];
    enrolment_try_source(from, network);
    for (size_t i = 0; i < code->source_count; i++)
        if (strcmp(code->sources[i].network, network) == 0)
            return &code->sources[i];
    return NULL;
}

const struct code_source *codes_source(const struct code_entry *code, const char *from)
{
    return find_source(code, from);
}

static void set_tries(const struct code_entry *code, uint32_t tries, struct changes *out)
{
    struct code_record rec = code->rec;
    rec.tries = tries;
    changes_code(out, &rec);
}

void codes_begin_try(struct code_entry *code, const char *from, struct changes *out)
{
    struct code_source *source = find_source(code, from);
    if (!source) {
        source = DV_APPEND(code->sources, code->source_count);
        *source = (struct code_source){.wrong = 0};
        enrolment_try_source(from, source->network);
    }
    source->open++;
    set_tries(code, code->rec.tries - 1, out);
}

void codes_end_try(struct code_entry *code, const char *from, bool wrong, struct changes *out)
{
    struct code_source *source = find_source(code, from);
    if (!source || source->open == 0) // it is another code of that name
        return;
    source->open--;
    if (wrong)
        source->wrong++;
    else if (source->wrong == 0 && source->open == 0)
        *source = code->sources[--code->source_count];
    if (!wrong && out)
        set_tries(code, code->rec.tries + 1, out);
}

void codes_keep_use(const struct code_entry *code, const struct dv_uuid *member,
                    struct changes *out)
{
    for (size_t i = 0; i < code->use_count; i++) {
        struct code_use use = code->uses[i];
        if (!uuid_equal(&use.member, member) || use.kept)
            continue;
        use.kept = true;
        changes_code_use(out, &use);
    }
}

int codes_key(const struct codes *c, const struct code_entry *code, uint8_t key[CODE_KEY],
              struct dv_err *err)
{
    if (seal_open_bytes(c->seal, code->rec.id, CODE_ID, code->rec.sealed_key,
                        sizeof(code->rec.sealed_key), key))
        return 0;
    return dv_fail(err, DV_INTERNAL, "the code %s cannot be unsealed: make another one",
                   code->rec.id);
}

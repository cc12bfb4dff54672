// One-time codes at the station.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/codes.h"

#include "base/mem.h"
#include "cms/seal.h"
#include "logic/enrolment.h"
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
    *c = (struct codes){.store = store, .seal = seal};
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

static int drop_old(struct codes *c, int64_t now, struct dv_err *err)
{
    for (struct code_entry *e = c->all, *next; e; e = next) {
        next = e->hh.next;
        if (now - e->rec.expires > KEPT_S && codes_delete(c, e->rec.id, err) < 0)
            return -1;
    }
    return 0;
}

int codes_add(struct codes *c, const struct code_record *rec, const uint8_t key[CODE_KEY],
              int64_t now, struct dv_err *err)
{
    struct code_record sealed = *rec;
    if (drop_old(c, now, err) < 0)
        return -1;
    if (HASH_COUNT(c->all) >= CODES_MAX)
        return dv_fail(err, DV_BUSY, "there are %d codes, which is the most: delete one first",
                       CODES_MAX);
    if (codes_find(c, rec->id)) // one in 33 million
        return dv_fail(err, DV_BUSY, "the code that was drawn is there already: try again");
    seal_bytes(c->seal, rec->id, CODE_ID, key, CODE_KEY, sealed.sealed_key);
    if (store_put_code(c->store, &sealed, err) < 0)
        return -1;
    entry_new(c, &sealed);
    return 0;
}

int codes_delete(struct codes *c, const char *id, struct dv_err *err)
{
    struct code_entry *e = codes_find(c, id);
    if (!e)
        return dv_fail(err, DV_NOT_FOUND, "there is no code %.8s", id);
    if (store_delete_code(c->store, id, err) < 0)
        return -1;
    entry_free(c, e);
    return 0;
}

int codes_end_loaded(struct codes *c, int64_t now, size_t *ended, struct dv_err *err)
{
    *ended = 0;
    for (struct code_entry *e = c->all, *next; e; e = next) {
        next = e->hh.next;
        if (!e->loaded || now >= e->rec.expires)
            continue;
        if (codes_delete(c, e->rec.id, err) < 0)
            return -1;
        ++*ended;
    }
    return 0;
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

static int set_tries(struct codes *c, struct code_entry *code, uint32_t tries, struct dv_err *err)
{
    struct code_record rec = code->rec;
    rec.tries = tries;
    if (store_put_code(c->store, &rec, err) < 0)
        return -1;
    code->rec = rec;
    return 0;
}

int codes_begin_try(struct codes *c, struct code_entry *code, const char *from, struct dv_err *err)
{
    if (set_tries(c, code, code->rec.tries - 1, err) < 0)
        return -1;
    struct code_source *source = find_source(code, from);
    if (!source) {
        source = DV_APPEND(code->sources, code->source_count);
        *source = (struct code_source){.wrong = 0};
        enrolment_try_source(from, source->network);
    }
    source->open++;
    return 0;
}

int codes_end_try(struct codes *c, struct code_entry *code, const char *from, bool wrong,
                  struct dv_err *err)
{
    struct code_source *source = find_source(code, from);
    if (!source || source->open == 0) // it is another code of that name
        return 0;
    source->open--;
    if (wrong)
        source->wrong++;
    else if (source->wrong == 0 && source->open == 0)
        *source = code->sources[--code->source_count];
    return wrong ? 0 : set_tries(c, code, code->rec.tries + 1, err);
}

int codes_add_use(struct codes *c, struct code_entry *code, const struct code_use *use,
                  struct dv_err *err)
{
    if (store_put_code_use(c->store, use, err) < 0)
        return -1;
    *DV_APPEND(code->uses, code->use_count) = *use;
    return 0;
}

int codes_keep_use(struct codes *c, struct code_entry *code, const struct dv_uuid *member,
                   struct dv_err *err)
{
    for (size_t i = 0; i < code->use_count; i++) {
        struct code_use use = code->uses[i];
        if (!uuid_equal(&use.member, member) || use.kept)
            continue;
        use.kept = true;
        if (store_put_code_use(c->store, &use, err) < 0)
            return -1;
        code->uses[i] = use;
    }
    return 0;
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

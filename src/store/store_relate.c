// Whether what was loaded is one whole: things that are there once, and what they belong to.
// SPDX-License-Identifier: BSD-2-Clause
#include "store/store_internal.h"

#include "base/mem.h"
#include <assert.h>
#include <stddef.h>
#include <uthash.h>

// What is there once, and what tells one from another.
enum thing {
    UNIT,
    UNIT_NAME,
    MEDIA, // all of a unit, as are the next two
    FREE,
    PORTALS,
    MEDIUM, // unit, index
    PORTAL, // unit, index, group
    HOST,
    HOST_NAME,
    HOST_IQN, // in canonical form; also a previous one
    VOLUME,
    VOLUME_NAME,
    SHOWN,
    SHOWN_INDEX, // unit, index
    RIGHT,       // volume, host
    RIGHT_INDEX, // volume, index
    RULE,        // volume, index
    TASK
};

struct fact_key { // compared by its bytes, so without padding
    uint64_t thing, number, group;
    struct dv_uuid of, with;
    char text[IQN_MAX_LEN + 1];
};
static_assert(sizeof(struct fact_key) ==
                  3 * sizeof(uint64_t) + 2 * sizeof(struct dv_uuid) + IQN_MAX_LEN + 1,
              "a key has no padding");

struct fact {
    struct dv_uuid unit; // of a volume
    UT_hash_handle hh;
    char key[]; // a struct fact_key up to the end of its text
};

struct relations {
    const struct db *db;
    struct fact *facts;
    const struct change *now;
    struct dv_err *err;
};

static size_t key_len(const struct fact_key *key)
{
    return offsetof(struct fact_key, text) + strlen(key->text);
}

static struct fact *find(const struct relations *r, const struct fact_key *key)
{
    struct fact *f = NULL;
    HASH_FIND(hh, r->facts, key, key_len(key), f);
    return f;
}

static int once(struct relations *r, const struct fact_key *key, const char *table,
                const char *column)
{
    size_t len = key_len(key);
    if (find(r, key))
        return db_damaged(r->db, r->err, "two rows of %s have one %s", table, column);
    struct fact *f = dv_calloc(1, sizeof(*f) + len);
    memcpy(f->key, key, len);
    HASH_ADD_KEYPTR(hh, r->facts, f->key, len, f);
    return 0;
}

static struct fact_key by_uuid(enum thing thing, const struct dv_uuid *of)
{
    return (struct fact_key){.thing = thing, .of = *of};
}

static struct fact_key by_text(enum thing thing, const char *text)
{
    struct fact_key key = {.thing = thing};
    dv_copy(key.text, sizeof(key.text), text);
    return key;
}

static struct fact_key by_index(enum thing thing, const struct dv_uuid *of, uint32_t index)
{
    return (struct fact_key){.thing = thing, .of = *of, .number = index};
}

static int belongs(struct relations *r, const char *table, enum thing thing,
                   const struct dv_uuid *to)
{
    const struct fact_key key = by_uuid(thing, to);
    return find(r, &key)
               ? 0
               : db_damaged(r->db, r->err, "what a row of %s belongs to is not there", table);
}

// A thing with a UUID and a name of its own.
static int named_once(struct relations *r, const char *table, enum thing thing,
                      const struct dv_uuid *uuid, enum thing by_name, const char *name)
{
    const struct fact_key id = by_uuid(thing, uuid), called = by_text(by_name, name);
    return once(r, &id, table, "uuid") < 0 ? -1 : once(r, &called, table, "name");
}

static int iqn_once(struct relations *r, const char *iqn)
{
    struct fact_key key = {.thing = HOST_IQN};
    iqn_canonical(iqn, key.text);
    return once(r, &key, "host", "iqn, which is one in any case");
}

static int relate_host(struct relations *r, const struct host_record *h)
{
    if (named_once(r, "host", HOST, &h->uuid, HOST_NAME, h->name) < 0 || iqn_once(r, h->iqn) < 0)
        return -1;
    return h->previous_iqn[0] ? iqn_once(r, h->previous_iqn) : 0;
}

static int relate_volume(struct relations *r, const struct volume_record *v)
{
    const struct fact_key key = by_uuid(VOLUME, &v->uuid);
    if (belongs(r, "volume", UNIT, &v->unit) < 0 ||
        named_once(r, "volume", VOLUME, &v->uuid, VOLUME_NAME, v->name) < 0)
        return -1;
    find(r, &key)->unit = v->unit;
    return 0;
}

// All rows of one kind of a unit.
static int relate_rows(struct relations *r, enum thing thing)
{
    const struct change *c = r->now;
    const struct medium *media = c->records;
    const struct portal *portals = c->records;
    const struct fact_key all = by_uuid(thing, &c->owner);
    if (belongs(r, c->kind->name, UNIT, &c->owner) < 0 || once(r, &all, c->kind->name, "key") < 0)
        return -1;
    for (size_t i = 0; i < c->count; i++) {
        struct fact_key key = {.of = c->owner};
        if (thing == MEDIA) {
            key.thing = MEDIUM;
            key.number = media[i].index;
        } else if (thing == PORTALS) {
            key.thing = PORTAL;
            key.number = portals[i].index;
            key.group = portals[i].group;
        } else {
            continue;
        }
        if (once(r, &key, c->kind->name, "idx") < 0)
            return -1;
    }
    return 0;
}

static int relate_shown(struct relations *r, const struct volume *v)
{
    const struct fact_key volume = by_uuid(VOLUME, &v->uuid), shown = by_uuid(SHOWN, &v->uuid);
    if (belongs(r, "shown", VOLUME, &v->uuid) < 0 || once(r, &shown, "shown", "volume") < 0)
        return -1;
    const struct fact_key index = by_index(SHOWN_INDEX, &find(r, &volume)->unit, v->index);
    return once(r, &index, "shown", "idx on their unit");
}

static int relate_rules(struct relations *r)
{
    const struct change *c = r->now;
    const struct access_rule *rules = c->records;
    if (belongs(r, "rule", SHOWN, &c->owner) < 0)
        return -1;
    for (size_t i = 0; i < c->count; i++) {
        const struct fact_key rule = by_index(RULE, &c->owner, rules[i].index);
        if (once(r, &rule, "rule", "idx") < 0)
            return -1;
    }
    return 0;
}

static int relate_assignment(struct relations *r, const struct assignment_record *a)
{
    const struct fact_key right = {.thing = RIGHT, .of = a->volume, .with = a->host};
    const struct fact_key index = by_index(RIGHT_INDEX, &a->volume, a->index);
    if (belongs(r, "assignment", VOLUME, &a->volume) < 0 ||
        belongs(r, "assignment", HOST, &a->host) < 0 ||
        once(r, &right, "assignment", "volume and host") < 0)
        return -1;
    return once(r, &index, "assignment", "idx on their volume");
}

static int relate_task(struct relations *r, const struct task_record *t)
{
    const struct fact_key task = {.thing = TASK, .number = t->id};
    return once(r, &task, "task", "id");
}

static int relate(struct relations *r)
{
    const struct change *c = r->now;
    const struct unit_record *u = c->records;
    if (c->kind == &kind_unit)
        return named_once(r, "unit", UNIT, &u->uuid, UNIT_NAME, u->name);
    if (c->kind == &kind_medium)
        return relate_rows(r, MEDIA);
    if (c->kind == &kind_free_extent)
        return relate_rows(r, FREE);
    if (c->kind == &kind_portal)
        return relate_rows(r, PORTALS);
    if (c->kind == &kind_host)
        return relate_host(r, c->records);
    if (c->kind == &kind_volume)
        return relate_volume(r, c->records);
    if (c->kind == &kind_shown)
        return relate_shown(r, c->records);
    if (c->kind == &kind_rule)
        return relate_rules(r);
    if (c->kind == &kind_assignment)
        return relate_assignment(r, c->records);
    return c->kind == &kind_task ? relate_task(r, c->records) : 0;
}

struct relations *store_relations_new(const struct db *db)
{
    struct relations *r = dv_calloc(1, sizeof(*r));
    r->db = db;
    return r;
}

void store_relations_free(struct relations *r)
{
    struct fact *f, *next;
    HASH_ITER(hh, r->facts, f, next)
    {
        HASH_DEL(r->facts, f);
        free(f);
    }
    free(r);
}

int store_relate(struct relations *r, const struct changes *part, struct dv_err *err)
{
    int rc = 0;
    r->err = err;
    for (size_t i = 0; rc == 0 && i < part->count; i++) {
        r->now = &part->items[i];
        rc = relate(r);
    }
    return rc;
}

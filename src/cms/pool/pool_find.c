// The pool in memory: finding things.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/pool/pool.h"
#include <string.h>

struct pool_unit *pool_unit_by_uuid(struct pool *p, const struct dv_uuid *uuid)
{
    struct pool_unit *u = NULL;
    HASH_FIND(hh, p->units, uuid, sizeof(*uuid), u);
    return u;
}

struct pool_volume *pool_volume_by_uuid(struct pool *p, const struct dv_uuid *uuid)
{
    struct pool_volume *v = NULL;
    HASH_FIND(hh, p->volumes, uuid, sizeof(*uuid), v);
    return v;
}

struct pool_host *pool_host_by_uuid(struct pool *p, const struct dv_uuid *uuid)
{
    struct pool_host *h = NULL;
    HASH_FIND(hh, p->hosts, uuid, sizeof(*uuid), h);
    return h;
}

struct pool_host *pool_host_by_iqn(struct pool *p, const char *iqn)
{
    char key[IQN_MAX_LEN + 1];
    struct pool_host *h = NULL;
    iqn_canonical(iqn, key);
    HASH_FIND(hh_iqn, p->host_iqns, key, strlen(key), h);
    if (!h)
        HASH_FIND(hh_previous, p->previous_iqns, key, strlen(key), h);
    return h;
}

struct pool_unit *pool_find_unit(struct pool *p, const char *name_or_uuid)
{
    struct dv_uuid uuid;
    struct pool_unit *u = NULL;
    if (uuid_parse(name_or_uuid, &uuid) && (u = pool_unit_by_uuid(p, &uuid)))
        return u;
    HASH_FIND(hh_name, p->unit_names, name_or_uuid, strlen(name_or_uuid), u);
    return u;
}

struct pool_volume *pool_find_volume(struct pool *p, const char *name_or_uuid)
{
    struct dv_uuid uuid;
    struct pool_volume *v = NULL;
    if (uuid_parse(name_or_uuid, &uuid) && (v = pool_volume_by_uuid(p, &uuid)))
        return v;
    HASH_FIND(hh_name, p->volume_names, name_or_uuid, strlen(name_or_uuid), v);
    return v;
}

struct pool_host *pool_find_host(struct pool *p, const char *name_or_uuid)
{
    struct dv_uuid uuid;
    struct pool_host *h = NULL;
    if (uuid_parse(name_or_uuid, &uuid) && (h = pool_host_by_uuid(p, &uuid)))
        return h;
    HASH_FIND(hh_name, p->host_names, name_or_uuid, strlen(name_or_uuid), h);
    return h;
}

struct pool_task *pool_find_task(struct pool *p, uint64_t id)
{
    struct pool_task *t = NULL;
    HASH_FIND(hh, p->tasks, &id, sizeof(id), t);
    return t;
}

struct pool_volume *pool_volume_by_index(struct pool_unit *u, uint32_t index)
{
    struct pool_volume *v = NULL;
    HASH_FIND(hh_index, u->shown, &index, sizeof(index), v);
    return v;
}

struct pool_assignment *pool_assignment_of(struct pool_volume *v, const struct dv_uuid *host)
{
    struct pool_assignment *a = NULL;
    HASH_FIND(hh, v->hosts, host, sizeof(*host), a);
    return a;
}

uint64_t pool_next_mark(void)
{
    static uint64_t last;
    return ++last;
}

struct pool_task *pool_tasks_of(struct pool *p, const struct dv_uuid *about)
{
    struct pool_tasks_of *of = NULL;
    HASH_FIND(hh, p->tasks_of, about, sizeof(*about), of);
    return of ? of->tasks : NULL;
}

const struct medium *pool_medium(const struct pool_unit *u, uint32_t index)
{
    for (size_t i = 0; i < u->media_count; i++) {
        if (u->media[i].index == index)
            return &u->media[i];
    }
    return NULL;
}

bool pool_medium_is_away(const struct pool_volume *v)
{
    const struct medium *m = pool_medium(v->unit, v->actual.medium);
    return v->actual.index != 0 && (!m || m->state == MEDIUM_FAILED);
}

bool pool_order_is_out(const struct pool_volume *v, const struct dv_uuid *station)
{
    if (!v->unit->link || v->order == 0)
        return false;
    return v->unit->standing == 0 || lead_may_carry_out(&v->unit->lead.word, station, v->order);
}

// The pool in memory: applying changes.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/pool.h"

#include "base/mem.h"
#include <assert.h>
#include <string.h>
#include <utlist.h>

struct pool *pool_new(void)
{
    return dv_calloc(1, sizeof(struct pool));
}

static void *copy(const void *data, size_t count, size_t size)
{
    if (count == 0)
        return NULL;
    void *to = dv_calloc(count, size);
    memcpy(to, data, count * size);
    return to;
}

// An assignment's rule is the first with its host's initiator name.
static void link_rules(struct pool *p, struct pool_volume *v)
{
    struct pool_assignment *a;
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        memset(&a->actual, 0, sizeof(a->actual));
    }
    for (size_t i = 0; i < v->rule_count && v->assignments; i++) {
        const struct pool_host *h = pool_host_by_iqn(p, v->rules[i].initiator);
        p->lookups++;
        a = h ? pool_assignment_of(v, &h->rec.uuid) : NULL;
        if (a && a->actual.index == 0) {
            a->actual = v->rules[i];
            a->rule = i;
        }
    }
}

// Once for all changes that come together, however many of them concern the volume.
static void link_later(struct pool *p, struct pool_volume *v)
{
    if (v->to_link)
        return;
    v->to_link = true;
    DL_APPEND2(p->to_link, v, link_prev, link_next);
}

static void linked(struct pool *p, struct pool_volume *v)
{
    if (!v->to_link)
        return;
    v->to_link = false;
    DL_DELETE2(p->to_link, v, link_prev, link_next);
}

static void enlist(struct pool_volume *v)
{
    if (v->unsettled)
        return;
    v->unsettled = true;
    DL_APPEND2(v->unit->unsettled, v, open_prev, open_next);
}

static void unsettle(struct pool_volume *v)
{
    v->unit->round++; // all that may have something to do is gone round once more
    enlist(v);
}

void pool_settled(struct pool_volume *v)
{
    if (!v->unsettled)
        return;
    v->unsettled = false;
    DL_DELETE2(v->unit->unsettled, v, open_prev, open_next);
}

void pool_postpone(struct pool_volume *v)
{
    pool_settled(v);
    enlist(v);
}

static void forget_index(struct pool_volume *v)
{
    if (v->shown_by)
        HASH_DELETE(hh_index, v->shown_by->shown, v);
    v->shown_by = NULL;
}

static void remember_index(struct pool_volume *v)
{
    forget_index(v);
    if (v->actual.index == 0)
        return;
    v->shown_by = v->unit;
    HASH_ADD(hh_index, v->unit->shown, actual.index, sizeof(v->actual.index), v);
}

static void put_unit(struct pool *p, const struct unit_record *rec)
{
    struct pool_unit *u = pool_unit_by_uuid(p, &rec->uuid);
    if (!u) {
        u = dv_calloc(1, sizeof(*u));
        u->rec.uuid = rec->uuid;
        HASH_ADD(hh, p->units, rec.uuid, sizeof(u->rec.uuid), u);
    } else {
        HASH_DELETE(hh_name, p->unit_names, u);
    }
    u->rec = *rec;
    HASH_ADD_KEYPTR(hh_name, p->unit_names, u->rec.name, strlen(u->rec.name), u);
}

static void drop_unit(struct pool *p, struct pool_unit *u)
{
    if (!u)
        return;
    assert(!u->volumes);
    HASH_DELETE(hh_name, p->unit_names, u);
    HASH_DEL(p->units, u);
    free(u->media);
    free(u->free_extents);
    free(u->portals);
    free(u);
}

static void attach_volume(struct pool *p, struct pool_volume *v, const struct dv_uuid *unit)
{
    struct pool_unit *u = pool_unit_by_uuid(p, unit);
    assert(u);
    if (v->unit == u)
        return;
    forget_index(v);
    if (v->unit) {
        pool_settled(v); // there
        DL_DELETE2(v->unit->volumes, v, unit_prev, unit_next);
        v->unit->volume_count--;
    }
    v->unit = u;
    DL_APPEND2(u->volumes, v, unit_prev, unit_next);
    u->volume_count++;
    remember_index(v);
}

static void put_volume(struct pool *p, const struct volume_record *rec)
{
    struct pool_volume *v = pool_volume_by_uuid(p, &rec->uuid);
    if (!v) {
        v = dv_calloc(1, sizeof(*v));
        v->rec.uuid = rec->uuid;
        HASH_ADD(hh, p->volumes, rec.uuid, sizeof(v->rec.uuid), v);
    } else {
        HASH_DELETE(hh_name, p->volume_names, v);
    }
    v->rec = *rec;
    HASH_ADD_KEYPTR(hh_name, p->volume_names, v->rec.name, strlen(v->rec.name), v);
    attach_volume(p, v, &rec->unit);
    unsettle(v);
}

static void drop_assignment(struct pool_assignment *a)
{
    if (!a)
        return;
    unsettle(a->volume);
    DL_DELETE2(a->volume->assignments, a, volume_prev, volume_next);
    DL_DELETE2(a->host->assignments, a, host_prev, host_next);
    HASH_DEL(a->volume->hosts, a);
    free(a);
}

static void drop_volume(struct pool *p, struct pool_volume *v)
{
    if (!v)
        return;
    while (v->assignments)
        drop_assignment(v->assignments);
    forget_index(v);
    pool_settled(v);
    linked(p, v);
    DL_DELETE2(v->unit->volumes, v, unit_prev, unit_next);
    v->unit->volume_count--;
    HASH_DELETE(hh_name, p->volume_names, v);
    HASH_DEL(p->volumes, v);
    free(v->rules);
    free(v);
}

static void show(struct pool *p, struct pool_volume *v, const struct change *c)
{
    assert(v);
    forget_index(v); // before its key changes
    free(v->rules);
    v->rules = copy(c->rules, c->rule_count, sizeof(*c->rules));
    v->rule_count = c->rule_count;
    if (c->shown)
        v->actual = *c->shown;
    else
        memset(&v->actual, 0, sizeof(v->actual));
    remember_index(v);
    link_later(p, v);
    unsettle(v);
}

static void renumber(struct pool_volume *v, uint32_t index)
{
    struct pool_assignment *a;
    assert(v && v->actual.index != 0);
    forget_index(v);
    v->actual.index = index;
    for (size_t i = 0; i < v->rule_count; i++)
        v->rules[i].volume = index;
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        if (a->actual.index != 0)
            a->actual.volume = index;
    }
    remember_index(v);
}

static void put_host(struct pool *p, const struct host_record *rec)
{
    struct pool_host *h = pool_host_by_uuid(p, &rec->uuid);
    p->host_changes++;
    if (!h) {
        h = dv_calloc(1, sizeof(*h));
        h->rec.uuid = rec->uuid;
        HASH_ADD(hh, p->hosts, rec.uuid, sizeof(h->rec.uuid), h);
    } else {
        HASH_DELETE(hh_name, p->host_names, h);
        HASH_DELETE(hh_iqn, p->host_iqns, h);
    }
    h->rec = *rec;
    iqn_canonical(rec->iqn, h->iqn);
    HASH_ADD_KEYPTR(hh_name, p->host_names, h->rec.name, strlen(h->rec.name), h);
    HASH_ADD_KEYPTR(hh_iqn, p->host_iqns, h->iqn, strlen(h->iqn), h);
    const struct pool_assignment *a;
    DL_FOREACH2(h->assignments, a, host_next)
    {
        unsettle(a->volume);
    }
}

static void drop_host(struct pool *p, struct pool_host *h)
{
    if (!h)
        return;
    assert(!h->assignments);
    p->host_changes++;
    HASH_DELETE(hh_name, p->host_names, h);
    HASH_DELETE(hh_iqn, p->host_iqns, h);
    HASH_DEL(p->hosts, h);
    free(h);
}

static void put_assignment(struct pool *p, const struct assignment_record *rec)
{
    struct pool_volume *v = pool_volume_by_uuid(p, &rec->volume);
    struct pool_host *h = pool_host_by_uuid(p, &rec->host);
    assert(v && h);
    struct pool_assignment *a = pool_assignment_of(v, &rec->host);
    if (!a) {
        a = dv_calloc(1, sizeof(*a));
        a->volume = v;
        a->host = h;
        DL_APPEND2(v->assignments, a, volume_prev, volume_next);
        DL_APPEND2(h->assignments, a, host_prev, host_next);
        a->rec.host = rec->host;
        HASH_ADD(hh, v->hosts, rec.host, sizeof(a->rec.host), a);
        link_later(p, v);
    }
    a->rec = *rec;
    unsettle(v);
}

// Tasks that are not over are found by their volumes or units, too.
static void enlist_task(struct pool *p, struct pool_task *t)
{
    if (t->of || task_is_over(&t->rec))
        return;
    const struct dv_uuid *about = task_about(&t->rec);
    HASH_FIND(hh, p->tasks_of, about, sizeof(*about), t->of);
    if (!t->of) {
        t->of = dv_calloc(1, sizeof(*t->of));
        t->of->about = *about;
        HASH_ADD(hh, p->tasks_of, about, sizeof(t->of->about), t->of);
    }
    DL_APPEND2(t->of->tasks, t, of_prev, of_next);
}

static void delist_task(struct pool *p, struct pool_task *t)
{
    struct pool_tasks_of *of = t->of;
    if (!of)
        return;
    DL_DELETE2(of->tasks, t, of_prev, of_next);
    t->of = NULL;
    if (of->tasks)
        return;
    HASH_DEL(p->tasks_of, of);
    free(of);
}

static void put_task(struct pool *p, const struct task_record *rec)
{
    struct pool_task *t = pool_find_task(p, rec->id);
    uint64_t version = 1;
    if (!t) {
        t = dv_calloc(1, sizeof(*t));
        t->rec.id = rec->id;
        HASH_ADD(hh, p->tasks, rec.id, sizeof(t->rec.id), t);
    } else {
        version = t->rec.version + 1;
    }
    t->rec = *rec;
    t->rec.version = version;
    struct pool_volume *v = pool_volume_by_uuid(p, &rec->volume);
    if (v)
        unsettle(v);
    if (task_is_over(&t->rec))
        delist_task(p, t);
    else
        enlist_task(p, t);
}

static void drop_task(struct pool *p, struct pool_task *t)
{
    if (!t)
        return;
    delist_task(p, t);
    HASH_DEL(p->tasks, t);
    free(t);
}

// The number of those before the place.
static size_t free_before(const struct pool_unit *u, struct free_place place)
{
    size_t low = 0, high = u->free_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct free_extent *e = &u->free_extents[middle];
        if (free_place_order(free_place_of(e), place) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void replace_free(struct pool_unit *u, const struct change *c)
{
    size_t at = free_before(u, c->from), end = free_before(u, c->to);
    size_t count = u->free_count - (end - at) + c->count;
    struct free_extent *list = count > 0 ? dv_calloc(count, sizeof(*list)) : NULL;
    if (at > 0)
        memcpy(list, u->free_extents, at * sizeof(*list));
    if (c->count > 0)
        memcpy(list + at, c->free_extents, c->count * sizeof(*list));
    if (end < u->free_count)
        memcpy(list + at + c->count, u->free_extents + end, (u->free_count - end) * sizeof(*list));
    free(u->free_extents);
    u->free_extents = list;
    u->free_count = count;
}

static void replace_tables(struct pool *p, const struct change *c)
{
    struct pool_unit *u = pool_unit_by_uuid(p, &c->id);
    assert(u);
    if (c->kind == CHANGE_MEDIA) {
        free(u->media);
        u->media = copy(c->media, c->count, sizeof(*c->media));
        u->media_count = c->count;
    } else if (c->kind == CHANGE_FREE) {
        replace_free(u, c);
    } else {
        free(u->portals);
        u->portals = copy(c->portals, c->count, sizeof(*c->portals));
        u->portal_count = c->count;
    }
}

static void apply_one(struct pool *p, const struct change *c)
{
    struct pool_volume *v;
    switch (c->kind) {
    case CHANGE_UNIT:
        put_unit(p, c->unit);
        break;
    case CHANGE_UNIT_GONE:
        drop_unit(p, pool_unit_by_uuid(p, &c->id));
        break;
    case CHANGE_MEDIA:
    case CHANGE_FREE:
    case CHANGE_PORTALS:
        replace_tables(p, c);
        break;
    case CHANGE_VOLUME:
        put_volume(p, c->volume);
        break;
    case CHANGE_VOLUME_GONE:
        drop_volume(p, pool_volume_by_uuid(p, &c->id));
        break;
    case CHANGE_RENUMBERED:
        renumber(pool_volume_by_uuid(p, &c->id), c->index);
        break;
    case CHANGE_SHOWN:
    case CHANGE_HIDDEN:
        show(p, pool_volume_by_uuid(p, &c->id), c);
        break;
    case CHANGE_HOST:
        put_host(p, c->host_record);
        break;
    case CHANGE_HOST_GONE:
        drop_host(p, pool_host_by_uuid(p, &c->id));
        break;
    case CHANGE_ASSIGNMENT:
        put_assignment(p, c->assignment);
        break;
    case CHANGE_ASSIGNMENT_GONE:
        v = pool_volume_by_uuid(p, &c->id);
        drop_assignment(v ? pool_assignment_of(v, &c->host) : NULL);
        break;
    case CHANGE_TASK:
        put_task(p, c->task_record);
        break;
    case CHANGE_TASK_GONE:
        drop_task(p, pool_find_task(p, c->task));
        break;
    case CHANGE_EVENT: // events are kept by the store alone
        break;
    }
}

void pool_apply(struct pool *p, const struct changes *changes)
{
    for (size_t i = 0; i < changes->count; i++)
        apply_one(p, &changes->items[i]);
    for (struct pool_volume *v; (v = p->to_link); linked(p, v))
        link_rules(p, v);
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    while (p->volumes)
        drop_volume(p, p->volumes);
    while (p->hosts)
        drop_host(p, p->hosts);
    while (p->units)
        drop_unit(p, p->units);
    while (p->tasks)
        drop_task(p, p->tasks);
    free(p);
}

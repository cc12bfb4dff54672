// The pool in memory: applying changes.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/pool/pool.h"

#include "base/mem.h"
#include "base/search.h"
#include "cms/pool/pool_index.h"
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

// An assignment's rule is the first with its host's initiator name; likewise the former one.
static void link_rules(struct pool *p, struct pool_volume *v)
{
    struct pool_assignment *a;
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        memset(&a->actual, 0, sizeof(a->actual));
        a->former = 0;
    }
    for (size_t i = 0; i < v->rule_count && v->assignments; i++) {
        const struct pool_host *h = pool_host_by_iqn(p, v->rules[i].initiator);
        p->lookups++;
        a = h ? pool_assignment_of(v, &h->rec.uuid) : NULL;
        if (!a)
            continue;
        bool former = !iqn_equal(v->rules[i].initiator, h->iqn);
        if (former && a->former == 0) {
            a->former = i + 1;
        } else if (!former && a->actual.index == 0) {
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
        u->number = ++p->numbers;
        HASH_ADD(hh, p->units, rec.uuid, sizeof(u->rec.uuid), u);
    } else {
        HASH_DELETE(hh_name, p->unit_names, u);
    }
    u->rec = *rec;
    HASH_ADD_KEYPTR(hh_name, p->unit_names, u->rec.name, strlen(u->rec.name), u);
    index_places(p, u);
    index_tasks(p, &rec->uuid);
}

static void drop_unit(struct pool *p, struct pool_unit *u)
{
    if (!u)
        return;
    assert(!u->volumes);
    HASH_DELETE(hh_name, p->unit_names, u);
    HASH_DEL(p->units, u);
    index_places_gone(p, u);
    index_tasks(p, &u->rec.uuid);
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
    v->order = 0; // was the other unit's
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
        v->number = ++p->numbers;
        HASH_ADD(hh, p->volumes, rec.uuid, sizeof(v->rec.uuid), v);
    } else {
        HASH_DELETE(hh_name, p->volume_names, v);
    }
    v->rec = *rec;
    HASH_ADD_KEYPTR(hh_name, p->volume_names, v->rec.name, strlen(v->rec.name), v);
    attach_volume(p, v, &rec->unit);
    index_tasks(p, &rec->uuid);
    index_room(v);
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
    index_room_gone(v);
    pool_settled(v);
    linked(p, v);
    DL_DELETE2(v->unit->volumes, v, unit_prev, unit_next);
    v->unit->volume_count--;
    HASH_DELETE(hh_name, p->volume_names, v);
    HASH_DEL(p->volumes, v);
    index_tasks(p, &v->rec.uuid);
    free(v->rules);
    free(v);
}

// Its rules stay, and go by its index.
static void show(struct pool *p, const struct volume *shown)
{
    struct pool_volume *v = pool_volume_by_uuid(p, &shown->uuid);
    struct pool_assignment *a;
    assert(v);
    forget_index(v); // before its key changes
    v->actual = *shown;
    for (size_t i = 0; i < v->rule_count; i++)
        v->rules[i].volume = shown->index;
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        if (a->actual.index != 0)
            a->actual.volume = shown->index;
    }
    remember_index(v);
    index_room(v);
    unsettle(v);
}

static void replace_rules(struct pool *p, struct pool_volume *v, const struct change *c)
{
    assert(v);
    free(v->rules);
    v->rules = copy(c->records, c->count, sizeof(*v->rules));
    v->rule_count = c->count;
    link_later(p, v);
    unsettle(v);
}

static void hide(struct pool *p, struct pool_volume *v)
{
    static const struct change none = {.count = 0};
    assert(v);
    forget_index(v);
    memset(&v->actual, 0, sizeof(v->actual));
    index_room(v);
    replace_rules(p, v, &none);
}

static void forget_iqns(struct pool *p, struct pool_host *h)
{
    HASH_DELETE(hh_iqn, p->host_iqns, h);
    if (h->previous_iqn[0])
        HASH_DELETE(hh_previous, p->previous_iqns, h);
}

static void remember_iqns(struct pool *p, struct pool_host *h)
{
    iqn_canonical(h->rec.iqn, h->iqn);
    iqn_canonical(h->rec.previous_iqn, h->previous_iqn);
    HASH_ADD_KEYPTR(hh_iqn, p->host_iqns, h->iqn, strlen(h->iqn), h);
    if (h->previous_iqn[0])
        HASH_ADD_KEYPTR(hh_previous, p->previous_iqns, h->previous_iqn, strlen(h->previous_iqn), h);
}

static void put_host(struct pool *p, const struct host_record *rec)
{
    struct pool_host *h = pool_host_by_uuid(p, &rec->uuid);
    bool renamed = h && (!iqn_equal(h->rec.iqn, rec->iqn) ||
                         !iqn_equal(h->rec.previous_iqn, rec->previous_iqn));
    p->host_changes++;
    if (!h) {
        h = dv_calloc(1, sizeof(*h));
        h->rec.uuid = rec->uuid;
        h->number = ++p->numbers;
        HASH_ADD(hh, p->hosts, rec.uuid, sizeof(h->rec.uuid), h);
    } else {
        HASH_DELETE(hh_name, p->host_names, h);
        forget_iqns(p, h);
    }
    h->rec = *rec;
    HASH_ADD_KEYPTR(hh_name, p->host_names, h->rec.name, strlen(h->rec.name), h);
    remember_iqns(p, h);
    const struct pool_assignment *a;
    DL_FOREACH2(h->assignments, a, host_next)
    {
        unsettle(a->volume);
        if (renamed)
            link_later(p, a->volume);
    }
}

static void drop_host(struct pool *p, struct pool_host *h)
{
    if (!h)
        return;
    assert(!h->assignments);
    p->host_changes++;
    HASH_DELETE(hh_name, p->host_names, h);
    forget_iqns(p, h);
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
        a->number = ++p->numbers;
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
    index_task(p, t);
}

static void drop_task(struct pool *p, struct pool_task *t)
{
    if (!t)
        return;
    index_task_gone(p, t);
    HASH_DEL(p->tasks, t);
    free(t);
}

// The number of those before the place.
static size_t free_before(const struct pool_unit *u, struct free_place place)
{
    size_t i;
    DV_SEARCH(i, u->free_count, free_place_order(free_place_of(&u->free_extents[i]), place) < 0);
    return i;
}

static void replace_free(struct pool_unit *u, const struct change *c)
{
    size_t at = free_before(u, c->from), end = free_before(u, c->to);
    size_t count = u->free_count - (end - at) + c->count;
    struct free_extent *list = count > 0 ? dv_calloc(count, sizeof(*list)) : NULL;
    if (at > 0)
        memcpy(list, u->free_extents, at * sizeof(*list));
    if (c->count > 0)
        memcpy(list + at, c->records, c->count * sizeof(*list));
    if (end < u->free_count)
        memcpy(list + at + c->count, u->free_extents + end, (u->free_count - end) * sizeof(*list));
    free(u->free_extents);
    u->free_extents = list;
    u->free_count = count;
}

static void replace(struct pool *p, const struct change *c)
{
    struct pool_unit *u = pool_unit_by_uuid(p, &c->owner);
    if (c->kind == &kind_rule) {
        replace_rules(p, pool_volume_by_uuid(p, &c->owner), c);
        return;
    }
    assert(u);
    if (c->kind == &kind_medium) {
        free(u->media);
        u->media = copy(c->records, c->count, sizeof(*u->media));
        u->media_count = c->count;
    } else if (c->kind == &kind_free_extent) {
        replace_free(u, c);
    } else {
        free(u->portals);
        u->portals = copy(c->records, c->count, sizeof(*u->portals));
        u->portal_count = c->count;
        index_places(p, u);
    }
}

// Events are not the pool's.
static void put(struct pool *p, const struct kind *k, const void *record)
{
    if (k == &kind_unit)
        put_unit(p, record);
    else if (k == &kind_volume)
        put_volume(p, record);
    else if (k == &kind_shown)
        show(p, record);
    else if (k == &kind_host)
        put_host(p, record);
    else if (k == &kind_assignment)
        put_assignment(p, record);
    else if (k == &kind_task)
        put_task(p, record);
}

static void drop(struct pool *p, const struct kind *k, const void *record)
{
    const struct unit_record *u = record;
    const struct volume_record *v = record;
    const struct volume *shown = record;
    const struct host_record *h = record;
    const struct assignment_record *a = record;
    const struct task_record *t = record;
    if (k == &kind_unit)
        drop_unit(p, pool_unit_by_uuid(p, &u->uuid));
    else if (k == &kind_volume)
        drop_volume(p, pool_volume_by_uuid(p, &v->uuid));
    else if (k == &kind_shown)
        hide(p, pool_volume_by_uuid(p, &shown->uuid));
    else if (k == &kind_host)
        drop_host(p, pool_host_by_uuid(p, &h->uuid));
    else if (k == &kind_task)
        drop_task(p, pool_find_task(p, t->id));
    else if (k == &kind_assignment) {
        struct pool_volume *of = pool_volume_by_uuid(p, &a->volume);
        drop_assignment(of ? pool_assignment_of(of, &a->host) : NULL);
    }
}

static void apply_one(struct pool *p, const struct change *c)
{
    switch (c->op) {
    case CHANGE_PUT:
        put(p, c->kind, c->records);
        break;
    case CHANGE_GONE:
        drop(p, c->kind, c->records);
        break;
    case CHANGE_REPLACE:
        replace(p, c);
        break;
    }
}

void pool_release_holds(struct pool_volume *v)
{
    struct pool_assignment *a;
    v->hold = (struct pool_hold){0};
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        a->hold = (struct pool_hold){0};
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

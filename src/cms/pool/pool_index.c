// What is found in the pool by what it is about, where it is, and what it waits for.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/pool/pool_index.h"

#include "base/address.h"
#include "base/mem.h"
#include <string.h>
#include <utlist.h>

// ---- Room ------------------------------------------------------------------------------------

static void promise(struct pool_volume *v)
{
    struct pool_promise *p = NULL;
    HASH_FIND(hh, v->unit->promises, &v->rec.medium, sizeof(v->rec.medium), p);
    if (!p) {
        p = dv_calloc(1, sizeof(*p));
        p->unit = v->unit;
        p->medium = v->rec.medium;
        HASH_ADD(hh, v->unit->promises, medium, sizeof(p->medium), p);
    }
    v->promise = p;
    v->promise_blocks = v->rec.blocks;
    p->volumes++;
    p->blocks += v->promise_blocks;
}

static void break_promise(struct pool_volume *v)
{
    struct pool_promise *p = v->promise;
    v->promise = NULL;
    p->blocks -= v->promise_blocks;
    if (--p->volumes > 0)
        return;
    HASH_DEL(p->unit->promises, p);
    free(p);
}

void index_room_gone(struct pool_volume *v)
{
    if (v->promise)
        break_promise(v);
    if (v->grows_on)
        DL_DELETE2(v->grows_on->growing, v, grow_prev, grow_next);
    v->grows_on = NULL;
}

void index_room(struct pool_volume *v)
{
    index_room_gone(v);
    if (!v->rec.wanted)
        return;
    if (!v->rec.seen) {
        promise(v);
    } else if (v->actual.index != 0 && v->rec.blocks > v->actual.blocks) {
        v->grows_on = v->unit;
        DL_APPEND2(v->unit->growing, v, grow_prev, grow_next);
    }
}

uint64_t pool_promised(const struct pool_unit *u, uint32_t medium)
{
    const struct pool_promise *p = NULL;
    HASH_FIND(hh, u->promises, &medium, sizeof(medium), p);
    return p ? p->blocks : 0;
}

// ---- Tasks -----------------------------------------------------------------------------------

static struct pool_tasks_of **home_of(struct pool *p, struct pool_unit *u)
{
    return u ? &u->tasks : &p->lone_tasks;
}

static struct pool_unit *unit_about(struct pool *p, const struct dv_uuid *about)
{
    const struct pool_volume *v = pool_volume_by_uuid(p, about);
    return v ? v->unit : pool_unit_by_uuid(p, about);
}

void index_tasks(struct pool *p, const struct dv_uuid *about)
{
    struct pool_tasks_of *of = NULL;
    HASH_FIND(hh, p->tasks_of, about, sizeof(*about), of);
    struct pool_unit *u = of ? unit_about(p, about) : NULL;
    if (!of || of->unit == u)
        return;
    DL_DELETE2(*home_of(p, of->unit), of, home_prev, home_next);
    of->unit = u;
    DL_APPEND2(*home_of(p, u), of, home_prev, home_next);
}

static void enlist(struct pool *p, struct pool_task *t)
{
    if (t->of)
        return;
    const struct dv_uuid *about = task_about(&t->rec);
    HASH_FIND(hh, p->tasks_of, about, sizeof(*about), t->of);
    if (!t->of) {
        t->of = dv_calloc(1, sizeof(*t->of));
        t->of->about = *about;
        t->of->unit = unit_about(p, about);
        HASH_ADD(hh, p->tasks_of, about, sizeof(t->of->about), t->of);
        DL_APPEND2(*home_of(p, t->of->unit), t->of, home_prev, home_next);
    }
    DL_APPEND2(t->of->tasks, t, of_prev, of_next);
}

static void delist(struct pool *p, struct pool_task *t)
{
    struct pool_tasks_of *of = t->of;
    if (!of)
        return;
    DL_DELETE2(of->tasks, t, of_prev, of_next);
    t->of = NULL;
    if (of->tasks)
        return;
    HASH_DEL(p->tasks_of, of);
    DL_DELETE2(*home_of(p, of->unit), of, home_prev, home_next);
    free(of);
}

// By the time at which it ended, which is later than that of most others.
static void enlist_over(struct pool *p, struct pool_task *t)
{
    struct pool_task *before = p->over ? p->over->over_prev : NULL;
    while (before && before->rec.finished > t->rec.finished)
        before = before == p->over ? NULL : before->over_prev;
    DL_APPEND_ELEM2(p->over, before, t, over_prev, over_next);
}

static void set_over(struct pool *p, struct pool_task *t, bool over)
{
    if (t->over == over)
        return;
    t->over = over;
    if (over) {
        enlist_over(p, t);
        p->over_count++;
    } else {
        DL_DELETE2(p->over, t, over_prev, over_next);
        p->over_count--;
    }
}

void index_task(struct pool *p, struct pool_task *t)
{
    bool over = task_is_over(&t->rec);
    set_over(p, t, over);
    if (over)
        delist(p, t);
    else
        enlist(p, t);
}

void index_task_gone(struct pool *p, struct pool_task *t)
{
    set_over(p, t, false);
    delist(p, t);
}

// ---- Places ----------------------------------------------------------------------------------

struct pool_place {
    char name[PORTAL_TEXT_ROOM];
    struct pool_placed *units;
    UT_hash_handle hh; // by name
};

bool pool_place_of(const char *management, char out[PORTAL_TEXT_ROOM])
{
    struct transport at;
    if (!management[0])
        return false;
    transport_split(management, &at);
    return address_check(at.host, ADDRESS_OF_HOST, out, NULL) == 0;
}

static void place(struct pool *p, struct pool_unit *u, const char *name)
{
    struct pool_place *at = NULL;
    HASH_FIND_STR(p->places, name, at);
    if (!at) {
        at = dv_calloc(1, sizeof(*at));
        dv_copy(at->name, sizeof(at->name), name);
        HASH_ADD_STR(p->places, name, at);
    }
    struct pool_placed *placed = dv_calloc(1, sizeof(*placed));
    placed->unit = u;
    placed->place = at;
    placed->next_of_unit = u->placed;
    u->placed = placed;
    DL_APPEND(at->units, placed);
}

void index_places_gone(struct pool *p, struct pool_unit *u)
{
    for (struct pool_placed *placed; (placed = u->placed);) {
        struct pool_place *at = placed->place;
        u->placed = placed->next_of_unit;
        DL_DELETE(at->units, placed);
        free(placed);
        if (at->units)
            continue;
        HASH_DEL(p->places, at);
        free(at);
    }
}

void index_places(struct pool *p, struct pool_unit *u)
{
    char name[PORTAL_TEXT_ROOM];
    index_places_gone(p, u);
    if (u->rec.last_seen && u->rec.trust != TRUST_REVOKED && pool_place_of(u->rec.address, name))
        place(p, u, name);
    for (size_t i = 0; i < u->portal_count; i++)
        place(p, u, portal_format(&u->portals[i], name));
}

const struct pool_placed *pool_placed_at(const struct pool *p, const char *name)
{
    const struct pool_place *at = NULL;
    HASH_FIND_STR(p->places, name, at);
    return at ? at->units : NULL;
}

// What a unit shows and the pool does not take: remembered, and taken as soon as it would be.
// SPDX-License-Identifier: BSD-2-Clause
//
// Another unit has it, or there is no room for it.
#include "cms/unit/left_out.h"

#include "base/mem.h"
#include "cms/member/link.h"
#include "cms/pool/pool.h"
#include "cms/unit/observe.h"
#include "logic/health.h"
#include <stdlib.h>
#include <utlist.h>

#define REMEMBERED 4096 // of very many some are not

struct left_outs { // of one volume
    struct dv_uuid volume;
    struct left_out *first; // of all units, over same_prev, same_next
    UT_hash_handle hh;      // by volume
};

enum move_verdict left_out_judge(const struct pool_volume *pv, const struct dv_uuid *other_unit,
                                 enum volume_state other, const struct medium_proof *proof)
{
    const struct move_facts facts = {
        .was_seen = pv->rec.seen,
        .shown = pv->actual.index != 0,
        .failed = pv->actual.state == VOLUME_FAILED,
        .answers = health_takes_orders(pv->unit->rec.state),
        .left = uuid_equal(&pv->rec.left, other_unit),
        .failed_there = other == VOLUME_FAILED,
        .proof = pv->rec.proof,
        .proof_there = proof,
    };
    return moves_judge(&facts);
}

static struct left_out *find(const struct unit_link *link, const struct dv_uuid *uuid)
{
    struct left_out *l = NULL;
    HASH_FIND(hh, link->left_out, uuid, sizeof(*uuid), l);
    return l;
}

bool left_out_is_told(const struct unit_link *link, const struct dv_uuid *uuid,
                      enum move_verdict verdict)
{
    const struct left_out *l = find(link, uuid);
    return l && l->state != VOLUME_FAILED && l->verdict == verdict;
}

struct left_out *left_out_of(const struct unit_link *link, const struct dv_uuid *volume)
{
    struct left_out *l = find(link, volume);
    return l && l->known ? l : NULL;
}

void left_out_add(struct observation *o, const struct volume *v)
{
    *DV_APPEND(o->left_out, o->left_out_count) = v;
}

// As things are now.
static enum move_verdict judge_again(const struct unit_link *link, const struct pool_volume *pv,
                                     const struct left_out *l)
{
    static const struct medium_proof none;
    const struct pool_unit *unit = link_unit(link);
    const struct medium *m = unit ? pool_medium(unit, l->medium) : NULL;
    return left_out_judge(pv, &link->uuid, l->state, m ? &m->proof : &none);
}

// Also when a person said that it is there. What a person is to be asked about is read once more to
// be told.
static bool is_read_again(const struct unit_link *link, const struct pool_volume *pv,
                          const struct left_out *l)
{
    enum move_verdict now = judge_again(link, pv, l);
    return pv->unit == link_unit(link) || moves_by_itself(now) ||
           (now == MOVE_ASKED && l->verdict != MOVE_ASKED);
}

enum move_verdict left_out_waits(const struct unit_link *link, const struct pool_volume *pv)
{
    const struct left_out *l = left_out_of(link, &pv->rec.uuid);
    return l && l->state != VOLUME_FAILED ? judge_again(link, pv, l) : MOVE_STAYS;
}

bool left_out_is_wanted(const struct unit_link *link)
{
    struct pool *p = link->cms->pool;
    for (const struct left_out *l = link->left_out; l; l = l->hh.next) {
        const struct pool_volume *pv = pool_volume_by_uuid(p, &l->uuid);
        if (pv ? is_read_again(link, pv, l) : p->host_changes != link->left_out_hosts || l->known)
            return true;
    }
    return false;
}

static struct left_outs *find_all(const struct cms *cms, const struct dv_uuid *volume)
{
    struct left_outs *all = NULL;
    HASH_FIND(hh, cms->left_outs, volume, sizeof(*volume), all);
    return all;
}

const struct left_out *left_out_everywhere(const struct cms *cms, const struct dv_uuid *volume)
{
    const struct left_outs *all = find_all(cms, volume);
    return all ? all->first : NULL;
}

static void enlist(struct cms *cms, struct left_out *l)
{
    struct left_outs *all = find_all(cms, &l->uuid);
    if (!all) {
        all = dv_calloc(1, sizeof(*all));
        all->volume = l->uuid;
        HASH_ADD(hh, cms->left_outs, volume, sizeof(all->volume), all);
    }
    DL_APPEND2(all->first, l, same_prev, same_next);
}

static void delist(struct cms *cms, struct left_out *l)
{
    struct left_outs *all = find_all(cms, &l->uuid);
    DL_DELETE2(all->first, l, same_prev, same_next);
    if (all->first)
        return;
    HASH_DEL(cms->left_outs, all);
    free(all);
}

static struct left_out *find_or_add(struct unit_link *link, const struct dv_uuid *uuid)
{
    struct left_out *l = find(link, uuid);
    if (l || HASH_COUNT(link->left_out) >= REMEMBERED)
        return l;
    l = dv_calloc(1, sizeof(*l));
    l->uuid = *uuid;
    l->link = link;
    HASH_ADD(hh, link->left_out, uuid, sizeof(l->uuid), l);
    enlist(link->cms, l);
    return l;
}

// ends: they are to end, since a person said that the volume is elsewhere.
static void note_rules(struct left_out *l, const struct access_rule *rules, size_t count, bool ends)
{
    uint32_t before = l->rule;
    l->rules = count;
    l->rule = 0;
    for (size_t i = 0; ends && l->rule == 0 && i < count; i++)
        if (rules[i].state != ACCESS_REVOKING)
            l->rule = rules[i].index;
    if (l->rule != before)
        l->hold = (struct pool_hold){0};
}

void left_out_leave(struct unit_link *link, const struct pool_volume *pv)
{
    struct left_out *l = find_or_add(link, &pv->rec.uuid);
    if (!l)
        return;
    l->state = pv->actual.state;
    l->known = true;
    l->index = pv->actual.index;
    l->medium = pv->actual.medium;
    l->verdict = MOVE_STAYS;
    l->mark = link->mark;
    note_rules(l, pv->rules, pv->rule_count, true);
}

// The unit is degraded while it has it, and nobody can delete it by way of the pool.
static void note_fault(struct left_out *l, const struct volume *v)
{
    char uuid[UUID_TEXT_LEN];
    free(l->fault);
    l->fault = NULL;
    if (v->state == VOLUME_FAILED)
        l->fault = dv_printf("volume %s, which it has and which is not used there, cannot be "
                             "served: %s; if it is not to come back, have the unit forget it (on "
                             "its machine: dvsan-unit --forget=%s)",
                             v->name, v->last_error, uuid_format(&v->uuid, uuid));
}

static void note(struct observation *o, const struct volume *v)
{
    size_t count;
    struct unit_link *link = o->link;
    const struct access_rule *rules = observe_rules_of(o, v->index, &count);
    struct left_out *l = find_or_add(link, &v->uuid);
    if (!l)
        return;
    const struct pool_volume *pv = pool_volume_by_uuid(o->pool, &v->uuid);
    l->state = v->state;
    l->known = pv != NULL;
    l->index = v->index;
    l->medium = v->medium;
    l->verdict =
        pv ? left_out_judge(pv, &link->uuid, v->state, observe_proof(o, v->medium)) : MOVE_STAYS;
    l->mark = link->mark;
    note_fault(l, v);
    note_rules(l, rules, count, pv && uuid_equal(&pv->rec.left, &link->uuid));
}

// Forgets what other readings showed than the one with the mark; with 0, all.
static void keep(struct unit_link *link, uint64_t mark)
{
    struct left_out *l, *next;
    HASH_ITER(hh, link->left_out, l, next)
    {
        if (mark != 0 && l->mark == mark)
            continue;
        delist(link->cms, l);
        HASH_DEL(link->left_out, l);
        free(l->fault);
        free(l);
    }
}

// Those of a whole reading, which may come part by part, are all there are: those known before it
// go with its last part.
void left_out_note(struct observation *o)
{
    for (size_t i = 0; i < o->left_out_count; i++)
        note(o, o->left_out[i]);
    if (o->r->whole)
        keep(o->link, o->link->mark);
}

void left_out_forget(struct unit_link *link)
{
    keep(link, 0);
}

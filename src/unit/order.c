// An order: what is wanted, copied from the state, for one pass of the worker.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/order.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include <string.h>
#include <unistd.h>

static int compare_accounts(const void *a, const void *b)
{
    return strcmp(((const struct order_account *)a)->user, ((const struct order_account *)b)->user);
}

struct account { // in the state
    const char *user, *secret;
};

static int compare_users(const void *a, const void *b)
{
    return strcmp(((const struct account *)a)->user, ((const struct account *)b)->user);
}

// One without a secret admits nobody.
static bool is_in_force(const struct unit_rule *r)
{
    return r->r.state != ACCESS_REVOKING && r->r.secret_is_set;
}

// Each user once: all rules of a user have the same secret. Where it stands is sorted, and no copy
// of it, since an array that grows or is sorted leaves copies of secrets in memory.
static void copy_accounts(struct order *o, const struct state *state)
{
    DV_FREE struct account *list = NULL;
    size_t count = 0;
    const struct unit_rule *r = state_rule_next(state, 0, 0);
    for (; r; r = state_rule_next(state, r->r.volume, r->r.index)) {
        if (!is_in_force(r))
            continue;
        *DV_APPEND(list, count) = (struct account){r->r.chap_user, r->secret};
        if (r->r.previous_user[0])
            *DV_APPEND(list, count) = (struct account){r->r.previous_user, r->previous_secret};
    }
    if (count > 1)
        qsort(list, count, sizeof(*list), compare_users);
    o->accounts = dv_calloc(count + 1, sizeof(*o->accounts));
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && compare_users(&list[i], &list[i - 1]) == 0)
            continue;
        struct order_account *a = &o->accounts[o->account_count++];
        dv_copy(a->user, sizeof(a->user), list[i].user);
        dv_copy(a->secret, sizeof(a->secret), list[i].secret);
    }
}

static void add_account(struct order_volume *ov, const struct unit_rule *r, bool previous)
{
    struct order_rule *rule = DV_APPEND(ov->rules, ov->rule_count);
    rule->index = r->r.index;
    rule->previous = previous;
    memcpy(rule->initiator, r->r.initiator, sizeof(rule->initiator));
    dv_copy(rule->user, sizeof(rule->user), previous ? r->r.previous_user : r->r.chap_user);
}

static void add_rule(struct order_volume *ov, const struct unit_rule *r)
{
    if (r->r.state == ACCESS_REVOKING) {
        *DV_APPEND(ov->revoked, ov->revoked_count) = r->r.index;
        return;
    }
    if (!is_in_force(r))
        return;
    add_account(ov, r, false);
    if (r->r.previous_user[0])
        add_account(ov, r, true);
}

static int compare_uuids(const void *a, const void *b)
{
    const struct order_volume *const *x = a, *const *y = b;
    return memcmp((*x)->v.uuid.b, (*y)->v.uuid.b, sizeof((*x)->v.uuid.b));
}

static int find_uuid(const void *uuid, const void *b)
{
    const struct order_volume *const *ov = b;
    return memcmp(((const struct dv_uuid *)uuid)->b, (*ov)->v.uuid.b, sizeof((*ov)->v.uuid.b));
}

static void sort_by_uuid(struct order *o)
{
    o->by_uuid = dv_calloc(o->volume_count + 1, sizeof(struct order_volume *));
    for (size_t i = 0; i < o->volume_count; i++)
        o->by_uuid[i] = &o->volumes[i];
    if (o->volume_count > 1)
        qsort(o->by_uuid, o->volume_count, sizeof(struct order_volume *), compare_uuids);
}

static struct listener listener_of(const struct unit_portal *p)
{
    struct listener l = {.tgtd = p->p.group, .port = p->p.port};
    dv_copy(l.address, sizeof(l.address), p->p.address);
    return l;
}

static bool is_recorded(const struct state *state, const struct unit_portal *p)
{
    struct listener l = listener_of(p);
    return state_has_listener(state, &l);
}

static bool is_wanted(const struct state *state, const struct listener *l)
{
    const struct unit_portal *p = NULL;
    while ((p = state_portal_next(state, p ? p->p.index : 0, p ? p->p.group : 0)))
        if (p->p.group == l->tgtd && p->p.port == l->port && strcmp(p->p.address, l->address) == 0)
            return true;
    return false;
}

struct order *order_new(const struct state *state)
{
    struct order *o = dv_calloc(1, sizeof(*o));
    o->groups = state_groups(state);
    o->tgtd_count = state_tgtd_count(state);
    o->tgtds = dv_calloc(o->tgtd_count + 1, sizeof(*o->tgtds));
    for (uint32_t i = 0; i < o->tgtd_count; i++)
        o->tgtds[i].watch_fd = -1;
    const struct unit_volume *v = NULL;
    while ((v = state_volume_next(state, v ? v->v.index : 0))) {
        struct order_volume *ov = DV_APPEND(o->volumes, o->volume_count);
        ov->v = v->v;
        ov->tid = v->tid;
        ov->tgtd = v->tgtd;
        ov->unrecorded = v->made && v->tgtd == 0;
        ov->task = v->v.state == VOLUME_DELETING ? ORDER_DELETE
                   : v->made                     ? ORDER_SERVE
                                                 : ORDER_MAKE;
        const struct unit_rule *r = state_rule_next(state, v->v.index, 0);
        for (; r && r->r.volume == v->v.index; r = state_rule_next(state, v->v.index, r->r.index))
            add_rule(ov, r);
    }
    sort_by_uuid(o);
    copy_accounts(o, state);
    const struct unit_medium *m = NULL;
    while ((m = state_medium_next(state, m ? m->m.index : 0))) {
        struct dv_err err;
        struct order_medium *om = DV_APPEND(o->media, o->medium_count);
        *om = (struct order_medium){.index = m->m.index, .uuid = m->uuid, .state = m->m.state};
        dv_copy(om->identity, sizeof(om->identity), m->identity);
        om->misfit = m->gone || state_check_accounts(state, m, &err) != 0;
        if (om->misfit)
            dv_copy(om->error, sizeof(om->error), m->gone ? MEDIUM_GONE : err.text);
    }
    const struct unit_portal *p = NULL;
    while ((p = state_portal_next(state, p ? p->p.index : 0, p ? p->p.group : 0)))
        if (is_recorded(state, p))
            *DV_APPEND(o->portals, o->portal_count) = p->p;
    size_t listeners;
    const struct listener *l = state_listeners(state, &listeners);
    for (size_t i = 0; i < listeners; i++)
        if (!is_wanted(state, &l[i]))
            *DV_APPEND(o->listeners, o->listener_count) = (struct order_listener){.l = l[i]};
    return o;
}

int order_record_listeners(struct state *state, struct journal *journal, struct dv_err *err)
{
    const struct unit_portal *p = NULL;
    while ((p = state_portal_next(state, p ? p->p.index : 0, p ? p->p.group : 0))) {
        struct listener l = listener_of(p);
        if (state_has_listener(state, &l))
            continue;
        if (journal_put_listener(journal, state_tgtd(state, l.tgtd), &l, err) != 0)
            return -1;
        state_add_listener(state, &l);
    }
    return 0;
}

// One that stays on record is closed once more.
void order_apply_listeners(const struct order *o, struct state *state, struct journal *journal)
{
    struct dv_err err;
    for (size_t i = 0; i < o->listener_count; i++) {
        const struct order_listener *old = &o->listeners[i];
        const char *socket = state_tgtd(state, old->l.tgtd);
        if (!old->closed || is_wanted(state, &old->l) ||
            journal_drop_listener(journal, socket, &old->l, &err) != 0)
            continue;
        state_drop_listener(state, &old->l);
        if (old->was_told)
            log_info("unit", "tgtd listens no more at %s, port %u", old->l.address, old->l.port);
        else
            log_info("unit", "no tgtd runs at %s, so it does not listen at %s, port %u", socket,
                     old->l.address, old->l.port);
    }
}

void order_free(struct order *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->volume_count; i++) {
        for (size_t k = 0; k < o->volumes[i].rule_count; k++)
            free(o->volumes[i].rules[k].error);
        free(o->volumes[i].rules);
        free(o->volumes[i].revoked);
    }
    secret_wipe(o->accounts, o->account_count * sizeof(*o->accounts));
    free(o->accounts);
    free(o->portals);
    free(o->listeners);
    for (size_t i = 0; i < o->medium_count; i++)
        media_layout_clear(&o->media[i].layout);
    free(o->by_uuid);
    free(o->volumes);
    free(o->media);
    for (uint32_t i = 0; i < o->tgtd_count; i++)
        if (o->tgtds[i].watch_fd >= 0)
            close(o->tgtds[i].watch_fd);
    free(o->tgtds);
    free(o);
}

bool order_is_unfinished(const struct order *o)
{
    for (size_t i = 0; i < o->volume_count; i++)
        if (o->volumes[i].unfinished)
            return true;
    for (size_t i = 0; i < o->medium_count; i++)
        if (o->media[i].unfinished)
            return true;
    return false;
}

bool order_waits(const struct order *o)
{
    for (size_t i = 0; i < o->medium_count; i++)
        if (o->media[i].waits)
            return true;
    return false;
}

const struct order_volume *order_volume_uuid(const struct order *o, const struct dv_uuid *uuid)
{
    struct order_volume **found =
        o->volume_count
            ? bsearch(uuid, o->by_uuid, o->volume_count, sizeof(struct order_volume *), find_uuid)
            : NULL;
    return found ? *found : NULL;
}

bool order_has_failures(const struct order *o)
{
    for (size_t i = 0; i < o->volume_count; i++)
        if (!o->volumes[i].done && !o->volumes[i].unfinished && !o->volumes[i].waits)
            return true;
    for (uint32_t i = 0; i < o->groups; i++)
        if (!o->tgtds[i].there || !o->tgtds[i].portals_there)
            return true;
    for (size_t i = 0; i < o->listener_count; i++)
        if (!o->listeners[i].closed)
            return true;
    return false;
}

struct order_medium *order_medium(const struct order *o, uint32_t index)
{
    for (size_t i = 0; i < o->medium_count; i++)
        if (o->media[i].index == index)
            return &o->media[i];
    return NULL;
}

const char *order_secret(const struct order *o, const char *user)
{
    struct order_account key = {0};
    dv_copy(key.user, sizeof(key.user), user);
    const struct order_account *found =
        o->account_count
            ? bsearch(&key, o->accounts, o->account_count, sizeof(key), compare_accounts)
            : NULL;
    return found ? found->secret : "";
}

bool order_grows(const struct order_volume *ov)
{
    return ov->task == ORDER_SERVE && ov->v.target_blocks > ov->v.blocks;
}

bool order_shrinks(const struct order_volume *ov)
{
    return ov->task == ORDER_SERVE && ov->v.target_blocks != 0 &&
           ov->v.target_blocks < ov->v.blocks;
}

bool order_moves(const struct order_volume *ov)
{
    return order_grows(ov) && ov->v.target_start_lba != ov->v.start_lba;
}

const struct order_volume *order_volume_to(const struct order *o, uint32_t medium,
                                           const struct media_found *at)
{
    for (size_t i = 0; i < o->volume_count; i++) {
        const struct order_volume *ov = &o->volumes[i];
        if (ov->v.medium == medium && order_moves(ov) && ov->v.target_start_lba == at->start_lba &&
            ov->v.target_blocks == at->blocks)
            return ov;
    }
    return NULL;
}

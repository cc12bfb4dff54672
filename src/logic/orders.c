// The planner: wanted against shown, one volume at a time, then all steps in their order.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/orders.h"

#include "base/mem.h"
#include "logic/accounts.h"
#include <string.h>

const char *order_kind_name(enum order_kind kind)
{
    static const char *const names[] = {
        [ORDER_REMOVE_RULE] = "remove rule",     [ORDER_SET_ACCOUNT] = "set account",
        [ORDER_DELETE_VOLUME] = "delete volume", [ORDER_CREATE_VOLUME] = "create volume",
        [ORDER_ADD_RULE] = "add rule",           [ORDER_RENAME_VOLUME] = "rename volume",
        [ORDER_RESIZE_VOLUME] = "resize volume", [ORDER_ONLINE_VOLUME] = "set volume online",
        [ORDER_END_RULE] = "end rule",
    };
    return names[kind];
}

static void add(struct orders *p, enum order_kind kind, const struct orders_volume *v,
                const struct orders_right *right, uint32_t rule)
{
    struct orders_item *s = DV_APPEND(p->items, p->count);
    s->kind = kind;
    s->volume = v->want->uuid;
    s->volume_index = v->shown ? v->shown->index : v->want->index;
    s->rule_index = rule;
    if (right) {
        s->host = right->want->host;
        s->former = right->former;
    }
    p->unsettled = true;
}

const char *orders_iqn(const struct host_record *host, bool former)
{
    return former ? host->previous_iqn : host->iqn;
}

// The rule is in the way: nobody wants it, or it was made for another spelling of the host's name,
// which cannot be changed in place. Without the secret it could not be made again.
static bool to_remove(const struct orders_volume *v, const struct orders_right *right,
                      const struct access_rule *rule)
{
    if (!v->want->wanted || !right || !right->want->wanted)
        return true;
    return right->host->sealed_len > 0 && !right->want->found &&
           strcmp(orders_iqn(right->host, right->former), rule->initiator) != 0;
}

// The right that each rule is for, NULL where there is none. The caller frees the list.
static const struct orders_right **rights_of(const struct orders_volume *v)
{
    const struct orders_right **list = dv_calloc(v->rule_count + 1, sizeof(struct orders_right *));
    for (size_t i = 0; i < v->right_count; i++) {
        if (v->rights[i].rule < v->rule_count)
            list[v->rights[i].rule] = &v->rights[i];
    }
    return list;
}

static bool to_change(const struct orders_right *right, const struct access_rule *rule)
{
    return right->host->sealed_len > 0 && !right->want->found &&
           account_next(right->host, rule).due;
}

static void set_account(struct orders *p, const struct orders_volume *v,
                        const struct orders_right *right, const struct access_rule *rule)
{
    struct account_step step = account_next(right->host, rule);
    add(p, ORDER_SET_ACCOUNT, v, right, rule->index);
    p->items[p->count - 1].previous = step.previous;
    p->items[p->count - 1].alone = step.alone;
}

static void plan_rules(struct orders *p, const struct orders_volume *v)
{
    DV_FREE const struct orders_right **rights = rights_of(v);
    for (size_t i = 0; i < v->rule_count; i++) {
        const struct access_rule *rule = &v->rules[i];
        const struct orders_right *right = rights[i];
        if (rule->state == ACCESS_REVOKING) {
            p->unsettled = true;
        } else if (to_remove(v, right, rule)) {
            if (!(right ? right->held : v->held))
                add(p, ORDER_REMOVE_RULE, v, right, rule->index);
        } else if (to_change(right, rule)) {
            if (!right->held)
                set_account(p, v, right, rule);
        } else if (rule->state == ACCESS_PENDING) {
            p->unsettled = true;
        }
    }
}

static bool is_taken(const struct orders_volume *v, uint32_t index)
{
    for (size_t i = 0; i < v->rule_count; i++)
        if (v->rules[i].index == index)
            return true;
    return false;
}

// Where the rule is made: a right's own index is that of one of its two rules, and the other one
// goes far beside it. The IQN of the first is the previous one after a change, the present one
// after the next. What is there is never in the way, whoever made it.
static uint32_t index_for(const struct orders_volume *v, const struct orders_right *right)
{
    const uint32_t beside = 1u << 30;
    uint32_t index = right->want->index;
    if (right->former || is_taken(v, index))
        index ^= beside;
    while (index == 0 || is_taken(v, index))
        index = index % INDEX_MAX + 1;
    return index;
}

static void plan_rights(struct orders *p, const struct orders_volume *v)
{
    bool ready = v->shown->state == VOLUME_ONLINE || v->shown->state == VOLUME_OFFLINE;
    if (!ready || !v->want->wanted)
        return;
    for (size_t i = 0; i < v->right_count; i++) {
        const struct orders_right *right = &v->rights[i];
        // A right without a secret would admit nobody.
        if (right->want->wanted && !right->want->found && !right->held &&
            right->host->sealed_len > 0 && right->rule >= v->rule_count) {
            add(p, ORDER_ADD_RULE, v, right, index_for(v, right));
            p->items[p->count - 1].previous = right->host->previous.user[0] != '\0';
        }
    }
}

bool orders_is_at_work(const struct volume *shown)
{
    switch (shown->state) {
    case VOLUME_CREATING:
    case VOLUME_DELETING:
        return true;
    case VOLUME_ONLINE:
    case VOLUME_OFFLINE:
        return shown->target_blocks != 0 || shown->progress < 100;
    case VOLUME_FAILED:
        break;
    }
    return shown->target_blocks != 0;
}

static void plan_shape(struct orders *p, const struct orders_volume *v)
{
    const struct volume *shown = v->shown;
    if (!v->want->wanted || shown->state == VOLUME_CREATING || v->held)
        return;
    if (v->rename && !volume_is_labelled(v->want, shown))
        add(p, ORDER_RENAME_VOLUME, v, NULL, 0);
    if (!shown->admin_online) // nobody here asks for that
        add(p, ORDER_ONLINE_VOLUME, v, NULL, 0);
    // The unit finishes one size before it takes another.
    if (v->resize && v->want->blocks != shown->blocks && shown->target_blocks == 0)
        add(p, ORDER_RESIZE_VOLUME, v, NULL, 0);
}

static void plan_volume(struct orders *p, const struct orders_volume *v)
{
    if (!v->shown) {
        if (v->want->wanted && !v->want->seen && !v->held)
            add(p, ORDER_CREATE_VOLUME, v, NULL, 0);
        return;
    }
    if (!v->want->wanted && v->want->forced) { // its rules go with it
        if (!v->held)
            add(p, ORDER_DELETE_VOLUME, v, NULL, 0);
        return;
    }
    if (orders_is_at_work(v->shown))
        p->unsettled = true;
    if (v->shown->state == VOLUME_DELETING)
        return;
    plan_rules(p, v);
    plan_rights(p, v);
    plan_shape(p, v);
    if (!v->want->wanted && v->rule_count == 0 && !v->held)
        add(p, ORDER_DELETE_VOLUME, v, NULL, 0);
}

static int by_order(const void *x, const void *y)
{
    const struct orders_item *a = x, *b = y;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->volume_index != b->volume_index)
        return a->volume_index < b->volume_index ? -1 : 1;
    return a->rule_index < b->rule_index ? -1 : a->rule_index > b->rule_index;
}

void orders_plan(struct orders_volume *volumes, size_t count, struct orders *out)
{
    *out = (struct orders){0};
    for (size_t i = 0; i < count; i++) {
        bool before = out->unsettled;
        out->unsettled = false;
        plan_volume(out, &volumes[i]);
        volumes[i].settled = !out->unsettled;
        out->unsettled |= before;
    }
    if (out->count > 1)
        qsort(out->items, out->count, sizeof(out->items[0]), by_order);
}

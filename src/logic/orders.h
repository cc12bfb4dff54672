// From what is wanted of a unit's volumes and what the unit shows, to the next steps.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure and without memory: the steps are those that can be taken now, each idempotent. When they
// are taken and the unit has been looked at again, planning again yields what comes next, and
// nothing when all is as wanted. A volume that the unit once showed is never made again, and no
// volume is deleted that a task did not mark so. Sizes and names that differ without a task are
// the unit's matter.
#ifndef DVSAN_LOGIC_ORDERS_H
#define DVSAN_LOGIC_ORDERS_H

#include "model/pool.h"
#include <stddef.h>

// A right to the volume. Everything is borrowed.
struct orders_right {
    const struct assignment_record *want;
    const struct host_record *host;
    bool held;   // refused a moment ago: no step for now
    size_t rule; // the place in the volume's rules of the one for this host
    bool former; // it is about the rule for the host's previous IQN
};
#define ORDERS_NO_RULE SIZE_MAX // there is none

struct orders_volume {
    const struct volume_record *want;
    const struct volume *shown; // NULL: the unit does not show it
    const struct access_rule *rules;
    size_t rule_count;
    const struct orders_right *rights;
    size_t right_count;
    bool held;
    bool resize, rename; // the size, or the name and description, are to be as wanted
    bool settled;        // by the plan: nothing is to be done, nothing under way; held ones may be
};

// In the order in which they are taken: what takes rights away comes first, room is made before it
// is used.
enum order_kind {
    ORDER_REMOVE_RULE = 1,
    ORDER_SET_ACCOUNT,
    ORDER_DELETE_VOLUME,
    ORDER_RENAME_VOLUME,
    ORDER_RESIZE_VOLUME,
    ORDER_ONLINE_VOLUME,
    ORDER_CREATE_VOLUME,
    ORDER_ADD_RULE,
    ORDER_END_RULE // of a volume that was there and is elsewhere now; orders_plan plans none
};

struct orders_item {
    enum order_kind kind;
    struct dv_uuid volume;
    struct dv_uuid host;   // zero: a rule that nobody here knows
    uint32_t volume_index; // dvsanVolumeIndex
    uint32_t rule_index;   // dvsanAccessIndex; 0 for volume steps
    bool previous, alone;  // of an account that is given: see struct account_step
    bool former;           // it is about the rule for the host's previous IQN
};

struct orders {
    struct orders_item *items; // freed with free()
    size_t count;
    bool unsettled; // the unit has work under way, or steps are to be taken: look again soon
};

// Whether the unit makes, deletes or resizes it, or has yet to serve what it made: then it ends by
// itself, and soon.
bool orders_is_at_work(const struct volume *shown);

// By which the host logs in, of its two while there is a previous one.
const char *orders_iqn(const struct host_record *host, bool former);

void orders_plan(struct orders_volume *volumes, size_t count, struct orders *out);

const char *order_kind_name(enum order_kind kind);

#endif

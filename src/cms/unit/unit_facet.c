// A unit's facet: its volumes, and what is ordered of them.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/unit/unit_facet.h"

#include "cms/member/reading.h"
#include "cms/pool/pool.h"
#include "cms/unit/adopt.h"
#include "cms/unit/executor.h"
#include "cms/unit/left_out.h"
#include "cms/unit/observe.h"
#include "cms/unit/portals.h"
#include "cms/unit/unread.h"
#include "logic/orders.h"

static void watch(struct unit_link *link)
{
    struct reading *r = link->reading;
    const struct pool_unit *unit = link_unit(link);
    const struct pool_volume *v = unit ? unit->unsettled : NULL; // those are among them
    for (; v && r->watched_count < READING_PROGRESS_MAX; v = v->open_next) {
        if (v->actual.index && orders_is_at_work(&v->actual))
            r->watched[r->watched_count++] = v->actual.index;
    }
}

static bool wants_all(const struct unit_link *link)
{
    return left_out_is_wanted(link) || portals_are_wanted(link);
}

static void read_tables(struct unit_link *link)
{
    unread_keep(link->reading, link_unit(link));
}

static void forget(struct unit_link *link)
{
    left_out_forget(link);
    adopt_forget(link);
}

const struct facet unit_facet = {
    .watch = watch,
    .wants_all = wants_all,
    .read = read_tables,
    .begin = observe_begin,
    .take_in = observe_part,
    .give_up = observe_forget,
    .adopt_again = adopt_again,
    .adopt_left = adopt_left_by_another,
    .adopt_failed = adopt_failed,
    .plan = executor_plan,
    .step = executor_step,
    .forget = forget,
};

// The connection to one unit: finding it, and asking it for what it shall do next.
// SPDX-License-Identifier: BSD-2-Clause
//
// Everything that is under way ends by link_go_on, and link_run.c starts the next thing: nothing
// here, and nothing that is done for a unit, knows what that will be.
#include "cms/member/link.h"

#include "cms/core/station.h"
#include "cms/member/fetch.h"
#include "cms/member/reading.h"
#include "cms/pool/names.h"
#include "cms/pool/pool.h"
#include <stdlib.h>

#define STRANGER_KEEP_MS 60000 // how long a unit that cannot be read is remembered

struct unit_link *link_find(struct cms *cms, const struct dv_uuid *uuid)
{
    struct unit_link *link = NULL;
    HASH_FIND(hh, cms->links, uuid, sizeof(*uuid), link);
    return link;
}

struct unit_link *link_concluding(struct cms *cms, const struct conclusion *c)
{
    struct unit_link *link = link_find(cms, &c->uuid);
    return link && link->concluding == c->number ? link : NULL;
}

struct pool_unit *link_unit(const struct unit_link *link)
{
    return pool_unit_by_uuid(link->cms->pool, &link->uuid);
}

void link_look(struct unit_link *link)
{
    link->urgent = true;
    link_go_on(link);
}

void link_new_orders(struct unit_link *link)
{
    link->replan = true;
    link_go_on(link);
}

void link_go_on(struct unit_link *link)
{
    if (link->work == LINK_IDLE)
        loop_timer_set(link->timer, 0);
}

void link_end_look(struct unit_link *link)
{
    fetch_free(link->fetch);
    link->fetch = NULL;
    reading_free(link->reading);
    link->reading = NULL;
    names_free(&link->names);
    link->work = LINK_IDLE;
    link->discard = false;
    link->keep_until = loop_now_ms() + STRANGER_KEEP_MS;
    link_go_on(link);
}

void link_forget_orders(struct unit_link *link)
{
    free(link->queue.items);
    link->queue = (struct orders){0};
    link->queue_next = 0;
}

// Free extents that become others: both lists gone through side by side.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/room.h"

static struct free_place place(struct room_list list, size_t at)
{
    return at < list.count ? free_place_of(&list.items[at]) : FREE_PLACE_END;
}

static bool is_same(struct room_list was, struct room_list is, const struct room_change *c)
{
    return c->was_at < was.count && c->is_at < is.count &&
           free_place_order(place(was, c->was_at), place(is, c->is_at)) == 0 &&
           was.items[c->was_at].blocks == is.items[c->is_at].blocks;
}

static struct free_place lower(struct room_list was, struct room_list is,
                               const struct room_change *c)
{
    struct free_place a = place(was, c->was_at), b = place(is, c->is_at);
    return free_place_order(a, b) < 0 ? a : b;
}

bool room_next(struct room_list was, struct room_list is, size_t most, struct room_change *c)
{
    while (is_same(was, is, c)) {
        c->was_at++;
        c->is_at++;
    }
    c->from = lower(was, is, c);
    c->first = c->is_at;
    c->rows = 0;
    while ((c->was_at < was.count || c->is_at < is.count) && c->rows < most &&
           !is_same(was, is, c)) {
        int order = free_place_order(place(was, c->was_at), place(is, c->is_at));
        c->was_at += order <= 0;
        c->is_at += order >= 0;
        c->rows += order == 0 ? 2 : 1;
    }
    c->to = lower(was, is, c);
    c->count = c->is_at - c->first;
    return c->rows > 0;
}

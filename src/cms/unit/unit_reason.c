// Why a unit is degraded, out of all that it shows.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/unit/unit_reason.h"

#include "cms/member/link.h"
#include "cms/pool/pool.h"
#include "cms/unit/left_out.h"
#include "model/unit.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

// ---- Why a unit is degraded ---------------------------------------------------------------------

struct writer {
    char *out;
    size_t room;
};

static void add(struct writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct writer *w, const char *fmt, ...)
{
    va_list args;
    size_t len = strlen(w->out);
    if (len > 0 && len + 2 < w->room) {
        memcpy(w->out + len, "; ", 3);
        len += 2;
    }
    va_start(args, fmt);
    vsnprintf(w->out + len, w->room - len, fmt, args);
    va_end(args);
}

static void add_media(struct writer *w, const struct pool_unit *u)
{
    for (size_t i = 0; i < u->media_count; i++)
        if (u->media[i].state == MEDIUM_FAILED)
            add(w, "its medium %s has failed: %s", u->media[i].name, u->media[i].last_error);
}

// Those that have a medium, with the reason of the first, and how many have others.
static void add_volumes(struct writer *w, const struct pool_unit *u)
{
    const struct pool_volume *v, *first = NULL;
    size_t n = 0, others = 0;
    DL_FOREACH2(u->volumes, v, unit_next)
    {
        if (v->actual.index == 0 || v->actual.state != VOLUME_FAILED || pool_medium_is_away(v))
            continue;
        if (!first)
            first = v;
        if (!strcmp(v->actual.last_error, first->actual.last_error))
            n++;
        else
            others++;
    }
    if (n == 1)
        add(w, "volume %s cannot be served: %s", first->rec.name, first->actual.last_error);
    else if (n > 1)
        add(w, "%zu of its volumes cannot be served: %s", n, first->actual.last_error);
    if (others > 0)
        add(w, "%zu more cannot be, for other reasons (dvsan volume list)", others);
}

// Of those that the pool does not take from it, and whose medium is there, the first.
static void add_left_out(struct writer *w, const struct pool_unit *u)
{
    const struct unit_link *link = u->link;
    for (const struct left_out *l = link ? link->left_out : NULL; l; l = l->hh.next) {
        const struct medium *m = pool_medium(u, l->medium);
        if (!l->fault || (m && m->state == MEDIUM_FAILED))
            continue;
        add(w, "%s", l->fault);
        return;
    }
}

static void add_portals(struct writer *w, const struct pool_unit *u)
{
    char text[PORTAL_TEXT_ROOM];
    for (size_t i = 0; i < u->portal_count; i++)
        if (!u->portals[i].up)
            add(w, "its portal %s is not up", portal_format(&u->portals[i], text));
}

void unit_reason(const struct pool_unit *u, char *out, size_t room)
{
    struct writer w = {out, room};
    out[0] = '\0';
    if (u->rec.state != UNIT_DEGRADED)
        return;
    if (u->rec.last_error[0])
        add(&w, "%s", u->rec.last_error);
    add_media(&w, u);
    add_volumes(&w, u);
    add_left_out(&w, u);
    add_portals(&w, u);
    if (!out[0]) // what is left of all that makes one degraded
        add(&w, "its tgtd does not run or does not answer, or a portal has no address");
}

// What people are shown of the pool: what is so now, what was so once, and what is not known.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/pool/pool.h"
#include "logic/accounts.h"
#include "logic/health.h"
#include "logic/trust.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

bool pool_is_current(const struct pool_unit *u)
{
    return health_takes_orders(u->rec.state) || u->rec.state == UNIT_CONFLICT;
}

const char *pool_volume_state(const struct pool_volume *v)
{
    return pool_is_current(v->unit) ? pool_volume_last_state(v) : "unreachable";
}

const char *pool_volume_last_state(const struct pool_volume *v)
{
    if (v->actual.index == 0) {
        if (!v->rec.wanted)
            return volume_state_name(VOLUME_DELETING);
        // What the unit once had and has no more is lost until it shows it again.
        return volume_state_name(v->rec.seen ? VOLUME_FAILED : VOLUME_CREATING);
    }
    if (!v->rec.wanted)
        return volume_state_name(VOLUME_DELETING);
    return volume_state_name(v->actual.state);
}

const struct access_rule *pool_former_rule(const struct pool_assignment *a)
{
    return a->former ? &a->volume->rules[a->former - 1] : NULL;
}

size_t pool_rules_wanted(const struct pool_volume *v)
{
    size_t n = 0;
    for (const struct pool_assignment *a = v->assignments; a; a = a->volume_next)
        n += a->host->previous_iqn[0] ? 2 : 1;
    return n;
}

bool pool_awaits_iqn(const struct pool_assignment *a)
{
    return a->host->previous_iqn[0] && a->rec.wanted && !a->rec.found &&
           (a->actual.index == 0 || a->actual.state != ACCESS_ACTIVE);
}

bool pool_awaits_account(const struct pool_assignment *a)
{
    const struct access_rule *former = pool_former_rule(a);
    const struct host_record *host = &a->host->rec;
    return a->rec.wanted && !a->rec.found &&
           ((a->actual.index != 0 && !account_is_given(host, &a->actual)) ||
            (former && !account_is_given(host, former)));
}

bool pool_admits_ended(const struct pool_assignment *a)
{
    const struct access_rule *former = pool_former_rule(a);
    const struct host_record *host = &a->host->rec;
    return (a->actual.index != 0 && account_has_ended(host, &a->actual)) ||
           (former && account_has_ended(host, former));
}

const char *pool_assignment_state(const struct pool_assignment *a)
{
    if (!a->rec.wanted)
        return access_state_name(ACCESS_REVOKING);
    if (a->actual.index == 0)
        return access_state_name(ACCESS_PENDING);
    return pool_is_current(a->volume->unit) ? access_state_name(a->actual.state) : "unknown";
}

void pool_assignment_error(const struct pool_assignment *a, char out[POOL_ERROR_ROOM])
{
    const struct host_record *host = &a->host->rec;
    bool other = a->rec.wanted && a->rec.found && a->actual.index != 0 && host->sealed_len > 0 &&
                 !account_is_given(host, &a->actual);
    if (other && !a->actual.last_error[0])
        snprintf(out, POOL_ERROR_ROOM,
                 "%s lets it in as the CHAP user %s, with a secret that is not the host's, which "
                 "is not sent there until the volume is assigned to it again",
                 a->volume->unit->rec.name, a->actual.chap_user);
    else
        dv_copy(out, POOL_ERROR_ROOM, a->actual.last_error);
}

const char *pool_medium_state(const struct pool_unit *u, const struct medium *m)
{
    return pool_is_current(u) ? medium_state_name(m->state) : "unknown";
}

void pool_unit_note(const struct pool_unit *u, char *out, size_t room)
{
    const char *name = u->rec.name;
    char untrusted[TRUST_WHY_ROOM];
    trust_why_not(&u->rec, untrusted);
    out[0] = '\0';
    if (untrusted[0]) {
        snprintf(out, room, "%s", untrusted);
        return;
    }
    switch (u->rec.state) {
    case UNIT_UP:
    case UNIT_DEGRADED:
    case UNIT_CONFLICT:
        break;
    case UNIT_JOINING:
        snprintf(out, room, "%s has not told yet how it is: what is shown was so before", name);
        break;
    case UNIT_STOPPED:
        snprintf(out, room,
                 "the agent of %s was stopped: nothing can be changed there, and what is shown was "
                 "so before; a tgtd that was not stopped, too, goes on serving",
                 name);
        break;
    case UNIT_DOWN:
        if (u->keyless)
            snprintf(out, room,
                     "%s answers, and takes none of the keys that the station may have given it, "
                     "as when an old backup of either was put back: dvsan unit add %s --again, and "
                     "on the unit the line that this prints, gives it others; what is shown was so "
                     "before",
                     name, name);
        else if (u->agent_away)
            snprintf(out, room,
                     "the machine of %s answers, and its agent does not: it does not run (start "
                     "it), or it hangs (see whether the file system of its state-dir answers; "
                     "else end it and start it); nothing can be changed there, and what is shown "
                     "was so before; its tgtd goes on serving "
                     "while it runs",
                     name);
        else
            snprintf(out, room,
                     "%s does not answer: whether it serves is not known, nothing can be changed "
                     "there, and what is shown was so before",
                     name);
        break;
    }
}

void pool_lead_note(const struct pool_unit *u, char out[POOL_LEAD_NOTE_ROOM])
{
    const char *name = u->rec.name;
    out[0] = '\0';
    if ((u->standing != LEAD_NEWER && u->standing != LEAD_FOREIGN) ||
        health_takes_orders(u->rec.state))
        return;
    if (u->rec.state == UNIT_JOINING)
        snprintf(out, POOL_LEAD_NOTE_ROOM, "%s is starting: say what counts when it has started",
                 name);
    else if (u->rec.state == UNIT_CONFLICT)
        snprintf(out, POOL_LEAD_NOTE_ROOM,
                 "%s is in conflict with another engine that uses its UUID: end one of the two",
                 name);
    else
        snprintf(out, POOL_LEAD_NOTE_ROOM,
                 "%s does not answer: start it and say what counts, or forget it (dvsan unit "
                 "forget %s)",
                 name, name);
}

const struct pool_host **pool_hosts_of_unit(const struct pool_unit *u, size_t *count)
{
    const uint64_t mark = pool_next_mark();
    const struct pool_host **list = NULL;
    *count = 0;
    for (const struct pool_volume *v = u->volumes; v; v = v->unit_next) {
        for (const struct pool_assignment *a = v->assignments; a; a = a->volume_next) {
            if (!a->rec.wanted || a->host->mark == mark)
                continue;
            a->host->mark = mark;
            *DV_APPEND(list, *count) = a->host;
        }
    }
    return list;
}

void pool_totals(const struct pool *p, struct pool_totals *out)
{
    *out = (struct pool_totals){0};
    for (const struct pool_unit *u = p->units; u; u = u->hh.next) {
        out->units++;
        if (!health_takes_orders(u->rec.state))
            continue;
        out->units_up++;
        for (size_t i = 0; i < u->media_count; i++) {
            out->blocks += u->media[i].blocks;
            out->free_blocks += u->media[i].free_blocks;
        }
    }
    out->volumes = HASH_COUNT(p->volumes);
    out->hosts = HASH_COUNT(p->hosts);
}

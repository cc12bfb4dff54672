// What a unit shows of its volumes, and of the hosts that may use them.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/observe.h"

#include "base/log.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define ADOPTED_TOLD 16 // volumes taken in that one reading tells of by name

// A volume that is taken in.
struct new_volume {
    struct dv_uuid uuid;
    UT_hash_handle hh;
};

static int by_volume(const void *x, const void *y)
{
    const struct access_rule *a = x, *b = y;
    if (a->volume != b->volume)
        return a->volume < b->volume ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

// A walk brings them sorted.
void observe_sort_rules(struct access_rule *rules, size_t count)
{
    size_t i = 1;
    while (i < count && by_volume(&rules[i - 1], &rules[i]) <= 0)
        i++;
    if (i < count)
        qsort(rules, count, sizeof(*rules), by_volume);
}

const struct access_rule *observe_rules_of(const struct observation *o, uint32_t volume,
                                           size_t *count)
{
    size_t low = 0, high = o->r->rule_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (o->rules[middle].volume < volume)
            low = middle + 1;
        else
            high = middle;
    }
    *count = 0;
    while (low + *count < o->r->rule_count && o->rules[low + *count].volume == volume)
        ++*count;
    return o->rules + low;
}

static bool is_adopted(const struct observation *o, const struct dv_uuid *uuid)
{
    struct new_volume *n = NULL;
    HASH_FIND(hh, o->adopted_ones, uuid, sizeof(*uuid), n);
    return n != NULL;
}

static void note_adopted(struct observation *o, const struct dv_uuid *uuid)
{
    struct new_volume *n = dv_calloc(1, sizeof(*n));
    n->uuid = *uuid;
    HASH_ADD(hh, o->adopted_ones, uuid, sizeof(n->uuid), n);
}

void observe_forget_adopted(struct observation *o)
{
    struct new_volume *n, *next;
    HASH_ITER(hh, o->adopted_ones, n, next)
    {
        HASH_DEL(o->adopted_ones, n);
        free(n);
    }
}

// How many hosts of this unit's volumes were found and are not completed yet.
void observe_strange_hosts(struct observation *o)
{
    const struct pool_volume *v = o->unit ? o->unit->volumes : NULL;
    for (; v; v = v->unit_next) {
        for (const struct pool_assignment *a = v->assignments; a; a = a->volume_next) {
            o->strange_hosts += a->host->mark != o->mark && a->host->rec.sealed_len == 0;
            a->host->mark = o->mark;
        }
    }
}

static struct dv_uuid adopt_host(struct observation *o, const struct access_rule *rule)
{
    struct host_record host;
    if (!found_host(&o->found, rule, &o->c, &host))
        return host.uuid;
    o->strange_hosts++;
    if (++o->link->found <= ADOPTED_TOLD)
        events_add(o->cms, &o->c, EVENT_INFO, "host", host.name,
                   "was found as %s in the access rules of %s; its CHAP secret is not known here",
                   host.iqn, o->rec.name);
    return host.uuid;
}

// A volume is taken in with all its hosts or not at all: rules that nobody here knows are removed.
static bool has_room_for(const struct observation *o, const struct access_rule *rules, size_t count)
{
    size_t new_hosts = 0;
    if (o->strange_hosts + count <= FOUND_HOSTS_MAX)
        return true;
    for (size_t i = 0; i < count; i++)
        new_hosts += !found_knows(&o->found, rules[i].initiator);
    return o->strange_hosts + new_hosts <= FOUND_HOSTS_MAX;
}

static bool adopt_volume(struct observation *o, const struct volume *v,
                         const struct access_rule *rules, size_t count)
{
    struct volume_record rec = {
        .uuid = v->uuid,
        .unit = o->rec.uuid,
        .medium = v->medium,
        .index = v->index,
        .blocks = v->target_blocks ? v->target_blocks : v->blocks,
        .thin = v->thin,
        .wanted = true,
        .seen = true,
    };
    if (!has_room_for(o, rules, count)) {
        o->not_adopted++;
        return false;
    }
    names_for_volume(o->pool, &o->found.names, v->name, rec.name);
    changes_volume(&o->c, &rec);
    note_adopted(o, &rec.uuid);
    if (++o->link->adopted <= ADOPTED_TOLD)
        events_add(o->cms, &o->c, EVENT_INFO, "volume", rec.name, "was found on %s and taken in",
                   o->rec.name);
    for (size_t i = 0; i < count; i++) {
        if (rules[i].state == ACCESS_REVOKING)
            continue;
        struct assignment_record a = {
            .volume = v->uuid,
            .host = adopt_host(o, &rules[i]),
            .index = rules[i].index,
            .wanted = true,
        };
        changes_assignment(&o->c, &a);
    }
    return true;
}

void observe_adopted(struct observation *o)
{
    size_t volumes = o->link->adopted, hosts = o->link->found;
    if (volumes > ADOPTED_TOLD || hosts > ADOPTED_TOLD)
        events_add(o->cms, &o->c, EVENT_INFO, "unit", o->rec.name,
                   "in all, %zu volumes and %zu hosts were found there and taken in", volumes,
                   hosts);
    if (o->not_adopted > 0 && o->not_adopted != o->link->not_adopted)
        events_add(o->cms, &o->c, EVENT_WARNING, "unit", o->rec.name,
                   "%zu of its volumes are not taken in, since more than %d initiators that nobody "
                   "here knows may use its volumes: add these hosts first, or delete rules there",
                   o->not_adopted, FOUND_HOSTS_MAX);
    if (o->r->whole)
        o->link->not_adopted = o->not_adopted;
}

// Whether the unit that has the volume has the worse of two, so that another one's, in this state,
// Another unit has the volume. False when this one shows the worse of two: a copy beside a good
// one, or the row that a medium left behind when it was moved elsewhere.
static bool move_volume(struct observation *o, struct pool_volume *pv, const struct volume *v)
{
    if (v->state == VOLUME_FAILED && pv->actual.index != 0)
        return false;
    if (!left_out_yields(pv, v->state)) {
        if (!left_out_is_told(o->link, &v->uuid))
            events_add(
                o->cms, &o->c, EVENT_ERROR, "volume", pv->rec.name,
                "is on %s, but %s shows a volume of the same UUID, too: that one is not used",
                pv->unit->rec.name, o->rec.name);
        return false;
    }
    events_add(o->cms, &o->c, EVENT_INFO, "volume", pv->rec.name, "has moved from %s to %s",
               pv->unit->rec.name, o->rec.name);
    return true;
}

static bool is_as_known(const struct pool_volume *pv, const struct volume *v,
                        const struct access_rule *rules, size_t count)
{
    return pv->rule_count == count && !memcmp(&pv->actual, v, sizeof(*v)) &&
           (count == 0 || !memcmp(pv->rules, rules, count * sizeof(*rules)));
}

// Unless a task wants another size, the size is what its unit was told, by whomever.
static void follow_size(struct observation *o, const struct volume *v, struct volume_record *rec)
{
    uint64_t blocks = v->target_blocks ? v->target_blocks : v->blocks;
    char size[SIZE_TEXT_ROOM];
    if (rec->blocks == blocks || tasks_open(o->cms, TASK_VOLUME_RESIZE, &rec->uuid, NULL))
        return;
    rec->blocks = blocks;
    rec->forced = false;
    events_add(o->cms, &o->c, EVENT_INFO, "volume", rec->name, "was resized on %s, to %s",
               o->rec.name, size_format(blocks * BLOCK_SIZE, size, sizeof(size)));
}

static void tell_twice(const struct observation *o, const struct volume *v)
{
    static struct log_limit limit;
    log_limited(&limit, LOG_LEVEL_WARNING, "observe", "%s shows the volume %s twice", o->rec.name,
                v->name);
}

void observe_volume(struct observation *o, const struct volume *v)
{
    size_t count;
    const struct access_rule *rules = observe_rules_of(o, v->index, &count);
    struct pool_volume *pv = pool_volume_by_uuid(o->pool, &v->uuid);
    if (!pv) {
        if (v->state == VOLUME_DELETING)
            return;
        if (is_adopted(o, &v->uuid)) {
            tell_twice(o, v);
            return;
        }
        if (adopt_volume(o, v, rules, count))
            changes_shown(&o->c, v, rules, count);
        else
            left_out_add(o, v);
        return;
    }
    if (pv->unit != o->unit && !move_volume(o, pv, v)) {
        left_out_add(o, v);
        return;
    }
    if (pv->mark == o->mark) {
        tell_twice(o, v);
        return;
    }
    pv->mark = o->mark;
    if (pv->unit == o->unit)
        faults_note_volume(&o->link->faults, pv, v, o->r->media, o->r->media_count, o->was,
                           o->link->reading->oper == MEMBER_STARTING);
    struct volume_record rec = pv->rec;
    rec.unit = o->rec.uuid;
    rec.medium = v->medium;
    rec.index = v->index;
    rec.thin = v->thin;
    rec.thin_default = false;
    rec.seen = true;
    follow_size(o, v, &rec);
    if (memcmp(&rec, &pv->rec, sizeof(rec)) != 0)
        changes_volume(&o->c, &rec);
    if (is_as_known(pv, v, rules, count))
        return;
    changes_shown(&o->c, v, rules, count);
    executor_settled(pv);
}

static void hide(struct observation *o, struct pool_volume *pv)
{
    changes_hidden(&o->c, &pv->rec.uuid);
    executor_settled(pv);
    if (pv->rec.wanted)
        events_add(o->cms, &o->c, EVENT_ERROR, "volume", pv->rec.name,
                   "has vanished from %s and is not made again: bring its medium back, or delete "
                   "the volume",
                   o->rec.name);
}

void observe_absence(struct observation *o)
{
    struct pool_volume *pv;
    if (!o->unit)
        return;
    if (o->r->whole) {
        DL_FOREACH2(o->unit->volumes, pv, unit_next)
        {
            if (pv->actual.index != 0 && pv->mark != o->mark)
                hide(o, pv);
        }
        return;
    }
    for (size_t i = 0; i < o->r->gone_count; i++) {
        pv = pool_volume_by_index(o->unit, o->r->gone[i]);
        if (pv && pv->mark != o->mark)
            hide(o, pv);
    }
}

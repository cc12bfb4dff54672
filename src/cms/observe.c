// What was read from a unit becomes part of the pool: one transaction a reading.
// SPDX-License-Identifier: BSD-2-Clause
//
// The unit owns the truth about its volumes, the station about what is wanted. A volume that a unit
// shows and nobody here knows is taken in, with the hosts that may use it: so a station that lost
// its store, or a new one, never cuts off a running host.
#include "cms/station.h"

#include "base/log.h"
#include "base/mem.h"
#include "cms/found.h"
#include "cms/reading.h"
#include "logic/health.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

// Another engine that has used the unit's UUID is taken to be gone after this much silence.
#define STRANGER_SILENCE_MS 120000

#define FOUND_HOSTS_MAX 10000 // of one unit, whose secrets are not known here
#define ADOPTED_TOLD    16    // volumes taken in that one reading tells of by name

struct observation {
    struct cms *cms;
    struct pool *pool;
    struct unit_link *link;
    const struct reading *r;
    struct pool_unit *unit;    // NULL: it is new
    struct unit_record rec;    // as it will be
    enum unit_state was;       // 0: it is new
    struct access_rule *rules; // those of r, by volume and index
    uint64_t mark;
    struct found found; // in this reading
    struct new_volume *adopted_ones;
    size_t strange_hosts; // found on this unit, now or before, and not completed
    size_t not_adopted;   // volumes
    struct left_out *left_out;
    size_t left_out_count;
    struct changes c;
};

// A volume that is taken in.
struct new_volume {
    struct dv_uuid uuid;
    UT_hash_handle hh;
};

const char observe_stopped[] = "its agent was stopped";

// ---- The unit itself -------------------------------------------------------------------------

static enum unit_state next_state(const struct observation *o)
{
    const struct health_look look = {.answered = true, .oper = o->r->oper};
    enum unit_state state = o->unit ? o->unit->rec.state : UNIT_JOINING;
    uint64_t heard = o->link->stranger_at;
    if (state == UNIT_CONFLICT && (heard == 0 || heard + STRANGER_SILENCE_MS < loop_now_ms()))
        state = UNIT_DOWN;
    unsigned misses = 0;
    return health_next(state, &look, &misses);
}

static void tell_joined(struct observation *o)
{
    uint64_t blocks = 0;
    char size[SIZE_TEXT_ROOM];
    for (size_t i = 0; i < o->r->media_count; i++)
        blocks += o->r->media[i].blocks;
    if (strcmp(o->rec.name, o->r->name) != 0)
        events_add(o->cms, &o->c, EVENT_WARNING, "unit", o->rec.name,
                   "calls itself %s, a name that is taken or not valid: it is called %s here",
                   o->r->name, o->rec.name);
    events_add(o->cms, &o->c, EVENT_INFO, "unit", o->rec.name, "joined at %s: %s on %zu %s, %zu %s",
               o->rec.address,
               blocks ? size_format(blocks * BLOCK_SIZE, size, sizeof(size)) : "nothing",
               o->r->media_count, o->r->media_count == 1 ? "medium" : "media", o->r->shows,
               o->r->shows == 1 ? "volume" : "volumes");
}

static void tell_state(struct observation *o, enum unit_state was)
{
    enum unit_state is = o->rec.state;
    if (is == was)
        return;
    if (is == UNIT_UP)
        events_add_limited(&o->link->told, o->cms, &o->c, EVENT_INFO, "unit", o->rec.name,
                           was == UNIT_DEGRADED ? "is well again" : "is up");
    else if (is == UNIT_STOPPED)
        events_add_limited(&o->link->told, o->cms, &o->c, EVENT_INFO, "unit", o->rec.name,
                           "is being stopped");
}

// Unless it was told what has failed, perhaps by the reading before; that is the reason.
static void tell_degraded(struct observation *o)
{
    if (o->rec.state != UNIT_DEGRADED || o->was == UNIT_DEGRADED || o->link->faults.told ||
        o->link->faults_told || o->r->last_error[0])
        return;
    for (size_t i = 0; i < o->r->portal_count; i++) {
        char text[PORTAL_TEXT_ROOM];
        if (o->r->portals[i].up)
            continue;
        events_add_limited(&o->link->told, o->cms, &o->c, EVENT_WARNING, "unit", o->rec.name,
                           "is degraded: its portal %s is not up",
                           portal_format(&o->r->portals[i], text));
        return;
    }
    events_add_limited(&o->link->told, o->cms, &o->c, EVENT_WARNING, "unit", o->rec.name,
                       "is degraded: it cannot serve all it should (dvsan unit show tells why)");
}

// What is wrong with the unit as a whole. Where volumes have failed because of it, they are told
// of.
static void tell_trouble(struct observation *o)
{
    const char *now = o->r->last_error, *before = o->link->recording;
    if (strcmp(before, now) == 0 || o->link->faults.count > 0 || o->link->faults_told)
        return;
    if (!now[0])
        events_add_limited(&o->link->told, o->cms, &o->c, EVENT_INFO, "unit", o->rec.name,
                           "this is over: %s", before);
    else
        events_add_limited(&o->link->told, o->cms, &o->c, EVENT_ERROR, "unit", o->rec.name,
                           "is not well: %s", now);
}

static void observe_unit(struct observation *o)
{
    const struct reading *r = o->r;
    struct unit_record *rec = &o->rec;
    if (o->unit)
        *rec = o->unit->rec;
    rec->uuid = r->uuid;
    if (!o->unit || (!rec->named && strcmp(rec->name, r->name) != 0)) { // its own may be free now
        char name[NAME_MAX_LEN + 1];
        names_for_unit(o->pool, r->name, &r->uuid, name);
        if (o->unit && strcmp(rec->name, name) != 0)
            events_add_limited(&o->link->told, o->cms, &o->c, EVENT_INFO, "unit", name,
                               "was called %s before", rec->name);
        memcpy(rec->name, name, sizeof(rec->name));
    }
    dv_copy(rec->address, sizeof(rec->address), o->link->address);
    dv_copy(rec->software, sizeof(rec->software), r->software);
    rec->engine_id_len = o->link->engine.len;
    memcpy(rec->engine_id, o->link->engine.b, sizeof(rec->engine_id));
    rec->epoch = r->epoch;
    rec->generation = r->generation;
    rec->state = next_state(o);
    dv_copy(rec->last_error, sizeof(rec->last_error),
            rec->state == UNIT_STOPPED && !r->last_error[0] ? observe_stopped
            : r->last_error[0]                              ? r->last_error
                                                            : r->news_error);
    if (!o->unit)
        rec->accepted = r->lead.word; // all that it holds is taken in
    if (!o->unit)
        tell_joined(o);
    else
        tell_state(o, o->link->state_before ? o->link->state_before : o->unit->rec.state);
    if (!o->unit || memcmp(rec, &o->unit->rec, sizeof(*rec)) != 0) {
        rec->last_seen = time(NULL);
        changes_unit(&o->c, rec);
    }
}

// ---- Volumes -------------------------------------------------------------------------------

static int by_volume(const void *x, const void *y)
{
    const struct access_rule *a = x, *b = y;
    if (a->volume != b->volume)
        return a->volume < b->volume ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static const struct access_rule *rules_of(const struct observation *o, uint32_t volume,
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

static void forget_adopted(struct observation *o)
{
    struct new_volume *n, *next;
    HASH_ITER(hh, o->adopted_ones, n, next)
    {
        HASH_DEL(o->adopted_ones, n);
        free(n);
    }
}

// How many hosts of this unit's volumes were found and are not completed yet.
static void count_strange_hosts(struct observation *o)
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

static void tell_adopted(struct observation *o)
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
// takes its place.
static bool yields(const struct pool_volume *pv, enum volume_state other)
{
    bool failed = pv->actual.state == VOLUME_FAILED;
    if (pv->actual.index == 0)
        return true;
    return other != VOLUME_FAILED && (failed || !health_takes_orders(pv->unit->rec.state));
}

// Whether that was told. Of a row that has failed it is not.
static bool is_left_out(const struct unit_link *link, const struct dv_uuid *uuid)
{
    for (size_t i = 0; i < link->left_out_count; i++)
        if (uuid_equal(&link->left_out[i].uuid, uuid) && link->left_out[i].state != VOLUME_FAILED)
            return true;
    return false;
}

static void leave_out(struct observation *o, const struct volume *v)
{
    *DV_APPEND(o->left_out, o->left_out_count) =
        (struct left_out){.uuid = v->uuid, .state = v->state};
}

bool observe_wants_left_out(const struct unit_link *link)
{
    struct pool *p = link->cms->pool;
    for (size_t i = 0; i < link->left_out_count; i++) {
        const struct left_out *l = &link->left_out[i];
        const struct pool_volume *pv = pool_volume_by_uuid(p, &l->uuid);
        if (pv ? yields(pv, l->state) : HASH_COUNT(p->hosts) != link->left_out_hosts || l->known)
            return true;
    }
    return false;
}

// Those of a whole reading, which may come part by part, are all there are: those known before it
// go with its last part. Of very many some are not remembered.
static void note_left_out(struct observation *o)
{
    enum { REMEMBERED = 4096 };
    struct unit_link *link = o->link;
    size_t before = link->reading->whole ? link->left_out_before : 0;
    for (size_t i = 0; i < o->left_out_count; i++) {
        struct left_out *l = &o->left_out[i];
        size_t k = before;
        l->known = pool_volume_by_uuid(o->pool, &l->uuid) != NULL;
        while (k < link->left_out_count && !uuid_equal(&link->left_out[k].uuid, &l->uuid))
            k++;
        if (k < link->left_out_count)
            link->left_out[k] = *l;
        else if (k - before < REMEMBERED)
            *DV_APPEND(link->left_out, link->left_out_count) = *l;
    }
    if (o->r->whole && before > 0) {
        link->left_out_count -= before;
        memmove(link->left_out, link->left_out + before,
                link->left_out_count * sizeof(*link->left_out));
        link->left_out_before = 0;
    }
    link->left_out_hosts = HASH_COUNT(o->pool->hosts);
}

// Another unit has the volume. False when this one shows the worse of two: a copy beside a good
// one, or the row that a medium left behind when it was moved elsewhere.
static bool move_volume(struct observation *o, struct pool_volume *pv, const struct volume *v)
{
    if (v->state == VOLUME_FAILED && pv->actual.index != 0)
        return false;
    if (!yields(pv, v->state)) {
        if (!is_left_out(o->link, &v->uuid))
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

static void observe_volume(struct observation *o, const struct volume *v)
{
    size_t count;
    const struct access_rule *rules = rules_of(o, v->index, &count);
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
            leave_out(o, v);
        return;
    }
    if (pv->unit != o->unit && !move_volume(o, pv, v)) {
        leave_out(o, v);
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

static void observe_absence(struct observation *o)
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

// A walk brings them sorted.
static void sort_rules(struct access_rule *rules, size_t count)
{
    size_t i = 1;
    while (i < count && by_volume(&rules[i - 1], &rules[i]) <= 0)
        i++;
    if (i < count)
        qsort(rules, count, sizeof(*rules), by_volume);
}

static void observe_tables(struct observation *o)
{
    static uint64_t readings; // tells one reading's marks from another's
    const struct reading *r = o->r;
    const struct dv_uuid *unit = &o->rec.uuid;
    o->mark = ++readings;
    if (r->has_media)
        faults_tell_media(o->cms, &o->c, o->rec.name, o->unit, r->media, r->media_count,
                          &o->link->faults);
    if (r->has_media)
        changes_media(&o->c, unit, r->media, r->media_count);
    if (r->has_media)
        changes_free_extents(&o->c, unit, r->free_extents, r->free_count);
    if (r->has_portals && o->unit)
        moves_tell(o->cms, &o->c, o->unit, r);
    if (r->has_portals)
        changes_portals(&o->c, unit, r->portals, r->portal_count);
    o->rules = r->rules;
    sort_rules(o->rules, r->rule_count);
    count_strange_hosts(o);
    for (size_t i = 0; i < r->volume_count; i++)
        observe_volume(o, &r->volumes[i]);
    if (r->part)
        return;
    tell_adopted(o);
    if (o->unit)
        faults_tell_volumes(o->cms, &o->c, o->rec.name, &o->link->faults);
    observe_absence(o);
}

static void take_progress(const struct observation *o)
{
    for (size_t i = 0; i < o->r->progress_count; i++) {
        struct pool_volume *pv = pool_volume_by_index(o->unit, o->r->progress[i].volume);
        if (pv)
            pv->actual.progress = o->r->progress[i].percent;
    }
}

static void joined(struct observation *o)
{
    struct cms *cms = o->cms;
    const struct user_config *user = &cms->config->snmp.notify;
    const struct sn_user notify = {user->name, user->auth_pass, user->priv_pass};
    struct dv_err err;
    dv_copy(o->link->name, sizeof(o->link->name), o->rec.name);
    if (!o->r->part) {
        dv_copy(o->link->recording, sizeof(o->link->recording), o->r->last_error);
        o->link->faults_told =
            o->link->faults.told || (o->link->faults_told && o->rec.state != UNIT_UP);
        o->link->state_before = 0;
    }
    if (!o->unit) {
        o->unit = link_unit(o->link);
        o->unit->link = o->link;
        o->link->stranger = false;
        cms->strangers--;
    }
    if (o->link->accepted)
        return;
    o->link->accepted = true;
    if (sn_listener_accept_engine(cms->listener, &o->link->engine, &notify, &err) < 0)
        log_warning("join", "traps of %s will not be taken: %s", o->rec.name, err.text);
}

bool observe_reading(struct unit_link *link, const struct reading *r)
{
    struct observation o = {
        .cms = link->cms,
        .pool = link->cms->pool,
        .found = {.pool = link->cms->pool},
        .link = link,
        .r = r,
        .unit = link_unit(link),
    };
    observe_unit(&o);
    o.was = link->state_before ? link->state_before : o.unit ? o.unit->rec.state : 0;
    if (r->tables)
        observe_tables(&o);
    if (!r->part) {
        tell_trouble(&o);
        tell_degraded(&o);
    }
    bool good = cms_apply_or_log(o.cms, &o.c);
    changes_free(&o.c);
    found_free(&o.found);
    forget_adopted(&o);
    if (good && r->tables)
        note_left_out(&o);
    free(o.left_out);
    if (!good)
        return false;
    joined(&o);
    o.unit->rec.last_seen = time(NULL);
    take_progress(&o);
    return true;
}

// ---- Long readings ---------------------------------------------------------------------------

// What a turn of the loop has time for: some milliseconds.
#define PART_VOLUMES 100
#define PART_RULES   500

// Where the part that begins at a volume ends.
static size_t part_end(const struct reading *r, size_t at)
{
    struct observation o = {.r = r, .rules = r->rules};
    size_t end = at, rules = 0;
    while (end < r->volume_count && end - at < PART_VOLUMES && rules < PART_RULES) {
        size_t count;
        (void)rules_of(&o, r->volumes[end++].index, &count);
        rules += count;
    }
    return end;
}

bool observe_part(struct unit_link *link)
{
    struct reading *r = link->reading;
    const struct pool_unit *unit = link_unit(link);
    if (link->parts_at == 0) {
        link->adopted = link->found = 0;
        link->faults = (struct faults){0};
        link->left_out_before = link->left_out_count;
        r->shows = r->volume_count;
        sort_rules(r->rules, r->rule_count);
    }
    size_t at = link->parts_at, end = part_end(r, at);
    if (end == r->volume_count)
        return false; // few are left
    struct reading part = *r;
    part.part = true;
    part.whole = false;
    part.volumes = r->volumes + at;
    part.volume_count = end - at;
    part.gone_count = part.progress_count = 0;
    part.epoch = unit ? unit->rec.epoch : 0;
    part.generation = unit ? unit->rec.generation : 0;
    if (!unit || unit->rec.state == UNIT_JOINING)
        part.oper = MEMBER_STARTING; // nothing is asked of it before all is known
    // A new one's media come first, as volumes name them; else they are told of at the end.
    part.has_media = part.has_portals = !unit;
    link->parts_at = end;
    return observe_reading(link, &part);
}

// ---- Silence and leaving ---------------------------------------------------------------------

void observe_state(struct cms *cms, struct pool_unit *unit, enum unit_state state, const char *why)
{
    if (unit->rec.state == state)
        return;
    struct changes c = {0};
    struct unit_record rec = unit->rec;
    rec.state = state;
    dv_copy(rec.last_error, sizeof(rec.last_error), why);
    changes_unit(&c, &rec);
    if (state == UNIT_DOWN)
        events_add(cms, &c, EVENT_ERROR, "unit", rec.name, "is down: %s", why);
    else if (state == UNIT_STOPPED)
        events_add(cms, &c, EVENT_INFO, "unit", rec.name, "is being stopped");
    else if (state == UNIT_CONFLICT)
        events_add(cms, &c, EVENT_ERROR, "unit", rec.name,
                   "%s: nothing is changed on the unit until one of the two is gone", why);
    cms_apply_or_log(cms, &c);
    changes_free(&c);
}

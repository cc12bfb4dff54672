// What was read from a unit becomes part of the pool: a transaction for each part of a reading.
// SPDX-License-Identifier: BSD-2-Clause
//
// The unit owns the truth about its volumes, the station about what is wanted. A volume that a unit
// shows and nobody here knows is taken in, with the hosts that may use it: so a station that lost
// its store, or a new one, never cuts off a running host.
#include "cms/unit/observe.h"

#include "base/log.h"
#include "base/mem.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/member/facet.h"
#include "cms/member/link.h"
#include "cms/member/reading.h"
#include "cms/member/silence.h"
#include "cms/pool/names.h"
#include "cms/pool/pool.h"
#include "cms/unit/faults.h"
#include "cms/unit/found.h"
#include "cms/unit/left_out.h"
#include "cms/unit/portals.h"
#include "logic/health.h"
#include "logic/room.h"
#include "model/kind.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Another engine that has used the unit's UUID is taken to be gone after this much silence.
#define STRANGER_SILENCE_MS 120000

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
    if (strcmp(o->rec.name, o->r->name) != 0 && !o->rec.named)
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
    // What was before the station's restart holds for all parts: once.
    if (is == was || (o->link->state_before && o->r->part != READING_REST))
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

// A unit that was enrolled is in the pool before it is heard of.
static bool is_new(const struct pool_unit *unit)
{
    return !unit || unit->rec.last_seen == 0;
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
            rec->state == UNIT_STOPPED && !r->last_error[0] ? silence_stopped
            : r->last_error[0]                              ? r->last_error
                                                            : r->news_error);
    bool first = is_new(o->unit);
    if (!o->unit)
        rec->trust = TRUST_SHARED;
    if (first)
        rec->accepted = r->lead.word; // all that it holds is taken in
    if (first)
        tell_joined(o);
    else
        tell_state(o, o->link->state_before ? o->link->state_before : o->unit->rec.state);
    if (!o->unit || !kind_records_equal(&kind_unit, rec, &o->unit->rec)) {
        rec->last_seen = time(NULL);
        changes_unit(&o->c, rec);
    }
}

#define PART_ROOM 300 // free extents that are written at once

// What became of the free extents goes to the changes, unless NULL, as far as there is time for.
// False when that is not all.
static bool observe_room(const struct observation *o, struct changes *c)
{
    const struct reading *r = o->r;
    struct room_list was = {NULL, 0}, is = {r->free_extents, r->free_count};
    struct room_change next = {.rows = 0};
    size_t rows = 0;
    if (o->unit)
        was = (struct room_list){o->unit->free_extents, o->unit->free_count};
    while (rows < PART_ROOM && room_next(was, is, PART_ROOM - rows, &next)) {
        rows += next.rows;
        if (c)
            changes_free_extents(c, &r->uuid, next.from, next.to, is.items + next.first,
                                 next.count);
    }
    return rows < PART_ROOM;
}

static void observe_tables(struct observation *o)
{
    const struct reading *r = o->r;
    const struct dv_uuid *unit = &o->rec.uuid;
    if (r->has_media && o->link->reading->oper == MEMBER_STARTING)
        faults_keep_media(o->unit, r->media, r->media_count);
    if (r->has_media)
        faults_tell_media(o->cms, &o->c, o->rec.name, o->unit, r->media, r->media_count,
                          &o->link->faults);
    if (r->has_media)
        changes_media(&o->c, unit, r->media, r->media_count);
    if (r->part == READING_SOME_ROOM || (r->has_media && r->part == READING_REST))
        observe_room(o, &o->c);
    if (r->has_portals)
        portals_observe(o);
    if (r->part == READING_SOME_HOSTS)
        observe_hosts(o, r->volumes);
    else
        for (size_t i = r->part == READING_REST ? o->link->parts_at : 0; i < r->volume_count; i++)
            observe_volume(o, &r->volumes[i]);
    if (r->part == READING_SOME_GONE || r->part == READING_REST)
        observe_absence(o);
    if (r->part != READING_REST)
        return;
    observe_tell(o);
    bool some = o->link->faults.count > 0 || o->link->faults.healed > 0;
    if (o->unit && some && observe_may_tell(o))
        faults_tell_volumes(o->cms, &o->c, o->rec.name, &o->link->faults);
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
    const struct sn_user notify = {
        .name = user->name, .auth_pass = user->auth_pass, .priv_pass = user->priv_pass};
    struct dv_err err;
    if (o->r->part == READING_REST) {
        dv_copy(o->link->recording, sizeof(o->link->recording), o->r->last_error);
        o->link->faults_told =
            o->link->faults.told || (o->link->faults_told && o->rec.state != UNIT_UP);
        o->link->state_before = 0;
    }
    o->link->taken_in_part = o->r->part != READING_REST;
    if (o->link->accepted || !user->name[0]) // without it members notify under their own users
        return;
    o->link->accepted = true;
    if (sn_listener_accept_engine(cms->listener, &o->link->engine, &notify, &err) < 0)
        log_warning("join", "traps of %s will not be taken: %s", o->rec.name, err.text);
}

void observe_forget(struct unit_link *link)
{
    struct observation *o = link->observation;
    link->observation = NULL;
    if (!o)
        return;
    observe_end_adopted(o, false);
    changes_free(&o->c);
    found_free(&o->found);
    free(o->left_out);
    free(o);
}

// The changes are in the pool.
static void finish(struct observation *o)
{
    struct unit_link *link = o->link;
    link->left_out_hosts += o->pool->host_changes - o->host_changes; // its own make no difference
    o->unit = link_unit(link);
    observe_end_adopted(o, true);
    if (o->r->tables)
        left_out_note(o);
    joined(o);
    o->unit->rec.last_seen = time(NULL);
    take_progress(o);
}

struct written_part {
    struct conclusion of;
    facet_taken_fn *done;
};

static void written(void *owner, const void *arg, const struct dv_err *err)
{
    const struct written_part *part = arg;
    struct unit_link *link = link_concluding(owner, &part->of);
    if (!link)
        return;
    bool rest = link->observation->r->part == READING_REST;
    if (!err)
        finish(link->observation);
    observe_forget(link);
    part->done(link, !err, rest);
}

static void observe_reading(struct unit_link *link, const struct reading *r, facet_taken_fn *done)
{
    struct observation *o = link->observation = dv_calloc(1, sizeof(*o));
    *o = (struct observation){
        .cms = link->cms,
        .pool = link->cms->pool,
        .found = {.pool = link->cms->pool, .names = &link->names},
        .link = link,
        .part = *r,
        .rules = r->rules,
        .unit = link_unit(link),
        .host_changes = link->cms->pool->host_changes,
    };
    o->r = &o->part;
    observe_unit(o);
    o->was = link->state_before ? link->state_before : o->unit ? o->unit->rec.state : 0;
    if (r->tables)
        observe_tables(o);
    if (r->part == READING_REST) {
        tell_trouble(o);
        tell_degraded(o);
    }
    const struct written_part this = {{link->uuid, link->concluding}, done};
    ledger_commit_then(o->cms->ledger, &o->c, LEDGER_SEEN, written, &this, sizeof(this));
}

// ---- Part by part ----------------------------------------------------------------------------

// What is written at once: a volume is some rows, and so is a rule with its host.
#define PART_ROWS   180
#define VOLUME_ROWS 3
#define RULE_ROWS   3

size_t observe_part_end(const struct reading *r, size_t at)
{
    const struct observation o = {.r = r, .rules = r->rules};
    size_t end = at, rows = 0, count;
    for (; end < r->volume_count; end++) {
        (void)observe_rules_of(&o, r->volumes[end].index, &count);
        rows += VOLUME_ROWS + RULE_ROWS * count;
        if (rows > PART_ROWS && end > at)
            break;
    }
    return end;
}

void observe_begin(struct unit_link *link)
{
    static uint64_t readings; // tells one reading's marks from another's
    struct reading *r = link->reading;
    link->mark = ++readings;
    link->parts_at = link->gone_at = 0;
    link->gone_from = (struct dv_uuid){0};
    link->spare_index = INDEX_MAX;
    link->adopted = link->found = link->full = link->crowded = 0;
    link->vanished = link->moved = link->doubled = link->resized = link->foreign = 0;
    link->tells = TELLS_UNDECIDED;
    names_free(&link->names);
    link->faults = (struct faults){0};
    r->shows = r->volume_count;
    observe_sort_rules(r->rules, r->rule_count);
    link->strange_hosts = SIZE_MAX; // not counted yet
    if (r->whole)
        link->left_out_hosts = link->cms->pool->host_changes;
}

// What there is time for behind the volumes before the place.
static enum reading_part next_part(const struct unit_link *link, size_t *end)
{
    const struct reading *r = link->reading;
    struct pool *pool = link->cms->pool;
    const struct observation o = {.link = (struct unit_link *)link,
                                  .pool = pool,
                                  .found = {.pool = pool},
                                  .r = r,
                                  .rules = r->rules,
                                  .unit = link_unit(link)};
    *end = link->parts_at;
    if (*end < r->volume_count && observe_wants_hosts(&o, &r->volumes[*end]))
        return READING_SOME_HOSTS;
    *end = observe_part_end(r, *end);
    size_t volumes = *end - link->parts_at;
    bool much_is_gone = *end < r->volume_count || observe_much_is_gone(&o, volumes);
    bool much_room = r->has_media && !observe_room(&o, NULL);
    if (!much_is_gone && !much_room)
        return READING_REST;
    return volumes > 0    ? READING_SOME_VOLUMES
           : much_is_gone ? READING_SOME_GONE
                          : READING_SOME_ROOM;
}

bool observe_is_at_last(const struct unit_link *link)
{
    size_t end;
    return next_part(link, &end) == READING_REST;
}

void observe_part(struct unit_link *link, facet_taken_fn *done)
{
    const struct pool_unit *unit = link_unit(link);
    size_t end, at = link->parts_at;
    enum reading_part what = next_part(link, &end);
    if (what == READING_REST) {
        observe_reading(link, link->reading, done);
        return;
    }
    struct reading part = *link->reading;
    part.part = what;
    part.whole = false;
    part.volumes += at;
    part.volume_count = what == READING_SOME_HOSTS ? 1 : end - at;
    part.progress_count = 0;
    part.epoch = unit ? unit->rec.epoch : 0;
    part.generation = unit ? unit->rec.generation : 0;
    if (!unit || unit->rec.state == UNIT_JOINING)
        part.oper = MEMBER_STARTING; // nothing is asked of it before all is known
    // A new one's media come first, as volumes name them; else they are told of at the end.
    part.has_media = part.has_portals = is_new(unit);
    observe_reading(link, &part, done);
    link->parts_at = end;
}

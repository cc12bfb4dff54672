// Reading tables by several walks at once.
// SPDX-License-Identifier: BSD-2-Clause
//
// An absence is believed only when the agent itself told it: every answer of a walk carries the
// agent's epoch, and behind the walks the unit is asked once more what it is and how much it has.
#include "cms/member/fetch.h"

#include "base/log.h"
#include "base/mem.h"
#include "cms/member/reading.h"
#include "dvsan_oids.h"
#include "loop/loop.h"
#include "model/check.h"
#include <stdio.h>
#include <string.h>

// Above what a unit can hold: a unit that shows more is broken, and must not fill our memory. Rows
// that do not follow the MIB count, too.
#define VOLUMES_MAX 16384
#define RULES_MAX   65536
#define MEDIA_MAX   256
#define PORTALS_MAX 512

static const struct {
    const char *name;
    size_t max;
} tables[] = {
    [READING_MEDIA] = {"media", MEDIA_MAX},
    [READING_FREE] = {"free extents", VOLUMES_MAX + MEDIA_MAX}, // behind each volume, and a first
    [READING_PORTALS] = {"portals", PORTALS_MAX},
    [READING_VOLUMES] = {"volumes", VOLUMES_MAX},
    [READING_RULES] = {"access rules", RULES_MAX},
};

#define ONE_BY_ONE 16 // with more changed volumes than this, all tables are read
// All may take this many times the time-out of one request. 10,000 volumes are 1,000 requests,
// which are answered within milliseconds. Each answer to a walk completes a row, so rows tell the
// time.
#define FETCH_TIMEOUTS 300

struct one { // a volume whose rules come
    struct fetch *f;
    uint32_t index;
    size_t rules;
};

struct fetch {
    struct sn_peer *peer;
    struct sn_timing timing;
    struct reading *r;
    uint32_t since;
    fetch_done_fn *done;
    void *arg;
    unsigned open; // requests under way
    char why[LAST_ERROR_ROOM];
    bool failed;
    bool excessive;                // what it shows has no end
    uint64_t started;              // loop_now_ms
    bool too_much;                 // changes, or one that cannot be read: all is read instead
    uint32_t newest;               // of the changes that came
    size_t changes;                // that came
    bool asked_again;              // what it is
    size_t rows[DV_COUNT(tables)]; // that came, with those that follow no MIB
    struct sn_proof proof;
    bool media_changed, portals_changed;
    struct one of_all;              // in a walk of all rules
    struct one changed[ONE_BY_ONE]; // those that are read by themselves
    size_t changed_count;
};

static const char not_running[] = "its agent is not running, or has started again";

static void fail(struct fetch *f, const char *why)
{
    if (f->failed)
        return;
    f->failed = true;
    dv_copy(f->why, sizeof(f->why), why);
}

static void ask_again(struct fetch *f);

static void close_one(struct fetch *f)
{
    if (--f->open > 0)
        return;
    if (f->failed || f->asked_again)
        f->done(f->arg, f->failed ? f->why : NULL);
    else
        ask_again(f);
}

// The end of a request: false when the fetch is being taken down and must not be touched.
static bool ended(struct fetch *f, const struct sn_result *result)
{
    if (result->code == DV_CANCELLED)
        return false;
    if (result->code != DV_OK)
        fail(f, result->text);
    return true;
}

static void walked(void *arg, const struct sn_result *result)
{
    struct fetch *f = arg;
    if (ended(f, result))
        close_one(f);
}

// False when rows come for too long.
static bool has_time(struct fetch *f)
{
    if (loop_now_ms() - f->started < (uint64_t)f->timing.timeout_ms * FETCH_TIMEOUTS)
        return true;
    fail(f, "it takes too long to show its tables");
    f->excessive = true;
    return false;
}

// Counts a row that came. False when there are more than there can be.
static bool has_room(struct fetch *f, enum reading_table table)
{
    char why[LAST_ERROR_ROOM];
    if (!has_time(f))
        return false;
    if (++f->rows[table] <= tables[table].max)
        return true;
    snprintf(why, sizeof(why), "it shows more %s than the %zu that a unit can have",
             tables[table].name, tables[table].max);
    fail(f, why);
    f->excessive = true;
    return false;
}

// A row that does not follow the MIB is there all the same: nothing is known of it.
static bool skip(const struct fetch *f, enum reading_table table, const uint32_t *index, size_t len)
{
    static struct log_limit limit;
    uint32_t first = len > 0 ? index[0] : 0, second = len > 1 ? index[1] : 0;
    log_limited(&limit, LOG_LEVEL_WARNING, "fetch",
                "%s: a row of its table of %s, index %u.%u, does not follow the MIB", f->r->name,
                tables[table].name, first, second);
    *DV_APPEND(f->r->unread, f->r->unread_count) = (struct reading_unread){table, {first, second}};
    return true;
}

// A table whose rows go to a list of the reading.
#define ROW(name, table, type, list, count)                                                        \
    static bool name##_row(void *arg, const uint32_t *index, size_t len, const struct sn_value *v) \
    {                                                                                              \
        struct fetch *f = arg;                                                                     \
        type row;                                                                                  \
        if (!has_room(f, table))                                                                   \
            return false;                                                                          \
        if (!reading_##name(index, len, v, &row))                                                  \
            return skip(f, table, index, len);                                                     \
        *DV_APPEND(f->r->list, f->r->count) = row;                                                 \
        return true;                                                                               \
    }

ROW(medium, READING_MEDIA, struct medium, media, media_count)
ROW(free_extent, READING_FREE, struct free_extent, free_extents, free_count)
ROW(portal, READING_PORTALS, struct portal, portals, portal_count)

// What goes by another target's name would lead hosts there.
static bool volume_row(void *arg, const uint32_t *index, size_t len, const struct sn_value *v)
{
    struct fetch *f = arg;
    struct volume row;
    if (!has_room(f, READING_VOLUMES))
        return false;
    if (!reading_volume(index, len, v, &row))
        return skip(f, READING_VOLUMES, index, len);
    if (!volume_has_own_target(&row)) {
        if (f->r->foreign_targets++ == 0)
            dv_copy(f->r->foreign_target, sizeof(f->r->foreign_target), row.iqn);
        return skip(f, READING_VOLUMES, index, len);
    }
    *DV_APPEND(f->r->volumes, f->r->volume_count) = row;
    return true;
}

// Of a volume with more rules than one can have nobody needs to know them all.
static bool take_rule(struct one *one, const uint32_t *index, size_t len, const struct sn_value *v)
{
    struct fetch *f = one->f;
    struct access_rule row;
    if (!has_room(f, READING_RULES))
        return false;
    if (!reading_rule(index, len, v, &row))
        return skip(f, READING_RULES, index, len);
    if (++one->rules > READING_RULES_A_VOLUME + 1)
        *DV_APPEND(f->r->unread, f->r->unread_count) =
            (struct reading_unread){READING_RULES, {row.volume, row.index}};
    else
        *DV_APPEND(f->r->rules, f->r->rule_count) = row;
    return true;
}

static bool rule_row(void *arg, const uint32_t *index, size_t len, const struct sn_value *v)
{
    struct fetch *f = arg;
    if (len > 0 && index[0] != f->of_all.index)
        f->of_all = (struct one){.f = f, .index = index[0]};
    return take_rule(&f->of_all, index, len, v);
}

static void walk(struct fetch *f, enum reading_table table, sn_row_fn *row)
{
    struct sn_oid oids[READING_COLUMNS_MAX];
    size_t n = reading_columns(table, oids);
    f->open++;
    sn_walk(f->peer, oids, n, NULL, 0, &f->proof, f->timing, row, walked, f);
}

static void read_media(struct fetch *f)
{
    f->r->has_media = true;
    walk(f, READING_MEDIA, medium_row);
    walk(f, READING_FREE, free_extent_row);
}

static void read_portals(struct fetch *f)
{
    f->r->has_portals = true;
    walk(f, READING_PORTALS, portal_row);
}

static void read_everything(struct fetch *f)
{
    f->r->whole = true;
    read_media(f);
    read_portals(f);
    walk(f, READING_VOLUMES, volume_row);
    walk(f, READING_RULES, rule_row);
}

// ---- What has changed ------------------------------------------------------------------------

static bool one_rule_row(void *arg, const uint32_t *index, size_t len, const struct sn_value *v)
{
    struct one *one = arg;
    return len == 2 && index[0] == one->index && take_rule(one, index, len, v);
}

static void one_walked(void *arg, const struct sn_result *result)
{
    walked(((struct one *)arg)->f, result);
}

static void one_read(void *arg, const struct sn_result *result)
{
    struct one *one = arg;
    struct fetch *f = one->f;
    if (!ended(f, result))
        return;
    struct sn_oid oids[READING_COLUMNS_MAX];
    size_t n = reading_columns(READING_VOLUMES, oids);
    struct sn_value values[READING_COLUMNS_MAX];
    for (size_t i = 0; i < n && i < result->count; i++)
        values[i] = result->vars[i].value;
    if (result->code == DV_OK && result->count < n)
        fail(f, "its answer is too short");
    else if (result->code == DV_OK && values[0].type == SN_NO_INSTANCE) // deleted since
        *DV_APPEND(f->r->gone, f->r->gone_count) = one->index;
    else if (result->code == DV_OK && sn_is_exception(&values[0]))
        fail(f, not_running);
    else if (result->code == DV_OK)
        volume_row(f, &one->index, 1, values);
    close_one(f);
}

static void read_volume(struct fetch *f, struct one *one)
{
    struct sn_oid oids[READING_COLUMNS_MAX];
    size_t n = reading_columns(READING_VOLUMES, oids);
    for (size_t i = 0; i < n; i++)
        oids[i] = sn_oid_append(&oids[i], one->index);
    f->open++;
    sn_get(f->peer, oids, n, f->timing, one_read, one);
    n = reading_columns(READING_RULES, oids);
    f->open++;
    sn_walk(f->peer, oids, n, &one->index, 1, &f->proof, f->timing, one_rule_row, one_walked, one);
}

// A thing that changes while the changes are walked moves to their end, and is met once more there.
static bool is_named(const struct fetch *f, uint32_t volume)
{
    for (size_t i = 0; i < f->changed_count; i++)
        if (f->changed[i].index == volume)
            return true;
    return false;
}

static bool change_row(void *arg, const uint32_t *index, size_t len, const struct sn_value *v)
{
    struct fetch *f = arg;
    struct reading_change row;
    if (!has_time(f))
        return false;
    if (!reading_change(index, len, v, &row) || ++f->changes > tables[READING_FREE].max) {
        f->too_much = true;
        return false;
    }
    f->newest = row.generation;
    switch (row.kind) {
    case dvsanChangeKind_medium:
        f->media_changed = true;
        break;
    case dvsanChangeKind_portal:
        f->portals_changed = true;
        break;
    case dvsanChangeKind_volume:
        if (is_named(f, row.index))
            break;
        if (f->changed_count == ONE_BY_ONE) {
            f->too_much = true;
            return false;
        }
        f->changed[f->changed_count++] = (struct one){.f = f, .index = row.index};
        break;
    case dvsanChangeKind_volumeDeleted:
        if (f->r->gone_count == VOLUMES_MAX) {
            f->too_much = true;
            return false;
        }
        *DV_APPEND(f->r->gone, f->r->gone_count) = row.index;
        break;
    }
    return true;
}

// Each generation is of a change that is there: without the newest one not all of them came.
static void changes_read(void *arg, const struct sn_result *result)
{
    struct fetch *f = arg;
    if (!ended(f, result))
        return;
    if ((f->too_much || f->newest < f->r->generation) && !f->failed) {
        f->r->gone_count = 0;
        read_everything(f);
    } else if (!f->failed) {
        if (f->media_changed)
            read_media(f);
        if (f->portals_changed)
            read_portals(f);
        for (size_t i = 0; i < f->changed_count; i++)
            read_volume(f, &f->changed[i]);
    }
    close_one(f);
}

static void read_changes(struct fetch *f)
{
    struct sn_oid oids[READING_COLUMNS_MAX];
    size_t n = reading_change_columns(oids);
    f->open++;
    sn_walk(f->peer, oids, n, &f->since, 1, &f->proof, f->timing, change_row, changes_read, f);
}

// ---- What it says behind the walks -----------------------------------------------------------

// Whether the unit had more rows than came, while nothing changed.
static bool is_cut_short(const struct fetch *f, const struct reading_tail *now)
{
    return f->r->whole && now->generation == f->r->generation &&
           (now->volumes != f->rows[READING_VOLUMES] || now->media != f->rows[READING_MEDIA]);
}

static void asked_again(void *arg, const struct sn_result *result)
{
    struct fetch *f = arg;
    struct reading_tail now;
    if (!ended(f, result))
        return;
    if (result->code == DV_OK && !reading_tail(result, &now))
        fail(f, not_running);
    else if (result->code == DV_OK &&
             (now.epoch != f->r->epoch || now.generation < f->r->generation))
        fail(f, "it has started again while its tables were read");
    else if (result->code == DV_OK && is_cut_short(f, &now))
        fail(f, "its tables have not as many rows as it says");
    close_one(f);
}

static void ask_again(struct fetch *f)
{
    struct sn_oid oids[READING_TAIL_MAX];
    size_t n = reading_tail_oids(oids);
    f->asked_again = true;
    f->open++;
    sn_get(f->peer, oids, n, f->timing, asked_again, f);
}

struct fetch *fetch_new(struct sn_peer *peer, struct sn_timing timing, struct reading *r,
                        uint32_t since, fetch_done_fn *done, void *arg)
{
    struct fetch *f = dv_calloc(1, sizeof(*f));
    f->peer = peer;
    f->timing = timing;
    f->started = loop_now_ms();
    f->r = r;
    f->since = since;
    f->done = done;
    f->arg = arg;
    f->of_all.f = f;
    f->proof = (struct sn_proof){OID_dvsanMemberEpoch, r->epoch};
    r->tables = true;
    if (since == 0)
        read_everything(f);
    else
        read_changes(f);
    return f;
}

bool fetch_is_excessive(const struct fetch *f)
{
    return f->excessive;
}

void fetch_free(struct fetch *f)
{
    free(f);
}

// Reading everything back, as the list of changes that would make it.
// SPDX-License-Identifier: BSD-2-Clause
#include "store/store_internal.h"

#include "base/address.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/check.h"
#include <string.h>

#define TIME_MAX_S (INT64_MAX / 1000) // so that milliseconds can be counted
#define ID_MAX     (INT64_MAX / 2)    // more can follow
#define SEALED_MIN 40                 // a nonce and a tag, see cms/seal.c

// A row that is being read. What is in the file was written by this program, or was changed by
// somebody, or a disk: so each value is judged as if it came from outside.
struct row {
    struct store *s;
    struct db_stmt *st;
    const char *table;
    const char *bad; // the first column with a value that cannot be; NULL: none
};

// column may be NULL: then there is nothing to blame.
static void blame(struct row *r, const char *column)
{
    if (!r->bad)
        r->bad = column;
}

// Whether all that was read of the row is good; else the sentence that other damage has.
static int judge(const struct row *r, struct dv_err *err)
{
    return r->bad ? db_damaged(r->s->db, err, "%s of a row of %s cannot be what it is", r->bad,
                               r->table)
                  : 0;
}

static int64_t num(struct row *r, int column, const char *name, int64_t min, int64_t max)
{
    int64_t value = db_int(r->st, column);
    if (db_kind(r->st, column) == DB_INT && value >= min && value <= max)
        return value;
    blame(r, name);
    return min;
}

static bool flag(struct row *r, int column, const char *name)
{
    return num(r, column, name, 0, 1) == 1;
}

static uint32_t u32(struct row *r, int column, const char *name)
{
    return (uint32_t)num(r, column, name, 0, UINT32_MAX);
}

static uint32_t index_of(struct row *r, int column, const char *name)
{
    return (uint32_t)num(r, column, name, 1, INDEX_MAX);
}

// Whether they can be is asked of the whole row, by model/check.h.
static uint64_t blocks_of(struct row *r, int column, const char *name)
{
    return (uint64_t)num(r, column, name, 0, INT64_MAX);
}

static int label_of(struct row *r, int column, const char *name)
{
    return (int)num(r, column, name, 1, INT32_MAX);
}

static struct dv_uuid uuid_of(struct row *r, int column, const char *name, bool optional)
{
    struct dv_uuid u = {0};
    size_t len = 0;
    const void *data = db_blob(r->st, column, &len);
    if (optional && db_kind(r->st, column) == DB_NULL)
        return u;
    if (db_kind(r->st, column) == DB_BLOB && data && len == sizeof(u.b))
        memcpy(u.b, data, len);
    if (uuid_is_zero(&u))
        blame(r, name);
    return u;
}

static uint8_t bytes_of(struct row *r, int column, const char *name, bool optional, uint8_t *out,
                        size_t min, size_t max)
{
    size_t len = 0;
    const void *data = db_blob(r->st, column, &len);
    if (optional && db_kind(r->st, column) == DB_NULL)
        return 0;
    if (db_kind(r->st, column) != DB_BLOB || !data || len < min || len > max) {
        blame(r, name);
        return 0;
    }
    memcpy(out, data, len);
    return (uint8_t)len;
}

// Free text: what a log and JSON can take.
static void text_of(struct row *r, int column, const char *name, char *out, size_t room)
{
    const char *text = db_text(r->st, column);
    out[0] = '\0';
    if (db_kind(r->st, column) != DB_TEXT || !text || !dv_copy(out, room, text))
        blame(r, name);
    text_make_printable(out);
}

#define TEXT(r, column, name, field) text_of(r, column, name, field, sizeof(field))

static void name_of(struct row *r, int column, const char *name, char out[NAME_MAX_LEN + 1])
{
    text_of(r, column, name, out, NAME_MAX_LEN + 1);
    if (new_name_check("thing", out, NULL) < 0)
        blame(r, name);
}

static void iqn_of(struct row *r, int column, const char *name, char out[IQN_MAX_LEN + 1])
{
    text_of(r, column, name, out, IQN_MAX_LEN + 1);
    if (iqn_check(out, NULL) < 0)
        blame(r, name);
}

static void user_of(struct row *r, int column, const char *name, char out[CHAP_USER_MAX + 1])
{
    text_of(r, column, name, out, CHAP_USER_MAX + 1);
    if (chap_user_check(out, NULL) < 0)
        blame(r, name);
}

// Each reads its rows, and ends early at one that cannot be.
#define ROWS(statement, name)                                                                      \
    struct row row = {.s = s, .st = s->stmt[statement], .table = (name)};                          \
    int rc

static int give_up(struct row *r)
{
    db_reset(r->st);
    return -1;
}

static int load_units(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_UNITS, "unit");
    while ((rc = db_step(row.st, err)) == 1) {
        struct unit_record u = {.uuid = uuid_of(&row, 0, "uuid", false)};
        name_of(&row, 1, "name", u.name);
        TEXT(&row, 2, "address", u.address);
        if (transport_check(u.address, ADDRESS_OF_HOST, NULL) < 0)
            blame(&row, "address");
        u.engine_id_len =
            bytes_of(&row, 3, "engine_id", false, u.engine_id, 5, sizeof(u.engine_id));
        TEXT(&row, 4, "software", u.software);
        u.epoch = u32(&row, 5, "epoch");
        u.generation = u32(&row, 6, "generation");
        u.state = (enum unit_state)num(&row, 7, "state", UNIT_JOINING, UNIT_CONFLICT);
        u.last_seen = num(&row, 8, "last_seen", 0, TIME_MAX_S);
        TEXT(&row, 9, "last_error", u.last_error);
        u.last_index = (uint32_t)num(&row, 10, "last_index", 0, INDEX_MAX);
        u.accepted.station = uuid_of(&row, 11, "word_station", true);
        u.accepted.number = u32(&row, 12, "word_number");
        u.accepted.mark = u32(&row, 13, "word_mark");
        u.named = flag(&row, 14, "named");
        if (judge(&row, err) < 0)
            return give_up(&row);
        changes_unit(out, &u);
    }
    return rc;
}

// Rows come sorted by unit: one change for each run of them.
static int load_media(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_MEDIA, "medium");
    struct dv_uuid unit = {0};
    DV_FREE struct medium *media = NULL;
    size_t n = 0;
    while ((rc = db_step(row.st, err)) == 1) {
        struct dv_uuid of = uuid_of(&row, 0, "unit", false);
        if (n > 0 && !uuid_equal(&of, &unit)) {
            changes_media(out, &unit, media, n);
            n = 0;
            free(media);
            media = NULL;
        }
        unit = of;
        struct medium *m = DV_APPEND(media, n);
        m->index = u32(&row, 1, "idx");
        TEXT(&row, 2, "name", m->name);
        m->kind = (enum medium_kind)label_of(&row, 3, "kind");
        m->state = (enum medium_state)label_of(&row, 4, "state");
        m->blocks = blocks_of(&row, 5, "blocks");
        m->free_blocks = blocks_of(&row, 6, "free_blocks");
        m->largest_free_blocks = blocks_of(&row, 7, "largest_free_blocks");
        TEXT(&row, 8, "last_error", m->last_error);
        m->storage_blocks = blocks_of(&row, 9, "storage_blocks");
        m->storage_free_blocks = blocks_of(&row, 10, "storage_free_blocks");
        m->overcommitted_blocks = blocks_of(&row, 11, "overcommitted_blocks");
        m->reserves = flag(&row, 12, "reserves");
        blame(&row, medium_wrong(m));
        if (judge(&row, err) < 0)
            return give_up(&row);
    }
    if (rc == 0 && n > 0)
        changes_media(out, &unit, media, n);
    return rc;
}

static int load_free(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_FREE, "free_extent");
    struct dv_uuid unit = {0};
    DV_FREE struct free_extent *list = NULL;
    size_t n = 0;
    while ((rc = db_step(row.st, err)) == 1) {
        struct dv_uuid of = uuid_of(&row, 0, "unit", false);
        if (n > 0 && !uuid_equal(&of, &unit)) {
            changes_free_extents(out, &unit, list, n);
            n = 0;
            free(list);
            list = NULL;
        }
        unit = of;
        struct free_extent *e = DV_APPEND(list, n);
        e->medium = u32(&row, 1, "medium");
        e->start_lba = blocks_of(&row, 2, "start_lba");
        e->blocks = blocks_of(&row, 3, "blocks");
        blame(&row, free_extent_wrong(e));
        if (judge(&row, err) < 0)
            return give_up(&row);
    }
    if (rc == 0 && n > 0)
        changes_free_extents(out, &unit, list, n);
    return rc;
}

static int load_portals(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_PORTALS, "portal");
    struct dv_uuid unit = {0};
    DV_FREE struct portal *portals = NULL;
    size_t n = 0;
    while ((rc = db_step(row.st, err)) == 1) {
        struct dv_uuid of = uuid_of(&row, 0, "unit", false);
        if (n > 0 && !uuid_equal(&of, &unit)) {
            changes_portals(out, &unit, portals, n);
            n = 0;
            free(portals);
            portals = NULL;
        }
        unit = of;
        struct portal *p = DV_APPEND(portals, n);
        p->index = u32(&row, 1, "idx");
        p->group = u32(&row, 2, "portal_group");
        TEXT(&row, 3, "address", p->address);
        p->port = (uint16_t)num(&row, 4, "port", 0, UINT16_MAX);
        p->if_index = u32(&row, 5, "if_index");
        p->up = flag(&row, 6, "up");
        blame(&row, portal_wrong(p));
        if (judge(&row, err) < 0)
            return give_up(&row);
    }
    if (rc == 0 && n > 0)
        changes_portals(out, &unit, portals, n);
    return rc;
}

static int load_hosts(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_HOSTS, "host");
    while ((rc = db_step(row.st, err)) == 1) {
        struct host_record h = {.uuid = uuid_of(&row, 0, "uuid", false)};
        name_of(&row, 1, "name", h.name);
        iqn_of(&row, 2, "iqn", h.iqn);
        user_of(&row, 3, "chap_user", h.chap_user);
        h.sealed_len = bytes_of(&row, 4, "sealed_secret", true, h.sealed_secret, SEALED_MIN,
                                sizeof(h.sealed_secret));
        h.secret_mark = u32(&row, 5, "secret_mark");
        if (judge(&row, err) < 0)
            return give_up(&row);
        changes_host(out, &h);
    }
    return rc;
}

static int load_volumes(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_VOLUMES, "volume");
    while ((rc = db_step(row.st, err)) == 1) {
        struct volume_record v = {.uuid = uuid_of(&row, 0, "uuid", false),
                                  .unit = uuid_of(&row, 2, "unit", false)};
        name_of(&row, 1, "name", v.name);
        v.medium = (uint32_t)num(&row, 3, "medium", 0, INDEX_MAX);
        v.index = index_of(&row, 4, "idx");
        v.blocks = (uint64_t)num(&row, 5, "blocks", 1, (int64_t)BLOCKS_MAX);
        v.thin = flag(&row, 6, "thin");
        v.thin_default = flag(&row, 7, "thin_default");
        v.wanted = flag(&row, 8, "wanted");
        v.seen = flag(&row, 9, "seen");
        v.forced = flag(&row, 10, "may_shrink");
        if (judge(&row, err) < 0)
            return give_up(&row);
        changes_volume(out, &v);
    }
    return rc;
}

static int load_rules(struct store *s, const struct dv_uuid *volume, uint32_t index,
                      struct access_rule **rules, size_t *count, struct dv_err *err)
{
    ROWS(ST_RULES, "rule");
    db_bind_blob(row.st, 1, volume->b, sizeof(volume->b));
    while ((rc = db_step(row.st, err)) == 1) {
        struct access_rule *r = DV_APPEND(*rules, *count);
        r->volume = index;
        r->index = u32(&row, 0, "idx");
        TEXT(&row, 1, "initiator", r->initiator);
        TEXT(&row, 2, "chap_user", r->chap_user);
        r->secret_is_set = flag(&row, 3, "secret_is_set");
        r->state = (enum access_state)label_of(&row, 4, "state");
        TEXT(&row, 5, "last_error", r->last_error);
        r->secret_mark = u32(&row, 6, "secret_mark");
        blame(&row, access_rule_wrong(r));
        if (judge(&row, err) < 0)
            return give_up(&row);
    }
    return rc;
}

static void shown_of(struct row *r, struct volume *v)
{
    v->index = u32(r, 1, "idx");
    TEXT(r, 2, "name", v->name);
    v->medium = u32(r, 3, "medium");
    v->start_lba = blocks_of(r, 4, "start_lba");
    v->blocks = blocks_of(r, 5, "blocks");
    v->thin = flag(r, 6, "thin");
    TEXT(r, 7, "iqn", v->iqn);
    v->lun = u32(r, 8, "lun");
    v->admin_online = flag(r, 9, "admin_online");
    v->state = (enum volume_state)label_of(r, 10, "state");
    v->progress = u32(r, 11, "progress");
    v->generation = u32(r, 12, "generation");
    TEXT(r, 13, "last_error", v->last_error);
    v->target_blocks = blocks_of(r, 14, "target_blocks");
    v->group = u32(r, 15, "portal_group");
    blame(r, volume_wrong(v));
}

static int load_shown(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_SHOWN, "shown");
    while ((rc = db_step(row.st, err)) == 1) {
        struct volume v = {.uuid = uuid_of(&row, 0, "volume", false)};
        DV_FREE struct access_rule *rules = NULL;
        size_t count = 0;
        shown_of(&row, &v);
        if (judge(&row, err) < 0 || load_rules(s, &v.uuid, v.index, &rules, &count, err) < 0)
            return give_up(&row);
        changes_shown(out, &v, rules, count);
    }
    return rc;
}

static int load_assignments(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_ASSIGNMENTS, "assignment");
    while ((rc = db_step(row.st, err)) == 1) {
        struct assignment_record a = {.volume = uuid_of(&row, 0, "volume", false),
                                      .host = uuid_of(&row, 1, "host", false)};
        a.index = index_of(&row, 2, "idx");
        a.wanted = flag(&row, 3, "wanted");
        if (judge(&row, err) < 0)
            return give_up(&row);
        changes_assignment(out, &a);
    }
    return rc;
}

static int load_steps(struct store *s, struct task_record *t, struct dv_err *err)
{
    ROWS(ST_STEPS, "task_step");
    db_bind_int(row.st, 1, (int64_t)t->id);
    while ((rc = db_step(row.st, err)) == 1) {
        struct task_step step = {0};
        TEXT(&row, 0, "text", step.text);
        step.state = (enum step_state)num(&row, 1, "state", STEP_WAITING, STEP_FAILED);
        if (t->step_count == TASK_STEPS_MAX)
            blame(&row, "n");
        if (judge(&row, err) < 0)
            return give_up(&row);
        t->steps[t->step_count++] = step;
    }
    return rc;
}

static void task_of(struct row *r, struct task_record *t)
{
    t->id = (uint64_t)num(r, 0, "id", 1, ID_MAX);
    t->kind = (enum task_kind)num(r, 1, "kind", TASK_VOLUME_CREATE, TASK_VOLUME_RENAME);
    t->state = (enum task_state)num(r, 2, "state", TASK_QUEUED, TASK_CANCELLED);
    t->progress = (uint32_t)num(r, 3, "progress", 0, 100);
    TEXT(r, 4, "summary", t->summary);
    t->volume = uuid_of(r, 5, "volume", true);
    t->host = uuid_of(r, 6, "host", true);
    t->error_code = (int)num(r, 7, "error_code", DV_OK, DV_CODES - 1);
    TEXT(r, 8, "error", t->error);
    TEXT(r, 9, "waiting", t->waiting);
    t->created = num(r, 10, "created", 0, INT64_MAX);
    t->started = num(r, 11, "started", 0, INT64_MAX);
    t->finished = num(r, 12, "finished", 0, INT64_MAX);
    t->cancel = (enum task_cancel)num(r, 13, "cancel", TASK_CANCEL_NO, TASK_CANCEL_LATE);
}

static int load_tasks(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_TASKS, "task");
    while ((rc = db_step(row.st, err)) == 1) {
        struct task_record t = {0};
        task_of(&row, &t);
        if (judge(&row, err) < 0 || load_steps(s, &t, err) < 0)
            return give_up(&row);
        changes_task(out, &t);
    }
    return rc;
}

// Events, tokens and runs are read when they are needed, and are judged here.
static int check_rest(struct store *s, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_ODD];
    int rc = db_step(st, err);
    if (rc == 1)
        rc = db_damaged(s->db, err, "a row of %s cannot be what it is", db_text(st, 0));
    db_reset(st);
    return rc < 0 ? -1 : 0;
}

int store_load(struct store *s, struct changes *out, struct dv_err *err)
{
    static int (*const parts[])(struct store *, struct changes *, struct dv_err *) = {
        load_units,   load_media,       load_free,  load_portals, load_hosts,
        load_volumes, load_assignments, load_shown, load_tasks,
    };
    for (size_t i = 0; i < DV_COUNT(parts); i++) {
        if (parts[i](s, out, err) < 0)
            return -1;
    }
    return store_relate(s->db, out, err) < 0 ? -1 : check_rest(s, err);
}

// Reading everything back, as the list of changes that would make it.
// SPDX-License-Identifier: BSD-2-Clause
#include "store/store_row.h"

#include "base/address.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/check.h"
#include <string.h>

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
        struct unit_record u = {.uuid = row_uuid(&row, 0, "uuid", false)};
        row_name(&row, 1, "name", u.name);
        ROW_TEXT(&row, 2, "address", u.address);
        if (*u.address && transport_check(u.address, ADDRESS_OF_HOST, NULL) < 0)
            row_blame(&row, "address");
        u.engine_id_len =
            row_bytes(&row, 3, "engine_id", false, u.engine_id, 5, sizeof(u.engine_id));
        ROW_TEXT(&row, 4, "software", u.software);
        u.epoch = row_u32(&row, 5, "epoch");
        u.generation = row_u32(&row, 6, "generation");
        u.state = (enum unit_state)row_num(&row, 7, "state", UNIT_JOINING, UNIT_CONFLICT);
        u.last_seen = row_num(&row, 8, "last_seen", 0, TIME_MAX_S);
        ROW_TEXT(&row, 9, "last_error", u.last_error);
        u.last_index = (uint32_t)row_num(&row, 10, "last_index", 0, INDEX_MAX);
        u.accepted.station = row_uuid(&row, 11, "word_station", true);
        u.accepted.number = row_u32(&row, 12, "word_number");
        u.accepted.mark = row_u32(&row, 13, "word_mark");
        u.named = row_flag(&row, 14, "named");
        u.trust = (enum unit_trust)row_num(&row, 15, "trust", TRUST_SHARED, TRUST_REVOKED);
        u.key_number = row_u32(&row, 16, "key_number");
        u.key_wanted = row_u32(&row, 17, "key_wanted");
        u.key_before = row_flag(&row, 18, "key_before");
        u.key_alone = row_flag(&row, 19, "key_alone");
        u.enrolment = row_uuid(&row, 20, "enrolment", true);
        if (u.trust == TRUST_ENROLLED && u.key_number == 0)
            row_blame(&row, "key_number");
        if (row_judge(&row, err) < 0)
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
        struct dv_uuid of = row_uuid(&row, 0, "unit", false);
        if (n > 0 && !uuid_equal(&of, &unit)) {
            changes_media(out, &unit, media, n);
            n = 0;
            free(media);
            media = NULL;
        }
        unit = of;
        struct medium *m = DV_APPEND(media, n);
        m->index = row_u32(&row, 1, "idx");
        ROW_TEXT(&row, 2, "name", m->name);
        m->kind = (enum medium_kind)row_label(&row, 3, "kind");
        m->state = (enum medium_state)row_label(&row, 4, "state");
        m->blocks = row_blocks(&row, 5, "blocks");
        m->free_blocks = row_blocks(&row, 6, "free_blocks");
        m->largest_free_blocks = row_blocks(&row, 7, "largest_free_blocks");
        ROW_TEXT(&row, 8, "last_error", m->last_error);
        m->storage_blocks = row_blocks(&row, 9, "storage_blocks");
        m->storage_free_blocks = row_blocks(&row, 10, "storage_free_blocks");
        m->overcommitted_blocks = row_blocks(&row, 11, "overcommitted_blocks");
        m->reserves = row_flag(&row, 12, "reserves");
        row_blame(&row, medium_wrong(m));
        if (row_judge(&row, err) < 0)
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
        struct dv_uuid of = row_uuid(&row, 0, "unit", false);
        if (n > 0 && !uuid_equal(&of, &unit)) {
            changes_free_extents(out, &unit, (struct free_place){0}, FREE_PLACE_END, list, n);
            n = 0;
            free(list);
            list = NULL;
        }
        unit = of;
        struct free_extent *e = DV_APPEND(list, n);
        e->medium = row_u32(&row, 1, "medium");
        e->start_lba = row_blocks(&row, 2, "start_lba");
        e->blocks = row_blocks(&row, 3, "blocks");
        row_blame(&row, free_extent_wrong(e));
        if (row_judge(&row, err) < 0)
            return give_up(&row);
    }
    if (rc == 0 && n > 0)
        changes_free_extents(out, &unit, (struct free_place){0}, FREE_PLACE_END, list, n);
    return rc;
}

static int load_portals(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_PORTALS, "portal");
    struct dv_uuid unit = {0};
    DV_FREE struct portal *portals = NULL;
    size_t n = 0;
    while ((rc = db_step(row.st, err)) == 1) {
        struct dv_uuid of = row_uuid(&row, 0, "unit", false);
        if (n > 0 && !uuid_equal(&of, &unit)) {
            changes_portals(out, &unit, portals, n);
            n = 0;
            free(portals);
            portals = NULL;
        }
        unit = of;
        struct portal *p = DV_APPEND(portals, n);
        p->index = row_u32(&row, 1, "idx");
        p->group = row_u32(&row, 2, "portal_group");
        ROW_TEXT(&row, 3, "address", p->address);
        p->port = (uint16_t)row_num(&row, 4, "port", 0, UINT16_MAX);
        p->if_index = row_u32(&row, 5, "if_index");
        p->up = row_flag(&row, 6, "up");
        row_blame(&row, portal_wrong(p));
        if (row_judge(&row, err) < 0)
            return give_up(&row);
    }
    if (rc == 0 && n > 0)
        changes_portals(out, &unit, portals, n);
    return rc;
}

// All of it, or nothing.
static void load_previous(struct row *row, struct host_account *a)
{
    ROW_TEXT(row, 7, "previous_user", a->user);
    if (a->user[0] && chap_user_check(a->user, NULL) < 0)
        row_blame(row, "previous_user");
    a->sealed_len = row_bytes(row, 8, "previous_secret", !a->user[0], a->sealed_secret, SEALED_MIN,
                              sizeof(a->sealed_secret));
    a->mark = row_u32(row, 9, "previous_mark");
    a->one_secret = row_flag(row, 10, "previous_one_secret");
    a->since = row_num(row, 11, "previous_since", 0, INT64_MAX);
    if (!a->user[0] && a->sealed_len > 0)
        row_blame(row, "previous_secret");
}

static int load_hosts(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_HOSTS, "host");
    while ((rc = db_step(row.st, err)) == 1) {
        struct host_record h = {.uuid = row_uuid(&row, 0, "uuid", false)};
        row_name(&row, 1, "name", h.name);
        row_iqn(&row, 2, "iqn", h.iqn);
        row_chap_user(&row, 3, "chap_user", h.chap_user);
        h.sealed_len = row_bytes(&row, 4, "sealed_secret", true, h.sealed_secret, SEALED_MIN,
                                 sizeof(h.sealed_secret));
        h.secret_mark = row_u32(&row, 5, "secret_mark");
        h.one_secret = row_flag(&row, 6, "one_secret");
        load_previous(&row, &h.previous);
        if (row_judge(&row, err) < 0)
            return give_up(&row);
        changes_host(out, &h);
    }
    return rc;
}

static int load_volumes(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_VOLUMES, "volume");
    while ((rc = db_step(row.st, err)) == 1) {
        struct volume_record v = {.uuid = row_uuid(&row, 0, "uuid", false),
                                  .unit = row_uuid(&row, 2, "unit", false)};
        row_name(&row, 1, "name", v.name);
        v.medium = (uint32_t)row_num(&row, 3, "medium", 0, INDEX_MAX);
        v.index = row_index(&row, 4, "idx");
        v.blocks = (uint64_t)row_num(&row, 5, "blocks", 1, (int64_t)BLOCKS_MAX);
        v.thin = row_flag(&row, 6, "thin");
        v.thin_default = row_flag(&row, 7, "thin_default");
        v.wanted = row_flag(&row, 8, "wanted");
        v.seen = row_flag(&row, 9, "seen");
        v.forced = row_flag(&row, 10, "may_shrink");
        (void)row_bytes(&row, 11, "proof", true, v.proof, PROOF_BYTES, PROOF_BYTES);
        v.left = row_uuid(&row, 12, "left_unit", true);
        if (row_judge(&row, err) < 0)
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
        r->index = row_u32(&row, 0, "idx");
        ROW_TEXT(&row, 1, "initiator", r->initiator);
        ROW_TEXT(&row, 2, "chap_user", r->chap_user);
        r->secret_is_set = row_flag(&row, 3, "secret_is_set");
        r->state = (enum access_state)row_label(&row, 4, "state");
        ROW_TEXT(&row, 5, "last_error", r->last_error);
        r->secret_mark = row_u32(&row, 6, "secret_mark");
        ROW_TEXT(&row, 7, "previous_user", r->previous_user);
        row_blame(&row, access_rule_wrong(r));
        if (row_judge(&row, err) < 0)
            return give_up(&row);
    }
    return rc;
}

static void shown_of(struct row *r, struct volume *v)
{
    v->index = row_u32(r, 1, "idx");
    ROW_TEXT(r, 2, "name", v->name);
    v->medium = row_u32(r, 3, "medium");
    v->start_lba = row_blocks(r, 4, "start_lba");
    v->blocks = row_blocks(r, 5, "blocks");
    v->thin = row_flag(r, 6, "thin");
    ROW_TEXT(r, 7, "iqn", v->iqn);
    v->lun = row_u32(r, 8, "lun");
    v->admin_online = row_flag(r, 9, "admin_online");
    v->state = (enum volume_state)row_label(r, 10, "state");
    v->progress = row_u32(r, 11, "progress");
    v->generation = row_u32(r, 12, "generation");
    ROW_TEXT(r, 13, "last_error", v->last_error);
    v->target_blocks = row_blocks(r, 14, "target_blocks");
    v->group = row_u32(r, 15, "portal_group");
    row_blame(r, volume_wrong(v));
}

static int load_shown(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_SHOWN, "shown");
    while ((rc = db_step(row.st, err)) == 1) {
        struct volume v = {.uuid = row_uuid(&row, 0, "volume", false)};
        DV_FREE struct access_rule *rules = NULL;
        size_t count = 0;
        shown_of(&row, &v);
        if (row_judge(&row, err) < 0 || load_rules(s, &v.uuid, v.index, &rules, &count, err) < 0)
            return give_up(&row);
        changes_shown(out, &v, rules, count);
    }
    return rc;
}

static int load_assignments(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_ASSIGNMENTS, "assignment");
    while ((rc = db_step(row.st, err)) == 1) {
        struct assignment_record a = {.volume = row_uuid(&row, 0, "volume", false),
                                      .host = row_uuid(&row, 1, "host", false)};
        a.index = row_index(&row, 2, "idx");
        a.wanted = row_flag(&row, 3, "wanted");
        int64_t found = row_num(&row, 4, "found", 0, ASSIGNMENT_FOUND | ASSIGNMENT_UNASKED);
        a.found = (found & ASSIGNMENT_FOUND) != 0;
        a.unasked = (found & ASSIGNMENT_UNASKED) != 0;
        if (row_judge(&row, err) < 0)
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
        ROW_TEXT(&row, 0, "text", step.text);
        step.state = (enum step_state)row_num(&row, 1, "state", STEP_WAITING, STEP_FAILED);
        if (t->step_count == TASK_STEPS_MAX)
            row_blame(&row, "n");
        if (row_judge(&row, err) < 0)
            return give_up(&row);
        t->steps[t->step_count++] = step;
    }
    return rc;
}

static void task_of(struct row *r, struct task_record *t)
{
    t->id = (uint64_t)row_num(r, 0, "id", 1, ID_MAX);
    t->kind = (enum task_kind)row_num(r, 1, "kind", TASK_VOLUME_CREATE, TASK_UNIT_REKEY);
    t->state = (enum task_state)row_num(r, 2, "state", TASK_QUEUED, TASK_CANCELLED);
    t->progress = (uint32_t)row_num(r, 3, "progress", 0, 100);
    ROW_TEXT(r, 4, "summary", t->summary);
    t->volume = row_uuid(r, 5, "volume", true);
    t->host = row_uuid(r, 6, "host", true);
    t->error_code = (int)row_num(r, 7, "error_code", DV_OK, DV_CODES - 1);
    ROW_TEXT(r, 8, "error", t->error);
    ROW_TEXT(r, 9, "waiting", t->waiting);
    t->created = row_num(r, 10, "created", 0, INT64_MAX);
    t->started = row_num(r, 11, "started", 0, INT64_MAX);
    t->finished = row_num(r, 12, "finished", 0, INT64_MAX);
    t->cancel = (enum task_cancel)row_num(r, 13, "cancel", TASK_CANCEL_NO, TASK_CANCEL_LATE);
    t->unit = row_uuid(r, 14, "unit", true);
}

static int load_tasks(struct store *s, struct changes *out, struct dv_err *err)
{
    ROWS(ST_TASKS, "task");
    while ((rc = db_step(row.st, err)) == 1) {
        struct task_record t = {0};
        task_of(&row, &t);
        if (row_judge(&row, err) < 0 || load_steps(s, &t, err) < 0)
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
    if (store_relate(s->db, out, err) < 0 || check_rest(s, err) < 0)
        return -1;
    DV_FREE struct code_record *codes = NULL;
    DV_FREE struct code_use *uses = NULL;
    size_t count, use_count;
    return store_codes(s, &codes, &count, &uses, &use_count, err);
}

// Reading everything back, as the list of changes that would make it.
// SPDX-License-Identifier: BSD-2-Clause
#include "store/store_internal.h"

#include "base/mem.h"
#include <string.h>

static struct dv_uuid uuid_at(struct db_stmt *st, int column)
{
    struct dv_uuid u = {0};
    size_t len = 0;
    const void *data = db_blob(st, column, &len);
    if (data && len == sizeof(u.b))
        memcpy(u.b, data, len);
    return u;
}

static void text_at(struct db_stmt *st, int column, char *out, size_t room)
{
    const char *text = db_text(st, column);
    dv_copy(out, room, text ? text : "");
}

static uint8_t bytes_at(struct db_stmt *st, int column, uint8_t *out, size_t room)
{
    size_t len = 0;
    const void *data = db_blob(st, column, &len);
    if (!data || len > room)
        return 0;
    memcpy(out, data, len);
    return (uint8_t)len;
}

#define TEXT_AT(st, column, field) text_at(st, column, field, sizeof(field))

static int load_units(struct store *s, struct changes *out, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_UNITS];
    int rc;
    while ((rc = db_step(st, err)) == 1) {
        struct unit_record u = {.uuid = uuid_at(st, 0)};
        TEXT_AT(st, 1, u.name);
        TEXT_AT(st, 2, u.address);
        u.engine_id_len = bytes_at(st, 3, u.engine_id, sizeof(u.engine_id));
        TEXT_AT(st, 4, u.software);
        u.epoch = (uint32_t)db_int(st, 5);
        u.generation = (uint32_t)db_int(st, 6);
        u.state = (enum unit_state)db_int(st, 7);
        u.last_seen = db_int(st, 8);
        TEXT_AT(st, 9, u.last_error);
        u.last_index = (uint32_t)db_int(st, 10);
        u.accepted.station = uuid_at(st, 11);
        u.accepted.number = (uint32_t)db_int(st, 12);
        u.accepted.mark = (uint32_t)db_int(st, 13);
        u.named = db_int(st, 14) != 0;
        changes_unit(out, &u);
    }
    return rc;
}

// Rows come sorted by unit: one change for each run of them.
static int load_media(struct store *s, struct changes *out, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_MEDIA];
    struct dv_uuid unit = {0};
    DV_FREE struct medium *media = NULL;
    size_t n = 0;
    int rc;
    while ((rc = db_step(st, err)) == 1) {
        struct dv_uuid of = uuid_at(st, 0);
        if (n > 0 && !uuid_equal(&of, &unit)) {
            changes_media(out, &unit, media, n);
            n = 0;
            free(media);
            media = NULL;
        }
        unit = of;
        struct medium *m = DV_APPEND(media, n);
        m->index = (uint32_t)db_int(st, 1);
        TEXT_AT(st, 2, m->name);
        m->kind = (enum medium_kind)db_int(st, 3);
        m->state = (enum medium_state)db_int(st, 4);
        m->blocks = (uint64_t)db_int(st, 5);
        m->free_blocks = (uint64_t)db_int(st, 6);
        m->largest_free_blocks = (uint64_t)db_int(st, 7);
        TEXT_AT(st, 8, m->last_error);
    }
    if (rc == 0 && n > 0)
        changes_media(out, &unit, media, n);
    return rc;
}

static int load_free(struct store *s, struct changes *out, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_FREE];
    struct dv_uuid unit = {0};
    DV_FREE struct free_extent *list = NULL;
    size_t n = 0;
    int rc;
    while ((rc = db_step(st, err)) == 1) {
        struct dv_uuid of = uuid_at(st, 0);
        if (n > 0 && !uuid_equal(&of, &unit)) {
            changes_free_extents(out, &unit, list, n);
            n = 0;
            free(list);
            list = NULL;
        }
        unit = of;
        *DV_APPEND(list, n) = (struct free_extent){.medium = (uint32_t)db_int(st, 1),
                                                   .start_lba = (uint64_t)db_int(st, 2),
                                                   .blocks = (uint64_t)db_int(st, 3)};
    }
    if (rc == 0 && n > 0)
        changes_free_extents(out, &unit, list, n);
    return rc;
}

static int load_portals(struct store *s, struct changes *out, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_PORTALS];
    struct dv_uuid unit = {0};
    DV_FREE struct portal *portals = NULL;
    size_t n = 0;
    int rc;
    while ((rc = db_step(st, err)) == 1) {
        struct dv_uuid of = uuid_at(st, 0);
        if (n > 0 && !uuid_equal(&of, &unit)) {
            changes_portals(out, &unit, portals, n);
            n = 0;
            free(portals);
            portals = NULL;
        }
        unit = of;
        struct portal *p = DV_APPEND(portals, n);
        p->index = (uint32_t)db_int(st, 1);
        p->group = (uint32_t)db_int(st, 2);
        TEXT_AT(st, 3, p->address);
        p->port = (uint16_t)db_int(st, 4);
        p->if_index = (uint32_t)db_int(st, 5);
        p->up = db_int(st, 6) != 0;
    }
    if (rc == 0 && n > 0)
        changes_portals(out, &unit, portals, n);
    return rc;
}

static int load_hosts(struct store *s, struct changes *out, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_HOSTS];
    int rc;
    while ((rc = db_step(st, err)) == 1) {
        struct host_record h = {.uuid = uuid_at(st, 0)};
        TEXT_AT(st, 1, h.name);
        TEXT_AT(st, 2, h.iqn);
        TEXT_AT(st, 3, h.chap_user);
        h.sealed_len = bytes_at(st, 4, h.sealed_secret, sizeof(h.sealed_secret));
        h.secret_version = (uint32_t)db_int(st, 5);
        changes_host(out, &h);
    }
    return rc;
}

static int load_volumes(struct store *s, struct changes *out, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_VOLUMES];
    int rc;
    while ((rc = db_step(st, err)) == 1) {
        struct volume_record v = {.uuid = uuid_at(st, 0), .unit = uuid_at(st, 2)};
        TEXT_AT(st, 1, v.name);
        v.medium = (uint32_t)db_int(st, 3);
        v.index = (uint32_t)db_int(st, 4);
        v.blocks = (uint64_t)db_int(st, 5);
        v.thin = db_int(st, 6) != 0;
        v.thin_default = db_int(st, 7) != 0;
        v.wanted = db_int(st, 8) != 0;
        v.seen = db_int(st, 9) != 0;
        v.forced = db_int(st, 10) != 0;
        changes_volume(out, &v);
    }
    return rc;
}

static int load_rules(struct store *s, const struct dv_uuid *volume, uint32_t index,
                      struct access_rule **rules, size_t *count, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_RULES];
    db_bind_blob(st, 1, volume->b, sizeof(volume->b));
    int rc;
    while ((rc = db_step(st, err)) == 1) {
        struct access_rule *r = DV_APPEND(*rules, *count);
        r->volume = index;
        r->index = (uint32_t)db_int(st, 0);
        TEXT_AT(st, 1, r->initiator);
        TEXT_AT(st, 2, r->chap_user);
        r->secret_is_set = db_int(st, 3) != 0;
        r->state = (enum access_state)db_int(st, 4);
        TEXT_AT(st, 5, r->last_error);
    }
    return rc;
}

static int load_shown(struct store *s, struct changes *out, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_SHOWN];
    int rc;
    while ((rc = db_step(st, err)) == 1) {
        struct volume v = {.uuid = uuid_at(st, 0)};
        v.index = (uint32_t)db_int(st, 1);
        TEXT_AT(st, 2, v.name);
        v.medium = (uint32_t)db_int(st, 3);
        v.start_lba = (uint64_t)db_int(st, 4);
        v.blocks = (uint64_t)db_int(st, 5);
        v.thin = db_int(st, 6) != 0;
        TEXT_AT(st, 7, v.iqn);
        v.lun = (uint32_t)db_int(st, 8);
        v.admin_online = db_int(st, 9) != 0;
        v.state = (enum volume_state)db_int(st, 10);
        v.progress = (uint32_t)db_int(st, 11);
        v.generation = (uint32_t)db_int(st, 12);
        TEXT_AT(st, 13, v.last_error);
        v.target_blocks = (uint64_t)db_int(st, 14);
        v.group = (uint32_t)db_int(st, 15);
        DV_FREE struct access_rule *rules = NULL;
        size_t count = 0;
        if (load_rules(s, &v.uuid, v.index, &rules, &count, err) < 0) {
            db_reset(st);
            return -1;
        }
        changes_shown(out, &v, rules, count);
    }
    return rc;
}

static int load_assignments(struct store *s, struct changes *out, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_ASSIGNMENTS];
    int rc;
    while ((rc = db_step(st, err)) == 1) {
        struct assignment_record a = {.volume = uuid_at(st, 0), .host = uuid_at(st, 1)};
        a.index = (uint32_t)db_int(st, 2);
        a.wanted = db_int(st, 3) != 0;
        a.pushed_version = (uint32_t)db_int(st, 4);
        changes_assignment(out, &a);
    }
    return rc;
}

static int load_steps(struct store *s, struct task_record *t, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_STEPS];
    db_bind_int(st, 1, (int64_t)t->id);
    int rc;
    while ((rc = db_step(st, err)) == 1) {
        if (t->step_count == TASK_STEPS_MAX) {
            db_reset(st);
            return 0;
        }
        struct task_step *step = &t->steps[t->step_count++];
        TEXT_AT(st, 0, step->text);
        step->state = (enum step_state)db_int(st, 1);
    }
    return rc;
}

static int load_tasks(struct store *s, struct changes *out, struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_TASKS];
    int rc;
    while ((rc = db_step(st, err)) == 1) {
        struct task_record t = {.id = (uint64_t)db_int(st, 0)};
        t.kind = (enum task_kind)db_int(st, 1);
        t.state = (enum task_state)db_int(st, 2);
        t.progress = (uint32_t)db_int(st, 3);
        TEXT_AT(st, 4, t.summary);
        t.volume = uuid_at(st, 5);
        t.host = uuid_at(st, 6);
        t.error_code = (int)db_int(st, 7);
        TEXT_AT(st, 8, t.error);
        TEXT_AT(st, 9, t.waiting);
        t.created = db_int(st, 10);
        t.started = db_int(st, 11);
        t.finished = db_int(st, 12);
        if (load_steps(s, &t, err) < 0) {
            db_reset(st);
            return -1;
        }
        changes_task(out, &t);
    }
    return rc;
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
    return 0;
}

// Standard MIB modules beside our own: their tables registered, their rows found.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/std/std.h"
#include "base/mem.h"
#include "logic/unit_plan.h"
#include "snmp-agents/unit/std/rows.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STD_TEXT_ROOM 512
#define MOVED_MS      500 // by less the master's start only seems to move

struct bound_table {
    struct sn_table table;
    struct shape shape;
    const struct std *std;
    struct std_row row; // the one found last
};

// What values point to until they are sent; they are copied before the next one is asked for.
struct scratch {
    struct sn_oid oid;
    char text[STD_TEXT_ROOM];
    int64_t master_start_ms; // as loop_now_ms() counts; not a value, but it is found while asked
};

struct std {
    struct sn_agent *agent;
    const struct unit_config *config;
    const struct state *state;
    const struct traffic *const *traffic;
    struct scratch *scratch;
    struct bound_table **tables;
    size_t table_count;
};

// ---- Rows ---------------------------------------------------------------------------------------

// A thing is looked for in one portal group, or in all: group 0.

static bool portal_from(const struct std *s, uint32_t group, uint64_t *keys, struct std_row *row)
{
    if (keys[0] > UINT32_MAX)
        return false;
    const struct unit_portal *p =
        state_portal_next(s->state, keys[0] > 0 ? (uint32_t)keys[0] - 1 : 0, UINT32_MAX);
    while (p && p->p.group != group)
        p = state_portal_next(s->state, p->p.index, p->p.group);
    row->portal = p;
    if (p)
        keys[0] = p->p.index;
    return p;
}

static bool is_shown(const struct unit_volume *v, uint32_t group)
{
    return v->made && (group == 0 || v->v.group == group);
}

static bool volume_from(const struct std *s, uint32_t group, uint64_t *keys, struct std_row *row)
{
    uint64_t after = keys[0] > 0 ? keys[0] - 1 : 0;
    if (after >= UINT32_MAX)
        return false;
    const struct unit_volume *v = state_volume_next(s->state, (uint32_t)after);
    while (v && !is_shown(v, group))
        v = state_volume_next(s->state, v->v.index);
    if (!v)
        return false;
    if (v->v.index != keys[0])
        keys[1] = keys[2] = 0; // of another volume
    keys[0] = v->v.index;
    row->volume = v;
    return true;
}

static bool rule_from(const struct std *s, uint32_t group, uint64_t *keys, struct std_row *row)
{
    const struct unit_rule *r;
    while (volume_from(s, group, keys, row)) {
        uint64_t after = keys[1] > 0 ? keys[1] - 1 : 0;
        r = after < UINT32_MAX ? state_rule_next(s->state, (uint32_t)keys[0], (uint32_t)after)
                               : NULL;
        if (r && r->r.volume == keys[0]) {
            keys[1] = r->r.index;
            row->rule = r;
            return true;
        }
        keys[0]++;
        keys[1] = keys[2] = 0;
    }
    return false;
}

// The first session of one group. tgtd may serve others' targets as well, and a volume that is
// moving to another group.
static const struct traffic_session *session_in(const struct std *s, uint32_t group, uint64_t tid,
                                                uint64_t sid)
{
    const struct traffic_session *found;
    while (tid <= UINT32_MAX &&
           (found = traffic_session(s->traffic[group - 1], loop_now_ms(), (uint32_t)tid, sid))) {
        const struct unit_volume *v = state_volume(s->state, found->of.tid);
        if (v && is_shown(v, group))
            return found;
        tid = found->of.tid;
        sid = found->of.sid + 1;
    }
    return NULL;
}

static bool session_from(const struct std *s, uint32_t group, uint64_t *keys, struct std_row *row)
{
    const struct traffic_session *first = NULL;
    uint32_t last = group ? group : state_groups(s->state);
    for (uint32_t g = group ? group : 1; g <= last; g++) {
        const struct traffic_session *found = session_in(s, g, keys[0], keys[1]);
        // No two groups have sessions of the same volume.
        if (found && (!first || found->of.tid < first->of.tid))
            first = found;
    }
    if (!first)
        return false;
    keys[0] = first->of.tid;
    keys[1] = first->of.sid;
    row->session = first;
    row->volume = state_volume(s->state, first->of.tid);
    return true;
}

static bool thing_from(const struct std *s, enum shape_kind kind, uint32_t group, uint64_t *keys,
                       struct std_row *row)
{
    switch (kind) {
    case SHAPE_ONE:
        return keys[0] == 0;
    case SHAPE_PORTALS:
        return portal_from(s, group, keys, row);
    case SHAPE_VOLUMES:
        return volume_from(s, group, keys, row);
    case SHAPE_RULES:
        return rule_from(s, group, keys, row);
    case SHAPE_SESSIONS:
        return session_from(s, group, keys, row);
    }
    return false;
}

// The things of the groups, one group after the other.
static bool grouped_from(const struct std *s, enum shape_kind kind, uint64_t keys[SHAPE_KEYS],
                         struct std_row *row)
{
    if (keys[0] == 0)
        memset(keys, 0, SHAPE_KEYS * sizeof(*keys));
    for (keys[0] += keys[0] == 0; keys[0] <= state_groups(s->state); keys[0]++) {
        uint64_t rest[SHAPE_KEYS] = {keys[1], keys[2]};
        row->group = (uint32_t)keys[0];
        if (thing_from(s, kind, row->group, rest, row)) {
            memcpy(&keys[1], rest, (SHAPE_KEYS - 1) * sizeof(*keys));
            return true;
        }
        keys[1] = keys[2] = 0;
    }
    return false;
}

// The place of the key that counts rows below a thing.
static size_t below_at(const struct shape *shape)
{
    return shape->kind == SHAPE_PORTALS || shape->kind == SHAPE_VOLUMES ? 1 : 2;
}

bool std_row_from(const struct std *s, const struct shape *shape, uint64_t keys[SHAPE_KEYS],
                  struct std_row *row)
{
    size_t at = below_at(shape);
    *row = (struct std_row){.std = s};
    if (shape_is_grouped(shape))
        return grouped_from(s, shape->kind, keys, row);
    uint64_t wanted[SHAPE_KEYS];
    memcpy(wanted, keys, sizeof(wanted));
    if (shape->below > 0 && keys[at] > shape->below) {
        keys[at] = wanted[at] = 0;
        keys[at - 1]++;
        wanted[at - 1]++;
    }
    if (!thing_from(s, shape->kind, 0, keys, row))
        return false;
    if (shape->below == 0)
        return true;
    bool same = memcmp(keys, wanted, at * sizeof(*keys)) == 0;
    keys[at] = same && wanted[at] > 0 ? wanted[at] : 1;
    row->below = (uint32_t)keys[at];
    return true;
}

static const void *find_row(void *ctx, const uint32_t *index, size_t len)
{
    struct bound_table *t = ctx;
    uint64_t keys[SHAPE_KEYS], wanted[SHAPE_KEYS];
    if (!shape_exact(&t->shape, index, len, wanted))
        return NULL;
    memcpy(keys, wanted, sizeof(keys));
    bool found =
        std_row_from(t->std, &t->shape, keys, &t->row) && memcmp(keys, wanted, sizeof(keys)) == 0;
    return found ? &t->row : NULL;
}

static const void *next_row(void *ctx, const uint32_t *index, size_t len, uint32_t *out,
                            size_t *out_len)
{
    struct bound_table *t = ctx;
    uint64_t keys[SHAPE_KEYS];
    if (!shape_behind(&t->shape, index, len, keys) ||
        !std_row_from(t->std, &t->shape, keys, &t->row))
        return NULL;
    *out_len = shape_index(&t->shape, keys, out);
    return &t->row;
}

// ---- Values -------------------------------------------------------------------------------------

const struct unit_config *std_config(const struct std *s)
{
    return s->config;
}

size_t std_sessions(const struct std *s, uint32_t group)
{
    return traffic_sessions(s->traffic[group - 1], loop_now_ms());
}

size_t std_volumes(const struct std *s, uint32_t group)
{
    size_t count = 0;
    const struct unit_volume *v = NULL;
    while ((v = state_volume_next(s->state, v ? v->v.index : 0)))
        count += is_shown(v, group);
    return count;
}

const struct tgt_parameters *std_parameters(const struct std *s, const struct unit_volume *v)
{
    return traffic_parameters(s->traffic[v->v.group - 1], loop_now_ms(), v->v.index);
}

const struct unit_rule *std_rule_of(const struct std *s, const struct traffic_session *session)
{
    const struct unit_rule *r = state_rule_next(s->state, session->of.tid, 0);
    for (; r && r->r.volume == session->of.tid;
         r = state_rule_next(s->state, r->r.volume, r->r.index))
        if (iqn_equal(r->r.initiator, session->of.initiator))
            return r;
    return NULL;
}

struct sn_value std_pointer(const struct std *s, struct sn_oid entry, uint32_t column,
                            const uint32_t *index, size_t len)
{
    struct sn_oid object = sn_oid_append(&entry, column);
    s->scratch->oid = sn_oid_join(&object, index, len);
    return sn_objid(&s->scratch->oid);
}

struct sn_value std_format(const struct std *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->scratch->text, sizeof(s->scratch->text), format, args);
    va_end(args);
    return sn_text(s->scratch->text);
}

struct sn_value std_copy(const struct std *s, const void *octets, size_t len)
{
    assert(len <= sizeof(s->scratch->text));
    memcpy(s->scratch->text, octets, len);
    return sn_octets(s->scratch->text, len);
}

// tgtd makes three designators of a LUN: what it was told as SCSI ID, in ASCII; the target's and
// the LUN's number; and the end of the SCSI ID again, as a number.
struct sn_value std_scsi_id(const struct std *s, const struct unit_volume *v, uint32_t which)
{
    uint8_t *raw = (uint8_t *)s->scratch->text;
    if (which == 1) {
        plan_scsi_id(&v->v.uuid, s->scratch->text);
        return sn_octets(raw, PLAN_SCSI_ID_ROOM - 1);
    }
    if (which == 2) {
        const uint32_t parts[] = {v->tid, v->v.lun};
        for (size_t i = 0; i < 8; i++)
            raw[i] = (uint8_t)(parts[i / 4] >> (24 - 8 * (i % 4)));
        raw[0] |= 3 << 4; // NAA, locally assigned
        return sn_octets(raw, 8);
    }
    memcpy(raw, v->v.uuid.b, sizeof(v->v.uuid.b));
    raw[0] = 6 << 4; // NAA, IEEE registered extended
    raw[1] = 0;      // the vendor's end, of which no character is a digit
    return sn_octets(raw, sizeof(v->v.uuid.b));
}

// When the master started is computed anew each time, since it may have been another one, but kept
// while it is about the same: a TimeStamp that has been told must not move.
struct sn_value std_stamp(const struct std *s, uint64_t ms)
{
    int64_t *start = &s->scratch->master_start_ms;
    int64_t now = (int64_t)loop_now_ms() - (int64_t)sn_agent_uptime(s->agent) * 10;
    if (now > *start + MOVED_MS || now < *start - MOVED_MS)
        *start = now;
    int64_t since = (int64_t)ms - *start;
    return (struct sn_value){.type = SN_TICKS,
                             .u = ms > 1 && since > 0 ? (uint32_t)(since / 10) : 0};
}

struct sn_value std_counter32(uint64_t count)
{
    return (struct sn_value){.type = SN_COUNTER32, .u = (uint32_t)count};
}

struct sn_value std_megabytes(uint64_t bytes)
{
    return std_counter32(bytes >> 20);
}

struct sn_value std_bits(bool first)
{
    static const uint8_t bits[] = {0x80, 0x00};
    return sn_octets(first ? &bits[0] : &bits[1], 1);
}

struct sn_value std_rule_status(const struct unit_rule *r)
{
    return sn_int(r->r.state == ACCESS_ACTIVE ? ROW_ACTIVE : ROW_NOT_READY);
}

// ---- Life ---------------------------------------------------------------------------------------

static int add_tables(struct std *s, const struct std_table *list, struct dv_err *err)
{
    for (; list->name; list++) {
        struct bound_table *t = dv_calloc(1, sizeof(*t));
        *DV_APPEND(s->tables, s->table_count) = t;
        t->std = s;
        t->shape = list->shape;
        t->table = (struct sn_table){.name = list->name,
                                     .entry = list->entry,
                                     .columns = list->columns,
                                     .column_count = list->column_count,
                                     .find = find_row,
                                     .next = next_row};
        if (sn_agent_table(s->agent, &t->table, t, err) != 0)
            return -1;
    }
    return 0;
}

struct std *std_bare(const struct unit_config *config, const struct state *state,
                     const struct traffic *const *traffic)
{
    struct std *s = dv_calloc(1, sizeof(*s));
    s->config = config;
    s->state = state;
    s->traffic = traffic;
    s->scratch = dv_calloc(1, sizeof(*s->scratch));
    return s;
}

struct std *std_new(struct sn_agent *agent, const struct unit_config *config,
                    const struct state *state, const struct traffic *const *traffic,
                    struct dv_err *err)
{
    static const struct std_table *const all[] = {std_iscsi_tables, std_iscsi_session_tables,
                                                  std_scsi_tables, std_scsi_unit_tables,
                                                  std_ips_auth_tables};
    struct std *s = std_bare(config, state, traffic);
    s->agent = agent;
    for (size_t i = 0; i < DV_COUNT(all); i++)
        if (add_tables(s, all[i], err) != 0) {
            std_free(s);
            return NULL;
        }
    return s;
}

void std_free(struct std *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->table_count; i++)
        free(s->tables[i]);
    free(s->tables);
    free(s->scratch);
    free(s);
}

// A subagent with a group of scalars, a writable table and a large one, for test_snmp_layer.py.
// SPDX-License-Identifier: BSD-2-Clause
//
// usage: sn_agent_demo SOCKET STATE_DIR ROWS [PING_MS ANSWER_S SILENT_MS]
// Tells on standard output, a line each, what the agent and the phases of a SET do. SIGUSR1 sends
// a notification; SIGTERM ends it.
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "snmp/agent.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define ROOT                                                                                       \
    {                                                                                              \
        10,                                                                                        \
        {                                                                                          \
            1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 4711                                               \
        }                                                                                          \
    }
#define ROWS_MAX  64
#define NAME_ROOM 33

enum row_status { ACTIVE = 1, CREATE_AND_GO = 4, DESTROY = 6 };

struct row {
    uint32_t index;
    char name[NAME_ROOM];
    uint32_t size;
    int32_t mode;
    struct sn_oid objid;
};

struct demo {
    struct loop *loop;
    struct sn_agent *agent;
    int32_t lease;
    char label[17];
    struct row rows[ROWS_MAX]; // ascending by index
    size_t count;
    uint32_t large; // rows of the large table: indexes 2, 4, 6 ...
};

static struct sn_oid under_root(uint32_t a, uint32_t b)
{
    static const struct sn_oid root = ROOT;
    uint32_t suffix[] = {a, b};
    return sn_oid_join(&root, suffix, b ? 2 : 1);
}

// ---- The scalars ----------------------------------------------------------------------------

static void get_what(void *ctx, const void *row, struct sn_value *out)
{
    (void)ctx, (void)row;
    *out = sn_text("demo");
}

static void get_count(void *ctx, const void *row, struct sn_value *out)
{
    (void)row;
    *out = sn_uint((uint32_t)((struct demo *)ctx)->count);
}

static void get_lease(void *ctx, const void *row, struct sn_value *out)
{
    (void)row;
    *out = sn_int(((struct demo *)ctx)->lease);
}

static void get_label(void *ctx, const void *row, struct sn_value *out)
{
    (void)row;
    *out = sn_text(((struct demo *)ctx)->label);
}

static int check_scalars(void *ctx, struct sn_change *c)
{
    (void)ctx, (void)c;
    printf("check scalars\n");
    return SN_NO_ERROR;
}

static int apply_scalars(void *ctx, struct sn_change *c)
{
    struct demo *d = ctx;
    struct demo *before = c->memory = dv_calloc(1, sizeof(*before));
    *before = *d;
    const struct sn_value *lease = sn_change_value(c, 3), *label = sn_change_value(c, 4);
    if (lease)
        d->lease = lease->i;
    if (label)
        sn_get_text(label, d->label, sizeof(d->label));
    printf("apply scalars\n");
    return SN_NO_ERROR;
}

static int undo_scalars(void *ctx, struct sn_change *c)
{
    struct demo *d = ctx, *before = c->memory;
    d->lease = before->lease;
    memcpy(d->label, before->label, sizeof(d->label));
    printf("undo scalars\n");
    return SN_NO_ERROR;
}

static void commit_scalars(void *ctx, struct sn_change *c)
{
    (void)ctx, (void)c;
    printf("commit scalars\n");
}

static void release_scalars(void *ctx, struct sn_change *c)
{
    (void)ctx;
    free(c->memory);
    printf("release scalars\n");
}

static const struct sn_column scalar_columns[] = {
    {1, SN_OCTETS, SN_READ_ONLY, 0, 0, get_what},
    {2, SN_UINT, SN_READ_ONLY, 0, 0, get_count},
    {3, SN_INT, SN_READ_WRITE, -5, 3600, get_lease},
    {4, SN_OCTETS, SN_READ_WRITE, 0, 16, get_label},
};

// ---- The writable table ---------------------------------------------------------------------

static const void *find_row(void *ctx, const uint32_t *index, size_t len)
{
    struct demo *d = ctx;
    for (size_t i = 0; i < d->count; i++) {
        if (len == 1 && d->rows[i].index == index[0])
            return &d->rows[i];
    }
    return NULL;
}

static const void *next_row(void *ctx, const uint32_t *index, size_t len, uint32_t *out,
                            size_t *out_len)
{
    struct demo *d = ctx;
    for (size_t i = 0; i < d->count; i++) {
        if (sn_subids_compare(&d->rows[i].index, 1, index, len) > 0) {
            out[0] = d->rows[i].index;
            *out_len = 1;
            return &d->rows[i];
        }
    }
    return NULL;
}

static void get_name(void *ctx, const void *row, struct sn_value *out)
{
    (void)ctx;
    *out = sn_text(((const struct row *)row)->name);
}

static void get_size(void *ctx, const void *row, struct sn_value *out)
{
    (void)ctx;
    *out = sn_uint(((const struct row *)row)->size);
}

static void get_wide(void *ctx, const void *row, struct sn_value *out)
{
    (void)ctx;
    *out = sn_counter64((uint64_t)((const struct row *)row)->size << 32);
}

static void get_mode(void *ctx, const void *row, struct sn_value *out)
{
    (void)ctx;
    *out = sn_int(((const struct row *)row)->mode);
}

static void get_parity(void *ctx, const void *row, struct sn_value *out)
{
    (void)ctx;
    if (((const struct row *)row)->index % 2 == 0)
        *out = sn_text("even");
    else
        out->type = SN_NO_INSTANCE; // a column with holes
}

static void get_status(void *ctx, const void *row, struct sn_value *out)
{
    (void)ctx, (void)row;
    *out = sn_int(ACTIVE);
}

static void get_objid(void *ctx, const void *row, struct sn_value *out)
{
    (void)ctx;
    *out = sn_objid(&((const struct row *)row)->objid);
}

static const struct sn_column row_columns[] = {
    {1, SN_UINT, SN_NOT_ACCESSIBLE, 0, 0, NULL},
    {2, SN_OCTETS, SN_READ_CREATE, 1, NAME_ROOM - 1, get_name},
    {3, SN_UINT, SN_READ_CREATE, 0, 0, get_size},
    {4, SN_INT, SN_READ_CREATE, 1, 3, get_mode},
    {5, SN_OCTETS, SN_READ_ONLY, 0, 0, get_parity},
    {6, SN_INT, SN_READ_CREATE, 1, 6, get_status},
    {7, SN_OBJID, SN_READ_CREATE, 0, 0, get_objid},
    {8, SN_COUNTER64, SN_READ_ONLY, 0, 0, get_wide},
};

static int32_t wanted_status(const struct sn_change *c)
{
    const struct sn_value *v = sn_change_value(c, 6);
    return v ? v->i : 0;
}

static int check_row(void *ctx, struct sn_change *c)
{
    struct demo *d = ctx;
    printf("check %u\n", c->index[0]);
    const struct sn_value *size = sn_change_value(c, 3);
    for (size_t i = 0; i < c->count; i++) {
        if (c->sets[i].column == 3 || c->sets[i].column == 6)
            c->failed = i; // the only ones that are refused below
    }
    if (c->index_len != 1)
        return SN_NO_CREATION;
    if (size && size->u == 13)
        return SN_INCONSISTENT_VALUE;
    switch (wanted_status(c)) {
    case CREATE_AND_GO:
        return c->row                 ? SN_INCONSISTENT_VALUE
               : d->count == ROWS_MAX ? SN_RESOURCE_UNAVAILABLE
                                      : SN_NO_ERROR;
    case DESTROY:
    case ACTIVE:
    case 0:
        return c->row ? SN_NO_ERROR : SN_INCONSISTENT_NAME;
    default:
        return SN_WRONG_VALUE;
    }
}

static void fill(struct row *row, const struct sn_change *c)
{
    const struct sn_value *v;
    if ((v = sn_change_value(c, 2)))
        sn_get_text(v, row->name, sizeof(row->name));
    if ((v = sn_change_value(c, 3)))
        row->size = v->u;
    if ((v = sn_change_value(c, 4)))
        row->mode = v->i;
    if ((v = sn_change_value(c, 7)))
        row->objid = *v->oid;
}

static int apply_row(void *ctx, struct sn_change *c)
{
    struct demo *d = ctx;
    const struct sn_value *name = sn_change_value(c, 2);
    printf("apply %u\n", c->index[0]);
    if (name && name->octets.len == 4 && memcmp(name->octets.data, "fail", 4) == 0)
        return SN_COMMIT_FAILED;
    struct demo *before = c->memory = dv_calloc(1, sizeof(*before));
    *before = *d;
    struct row *row = (struct row *)find_row(d, c->index, 1);
    if (wanted_status(c) == DESTROY) {
        memmove(row, row + 1, (size_t)(d->rows + d->count-- - row - 1) * sizeof(*row));
        return SN_NO_ERROR;
    }
    if (!row) {
        size_t at = 0;
        while (at < d->count && d->rows[at].index < c->index[0])
            at++;
        row = d->rows + at;
        memmove(row + 1, row, (d->count++ - at) * sizeof(*row));
        *row = (struct row){.index = c->index[0], .mode = 1, .objid = under_root(9, 0)};
    }
    fill(row, c);
    return SN_NO_ERROR;
}

static int undo_row(void *ctx, struct sn_change *c)
{
    struct demo *d = ctx, *before = c->memory;
    memcpy(d->rows, before->rows, sizeof(d->rows));
    d->count = before->count;
    printf("undo %u\n", c->index[0]);
    return SN_NO_ERROR;
}

static void commit_row(void *ctx, struct sn_change *c)
{
    (void)ctx;
    printf("commit %u\n", c->index[0]);
}

static void release_row(void *ctx, struct sn_change *c)
{
    (void)ctx;
    free(c->memory);
    printf("release %u\n", c->index[0]);
}

// ---- The large table ------------------------------------------------------------------------

static const void *find_large(void *ctx, const uint32_t *index, size_t len)
{
    struct demo *d = ctx;
    bool there = len == 1 && index[0] > 0 && index[0] % 2 == 0 && index[0] <= 2 * d->large;
    return there ? (const void *)(uintptr_t)index[0] : NULL;
}

static const void *next_large(void *ctx, const uint32_t *index, size_t len, uint32_t *out,
                              size_t *out_len)
{
    struct demo *d = ctx;
    uint64_t next = len == 0 ? 2 : ((uint64_t)index[0] / 2 + 1) * 2;
    if (next > 2 * (uint64_t)d->large)
        return NULL;
    out[0] = (uint32_t)next;
    *out_len = 1;
    return (const void *)(uintptr_t)next;
}

static void get_large_number(void *ctx, const void *row, struct sn_value *out)
{
    (void)ctx;
    *out = sn_uint((uint32_t)(uintptr_t)row);
}

static void get_large_text(void *ctx, const void *row, struct sn_value *out)
{
    (void)ctx, (void)row;
    *out = sn_text("one row of many");
}

static const struct sn_column large_columns[] = {
    {1, SN_UINT, SN_READ_ONLY, 0, 0, get_large_number},
    {2, SN_OCTETS, SN_READ_ONLY, 0, 0, get_large_text},
};

// ---- The program ----------------------------------------------------------------------------

static void on_changed(void *arg, bool connected)
{
    (void)arg;
    printf("%s\n", connected ? "connected" : "lost");
}

static void on_usr1(void *arg)
{
    struct demo *d = arg;
    struct sn_var var = {under_root(1, 3), sn_int(d->lease)};
    var.oid = sn_oid_append(&var.oid, 0);
    struct sn_oid trap = under_root(0, 1);
    if (!sn_agent_notify(d->agent, &trap, &var, 1))
        printf("not sent\n");
}

static void on_term(void *arg)
{
    loop_stop(arg);
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 7)
        return 2;
    struct sn_agent_timing timing;
    if (argc == 7)
        timing = (struct sn_agent_timing){(uint32_t)atoi(argv[4]), (uint32_t)atoi(argv[5]),
                                          (uint32_t)atoi(argv[6])};
    setlinebuf(stdout);
    log_init("sn_agent_demo", LOG_LEVEL_INFO);
    struct dv_err err;
    struct demo demo = {.large = (uint32_t)atoi(argv[3])};
    struct loop *loop = demo.loop = loop_new();
    struct sn_env *env = sn_env_new(loop, "sn_agent_demo", argv[2], NULL, &err);
    if (!env || !(demo.agent = sn_agent_new(env, argv[1], argc == 7 ? &timing : NULL, on_changed,
                                            &demo, &err))) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    const struct sn_table scalars = {
        "demoScalars",  under_root(1, 0), scalar_columns, DV_COUNT(scalar_columns),
        sn_scalar_find, sn_scalar_next,   check_scalars,  apply_scalars,
        undo_scalars,   commit_scalars,   release_scalars};
    const struct sn_table rows = {"demoTable", under_root(2, 1), row_columns, DV_COUNT(row_columns),
                                  find_row,    next_row,         check_row,   apply_row,
                                  undo_row,    commit_row,       release_row};
    const struct sn_table large = {.name = "demoLarge",
                                   .entry = under_root(3, 1),
                                   .columns = large_columns,
                                   .column_count = DV_COUNT(large_columns),
                                   .find = find_large,
                                   .next = next_large};
    // In an order that is not that of their OIDs.
    if (sn_agent_table(demo.agent, &large, &demo, &err) != 0 ||
        sn_agent_table(demo.agent, &scalars, &demo, &err) != 0 ||
        sn_agent_table(demo.agent, &rows, &demo, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct loop_signal *usr1 = loop_signal_new(loop, SIGUSR1, on_usr1, &demo);
    struct loop_signal *term = loop_signal_new(loop, SIGTERM, on_term, loop);
    loop_run(loop);
    loop_signal_free(term);
    loop_signal_free(usr1);
    sn_agent_free(demo.agent);
    sn_env_free(env);
    loop_free(loop);
    printf("ended\n");
    return 0;
}

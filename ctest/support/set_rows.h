// SET requests as snmpd brings them, to the tables of a unit that has a journal and nothing else.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CTEST_SUPPORT_SET_ROWS_H
#define DVSAN_CTEST_SUPPORT_SET_ROWS_H

#include "base/mem.h"
#include "dvsan_oids.h"
#include "snmp-agents/unit/tables.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PREFIX "iqn.2026-11.test"

struct fixture {
    char dir[64];
    struct journal *journal;
    struct state *state;
    struct member member;
    struct scalars scalars;
    struct tables tables;
    unsigned work;   // calls that some volume has work
    unsigned leased; // calls that the lease was written
};

static inline void on_work(void *arg, uint32_t volume)
{
    (void)volume;
    ((struct fixture *)arg)->work++;
}

static inline void on_leased(void *arg)
{
    ((struct fixture *)arg)->leased++;
}

static inline void open_all(struct fixture *f)
{
    struct dv_err err;
    struct medium m = {
        .index = 1, .name = "one", .state = MEDIUM_ONLINE, .blocks = 100 * ALLOC_BLOCKS};
    f->journal = journal_open(f->dir, &err);
    if (!f->journal || journal_count_start(f->journal, &err) != 0)
        fail_msg("%s", err.text);
    f->state = state_new(journal_identity(f->journal)->generation, 1);
    state_add_medium(f->state, &m, true);
    assert_int_equal(journal_load(f->journal, f->state, NULL), 0);
    state_count_free(f->state, 1);
    f->tables = (struct tables){.state = f->state,
                                .sets = sets_new(f->state, f->journal, on_work, f),
                                .scalars = &f->scalars,
                                .last_error = "",
                                .iqn_prefix = PREFIX};
    f->member.kind = MEMBER_UNIT;
    f->member.owner = tables_owner(&f->tables);
    f->scalars = (struct scalars){.member = &f->member, .leased = on_leased, .arg = f};
}

static inline void close_all(struct fixture *f)
{
    sets_free(f->tables.sets);
    state_free(f->state);
    journal_close(f->journal);
}

// As if the program had been killed and started again.
static inline void restart(struct fixture *f)
{
    close_all(f);
    open_all(f);
}

static inline int setup(void **state)
{
    struct fixture *f = dv_calloc(1, sizeof(*f));
    strcpy(f->dir, "/tmp/dvsan-test-sets-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    open_all(f);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    close_all(f);
    snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
    free(f);
    return system(command);
}

// ---- Requests as the table handler makes them -------------------------------------------------

struct row {
    const struct sn_table *table;
    struct sn_change change;
};

static inline void set(struct row *r, uint32_t column, struct sn_value value)
{
    r->change.sets[r->change.count].column = column;
    r->change.sets[r->change.count++].value = value;
}

static inline struct row volume_row(uint32_t index)
{
    return (struct row){.table = &table_volume, .change = {.index = {index}, .index_len = 1}};
}

static inline struct row rule_row(uint32_t volume, uint32_t index)
{
    return (struct row){.table = &table_access,
                        .change = {.index = {volume, index}, .index_len = 2}};
}

static const uint8_t UUIDS[9][16] = {{1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}, {9}};

static inline struct row create(uint32_t index, int uuid, const char *name, uint32_t mib)
{
    struct row r = volume_row(index);
    set(&r, SUB_dvsanVolumeUuid, sn_octets(UUIDS[uuid], 16));
    set(&r, SUB_dvsanVolumeName, sn_text(name));
    set(&r, SUB_dvsanVolumeMedium, sn_uint(1));
    set(&r, SUB_dvsanVolumeSize, sn_uint(mib));
    set(&r, SUB_dvsanVolumeRowStatus, sn_int(ROW_CREATE_AND_GO));
    return r;
}

static inline struct row grant(uint32_t volume, uint32_t index, const char *iqn, const char *user,
                               const char *secret)
{
    struct row r = rule_row(volume, index);
    set(&r, SUB_dvsanAccessInitiator, sn_text(iqn));
    set(&r, SUB_dvsanAccessChapUser, sn_text(user));
    set(&r, SUB_dvsanAccessChapSecret, sn_text(secret));
    set(&r, SUB_dvsanAccessRowStatus, sn_int(ROW_CREATE_AND_GO));
    return r;
}

static inline struct row destroy(struct row r)
{
    bool rule = r.table == &table_access;
    set(&r, rule ? SUB_dvsanAccessRowStatus : SUB_dvsanVolumeRowStatus, sn_int(ROW_DESTROY));
    return r;
}

enum { NO_FAULT = -1 };

static inline void *context(struct fixture *f, const struct row *r)
{
    return r->table == &scalars_table ? (void *)&f->scalars : &f->tables;
}

// One request of several rows. When a row's check fails, or the row at foreign_fault's turn comes
// in the apply phase (another agent refused), all is undone and released.
static inline int request(struct fixture *f, struct row *rows, size_t count, int foreign_fault)
{
    int status = SN_NO_ERROR;
    size_t applied = 0;
    for (size_t i = 0; i < count; i++) {
        struct sn_change *c = &rows[i].change;
        c->row = rows[i].table->find(context(f, &rows[i]), c->index, c->index_len);
        if (status == SN_NO_ERROR)
            status = rows[i].table->check(context(f, &rows[i]), c);
    }
    for (; applied < count && status == SN_NO_ERROR; applied++)
        status =
            (int)applied == foreign_fault
                ? SN_GEN_ERR
                : rows[applied].table->apply(context(f, &rows[applied]), &rows[applied].change);
    if (status == SN_NO_ERROR && foreign_fault == (int)count)
        status = SN_GEN_ERR;
    for (size_t i = 0; i < count; i++)
        if (status == SN_NO_ERROR)
            rows[i].table->commit(context(f, &rows[i]), &rows[i].change);
        else if (i < applied)
            assert_int_equal(rows[i].table->undo(context(f, &rows[i]), &rows[i].change),
                             SN_NO_ERROR);
    for (size_t i = 0; i < count; i++) {
        rows[i].table->release(context(f, &rows[i]), &rows[i].change);
        assert_null(rows[i].change.memory);
    }
    return status;
}

static inline int ask(struct fixture *f, struct row r)
{
    return request(f, &r, 1, NO_FAULT);
}

static inline void assert_refused(struct fixture *f, struct row r, int status, uint32_t column)
{
    assert_int_equal(request(f, &r, 1, NO_FAULT), status);
    if (column != 0)
        assert_int_equal(r.change.sets[r.change.failed].column, column);
}

static inline struct row forget(uint32_t index)
{
    struct row r = destroy(volume_row(index));
    set(&r, SUB_dvsanVolumeForce, sn_int(TRUTH_TRUE));
    return r;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#endif

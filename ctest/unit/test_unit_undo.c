// Tests of SET requests that are undone: nothing of them is left, in memory and in the journal.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/set_rows.h"

#include "base/file.h"
#include "sqlite/db.h"

static void what_another_agent_refuses_is_undone(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, create(1, 0, "a", 1)), SN_NO_ERROR);
    assert_int_equal(ask(f, create(5, 4, "e", 1)), SN_NO_ERROR);
    assert_int_equal(ask(f, grant(1, 1, "iqn.2026-11.host:a", "alice", "secret-of-alice")),
                     SN_NO_ERROR);
    unsigned work = f->work;
    for (int fault = 0; fault <= 5; fault++) {
        struct row rename = volume_row(1);
        set(&rename, SUB_dvsanVolumeName, sn_text("renamed"));
        struct row rows[] = {rename, create(2, 1, "b", 1),
                             grant(1, 2, "iqn.2026-11.host:b", "alice", "other-secret-12"),
                             destroy(rule_row(1, 1)), destroy(volume_row(5))};
        assert_int_equal(request(f, rows, DV_COUNT(rows), fault), SN_GEN_ERR);
        for (int again = 0; again < 2; again++) { // in memory, and on disk
            assert_int_equal(state_volume_count(f->state), 2);
            assert_string_equal(state_volume(f->state, 1)->v.name, "a");
            assert_int_not_equal(state_volume(f->state, 5)->v.state, VOLUME_DELETING);
            assert_int_equal(state_rule(f->state, 1, 1)->r.state, ACCESS_PENDING);
            assert_string_equal(state_rule(f->state, 1, 1)->secret, "secret-of-alice");
            assert_null(state_rule(f->state, 1, 2));
            restart(f);
        }
    }
    assert_int_equal(f->work, work);
}
// ---- All that is recorded -----------------------------------------------------------------------

static char *text_of(struct db *db, const char *sql, const char *between)
{
    struct dv_err err;
    char *text = dv_strdup("");
    struct db_stmt *s = db_prepare(db, sql, &err);
    if (!s)
        fail_msg("%s: %s", sql, err.text);
    while (db_step(s, &err) == 1) {
        char *longer = dv_printf("%s%s%s", text, text[0] ? between : "", db_text(s, 0));
        free(text);
        text = longer;
    }
    db_finalize(s);
    return text;
}

// Every row of every table. Between commits the file is whole by itself, so a copy can be read.
static char *recorded(const struct fixture *f)
{
    DV_FREE char *from = dv_printf("%s/unit.db", f->dir);
    DV_FREE char *to = dv_printf("%s/copy.db", f->dir);
    DV_FREE char *data = NULL;
    struct dv_err err;
    size_t len;
    if (file_read(from, 1 << 24, &data, &len, &err) != 0 ||
        file_write_atomic(to, data, len, 0600, &err) != 0)
        fail_msg("%s", err.text);
    struct db *db = db_open(to, DB_BACK, &err);
    assert_non_null(db);
    DV_FREE char *tables =
        text_of(db,
                "SELECT 'SELECT ''' || m.name || ' ''||' || group_concat('quote('||c.name||')',"
                " '||'',''||') || ' FROM ' || m.name FROM sqlite_master m,"
                " pragma_table_info(m.name) c WHERE m.type = 'table' GROUP BY m.name",
                " UNION ALL ");
    char *all = text_of(db, tables, "\n");
    db_close(db);
    return all;
}
static void what_forgetting_took_is_put_back(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, create(1, 0, "a", 1)), SN_NO_ERROR);
    assert_int_equal(ask(f, grant(1, 1, "iqn.2026-11.host:a", "alice", "secret-of-alice")),
                     SN_NO_ERROR);
    for (int fault = 0; fault <= 1; fault++) {
        state_set_medium(f->state, state_medium(f->state, 1), MEDIUM_FAILED, "it is away");
        struct row rows[] = {forget(1)};
        assert_int_equal(request(f, rows, 1, fault), SN_GEN_ERR);
        restart(f);
        assert_string_equal(state_volume(f->state, 1)->v.name, "a");
        assert_string_equal(state_rule(f->state, 1, 1)->secret, "secret-of-alice");
    }
}

static struct row lead(uint32_t seconds)
{
    struct row r = {.table = &scalars_table, .change = {.index = {0}, .index_len = 1}};
    set(&r, SUB_dvsanMemberLease, sn_uint(seconds));
    return r;
}

// As what runs leaves it: counted, and told which tgtd serves it.
static void has_been_used(struct fixture *f)
{
    struct unit_volume *v = state_volume(f->state, 1);
    struct unit_rule *r = state_rule(f->state, 1, 1);
    v->counters.read_ops = 5;
    r->counters.written_bytes = 6;
    r->counting.logins = 7;
    v->tgtd = state_add_tgtd(f->state, "/run/tgtd");
    assert_int_equal(journal_put_counters(f->journal, v, NULL), 0);
    assert_int_equal(journal_put_rule_counters(f->journal, r, NULL), 0);
    assert_int_equal(journal_put_tgtd(f->journal, 1, "/run/tgtd", NULL), 0);
}

static void what_is_undone_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    static const char *const secret = "secret-of-alice";
    assert_int_equal(ask(f, create(1, 0, "a", 1)), SN_NO_ERROR);
    assert_int_equal(ask(f, create(5, 4, "e", 1)), SN_NO_ERROR);
    assert_int_equal(ask(f, grant(1, 1, "iqn.2026-11.host:a", "alice", secret)), SN_NO_ERROR);
    has_been_used(f);
    state_set_medium(f->state, state_medium(f->state, 1), MEDIUM_FAILED, "it is away");
    DV_FREE char *before = recorded(f);
    assert_non_null(strstr(before, "member "));
    struct row rename = volume_row(1), offline = volume_row(1), another = rule_row(1, 1);
    set(&rename, SUB_dvsanVolumeName, sn_text("renamed"));
    set(&offline, SUB_dvsanVolumeAdminState, sn_int(dvsanVolumeAdminState_offline));
    set(&another, SUB_dvsanAccessChapSecret, sn_text("secret-of-nobody"));
    const struct row requests[][2] = {
        {rename, destroy(volume_row(5))},
        {offline, another},
        {forget(1), rename},
        {forget(1), forget(5)},
        {another, grant(5, 1, "iqn.2026-11.host:b", "bob", "secret-of-bob")},
        {destroy(rule_row(1, 1)), grant(5, 9, "iqn.2026-11.host:b", "alice", secret)},
        {lead(7), rename},
    };
    for (size_t i = 0; i < 2 * DV_COUNT(requests); i++) {
        struct row rows[2] = {requests[i / 2][0], requests[i / 2][1]};
        assert_int_equal(request(f, rows, 2, i % 2 ? 1 : 2), SN_GEN_ERR);
        DV_FREE char *after = recorded(f);
        assert_string_equal(after, before);
    }
    state_set_medium(f->state, state_medium(f->state, 1), MEDIUM_ONLINE, "");
    struct row made[] = {create(1000, 1, "b", 1), create(70, 2, "c", 1)};
    assert_int_equal(request(f, made, 2, 2), SN_GEN_ERR);
    DV_FREE char *after = recorded(f);
    assert_string_equal(after, before);
    assert_int_equal(state_volume_last(f->state), 5);
}

// Another request's volume, which is recorded already, keeps its number.
static void what_is_undone_takes_no_number_from_others(void **state)
{
    struct fixture *f = *state;
    struct row other = create(9, 3, "d", 1), made[] = {create(1000, 1, "b", 1)};
    other.change.request = 77;
    assert_int_equal(table_volume.check(&f->tables, &other.change), SN_NO_ERROR);
    assert_int_equal(table_volume.apply(&f->tables, &other.change), SN_NO_ERROR);
    assert_int_equal(request(f, made, 1, 1), SN_GEN_ERR);
    table_volume.release(&f->tables, &other.change); // as if killed before its answer
    restart(f);
    assert_int_equal(state_volume_last(f->state), 9);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_another_agent_refuses_is_undone),
        TEST(what_forgetting_took_is_put_back),
        TEST(what_is_undone_leaves_no_trace),
        TEST(what_is_undone_takes_no_number_from_others),
    };
    return cmocka_run_group_tests_name("unit undo", tests, NULL, NULL);
}

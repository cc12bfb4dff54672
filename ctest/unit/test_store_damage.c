// A store in which any value was changed loads as a good one or is refused with a sentence.
// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "cms/pool/pool.h"
#include "console/api/view.h"
#include "ctest/support/store_all.h"
#include "sqlite/db.h"
#include "store/store.h"

static char dir[64], path[96];
static char *good; // the bytes of a store that holds something of everything
static size_t good_len;

static void remove_store(void)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < DV_COUNT(tails); i++) {
        char name[128];
        snprintf(name, sizeof(name), "%s%s", path, tails[i]);
        unlink(name);
    }
}

// ---- A good one ------------------------------------------------------------------------------

static struct unit_record unit(uint8_t n)
{
    struct unit_record u = {.uuid = {{n}},
                            .engine_id = {0x80, 0, 0, 1, 2, n},
                            .engine_id_len = 6,
                            .accepted = {.station = {{9}}, .number = 3, .mark = 4},
                            .trust = TRUST_ENROLLED,
                            .key_number = 1,
                            .state = UNIT_UP,
                            .last_seen = 1800000000};
    snprintf(u.name, sizeof(u.name), "unit%u", n);
    snprintf(u.address, sizeof(u.address), "udp:192.0.2.%u:161", n);
    return u;
}

static void add_unit(struct changes *c, uint8_t n)
{
    const struct unit_record u = unit(n);
    const struct medium m = {.index = 1,
                             .name = "pool0",
                             .kind = MEDIUM_DISK,
                             .state = MEDIUM_ONLINE,
                             .blocks = 1 << 20,
                             .free_blocks = 1 << 19,
                             .largest_free_blocks = 1 << 18};
    const struct free_extent extents[] = {{1, 4096, 4096}, {1, 1 << 18, 1 << 18}};
    const struct portal portals[] = {
        {.index = 1, .group = 1, .address = "192.0.2.1", .port = 3260, .if_index = 2, .up = true},
        {.index = 1, .group = 2, .address = "2001:db8::1", .port = 3261, .if_index = 2}};
    changes_unit(c, &u);
    changes_media(c, &u.uuid, &m, 1);
    changes_free_extents(c, &u.uuid, (struct free_place){0}, FREE_PLACE_END, extents, 2);
    changes_portals(c, &u.uuid, portals, 2);
}

static void add_volume(struct changes *c, uint8_t n)
{
    struct volume_record v = {.uuid = {{n}},
                              .unit = {{1}},
                              .medium = 1,
                              .index = n,
                              .blocks = 4096,
                              .wanted = true,
                              .seen = true};
    struct volume shown = {.uuid = {{n}},
                           .index = n,
                           .medium = 1,
                           .start_lba = 2048,
                           .blocks = 4096,
                           .lun = 1,
                           .group = 1,
                           .state = VOLUME_ONLINE};
    const struct access_rule rule = {.volume = n,
                                     .index = 1,
                                     .initiator = "iqn.2026-11.x:web",
                                     .chap_user = "web",
                                     .state = ACCESS_ACTIVE};
    const struct assignment_record a = {.volume = {{n}}, .host = {{3}}, .index = 1, .wanted = true};
    snprintf(v.name, sizeof(v.name), "v%u", n);
    dv_copy(shown.name, sizeof(shown.name), v.name);
    snprintf(shown.iqn, sizeof(shown.iqn), "iqn.2026-11.x:%u", n);
    changes_volume(c, &v);
    changes_shown(c, &shown, &rule, 1);
    changes_assignment(c, &a);
}

static void make_good(void)
{
    struct dv_err err;
    struct changes c = {0};
    const struct host_record host = {.uuid = {{3}},
                                     .name = "web",
                                     .iqn = "iqn.2026-11.x:web",
                                     .chap_user = "web",
                                     .sealed_len = 56,
                                     .secret_mark = 1};
    const struct task_record task = {.id = 7,
                                     .kind = TASK_ASSIGN,
                                     .state = TASK_RUNNING,
                                     .summary = "assign",
                                     .volume = {{5}},
                                     .host = {{3}},
                                     .steps = {{"admit", STEP_RUNNING}},
                                     .step_count = 1,
                                     .created = 1};
    const struct event_record event = {
        .id = 1, .time = 1, .severity = EVENT_INFO, .subject = "pool", .text = "t"};
    struct token_record token = {.id = 1, .name = "t", .hash = {1}, .created = 1};
    const struct code_record code = {.id = "01ABC",
                                     .kind = MEMBER_UNIT,
                                     .name = "unit1",
                                     .member = {{1}},
                                     .range = "192.0.2.0/24",
                                     .count = 2,
                                     .tries = 4,
                                     .created = 1,
                                     .expires = 2};
    const struct code_use use = {.code = "01ABC",
                                 .member = {{1}},
                                 .name = "unit1",
                                 .engine = {5, {1, 2, 3, 4, 5}},
                                 .number = 1,
                                 .from = "192.0.2.7",
                                 .time = 1};
    struct store *s = store_open(path, &err);
    if (!s)
        fail_msg("%s", err.text);
    add_unit(&c, 1);
    add_unit(&c, 2);
    changes_host(&c, &host);
    add_volume(&c, 5);
    add_volume(&c, 6);
    changes_task(&c, &task);
    changes_event(&c, &event);
    changes_token(&c, &token);
    changes_code(&c, &code);
    changes_code_use(&c, &use);
    assert_int_equal(store_begin_run(s, NULL), 0);
    assert_int_equal(store_apply(s, &c, true, NULL), 0);
    assert_int_equal(store_set(s, "station", "0123456789abcdef", 16, NULL), 0);
    assert_int_equal(store_set(s, "key-check", "0123456789abcdef", 16, NULL), 0);
    changes_free(&c);
    store_free(s);
    assert_int_equal(file_read(path, 1 << 24, &good, &good_len, &err), 0);
}

static int set_up(void **state)
{
    (void)state;
    dv_copy(dir, sizeof(dir), "/dev/shm/test_store_damage.XXXXXX"); // nothing has to reach a disk
    if (!mkdtemp(dir)) {
        dv_copy(dir, sizeof(dir), "/tmp/test_store_damage.XXXXXX");
        assert_non_null(mkdtemp(dir));
    }
    snprintf(path, sizeof(path), "%s/pool.db", dir);
    make_good();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_store();
    free(good);
    return rmdir(dir);
}

static void put_good(void)
{
    remove_store();
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(good, 1, good_len, f), good_len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

// ---- Changed ---------------------------------------------------------------------------------

// Runs SQL on a good store as somebody would who has it open in SQLite's own tool. False when the
// change itself is not possible.
static bool change(const char *sql)
{
    struct dv_err err;
    put_good();
    struct db *db = db_open(path, DB_AHEAD, &err);
    if (!db)
        fail_msg("%s", err.text);
    assert_int_equal(db_exec(db,
                             "PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;"
                             "PRAGMA ignore_check_constraints = ON",
                             &err),
                     0);
    bool done = db_exec(db, sql, &err) == 0;
    db_close(db);
    return done;
}

static void use(struct pool *p)
{
    struct pool_totals totals;
    pool_totals(p, &totals);
    for (struct pool_unit *u = p->units; u; u = u->hh.next)
        json_decref(view_unit(u));
    for (struct pool_volume *v = p->volumes; v; v = v->hh.next)
        json_decref(view_volume(v));
    for (struct pool_host *h = p->hosts; h; h = h->hh.next)
        json_decref(view_connect_info(h));
    for (struct pool_task *t = p->tasks; t; t = t->hh.next)
        json_decref(view_task(p, &t->rec));
}

static bool try_rest(struct store *s, struct dv_err *err)
{
    DV_FREE struct event_record *events = NULL;
    DV_FREE struct token_record *tokens = NULL;
    size_t count;
    struct store_ids last;
    if (store_events(s, 0, 100, &events, &count, err) < 0 ||
        store_tokens(s, &tokens, &count, err) < 0 || store_last_ids(s, &last, err) < 0 ||
        store_begin_run(s, err) < 0)
        return false;
    static const char *const settings[] = {"station", "key-check"};
    for (size_t i = 0; i < DV_COUNT(settings); i++) {
        DV_FREE void *data = NULL;
        size_t len;
        if (store_get(s, settings[i], &data, &len, err) < 0)
            return false;
    }
    assert_true(last.event <= INT64_MAX / 2 && last.task <= INT64_MAX / 2);
    for (size_t i = 0; events && i < count; i++)
        json_decref(view_plain(&kind_event, &events[i]));
    return true;
}

// Whether the station would start with it.
static bool starts(struct dv_err *err)
{
    struct store *s = store_open(path, err);
    struct changes all = {0};
    bool is_good = s && store_all(s, &all, err) == 0;
    if (is_good) {
        struct pool *p = pool_new();
        pool_apply(p, &all);
        use(p);
        pool_free(p);
        is_good = try_rest(s, err);
    }
    changes_free(&all);
    store_free(s);
    return is_good;
}

static void is_refused(const char *sql)
{
    struct dv_err err = {0};
    if (!change(sql))
        fail_msg("%s: cannot be done", sql);
    if (starts(&err))
        fail_msg("%s: taken for good", sql);
    if (err.code != DV_DAMAGED || !strstr(err.text, "is damaged (") ||
        !strstr(err.text, "put a backup in its place"))
        fail_msg("%s: %s", sql, err.text);
}

static void test_a_good_one(void **state)
{
    (void)state;
    struct dv_err err = {0};
    put_good();
    if (!starts(&err))
        fail_msg("%s", err.text);
}

static void test_what_was_seen(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "DELETE FROM unit WHERE name = 'unit1'",
        "DELETE FROM volume",
        "DELETE FROM host",
        "DELETE FROM shown",
        "DELETE FROM task",
        // Two that must be one, which the file's own constraints do not see.
        "INSERT INTO host SELECT randomblob(16), 'web2', '', 'IQN.2026-11.x:Web', 'web2', NULL, 0, "
        "0, '', NULL, 0, 0, 0, '', 0",
        "INSERT INTO host SELECT randomblob(16), 'web2', '', 'iqn.2026-11.x:w2', 'web2', NULL, 0, "
        "0, '', NULL, 0, 0, 0, 'IQN.2026-11.x:Web', 0",
        "UPDATE host SET previous_iqn = iqn",
        "UPDATE shown SET idx = 5",
        "INSERT INTO host SELECT randomblob(16), 'db', '', 'iqn.2026-11.x:db', 'db', NULL, 0, 0, "
        "'', NULL, 0, 0, 0, '', 0;"
        "INSERT INTO assignment SELECT volume, (SELECT uuid FROM host WHERE name = 'db'), idx,"
        " wanted, found, unasked FROM assignment",
        // What reads as another thing's UUID.
        "UPDATE volume SET name = '05000000-0000-0000-0000-000000000000' WHERE name = 'v6'",
        "UPDATE host SET name = '03000000-0000-0000-0000-000000000000'",
        "UPDATE unit SET name = '02000000-0000-0000-0000-000000000000' WHERE name = 'unit1'",
        "UPDATE medium SET name = '02000000-0000-0000-0000-000000000000'",
        // Tables that are not those of the program.
        "DROP TABLE rule",
        "DROP TABLE event",
        "DROP TABLE setting",
        "DROP TABLE told",
        "INSERT INTO told VALUES ((SELECT uuid FROM host), 'unit1', 1)",
        "DROP TABLE run; DROP TABLE token",
        "ALTER TABLE host DROP COLUMN secret_mark",
        "ALTER TABLE host RENAME TO hosts",
        "PRAGMA user_version = 0",
        "PRAGMA user_version = 3",
        // What no unit can show.
        "UPDATE unit SET address = 'udp:0.0.0.0:161'",
        "UPDATE unit SET engine_id = NULL",
        "UPDATE portal SET address = '224.0.0.1'",
        "UPDATE portal SET address = '::ffff:192.0.2.1'",
        "UPDATE shown SET iqn = 'iqn.2026-11.x:Upper'",
        "UPDATE shown SET blocks = 0",
        "UPDATE shown SET lun = 16384",
        "UPDATE volume SET blocks = 0",
        "UPDATE portal SET portal_group = 99 WHERE portal_group = 2",
        "UPDATE shown SET portal_group = 0",
        "UPDATE portal SET portal_group = 17 WHERE portal_group = 2",
        "UPDATE portal SET address = 'here'",
        "UPDATE unit SET state = 7",
        "UPDATE unit SET state = 'up'",
        "UPDATE unit SET last_seen = 9223372036854775807",
        "UPDATE unit SET engine_id = zeroblob(33)",
        "UPDATE unit SET name = 'a b' WHERE name = 'unit1'",
        "UPDATE volume SET idx = 0",
        "UPDATE volume SET wanted = 2",
        "UPDATE host SET iqn = 'iqn.2026-11.x:$(reboot)'",
        "UPDATE host SET chap_user = 'a b'",
        "UPDATE host SET sealed_secret = zeroblob(97)",
        "UPDATE host SET sealed_secret = zeroblob(39)",
        "UPDATE host SET uuid = zeroblob(16)",
        "UPDATE assignment SET idx = -1",
        "UPDATE task SET kind = 0",
        "UPDATE task SET error_code = 99",
        "UPDATE task_step SET state = 5",
        "UPDATE event SET severity = 4",
        "UPDATE run SET number = -1",
        "UPDATE token SET hash = zeroblob(31)",
        "UPDATE sqlite_sequence SET seq = 9223372036854775807",
        // What would steer a terminal, and what nobody could have written.
        "UPDATE token SET name = ''",
        "UPDATE token SET name = 'a' || char(27) || '[2J'",
        "UPDATE event SET text = char(27) || 'c'",
        "UPDATE event SET subject = 'pool' || char(10)",
        "UPDATE task SET summary = 'x' || char(127)",
        "UPDATE task SET waiting = char(27)",
        "UPDATE task_step SET text = char(7)",
        "UPDATE unit SET software = char(27)",
        // With which a station starts as another one.
        "DELETE FROM setting WHERE key = 'station'",
        "DELETE FROM setting WHERE key = 'key-check'",
        "DELETE FROM setting",
        "UPDATE setting SET key = 'Station' WHERE key = 'station'",
    };
    for (size_t i = 0; i < DV_COUNT(changes); i++)
        is_refused(changes[i]);
}

// ---- Every column ----------------------------------------------------------------------------

struct column {
    char table[32], name[32];
};

static size_t list_columns(struct column **list)
{
    struct dv_err err;
    size_t n = 0;
    put_good();
    struct db *db = db_open(path, DB_AHEAD, &err);
    assert_non_null(db);
    struct db_stmt *s = db_prepare(db,
                                   "SELECT m.name, c.name FROM sqlite_master m,"
                                   " pragma_table_info(m.name) c WHERE m.type = 'table'"
                                   " ORDER BY m.name, c.cid",
                                   &err);
    assert_non_null(s);
    while (db_step(s, NULL) == 1) {
        struct column *c = DV_APPEND(*list, n);
        dv_copy(c->table, sizeof(c->table), db_text(s, 0));
        dv_copy(c->name, sizeof(c->name), db_text(s, 1));
    }
    db_finalize(s);
    db_close(db);
    return n;
}

// The table as it is with nothing in the schema but its key: constraints and indexes of a damaged
// file hold nothing back.
static void loosen(const char *table, char *sql, size_t room)
{
    struct dv_err err;
    char columns[512], keys[128];
    put_good();
    struct db *db = db_open(path, DB_AHEAD, &err);
    assert_non_null(db);
    struct db_stmt *s = db_prepare(db,
                                   "SELECT group_concat(name), (SELECT group_concat(name) FROM"
                                   " (SELECT name FROM pragma_table_info(?1) WHERE pk ORDER BY pk))"
                                   " FROM pragma_table_info(?1)",
                                   &err);
    assert_non_null(s);
    db_bind_text(s, 1, table);
    assert_int_equal(db_step(s, NULL), 1);
    assert_true(dv_copy(columns, sizeof(columns), db_text(s, 0)));
    assert_true(dv_copy(keys, sizeof(keys), db_text(s, 1)));
    db_finalize(s);
    db_close(db);
    int len = snprintf(sql, room,
                       "CREATE TABLE loose (%s, PRIMARY KEY (%s)); INSERT INTO loose SELECT * FROM"
                       " %s; DROP TABLE %s; ALTER TABLE loose RENAME TO %s;",
                       columns, keys, table, table, table);
    assert_in_range(len, 1, room - 1);
}

// Each of these opens a store, which the sanitizers make slow: with them each column has a third of
// the values, and each value a third of the columns.
#ifdef __SANITIZE_ADDRESS__
#define STRIDE 3
#else
#define STRIDE 1
#endif

static void test_every_column(void **state)
{
    (void)state;
    static const char *const values[] = {
        "NULL",
        "-1",
        "0",
        "2147483648",
        "4294967296",
        "9223372036854775807",
        "1.5",
        "''",
        "'\x1b[2J\xff'",
        "'05000000-0000-0000-0000-000000000000'",
        "zeroblob(16)",
        "randomblob(16)",
        "hex(zeroblob(400))",
    };
    static const char *const of_rows[] = {"min", "max"}; // that of one for all
    DV_FREE struct column *columns = NULL;
    size_t count = list_columns(&columns), refused = 0, taken = 0;
    assert_true(count > 90);
    for (size_t i = 0; i < count; i++) {
        const char *table = columns[i].table, *name = columns[i].name;
        char loose[1024] = "";
        struct dv_err loose_err = {0};
        if (strncmp(table, "sqlite_", 7) != 0)
            loosen(table, loose, sizeof(loose));
        if (i == 0 || strcmp(columns[i - 1].table, table) != 0) {
            assert_true(change(loose[0] ? loose : "SELECT 1"));
            if (!starts(&loose_err)) // it is the values that are refused
                fail_msg("%s: %s", loose, loose_err.text);
        }
        for (size_t v = i % STRIDE; v < DV_COUNT(values) + DV_COUNT(of_rows); v += STRIDE) {
            struct dv_err err = {0};
            DV_FREE char *value = v < DV_COUNT(values)
                                      ? dv_strdup(values[v])
                                      : dv_printf("(SELECT %s(%s) FROM %s)",
                                                  of_rows[v - DV_COUNT(values)], name, table);
            DV_FREE char *sql =
                dv_printf("%sUPDATE OR IGNORE %s SET %s = %s", loose, table, name, value);
            if (!change(sql))
                fail_msg("%s: cannot be done", sql);
            if (starts(&err))
                taken++;
            else if (refused++, err.text[0] == '\0' || err.code != DV_DAMAGED)
                fail_msg("%s: %s", sql, err.text);
        }
    }
    print_message("%zu changes were taken for good, %zu refused\n", taken, refused);
    assert_true(refused > 800 / STRIDE);
}

// ---- The lock --------------------------------------------------------------------------------

static void test_one_at_a_time_by_whatever_name(void **state)
{
    (void)state;
    struct dv_err err = {0};
    char other[128];
    put_good();
    snprintf(other, sizeof(other), "%s/other.db", dir);
    assert_int_equal(link(path, other), 0);
    struct store *s = store_open(path, &err);
    assert_non_null(s);
    const char *const names[] = {path, other};
    for (size_t i = 0; i < DV_COUNT(names); i++) {
        assert_null(store_open(names[i], &err));
        assert_int_equal(err.code, DV_BUSY);
        assert_non_null(strstr(err.text, "is in use by another process"));
    }
    store_free(s);
    s = store_open(path, &err);
    assert_non_null(s);
    store_free(s);
    unlink(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_one),
        cmocka_unit_test(test_what_was_seen),
        cmocka_unit_test(test_every_column),
        cmocka_unit_test(test_one_at_a_time_by_whatever_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

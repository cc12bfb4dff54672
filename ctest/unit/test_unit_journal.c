// Tests of the unit's journal: what survives a restart and a kill, and what does not open.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/journal_box.h"

#include "base/wait.h"
#include "unit/journal_internal.h"
#include <signal.h>
#include <sys/wait.h>

static void identity_is_kept_and_starts_are_counted(void **state)
{
    (void)state;
    struct journal *j = open_journal();
    struct journal_identity first = *journal_identity(j);
    struct stat st;
    DV_FREE char *db = dv_printf("%s/unit.db", dir);
    assert_false(uuid_is_zero(&first.uuid));
    assert_int_equal(first.epoch, 1);
    assert_int_equal(journal_reserve(j, 4096, NULL), 0);
    assert_int_equal(stat(db, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    journal_close(j);
    j = open_journal();
    assert_true(uuid_equal(&journal_identity(j)->uuid, &first.uuid));
    assert_int_equal(journal_identity(j)->epoch, 2);
    assert_int_equal(journal_identity(j)->generation, 4096);
    journal_close(j);
}

static void what_tgtd_counted_comes_back(void **state)
{
    (void)state;
    struct journal *j = open_journal();
    const struct tgt_statistics rows[] = {
        {.tid = 7,
         .sid = 1,
         .lun = 1,
         .read_bytes = UINT64_C(1) << 40,
         .read_commands = UINT32_MAX},
        {.tid = 8, .sid = 2, .lun = 0, .write_bytes = 5, .write_commands = 6},
    };
    struct journal_counted *back;
    size_t count;
    assert_int_equal(journal_load_counted(j, &back, &count, NULL), 0);
    assert_null(back);
    assert_int_equal(count, 0);
    // The last ones replace those before them; sessions of two runs may have the same numbers.
    assert_int_equal(journal_put_counted(j, "an older run", &rows[1], 1, NULL), 0);
    assert_int_equal(journal_clear_counted(j, NULL), 0);
    assert_int_equal(journal_put_counted(j, "run 2", rows, 2, NULL), 0);
    assert_int_equal(journal_put_counted(j, "run 1", rows, 1, NULL), 0);
    journal_close(j);
    j = open_journal();
    assert_int_equal(journal_load_counted(j, &back, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_string_equal(back[0].tgtd, "run 1");
    assert_int_equal(back[0].count, 1);
    assert_memory_equal(back[0].rows, rows, sizeof(rows[0]));
    assert_string_equal(back[1].tgtd, "run 2");
    assert_int_equal(back[1].count, 2);
    assert_memory_equal(back[1].rows, rows, sizeof(rows));
    for (size_t i = 0; i < count; i++)
        journal_counted_clear(&back[i]);
    free(back);
    journal_close(j);
}

// Also one that no socket can have, as of a configuration that nobody looked at: it serves nothing.
static void a_volumes_tgtd_comes_back(void **state)
{
    (void)state;
    char long_path[200] = "/run/";
    memset(long_path + strlen(long_path), 't', sizeof(long_path) - strlen(long_path) - 1);
    struct journal *j = open_journal();
    struct volume v = volume(1), w = volume(2);
    assert_int_equal(journal_put_volume(j, &v, true, NULL), 0);
    assert_int_equal(journal_put_volume(j, &w, true, NULL), 0);
    long_path[sizeof(long_path) - 1] = '\0';
    assert_int_equal(journal_put_tgtd(j, 1, long_path, NULL), 0);
    assert_int_equal(journal_put_volume(j, &v, true, NULL), 0); // leaves it alone
    struct state *s = state_new(0, 2);
    state_add_tgtd(s, "/run/tgtd.0");
    state_add_tgtd(s, "/run/tgtd.1");
    assert_int_equal(journal_load(j, s, NULL), 0);
    assert_int_equal(state_tgtd_count(s), 3);
    assert_string_equal(state_tgtd(s, state_volume(s, 1)->tgtd), long_path);
    assert_int_equal(state_volume(s, 2)->tgtd, 0);
    assert_null(state_tgtd(s, 0));
    assert_null(state_tgtd(s, 4));
    state_free(s);
    journal_close(j);
}

static void rows_come_back_as_their_intents_say(void **state)
{
    (void)state;
    struct journal *j = open_journal();
    struct volume deleting = volume(3), offline = volume(4);
    struct access_rule r = rule(2, 1, "alice"), revoking = rule(2, 2, "bob");
    deleting.state = VOLUME_DELETING;
    offline.admin_online = false;
    revoking.state = ACCESS_REVOKING;
    assert_int_equal(journal_begin(j, NULL), 0);
    put_volume(j, volume(1), false);
    put_volume(j, volume(2), true);
    put_volume(j, deleting, true);
    put_volume(j, offline, true);
    assert_int_equal(journal_put_rule(j, &r, "secret-of-alice", NULL), 0);
    assert_int_equal(journal_put_rule(j, &revoking, "secret-of-bob", NULL), 0);
    assert_int_equal(journal_commit(j, NULL), 0);
    struct volume_counters counters = {1, 2, 3, 4}, few = {5, 6, 7, 8};
    struct unit_volume counted = {.v = volume(2), .counters = counters, .counting = {.logins = 9}};
    struct unit_rule granted = {.r = r, .counters = few, .counting = {.logins = 10}};
    assert_int_equal(journal_put_counters(j, &counted, NULL), 0);
    assert_int_equal(journal_put_rule_counters(j, &granted, NULL), 0);
    journal_close(j);

    j = open_journal();
    struct state *s = load(j);
    assert_int_equal(state_volume_count(s), 4);
    assert_int_equal(state_volume(s, 1)->v.state, VOLUME_CREATING);
    assert_false(state_volume(s, 1)->made);
    assert_int_equal(state_volume(s, 2)->v.state, VOLUME_FAILED); // until it is served again
    assert_true(state_volume(s, 2)->made);
    assert_memory_equal(&state_volume(s, 2)->counters, &counters, sizeof(counters));
    assert_int_equal(state_volume(s, 2)->counting.logins, 9);
    assert_memory_equal(&state_rule(s, 2, 1)->counters, &few, sizeof(few));
    assert_int_equal(state_rule(s, 2, 1)->counting.logins, 10);
    assert_int_equal(state_rule(s, 2, 2)->counting.logins, 0);
    assert_int_equal(state_volume(s, 3)->v.state, VOLUME_DELETING);
    assert_int_equal(state_volume(s, 4)->v.state, VOLUME_OFFLINE);
    assert_int_equal(state_rule(s, 2, 1)->r.state, ACCESS_PENDING);
    assert_string_equal(state_rule(s, 2, 1)->secret, "secret-of-alice");
    assert_int_equal(state_rule(s, 2, 2)->r.state, ACCESS_REVOKING);
    struct volume was = volume(2);
    assert_string_equal(state_volume(s, 2)->v.iqn, was.iqn);
    assert_int_equal(state_volume(s, 2)->v.start_lba, was.start_lba);
    state_free(s);
    journal_close(j);
}

static void a_medium_that_is_not_configured_comes_back_as_gone(void **state)
{
    (void)state;
    struct journal *j = open_journal();
    const struct medium m = {.index = 7, .name = "second", .kind = MEDIUM_DISK};
    const struct medium empty = {.index = 8, .name = "empty", .kind = MEDIUM_DISK};
    const struct dv_uuid uuid = {{7}};
    struct volume v = volume(3), w = volume(4);
    v.medium = 7;
    w.medium = 9; // of which nothing else is known
    assert_int_equal(journal_put_medium(j, &m, &uuid, "wwid naa.1", NULL), 0);
    assert_int_equal(journal_put_medium(j, &empty, &uuid, "", NULL), 0);
    put_volume(j, v, true);
    put_volume(j, w, true);
    journal_close(j);
    j = open_journal();
    struct state *s = load(j);
    const struct unit_medium *row = state_medium(s, 7);
    assert_true(row && row->gone);
    assert_string_equal(row->m.name, "second");
    assert_int_equal(row->m.kind, MEDIUM_DISK);
    assert_int_equal(row->m.state, MEDIUM_FAILED);
    assert_true(row->m.reserves); // nothing is known against it
    assert_string_equal(row->m.last_error, MEDIUM_GONE);
    assert_int_equal(row->m.blocks, 4 * ALLOC_BLOCKS);
    assert_int_equal(row->m.free_blocks, 0);
    assert_true(uuid_equal(&row->uuid, &uuid));
    assert_string_equal(row->identity, "wwid naa.1");
    assert_null(state_medium(s, 8));
    assert_string_equal(state_medium(s, 9)->m.name, "medium9");
    state_free(s);
    s = state_new(0, 1);
    state_add_medium(s, &m, true);
    assert_int_equal(journal_load(j, s, NULL), 0);
    assert_false(state_medium(s, 7)->gone);
    state_free(s);
    journal_close(j);
}

static void no_index_is_forgotten(void **state)
{
    (void)state;
    struct dv_err err;
    struct journal *j = open_journal();
    put_volume(j, volume(41), true);
    put_volume(j, volume(7), true);
    struct volume other = volume(7);
    other.uuid = uuid_random();
    strcpy(other.name, "other");
    strcpy(other.iqn, "iqn.2026-11.test:other");
    assert_int_equal(journal_put_volume(j, &other, true, &err), -1);
    assert_int_equal(err.code, DV_CONFLICT);
    assert_int_equal(journal_drop_volume(j, 41, NULL), 0);
    for (int i = 0; i < 2; i++) {
        journal_close(j);
        j = open_journal();
        struct state *s = load(j);
        assert_int_equal(state_volume_last(s), 41);
        assert_int_equal(state_volume_count(s), 1);
        assert_string_equal(state_volume(s, 7)->v.name, "v7");
        state_free(s);
    }
    journal_close(j);
}

static void a_group_is_whole_or_not_at_all(void **state)
{
    (void)state;
    struct journal *j = open_journal();
    struct volume same_name = volume(2);
    struct dv_err err;
    strcpy(same_name.name, "v1");
    assert_int_equal(journal_begin(j, NULL), 0);
    put_volume(j, volume(1), false);
    assert_int_equal(journal_put_volume(j, &same_name, false, &err), -1);
    assert_int_equal(err.code, DV_CONFLICT);
    journal_rollback(j);
    struct state *s = load(j);
    assert_int_equal(state_volume_count(s), 0);
    state_free(s);
    journal_close(j);
}

// Writes volumes one group each, telling of each one once it is committed, until it is killed.
static void write_until_killed(int tell)
{
    struct journal *j = open_journal();
    for (uint32_t i = 1; j; i++) {
        struct volume v = volume(i);
        struct access_rule r = rule(i, 1, "alice");
        if (journal_begin(j, NULL) != 0 || journal_put_volume(j, &v, false, NULL) != 0 ||
            journal_put_rule(j, &r, "secret-of-alice", NULL) != 0 || journal_commit(j, NULL) != 0 ||
            write(tell, &i, sizeof(i)) != sizeof(i))
            break;
    }
    _exit(1);
}

static void what_was_committed_survives_a_kill(void **state)
{
    (void)state;
    uint32_t told = 0, next;
    for (int round = 0; round < 5; round++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        pid_t pid = fork();
        if (pid == 0)
            write_until_killed(pipes[1]);
        close(pipes[1]);
        for (int i = 0; i <= round * 3; i++)
            assert_int_equal(read(pipes[0], &told, sizeof(told)), sizeof(told));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        while (read(pipes[0], &next, sizeof(next)) == sizeof(next))
            told = next;
        close(pipes[0]);

        struct journal *j = open_journal();
        struct state *s = load(j);
        assert_true(state_volume_count(s) >= told);
        const struct unit_volume *v = NULL;
        while ((v = state_volume_next(s, v ? v->v.index : 0)))
            assert_true(state_volume_has_rules(s, v->v.index));
        state_free(s);
        journal_close(j);
        DV_FREE char *db = dv_printf("%s/unit.db", dir);
        assert_int_equal(unlink(db), 0);
    }
}

static void a_second_agent_is_refused(void **state)
{
    (void)state;
    struct dv_err err;
    struct journal *j = open_journal();
    assert_null(journal_open(dir, &err));
    assert_int_equal(err.code, DV_BUSY);
    journal_close(j);
}

static void targets_of_another_prefix_are_found_beside_an_agent(void **state)
{
    (void)state;
    struct dv_err err;
    struct volume first;
    DV_FREE char *db = dv_printf("%s/unit.db", dir);
    assert_int_equal(journal_other_targets(dir, "iqn.2026-11.test", &first, &err), 0); // no file
    struct journal *j = open_journal();
    for (uint32_t i = 1; i <= 3; i++)
        put_volume(j, volume(i), i > 1);
    assert_int_equal(journal_other_targets(dir, "iqn.2026-11.test", &first, &err), 0);
    assert_int_equal(journal_other_targets(dir, "iqn.2026-11.tes", &first, &err), 3);
    assert_string_equal(first.name, "v1");
    assert_string_equal(first.iqn, volume(1).iqn);
    put_volume(j, volume(4), true); // it goes on writing
    assert_int_equal(journal_other_targets(dir, "iqn.2026-11.other", &first, &err), 4);
    journal_close(j);
    assert_int_equal(file_write_atomic(db, "this is none", 12, 0600, NULL), 0);
    assert_int_equal(journal_other_targets(dir, "iqn.2026-11.test", &first, &err), -1);
    assert_non_null(strstr(err.text, "unit.db is damaged"));
}

static void an_open_directory_is_refused(void **state)
{
    (void)state;
    struct dv_err err;
    assert_int_equal(chmod(dir, 0755), 0);
    assert_null(journal_open(dir, &err));
    assert_int_equal(err.code, DV_DENIED);
    assert_non_null(strstr(err.text, "chmod 0700"));
}

static void a_damaged_file_is_told(void **state)
{
    (void)state;
    struct dv_err err;
    DV_FREE char *db = dv_printf("%s/unit.db", dir);
    assert_int_equal(
        file_write_atomic(db, "this is no database, but it is long enough", 42, 0600, NULL), 0);
    assert_null(journal_open(dir, &err));
    assert_int_equal(err.code, DV_DAMAGED);
    assert_non_null(strstr(err.text, "damaged"));
    assert_non_null(strstr(err.text, "backup"));
}

// Whatever is in the file, it is refused and left as it is.
static void damage_is_found_and_left_alone(void **state)
{
    (void)state;
    struct dv_err err;
    DV_FREE char *db = dv_printf("%s/unit.db", dir);
    DV_FREE char *good = NULL;
    struct journal *j = open_journal();
    for (uint32_t i = 1; i <= 250; i++)
        put_volume(j, volume(i), true);
    journal_close(j);
    size_t len = file_len(db, &good);
    for (size_t at = 4096; at < len; at += 4096) { // each page but the first
        DV_FREE char *now = NULL;
        FILE *f = fopen(db, "r+b");
        fseek(f, (long)at, SEEK_SET);
        for (int i = 0; i < 4096; i++)
            fputc(rand() & 0xff, f);
        fclose(f);
        j = journal_open(dir, &err);
        if (j) // a page that nothing is in
            journal_close(j);
        else if (!strstr(err.text, "--rebuild"))
            fail_msg("%s", err.text);
        assert_true(j || file_len(db, &now) == len);
        assert_int_equal(file_write_atomic(db, good, len, 0600, NULL), 0);
    }
    for (size_t cut = 100; cut < len; cut += len / 7) {
        DV_FREE char *now = NULL;
        assert_int_equal(truncate(db, (off_t)cut), 0);
        assert_null(journal_open(dir, &err));
        assert_int_equal(file_len(db, &now), cut);
        assert_memory_equal(now, good, cut);
        assert_int_equal(file_write_atomic(db, good, len, 0600, NULL), 0);
    }
    journal_close(open_journal());
}

// What a person, or a program that is not this one, may have written there.
static const char *const DAMAGES[] = {
    "UPDATE member SET epoch = 4294967295",
    "UPDATE member SET epoch = -1",
    "UPDATE member SET generation = 4294967296",
    "UPDATE member SET last_index = 2147483648",
    "UPDATE member SET uuid = zeroblob(16)",
    "UPDATE member SET uuid = x'01'",
    "DELETE FROM member",
    "UPDATE medium SET kind = 5",
    "UPDATE medium SET kind = 0",
    "UPDATE medium SET idx = -1",
    "UPDATE medium SET name = 'a/b'",
    "UPDATE medium SET uuid = x''",
    "UPDATE medium SET identity = hex(zeroblob(200))",
    "UPDATE volume SET idx = 0 WHERE idx = 2",
    "UPDATE volume SET idx = 4294967297 WHERE idx = 2",
    "UPDATE volume SET uuid = zeroblob(16) WHERE idx = 2",
    "UPDATE volume SET name = '' WHERE idx = 2",
    "UPDATE volume SET name = 'a b' WHERE idx = 2",
    "UPDATE volume SET name = hex(zeroblob(40)) WHERE idx = 2",
    "UPDATE volume SET iqn = 'iqn.2026-11.evil:x;touch${IFS}pwned;#' WHERE idx = 2",
    "UPDATE volume SET iqn = 'target' WHERE idx = 2",
    "UPDATE volume SET medium = 0 WHERE idx = 2",
    "UPDATE volume SET medium = 4294967297 WHERE idx = 2",
    "UPDATE volume SET start_lba = 1 WHERE idx = 2",
    "UPDATE volume SET start_lba = -2048 WHERE idx = 2",
    "UPDATE volume SET start_lba = 9223372036854773760 WHERE idx = 2",
    "UPDATE volume SET blocks = 0 WHERE idx = 2",
    "UPDATE volume SET blocks = 2049 WHERE idx = 2",
    "UPDATE volume SET blocks = 18014398509481984 WHERE idx = 2",
    "UPDATE volume SET target_blocks = -2048 WHERE idx = 2",
    "UPDATE volume SET target_blocks = 3000 WHERE idx = 2",
    "UPDATE volume SET target_blocks = blocks WHERE idx = 2",
    "UPDATE volume SET target_start_lba = 2048 WHERE idx = 2",
    "UPDATE volume SET target_blocks = 4096, target_start_lba = -2048 WHERE idx = 2",
    "UPDATE volume SET lun = 2 WHERE idx = 2",
    "UPDATE volume SET thin = 2 WHERE idx = 2",
    "UPDATE volume SET admin_online = -1 WHERE idx = 2",
    "UPDATE volume SET made = 7 WHERE idx = 2",
    "UPDATE volume SET deleting = 7 WHERE idx = 2",
    "UPDATE volume SET read_bytes = -1 WHERE idx = 2",
    "UPDATE volume SET refused = -1 WHERE idx = 2",
    "UPDATE volume SET refused_initiator = 'nobody' WHERE idx = 2",
    "UPDATE volume SET tgtd = 'relative' WHERE idx = 2",
    "UPDATE volume SET tgtd = '/' || hex(zeroblob(2048)) WHERE idx = 2",
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION SELECT i + 1 FROM n WHERE i < 70)"
    " INSERT INTO listener SELECT '/run/tgtd.' || i, '127.0.0.1', 3260 FROM n",
    "DELETE FROM volume WHERE idx = 1",
    "UPDATE rule SET volume = 9",
    "UPDATE rule SET volume = 4294967297",
    "UPDATE rule SET idx = 0 WHERE idx = 1",
    "UPDATE rule SET revoking = 2",
    "UPDATE rule SET initiator = 'x' WHERE idx = 1",
    "UPDATE rule SET initiator = initiator || hex(zeroblob(200))",
    "UPDATE rule SET chap_user = ''",
    "UPDATE rule SET chap_user = 'a b'",
    "UPDATE rule SET chap_user = hex(zeroblob(40))",
    "UPDATE rule SET chap_user = 'dvsan:guard:1'",
    "UPDATE rule SET previous_user = 'dvsan:mark:0123456789abcdef:alice'",
    "UPDATE rule SET logins = -1",
    "UPDATE counted SET tid = -1",
    "UPDATE counted SET read_commands = 4294967296",
    "INSERT INTO listener VALUES ('/run/tgtd.0', 'localhost', 3260)",
    "INSERT INTO listener VALUES ('tgtd', '127.0.0.1', 3260)",
    "INSERT INTO listener VALUES ('/run/tgtd.0', '127.0.0.1', 65537)",
    "ALTER TABLE volume RENAME COLUMN lun TO lan",
    "DROP TABLE counted",
};

// The same for what is whole as a file, and cannot be.
static void told_once(const char *text)
{
    static const char word[] = "damaged";
    const char *first = strstr(text, word);
    if (!first || strstr(first + 1, word))
        fail_msg("%s", text);
}

static void what_cannot_be_is_refused_and_left_alone(void **state)
{
    (void)state;
    DV_FREE char *db = dv_printf("%s/unit.db", dir);
    DV_FREE char *good = NULL;
    const struct medium m = {.index = 1, .name = "m1", .kind = MEDIUM_DIR};
    const struct dv_uuid uuid = {{7}};
    const struct access_rule rules[] = {rule(1, 1, "alice"), rule(1, 2, "alice")};
    const struct tgt_statistics row = {.tid = 1, .sid = 1, .lun = 1};
    struct journal *j = open_journal();
    assert_int_equal(journal_put_medium(j, &m, &uuid, "", NULL), 0);
    put_volume(j, volume(1), true);
    put_volume(j, volume(2), true);
    for (size_t i = 0; i < DV_COUNT(rules); i++)
        assert_int_equal(journal_put_rule(j, &rules[i], "secret-of-alice", NULL), 0);
    assert_int_equal(journal_put_counted(j, "run 1", &row, 1, NULL), 0);
    journal_close(j);
    journal_close(open_journal());
    size_t len = file_len(db, &good);
    for (size_t i = 0; i < DV_COUNT(DAMAGES); i++) {
        DV_FREE char *now = NULL;
        DV_FREE char *after = NULL;
        struct dv_err err;
        struct db *d = db_open(db, DB_BACK, &err);
        if (!d ||
            db_exec(d, "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF", &err) !=
                0 ||
            db_exec(d, DAMAGES[i], &err) != 0)
            fail_msg("%s: %s", DAMAGES[i], err.text);
        db_close(d);
        size_t damaged = file_len(db, &now);
        j = journal_open(dir, &err);
        if (j)
            fail_msg("%s is taken", DAMAGES[i]);
        assert_int_equal(err.code, DV_DAMAGED);
        if (!strstr(err.text, "damaged") || !strstr(err.text, "backup"))
            fail_msg("%s: %s", DAMAGES[i], err.text);
        told_once(err.text);
        assert_int_equal(file_len(db, &after), damaged);
        assert_memory_equal(now, after, damaged);
        assert_int_equal(file_write_atomic(db, good, len, 0600, NULL), 0);
    }
    journal_close(open_journal());
}

// Also what goes while the program runs.
static void a_table_that_goes_is_told_once(void **state)
{
    (void)state;
    struct dv_err err = {0};
    struct journal *j = open_journal();
    assert_int_equal(db_exec(journal_db(j), "DROP TABLE counted", &err), 0);
    assert_int_equal(journal_clear_counted(j, &err), -1);
    assert_int_equal(err.code, DV_DAMAGED);
    told_once(err.text);
    journal_close(j);
}

static void a_journal_that_is_moved_away_takes_nothing(void **state)
{
    (void)state;
    struct dv_err err;
    DV_FREE char *db = dv_printf("%s/unit.db", dir);
    DV_FREE char *away = dv_printf("%s/away", dir);
    struct journal *j = open_journal();
    assert_string_equal(journal_trouble(j), "");
    assert_int_equal(rename(db, away), 0);
    assert_int_equal(journal_begin(j, &err), -1);
    assert_non_null(strstr(err.text, "not there any more"));
    assert_int_equal(journal_reserve(j, 77, &err), -1);
    assert_non_null(strstr(journal_trouble(j), "not there any more"));
    assert_int_equal(rename(away, db), 0);
    assert_string_equal(journal_trouble(j), "");
    put_volume(j, volume(1), true);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_non_null(strstr(journal_trouble(j), "chmod 0700"));
    assert_int_equal(chmod(dir, 0700), 0);
    assert_string_equal(journal_trouble(j), "");
    journal_close(j);
}

// Reads the journal in a transaction of its own from the first byte at the pipe on, to the next
// one.
static pid_t reader(int pipes[2], int ready)
{
    pid_t pid = fork();
    char byte;
    if (pid != 0)
        return pid;
    DV_FREE char *path = dv_printf("%s/unit.db", dir);
    close(pipes[1]);
    if (read(pipes[0], &byte, 1) != 1)
        _exit(1);
    struct db *db = db_open_beside(path, NULL);
    if (!db || db_exec(db, "BEGIN; SELECT count(*) FROM member", NULL) != 0 ||
        write(ready, "", 1) != 1)
        _exit(1);
    _exit(read(pipes[0], &byte, 1) == 1 ? 0 : 1);
}

// A wait in the journal is one of the whole agent.
static void a_reader_elsewhere_is_waited_for_once(void **state)
{
    (void)state;
    int pipes[2], ready[2], status;
    char byte;
    struct dv_err err = {0};
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(pipe(ready), 0);
    pid_t pid = reader(pipes, ready[1]);
    struct journal *j = open_journal();
    assert_int_equal(write(pipes[1], "", 1), 1);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    DV_FREE char *who = dv_printf("is locked by process %d:", (int)pid);
    int64_t from = wait_now_ms();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(journal_begin(j, &err), 0);
        assert_int_equal(journal_set_last(j, 7, &err), 0);
        assert_int_equal(journal_commit(j, &err), -1);
        assert_int_equal(err.code, DV_BUSY);
        assert_non_null(strstr(err.text, who));
        assert_int_equal(journal_reserve(j, 77, &err), -1);
        assert_non_null(strstr(journal_trouble(j), who));
    }
    assert_true(wait_now_ms() - from < 30000); // 300 times
    assert_int_equal(write(pipes[1], "", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_string_equal(journal_trouble(j), "");
    assert_int_equal(journal_begin(j, &err), 0);
    assert_int_equal(journal_set_last(j, 7, &err), 0);
    assert_int_equal(journal_commit(j, &err), 0);
    journal_close(j);
    for (int i = 0; i < 2; i++) {
        close(pipes[i]);
        close(ready[i]);
    }
}

static void an_identity_is_taken(void **state)
{
    (void)state;
    const struct dv_uuid uuid = {{7}};
    assert_false(journal_exists(dir));
    struct journal *j = journal_open(dir, NULL);
    assert_int_equal(journal_take_identity(j, &uuid, 1000, NULL), 0);
    journal_close(j);
    assert_true(journal_exists(dir));
    j = open_journal();
    assert_true(uuid_equal(&journal_identity(j)->uuid, &uuid));
    assert_int_equal(journal_identity(j)->epoch, 1002);
    journal_close(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(identity_is_kept_and_starts_are_counted, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(what_tgtd_counted_comes_back, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_volumes_tgtd_comes_back, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(rows_come_back_as_their_intents_say, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_medium_that_is_not_configured_comes_back_as_gone,
                                        make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(no_index_is_forgotten, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_group_is_whole_or_not_at_all, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_was_committed_survives_a_kill, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_second_agent_is_refused, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(targets_of_another_prefix_are_found_beside_an_agent,
                                        make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(an_open_directory_is_refused, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_told, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(damage_is_found_and_left_alone, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_refused_and_left_alone, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_table_that_goes_is_told_once, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_journal_that_is_moved_away_takes_nothing, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_reader_elsewhere_is_waited_for_once, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(an_identity_is_taken, make_dir, remove_dir),
    };
    return cmocka_run_group_tests_name("unit journal", tests, NULL, NULL);
}

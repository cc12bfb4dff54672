// Tests of the store: everything comes back after a restart, and half of something never does.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/store_all.h"
#include "ctest/support/store_lab.h"
#include <sys/stat.h>
#include <sys/wait.h>

static struct changes load(struct fixture *f)
{
    struct changes c = {0};
    struct dv_err err = {0};
    if (store_all(f->store, &c, &err) < 0)
        fail_msg("%s", err.text);
    return c;
}

static const struct change *find(const struct changes *c, const struct kind *kind)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i].kind == kind)
            return &c->items[i];
    }
    return NULL;
}

static size_t count_of(const struct changes *c, const struct kind *kind)
{
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++)
        n += c->items[i].kind == kind;
    return n;
}

// The first record of a kind.
static const void *first(const struct changes *c, const struct kind *kind)
{
    const struct change *item = find(c, kind);
    assert_non_null(item);
    return item->records;
}

#define FIRST(c, name) ((const struct name##_record *)first((c), &kind_##name))
#define FIRST_SHOWN(c) ((const struct volume *)first((c), &kind_shown))

static const struct unit_record unit1 = {
    .uuid = {{1}},
    .name = "unit1",
    .address = "udp:192.0.2.1:161",
    .engine_id = {0x80, 0, 0, 1, 2, 3},
    .engine_id_len = 6,
    .software = "0.1.0",
    .epoch = 4294967295u,
    .generation = 17,
    .trust = TRUST_ENROLLED,
    .key_number = 4294967295u,
    .enrolment = {{0x17, 0xff}},
    .state = UNIT_DEGRADED,
    .last_seen = 1800000000,
    .last_index = 9,
    .last_error = "a \"quoted\" error; DROP TABLE unit",
};
static const struct medium media[] = {
    {.index = 1,
     .name = "pool0",
     .kind = MEDIUM_DIR,
     .state = MEDIUM_ONLINE,
     .blocks = 1ull << 40,
     .free_blocks = 1ull << 39,
     .largest_free_blocks = 1ull << 38,
     .storage_blocks = 1ull << 41,
     .storage_free_blocks = 1ull << 39,
     .overcommitted_blocks = 1ull << 37,
     .reserves = true},
    {.index = 2,
     .name = "pool1",
     .kind = MEDIUM_DISK,
     .state = MEDIUM_FAILED,
     .blocks = 4096,
     .last_error = "gone"},
};
static const struct portal portals[] = {
    {.index = 1, .group = 1, .address = "192.0.2.1", .port = 3260, .if_index = 2, .up = true},
    {.index = 1, .group = 2, .address = "192.0.2.1", .port = 3261, .if_index = 2, .up = true},
    {.index = 2, .group = 1, .address = "2001:db8::1", .port = 3262, .if_index = 0, .up = false},
};
static const struct volume_record volume1 = {
    .uuid = {{2}},
    .name = "db1",
    .unit = {{1}},
    .medium = 1,
    .index = 5,
    .blocks = 20971520,
    .thin = true,
    .thin_default = true,
    .wanted = true,
    .seen = true,
};
static const struct volume shown1 = {
    .index = 5,
    .uuid = {{2}},
    .name = "db1",
    .medium = 1,
    .start_lba = 2048,
    .blocks = 20971520,
    .thin = true,
    .iqn = "iqn.2026-01.x:1",
    .lun = 1,
    .group = 1,
    .admin_online = true,
    .state = VOLUME_ONLINE,
    .progress = 100,
    .generation = 17,
    .last_error = "e",
};
static const struct host_record host1 = {
    .uuid = {{3}},
    .name = "web",
    .iqn = "iqn.2026-01.x:web",
    .chap_user = "webuser",
    .sealed_secret = {1, 0, 2, 255},
    .sealed_len = 56,
    .secret_mark = 3,
    .one_secret = true,
};
static const struct access_rule rules1[] = {
    {.volume = 5,
     .index = 1,
     .initiator = "iqn.2026-01.x:web",
     .chap_user = "webuser",
     .secret_is_set = true,
     .secret_mark = 3,
     .state = ACCESS_ACTIVE},
    {.volume = 5,
     .index = 2,
     .initiator = "iqn.2026-01.x:old",
     .chap_user = "old",
     .state = ACCESS_REVOKING,
     .last_error = "slow"},
};
static const struct assignment_record assignment1 = {
    .volume = {{2}},
    .host = {{3}},
    .index = 1,
    .wanted = true,
};
static const struct task_record task1 = {
    .id = 7,
    .kind = TASK_ASSIGN,
    .state = TASK_RUNNING,
    .progress = 40,
    .summary = "assign volume db1 to host web",
    .volume = {{2}},
    .host = {{3}},
    .steps = {{"place", STEP_DONE}, {"access rule for web on unit1", STEP_RUNNING}},
    .step_count = 2,
    .waiting = "unit1 does not answer",
    .cancel = TASK_CANCEL_ASKED,
    .created = 1800000000123,
    .started = 1800000000124,
};

static void fill(struct fixture *f)
{
    struct changes c = {0};
    changes_unit(&c, &unit1);
    changes_media(&c, &unit1.uuid, media, DV_COUNT(media));
    changes_portals(&c, &unit1.uuid, portals, DV_COUNT(portals));
    changes_host(&c, &host1);
    changes_volume(&c, &volume1);
    changes_shown(&c, &shown1, rules1, DV_COUNT(rules1));
    changes_assignment(&c, &assignment1);
    changes_task(&c, &task1);
    apply(f, &c);
}

static void test_everything_comes_back(void **state)
{
    struct fixture *f = *state;
    fill(f);
    reopen(f);
    struct changes c = load(f);
    assert_int_equal(c.count, 9);
    assert_memory_equal(FIRST(&c, unit), &unit1, sizeof(unit1));
    const struct change *m = find(&c, &kind_medium);
    assert_int_equal(m->count, DV_COUNT(media));
    assert_memory_equal(m->records, media, sizeof(media));
    assert_true(uuid_equal(&m->owner, &unit1.uuid));
    const struct change *p = find(&c, &kind_portal);
    assert_int_equal(p->count, DV_COUNT(portals));
    assert_memory_equal(p->records, portals, sizeof(portals));
    assert_memory_equal(FIRST(&c, volume), &volume1, sizeof(volume1));
    assert_memory_equal(FIRST_SHOWN(&c), &shown1, sizeof(shown1));
    const struct change *r = find(&c, &kind_rule);
    assert_int_equal(r->count, DV_COUNT(rules1));
    assert_memory_equal(r->records, rules1, sizeof(rules1));
    assert_memory_equal(FIRST(&c, host)->sealed_secret, host1.sealed_secret, host1.sealed_len);
    assert_string_equal(FIRST(&c, host)->chap_user, "webuser");
    assert_true(FIRST(&c, host)->one_secret);
    assert_memory_equal(FIRST(&c, assignment), &assignment1, sizeof(assignment1));
    assert_memory_equal(FIRST(&c, task), &task1, sizeof(task1));
    changes_free(&c);
}

#define MANY 1000

static void note_part(void *arg, struct changes *part)
{
    size_t *most = arg;
    *most = part->count > *most ? part->count : *most;
}

// A pool is given as it is read, and never all of it at once.
static void test_a_large_pool_comes_in_parts(void **state)
{
    struct fixture *f = *state;
    struct changes c = {0};
    struct dv_err err;
    size_t most = 0;
    for (unsigned i = 0; i < MANY; i++) {
        struct unit_record unit = unit1;
        unit.uuid.b[1] = (uint8_t)(i >> 8);
        unit.uuid.b[2] = (uint8_t)i;
        snprintf(unit.name, sizeof(unit.name), "unit%u", i);
        changes_unit(&c, &unit);
        changes_media(&c, &unit.uuid, media, DV_COUNT(media));
    }
    assert_int_equal(store_apply(f->store, &c, false, &err), 0);
    changes_free(&c);
    assert_int_equal(store_load(f->store, note_part, &most, &err), 0);
    assert_in_range(most, 1, MANY / 2);
}

static void test_replacing(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct changes c = {0};
    struct unit_record unit = unit1;
    struct volume shown = shown1;
    struct task_record task = task1;
    dv_copy(unit.name, sizeof(unit.name), "other");
    unit.state = UNIT_DOWN;
    shown.state = VOLUME_FAILED;
    task.state = TASK_DONE;
    task.step_count = 1;
    changes_unit(&c, &unit);
    changes_media(&c, &unit.uuid, media, 1);
    changes_portals(&c, &unit.uuid, NULL, 0);
    changes_shown(&c, &shown, NULL, 0);
    changes_task(&c, &task);
    apply(f, &c);
    reopen(f);
    c = load(f);
    assert_string_equal(FIRST(&c, unit)->name, "other");
    assert_int_equal(FIRST(&c, unit)->state, UNIT_DOWN);
    assert_int_equal(find(&c, &kind_medium)->count, 1);
    assert_null(find(&c, &kind_portal));
    assert_int_equal(FIRST_SHOWN(&c)->state, VOLUME_FAILED);
    assert_int_equal(find(&c, &kind_rule) == NULL ? 0 : find(&c, &kind_rule)->count, 0);
    assert_int_equal(FIRST(&c, task)->state, TASK_DONE);
    assert_int_equal(FIRST(&c, task)->step_count, 1);
    changes_free(&c);
}

static void test_going(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct changes c = {0};
    changes_hidden(&c, &volume1.uuid);
    apply(f, &c);
    c = load(f);
    assert_null(find(&c, &kind_shown));
    assert_non_null(find(&c, &kind_volume));
    changes_free(&c);

    changes_volume_gone(&c, &volume1.uuid);
    changes_unit_gone(&c, &unit1.uuid);
    changes_host_gone(&c, &host1.uuid);
    changes_task_gone(&c, task1.id);
    apply(f, &c);
    c = load(f);
    assert_int_equal(c.count, 0);
    changes_free(&c);
}

static void test_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct changes c = {0};
    struct unit_record unit = unit1;
    struct volume_record twin = volume1;
    unit.state = UNIT_STOPPED;
    twin.uuid.b[0] = 9; // another volume of the same name
    changes_unit(&c, &unit);
    changes_volume(&c, &twin);
    refuse(f, &c, DV_CONFLICT);
    changes_host_gone(&c, &host1.uuid); // it still has a volume
    refuse(f, &c, DV_CONFLICT);
    changes_unit_gone(&c, &unit1.uuid); // it still has a volume
    refuse(f, &c, DV_CONFLICT);
    c = load(f);
    assert_int_equal(FIRST(&c, unit)->state, UNIT_DEGRADED);
    assert_int_equal(count_of(&c, &kind_volume), 1);
    assert_int_equal(c.count, 9);
    changes_free(&c);
}

// A process that dies in the middle leaves what was committed, and nothing of what was not.
static void test_crash(void **state)
{
    struct fixture *f = *state;
    store_free(f->store);
    f->store = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct dv_err err;
        struct changes c = {0};
        struct unit_record unit = unit1;
        f->store = store_open(f->path, &err);
        changes_unit(&c, &unit1);
        if (!f->store || store_apply(f->store, &c, true, &err) < 0)
            _exit(1);
        changes_free(&c);
        // The second is refused half-way, and the process dies without closing.
        unit.state = UNIT_STOPPED;
        changes_unit(&c, &unit);
        changes_volume(&c, &(struct volume_record){.uuid = {{5}}, .unit = {{77}}});
        _exit(store_apply(f->store, &c, true, &err) < 0 ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    reopen(f);
    struct changes c = load(f);
    assert_int_equal(c.count, 1);
    assert_int_equal(((const struct unit_record *)c.items[0].records)->state, UNIT_DEGRADED);
    changes_free(&c);
}

static void add_events(struct fixture *f, uint64_t from, uint64_t to)
{
    struct changes c = {0};
    for (uint64_t i = from; i <= to; i++) {
        struct event_record e = {.id = i, .time = (int64_t)i, .severity = EVENT_WARNING};
        snprintf(e.subject, sizeof(e.subject), "unit unit%u", (unsigned)i);
        snprintf(e.text, sizeof(e.text), "text %u", (unsigned)i);
        changes_event(&c, &e);
    }
    apply(f, &c);
}

static void test_events(void **state)
{
    struct fixture *f = *state;
    struct event_record *events;
    size_t n;
    struct dv_err err;
    struct store_ids last;
    add_events(f, 1, 5);
    assert_int_equal(store_events(f->store, 0, 3, &events, &n, &err), 0);
    assert_int_equal(n, 3); // the newest, oldest first
    assert_int_equal(events[0].id, 3);
    assert_int_equal(events[2].id, 5);
    assert_string_equal(events[2].text, "text 5");
    assert_int_equal(events[2].severity, EVENT_WARNING);
    free(events);
    assert_int_equal(store_events(f->store, 4, 100, &events, &n, &err), 0);
    assert_int_equal(n, 1);
    free(events);
    assert_int_equal(store_events(f->store, 5, 100, &events, &n, &err), 0);
    assert_int_equal(n, 0);
    free(events);

    add_events(f, 6, STORE_EVENTS_KEPT + 20);
    reopen(f);
    assert_int_equal(store_events(f->store, 0, SIZE_MAX, &events, &n, &err), 0);
    assert_int_equal(n, STORE_EVENTS_KEPT);
    assert_int_equal(events[0].id, 21);
    free(events);
    assert_int_equal(store_last_ids(f->store, &last, &err), 0);
    assert_int_equal(last.event, STORE_EVENTS_KEPT + 20);
    assert_int_equal(last.task, 0);
}

static void test_ids_are_never_given_twice(void **state)
{
    struct fixture *f = *state;
    struct changes c = {0};
    struct dv_err err;
    struct store_ids last;
    struct token_record t = {.id = 7, .name = "ci"};
    fill(f);
    changes_token(&c, &t);
    apply(f, &c);
    changes_task_gone(&c, task1.id);
    changes_token_gone(&c, t.id);
    apply(f, &c);
    reopen(f);
    assert_int_equal(store_last_ids(f->store, &last, &err), 0);
    assert_int_equal(last.task, task1.id);
    assert_int_equal(last.token, 7);
}

// Units tell numbers, and a number that the store would not take back must not get into it.
static void test_numbers_of_intent(void **state)
{
    static const uint32_t wild[] = {LEAD_NUMBER_MAX + 1, UINT32_MAX - 1, UINT32_MAX};
    struct fixture *f = *state;
    struct changes c = {0};
    struct dv_err err;
    size_t count;
    assert_int_equal(store_begin_run(f->store, &err), 0);
    for (size_t i = 0; i < DV_COUNT(wild); i++) {
        c.above = wild[i];
        assert_int_equal(store_apply(f->store, &c, true, &err), -1);
        assert_int_equal(err.code, DV_CONFLICT);
        assert_int_equal(store_runs(f->store, &count)[0].number, 1);
    }
    c.above = LEAD_NUMBER_MAX;
    assert_int_equal(store_apply(f->store, &c, true, &err), 0);
    assert_int_equal(store_runs(f->store, &count)[0].number, LEAD_NUMBER_MAX + 1);
    reopen(f);
    assert_int_equal(store_all(f->store, &c, &err), 0);
    changes_free(&c);
    assert_int_equal(store_begin_run(f->store, &err), 0);
    assert_int_equal(store_runs(f->store, &count)[1].number, LEAD_NUMBER_MAX + 2);
}

static off_t log_size(const struct fixture *f)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof(path), "%s-wal", f->path);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static off_t log_behind_host(struct fixture *f, const struct host_record *h)
{
    struct changes c = {0};
    changes_host(&c, h);
    apply(f, &c);
    return log_size(f);
}

// A secret that ends leaves the log at once; the log is not emptied for anything else, which
// would let each new host wait for the disk.
static void test_log_is_emptied_where_a_secret_ends(void **state)
{
    struct fixture *f = *state;
    struct host_record bare = {.uuid = {{7}}, .name = "bare", .iqn = "iqn.2026-11.test:bare"};
    struct host_record h = host1;
    struct changes c = {0};

    assert_int_not_equal(log_behind_host(f, &bare), 0);
    dv_copy(bare.name, sizeof(bare.name), "renamed");
    assert_int_not_equal(log_behind_host(f, &bare), 0);
    assert_int_not_equal(log_behind_host(f, &h), 0);
    dv_copy(h.name, sizeof(h.name), "renamed2");
    assert_int_not_equal(log_behind_host(f, &h), 0);

    h.sealed_secret[0] ^= 1;
    assert_int_equal(log_behind_host(f, &h), 0);
    h.sealed_len = 0;
    assert_int_equal(log_behind_host(f, &h), 0);
    assert_int_not_equal(log_behind_host(f, &host1), 0);

    changes_host_gone(&c, &host1.uuid);
    apply(f, &c);
    assert_int_equal(log_size(f), 0);
    changes_host_gone(&c, &bare.uuid);
    apply(f, &c);
    assert_int_not_equal(log_size(f), 0);
}

static void test_not_readable_by_others(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
}

// Each column of each table, and what it refers to; sorted.
static char *describe(struct db *db)
{
    struct dv_err err;
    struct strbuf out = {0};
    struct db_stmt *st = db_prepare(
        db,
        "SELECT t.name || ' ' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk || "
        "' ' ||"
        " ifnull((SELECT f.\"table\" || ' ' || f.on_delete FROM pragma_foreign_key_list(t.name) f"
        " WHERE f.\"from\" = c.name), '') FROM sqlite_schema t JOIN pragma_table_info(t.name) c"
        " WHERE t.type = 'table' UNION ALL SELECT t.name || ' unique ' ||"
        " (SELECT group_concat(i.name) FROM pragma_index_info(l.name) i) FROM sqlite_schema t"
        " JOIN pragma_index_list(t.name) l WHERE l.\"unique\" UNION ALL SELECT i.name || ' ' || "
        "i.tbl_name FROM sqlite_schema i"
        " WHERE i.type = 'index' AND i.name NOT LIKE 'sqlite_%' ORDER BY 1",
        &err);
    assert_non_null(st);
    while (db_step(st, &err) == 1)
        strbuf_add(&out, "%s\n", db_text(st, 0));
    db_finalize(st);
    return out.text;
}

static void test_the_steps_lead_to_what_is_made_at_once(void **state)
{
    struct fixture *f = *state;
    struct dv_err err;
    DV_FREE char *path = dv_printf("%s/steps.db", f->dir);
    struct db *fresh = db_open_beside(f->path, &err), *stepped = db_open(path, DB_BACK, &err);
    assert_non_null(fresh);
    assert_non_null(stepped);
    assert_int_equal(db_migrate(stepped, NULL, store_schema, store_schema_steps, &err), 0);
    DV_FREE char *one = describe(fresh), *other = describe(stepped);
    assert_non_null(strstr(one, "unit name TEXT 1 0"));
    if (strcmp(one, other) != 0)
        fail_msg("made at once:\n%s\nby steps:\n%s", one, other);
    db_close(fresh);
    db_close(stepped);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_everything_comes_back),
        TEST(test_a_large_pool_comes_in_parts),
        TEST(test_replacing),
        TEST(test_going),
        TEST(test_all_or_nothing),
        TEST(test_crash),
        TEST(test_events),
        TEST(test_ids_are_never_given_twice),
        TEST(test_numbers_of_intent),
        TEST(test_log_is_emptied_where_a_secret_ends),
        TEST(test_not_readable_by_others),
        TEST(test_the_steps_lead_to_what_is_made_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

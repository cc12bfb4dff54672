// Tests of the store: everything comes back after a restart, and half of something never does.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "store/store_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[64];
    char path[96];
    struct store *store;
};

static int set_up(void **state)
{
    struct fixture *f = dv_calloc(1, sizeof(*f));
    dv_copy(f->dir, sizeof(f->dir), "/tmp/test_store.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/pool.db", f->dir);
    struct dv_err err;
    f->store = store_open(f->path, &err);
    assert_non_null(f->store);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char path[128];
    store_free(f->store);
    static const char *const tails[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < DV_COUNT(tails); i++) {
        snprintf(path, sizeof(path), "%s%s", f->path, tails[i]);
        unlink(path);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    struct dv_err err;
    store_free(f->store);
    f->store = store_open(f->path, &err);
    if (!f->store)
        fail_msg("%s", err.text);
}

static void apply(struct fixture *f, struct changes *c)
{
    struct dv_err err = {0};
    if (store_apply(f->store, c, &err) < 0)
        fail_msg("%s", err.text);
    changes_free(c);
}

static void refuse(struct fixture *f, struct changes *c, enum dv_code code)
{
    struct dv_err err = {0};
    assert_int_equal(store_apply(f->store, c, &err), -1);
    assert_int_equal(err.code, code);
    changes_free(c);
}

static struct changes load(struct fixture *f)
{
    struct changes c = {0};
    struct dv_err err = {0};
    if (store_load(f->store, &c, &err) < 0)
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
    .steps = {{"place", STEP_DONE}, {"admit web on unit1", STEP_RUNNING}},
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
        if (!f->store || store_apply(f->store, &c, &err) < 0)
            _exit(1);
        changes_free(&c);
        // The second is refused half-way, and the process dies without closing.
        unit.state = UNIT_STOPPED;
        changes_unit(&c, &unit);
        changes_volume(&c, &(struct volume_record){.uuid = {{5}}, .unit = {{77}}});
        _exit(store_apply(f->store, &c, &err) < 0 ? 0 : 2);
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
    uint64_t event, task;
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
    assert_int_equal(store_last_ids(f->store, &event, &task, &err), 0);
    assert_int_equal(event, STORE_EVENTS_KEPT + 20);
    assert_int_equal(task, 0);
}

static void test_ids_are_never_given_twice(void **state)
{
    struct fixture *f = *state;
    struct changes c = {0};
    struct dv_err err;
    uint64_t event, task;
    fill(f);
    changes_task_gone(&c, task1.id);
    apply(f, &c);
    reopen(f);
    assert_int_equal(store_last_ids(f->store, &event, &task, &err), 0);
    assert_int_equal(task, task1.id);
}

static void test_tokens_and_settings(void **state)
{
    struct fixture *f = *state;
    struct dv_err err;
    struct token_record t = {.name = "ci", .hash = {1, 2, 3}, .created = 1800000000}, *list;
    size_t n, len;
    void *data;
    assert_int_equal(store_add_token(f->store, &t, &err), 0);
    assert_int_equal(t.id, 1);
    reopen(f);
    assert_int_equal(store_tokens(f->store, &list, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_memory_equal(&list[0], &t, sizeof(t));
    free(list);
    assert_int_equal(store_add_token(f->store, &t, &err), -1); // the name is taken
    assert_int_equal(store_delete_token(f->store, 1, &err), 0);
    assert_int_equal(store_delete_token(f->store, 1, &err), -1);
    assert_int_equal(err.code, DV_NOT_FOUND);

    assert_int_equal(store_get(f->store, "key", &data, &len, &err), 0);
    assert_null(data);
    assert_int_equal(store_set(f->store, "key", "a\0b", 3, &err), 0);
    assert_int_equal(store_set(f->store, "key", "c\0d", 3, &err), 0);
    reopen(f);
    assert_int_equal(store_get(f->store, "key", &data, &len, &err), 0);
    assert_int_equal(len, 3);
    assert_memory_equal(data, "c\0d", 3);
    free(data);
}

static void test_codes(void **state)
{
    struct fixture *f = *state;
    struct dv_err err;
    static const struct code_record one = {.id = "01ABC",
                                           .kind = MEMBER_UNIT,
                                           .name = "unit1",
                                           .member = {{1}},
                                           .range = "192.0.2.0/24",
                                           .count = 2,
                                           .tries = 5,
                                           .created = 1800000000,
                                           .expires = 1800003600,
                                           .sealed_key = {1, 2, 3}},
                                    two = {.id = "01ABD",
                                           .kind = MEMBER_UNIT,
                                           .count = CODE_COUNT_MAX,
                                           .tries = 0,
                                           .created = 1,
                                           .expires = 2};
    struct code_record less, *codes;
    static const struct code_use use = {.code = "01ABC",
                                        .member = {{7}},
                                        .name = "unit7",
                                        .engine = {6, {1, 2, 3, 4, 5, 6}},
                                        .number = 4294967295u,
                                        .from = "2001:db8::7",
                                        .time = 1800000001,
                                        .kept = true};
    struct code_use *uses, other = use;
    other.kept = false;
    size_t count, use_count;
    assert_int_equal(store_put_code(f->store, &one, &err), 0);
    assert_int_equal(store_put_code(f->store, &two, &err), 0);
    assert_int_equal(store_put_code_use(f->store, &other, &err), 0);
    assert_int_equal(store_put_code_use(f->store, &use, &err), 0); // it is kept since
    strcpy(other.code, "01XYZ");
    assert_int_equal(store_put_code_use(f->store, &other, &err), -1); // of no code
    memcpy(&less, &one, sizeof(less));                                // with its padding
    less.tries = 4;
    assert_int_equal(store_put_code(f->store, &less, &err), 0);
    reopen(f);
    assert_int_equal(store_codes(f->store, &codes, &count, &uses, &use_count, &err), 0);
    assert_int_equal(count, 2);
    assert_int_equal(use_count, 1);
    assert_memory_equal(&codes[0], &less, sizeof(less));
    assert_memory_equal(&codes[1], &two, sizeof(two));
    assert_memory_equal(&uses[0], &use, sizeof(use));
    free(codes);
    free(uses);
    assert_int_equal(store_delete_code(f->store, "01ABC", &err), 0);
    assert_int_equal(store_codes(f->store, &codes, &count, &uses, &use_count, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(use_count, 0);
    free(codes);
    free(uses);
}

static void test_numbers_of_keys_outlive_their_units(void **arg)
{
    struct fixture *f = *arg;
    struct dv_err err;
    struct unit_record unit = {.uuid = {{7}},
                               .trust = TRUST_ENROLLED,
                               .key_number = 9,
                               .name = "unit7",
                               .state = UNIT_DOWN};
    uint32_t number;
    for (uint32_t i = 0; i < 3; i++) { // the last one is of an older store
        struct changes c = {0};
        unit.key_number = i < 2 ? 9 + i : 3;
        changes_unit(&c, &unit);
        changes_unit_gone(&c, &unit.uuid);
        assert_int_equal(store_apply(f->store, &c, &err), 0);
        changes_free(&c);
        assert_int_equal(store_retired_keys(f->store, &unit.uuid, &number, &err), 0);
        assert_int_equal(number, i < 2 ? 9 + i : 10);
    }
    reopen(f);
    assert_int_equal(store_retired_keys(f->store, &unit.uuid, &number, &err), 0);
    assert_int_equal(number, 10);
    unit.uuid.b[0] = 8;
    assert_int_equal(store_retired_keys(f->store, &unit.uuid, &number, &err), 0);
    assert_int_equal(number, 0);
}

static const struct dv_uuid here = {{1}}, there = {{2}}, volume = {{5}}, told_host = {{3}};

static size_t count_told(struct fixture *f, const struct dv_uuid *unit)
{
    struct dv_err err;
    DV_FREE struct dv_uuid *hosts = NULL;
    size_t count;
    if (store_told(f->store, unit, &hosts, &count, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < count; i++)
        assert_memory_equal(&hosts[i], &told_host, sizeof(told_host));
    return count;
}

static void put_right(struct fixture *f, const struct host_record *host, bool found)
{
    const struct volume_record v = {
        .uuid = volume, .name = "v", .unit = here, .index = 1, .blocks = 2048};
    const struct assignment_record a = {
        .volume = volume, .host = told_host, .index = 1, .wanted = true, .found = found};
    struct changes c = {0};
    changes_volume(&c, &v);
    changes_host(&c, host);
    changes_assignment(&c, &a);
    apply(f, &c);
}

static void test_who_was_told_a_secret_for_all(void **arg)
{
    struct fixture *f = *arg;
    struct unit_record units[] = {{.uuid = here, .name = "a"}, {.uuid = there, .name = "b"}};
    struct host_record host = {.uuid = told_host,
                               .name = "web",
                               .iqn = "iqn.2026-11.x:web",
                               .chap_user = "web",
                               .sealed_len = 56,
                               .secret_mark = 7,
                               .one_secret = true};
    struct changes c = {0};
    for (size_t i = 0; i < DV_COUNT(units); i++) {
        units[i].state = UNIT_DOWN;
        units[i].trust = TRUST_ENROLLED;
        changes_unit(&c, &units[i]);
    }
    apply(f, &c);
    // A right says so itself, until it goes; one by the unit's word alone told nothing.
    put_right(f, &host, true);
    changes_assignment_gone(&c, &volume, &told_host);
    apply(f, &c);
    assert_int_equal(count_told(f, &here), 0);
    put_right(f, &host, false);
    assert_int_equal(count_told(f, &here), 0);
    changes_assignment_gone(&c, &volume, &told_host);
    apply(f, &c);
    assert_int_equal(count_told(f, &here), 1);
    // Another secret, beside which the one that the unit knows is valid, until it ends.
    host.previous = (struct host_account){
        .user = "web", .sealed_len = 56, .mark = 7, .one_secret = true, .since = 1};
    host.secret_mark = 8;
    host.one_secret = false;
    dv_copy(host.chap_user, sizeof(host.chap_user), "web.2");
    changes_host(&c, &host);
    apply(f, &c);
    reopen(f);
    assert_int_equal(count_told(f, &here), 1);
    // The volume goes elsewhere, and then away: either unit knows the previous one.
    put_right(f, &host, false);
    struct volume_record moved = {
        .uuid = volume, .name = "v", .unit = there, .index = 1, .blocks = 2048};
    changes_volume(&c, &moved);
    apply(f, &c);
    assert_int_equal(count_told(f, &there), 0); // the right says so
    changes_volume_gone(&c, &volume);
    apply(f, &c);
    assert_int_equal(count_told(f, &there), 1);
    host.previous = (struct host_account){0};
    changes_host(&c, &host);
    apply(f, &c);
    assert_int_equal(count_told(f, &here) + count_told(f, &there), 0);
    // A right that is one by the unit's word from now on; and a volume that moves with its right.
    host.one_secret = true;
    put_right(f, &host, false);
    put_right(f, &host, true);
    assert_int_equal(count_told(f, &here), 1);
    host.secret_mark = 9;
    put_right(f, &host, false);
    assert_int_equal(count_told(f, &here), 0);
    changes_volume(&c, &moved);
    apply(f, &c);
    assert_int_equal(count_told(f, &here), 1);
    changes_volume_gone(&c, &volume);
    changes_host_gone(&c, &told_host);
    apply(f, &c);
    assert_int_equal(count_told(f, &here), 0);
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
        assert_int_equal(store_number_above(f->store, wild[i], &err), -1);
        assert_int_equal(err.code, DV_CONFLICT);
        assert_int_equal(store_runs(f->store, &count)[0].number, 1);
    }
    assert_int_equal(store_number_above(f->store, LEAD_NUMBER_MAX, &err), 0);
    assert_int_equal(store_runs(f->store, &count)[0].number, LEAD_NUMBER_MAX + 1);
    reopen(f);
    assert_int_equal(store_load(f->store, &c, &err), 0);
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

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
        TEST(test_replacing),
        TEST(test_going),
        TEST(test_all_or_nothing),
        TEST(test_crash),
        TEST(test_events),
        TEST(test_ids_are_never_given_twice),
        TEST(test_tokens_and_settings),
        TEST(test_codes),
        TEST(test_numbers_of_keys_outlive_their_units),
        TEST(test_who_was_told_a_secret_for_all),
        TEST(test_numbers_of_intent),
        TEST(test_log_is_emptied_where_a_secret_ends),
        TEST(test_not_readable_by_others),
        TEST(test_the_steps_lead_to_what_is_made_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

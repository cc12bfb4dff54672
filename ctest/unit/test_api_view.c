// The JSON of the pool's things, as clients see it.
// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "console/api/view.h"
#include <string.h>
#include <utlist.h>

// A unit with a medium, a volume on it and a host that has the volume.
struct things {
    struct pool_unit unit;
    struct medium medium;
    struct free_extent free_extent;
    struct portal portals[3];
    struct pool_volume volume;
    struct pool_host host;
    struct pool_assignment assignment;
};

static void make(struct things *t)
{
    *t = (struct things){
        .unit = {.rec = {.name = "unit1",
                         .description = "in rack 4",
                         .address = "udp:192.0.2.1:161",
                         .state = UNIT_UP,
                         .engine_id = {0x80, 0, 0x1f},
                         .engine_id_len = 3,
                         .epoch = 3,
                         .generation = 7,
                         .last_seen = 1795354223},
                 .media = &t->medium,
                 .media_count = 1,
                 .free_extents = &t->free_extent,
                 .free_count = 1,
                 .portals = t->portals,
                 .portal_count = 3,
                 .volume_count = 1},
        .medium = {.index = 1,
                   .name = "pool0",
                   .kind = MEDIUM_DIR,
                   .state = MEDIUM_ONLINE,
                   .blocks = 8192,
                   .free_blocks = 4096,
                   .largest_free_blocks = 2048,
                   .storage_blocks = 10000,
                   .storage_free_blocks = 3000,
                   .overcommitted_blocks = 1096,
                   .reserves = true},
        .free_extent = {.medium = 1, .blocks = 2048},
        .portals = {{.index = 1, .group = 2, .address = "192.0.2.1", .port = 3260},
                    {.index = 2, .group = 1, .address = "2001:db8::1", .port = 3260, .up = true},
                    {.index = 2, .group = 2, .address = "2001:db8::1", .port = 3261, .up = true}},
        .volume = {.rec = {.name = "db1",
                           .description = "the shop's",
                           .medium = 1,
                           .blocks = 4096,
                           .wanted = true},
                   .unit = &t->unit,
                   .actual = {.index = 5,
                              .start_lba = 2048,
                              .blocks = 4096,
                              .target_blocks = 8192,
                              .thin = true,
                              .iqn = "iqn.2026-11.org.dvsan:x",
                              .lun = 1,
                              .group = 2,
                              .state = VOLUME_ONLINE,
                              .progress = 100}},
        .host = {.rec = {.name = "web",
                         .iqn = "iqn.2026-11.org.example:web",
                         .chap_user = "web",
                         .sealed_len = 48}},
        .assignment = {.rec = {.wanted = true},
                       .volume = &t->volume,
                       .host = &t->host,
                       .actual = {.index = 1, .chap_user = "web", .state = ACCESS_ACTIVE}},
    };
    uuid_parse("6ba7b810-9dad-41d1-80b4-00c04fd430c8", &t->unit.rec.uuid);
    uuid_parse("6ba7b811-9dad-41d1-80b4-00c04fd430c8", &t->volume.rec.uuid);
    uuid_parse("6ba7b812-9dad-41d1-80b4-00c04fd430c8", &t->host.rec.uuid);
    DL_APPEND2(t->volume.assignments, &t->assignment, volume_prev, volume_next);
    DL_APPEND2(t->host.assignments, &t->assignment, host_prev, host_next);
}

// Takes over what was made.
// The order of an object's members tells nothing.
static void is(json_t *made, const char *wanted)
{
    json_t *right = json_loads(wanted, 0, NULL);
    assert_non_null(right);
    if (!json_equal(made, right)) {
        DV_FREE char *text = json_dumps(made, JSON_SORT_KEYS | JSON_INDENT(1));
        fail_msg("made: %s\nwanted: %s", text, wanted);
    }
    json_decref(made);
    json_decref(right);
}

static void test_unit(void **state)
{
    (void)state;
    struct things t;
    make(&t);
    is(view_unit(&t.unit),
       "{\"name\":\"unit1\",\"description\":\"in rack "
       "4\",\"uuid\":\"6ba7b810-9dad-41d1-80b4-00c04fd430c8\",\"kind\":\"unit\","
       "\"state\":\"up\",\"trust\":\"unknown\",\"key_number\":0,"
       "\"key_before\":false,\"address\":\"udp:192.0.2.1:161\",\"lead\":"
       "\"unknown\","
       "\"leader\":null,\"block_size\":512,\"blocks\":8192,"
       "\"free_blocks\":4096,\"largest_free_blocks\":2048,\"volumes\":1,\"engine_id\":\"80001f\","
       "\"software\":null,\"epoch\":3,\"generation\":7,\"last_seen\":\"2026-11-22T13:30:23.000Z\","
       "\"last_error\":null,\"reason\":null,\"current\":true,\"note\":null,\"hosts\":[],"
       "\"media\":[{\"name\":\"pool0\",\"unit\":\"unit1\",\"index\":1,"
       "\"kind\":\"dir\",\"state\":\"online\",\"last_state\":null,"
       "\"as_of\":null,\"block_size\":512,\"blocks\":8192,"
       "\"free_blocks\":4096,\"largest_free_blocks\":2048,"
       "\"storage_blocks\":10000,\"storage_free_blocks\":3000,\"overcommitted_blocks\":1096,"
       "\"reserves\":true,\"may_unmap\":true,\"last_error\":null,"
       "\"free_extents\":[{\"start_lba\":0,\"blocks\":2048,\"end_lba\":2047}]}],"
       "\"portals\":[{\"index\":1,\"group\":2,\"address\":\"192.0.2.1\",\"port\":3260,"
       "\"up\":false},{\"index\":2,\"group\":1,\"address\":\"2001:db8::1\",\"port\":3260,"
       "\"up\":true},{\"index\":2,\"group\":2,\"address\":\"2001:db8::1\",\"port\":3261,"
       "\"up\":true}]}");
}

static void assert_may_not_unmap(const struct pool_volume *v)
{
    json_t *o = view_volume(v);
    assert_true(json_is_false(json_object_get(o, "may_unmap")));
    json_decref(o);
}

// While it is created, its unit may still choose whether it is thin.
static void test_a_volume_to_come(void **state)
{
    (void)state;
    static const struct {
        bool thin, by_default;
        json_type type;
    } table[] = {{false, true, JSON_NULL}, {true, false, JSON_TRUE}, {false, false, JSON_FALSE}};
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct things t;
        make(&t);
        t.volume.actual.index = 0;
        t.volume.rec.thin = table[i].thin;
        t.volume.rec.thin_default = table[i].by_default;
        json_t *o = view_volume(&t.volume);
        assert_int_equal(json_typeof(json_object_get(o, "thin")), table[i].type);
        json_decref(o);
    }
}

static void test_volume(void **state)
{
    (void)state;
    struct things t;
    make(&t);
    is(view_volume(&t.volume),
       "{\"name\":\"db1\",\"description\":\"the "
       "shop's\",\"uuid\":\"6ba7b811-9dad-41d1-80b4-00c04fd430c8\",\"unit\":\"unit1\","
       "\"medium\":\"pool0\",\"blocks\":4096,\"block_size\":512,\"size\":2097152,\"start_lba\":"
       "2048,"
       "\"end_lba\":6143,\"lun\":1,\"iqn\":\"iqn.2026-11.org.dvsan:x\",\"thin\":true,"
       "\"may_unmap\":true,\"state\":\"online\",\"last_state\":null,\"as_of\":null,"
       "\"note\":null,\"progress\":100,\"last_error\":null,\"target_size\":4194304,"
       "\"portal_group\":2,\"portals\":[\"[2001:db8::1]:3261\",\"192.0.2.1:3260\"],\"hosts\":["
       "\"web\"],\"access_errors\":[]}");
    dv_copy(t.assignment.actual.last_error, sizeof(t.assignment.actual.last_error), "3 refused");
    json_t *o = view_volume(&t.volume);
    assert_string_equal(json_string_value(json_array_get(json_object_get(o, "access_errors"), 0)),
                        "web: 3 refused");
    json_decref(o);
    // Nothing can be given back where it is not thin, or lies on a disk.
    t.volume.actual.thin = false;
    assert_may_not_unmap(&t.volume);
    t.volume.actual.thin = true;
    t.unit.media[0].kind = MEDIUM_DISK;
    assert_may_not_unmap(&t.volume);
}

// Before its unit has shown it, a volume lies nowhere.
static void test_new_volume(void **state)
{
    (void)state;
    struct things t;
    make(&t);
    t.volume.actual = (struct volume){0};
    t.volume.assignments = NULL;
    t.unit.portal_count = 0;
    is(view_volume(&t.volume),
       "{\"name\":\"db1\",\"description\":\"the "
       "shop's\",\"uuid\":\"6ba7b811-9dad-41d1-80b4-00c04fd430c8\",\"unit\":\"unit1\","
       "\"medium\":\"pool0\",\"blocks\":4096,\"block_size\":512,\"size\":2097152,\"start_lba\":"
       "null,"
       "\"end_lba\":null,\"lun\":null,\"iqn\":null,\"thin\":false,"
       "\"may_unmap\":false,\"state\":\"creating\","
       "\"last_state\":null,\"as_of\":null,\"note\":null,"
       "\"progress\":0,\"last_error\":null,\"target_size\":null,\"portal_group\":null,"
       "\"portals\":[],\"hosts\":[],\"access_errors\":[]}");
}

static void test_host(void **state)
{
    (void)state;
    struct things t;
    make(&t);
    is(view_host(&t.host),
       "{\"name\":\"web\",\"description\":null,\"uuid\":\"6ba7b812-9dad-41d1-80b4-00c04fd430c8\","
       "\"iqn\":\"iqn.2026-11.org.example:web\",\"chap_user\":\"web\",\"secret_known\":true,"
       "\"one_secret\":false,\"previous\":null,\"previous_iqn\":null,\"outdated_units\":[],"
       "\"volumes\":[\"db1\"]}");
    // The unit of its volume has still to take the new account.
    t.host.rec.previous = (struct host_account){.user = "web", .since = 1764500000123};
    dv_copy(t.host.rec.chap_user, sizeof(t.host.rec.chap_user), "web.2");
    json_t *host = view_host(&t.host);
    is(json_incref(json_object_get(host, "previous")),
       "{\"chap_user\":\"web\",\"one_secret\":false,\"since\":\"2025-11-30T10:53:20.123Z\","
       "\"awaited_units\":[\"unit1\"]}");
    json_decref(host);
    // It had it when it ended.
    t.host.rec.previous = (struct host_account){0};
    host = view_host(&t.host);
    is(json_incref(json_object_get(host, "outdated_units")), "[\"unit1\"]");
    json_decref(host);
    make(&t);
    is(view_assignment(&t.assignment),
       "{\"volume\":\"db1\",\"host\":\"web\",\"unit\":\"unit1\","
       "\"initiator\":\"iqn.2026-11.org.example:web\",\"chap_user\":\"web\",\"state\":\"active\","
       "\"unasked\":false,\"as_of\":null,\"note\":null,\"last_error\":null}");
    json_t *info = view_connect_info(&t.host),
           *volume = json_array_get(json_object_get(info, "volumes"), 0);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(volume, "rescan"), "open-iscsi")),
        "iscsiadm -m node -T iqn.2026-11.org.dvsan:x -R; then resize2fs or xfs_growfs");
    json_object_del(volume, "rescan");
    is(info, "{\"host\":\"web\",\"iqn\":\"iqn.2026-11.org.example:web\",\"chap_user\":\"web\","
             "\"one_secret\":false,"
             "\"volumes\":[{\"name\":\"db1\",\"unit\":\"unit1\",\"unit_uuid\":\"6ba7b810-9dad-41d1-"
             "80b4-00c04fd430c8\",\"state\":\"online\",\"access\":"
             "\"active\","
             "\"unasked\":false,\"as_of\":null,\"note\":null,\"blocks\":4096,"
             "\"block_size\":512,\"size\":2097152,\"start_lba\":2048,\"end_lba\":6143,\"lun\":1,"
             "\"iqn\":\"iqn.2026-11.org.dvsan:x\","
             "\"portals\":[\"[2001:db8::1]:3261\",\"192.0.2.1:3260\"]}]}");
    // What is being taken away is no longer offered.
    t.assignment.rec.wanted = false;
    json_t *none = view_connect_info(&t.host);
    assert_int_equal(json_array_size(json_object_get(none, "volumes")), 0);
    json_decref(none);
}

static void test_task(void **state)
{
    (void)state;
    struct pool *pool = pool_new();
    struct task_record task = {
        .id = 7,
        .kind = TASK_VOLUME_CREATE,
        .state = TASK_FAILED,
        .progress = 50,
        .summary = "create volume db1 (2M)",
        .steps = {{"place on unit1", STEP_DONE}, {"create on unit1", STEP_FAILED}},
        .step_count = 2,
        .error_code = DV_NO_SPACE,
        .error = "unit1 has no room",
        .created = 1795354223123,
        .version = 9,
    };
    uuid_parse("6ba7b811-9dad-41d1-80b4-00c04fd430c8", &task.volume);
    is(view_task(pool, &task),
       "{\"id\":7,\"kind\":\"volume_create\",\"state\":\"failed\",\"progress\":50,"
       "\"summary\":\"create volume db1 (2M)\",\"volume\":\"6ba7b811-9dad-41d1-80b4-00c04fd430c8\","
       "\"volume_name\":null,\"host\":null,\"host_name\":null,\"steps\":["
       "{\"text\":\"place on unit1\",\"state\":\"done\"},"
       "{\"text\":\"create on unit1\",\"state\":\"failed\"}],\"waiting\":null,"
       "\"error\":{\"code\":\"no_space\",\"detail\":\"unit1 has no room\"},"
       "\"created\":\"2026-11-22T13:30:23.123Z\",\"started\":null,\"finished\":null,\"version\":"
       "9}");
    pool_free(pool);
}

static void test_others(void **state)
{
    (void)state;
    struct event_record event = {.id = 3,
                                 .time = 1795354223123,
                                 .severity = EVENT_WARNING,
                                 .subject = "unit unit1",
                                 .text = "does not answer"};
    is(view_plain(&kind_event, &event), "{\"id\":3,\"time\":\"2026-11-22T13:30:23.123Z\","
                                        "\"severity\":\"warning\",\"subject\":\"unit unit1\","
                                        "\"text\":\"does not answer\"}");
    struct token_record token = {.id = 2, .name = "ci", .hash = {1}, .created = 1795354223};
    is(view_plain(&kind_token, &token),
       "{\"id\":2,\"name\":\"ci\",\"created\":\"2026-11-22T13:30:23.000Z\"}");
    struct dv_err err;
    dv_fail(&err, DV_NO_SPACE, "no medium has 10G free");
    is(view_problem(507, &err),
       "{\"type\":\"urn:dvsan:problem:no_space\",\"title\":\"No space\",\"status\":507,"
       "\"code\":\"no_space\",\"detail\":\"no medium has 10G free\"}");
}

// What differs comes by units in natural order, and of one unit as it was found.
static void test_station(void **state)
{
    (void)state;
    static const struct station_difference differences[] = {
        {"unit10", "c"}, {"unit2", "b"}, {"unit10", "a"}};
    const struct station_view station = {.longest_turn_served = ""};
    json_t *o = view_station(&station, differences, 3);
    static const char *const wanted[] = {"b", "c", "a"};
    json_t *told = json_object_get(o, "differences");
    assert_int_equal(json_array_size(told), 3);
    for (size_t i = 0; i < DV_COUNT(wanted); i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(told, i), "text")),
                            wanted[i]);
    json_decref(o);
}

// A unit gone wrong must not make the API say nothing, or something that is not JSON.
static void test_garbage_from_units(void **state)
{
    (void)state;
    struct things t;
    make(&t);
    strcpy(t.unit.rec.last_error, "\xff\x01 \"quoted\"");
    t.medium.blocks = UINT64_MAX;
    t.medium.kind = (enum medium_kind)77;
    t.volume.actual.blocks = UINT64_MAX;
    json_t *unit = view_unit(&t.unit);
    assert_string_equal(json_string_value(json_object_get(unit, "last_error")), "?? \"quoted\"");
    assert_int_equal(json_integer_value(json_object_get(unit, "blocks")), INT64_MAX);
    json_decref(unit);
    json_t *volume = view_volume(&t.volume);
    assert_int_equal(json_integer_value(json_object_get(volume, "size")), INT64_MAX);
    json_decref(volume);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unit),
        cmocka_unit_test(test_volume),
        cmocka_unit_test(test_a_volume_to_come),
        cmocka_unit_test(test_new_volume),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_task),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_station),
        cmocka_unit_test(test_garbage_from_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

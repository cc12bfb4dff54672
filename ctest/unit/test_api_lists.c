// Tests of long lists: others have their turns while one is made, and what they change is no harm.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/core/station.h"
#include "console/api/dispatch.h"
#include "loop/loop.h"
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VOLUMES 5000

struct lab {
    struct cms cms;
    struct cms_config config;
    struct dispatcher dispatcher;
    pthread_t thread;
    unsigned turns;   // of others, since the list was asked for
    unsigned dropped; // volumes
    atomic_bool asked, ended;
};

static struct dv_uuid id(uint8_t kind, unsigned n)
{
    return (struct dv_uuid){{kind, (uint8_t)(n >> 8), (uint8_t)n}};
}

static void put_volume(struct pool *p, unsigned n)
{
    struct changes c = {0};
    struct volume_record rec = {.uuid = id('v', n), .unit = id('u', 1), .medium = 1};
    snprintf(rec.name, sizeof(rec.name), "volume%u", n);
    changes_volume(&c, &rec);
    pool_apply(p, &c);
    changes_free(&c);
}

// Takes each second volume away, from the last on, and puts others behind.
static void other_turn(void *arg)
{
    struct lab *lab = arg;
    struct changes c = {0};
    const struct dv_uuid gone = id('v', VOLUMES - 1 - 2 * lab->dropped);
    if (lab->ended)
        return;
    loop_post(lab->cms.loop, other_turn, lab);
    if (!lab->asked)
        return;
    lab->turns++;
    if (lab->dropped >= VOLUMES / 4)
        return;
    changes_volume_gone(&c, &gone);
    pool_apply(lab->cms.pool, &c);
    changes_free(&c);
    put_volume(lab->cms.pool, VOLUMES + lab->dropped++);
}

static void *run(void *arg)
{
    loop_run(arg);
    return NULL;
}

static int set_up(void **state)
{
    struct lab *lab = dv_calloc(1, sizeof(*lab));
    struct changes c = {0};
    const struct unit_record unit = {.uuid = id('u', 1), .name = "unit1", .state = UNIT_UP};
    lab->cms = (struct cms){.loop = loop_new(), .config = &lab->config, .pool = pool_new()};
    lab->dispatcher = (struct dispatcher){.loop = lab->cms.loop, .cms = &lab->cms};
    changes_unit(&c, &unit);
    pool_apply(lab->cms.pool, &c);
    changes_free(&c);
    for (unsigned i = 0; i < VOLUMES; i++)
        put_volume(lab->cms.pool, i);
    loop_measure(lab->cms.loop);
    *state = lab;
    return pthread_create(&lab->thread, NULL, run, lab->cms.loop);
}

static int tear_down(void **state)
{
    struct lab *lab = *state;
    lab->ended = true;
    loop_stop(lab->cms.loop);
    pthread_join(lab->thread, NULL);
    loop_free(lab->cms.loop);
    pool_free(lab->cms.pool);
    free(lab);
    return 0;
}

static json_t *ask(struct lab *lab, char *path)
{
    struct http_head head = {.method = "GET", .path = path};
    struct http_answer answer = {0};
    lab->asked = true;
    dispatch_run(&lab->dispatcher, &head, NULL, &answer);
    lab->asked = false;
    assert_int_equal(answer.status, 200);
    json_t *list = json_loads(answer.text, 0, NULL);
    assert_non_null(list);
    free(answer.text);
    return list;
}

// All volumes that stayed are told, each once and in natural order.
static void test_others_come_between(void **state)
{
    struct lab *lab = *state;
    char path[] = "/api/v1/volumes";
    loop_post(lab->cms.loop, other_turn, lab);
    json_t *list = ask(lab, path), *volume;
    size_t i, stayed = 0;
    long last = -1;
    json_array_foreach(list, i, volume)
    {
        const char *name = json_string_value(json_object_get(volume, "name"));
        long n = strtol(name + strlen("volume"), NULL, 10);
        assert_true(n > last);
        last = n;
        stayed += n < VOLUMES && (n % 2 == 0 || n < VOLUMES / 2);
    }
    json_decref(list);
    assert_int_equal(stayed, VOLUMES / 2 + VOLUMES / 4);
    assert_in_range(lab->turns, 2, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_others_come_between, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

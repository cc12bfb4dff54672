// Tests of a request that takes several turns and fails: the answer says that a part of it is done.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/cms.h"
#include "cms/core/station.h"
#include "console/api/dispatch.h"
#include "loop/loop.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned parts; // that are done before it fails

// In the place of the station's.
int __wrap_cms_adopt(struct cms *cms, enum adopt_from from, bool take_over, struct dv_err *err);
int __wrap_cms_adopt(struct cms *cms, enum adopt_from from, bool take_over, struct dv_err *err)
{
    (void)cms;
    (void)from;
    (void)take_over;
    return parts-- > 0 ? 1 : dv_fail(err, DV_CONFLICT, "unit2 has too many hosts: delete some");
}

static int write_nothing(void *arg, const struct changes *c, enum ledger_weight weight,
                         struct dv_err *err)
{
    (void)arg;
    (void)c;
    (void)weight;
    (void)err;
    return 0;
}

static void follow_nothing(void *arg, const struct changes *c)
{
    (void)arg;
    (void)c;
}

static void *run(void *arg)
{
    loop_run(arg);
    return NULL;
}

// The answer of a station whose request fails behind so many parts.
static char *answer_behind(unsigned done)
{
    struct cms cms = {.loop = loop_new()};
    const struct ledger_owner owner = {write_nothing, follow_nothing, &cms};
    struct dispatcher dispatcher = {.loop = cms.loop, .cms = &cms};
    char body[] = "{\"from\": \"units\"}", path[] = "/api/v1/station/adopt";
    struct http_head head = {.method = "POST",
                             .path = path,
                             .content_type = "application/json",
                             .content_length = sizeof(body) - 1};
    struct http_answer answer = {0};
    pthread_t thread;
    cms.ledger = ledger_new(cms.loop, &owner);
    assert_int_equal(pthread_create(&thread, NULL, run, cms.loop), 0);
    parts = done;
    dispatch_run(&dispatcher, &head, body, &answer);
    loop_stop(cms.loop);
    pthread_join(thread, NULL);
    ledger_free(cms.ledger);
    loop_free(cms.loop);
    assert_int_equal(answer.status, 409);
    return answer.text;
}

static void test_behind_the_first(void **state)
{
    (void)state;
    DV_FREE char *at_once = answer_behind(0), *later = answer_behind(2);
    assert_non_null(strstr(at_once, "delete some"));
    assert_null(strstr(at_once, "stays done"));
    assert_non_null(strstr(later, "delete some; what was done of it before stays done"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_behind_the_first)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

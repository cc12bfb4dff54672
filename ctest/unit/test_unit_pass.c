// Tests of a pass that cannot look at what it is to serve.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/pass.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

// The next descriptor is one too many.
static struct rlimit take_descriptors(void)
{
    struct rlimit before, now;
    int next = dup(STDERR_FILENO);
    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    return before;
}

static void a_medium_never_looked_at_is_no_failure(void **state)
{
    char dir[] = "/tmp/dvsan-test-pass-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(dir));
    struct medium_config medium = {.index = 1,
                                   .name = "m",
                                   .kind = MEDIUM_DIR,
                                   .path = dir,
                                   .bytes = 10 * ALLOC_BLOCKS * BLOCK_SIZE};
    struct unit_config config = {.member.state_dir = dir,
                                 .iqn_prefix = "iqn.2026-11.test",
                                 .media = &medium,
                                 .media_count = 1,
                                 .tgtd = {.instances = 1, .session = SESSION_DEFAULTS}};
    struct state *s = state_new(0, 1);
    struct medium m = {.index = 1, .state = MEDIUM_ONLINE, .blocks = 10 * ALLOC_BLOCKS};
    struct volume v = {.index = 1,
                       .uuid = uuid_random(),
                       .name = "v",
                       .medium = 1,
                       .blocks = ALLOC_BLOCKS,
                       .iqn = "iqn.2026-11.test:v",
                       .thin = true,
                       .admin_online = true,
                       .state = VOLUME_ONLINE};
    DV_FREE char *socket = dv_printf("%s/tgtd.0", dir);
    state_add_tgtd(s, socket);
    state_add_medium(s, &m, true);
    struct unit_volume *row = state_add_volume(s, &v);
    row->made = true;
    row->tgtd = 1;
    struct pass *p = pass_new(&config, s);
    struct order *o = order_new(s);
    const struct pass_calls calls = {0}; // nothing is made, and no tgtd is there
    struct rlimit before = take_descriptors();
    pass_run(p, o, &calls);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(o->media[0].unjudged);
    assert_int_equal(o->media[0].state, MEDIUM_ONLINE);
    assert_false(o->volumes[0].done);
    order_free(o);
    pass_free(p);
    state_free(s);
    assert_int_equal(rmdir(dir), 0); // not even a file was left there
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_medium_never_looked_at_is_no_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

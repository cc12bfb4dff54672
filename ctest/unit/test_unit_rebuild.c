// Tests of a journal made anew: it comes last, so that what is broken off can be done again.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/rebuild.h"

#include "base/file.h"
#include "base/mem.h"
#include "media/media.h"
#include "snmp-agents/unit/journal.h"
#include "snmp-agents/unit/take.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void what_is_broken_off_is_done_again(void **state)
{
    char dir[] = "/tmp/dvsan-test-rebuild-XXXXXX", command[128];
    struct dv_err err;
    (void)state;
    assert_non_null(mkdtemp(dir));
    DV_FREE char *folder = dv_printf("%s/medium", dir);
    DV_FREE char *state_dir = dv_printf("%s/state", dir);
    DV_FREE char *word = dv_printf("%s/take-1", state_dir);
    struct medium_config medium = {
        .index = 1, .name = "m", .kind = MEDIUM_DIR, .path = folder, .bytes = 1 << 30};
    struct unit_config config = {.state_dir = state_dir, .media = &medium, .media_count = 1};
    const struct media_owner owner = {uuid_random(), 7}; // this unit, at another place
    const struct media_spec spec = {
        .kind = MEDIUM_DIR, .path = folder, .blocks = 1 << 21, .owner = owner};
    assert_int_equal(mkdir(folder, 0700), 0);
    struct media *m = media_open(&spec, &err);
    assert_non_null(m);
    assert_int_equal(media_tell_owner(m, &owner, &err), 0);
    media_close(m);
    // The word cannot be kept: then there is no journal either, which would forbid to try again.
    assert_int_equal(mkdir(state_dir, 0700), 0);
    assert_int_equal(mkdir(word, 0700), 0);
    assert_int_equal(rebuild_journal(&config, NULL, &err), -1);
    assert_false(journal_exists(state_dir));
    assert_int_equal(rmdir(word), 0);
    assert_int_equal(rmdir(state_dir), 0);
    if (rebuild_journal(&config, NULL, &err) != 0)
        fail_msg("%s", err.text);
    assert_true(journal_exists(state_dir));
    DV_FREE char *mark = take_mark(&config, 1);
    assert_non_null(mark);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_broken_off_is_done_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Tests of what is asked of rbd(8), by a script in its place: there is no Ceph cluster here.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "base/mem.h"
#include "media/command.h"
#include "media/media.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], calls[96];

// Notes its arguments; exits with the code that a file of the subcommand's name holds.
static const char script[] =
    "#!/bin/sh\n"
    "cd \"${0%/*}\" || exit 99\n"
    "echo \"$*\" >>calls\n"
    "for word; do\n"
    "  [ -p \"$word.slow\" ] && { printf 'Removing image: 45%% complete...\\r' >&2; read line "
    "<\"$word.slow\"; }\n"
    "  [ -f \"$word\" ] && { printf 'Removing image: 1%% complete...\\r' >&2; echo \"rbd: no "
    "$word\" >&2; exit \"$(cat \"$word\")\"; }\n"
    "done\n"
    "exit 0\n";

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/dvsan-rbd-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(calls, sizeof(calls), "%s/calls", folder);
    DV_FREE char *path = dv_printf("%s/rbd", folder);
    DV_FREE char *search = dv_printf("%s:/usr/bin:/bin", folder);
    setenv("PATH", search, 1);
    return file_write_atomic(path, script, strlen(script), 0700, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    DV_FREE char *command = dv_printf("rm -rf %s", folder);
    return system(command);
}

static void answer(const char *word, const char *code)
{
    DV_FREE char *path = dv_printf("%s/%s", folder, word);
    assert_int_equal(file_write_atomic(path, code, strlen(code), 0600, NULL), 0);
}

static void called(const char *expected)
{
    char *text;
    size_t len;
    assert_int_equal(file_read(calls, 4096, &text, &len, NULL), 0);
    assert_string_equal(text, expected);
    free(text);
    unlink(calls);
}

static struct media *open_pool(struct dv_err *err)
{
    const struct media_spec spec = {.kind = MEDIUM_RBD,
                                    .path = "pool",
                                    .blocks = 100 * ALLOC_BLOCKS,
                                    .ceph_conf = "/etc/ceph/c.conf",
                                    .ceph_user = "dvsan"};
    return media_open(&spec, err);
}

#define WITH "--conf /etc/ceph/c.conf --id dvsan "
#define ID   "01000000-0000-0000-0000-000000000000"

static void images_are_made_and_removed(void **state)
{
    (void)state;
    struct dv_err err;
    struct media_space space;
    const struct volume v = {.uuid = {{1}}, .blocks = 8 * ALLOC_BLOCKS};
    struct media *m = open_pool(&err);
    assert_non_null(m);
    assert_int_equal(media_probe(m, &space, &err), 0);
    assert_int_equal(media_probe(m, &space, &err), 0); // not asked again so soon
    called(WITH "ls pool\n" WITH "ls pool\n");
    assert_int_equal(media_volume_create(m, &v, NULL, &err), 0);
    called(WITH "create --size 8 pool/" ID "\n");
    assert_int_equal(media_volume_grow(m, &v, 16 * ALLOC_BLOCKS, NULL, &err), 0);
    called(WITH "resize --no-progress --size 16 pool/" ID "\n");
    assert_int_equal(media_volume_delete(m, &v, NULL, &err), 0);
    called(WITH "rm pool/" ID "\n");

    const char *options;
    DV_FREE char *path = media_volume_path(m, &v, &err);
    assert_string_equal(path, "pool/" ID);
    assert_string_equal(media_store(m, &options), "rbd");
    assert_string_equal(options, "conf=/etc/ceph/c.conf;id=dvsan");
    media_close(m);
}

static void repeating_is_fine(void **state)
{
    (void)state;
    struct dv_err err;
    const struct volume v = {.uuid = {{1}}, .blocks = 8 * ALLOC_BLOCKS};
    struct media *m = open_pool(&err);
    unlink(calls);
    answer("create", "17"); // EEXIST
    answer("rm", "2");      // ENOENT
    assert_int_equal(media_volume_create(m, &v, NULL, &err), 0);
    called(WITH "create --size 8 pool/" ID "\n" WITH "resize --no-progress --size 8 pool/" ID "\n");
    assert_int_equal(media_volume_delete(m, &v, NULL, &err), 0);
    answer("rm", "16"); // EBUSY: somebody has it open
    assert_int_equal(media_volume_delete(m, &v, NULL, &err), -1);
    assert_non_null(strstr(err.text, "exit code 16: rbd: no rm"));
    media_close(m);
}

struct told {
    unsigned reports;
    uint32_t percent;
};

static bool give_up(void *arg, uint32_t percent)
{
    struct told *t = arg;
    t->reports++;
    t->percent = percent;
    return percent == 0 && t->reports < 600; // once it has said how far it is
}

// A large image takes longer than any deadline; other volumes do not wait for it.
static void a_long_removal_is_watched(void **state)
{
    (void)state;
    struct dv_err err;
    struct told told = {0};
    const struct media_progress progress = {.report = give_up, .arg = &told};
    const struct volume v = {.uuid = {{1}}, .blocks = 8 * ALLOC_BLOCKS};
    const struct volume other = {.uuid = {{2}}, .blocks = 8 * ALLOC_BLOCKS};
    DV_FREE char *gate = dv_printf("%s/pool", folder);
    DV_FREE char *slow = dv_printf("%s/%s", gate, ID ".slow");
    assert_int_equal(mkdir(gate, 0700), 0);
    assert_int_equal(mkfifo(slow, 0600), 0);
    struct media *m = open_pool(&err);
    unlink(calls);
    for (int i = 0; i < 3; i++) {
        told = (struct told){0};
        assert_int_equal(media_volume_delete(m, &v, &progress, &err), -1);
        assert_int_equal(err.code, DV_CANCELLED);
        assert_int_equal(told.percent, 45);
    }
    called(WITH "rm pool/" ID "\n"); // once, and it runs on
    assert_int_equal(media_volume_create(m, &other, NULL, &err), 0);
    unlink(calls);
    int fd = open(slow, O_WRONLY);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(media_volume_delete(m, &v, NULL, &err), 0);
    assert_int_equal(access(calls, F_OK), -1);
    // One that runs when the medium is closed ends with it.
    told = (struct told){0};
    assert_int_equal(media_volume_delete(m, &v, &progress, &err), -1);
    media_close(m);
}

static void failures_are_told(void **state)
{
    (void)state;
    struct dv_err err;
    const struct volume v = {.uuid = {{1}}, .blocks = 8 * ALLOC_BLOCKS};
    struct media *m = open_pool(&err);
    answer("rm", "16");
    assert_int_equal(media_volume_delete(m, &v, NULL, &err), -1);
    assert_string_equal(err.text, "rbd failed with exit code 16: rbd: no rm");
    media_close(m);
    answer("ls", "1");
    assert_null(open_pool(&err));
    assert_int_equal(err.code, DV_IO);
    setenv("PATH", "/nonexistent", 1);
    assert_null(open_pool(&err));
    assert_non_null(strstr(err.text, "is its package installed?"));
    setenv("PATH", "/usr/bin:/bin", 1);
}

static void none_is_left_running(void **state)
{
    (void)state;
    struct media_command a, b;
    struct dv_err err;
    int result;
    assert_int_equal(command_start((const char *[]){"sleep", "1000", NULL}, &a, &err), 0);
    assert_int_equal(command_start((const char *[]){"sleep", "1000", NULL}, &b, &err), 0);
    command_kill(&a);
    command_kill_all();
    assert_true(command_wait(&b, 100000, &result, &err));
    assert_int_equal(result, -1);
    assert_non_null(strstr(err.text, "signal 9"));
    command_kill_all();
}

int main(void)
{
#define RBD_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RBD_TEST(images_are_made_and_removed), RBD_TEST(repeating_is_fine),
        RBD_TEST(a_long_removal_is_watched),   RBD_TEST(failures_are_told),
        RBD_TEST(none_is_left_running),
    };
    return cmocka_run_group_tests_name("media_rbd", tests, NULL, NULL);
}

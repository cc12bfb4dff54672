// Tests of a journal made anew: it comes last, so that what is broken off can be done again.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/rebuild.h"

#include "base/file.h"
#include "base/mem.h"
#include "media/media.h"
#include "unit/journal.h"
#include "unit/take.h"
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
    struct unit_config config = {.member.state_dir = state_dir, .media = &medium, .media_count = 1};
    const struct media_owner owner = {.unit = uuid_random(),
                                      .place = 7}; // this unit, at another place
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

// ---- A start without a journal ------------------------------------------------------------------

struct box {
    char dir[40];
    char *state_dir, *folder, *image;
    struct medium_config media[2];
    struct unit_config config;
};

static void write_file(const char *path, const char *text)
{
    struct dv_err err;
    if (file_write_atomic(path, text, strlen(text), 0600, &err) != 0)
        fail_msg("%s", err.text);
}

static int make_box(void **state)
{
    struct box *b = dv_calloc(1, sizeof(*b));
    strcpy(b->dir, "/tmp/dvsan-test-rebuild-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    b->state_dir = dv_printf("%s/state", b->dir);
    b->folder = dv_printf("%s/folder", b->dir);
    b->image = dv_printf("%s/disk.img", b->dir);
    assert_int_equal(mkdir(b->folder, 0700), 0);
    write_file(b->image, "");
    assert_int_equal(truncate(b->image, 8 << 20), 0);
    b->media[0] = (struct medium_config){
        .index = 1, .name = "folder", .kind = MEDIUM_DIR, .path = b->folder, .bytes = 1 << 30};
    b->media[1] = (struct medium_config){
        .index = 2, .name = "disk", .kind = MEDIUM_DISK, .path = b->image, .initialise = true};
    b->config =
        (struct unit_config){.member.state_dir = b->state_dir, .media = b->media, .media_count = 2};
    *state = b;
    return 0;
}

static int remove_box(void **state)
{
    struct box *b = *state;
    char command[64];
    snprintf(command, sizeof(command), "rm -rf '%s'", b->dir);
    free(b->state_dir);
    free(b->folder);
    free(b->image);
    free(b);
    return system(command);
}

static void assert_lost(const struct box *b, const char *why)
{
    struct dv_err err;
    assert_int_equal(rebuild_check_lost(&b->config, &err), -1);
    if (!strstr(err.text, why) || !strstr(err.text, "--rebuild=new"))
        fail_msg("%s", err.text);
    assert_false(journal_exists(b->state_dir));
}

static void assert_new(const struct box *b)
{
    struct dv_err err;
    if (rebuild_check_lost(&b->config, &err) != 0)
        fail_msg("%s", err.text);
}

static void a_medium_that_is_away_may_know_of_a_journal(void **state)
{
    struct box *b = *state;
    assert_new(b);
    assert_int_equal(rmdir(b->folder), 0);
    assert_lost(b, "medium folder cannot be asked");
    write_file(b->folder, "a file is no folder");
    assert_lost(b, "medium folder cannot be asked");
    assert_int_equal(unlink(b->folder), 0);
    assert_int_equal(symlink(b->folder, b->folder), 0);
    assert_lost(b, "medium folder cannot be asked");
    assert_int_equal(unlink(b->folder), 0);
    assert_int_equal(mkdir(b->folder, 0700), 0);
    assert_new(b);
    assert_int_equal(unlink(b->image), 0);
    assert_lost(b, "medium disk cannot be asked");
    b->media[1].kind = MEDIUM_DEVICE; // which never says anything
    assert_new(b);
}

static void a_person_says_that_a_unit_is_new(void **state)
{
    struct box *b = *state;
    const struct dv_uuid unit = uuid_random();
    struct dv_err err;
    assert_int_equal(unlink(b->image), 0);
    assert_lost(b, "medium disk cannot be asked");
    if (rebuild_journal(&b->config, &unit, &err) != 0)
        fail_msg("%s", err.text);
    assert_true(journal_exists(b->state_dir));
}

static void what_a_unit_left_in_its_folder_tells_of_it(void **state)
{
    struct box *b = *state;
    DV_FREE char *journal = dv_printf("%s/unit.db", b->state_dir);
    DV_FREE char *snmp = dv_printf("%s/snmp", b->state_dir);
    assert_int_equal(mkdir(b->state_dir, 0700), 0);
    assert_new(b);
    assert_int_equal(mkdir(snmp, 0700), 0);
    assert_lost(b, "a unit has run with this folder");
    write_file(journal, ""); // an empty one is none
    assert_lost(b, "a unit has run with this folder");
    assert_int_equal(rmdir(snmp), 0);
    assert_new(b);
    // What cannot be looked at may be there. Only of what is not there it is known that it is not.
    assert_int_equal(symlink(snmp, snmp), 0);
    assert_lost(b, "cannot look for what a unit left there");
    assert_int_equal(unlink(snmp), 0);
    assert_new(b);
    assert_int_equal(unlink(journal), 0);
    assert_int_equal(rmdir(b->state_dir), 0);
    assert_new(b);
    write_file(b->state_dir, "a file, below which nothing is");
    assert_new(b);
}

static void what_is_not_mounted_is_away(void **state)
{
    struct box *b = *state;
    DV_FREE char *fstab = dv_printf("%s/fstab", b->dir);
    DV_FREE char *mounts = dv_printf("%s/mounts", b->dir);
    DV_FREE char *linked = dv_printf("%s/linked", b->dir);
    DV_FREE char *table =
        dv_printf("# a comment\n/dev/a / ext4 defaults 0 1\n/dev/b none swap sw 0 0\n"
                  "LABEL=x %s ext4 noauto 0 2\n/dev/c %s/a\\040b xfs ro 0 0\n",
                  b->folder, b->dir);
    DV_FREE char *mounted = dv_printf("/dev/b %s ext4 rw 0 0\n", b->folder);
    const struct {
        const char *below;
        bool away;
    } cases[] = {{"folder", true}, {"linked", true}, {"folder2", false},
                 {"a b/c", true},  {"a", false},     {"", false}};
    write_file(fstab, table);
    assert_int_equal(symlink(b->folder, linked), 0);
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        DV_FREE char *path = dv_printf("%s/%s", b->dir, cases[i].below);
        write_file(mounts, "/dev/a / ext4 rw 0 0\n");
        if (rebuild_is_unmounted(path, fstab, mounts) != cases[i].away)
            fail_msg("%s", path);
        write_file(mounts, mounted);
        if (strncmp(cases[i].below, "a b", 3) != 0)
            assert_false(rebuild_is_unmounted(path, fstab, mounts));
    }
    assert_false(rebuild_is_unmounted(b->folder, "/nowhere", mounts));
}

// fstab has paths as people write them, the table of mounted file systems has them as they are.
static void a_mount_point_has_many_spellings(void **state)
{
    struct box *b = *state;
    DV_FREE char *fstab = dv_printf("%s/fstab", b->dir);
    DV_FREE char *mounts = dv_printf("%s/mounts", b->dir);
    DV_FREE char *mounted = dv_printf("/dev/a %s ext4 rw 0 0\n", b->folder);
    DV_FREE char *linked = dv_printf("%s/linked", b->dir);
    DV_FREE char *parent = dv_printf("%s/up", b->dir);
    DV_FREE char *other = dv_printf("%s/other", b->dir);
    static const char *const points[] = {"folder/",     "folder//",        "linked",
                                         "linked/",     "./folder",        "up/folder",
                                         "up//linked/", "folder/../folder"};
    static const char *const below[] = {"folder",          "folder/",
                                        "folder/state",    "linked/no/such/state",
                                        "up/folder/state", "up/linked"};
    assert_int_equal(symlink(b->folder, linked), 0);
    assert_int_equal(symlink(b->dir, parent), 0);
    for (size_t i = 0; i < DV_COUNT(points); i++) {
        DV_FREE char *table = dv_printf("/dev/a %s/%s ext4 defaults 0 2\n", b->dir, points[i]);
        write_file(fstab, table);
        for (size_t k = 0; k < DV_COUNT(below); k++) {
            DV_FREE char *path = dv_printf("%s/%s", b->dir, below[k]);
            write_file(mounts, "/dev/r / ext4 rw 0 0\n");
            if (!rebuild_is_unmounted(path, fstab, mounts))
                fail_msg("%s is to be below %s", path, points[i]);
            write_file(mounts, mounted);
            if (rebuild_is_unmounted(path, fstab, mounts))
                fail_msg("%s is below %s, which is mounted", path, points[i]);
        }
        write_file(mounts, "/dev/r / ext4 rw 0 0\n");
        assert_false(rebuild_is_unmounted(other, fstab, mounts));
    }
    // A mount point that is missing is as it is written.
    DV_FREE char *missing = dv_printf("/dev/a %s/up/none/here/ ext4 defaults 0 2\n", b->dir);
    DV_FREE char *state_dir = dv_printf("%s/none/here/state", b->dir);
    write_file(fstab, missing);
    assert_true(rebuild_is_unmounted(state_dir, fstab, mounts));
    write_file(fstab,
               "/dev/a none swap sw 0 0\n/dev/b / ext4 defaults 0 1\n/dev/b // ext4 a 0 1\n");
    assert_false(rebuild_is_unmounted(state_dir, fstab, mounts));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_box, remove_box)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_broken_off_is_done_again),
        TEST(a_medium_that_is_away_may_know_of_a_journal),
        TEST(a_person_says_that_a_unit_is_new),
        TEST(what_a_unit_left_in_its_folder_tells_of_it),
        TEST(what_is_not_mounted_is_away),
        TEST(a_mount_point_has_many_spellings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

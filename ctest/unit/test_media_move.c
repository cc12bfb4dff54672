// Tests of disk volumes that move and shrink: on image files, and where possible on loop devices.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "ctest/support/disk_image.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

// ---- What a volume holds ----------------------------------------------------------------------

// A MiB of one byte at each of these MiBs, zeros in between.
static void fill(const char *path, uint64_t start_mib, const char *bytes)
{
    DV_FREE char *data = dv_calloc(1, MIB);
    DV_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    for (size_t i = 0; bytes[i]; i++) {
        memset(data, bytes[i], MIB);
        if (bytes[i] != '0')
            assert_int_equal(pwrite(fd, data, MIB, (off_t)((start_mib + i) * MIB)), MIB);
    }
    assert_int_equal(fsync(fd), 0);
}

static void holds(const char *path, uint64_t start_mib, const char *bytes)
{
    DV_FREE char *data = dv_calloc(1, MIB);
    DV_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; bytes[i]; i++) {
        char expected = bytes[i] == '0' ? '\0' : bytes[i];
        assert_int_equal(pread(fd, data, MIB, (off_t)((start_mib + i) * MIB)), MIB);
        if (data[0] != expected || memcmp(data, data + 1, MIB - 1) != 0)
            fail_msg("MiB %zu from %llu on holds %d", i, (unsigned long long)start_mib, data[0]);
    }
}

static struct volume volume_at(uint64_t start_mib, uint64_t mib)
{
    struct volume v = {.uuid = uuid_random(),
                       .name = "web-1",
                       .start_lba = start_mib * BLOCKS,
                       .blocks = mib * BLOCKS,
                       .thin = true};
    return v;
}

static struct volume moving_to(struct volume v, uint64_t start_mib, uint64_t mib)
{
    v.target_start_lba = start_mib * BLOCKS;
    v.target_blocks = mib * BLOCKS;
    return v;
}

// The one volume that is found is at start; of the one that is left over the rest is told.
static void layout_says(struct media *m, const struct volume *v, uint64_t start_mib, uint64_t mib,
                        uint64_t left_mib, struct media_found *left)
{
    struct dv_err err;
    struct media_layout l;
    is(media_read_layout(m, &l, &err), &err);
    assert_int_equal(l.found_count, 1);
    assert_true(uuid_equal(&l.found[0].uuid, &v->uuid));
    assert_string_equal(l.found[0].name, v->name);
    assert_int_equal(l.found[0].start_lba, start_mib * BLOCKS);
    assert_int_equal(l.found[0].blocks, mib * BLOCKS);
    assert_int_equal(l.unfinished_count, left_mib > 0);
    if (left_mib > 0) {
        assert_int_equal(l.unfinished[0].start_lba, left_mib * BLOCKS);
        assert_false(uuid_equal(&l.unfinished[0].uuid, &v->uuid));
        if (left)
            *left = l.unfinished[0];
    }
    media_layout_clear(&l);
}

static void delete_left_over(struct media *m, const struct media_found *left)
{
    struct dv_err err;
    struct volume v = {.uuid = left->uuid, .start_lba = left->start_lba, .blocks = left->blocks};
    is(media_volume_delete(m, &v, NULL, &err), &err);
}

// ---- Moving -----------------------------------------------------------------------------------

struct stop {
    unsigned after;
    uint32_t last;
};

static bool stop_after(void *arg, uint32_t percent)
{
    struct stop *s = arg;
    assert_true(percent <= 100 && percent >= s->last);
    s->last = percent;
    return s->after-- > 0;
}

static void moves_with_its_data(void **state)
{
    (void)state;
    struct dv_err err;
    struct media_found left;
    struct media *m = open_disk(image);
    struct volume v = volume_at(2, 4), wall = volume_at(6, 2);
    is(media_volume_create(m, &v, NULL, &err), &err);
    is(media_volume_create(m, &wall, NULL, &err), &err);
    fill(image, 2, "a0bc");
    fill(image, 20, "xxxxxx"); // somebody's, long ago
    is(media_volume_delete(m, &wall, NULL, &err), &err);
    v = moving_to(v, 20, 6);
    is(media_volume_move(m, &v, NULL, &err), &err);
    is(media_volume_move(m, &v, NULL, &err), &err); // what it was for could not be recorded
    holds(image, 20, "a0bc00");
    layout_says(m, &v, 20, 6, 2, &left);
    fails(media_volume_path(m, &v, &err) == NULL, &err, DV_CONFLICT, "was changed");
    delete_left_over(m, &left);
    holds(image, 2, "0000");
    layout_says(m, &v, 20, 6, 0, NULL);

    // And again, as what it left behind the first time is still there.
    v.start_lba = v.target_start_lba;
    v.blocks = v.target_blocks;
    v = moving_to(v, 30, 7);
    is(media_volume_move(m, &v, NULL, &err), &err);
    v.start_lba = v.target_start_lba;
    v.blocks = v.target_blocks;
    v = moving_to(v, 40, 8);
    is(media_volume_move(m, &v, NULL, &err), &err);
    layout_says(m, &v, 40, 8, 30, NULL);
    holds(image, 40, "a0bc0000");
    holds(image, 20, "000000");
    media_close(m);
}

static void a_move_goes_on_where_it_was(void **state)
{
    (void)state;
    struct dv_err err;
    struct stop s = {0};
    const struct media_progress p = {stop_after, &s};
    struct media *m = open_disk(image);
    struct volume v = volume_at(2, 8);
    is(media_volume_create(m, &v, NULL, &err), &err);
    fill(image, 2, "abcdefgh");
    v = moving_to(v, 20, 9);
    for (unsigned i = 0; i < 3; i++) {
        s.after = 1;
        fails(media_volume_move(m, &v, &p, &err) != 0, &err, DV_CANCELLED, "cancelled");
        layout_says(m, &v, 2, 8, 20, NULL);
    }
    s = (struct stop){.after = 100};
    is(media_volume_move(m, &v, &p, &err), &err);
    assert_true(s.last > 80);
    holds(image, 20, "abcdefgh0");
    media_close(m);
}

// A move that was begun and given up: the volume was served and written to since.
static void a_move_that_was_given_up_begins_anew(void **state)
{
    (void)state;
    struct dv_err err;
    struct stop s = {.after = 4};
    const struct media_progress p = {stop_after, &s};
    struct media *m = open_disk(image);
    struct volume v = volume_at(2, 8);
    is(media_volume_create(m, &v, NULL, &err), &err);
    fill(image, 2, "abcdefgh");
    v = moving_to(v, 20, 9);
    fails(media_volume_move(m, &v, &p, &err) != 0, &err, DV_CANCELLED, "cancelled");
    struct volume other = v;
    other.blocks -= BLOCKS; // as if its partition had been changed meanwhile
    fails(media_volume_move(m, &other, NULL, &err) != 0, &err, DV_CONFLICT, "was changed");
    fill(image, 2, "A");
    is(media_volume_move(m, &v, NULL, &err), &err);
    holds(image, 20, "Abcdefgh0");
    media_close(m);
}

// Whatever another process finds: the old one whole and something to be cleared, or the new one.
static void a_broken_off_move_begins_anew_or_is_cleared_away(void **state)
{
    (void)state;
    struct dv_err err;
    struct stop s = {.after = 3};
    struct media_found left;
    const struct media_progress p = {stop_after, &s};
    struct media *m = open_disk(image);
    struct volume v = volume_at(2, 8);
    is(media_volume_create(m, &v, NULL, &err), &err);
    fill(image, 2, "abcdefgh");
    v = moving_to(v, 20, 9);
    fails(media_volume_move(m, &v, &p, &err) != 0, &err, DV_CANCELLED, "cancelled");
    media_close(m);

    m = open_disk(image);
    layout_says(m, &v, 2, 8, 20, &left);
    holds(image, 2, "abcdefgh");
    fill(image, 2, "A"); // another unit serves it
    delete_left_over(m, &left);
    holds(image, 20, "000000000");
    fails(media_volume_move(m, &v, (s = (struct stop){.after = 3}, &p), &err) != 0, &err,
          DV_CANCELLED, "cancelled");
    media_close(m);

    m = open_disk(image);
    is(media_volume_move(m, &v, NULL, &err), &err);
    holds(image, 20, "Abcdefgh0");
    layout_says(m, &v, 20, 9, 2, NULL);
    media_close(m);
}

static void a_move_that_cannot_be_leaves_all_as_it_was(void **state)
{
    (void)state;
    struct dv_err err;
    struct media *m = open_disk(image);
    struct volume v = volume_at(2, 4), wall = volume_at(22, 2);
    is(media_volume_create(m, &v, NULL, &err), &err);
    is(media_volume_create(m, &wall, NULL, &err), &err);
    fill(image, 2, "abcd");
    struct volume wrong = moving_to(v, 20, 8);
    assert_int_not_equal(media_volume_move(m, &wrong, NULL, &err), 0);
    wrong = moving_to(v, 60, 8);
    assert_int_not_equal(media_volume_move(m, &wrong, NULL, &err), 0);
    is(media_volume_delete(m, &wall, NULL, &err), &err);
    layout_says(m, &v, 2, 4, 0, NULL);
    holds(image, 2, "abcd");
    wrong.uuid = uuid_random();
    fails(media_volume_move(m, &wrong, NULL, &err) != 0, &err, DV_NOT_FOUND, "is gone");
    media_close(m);
}

// What is written through a partition's node the page cache of the disk knows nothing of.
static void check_device(const char *options)
{
    struct dv_err err;
    use_loop(options);
    struct media *m = open_disk(device);
    struct volume v = volume_at(2, 4);
    is(media_volume_create(m, &v, NULL, &err), &err);
    holds(device, 2, "0000"); // remembered
    DV_FREE char *window = media_volume_path(m, &v, &err);
    assert_non_null(window);
    fill(window, 0, "abcd");
    v = moving_to(v, 20, 5);
    is(media_volume_move(m, &v, NULL, &err), &err);
    v.start_lba = v.target_start_lba;
    v.blocks = v.target_blocks;
    DV_FREE char *moved = media_volume_path(m, &v, &err);
    assert_non_null(moved);
    holds(moved, 0, "abcd0");
    is(media_volume_delete(m, &v, NULL, &err), &err);
    media_close(m);
}

static void moves_on_a_device_with_nodes(void **state)
{
    (void)state;
    check_device("-P");
}

static void moves_on_a_device_without_nodes(void **state)
{
    (void)state;
    check_device("");
}

static void moves_on_sectors_of_4096_bytes(void **state)
{
    (void)state;
    check_device("-P -b 4096");
}

// ---- Shrinking --------------------------------------------------------------------------------

static void shrinks_in_place(void **state)
{
    (void)state;
    struct dv_err err;
    struct media *m = open_disk(image);
    struct volume v = volume_at(2, 8), gone = volume_at(20, 1);
    is(media_volume_create(m, &v, NULL, &err), &err);
    fill(image, 2, "abcdefgh");
    is(media_volume_shrink(m, &v, 3 * BLOCKS, &err), &err);
    is(media_volume_shrink(m, &v, 3 * BLOCKS, &err), &err);
    layout_says(m, &v, 2, 3, 0, NULL);
    holds(image, 2, "abc");
    fails(media_volume_path(m, &v, &err) == NULL, &err, DV_CONFLICT, "was changed");
    fails(media_volume_shrink(m, &v, 8 * BLOCKS, &err) != 0, &err, DV_CONFLICT, "was changed");
    fails(media_volume_shrink(m, &gone, BLOCKS, &err) != 0, &err, DV_NOT_FOUND, "is gone");

    // What was cut off is never seen again: neither by it nor by another volume.
    v.blocks = 3 * BLOCKS;
    is(media_volume_grow(m, &v, 5 * BLOCKS, NULL, &err), &err);
    holds(image, 2, "abc00");
    v.blocks = 5 * BLOCKS;
    fails(media_volume_shrink(m, &v, 8 * BLOCKS, &err) != 0, &err, DV_INVALID, "has only");
    struct volume next = volume_at(7, 3);
    is(media_volume_create(m, &next, NULL, &err), &err);
    holds(image, 7, "000");
    media_close(m);
}

// A partition that is longer than is recorded, or elsewhere, as after unit.db came from a backup.
static void nothing_unknown_is_cut(void **state)
{
    (void)state;
    struct dv_err err;
    struct media *m = open_disk(image);
    struct volume v = volume_at(2, 8);
    is(media_volume_create(m, &v, NULL, &err), &err);
    fill(image, 2, "abcdefgh");
    struct volume old = v;
    old.blocks = 4 * BLOCKS;
    fails(media_volume_shrink(m, &old, 2 * BLOCKS, &err) != 0, &err, DV_CONFLICT, "was changed");
    fails(media_volume_grow(m, &old, 6 * BLOCKS, NULL, &err) != 0, &err, DV_INVALID, "only grows");
    old.blocks = 9 * BLOCKS;
    fails(media_volume_grow(m, &old, 12 * BLOCKS, NULL, &err) != 0, &err, DV_INVALID, "only grows");
    old = v;
    old.start_lba = 3 * BLOCKS;
    fails(media_volume_grow(m, &old, 12 * BLOCKS, NULL, &err) != 0, &err, DV_INVALID, "only grows");
    fails(media_volume_shrink(m, &old, 8 * BLOCKS, &err) != 0, &err, DV_CONFLICT, "was changed");
    layout_says(m, &v, 2, 8, 0, NULL);
    holds(image, 2, "abcdefgh");
    media_close(m);
}

// Until a growth is recorded the volume is served as it was, though its partition is longer.
static void a_growth_that_is_not_recorded_is_not_shown(void **state)
{
    (void)state;
    struct dv_err err;
    uint64_t size;
    struct media *m = open_disk(image);
    struct volume v = moving_to(volume_at(2, 4), 2, 8);
    is(media_volume_create(m, &v, NULL, &err), &err);
    is(media_volume_grow(m, &v, 8 * BLOCKS, NULL, &err), &err);
    for (uint64_t mib = 4; mib <= 8; mib += 4) {
        v.blocks = mib * BLOCKS;
        DV_FREE char *path = media_volume_path(m, &v, &err);
        if (!path && geteuid() != 0)
            skip();
        if (!path)
            fail_msg("%s", err.text);
        DV_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(ioctl(fd, BLKGETSIZE64, &size), 0);
        assert_int_equal(size, mib * MIB);
    }
    v.target_start_lba = v.target_blocks = 0;
    v.blocks = 4 * BLOCKS;
    fails(media_volume_path(m, &v, &err) == NULL, &err, DV_CONFLICT, "was changed");
    media_close(m);
}

// A file system of so few MiB, in a mount namespace of this program's own, over the folder.
static void use_small_folder(const char *options)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", folder, "tmpfs", 0, options) != 0)
        skip();
    DV_CLOSE int fd = open(image, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, 64 * MIB), 0);
}

// What a host wrote and the kernel cannot write is not in a copy, and no later flush tells it. So
// that ends the move, and the shrinking, before anything is changed.
static void what_cannot_be_written_ends_a_move(void **state)
{
    (void)state;
    struct dv_err err;
    use_small_folder("size=6M");
    struct media *m = open_disk(image);
    const struct volume v = volume_at(2, 8);
    is(media_volume_create(m, &v, NULL, &err), &err);
    const struct volume moving = moving_to(v, 20, 16);
    for (int shrinks = 0; shrinks < 2; shrinks++) {
        DV_FREE char *path = media_volume_path(m, &v, &err);
        if (!path)
            fail_msg("%s", err.text);
        DV_FREE char *data = dv_calloc(1, MIB);
        DV_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
        for (int i = 0; i < 8; i++) { // more than there is room for
            memset(data, 'a' + i, MIB);
            assert_int_equal(pwrite(fd, data, MIB, (off_t)(i * MIB)), MIB);
        }
        assert_int_equal(close(fd), 0);
        fd = -1;
        int rc = shrinks ? media_volume_shrink(m, &v, 4 * BLOCKS, &err)
                         : media_volume_move(m, &moving, NULL, &err);
        fails(rc != 0, &err, err.code, "cannot be written");
        layout_says(m, &v, 2, 8, 0, NULL);
    }
    media_close(m);
    assert_int_equal(umount2(folder, MNT_DETACH), 0);
}

static void shrinks_only_while_nobody_has_it_open(void **state)
{
    (void)state;
    struct dv_err err;
    if (geteuid() != 0)
        skip();
    struct media *m = open_disk(image);
    struct volume v = volume_at(2, 4);
    is(media_volume_create(m, &v, NULL, &err), &err);
    DV_FREE char *window = media_volume_path(m, &v, &err);
    assert_non_null(window);
    int held = open(window, O_RDONLY | O_CLOEXEC);
    fails(media_volume_shrink(m, &v, BLOCKS, &err) != 0, &err, DV_BUSY, "still open");
    close(held);
    is(media_volume_shrink(m, &v, BLOCKS, &err), &err);
    layout_says(m, &v, 2, 1, 0, NULL);
    media_close(m);
}

int main(void)
{
    log_init("test_media_move", LOG_LEVEL_SILENT);
#define DISK_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        DISK_TEST(moves_with_its_data),
        DISK_TEST(a_move_goes_on_where_it_was),
        DISK_TEST(a_move_that_was_given_up_begins_anew),
        DISK_TEST(a_broken_off_move_begins_anew_or_is_cleared_away),
        DISK_TEST(a_move_that_cannot_be_leaves_all_as_it_was),
        DISK_TEST(moves_on_a_device_with_nodes),
        DISK_TEST(moves_on_a_device_without_nodes),
        DISK_TEST(moves_on_sectors_of_4096_bytes),
        DISK_TEST(shrinks_in_place),
        DISK_TEST(nothing_unknown_is_cut),
        DISK_TEST(a_growth_that_is_not_recorded_is_not_shown),
        DISK_TEST(what_cannot_be_written_ends_a_move),
        DISK_TEST(shrinks_only_while_nobody_has_it_open),
    };
    return cmocka_run_group_tests_name("media_move", tests, NULL, NULL);
}

// Tests of disks as media, on image files; and, where the test may make them, on loop devices.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "ctest/support/disk_image.h"
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>

static void open_fails(const char *path, bool initialise, enum dv_code code, const char *part)
{
    struct dv_err err = {0};
    struct media *m = open_kind(MEDIUM_DISK, path, initialise, &err);
    media_close(m);
    fails(m == NULL, &err, code, part);
}

static struct volume volume_at(uint64_t start_mib, uint64_t mib)
{
    struct volume v = {.uuid = uuid_random(),
                       .start_lba = start_mib * BLOCKS,
                       .blocks = mib * BLOCKS,
                       .thin = true};
    dv_copy(v.name, sizeof(v.name), "web-1");
    return v;
}

static void put(const char *path, uint64_t offset, int byte, size_t len)
{
    DV_FREE char *data = dv_calloc(1, len);
    memset(data, byte, len);
    DV_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, data, len, (off_t)offset), len);
    assert_int_equal(fsync(fd), 0);
}

static bool reads_as_zeros(const char *path, uint64_t offset, size_t len)
{
    DV_FREE char *data = dv_calloc(1, len);
    DV_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, data, len, (off_t)offset), len);
    return data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

// What sfdisk says of it must hold this.
static bool table_says(const char *path, const char *what)
{
    char command[256], text[8192];
    snprintf(command, sizeof(command), "sfdisk -d %s 2>/dev/null", path);
    FILE *f = popen(command, "r");
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    pclose(f);
    return strstr(text, what) != NULL;
}

static void volumes_are_partitions(void **state)
{
    (void)state;
    struct dv_err err;
    struct media_layout l;
    struct media *m = open_disk(image);
    struct volume v = volume_at(3, 8);
    put(image, 3 * MIB, 'x', MIB);
    is(media_volume_create(m, &v, NULL, &err), &err);
    is(media_volume_create(m, &v, NULL, &err), &err); // again
    assert_true(reads_as_zeros(image, 3 * MIB, MIB));

    char uuid[UUID_TEXT_LEN];
    DV_FREE char *line = dv_printf("start=        6144, size=       16384, "
                                   "type=D75A4E2C-3B60-4C1F-8D5B-647673616E31");
    assert_true(table_says(image, line));
    assert_true(table_says(image, "name=\"web-1\""));
    assert_false(table_says(image, "GUID:48"));
    uuid_format(&v.uuid, uuid);

    is(media_read_layout(m, &l, &err), &err);
    assert_true(l.lists_volumes);
    assert_int_equal(l.found_count, 1);
    assert_true(uuid_equal(&l.found[0].uuid, &v.uuid));
    assert_string_equal(l.found[0].name, "web-1");
    assert_int_equal(l.found[0].start_lba, 3 * BLOCKS);
    assert_int_equal(l.reserved_count, 1);
    assert_int_equal(l.reserved[0].start, 0);
    assert_true(l.reserved[0].blocks > 0 && l.reserved[0].blocks <= 2048);
    assert_true(l.blocks > 63 * BLOCKS && l.blocks < 64 * BLOCKS);
    media_layout_clear(&l);

    dv_copy(v.name, sizeof(v.name), "a-name-that-is-longer-than-a-partition's-can-be-0123456789");
    is(media_volume_rename(m, &v, &err), &err);
    assert_true(table_says(image, "name=\"a-name-that-is-longer-than-a-partiti\""));

    put(image, 3 * MIB, 'x', MIB);
    is(media_volume_delete(m, &v, NULL, &err), &err);
    is(media_volume_delete(m, &v, NULL, &err), &err);
    assert_true(reads_as_zeros(image, 3 * MIB, MIB));
    assert_false(table_says(image, "start="));
    media_close(m);
}

static void partitions_grow_where_there_is_room(void **state)
{
    (void)state;
    struct dv_err err;
    struct media *m = open_disk(image);
    struct volume a = volume_at(1, 4), b = volume_at(10, 4);
    is(media_volume_create(m, &a, NULL, &err), &err);
    is(media_volume_create(m, &b, NULL, &err), &err);
    put(image, 1 * MIB, 'a', MIB);
    put(image, 5 * MIB, 'x', 5 * MIB);
    is(media_volume_grow(m, &a, 9 * BLOCKS, NULL, &err), &err);
    assert_true(table_says(image, "start=        2048, size=       18432"));
    assert_true(reads_as_zeros(image, 5 * MIB, 5 * MIB));
    assert_false(reads_as_zeros(image, 1 * MIB, MIB));
    fails(media_volume_grow(m, &a, 10 * BLOCKS, NULL, &err) != 0, &err, DV_NO_SPACE, "no room");
    fails(media_volume_grow(m, &a, 8 * BLOCKS, NULL, &err) != 0, &err, DV_INVALID, "only grows");
    fails(media_volume_grow(m, &b, 60 * BLOCKS, NULL, &err) != 0, &err, DV_NO_SPACE, "no room");
    media_close(m);
}

struct stop {
    unsigned after;
};

static bool stop_after(void *arg, uint32_t percent)
{
    struct stop *s = arg;
    assert_true(percent <= 100);
    return s->after-- > 0;
}

// In pieces of 256 MiB, so the image is larger here.
static void clearing_goes_on_where_it_was(void **state)
{
    (void)state;
    struct dv_err err;
    struct stop s = {0};
    const struct media_progress p = {stop_after, &s};
    struct volume v = volume_at(1, 1024);
    run("truncate -s 1100M %s", image);
    struct media *m = open_disk(image);
    assert_true(media_resumes(m));
    put(image, 1000 * MIB, 'x', MIB);
    for (unsigned i = 0; i < 3; i++) {
        s.after = 0;
        fails(media_volume_create(m, &v, &p, &err) != 0, &err, DV_CANCELLED, "cancelled");
        assert_true(table_says(image, "attrs=\"GUID:48\""));
        DV_FREE char *path = media_volume_path(m, &v, &err);
        fails(path == NULL, &err, DV_CONFLICT, "not cleared");
    }
    is(media_volume_create(m, &v, &p, &err), &err);
    assert_true(reads_as_zeros(image, 1000 * MIB, MIB));
    put(image, 1000 * MIB, 'x', MIB);
    s.after = 0;
    fails(media_volume_delete(m, &v, &p, &err) != 0, &err, DV_CANCELLED, "cancelled");
    media_close(m);

    // Another unit finds it half deleted.
    struct media_layout l;
    m = open_disk(image);
    is(media_read_layout(m, &l, &err), &err);
    assert_int_equal(l.found_count, 0);
    assert_int_equal(l.unfinished_count, 1);
    assert_true(uuid_equal(&l.unfinished[0].uuid, &v.uuid));
    media_layout_clear(&l);
    is(media_volume_delete(m, &v, NULL, &err), &err);
    assert_true(reads_as_zeros(image, 1000 * MIB, MIB));
    media_close(m);
}

// A growth that was begun and given up: what it cleared others may have written to since.
static void a_growth_that_was_given_up_begins_anew(void **state)
{
    (void)state;
    struct dv_err err;
    struct stop s = {0};
    const struct media_progress p = {stop_after, &s};
    struct volume v = volume_at(1, 16);
    run("truncate -s 1100M %s", image);
    struct media *m = open_disk(image);
    is(media_volume_create(m, &v, NULL, &err), &err);
    v.target_blocks = 1024 * BLOCKS;
    fails(media_volume_grow(m, &v, v.target_blocks, &p, &err) != 0, &err, DV_CANCELLED,
          "cancelled");
    // Somebody makes a partition there, so it is given up; then takes it away again.
    run("echo 'start=204800, size=8192' | sfdisk -q --no-reread --force --append %s >/dev/null",
        image);
    fails(media_volume_grow(m, &v, v.target_blocks, NULL, &err) != 0, &err, DV_NO_SPACE, "no room");
    put(image, 100 * MIB, 'x', MIB);
    run("sfdisk -q --no-reread --force --delete %s 2 >/dev/null", image);
    is(media_volume_grow(m, &v, v.target_blocks, NULL, &err), &err);
    assert_true(reads_as_zeros(image, 17 * MIB, 1008 * MIB));
    media_close(m);
}

static void foreign_partitions_are_left_alone(void **state)
{
    (void)state;
    struct dv_err err;
    struct media_layout l;
    run("printf 'label: gpt\\nstart=4096, size=4096, name=foreign\\n' | sfdisk -q %s", image);
    put(image, 2 * MIB, 'f', MIB);
    struct dv_err ignored;
    struct media *m = open_kind(MEDIUM_DISK, image, false, &ignored);
    assert_non_null(m);
    is(media_read_layout(m, &l, &err), &err);
    assert_int_equal(l.reserved_count, 2);
    assert_int_equal(l.reserved[1].start, 4096);
    assert_int_equal(l.reserved[1].blocks, 4096);
    assert_int_equal(l.found_count, 0);
    media_layout_clear(&l);
    struct volume over = volume_at(2, 4), beside = volume_at(4, 4);
    fails(media_volume_create(m, &over, NULL, &err) != 0, &err, DV_CONFLICT, "in its way");
    is(media_volume_create(m, &beside, NULL, &err), &err);
    is(media_volume_delete(m, &beside, NULL, &err), &err);
    assert_true(table_says(image, "name=\"foreign\""));
    assert_false(reads_as_zeros(image, 2 * MIB, MIB));
    media_close(m);
}

static void only_blank_disks_are_initialised(void **state)
{
    (void)state;
    open_fails(image, false, DV_CONFLICT, "initialise=\"yes\"");
    assert_true(reads_as_zeros(image, 0, MIB));
    run("mkfs.ext4 -q -F %s", image);
    open_fails(image, true, DV_CONFLICT, "(ext4)");
    run("truncate -s 0 %s; truncate -s 64M %s", image, image);
    run("printf 'label: dos\\nstart=4096, size=4096\\n' | sfdisk -q %s", image);
    open_fails(image, true, DV_CONFLICT, "(dos)");
    open_fails("/nonexistent/x", true, DV_NOT_FOUND, "cannot open");
    open_fails(folder, true, DV_INVALID, "directory");
}

static void one_copy_of_the_table_is_enough(void **state)
{
    (void)state;
    struct dv_err err;
    struct volume v = volume_at(1, 4);
    struct media *m = open_disk(image);
    is(media_volume_create(m, &v, NULL, &err), &err);
    media_close(m);
    const struct {
        uint64_t offset;
        size_t len;
    } damage[] = {{512, 512},             // the first header
                  {1024, 4096},           // the first list
                  {0, MIB / 2},           // all of the first copy, with the protective MBR
                  {64 * MIB - 512, 512}}; // the second header
    for (size_t i = 0; i < DV_COUNT(damage); i++) {
        put(image, damage[i].offset, 0, damage[i].len);
        m = open_disk(image);
        struct media_layout l;
        is(media_read_layout(m, &l, &err), &err);
        assert_int_equal(l.found_count, 1);
        media_layout_clear(&l);
        media_close(m);
        run("sfdisk --verify %s 2>&1 | grep -q 'No errors'", image); // repaired
    }
    put(image, 512, 'x', 100);
    put(image, 64 * MIB - 512, 'x', 100);
    open_fails(image, true, DV_IO, "damaged");
}

static void a_truncated_image_is_not_initialised(void **state)
{
    (void)state;
    struct dv_err err;
    struct media_space space;
    struct media *m = open_disk(image);
    is(media_probe(m, &space, &err), &err);
    run("truncate -s 32M %s", image);
    fails(media_probe(m, &space, &err) != 0, &err, DV_IO, "has shrunk");
    media_close(m);
    open_fails(image, true, DV_IO, "another size");
    run("truncate -s 0 %s", image);
    open_fails(image, true, DV_INVALID, "less than 1 MiB");
}

static void a_lost_image_is_noticed(void **state)
{
    (void)state;
    struct dv_err err;
    struct media_space space;
    struct media *m = open_disk(image);
    run("mv %s %s.away", image, image);
    fails(media_probe(m, &space, &err) != 0, &err, DV_NOT_FOUND, "is gone");
    run("truncate -s 64M %s", image);
    fails(media_probe(m, &space, &err) != 0, &err, DV_CONFLICT, "something else");
    run("mv %s.away %s", image, image);
    is(media_probe(m, &space, &err), &err);
    media_close(m);
}

static void one_process_holds_a_disk(void **state)
{
    (void)state;
    struct media *m = open_disk(image);
    open_fails(image, false, DV_BUSY, "in use");
    struct dv_err err = {0};
    assert_null(open_kind(MEDIUM_DEVICE, image, false, &err));
    assert_int_equal(err.code, DV_BUSY);
    media_close(m);
    media_close(open_disk(image));
}

// A write through what tgtd is given lands in the partition and nowhere else.
static void check_window(const char *path, const char *expected)
{
    struct dv_err err;
    struct volume v = volume_at(2, 4);
    struct media *m = open_disk(path);
    is(media_volume_create(m, &v, NULL, &err), &err);
    DV_FREE char *window = media_volume_path(m, &v, &err);
    if (!window)
        fail_msg("%s", err.text);
    assert_memory_equal(window, expected, strlen(expected));
    DV_FREE char *again = media_volume_path(m, &v, &err);
    assert_string_equal(again, window);
    put(window, 0, 'w', 4096);
    run("test $(blockdev --getsize64 %s) = %u", window, 4u << 20);
    if (strcmp(path, device) == 0)
        run("blockdev --flushbufs %s", device);
    assert_false(reads_as_zeros(path, 2 * MIB, 4096));

    // Somebody serves it: a new process finds the same one, and it cannot be deleted.
    int held = open(window, O_RDONLY | O_CLOEXEC);
    media_close(m);
    m = open_disk(path);
    DV_FREE char *found = media_volume_path(m, &v, &err);
    assert_string_equal(found, window);
    is(media_volume_grow(m, &v, 8 * BLOCKS, NULL, &err), &err);
    v.blocks = 8 * BLOCKS;
    DV_FREE char *grown = media_volume_path(m, &v, &err);
    assert_string_equal(grown, window);
    assert_int_equal(lseek(held, 0, SEEK_END), 8 * MIB); // without being opened again
    fails(media_volume_delete(m, &v, NULL, &err) != 0, &err, DV_BUSY, "still open");
    close(held);
    is(media_volume_delete(m, &v, NULL, &err), &err);
    assert_true(reads_as_zeros(path, 2 * MIB, 4096));
    media_close(m);
    run("! losetup -n -O BACK-FILE,OFFSET | grep -q '%s .*2097152'", path);
}

static void an_image_is_served_by_a_loop_device(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    check_window(image, "/dev/loop");
}

static void a_disk_with_nodes_is_served_by_them(void **state)
{
    (void)state;
    use_loop("-P");
    DV_FREE char *node = dv_printf("%sp", device);
    check_window(device, node);
}

static void a_disk_without_nodes_is_served_by_a_loop_device(void **state)
{
    (void)state;
    use_loop("");
    check_window(device, "/dev/loop");
}

static void sectors_of_4096_bytes(void **state)
{
    (void)state;
    struct dv_err err;
    struct media_layout l;
    use_loop("-P -b 4096");
    struct volume v = volume_at(2, 4);
    struct media *m = open_disk(device);
    is(media_volume_create(m, &v, NULL, &err), &err);
    assert_true(table_says(device, "start=         512, size=        1024"));
    is(media_read_layout(m, &l, &err), &err);
    assert_int_equal(l.found[0].start_lba, 2 * BLOCKS);
    assert_int_equal(l.found[0].blocks, 4 * BLOCKS);
    media_layout_clear(&l);
    DV_FREE char *path = media_volume_path(m, &v, &err);
    run("test $(blockdev --getsize64 %s) = %u", path, 4u << 20);
    is(media_volume_delete(m, &v, NULL, &err), &err);
    media_close(m);
    put(device, 4096, 0, 4096);
    media_close(open_disk(device));
}

static void a_device_is_one_volume_as_it_is(void **state)
{
    (void)state;
    struct dv_err err;
    struct media_layout l;
    put(image, 0, 'd', MIB);
    struct media *m = open_kind(MEDIUM_DEVICE, image, false, &err);
    assert_non_null(m);
    assert_true(uuid_is_zero(media_uuid(m)));
    is(media_read_layout(m, &l, &err), &err);
    assert_int_equal(l.blocks, 64 * BLOCKS);
    assert_false(l.lists_volumes);
    media_layout_clear(&l);
    struct volume part = volume_at(0, 8), whole = volume_at(0, 64);
    fails(media_volume_create(m, &part, NULL, &err) != 0, &err, DV_INVALID, "64 MiB");
    is(media_volume_create(m, &whole, NULL, &err), &err);
    DV_FREE char *path = media_volume_path(m, &whole, &err);
    assert_string_equal(path, image);
    is(media_volume_delete(m, &whole, NULL, &err), &err);
    assert_false(reads_as_zeros(image, 0, MIB));
    media_close(m);
}

static void a_disk_tells_whose_it_is(void **state)
{
    (void)state;
    const struct media_owner one = {.unit = {{1}}, .place = 7}, two = {.unit = {{2}}, .place = 8};
    const struct media_spec spec = {.kind = MEDIUM_DISK, .path = image};
    struct media_owner found;
    struct dv_err err;
    bool holds;
    struct media *m = open_disk(image);
    is(media_ask_owner(&spec, &found, &holds, &err), &err);
    assert_true(uuid_is_zero(&found.unit) && !holds);
    is(media_tell_owner(m, &one, &err), &err);
    is(media_tell_owner(m, &two, &err), &err);
    struct volume v = volume_at(3, 8);
    is(media_volume_create(m, &v, NULL, &err), &err); // the table is written anew
    is(media_ask_owner(&spec, &found, &holds, &err), &err);
    assert_true(uuid_equal(&found.unit, &two.unit) && found.place == 8 && holds);

    put(image, 0, 0xeb, 3); // a boot loader
    is(media_tell_owner(m, &one, &err), &err);
    is(media_ask_owner(&spec, &found, &holds, &err), &err);
    assert_true(uuid_is_zero(&found.unit) && !holds);
    media_close(m);
}

int main(void)
{
#define DISK_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        DISK_TEST(volumes_are_partitions),
        DISK_TEST(partitions_grow_where_there_is_room),
        DISK_TEST(clearing_goes_on_where_it_was),
        DISK_TEST(a_growth_that_was_given_up_begins_anew),
        DISK_TEST(foreign_partitions_are_left_alone),
        DISK_TEST(only_blank_disks_are_initialised),
        DISK_TEST(one_copy_of_the_table_is_enough),
        DISK_TEST(a_truncated_image_is_not_initialised),
        DISK_TEST(a_lost_image_is_noticed),
        DISK_TEST(one_process_holds_a_disk),
        DISK_TEST(an_image_is_served_by_a_loop_device),
        DISK_TEST(a_disk_with_nodes_is_served_by_them),
        DISK_TEST(a_disk_without_nodes_is_served_by_a_loop_device),
        DISK_TEST(sectors_of_4096_bytes),
        DISK_TEST(a_device_is_one_volume_as_it_is),
        DISK_TEST(a_disk_tells_whose_it_is),
    };
    return cmocka_run_group_tests_name("media_disk", tests, NULL, NULL);
}

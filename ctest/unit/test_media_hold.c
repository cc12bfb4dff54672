// Tests of whose, and which, a disk or device is, and of keeping it from the rest of the machine.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/disk_image.h"
#include "media/storage.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

// ---- Whose ------------------------------------------------------------------------------------

static struct media *open_as(enum medium_kind kind, const struct media_owner *owner,
                             const char *identity, const char *take, struct dv_err *err)
{
    const struct media_spec spec = {.kind = kind,
                                    .path = image,
                                    .initialise = kind == MEDIUM_DISK,
                                    .owner = *owner,
                                    .identity = identity,
                                    .take = take};
    return media_open(&spec, err);
}

// Not even its table is repaired by who is not its owner.
static void another_owners_disk_is_left_alone(void **state)
{
    (void)state;
    const struct media_owner one = {.unit = {{1}}, .place = 7}, two = {.unit = {{2}}, .place = 7};
    const struct media_spec spec = {.kind = MEDIUM_DISK, .path = image};
    struct media_space space;
    struct dv_err err;
    DV_FREE char *mark = NULL;
    struct media *m = open_as(MEDIUM_DISK, &one, NULL, NULL, &err);
    assert_non_null(m);
    is(media_tell_owner(m, &one, &err), &err);
    media_close(m);
    run("dd if=/dev/zero of=%s bs=512 seek=1 count=1 conv=notrunc status=none", image);
    run("cp %s %s.before", image, image);
    fails(!open_as(MEDIUM_DISK, &two, NULL, NULL, &err), &err, DV_CONFLICT, "is used by unit 01");
    run("cmp %s %s.before", image, image);
    is(media_ask_mark(&spec, &mark, &err), &err);
    m = open_as(MEDIUM_DISK, &two, NULL, mark, &err);
    if (!m)
        fail_msg("%s", err.text);
    is(media_tell_owner(m, &two, &err), &err);
    is(media_probe(m, &space, &err), &err);
    // Another machine says that it took it.
    run("printf '%%s' '%s' | dd of=%s bs=440 conv=notrunc status=none", mark, image);
    fails(media_probe(m, &space, &err) != 0, &err, DV_CONFLICT, "is used by unit 01");
    media_close(m);
}

static void another_device_is_refused(void **state)
{
    (void)state;
    const struct media_owner nobody = {0};
    const struct media_spec spec = {.kind = MEDIUM_DEVICE, .path = image};
    struct dv_err err;
    DV_FREE char *mark = NULL;
    struct media *m = open_as(MEDIUM_DEVICE, &nobody, NULL, NULL, &err);
    assert_non_null(m);
    DV_FREE char *first = dv_strdup(media_identity(m));
    assert_true(strncmp(first, "file ", 5) == 0);
    media_close(m);
    m = open_as(MEDIUM_DEVICE, &nobody, first, NULL, &err);
    assert_non_null(m);
    media_close(m);
    // An equal one of the same name.
    run("cp %s %s.new && mv %s.new %s", image, image, image, image);
    fails(!open_as(MEDIUM_DEVICE, &nobody, first, NULL, &err), &err, DV_CONFLICT, "another device");
    is(media_ask_mark(&spec, &mark, &err), &err);
    assert_string_not_equal(mark, first);
    m = open_as(MEDIUM_DEVICE, &nobody, first, mark, &err);
    assert_non_null(m);
    assert_string_equal(media_identity(m), mark);
    media_close(m);
}

// A kernel's name goes from one loop device's file to another's.
static void another_device_behind_a_name(void **state)
{
    (void)state;
    const struct media_owner nobody = {0};
    struct dv_err err;
    use_loop("");
    struct media_spec spec = {.kind = MEDIUM_DEVICE, .path = device, .owner = nobody};
    struct media *m = media_open(&spec, &err);
    if (!m)
        fail_msg("%s", err.text);
    DV_FREE char *first = dv_strdup(media_identity(m));
    media_close(m);
    run("losetup -d %s && cp %s %s.2 && losetup %s %s.2", device, image, image, device, image);
    spec.identity = first;
    fails(!media_open(&spec, &err), &err, DV_CONFLICT, "another device");
}

// ---- Nobody else's ----------------------------------------------------------------------------

static bool is_held(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_EXCL);
    bool held = fd < 0 && errno == EBUSY;
    if (fd >= 0)
        close(fd);
    return held;
}

static void kind_fails(enum medium_kind kind, const char *path, enum dv_code code, const char *part)
{
    struct dv_err err = {0};
    struct media *m = open_kind(kind, path, true, &err);
    media_close(m);
    fails(m == NULL, &err, code, part);
}

// Mounts are of this process alone.
static void mount_here(const char *what)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        skip();
    run("mkfs.ext4 -q %s && mkdir %s/mnt && mount %s %s/mnt", what, folder, what, folder);
}

static void what_is_mounted_is_no_medium(void **state)
{
    (void)state;
    use_loop("");
    mount_here(device);
    kind_fails(MEDIUM_DEVICE, device, DV_BUSY, "it is mounted at /tmp/dvsan-disk-");
    kind_fails(MEDIUM_DISK, device, DV_BUSY, "it is mounted at /tmp/dvsan-disk-");
    run("umount %s/mnt", folder);
    struct dv_err err;
    struct media *m = open_kind(MEDIUM_DEVICE, device, false, &err);
    if (!m)
        fail_msg("%s", err.text);
    assert_true(is_held(device)); // so nothing can mount it now
    assert_int_not_equal(mount(device, "/tmp", "ext4", 0, NULL), 0);
    media_close(m);
    assert_false(is_held(device));
}

// The same when it is a part of it that is in use.
static void a_device_with_a_mounted_part_is_no_medium(void **state)
{
    (void)state;
    run("printf 'label: gpt\\nsize=32M\\n' | sfdisk -q %s", image);
    use_loop("-P");
    DV_FREE char *part = dv_printf("%sp1", device);
    if (access(part, F_OK) != 0)
        run("partx -a %s", device);
    mount_here(part);
    kind_fails(MEDIUM_DEVICE, device, DV_BUSY, "is in use: it is mounted at");
    // A disk's other partitions are no business of the medium's.
    struct dv_err err;
    struct media *m = open_kind(MEDIUM_DISK, device, false, &err);
    if (!m)
        fail_msg("%s", err.text);
    media_close(m);
    run("umount %s/mnt", folder);
}

static void windows_are_held(const char *path)
{
    struct dv_err err;
    struct volume v = {.uuid = {{1}}, .name = "held", .start_lba = BLOCKS, .blocks = 8 * BLOCKS};
    struct media *m = open_disk(path);
    is(media_volume_create(m, &v, NULL, &err), &err);
    DV_FREE char *window = media_volume_path(m, &v, &err);
    if (!window)
        fail_msg("%s", err.text);
    assert_true(is_held(window));
    int tgtd = open(window, O_RDWR | O_CLOEXEC); // which opens it without the flag
    assert_true(tgtd >= 0);
    is(media_volume_grow(m, &v, 12 * BLOCKS, NULL, &err), &err);
    v.blocks = 12 * BLOCKS;
    DV_FREE char *grown = media_volume_path(m, &v, &err);
    assert_string_equal(grown, window);

    // The agent is gone, and something else takes it before the next one comes.
    media_close(m);
    int other = open(window, O_RDWR | O_CLOEXEC | O_EXCL);
    assert_true(other >= 0);
    m = open_disk(path);
    DV_FREE char *none = media_volume_path(m, &v, &err);
    fails(none == NULL, &err, DV_BUSY, "is in use on this machine");
    close(other);
    DV_FREE char *again = media_volume_path(m, &v, &err);
    if (!again)
        fail_msg("%s", err.text);
    assert_string_equal(again, window);
    assert_true(is_held(window));
    close(tgtd);
    is(media_volume_delete(m, &v, NULL, &err), &err);
    media_close(m);
}

static void loop_windows_are_held(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    windows_are_held(image);
}

static void node_windows_are_held(void **state)
{
    (void)state;
    use_loop("-P");
    windows_are_held(device);
}

static void one_medium_under_any_name(void **state)
{
    (void)state;
    struct dv_err err;
    DV_FREE char *link = dv_printf("%s/link", folder);
    run("ln -s %s %s", image, link);
    struct media *m = open_disk(image);
    kind_fails(MEDIUM_DISK, link, DV_BUSY, "by another name");
    kind_fails(MEDIUM_DEVICE, link, DV_BUSY, "by another name");
    use_loop("");
    kind_fails(MEDIUM_DEVICE, device, DV_BUSY, "by another name");
    media_close(m);
    // The other way round.
    kind_fails(MEDIUM_DISK, image, DV_BUSY, "the loop device /dev/loop");
    m = open_kind(MEDIUM_DEVICE, device, false, &err);
    if (!m)
        fail_msg("%s", err.text);
    kind_fails(MEDIUM_DEVICE, image, DV_BUSY, "is in use");
    media_close(m);
}

// Of a former process, where the partition was taken away meanwhile.
static void windows_without_a_volume_end(void **state)
{
    (void)state;
    struct dv_err err;
    struct media_layout l;
    struct volume v = {.uuid = {{1}}, .name = "gone", .start_lba = BLOCKS, .blocks = 8 * BLOCKS};
    if (geteuid() != 0)
        skip();
    struct media *m = open_disk(image);
    is(media_volume_create(m, &v, NULL, &err), &err);
    DV_FREE char *window = media_volume_path(m, &v, &err);
    if (!window)
        fail_msg("%s", err.text);
    int tgtd = open(window, O_RDWR | O_CLOEXEC);
    media_close(m);
    run("sfdisk -q --delete %s 1", image);
    m = open_disk(image);
    assert_true(is_held(window));
    close(tgtd);
    is(media_read_layout(m, &l, &err), &err);
    media_layout_clear(&l);
    run("test -z \"$(losetup -n -O NAME -j %s)\"", image);
    media_close(m);
}

// lvextend, or a larger image: what is on record is served, and grown when that is asked for.
static void a_device_that_grew_is_served_as_before(void **state)
{
    (void)state;
    struct dv_err err;
    struct media_space space;
    struct media_layout l;
    struct volume v = {.uuid = {{1}}, .name = "lv", .start_lba = 0, .blocks = 64 * BLOCKS};
    struct media *m = open_kind(MEDIUM_DEVICE, image, false, &err);
    assert_non_null(m);
    is(media_volume_create(m, &v, NULL, &err), &err);
    run("truncate -s 80M %s", image);
    is(media_probe(m, &space, &err), &err);
    is(media_read_layout(m, &l, &err), &err);
    assert_int_equal(l.blocks, 80 * BLOCKS);
    media_layout_clear(&l);
    DV_FREE char *path = media_volume_path(m, &v, &err);
    assert_non_null(path);
    is(media_volume_shrink(m, &v, 64 * BLOCKS, &err), &err); // as after a growth that was put back
    fails(media_volume_shrink(m, &v, 32 * BLOCKS, &err) != 0, &err, DV_INVALID, "served as it is");
    fails(media_volume_grow(m, &v, 96 * BLOCKS, NULL, &err) != 0, &err, DV_INVALID, "has 80 MiB");
    is(media_volume_grow(m, &v, 80 * BLOCKS, NULL, &err), &err);
    media_close(m);
    run("truncate -s 48M %s", image);
    m = open_kind(MEDIUM_DEVICE, image, false, &err);
    DV_FREE char *none = media_volume_path(m, &v, &err);
    fails(none == NULL, &err, DV_INVALID, "has 48 MiB");
    media_close(m);
}

static void a_folders_volume_is_no_medium(void **state)
{
    (void)state;
    DV_FREE char *marker = dv_printf("%s/.dvsan-medium", folder);
    run("touch %s", marker);
    kind_fails(MEDIUM_DEVICE, image, DV_CONFLICT, "which is a medium itself");
    unlink(marker);
}

// What a full volume is worth is a matter of what lies below.
static void what_reserves(void **state)
{
    (void)state;
    assert_true(storage_kind_reserves(0xef53));      // ext4
    assert_true(storage_kind_reserves(0x58465342));  // XFS
    assert_true(storage_kind_reserves(0x01021994));  // tmpfs
    assert_false(storage_kind_reserves(0x9123683e)); // btrfs
    assert_false(storage_kind_reserves(0x2fc12fc1)); // ZFS
    assert_false(storage_kind_reserves(0xca451a4e)); // bcachefs
    assert_true(storage_name_is_thin("vg0-pool0-tpool"));
    assert_true(storage_name_is_thin("vg0-snap-cow"));
    assert_false(storage_name_is_thin("vg0-data"));
    assert_false(storage_name_is_thin("-tpool"));
}

// Folders as sysfs has them: an encrypted volume over a thin one, whose pool is found below that.
static void something_thin_is_found_at_any_depth(void **state)
{
    (void)state;
    run("cd %s && mkdir -p dm-0/dm dm-1/dm dm-2/dm dm-0/slaves dm-1/slaves dm-2/slaves && "
        "echo vg0-pool0-tpool > dm-0/dm/name && echo vg0-data > dm-1/dm/name && "
        "echo data_crypt > dm-2/dm/name && ln -s ../../dm-0 dm-1/slaves/dm-0 && "
        "ln -s ../../dm-1 dm-2/slaves/dm-1",
        folder);
    DV_FREE char *thin = dv_printf("%s/dm-1", folder);
    DV_FREE char *encrypted = dv_printf("%s/dm-2", folder);
    assert_false(storage_device_reserves(thin, STORAGE_LEVELS));
    assert_false(storage_device_reserves(encrypted, STORAGE_LEVELS));
    run("echo vg0-other > %s/dm-0/dm/name", folder);
    assert_true(storage_device_reserves(encrypted, STORAGE_LEVELS));
}

int main(void)
{
#define DISK_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_reserves),
        DISK_TEST(something_thin_is_found_at_any_depth),
        DISK_TEST(another_owners_disk_is_left_alone),
        DISK_TEST(another_device_is_refused),
        DISK_TEST(another_device_behind_a_name),
        DISK_TEST(what_is_mounted_is_no_medium),
        DISK_TEST(a_device_with_a_mounted_part_is_no_medium),
        DISK_TEST(loop_windows_are_held),
        DISK_TEST(node_windows_are_held),
        DISK_TEST(one_medium_under_any_name),
        DISK_TEST(windows_without_a_volume_end),
        DISK_TEST(a_device_that_grew_is_served_as_before),
        DISK_TEST(a_folders_volume_is_no_medium),
    };
    return cmocka_run_group_tests_name("media_hold", tests, NULL, NULL);
}

// Tests of folders as media, on file systems of several kinds where the test may mount them.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "media/media.h"
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BLOCKS ((uint64_t)ALLOC_BLOCKS)
#define MIB    (UINT64_C(1) << 20)

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/dvsan-media-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        DV_FREE char *path = dv_printf("%s/%s", folder, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlink(path);
    }
    if (d)
        closedir(d);
    return rmdir(folder);
}

static struct media *open_folder(void)
{
    struct dv_err err;
    struct media *m = media_open(
        &(struct media_spec){.kind = MEDIUM_DIR, .path = folder, .blocks = 100 * BLOCKS}, &err);
    if (!m)
        fail_msg("%s", err.text);
    return m;
}

static void fails(int result, const struct dv_err *err, enum dv_code code, const char *part)
{
    if (result == 0)
        fail_msg("went well instead of failing with \"%s\"", part);
    if (err->code != code || !strstr(err->text, part))
        fail_msg("%s: %s; expected %s: ...%s...", dv_code_name(err->code), err->text,
                 dv_code_name(code), part);
}

static void open_fails(const char *path, enum dv_code code, const char *part)
{
    struct dv_err err = {0};
    struct media *m =
        media_open(&(struct media_spec){.kind = MEDIUM_DIR, .path = path, .blocks = BLOCKS}, &err);
    fails(m ? 0 : -1, &err, code, part);
}

static struct stat stat_of(const struct media *m, const struct dv_uuid *volume)
{
    char uuid[UUID_TEXT_LEN];
    DV_FREE char *path = dv_printf("%s/%s.img", folder, uuid_format(volume, uuid));
    (void)m;
    struct stat st = {0};
    stat(path, &st);
    return st;
}

static size_t images(void)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void test_identity(void **state)
{
    (void)state;
    struct media *m = open_folder();
    struct dv_uuid first = *media_uuid(m);
    assert_false(uuid_is_zero(&first));
    media_close(m);
    m = open_folder();
    assert_true(uuid_equal(media_uuid(m), &first));
    DV_FREE char *path = dv_printf("%s/.dvsan-medium", folder);
    struct media_space space;
    struct dv_err err;
    assert_int_equal(media_probe(m, &space, &err), 0);
    assert_true(space.total_bytes >= space.free_bytes);

    int fd = open(path, O_WRONLY | O_TRUNC);
    dprintf(fd, "00000000-1111-4222-8333-444444444444\n");
    close(fd);
    fails(media_probe(m, &space, &err), &err, DV_CONFLICT, "another medium");
    unlink(path);
    fails(media_probe(m, &space, &err), &err, DV_NOT_FOUND, "still mounted");
    media_close(m);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    dprintf(fd, "garbage");
    close(fd);
    open_fails(folder, DV_CONFLICT, "should hold the medium's UUID");
}

static void test_lock(void **state)
{
    (void)state;
    struct media *m = open_folder();
    open_fails(folder, DV_BUSY, "locked by process");
    media_close(m);
    media_close(open_folder());
}

static void test_bad_folders(void **state)
{
    (void)state;
    DV_FREE char *gone = dv_printf("%s/gone", folder);
    DV_FREE char *file = dv_printf("%s/file", folder);
    DV_FREE char *below = dv_printf("%s/file/below", folder);
    close(open(file, O_WRONLY | O_CREAT, 0600));
    open_fails(gone, DV_NOT_FOUND, "does not exist");
    open_fails(file, DV_INVALID, "is not a folder");
    open_fails(below, DV_NOT_FOUND, "Not a directory");
    open_fails("relative", DV_INVALID, "must be absolute");
    open_fails("/tmp/a,b", DV_INVALID, "comma");
    open_fails("/tmp/a\nb", DV_INVALID, "control character");
    struct dv_err err;
    assert_null(media_open(
        &(struct media_spec){.kind = (enum medium_kind)0, .path = folder, .blocks = BLOCKS}, &err));
    assert_int_equal(err.code, DV_INVALID);
    assert_null(media_open(
        &(struct media_spec){.kind = (enum medium_kind)99, .path = folder, .blocks = BLOCKS},
        &err));
}

static void test_no_permission(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    chmod(folder, 0755);
    pid_t child = fork();
    if (child == 0) {
        struct dv_err err = {0};
        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(3);
        struct media *m = media_open(
            &(struct media_spec){.kind = MEDIUM_DIR, .path = folder, .blocks = BLOCKS}, &err);
        _exit(!m && err.code == DV_DENIED ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_volumes(void **state)
{
    (void)state;
    struct media *m = open_folder();
    struct dv_uuid thin = uuid_random(), full = uuid_random();
    struct dv_err err;
    for (int again = 0; again < 2; again++) { // repeating is fine
        assert_int_equal(
            media_volume_create(
                m, &(struct volume){.uuid = thin, .blocks = 8 * BLOCKS, .thin = true}, NULL, &err),
            0);
        assert_int_equal(
            media_volume_create(
                m, &(struct volume){.uuid = full, .blocks = 8 * BLOCKS, .thin = false}, NULL, &err),
            0);
    }
    assert_int_equal(stat_of(m, &thin).st_size, 8 * MIB);
    assert_true((uint64_t)stat_of(m, &thin).st_blocks * 512 < MIB);
    assert_int_equal(stat_of(m, &full).st_size, 8 * MIB);
    assert_true((uint64_t)stat_of(m, &full).st_blocks * 512 >= 8 * MIB);
    assert_int_equal(stat_of(m, &full).st_mode & 0777, 0600);
    assert_int_equal(images(), 2);

    fails(media_volume_create(m, &(struct volume){.uuid = thin, .blocks = 9 * BLOCKS, .thin = true},
                              NULL, &err),
          &err, DV_CONFLICT, "in the way");
    fails(media_volume_create(m, &(struct volume){.uuid = thin, .blocks = 0, .thin = true}, NULL,
                              &err),
          &err, DV_INVALID, "0 blocks");
    fails(media_volume_create(m, &(struct volume){.uuid = thin, .blocks = UINT64_MAX, .thin = true},
                              NULL, &err),
          &err, DV_INVALID, "blocks");

    for (int again = 0; again < 2; again++) {
        assert_int_equal(media_volume_grow(m, &(struct volume){.uuid = thin, .thin = true},
                                           16 * BLOCKS, NULL, &err),
                         0);
        assert_int_equal(media_volume_grow(m, &(struct volume){.uuid = full, .thin = false},
                                           16 * BLOCKS, NULL, &err),
                         0);
    }
    assert_int_equal(stat_of(m, &thin).st_size, 16 * MIB);
    assert_true((uint64_t)stat_of(m, &full).st_blocks * 512 >= 16 * MIB);
    fails(
        media_volume_grow(m, &(struct volume){.uuid = thin, .thin = true}, 8 * BLOCKS, NULL, &err),
        &err, DV_INVALID, "only grows");
    assert_int_equal(stat_of(m, &thin).st_size, 16 * MIB);
    for (int again = 0; again < 2; again++)
        assert_int_equal(media_volume_shrink(m,
                                             &(struct volume){.uuid = thin, .blocks = 16 * BLOCKS},
                                             8 * BLOCKS, &err),
                         0);
    assert_int_equal(stat_of(m, &thin).st_size, 8 * MIB);
    fails(media_volume_shrink(m, &(struct volume){.uuid = thin, .blocks = 16 * BLOCKS}, 9 * BLOCKS,
                              &err),
          &err, DV_CONFLICT, "is not cut");

    for (int again = 0; again < 2; again++) {
        assert_int_equal(media_volume_delete(m, &(struct volume){.uuid = thin}, NULL, &err), 0);
        assert_int_equal(media_volume_delete(m, &(struct volume){.uuid = full}, NULL, &err), 0);
    }
    fails(
        media_volume_grow(m, &(struct volume){.uuid = thin, .thin = true}, 32 * BLOCKS, NULL, &err),
        &err, DV_NOT_FOUND, "cannot open");
    assert_int_equal(images(), 0);
    media_close(m);
}

// A create that was broken off leaves a file that no volume is; the next one starts afresh.
static void test_broken_off(void **state)
{
    (void)state;
    struct media *m = open_folder();
    struct dv_uuid u = uuid_random();
    struct dv_err err;
    char text[UUID_TEXT_LEN];
    DV_FREE char *left = dv_printf("%s/%s.new", folder, uuid_format(&u, text));
    int fd = open(left, O_WRONLY | O_CREAT, 0600);
    dprintf(fd, "half");
    close(fd);
    assert_int_equal(
        media_volume_create(m, &(struct volume){.uuid = u, .blocks = BLOCKS, .thin = false}, NULL,
                            &err),
        0);
    assert_int_equal(images(), 1);
    close(open(left, O_WRONLY | O_CREAT, 0600));
    assert_int_equal(media_volume_delete(m, &(struct volume){.uuid = u}, NULL, &err), 0);
    assert_int_equal(images(), 0);
    media_close(m);
}

struct watcher {
    uint32_t last, calls, stop_at;
};

static bool watch(void *arg, uint32_t percent)
{
    struct watcher *w = arg;
    assert_in_range(percent, w->last, 100);
    w->last = percent;
    return ++w->calls != w->stop_at;
}

#define LARGE (768 * BLOCKS) // claimed in three pieces

static void stops(struct media *m, const struct volume *v, struct watcher *w)
{
    const struct media_progress p = {.report = watch, .arg = w};
    struct dv_err err;
    w->calls = 0;
    w->stop_at = 1;
    fails(v->target_blocks ? media_volume_grow(m, v, v->target_blocks, &p, &err)
                           : media_volume_create(m, v, &p, &err),
          &err, DV_CANCELLED, "cancelled");
}

// What was cancelled goes on where it was.
static void test_progress(void **state)
{
    (void)state;
    struct media *m = open_folder();
    struct dv_err err;
    struct watcher w = {0};
    struct volume v = {.uuid = uuid_random(), .blocks = LARGE, .thin = false};
    assert_true(media_resumes(m));
    stops(m, &v, &w);
    assert_int_equal(w.last, 33);
    stops(m, &v, &w);
    assert_int_equal(w.last, 66);
    assert_int_equal(images(), 1);
    assert_int_equal(stat_of(m, &v.uuid).st_size, 0);
    assert_int_equal(media_volume_create(m, &v, NULL, &err), 0);
    assert_int_equal(images(), 1);
    assert_true((uint64_t)stat_of(m, &v.uuid).st_blocks * 512 >= 768 * MIB);

    // It is served while it grows.
    w = (struct watcher){0};
    v.target_blocks = 2 * LARGE;
    stops(m, &v, &w);
    stops(m, &v, &w);
    assert_int_equal(w.last, 66);
    DV_FREE char *path = media_volume_path(m, &v, &err);
    assert_non_null(path);
    assert_int_equal(media_volume_grow(m, &v, v.target_blocks, NULL, &err), 0);
    assert_int_equal(stat_of(m, &v.uuid).st_size, 2 * 768 * MIB);
    assert_int_equal(media_volume_delete(m, &v, NULL, &err), 0);
    media_close(m);
}

static void test_open_to_others(void **state)
{
    (void)state;
    struct media *m = open_folder();
    struct dv_err err;
    struct volume v = {.uuid = uuid_random(), .blocks = 8 * BLOCKS, .thin = true};
    assert_int_equal(media_volume_create(m, &v, NULL, &err), 0);
    DV_FREE char *path = media_volume_path(m, &v, &err);
    assert_int_equal(chmod(path, 0666), 0);
    DV_FREE char *again = media_volume_path(m, &v, &err);
    assert_string_equal(again, path);
    assert_int_equal(stat_of(m, &v.uuid).st_mode & 0777, 0600);
    media_close(m);
}

// A growth that was given up: what there is then was taken for the volume's, and is not cut by
// another one that fails.
static void test_given_up(void **state)
{
    (void)state;
    struct media *m = open_folder();
    struct dv_err err;
    struct watcher w = {0};
    struct volume v = {.uuid = uuid_random(), .blocks = 8 * BLOCKS, .thin = false};
    assert_int_equal(media_volume_create(m, &v, NULL, &err), 0);
    v.target_blocks = LARGE;
    stops(m, &v, &w);
    DV_FREE char *path = media_volume_path(m, &v, &err);
    assert_non_null(path);
    assert_int_equal(truncate(path, 800 * MIB), 0); // longer than it should become
    assert_null(media_volume_path(m, &v, &err));
    DV_FREE char *advice = dv_printf("dvsan volume resize %s --size 800M", v.name);
    assert_non_null(strstr(err.text, advice));
    fails(media_volume_grow(m, &v, LARGE, NULL, &err), &err, DV_INVALID, "only grows");
    assert_int_equal(truncate(path, 16 * MIB), 0);
    v.blocks = 16 * BLOCKS;
    v.target_blocks = UINT64_C(1) << 40;
    fails(media_volume_grow(m, &v, v.target_blocks, NULL, &err), &err, DV_NO_SPACE, "left");
    assert_int_equal(stat_of(m, &v.uuid).st_size, 16 * MIB);
    assert_int_equal(media_volume_delete(m, &v, NULL, &err), 0);
    media_close(m);
}

static void test_cancelled(void **state)
{
    (void)state;
    struct media *m = open_folder();
    struct dv_err err;
    struct watcher w = {0};
    struct volume v = {.uuid = uuid_random(), .blocks = LARGE, .thin = false};
    stops(m, &v, &w);
    assert_int_equal(media_volume_delete(m, &v, NULL, &err), 0);
    assert_int_equal(images(), 0);

    // Another process does not know what was done of it.
    w = (struct watcher){0};
    stops(m, &v, &w);
    media_close(m);
    m = open_folder();
    w = (struct watcher){0};
    stops(m, &v, &w);
    assert_int_equal(w.last, 33);
    assert_int_equal(media_volume_create(m, &v, NULL, &err), 0);

    assert_int_equal(media_volume_delete(m, &v, NULL, &err), 0);
    media_close(m);
}

// No file of this process gets longer than this.
static void limit_files(rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void growth_fails(struct media *m, const struct volume *v, rlim_t room)
{
    struct dv_err err;
    limit_files(room);
    int rc = media_volume_grow(m, v, v->target_blocks, NULL, &err);
    limit_files(RLIM_INFINITY);
    fails(rc, &err, DV_INVALID, "larger than its file system takes");
}

// Of a growth that fails what this process did is undone, over all slices, and no more than that.
static void test_growth_is_taken_back(void **state)
{
    (void)state;
    struct media *m = open_folder();
    struct dv_err err;
    struct watcher w = {0};
    struct volume v = {.uuid = uuid_random(), .blocks = 4 * BLOCKS, .target_blocks = LARGE};
    uint64_t blocks;
    assert_int_equal(media_volume_create(m, &v, NULL, &err), 0);
    stops(m, &v, &w);
    assert_int_equal(stat_of(m, &v.uuid).st_size, 260 * MIB);
    growth_fails(m, &v, 300 * MIB);
    assert_int_equal(stat_of(m, &v.uuid).st_size, 4 * MIB);
    assert_int_equal(media_volume_length(m, &v, &blocks, &err), 0);
    assert_int_equal(blocks, 4 * BLOCKS);

    stops(m, &v, &w);
    media_close(m);
    m = open_folder();
    growth_fails(m, &v, 300 * MIB);
    assert_int_equal(media_volume_length(m, &v, &blocks, &err), 0);
    assert_int_equal(blocks, 260 * BLOCKS);
    // Not a whole MiB, as a kill in between leaves it.
    DV_FREE char *path = media_volume_path(m, &v, &err);
    assert_int_equal(truncate(path, 260 * MIB + 4096), 0);
    growth_fails(m, &v, 300 * MIB);
    assert_int_equal(media_volume_length(m, &v, &blocks, &err), 0);
    assert_int_equal(blocks, 261 * BLOCKS);
    assert_int_equal(media_volume_delete(m, &v, NULL, &err), 0);
    media_close(m);
}

// A file that is longer than is recorded, as after unit.db came from a backup, holds what nobody
// here knows of.
static void test_nothing_unknown_is_cut(void **state)
{
    (void)state;
    struct media *m = open_folder();
    struct dv_err err;
    struct volume v = {.uuid = uuid_random(), .blocks = 8 * BLOCKS, .thin = true}, old;
    char byte = 0;
    assert_int_equal(media_volume_create(m, &v, NULL, &err), 0);
    DV_FREE char *path = media_volume_path(m, &v, &err);
    DV_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, 20 * MIB), 0);
    assert_int_equal(pwrite(fd, "x", 1, 20 * MIB - 1), 1);
    fails(media_volume_grow(m, &v, 16 * BLOCKS, NULL, &err), &err, DV_INVALID, "only grows");
    fails(media_volume_shrink(m, &v, 4 * BLOCKS, &err), &err, DV_CONFLICT, "is not cut");
    fails(media_volume_shrink(m, &v, 8 * BLOCKS - 1, &err), &err, DV_CONFLICT, "is not cut");
    old = v;
    old.target_blocks = 28 * BLOCKS;
    growth_fails(
        m,
        &(struct volume){
            .uuid = v.uuid, .blocks = 8 * BLOCKS, .target_blocks = 28 * BLOCKS, .thin = false},
        24 * MIB);
    assert_int_equal(stat_of(m, &v.uuid).st_size, 20 * MIB);
    assert_int_equal(pread(fd, &byte, 1, 20 * MIB - 1), 1);
    assert_int_equal(byte, 'x');
    old.blocks = 21 * BLOCKS;
    fails(media_volume_grow(m, &old, 28 * BLOCKS, NULL, &err), &err, DV_INVALID, "only grows");
    assert_int_equal(stat_of(m, &v.uuid).st_size, 20 * MIB);
    assert_int_equal(media_volume_grow(m, &v, 20 * BLOCKS, NULL, &err), 0); // it is there
    media_close(m);
}

// A file of many GiB is deleted in pieces.
static void test_large_files(void **state)
{
    (void)state;
    struct media *m = open_folder();
    struct dv_err err;
    struct watcher w = {.stop_at = 1};
    const struct media_progress p = {.report = watch, .arg = &w};
    const struct volume v = {
        .uuid = uuid_random(), .blocks = UINT64_C(10240) * BLOCKS, .thin = true};
    assert_int_equal(media_volume_create(m, &v, NULL, &err), 0);
    fails(media_volume_delete(m, &v, &p, &err), &err, DV_CANCELLED, "cancelled");
    assert_int_equal(images(), 1);
    assert_int_equal(stat_of(m, &v.uuid).st_size, 0); // it is no volume any more
    w = (struct watcher){0};
    assert_int_equal(media_volume_delete(m, &v, &p, &err), 0);
    assert_int_equal(images(), 0);
    media_close(m);
}

// Runs a test in a child with a file system of its own over the folder; skips where that is not
// allowed.
static void with_mount(const char *type, const char *options, unsigned long flags,
                       void (*body)(void))
{
    pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("none", folder, type, flags, options) != 0)
            _exit(77);
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

// cmocka's own checks cannot leave a child, so these end it.
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #condition, err.text); \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void on_full_file_system(void)
{
    struct dv_err err = {0};
    struct media_space space;
    struct dv_uuid u = uuid_random(), other = uuid_random();
    struct media *m = media_open(
        &(struct media_spec){.kind = MEDIUM_DIR, .path = folder, .blocks = 100 * BLOCKS}, &err);
    CHECK(m);
    CHECK(media_probe(m, &space, &err) == 0 && space.state == MEDIUM_ONLINE);
    CHECK(media_volume_create(m, &(struct volume){.uuid = u, .blocks = 32 * BLOCKS, .thin = false},
                              NULL, &err) != 0);
    CHECK(err.code == DV_NO_SPACE && strstr(err.text, "thin"));
    CHECK(media_volume_create(m, &(struct volume){.uuid = u, .blocks = 15 * BLOCKS, .thin = false},
                              NULL, &err) == 0);
    CHECK(media_volume_create(m,
                              &(struct volume){.uuid = other, .blocks = 80 * BLOCKS, .thin = true},
                              NULL, &err) == 0);
    CHECK(media_volume_grow(m, &(struct volume){.uuid = u, .thin = false}, 20 * BLOCKS, NULL,
                            &err) != 0);
    CHECK(err.code == DV_NO_SPACE);
    CHECK(stat_of(m, &u).st_size == (off_t)(15 * MIB));
    CHECK(media_volume_grow(m, &(struct volume){.uuid = u, .thin = false}, 15 * BLOCKS + 1536, NULL,
                            &err) == 0);
    CHECK(media_probe(m, &space, &err) == 0 && space.state == MEDIUM_LOW);
    CHECK(media_volume_delete(m, &(struct volume){.uuid = u}, NULL, &err) == 0);
    CHECK(media_probe(m, &space, &err) == 0 && space.state == MEDIUM_ONLINE);
    media_close(m);
}

static void test_full(void **state)
{
    (void)state;
    with_mount("tmpfs", "size=16m", 0, on_full_file_system);
}

static void on_read_only_file_system(void)
{
    struct dv_err err = {0};
    CHECK(!media_open(&(struct media_spec){.kind = MEDIUM_DIR, .path = folder, .blocks = BLOCKS},
                      &err));
    CHECK(err.code == DV_DENIED && strstr(err.text, "read-only"));
}

static void test_read_only(void **state)
{
    (void)state;
    with_mount("tmpfs", "size=1m", MS_RDONLY, on_read_only_file_system);
}

// ramfs knows neither fallocate nor how much room it has.
static void on_simple_file_system(void)
{
    struct dv_err err = {0};
    struct watcher w = {0};
    struct media_progress p = {.report = watch, .arg = &w};
    struct dv_uuid u = uuid_random();
    struct media *m = media_open(
        &(struct media_spec){.kind = MEDIUM_DIR, .path = folder, .blocks = 100 * BLOCKS}, &err);
    CHECK(m);
    CHECK(media_volume_create(m, &(struct volume){.uuid = u, .blocks = 48 * BLOCKS, .thin = false},
                              &p, &err) == 0);
    CHECK(w.calls == 11 && w.last == 91);
    CHECK((uint64_t)stat_of(m, &u).st_blocks * 512 >= 48 * MIB);
    CHECK(media_volume_delete(m, &(struct volume){.uuid = u}, NULL, &err) == 0);
    w = (struct watcher){.stop_at = 2};
    CHECK(media_volume_create(m, &(struct volume){.uuid = u, .blocks = 48 * BLOCKS, .thin = false},
                              &p, &err) != 0);
    CHECK(err.code == DV_CANCELLED && images() == 1);
    w = (struct watcher){.last = 16};
    CHECK(media_volume_create(m, &(struct volume){.uuid = u, .blocks = 48 * BLOCKS, .thin = false},
                              &p, &err) == 0);
    CHECK((uint64_t)stat_of(m, &u).st_blocks * 512 >= 48 * MIB);
    media_close(m);
}

static void test_without_fallocate(void **state)
{
    (void)state;
    with_mount("ramfs", NULL, 0, on_simple_file_system);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static void touch(const char *name, off_t bytes)
{
    DV_FREE char *path = dv_printf("%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, bytes), 0);
    close(fd);
}

static void test_files_are_volumes(void **state)
{
    (void)state;
    struct media *m = open_folder();
    struct media_layout l;
    struct dv_err err;
    touch("00000000-1111-4222-8333-444444444444.img", 3 * (off_t)MIB);
    touch("00000000-1111-4222-8333-555555555555.img", 3 * (off_t)MIB + 512); // no whole MiB
    touch("00000000-1111-4222-8333-666666666666.img", 0);
    touch("00000000-1111-4222-8333-777777777777.new", (off_t)MIB);
    touch("backup-of-00000000-1111-4222-8333-444444444444.img", (off_t)MIB);
    assert_int_equal(media_read_layout(m, &l, &err), 0);
    assert_true(l.lists_volumes);
    assert_int_equal(l.found_count, 1);
    assert_string_equal(l.found[0].name, "00000000-1111-4222-8333-444444444444");
    assert_int_equal(l.found[0].blocks, 3 * BLOCKS);
    assert_true(l.found[0].start_lba == MEDIA_ANYWHERE && l.found[0].thin);
    media_layout_clear(&l);
    media_close(m);
}

static void test_owner(void **state)
{
    (void)state;
    const struct media_spec spec = {.kind = MEDIUM_DIR, .path = folder};
    const struct media_owner one = {.unit = {{1}}, .place = 7}, two = {.unit = {{2}}, .place = 8};
    struct media_owner found;
    struct dv_err err;
    bool holds;
    fails(media_ask_owner(&spec, &found, &holds, &err), &err, DV_NOT_FOUND, "cannot open");
    struct media *m = open_folder();
    struct dv_uuid uuid = *media_uuid(m);
    assert_int_equal(media_ask_owner(&spec, &found, &holds, &err), 0);
    assert_true(uuid_is_zero(&found.unit) && !holds);
    assert_int_equal(media_tell_owner(m, &one, &err), 0);
    assert_int_equal(media_tell_owner(m, &two, &err), 0);
    media_close(m);
    touch("00000000-1111-4222-8333-444444444444.img", (off_t)MIB);
    assert_int_equal(media_ask_owner(&spec, &found, &holds, &err), 0);
    assert_true(uuid_equal(&found.unit, &two.unit) && found.place == 8 && holds);
    m = open_folder();
    assert_true(uuid_equal(media_uuid(m), &uuid));
    media_close(m);
}

static struct media *open_as(const struct media_owner *owner, const char *take, struct dv_err *err)
{
    const struct media_spec spec = {
        .kind = MEDIUM_DIR, .path = folder, .blocks = BLOCKS, .owner = *owner, .take = take};
    return media_open(&spec, err);
}

// A lock tells nothing of a tgtd whose agent is gone, nor of another machine's.
static void test_another_owners(void **state)
{
    (void)state;
    const struct media_owner one = {.unit = {{1}}, .place = 7}, two = {.unit = {{2}}, .place = 7},
                             cloned = {.unit = {{1}}, .place = 8};
    const struct media_spec spec = {.kind = MEDIUM_DIR, .path = folder};
    struct media_space space;
    struct dv_err err;
    DV_FREE char *none = NULL, *of_one = NULL, *of_two = NULL;
    struct media *m = open_as(&one, NULL, &err);
    assert_int_equal(media_ask_mark(&spec, &none, &err), 0);
    assert_string_equal(none, "");
    assert_int_equal(media_tell_owner(m, &one, &err), 0);
    assert_int_equal(media_probe(m, &space, &err), 0);
    media_close(m);
    assert_int_equal(media_ask_mark(&spec, &of_one, &err), 0);
    fails(open_as(&two, NULL, &err) ? 0 : -1, &err, DV_CONFLICT, "is used by unit 01000000-");
    fails(open_as(&cloned, NULL, &err) ? 0 : -1, &err, DV_CONFLICT, "on another machine");
    fails(open_as(&two, "", &err) ? 0 : -1, &err, DV_CONFLICT, "--take");
    m = open_as(&one, NULL, &err);
    assert_non_null(m);
    media_close(m);

    // Two machines that see one file system do not see each other's locks.
    m = open_as(&two, of_one, &err);
    assert_non_null(m);
    assert_int_equal(media_tell_owner(m, &two, &err), 0);
    assert_int_equal(media_probe(m, &space, &err), 0);
    assert_int_equal(media_ask_mark(&spec, &of_two, &err), 0);
    DV_FREE char *marker = dv_printf("%s/.dvsan-medium", folder);
    char uuid[UUID_TEXT_LEN];
    FILE *f = fopen(marker, "w");
    fprintf(f, "%s\n%s", uuid_format(media_uuid(m), uuid), of_one);
    fclose(f);
    fails(media_probe(m, &space, &err), &err, DV_CONFLICT, "is used by unit 01000000-");
    media_close(m);
    // The word was about another note.
    fails(open_as(&two, of_two, &err) ? 0 : -1, &err, DV_CONFLICT, "is used by unit 01000000-");
}

// What a create or a delete left behind that a lost journal began.
static void test_left_behind(void **state)
{
    (void)state;
    struct media_layout l;
    struct dv_err err;
    struct media *m = open_folder();
    touch("00000000-1111-4222-8333-444444444444.new", (off_t)MIB);
    touch("00000000-1111-4222-8333-555555555555.new", (off_t)MIB);
    touch("00000000-1111-4222-8333-555555555555.img", (off_t)MIB);
    touch("somebodys.new", 1);
    assert_int_equal(media_read_layout(m, &l, &err), 0);
    assert_int_equal(l.found_count, 1);
    assert_int_equal(l.unfinished_count, 1); // deleting the other would delete a volume
    const struct volume v = {.uuid = l.unfinished[0].uuid};
    assert_int_equal(v.uuid.b[15], 0x44);
    assert_int_equal(media_volume_delete(m, &v, NULL, &err), 0);
    media_layout_clear(&l);
    assert_int_equal(media_read_layout(m, &l, &err), 0);
    assert_int_equal(l.unfinished_count, 0);
    assert_int_equal(l.found_count, 1);
    assert_int_equal(images(), 3);
    media_layout_clear(&l);
    media_close(m);
}

// A copy has the same marker, but not the lock.
static void test_another_folder(void **state)
{
    (void)state;
    struct media_space space;
    struct dv_err err;
    struct media *m = open_folder();
    char command[512];
    snprintf(command, sizeof(command),
             "cp -a %s %s.copy && mv %s %s.old && mv %s.copy %s && rm -r %s.old", folder, folder,
             folder, folder, folder, folder, folder);
    assert_int_equal(system(command), 0);
    fails(media_probe(m, &space, &err), &err, DV_CONFLICT, "another folder");
    media_close(m);
    m = open_folder();
    assert_int_equal(media_probe(m, &space, &err), 0);
    media_close(m);
}

// One that had an identity and has none is not made a new one.
static void test_identity_lost(void **state)
{
    (void)state;
    struct dv_err err;
    const struct media_spec known = {
        .kind = MEDIUM_DIR, .path = folder, .blocks = BLOCKS, .uuid = {{9}}};
    fails(media_open(&known, &err) ? 0 : -1, &err, DV_NOT_FOUND, "still mounted");
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        assert_true(strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
    closedir(d);
    // A marker that cannot be read is not one that is missing: it is not written anew.
    DV_FREE char *marker = dv_printf("%s/.dvsan-medium", folder);
    assert_int_equal(symlink(marker, marker), 0);
    fails(
        media_open(&(struct media_spec){.kind = MEDIUM_DIR, .path = folder, .blocks = BLOCKS}, &err)
            ? 0
            : -1,
        &err, DV_DENIED, "symbolic links");
    struct stat st;
    assert_int_equal(lstat(marker, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_identity),          TEST(test_lock),
        TEST(test_bad_folders),       TEST(test_no_permission),
        TEST(test_volumes),           TEST(test_broken_off),
        TEST(test_progress),          TEST(test_cancelled),
        TEST(test_open_to_others),    TEST(test_given_up),
        TEST(test_progress),          TEST(test_growth_is_taken_back),
        TEST(test_progress),          TEST(test_nothing_unknown_is_cut),
        TEST(test_large_files),       TEST(test_full),
        TEST(test_read_only),         TEST(test_without_fallocate),
        TEST(test_files_are_volumes), TEST(test_owner),
        TEST(test_identity_lost),     TEST(test_another_owners),
        TEST(test_left_behind),       TEST(test_another_folder),
    };
    return cmocka_run_group_tests_name("media_dir", tests, NULL, NULL);
}

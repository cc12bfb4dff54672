// Tests of base/file: whole files, locks between processes, folders.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"

#include "base/mem.h"
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/dvsan-test-file-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[PATH_MAX];
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command);
}

static void assert_file(const char *path, const char *content, mode_t mode)
{
    struct dv_err err;
    DV_FREE char *data = NULL;
    size_t len;
    struct stat st;
    assert_int_equal(file_read(path, 1 << 20, &data, &len, &err), 0);
    assert_string_equal(data, content);
    assert_int_equal(len, strlen(content));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

static void write_and_read(void **state)
{
    (void)state;
    struct dv_err err;
    const char *path = in_dir("state");
    mode_t old = umask(077);
    assert_int_equal(file_write_atomic(path, "one", 3, 0644, &err), 0);
    umask(old);
    assert_file(path, "one", 0644);
    assert_int_equal(file_write_atomic(path, "twice", 5, 0600, &err), 0);
    assert_file(path, "twice", 0600);
    assert_int_equal(file_write_atomic(path, "", 0, 0600, &err), 0);
    assert_file(path, "", 0600);
}

// A writer that died in the middle leaves path.tmp: its content and its mode go.
static void leftover(void **state)
{
    (void)state;
    struct dv_err err;
    DV_CLOSE int fd = open(in_dir("secret.tmp"), O_WRONLY | O_CREAT, 0666);
    assert_int_equal(fchmod(fd, 0666), 0);
    assert_int_equal(write(fd, "a long leftover", 15), 15);
    assert_int_equal(file_write_atomic(in_dir("secret"), "x", 1, 0600, &err), 0);
    assert_file(in_dir("secret"), "x", 0600);
    assert_int_equal(access(in_dir("secret.tmp"), F_OK), -1);
}

static void failures(void **state)
{
    (void)state;
    struct dv_err err;
    char *data = NULL;
    size_t len;
    assert_int_equal(file_read(in_dir("none"), 10, &data, &len, &err), -1);
    assert_int_equal(err.code, DV_NOT_FOUND);
    assert_non_null(strstr(err.text, "none: No such file"));
    assert_int_equal(file_read(dir, 10, &data, &len, &err), -1);
    assert_int_equal(err.code, DV_INVALID);

    assert_int_equal(file_write_atomic(in_dir("no/such/dir"), "x", 1, 0600, &err), -1);
    assert_int_equal(err.code, DV_NOT_FOUND);

    // A folder in the way: nothing is left behind.
    assert_int_equal(mkdir(in_dir("busy"), 0700), 0);
    assert_int_equal(file_write_atomic(in_dir("busy"), "x", 1, 0600, &err), -1);
    assert_int_equal(access(in_dir("busy.tmp"), F_OK), -1);
    assert_null(data);
}

static void limits(void **state)
{
    (void)state;
    struct dv_err err;
    char text[20000];
    memset(text, 'x', sizeof(text));
    assert_int_equal(file_write_atomic(in_dir("big"), text, sizeof(text), 0600, &err), 0);
    DV_FREE char *data = NULL;
    size_t len;
    assert_int_equal(file_read(in_dir("big"), sizeof(text) - 1, &data, &len, &err), -1);
    assert_int_equal(err.code, DV_INVALID);
    assert_non_null(strstr(err.text, "is larger than 19999 bytes"));
    assert_int_equal(file_read(in_dir("big"), sizeof(text), &data, &len, &err), 0);
    assert_int_equal(len, sizeof(text));
    assert_memory_equal(data, text, sizeof(text));
}

static void no_size_known(void **state)
{
    (void)state;
    struct dv_err err;
    DV_FREE char *data = NULL;
    size_t len;
    assert_int_equal(file_read("/proc/self/status", 1 << 20, &data, &len, &err), 0);
    assert_true(len > 100 && strlen(data) == len);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    close(fds[1]);
    char path[64];
    snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
    DV_FREE char *piped = NULL;
    assert_int_equal(file_read(path, 3, &piped, &len, &err), 0);
    assert_string_equal(piped, "abc");
    close(fds[0]);
}

static void folders(void **state)
{
    (void)state;
    struct dv_err err;
    struct stat st;
    assert_int_equal(file_make_dirs(in_dir("a/b//c/"), 0750, &err), 0);
    assert_int_equal(file_make_dirs(in_dir("a/b/c"), 0700, &err), 0);
    assert_int_equal(stat(in_dir("a/b"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0750);
    assert_int_equal(file_sync_dir(in_dir("a/b"), &err), 0);
    assert_int_equal(file_sync_dir(in_dir("a/b/c/file"), &err), 0);
    assert_int_equal(file_sync_dir("file", &err), 0);
    assert_int_equal(file_sync_dir("/", &err), 0);
    assert_int_equal(file_write_atomic(in_dir("a/file"), "x", 1, 0600, &err), 0);
    assert_int_equal(file_make_dirs(in_dir("a/file"), 0700, &err), -1);
    assert_int_equal(err.code, DV_CONFLICT);
    assert_int_equal(file_make_dirs(in_dir("a/file/b"), 0700, &err), -1);
}

static void only_what_is_not_there_is_missing(void **state)
{
    (void)state;
    char loop[PATH_MAX], name[300];
    struct dv_err err;
    snprintf(loop, sizeof(loop), "%s", in_dir("loop"));
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(symlink(loop, loop), 0);
    assert_int_equal(file_write_atomic(in_dir("is-there"), "x", 1, 0600, &err), 0);
    assert_true(file_is_missing(in_dir("nothing")));
    assert_true(file_is_missing(in_dir("is-there/below")));
    assert_false(file_is_missing(in_dir("is-there")));
    assert_false(file_is_missing(loop)); // ELOOP, as any other error
    assert_false(file_is_missing(name));
    assert_int_equal(unlink(loop), 0);
}

static void lock_between_processes(void **state)
{
    (void)state;
    struct dv_err err;
    int to_parent[2], to_child[2], to_grandchild[2];
    char byte = 0;
    assert_int_equal(pipe(to_parent), 0);
    assert_int_equal(pipe(to_child), 0);
    assert_int_equal(pipe(to_grandchild), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int fd = file_lock(in_dir("lock"), &err);
        byte = fd >= 0 ? 'y' : 'n';
        close(to_child[1]);
        close(to_grandchild[1]);
        if (fork() == 0) // which holds it, too
            _exit((int)read(to_grandchild[0], &byte, 1));
        ssize_t n = write(to_parent[1], &byte, 1);
        n = read(to_child[0], &byte, 1); // until the parent closes its end
        _exit(n == 0 ? 0 : 1);
    }
    close(to_parent[1]);
    assert_int_equal(read(to_parent[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');

    assert_int_equal(file_lock(in_dir("lock"), &err), -1);
    assert_int_equal(err.code, DV_BUSY);
    char expected[64];
    snprintf(expected, sizeof(expected), "is locked by process %d;", (int)child);
    assert_non_null(strstr(err.text, expected));

    close(to_child[1]);
    int status;
    siginfo_t ended;
    assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT), 0);
    assert_int_equal(file_lock(in_dir("lock"), &err), -1); // by the child's own child
    snprintf(expected, sizeof(expected), "is locked by process %d, which has ended", (int)child);
    assert_non_null(strstr(err.text, expected));
    close(to_grandchild[1]);
    assert_int_equal(read(to_parent[0], &byte, 1), 0); // it has ended
    assert_int_equal(waitpid(child, &status, 0), child);
    int fd;
    while ((fd = file_lock(in_dir("lock"), &err)) < 0) // it closes one after the other
        assert_int_equal(err.code, DV_BUSY);
    snprintf(expected, sizeof(expected), "%d\n", (int)getpid());
    assert_file(in_dir("lock"), expected, 0600);

    // A second time in the same process is refused as well, until the first is closed.
    assert_int_equal(file_lock(in_dir("lock"), &err), -1);
    close(fd);
    fd = file_lock(in_dir("lock"), &err);
    assert_true(fd >= 0);
    close(fd);
    close(to_parent[0]);
    close(to_child[0]);
    close(to_grandchild[0]);
}

// A descriptor of which there are many leaves the low numbers to others, as far as the limit lets
// it.
static void moving_up(void **state)
{
    (void)state;
    struct rlimit before, now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = FILE_FEW;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(file_limit(), FILE_FEW);
    assert_int_equal(file_move_up(fd), fd);
    file_raise_limit();
    if (file_limit() > FILE_FEW) {
        int up = file_move_up(fd);
        assert_true(up >= FILE_FEW);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
        assert_int_equal(fcntl(up, F_GETFD), FD_CLOEXEC);
        fd = up;
    }
    close(fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_and_read),
        cmocka_unit_test(leftover),
        cmocka_unit_test(failures),
        cmocka_unit_test(limits),
        cmocka_unit_test(no_size_known),
        cmocka_unit_test(folders),
        cmocka_unit_test(only_what_is_not_there_is_missing),
        cmocka_unit_test(lock_between_processes),
        cmocka_unit_test(moving_up),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

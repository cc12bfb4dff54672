// Tests of base/secret: made, read from files that are private, compared, wiped.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/secret.h"

#include "base/mem.h"
#include "base/text.h"
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/dvsan-test-secret-XXXXXX";
static char path[PATH_MAX];

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/secret", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void put(const void *data, size_t len, mode_t mode)
{
    unlink(path);
    DV_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    assert_int_equal(fchmod(fd, mode), 0);
}

static void random_text(void **state)
{
    (void)state;
    char a[CHAP_SECRET_MAX + 1], b[CHAP_SECRET_MAX + 1];
    struct dv_err err;
    for (int i = 0; i < 50; i++) {
        secret_random_text(a, CHAP_SECRET_MAX);
        secret_random_text(b, CHAP_SECRET_MAX);
        assert_int_equal(strlen(a), CHAP_SECRET_MAX);
        assert_int_equal(chap_secret_check(a, &err), 0);
        assert_string_not_equal(a, b);
    }
    secret_random_text(a, 0);
    assert_string_equal(a, "");
}

static void read_files(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t len;
        mode_t mode;
        const char *secret, *reason;
    } table[] = {
        {"pass phrase\n", 12, 0600, "pass phrase", NULL},
        {"pass phrase", 11, 0400, "pass phrase", NULL},
        {"one\ntwo\n", 8, 0600, "one", NULL},
        {"one\n\0", 5, 0600, "one", NULL},
        {"", 0, 0600, NULL, "has an empty first line"},
        {"\nsecond\n", 8, 0600, NULL, "has an empty first line"},
        // Line ends of Windows.
        {"pass phrase\r\n", 13, 0600, "pass phrase", NULL},
        {"one\r\ntwo\r\n", 10, 0600, "one", NULL},
        {"\r\nsecond", 8, 0600, NULL, "has an empty first line"},
        {"pass\r", 5, 0600, NULL, "byte 5 is 0x0d"},
        {"pass\r\r\n", 7, 0600, NULL, "byte 5 is 0x0d"},
        {"pa\rss\n", 6, 0600, NULL, "byte 3 is 0x0d"},
        // And what else an editor, a copy or an accident leaves.
        {"\xef\xbb\xbfpass\n", 8, 0600, NULL, "byte 1 is 0xef"},
        {"p\0a\0s\0s\0", 8, 0600, NULL, "byte 2 is 0x00"},
        {"a\0b\n", 4, 0600, NULL, "byte 2 is 0x00"},
        {"pass\tword\n", 10, 0600, NULL, "byte 5 is 0x09"},
        {"pass\x1b[A\n", 8, 0600, NULL, "byte 5 is 0x1b"},
        {"pass\x7f\n", 6, 0600, NULL, "byte 5 is 0x7f"},
        {"p\xc3\xa4ss\n", 6, 0600, "p\xc3\xa4ss", NULL},
        {"p\xe4ss\n", 5, 0600, NULL, "byte 2 is 0xe4"},
        {"p\xc3\n", 3, 0600, NULL, "byte 2 is 0xc3"},
        {"p\xc0\x80\n", 4, 0600, NULL, "byte 2 is 0xc0"},
        {"p\xc2\x85\n", 4, 0600, NULL, "byte 2 is 0xc2"},
        {"p\xed\xa0\x80\n", 5, 0600, NULL, "byte 2 is 0xed"},
        {"p\xf0\x9f\x94\x91\n", 6, 0600, "p\xf0\x9f\x94\x91", NULL},
        {" pass\n", 6, 0600, NULL, "begins with a blank, byte 1"},
        {"pass \r\n", 7, 0600, NULL, "ends with a blank, byte 5"},
        {"pass", 4, 0640, NULL, "make it private: chmod 600"},
        {"pass", 4, 0604, NULL, "make it private: chmod 600"},
        {"pass", 4, 0620, NULL, "make it private: chmod 600"},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct dv_err err;
        char *secret = NULL;
        put(table[i].data, table[i].len, table[i].mode);
        int result = secret_read_file(path, &secret, &err);
        if (table[i].secret) {
            assert_int_equal(result, 0);
            assert_string_equal(secret, table[i].secret);
        } else {
            assert_int_equal(result, -1);
            assert_null(secret);
            assert_non_null(strstr(err.text, table[i].reason));
            assert_non_null(strstr(err.text, path));
        }
        secret_free(secret);
    }
}

static void read_refusals(void **state)
{
    (void)state;
    struct dv_err err;
    char *secret = NULL;
    char line[2000];
    memset(line, 'x', sizeof(line));
    put(line, sizeof(line), 0600);
    assert_int_equal(secret_read_file(path, &secret, &err), -1);
    assert_non_null(strstr(err.text, "more than 1023 bytes"));
    put(line, 1023, 0600);
    assert_int_equal(secret_read_file(path, &secret, &err), 0);
    assert_int_equal(strlen(secret), 1023);
    secret_free(secret);
    secret = NULL;

    assert_int_equal(secret_read_file("/dev/null", &secret, &err), -1);
    assert_non_null(strstr(err.text, "neither a regular file nor a pipe"));
    assert_int_equal(secret_read_file(dir, &secret, &err), -1);
    unlink(path);
    assert_int_equal(secret_read_file(path, &secret, &err), -1);
    assert_int_equal(err.code, DV_NOT_FOUND);
    if (geteuid() == 0) {
        put("pass", 4, 0600);
        assert_int_equal(chown(path, 65534, 65534), 0);
        assert_int_equal(secret_read_file(path, &secret, &err), -1);
        assert_int_equal(err.code, DV_DENIED);
        assert_non_null(strstr(err.text, "belongs to somebody else"));
    }
    assert_null(secret);
}

static void read_pipe(void **state)
{
    (void)state;
    struct dv_err err;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "from a pipe\nmore", 16), 16);
    close(fds[1]);
    char name[64];
    snprintf(name, sizeof(name), "/dev/fd/%d", fds[0]);
    char *secret = NULL;
    assert_int_equal(secret_read_file(name, &secret, &err), 0);
    assert_string_equal(secret, "from a pipe");
    secret_free(secret);
    close(fds[0]);
}

static void compare_and_wipe(void **state)
{
    (void)state;
    assert_true(secret_equal("", ""));
    assert_true(secret_equal("abc", "abc"));
    assert_false(secret_equal("abc", "abd"));
    assert_false(secret_equal("abc", "abcabc"));
    assert_false(secret_equal("abcabc", "abc"));
    assert_false(secret_equal("", "a"));
    assert_false(secret_equal("a", ""));
    char secret[] = "secret", zero[sizeof(secret)] = {0};
    secret_wipe(secret, sizeof(secret));
    assert_memory_equal(secret, zero, sizeof(secret));
    secret_free(NULL);
}

static void harden(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit;
        secret_harden_process();
        bool good = prctl(PR_GET_DUMPABLE) == 0 && getrlimit(RLIMIT_CORE, &limit) == 0 &&
                    limit.rlim_cur == 0 && limit.rlim_max == 0;
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_text),      cmocka_unit_test(read_files),
        cmocka_unit_test(read_refusals),    cmocka_unit_test(read_pipe),
        cmocka_unit_test(compare_and_wipe), cmocka_unit_test(harden),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

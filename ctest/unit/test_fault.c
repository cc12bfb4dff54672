// Fault points: recorded, stopped at, and nothing where they are not compiled in.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define RECORD "/record"
#define STOP   "/stop"

static int make_folder(void **state)
{
    char name[] = "/tmp/dvsan-fault-XXXXXX";
    *state = mkdtemp(name) ? dv_strdup(name) : NULL;
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    DV_FREE char *record = dv_printf("%s" RECORD, (char *)*state);
    unlink(record);
    rmdir(*state);
    free(*state);
    return 0;
}

// Passes "a.x" twice and "b.y" with a detail once.
static pid_t start_child(const char *record, const char *stop)
{
    pid_t pid = fork();
    if (pid == 0) {
        setenv("DVSAN_FAULT_RECORD", record, 1);
        setenv("DVSAN_FAULT_STOP", stop, 1);
        for (int i = 0; i < 2; i++)
            DV_FAULT("a.x");
        DV_FAULT_OF("b.y", "do it");
        _exit(0);
    }
    return pid;
}

static void assert_recorded(const char *record, const char *expected)
{
    DV_FREE char *text = NULL;
    size_t len;
    assert_int_equal(file_read(record, 4096, &text, &len, NULL), 0);
    assert_string_equal(text, expected);
}

static void test_stops_when_asked(void **state)
{
#ifndef DVSAN_FAULTS
    skip();
#endif
    DV_FREE char *record = dv_printf("%s" RECORD, (char *)*state);
    DV_FREE char *stop = dv_printf("%s" STOP, (char *)*state);
    const struct {
        const char *asked, *recorded;
    } cases[] = {
        {"a.x:1", "a.x\n"}, {"a.x:2", "a.x\na.x\n"}, {"b.y.do it:1", "a.x\na.x\nb.y.do it\n"}};
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        int status;
        unlink(record);
        assert_int_equal(
            file_write_atomic(stop, cases[i].asked, strlen(cases[i].asked), 0600, NULL), 0);
        pid_t pid = start_child(record, stop);
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_true(WIFSTOPPED(status));
        assert_recorded(record, cases[i].recorded);
        assert_int_not_equal(access(stop, F_OK), 0);
        assert_int_equal(kill(pid, SIGCONT), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_recorded(record, "a.x\na.x\nb.y.do it\n");
    }
}

static void test_goes_on_when_nothing_is_asked(void **state)
{
    DV_FREE char *record = dv_printf("%s" RECORD, (char *)*state);
    DV_FREE char *stop = dv_printf("%s" STOP, (char *)*state);
    const char *const asked[] = {NULL, "", "a.x", "a:1", "a.x:3", "b.y:1"};
    for (size_t i = 0; i < DV_COUNT(asked); i++) {
        int status;
        if (asked[i])
            assert_int_equal(file_write_atomic(stop, asked[i], strlen(asked[i]), 0600, NULL), 0);
        pid_t pid = start_child(record, stop);
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_true(WIFEXITED(status));
        unlink(stop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stops_when_asked, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_goes_on_when_nothing_is_asked, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

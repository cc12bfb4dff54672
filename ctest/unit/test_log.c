// Tests of base/log: levels, both line formats, and lines that cannot be forged.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int pipe_fds[2], old_stderr;

static int capture(void **state)
{
    (void)state;
    old_stderr = dup(STDERR_FILENO);
    if (old_stderr < 0 || pipe(pipe_fds) < 0)
        return -1;
    return dup2(pipe_fds[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int release(void **state)
{
    (void)state;
    dup2(old_stderr, STDERR_FILENO);
    close(old_stderr);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    unsetenv("JOURNAL_STREAM");
    log_init("test", LOG_LEVEL_INFO);
    return 0;
}

// What was logged since; "" is found by a mark, so that nothing blocks.
static const char *captured(void)
{
    static char text[8192];
    ssize_t ignored = write(STDERR_FILENO, "$", 1);
    (void)ignored;
    ssize_t n = read(pipe_fds[0], text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n - 1] = '\0';
    return text;
}

static void terminal_lines(void **state)
{
    (void)state;
    unsetenv("JOURNAL_STREAM");
    log_init("dvsan-test", LOG_LEVEL_INFO);
    errno = 7;
    log_warning("join", "unit %d is late", 3);
    assert_int_equal(errno, 7);
    regex_t form;
    assert_int_equal(regcomp(&form,
                             "^20[0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-9:]{8}\\.[0-9]{3}Z "
                             "dvsan-test warning join: unit 3 is late\n$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    assert_int_equal(regexec(&form, captured(), 0, NULL, 0), 0);
    regfree(&form);
}

static void journal_lines(void **state)
{
    (void)state;
    setenv("JOURNAL_STREAM", "8:1", 1);
    log_init("dvsan-test", LOG_LEVEL_DEBUG);
    log_error("tgt", "a");
    log_warning("tgt", "b");
    log_info("tgt", "c");
    log_debug("tgt", "d");
    assert_string_equal(captured(), "<3>tgt: a\n<4>tgt: b\n<6>tgt: c\n<7>tgt: d\n");
}

static void levels(void **state)
{
    (void)state;
    log_init("test", LOG_LEVEL_WARNING);
    assert_true(log_enabled(LOG_LEVEL_ERROR));
    assert_true(log_enabled(LOG_LEVEL_WARNING));
    assert_false(log_enabled(LOG_LEVEL_INFO));
    log_info("x", "not this");
    log_debug("x", "nor this");
    log_init("test", LOG_LEVEL_SILENT);
    log_error("x", "nor this");
    assert_string_equal(captured(), "");

    enum log_level level = LOG_LEVEL_SILENT;
    assert_true(log_level_parse("debug", &level));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_false(log_level_parse("Debug", &level));
    assert_false(log_level_parse("silent", &level));
    assert_false(log_level_parse("", &level));
}

static void one_line_each(void **state)
{
    (void)state;
    setenv("JOURNAL_STREAM", "8:1", 1);
    log_init("test", LOG_LEVEL_INFO);
    log_info("api", "name \"%s\"", "x\"\n<3>tgt: forged");
    assert_string_equal(captured(), "<6>api: name \"x\"?<3>tgt: forged\"\n");
    char text[5000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_info("api", "%s", text);
    const char *line = captured();
    assert_true(strlen(line) > 1900 && strlen(line) <= 2048);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

// Ten lines of a minute, then one for each power of ten; every line left out is told once.
static void limit_decides(void **state)
{
    (void)state;
    static const struct {
        uint64_t lines; // at the same time, after those before
        uint64_t at_ms;
        uint64_t written, told; // of these lines; the sum of what they tell was left out
    } steps[] = {
        {10, 5, 10, 0},             // all are written
        {89, 5, 0, 0},              // 11th to 99th
        {1, 6, 1, 89},              // the 100th tells the others
        {899, 7, 0, 0},             //
        {1, 8, 1, 899},             // the 1,000th
        {99000, 9, 2, 98998},       // up to the 100,000th
        {5, 60004, 0, 0},           // still the same minute
        {1, 60005, 1, 5},           // the next one begins
        {9, 60006, 9, 0},           //
        {3, 60007, 0, 0},           //
        {1, 1000000, 1, 3},         // long after
        {1, 1000000 + 59999, 1, 0}, //
    };
    struct log_limit limit = {0};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        uint64_t written = 0, told = 0, left_out = 0;
        for (uint64_t n = 0; n < steps[i].lines; n++)
            if (log_limit_passes(&limit, steps[i].at_ms, &left_out)) {
                written++;
                told += left_out;
            }
        assert_int_equal(written, steps[i].written);
        assert_int_equal(told, steps[i].told);
    }
}

static void limit_writes(void **state)
{
    (void)state;
    setenv("JOURNAL_STREAM", "8:1", 1);
    log_init("test", LOG_LEVEL_INFO);
    static struct log_limit limit, other, silent;
    char big[4000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    for (int i = 1; i <= 100; i++)
        log_limited(&limit, LOG_LEVEL_WARNING, "api", "token %d\n", i);
    assert_string_equal(captured(), "<4>api: token 1?\n<4>api: token 2?\n<4>api: token 3?\n"
                                    "<4>api: token 4?\n<4>api: token 5?\n<4>api: token 6?\n"
                                    "<4>api: token 7?\n<4>api: token 8?\n<4>api: token 9?\n"
                                    "<4>api: token 10?\n"
                                    "<4>api: token 100? (89 more like this were left out)\n");
    log_limited(&other, LOG_LEVEL_INFO, "api", "another kind");
    assert_string_equal(captured(), "<6>api: another kind\n");
    for (int i = 0; i < 20; i++)
        log_limited(&silent, LOG_LEVEL_DEBUG, "api", "not at this level");
    log_init("test", LOG_LEVEL_DEBUG);
    log_limited(&silent, LOG_LEVEL_DEBUG, "api", "the first");
    assert_string_equal(captured(), "<7>api: the first\n");
    other.left_out = 1234; // the number is there also behind a line that is cut
    log_limited(&other, LOG_LEVEL_INFO, "api", "%s", big);
    const char *line = captured();
    assert_true(strlen(line) <= 2048);
    assert_non_null(strstr(line, "x (1234 more like this were left out)\n"));
}

// A log that nobody reads holds up nothing, and what is lost so is told.
static void a_full_pipe(void **state)
{
    (void)state;
    static char text[1 << 20];
    size_t len = 0, found = 0;
    ssize_t n;
    log_init("dvsan-test", LOG_LEVEL_INFO);
    for (unsigned i = 0; i < 5000; i++)
        log_warning("full", "line %u", i);
    fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
    while ((n = read(pipe_fds[0], text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    for (const char *at = text; (at = strstr(at, " full: line ")); at++)
        found++;
    assert_true(found > 100 && found < 5000);
    log_warning("full", "the next");
    n = read(pipe_fds[0], text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    char want[64];
    snprintf(want, sizeof(want), " log: %zu lines are lost", 5000 - found);
    assert_non_null(strstr(text, want));
    assert_non_null(strstr(text, " full: the next\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(terminal_lines, capture, release),
        cmocka_unit_test_setup_teardown(journal_lines, capture, release),
        cmocka_unit_test_setup_teardown(levels, capture, release),
        cmocka_unit_test_setup_teardown(one_line_each, capture, release),
        cmocka_unit_test_setup_teardown(a_full_pipe, capture, release),
        cmocka_unit_test(limit_decides),
        cmocka_unit_test_setup_teardown(limit_writes, capture, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Tests of base/log: levels, both line formats, and lines that cannot be forged.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"

#include <errno.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(terminal_lines, capture, release),
        cmocka_unit_test_setup_teardown(journal_lines, capture, release),
        cmocka_unit_test_setup_teardown(levels, capture, release),
        cmocka_unit_test_setup_teardown(one_line_each, capture, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// The command line's parsing, checks and suggestions.
// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "console/cli/parse.h"
#include "console/cli/url.h"
#include <string.h>

#define WORDS_MAX 12

// Splits a line at blanks and parses it.
static int parse(const char *line, struct invocation *out, struct dv_err *err)
{
    static char copy[256];
    char *argv[WORDS_MAX + 1] = {NULL};
    int argc = 0;
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word && argc < WORDS_MAX; word = strtok(NULL, " "))
        argv[argc++] = word;
    return parse_args(argc, argv, out, err);
}

static void test_accepted(void **state)
{
    (void)state;
    struct invocation in;
    struct dv_err err;
    assert_int_equal(parse("dvsan volume create db1 --size 10G --unit=u1 --thin", &in, &err), 0);
    assert_string_equal(in.command->verb, "create");
    assert_string_equal(in.args[0], "db1");
    assert_string_equal(in.values[OPT_SIZE], "10G");
    assert_string_equal(in.values[OPT_UNIT], "u1");
    assert_non_null(in.values[OPT_THIN]);
    assert_null(in.values[OPT_JSON]);
    // Options may stand anywhere.
    assert_int_equal(parse("dvsan --json volume --size=1G create db1", &in, &err), 0);
    assert_non_null(in.values[OPT_JSON]);
    assert_int_equal(parse("dvsan task watch", &in, &err), 0);
    assert_null(in.args[0]);
    assert_int_equal(parse("dvsan task watch 7", &in, &err), 0);
    assert_string_equal(in.args[0], "7");
    assert_int_equal(parse("dvsan volume delete -y -- db1", &in, &err), 0);
    assert_non_null(in.values[OPT_YES]);
    assert_int_equal(parse("dvsan --help", &in, &err), 0);
    assert_null(in.command);
    assert_int_equal(parse("dvsan volume --help", &in, &err), 0);
    assert_string_equal(in.group, "volume");
    assert_int_equal(parse("dvsan volume create --help", &in, &err), 0);
    assert_non_null(in.command);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line, *sentence;
    } cases[] = {
        {"dvsan", "no command is given"},
        {"dvsan volume", "needs a command"},
        {"dvsan volum list", "did you mean volume?"},
        {"dvsan volume lst", "did you mean volume list?"},
        {"dvsan volume craete x", "did you mean volume create?"},
        {"dvsan volume frobnicate", "see dvsan volume --help"},
        {"dvsan xyzzy", "see dvsan --help"},
        {"dvsan pool show extra", "takes no argument"},
        {"dvsan unit show", "UNIT is missing"},
        {"dvsan unit show a b", "\"b\" is too much"},
        {"dvsan volume create a", "needs --size SIZE"},
        {"dvsan volume create --size 1G", "VOLUME is missing"},
        {"dvsan volume create a --size", "--size needs a value"},
        {"dvsan volume create a --size=", "\"\""},
        {"dvsan volume create a --size -1", "\"-1\" is negative"},
        {"dvsan volume create a --size 0G", "\"0G\" is zero"},
        {"dvsan volume create a --size 100", "\"100\" has no unit"},
        {"dvsan volume resize a --size +100", "\"100\" has no unit"},
        {"dvsan volume create a --size 10X", "is not a size"},
        {"dvsan volume create a --size 9223372036854775808B", "is too large"},
        {"dvsan volume create a/b --size 1G", "may have only"},
        {"dvsan volume create a\"b --size 1G", "may have only"},
        {"dvsan volume create a'b --size 1G", "may have only"},
        {"dvsan volume create a --size 1G --size 2G", "--size is given twice"},
        {"dvsan volume create a --size 1G --sise 2G", "did you mean --size?"},
        {"dvsan volume create a --size 1G --thin --full", "exclude each other"},
        {"dvsan volume create a --size 1G --thin=yes", "--thin takes no value"},
        {"dvsan volume create a --size 1G --volume h", "does not take --volume"},
        {"dvsan volume create a --size 1G -x", "unknown option -x"},
        {"dvsan volume assign a", "needs --host HOST"},
        {"dvsan host add h --iqn nonsense", "iSCSI name"},
        {"dvsan host add h --iqn iqn.2026-11.org.example:h --save-secret a --chap-secret-file b",
         "exclude each other"},
        {"dvsan task watch x", "task \"x\" is not a number"},
        {"dvsan task watch 0", "is not a number from 1"},
        {"dvsan event list --limit 0", "is not a number from 1"},
        {"dvsan pool show --url ftp://x", "is not a URL"},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct invocation in;
        struct dv_err err = {0};
        if (parse(cases[i].line, &in, &err) == 0)
            fail_msg("accepted: %s", cases[i].line);
        assert_int_equal(err.code, DV_INVALID);
        if (!strstr(err.text, cases[i].sentence))
            fail_msg("%s: \"%s\" is not in \"%s\"", cases[i].line, cases[i].sentence, err.text);
    }
}

// What could be a secret is in no sentence: sentences get into logs and onto screens.
static void test_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url, *sentence; // NULL: it is one
    } cases[] = {
        {"http://127.0.0.1:8480", NULL},
        {"https://san.example.org/base/", NULL},
        {"HTTP://[2001:db8::1]:80", NULL},
        {"http://user:hunter2@127.0.0.1:1", "has a user or a password in it"},
        {"http://hunter2@san", "has a user or a password in it"},
        {"http://:hunter2@san", "has a user or a password in it"},
        {"user:hunter2@san", "has a user or a password in it"},
        {"http://san/hunter2@x", "has a user or a password in it"},
        {"ftp://user:hunter2@san", "has a user or a password in it"},
        {"http://san?token=hunter2", "has a \"?\" in it"},
        {"http://san/#hunter2", "has a \"#\" in it"},
        {"http://san /hunter2", "byte 11 of the station's URL is 0x20"},
        {"http://san\r", "byte 11 of the station's URL is 0x0d"},
        {"http://s\xc3\xa4n", "byte 9 of"},
        {"http://", "is not a URL"},
        {"http:///x", "is not a URL"},
        {"http://:80", "is not a URL"},
        {"ftp://san", "is not a URL"},
        {"san:8480", "is not a URL"},
        {"", "is not a URL"},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct dv_err err = {0};
        int result = url_check(cases[i].url, &err);
        assert_int_equal(result, cases[i].sentence ? -1 : 0);
        if (result < 0 && !strstr(err.text, cases[i].sentence))
            fail_msg("%s: %s", cases[i].url, err.text);
        assert_null(strstr(err.text, "hunter2"));
    }
    static const char *const lines[] = {
        "dvsan pool show --url http://user:hunter2@san",
        "dvsan pool show --password=hunter2",
        "dvsan host add h --iqn iqn.2026-11.org.example:h --chap-secret=hunter2",
        "dvsan pool show --json=hunter2",
    };
    for (size_t i = 0; i < DV_COUNT(lines); i++) {
        struct invocation in;
        struct dv_err err = {0};
        assert_int_equal(parse(lines[i], &in, &err), -1);
        assert_null(strstr(err.text, "hunter2"));
    }
}

// What the tables must have for parsing and help to work.
static void test_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct command *c = &cli_commands[i];
        assert_non_null(c->run);
        assert_ptr_equal(command_find(c->group, c->verb), c);
        assert_int_equal(c->required & ~c->options, 0);
        assert_int_equal(c->exclusive & ~c->options, 0);
        assert_int_equal(c->options & COMMON_OPTIONS, 0);
        assert_int_equal(c->help[strlen(c->help) - 1], '.');
    }
    for (int i = 0; i < OPTIONS; i++) {
        assert_non_null(cli_options[i].name);
        assert_non_null(cli_options[i].help);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

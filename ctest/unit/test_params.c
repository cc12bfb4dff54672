// Tests of nbd/params: what a parameter file may say, and what the errors name.
// SPDX-License-Identifier: BSD-2-Clause
#include "nbd/params.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PORTAL    "\"portal\": \"127.13.0.9:3260\""
#define TARGET    "\"target\": \"iqn.2026-11.test:v1\""
#define INITIATOR "\"initiator\": \"iqn.2026-11.test:host\""
#define BASE      PORTAL ", " TARGET ", " INITIATOR

static struct params *parse(const char *text, struct dv_err *err)
{
    return params_parse("p.json", text, strlen(text), err);
}

static void takes_defaults(void **state)
{
    (void)state;
    struct dv_err err;
    struct params *p = parse("{" BASE "}", &err);
    assert_non_null(p);
    assert_string_equal(p->portal, "127.13.0.9:3260");
    assert_string_equal(p->target, "iqn.2026-11.test:v1");
    assert_string_equal(p->initiator, "iqn.2026-11.test:host");
    assert_int_equal(p->lun, 1);
    assert_int_equal(p->timeout_s, 60);
    assert_false(p->header_digest);
    assert_null(p->chap_user);
    assert_null(p->chap_secret);
    params_free(p);
}

static void takes_everything(void **state)
{
    (void)state;
    struct dv_err err;
    struct params *p = parse("{" BASE ", \"lun\": 255, \"chap_user\": \"u\", \"chap_secret\": "
                             "\"quote\\\" and more\", \"header_digest\": \"crc32c\", "
                             "\"timeout_s\": 3600}",
                             &err);
    assert_non_null(p);
    assert_int_equal(p->lun, 255);
    assert_int_equal(p->timeout_s, 3600);
    assert_true(p->header_digest);
    assert_string_equal(p->chap_user, "u");
    assert_string_equal(p->chap_secret, "quote\" and more");
    params_free(p);
    p = parse("{" BASE ", \"chap_unit\": \"00000000-0000-0000-0000-000000000001\", \"chap_user\": "
              "\"u\", \"chap_secret\": \"Sixteen-chars-ab\"}",
              &err);
    assert_non_null(p);
    assert_string_equal(p->chap_secret, "WbGMx9T7LXnUG83w"); // as test_model_unit has it
    params_free(p);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "p.json:1: this is not valid JSON"},
        {"{\n\n" BASE ",\n oops}", "p.json:4: this is not valid JSON"},
        {"[1]", "p.json:1: must be a JSON object"},
        {"7", "p.json:1: must be a JSON object"},
        {"{" BASE "} {}", "p.json:1: this is not valid JSON"},
        {"{" BASE ", " PORTAL "}", "p.json:1: a parameter is given twice"},
        {"{" TARGET ", " INITIATOR "}", "p.json: \"portal\" is missing"},
        {"{" PORTAL ", " INITIATOR "}", "p.json: \"target\" is missing"},
        {"{" PORTAL ", " TARGET "}", "p.json: \"initiator\" is missing"},
        {"{" BASE ",\n\"x\": 1}", "p.json:2: \"x\": unknown parameter"},
        {"{" BASE ",\n\"LUN\": 1}", "p.json:2: \"LUN\": unknown parameter"},
        {"{" BASE ",\n\n\"lun\": 256}", "p.json:3: \"lun\": must be a whole number from 0 to 255"},
        {"{" BASE ",\n\"lun\": -1}", "p.json:2: \"lun\": must be"},
        {"{" BASE ",\n\"lun\": \"1\"}", "p.json:2: \"lun\": must be"},
        {"{" BASE ",\n\"lun\": 1.0}", "p.json:2: \"lun\": must be"},
        {"{" BASE ",\n\"timeout_s\": 0}", "p.json:2: \"timeout_s\": must be"},
        {"{" BASE ",\n\"timeout_s\": 3601}", "p.json:2: \"timeout_s\": must be"},
        {"{" BASE ",\n\"header_digest\": \"md5\"}", "p.json:2: \"header_digest\": must be"},
        {"{" BASE ",\n\"header_digest\": null}", "p.json:2: \"header_digest\": must be"},
        {"{" BASE ",\n\"chap_user\": \"\"}", "p.json:2: \"chap_user\": must not be empty"},
        {"{" BASE ",\n\"chap_user\": \"u\"}", "p.json:2: \"chap_user\": needs chap_secret"},
        {"{" BASE ",\n\"chap_secret\": \"s\"}", "p.json:2: \"chap_secret\": needs chap_user"},
        {"{" BASE ",\n\"chap_unit\": \"unit1\"}", "p.json:2: \"chap_unit\": must be the UUID"},
        {"{" BASE ",\n\"chap_unit\": \"00000000-0000-0000-0000-000000000001\"}",
         "p.json:2: \"chap_unit\": needs chap_secret"},
        {"{" BASE ",\n\"chap_secret\": \"a\\u0000b\"}", "p.json:"},
        {"{" BASE ",\n\"chap_secret\": \"s\",\n\"chap_secret_file\": \"/dev/null\"}",
         "p.json:3: \"chap_secret_file\": give one of"},
        {"{" BASE ",\n\"chap_secret_file\": \"/nonexistent/file\"}",
         "p.json:2: \"chap_secret_file\": cannot open"},
        {"{" PORTAL ", " INITIATOR ",\n\"target\": \"not an iqn\"}", "p.json:2: \"target\": "},
        // A key's line is found even when its name is the value of another.
        {"{" BASE ",\n\"chap_user\": \"lun\",\n\"chap_secret\": \"x\",\n\"lun\": 999}",
         "p.json:4: \"lun\": must be"},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct dv_err err = {0};
        struct params *p = parse(cases[i].text, &err);
        if (p || !strstr(err.text, cases[i].says) || strncmp(err.text, "p.json", 6) != 0)
            fail_msg("%s -> %s", cases[i].text, p ? "accepted" : err.text);
    }
}

static void errors_never_quote_a_secret(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{" BASE ", \"chap_secret\": \"hush-hush\", \"chap_secret\": \"hush-hush\"}",
        "{" BASE ", \"chap_secret\": \"hush-hush}",
        "{" BASE ", \"chap_secret\": hush-hush}",
        "{" BASE ", \"chap_secret\": \"hush-hush\"",
    };
    for (size_t i = 0; i < DV_COUNT(texts); i++) {
        struct dv_err err = {0};
        assert_null(parse(texts[i], &err));
        assert_null(strstr(err.text, "hush"));
    }
}

// Files -------------------------------------------------------------------------------------

static char folder[] = "/tmp/test_params.XXXXXX";

static const char *write_file(const char *name, const char *text, mode_t mode)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static void secret_file_is_private(void **state)
{
    (void)state;
    struct dv_err err;
    const char *with = "{" BASE ",\n\"chap_user\": \"u\",\n\"chap_secret\": \"hush-hush\"}";
    const char *path = write_file("open", with, 0644);
    assert_null(params_read(path, &err));
    assert_non_null(strstr(err.text, "open:3: \"chap_secret\": this file can be used by others"));
    path = write_file("closed", with, 0600);
    struct params *p = params_read(path, &err);
    assert_non_null(p);
    params_free(p);
    path = write_file("no-secret", "{" BASE "}", 0644);
    p = params_read(path, &err);
    assert_non_null(p);
    params_free(p);
}

static void secret_may_be_elsewhere(void **state)
{
    (void)state;
    struct dv_err err;
    char text[512];
    snprintf(text, sizeof(text), "{" BASE ",\"chap_user\": \"u\", \"chap_secret_file\": \"%s\"}",
             write_file("secret", "from a file\n", 0600));
    struct params *p = params_read(write_file("params", text, 0644), &err);
    assert_non_null(p);
    assert_string_equal(p->chap_secret, "from a file");
    params_free(p);
    write_file("secret", "from a file\n", 0640);
    assert_null(params_read(write_file("params", text, 0644), &err));
    assert_non_null(strstr(err.text, "chmod 600"));
}

static void reads_a_pipe(void **state)
{
    (void)state;
    struct dv_err err;
    int ends[2];
    char path[64];
    const char *text = "{" BASE ", \"chap_user\": \"u\", \"chap_secret\": \"hush-hush\"}";
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    close(ends[1]);
    snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
    struct params *p = params_read(path, &err);
    close(ends[0]);
    assert_non_null(p);
    assert_string_equal(p->chap_secret, "hush-hush");
    params_free(p);
}

static void resolves_the_portal(void **state)
{
    (void)state;
    static const struct {
        const char *portal, *is;
    } cases[] = {
        {"127.13.0.9:1234", "127.13.0.9:1234"},
        {"127.13.0.9", "127.13.0.9:3260"},
        {"[::1]:1234", "[::1]:1234"},
        {"[::1]", "[::1]:3260"},
        {"localhost:1234", NULL},
        {"127.0.0.1:nonsense", NULL},
        {"no.such.name.invalid:1", NULL},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        char text[512];
        struct dv_err err = {0};
        snprintf(text, sizeof(text), "{\n\"portal\": \"%s\", " TARGET ", " INITIATOR "}",
                 cases[i].portal);
        struct params *p = params_read(write_file("portal", text, 0644), &err);
        if (cases[i].is) {
            assert_non_null(p);
            assert_string_equal(p->portal, cases[i].is);
        } else if (strncmp(cases[i].portal, "localhost", 9) == 0) {
            assert_non_null(p);
            assert_null(strstr(p->portal, "localhost"));
        } else {
            assert_null(p);
            assert_non_null(strstr(err.text, "portal:2: \"portal\": "));
        }
        params_free(p);
    }
}

static void refuses_files(void **state)
{
    (void)state;
    struct dv_err err;
    assert_null(params_read("/nonexistent/file", &err));
    assert_non_null(strstr(err.text, "/nonexistent/file: cannot open"));
    assert_null(params_read(folder, &err));
    assert_non_null(strstr(err.text, "cannot read"));
    assert_null(params_read("/dev/zero", &err));
    assert_non_null(strstr(err.text, "has more than 65536 bytes"));
}

// Every parameter is in the help text, and everything in the help text is taken.
static void help_is_complete(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "portal",      "target",        "initiator",        "lun",       "chap_user",
        "chap_secret", "header_digest", "chap_secret_file", "chap_unit", "timeout_s"};
    unsigned quotes = 0;
    for (const char *c = PARAMS_HELP; *c; c++)
        quotes += *c == '"';
    for (size_t i = 0; i < DV_COUNT(keys); i++) {
        char quoted[64], text[256];
        struct dv_err err = {0};
        snprintf(quoted, sizeof(quoted), "  \"%s\" ", keys[i]);
        assert_non_null(strstr(PARAMS_HELP, quoted));
        snprintf(text, sizeof(text), "{\"%s\": {}}", keys[i]);
        assert_null(parse(text, &err));
        assert_null(strstr(err.text, "unknown"));
    }
    assert_int_equal(quotes, 2 * DV_COUNT(keys) + 4); // "none" and "crc32c" are quoted, too
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"open",   "closed", "no-secret",
                                        "secret", "params", "portal"};
    for (size_t i = 0; i < DV_COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_defaults),
        cmocka_unit_test(takes_everything),
        cmocka_unit_test(refuses),
        cmocka_unit_test(errors_never_quote_a_secret),
        cmocka_unit_test(secret_file_is_private),
        cmocka_unit_test(secret_may_be_elsewhere),
        cmocka_unit_test(reads_a_pipe),
        cmocka_unit_test(resolves_the_portal),
        cmocka_unit_test(refuses_files),
        cmocka_unit_test(help_is_complete),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

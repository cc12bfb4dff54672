// The engine's file: its ID stays, its boots go up, and damage is noticed.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "base/mem.h"
#include "snmp/engine.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/test_sn_engine.XXXXXX";
static char path[64];

static void write_file(const char *text)
{
    struct dv_err err;
    assert_int_equal(file_write_atomic(path, text, strlen(text), 0600, &err), 0);
}

static uint32_t minutes(void) // since 2026
{
    return (uint32_t)((time(NULL) - 1767225600) / 60);
}

// One more than before, and no less than the minutes, which may pass one by meanwhile.
static void assert_boots(const struct sn_engine *e, uint32_t before)
{
    assert_true(e->boots > before);
    assert_true(e->boots == before + 1 || e->boots == minutes() || e->boots + 1 == minutes());
    assert_true(e->boots + 1 >= minutes());
}

static void test_starts(void **state)
{
    (void)state;
    struct sn_engine first, next;
    struct dv_err err;
    unlink(path);
    assert_int_equal(sn_engine_start(dir, NULL, &first, &err), 0);
    assert_boots(&first, 0);
    assert_in_range(first.id.len, 5, SN_ENGINE_ID_MAX);
    assert_int_equal(first.id.b[0] & 0x80, 0x80); // RFC 3411's own format
    for (uint32_t boots = first.boots, i = 0; i < 3; i++, boots = next.boots) {
        assert_int_equal(sn_engine_start(dir, NULL, &next, &err), 0);
        assert_boots(&next, boots);
        assert_int_equal(next.id.len, first.id.len);
        assert_memory_equal(next.id.b, first.id.b, first.id.len);
    }
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    unlink(path);
    assert_int_equal(symlink(path, path),
                     0); // a file that cannot be read is not one that is missing
    assert_int_equal(sn_engine_start(dir, NULL, &next, &err), -1);
    unlink(path);
    assert_int_equal(sn_engine_start(dir, NULL, &next, &err), 0);
    assert_memory_not_equal(next.id.b, first.id.b, first.id.len);
}

static void test_given_id(void **state)
{
    (void)state;
    struct sn_engine e;
    struct dv_err err;
    struct sn_engine_id id = {5, {0x80, 1, 2, 3, 4}}, longest = {.len = SN_ENGINE_ID_MAX},
                        shortest = {.len = 4}, too_long = {.len = SN_ENGINE_ID_MAX + 1};
    unlink(path);
    for (uint32_t boots = 0, i = 0; i < 2; i++, boots = e.boots) {
        assert_int_equal(sn_engine_start(dir, &id, &e, &err), 0);
        assert_boots(&e, boots);
        assert_memory_equal(e.id.b, id.b, id.len);
    }
    write_file("8001020304 2000000000\n");
    assert_int_equal(sn_engine_start(dir, &longest, &e, &err), 0);
    assert_boots(&e, 0); // another engine begins again
    uint32_t boots = e.boots;
    assert_int_equal(sn_engine_start(dir, NULL, &e, &err), 0);
    assert_int_equal(e.id.len, SN_ENGINE_ID_MAX);
    assert_boots(&e, boots);

    assert_int_equal(sn_engine_start(dir, &shortest, &e, &err), -1);
    assert_int_equal(err.code, DV_INVALID);
    assert_int_equal(sn_engine_start(dir, &too_long, &e, &err), -1);
}

static void test_boots_end(void **state)
{
    (void)state;
    struct sn_engine e;
    struct dv_err err;
    write_file("8001020304 2147483646\n");
    for (int i = 0; i < 2; i++) { // RFC 3414 section 2.2.3: it stays there
        assert_int_equal(sn_engine_start(dir, NULL, &e, &err), 0);
        assert_int_equal(e.boots, 2147483647);
    }
}

static void test_damage(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "\n",
        "8001020304",
        "8001020304 ",
        "8001020304 1",
        "8001020304 0\n",
        "8001020304 -1\n",
        "8001020304 2147483648\n",
        "8001020304 1x\n",
        "80010203 1\n",
        "800102030g 1\n",
        "80010203041 1\n",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20 1\n",
    };
    for (size_t i = 0; i < DV_COUNT(bad); i++) {
        struct sn_engine e;
        struct dv_err err;
        write_file(bad[i]);
        assert_int_equal(sn_engine_start(dir, NULL, &e, &err), -1);
        assert_int_equal(err.code, DV_IO);
        assert_non_null(strstr(err.text, path));
    }
    struct sn_engine e;
    struct dv_err err;
    write_file("8001020304 41\n"); // from a backup
    assert_int_equal(sn_engine_start(dir, NULL, &e, &err), 0);
    assert_boots(&e, 41);
    write_file("8001020304 2000000000\n");
    assert_int_equal(sn_engine_start(dir, NULL, &e, &err), 0);
    assert_int_equal(e.boots, 2000000001);
}

int main(void)
{
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof(path), "%s/engine", dir);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts),
        cmocka_unit_test(test_given_id),
        cmocka_unit_test(test_boots_end),
        cmocka_unit_test(test_damage),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(dir);
    return failed;
}

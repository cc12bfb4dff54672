// Tests of Net-SNMP's table of users: how many it has to look through, and that none is lost.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "snmp/convert.h"
#include "snmp/usm_table.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define USERS   200
#define CHANGES 5000

static struct sn_usm_key key_of(unsigned n)
{
    struct sn_usm_key key;
    char name[16];
    const uint8_t engine[] = {0x80, 0, 0, 0, (uint8_t)(n % 5), (uint8_t)(n % 7)};
    snprintf(name, sizeof(name), "user%u", n / 2 * 2); // some are called alike
    assert_true(sn_usm_key(name, engine, sizeof(engine), &key));
    return key;
}

static void put(unsigned n)
{
    const struct sn_usm_key key = key_of(n);
    struct usmUser *user = usm_create_user();
    user->name = strdup(key.user);
    user->secName = strdup(key.user);
    user->engineID = netsnmp_memdup(key.engine.b, key.engine.len);
    user->engineIDLen = key.engine.len;
    sn_usm_table_put(user, &key);
}

// Both ways, as the list is linked.
static size_t listed(void)
{
    size_t n = 0;
    for (const struct usmUser *u = usm_get_userList(); u; u = u->next) {
        assert_true(!u->next || u->next->prev == u);
        n++;
    }
    return n;
}

static const struct usmUser *seen(unsigned n)
{
    const struct sn_usm_key key = key_of(n);
    return usm_get_user(key.engine.b, key.engine.len, key.user);
}

static void check(const bool *there, unsigned shown)
{
    const struct sn_usm_key key = key_of(shown);
    size_t count = 0;
    for (unsigned i = 0; i < USERS; i++) {
        assert_int_equal(seen(i) != NULL, there[i]);
        count += there[i];
    }
    assert_int_equal(listed(), count);
    sn_usm_table_show(key.user, key.engine.b, key.engine.len);
    assert_in_range(listed(), 0, 2);
    assert_int_equal(seen(shown) != NULL, there[shown]);
    sn_usm_table_show("nobody", key.engine.b, key.engine.len);
    assert_in_range(listed(), 0, 1);
    if (shown % 2) // changes may come meanwhile
        sn_usm_table_show_all();
}

static void test_the_library_looks_through_two(void **state)
{
    (void)state;
    const char *given = getenv("DVSAN_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);
    bool there[USERS] = {false};
    print_message("seed %u (repeat with DVSAN_SEED=%u)\n", seed, seed);
    srandom(seed);
    for (unsigned i = 0; i < CHANGES; i++) {
        unsigned n = (unsigned)random() % USERS;
        const struct sn_usm_key key = key_of(n);
        if (i % 1000 >= 700 || random() % 2) // at times all go
            sn_usm_table_remove(&key);
        else
            put(n);
        there[n] = false;
        sn_usm_table_show_all();
        there[n] = seen(n) != NULL;
        check(there, (unsigned)random() % USERS);
        sn_usm_table_show_all();
    }
    for (unsigned n = 0; n < USERS; n++) {
        const struct sn_usm_key key = key_of(n);
        sn_usm_table_remove(&key);
    }
    assert_null(usm_get_userList());
}

// A probe of an engine that is known, by a user.
static const uint8_t message[] = {
    0x30, 0x3b, 0x02, 0x01, 0x03, 0x30, 0x0d, 0x02, 0x01, 0x05, 0x02, 0x02, 0x05, 0xdc, 0x04, 0x01,
    0x04, 0x02, 0x01, 0x03, 0x04, 0x18, 0x30, 0x16, 0x04, 0x05, 0x80, 0x00, 0x1f, 0x88, 0x05, 0x02,
    0x01, 0x01, 0x02, 0x02, 0x01, 0x00, 0x04, 0x03, 'b',  'o',  'b',  0x04, 0x00, 0x04, 0x00, 0x30,
    0x0d, 0x04, 0x00, 0x04, 0x00, 0xa0, 0x07, 0x02, 0x01, 0x05, 0x02, 0x01, 0x00};

static void test_whose_a_message_is(void **state)
{
    (void)state;
    struct sn_usm_key key;
    const uint8_t engine[] = {0x80, 0x00, 0x1f, 0x88, 0x05};
    assert_true(sn_usm_message_key(message, sizeof(message), &key));
    assert_string_equal(key.user, "bob");
    assert_int_equal(key.engine.len, sizeof(engine));
    assert_memory_equal(key.engine.b, engine, sizeof(engine));
    for (size_t len = 0; len < sizeof(message); len++) {
        uint8_t *part = dv_calloc(len + 1, 1); // so that what is read behind it is noticed
        memcpy(part, message, len);
        part = dv_realloc(part, len > 0 ? len : 1, 1);
        assert_false(sn_usm_message_key(part, len, &key));
        free(part);
    }
    for (size_t i = 0; i < sizeof(message); i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t bent[sizeof(message)];
            memcpy(bent, message, sizeof(bent));
            bent[i] ^= (uint8_t)(1 << bit);
            (void)sn_usm_message_key(bent, sizeof(bent), &key);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_library_looks_through_two),
        cmocka_unit_test(test_whose_a_message_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

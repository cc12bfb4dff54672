// Tests of portals that move, and of management addresses that name a portal.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/portals.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct state *make(void)
{
    struct state *s = state_new(0, 1);
    struct portal four = {.index = 1, .group = 1, .address = "192.0.2.7", .port = 3260};
    struct portal six = {.index = 12, .group = 1, .address = "2001:db8::7", .port = 3260};
    state_add_portal(s, &four);
    state_add_portal(s, &six);
    return s;
}

static void a_management_address_may_name_a_portal(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *address; // NULL: it is not known
    } cases[] = {
        {"udp:192.0.2.1:161", "udp:192.0.2.1:161"},
        {"udp:%portal1:161", "udp:192.0.2.7:161"},
        {"udp6:[%portal12]:161", "udp6:[2001:db8::7]:161"},
        {"udp:%portal2:161", NULL},
        {"udp6:[fe80::1%eth0]:161", "udp6:[fe80::1%eth0]:161"},
        {"tcp:%portal1", "tcp:192.0.2.7"},
    };
    struct state *s = make();
    char out[64];
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        bool known = portals_address(s, cases[i].pattern, out, sizeof(out));
        assert_int_equal(known, cases[i].address != NULL);
        if (known)
            assert_string_equal(out, cases[i].address);
    }
    assert_false(portals_address(s, "udp:%portal1:161", out, sizeof("udp:192.0.2.7:161") - 1));
    assert_true(portals_address(s, "udp:%portal1:161", out, sizeof("udp:192.0.2.7:161")));
    state_free(s);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void a_portal_that_moves_is_a_change(void **state)
{
    (void)state;
    struct state *s = make();
    struct unit_portal *p = state_portal(s, 1, 1);
    uint32_t generation = state_generation(s);
    int changes = 0;
    state_watch(s, count, &changes);
    state_move_portal(s, p, "192.0.2.8");
    assert_memory_equal(p->raw, "\xc0\x00\x02\x08", 4);
    assert_int_equal(p->raw_len, 4);
    assert_int_equal(state_generation(s), generation + 1);
    assert_int_equal(state_change(s, generation + 1)->kind, STATE_CHANGE_PORTAL);
    state_move_portal(s, p, "2001:db8::8");
    assert_int_equal(p->raw_len, 16);
    assert_int_equal(changes, 2);
    state_watch(s, NULL, NULL);
    state_move_portal(s, p, "192.0.2.9");
    assert_int_equal(changes, 2);
    state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_management_address_may_name_a_portal),
        cmocka_unit_test(a_portal_that_moves_is_a_change),
    };
    return cmocka_run_group_tests_name("unit portals", tests, NULL, NULL);
}

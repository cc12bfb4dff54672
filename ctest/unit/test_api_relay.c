// A request's way to civetweb and back: an answer, none, a part of one, and one that does not come.
// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "console/api/relay.h"
#include "loop/loop.h"
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LONG_MS 120000 // so that a hang ends
#define REQUEST "GET / HTTP/1.1\r\n\r\n"

struct way {
    struct loop *loop;
    struct relay *relay;
    struct strbuf out;
    int end; // -1: not yet
};

static void on_got(void *arg, enum relay_end end)
{
    struct way *w = arg;
    assert_int_equal(w->end, -1); // once
    w->end = (int)end;
    relay_free(w->relay);
    loop_stop(w->loop);
}

// What becomes of a request when the other side has written answer already and then closes, or not.
static int relayed(const char *answer, bool closes, uint32_t ms, struct way *w)
{
    struct strbuf request = {0};
    int ends[2];
    char got[64] = "";
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    *w = (struct way){.loop = loop_new(), .end = -1};
    strbuf_add(&request, "%s", REQUEST);
    assert_int_equal(write(ends[1], answer, strlen(answer)), strlen(answer));
    if (closes)
        shutdown(ends[1], SHUT_WR);
    w->relay = relay_new(w->loop, ends[0], ms, &request, &w->out, on_got, w);
    assert_null(request.text);
    assert_int_equal(w->end, -1); // never from within
    loop_run(w->loop);
    assert_int_equal(read(ends[1], got, sizeof(got)), strlen(REQUEST));
    assert_string_equal(got, REQUEST);
    loop_free(w->loop);
    close(ends[0]); // it was borrowed
    close(ends[1]);
    return w->end;
}

static void test_answered(void **state)
{
    (void)state;
    struct way w;
    assert_int_equal(relayed("HTTP/1.1 204 No Content\r\n\r\n", true, LONG_MS, &w), RELAY_ANSWERED);
    assert_string_equal(w.out.text, "HTTP/1.1 204 No Content\r\n\r\n");
    strbuf_free(&w.out);
}

static void test_broken(void **state)
{
    (void)state;
    struct way w;
    assert_int_equal(relayed("", true, LONG_MS, &w), RELAY_BROKEN);
    strbuf_free(&w.out);
    struct strbuf request = {0};
    w = (struct way){.loop = loop_new(), .end = -1};
    w.relay = relay_new(w.loop, -1, LONG_MS, &request, &w.out, on_got, &w);
    assert_int_equal(w.end, -1);
    loop_run(w.loop);
    assert_int_equal(w.end, RELAY_BROKEN);
    loop_free(w.loop);
}

// Nothing comes, or the rest of what began: neither keeps a place for ever.
static void test_late(void **state)
{
    (void)state;
    struct way w;
    assert_int_equal(relayed("", false, 50, &w), RELAY_LATE);
    strbuf_free(&w.out);
    assert_int_equal(relayed("HTTP/1.1 200 OK\r\n", false, 50, &w), RELAY_LATE);
    strbuf_free(&w.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answered),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// The heads of requests: where they end, what they say, and what is refused.
// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "console/api/http_answer.h"
#include "console/api/http_head.h"
#include "console/api/places.h"
#include <stdlib.h>
#include <string.h>

// Reads a head that comes in pieces of this many bytes. Returns the status, 0 for a good one and -1
// for one that has not ended. *text is to be freed, *rest is what is behind the head.
static int read_head(const char *data, size_t len, size_t piece, struct http_head *head,
                     char **text, size_t *rest)
{
    struct dv_err err;
    size_t seen = 0;
    int status = 0;
    long end = 0;
    *text = NULL;
    for (size_t got = 0; got < len && end == 0;) {
        got = got + piece < len ? got + piece : len;
        char *exact = malloc(got); // so that one byte too many is told
        assert_non_null(exact);
        memcpy(exact, data, got);
        end = http_head_end(exact, got, &seen, &status, &err);
        free(exact);
    }
    if (end == 0)
        return -1;
    if (end < 0)
        return status;
    *text = dv_calloc((size_t)end + 1, 1);
    memcpy(*text, data, (size_t)end);
    *rest = len - (size_t)end;
    if (http_head_parse(*text, (size_t)end, head, &status, &err) == 0)
        return 0;
    assert_in_range(status, 400, 599);
    assert_true(strlen(err.text) > 10);
    return status;
}

#define LINE          "GET /api/v1/pool HTTP/1.1\r\n"
#define HOST          "Host: localhost\r\n"
#define END           "\r\n"
#define WITH(fields)  LINE HOST fields END
#define TEXT(literal) literal, sizeof(literal) - 1

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *text, *method, *path, *query, *host;
        uint64_t length;
        bool close, expects;
    } cases[] = {
        {WITH(""), "GET", "/api/v1/pool", NULL, "localhost", 0, false, false},
        {"GET /a?b=c&d HTTP/1.1\r\n" HOST END, "GET", "/a", "b=c&d", "localhost", 0, false, false},
        {"GET /a?b?c HTTP/1.1\r\n" HOST END, "GET", "/a", "b?c", "localhost", 0, false, false},
        {"GET /a? HTTP/1.1\r\n" HOST END, "GET", "/a", "", "localhost", 0, false, false},
        {"M-SEARCH /://x HTTP/1.1\r\n" HOST END, "M-SEARCH", "/://x", NULL, "localhost", 0, false,
         false},
        {"OPTIONS * HTTP/1.1\r\n" HOST END, "OPTIONS", "*", NULL, "localhost", 0, false, false},
        // The URL's host counts, not the header's.
        {"GET http://192.0.2.1:80/a?b HTTP/1.1\r\n" HOST END, "GET", "/a", "b", "192.0.2.1:80", 0,
         false, false},
        {"GET http://[::1]?b HTTP/1.1\r\n" HOST END, "GET", "/", "b", "[::1]", 0, false, false},
        {"GET HTTP://h HTTP/1.1\r\n" HOST END, "GET", "/", NULL, "h", 0, false, false},
        {LINE "Host:\r\n" END, "GET", "/api/v1/pool", NULL, "", 0, false, false},
        {LINE "hOST: \t [::1]:80 \t \r\n" END, "GET", "/api/v1/pool", NULL, "[::1]:80", 0, false,
         false},
        {"GET / HTTP/1.0\r\n" END, "GET", "/", NULL, NULL, 0, true, false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n" END, "GET", "/", NULL, NULL, 0, true,
         false},
        {WITH("Content-Length: 2\r\n"), "GET", "/api/v1/pool", NULL, "localhost", 2, false, false},
        {WITH("content-length:002\t\r\n"), "GET", "/api/v1/pool", NULL, "localhost", 2, false,
         false},
        {WITH("Content-Length: 99999999999999999999999999\r\n"), "GET", "/api/v1/pool", NULL,
         "localhost", INT64_MAX, false, false},
        {WITH("Connection: close\r\n"), "GET", "/api/v1/pool", NULL, "localhost", 0, true, false},
        {WITH("Connection: x,\tCLOSE , y\r\n"), "GET", "/api/v1/pool", NULL, "localhost", 0, true,
         false},
        {WITH("Connection: x\r\nConnection: close\r\n"), "GET", "/api/v1/pool", NULL, "localhost",
         0, true, false},
        {WITH("Connection: closed\r\nX-Close: close\r\n"), "GET", "/api/v1/pool", NULL, "localhost",
         0, false, false},
        {WITH("Expect: 100-Continue\r\n"), "GET", "/api/v1/pool", NULL, "localhost", 0, false,
         true},
        {WITH("X: \r\nY:\r\nZ: a: b\r\nX: \xc3\xa4\r\n"), "GET", "/api/v1/pool", NULL, "localhost",
         0, false, false},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        size_t len = strlen(cases[i].text);
        for (size_t piece = 1; piece <= len; piece += len - 1) {
            struct http_head head;
            char *text;
            size_t rest = 7;
            if (read_head(cases[i].text, len, piece, &head, &text, &rest) != 0)
                fail_msg("refused: %s", cases[i].text);
            assert_int_equal(rest, 0);
            assert_string_equal(head.method, cases[i].method);
            assert_string_equal(head.path, cases[i].path);
            assert_int_equal(!head.query, !cases[i].query);
            assert_string_equal(head.query ? head.query : "", cases[i].query ? cases[i].query : "");
            assert_int_equal(!head.host, !cases[i].host);
            assert_string_equal(head.host ? head.host : "", cases[i].host ? cases[i].host : "");
            assert_int_equal(head.content_length, cases[i].length);
            assert_int_equal(head.close, cases[i].close);
            assert_int_equal(head.expects_continue, cases[i].expects);
            free(text);
        }
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        int status;
    } cases[] = {
        // How long is the body?
        {TEXT(WITH("Content-Length: 2\r\nContent-Length: 3\r\n")), 400},
        {TEXT(WITH("Content-Length: 2\r\nContent-Length: 2\r\n")), 400},
        {TEXT(WITH("Content-Length: 2, 2\r\n")), 400},
        {TEXT(WITH("Content-Length: +2\r\n")), 400},
        {TEXT(WITH("Content-Length: -2\r\n")), 400},
        {TEXT(WITH("Content-Length: 2abc\r\n")), 400},
        {TEXT(WITH("Content-Length: 0x2\r\n")), 400},
        {TEXT(WITH("Content-Length: 2 2\r\n")), 400},
        {TEXT(WITH("Content-Length: 2.0\r\n")), 400},
        {TEXT(WITH("Content-Length: 2;\r\n")), 400},
        {TEXT(WITH("Content-Length:\r\n")), 400},
        {TEXT(WITH("Content-Length: \xd9\xa2\r\n")), 400}, // a digit, but an Arabic one
        {TEXT(WITH("Content-Length : 2\r\n")), 400},
        {TEXT(WITH("Content-Length\t: 2\r\n")), 400},
        {TEXT(WITH("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n")), 400},
        {TEXT(WITH("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n")), 400},
        {TEXT(WITH("Transfer-Encoding: chunked\r\n")), 411},
        {TEXT(WITH("Transfer-Encoding: CHUNKED\r\n")), 411},
        {TEXT(WITH("Transfer-Encoding: xchunked\r\n")), 400},
        {TEXT(WITH("Transfer-Encoding: chunked, identity\r\n")), 400},
        {TEXT(WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n")), 400},
        {TEXT(WITH("Transfer-Encoding:\r\n")), 400},
        {TEXT(WITH("Transfer-Encoding: \x0b"
                   "chunked\r\n")),
         400},
        {TEXT("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" END), 400},
        {TEXT(WITH("Transfer-Encoding: chunked, chunked\r\n")), 400},
        {TEXT(WITH("Transfer-Encoding: gzip, chunked\r\n")), 400},
        {TEXT(WITH("Transfer-Encoding: chunked;q=1\r\n")), 400},
        {TEXT(WITH("Transfer-Encoding: identity\r\n")), 400},
        {TEXT(WITH("Transfer-Encoding : chunked\r\n")), 400},
        {TEXT(WITH("Transfer-Encoding\x0b: chunked\r\n")), 400},
        {TEXT(WITH("Content-Length: 2\r\ncontent-LENGTH: 2\r\n")), 400},
        // Where does a line end, and what is its name?
        {TEXT(LINE "Host: a\n" END), 400},
        {TEXT(LINE HOST "\n"), 400},
        {TEXT(WITH("Content-Type: application/json\r\n\t;x\r\n")), 400},
        {TEXT("GET / HTTP/1.1\n"), 400},
        {TEXT(WITH("A: b\rContent-Length: 2\r\n")), 400},
        {TEXT(WITH("A: b\r\r\n")), 400},
        {TEXT(WITH("A: b\r\n c\r\n")), 400},
        {TEXT(LINE " Host: a\r\n" END), 400},
        {TEXT(WITH("\tA: b\r\n")), 400},
        {TEXT(WITH(": b\r\n")), 400},
        {TEXT(WITH("A\r\n")), 400},
        {TEXT(WITH("A b: c\r\n")), 400},
        {TEXT(WITH("A(b): c\r\n")), 400},
        {TEXT(WITH("\xc3\xa4: c\r\n")), 400},
        {TEXT(WITH("A\0B: c\r\n")), 400},
        {TEXT(WITH("A: b\0c\r\n")), 400},
        {TEXT(WITH("A: b\x7f"
                   "c\r\n")),
         400},
        {TEXT(WITH("A: \x1b[31m\r\n")), 400},
        // Whose is it?
        {TEXT(LINE END), 400},
        {TEXT(LINE HOST HOST END), 400},
        {TEXT(LINE "Host: a\r\nHost: b\r\n" END), 400},
        {TEXT(LINE "Host: a, b\r\n" END), 400},
        {TEXT(LINE "Host: a b\r\n" END), 400},
        {TEXT(LINE "Host: a/b\r\n" END), 400},
        {TEXT(LINE "Host: u@a\r\n" END), 400},
        {TEXT(LINE "Host: a:b\r\n" END), 400},
        {TEXT(LINE "Host: [::1\r\n" END), 400},
        {TEXT(WITH("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n")), 400},
        {TEXT(WITH("Origin: a\r\norigin: b\r\n")), 400},
        {TEXT(WITH("Content-Type: a\r\nContent-Type: b\r\n")), 400},
        {TEXT(WITH("Expect: tea\r\n")), 417},
        {TEXT(WITH("Expect: 100-continue\r\nExpect: 100-continue\r\n")), 400},
        // What is asked for?
        {TEXT(END), 400},
        {TEXT("GET /\r\n" END), 400},
        {TEXT("GET\r\n" END), 400},
        {TEXT(" GET / HTTP/1.1\r\n" HOST END), 400},
        {TEXT("GET  / HTTP/1.1\r\n" HOST END), 400},
        {TEXT("GET /  HTTP/1.1\r\n" HOST END), 400},
        {TEXT("GET / HTTP/1.1 \r\n" HOST END), 400},
        {TEXT("GET\t/\tHTTP/1.1\r\n" HOST END), 400},
        {TEXT("GET / b HTTP/1.1\r\n" HOST END), 400},
        {TEXT("G\"T / HTTP/1.1\r\n" HOST END), 400},
        {TEXT("GET /a#b HTTP/1.1\r\n" HOST END), 400},
        {TEXT("GET /\xc3\xa4 HTTP/1.1\r\n" HOST END), 400},
        {TEXT("GET a HTTP/1.1\r\n" HOST END), 400},
        {TEXT("GET ?a HTTP/1.1\r\n" HOST END), 400},
        {TEXT("GET * HTTP/1.1\r\n" HOST END), 400},
        {TEXT("CONNECT a:80 HTTP/1.1\r\n" HOST END), 400},
        {TEXT("CONNECT /api/v1/pool HTTP/1.1\r\n" HOST END), 400},
        {TEXT("GET /api/v1/po\0ol HTTP/1.1\r\n" HOST END), 400},
        {TEXT("GET / HTTP/1.2\r\n" HOST END), 505},
        {TEXT("GET http:///a HTTP/1.1\r\n" HOST END), 400},
        {TEXT("GET http://u:p@h/a HTTP/1.1\r\n" HOST END), 400},
        {TEXT("GET ftp://h/a HTTP/1.1\r\n" HOST END), 400},
        {TEXT("GET http://h/a HTTP/1.1\r\n" END), 400},
        {TEXT("GET / http/1.1\r\n" HOST END), 400},
        {TEXT("GET / HTTP/1.1x\r\n" HOST END), 400},
        {TEXT("GET / HTTP/1.10\r\n" HOST END), 400},
        {TEXT("GET / HTTP/2.0\r\n" HOST END), 505},
        {TEXT("GET / HTTP/0.9\r\n" HOST END), 505},
        {TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
        {TEXT("\x16\x03\x01\x02\x00\x01"), 400}, // TLS
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        for (size_t piece = 1; piece <= cases[i].len; piece += cases[i].len - 1) {
            struct http_head head;
            char *text;
            size_t rest;
            int status = read_head(cases[i].text, cases[i].len, piece, &head, &text, &rest);
            if (status != cases[i].status)
                fail_msg("%d instead of %d for: %s", status, cases[i].status, cases[i].text);
            free(text);
        }
    }
}

static void test_what_follows_is_left_alone(void **state)
{
    (void)state;
    static const char two[] = WITH("Content-Length: 2\r\n") "{}" WITH("");
    struct http_head head;
    char *text;
    size_t rest;
    assert_int_equal(read_head(two, sizeof(two) - 1, sizeof(two) - 1, &head, &text, &rest), 0);
    assert_int_equal(rest, 2 + strlen(WITH("")));
    free(text);
}

static void test_too_long(void **state)
{
    (void)state;
    struct http_head head;
    size_t rest;
    char *text, *data = dv_calloc(2 * HTTP_HEAD_MAX, 1);
    int used = snprintf(data, HTTP_HEAD_MAX, "GET /");
    memset(data + used, 'a', HTTP_HEAD_MAX);
    assert_int_equal(read_head(data, HTTP_HEAD_MAX - 1, 1000, &head, &text, &rest), -1);
    assert_int_equal(read_head(data, HTTP_HEAD_MAX, 1000, &head, &text, &rest), 414);
    used = snprintf(data, HTTP_HEAD_MAX, LINE HOST "A: ");
    memset(data + used, 'a', HTTP_HEAD_MAX);
    assert_int_equal(read_head(data, HTTP_HEAD_MAX - 1, 1000, &head, &text, &rest), -1);
    assert_int_equal(read_head(data, HTTP_HEAD_MAX, 1000, &head, &text, &rest), 431);
    // The longest that is one.
    memcpy(data + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
    assert_int_equal(read_head(data, HTTP_HEAD_MAX, 1000, &head, &text, &rest), 0);
    free(text);
    used = snprintf(data, HTTP_HEAD_MAX, LINE HOST);
    for (int i = 1; i < HTTP_FIELDS_MAX; i++)
        used += snprintf(data + used, 8, "A: b\r\n");
    memcpy(data + used, "\r\n", 3);
    assert_int_equal(read_head(data, strlen(data), 1000, &head, &text, &rest), 0);
    free(text);
    memcpy(data + used, "A: b\r\n\r\n", 9);
    assert_int_equal(read_head(data, strlen(data), 1000, &head, &text, &rest), 431);
    free(text);
    free(data);
}

static void test_answer(void **state)
{
    (void)state;
    struct http_answer a = {.status = 204};
    struct strbuf out = {0};
    http_answer_print(&a, false, true, &out);
    assert_memory_equal(out.text, "HTTP/1.1 204 No Content\r\n", 25);
    assert_non_null(strstr(out.text, "\r\nConnection: close\r\n"));
    assert_null(strstr(out.text, "Content-Length")); // RFC 9110, section 8.6
    strbuf_free(&out);
    struct dv_err err;
    dv_fail(&err, DV_DENIED, "no");
    http_answer_problem(&a, 401, &err);
    http_answer_print(&a, true, false, &out); // HEAD
    char length[64];
    snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n", strlen(a.text));
    assert_non_null(strstr(out.text, length));
    assert_non_null(strstr(out.text, "\r\nWWW-Authenticate: Basic"));
    assert_null(strstr(out.text, "Connection:"));
    assert_string_equal(out.text + out.len - 4, "\r\n\r\n");
    strbuf_free(&out);
    http_answer_free(&a);
}

// ---- Places and guesses ---------------------------------------------------------------------

static void test_places(void **state)
{
    (void)state;
    static const struct place idle_of_many[] = {
        {PLACE_CLIENT, 1, 1}, {PLACE_CLIENT, 3, 5}, {PLACE_CLIENT, 3, 4}, {PLACE_CLIENT, 3, 6}};
    assert_int_equal(places_victim(idle_of_many, 4, 0), 2); // the heaviest source's oldest
    assert_int_equal(places_victim(idle_of_many, 4, 3), 2); // its own
    assert_int_equal(places_victim(idle_of_many, 4, 4), 4); // nobody has as many as the newcomer
    static const struct place busy[] = {
        {PLACE_BUSY, 9, 1}, {PLACE_PASSWORD, 9, 2}, {PLACE_PASSWORD, 9, 3}, {PLACE_CLIENT, 1, 1}};
    assert_int_equal(places_victim(busy, 4, 0), 2); // the newest guess of the one that has most
    assert_int_equal(places_victim(busy, 3, 9), 3); // a source does not push out its own passwords
    assert_int_equal(places_victim(busy, 1, 0), 1); // never what is carried out
    static const struct place mixed[] = {
        {PLACE_PASSWORD, 9, 2}, {PLACE_CLIENT, 9, 8}, {PLACE_BUSY, 9, 1}};
    assert_int_equal(places_victim(mixed, 3, 0), 1); // who keeps its client's waiting goes last
    assert_int_equal(places_victim(NULL, 0, 0), 0);
}

static void test_guesses(void **state)
{
    (void)state;
    struct guesses g = {0};
    for (int i = 0; i < GUESSES_FREE; i++)
        assert_int_equal(guesses_add(&g, 1000), 0);
    assert_int_equal(guesses_add(&g, 1000), GUESS_HELD_MS);
    assert_int_equal(guesses_add(&g, 1000 + 1000 / GUESSES_FORGIVEN), 0);
    assert_int_equal(guesses_add(&g, 1000 + 1000 / GUESSES_FORGIVEN), GUESS_HELD_MS);
    assert_false(guesses_forgiven(&g, 1300));
    assert_true(guesses_forgiven(&g, 1000000));
    assert_int_equal(guesses_add(&g, 1000000), 0);
    // Time that is looked at often passes as fast.
    for (int i = 1; i < GUESSES_FREE; i++)
        assert_int_equal(guesses_add(&g, 1000000), 0);
    for (uint64_t now = 1000000; now < 1000199; now++)
        assert_int_equal(guesses_add(&g, now), GUESS_HELD_MS);
    assert_int_equal(guesses_add(&g, 1000200), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_what_follows_is_left_alone),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_guesses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

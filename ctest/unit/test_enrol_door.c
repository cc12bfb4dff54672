// Enrolments at the station's door: a real member's side, and strangers of all kinds.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/join/enrol_door.h"
#include "enrol/client.h"
#include "enrol/frame.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"

static struct loop *loop;
static struct enrol_door *door;
static pthread_t thread;
static char station[32]; // 127.0.0.1:PORT
static uint16_t port;

// What the judge is to say, and what it was asked.
static struct code code;
static uint8_t code_key_bytes[CODE_KEY];
static const char *no_key, *no_grant;
static atomic_int tries, proofs, failures, kept, grants;
static struct enrol_request asked;

static void give_key(void *arg, uint64_t talk, const char *id, const char *from)
{
    struct dv_err why;
    (void)arg;
    assert_string_equal(from, "127.0.0.1");
    if (no_key || strcmp(id, code.id) != 0) {
        (void)dv_fail(&why, DV_DENIED, "%s", no_key ? no_key : "it has no such code");
        assert_true(enrol_door_key(door, talk, NULL, &why));
        return;
    }
    tries++;
    assert_false(enrol_door_grant(door, talk, NULL, &why)); // that comes later
    assert_true(enrol_door_key(door, talk, code_key_bytes, NULL));
    assert_false(enrol_door_key(door, talk, code_key_bytes, NULL));
}

static void note_proof(void *arg, const char *id, const char *from)
{
    (void)arg, (void)id, (void)from;
    proofs++;
}

static void note_failure(void *arg, const char *id, const char *from)
{
    (void)arg, (void)id, (void)from;
    failures++;
}

static void give_grant(void *arg, uint64_t talk, const char *id, const char *from,
                       const struct enrol_request *request, const char *at)
{
    (void)arg, (void)id, (void)from;
    struct grant out = {.uuid = request->uuid, .number = 3, .has_station_keys = true};
    struct dv_err why;
    asked = *request;
    if (no_grant) {
        (void)dv_fail(&why, DV_CONFLICT, "%s", no_grant);
        assert_true(enrol_door_grant(door, talk, NULL, &why));
        return;
    }
    grants++;
    strcpy(out.name, "given");
    strcpy(out.station.name, "pool");
    strcpy(out.station.address, at);
    out.station.uuid = (struct dv_uuid){{9}};
    out.station.engine = (struct engine_id){5, {1, 2, 3, 4, 5}};
    random_fill(&out.notify, sizeof(out.notify));
    random_fill(out.station_keys, sizeof(out.station_keys));
    assert_true(enrol_door_grant(door, talk, &out, NULL));
}

static void note_kept(void *arg, const char *id, const struct dv_uuid *member)
{
    (void)arg;
    assert_string_equal(id, code.id);
    assert_true(uuid_equal(member, &asked.uuid));
    kept++;
}

static void *run(void *arg)
{
    (void)arg;
    loop_run(loop);
    return NULL;
}

// One that is free now; the door takes it at once.
static uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    DV_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    return ntohs(at.sin_port);
}

static int set_up(void **state)
{
    (void)state;
    static const struct door_judge judge = {give_key,   note_proof, note_failure,
                                            give_grant, note_kept,  NULL};
    struct dv_err err;
    char listen_at[32];
    code_make(&code);
    assert_int_equal(code_key(&code, code_key_bytes, &err), 0);
    loop = loop_new();
    port = free_port();
    snprintf(listen_at, sizeof(listen_at), "udp:127.0.0.1:%u", port);
    snprintf(station, sizeof(station), "127.0.0.1:%u", port);
    door = enrol_door_new(loop, listen_at, &judge, &err);
    if (!door)
        fail_msg("%s", err.text);
    return pthread_create(&thread, NULL, run, NULL);
}

static void close_door(void *arg)
{
    (void)arg;
    enrol_door_free(door);
}

static int tear_down(void **state)
{
    (void)state;
    loop_call(loop, close_door, NULL);
    loop_stop(loop);
    pthread_join(thread, NULL);
    loop_free(loop);
    return 0;
}

static void nothing(void *arg)
{
    (void)arg;
}

// The loop has seen all that came before.
static void settle_until(atomic_int *count, int wanted)
{
    for (uint64_t end = loop_now_ms() + 60000; *count < wanted && loop_now_ms() < end; usleep(1000))
        loop_call(loop, nothing, NULL);
    assert_int_equal(*count, wanted);
}

static void reset(void)
{
    no_key = no_grant = NULL;
    tries = proofs = failures = kept = grants = 0;
}

// ---- The member's side ----------------------------------------------------------------------

static const struct enrol_request REQUEST = {.kind = MEMBER_UNIT,
                                             .uuid = {{1, 2, 3}},
                                             .name = "unit1",
                                             .engine = {5, {5, 4, 3, 2, 1}},
                                             .address = "udp:192.0.2.7:161",
                                             .software = "1"};
static struct grant got;

static int keep(void *arg, const struct grant *grant, struct dv_err *err)
{
    got = *grant;
    return arg ? dv_fail(err, DV_IO, "the disk is full") : 0;
}

static void test_a_member_is_let_in(void **state)
{
    (void)state;
    struct dv_err err;
    char address[64];
    reset();
    if (enrol_ask(station, &code, &REQUEST, keep, NULL, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(got.name, "given");
    assert_int_equal(got.number, 3);
    snprintf(address, sizeof(address), "udp:127.0.0.1:%u", port);
    assert_string_equal(got.station.address, address);
    assert_memory_equal(&asked, &REQUEST, sizeof(asked));
    settle_until(&kept, 1);
    assert_int_equal(tries, 1);
    assert_int_equal(proofs, 1);
    assert_int_equal(failures, 0);
}

static void test_a_member_that_cannot_keep_it_says_so(void **state)
{
    (void)state;
    struct dv_err err;
    reset();
    assert_int_equal(enrol_ask(station, &code, &REQUEST, keep, &err, &err), -1);
    assert_string_equal(err.text, "the disk is full");
    assert_int_equal(grants, 1);
    assert_int_equal(kept, 0);
}

static void test_wrong_codes(void **state)
{
    (void)state;
    struct code other = code;
    struct dv_err err;
    reset();
    other.secret[0] = other.secret[0] == '0' ? '1' : '0';
    assert_int_equal(enrol_ask(station, &other, &REQUEST, keep, NULL, &err), -1);
    assert_int_equal(err.code, DV_DENIED);
    assert_non_null(strstr(err.text, "does not know the code"));
    settle_until(&failures, 1);
    assert_int_equal(tries, 1);
    assert_int_equal(proofs, 0);

    code_make(&other);
    assert_int_equal(enrol_ask(station, &other, &REQUEST, keep, NULL, &err), -1);
    assert_non_null(strstr(err.text, "or who speaks for it, refuses: it has no such code"));
    no_key = "the code has expired";
    assert_int_equal(enrol_ask(station, &code, &REQUEST, keep, NULL, &err), -1);
    assert_non_null(strstr(err.text, "the code has expired"));
    assert_int_equal(failures, 1);
    assert_int_equal(grants, 0);
}

static void test_who_is_not_granted_hears_why(void **state)
{
    (void)state;
    struct dv_err err;
    reset();
    no_grant = "the code was used by unit9";
    assert_int_equal(enrol_ask(station, &code, &REQUEST, keep, NULL, &err), -1);
    assert_int_equal(err.code, DV_CONFLICT);
    assert_non_null(strstr(err.text, "used by unit9"));
    assert_null(strstr(err.text, "who speaks for it")); // the station itself has said so
    assert_int_equal(proofs, 1);
}

static void test_a_station_that_is_not_there(void **state)
{
    (void)state;
    struct dv_err err;
    char nobody[32];
    snprintf(nobody, sizeof(nobody), "127.0.0.1:%u", free_port());
    assert_int_equal(enrol_ask(nobody, &code, &REQUEST, keep, NULL, &err), -1);
    assert_int_equal(err.code, DV_UNREACHABLE);
    assert_non_null(strstr(err.text, "cannot be reached"));
    assert_int_equal(enrol_ask("no.such.host.invalid", &code, &REQUEST, keep, NULL, &err), -1);
    assert_non_null(strstr(err.text, "is not found"));
}

// ---- Strangers ------------------------------------------------------------------------------

static int call_station(void)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

// What the station says until it ends the connection.
static size_t all_of(int fd, uint8_t *out, size_t room)
{
    size_t got_len = 0;
    ssize_t n;
    shutdown(fd, SHUT_WR);
    while (got_len < room && (n = read(fd, out + got_len, room - got_len)) > 0)
        got_len += (size_t)n;
    return got_len;
}

static void test_garbage_ends_a_connection(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        bool answered;
    } table[] = {
        {"", 0, false},
        {"GET / HTTP/1.1\r\n\r\n", 18, false},
        {"\0\0\1", 3, true},  // an empty ask
        {"\0\0\3", 3, false}, // sealed by nobody
        {"\0\0\4", 3, false},
        {"\0\0\0", 3, false},
        {"\x10\x01\1", 3, false}, // too long
        {"\0\x35\1", 3, false},   // and nothing comes
        {"\0\0\1\0\0\1", 6, false},
    };
    uint8_t answer[FRAME_HEAD + FRAME_MAX];
    reset();
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        DV_CLOSE int fd = call_station();
        assert_int_equal(write(fd, table[i].bytes, table[i].len), table[i].len);
        size_t len = all_of(fd, answer, sizeof(answer));
        assert_int_equal(len > 0, table[i].answered);
        if (len > 0)
            assert_int_equal(answer[2], FRAME_REFUSED);
    }
    assert_int_equal(tries, 0);
}

// More of them than there are places: a member still gets in.
static void test_silent_ones_take_no_place_from_members(void **state)
{
    (void)state;
    int fds[200];
    struct dv_err err;
    reset();
    for (size_t i = 0; i < DV_COUNT(fds); i++)
        fds[i] = call_station();
    if (enrol_ask(station, &code, &REQUEST, keep, NULL, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < DV_COUNT(fds); i++)
        close(fds[i]);
}

// ---- Who sits between -----------------------------------------------------------------------

struct between {
    int listener;
    unsigned frame; // which of both sides' frames, from 0 on, is changed
    size_t bit;     // of its data
};

static bool pass_frame(int from, int to, size_t bit, bool change)
{
    uint8_t frame[FRAME_HEAD + FRAME_MAX];
    size_t have = 0, want = FRAME_HEAD;
    while (have < want) {
        ssize_t n = read(from, frame + have, want - have);
        if (n <= 0)
            return false;
        have += (size_t)n;
        if (have == FRAME_HEAD)
            want = FRAME_HEAD + ((size_t)frame[0] << 8 | frame[1]);
    }
    size_t len = want - FRAME_HEAD;
    if (change && len > 0)
        frame[FRAME_HEAD + bit / 8 % len] ^= (uint8_t)(1 << bit % 8);
    return write(to, frame, want) == (ssize_t)want;
}

static void *sit_between(void *arg)
{
    const struct between *b = arg;
    DV_CLOSE int member = accept(b->listener, NULL, NULL);
    DV_CLOSE int there = call_station();
    for (unsigned i = 0;; i++)
        if (!pass_frame(i % 2 == 0 ? member : there, i % 2 == 0 ? there : member, b->bit,
                        i == b->frame))
            return NULL;
}

static void test_who_sits_between_is_noticed(void **state)
{
    (void)state;
    for (unsigned frame = 0; frame < 4; frame++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(at);
        struct between b = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                            .frame = frame};
        struct dv_err err;
        pthread_t middle;
        char address[32];
        uint16_t any;
        reset();
        memset(&got, 0, sizeof(got));
        random_fill(&any, sizeof(any));
        b.bit = any;
        assert_int_equal(bind(b.listener, (struct sockaddr *)&at, len), 0);
        assert_int_equal(listen(b.listener, 1), 0);
        assert_int_equal(getsockname(b.listener, (struct sockaddr *)&at, &len), 0);
        snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(at.sin_port));
        pthread_create(&middle, NULL, sit_between, &b);
        int rc = enrol_ask(address, &code, &REQUEST, keep, NULL, &err);
        pthread_join(middle, NULL);
        close(b.listener);
        print_message("frame %u, bit %zu: %s\n", frame, b.bit, rc < 0 ? err.text : "let in");
        assert_int_equal(rc, -1);
        assert_int_equal(got.number, 0);
        if (frame == 1 || frame == 2) // it was proven to the station that something is wrong
            settle_until(&failures, 1);
        assert_int_equal(grants, frame == 3 ? 1 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_member_is_let_in),
        cmocka_unit_test(test_a_member_that_cannot_keep_it_says_so),
        cmocka_unit_test(test_wrong_codes),
        cmocka_unit_test(test_who_is_not_granted_hears_why),
        cmocka_unit_test(test_a_station_that_is_not_there),
        cmocka_unit_test(test_garbage_ends_a_connection),
        cmocka_unit_test(test_silent_ones_take_no_place_from_members),
        cmocka_unit_test(test_who_sits_between_is_noticed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

// Tests of nbd/talk: what options and requests are answered, by the protocol's own text.
// SPDX-License-Identifier: BSD-2-Clause
#include "nbd/talk.h"

#include "base/mem.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct nbd_export volume = {.name = "disk",
                                         .bytes = 1 << 20,
                                         .can_trim = true,
                                         .can_zero_fast = true,
                                         .least = 512,
                                         .preferred = 4096};

// ---- Options ------------------------------------------------------------------------------------

struct answer { // one reply of an option
    uint32_t option, type, len;
    const uint8_t *data;
};

static struct answer next_answer(const struct strbuf *out, size_t *at)
{
    const uint8_t *in = (const uint8_t *)out->text + *at;
    assert_true(*at + 20 <= out->len);
    assert_true(nbd_get64(in) == NBD_REPLY_MAGIC);
    struct answer a = {nbd_get32(in + 8), nbd_get32(in + 12), nbd_get32(in + 16), in + 20};
    *at += 20 + a.len;
    assert_true(*at <= out->len);
    return a;
}

// Option data: a name, and numbers or queries behind it.
static uint32_t put_name(uint8_t *out, const char *name)
{
    memcpy(nbd_put32(out, (uint32_t)strlen(name)), name, strlen(name));
    return 4 + (uint32_t)strlen(name);
}

static void the_greeting(void **state)
{
    (void)state;
    uint8_t out[NBD_GREETING];
    struct nbd_talk t = {0};
    nbd_greet(out);
    assert_memory_equal(out, "NBDMAGICIHAVEOPT\0\3", sizeof(out));
    assert_true(nbd_take_flags(&t, 1));
    assert_false(t.no_zeroes);
    assert_true(nbd_take_flags(&t, 3));
    assert_true(t.no_zeroes);
    assert_true(nbd_take_flags(&t, 0)); // it may choose an export by its name
    assert_false(t.no_zeroes);
    assert_false(nbd_take_flags(&t, 7)); // it wants what we do not know
    assert_false(nbd_take_flags(&t, 1u << 31));
}

static void go_tells_the_export_and_its_blocks(void **state)
{
    (void)state;
    static const char *const names[] = {"", "disk"};
    for (size_t i = 0; i < DV_COUNT(names); i++) {
        DV_STRBUF struct strbuf out = {0};
        struct nbd_talk t = {0};
        uint8_t data[64];
        uint32_t len = put_name(data, names[i]);
        nbd_put16(nbd_put16(nbd_put16(data + len, 2), NBD_INFO_NAME), NBD_INFO_DESCRIPTION);
        size_t at = 0;
        assert_int_equal(nbd_answer_option(&t, NBD_OPT_GO, data, len + 6, &volume, &out),
                         NBD_NEXT_REQUESTS);
        struct answer a = next_answer(&out, &at);
        assert_int_equal(a.option, NBD_OPT_GO);
        assert_int_equal(a.type, NBD_REP_INFO);
        assert_int_equal(a.len, 12);
        assert_int_equal(nbd_get16(a.data), NBD_INFO_EXPORT);
        assert_int_equal(nbd_get64(a.data + 2), volume.bytes);
        assert_int_equal(nbd_get16(a.data + 10),
                         NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
                             NBD_FLAG_CAN_MULTI_CONN | NBD_FLAG_SEND_TRIM |
                             NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_FAST_ZERO);
        a = next_answer(&out, &at);
        assert_int_equal(nbd_get16(a.data), NBD_INFO_BLOCK_SIZE);
        assert_int_equal(nbd_get32(a.data + 2), 512);
        assert_int_equal(nbd_get32(a.data + 6), 4096);
        assert_int_equal(nbd_get32(a.data + 10), NBD_REQUEST_MOST);
        a = next_answer(&out, &at);
        assert_int_equal(nbd_get16(a.data), NBD_INFO_NAME);
        assert_int_equal(a.len, 6);
        assert_memory_equal(a.data + 2, "disk", 4);
        a = next_answer(&out, &at);
        assert_int_equal(a.type, NBD_REP_ACK);
        assert_int_equal(at, out.len);
    }
}

static void flags_follow_the_volume(void **state)
{
    (void)state;
    static const struct {
        bool read_only, trim, fast, structured;
        unsigned flags; // besides those that each export has
    } cases[] = {
        {true, true, true, false, NBD_FLAG_READ_ONLY},
        {false, false, false, false, NBD_FLAG_SEND_WRITE_ZEROES},
        {false, true, false, true,
         NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_DF},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        DV_STRBUF struct strbuf out = {0};
        struct nbd_talk t = {.structured = cases[i].structured};
        struct nbd_export e = volume;
        size_t at = 0;
        e.read_only = cases[i].read_only;
        e.can_trim = cases[i].trim;
        e.can_zero_fast = cases[i].fast;
        uint8_t data[6] = {0};
        nbd_answer_option(&t, NBD_OPT_INFO, data, 6, &e, &out);
        assert_int_equal(nbd_get16(next_answer(&out, &at).data + 10),
                         cases[i].flags | NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH |
                             NBD_FLAG_SEND_FUA | NBD_FLAG_CAN_MULTI_CONN);
    }
}

static void the_old_way_in(void **state)
{
    (void)state;
    for (unsigned no_zeroes = 0; no_zeroes < 2; no_zeroes++) {
        DV_STRBUF struct strbuf out = {0};
        struct nbd_talk t = {.no_zeroes = no_zeroes};
        assert_int_equal(
            nbd_answer_option(&t, NBD_OPT_EXPORT_NAME, (const uint8_t *)"disk", 4, &volume, &out),
            NBD_NEXT_REQUESTS);
        assert_int_equal(out.len, no_zeroes ? 10 : 134);
        assert_int_equal(nbd_get64((const uint8_t *)out.text), volume.bytes);
    }
    DV_STRBUF struct strbuf out = {0};
    struct nbd_talk t = {0};
    assert_int_equal(
        nbd_answer_option(&t, NBD_OPT_EXPORT_NAME, (const uint8_t *)"dish", 4, &volume, &out),
        NBD_NEXT_CLOSE);
    assert_int_equal(out.len, 0);
}

// One option, and the type of its last reply.
static void other_options(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t option;
        const char *data;
        uint32_t len, type;
        enum nbd_next next;
        bool structured;
    } cases[] = {
        {"abort", NBD_OPT_ABORT, "", 0, NBD_REP_ACK, NBD_NEXT_CLOSE, false},
        {"list", NBD_OPT_LIST, "", 0, NBD_REP_ACK, NBD_NEXT_OPTION, false},
        {"list with data", NBD_OPT_LIST, "x", 1, NBD_REP_ERR_INVALID, NBD_NEXT_OPTION, false},
        {"TLS", NBD_OPT_STARTTLS, "", 0, NBD_REP_ERR_UNSUP, NBD_NEXT_OPTION, false},
        {"extended headers", 11, "", 0, NBD_REP_ERR_UNSUP, NBD_NEXT_OPTION, false},
        {"nobody's", 4711, "abc", 3, NBD_REP_ERR_UNSUP, NBD_NEXT_OPTION, false},
        {"structured", NBD_OPT_STRUCTURED_REPLY, "", 0, NBD_REP_ACK, NBD_NEXT_OPTION, false},
        {"structured with data", NBD_OPT_STRUCTURED_REPLY, "x", 1, NBD_REP_ERR_INVALID,
         NBD_NEXT_OPTION, false},
        {"go: unknown", NBD_OPT_GO, "\0\0\0\1x\0\0", 7, NBD_REP_ERR_UNKNOWN, NBD_NEXT_OPTION,
         false},
        {"go: nothing", NBD_OPT_GO, "", 0, NBD_REP_ERR_INVALID, NBD_NEXT_OPTION, false},
        {"go: cut in the name", NBD_OPT_GO, "\0\0\0\5disk", 8, NBD_REP_ERR_INVALID, NBD_NEXT_OPTION,
         false},
        {"go: a name of 4 GiB", NBD_OPT_GO, "\377\377\377\377\0\0", 6, NBD_REP_ERR_INVALID,
         NBD_NEXT_OPTION, false},
        {"go: no count", NBD_OPT_GO, "\0\0\0\0\0", 5, NBD_REP_ERR_INVALID, NBD_NEXT_OPTION, false},
        {"go: fewer than it says", NBD_OPT_GO, "\0\0\0\0\0\2\0\3", 8, NBD_REP_ERR_INVALID,
         NBD_NEXT_OPTION, false},
        {"go: more than it says", NBD_OPT_INFO, "\0\0\0\0\0\0\0\3", 8, NBD_REP_ERR_INVALID,
         NBD_NEXT_OPTION, false},
        {"contexts: too early", NBD_OPT_SET_META_CONTEXT, "\0\0\0\0\0\0\0\0", 8,
         NBD_REP_ERR_INVALID, NBD_NEXT_OPTION, false},
        {"contexts: none", NBD_OPT_SET_META_CONTEXT, "\0\0\0\0\0\0\0\0", 8, NBD_REP_ACK,
         NBD_NEXT_OPTION, true},
        {"contexts: cut", NBD_OPT_SET_META_CONTEXT, "\0\0\0\0\0\0\0\1", 8, NBD_REP_ERR_INVALID,
         NBD_NEXT_OPTION, true},
        {"contexts: no count", NBD_OPT_LIST_META_CONTEXT, "\0\0\0\0", 4, NBD_REP_ERR_INVALID,
         NBD_NEXT_OPTION, true},
        {"contexts: unknown", NBD_OPT_LIST_META_CONTEXT, "\0\0\0\1x\0\0\0\0", 9,
         NBD_REP_ERR_UNKNOWN, NBD_NEXT_OPTION, true},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        DV_STRBUF struct strbuf out = {0};
        struct nbd_talk t = {.structured = cases[i].structured};
        struct answer last = {0};
        enum nbd_next next = nbd_answer_option(&t, cases[i].option, (const uint8_t *)cases[i].data,
                                               cases[i].len, &volume, &out);
        for (size_t at = 0; at < out.len;) {
            last = next_answer(&out, &at);
            assert_int_equal(last.option, cases[i].option);
        }
        if (next != cases[i].next || last.type != cases[i].type)
            fail_msg("%s: next %d, type 0x%x", cases[i].what, next, last.type);
        assert_false(t.allocation);
    }
}

// Too long to be looked at: what is answered, and that it takes contexts away as any setting does.
static void long_options(void **state)
{
    (void)state;
    static const struct {
        uint32_t option, type; // 0: no reply
        enum nbd_next next;
        bool keeps_context;
    } cases[] = {
        {NBD_OPT_EXPORT_NAME, 0, NBD_NEXT_CLOSE, true},
        {NBD_OPT_ABORT, NBD_REP_ACK, NBD_NEXT_CLOSE, true},
        {NBD_OPT_LIST, NBD_REP_ERR_INVALID, NBD_NEXT_OPTION, true},
        {NBD_OPT_STARTTLS, NBD_REP_ERR_UNSUP, NBD_NEXT_OPTION, true},
        {NBD_OPT_INFO, NBD_REP_ERR_TOO_BIG, NBD_NEXT_OPTION, true},
        {NBD_OPT_GO, NBD_REP_ERR_TOO_BIG, NBD_NEXT_OPTION, true},
        {NBD_OPT_STRUCTURED_REPLY, NBD_REP_ERR_INVALID, NBD_NEXT_OPTION, true},
        {NBD_OPT_LIST_META_CONTEXT, NBD_REP_ERR_TOO_BIG, NBD_NEXT_OPTION, true},
        {NBD_OPT_SET_META_CONTEXT, NBD_REP_ERR_TOO_BIG, NBD_NEXT_OPTION, false},
        {11, NBD_REP_ERR_UNSUP, NBD_NEXT_OPTION, true},
        {4711, NBD_REP_ERR_UNSUP, NBD_NEXT_OPTION, true},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        DV_STRBUF struct strbuf out = {0};
        struct nbd_talk t = {.allocation = true};
        size_t at = 0;
        assert_int_equal(nbd_answer_long_option(&t, cases[i].option, &out), cases[i].next);
        if (cases[i].type) {
            struct answer a = next_answer(&out, &at);
            assert_int_equal(a.option, cases[i].option);
            assert_int_equal(a.type, cases[i].type);
        }
        assert_int_equal(at, out.len);
        assert_true(t.allocation == cases[i].keeps_context);
        assert_false(t.structured);
    }
}

static void contexts(void **state)
{
    (void)state;
    static const struct {
        uint32_t option;
        const char *query; // NULL: none
        bool found;
    } cases[] = {
        {NBD_OPT_SET_META_CONTEXT, "base:allocation", true},
        {NBD_OPT_SET_META_CONTEXT, "base:", false},
        {NBD_OPT_SET_META_CONTEXT, "qemu:dirty-bitmap:x", false},
        {NBD_OPT_LIST_META_CONTEXT, NULL, true},
        {NBD_OPT_LIST_META_CONTEXT, "base:", true},
        {NBD_OPT_LIST_META_CONTEXT, "base:allocation", true},
        {NBD_OPT_LIST_META_CONTEXT, "other:", false},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        DV_STRBUF struct strbuf out = {0};
        struct nbd_talk t = {.structured = true, .allocation = true};
        uint8_t data[64];
        uint32_t len = put_name(data, "disk");
        size_t at = 0;
        nbd_put32(data + len, cases[i].query ? 1 : 0);
        len += 4;
        if (cases[i].query)
            len += put_name(data + len, cases[i].query);
        assert_int_equal(nbd_answer_option(&t, cases[i].option, data, len, &volume, &out),
                         NBD_NEXT_OPTION);
        if (cases[i].found) {
            struct answer a = next_answer(&out, &at);
            assert_int_equal(a.type, NBD_REP_META_CONTEXT);
            assert_int_equal(a.len, 4 + 15);
            assert_memory_equal(a.data + 4, "base:allocation", 15);
        }
        assert_int_equal(next_answer(&out, &at).type, NBD_REP_ACK);
        assert_int_equal(at, out.len);
        // Each setting replaces the one before; listing changes nothing.
        assert_true(t.allocation ==
                    (cases[i].found || cases[i].option != NBD_OPT_SET_META_CONTEXT));
    }
}

// ---- Requests -----------------------------------------------------------------------------------

static void a_request(void **state)
{
    (void)state;
    uint8_t in[NBD_REQUEST_HEAD];
    struct nbd_request r;
    nbd_put32(nbd_put64(nbd_put64(nbd_put16(nbd_put16(nbd_put32(in, NBD_REQUEST_MAGIC), 1), 6),
                                  0x1122334455667788),
                        1 << 16),
              4096);
    assert_true(nbd_take_request(in, &r));
    assert_int_equal(r.flags, 1);
    assert_int_equal(r.type, NBD_CMD_WRITE_ZEROES);
    assert_true(r.cookie == 0x1122334455667788);
    assert_int_equal(r.offset, 1 << 16);
    assert_int_equal(r.length, 4096);
    in[3] ^= 1;
    assert_false(nbd_take_request(in, &r));
}

static void requests_are_judged(void **state)
{
    (void)state;
    static const struct nbd_talk simple, rich = {.structured = true, .allocation = true};
    struct nbd_export read_only = volume, plain = volume, bare = volume;
    read_only.read_only = true;
    plain.can_trim = plain.can_zero_fast = bare.can_trim = false;
    bare.read_only = true;
    const struct {
        const struct nbd_talk *t;
        const struct nbd_export *e;
        struct nbd_request r;
        int error;
        enum leg_op op;
        unsigned flags;
    } cases[] = {
        {&simple, &volume, {0, NBD_CMD_READ, 0, 512, 512}, 0, LEG_READ, 0},
        {&simple, &volume, {NBD_CMD_FLAG_FUA, NBD_CMD_READ, 0, 0, 512}, 0, LEG_READ, 0},
        {&rich, &volume, {NBD_CMD_FLAG_DF, NBD_CMD_READ, 0, 0, 512}, 0, LEG_READ, 0},
        {&simple, &volume, {NBD_CMD_FLAG_DF, NBD_CMD_READ, 0, 0, 512}, NBD_EINVAL, 0, 0},
        {&simple, &volume, {0, NBD_CMD_READ, 0, 1 << 20, 0}, NBD_EINVAL, 0, 0},
        {&simple, &volume, {0, NBD_CMD_WRITE, 0, 0, 0}, NBD_EINVAL, 0, 0},
        {&simple, &volume, {0, NBD_CMD_TRIM, 0, 0, 0}, NBD_EINVAL, 0, 0},
        {&simple, &volume, {0, NBD_CMD_WRITE_ZEROES, 0, 0, 0}, NBD_EINVAL, 0, 0},
        {&simple, &volume, {0, NBD_CMD_READ, 0, 1 << 20, 512}, NBD_EINVAL, 0, 0},
        {&simple, &volume, {0, NBD_CMD_READ, 0, UINT64_MAX - 511, 512}, NBD_EINVAL, 0, 0},
        {&rich, &volume, {0, NBD_CMD_READ, 0, 0, UINT32_MAX}, NBD_EOVERFLOW, 0, 0},
        {&simple, &volume, {0, NBD_CMD_READ, 0, 0, UINT32_MAX}, NBD_EINVAL, 0, 0},
        {&rich, &volume, {0, NBD_CMD_WRITE, 0, 0, UINT32_MAX}, NBD_EINVAL, 0, 0},
        {&simple, &volume, {0, NBD_CMD_READ, 0, 256, 512}, NBD_EINVAL, 0, 0},
        {&simple, &volume, {0, NBD_CMD_READ, 0, 0, 100}, NBD_EINVAL, 0, 0},
        {&simple, &read_only, {0, NBD_CMD_READ, 0, 0, 512}, 0, LEG_READ, 0},
        {&simple, &volume, {NBD_CMD_FLAG_FUA, NBD_CMD_WRITE, 0, 0, 512}, 0, LEG_WRITE, LEG_FUA},
        {&simple, &volume, {0, NBD_CMD_WRITE, 0, 1 << 20, 512}, NBD_ENOSPC, 0, 0},
        {&simple, &volume, {NBD_CMD_FLAG_NO_HOLE, NBD_CMD_WRITE, 0, 0, 512}, NBD_EINVAL, 0, 0},
        {&simple, &read_only, {0, NBD_CMD_WRITE, 0, 0, 512}, NBD_EPERM, 0, 0},
        {&simple, &volume, {0, NBD_CMD_FLUSH, 0, 0, 0}, 0, LEG_FLUSH, 0},
        {&simple, &volume, {0, NBD_CMD_FLUSH, 0, 0, 512}, NBD_EINVAL, 0, 0},
        {&simple, &read_only, {0, NBD_CMD_FLUSH, 0, 0, 0}, 0, LEG_FLUSH, 0},
        {&simple, &volume, {1, NBD_CMD_TRIM, 0, 0, 1 << 20}, 0, LEG_TRIM, LEG_FUA},
        {&simple, &plain, {0, NBD_CMD_TRIM, 0, 0, 512}, NBD_EINVAL, 0, 0},
        {&simple, &volume, {0, NBD_CMD_TRIM, 0, 1 << 20, 512}, NBD_EINVAL, 0, 0},
        {&simple, &volume, {0, NBD_CMD_WRITE_ZEROES, 0, 1 << 20, 512}, NBD_ENOSPC, 0, 0},
        {&simple, &read_only, {0, NBD_CMD_TRIM, 0, 0, 512}, NBD_EPERM, 0, 0},
        {&simple, &bare, {0, NBD_CMD_TRIM, 0, 0, 512}, NBD_EPERM, 0, 0},
        {&simple, &volume, {0, NBD_CMD_WRITE_ZEROES, 0, 0, 512}, 0, LEG_ZERO, LEG_MAY_TRIM},
        {&simple, &volume, {NBD_CMD_FLAG_NO_HOLE, NBD_CMD_WRITE_ZEROES, 0, 0, 512}, 0, LEG_ZERO, 0},
        {&simple,
         &volume,
         {NBD_CMD_FLAG_FAST_ZERO | 1, NBD_CMD_WRITE_ZEROES, 0, 0, 512},
         0,
         LEG_ZERO,
         LEG_MAY_TRIM | LEG_FAST | LEG_FUA},
        {&simple,
         &plain,
         {NBD_CMD_FLAG_FAST_ZERO, NBD_CMD_WRITE_ZEROES, 0, 0, 512},
         NBD_EINVAL,
         0,
         0},
        {&rich, &volume, {NBD_CMD_FLAG_REQ_ONE, NBD_CMD_BLOCK_STATUS, 0, 0, 512}, 0, LEG_READ, 0},
        {&rich, &volume, {0, NBD_CMD_BLOCK_STATUS, 0, 0, 0}, NBD_EINVAL, 0, 0},
        {&simple, &volume, {0, NBD_CMD_BLOCK_STATUS, 0, 0, 512}, NBD_EINVAL, 0, 0},
        {&simple, &volume, {0, 5, 0, 0, 512}, NBD_EINVAL, 0, 0}, // CACHE is not offered
        {&simple, &volume, {0, 8, 0, 0, 512}, NBD_EINVAL, 0, 0},
        {&simple, &volume, {0, 0xffff, 0, 0, 512}, NBD_EINVAL, 0, 0},
        {&simple, &volume, {0x8000, NBD_CMD_READ, 0, 0, 512}, NBD_EINVAL, 0, 0},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct nbd_task task;
        nbd_judge(cases[i].t, cases[i].e, &cases[i].r, &task);
        if (task.error != cases[i].error)
            fail_msg("case %zu: error %d: %s", i, task.error, task.why ? task.why : "none");
        if (task.error) {
            assert_non_null(task.why);
            continue;
        }
        assert_int_equal(task.op, cases[i].op);
        assert_int_equal(task.leg_flags, cases[i].flags);
        assert_int_equal(task.block_status, cases[i].r.type == NBD_CMD_BLOCK_STATUS);
    }
}

static void replies(void **state)
{
    (void)state;
    static const struct nbd_talk simple, structured = {.structured = true};
    const struct nbd_request r = {.cookie = 0x0102030405060708, .offset = 4096, .length = 512};
    uint8_t out[NBD_REPLY_MOST], *at;
    assert_int_equal(nbd_reply_data(&simple, &r, out), 16);
    assert_memory_equal(out, "\x67\x44\x66\x98\0\0\0\0\1\2\3\4\5\6\7\10", 16);
    assert_int_equal(nbd_reply_done(&simple, &r, out), 16);
    assert_int_equal(nbd_reply_error(&simple, &r, NBD_EIO, "no", out), 16);
    assert_int_equal(nbd_get32(out + 4), NBD_EIO);
    assert_int_equal(nbd_reply_data(&structured, &r, out), NBD_DATA_HEAD);
    assert_memory_equal(out, "\x66\x8e\x33\xef\0\1\0\1\1\2\3\4\5\6\7\10\0\0\2\10", 20);
    assert_int_equal(nbd_get64(out + 20), 4096);
    assert_int_equal(nbd_reply_done(&structured, &r, out), 20);
    assert_int_equal(nbd_get16(out + 6), NBD_CHUNK_NONE);
    assert_int_equal(nbd_get32(out + 16), 0);
    assert_int_equal(nbd_reply_error(&structured, &r, NBD_EPERM, "access is gone", out), 40);
    assert_int_equal(nbd_get16(out + 6), NBD_CHUNK_ERROR);
    assert_int_equal(nbd_get32(out + 16), 20);
    assert_int_equal(nbd_get32(out + 20), NBD_EPERM);
    assert_int_equal(nbd_get16(out + 24), 14);
    char text[1000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(nbd_reply_error(&structured, &r, NBD_EIO, text, out), NBD_REPLY_MOST);
    memcpy(text + NBD_ERROR_TEXT - 1, "\xc3\xa4", 2); // not cut within a character
    assert_int_equal(nbd_reply_error(&structured, &r, NBD_EIO, text, out), NBD_REPLY_MOST - 1);
    assert_int_equal(nbd_get16(out + 24), NBD_ERROR_TEXT - 1);
    assert_int_equal(nbd_reply_allocated(&r, out), 32);
    at = out + 20;
    assert_int_equal(nbd_get32(at), NBD_ALLOCATION);
    assert_int_equal(nbd_get32(at + 4), 512);
    assert_int_equal(nbd_get32(at + 8), 0);
}

static void errors_of_legs(void **state)
{
    (void)state;
    assert_int_equal(nbd_error_of(EACCES), NBD_EPERM);
    assert_int_equal(nbd_error_of(EIO), NBD_EIO);
    assert_int_equal(nbd_error_of(ENOSPC), NBD_ENOSPC);
    assert_int_equal(nbd_error_of(ENOTSUP), NBD_ENOTSUP);
    assert_int_equal(nbd_error_of(ENOTCONN), NBD_ESHUTDOWN);
    assert_int_equal(nbd_error_of(EILSEQ), NBD_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_greeting),
        cmocka_unit_test(go_tells_the_export_and_its_blocks),
        cmocka_unit_test(flags_follow_the_volume),
        cmocka_unit_test(the_old_way_in),
        cmocka_unit_test(other_options),
        cmocka_unit_test(long_options),
        cmocka_unit_test(contexts),
        cmocka_unit_test(a_request),
        cmocka_unit_test(requests_are_judged),
        cmocka_unit_test(replies),
        cmocka_unit_test(errors_of_legs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

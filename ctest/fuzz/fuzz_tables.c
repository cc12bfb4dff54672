// Fuzzes the decoding of all that a unit answers: its scalars and the rows of its tables.
// SPDX-License-Identifier: BSD-2-Clause
//
// An input names a table, an index, and values that take the place of those in a good row: so most
// of a row is as it should be, and what is tried is one odd value among good ones.
#include "base/address.h"
#include "base/mem.h"
#include "cms/member/reading.h"
#include "ctest/fuzz/input.h"
#include "dvsan_oids.h"
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Numbers near the ends of their ranges come often.
static uint64_t number(struct input *in)
{
    static const uint64_t odd[] = {0,         1,          2,         2048,       INT32_MAX,
                                   INT32_MIN, UINT32_MAX, INT64_MAX, UINT64_MAX, INT64_MAX / 512};
    uint8_t how = byte(in);
    if (how < 128)
        return how;
    if (how < 160)
        return odd[how % DV_COUNT(odd)] + byte(in) % 3 - 1;
    return bytes(in, how % 9);
}

#define VALUES 32

struct values {
    struct sn_value v[VALUES];
    void *memory[VALUES]; // each in memory of its own, so that reading behind its end is seen
};

static void put(struct values *all, size_t i, struct sn_value v)
{
    free(all->memory[i]);
    all->memory[i] = NULL;
    if (v.type == SN_OCTETS && v.octets.len > 0) {
        all->memory[i] = dv_calloc(1, v.octets.len);
        memcpy(all->memory[i], v.octets.data, v.octets.len);
        v.octets.data = all->memory[i];
    }
    all->v[i] = v;
}

static struct sn_value odd_value(struct input *in)
{
    static const struct sn_oid oid = OID_dvsanVolumeUuid;
    const uint8_t *text;
    size_t len;
    switch (byte(in) % 8) {
    case 0:
        return sn_int((int32_t)number(in));
    case 1:
        return sn_uint((uint32_t)number(in));
    case 2:
        return sn_counter64(number(in));
    case 3:
        return sn_objid(&oid);
    case 4:
        return (struct sn_value){.type = (enum sn_type)(byte(in) % (SN_END + 1))};
    default:
        text = piece(in, &len);
        return sn_octets(text, len);
    }
}

#define UUID    sn_octets("0123456789abcdef", 16)
#define NO_TEXT sn_octets("", 0)

static void need(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "it does not hold: %s\n", what);
    __builtin_trap();
}

static void need_printable(const char *text, size_t room, const char *what)
{
    char copy[512];
    need(strnlen(text, room) < room, what);
    dv_copy(copy, sizeof(copy), text);
    text_make_printable(copy);
    need(strcmp(copy, text) == 0, what);
}

// Spoils some of the values; the first byte says how many.
static void spoil(struct input *in, struct values *all, size_t count)
{
    for (uint8_t n = byte(in) % 4; n > 0; n--) {
        size_t i = byte(in) % count;
        put(all, i, odd_value(in));
    }
}

static void fill(struct values *all, const struct sn_value *good, size_t count)
{
    memset(all, 0, sizeof(*all));
    for (size_t i = 0; i < count; i++)
        put(all, i, good[i]);
}

static void drop(struct values *all)
{
    for (size_t i = 0; i < VALUES; i++)
        free(all->memory[i]);
}

// ---- One function for each table ---------------------------------------------------------------

static void head(struct input *in, const uint32_t *index, size_t len)
{
    (void)index, (void)len;
    const struct sn_value good[] = {
        UUID,
        sn_int(1),
        sn_text("unit1"),
        sn_uint(3),
        sn_uint(7),
        sn_int(2),
        sn_uint(25),
        sn_text("0.1.0"),
        sn_uint(5),
        sn_text("udp:192.0.2.1:161"),
        NO_TEXT,
        NO_TEXT, // who holds it, as the next seven tell
        NO_TEXT,
        sn_uint(3),
        sn_uint(4),
        sn_uint(0),
        NO_TEXT,
        {.type = SN_COUNTER32, .u = 2},
        sn_int(1),
        NO_TEXT,
        sn_uint(4), // its keys
        sn_uint(40),
        sn_uint(100),
    };
    struct values all;
    struct sn_var vars[READING_HEAD_MAX];
    struct sn_oid oids[READING_HEAD_MAX];
    struct reading *r = dv_calloc(1, sizeof(*r));
    r->watched[r->watched_count++] = 7;
    r->watched[r->watched_count++] = 8;
    size_t n = reading_head_oids(r, oids);
    need(n <= DV_COUNT(oids) && n <= VALUES, "head fits");
    fill(&all, good, DV_COUNT(good));
    for (size_t i = DV_COUNT(good); i < n; i++)
        put(&all, i, NO_TEXT);
    spoil(in, &all, n);
    for (size_t i = 0; i < n; i++)
        vars[i] = (struct sn_var){oids[i], all.v[i]};
    const char *why = NULL;
    struct sn_result answer = {
        .code = DV_OK, .vars = vars, .count = byte(in) % 8 ? n : byte(in) % (n + 1), .text = ""};
    if (reading_head(&answer, r, &why)) {
        need(!uuid_is_zero(&r->uuid), "a member's UUID");
        need(transport_check(r->address, ADDRESS_OF_HOST, NULL) == 0, "a member's address");
        need(r->kind == MEMBER_UNIT, "a unit");
        need(r->oper >= MEMBER_STARTING && r->oper <= MEMBER_SHUTTING_DOWN, "its state");
        need_printable(r->name, sizeof(r->name), "its name");
        need_printable(r->software, sizeof(r->software), "its software");
        need_printable(r->last_error, sizeof(r->last_error), "its trouble");
        need(r->progress_count <= READING_PROGRESS_MAX, "progress");
    } else {
        need(why != NULL, "a reason");
    }
    reading_free(r);
    drop(&all);
}

static void tail(struct input *in, const uint32_t *index, size_t len)
{
    (void)index, (void)len;
    struct values all;
    struct sn_oid oids[READING_TAIL_MAX];
    struct sn_var vars[READING_TAIL_MAX];
    size_t n = reading_tail_oids(oids);
    fill(&all, NULL, 0);
    for (size_t i = 0; i < n; i++)
        put(&all, i, sn_uint(3));
    spoil(in, &all, n);
    for (size_t i = 0; i < n; i++)
        vars[i] = (struct sn_var){oids[i], all.v[i]};
    struct sn_result answer = {
        .code = DV_OK, .vars = vars, .count = byte(in) % (n + 1), .text = ""};
    struct reading_tail out;
    if (reading_tail(&answer, &out))
        need(answer.count == n, "a whole tail");
    drop(&all);
}

static void medium(struct input *in, const uint32_t *index, size_t len)
{
    const struct sn_value good[] = {
        sn_text("pool0"), sn_int(1), sn_counter64(1000), sn_counter64(600), sn_counter64(500),
        sn_int(1),        NO_TEXT,
    };
    struct values all;
    struct medium m;
    fill(&all, good, DV_COUNT(good));
    spoil(in, &all, DV_COUNT(good));
    if (reading_medium(index, len, all.v, &m)) {
        need(m.index >= 1 && m.index <= INT32_MAX, "a medium's index");
        need(new_name_check("medium", m.name, NULL) == 0, "a medium's name");
        need(m.largest_free_blocks <= m.free_blocks && m.free_blocks <= m.blocks, "free blocks");
        need(m.blocks <= INT64_MAX / BLOCK_SIZE, "a medium's size in bytes");
        need(strcmp(medium_kind_name(m.kind), "unknown") != 0, "a medium's kind");
        need(strcmp(medium_state_name(m.state), "unknown") != 0, "a medium's state");
        need_printable(m.last_error, sizeof(m.last_error), "a medium's trouble");
    }
    drop(&all);
}

static void free_extent(struct input *in, const uint32_t *index, size_t len)
{
    struct values all;
    struct free_extent f;
    const struct sn_value good[] = {sn_counter64(len > 1 ? (uint64_t)index[1] * BLOCKS_PER_MIB : 0),
                                    sn_counter64(2048)};
    fill(&all, good, DV_COUNT(good));
    spoil(in, &all, DV_COUNT(good));
    if (reading_free_extent(index, len, all.v, &f)) {
        need(f.medium >= 1 && f.blocks > 0, "a free extent");
        need(f.start_lba + f.blocks <= INT64_MAX / BLOCK_SIZE, "a free extent's end in bytes");
    }
    drop(&all);
}

static void portal(struct input *in, const uint32_t *index, size_t len)
{
    const struct sn_value good[] = {sn_uint(3260), sn_int(1), sn_int(1), sn_octets("\xc0\0\2\1", 4),
                                    sn_int(1)};
    struct values all;
    struct portal p;
    char usual[INET6_ADDRSTRLEN];
    fill(&all, good, DV_COUNT(good));
    spoil(in, &all, DV_COUNT(good));
    if (reading_portal(index, len, all.v, &p)) {
        need(address_check(p.address, ADDRESS_OF_HOST, usual, NULL) == 0, "a portal's address");
        need(strcmp(usual, p.address) == 0, "in its usual form");
        need(p.port > 0 && p.index >= 1 && p.group >= 1 && p.group <= UNIT_GROUPS_MAX, "a portal");
    }
    drop(&all);
}

static void volume(struct input *in, const uint32_t *index, size_t len)
{
    const struct sn_value good[] = {
        UUID,
        sn_text("db1"),
        sn_uint(2),
        sn_int(1),
        sn_counter64(2048),
        sn_counter64(4096),
        sn_text("iqn.2026-11.x:1"),
        sn_uint(1),
        sn_int(1),
        sn_int(2),
        sn_uint(100),
        NO_TEXT,
        sn_uint(7),
        sn_uint(3),
        sn_uint(2),
    };
    struct values all;
    struct volume v;
    fill(&all, good, DV_COUNT(good));
    spoil(in, &all, DV_COUNT(good));
    if (reading_volume(index, len, all.v, &v)) {
        need(v.index >= 1 && v.index <= INT32_MAX, "a volume's index");
        need(!uuid_is_zero(&v.uuid), "a volume's UUID");
        need(iqn_check(v.iqn, NULL) == 0 && iqn_is_canonical(v.iqn), "a target's name");
        need(v.blocks > 0 && volume_end_lba(&v) < INT64_MAX / BLOCK_SIZE,
             "a volume's end in bytes");
        need(v.target_blocks <= INT64_MAX / BLOCK_SIZE, "a volume's next size");
        need(v.group >= 1 && v.group <= UNIT_GROUPS_MAX && v.progress <= 100, "a volume");
        need(strcmp(volume_state_name(v.state), "unknown") != 0, "a volume's state");
        need_printable(v.name, sizeof(v.name), "a volume's name");
        need_printable(v.last_error, sizeof(v.last_error), "a volume's trouble");
    }
    drop(&all);
}

static void rule(struct input *in, const uint32_t *index, size_t len)
{
    const struct sn_value good[] = {sn_text("iqn.2026-11.x:Web"), sn_text("web"), sn_int(2),
                                    sn_int(2), NO_TEXT};
    struct values all;
    struct access_rule r;
    fill(&all, good, DV_COUNT(good));
    spoil(in, &all, DV_COUNT(good));
    if (reading_rule(index, len, all.v, &r)) {
        need(r.volume >= 1 && r.index >= 1, "a rule's index");
        need(iqn_check(r.initiator, NULL) == 0, "an initiator");
        need(chap_user_check(r.chap_user, NULL) == 0, "a CHAP user");
        need(strcmp(access_state_name(r.state), "unknown") != 0, "a rule's state");
        need_printable(r.last_error, sizeof(r.last_error), "a rule's trouble");
    }
    drop(&all);
}

static void change(struct input *in, const uint32_t *index, size_t len)
{
    const struct sn_value good[] = {sn_int(3), sn_uint(5)};
    struct values all;
    struct reading_change c;
    fill(&all, good, DV_COUNT(good));
    spoil(in, &all, DV_COUNT(good));
    if (reading_change(index, len, all.v, &c))
        need(c.kind >= 1 && c.kind <= dvsanChangeKind_volumeDeleted, "a change's kind");
    drop(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const decoders[])(struct input *, const uint32_t *, size_t) = {
        head, tail, medium, free_extent, portal, volume, rule, change};
    struct input in = {data, size};
    uint8_t which = byte(&in);
    uint32_t index[2] = {(uint32_t)number(&in), (uint32_t)number(&in)};
    size_t len = byte(&in) % 3;
    // An index of the table's own length, mostly.
    DV_FREE uint32_t *exact = dv_calloc(len + 1, sizeof(*exact));
    memcpy(exact, index, len * sizeof(*exact));
    decoders[which % DV_COUNT(decoders)](&in, exact, len);
    return 0;
}

// The lying target: what it answers to SCSI commands.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/liar_private.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

// ---- Answers to commands ------------------------------------------------------------------

void liar_respond(struct conn *c, uint32_t itt, uint8_t status, uint8_t flags, uint32_t residual,
                  const void *data, uint32_t len)
{
    uint8_t head[HEAD] = {RESPONSE, FINAL | flags, 0, status};
    liar_put(head + 16, itt, 4);
    liar_put(head + 44, residual, 4);
    liar_answer(c, head, data, len, true);
}

static void respond_sense(struct conn *c, uint32_t itt, uint32_t sense)
{
    uint8_t data[2 + 18] = {0, 18, 0x70, 0, (uint8_t)(sense >> 16)};
    data[2 + 7] = 10;
    data[2 + 12] = (uint8_t)(sense >> 8);
    data[2 + 13] = (uint8_t)sense;
    liar_respond(c, itt, 0x02, 0, 0, data, sizeof(data));
}

// Data in pieces, the last with GOOD.
static void send_data(struct conn *c, uint32_t itt, const uint8_t *data, uint32_t len,
                      uint8_t flags, uint32_t residual)
{
    uint32_t at = 0, sn = 0;
    if (len == 0) {
        liar_respond(c, itt, 0, flags, residual, NULL, 0);
        return;
    }
    while (at < len && !c->closed) {
        uint32_t piece = len - at < PIECE ? len - at : PIECE;
        bool last = at + piece == len;
        uint8_t head[HEAD] = {DATA_IN, last ? (uint8_t)(FINAL | HAS_STATUS | flags) : 0};
        liar_put(head + 16, itt, 4);
        liar_put(head + 20, 0xffffffff, 4);
        liar_put(head + 36, sn++, 4);
        liar_put(head + 40, at, 4);
        liar_put(head + 44, last ? residual : 0, 4);
        liar_answer(c, head, data + at, piece, last);
        at += piece;
    }
}

static void ask_data(struct conn *c, uint32_t itt, uint32_t offset, uint32_t len)
{
    uint8_t head[HEAD] = {R2T, FINAL};
    liar_put(head + 16, itt, 4);
    liar_put(head + 20, itt + 1, 4);
    liar_put(head + 40, offset, 4);
    liar_put(head + 44, len, 4);
    liar_answer(c, head, NULL, 0, false);
}

void liar_reject(struct conn *c, const uint8_t *of, uint8_t reason)
{
    uint8_t head[HEAD] = {REJECT, FINAL, reason};
    liar_put(head + 16, 0xffffffff, 4);
    liar_answer(c, head, of, HEAD, true);
}

// Lies that are the same for all commands; false: the command is to be carried out.
static bool lied(struct conn *c, const uint8_t *head, const struct rule *r)
{
    uint32_t itt = (uint32_t)liar_number(head + 16, 4);
    switch (r->lie) {
    case LIAR_STATUS:
        liar_respond(c, itt, (uint8_t)r->arg, 0, 0, NULL, 0);
        return true;
    case LIAR_SENSE:
        respond_sense(c, itt, (uint32_t)r->arg);
        return true;
    case LIAR_RAW:
        liar_respond(c, itt, 0x02, 0, 0, c->liar->raw, (uint32_t)c->liar->raw_len);
        return true;
    case LIAR_CLOSE:
        c->closed = true;
        return true;
    case LIAR_SILENCE:
        return true;
    case LIAR_REJECT:
        liar_reject(c, head, (uint8_t)r->arg);
        return true;
    case LIAR_ASK_DATA:
        ask_data(c, itt, 0, 4096);
        liar_respond(c, itt, 0, 0, 0, NULL, 0);
        return true;
    default:
        return false;
    }
}

static void send_for_ever(struct conn *c, uint32_t itt)
{
    static const uint8_t data[PIECE];
    for (uint32_t sn = 0; !c->closed; sn++) {
        uint8_t head[HEAD] = {DATA_IN};
        liar_put(head + 16, itt, 4);
        liar_put(head + 20, 0xffffffff, 4);
        liar_put(head + 36, sn, 4);
        liar_put(head + 40, (uint64_t)sn * PIECE, 4);
        liar_answer(c, head, data, PIECE, false);
        poll(NULL, 0, 50); // libiscsi hands back control only when nothing is there to be read
    }
}

// What a command reads, cut, stretched, or with a residual.
static void give(struct conn *c, uint32_t itt, const struct rule *r, uint8_t *data, uint32_t len)
{
    uint8_t flags = r->lie == LIAR_UNDERFLOW ? UNDER : r->lie == LIAR_OVERFLOW ? OVER : 0;
    if (r->lie == LIAR_ENDLESS) {
        send_for_ever(c, itt);
        return;
    }
    if (r->lie == LIAR_SHORT || (r->lie == LIAR_CLAIM && r->arg < len))
        len = (uint32_t)r->arg;
    if (r->lie == LIAR_LONG)
        len += (uint32_t)r->arg;
    send_data(c, itt, data, len, flags, flags ? (uint32_t)r->arg : 0);
}

static void do_read(struct conn *c, const uint8_t *head, const struct rule *r)
{
    struct liar *l = c->liar;
    uint64_t offset = liar_number(head + 34, 8) * LIAR_BLOCK;
    uint32_t len = (uint32_t)liar_number(head + 42, 4) * LIAR_BLOCK;
    uint32_t itt = (uint32_t)liar_number(head + 16, 4);
    if (len > DATA_MOST || offset + len > l->bytes) {
        respond_sense(c, itt, 0x052100);
        return;
    }
    uint8_t *data = calloc(1, DATA_MOST * 2);
    pthread_mutex_lock(&l->lock);
    memcpy(data, l->cache + offset, len);
    pthread_mutex_unlock(&l->lock);
    give(c, itt, r, data, len);
    free(data);
}

static void do_small(struct conn *c, const uint8_t *head, const struct rule *r)
{
    struct liar *l = c->liar;
    const uint8_t *cdb = head + 32;
    uint32_t itt = (uint32_t)liar_number(head + 16, 4), len = 0;
    uint8_t data[512] = {0};
    if (cdb[0] == LIAR_CAPACITY) {
        len = 32;
        liar_put(data, l->bytes / LIAR_BLOCK - 1, 8);
        liar_put(data + 8, r->lie == LIAR_CLAIM ? r->arg : LIAR_BLOCK, 4);
        data[13] = 3;
    } else if (cdb[0] == LIAR_INQUIRY && cdb[1] & 1 && cdb[2] == 0xb0) {
        len = 64;
        data[1] = 0xb0;
        data[3] = 60;
        liar_put(data + 20, 1u << 16, 4);
        liar_put(data + 24, 1, 4);
        liar_put(data + 36, 1u << 16, 8);
    } else if (cdb[0] == LIAR_INQUIRY && cdb[1] & 1 && cdb[2] == 0xb2) {
        len = 8;
        data[1] = 0xb2;
        data[3] = 4;
        data[5] = 0xc0;
    } else if (cdb[0] == LIAR_MODE_SENSE && (cdb[2] & 0x3f) == 0x08) {
        len = 4 + 20;
        data[2] = 0x10;
        data[4] = 8;
        data[5] = 18;
    } else if (cdb[0] == LIAR_MODE_SENSE && (cdb[2] & 0x3f) == 0x3e && l->tells_boot) {
        len = 4 + 22;
        data[4] = 0x3e;
        data[5] = 20;
        memcpy(data + 6, "DVSN", 4);
        memcpy(data + 10, l->boot, 16);
    } else {
        respond_sense(c, itt, 0x052400);
        return;
    }
    if (cdb[0] == LIAR_MODE_SENSE)
        data[0] = (uint8_t)(len - 1);
    struct rule claim = *r;
    if (cdb[0] == LIAR_CAPACITY && r->lie == LIAR_CLAIM)
        claim.lie = LIAR_HONEST;
    give(c, itt, &claim, data, len);
}

// ---- Writes -------------------------------------------------------------------------------

static void written(struct conn *c, struct write *w)
{
    uint8_t flags = w->lie == LIAR_UNDERFLOW ? UNDER : w->lie == LIAR_OVERFLOW ? OVER : 0;
    w->used = false;
    liar_respond(c, w->itt, 0, flags, flags ? (uint32_t)w->arg : 0, NULL, 0);
}

static void take(struct conn *c, struct write *w, uint32_t at, const uint8_t *data, uint32_t len)
{
    struct liar *l = c->liar;
    pthread_mutex_lock(&l->lock);
    if (w->offset + at + len <= l->bytes)
        memcpy(l->cache + w->offset + at, data, len);
    pthread_mutex_unlock(&l->lock);
    w->got += len;
}

// After a burst: asks for the next, or is done.
static void go_on(struct conn *c, struct write *w)
{
    if (w->got >= w->total)
        written(c, w);
    else
        ask_data(c, w->itt, w->got, w->total - w->got < BURST ? w->total - w->got : BURST);
}

static void do_write(struct conn *c, const uint8_t *head, const uint8_t *data, uint32_t len,
                     const struct rule *r)
{
    struct write *w = c->writes;
    while (w->used && w < c->writes + WRITES - 1)
        w++;
    *w = (struct write){.used = true,
                        .itt = (uint32_t)liar_number(head + 16, 4),
                        .offset = liar_number(head + 34, 8) * LIAR_BLOCK,
                        .total = (uint32_t)liar_number(head + 20, 4),
                        .lie = r->lie,
                        .arg = r->arg};
    take(c, w, 0, data, len);
    if (head[1] & FINAL)
        go_on(c, w);
}

void liar_data_out(struct conn *c, const uint8_t *head, const uint8_t *data, uint32_t len)
{
    uint32_t itt = (uint32_t)liar_number(head + 16, 4);
    for (struct write *w = c->writes; w < c->writes + WRITES; w++) {
        if (!w->used || w->itt != itt)
            continue;
        take(c, w, (uint32_t)liar_number(head + 40, 4), data, len);
        if (head[1] & FINAL)
            go_on(c, w);
        return;
    }
}

static void do_zero(struct conn *c, const uint8_t *head)
{
    struct liar *l = c->liar;
    uint64_t offset = liar_number(head + 34, 8) * LIAR_BLOCK,
             len = liar_number(head + 42, 4) * LIAR_BLOCK;
    pthread_mutex_lock(&l->lock);
    if (offset + len <= l->bytes)
        memset(l->cache + offset, 0, len);
    pthread_mutex_unlock(&l->lock);
    liar_respond(c, (uint32_t)liar_number(head + 16, 4), 0, 0, 0, NULL, 0);
}

void liar_command(struct conn *c, const uint8_t *head, const uint8_t *data, uint32_t len,
                  const struct rule *r)
{
    struct liar *l = c->liar;
    uint32_t itt = (uint32_t)liar_number(head + 16, 4);
    if (r->lie == LIAR_EARLY || lied(c, head, r))
        return;
    switch (head[32]) {
    case LIAR_READ:
        do_read(c, head, r);
        break;
    case LIAR_WRITE:
        do_write(c, head, data, len, r);
        break;
    case LIAR_SAME:
        do_zero(c, head);
        break;
    case LIAR_FLUSH:
        pthread_mutex_lock(&l->lock);
        memcpy(l->stable, l->cache, l->bytes);
        pthread_mutex_unlock(&l->lock);
        liar_respond(c, itt, 0, 0, 0, NULL, 0);
        break;
    case LIAR_TEST_READY:
    case LIAR_UNMAP:
        liar_respond(c, itt, 0, 0, 0, NULL, 0);
        break;
    default:
        do_small(c, head, r);
    }
}

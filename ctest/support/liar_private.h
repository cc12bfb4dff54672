// The lying target, private part: what its files share.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_TEST_LIAR_PRIVATE_H
#define DVSAN_TEST_LIAR_PRIVATE_H

#include "ctest/support/liar.h"

#include <pthread.h>

#define HEAD       48
#define DATA_MOST  (1u << 20)
#define RULES      16
#define WRITES     256
#define PIECE      65536 // of a Data-In
#define BURST      262144
#define CMD_WINDOW 64

enum {
    NOP_OUT = 0x00,
    COMMAND = 0x01,
    TASK_MANAGEMENT = 0x02,
    LOGIN = 0x03,
    DATA_OUT = 0x05,
    LOGOUT = 0x06,
    NOP_IN = 0x20,
    RESPONSE = 0x21,
    TASK_MANAGEMENT_DONE = 0x22,
    LOGIN_DONE = 0x23,
    DATA_IN = 0x25,
    LOGOUT_DONE = 0x26,
    R2T = 0x31,
    REJECT = 0x3f,
};
enum { FINAL = 0x80, HAS_STATUS = 0x01, UNDER = 0x02, OVER = 0x04 };

struct rule {
    enum liar_about about;
    unsigned from, until;
    enum liar_lie lie;
    uint64_t arg;
};

struct conn {
    struct liar *liar;
    int fd;
    bool closed, doomed;
    uint32_t stat_sn, exp_cmd_sn;
    struct write {
        bool used;
        uint32_t itt, asked;
        uint64_t offset;
        uint32_t total, got;
        enum liar_lie lie;
        uint64_t arg;
    } writes[WRITES];
    struct conn *next;
};

struct liar {
    pthread_mutex_t lock;
    pthread_cond_t gone;
    char portal[64];
    int listener, wake[2];
    pthread_t thread;
    bool ending;
    struct conn *conns;

    uint8_t *cache, *stable;
    size_t bytes;
    struct rule rules[RULES];
    unsigned rule_count, counts[LIAR_KINDS];
    uint8_t raw[64];
    size_t raw_len;
    uint64_t seed;
    unsigned one_in, segment, first_burst;
    uint8_t boot[16];
    bool tells_boot;
    uint16_t tsih;
};

// Numbers of n bytes as they are sent.
static inline uint64_t liar_number(const uint8_t *at, unsigned n)
{
    uint64_t v = 0;
    while (n--)
        v = v << 8 | *at++;
    return v;
}

static inline void liar_put(uint8_t *at, uint64_t v, unsigned n)
{
    while (n--) {
        at[n] = (uint8_t)v;
        v >>= 8;
    }
}

// liar.c

// Sends one PDU with data; sets its numbers. counts: whether it has a StatSN of its own.
void liar_answer(struct conn *c, uint8_t head[HEAD], const void *data, uint32_t len, bool counts);

// liar_command.c

void liar_command(struct conn *c, const uint8_t *head, const uint8_t *data, uint32_t len,
                  const struct rule *r);
void liar_data_out(struct conn *c, const uint8_t *head, const uint8_t *data, uint32_t len);
void liar_respond(struct conn *c, uint32_t itt, uint8_t status, uint8_t flags, uint32_t residual,
                  const void *data, uint32_t len);
void liar_reject(struct conn *c, const uint8_t *of, uint8_t reason);

#endif

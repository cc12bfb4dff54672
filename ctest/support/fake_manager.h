// The SNMP manager and the loop's timers, as a test of one program has them in its hand.
// SPDX-License-Identifier: BSD-2-Clause
//
// A test answers each request itself, and time passes when it says so: nothing is sent, and nobody
// waits. The linker puts the functions here in the place of the true ones (FAKE_MANAGER in
// ctest/unit/CMakeLists.txt).
#ifndef DVSAN_CTEST_FAKE_MANAGER_H
#define DVSAN_CTEST_FAKE_MANAGER_H

#include "base/mem.h"
#include "base/text.h"
#include "cms/core/seal.h"
#include "cms/member/reading.h"
#include "dvsan_oids.h"
#include "loop/loop.h"
#include "snmp/manager.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <utlist.h>

#include <cmocka.h>

struct loop_timer {
    loop_fn *fn;
    void *arg;
    bool set;
    uint64_t at;
    struct loop_timer *prev, *next;
};

struct sn_peer {
    char address[ADDRESS_MAX_LEN + 1], user[64];
    bool time_forgotten;
    unsigned number; // in the order in which they were made
    struct sn_peer *prev, *next;
};

enum asked_kind { ASKED_GET, ASKED_SET, ASKED_WALK };

struct asked { // a request that was not answered yet
    enum asked_kind kind;
    struct sn_peer *peer;
    struct sn_oid *oids; // that were asked for, or set
    size_t count;
    uint32_t after; // where a walk begins; 0: at the first row
    struct sn_timing timing;
    sn_row_fn *row;
    sn_done_fn *done;
    void *arg;
    struct asked *prev, *next;
};

static struct {
    uint64_t now; // loop_now_ms
    struct loop_timer *timers;
    struct sn_peer *peers;
    struct asked *asked;
    const char *unusable; // an address
    unsigned peers_made;
} fake;

// ---- Time ------------------------------------------------------------------------------------

uint64_t __wrap_loop_now_ms(void);
struct loop_timer *__wrap_loop_timer_new(struct loop *loop, loop_fn *fn, void *arg);
void __wrap_loop_timer_set(struct loop_timer *t, uint32_t ms);
void __wrap_loop_timer_free(struct loop_timer *t);

uint64_t __wrap_loop_now_ms(void)
{
    return fake.now;
}

struct loop_timer *__wrap_loop_timer_new(struct loop *loop, loop_fn *fn, void *arg)
{
    struct loop_timer *t = dv_calloc(1, sizeof(*t));
    (void)loop;
    *t = (struct loop_timer){.fn = fn, .arg = arg};
    DL_APPEND(fake.timers, t);
    return t;
}

void __wrap_loop_timer_set(struct loop_timer *t, uint32_t ms)
{
    t->set = true;
    t->at = fake.now + ms;
}

void __wrap_loop_timer_free(struct loop_timer *t)
{
    if (!t)
        return;
    DL_DELETE(fake.timers, t);
    free(t);
}

// The timer that runs out first, if it does until then; NULL: none does.
static inline struct loop_timer *fake_timer_due(uint64_t until)
{
    struct loop_timer *t, *first = NULL;
    DL_FOREACH(fake.timers, t)
    if (t->set && t->at <= until && (!first || t->at < first->at))
        first = t;
    return first;
}

static inline void fake_timer_fire(struct loop_timer *t)
{
    if (t->at > fake.now)
        fake.now = t->at;
    t->set = false;
    t->fn(t->arg);
}

// ---- Requests ----------------------------------------------------------------------------------

struct sn_peer *__wrap_sn_peer_new(struct sn_env *env, const char *address,
                                   const struct sn_user *user, const struct sn_engine_id *engine,
                                   struct dv_err *err);
void __wrap_sn_peer_free(struct sn_peer *peer);
void __wrap_sn_peer_forget_time(struct sn_peer *peer);
void __wrap_sn_get(struct sn_peer *peer, const struct sn_oid *oids, size_t count,
                   struct sn_timing timing, sn_done_fn *done, void *arg);
void __wrap_sn_set(struct sn_peer *peer, const struct sn_var *vars, size_t count,
                   struct sn_timing timing, sn_done_fn *done, void *arg);
void __wrap_sn_walk(struct sn_peer *peer, const struct sn_oid *columns, size_t count,
                    const uint32_t *after, size_t after_len, const struct sn_proof *proof,
                    struct sn_timing timing, sn_row_fn *row, sn_done_fn *done, void *arg);
void __wrap_sn_env_engine_id(const struct sn_env *env, struct sn_engine_id *out);
void __wrap_seal_member_keys(const struct seal *s, enum keys_role role,
                             const struct unit_record *member, uint32_t number,
                             const struct engine_id *engine, struct member_keys *out);

struct sn_peer *__wrap_sn_peer_new(struct sn_env *env, const char *address,
                                   const struct sn_user *user, const struct sn_engine_id *engine,
                                   struct dv_err *err)
{
    (void)env;
    (void)engine;
    if (fake.unusable && strcmp(address, fake.unusable) == 0) {
        (void)dv_fail(err, DV_INVALID, "%s cannot be used", address);
        return NULL;
    }
    struct sn_peer *peer = dv_calloc(1, sizeof(*peer));
    dv_copy(peer->address, sizeof(peer->address), address);
    dv_copy(peer->user, sizeof(peer->user), user->name);
    peer->number = ++fake.peers_made;
    DL_APPEND(fake.peers, peer);
    return peer;
}

// Takes the request out, and calls done.
static inline void fake_end(struct asked *a, const struct sn_result *result)
{
    DL_DELETE(fake.asked, a);
    a->done(a->arg, result);
    free(a->oids);
    free(a);
}

void __wrap_sn_peer_free(struct sn_peer *peer)
{
    static const struct sn_result cancelled = {.code = DV_CANCELLED, .text = "cancelled"};
    struct asked *a, *next;
    if (!peer)
        return;
    DL_DELETE(fake.peers, peer);
    DL_FOREACH_SAFE(fake.asked, a, next)
    if (a->peer == peer)
        fake_end(a, &cancelled);
    free(peer);
}

void __wrap_sn_peer_forget_time(struct sn_peer *peer)
{
    peer->time_forgotten = true;
}

static inline struct asked *fake_ask(enum asked_kind kind, struct sn_peer *peer, size_t count,
                                     struct sn_timing timing, sn_done_fn *done, void *arg)
{
    struct asked *a = dv_calloc(1, sizeof(*a));
    *a = (struct asked){
        .kind = kind, .peer = peer, .count = count, .timing = timing, .done = done, .arg = arg};
    a->oids = dv_calloc(count, sizeof(*a->oids));
    DL_APPEND(fake.asked, a);
    return a;
}

void __wrap_sn_get(struct sn_peer *peer, const struct sn_oid *oids, size_t count,
                   struct sn_timing timing, sn_done_fn *done, void *arg)
{
    struct asked *a = fake_ask(ASKED_GET, peer, count, timing, done, arg);
    memcpy(a->oids, oids, count * sizeof(*oids));
}

void __wrap_sn_set(struct sn_peer *peer, const struct sn_var *vars, size_t count,
                   struct sn_timing timing, sn_done_fn *done, void *arg)
{
    struct asked *a = fake_ask(ASKED_SET, peer, count, timing, done, arg);
    for (size_t i = 0; i < count; i++)
        a->oids[i] = vars[i].oid;
}

void __wrap_sn_walk(struct sn_peer *peer, const struct sn_oid *columns, size_t count,
                    const uint32_t *after, size_t after_len, const struct sn_proof *proof,
                    struct sn_timing timing, sn_row_fn *row, sn_done_fn *done, void *arg)
{
    struct asked *a = fake_ask(ASKED_WALK, peer, count, timing, done, arg);
    (void)proof;
    memcpy(a->oids, columns, count * sizeof(*columns));
    a->after = after_len > 0 ? after[0] : 0;
    a->row = row;
}

void __wrap_sn_env_engine_id(const struct sn_env *env, struct sn_engine_id *out)
{
    (void)env;
    *out = (struct sn_engine_id){.len = 5, .b = "67890"};
}

// All keys are alike: nobody is asked with them.
void __wrap_seal_member_keys(const struct seal *s, enum keys_role role,
                             const struct unit_record *member, uint32_t number,
                             const struct engine_id *engine, struct member_keys *out)
{
    (void)s;
    (void)role;
    (void)member;
    (void)number;
    (void)engine;
    *out = (struct member_keys){0};
}

static inline size_t count_asked(enum asked_kind kind)
{
    const struct asked *a;
    size_t n = 0;
    DL_FOREACH(fake.asked, a)
    n += a->kind == kind;
    return n;
}

// Nothing is left of a test.
static inline void fake_assert_clean(void)
{
    assert_null(fake.asked);
    assert_null(fake.peers);
    assert_null(fake.timers);
}

#endif

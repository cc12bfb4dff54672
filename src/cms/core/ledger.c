// Changes on their way.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/core/ledger.h"

#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include <pthread.h>
#include <string.h>
#include <utlist.h>

struct turn {
    uint64_t number;
    ledger_turn_fn *fn;
    ledger_then_fn *then; // instead: what follows a commit
    bool failed;
    struct dv_err err;
    struct turn *prev, *next;
    char arg[] __attribute__((aligned(16)));
};

struct batch {
    struct changes changes;
    enum ledger_weight weight;
    struct ledger_outcome *outcome;
    struct dv_err err;
    bool failed;
    struct turn *then; // comes behind it; NULL: nothing does
    struct batch *prev, *next;
};

struct ledger {
    struct loop *loop;
    struct ledger_owner owner;
    struct turn *first, *turns; // those that come before all others, and these
    uint64_t last_turn;
    bool in_turn;
    struct loop_timer *again; // goes on with turns
    struct batch *batches;    // the first is being written
    uint64_t since;           // loop_now_ms
    struct ledger_outcome *watch;
    struct log_limit told;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct batch *work, *written; // handed over and back
    bool ending;
};

// ---- The ledger's thread ------------------------------------------------------------------------

static void written(void *arg);

static void *write_all(void *arg)
{
    struct ledger *l = arg;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        while (!l->work && !l->ending)
            pthread_cond_wait(&l->changed, &l->lock);
        struct batch *b = l->work;
        if (!b)
            break;
        pthread_mutex_unlock(&l->lock);
        b->failed = l->owner.write(l->owner.arg, &b->changes, b->weight, &b->err) < 0;
        pthread_mutex_lock(&l->lock);
        l->work = NULL;
        l->written = b;
        loop_post(l->loop, written, l);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static void hand_over(struct ledger *l)
{
    l->since = loop_now_ms();
    if (!l->loop)
        return; // ledger_step does it
    pthread_mutex_lock(&l->lock);
    l->work = l->batches;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

// ---- Turns --------------------------------------------------------------------------------------

static bool take_next(struct ledger *l)
{
    struct turn **list = l->first ? &l->first : &l->turns, *t = *list;
    if (!t || l->batches || l->in_turn)
        return false;
    DL_DELETE(*list, t);
    l->in_turn = true;
    if (t->then)
        t->then(l->owner.arg, t->arg, t->failed ? &t->err : NULL);
    else
        t->fn(l->owner.arg, t->arg);
    l->in_turn = false;
    free(t);
    return true;
}

static void take_turns(void *arg)
{
    struct ledger *l = arg;
    while (take_next(l))
        if (!loop_has_time(l->loop)) {
            loop_timer_set(l->again, 0);
            return;
        }
}

static struct turn *turn_new(const void *arg, size_t size)
{
    struct turn *t = dv_calloc(1, sizeof(*t) + size);
    memcpy(t->arg, arg, size);
    return t;
}

uint64_t ledger_turn(struct ledger *l, ledger_turn_fn *fn, const void *arg, size_t size)
{
    struct turn *t = turn_new(arg, size);
    uint64_t number = t->number = ++l->last_turn;
    t->fn = fn;
    DL_APPEND(l->turns, t);
    if (l->loop && !loop_timer_pending(l->again))
        take_turns(l);
    return number;
}

static void take_first(struct ledger *l, struct turn *t)
{
    DL_APPEND(l->first, t);
    if (l->loop && !l->in_turn)
        loop_timer_set(l->again, 0);
}

void ledger_turn_first(struct ledger *l, ledger_turn_fn *fn, const void *arg, size_t size)
{
    struct turn *t = turn_new(arg, size);
    t->fn = fn;
    take_first(l, t);
}

bool ledger_cancel(struct ledger *l, uint64_t turn)
{
    for (struct turn *t = l->turns; t; t = t->next) {
        if (t->number != turn)
            continue;
        DL_DELETE(l->turns, t);
        free(t);
        return true;
    }
    return false;
}

// ---- Commits ------------------------------------------------------------------------------------

static void close_outcome(void *owner, const void *arg)
{
    struct ledger_outcome *o = *(struct ledger_outcome *const *)arg;
    (void)owner;
    o->closed(o);
}

static void end_outcome(struct ledger *l, const struct batch *b)
{
    struct ledger_outcome *o = b->outcome;
    if (!o)
        return;
    if (b->failed && o->err.code == DV_OK)
        o->err = b->err;
    if (--o->open == 0)
        ledger_turn_first(l, close_outcome, &o, sizeof(o));
}

// No turn is taken in the middle of it.
static void follow(struct ledger *l, const struct batch *b)
{
    l->in_turn = true;
    l->owner.follow(l->owner.arg, &b->changes);
    l->in_turn = false;
}

// Turns that follow come when no changes are under way any more.
static void end_batch(struct ledger *l, struct batch *b)
{
    if (b->failed)
        log_limited(&l->told, LOG_LEVEL_ERROR, "store", "%s", b->err.text);
    else
        follow(l, b);
    if (b->then) {
        b->then->failed = b->failed;
        b->then->err = b->err;
        DL_APPEND(l->first, b->then);
    }
    DL_DELETE(l->batches, b);
    end_outcome(l, b);
    if (l->batches)
        hand_over(l);
    changes_free(&b->changes);
    free(b);
}

static void written(void *arg)
{
    struct ledger *l = arg;
    pthread_mutex_lock(&l->lock);
    struct batch *b = l->written;
    l->written = NULL;
    pthread_mutex_unlock(&l->lock);
    end_batch(l, b);
    take_turns(l);
}

bool ledger_step(struct ledger *l)
{
    struct batch *b = l->batches;
    if (!b)
        return take_next(l);
    b->failed = l->owner.write(l->owner.arg, &b->changes, b->weight, &b->err) < 0;
    end_batch(l, b);
    return true;
}

static struct batch *commit(struct ledger *l, struct changes *c, enum ledger_weight weight)
{
    struct batch *b = dv_calloc(1, sizeof(*b));
    b->changes = *c;
    *c = (struct changes){0};
    b->weight = weight;
    b->outcome = l->watch;
    if (b->outcome)
        b->outcome->open++;
    DL_APPEND(l->batches, b);
    if (l->batches == b)
        hand_over(l);
    return b;
}

void ledger_commit(struct ledger *l, struct changes *c, enum ledger_weight weight)
{
    if (c->count > 0 || c->above > 0)
        commit(l, c, weight);
}

void ledger_commit_then(struct ledger *l, struct changes *c, enum ledger_weight weight,
                        ledger_then_fn *then, const void *arg, size_t size)
{
    struct turn *t = turn_new(arg, size);
    t->then = then;
    if (c->count == 0 && c->above == 0 && !l->batches) // there is nothing to wait for
        take_first(l, t);
    else
        commit(l, c, weight)->then = t;
}

void ledger_watch(struct ledger *l, struct ledger_outcome *outcome)
{
    l->watch = outcome;
}

bool ledger_is_busy(const struct ledger *l)
{
    return l->batches != NULL;
}

bool ledger_is_slow(const struct ledger *l)
{
    return l->batches && loop_now_ms() - l->since >= LEDGER_SLOW_MS;
}

// ---- Its life -----------------------------------------------------------------------------------

struct ledger *ledger_new(struct loop *loop, const struct ledger_owner *owner)
{
    struct ledger *l = dv_calloc(1, sizeof(*l));
    l->loop = loop;
    l->owner = *owner;
    if (!loop)
        return l;
    l->again = loop_timer_new(loop, take_turns, l);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    if (pthread_create(&l->thread, NULL, write_all, l) != 0)
        abort(); // as for all memory that runs out
    return l;
}

static void drop_turns(struct turn *list)
{
    struct turn *t, *next;
    DL_FOREACH_SAFE(list, t, next) free(t);
}

static void end_thread(struct ledger *l)
{
    pthread_mutex_lock(&l->lock);
    l->ending = true;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    loop_timer_free(l->again);
}

void ledger_free(struct ledger *l)
{
    struct batch *b, *next;
    if (!l)
        return;
    if (l->loop)
        end_thread(l);
    DL_FOREACH_SAFE(l->batches, b, next)
    {
        free(b->then);
        changes_free(&b->changes);
        free(b);
    }
    drop_turns(l->first);
    drop_turns(l->turns);
    free(l);
}

// A thread on which one medium is asked things, so that one that does not answer holds up no other.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/lane.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/wait.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define HURRY_MS 3000

struct lane {
    pthread_t thread;
    bool threaded; // else there was no thread to be had, and whoever asks does the work himself

    // Under the mutex.
    pthread_mutex_t mutex;
    pthread_cond_t change;
    uint32_t patience_ms;
    struct lane_job *job; // begun or to be begun, and not ended
    bool ended;           // it has; taken by whoever waits
    bool alone;           // nobody waits for it any more
    bool unwanted, told;
    uint32_t percent;
    int64_t alive_ms; // the last sign of life
    bool quit;

    // Of what was given up last.
    char since[sizeof("2026-11-29T12:00:00Z")];
    char given_up[sizeof(((struct lane_job *)0)->doing)];
};

static void *run(void *arg)
{
    struct lane *l = arg;
    pthread_mutex_lock(&l->mutex);
    for (;;) {
        while (!l->quit && (!l->job || l->ended))
            pthread_cond_wait(&l->change, &l->mutex);
        if (!l->job || l->ended)
            break;
        struct lane_job *j = l->job;
        pthread_mutex_unlock(&l->mutex);
        j->work(j);
        pthread_mutex_lock(&l->mutex);
        if (l->alone) {
            pthread_mutex_unlock(&l->mutex);
            j->drop(j);
            pthread_mutex_lock(&l->mutex);
            l->job = NULL;
            l->alone = false;
        } else {
            l->ended = true;
        }
        pthread_cond_broadcast(&l->change);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

struct lane *lane_new(uint32_t patience_ms)
{
    struct lane *l = dv_calloc(1, sizeof(*l));
    pthread_condattr_t monotonic;
    l->patience_ms = patience_ms;
    pthread_mutex_init(&l->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->change, &monotonic);
    pthread_condattr_destroy(&monotonic);
    l->threaded = pthread_create(&l->thread, NULL, run, l) == 0;
    return l;
}

// With the mutex held. False when it is not woken until then.
static bool wait_until(struct lane *l, int64_t until_ms)
{
    const struct timespec until = {.tv_sec = until_ms / 1000,
                                   .tv_nsec = (long)(until_ms % 1000) * 1000000};
    return pthread_cond_timedwait(&l->change, &l->mutex, &until) == 0;
}

bool lane_free(struct lane *l)
{
    pthread_mutex_lock(&l->mutex);
    l->quit = true;
    pthread_cond_broadcast(&l->change);
    while (l->job && !l->ended && wait_until(l, l->alive_ms + l->patience_ms))
        ;
    bool free_now = !l->job || l->ended;
    pthread_mutex_unlock(&l->mutex);
    if (!free_now)
        return false;
    if (l->threaded)
        pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->change);
    pthread_mutex_destroy(&l->mutex);
    free(l);
    return true;
}

void lane_start(struct lane *l, struct lane_job *j)
{
    pthread_mutex_lock(&l->mutex);
    l->job = j;
    l->ended = l->unwanted = l->told = false;
    l->alive_ms = wait_now_ms();
    pthread_cond_broadcast(&l->change);
    pthread_mutex_unlock(&l->mutex);
    if (l->threaded)
        return;
    j->work(j);
    l->ended = true;
}

static void note_given_up(struct lane *l)
{
    dv_copy(l->given_up, sizeof(l->given_up), l->job->doing);
    struct tm tm;
    time_t since = time(NULL) - (time_t)((wait_now_ms() - l->alive_ms) / 1000);
    if (!gmtime_r(&since, &tm) || !strftime(l->since, sizeof(l->since), "%Y-%m-%dT%H:%M:%SZ", &tm))
        l->since[0] = '\0';
}

bool lane_wait(struct lane *l, bool (*tell)(void *arg, uint32_t percent), void *arg)
{
    pthread_mutex_lock(&l->mutex);
    while (!l->ended && (l->told || wait_now_ms() < l->alive_ms + l->patience_ms)) {
        if (!l->told) {
            (void)wait_until(l, l->alive_ms + l->patience_ms);
            continue;
        }
        uint32_t percent = l->percent;
        l->told = false;
        pthread_mutex_unlock(&l->mutex);
        bool wanted = !tell || tell(arg, percent);
        pthread_mutex_lock(&l->mutex);
        l->unwanted = l->unwanted || !wanted;
    }
    bool ended = l->ended;
    if (ended) {
        l->job = NULL;
        l->ended = false;
    } else {
        l->alone = l->unwanted = true;
        note_given_up(l);
    }
    pthread_mutex_unlock(&l->mutex);
    return ended;
}

bool lane_is_free(struct lane *l)
{
    pthread_mutex_lock(&l->mutex);
    bool is_free = !l->job;
    pthread_mutex_unlock(&l->mutex);
    return is_free;
}

void lane_trouble(struct lane *l, char out[static LANE_TROUBLE_ROOM])
{
    pthread_mutex_lock(&l->mutex);
    snprintf(out, LANE_TROUBLE_ROOM, "since %s, when %s", l->since, l->given_up);
    pthread_mutex_unlock(&l->mutex);
}

bool lane_tell(struct lane *l, uint32_t percent)
{
    pthread_mutex_lock(&l->mutex);
    l->alive_ms = wait_now_ms();
    l->percent = percent;
    l->told = true;
    bool wanted = !l->unwanted;
    pthread_cond_broadcast(&l->change);
    pthread_mutex_unlock(&l->mutex);
    return wanted;
}

void lane_hurry(struct lane *l)
{
    pthread_mutex_lock(&l->mutex);
    if (l->patience_ms > HURRY_MS)
        l->patience_ms = HURRY_MS;
    pthread_cond_broadcast(&l->change);
    pthread_mutex_unlock(&l->mutex);
}

// A thread on which one medium is asked things, so that one that does not answer holds up no other.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/lane.h"
#include "base/mem.h"
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
    struct lane_job *job; // begun or to be begun, and not taken back
    bool ended;           // it has
    bool unwanted, told;
    uint32_t percent;
    int64_t alive_ms; // the last sign of life
    time_t alive_at;  // the same by the calendar
    bool hurry, quit;
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
        l->ended = true;
        pthread_cond_broadcast(&l->change);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

struct lane *lane_new(void)
{
    struct lane *l = dv_calloc(1, sizeof(*l));
    pthread_condattr_t monotonic;
    pthread_mutex_init(&l->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->change, &monotonic);
    pthread_condattr_destroy(&monotonic);
    l->threaded = pthread_create(&l->thread, NULL, run, l) == 0;
    return l;
}

static void note_alive(struct lane *l)
{
    l->alive_ms = wait_now_ms();
    l->alive_at = time(NULL);
}

// With the mutex held, as the two that follow.
static void wait_until(struct lane *l, int64_t until_ms)
{
    const struct timespec until = {.tv_sec = until_ms / 1000,
                                   .tv_nsec = (long)(until_ms % 1000) * 1000000};
    (void)pthread_cond_timedwait(&l->change, &l->mutex, &until);
}

static int64_t end_of(const struct lane *l, struct lane_patience patience)
{
    int64_t silence = l->hurry && patience.silence_ms > HURRY_MS ? HURRY_MS : patience.silence_ms;
    int64_t silent = l->alive_ms + silence;
    return silent < patience.until_ms ? silent : patience.until_ms;
}

static bool take_ended(struct lane *l)
{
    if (l->job && !l->ended)
        return false;
    l->job = NULL;
    l->ended = false;
    return true;
}

bool lane_free(struct lane *l)
{
    const struct lane_patience patience = {.until_ms = INT64_MAX, .silence_ms = HURRY_MS};
    pthread_mutex_lock(&l->mutex);
    l->quit = l->unwanted = true;
    pthread_cond_broadcast(&l->change);
    while (l->job && !l->ended && wait_now_ms() < end_of(l, patience))
        wait_until(l, end_of(l, patience));
    bool free_now = take_ended(l);
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
    note_alive(l);
    pthread_cond_broadcast(&l->change);
    pthread_mutex_unlock(&l->mutex);
    if (l->threaded)
        return;
    j->work(j);
    l->ended = true;
}

bool lane_wait(struct lane *l, struct lane_patience patience,
               bool (*tell)(void *arg, uint32_t percent), void *arg)
{
    pthread_mutex_lock(&l->mutex);
    while (!l->ended && (l->told || wait_now_ms() < end_of(l, patience))) {
        if (!l->told) {
            wait_until(l, end_of(l, patience));
            continue;
        }
        uint32_t percent = l->percent;
        l->told = false;
        pthread_mutex_unlock(&l->mutex);
        bool wanted = !tell || tell(arg, percent);
        pthread_mutex_lock(&l->mutex);
        l->unwanted = l->unwanted || !wanted;
        if (wait_now_ms() >= patience.until_ms)
            break;
    }
    bool ended = take_ended(l);
    pthread_mutex_unlock(&l->mutex);
    return ended;
}

uint32_t lane_silence(struct lane *l)
{
    pthread_mutex_lock(&l->mutex);
    int64_t silence = wait_now_ms() - l->alive_ms;
    pthread_mutex_unlock(&l->mutex);
    return silence < UINT32_MAX ? (uint32_t)silence : UINT32_MAX;
}

void lane_trouble(struct lane *l, char out[static LANE_TROUBLE_ROOM])
{
    char since[sizeof("2026-11-29T12:00:00Z")];
    struct tm tm;
    pthread_mutex_lock(&l->mutex);
    if (!gmtime_r(&l->alive_at, &tm) || !strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &tm))
        since[0] = '\0';
    snprintf(out, LANE_TROUBLE_ROOM, "since %s, when %s", since, l->job->doing);
    pthread_mutex_unlock(&l->mutex);
}

bool lane_tell(struct lane *l, uint32_t percent)
{
    pthread_mutex_lock(&l->mutex);
    note_alive(l);
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
    l->hurry = true;
    pthread_cond_broadcast(&l->change);
    pthread_mutex_unlock(&l->mutex);
}

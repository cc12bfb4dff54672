// A queue and its threads.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/workers.h"

#include "base/mem.h"
#include "loop/loop.h"
#include <pthread.h>
#include <stdbool.h>

struct job {
    work_fn *work, *done;
    void *arg;
    struct job *next;
};

struct workers {
    struct loop *home;
    pthread_t *threads;
    unsigned count;
    pthread_mutex_t lock; // over what follows
    pthread_cond_t more;
    struct job *first, **last;
    bool stopping;
};

static struct job *take(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->stopping)
        pthread_cond_wait(&w->more, &w->lock);
    struct job *job = w->stopping ? NULL : w->first;
    if (job) {
        w->first = job->next;
        if (!w->first)
            w->last = &w->first;
    }
    pthread_mutex_unlock(&w->lock);
    return job;
}

static void *run(void *arg)
{
    struct workers *w = arg;
    for (struct job *job; (job = take(w)); free(job)) {
        job->work(job->arg);
        loop_post(w->home, job->done, job->arg);
    }
    return NULL;
}

void workers_add(struct workers *w, work_fn *work, work_fn *done, void *arg)
{
    struct job *job = dv_calloc(1, sizeof(*job));
    *job = (struct job){.work = work, .done = done, .arg = arg};
    pthread_mutex_lock(&w->lock);
    *w->last = job;
    w->last = &job->next;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
}

struct workers *workers_new(struct loop *home, unsigned threads)
{
    struct workers *w = dv_calloc(1, sizeof(*w));
    w->home = home;
    w->last = &w->first;
    w->threads = dv_calloc(threads, sizeof(*w->threads));
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    while (w->count < threads && pthread_create(&w->threads[w->count], NULL, run, w) == 0)
        w->count++;
    if (w->count > 0)
        return w;
    workers_free(w);
    return NULL;
}

void workers_free(struct workers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->more);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->count; i++)
        pthread_join(w->threads[i], NULL);
    while (w->first) {
        struct job *job = w->first;
        w->first = job->next;
        free(job);
    }
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->more);
    free(w->threads);
    free(w);
}

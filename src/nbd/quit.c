// Ends what is under way when nbdkit is told to end.
// SPDX-License-Identifier: BSD-2-Clause
#include "nbd/quit.h"

#include "base/mem.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const int signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};
static struct sigaction before[DV_COUNT(signals)]; // nbdkit's

static struct volume_session *watched;
static int told = -1; // eventfd; a handler can use nothing else
static atomic_bool unwatched;
static pthread_t thread;

static void tell(void)
{
    uint64_t one = 1;
    ssize_t n = write(told, &one, sizeof(one)); // a full counter tells as well
    (void)n;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    int error = errno;
    tell();
    for (size_t i = 0; i < DV_COUNT(signals); i++) {
        if (signals[i] != number)
            continue;
        if (before[i].sa_flags & SA_SIGINFO)
            before[i].sa_sigaction(number, info, context);
        else if (before[i].sa_handler != SIG_DFL && before[i].sa_handler != SIG_IGN)
            before[i].sa_handler(number);
    }
    errno = error;
}

static void *watch(void *arg)
{
    uint64_t count;
    (void)arg;
    while (read(told, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
    if (!atomic_load(&unwatched))
        volume_shut(watched);
    return NULL;
}

int quit_watch(struct volume_session *volume, struct dv_err *err)
{
    watched = volume;
    told = eventfd(0, EFD_CLOEXEC);
    if (told < 0)
        return dv_fail_errno(err, errno, "cannot make an eventfd");
    int e = pthread_create(&thread, NULL, watch, NULL);
    if (e != 0) {
        close(told);
        told = -1;
        return dv_fail_errno(err, e, "cannot start a thread");
    }
    for (size_t i = 0; i < DV_COUNT(signals); i++) {
        struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
        sigaction(signals[i], NULL, &before[i]);
        // A signal that nbdkit ignores, or that ends it at once, needs nothing.
        if (!(before[i].sa_flags & SA_SIGINFO) &&
            (before[i].sa_handler == SIG_DFL || before[i].sa_handler == SIG_IGN))
            continue;
        sigaction(signals[i], &action, NULL);
    }
    return 0;
}

void quit_unwatch(void)
{
    if (told < 0)
        return;
    for (size_t i = 0; i < DV_COUNT(signals); i++)
        sigaction(signals[i], &before[i], NULL);
    atomic_store(&unwatched, true);
    tell();
    pthread_join(thread, NULL);
    close(told);
    told = -1;
}

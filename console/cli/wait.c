// Waiting for tasks with long polls.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/wait.h"

#include "base/mem.h"
#include "base/text.h"
#include "console/cli/client.h"
#include "console/cli/progress.h"
#include "console/cli/table.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_SECONDS 5
#define AWAY_SECONDS 60 // how long a station may be away before a wait is given up

// What the handler of SIGINT writes; a handler can be given nothing else.
static char farewell[160];

static void on_interrupt(int signo)
{
    ssize_t ignored = write(STDERR_FILENO, farewell, strlen(farewell));
    (void)ignored;
    _exit(128 + signo);
}

static void catch_interrupt(json_int_t id, struct sigaction *old)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    snprintf(farewell, sizeof(farewell),
             "\nTask %lld goes on. Watch it with:    dvsan task watch %lld\n"
             "Take it back with:    dvsan task cancel %lld\n",
             (long long)id, (long long)id, (long long)id);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, old);
}

static bool is_over(const json_t *task)
{
    const char *state = json_string_value(json_object_get(task, "state"));
    return state && (strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 ||
                     strcmp(state, "cancelled") == 0);
}

// One poll. Returns 1 when the station is away or busy for now, and it was said once.
static int poll_once(struct client *client, json_int_t id, json_t **task, bool wait,
                     struct dv_err *err)
{
    json_int_t seen = json_integer_value(json_object_get(*task, "version"));
    DV_FREE char *path = wait ? dv_printf("/tasks/%lld?wait=%d&seen=%lld", (long long)id,
                                          POLL_SECONDS, (long long)seen)
                              : dv_printf("/tasks/%lld", (long long)id);
    json_t *now;
    if (client_wait(client, path, POLL_SECONDS * 1000, &now, err) < 0)
        return err->code == DV_UNREACHABLE || err->code == DV_TIMEOUT || err->code == DV_BUSY ? 1
                                                                                              : -1;
    if (!json_is_object(now)) {
        json_decref(now);
        return dv_fail(err, DV_INTERNAL, "the station answered without the task");
    }
    json_decref(*task);
    *task = now;
    return 0;
}

static int wait_until_over(struct client *client, json_int_t id, json_t **task,
                           struct progress *progress, struct dv_err *err)
{
    time_t away_since = 0;
    progress_show(progress, *task);
    while (!is_over(*task)) {
        int result = poll_once(client, id, task, away_since == 0, err);
        if (result < 0)
            return -1;
        if (result == 0) {
            away_since = 0;
            progress_show(progress, *task);
            continue;
        }
        time_t now = time(NULL);
        if (away_since == 0) {
            progress_note(progress, err->code == DV_BUSY
                                        ? "The station is busy; still waiting."
                                        : "The station does not answer; still waiting.");
            away_since = now;
        } else if (now - away_since > AWAY_SECONDS) {
            return dv_fail(err, err->code,
                           "gave up waiting for task %lld, which goes on when it can: %.300s",
                           (long long)id, err->text);
        }
        sleep(1);
    }
    return 0;
}

int wait_for_task(struct client *client, json_t **task, struct dv_err *err)
{
    json_int_t id = json_integer_value(json_object_get(*task, "id"));
    struct progress progress = {.out = stderr, .width = table_style_of(stderr).width};
    struct sigaction old;
    catch_interrupt(id, &old);
    int result = wait_until_over(client, id, task, &progress, err);
    progress_end(&progress);
    sigaction(SIGINT, &old, NULL);
    return result;
}

int wait_result(const json_t *task, struct dv_err *err)
{
    const char *state = json_string_value(json_object_get(task, "state"));
    const char *summary = json_string_value(json_object_get(task, "summary"));
    const json_t *failure = json_object_get(task, "error");
    const char *error = json_string_value(json_object_get(failure, "detail"));
    const char *class = json_string_value(json_object_get(failure, "code"));
    if (state && strcmp(state, "done") == 0)
        return 0;
    if (state && strcmp(state, "cancelled") == 0)
        return dv_fail(err, DV_CANCELLED, "%s was cancelled", summary ? summary : "the task");
    enum dv_code code = DV_INTERNAL;
    for (int i = DV_INVALID; class && i < DV_CODES; i++)
        if (strcmp(dv_code_name((enum dv_code)i), class) == 0)
            code = (enum dv_code)i;
    return dv_fail(err, code, "%s failed: %s", summary ? summary : "the task",
                   error ? error : "the station does not say why");
}

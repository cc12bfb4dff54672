// Tasks.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "console/cli/cli.h"
#include "console/cli/wait.h"
#include <stdio.h>
#include <string.h>

static int fetch_task(struct cli *cli, const char *id, json_t **task, struct dv_err *err)
{
    DV_FREE char *path = client_path("/tasks/", id, "");
    return client_request(cli->client, "GET", path, NULL, task, err);
}

int task_list(struct cli *cli, struct dv_err *err)
{
    static const struct table_column columns[] = {
        {"ID", "id", COLUMN_NUMBER},          {"STATE", "state", COLUMN_STATE},
        {"DONE", "progress", COLUMN_PERCENT}, {"CREATED", "created", COLUMN_TIME},
        {"WHAT", "summary", COLUMN_TEXT},
    };
    const char *limit = cli_value(cli, OPT_LIMIT);
    DV_FREE char *path = client_path("/tasks?limit=", limit ? limit : "100", "");
    return cli_list(cli, "tasks", path, columns, DV_COUNT(columns), err);
}

static void print_task(const struct cli *cli, const json_t *task)
{
    static const struct table_column columns[] = {
        {"Task", "id", COLUMN_NUMBER},           {"What", "summary", COLUMN_TEXT},
        {"State", "state", COLUMN_STATE},        {"Done", "progress", COLUMN_PERCENT},
        {"Waiting for", "waiting", COLUMN_NOTE}, {"Error", "error", COLUMN_DETAIL},
        {"Volume", "volume_name", COLUMN_TEXT},  {"Host", "host_name", COLUMN_TEXT},
        {"Created", "created", COLUMN_TIME},     {"Started", "started", COLUMN_TIME},
        {"Finished", "finished", COLUMN_TIME},
    };
    static const struct table_column steps[] = {
        {"STATE", "state", COLUMN_STATE},
        {"STEP", "text", COLUMN_TEXT},
    };
    table_print_record(stdout, columns, DV_COUNT(columns), task, &cli->style);
    if (json_array_size(json_object_get(task, "steps")) == 0)
        return;
    printf("\n");
    table_print(stdout, steps, DV_COUNT(steps), json_object_get(task, "steps"), &cli->style);
}

int task_show(struct cli *cli, struct dv_err *err)
{
    json_t *task;
    if (fetch_task(cli, cli->in->args[0], &task, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(task);
    else
        print_task(cli, task);
    json_decref(task);
    return 0;
}

// Waits for one, says how it ended, and puts it into the list.
static int watch(struct cli *cli, json_t **task, struct dv_err *err)
{
    if (wait_for_task(cli->client, task, err) < 0)
        return -1;
    int result = wait_result(*task, err);
    if (result == 0 && !cli->json)
        printf("Task %lld is done: %s.\n",
               (long long)json_integer_value(json_object_get(*task, "id")),
               json_string_value(json_object_get(*task, "summary")));
    return result;
}

static int watch_one(struct cli *cli, struct dv_err *err)
{
    json_t *task;
    if (fetch_task(cli, cli->in->args[0], &task, err) < 0)
        return -1;
    int result = watch(cli, &task, err);
    if (cli->json)
        cli_print_json(task);
    json_decref(task);
    return result;
}

static bool is_open(const json_t *task)
{
    return json_is_null(json_object_get(task, "finished"));
}

// All that are not over now, one after the other. Fails with the first failure, after all.
static int watch_all(struct cli *cli, struct dv_err *err)
{
    json_t *tasks, *each;
    size_t i;
    int result = 0;
    if (client_request(cli->client, "GET", "/tasks", NULL, &tasks, err) < 0)
        return -1;
    json_t *watched = json_array();
    json_array_foreach(tasks, i, each)
    {
        struct dv_err own;
        if (!is_open(each))
            continue;
        json_t *task = json_incref(each);
        if (watch(cli, &task, result == 0 ? err : &own) < 0)
            result = -1;
        json_array_append_new(watched, task);
    }
    if (cli->json)
        cli_print_json(watched);
    else if (json_array_size(watched) == 0)
        printf("No task is under way.\n");
    json_decref(watched);
    json_decref(tasks);
    return result;
}

int task_watch(struct cli *cli, struct dv_err *err)
{
    return cli->in->args[0] ? watch_one(cli, err) : watch_all(cli, err);
}

int task_cancel(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *path = client_path("/tasks/", cli->in->args[0], "/cancel");
    json_t *task;
    if (client_request(cli->client, "POST", path, NULL, &task, err) < 0)
        return -1;
    int result = cli_flag(cli, OPT_NO_WAIT) ? 0 : wait_for_task(cli->client, &task, err);
    const char *state = json_string_value(json_object_get(task, "state"));
    if (result == 0 && state && strcmp(state, "done") == 0) {
        const char *why =
            json_string_value(json_object_get(json_object_get(task, "error"), "detail"));
        result = dv_fail(err, DV_CONFLICT, "task %s is done and not cancelled: %s",
                         cli->in->args[0], why ? why : "it was over before");
    } else if (result == 0 && cli->json)
        cli_print_json(task);
    else if (result == 0)
        printf("Task %s is %s.\n", cli->in->args[0], state ? state : "unknown");
    json_decref(task);
    return result;
}

// What the commands share.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/cli.h"

#include "base/mem.h"
#include "base/text.h"
#include "console/cli/wait.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *cli_value(const struct cli *cli, enum option option)
{
    return cli->in->values[option];
}

bool cli_flag(const struct cli *cli, enum option option)
{
    return cli->in->values[option] != NULL;
}

json_t *cli_body(const struct cli *cli, uint64_t options, struct dv_err *err)
{
    json_t *body = json_object();
    for (enum option o = 0; o < OPTIONS; o++) {
        const struct option_desc *desc = &cli_options[o];
        const char *value = desc->metavar ? cli_value(cli, o) : NULL;
        if (!(options & BIT(o)) || (desc->metavar && !value))
            continue;
        DV_FREE char *key = dv_strdup(desc->name);
        for (char *c = strchr(key, '-'); c; c = strchr(c, '-'))
            *c = '_';
        json_t *item = value ? json_string(value) : json_boolean(cli_flag(cli, o));
        if (json_object_set_new(body, key, item) == 0)
            continue;
        dv_fail(err, DV_INVALID, "what --%s gives is not text in UTF-8", desc->name);
        json_decref(body);
        return NULL;
    }
    return body;
}

void cli_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    printf("\n");
}

void cli_print_error(const struct dv_err *err, bool json)
{
    char text[sizeof(err->text)];
    dv_copy(text, sizeof(text), err->text);
    text_make_printable(text);
    if (!json) {
        fprintf(stderr, "dvsan: %s\n", text);
        return;
    }
    json_t *error =
        json_pack("{s:{s:s, s:s}}", "error", "code", dv_code_name(err->code), "detail", text);
    json_dumpf(error, stderr, JSON_COMPACT);
    fprintf(stderr, "\n");
    json_decref(error);
}

void cli_warn(const char *fmt, ...)
{
    struct dv_err text;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text.text, sizeof(text.text), fmt, args);
    va_end(args);
    text_make_printable(text.text);
    fprintf(stderr, "dvsan: warning: %s\n", text.text);
}

uint64_t cli_whole(uint64_t bytes)
{
    const uint64_t mib = UINT64_C(1) << 20, more = (mib - bytes % mib) % mib;
    char size[SIZE_TEXT_ROOM];
    if (more == 0 || bytes < mib || bytes + more > INT64_MAX)
        return bytes;
    fprintf(stderr, "dvsan: volumes have whole MiB, so the size is rounded up to %s\n",
            size_format(bytes + more, size, sizeof(size)));
    return bytes + more;
}

bool cli_show_changed(struct cli *cli, const char *path, json_t **thing)
{
    struct dv_err err;
    if (client_request(cli->client, "GET", path, NULL, thing, &err) == 0)
        return true;
    cli_warn("it is done, but cannot be shown now: %s", err.text);
    return false;
}

int cli_list(struct cli *cli, const char *what, const char *path,
             const struct table_column *columns, size_t count, struct dv_err *err)
{
    json_t *array;
    if (client_request(cli->client, "GET", path, NULL, &array, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(array);
    else if (fflush(stdout) == 0 && json_array_size(array) == 0)
        fprintf(stderr, "There are no %s.\n", what);
    else
        table_print(stdout, columns, count, array, &cli->style);
    json_decref(array);
    return 0;
}

#define NAMES_SHOWN 5

char *cli_names(const json_t *array)
{
    struct strbuf b = {0};
    size_t count = json_array_size(array), shown = count > NAMES_SHOWN ? NAMES_SHOWN - 1 : count;
    for (size_t i = 0; i < shown; i++)
        strbuf_add(&b, "%s%s",
                   i == 0           ? ""
                   : i + 1 == count ? " and "
                                    : ", ",
                   json_string_value(json_array_get(array, i)));
    if (shown < count)
        strbuf_add(&b, " and %zu more", count - shown);
    return b.text ? b.text : dv_strdup("");
}

int cli_confirm(const struct cli *cli, const char *question, struct dv_err *err)
{
    char answer[16];
    if (cli->yes)
        return 0;
    if (!cli->terminal)
        return dv_fail(err, DV_INVALID,
                       "%s There is no terminal to ask that on: say so with --yes. Nothing was "
                       "changed",
                       question);
    fprintf(stderr, "%s [y/N] ", question);
    if (!fgets(answer, sizeof(answer), stdin))
        fprintf(stderr, "\n");
    else if (answer[0] == 'y' || answer[0] == 'Y')
        return 0;
    return dv_fail(err, DV_CANCELLED, "nothing was changed");
}

static void print_queued(const struct cli *cli, const json_t *task)
{
    json_int_t id = json_integer_value(json_object_get(task, "id"));
    if (cli->json)
        cli_print_json(task);
    else
        printf("Task %lld: %s. Watch it with: dvsan task watch %lld\n", (long long)id,
               json_string_value(json_object_get(task, "summary")), (long long)id);
}

int cli_do_task(struct cli *cli, const char *method, const char *path, const json_t *body,
                bool printed, bool *waited, struct dv_err *err)
{
    json_t *task;
    if (client_request(cli->client, method, path, body, &task, err) < 0)
        return -1;
    *waited = !cli_flag(cli, OPT_NO_WAIT);
    int result = 0;
    if (!*waited)
        print_queued(cli, task);
    else
        result = wait_for_task(cli->client, &task, err) < 0 ? -1 : wait_result(task, err);
    if (result == 0 && *waited && printed && cli->json)
        cli_print_json(task);
    json_decref(task);
    return result;
}

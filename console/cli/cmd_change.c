// Things that are there: resized, renamed, described.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "base/text.h"
#include "console/cli/cli.h"
#include "console/cli/connect.h"
#include <string.h>

static uint64_t size_of(const json_t *volume)
{
    return (uint64_t)json_integer_value(json_object_get(volume, "size"));
}

// The size in bytes that is asked for; "+5G" adds to what there is.
static int new_size(const struct cli *cli, const json_t *volume, uint64_t *bytes,
                    struct dv_err *err)
{
    const char *text = cli_value(cli, OPT_SIZE);
    bool more = *text == '+';
    if (size_parse(more ? text + 1 : text, bytes, err) < 0)
        return -1;
    if (more && __builtin_add_overflow(*bytes, size_of(volume), bytes))
        return dv_fail(err, DV_INVALID, "%s is too much", text);
    *bytes = cli_whole(*bytes);
    return 0;
}

static int confirm_cut(struct cli *cli, const json_t *volume, uint64_t bytes, struct dv_err *err)
{
    char from[SIZE_TEXT_ROOM], to[SIZE_TEXT_ROOM];
    if (bytes >= size_of(volume))
        return 0;
    DV_FREE char *hosts = cli_names(json_object_get(volume, "hosts"));
    DV_FREE char *question = dv_printf(
        "Cut volume %s from %s to %s and lose what lies behind%s%s%s?", cli->in->args[0],
        size_format(size_of(volume), from, sizeof(from)), size_format(bytes, to, sizeof(to)),
        *hosts ? ", while it is in the hands of " : "", hosts,
        *hosts ? ", whose persistent reservations end" : "");
    return cli_confirm(cli, question, err);
}

// Hosts do not ask for a new size by themselves; what makes them ask is told with how they connect.
// That the volume is larger does not hang on whether this can be told.
static void print_rescan(struct cli *cli, const json_t *volume)
{
    struct dv_err err;
    const char *host = json_string_value(json_array_get(json_object_get(volume, "hosts"), 0));
    const char *kind, *name = connect_text(volume, "name");
    json_t *info, *line, *v;
    size_t i;
    if (!host)
        return;
    DV_FREE char *path = client_path("/hosts/", host, "/connect-info");
    if (client_request(cli->client, "GET", path, NULL, &info, &err) < 0) {
        cli_warn("its hosts do not see that by themselves, and what makes them cannot be told now: "
                 "%s; see dvsan host connect-info %s",
                 err.text, host);
        return;
    }
    bool told = false;
    json_array_foreach(json_object_get(info, "volumes"), i, v)
    {
        if (strcmp(connect_text(v, "name"), name) != 0)
            continue;
        json_object_foreach(json_object_get(v, "rescan"), kind, line)
        {
            if (!told)
                printf("Its hosts do not see that by themselves. On each of them, for\n");
            told = true;
            printf("  %-11s %s\n", kind, json_string_value(line));
        }
    }
    json_decref(info);
}

// before: its size in bytes until now. After a shrink what makes a host grow would be wrong to
// tell.
static void print_resized(struct cli *cli, const char *path, uint64_t before)
{
    json_t *volume;
    char size[SIZE_TEXT_ROOM];
    if (!cli_show_changed(cli, path, &volume))
        return;
    if (cli->json) {
        cli_print_json(volume);
    } else {
        printf("Volume %s has %s now, LBA %lld to %lld of medium %s.\n", cli->in->args[0],
               size_format(size_of(volume), size, sizeof(size)),
               (long long)json_integer_value(json_object_get(volume, "start_lba")),
               (long long)json_integer_value(json_object_get(volume, "end_lba")),
               json_string_value(json_object_get(volume, "medium")));
        if (size_of(volume) > before)
            print_rescan(cli, volume);
    }
    json_decref(volume);
}

int volume_resize(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *path = client_path("/volumes/", cli->in->args[0], "");
    json_t *volume;
    uint64_t bytes;
    bool waited;
    if (client_request(cli->client, "GET", path, NULL, &volume, err) < 0)
        return -1;
    bool force = cli_flag(cli, OPT_FORCE);
    uint64_t before = size_of(volume);
    int result = new_size(cli, volume, &bytes, err);
    if (result == 0 && force)
        result = confirm_cut(cli, volume, bytes, err);
    json_decref(volume);
    if (result < 0)
        return -1;
    json_t *body = json_pack("{s:I, s:b}", "size", (json_int_t)bytes, "force", force);
    result = cli_do_task(cli, "PATCH", path, body, false, &waited, err);
    json_decref(body);
    if (result < 0)
        return -1;
    if (waited)
        print_resized(cli, path, before);
    return 0;
}

int volume_rename(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *path = client_path("/volumes/", cli->in->args[0], "");
    json_t *body = json_pack("{s:s}", "name", cli->in->args[1]);
    bool waited;
    int result = cli_do_task(cli, "PATCH", path, body, true, &waited, err);
    json_decref(body);
    if (result < 0)
        return -1;
    if (waited && !cli->json)
        printf("Volume %s is called %s now.\n", cli->in->args[0], cli->in->args[1]);
    return 0;
}

static json_t *description_body(const struct cli *cli)
{
    return json_pack("{s:s}", "description", cli->in->args[1]); // it was checked
}

int volume_describe(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *path = client_path("/volumes/", cli->in->args[0], "");
    json_t *body = description_body(cli);
    bool waited;
    int result = cli_do_task(cli, "PATCH", path, body, true, &waited, err);
    json_decref(body);
    if (result == 0 && waited && !cli->json)
        printf("Volume %s is described so now.\n", cli->in->args[0]);
    return result;
}

static int describe(struct cli *cli, const char *kind, const char *folder, struct dv_err *err)
{
    DV_FREE char *path = client_path(folder, cli->in->args[0], "");
    json_t *thing, *body = description_body(cli);
    int result = client_request(cli->client, "PATCH", path, body, &thing, err);
    json_decref(body);
    if (result < 0)
        return -1;
    if (cli->json)
        cli_print_json(thing);
    else
        printf("%s %s is described so now.\n", kind, cli->in->args[0]);
    json_decref(thing);
    return 0;
}

int unit_describe(struct cli *cli, struct dv_err *err)
{
    return describe(cli, "Unit", "/units/", err);
}

int host_describe(struct cli *cli, struct dv_err *err)
{
    return describe(cli, "Host", "/hosts/", err);
}

static void print_accepted(const char *name, const char *unit, const json_t *volume)
{
    const char *left = json_string_value(json_object_get(volume, "left_behind"));
    printf("Volume %s is on %s now.\n", name, unit);
    if (left)
        printf("But %s.\n", left);
}

int volume_accept(struct cli *cli, struct dv_err *err)
{
    const char *const *args = (const char *const *)cli->in->args;
    DV_FREE char *path = client_path("/volumes/", args[0], "/accept");
    DV_FREE char *question = dv_printf(
        "Take volume %s to be on %s from now on, and make access rules for its hosts there?",
        args[0], args[1]);
    DV_FREE char *there = client_path("/volumes/", args[0], "");
    DV_FREE char *unit = client_path("/units/", args[1], "");
    json_t *volume, *body = json_pack("{s:s}", "unit", args[1]);
    int result = client_request(cli->client, "GET", there, NULL, NULL, err);
    if (result == 0)
        result = client_request(cli->client, "GET", unit, NULL, NULL, err);
    if (result == 0)
        result = cli_confirm(cli, question, err);
    if (result == 0)
        result = client_request(cli->client, "POST", path, body, &volume, err);
    json_decref(body);
    if (result < 0)
        return -1;
    if (cli->json)
        cli_print_json(volume);
    else
        print_accepted(args[0], args[1], volume);
    json_decref(volume);
    return 0;
}

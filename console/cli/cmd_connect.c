// How a host connects.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "console/cli/cli.h"
#include "console/cli/connect.h"
#include <string.h>

// Only the one that is asked for, if one is.
static int select_volume(const struct cli *cli, json_t *volumes, struct dv_err *err)
{
    const char *wanted = cli_value(cli, OPT_VOLUME);
    for (size_t i = json_array_size(volumes); wanted && i-- > 0;)
        if (strcmp(connect_text(json_array_get(volumes, i), "name"), wanted) != 0)
            json_array_remove(volumes, i);
    if (wanted && json_array_size(volumes) == 0)
        return dv_fail(err, DV_NOT_FOUND,
                       "host %s has no volume \"%s\"; assign it first: dvsan volume assign %s "
                       "--host %s",
                       cli->in->args[0], wanted, wanted, cli->in->args[0]);
    return 0;
}

static int check_ready(const json_t *info, const json_t *volume, struct dv_err *err)
{
    if (connect_is_ready(volume))
        return 0;
    if (connect_is_unasked(volume))
        return dv_fail(err, DV_CONFLICT,
                       "unit %s has an access rule for host %s and volume %s, and nobody assigned "
                       "that here; if it is right, do so: dvsan volume assign %s --host %s",
                       connect_text(volume, "unit"), connect_text(info, "host"),
                       connect_text(volume, "name"), connect_text(volume, "name"),
                       connect_text(info, "host"));
    return dv_fail(err, DV_CONFLICT,
                   "volume %s cannot be reached yet: it is %s; wait until it is online",
                   connect_text(volume, "name"), connect_text(volume, "state"));
}

static int print_nbd(const json_t *info, const char *secret_file, struct dv_err *err)
{
    const json_t *volumes = json_object_get(info, "volumes"), *volume = json_array_get(volumes, 0);
    if (!volume)
        return dv_fail(err, DV_CONFLICT, "host %s has no volumes; assign it one first",
                       connect_text(info, "host"));
    if (json_array_size(volumes) > 1)
        return dv_fail(err, DV_INVALID, "host %s has %zu volumes; choose one with --volume",
                       connect_text(info, "host"), json_array_size(volumes));
    if (check_ready(info, volume, err) < 0)
        return -1;
    json_t *params = connect_nbd(info, volume, secret_file);
    cli_print_json(params);
    json_decref(params);
    return 0;
}

static int print_lines(const json_t *info, const char *kind, const char *secret_file,
                       struct dv_err *err)
{
    struct strbuf out = {0};
    const struct connection c = {info, secret_file};
    connect_print(&out, &c, kind ? connect_kind(kind, err) : connect_default(info), !kind);
    fputs(out.text, stdout);
    strbuf_free(&out);
    return 0;
}

static int print_info(struct cli *cli, const json_t *info, struct dv_err *err)
{
    const char *given = cli_value(cli, OPT_CHAP_SECRET_FILE);
    DV_FREE char *secret_file =
        given ? dv_strdup(given) : dv_printf("/etc/dvsan/%s.secret", connect_text(info, "host"));
    if (select_volume(cli, json_object_get(info, "volumes"), err) < 0)
        return -1;
    if (cli_flag(cli, OPT_NBD))
        return print_nbd(info, secret_file, err);
    if (!cli->json)
        return print_lines(info, cli_value(cli, OPT_FOR), secret_file, err);
    cli_print_json(info);
    return 0;
}

int host_connect_info(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *path = client_path("/hosts/", cli->in->args[0], "/connect-info");
    json_t *info;
    if (client_request(cli->client, "GET", path, NULL, &info, err) < 0)
        return -1;
    int result = print_info(cli, info, err);
    json_decref(info);
    return result;
}

// How a host connects.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "console/cli/cli.h"
#include "console/cli/connect.h"
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

// Only that of the volume asked for, if one is.
static int select_volume(const struct cli *cli, json_t *connections, struct dv_err *err)
{
    const char *volume = cli_value(cli, OPT_VOLUME);
    for (size_t i = json_array_size(connections); volume && i-- > 0;)
        if (strcmp(text_of(json_array_get(connections, i), "volume"), volume) != 0)
            json_array_remove(connections, i);
    if (volume && json_array_size(connections) == 0)
        return dv_fail(err, DV_NOT_FOUND,
                       "host %s has no volume \"%s\"; assign it first: "
                       "dvsan volume assign %s --host %s",
                       cli->in->args[0], volume, volume, cli->in->args[0]);
    return 0;
}

static int check_ready(const json_t *connection, struct dv_err *err)
{
    if (json_array_size(json_object_get(connection, "portals")) > 0 && *text_of(connection, "iqn"))
        return 0;
    return dv_fail(err, DV_CONFLICT,
                   "volume %s cannot be reached yet: it is %s; wait until it is online",
                   text_of(connection, "volume"), text_of(connection, "volume_state"));
}

static int print_plugin(const struct cli *cli, const json_t *connections, const char *secret_file,
                        struct dv_err *err)
{
    const json_t *connection = json_array_get(connections, 0);
    if (json_array_size(connections) != 1)
        return dv_fail(err, DV_INVALID, "host %s has %zu volumes; choose one with --volume",
                       cli->in->args[0], json_array_size(connections));
    if (check_ready(connection, err) < 0)
        return -1;
    json_t *params = connect_plugin(connection, secret_file);
    cli_print_json(params);
    json_decref(params);
    return 0;
}

static int print_lines(const json_t *host, const json_t *connections, const char *secret_file,
                       struct dv_err *err)
{
    struct strbuf out = {0};
    size_t i;
    const json_t *connection;
    json_array_foreach(connections, i, connection) if (check_ready(connection, err) < 0) return -1;
    connect_secret(&out, text_of(host, "name"), secret_file);
    strbuf_add(&out, "\n");
    connect_open_iscsi_host(&out, text_of(host, "iqn"), text_of(host, "chap_user"), secret_file);
    json_array_foreach(connections, i, connection)
    {
        strbuf_add(&out, "\n");
        connect_volume(&out, connection, secret_file);
    }
    if (json_array_size(connections) == 0)
        strbuf_add(&out,
                   "\n# This host has no volumes. Assign one: dvsan volume assign VOLUME "
                   "--host %s\n",
                   text_of(host, "name"));
    fputs(out.text, stdout);
    strbuf_free(&out);
    return 0;
}

static int print_all(struct cli *cli, const json_t *host, json_t *connections, struct dv_err *err)
{
    const char *given = cli_value(cli, OPT_CHAP_SECRET_FILE);
    DV_FREE char *secret_file =
        given ? dv_strdup(given) : dv_printf("/etc/dvsan/%s.secret", text_of(host, "name"));
    if (select_volume(cli, connections, err) < 0)
        return -1;
    if (cli_flag(cli, OPT_PLUGIN))
        return print_plugin(cli, connections, secret_file, err);
    if (!cli->json)
        return print_lines(host, connections, secret_file, err);
    cli_print_json(connections);
    return 0;
}

int host_connect_info(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *host_path = client_path("/hosts/", cli->in->args[0], "");
    DV_FREE char *path = client_path("/hosts/", cli->in->args[0], "/connections");
    json_t *host = NULL, *connections = NULL;
    int result = -1;
    if (client_request(cli->client, "GET", host_path, NULL, &host, err) == 0 &&
        client_request(cli->client, "GET", path, NULL, &connections, err) == 0)
        result = print_all(cli, host, connections, err);
    json_decref(connections);
    json_decref(host);
    return result;
}

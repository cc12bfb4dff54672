// Volumes: made, listed, deleted.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "base/text.h"
#include "console/cli/cli.h"
#include <unistd.h>

int volume_list(struct cli *cli, struct dv_err *err)
{
    static const struct table_column columns[] = {
        {"NAME", "name", COLUMN_TEXT},
        {"SIZE", "blocks", COLUMN_BLOCKS},
        {"STATE", "state", COLUMN_STATE},
        {"UNIT", "unit", COLUMN_TEXT},
        {"MEDIUM", "medium", COLUMN_TEXT},
        {"THIN", "thin", COLUMN_YES},
        {"START LBA", "start_lba", COLUMN_NUMBER},
        {"END LBA", "end_lba", COLUMN_NUMBER},
        {"HOSTS", "hosts", COLUMN_LIST},
    };
    return cli_list(cli, "volumes", "/volumes", columns, DV_COUNT(columns), err);
}

static int fetch_volume(struct cli *cli, const char *name, json_t **volume, struct dv_err *err)
{
    DV_FREE char *path = client_path("/volumes/", name, "");
    return client_request(cli->client, "GET", path, NULL, volume, err);
}

int volume_show(struct cli *cli, struct dv_err *err)
{
    static const struct table_column columns[] = {
        {"Name", "name", COLUMN_TEXT},
        {"Description", "description", COLUMN_NOTE},
        {"UUID", "uuid", COLUMN_TEXT},
        {"Size", "blocks", COLUMN_BLOCKS},
        {"State", "state", COLUMN_STATE},
        {"Last error", "last_error", COLUMN_NOTE},
        {"Last state", "last_state", COLUMN_NOTE},
        {"As of", "as_of", COLUMN_SINCE},
        {"Note", "note", COLUMN_NOTE},
        {"Unit", "unit", COLUMN_TEXT},
        {"Shown by", "shown_by", COLUMN_LIST},
        {"To accept", "to_accept", COLUMN_NOTE},
        {"Left behind", "left_behind", COLUMN_NOTE},
        {"Medium", "medium", COLUMN_TEXT},
        {"Thin", "thin", COLUMN_YES},
        {"May UNMAP", "may_unmap", COLUMN_YES},
        {"Blocks", "blocks", COLUMN_NUMBER},
        {"Block size", "block_size", COLUMN_NUMBER},
        {"Start LBA", "start_lba", COLUMN_NUMBER},
        {"End LBA", "end_lba", COLUMN_NUMBER},
        {"IQN", "iqn", COLUMN_TEXT},
        {"LUN", "lun", COLUMN_NUMBER},
        {"Portal group", "portal_group", COLUMN_NUMBER},
        {"Portals", "portals", COLUMN_LIST},
        {"Hosts", "hosts", COLUMN_LIST},
        {"Assignment errors", "access_errors", COLUMN_LIST},
    };
    json_t *volume;
    if (fetch_volume(cli, cli->in->args[0], &volume, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(volume);
    else
        table_print_record(stdout, columns, DV_COUNT(columns), volume, &cli->style);
    json_decref(volume);
    return 0;
}

static json_t *create_body(const struct cli *cli, struct dv_err *err)
{
    uint64_t bytes;
    if (size_parse(cli_value(cli, OPT_SIZE), &bytes, err) < 0)
        return NULL;
    json_t *body = cli_body(cli, BIT(OPT_UNIT) | BIT(OPT_MEDIUM) | BIT(OPT_DESCRIPTION), err);
    if (!body)
        return NULL;
    json_object_set_new(body, "name", json_string(cli->in->args[0]));
    json_object_set_new(body, "size", json_integer((json_int_t)cli_whole(bytes)));
    if (cli_flag(cli, OPT_THIN) || cli_flag(cli, OPT_FULL))
        json_object_set_new(body, "thin", json_boolean(cli_flag(cli, OPT_THIN)));
    return body;
}

static void print_created(struct cli *cli)
{
    json_t *volume;
    char size[SIZE_TEXT_ROOM];
    DV_FREE char *path = client_path("/volumes/", cli->in->args[0], "");
    if (!cli_show_changed(cli, path, &volume))
        return;
    json_int_t blocks = json_integer_value(json_object_get(volume, "blocks"));
    if (cli->json)
        cli_print_json(volume);
    else
        printf("Volume %s (%s) is %s on unit %s, LBA %lld to %lld of medium %s.\n",
               cli->in->args[0], size_format((uint64_t)blocks * 512, size, sizeof(size)),
               json_string_value(json_object_get(volume, "state")),
               json_string_value(json_object_get(volume, "unit")),
               (long long)json_integer_value(json_object_get(volume, "start_lba")),
               (long long)json_integer_value(json_object_get(volume, "end_lba")),
               json_string_value(json_object_get(volume, "medium")));
    json_decref(volume);
}

static int create(struct cli *cli, struct dv_err *err)
{
    json_t *body = create_body(cli, err);
    if (!body)
        return -1;
    bool waited;
    int result = cli_do_task(cli, "POST", "/volumes", body, false, &waited, err);
    json_decref(body);
    if (result < 0)
        return -1;
    if (waited)
        print_created(cli);
    return 0;
}

// A host that was made for the volume goes when there is none.
static void take_back_host(struct cli *cli)
{
    DV_FREE char *path = client_path("/hosts/", cli_value(cli, OPT_HOST), "");
    if (!cli_value(cli, OPT_IQN) ||
        client_request(cli->client, "DELETE", path, NULL, NULL, NULL) < 0)
        return;
    printf("Host %s is deleted again.\n", cli_value(cli, OPT_HOST));
    if (cli_value(cli, OPT_SAVE_SECRET))
        unlink(cli_value(cli, OPT_SAVE_SECRET));
}

// What is asked for the host goes first: its name and IQN may be taken.
static int create_for_host(struct cli *cli, struct dv_err *err)
{
    struct invocation of_host = *cli->in;
    struct cli host = *cli;
    of_host.args[0] = cli_value(cli, OPT_HOST);
    of_host.values[OPT_VOLUME] = cli->in->args[0];
    host.in = &of_host;
    if (cli->json || cli_flag(cli, OPT_NO_WAIT))
        return dv_fail(err, DV_INVALID,
                       "--host takes several steps, so it goes neither with --json nor with "
                       "--no-wait: use host add, volume create and volume assign");
    if (cli_value(cli, OPT_IQN) && host_add(&host, err) < 0)
        return -1;
    if (create(cli, err) < 0) {
        if (!client_is_open(cli->client)) // else there may be a volume for it
            take_back_host(cli);
        return -1;
    }
    if (volume_assign(cli, err) < 0)
        return -1;
    printf("\n");
    return host_connect_info(&host, err);
}

int volume_create(struct cli *cli, struct dv_err *err)
{
    if (cli_value(cli, OPT_HOST))
        return create_for_host(cli, err);
    if (cli_value(cli, OPT_IQN) || cli_value(cli, OPT_SAVE_SECRET) || cli_value(cli, OPT_FOR))
        return dv_fail(err, DV_INVALID, "--iqn, --save-secret and --for go with --host HOST");
    return create(cli, err);
}

static int confirm_delete(struct cli *cli, struct dv_err *err)
{
    json_t *volume;
    char size[SIZE_TEXT_ROOM];
    if (fetch_volume(cli, cli->in->args[0], &volume, err) < 0)
        return -1;
    uint64_t blocks = (uint64_t)json_integer_value(json_object_get(volume, "blocks"));
    const char *unit = json_string_value(json_object_get(volume, "unit"));
    DV_FREE char *hosts = cli_names(json_object_get(volume, "hosts"));
    DV_FREE char *question = dv_printf(
        cli_flag(cli, OPT_FORGET)
            ? "Forget volume %s (%s on unit %s%s%s)? Its data stay where they are, and should its "
              "medium come back, it comes back with it."
            : "Delete volume %s (%s on unit %s%s%s) with all its data?",
        cli->in->args[0], size_format(blocks * 512, size, sizeof(size)), unit ? unit : "?",
        *hosts ? ", used by " : "", hosts);
    json_decref(volume);
    return cli_confirm(cli, question, err);
}

int volume_delete(struct cli *cli, struct dv_err *err)
{
    bool forget = cli_flag(cli, OPT_FORGET), waited;
    DV_FREE char *path = client_path("/volumes/", cli->in->args[0], forget ? "/forget" : "");
    if (confirm_delete(cli, err) < 0 ||
        cli_do_task(cli, forget ? "POST" : "DELETE", path, NULL, true, &waited, err) < 0)
        return -1;
    if (waited && !cli->json)
        printf("Volume %s is %s.\n", cli->in->args[0], forget ? "forgotten" : "deleted");
    return 0;
}

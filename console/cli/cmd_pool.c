// The pool, its units and media.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "console/cli/cli.h"

int pool_show(struct cli *cli, struct dv_err *err)
{
    static const struct table_column columns[] = {
        {"Name", "name", COLUMN_TEXT},           {"Size", "blocks", COLUMN_BLOCKS},
        {"Free", "free_blocks", COLUMN_BLOCKS},  {"Units", "units", COLUMN_NUMBER},
        {"Units up", "units_up", COLUMN_NUMBER}, {"Volumes", "volumes", COLUMN_NUMBER},
        {"Hosts", "hosts", COLUMN_NUMBER},       {"Version", "version", COLUMN_TEXT},
    };
    json_t *pool;
    if (client_request(cli->client, "GET", "/pool", NULL, &pool, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(pool);
    else
        table_print_record(stdout, columns, DV_COUNT(columns), pool, &cli->style);
    json_decref(pool);
    return 0;
}

int unit_list(struct cli *cli, struct dv_err *err)
{
    static const struct table_column columns[] = {
        {"NAME", "name", COLUMN_TEXT},         {"STATE", "state", COLUMN_STATE},
        {"SIZE", "blocks", COLUMN_BLOCKS},     {"FREE", "free_blocks", COLUMN_BLOCKS},
        {"VOLUMES", "volumes", COLUMN_NUMBER}, {"ADDRESS", "address", COLUMN_TEXT},
        {"TRUST", "trust", COLUMN_TEXT},
    };
    return cli_list(cli, "units", "/units", columns, DV_COUNT(columns), err);
}

static const struct table_column media_columns[] = {
    {"MEDIUM", "name", COLUMN_TEXT},        {"KIND", "kind", COLUMN_TEXT},
    {"STATE", "state", COLUMN_STATE},       {"SIZE", "blocks", COLUMN_BLOCKS},
    {"FREE", "free_blocks", COLUMN_BLOCKS}, {"LARGEST", "largest_free_blocks", COLUMN_BLOCKS},
    {"AS OF", "as_of", COLUMN_TIME},        {"ERROR", "last_error", COLUMN_NOTE},
};

static void print_unit(const struct cli *cli, const json_t *unit)
{
    static const struct table_column columns[] = {
        {"Name", "name", COLUMN_TEXT},
        {"Description", "description", COLUMN_NOTE},
        {"UUID", "uuid", COLUMN_TEXT},
        {"State", "state", COLUMN_STATE},
        {"Address", "address", COLUMN_TEXT},
        {"Trust", "trust", COLUMN_TEXT},
        {"Key number", "key_number", COLUMN_NUMBER},
        {"Key before", "key_before", COLUMN_YES},
        {"Lead", "lead", COLUMN_TEXT},
        {"Led by", "leader", COLUMN_NOTE},
        {"Engine ID", "engine_id", COLUMN_TEXT},
        {"Software", "software", COLUMN_TEXT},
        {"Last seen", "last_seen", COLUMN_TIME},
        {"Last error", "last_error", COLUMN_NOTE},
        {"Why", "reason", COLUMN_NOTE},
        {"Note", "note", COLUMN_NOTE},
        {"Size", "blocks", COLUMN_BLOCKS},
        {"Free", "free_blocks", COLUMN_BLOCKS},
        {"Volumes", "volumes", COLUMN_NUMBER},
    };
    static const struct table_column portals[] = {
        {"PORTAL", "address", COLUMN_TEXT},
        {"PORT", "port", COLUMN_NUMBER},
        {"GROUP", "group", COLUMN_NUMBER},
        {"UP", "up", COLUMN_YES},
    };
    table_print_record(stdout, columns, DV_COUNT(columns), unit, &cli->style);
    printf("\n");
    table_print(stdout, media_columns, DV_COUNT(media_columns), json_object_get(unit, "media"),
                &cli->style);
    printf("\n");
    table_print(stdout, portals, DV_COUNT(portals), json_object_get(unit, "portals"), &cli->style);
}

int unit_show(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *path = client_path("/units/", cli->in->args[0], "");
    json_t *unit;
    if (client_request(cli->client, "GET", path, NULL, &unit, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(unit);
    else
        print_unit(cli, unit);
    json_decref(unit);
    return 0;
}

int unit_rename(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *path = client_path("/units/", cli->in->args[0], "");
    json_t *unit, *body = json_pack("{s:s}", "name", cli->in->args[1]);
    int result = body ? client_request(cli->client, "PATCH", path, body, &unit, err)
                      : dv_fail(err, DV_INVALID, "the new name is not text in UTF-8");
    json_decref(body);
    if (result < 0)
        return -1;
    if (cli->json)
        cli_print_json(unit);
    else
        printf("Unit %s is called %s now.\n", cli->in->args[0], cli->in->args[1]);
    json_decref(unit);
    return 0;
}

// Those that were given to it here alone are taken from nobody any more once it is forgotten.
static bool has_own_keys(const json_t *unit)
{
    return json_integer_value(json_object_get(unit, "key_number")) > 0;
}

static int confirm_forget(struct cli *cli, const json_t *unit, struct dv_err *err)
{
    const char *name = json_string_value(json_object_get(unit, "name"));
    json_int_t count = json_integer_value(json_object_get(unit, "volumes"));
    DV_FREE char *names = cli_names(json_object_get(unit, "hosts"));
    DV_FREE char *how = has_own_keys(unit)
                            ? dv_printf("a new code that is typed on it (dvsan unit add %s) brings "
                                        "it in again",
                                        name)
                            : dv_strdup("it joins again by itself");
    DV_FREE char *question = dv_printf(
        "Forget unit %s with its %lld volume%s%s%s? Nothing on the unit is changed: should it come "
        "back, %s, with its volumes and their access rules.",
        name, (long long)count, count == 1 ? "" : "s", *names ? ", which are used by " : "", names,
        how);
    return cli_confirm(cli, question, err);
}

static void print_forgotten(const json_t *unit)
{
    const char *name = json_string_value(json_object_get(unit, "name"));
    printf("Unit %s is forgotten.\n", name);
    if (has_own_keys(unit))
        printf("Should it come back: dvsan unit add %s, and on it the line that this prints.\n",
               name);
}

int unit_forget(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *path = client_path("/units/", cli->in->args[0], "");
    json_t *unit;
    if (client_request(cli->client, "GET", path, NULL, &unit, err) < 0)
        return -1;
    DV_FREE char *forced = client_path("/units/", cli->in->args[0], "?force=true");
    int result = confirm_forget(cli, unit, err) < 0
                     ? -1
                     : client_request(cli->client, "DELETE", forced, NULL, NULL, err);
    if (result == 0 && cli->json)
        cli_print_json(unit);
    else if (result == 0)
        print_forgotten(unit);
    json_decref(unit);
    return result;
}

static void add_extents(json_t *rows, json_t *medium)
{
    size_t i;
    json_t *extent;
    json_array_foreach(json_object_get(medium, "free_extents"), i, extent)
    {
        json_object_set(extent, "unit", json_object_get(medium, "unit"));
        json_object_set(extent, "medium", json_object_get(medium, "name"));
        json_array_append(rows, extent);
    }
}

static int list_extents(struct cli *cli, struct dv_err *err)
{
    static const struct table_column columns[] = {
        {"UNIT", "unit", COLUMN_TEXT},
        {"MEDIUM", "medium", COLUMN_TEXT},
        {"START LBA", "start_lba", COLUMN_NUMBER},
        {"END LBA", "end_lba", COLUMN_NUMBER},
        {"SIZE", "blocks", COLUMN_BLOCKS},
    };
    json_t *media, *medium, *rows = json_array();
    size_t i;
    if (client_request(cli->client, "GET", "/media", NULL, &media, err) < 0) {
        json_decref(rows);
        return -1;
    }
    json_array_foreach(media, i, medium)
    {
        add_extents(rows, medium);
    }
    if (cli->json)
        cli_print_json(rows);
    else
        table_print(stdout, columns, DV_COUNT(columns), rows, &cli->style);
    json_decref(rows);
    json_decref(media);
    return 0;
}

int medium_list(struct cli *cli, struct dv_err *err)
{
    if (cli_flag(cli, OPT_EXTENTS))
        return list_extents(cli, err);

    static const struct table_column columns[] = {
        {"UNIT", "unit", COLUMN_TEXT},
        {"MEDIUM", "name", COLUMN_TEXT},
        {"KIND", "kind", COLUMN_TEXT},
        {"STATE", "state", COLUMN_STATE},
        {"SIZE", "blocks", COLUMN_ROOM},
        {"FREE", "free_blocks", COLUMN_ROOM},
        {"LARGEST", "largest_free_blocks", COLUMN_ROOM},
        {"REALLY LEFT", "storage_free_blocks", COLUMN_ROOM},
        {"OVERCOMMIT", "overcommitted_blocks", COLUMN_ROOM},
        {"UNMAP", "may_unmap", COLUMN_YES},
        {"AS OF", "as_of", COLUMN_TIME},
        {"ERROR", "last_error", COLUMN_NOTE},
    };
    return cli_list(cli, "media", "/media", columns, DV_COUNT(columns), err);
}

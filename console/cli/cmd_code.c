// Codes by which units become part of the pool.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "base/text.h"
#include "console/cli/cli.h"
#include "console/cli/connect.h"
#include <stdlib.h>
#include <string.h>

static json_t *request_of(const struct cli *cli, struct dv_err *err)
{
    const char *count = cli_value(cli, OPT_COUNT), *valid = cli_value(cli, OPT_VALID);
    uint32_t ms = 0;
    json_t *body = cli_body(cli, BIT(OPT_AGAIN) | BIT(OPT_FROM), err);
    if (cli->in->args[0])
        json_object_set_new(body, "name", json_string(cli->in->args[0]));
    if (count)
        json_object_set_new(body, "count", json_integer(strtoll(count, NULL, 10)));
    if (valid && duration_parse(valid, &ms, NULL) == 0)
        json_object_set_new(body, "seconds", json_integer(ms / 1000));
    return body;
}

static void print_code(const json_t *code)
{
    const char *station = connect_text(code, "station"), *name = connect_text(code, "name");
    json_int_t count = json_integer_value(json_object_get(code, "count"));
    DV_FREE char *until = table_time(connect_text(code, "expires"));
    printf("On %s, as root; --init sets it up and keeps what is there:\n"
           "\n"
           "  dvsan-unit --init --enrol %s --station %s\n"
           "\n"
           "The code is shown only now, and good until %s, for %lld unit%s.\n",
           *name        ? name
           : count == 1 ? "the unit"
                        : "each unit",
           connect_text(code, "code"), *station ? station : "THE-STATION'S-ADDRESS", until,
           (long long)count, count == 1 ? "" : "s");
    size_t i;
    json_t *other;
    json_array_foreach(json_object_get(code, "also_open"), i, other)
        printf("The code %s is open for %s, too: dvsan code delete %s ends it.\n",
               json_string_value(other), name, json_string_value(other));
}

int unit_add(struct cli *cli, struct dv_err *err)
{
    json_t *code, *body = request_of(cli, err);
    int result = client_request(cli->client, "POST", "/codes", body, &code, err);
    json_decref(body);
    if (result < 0 && client_is_open(cli->client))
        cli_warn("if the code is there (dvsan code list), nobody has it: delete it (dvsan code "
                 "delete ID)");
    if (result < 0)
        return -1;
    if (cli->json)
        cli_print_json(code);
    else
        print_code(code);
    json_decref(code);
    return 0;
}

int code_list(struct cli *cli, struct dv_err *err)
{
    static const struct table_column columns[] = {
        {"ID", "id", COLUMN_TEXT},           {"FOR", "name", COLUMN_TEXT},
        {"STATE", "state", COLUMN_STATE},    {"COUNT", "count", COLUMN_NUMBER},
        {"USED", "used", COLUMN_NUMBER},     {"TRIES LEFT", "tries", COLUMN_NUMBER},
        {"FROM", "from", COLUMN_TEXT},       {"CREATED", "created", COLUMN_TIME},
        {"EXPIRES", "expires", COLUMN_TIME},
    };
    return cli_list(cli, "codes", "/codes", columns, DV_COUNT(columns), err);
}

int code_delete(struct cli *cli, struct dv_err *err)
{
    const char *id = cli->in->args[0];
    DV_FREE char *path = client_path("/codes/", id, "");
    DV_FREE char *question =
        dv_printf("Delete the code %s? Units that it let in stay in the pool.", id);
    if (cli_confirm(cli, question, err) < 0 ||
        client_request(cli->client, "DELETE", path, NULL, NULL, err) < 0)
        return -1;
    if (!cli->json)
        printf("The code %s is deleted.\n", id);
    return 0;
}

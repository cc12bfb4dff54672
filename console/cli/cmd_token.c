// API tokens.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "console/cli/cli.h"

int token_create(struct cli *cli, struct dv_err *err)
{
    json_t *token, *body = json_pack("{s:s}", "name", cli->in->args[0]);
    int result = client_request(cli->client, "POST", "/tokens", body, &token, err);
    json_decref(body);
    if (result < 0)
        return -1;
    if (cli->json)
        cli_print_json(token);
    else
        printf("Token %lld, shown only now: %s\nUse it with: export DVSAN_TOKEN=...\n",
               (long long)json_integer_value(json_object_get(token, "id")),
               json_string_value(json_object_get(token, "token")));
    json_decref(token);
    return 0;
}

int token_list(struct cli *cli, struct dv_err *err)
{
    static const struct column columns[] = {
        {"ID", "id", COLUMN_NUMBER},
        {"NAME", "name", COLUMN_TEXT},
        {"CREATED", "created", COLUMN_TIME},
    };
    return cli_list(cli, "API tokens", "/tokens", columns, DV_COUNT(columns), err);
}

int token_delete(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *path = client_path("/tokens/", cli->in->args[0], "");
    if (client_request(cli->client, "DELETE", path, NULL, NULL, err) < 0)
        return -1;
    if (cli->json)
        printf("{}\n");
    else
        printf("Token %s is deleted.\n", cli->in->args[0]);
    return 0;
}

// API tokens.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "console/cli/cli.h"
#include "console/cli/connect.h"
#include <string.h>

int token_create(struct cli *cli, struct dv_err *err)
{
    json_t *token, *body = json_pack("{s:s}", "name", cli->in->args[0]);
    int result = client_request(cli->client, "POST", "/tokens", body, &token, err);
    json_decref(body);
    if (result < 0 && client_is_open(cli->client))
        cli_warn("if token %s is there (dvsan token list), nobody has it: delete it (dvsan token "
                 "delete %s)",
                 cli->in->args[0], cli->in->args[0]);
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
    static const struct table_column columns[] = {
        {"ID", "id", COLUMN_NUMBER},
        {"NAME", "name", COLUMN_TEXT},
        {"CREATED", "created", COLUMN_TIME},
    };
    return cli_list(cli, "API tokens", "/tokens", columns, DV_COUNT(columns), err);
}

// By its name, or by its number; a name that is a number comes first.
static json_t *find_token(const json_t *tokens, const char *typed, struct dv_err *err)
{
    size_t i;
    json_t *token, *numbered = NULL;
    json_array_foreach(tokens, i, token)
    {
        DV_FREE char *id =
            dv_printf("%lld", (long long)json_integer_value(json_object_get(token, "id")));
        if (strcmp(typed, connect_text(token, "name")) == 0)
            return token;
        if (strcmp(typed, id) == 0)
            numbered = token;
    }
    if (!numbered)
        dv_fail(err, DV_NOT_FOUND, "there is no API token \"%.64s\"; see dvsan token list", typed);
    return numbered;
}

static int delete_token(struct cli *cli, const json_t *token, struct dv_err *err)
{
    const char *name = connect_text(token, "name");
    DV_FREE char *path =
        dv_printf("/tokens/%lld", (long long)json_integer_value(json_object_get(token, "id")));
    DV_FREE char *question =
        dv_printf("Delete the API token %s? Who uses it is shut out at once.", name);
    if (cli_confirm(cli, question, err) < 0 ||
        client_request(cli->client, "DELETE", path, NULL, NULL, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(token);
    else
        printf("Token %s is deleted.\n", name);
    return 0;
}

int token_delete(struct cli *cli, struct dv_err *err)
{
    json_t *tokens;
    if (client_request(cli->client, "GET", "/tokens", NULL, &tokens, err) < 0)
        return -1;
    const json_t *token = find_token(tokens, cli->in->args[0], err);
    int result = token ? delete_token(cli, token, err) : -1;
    json_decref(tokens);
    return result;
}

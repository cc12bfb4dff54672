// Events.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "console/cli/cli.h"
#include <unistd.h>

static const struct table_column columns[] = {
    {"TIME", "time", COLUMN_TIME},
    {"SEVERITY", "severity", COLUMN_STATE},
    {"SUBJECT", "subject", COLUMN_TEXT},
    {"EVENT", "text", COLUMN_TEXT},
};

// Prints those of the list, a line or an object each, and moves *after behind them.
static void print_new(struct cli *cli, const json_t *events, json_int_t *after)
{
    size_t i;
    const json_t *event;
    json_array_foreach(events, i, event)
    {
        if (cli->json) {
            json_dumpf(event, stdout, JSON_COMPACT);
            printf("\n");
        }
        *after = json_integer_value(json_object_get(event, "id"));
    }
    if (!cli->json && json_array_size(events) > 0)
        table_print(stdout, columns, DV_COUNT(columns), events, &cli->style);
    fflush(stdout);
}

static bool is_away(const struct dv_err *err)
{
    return err->code == DV_TIMEOUT || err->code == DV_UNREACHABLE || err->code == DV_BUSY;
}

// The station keeps no list of followers, so it is asked once a second. One that is away, or busy,
// is waited for: who follows wants to see what it says when it is back. Where nothing has answered
// yet and nothing listens, the address may be wrong.
static int follow(struct cli *cli, const char *first, struct dv_err *err)
{
    bool begun = false, away = false; // and it was said
    json_int_t after = 0;
    while (!ferror(stdout)) {
        DV_FREE char *next = dv_printf("/events?limit=1000&after=%lld", (long long)after);
        json_t *events;
        if (client_request(cli->client, "GET", begun ? next : first, NULL, &events, err) == 0) {
            print_new(cli, events, &after);
            json_decref(events);
            cli->style.headings = away = false;
            begun = true;
        } else if (!is_away(err) || (!begun && err->code == DV_UNREACHABLE)) {
            return -1;
        } else if (!away) {
            cli_warn("still waiting: %s", err->text);
            away = true;
        }
        sleep(1);
    }
    return 0;
}

int event_list(struct cli *cli, struct dv_err *err)
{
    const char *limit = cli_value(cli, OPT_LIMIT);
    DV_FREE char *path = client_path("/events?limit=", limit ? limit : "100", "");
    return cli_flag(cli, OPT_FOLLOW)
               ? follow(cli, path, err)
               : cli_list(cli, "events", path, columns, DV_COUNT(columns), err);
}

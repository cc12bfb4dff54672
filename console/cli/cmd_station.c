// The station itself: who leads the units, and what is to be settled with them.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "console/cli/cli.h"
#include <stdio.h>
#include <string.h>

static const json_t *differences_of(const json_t *station)
{
    return json_object_get(station, "differences");
}

static void print_differences(const struct cli *cli, const json_t *station)
{
    static const struct table_column columns[] = {
        {"UNIT", "unit", COLUMN_TEXT},
        {"WHAT DIFFERS", "text", COLUMN_NOTE},
    };
    if (json_array_size(differences_of(station)) == 0)
        return;
    printf("\n");
    table_print(stdout, columns, DV_COUNT(columns), differences_of(station), &cli->style);
}

// Those that wait for a person's word and do not answer, so that it cannot be for them.
static void print_left_out(const json_t *station, FILE *out)
{
    const json_t *unit;
    size_t i;
    json_array_foreach(json_object_get(station, "units"), i, unit)
    {
        const char *why = json_string_value(json_object_get(unit, "left_out"));
        if (why)
            fprintf(out, "Left out: %s.\n", why);
    }
}

static bool any_is(const json_t *station, const char *what, const char *lead)
{
    const json_t *unit;
    size_t i;
    json_array_foreach(json_object_get(station, "units"), i, unit)
    {
        const char *is = json_string_value(json_object_get(unit, what));
        if (is && strcmp(is, lead) == 0)
            return true;
    }
    return false;
}

// How a pool that was set up with pass-phrases comes to have none.
static void print_sharing(const json_t *station)
{
    if (!json_is_true(json_object_get(station, "shares_users")))
        return;
    if (any_is(station, "trust", "shared") || any_is(station, "trust", "waiting"))
        printf(
            "\nUnits whose trust is shared or waiting have the same keys as others. Give each its "
            "own:\ndvsan unit add --again UNIT, and on the unit the line that this prints.\n");
    else
        printf("\nNo unit shares keys with others: <notify> and <provision> can go from "
               "dvsan-cms.xml.\n");
}

static void print_station(const struct cli *cli, const json_t *station)
{
    static const struct table_column columns[] = {
        {"Name", "name", COLUMN_TEXT},
        {"UUID", "uuid", COLUMN_TEXT},
        {"Intent", "intent", COLUMN_NUMBER},
        {"Longest turn", "longest_turn", COLUMN_NUMBER},
        {"Longest turn served", "longest_turn_served", COLUMN_NOTE},
    };
    static const struct table_column units[] = {
        {"UNIT", "unit", COLUMN_TEXT},
        {"TRUST", "trust", COLUMN_TEXT},
        {"LEAD", "lead", COLUMN_TEXT},
        {"LED BY", "leader", COLUMN_NOTE},
    };
    table_print_record(stdout, columns, DV_COUNT(columns), station, &cli->style);
    printf("\n");
    table_print(stdout, units, DV_COUNT(units), json_object_get(station, "units"), &cli->style);
    print_differences(cli, station);
    if (json_is_true(json_object_get(station, "stopped")))
        printf("\nNothing is ordered of any unit: units were told more than the station's store "
               "knows.\nSay what counts: dvsan station adopt units, or dvsan station adopt "
               "store.\nIf the store was put back from a backup: units that were revoked or "
               "quarantined since are\ntrusted again, so first say so again (dvsan unit revoke, "
               "dvsan unit quarantine); units that were\nenrolled since are not known, so enrol "
               "them again (dvsan unit add); codes of before have ended.\n");
    else if (any_is(station, "lead", "foreign"))
        printf("\nNothing is ordered of units that are foreign: another station led them since.\n"
               "Say what counts: dvsan station adopt units, or dvsan station adopt store.\n");
    print_left_out(station, stdout);
    print_sharing(station);
}

static int get_station(struct cli *cli, json_t **station, struct dv_err *err)
{
    return client_request(cli->client, "GET", "/station", NULL, station, err);
}

int station_show(struct cli *cli, struct dv_err *err)
{
    json_t *station;
    if (get_station(cli, &station, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(station);
    else
        print_station(cli, station);
    json_decref(station);
    return 0;
}

int station_adopt(struct cli *cli, struct dv_err *err)
{
    bool units = strcmp(cli->in->args[0], "units") == 0;
    json_t *station, *body;
    if (get_station(cli, &station, err) < 0)
        return -1;
    if (cli->terminal && !cli->yes)
        print_differences(cli, station);
    json_decref(station);
    if (cli_confirm(cli,
                    units ? "Take over into the store what the units have?"
                          : "Make the units what the store says, as listed?",
                    err) < 0)
        return -1;
    body = json_pack("{s:s, s:b}", "from", cli->in->args[0], "take_over",
                     cli_flag(cli, OPT_TAKE_OVER));
    int result = client_request(cli->client, "POST", "/station/adopt", body, &station, err);
    json_decref(body);
    if (result < 0)
        return -1;
    if (cli->json)
        cli_print_json(station);
    else
        printf(units ? "What the units have is in the store now.\n"
                     : "What the store says is ordered now.\n");
    if (!cli->json)
        print_left_out(station, stdout);
    json_decref(station);
    return 0;
}

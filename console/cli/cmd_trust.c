// How far a unit is believed: accepting, quarantining and revoking it.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "console/cli/cli.h"
#include "console/cli/connect.h"

static int tell(struct cli *cli, const char *verb, const char *done, struct dv_err *err)
{
    DV_FREE char *path = client_path("/units/", cli->in->args[0], verb);
    json_t *unit;
    if (client_request(cli->client, "POST", path, NULL, &unit, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(unit);
    else
        printf("Unit %s is %s.\n", connect_text(unit, "name"), done);
    json_decref(unit);
    return 0;
}

int unit_accept(struct cli *cli, struct dv_err *err)
{
    return tell(cli, "/accept", "accepted", err);
}

int unit_quarantine(struct cli *cli, struct dv_err *err)
{
    return tell(cli, "/quarantine",
                "quarantined: hosts go on using its volumes; dvsan unit accept ends that", err);
}

int unit_revoke(struct cli *cli, struct dv_err *err)
{
    const char *name = cli->in->args[0];
    DV_FREE char *question = dv_printf("Revoke unit %s? Its keys open nothing any more, and it "
                                       "comes back only with a new code that is typed on it.",
                                       name);
    if (cli_confirm(cli, question, err) < 0)
        return -1;
    return tell(cli, "/revoke", "revoked: dvsan unit add --again gives it new keys", err);
}

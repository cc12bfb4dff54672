// Assigning volumes to hosts, and unassigning them.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "console/cli/cli.h"

static char *assignment_path(const struct cli *cli)
{
    DV_FREE char *volume = client_path("/assignments/", cli->in->args[0], "/");
    return client_path(volume, cli_value(cli, OPT_HOST), "");
}

static void print_assigned(struct cli *cli)
{
    const char *host = cli_value(cli, OPT_HOST);
    if (!cli->json) {
        printf("Volume %s is assigned to host %s. How it connects: dvsan host connect-info %s\n",
               cli->in->args[0], host, host);
        return;
    }
    DV_FREE char *path = assignment_path(cli);
    json_t *assignment;
    if (!cli_show_changed(cli, path, &assignment))
        return;
    cli_print_json(assignment);
    json_decref(assignment);
}

int volume_assign(struct cli *cli, struct dv_err *err)
{
    json_t *body =
        json_pack("{s:s, s:s}", "volume", cli->in->args[0], "host", cli_value(cli, OPT_HOST));
    bool waited;
    int result = cli_do_task(cli, "POST", "/assignments", body, false, &waited, err);
    json_decref(body);
    if (result < 0)
        return -1;
    if (waited)
        print_assigned(cli);
    return 0;
}

int volume_unassign(struct cli *cli, struct dv_err *err)
{
    DV_FREE char *path = assignment_path(cli);
    DV_FREE char *question = dv_printf(
        "Unassign volume %s from host %s? Its sessions are ended, whatever it does with it.",
        cli->in->args[0], cli_value(cli, OPT_HOST));
    bool waited;
    // That there is something to unassign is said first.
    if (client_request(cli->client, "GET", path, NULL, NULL, err) < 0 ||
        cli_confirm(cli, question, err) < 0)
        return -1;
    if (cli_do_task(cli, "DELETE", path, NULL, true, &waited, err) < 0)
        return -1;
    if (waited && !cli->json)
        printf("Volume %s is no longer assigned to host %s.\n", cli->in->args[0],
               cli_value(cli, OPT_HOST));
    return 0;
}

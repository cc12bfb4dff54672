// Another IQN for a host, beside the one that it has.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "console/cli/cli.h"

// now: what was valid until then ends with its sessions, whatever units have.
static int send(struct cli *cli, const char *method, const char *way, uint64_t options,
                const char *question, json_t **host, struct dv_err *err)
{
    if (cli_flag(cli, OPT_NOW) && cli_confirm(cli, question, err) < 0)
        return -1;
    DV_FREE char *path = client_path("/hosts/", cli->in->args[0], way);
    json_t *body = cli_body(cli, options | BIT(OPT_NOW), err);
    int result = body ? client_request(cli->client, method, path, body, host, err) : -1;
    json_decref(body);
    return result;
}

static int finish(struct cli *cli, json_t **host, struct dv_err *err)
{
    DV_FREE char *question =
        dv_printf("End the previous IQN of host %s also where a unit does not let it in by the new "
                  "one? Its sessions there end.",
                  cli->in->args[0]);
    return send(cli, "POST", "/finish-iqn", 0, question, host, err);
}

static int give(struct cli *cli, json_t **host, struct dv_err *err)
{
    DV_FREE char *question = dv_printf(
        "Give host %s another IQN at once? Its sessions end, and it must log in by the new one.",
        cli->in->args[0]);
    return send(cli, "PATCH", "", BIT(OPT_IQN), question, host, err);
}

int host_change(struct cli *cli, struct dv_err *err)
{
    const char *name = cli->in->args[0];
    json_t *host = NULL;
    if (!cli_value(cli, OPT_IQN) && !cli_flag(cli, OPT_FINISH))
        return dv_fail(
            err, DV_INVALID,
            "say what to change: --iqn IQN gives the host another IQN, and --finish ends "
            "the previous one");
    if ((cli_flag(cli, OPT_FINISH) ? finish(cli, &host, err) : give(cli, &host, err)) < 0)
        return -1;
    const json_t *previous = json_object_get(json_object_get(host, "previous_iqn"), "iqn");
    const char *iqn = json_string_value(json_object_get(host, "iqn"));
    if (cli->json)
        cli_print_json(host);
    else if (previous)
        printf(
            "Host %s has the IQN %s now, and %s stays valid beside it. Let the host log in by the "
            "new one, then end the other: dvsan host change %s --finish\n",
            name, iqn, json_string_value(previous), name);
    else
        printf("Host %s has the IQN %s alone.\n", name, iqn);
    json_decref(host);
    return 0;
}

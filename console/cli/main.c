// dvsan, the command line of a pool.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/err.h"
#include "base/secret.h"
#include "console/cli/cli.h"
#include "console/cli/help.h"
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int run(const struct invocation *in, struct dv_err *err)
{
    struct cli cli = {
        .in = in,
        .style = table_style_of(stdout),
        .json = in->values[OPT_JSON] != NULL,
        .yes = in->values[OPT_YES] != NULL,
        .terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO),
        .client = client_new(in->values[OPT_URL], err),
    };
    if (!cli.client)
        return -1;
    int result = in->command->run(&cli, err);
    client_free(cli.client);
    return result;
}

// Also when the rest of the line could not be read.
static bool wants_json(int argc, char *const *argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    struct invocation in;
    struct dv_err err = {0};
    setlocale(LC_ALL, "");
    secret_harden_process();
    int result = parse_args(argc, argv, &in, &err);
    if (result == 0 && in.values[OPT_HELP])
        help_print(stdout, &in);
    else if (result == 0 && in.values[OPT_VERSION])
        printf("dvsan " DVSAN_VERSION "\n");
    else if (result == 0)
        result = run(&in, &err);
    // A full disk or a closed pipe is a failure too.
    if (result == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        result = dv_fail(&err, DV_IO, "the output could not be written");
    if (result == 0)
        return 0;
    fflush(stdout);
    cli_print_error(&err, wants_json(argc, argv));
    return dv_code_exit(err.code);
}

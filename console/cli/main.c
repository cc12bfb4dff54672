// dvsan, the command line of a pool.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/err.h"
#include "base/secret.h"
#include "console/cli/cli.h"
#include "console/cli/help.h"
#include <locale.h>
#include <stdio.h>
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
    fprintf(stderr, "dvsan: %s\n", err.text);
    return dv_code_exit(err.code);
}

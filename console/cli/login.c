// Finding the API token or the admin's password.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/login.h"

#include "base/mem.h"
#include "base/secret.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_ROOM    256
#define STATION_PASSWORD "/etc/dvsan/admin-password" // of the station on this machine

static const char *set_value(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value ? value : NULL;
}

// Without echo; the terminal is put back as it was.
static int ask_password(char **secret, struct dv_err *err)
{
    char text[PASSWORD_ROOM];
    struct termios old, quiet;
    if (tcgetattr(STDIN_FILENO, &old) < 0)
        return dv_fail(err, DV_IO, "the terminal does not answer");
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    fprintf(stderr, "Password of admin: ");
    bool got = fgets(text, sizeof(text), stdin) != NULL;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
    fprintf(stderr, "\n");
    if (got)
        text[strcspn(text, "\n")] = '\0';
    int result = got && text[0] ? secret_check("the password", text, strlen(text), err)
                                : dv_fail(err, DV_DENIED, "no password was given");
    if (result == 0)
        *secret = dv_strdup(text);
    secret_wipe(text, sizeof(text));
    return result;
}

int login_read(struct login *login, bool here, struct dv_err *err)
{
    const char *value;
    *login = (struct login){.is_token = true, .source = "DVSAN_TOKEN"};
    if ((value = set_value("DVSAN_TOKEN"))) {
        login->secret = dv_strdup(value);
        return secret_check(login->source, value, strlen(value), err);
    }
    login->source = "DVSAN_TOKEN_FILE";
    if ((value = set_value("DVSAN_TOKEN_FILE")))
        return secret_read_file(value, &login->secret, err);
    login->is_token = false;
    login->source = "DVSAN_PASSWORD_FILE";
    if ((value = set_value("DVSAN_PASSWORD_FILE")))
        return secret_read_file(value, &login->secret, err);
    login->source = STATION_PASSWORD;
    login->of_station = here && access(STATION_PASSWORD, R_OK) == 0;
    if (login->of_station)
        return secret_read_file(STATION_PASSWORD, &login->secret, err);
    login->source = "the password";
    if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
        return ask_password(&login->secret, err);
    if (here && !set_value("DVSAN_URL") && access(STATION_PASSWORD, F_OK) != 0)
        return dv_fail(err, DV_DENIED,
                       "this machine has no station that dvsan-cms --init made, and no API token: "
                       "set DVSAN_URL to the station's API, such as http://192.0.2.1:8480, and "
                       "DVSAN_TOKEN or DVSAN_TOKEN_FILE (dvsan token create makes one)");
    return dv_fail(err, DV_DENIED,
                   "there is no API token; set DVSAN_TOKEN or DVSAN_TOKEN_FILE (dvsan token "
                   "create makes one)");
}

void login_free(struct login *login)
{
    secret_free(login->secret);
    login->secret = NULL;
}

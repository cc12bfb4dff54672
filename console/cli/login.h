// Who the caller is to the station: an API token or the admin's password.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CLI_LOGIN_H
#define DVSAN_CLI_LOGIN_H

#include "base/err.h"
#include <stdbool.h>

struct login {
    bool is_token;   // else the admin's password
    bool of_station; // from the file that dvsan-cms --init made
    char *secret;
    const char *source; // where it came from, for errors: "DVSAN_TOKEN"
};

// From DVSAN_TOKEN, DVSAN_TOKEN_FILE, DVSAN_PASSWORD_FILE, where the station is here the file that
// dvsan-cms --init made, if the caller may read it, or by asking on a terminal, the first of them
// that there is.
int login_read(struct login *login, bool here, struct dv_err *err);
void login_free(struct login *login); // wipes

#endif

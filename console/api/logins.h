// Who asks: told at once, or after a password was checked, one at a time and source by source.
// SPDX-License-Identifier: BSD-2-Clause
//
// A password's check takes 64 MiB and a good part of a second. So one runs at a time, those that
// wait hold no thread, and each source in turn has one checked: the right password is never shut
// out by wrong ones, it waits for its turn at most. Once it was seen, none waits any more.
#ifndef DVSAN_API_LOGINS_H
#define DVSAN_API_LOGINS_H

#include "cms/core/auth.h"
#include "cms/core/station.h"
#include "console/api/request.h"

struct cms;
struct logins;
struct source;
struct workers;

// One that asks; the owner's memory. Zero is one that does not wait.
struct login_attempt {
    struct credentials c;
    struct source *source;
    void (*decided)(struct login_attempt *login, bool right); // runs on the loop, once
    struct login_attempt *prev, *next;
};

struct logins *logins_new(struct cms *cms, struct workers *workers);
void logins_free(struct logins *l); // when the workers are gone; NULL is fine

// AUTH_SLOW: it waits, and decided will run. Then, or otherwise at once, its credentials are gone.
enum auth_answer logins_ask(struct logins *l, struct login_attempt *login);
void logins_drop(struct logins *l, struct login_attempt *login); // it waits no more

#endif

// Passwords that wait to be checked.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/logins.h"

#include "base/mem.h"
#include "base/secret.h"
#include "cms/cms.h"
#include "cms/core/auth.h"
#include "cms/core/station.h"
#include "console/api/source.h"
#include "console/api/workers.h"
#include <utlist.h>

struct logins {
    struct cms *cms;
    struct workers *workers;
    struct login_attempt *waiting; // in the order in which they came
    uint64_t turns;
    // The one that is being checked.
    struct login_attempt *checked; // NULL: dropped meanwhile
    char *password;                // its own copy; NULL: none is
    bool right;
};

static void start(struct logins *l);

static void decide(struct logins *l, struct login_attempt *login, bool right)
{
    DL_DELETE(l->waiting, login);
    login->prev = NULL;
    credentials_free(&login->c);
    login->decided(login, right);
}

static void work(void *arg)
{
    struct logins *l = arg;
    l->right = cms_check_password(l->cms, l->password);
}

static void done(void *arg)
{
    struct logins *l = arg;
    struct login_attempt *login = l->checked;
    secret_free(l->password);
    l->password = NULL;
    l->checked = NULL;
    if (login)
        decide(l, login, l->right);
    start(l);
}

// Of the source that had a turn least lately, the one that came first.
static struct login_attempt *next(const struct logins *l)
{
    struct login_attempt *best = NULL, *login;
    DL_FOREACH(l->waiting, login)
    {
        if (!best || login->source->turn < best->source->turn)
            best = login;
    }
    return best;
}

static void start(struct logins *l)
{
    struct login_attempt *login;
    while (!l->password && (login = next(l))) {
        // What was checked since it came may have made it known.
        enum auth_answer answer = cms_look_login(l->cms, login->c.user, login->c.secret);
        login->source->turn = ++l->turns;
        if (answer != AUTH_SLOW) {
            decide(l, login, answer == AUTH_RIGHT);
            continue;
        }
        l->checked = login;
        l->password = dv_strdup(login->c.secret);
        workers_add(l->workers, work, done, l);
    }
}

enum auth_answer logins_ask(struct logins *l, struct login_attempt *login)
{
    enum auth_answer answer = cms_look_login(l->cms, login->c.user, login->c.secret);
    if (answer != AUTH_SLOW) {
        credentials_free(&login->c);
        return answer;
    }
    DL_APPEND(l->waiting, login);
    start(l);
    return AUTH_SLOW;
}

void logins_drop(struct logins *l, struct login_attempt *login)
{
    if (!login->prev) // utlist: whoever is in a list has one
        return;
    if (l->checked == login)
        l->checked = NULL;
    DL_DELETE(l->waiting, login);
    login->prev = NULL;
    credentials_free(&login->c);
}

struct logins *logins_new(struct cms *cms, struct workers *workers)
{
    struct logins *l = dv_calloc(1, sizeof(*l));
    l->cms = cms;
    l->workers = workers;
    return l;
}

void logins_free(struct logins *l)
{
    if (!l)
        return;
    secret_free(l->password);
    free(l);
}

// A host's CHAP accounts while its secret is exchanged: the one that it has, and the previous one.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/accounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct account_step account_next(const struct host_record *host, const struct access_rule *rule)
{
    const struct host_account *before = &host->previous;
    bool has = before->user[0], same_previous = strcmp(rule->previous_user, before->user) == 0;
    if (strcmp(rule->chap_user, host->chap_user) == 0) {
        if (has && !same_previous) // given back; the one that the host has follows
            return (struct account_step){.due = true, .previous = true};
        return (struct account_step){.due =
                                         rule->secret_mark != host->secret_mark || !same_previous,
                                     .alone = !same_previous};
    }
    if (has && strcmp(rule->chap_user, before->user) == 0)
        return (struct account_step){.due = true, .previous = rule->secret_mark != before->mark};
    return (struct account_step){.due = true, .previous = has, .alone = true};
}

struct host_record account_before(const struct host_record *host)
{
    struct host_record h = *host;
    const struct host_account *before = &host->previous;
    memcpy(h.chap_user, before->user, sizeof(h.chap_user));
    memcpy(h.sealed_secret, before->sealed_secret, sizeof(h.sealed_secret));
    h.sealed_len = before->sealed_len;
    h.secret_mark = before->mark;
    h.one_secret = before->one_secret;
    return h;
}

bool account_has_mark(const struct host_record *host, uint32_t mark)
{
    return mark == host->secret_mark || (host->previous.user[0] && mark == host->previous.mark);
}

bool account_is_given(const struct host_record *host, const struct access_rule *rule)
{
    return strcmp(rule->chap_user, host->chap_user) == 0 && rule->secret_mark == host->secret_mark;
}

// A unit that has not changed over yet has the previous account.
static bool is_previous(const struct host_record *host, const struct access_rule *rule)
{
    const struct host_account *before = &host->previous;
    return before->user[0] && strcmp(before->user, rule->chap_user) == 0 &&
           before->mark == rule->secret_mark;
}

static bool is_current(const struct host_record *host, const struct access_rule *rule)
{
    return strcmp(host->chap_user, rule->chap_user) == 0 &&
           (host->sealed_len == 0 || host->secret_mark == rule->secret_mark);
}

bool account_is_known(const struct host_record *host, const struct access_rule *rule)
{
    return is_previous(host, rule) || is_current(host, rule);
}

bool account_has_ended(const struct host_record *host, const struct access_rule *rule)
{
    const char *before = rule->previous_user;
    return !account_is_known(host, rule) || (before[0] && strcmp(before, host->chap_user) != 0 &&
                                             strcmp(before, host->previous.user) != 0);
}

void account_keep(struct host_record *host, int64_t since)
{
    struct host_account *a = &host->previous;
    memcpy(a->user, host->chap_user, sizeof(a->user));
    memcpy(a->sealed_secret, host->sealed_secret, sizeof(a->sealed_secret));
    a->sealed_len = host->sealed_len;
    a->mark = host->secret_mark;
    a->one_secret = host->one_secret;
    a->since = since;
}

bool account_adopt(struct host_record *host, const struct access_rule *rule, int64_t now)
{
    bool same_previous = strcmp(host->previous.user, rule->previous_user) == 0;
    if (is_previous(host, rule) || (is_current(host, rule) && same_previous))
        return false;
    if (is_current(host, rule)) { // the previous one has ended there
        bool had = host->previous.user[0];
        host->previous = (struct host_account){0};
        return had;
    }
    if (host->sealed_len > 0 && strcmp(host->chap_user, rule->previous_user) == 0)
        account_keep(host, now);
    else if (!same_previous)
        host->previous = (struct host_account){0};
    memset(host->chap_user, 0, sizeof(host->chap_user));
    dv_copy(host->chap_user, sizeof(host->chap_user), rule->chap_user);
    memset(host->sealed_secret, 0, sizeof(host->sealed_secret));
    host->sealed_len = 0;
    host->secret_mark = rule->secret_mark;
    return true;
}

void account_next_user(const char *user, char out[CHAP_USER_MAX + 1])
{
    const char *dot = strrchr(user, '.');
    size_t len = strlen(user), digits = dot ? strspn(dot + 1, "0123456789") : 0;
    unsigned long number = 1;
    // A name may end in digits that mean something else: ten of them are no number of ours.
    if (dot && dot != user && digits > 0 && digits < 9 && dot[1] != '0' && !dot[1 + digits]) {
        number = strtoul(dot + 1, NULL, 10);
        len = (size_t)(dot - user);
    }
    char end[16];
    int end_len = snprintf(end, sizeof(end), ".%lu", number + 1);
    if (len > CHAP_USER_MAX - (size_t)end_len)
        len = CHAP_USER_MAX - (size_t)end_len;
    snprintf(out, CHAP_USER_MAX + 1, "%.*s%s", (int)len, user, end);
}

bool account_is_named(const char *user, const char *name)
{
    size_t len = strlen(name);
    if (strncmp(user, name, len) != 0)
        return false;
    const char *end = user + len;
    size_t digits = *end == '.' ? strspn(end + 1, "0123456789") : 0;
    return !*end || (digits > 0 && digits < 9 && end[1] != '0' && !end[1 + digits]);
}

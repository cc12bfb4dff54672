// What became of an access rule on a unit that the station did not do.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/foreign.h"
#include "logic/accounts.h"

#include <string.h>

static bool has_users(const struct access_rule *rule, const struct host_record *host)
{
    return strcmp(rule->chap_user, host->chap_user) == 0 &&
           strcmp(rule->previous_user, host->previous.user) == 0;
}

// The station makes such a rule anew, or gives it other accounts, see orders.c.
static bool is_changed(const struct access_rule *rule, const struct host_record *host)
{
    return host->sealed_len > 0 &&
           (!has_users(rule, host) || (strcmp(rule->initiator, host->iqn) != 0 &&
                                       strcmp(rule->initiator, host->previous_iqn) != 0));
}

enum foreign foreign_rule(const struct access_rule *before, const struct access_rule *now,
                          const struct assignment_record *right, const struct host_record *host)
{
    if (!before)
        return now && now->state != ACCESS_REVOKING && !right ? FOREIGN_ADDED : FOREIGN_NOTHING;
    if (!right || !right->wanted || before->state == ACCESS_REVOKING || is_changed(before, host))
        return FOREIGN_NOTHING;
    if (!now || now->state == ACCESS_REVOKING)
        return FOREIGN_REMOVED;
    if (strcmp(before->chap_user, now->chap_user) != 0 ||
        strcmp(before->previous_user, now->previous_user) != 0)
        return FOREIGN_USER;
    if (before->secret_is_set && !now->secret_is_set)
        return FOREIGN_NO_SECRET;
    if (host->sealed_len > 0 && before->secret_mark == host->secret_mark &&
        now->secret_mark != host->secret_mark)
        return FOREIGN_SECRET;
    return FOREIGN_NOTHING;
}

enum foreign foreign_found(const struct access_rule *found, const struct host_record *host)
{
    if (!host || host->sealed_len == 0)
        return FOREIGN_NOTHING;
    if (strcmp(found->chap_user, host->chap_user) != 0 &&
        strcmp(found->chap_user, host->previous.user) != 0)
        return FOREIGN_USER;
    return account_has_mark(host, found->secret_mark) ? FOREIGN_NOTHING : FOREIGN_SECRET;
}

// A host's CHAP accounts while its secret is exchanged: the one that it has, and the previous one.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_LOGIC_ACCOUNTS_H
#define DVSAN_LOGIC_ACCOUNTS_H

#include "model/pool.h"

// What a unit's rule for the host is to be given next. A unit keeps the account that a rule had
// beside the one that it is given, as the previous one.
struct account_step {
    bool due;      // else the rule is as it is wanted
    bool previous; // the host's previous account is given, else the one that it has
    bool alone;    // no other account stays beside it
};
struct account_step account_next(const struct host_record *host, const struct access_rule *rule);

// The host as it is with its previous account alone.
struct host_record account_before(const struct host_record *host);

// Whether the secret that goes by this mark is the host's, or its previous one.
bool account_has_mark(const struct host_record *host, uint32_t mark);

// Whether the unit that shows the rule has the account that the host has now.
bool account_is_given(const struct host_record *host, const struct access_rule *rule);

// Whether the account that a unit shows for the host is one that the host has by its record.
bool account_is_known(const struct host_record *host, const struct access_rule *rule);

// Whether the unit that shows the rule lets the host in by an account that has ended.
bool account_has_ended(const struct host_record *host, const struct access_rule *rule);

// What the host's record says once the account that a unit shows for it counts. False: it says that
// already. A secret is not shown: the host has none that is known then, until a person adds it.
// The account that it had stays as the previous one where the unit has it as that. now: in
// milliseconds since 1970.
bool account_adopt(struct host_record *host, const struct access_rule *rule, int64_t now);

// Keeps the account that the host has as its previous one; it gets another one then.
void account_keep(struct host_record *host, int64_t since);

// The name of the user that follows: web, web.2, web.3. A name that would be too long is cut.
void account_next_user(const char *user, char out[CHAP_USER_MAX + 1]);

// Whether the user is what a host of that name has by itself: web, or one that follows it.
bool account_is_named(const char *user, const char *name);

#endif

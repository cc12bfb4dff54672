// A host's CHAP accounts while its secret is exchanged: the one that it has, and the previous one.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_LOGIC_ACCOUNTS_H
#define DVSAN_LOGIC_ACCOUNTS_H

#include "model/pool.h"

// What a unit's rule for the host is to be given next. When a unit gives a rule another account,
// the unit keeps the account that the rule had as the rule's previous account.
struct account_step {
    bool due;      // else the rule is as it is wanted
    bool previous; // the host's previous account is given, else the host's account
    bool alone;    // no other account stays beside the given one
};
struct account_step account_next(const struct host_record *host, const struct access_rule *rule);

// The host as if its previous account were its only one.
struct host_record account_before(const struct host_record *host);

// Whether the secret that goes by this mark is the host's, or its previous one.
bool account_has_mark(const struct host_record *host, uint32_t mark);

// Whether the unit that shows the rule has the account that the host has now.
bool account_is_given(const struct host_record *host, const struct access_rule *rule);

// Whether the account that a unit shows for the host is one that the host has by its record.
bool account_is_known(const struct host_record *host, const struct access_rule *rule);

// Whether the unit that shows the rule lets the host in by an account that has ended.
bool account_has_ended(const struct host_record *host, const struct access_rule *rule);

// Changes the host's record so that the account counts which a unit shows for the host. False: the
// record says so already. A unit shows no secret, so the station knows none of the host until a
// person adds the host. The account that the host had stays as its previous account where the unit
// has it as the previous account. now: in milliseconds since 1970.
bool account_adopt(struct host_record *host, const struct access_rule *rule, int64_t now);

// Makes the host's account its previous account; the caller then gives the host another account.
void account_keep(struct host_record *host, int64_t since);

// The name of the user that follows: web, web.2, web.3. A name that would be too long is cut.
void account_next_user(const char *user, char out[CHAP_USER_MAX + 1]);

// Whether the user is what a host of that name has by itself: web, or one that follows it.
bool account_is_named(const char *user, const char *name);

#endif

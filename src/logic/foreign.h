// What became of an access rule on a unit that the station did not do.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_LOGIC_FOREIGN_H
#define DVSAN_LOGIC_FOREIGN_H

#include "model/pool.h"

enum foreign {
    FOREIGN_NOTHING,
    FOREIGN_ADDED,     // a rule that nobody here asked for
    FOREIGN_REMOVED,   // a rule that is wanted
    FOREIGN_SECRET,    // the rule had the host's secret, and now has another one
    FOREIGN_NO_SECRET, // the rule had a secret, and now has none
    FOREIGN_USER       // the rule had the host's CHAP user, and now has another one
};

// What changed about a rule for one initiator at one index. before: the rule as it was shown
// before, NULL: it was not shown. now: likewise. right: the right that the rule is for, with its
// host; NULL: there is none.
enum foreign foreign_rule(const struct access_rule *before, const struct access_rule *now,
                          const struct assignment_record *right, const struct host_record *host);

// The same of a rule of a volume that the station did not know before. host: whom the rule is for,
// with another account than the rule's; NULL: nobody here knows the host.
enum foreign foreign_found(const struct access_rule *found, const struct host_record *host);

#endif

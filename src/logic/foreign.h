// What became of an access rule on a unit that the station did not do.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_LOGIC_FOREIGN_H
#define DVSAN_LOGIC_FOREIGN_H

#include "model/pool.h"

enum foreign {
    FOREIGN_NOTHING,
    FOREIGN_ADDED,     // a rule that nobody here asked for
    FOREIGN_REMOVED,   // one that is wanted
    FOREIGN_SECRET,    // the host's secret was there, and another one is
    FOREIGN_NO_SECRET, // a secret was there, and none is
    FOREIGN_USER       // the host's CHAP user was there, and another one is
};

// Of a rule for one initiator at one index as it was shown before and is now, NULL: it was not, is
// not; and the right that it is for with its host, NULL: there is none.
enum foreign foreign_rule(const struct access_rule *before, const struct access_rule *now,
                          const struct assignment_record *right, const struct host_record *host);

// Of a rule of a volume that the station did not know before, and of the host that it is for, NULL:
// nobody here knows that. The host's account is another one than the rule's.
enum foreign foreign_found(const struct access_rule *found, const struct host_record *host);

#endif

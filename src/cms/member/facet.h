// What a kind of member has of its own behind the link, which is the same for all kinds.
// SPDX-License-Identifier: BSD-2-Clause
//
// A link looks, keeps the lease, finds the keys, and carries orders; what a member holds, and what
// is ordered of it, is its facet's. All but watch, wants_all and read are called in turns of the
// ledger.
#ifndef DVSAN_CMS_MEMBER_FACET_H
#define DVSAN_CMS_MEMBER_FACET_H

#include "cms/member/link.h"

// A part is in the pool (taken), or could not be written; last: nothing of the reading is left.
typedef void facet_taken_fn(struct unit_link *link, bool taken, bool last);

struct facet {
    // ---- A look; link->reading is what it reads ----
    // Names in the reading what the look asks for beside the member's scalars.
    void (*watch)(struct unit_link *link);
    // Whether all tables are to be read again though the member shows nothing new.
    bool (*wants_all)(const struct unit_link *link);
    void (*read)(struct unit_link *link); // the tables are read

    // ---- What follows from it ----
    void (*begin)(struct unit_link *link); // before anything of the reading is taken in
    // Takes in the next part of it, as a turn has time for, and calls done then or in a later turn.
    void (*take_in)(struct unit_link *link, facet_taken_fn *done);
    void (*give_up)(struct unit_link *link); // calls done no more; what is being written stays

    // ---- Who leads it: each does a part in a turn, and returns whether there is more ----
    // It was told more since a person said what counts: that counts for this, too.
    bool (*adopt_again)(struct unit_link *link);
    // Another station led it, and what it has counts from now on.
    bool (*adopt_left)(struct unit_link *link);
    bool (*adopt_failed)(const struct unit_link *link); // behind this look

    // ---- Orders ----
    // Plans what is to be ordered. True: it is not settled yet, and should be looked at again soon.
    bool (*plan)(struct unit_link *link);
    bool (*step)(struct unit_link *link); // sends the next order; false: there is none (any more)

    void (*forget)(struct unit_link *link); // all that the facet keeps with the link
};

#endif

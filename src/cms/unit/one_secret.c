// Keeping a secret that opens volumes on other units from a unit whose word is all there is.
// SPDX-License-Identifier: BSD-2-Clause
//
// A unit may name any initiator, also one that is added later, and show any volume. The one secret
// of a host is not told it for that; a unit's own secret opens nothing elsewhere. It is sent when a
// person assigns the volume anew.
#include "cms/unit/one_secret.h"

#include "cms/core/events.h"
#include "cms/core/station.h"
#include "cms/pool/pool.h"
#include "cms/unit/observe.h"
#include <utlist.h>

// False when there is nothing to keep: no right, or one that is kept already.
static bool keep(struct changes *c, const struct pool_assignment *a)
{
    if (!a->rec.wanted || a->rec.found)
        return false;
    struct assignment_record kept = a->rec;
    kept.found = true;
    changes_assignment(c, &kept);
    return true;
}

void one_secret_stays(struct observation *o, const struct pool_volume *pv)
{
    const struct pool_assignment *a;
    size_t n = 0;
    DL_FOREACH2(pv->assignments, a, volume_next)
    {
        n += a->host->rec.one_secret && keep(&o->c, a);
    }
    if (n > 0 && observe_may_tell(o))
        events_add(o->cms, &o->c, EVENT_WARNING, "volume", pv->rec.name,
                   "is not given to %zu of its hosts on %s: nothing but that unit's word says that "
                   "it is there, and these have one secret for all units; assign it to them again "
                   "(dvsan volume assign), and the secret is sent there",
                   n, o->rec.name);
}

void one_secret_from_finders(struct cms *cms, struct changes *c, const struct pool_host *h,
                             const struct host_record *rec)
{
    const struct pool_assignment *a;
    size_t n = 0;
    DL_FOREACH2(h->assignments, a, host_next)
    {
        n += rec->one_secret && keep(c, a);
    }
    if (n > 0)
        events_add(cms, c, EVENT_WARNING, "host", rec->name,
                   "has one secret for all units, which is not sent for the %zu volume%s that it "
                   "was found on: assign %s to it, and the secret is sent there",
                   n, n == 1 ? "" : "s", n == 1 ? "that volume" : "these volumes");
}

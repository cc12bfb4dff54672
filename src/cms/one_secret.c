// Keeping a secret that opens volumes on other units from a unit whose word is all there is.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/observe.h"

#include <utlist.h>

void one_secret_stays(struct observation *o, const struct pool_volume *pv)
{
    const struct pool_assignment *a;
    size_t n = 0;
    DL_FOREACH2(pv->assignments, a, volume_next)
    {
        if (!a->rec.wanted || a->rec.found || !a->host->rec.one_secret)
            continue;
        struct assignment_record kept = a->rec;
        kept.found = true;
        changes_assignment(&o->c, &kept);
        n++;
    }
    if (n > 0 && observe_may_tell(o))
        events_add(o->cms, &o->c, EVENT_WARNING, "volume", pv->rec.name,
                   "is not given to %zu of its hosts on %s: nothing but that unit's word says that "
                   "it is there, and these have one secret for all units; assign it to them again "
                   "(dvsan volume assign), and the secret is sent there",
                   n, o->rec.name);
}

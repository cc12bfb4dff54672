// A store that is older than what units were told: it was put back from a backup, or copied.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/core/older.h"

#include "cms/core/codes.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include <time.h>

static void told(void *owner, const void *arg, const struct dv_err *err)
{
    struct cms *cms = owner;
    (void)arg;
    cms->older_told = !err;
}

void older_noticed(struct cms *cms)
{
    struct changes c = {0};
    if (cms->older_told)
        return;
    cms->older_told = true;
    size_t ended = codes_end_loaded(&cms->codes, time(NULL), &c);
    events_add(cms, &c, EVENT_ERROR, "pool", "store",
               "is older than what units were told: %zu code%s of before the station's start %s; a "
               "unit that was revoked or quarantined since is trusted again until you say so "
               "again; one that was enrolled since needs a code (dvsan unit add NAME)",
               ended, ended == 1 ? "" : "s", ended == 1 ? "has ended" : "have ended");
    ledger_commit_then(cms->ledger, &c, LEDGER_KEPT, told, &cms->uuid, sizeof(cms->uuid));
}

void older_mark(const struct cms *cms, struct changes *c)
{
    c->above = cms->runs[cms->run_count - 1].number;
}

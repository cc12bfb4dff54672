// A store that is older than what units were told: it was put back from a backup, or copied.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/station.h"

#include "base/log.h"
#include "store/store.h"
#include <time.h>

void older_noticed(struct cms *cms)
{
    struct changes c = {0};
    struct dv_err err;
    size_t ended = 0;
    if (cms->older_told)
        return;
    if (codes_end_loaded(&cms->codes, time(NULL), &ended, &err) < 0)
        log_error("enrol", "%s", err.text);
    events_add(cms, &c, EVENT_ERROR, "pool", "store",
               "is older than what units were told: %zu code%s of before the station's start %s; a "
               "unit that was revoked or quarantined since is trusted again until you say so "
               "again; one that was enrolled since needs a code (dvsan unit add NAME)",
               ended, ended == 1 ? "" : "s", ended == 1 ? "has ended" : "have ended");
    cms->older_told = cms_apply_or_log(cms, &c);
    changes_free(&c);
}

void older_mark(struct cms *cms)
{
    size_t count;
    const struct lead_run *runs = store_runs(cms->store, &count);
    struct dv_err err;
    if (store_number_above(cms->store, runs[count - 1].number, &err) < 0)
        log_error("trust", "units cannot be told of a new state of the store: %s", err.text);
}

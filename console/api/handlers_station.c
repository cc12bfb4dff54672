// The station itself: who it is, which units it leads, and what is to be settled with them.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/cms.h"
#include "console/api/handlers.h"
#include "console/api/view.h"
#include <string.h>

int get_station(struct api_call *call, struct dv_err *err)
{
    struct station_view station;
    DV_FREE struct station_difference *list = NULL;
    size_t count;
    (void)err;
    cms_station(call->cms, &station);
    cms_differences(call->cms, &list, &count);
    call->answer = view_station(cms_pool(call->cms), &station, list, count);
    return 0;
}

int adopt_station(struct api_call *call, struct dv_err *err)
{
    const char *from = call_text(call->body, "from");
    bool units = strcmp(from, "units") == 0;
    if (!units && strcmp(from, "store") != 0)
        return dv_fail(
            err, DV_INVALID,
            "from must be \"units\", for what the units have, or \"store\", for what the "
            "station's store says");
    int rc = cms_adopt(call->cms, units ? ADOPT_UNITS : ADOPT_STORE,
                       call_bool(call->body, "take_over") == 1, err);
    if (rc < 0)
        return -1;
    call->again = rc > 0;
    call->then = get_station;
    return 0;
}

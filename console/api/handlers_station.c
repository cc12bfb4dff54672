// The station itself: who it is, which units it leads, and what is to be settled with them.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/cms.h"
#include "console/api/handlers.h"
#include "console/api/view.h"
#include <string.h>

static json_t *station_itself(struct cms *cms)
{
    struct station_view station;
    DV_FREE struct station_difference *list = NULL;
    size_t count;
    cms_station(cms, &station);
    cms_differences(cms, &list, &count);
    return view_station(&station, list, count);
}

int get_station(struct api_call *call, struct dv_err *err)
{
    const struct pool_unit *u;
    (void)err;
    call->sort_in = "units";
    call->sort_key = "unit";
    if (!call->answer)
        call->answer = station_itself(call->cms);
    json_t *units = json_object_get(call->answer, "units");
    while (call_has_time(call) && (u = pool_next_unit(cms_pool(call->cms), &call->walk)))
        json_array_append_new(units, view_lead(u));
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

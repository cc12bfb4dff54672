// Assignments: which host may use which volume.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/cms.h"
#include "cms/pool/pool.h"
#include "console/api/handlers.h"
#include "console/api/view.h"
#include <utlist.h>

static void add_rights_of(struct api_call *call, const struct pool_volume *v,
                          const struct pool_host *host)
{
    const struct pool_assignment *a;
    DL_FOREACH2(v->assignments, a, volume_next)
    if (!host || a->host == host)
        json_array_append_new(call->answer, view_assignment(a));
}

int list_assignments(struct api_call *call, struct dv_err *err)
{
    const char *volume_name = call_text(call->query, "volume");
    const char *host_name = call_text(call->query, "host");
    struct pool *pool = cms_pool(call->cms);
    const struct pool_assignment *a;
    const struct pool_volume *volume = NULL;
    const struct pool_host *host = NULL;
    if ((volume_name && !(volume = call_volume(call, volume_name, err))) ||
        (host_name && !(host = call_host(call, host_name, err))))
        return -1;
    call_lists(call, "volume", "host");
    if (volume)
        add_rights_of(call, volume, host);
    else if (host)
        while (call_has_time(call) && (a = pool_next_right_of(pool, &call->walk, host)))
            json_array_append_new(call->answer, view_assignment(a));
    else
        while (call_has_time(call) && (volume = pool_next_volume(pool, &call->walk)))
            add_rights_of(call, volume, NULL);
    return 0;
}

int get_assignment(struct api_call *call, struct dv_err *err)
{
    struct pool_volume *volume = call_volume(call, call->params[0], err);
    const struct pool_host *host = volume ? call_host(call, call->params[1], err) : NULL;
    if (!host)
        return -1;
    const struct pool_assignment *a = pool_assignment_of(volume, &host->rec.uuid);
    if (a) {
        call->answer = view_assignment(a);
        return 0;
    }
    return dv_fail(err, DV_NOT_FOUND, "volume %s is not assigned to host %s", volume->rec.name,
                   host->rec.name);
}

int assign_volume(struct api_call *call, struct dv_err *err)
{
    const char *volume = call_text(call->body, "volume"), *host = call_text(call->body, "host");
    uint64_t task;
    if (!call_volume(call, volume, err) || !call_host(call, host, err) ||
        cms_assign(call->cms, volume, host, &task, err) < 0)
        return -1;
    return call_accepted(call, task);
}

int unassign_volume(struct api_call *call, struct dv_err *err)
{
    uint64_t task;
    if (!call_volume(call, call->params[0], err) || !call_host(call, call->params[1], err) ||
        cms_unassign(call->cms, call->params[0], call->params[1], &task, err) < 0)
        return -1;
    return call_accepted(call, task);
}

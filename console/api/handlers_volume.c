// Volumes: shown, made, changed, deleted.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/cms.h"
#include "cms/pool/pool.h"
#include "console/api/handlers.h"
#include "console/api/view.h"

#define SHOWN_BY_MAX 16

static json_t *shown_volume(const struct api_call *call, const struct pool_volume *v)
{
    const struct pool_unit *also[SHOWN_BY_MAX];
    char left[CMS_LEFT_NOTE_ROOM], moved[CMS_MOVE_NOTE_ROOM];
    size_t n = cms_also_shown_by(call->cms, v, also, SHOWN_BY_MAX);
    cms_left_note(call->cms, v, left);
    cms_move_note(call->cms, v, moved);
    return view_shown_volume(v, also, n < SHOWN_BY_MAX ? n : SHOWN_BY_MAX, left, moved);
}

int list_volumes(struct api_call *call, struct dv_err *err)
{
    const struct pool_volume *v;
    (void)err;
    call_lists(call, "name", NULL);
    while (call_has_time(call) && (v = pool_next_volume(cms_pool(call->cms), &call->walk)))
        json_array_append_new(call->answer, shown_volume(call, v));
    return 0;
}

int get_volume(struct api_call *call, struct dv_err *err)
{
    const struct pool_volume *v = call_volume(call, call->params[0], err);
    if (!v)
        return -1;
    call->answer = shown_volume(call, v);
    return 0;
}

int create_volume(struct api_call *call, struct dv_err *err)
{
    struct volume_record label = {.name = ""};
    struct volume_request request = {
        .label = &label,
        .bytes = (uint64_t)call_number(call->body, "size", 0),
        .unit = call_text(call->body, "unit"),
        .medium = call_text(call->body, "medium"),
        .thin = call_bool(call->body, "thin"),
    };
    uint64_t task;
    call_record(call->body, &kind_volume, &label);
    if (cms_create_volume(call->cms, &request, &task, err) < 0)
        return -1;
    return call_accepted(call, task);
}

// One thing at a time: each is a task of its own.
int change_volume(struct api_call *call, struct dv_err *err)
{
    const char *volume = call->params[0];
    int64_t size = call_number(call->body, "size", -1);
    int force = call_bool(call->body, "force");
    uint64_t task;
    const struct pool_volume *v = call_volume(call, volume, err);
    if (!v)
        return -1;
    struct volume_record label = v->rec;
    bool relabelled = call_record(call->body, &kind_volume, &label) > 0;
    if (relabelled == (size >= 0))
        return dv_fail(err, DV_INVALID, "give either a new name or description, or a new size");
    if (relabelled && force >= 0)
        return dv_fail(err, DV_INVALID, "force belongs to size: nothing else needs it");
    if ((relabelled
             ? cms_relabel_volume(call->cms, volume, &label, &task, err)
             : cms_resize_volume(call->cms, volume, (uint64_t)size, force == 1, &task, err)) < 0)
        return -1;
    return call_accepted(call, task);
}

int delete_volume(struct api_call *call, struct dv_err *err)
{
    uint64_t task;
    if (!call_volume(call, call->params[0], err) ||
        cms_delete_volume(call->cms, call->params[0], &task, err) < 0)
        return -1;
    return call_accepted(call, task);
}

int forget_volume(struct api_call *call, struct dv_err *err)
{
    uint64_t task;
    if (!call_volume(call, call->params[0], err) ||
        cms_forget_volume(call->cms, call->params[0], &task, err) < 0)
        return -1;
    return call_accepted(call, task);
}

int accept_volume(struct api_call *call, struct dv_err *err)
{
    const char *unit = call_text(call->body, "unit");
    if (!call_volume(call, call->params[0], err) ||
        cms_accept_volume(call->cms, call->params[0], unit, err) < 0)
        return -1;
    call->then = get_volume;
    return 0;
}

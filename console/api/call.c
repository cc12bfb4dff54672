// What handlers share.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/call.h"

#include "base/text.h"
#include "cms/cms.h"
#include "cms/pool/pool.h"
#include "console/api/view.h"
#include "loop/loop.h"
#include <stdio.h>

const char *call_text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

size_t call_record(const json_t *body, const struct kind *k, void *record)
{
    size_t count = 0;
    for (size_t i = 0; i < k->field_count; i++) {
        const struct kind_field *f = &k->fields[i];
        const char *text = f->type == KIND_TEXT ? call_text(body, kind_key(f)) : NULL;
        if (!text)
            continue;
        dv_copy((char *)record + f->offset, f->room, text);
        count++;
    }
    return count;
}

int64_t call_number(const json_t *object, const char *name, int64_t fallback)
{
    const json_t *value = json_object_get(object, name);
    return value ? json_integer_value(value) : fallback;
}

int call_bool(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return value ? json_is_true(value) : -1;
}

struct pool_unit *call_unit(struct api_call *call, const char *name, struct dv_err *err)
{
    struct pool_unit *unit = pool_find_unit(cms_pool(call->cms), name);
    if (!unit)
        dv_fail(err, DV_NOT_FOUND, "there is no unit \"%.64s\"", name);
    return unit;
}

struct pool_volume *call_volume(struct api_call *call, const char *name, struct dv_err *err)
{
    struct pool_volume *volume = pool_find_volume(cms_pool(call->cms), name);
    if (!volume)
        dv_fail(err, DV_NOT_FOUND, "there is no volume \"%.64s\"", name);
    return volume;
}

struct pool_host *call_host(struct api_call *call, const char *name, struct dv_err *err)
{
    struct pool_host *host = pool_find_host(cms_pool(call->cms), name);
    if (!host)
        dv_fail(err, DV_NOT_FOUND, "there is no host \"%.64s\"", name);
    return host;
}

int call_id(const char *what, const char *text, uint64_t *id, struct dv_err *err)
{
    return number_parse(what, text, 1, INT64_MAX, id, err);
}

void call_lists(struct api_call *call, const char *sort_key, const char *sort_then)
{
    if (!call->answer)
        call->answer = json_array();
    call->sort_key = sort_key;
    call->sort_then = sort_then;
}

bool call_has_time(struct api_call *call)
{
    call->again = !loop_has_time(call->loop);
    return !call->again;
}

static int show_task(struct api_call *call, struct dv_err *err)
{
    struct pool *pool = cms_pool(call->cms);
    const struct pool_task *t = pool_find_task(pool, call->task);
    if (!t)
        return dv_fail(err, DV_INTERNAL, "task %llu is gone", (unsigned long long)call->task);
    call->status = 202;
    call->answer = view_task(pool, &t->rec);
    snprintf(call->location, sizeof(call->location), "/api/v1/tasks/%llu",
             (unsigned long long)call->task);
    return 0;
}

int call_accepted(struct api_call *call, uint64_t task)
{
    call->task = task;
    call->then = show_task;
    return 0;
}

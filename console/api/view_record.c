// Tasks, plain records and problems as JSON objects.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "console/api/put.h"
#include "console/api/view.h"
#include <ctype.h>

static json_t *task_error(const struct task_record *t)
{
    if (t->error_code == DV_OK)
        return json_null();
    json_t *o = json_object();
    put_text(o, "code", dv_code_name((enum dv_code)t->error_code));
    put_text(o, "detail", t->error);
    return o;
}

json_t *view_task(struct pool *pool, const struct task_record *t)
{
    char uuid[UUID_TEXT_LEN];
    const struct pool_volume *v = pool_find_volume(pool, uuid_format(&t->volume, uuid));
    const struct pool_host *h = pool_find_host(pool, uuid_format(&t->host, uuid));
    json_t *o = json_object(), *steps = json_array();
    for (size_t i = 0; i < t->step_count && i < TASK_STEPS_MAX; i++) {
        json_t *step = json_object();
        put_record(step, &kind_task_step, &t->steps[i]);
        json_array_append_new(steps, step);
    }
    put_record(o, &kind_task, t);
    put_text_or_null(o, "volume_name", v ? v->rec.name : "");
    put_text_or_null(o, "host_name", h ? h->rec.name : "");
    json_object_set_new(o, "steps", steps);
    json_object_set_new(o, "error", task_error(t));
    return o;
}

json_t *view_plain(const struct kind *k, const void *record)
{
    json_t *o = json_object();
    put_record(o, k, record);
    return o;
}

// "no_space" as "No space".
static void put_title(json_t *o, const char *code)
{
    DV_FREE char *title = dv_strdup(code);
    title[0] = (char)toupper((unsigned char)title[0]);
    for (char *p = title; *p; p++)
        if (*p == '_')
            *p = ' ';
    put_text(o, "title", title);
}

json_t *view_problem(int status, const struct dv_err *err)
{
    const char *code = dv_code_name(err->code);
    DV_FREE char *type = dv_printf("urn:dvsan:problem:%s", code);
    json_t *o = json_object();
    put_text(o, "type", type);
    put_title(o, code);
    put_number(o, "status", (uint64_t)status);
    put_text(o, "code", code);
    put_text(o, "detail", err->text);
    return o;
}

// Codes by which members enrol.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/address.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cms/cms.h"
#include "cms/core/codes.h"
#include "config/cms_config.h"
#include "console/api/handlers.h"
#include "console/api/put.h"
#include "console/api/view.h"
#include <string.h>
#include <time.h>

static const char *state_of(const struct code_record *c, size_t uses)
{
    if (uses >= c->count)
        return "used";
    if (c->tries == 0)
        return "ended";
    return time(NULL) >= c->expires ? "expired" : "open";
}

static json_t *view_code(const struct code_record *c, const struct code_use *uses, size_t count)
{
    json_t *o = json_object(), *members = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(members, view_plain(&kind_code_use, &uses[i]));
    put_record(o, &kind_code, c);
    put_text(o, "state", state_of(c, count));
    put_number(o, "used", count);
    json_object_set_new(o, "members", members);
    return o;
}

// Codes for the same name that let somebody in still.
static json_t *also_open(const struct codes *codes, const struct code_record *rec)
{
    json_t *ids = json_array();
    for (const struct code_entry *c = codes->all; *rec->name && c; c = c->hh.next)
        if (strcmp(c->rec.name, rec->name) == 0 && strcmp(c->rec.id, rec->id) != 0 &&
            strcmp(state_of(&c->rec, c->use_count), "open") == 0)
            json_array_append_new(ids, json_string(c->rec.id));
    return ids;
}

int list_codes(struct api_call *call, struct dv_err *err)
{
    (void)err;
    const struct codes *codes = cms_codes(call->cms);
    call->answer = json_array();
    call->sort_key = "created";
    call->sort_then = "id";
    for (const struct code_entry *c = codes->all; c; c = c->hh.next)
        json_array_append_new(call->answer, view_code(&c->rec, c->uses, c->use_count));
    return 0;
}

int draw_code(struct api_call *call, struct dv_err *err)
{
    call->drawn = dv_calloc(1, sizeof(*call->drawn));
    return cms_draw_code(call->drawn, err);
}

// Where members find the station, as far as its own address says so.
static json_t *station_address(const struct api_call *call)
{
    struct transport t;
    transport_split(cms_config(call->cms)->snmp.listen, &t);
    if (!*t.host)
        return json_null();
    DV_FREE char *text =
        dv_printf(strchr(t.host, ':') ? "[%s]:%s" : "%s:%s", t.host, *t.port ? t.port : "162");
    return json_string(text);
}

int create_code(struct api_call *call, struct dv_err *err)
{
    const struct code_request request = {
        .name = call_text(call->body, "name"),
        .again = call_bool(call->body, "again") == 1,
        .count = (uint32_t)call_number(call->body, "count", 0),
        .seconds = (uint32_t)call_number(call->body, "seconds", 0),
        .range = call_text(call->body, "from"),
    };
    struct code_record rec;
    char text[CODE_TEXT + 1];
    if (cms_create_code(call->cms, &request, call->drawn, &rec, err) < 0)
        return -1;
    code_format(&call->drawn->code, text);
    call->status = 201;
    call->answer = view_code(&rec, NULL, 0);
    json_object_set_new(call->answer, "code", json_string(text));
    json_object_set_new(call->answer, "station", station_address(call));
    json_object_set_new(call->answer, "also_open", also_open(cms_codes(call->cms), &rec));
    secret_wipe(text, sizeof(text));
    return 0;
}

int delete_code(struct api_call *call, struct dv_err *err)
{
    return cms_delete_code(call->cms, call->params[0], err);
}

// Hosts, and how each reaches its volumes.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "cms/cms.h"
#include "cms/pool/pool.h"
#include "console/api/handlers.h"
#include "console/api/view.h"
#include <stdio.h>

int list_hosts(struct api_call *call, struct dv_err *err)
{
    const struct pool_host *h;
    (void)err;
    call_lists(call, "name", NULL);
    while (call_has_time(call) && (h = pool_next_host(cms_pool(call->cms), &call->walk)))
        json_array_append_new(call->answer, view_host(h));
    return 0;
}

int get_host(struct api_call *call, struct dv_err *err)
{
    const struct pool_host *h = call_host(call, call->params[0], err);
    if (!h)
        return -1;
    call->answer = view_host(h);
    return 0;
}

static int show_added(struct api_call *call, struct dv_err *err)
{
    call->params[0] = call_text(call->body, "name");
    call->status = 201;
    snprintf(call->location, sizeof(call->location), "/api/v1/hosts/%s", call->params[0]);
    return get_host(call, err);
}

int add_host(struct api_call *call, struct dv_err *err)
{
    const char *name = call_text(call->body, "name");
    if (cms_add_host(call->cms, name, call_text(call->body, "iqn"),
                     call_text(call->body, "chap_user"), call_text(call->body, "chap_secret"),
                     call_bool(call->body, "one_secret") == 1, call_text(call->body, "description"),
                     err) < 0)
        return -1;
    call->then = show_added;
    return 0;
}

int change_host(struct api_call *call, struct dv_err *err)
{
    const char *host = call->params[0], *text = call_text(call->body, "description"),
               *iqn = call_text(call->body, "iqn");
    int now = call_bool(call->body, "now");
    if (!call_host(call, host, err))
        return -1;
    if ((text != NULL) == (iqn != NULL))
        return dv_fail(err, DV_INVALID, "give either a new description or a new iqn");
    if (text && now >= 0)
        return dv_fail(err, DV_INVALID, "now belongs to iqn: a description needs none");
    if ((text ? cms_describe_host(call->cms, host, text, err)
              : cms_change_iqn(call->cms, host, iqn, now == 1, err)) < 0)
        return -1;
    call->then = get_host;
    return 0;
}

int finish_iqn(struct api_call *call, struct dv_err *err)
{
    if (cms_finish_iqn(call->cms, call->params[0], call_bool(call->body, "now") == 1, err) < 0)
        return -1;
    call->then = get_host;
    return 0;
}

static int answer_with_untold(struct api_call *call, struct dv_err *err)
{
    const struct pool_host *h = call_host(call, call->params[0], err);
    size_t count;
    if (!h)
        return -1;
    DV_FREE const struct pool_unit **units = cms_untold_units(h, &count);
    json_t *names = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(names, json_string(units[i]->rec.name));
    call->answer = view_host(h);
    json_object_set_new(call->answer, "untold_units", names);
    return 0;
}

int rekey_host(struct api_call *call, struct dv_err *err)
{
    if (cms_rekey_host(call->cms, call->params[0], call_text(call->body, "chap_secret"),
                       call_bool(call->body, "per_unit") == 1, call_bool(call->body, "now") == 1,
                       err) < 0)
        return -1;
    call->then = answer_with_untold;
    return 0;
}

int finish_rekey(struct api_call *call, struct dv_err *err)
{
    if (cms_finish_rekey(call->cms, call->params[0], call_bool(call->body, "now") == 1, err) < 0)
        return -1;
    call->then = answer_with_untold;
    return 0;
}

int check_secret(struct api_call *call, struct dv_err *err)
{
    bool known, matches;
    if (!call_host(call, call->params[0], err) ||
        cms_check_secret(call->cms, call->params[0], call_text(call->body, "chap_secret"), &known,
                         &matches, err) < 0)
        return -1;
    call->answer = json_pack("{s:o}", "matches", known ? json_boolean(matches) : json_null());
    return 0;
}

int delete_host(struct api_call *call, struct dv_err *err)
{
    return call_host(call, call->params[0], err) ? cms_delete_host(call->cms, call->params[0], err)
                                                 : -1;
}

int get_connect_info(struct api_call *call, struct dv_err *err)
{
    const struct pool_host *h = call_host(call, call->params[0], err);
    if (!h)
        return -1;
    call->answer = view_connect_info(h);
    return 0;
}

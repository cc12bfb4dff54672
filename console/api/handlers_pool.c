// The pool, its units and media, and its events.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "base/secret.h"
#include "cms/cms.h"
#include "cms/pool/pool.h"
#include "config/cms_config.h"
#include "console/api/handlers.h"
#include "console/api/view.h"

#define SHARED_MAX 256 // units that are named

int get_pool(struct api_call *call, struct dv_err *err)
{
    (void)err;
    struct sn_listener_stats stats;
    cms_notification_stats(call->cms, &stats);
    call->answer = view_pool(cms_pool(call->cms), cms_config(call->cms)->name, &stats);
    return 0;
}

int list_units(struct api_call *call, struct dv_err *err)
{
    const struct pool_unit *u;
    (void)err;
    call_lists(call, "name", NULL);
    while (call_has_time(call) && (u = pool_next_unit(cms_pool(call->cms), &call->walk)))
        json_array_append_new(call->answer, view_unit(u));
    return 0;
}

int get_unit(struct api_call *call, struct dv_err *err)
{
    const struct pool_unit *u = call_unit(call, call->params[0], err);
    if (!u)
        return -1;
    call->answer = view_unit(u);
    return 0;
}

int import_unit(struct api_call *call, struct dv_err *err)
{
    char *text = json_dumps(call->body, 0), *identity = NULL;
    int rc = text ? cms_import_unit(call->cms, text, call_bool(call->query, "again") == 1,
                                    &identity, err)
                  : dv_fail(err, DV_INVALID, "what the unit says of itself is not text in UTF-8");
    free(text);
    if (rc < 0)
        return -1;
    call->status = 201;
    call->answer = json_loads(identity, 0, NULL);
    secret_free(identity);
    return 0;
}

int change_unit(struct api_call *call, struct dv_err *err)
{
    const char *unit = call->params[0], *name = call_text(call->body, "name"),
               *text = call_text(call->body, "description");
    if (!call_unit(call, unit, err))
        return -1;
    if ((name != NULL) == (text != NULL))
        return dv_fail(err, DV_INVALID, "give either a new name or a new description");
    if ((name ? cms_rename_unit(call->cms, unit, name, err)
              : cms_describe_unit(call->cms, unit, text, err)) < 0)
        return -1;
    if (name)
        call->params[0] = name;
    call->then = get_unit;
    return 0;
}

int forget_unit(struct api_call *call, struct dv_err *err)
{
    bool force = call_bool(call->query, "force") == 1;
    return call_unit(call, call->params[0], err)
               ? cms_forget_unit(call->cms, call->params[0], force, err)
               : -1;
}

static int trust_unit(struct api_call *call, enum trust_act act, struct dv_err *err)
{
    if (!call_unit(call, call->params[0], err) ||
        cms_trust_unit(call->cms, call->params[0], act, err) < 0)
        return -1;
    call->then = get_unit;
    return 0;
}

int accept_unit(struct api_call *call, struct dv_err *err)
{
    return trust_unit(call, TRUST_ACCEPT, err);
}

int quarantine_unit(struct api_call *call, struct dv_err *err)
{
    return trust_unit(call, TRUST_QUARANTINE, err);
}

static int show_revoked(struct api_call *call, struct dv_err *err)
{
    if (get_unit(call, err) < 0)
        return -1;
    const struct pool_unit *units[SHARED_MAX];
    const struct pool_unit *unit = call_unit(call, call->params[0], NULL);
    json_t *names = json_array(), *others = json_array();
    size_t n;
    DV_FREE const struct pool_host **hosts = cms_shared_secrets(call->cms, unit, &n);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(names, json_string(hosts[i]->rec.name));
    n = cms_shared_keys(cms_pool(call->cms), unit, units, SHARED_MAX);
    for (size_t i = 0; i < n && i < SHARED_MAX; i++)
        json_array_append_new(others, json_string(units[i]->rec.name));
    json_object_set_new(call->answer, "shared_keys", others);
    json_object_set_new(call->answer, "shared_secrets", names);
    return 0;
}

int revoke_unit(struct api_call *call, struct dv_err *err)
{
    if (trust_unit(call, TRUST_REVOKE, err) < 0)
        return -1;
    call->then = show_revoked;
    return 0;
}

int rekey_unit(struct api_call *call, struct dv_err *err)
{
    bool now = call_bool(call->body, "now") == 1;
    uint64_t task;
    if (!call_unit(call, call->params[0], err) ||
        cms_rekey_unit(call->cms, call->params[0], now, &task, err) < 0)
        return -1;
    return call_accepted(call, task);
}

int list_media(struct api_call *call, struct dv_err *err)
{
    const struct pool_unit *u;
    (void)err;
    call_lists(call, "unit", "index");
    while (call_has_time(call) && (u = pool_next_unit(cms_pool(call->cms), &call->walk)))
        for (size_t i = 0; i < u->media_count; i++)
            json_array_append_new(call->answer, view_medium(u, &u->media[i]));
    return 0;
}

int list_events(struct api_call *call, struct dv_err *err)
{
    uint64_t after = (uint64_t)call_number(call->query, "after", 0);
    size_t limit = (size_t)call_number(call->query, "limit", 100), n = 0;
    const struct event_record *e;
    (void)err;
    while (n < limit && (e = cms_event(call->cms, n)) && e->id > after)
        n++;
    call->answer = json_array();
    while (n-- > 0)
        json_array_append_new(call->answer, view_plain(&kind_event, cms_event(call->cms, n)));
    return 0;
}

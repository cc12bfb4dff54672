// The pool, its units, volumes and hosts as JSON objects.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/view.h"

#include "base/mem.h"
#include "cms/cms.h"
#include "cms/pool/pool.h"
#include "cms/unit/unit_reason.h"
#include "console/api/put.h"
#include "console/api/rescan.h"
#include <string.h>
#include <utlist.h>

json_t *view_pool(const struct pool *pool, const char *name, const struct sn_listener_stats *stats)
{
    struct pool_totals totals;
    pool_totals(pool, &totals);
    json_t *o = json_object();
    put_text(o, "name", name);
    put_text(o, "version", DVSAN_VERSION);
    put_number(o, "block_size", BLOCK_SIZE);
    put_number(o, "blocks", totals.blocks);
    put_number(o, "free_blocks", totals.free_blocks);
    put_number(o, "units", totals.units);
    put_number(o, "units_up", totals.units_up);
    put_number(o, "volumes", totals.volumes);
    put_number(o, "hosts", totals.hosts);
    json_t *n = json_object();
    put_number(n, "informs", stats->informs);
    put_number(n, "traps", stats->traps);
    put_number(n, "dropped_version", stats->dropped_version);
    put_number(n, "dropped_security", stats->dropped_security);
    put_number(n, "dropped_malformed", stats->dropped_malformed);
    json_object_set_new(o, "notifications", n);
    return o;
}

static json_t *free_extents(const struct pool_unit *u, uint32_t medium)
{
    json_t *list = json_array();
    for (size_t i = 0; i < u->free_count; i++) {
        const struct free_extent *e = &u->free_extents[i];
        if (e->medium != medium)
            continue;
        json_t *o = json_object();
        put_record(o, &kind_free_extent, e);
        put_number(o, "end_lba", e->start_lba + e->blocks - 1);
        json_array_append_new(list, o);
    }
    return list;
}

// When what is shown of a unit was so; null while it is so now.
static void put_as_of(json_t *o, const struct pool_unit *u)
{
    put_time(o, "as_of", u && !pool_is_current(u) ? u->rec.last_seen * 1000 : 0);
}

static void put_last_state(json_t *o, const struct pool_unit *u, const char *state)
{
    put_text_or_null(o, "last_state", u && !pool_is_current(u) ? state : "");
}

static void put_note(json_t *o, const struct pool_unit *u)
{
    char note[POOL_NOTE_ROOM] = "";
    if (u)
        pool_unit_note(u, note, sizeof(note));
    put_text_or_null(o, "note", note);
}

// Where hosts can give back blocks of thin volumes, as far as the file system below can take them.
static bool kind_may_unmap(enum medium_kind kind)
{
    return kind == MEDIUM_DIR;
}

json_t *view_medium(const struct pool_unit *u, const struct medium *m)
{
    json_t *o = json_object();
    put_record(o, &kind_medium, m);
    put_text(o, "unit", u->rec.name);
    put_text(o, "state", pool_medium_state(u, m));
    put_last_state(o, u, medium_state_name(m->state));
    put_as_of(o, u);
    put_number(o, "block_size", BLOCK_SIZE);
    bool told = m->storage_blocks > 0;
    json_object_set_new(o, "storage_blocks",
                        told ? json_integer((json_int_t)m->storage_blocks) : json_null());
    json_object_set_new(o, "storage_free_blocks",
                        told ? json_integer((json_int_t)m->storage_free_blocks) : json_null());
    json_object_set_new(o, "overcommitted_blocks",
                        told ? json_integer((json_int_t)m->overcommitted_blocks) : json_null());
    put_bool(o, "may_unmap", kind_may_unmap(m->kind)); // its thin volumes
    json_object_set_new(o, "free_extents", free_extents(u, m->index));
    return o;
}

static json_t *view_portal(const struct pool_unit *u, const struct portal *p)
{
    json_t *o = json_object();
    put_record(o, &kind_portal, p);
    if (pool_is_current(u))
        put_bool(o, "up", p->up);
    else
        json_object_set_new(o, "up", json_null());
    return o;
}

static void put_reason(json_t *o, const struct pool_unit *u)
{
    char reason[POOL_NOTE_ROOM];
    unit_reason(u, reason, sizeof(reason));
    put_text_or_null(o, "reason", reason);
}

// The names of those that use its volumes, each once.
static json_t *hosts_of_unit(const struct pool_unit *u)
{
    size_t count;
    DV_FREE const struct pool_host **hosts = pool_hosts_of_unit(u, &count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(hosts[i]->rec.name));
    return list;
}

json_t *view_unit(const struct pool_unit *u)
{
    uint64_t blocks = 0, free_blocks = 0, largest = 0;
    json_t *o = json_object(), *media = json_array(), *portals = json_array();
    for (size_t i = 0; i < u->media_count; i++) {
        blocks += u->media[i].blocks;
        free_blocks += u->media[i].free_blocks;
        if (u->media[i].largest_free_blocks > largest)
            largest = u->media[i].largest_free_blocks;
        json_array_append_new(media, view_medium(u, &u->media[i]));
    }
    for (size_t i = 0; i < u->portal_count; i++)
        json_array_append_new(portals, view_portal(u, &u->portals[i]));
    put_record(o, &kind_unit, &u->rec);
    put_text(o, "kind", member_kind_name(MEMBER_UNIT));
    put_text(o, "lead", lead_standing_name(u->standing));
    put_text_or_null(o, "leader", u->lead.name);
    put_number(o, "block_size", BLOCK_SIZE);
    put_number(o, "blocks", blocks);
    put_number(o, "free_blocks", free_blocks);
    put_number(o, "largest_free_blocks", largest);
    put_number(o, "volumes", u->volume_count);
    put_reason(o, u);
    put_bool(o, "current", pool_is_current(u));
    put_note(o, u);
    json_object_set_new(o, "hosts", hosts_of_unit(u));
    json_object_set_new(o, "media", media);
    json_object_set_new(o, "portals", portals);
    return o;
}

json_t *view_lead(const struct pool_unit *u)
{
    json_t *o = json_object();
    put_text(o, "unit", u->rec.name);
    put_text(o, "trust", unit_trust_name(u->rec.trust));
    put_text(o, "lead", lead_standing_name(u->standing));
    put_text_or_null(o, "leader", u->lead.name);
    put_uuid(o, "leader_uuid", &u->lead.word.station);
    char note[POOL_LEAD_NOTE_ROOM];
    pool_lead_note(u, note);
    put_text_or_null(o, "left_out", note);
    return o;
}

struct named_item {
    json_t *item;
    const char *name; // by which it is sorted
    size_t place;
};

static int compare_names(const void *a, const void *b)
{
    const struct named_item *x = a, *y = b;
    int order = strverscmp(x->name, y->name);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

// A list by names in natural order, as lists of things are; what has one name stays as it was. key:
// of an item's name; NULL: the items are names.
static json_t *in_order(json_t *list, const char *key)
{
    size_t count = json_array_size(list);
    DV_FREE struct named_item *each = dv_calloc(count, sizeof(*each));
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(list, i);
        const char *name = json_string_value(key ? json_object_get(item, key) : item);
        each[i] = (struct named_item){item, name ? name : "", i};
    }
    qsort(each, count, sizeof(*each), compare_names);
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append(out, each[i].item);
    json_decref(list);
    return out;
}

json_t *view_station(const struct station_view *station,
                     const struct station_difference *differences, size_t count)
{
    json_t *o = json_object(), *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *d = json_object();
        put_text(d, "unit", differences[i].unit);
        put_text(d, "text", differences[i].text);
        json_array_append_new(list, d);
    }
    put_uuid(o, "uuid", &station->uuid);
    put_text(o, "name", station->name);
    put_number(o, "intent", station->intent);
    put_bool(o, "stopped", station->stopped);
    put_bool(o, "shares_users", station->shares);
    put_number(o, "longest_turn", station->longest_turn_us);
    put_text_or_null(o, "longest_turn_served", station->longest_turn_served);
    json_object_set_new(o, "units", json_array());
    json_object_set_new(o, "differences", in_order(list, "unit"));
    return o;
}

static const char *medium_name(const struct pool_volume *v)
{
    for (size_t i = 0; v->unit && i < v->unit->media_count; i++)
        if (v->unit->media[i].index == v->rec.medium)
            return v->unit->media[i].name;
    return "";
}

// "address:port" of the portals that the volume is reached at, those that are up first.
static json_t *portal_list(const struct pool_volume *v)
{
    json_t *list = json_array();
    for (int up = 1; up >= 0; up--)
        for (size_t i = 0; v->unit && i < v->unit->portal_count; i++) {
            const struct portal *p = &v->unit->portals[i];
            char text[PORTAL_TEXT_ROOM];
            if (p->group == v->actual.group && p->up == (up == 1))
                json_array_append_new(list, json_string(portal_format(p, text)));
        }
    return list;
}

static json_t *host_names(const struct pool_volume *v)
{
    json_t *list = json_array();
    const struct pool_assignment *a;
    DL_FOREACH2(v->assignments, a, volume_next)
    json_array_append_new(list, put_text_value(a->host->rec.name));
    return in_order(list, NULL);
}

static bool may_unmap(const struct pool_volume *v)
{
    for (size_t i = 0; v->unit && i < v->unit->media_count; i++)
        if (v->unit->media[i].index == v->rec.medium)
            return v->actual.thin && kind_may_unmap(v->unit->media[i].kind);
    return false;
}

// What its unit says is wrong with access to it, refused logins included, and what nobody asked
// for, as "host: text".
static json_t *access_errors(const struct pool_volume *v)
{
    json_t *list = json_array();
    const struct pool_assignment *a;
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        DV_FREE char *text = dv_printf("%s: %s", a->host->rec.name, a->actual.last_error);
        if (a->actual.last_error[0])
            json_array_append_new(list, put_text_value(text));
        if (!a->rec.wanted || !a->rec.unasked || !v->unit)
            continue;
        DV_FREE char *unasked =
            dv_printf("%s: %s has an access rule for it, which nobody here asked "
                      "for (dvsan volume assign %s --host %s)",
                      a->host->rec.name, v->unit->rec.name, v->rec.name, a->host->rec.name);
        json_array_append_new(list, put_text_value(unasked));
    }
    return in_order(list, NULL);
}

// Where a volume lies is null until its unit has told.
static void put_extent(json_t *o, const struct pool_volume *v)
{
    bool known = v->actual.index != 0;
    uint64_t blocks = known ? v->actual.blocks : v->rec.blocks, size;
    if (__builtin_mul_overflow(blocks, BLOCK_SIZE, &size))
        size = INT64_MAX; // what only a unit gone wrong tells
    put_number(o, "blocks", blocks);
    put_number(o, "block_size", BLOCK_SIZE);
    put_number(o, "size", size);
    if (known) {
        put_number(o, "start_lba", v->actual.start_lba);
        put_number(o, "end_lba", volume_end_lba(&v->actual));
        put_number(o, "lun", v->actual.lun);
    } else {
        json_object_set_new(o, "start_lba", json_null());
        json_object_set_new(o, "end_lba", json_null());
        json_object_set_new(o, "lun", json_null());
    }
}

json_t *view_volume(const struct pool_volume *v)
{
    bool known = v->actual.index != 0;
    json_t *o = json_object();
    put_record(o, &kind_volume, &v->rec);
    put_record(o, &kind_shown, &v->actual);
    put_text_or_null(o, "unit", v->unit ? v->unit->rec.name : "");
    put_text_or_null(o, "medium", medium_name(v));
    put_extent(o, v);
    if (known || !v->rec.thin_default) // else its unit chooses
        put_bool(o, "thin", known ? v->actual.thin : v->rec.thin);
    else
        json_object_set_new(o, "thin", json_null());
    put_bool(o, "may_unmap", may_unmap(v));
    put_text(o, "state", pool_volume_state(v));
    put_last_state(o, v->unit, pool_volume_last_state(v));
    put_as_of(o, v->unit);
    put_note(o, v->unit);
    uint64_t target = v->actual.target_blocks;
    if (target > 0 && target <= BLOCKS_MAX)
        put_number(o, "target_size", target * BLOCK_SIZE);
    else
        json_object_set_new(o, "target_size", json_null());
    if (known)
        put_number(o, "portal_group", v->actual.group);
    else
        json_object_set_new(o, "portal_group", json_null());
    json_object_set_new(o, "portals", portal_list(v));
    json_object_set_new(o, "hosts", host_names(v));
    json_object_set_new(o, "access_errors", access_errors(v));
    return o;
}

json_t *view_shown_volume(const struct pool_volume *v, const struct pool_unit *const *also,
                          size_t count, const char *left, const char *moved)
{
    json_t *o = view_volume(v), *list = json_array();
    if (v->unit && v->actual.index != 0)
        json_array_append_new(list, put_text_value(v->unit->rec.name));
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, put_text_value(also[i]->rec.name));
    json_object_set_new(o, "shown_by", list);
    put_text_or_null(o, "left_behind", left);
    put_text_or_null(o, "to_accept", moved);
    return o;
}

json_t *view_assignment(const struct pool_assignment *a)
{
    json_t *o = json_object();
    char error[POOL_ERROR_ROOM];
    pool_assignment_error(a, error);
    put_text(o, "volume", a->volume->rec.name);
    put_text(o, "host", a->host->rec.name);
    put_text_or_null(o, "unit", a->volume->unit ? a->volume->unit->rec.name : "");
    put_text(o, "initiator", a->host->rec.iqn);
    put_text(o, "chap_user", a->host->rec.chap_user);
    put_text(o, "state", pool_assignment_state(a));
    put_record(o, &kind_assignment, &a->rec);
    put_as_of(o, a->volume->unit);
    put_note(o, a->volume->unit);
    put_text_or_null(o, "last_error", error);
    return o;
}

// The names of the units of which that is so of some right of the host.
static json_t *units_where(const struct pool_host *h, bool (*is)(const struct pool_assignment *a))
{
    json_t *names = json_object(), *list = json_array();
    const struct pool_assignment *a;
    const char *name;
    json_t *value;
    DL_FOREACH2(h->assignments, a, host_next)
    {
        if (is(a))
            json_object_set_new(names, a->volume->unit->rec.name, json_true());
    }
    json_object_foreach(names, name, value) json_array_append_new(list, put_text_value(name));
    json_decref(names);
    return in_order(list, NULL);
}

// The account that is valid beside the one that the host has, or null.
static json_t *previous_account(const struct pool_host *h)
{
    const struct host_account *before = &h->rec.previous;
    if (!before->user[0])
        return json_null();
    json_t *o = json_object();
    put_text(o, "chap_user", before->user);
    put_bool(o, "one_secret", before->one_secret);
    put_time(o, "since", before->since);
    json_object_set_new(o, "awaited_units", units_where(h, pool_awaits_account));
    return o;
}

// The initiator name that is valid beside the one that the host has, or null.
static json_t *previous_iqn(const struct pool_host *h)
{
    if (!h->rec.previous_iqn[0])
        return json_null();
    json_t *o = json_object();
    put_text(o, "iqn", h->rec.previous_iqn);
    put_time(o, "since", h->rec.previous_iqn_since);
    json_object_set_new(o, "awaited_units", units_where(h, pool_awaits_iqn));
    return o;
}

json_t *view_host(const struct pool_host *h)
{
    json_t *o = json_object(), *volumes = json_array();
    const struct pool_assignment *a;
    DL_FOREACH2(h->assignments, a, host_next)
    json_array_append_new(volumes, put_text_value(a->volume->rec.name));
    put_record(o, &kind_host, &h->rec);
    put_bool(o, "secret_known", h->rec.sealed_len > 0);
    json_object_set_new(o, "previous", previous_account(h));
    json_object_set_new(o, "previous_iqn", previous_iqn(h));
    json_object_set_new(o, "outdated_units", units_where(h, pool_admits_ended));
    json_object_set_new(o, "volumes", in_order(volumes, NULL));
    return o;
}

json_t *view_connect_info(const struct pool_host *h)
{
    json_t *o = json_object(), *volumes = json_array();
    const struct pool_assignment *a;
    DL_FOREACH2(h->assignments, a, host_next)
    {
        if (!a->rec.wanted)
            continue;
        json_t *v = json_object();
        put_text(v, "name", a->volume->rec.name);
        put_text(v, "unit", a->volume->unit->rec.name);
        put_uuid(v, "unit_uuid", &a->volume->unit->rec.uuid);
        put_text(v, "state", pool_volume_state(a->volume));
        put_text(v, "access", pool_assignment_state(a));
        put_bool(v, "unasked", a->rec.unasked);
        put_as_of(v, a->volume->unit);
        put_note(v, a->volume->unit);
        put_extent(v, a->volume);
        put_text_or_null(v, "iqn", a->volume->actual.iqn);
        json_object_set_new(v, "portals", portal_list(a->volume));
        json_object_set_new(v, "rescan", rescan_lines(a->volume->actual.iqn));
        json_array_append_new(volumes, v);
    }
    put_text(o, "host", h->rec.name);
    put_text(o, "iqn", h->rec.iqn);
    put_text(o, "chap_user", h->rec.chap_user);
    put_bool(o, "one_secret", h->rec.one_secret);
    json_object_set_new(o, "volumes", in_order(volumes, "name"));
    return o;
}

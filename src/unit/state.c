// What the unit holds, in memory: media, volumes, access rules, portals, and what changed when.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/state.h"
#include "base/mem.h"
#include "base/search.h"
#include "base/secret.h"
#include "unit/state_internal.h"
#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

static uint64_t medium_key(const void *row)
{
    return ((const struct unit_medium *)row)->m.index;
}

static uint64_t portal_key_of(uint32_t index, uint32_t group)
{
    return (uint64_t)index << 32 | group;
}

static uint64_t portal_key(const void *row)
{
    const struct unit_portal *p = row;
    return portal_key_of(p->p.index, p->p.group);
}

static uint64_t volume_key(const void *row)
{
    return ((const struct unit_volume *)row)->v.index;
}

static uint64_t rule_key_of(uint32_t volume, uint32_t index)
{
    return (uint64_t)volume << 32 | index;
}

static uint64_t rule_key(const void *row)
{
    const struct unit_rule *r = row;
    return rule_key_of(r->r.volume, r->r.index);
}

struct state *state_new(uint32_t generation, uint32_t groups)
{
    struct state *s = dv_calloc(1, sizeof(*s));
    s->groups = groups;
    s->generation = s->changes_since = generation;
    return s;
}

void state_free(struct state *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->rules.count; i++)
        secret_wipe(s->rules.at[i], sizeof(struct unit_rule));
    for (size_t i = 0; i < s->media.count; i++) {
        free(((struct unit_medium *)s->media.at[i])->reserved);
        free(((struct unit_medium *)s->media.at[i])->free);
    }
    state_rows_free(&s->media);
    state_rows_free(&s->portals);
    HASH_CLEAR(by_name, s->names);
    state_rows_free(&s->volumes);
    free(s->by_uuid);
    free(s->by_tid);
    state_rows_free(&s->rules);
    for (size_t i = 0; i < s->tgtd_count; i++)
        free(s->tgtds[i]);
    free(s->tgtds);
    free(s->listeners);
    free(s->changes);
    free(s);
}

void state_watch(struct state *s, void (*changed)(void *arg), void *arg)
{
    s->changed = changed;
    s->changed_arg = arg;
}

uint32_t state_generation(const struct state *s)
{
    return s->generation;
}

uint32_t state_changes_since(const struct state *s)
{
    return s->changes_since;
}

uint32_t state_groups(const struct state *s)
{
    return s->groups;
}

uint32_t state_add_tgtd(struct state *s, const char *socket)
{
    for (size_t i = 0; i < s->tgtd_count; i++)
        if (strcmp(s->tgtds[i], socket) == 0)
            return (uint32_t)i + 1;
    *DV_APPEND(s->tgtds, s->tgtd_count) = dv_strdup(socket);
    return (uint32_t)s->tgtd_count;
}

const char *state_tgtd(const struct state *s, uint32_t number)
{
    return number >= 1 && number <= s->tgtd_count ? s->tgtds[number - 1] : NULL;
}

uint32_t state_tgtd_count(const struct state *s)
{
    return (uint32_t)s->tgtd_count;
}

static struct listener *find_listener(const struct state *s, const struct listener *l)
{
    for (size_t i = 0; i < s->listener_count; i++)
        if (s->listeners[i].tgtd == l->tgtd && s->listeners[i].port == l->port &&
            strcmp(s->listeners[i].address, l->address) == 0)
            return &s->listeners[i];
    return NULL;
}

const struct listener *state_listeners(const struct state *s, size_t *count)
{
    *count = s->listener_count;
    return s->listeners;
}

bool state_has_listener(const struct state *s, const struct listener *l)
{
    return find_listener(s, l) != NULL;
}

void state_add_listener(struct state *s, const struct listener *l)
{
    if (!find_listener(s, l))
        *DV_APPEND(s->listeners, s->listener_count) = *l;
}

void state_drop_listener(struct state *s, const struct listener *l)
{
    struct listener *found = find_listener(s, l);
    if (found)
        *found = s->listeners[--s->listener_count];
}

struct unit_medium *state_medium(const struct state *s, uint32_t index)
{
    return state_rows_find(&s->media, medium_key, index);
}

struct unit_medium *state_medium_next(const struct state *s, uint32_t after)
{
    return state_rows_next(&s->media, medium_key, after);
}

struct unit_portal *state_portal(const struct state *s, uint32_t index, uint32_t group)
{
    return state_rows_find(&s->portals, portal_key, portal_key_of(index, group));
}

struct unit_portal *state_portal_next(const struct state *s, uint32_t index, uint32_t after)
{
    return state_rows_next(&s->portals, portal_key, portal_key_of(index, after));
}

struct unit_volume *state_volume(const struct state *s, uint32_t index)
{
    return state_rows_find(&s->volumes, volume_key, index);
}

struct unit_volume *state_volume_next(const struct state *s, uint32_t after)
{
    return state_rows_next(&s->volumes, volume_key, after);
}

struct unit_rule *state_rule(const struct state *s, uint32_t volume, uint32_t index)
{
    return state_rows_find(&s->rules, rule_key, rule_key_of(volume, index));
}

struct unit_rule *state_rule_next(const struct state *s, uint32_t volume, uint32_t after)
{
    return state_rows_next(&s->rules, rule_key, rule_key_of(volume, after));
}

bool state_volume_has_rules(const struct state *s, uint32_t volume)
{
    const struct unit_rule *r = state_rule_next(s, volume, 0);
    return r && r->r.volume == volume;
}

bool state_medium_has_volumes(const struct state *s, uint32_t medium)
{
    for (size_t i = 0; i < s->volumes.count; i++)
        if (((const struct unit_volume *)s->volumes.at[i])->v.medium == medium)
            return true;
    return false;
}

size_t state_media_count(const struct state *s)
{
    return s->media.count;
}

size_t state_volume_count(const struct state *s)
{
    return s->volumes.count;
}

uint32_t state_volume_last(const struct state *s)
{
    return s->last_volume;
}

void state_note_last(struct state *s, uint32_t index)
{
    if (index > s->last_volume)
        s->last_volume = index;
}

// ---- Changes ------------------------------------------------------------------------------

static size_t change_lower(const struct state *s, uint32_t generation)
{
    size_t i;
    DV_SEARCH(i, s->change_count, s->changes[i].generation < generation);
    return i;
}

const struct state_change *state_change(const struct state *s, uint32_t generation)
{
    size_t i = change_lower(s, generation);
    return i < s->change_count && s->changes[i].generation == generation &&
                   s->changes[i].kind != STATE_CHANGE_VOID
               ? &s->changes[i]
               : NULL;
}

const struct state_change *state_change_next(const struct state *s, uint32_t after)
{
    size_t i;
    DV_SEARCH(i, s->change_count, s->changes[i].generation <= after);
    while (i < s->change_count && s->changes[i].kind == STATE_CHANGE_VOID)
        i++;
    return i < s->change_count ? &s->changes[i] : NULL;
}

// Those that are void go together, when they are half of all.
static void change_drop(struct state *s, uint32_t generation)
{
    s->changes[change_lower(s, generation)].kind = STATE_CHANGE_VOID;
    if (++s->change_void * 2 < s->change_count)
        return;
    size_t count = 0;
    for (size_t i = 0; i < s->change_count; i++)
        if (s->changes[i].kind != STATE_CHANGE_VOID)
            s->changes[count++] = s->changes[i];
    s->change_count = count;
    s->change_void = 0;
}

// Takes the next generation for a thing whose last change was at old, 0 for none.
static uint32_t change_add(struct state *s, enum state_change_kind kind, uint32_t index,
                           uint32_t old)
{
    if (old != 0)
        change_drop(s, old);
    if (s->change_count == s->change_room) {
        s->change_room = s->change_room ? 2 * s->change_room : 64;
        s->changes = dv_realloc(s->changes, s->change_room, sizeof(*s->changes));
    }
    s->changes[s->change_count++] = (struct state_change){++s->generation, kind, index};
    if (s->changed)
        s->changed(s->changed_arg);
    return s->generation;
}

// Forgets a deletion: the last one of this index, else, when there are too many, the oldest.
static void deletion_forget(struct state *s, uint32_t index)
{
    size_t i = 0;
    while (i < s->deletion_count && s->deletions[i].index != index)
        i++;
    if (i == s->deletion_count) {
        if (s->deletion_count < STATE_DELETIONS)
            return;
        i = 0;
        s->changes_since = s->deletions[0].generation;
    }
    change_drop(s, s->deletions[i].generation);
    s->deletion_count--;
    memmove(s->deletions + i, s->deletions + i + 1,
            (s->deletion_count - i) * sizeof(*s->deletions));
}

void state_medium_changed(struct state *s, struct unit_medium *m)
{
    m->generation = change_add(s, STATE_CHANGE_MEDIUM, m->m.index, m->generation);
}

void state_portal_changed(struct state *s, struct unit_portal *p)
{
    p->generation = change_add(s, STATE_CHANGE_PORTAL, p->p.index, p->generation);
}

void state_volume_changed(struct state *s, struct unit_volume *v)
{
    v->v.generation = change_add(s, STATE_CHANGE_VOLUME, v->v.index, v->v.generation);
}

// ---- Rows come and go -----------------------------------------------------------------------

struct unit_medium *state_add_medium(struct state *s, const struct medium *m, bool thin)
{
    struct unit_medium *row = state_rows_add(&s->media, medium_key, m->index, sizeof(*row));
    row->m = *m;
    row->thin = thin;
    state_medium_changed(s, row);
    return row;
}

// Its row is missing where the change leads to.
void state_remove_medium(struct state *s, uint32_t index)
{
    struct unit_medium *m = state_medium(s, index);
    state_medium_changed(s, m);
    free(m->reserved);
    free(m->free);
    state_rows_remove(&s->media, medium_key, index);
}

static void set_address(struct unit_portal *row, const char *address)
{
    dv_copy(row->p.address, sizeof(row->p.address), address);
    row->raw_len = inet_pton(AF_INET, address, row->raw) == 1    ? 4
                   : inet_pton(AF_INET6, address, row->raw) == 1 ? 16
                                                                 : 0;
    portal_format(&row->p, row->text);
}

void state_move_portal(struct state *s, struct unit_portal *p, const char *address)
{
    set_address(p, address);
    state_portal_changed(s, p);
}

struct unit_portal *state_add_portal(struct state *s, const struct portal *p)
{
    struct unit_portal *row =
        state_rows_add(&s->portals, portal_key, portal_key_of(p->index, p->group), sizeof(*row));
    row->p = *p;
    set_address(row, p->address);
    state_portal_changed(s, row);
    return row;
}

struct unit_volume *state_add_volume(struct state *s, const struct volume *v)
{
    struct unit_volume *row = state_rows_add(&s->volumes, volume_key, v->index, sizeof(*row));
    row->v = *v;
    row->v.group = volume_group(v->index, s->groups);
    row->v.generation = 0;
    state_index_add(s, row);
    state_note_last(s, v->index);
    state_volume_changed(s, row);
    return row;
}

static void owner_changed(struct state *s, uint32_t volume)
{
    struct unit_volume *v = state_volume(s, volume);
    if (v)
        state_volume_changed(s, v);
}

struct unit_rule *state_add_rule(struct state *s, const struct access_rule *r, const char *secret)
{
    uint64_t key = rule_key_of(r->volume, r->index);
    struct unit_rule *row = state_rows_add(&s->rules, rule_key, key, sizeof(*row));
    row->r = *r;
    row->r.secret_is_set = secret[0] != '\0';
    dv_copy(row->secret, sizeof(row->secret), secret);
    owner_changed(s, r->volume);
    return row;
}

void state_remove_volume(struct state *s, uint32_t index)
{
    struct unit_volume *v = state_volume(s, index);
    uint32_t old = v->v.generation;
    assert(!state_volume_has_rules(s, index));
    state_index_remove(s, v);
    state_rows_remove(&s->volumes, volume_key, index);
    deletion_forget(s, index);
    uint32_t generation = change_add(s, STATE_CHANGE_VOLUME_DELETED, index, old);
    s->deletions[s->deletion_count++] = (struct deletion){generation, index};
}

void state_remove_rule(struct state *s, uint32_t volume, uint32_t index)
{
    struct unit_rule *r = state_rule(s, volume, index);
    secret_wipe(r->secret, sizeof(r->secret));
    secret_wipe(r->previous_secret, sizeof(r->previous_secret));
    state_rows_remove(&s->rules, rule_key, rule_key_of(volume, index));
    owner_changed(s, volume);
}

// ---- States ---------------------------------------------------------------------------------

// Copies what fits, and tells whether that changed anything.
static bool set_error(char *field, const char *error)
{
    char text[LAST_ERROR_ROOM];
    dv_copy(text, sizeof(text), error);
    if (strcmp(field, text) == 0)
        return false;
    dv_copy(field, LAST_ERROR_ROOM, text);
    return true;
}

void state_set_medium(struct state *s, struct unit_medium *m, enum medium_state state,
                      const char *error)
{
    bool changed = set_error(m->m.last_error, error) || m->m.state != state;
    m->m.state = state;
    if (changed)
        state_medium_changed(s, m);
}

void state_set_volume(struct state *s, struct unit_volume *v, enum volume_state state,
                      uint32_t progress, const char *error)
{
    bool changed = set_error(v->v.last_error, error) || v->v.state != state ||
                   (progress == 100 && v->v.progress != 100);
    v->v.state = state;
    v->v.progress = progress;
    if (changed)
        state_volume_changed(s, v);
}

void state_set_resize_error(struct state *s, struct unit_volume *v, const char *error)
{
    dv_copy(v->resize_error, sizeof(v->resize_error), error);
    if (v->v.state == VOLUME_ONLINE || v->v.state == VOLUME_OFFLINE)
        state_set_volume(s, v, v->v.state, v->v.progress, v->resize_error);
}

void state_set_rule(struct state *s, struct unit_rule *r, enum access_state state,
                    const char *error)
{
    bool changed = set_error(r->r.last_error, error) || r->r.state != state;
    r->r.state = state;
    if (changed)
        owner_changed(s, r->r.volume);
}

void state_set_users(struct state *s, struct unit_rule *r, const struct access_rule *now)
{
    memcpy(r->r.chap_user, now->chap_user, sizeof(r->r.chap_user));
    memcpy(r->r.previous_user, now->previous_user, sizeof(r->r.previous_user));
    secret_wipe(r->previous_secret, sizeof(r->previous_secret));
    r->previous_mark = 0;
    owner_changed(s, r->r.volume);
}

// Whether it was another one, or had another mark.
static bool take_secret(char field[CHAP_SECRET_MAX + 1], uint32_t *field_mark, const char *secret,
                        uint32_t mark)
{
    if (secret_equal(field, secret) && *field_mark == mark)
        return false;
    secret_wipe(field, CHAP_SECRET_MAX + 1);
    dv_copy(field, CHAP_SECRET_MAX + 1, secret);
    *field_mark = mark;
    return true;
}

bool state_set_secret(struct state *s, const char *chap_user, const char *secret, uint32_t mark)
{
    bool changed = false;
    for (size_t i = 0; i < s->rules.count; i++) {
        struct unit_rule *r = s->rules.at[i];
        bool other = strcmp(r->r.chap_user, chap_user) == 0 &&
                     take_secret(r->secret, &r->r.secret_mark, secret, mark);
        r->r.secret_is_set = r->secret[0] != '\0';
        if (strcmp(r->r.previous_user, chap_user) == 0)
            other |= take_secret(r->previous_secret, &r->previous_mark, secret, mark);
        if (other)
            owner_changed(s, r->r.volume);
        changed |= other;
    }
    return changed;
}

// What the unit holds, in memory: media, volumes, access rules, portals, and what changed when.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/state.h"
#include "base/mem.h"
#include "base/secret.h"
#include "logic/unit_plan.h"
#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

// Arrays of pointers, so that rows stay where they are while others come and go.
struct rows {
    void **at;
    size_t count, room;
};

struct state {
    struct rows media, portals, volumes, rules;
    struct unit_volume **by_uuid; // the volumes again, ascending by UUID
    size_t uuid_count;
    struct unit_volume **by_tid; // and by the ids of their targets
    size_t tid_count;
    struct unit_volume *names; // and by their names
    uint32_t groups;
    char **tgtds;
    size_t tgtd_count;
    struct listener *listeners;
    size_t listener_count;
    struct change *changes; // ascending by generation
    size_t change_count, change_room;
    size_t deletions; // how many of the changes are deletions
    uint32_t generation, changes_since;
    uint32_t last_volume;
    void (*changed)(void *arg);
    void *changed_arg;
};

// Rows of every kind are found by a key: the index, or volume and index of a rule.
typedef uint64_t key_fn(const void *row);

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

// The position of the first row whose key is not below key.
static size_t rows_lower(const struct rows *rows, key_fn *key_of, uint64_t key)
{
    size_t low = 0, high = rows->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (key_of(rows->at[middle]) < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void *rows_find(const struct rows *rows, key_fn *key_of, uint64_t key)
{
    size_t i = rows_lower(rows, key_of, key);
    return i < rows->count && key_of(rows->at[i]) == key ? rows->at[i] : NULL;
}

static void *rows_next(const struct rows *rows, key_fn *key_of, uint64_t after)
{
    size_t i = rows_lower(rows, key_of, after + 1);
    return i < rows->count ? rows->at[i] : NULL;
}

static void *rows_add(struct rows *rows, key_fn *key_of, uint64_t key, size_t size)
{
    size_t i = rows_lower(rows, key_of, key);
    assert(i == rows->count || key_of(rows->at[i]) != key);
    if (rows->count == rows->room) {
        rows->room = rows->room ? 2 * rows->room : 16;
        rows->at = dv_realloc(rows->at, rows->room, sizeof(*rows->at));
    }
    memmove(rows->at + i + 1, rows->at + i, (rows->count - i) * sizeof(*rows->at));
    rows->count++;
    return rows->at[i] = dv_calloc(1, size);
}

static void rows_remove(struct rows *rows, key_fn *key_of, uint64_t key)
{
    size_t i = rows_lower(rows, key_of, key);
    assert(i < rows->count && key_of(rows->at[i]) == key);
    free(rows->at[i]);
    rows->count--;
    memmove(rows->at + i, rows->at + i + 1, (rows->count - i) * sizeof(*rows->at));
}

static void rows_free(struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        free(rows->at[i]);
    free(rows->at);
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
    rows_free(&s->media);
    rows_free(&s->portals);
    HASH_CLEAR(by_name, s->names);
    rows_free(&s->volumes);
    free(s->by_uuid);
    free(s->by_tid);
    rows_free(&s->rules);
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
    return rows_find(&s->media, medium_key, index);
}

struct unit_medium *state_medium_next(const struct state *s, uint32_t after)
{
    return rows_next(&s->media, medium_key, after);
}

struct unit_portal *state_portal(const struct state *s, uint32_t index, uint32_t group)
{
    return rows_find(&s->portals, portal_key, portal_key_of(index, group));
}

struct unit_portal *state_portal_next(const struct state *s, uint32_t index, uint32_t after)
{
    return rows_next(&s->portals, portal_key, portal_key_of(index, after));
}

struct unit_volume *state_volume(const struct state *s, uint32_t index)
{
    return rows_find(&s->volumes, volume_key, index);
}

struct unit_volume *state_volume_next(const struct state *s, uint32_t after)
{
    return rows_next(&s->volumes, volume_key, after);
}

struct unit_rule *state_rule(const struct state *s, uint32_t volume, uint32_t index)
{
    return rows_find(&s->rules, rule_key, rule_key_of(volume, index));
}

struct unit_rule *state_rule_next(const struct state *s, uint32_t volume, uint32_t after)
{
    return rows_next(&s->rules, rule_key, rule_key_of(volume, after));
}

// The position of the first volume whose UUID is not below this one.
static size_t uuid_lower(const struct state *s, const struct dv_uuid *uuid)
{
    size_t low = 0, high = s->uuid_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(s->by_uuid[middle]->v.uuid.b, uuid->b, sizeof(uuid->b)) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void uuid_add(struct state *s, struct unit_volume *v)
{
    size_t i = uuid_lower(s, &v->v.uuid);
    (void)DV_APPEND(s->by_uuid, s->uuid_count);
    memmove(s->by_uuid + i + 1, s->by_uuid + i, (s->uuid_count - 1 - i) * sizeof(*s->by_uuid));
    s->by_uuid[i] = v;
}

static void uuid_remove(struct state *s, const struct unit_volume *v)
{
    size_t i = uuid_lower(s, &v->v.uuid);
    while (s->by_uuid[i] != v)
        i++;
    s->uuid_count--;
    memmove(s->by_uuid + i, s->by_uuid + i + 1, (s->uuid_count - i) * sizeof(*s->by_uuid));
}

struct unit_volume *state_volume_uuid(const struct state *s, const struct dv_uuid *uuid)
{
    size_t i = uuid_lower(s, uuid);
    return i < s->uuid_count && uuid_equal(&s->by_uuid[i]->v.uuid, uuid) ? s->by_uuid[i] : NULL;
}

// The position of the first volume whose target's id is not below this one.
static size_t tid_lower(const struct state *s, uint32_t tid)
{
    size_t low = 0, high = s->tid_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->by_tid[middle]->tid < tid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void tid_add(struct state *s, struct unit_volume *v)
{
    v->tid = plan_tid(&v->v.uuid);
    while (state_volume_tid(s, v->tid))
        v->tid = v->tid % PLAN_TID_MAX + 1;
    size_t i = tid_lower(s, v->tid);
    (void)DV_APPEND(s->by_tid, s->tid_count);
    memmove(s->by_tid + i + 1, s->by_tid + i, (s->tid_count - 1 - i) * sizeof(*s->by_tid));
    s->by_tid[i] = v;
}

static void tid_remove(struct state *s, const struct unit_volume *v)
{
    size_t i = tid_lower(s, v->tid);
    s->tid_count--;
    memmove(s->by_tid + i, s->by_tid + i + 1, (s->tid_count - i) * sizeof(*s->by_tid));
}

struct unit_volume *state_volume_tid(const struct state *s, uint32_t tid)
{
    size_t i = tid_lower(s, tid);
    return i < s->tid_count && s->by_tid[i]->tid == tid ? s->by_tid[i] : NULL;
}

struct unit_volume *state_volume_named(const struct state *s, const char *name)
{
    struct unit_volume *v;
    HASH_FIND(by_name, s->names, name, strlen(name), v);
    return v;
}

static void name_add(struct state *s, struct unit_volume *v)
{
    HASH_ADD_KEYPTR(by_name, s->names, v->v.name, strlen(v->v.name), v);
}

void state_rename_volume(struct state *s, struct unit_volume *v, const char *name)
{
    HASH_DELETE(by_name, s->names, v);
    dv_copy(v->v.name, sizeof(v->v.name), name);
    name_add(s, v);
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
    size_t low = 0, high = s->change_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->changes[middle].generation < generation)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct change *state_change(const struct state *s, uint32_t generation)
{
    size_t i = change_lower(s, generation);
    return i < s->change_count && s->changes[i].generation == generation ? &s->changes[i] : NULL;
}

const struct change *state_change_next(const struct state *s, uint32_t after)
{
    if (after == UINT32_MAX)
        return NULL;
    size_t i = change_lower(s, after + 1);
    return i < s->change_count ? &s->changes[i] : NULL;
}

static void change_drop(struct state *s, size_t i)
{
    s->change_count--;
    memmove(s->changes + i, s->changes + i + 1, (s->change_count - i) * sizeof(*s->changes));
}

// Takes the next generation for a thing whose last change was at old, 0 for none.
static uint32_t change_add(struct state *s, enum change_kind kind, uint32_t index, uint32_t old)
{
    if (old != 0)
        change_drop(s, change_lower(s, old));
    if (s->change_count == s->change_room) {
        s->change_room = s->change_room ? 2 * s->change_room : 64;
        s->changes = dv_realloc(s->changes, s->change_room, sizeof(*s->changes));
    }
    s->changes[s->change_count++] = (struct change){++s->generation, kind, index};
    if (s->changed)
        s->changed(s->changed_arg);
    return s->generation;
}

// Forgets a deletion: the last one of this index, else, when there are too many, the oldest.
static void deletion_forget(struct state *s, uint32_t index)
{
    size_t oldest = s->change_count;
    for (size_t i = 0; i < s->change_count; i++) {
        if (s->changes[i].kind != CHANGE_VOLUME_DELETED)
            continue;
        if (s->changes[i].index == index) {
            change_drop(s, i);
            s->deletions--;
            return;
        }
        if (oldest == s->change_count)
            oldest = i;
    }
    if (s->deletions < STATE_DELETIONS)
        return;
    s->changes_since = s->changes[oldest].generation;
    change_drop(s, oldest);
    s->deletions--;
}

void state_medium_changed(struct state *s, struct unit_medium *m)
{
    m->generation = change_add(s, CHANGE_MEDIUM, m->m.index, m->generation);
}

void state_portal_changed(struct state *s, struct unit_portal *p)
{
    p->generation = change_add(s, CHANGE_PORTAL, p->p.index, p->generation);
}

void state_volume_changed(struct state *s, struct unit_volume *v)
{
    v->v.generation = change_add(s, CHANGE_VOLUME, v->v.index, v->v.generation);
}

// ---- Rows come and go -----------------------------------------------------------------------

struct unit_medium *state_add_medium(struct state *s, const struct medium *m, bool thin)
{
    struct unit_medium *row = rows_add(&s->media, medium_key, m->index, sizeof(*row));
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
    rows_remove(&s->media, medium_key, index);
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
        rows_add(&s->portals, portal_key, portal_key_of(p->index, p->group), sizeof(*row));
    row->p = *p;
    set_address(row, p->address);
    state_portal_changed(s, row);
    return row;
}

struct unit_volume *state_add_volume(struct state *s, const struct volume *v)
{
    struct unit_volume *row = rows_add(&s->volumes, volume_key, v->index, sizeof(*row));
    row->v = *v;
    row->v.group = volume_group(v->index, s->groups);
    row->v.generation = 0;
    uuid_add(s, row);
    name_add(s, row);
    state_note_last(s, v->index);
    tid_add(s, row);
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
    struct unit_rule *row = rows_add(&s->rules, rule_key, key, sizeof(*row));
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
    uuid_remove(s, v);
    HASH_DELETE(by_name, s->names, v);
    tid_remove(s, v);
    rows_remove(&s->volumes, volume_key, index);
    deletion_forget(s, index);
    change_add(s, CHANGE_VOLUME_DELETED, index, old);
    s->deletions++;
}

void state_remove_rule(struct state *s, uint32_t volume, uint32_t index)
{
    struct unit_rule *r = state_rule(s, volume, index);
    secret_wipe(r->secret, sizeof(r->secret));
    rows_remove(&s->rules, rule_key, rule_key_of(volume, index));
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

// By a hundredth of the whole.
static bool has_moved(uint64_t was, uint64_t is, uint64_t whole)
{
    uint64_t by = was > is ? was - is : is - was;
    return by > 0 && by >= whole / 100;
}

void state_set_storage(struct state *s, struct unit_medium *m, uint64_t blocks,
                       uint64_t free_blocks, uint64_t overcommitted, bool reserves)
{
    struct medium *row = &m->m;
    bool moved = row->storage_blocks != blocks || row->reserves != reserves ||
                 has_moved(m->told_free, free_blocks, blocks) ||
                 has_moved(m->told_overcommitted, overcommitted, blocks) ||
                 // At once, when there is none left, or more is promised than there is; that this
                 // is over by a little is not: what hovers there would be told of in each pass.
                 (free_blocks == 0 && m->told_free > 0) ||
                 (overcommitted > 0 && m->told_overcommitted == 0);
    row->storage_blocks = blocks;
    row->storage_free_blocks = free_blocks;
    row->overcommitted_blocks = overcommitted;
    row->reserves = reserves;
    if (!moved)
        return;
    m->told_free = free_blocks;
    m->told_overcommitted = overcommitted;
    state_medium_changed(s, m);
}

void state_set_layout(struct state *s, struct unit_medium *m, uint64_t blocks,
                      const struct extent *reserved, size_t count)
{
    bool changed = m->m.blocks != blocks;
    m->m.blocks = blocks;
    if (changed || m->reserved_count != count ||
        (count > 0 && memcmp(m->reserved, reserved, count * sizeof(*reserved)) != 0)) {
        free(m->reserved);
        m->reserved = count > 0 ? dv_calloc(count, sizeof(*reserved)) : NULL;
        m->reserved_count = count;
        if (count > 0)
            memcpy(m->reserved, reserved, count * sizeof(*reserved));
        state_count_free(s, m->m.index);
    }
    if (changed)
        state_medium_changed(s, m);
}

void state_reserve(struct state *s, uint32_t medium, const struct extent *left)
{
    struct unit_medium *m = state_medium(s, medium);
    struct extent *list = NULL;
    size_t n = 0;
    if (!m || left->blocks == 0)
        return;
    for (size_t i = 0; i < m->reserved_count; i++)
        *DV_APPEND(list, n) = m->reserved[i];
    *DV_APPEND(list, n) = *left;
    extent_sort(list, n);
    free(m->reserved);
    m->reserved = list;
    m->reserved_count = n;
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

bool state_set_secret(struct state *s, const char *chap_user, const char *secret)
{
    bool changed = false;
    for (size_t i = 0; i < s->rules.count; i++) {
        struct unit_rule *r = s->rules.at[i];
        if (strcmp(r->r.chap_user, chap_user) != 0 || secret_equal(r->secret, secret))
            continue;
        secret_wipe(r->secret, sizeof(r->secret));
        dv_copy(r->secret, sizeof(r->secret), secret);
        r->r.secret_is_set = secret[0] != '\0';
        owner_changed(s, r->r.volume);
        changed = true;
    }
    return changed;
}

// ---- Extents --------------------------------------------------------------------------------

size_t state_extents(const struct state *s, uint32_t medium, struct extent **list)
{
    size_t n = 0;
    const struct unit_medium *m = state_medium(s, medium);
    *list = NULL;
    for (size_t i = 0; m && i < m->reserved_count; i++)
        *DV_APPEND(*list, n) = m->reserved[i];
    for (size_t i = 0; i < s->volumes.count; i++) {
        const struct unit_volume *v = s->volumes.at[i];
        const struct extent now = {v->v.start_lba, v->v.blocks};
        const struct extent target = {v->v.target_start_lba, v->v.target_blocks};
        if (v->v.medium == medium)
            extent_add_both(&now, target.blocks ? &target : &now, list, &n);
    }
    if (n > 0)
        extent_sort(*list, n);
    return n;
}

int state_check_accounts(const struct state *s, const struct unit_medium *m, struct dv_err *err)
{
    DV_FREE struct extent *used = NULL;
    struct dv_err why;
    if (m->gone || m->m.kind != MEDIUM_DIR)
        return 0;
    size_t n = state_extents(s, m->m.index, &used);
    if (extent_check(used, n, m->m.blocks, &why) == 0)
        return 0;
    return dv_fail(err, DV_CONFLICT,
                   "the volumes that are recorded for it do not fit it: give it the size that it "
                   "had, or forget some (%s)",
                   why.text);
}

void state_count_free(struct state *s, uint32_t medium)
{
    struct unit_medium *m = state_medium(s, medium);
    if (!m || m->gone)
        return;
    DV_FREE struct extent *list = NULL;
    size_t n = state_extents(s, medium, &list);
    struct extent *free_list;
    size_t count = extent_free_list(list, n, m->m.blocks, &free_list);
    bool same = count == m->free_count &&
                (count == 0 || memcmp(free_list, m->free, count * sizeof(*free_list)) == 0);
    struct extent_space space = extent_space(list, n, m->m.blocks);
    free(m->free);
    m->free = free_list;
    m->free_count = count;
    m->m.free_blocks = space.free_blocks;
    m->m.largest_free_blocks = space.largest_blocks;
    if (!same)
        state_medium_changed(s, m);
}

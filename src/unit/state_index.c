// The volumes again, by their UUIDs, names and target ids.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "base/search.h"
#include "logic/unit_plan.h"
#include "unit/state_internal.h"
#include <string.h>

// The position of the first volume whose UUID is not below this one.
static size_t uuid_lower(const struct state *s, const struct dv_uuid *uuid)
{
    size_t i;
    DV_SEARCH(i, s->uuid_count, memcmp(s->by_uuid[i]->v.uuid.b, uuid->b, sizeof(uuid->b)) < 0);
    return i;
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
    size_t i;
    DV_SEARCH(i, s->tid_count, s->by_tid[i]->tid < tid);
    return i;
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

void state_index_add(struct state *s, struct unit_volume *v)
{
    uuid_add(s, v);
    name_add(s, v);
    tid_add(s, v);
}

void state_index_remove(struct state *s, struct unit_volume *v)
{
    uuid_remove(s, v);
    HASH_DELETE(by_name, s->names, v);
    tid_remove(s, v);
}

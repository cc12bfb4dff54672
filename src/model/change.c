// Lists of changes: each entry owns copies of what it was given.
// SPDX-License-Identifier: BSD-2-Clause
#include "model/change.h"

#include "base/mem.h"
#include <string.h>

static struct change *add(struct changes *c, enum change_op op, const struct kind *kind,
                          const void *records, size_t count)
{
    struct change *item = DV_APPEND(c->items, c->count);
    *item = (struct change){.op = op, .kind = kind, .count = count};
    if (count > 0)
        item->records = memcpy(dv_calloc(count, kind->size), records, count * kind->size);
    return item;
}

static struct change *replace(struct changes *c, const struct kind *kind,
                              const struct dv_uuid *owner, const void *records, size_t count)
{
    struct change *item = add(c, CHANGE_REPLACE, kind, records, count);
    item->owner = *owner;
    return item;
}

void changes_free(struct changes *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->items[i].records);
    free(c->items);
    *c = (struct changes){0};
}

void changes_unit(struct changes *c, const struct unit_record *unit)
{
    add(c, CHANGE_PUT, &kind_unit, unit, 1);
}

void changes_unit_gone(struct changes *c, const struct dv_uuid *unit)
{
    add(c, CHANGE_GONE, &kind_unit, &(struct unit_record){.uuid = *unit}, 1);
}

void changes_media(struct changes *c, const struct dv_uuid *unit, const struct medium *media,
                   size_t count)
{
    replace(c, &kind_medium, unit, media, count);
}

void changes_free_extents(struct changes *c, const struct dv_uuid *unit, struct free_place from,
                          struct free_place to, const struct free_extent *extents, size_t count)
{
    struct change *item = replace(c, &kind_free_extent, unit, extents, count);
    item->from = from;
    item->to = to;
}

void changes_portals(struct changes *c, const struct dv_uuid *unit, const struct portal *portals,
                     size_t count)
{
    replace(c, &kind_portal, unit, portals, count);
}

void changes_volume(struct changes *c, const struct volume_record *volume)
{
    add(c, CHANGE_PUT, &kind_volume, volume, 1);
}

void changes_volume_gone(struct changes *c, const struct dv_uuid *volume)
{
    add(c, CHANGE_GONE, &kind_volume, &(struct volume_record){.uuid = *volume}, 1);
}

void changes_shown_alone(struct changes *c, const struct volume *shown)
{
    add(c, CHANGE_PUT, &kind_shown, shown, 1);
}

void changes_shown(struct changes *c, const struct volume *shown, const struct access_rule *rules,
                   size_t rule_count)
{
    changes_shown_alone(c, shown);
    replace(c, &kind_rule, &shown->uuid, rules, rule_count);
}

void changes_hidden(struct changes *c, const struct dv_uuid *volume)
{
    add(c, CHANGE_GONE, &kind_shown, &(struct volume){.uuid = *volume}, 1);
}

void changes_host(struct changes *c, const struct host_record *host)
{
    add(c, CHANGE_PUT, &kind_host, host, 1);
}

void changes_host_gone(struct changes *c, const struct dv_uuid *host)
{
    add(c, CHANGE_GONE, &kind_host, &(struct host_record){.uuid = *host}, 1);
}

void changes_assignment(struct changes *c, const struct assignment_record *assignment)
{
    add(c, CHANGE_PUT, &kind_assignment, assignment, 1);
}

void changes_assignment_gone(struct changes *c, const struct dv_uuid *volume,
                             const struct dv_uuid *host)
{
    const struct assignment_record a = {.volume = *volume, .host = *host};
    add(c, CHANGE_GONE, &kind_assignment, &a, 1);
}

void changes_task(struct changes *c, const struct task_record *task)
{
    add(c, CHANGE_PUT, &kind_task, task, 1);
}

void changes_task_gone(struct changes *c, uint64_t task)
{
    add(c, CHANGE_GONE, &kind_task, &(struct task_record){.id = task}, 1);
}

void changes_event(struct changes *c, const struct event_record *event)
{
    add(c, CHANGE_PUT, &kind_event, event, 1);
}

void changes_token(struct changes *c, const struct token_record *token)
{
    add(c, CHANGE_PUT, &kind_token, token, 1);
}

void changes_token_gone(struct changes *c, uint64_t token)
{
    add(c, CHANGE_GONE, &kind_token, &(struct token_record){.id = token}, 1);
}

void changes_code(struct changes *c, const struct code_record *code)
{
    add(c, CHANGE_PUT, &kind_code, code, 1);
}

void changes_code_gone(struct changes *c, const char *code)
{
    struct code_record gone = {0};
    dv_copy(gone.id, sizeof(gone.id), code);
    add(c, CHANGE_GONE, &kind_code, &gone, 1);
}

void changes_code_use(struct changes *c, const struct code_use *use)
{
    add(c, CHANGE_PUT, &kind_code_use, use, 1);
}

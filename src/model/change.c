// Lists of changes: each entry owns copies of what it was given.
// SPDX-License-Identifier: BSD-2-Clause
#include "model/change.h"

#include "base/mem.h"
#include <string.h>

static void *copy(const void *data, size_t count, size_t size)
{
    if (count == 0)
        return NULL;
    void *to = dv_calloc(count, size);
    memcpy(to, data, count * size);
    return to;
}

static struct change *add(struct changes *c, enum change_kind kind, const struct dv_uuid *id)
{
    struct change *item = DV_APPEND(c->items, c->count);
    item->kind = kind;
    if (id)
        item->id = *id;
    return item;
}

void changes_free(struct changes *c)
{
    for (size_t i = 0; i < c->count; i++) {
        free(c->items[i].data);
        free(c->items[i].rules);
    }
    free(c->items);
    *c = (struct changes){0};
}

void changes_unit(struct changes *c, const struct unit_record *unit)
{
    add(c, CHANGE_UNIT, &unit->uuid)->unit = copy(unit, 1, sizeof(*unit));
}

void changes_unit_gone(struct changes *c, const struct dv_uuid *unit)
{
    add(c, CHANGE_UNIT_GONE, unit);
}

void changes_media(struct changes *c, const struct dv_uuid *unit, const struct medium *media,
                   size_t count)
{
    struct change *item = add(c, CHANGE_MEDIA, unit);
    item->media = copy(media, count, sizeof(*media));
    item->count = count;
}

void changes_free_extents(struct changes *c, const struct dv_uuid *unit, struct free_place from,
                          struct free_place to, const struct free_extent *extents, size_t count)
{
    struct change *item = add(c, CHANGE_FREE, unit);
    item->from = from;
    item->to = to;
    item->free_extents = copy(extents, count, sizeof(*extents));
    item->count = count;
}

void changes_portals(struct changes *c, const struct dv_uuid *unit, const struct portal *portals,
                     size_t count)
{
    struct change *item = add(c, CHANGE_PORTALS, unit);
    item->portals = copy(portals, count, sizeof(*portals));
    item->count = count;
}

void changes_volume(struct changes *c, const struct volume_record *volume)
{
    add(c, CHANGE_VOLUME, &volume->uuid)->volume = copy(volume, 1, sizeof(*volume));
}

void changes_volume_gone(struct changes *c, const struct dv_uuid *volume)
{
    add(c, CHANGE_VOLUME_GONE, volume);
}

void changes_shown(struct changes *c, const struct volume *shown, const struct access_rule *rules,
                   size_t rule_count)
{
    struct change *item = add(c, CHANGE_SHOWN, &shown->uuid);
    item->shown = copy(shown, 1, sizeof(*shown));
    item->rules = copy(rules, rule_count, sizeof(*rules));
    item->rule_count = rule_count;
}

void changes_renumbered(struct changes *c, const struct dv_uuid *volume, uint32_t index)
{
    add(c, CHANGE_RENUMBERED, volume)->index = index;
}

void changes_hidden(struct changes *c, const struct dv_uuid *volume)
{
    add(c, CHANGE_HIDDEN, volume);
}

void changes_host(struct changes *c, const struct host_record *host)
{
    add(c, CHANGE_HOST, &host->uuid)->host_record = copy(host, 1, sizeof(*host));
}

void changes_host_gone(struct changes *c, const struct dv_uuid *host)
{
    add(c, CHANGE_HOST_GONE, host);
}

void changes_assignment(struct changes *c, const struct assignment_record *assignment)
{
    struct change *item = add(c, CHANGE_ASSIGNMENT, &assignment->volume);
    item->host = assignment->host;
    item->assignment = copy(assignment, 1, sizeof(*assignment));
}

void changes_assignment_gone(struct changes *c, const struct dv_uuid *volume,
                             const struct dv_uuid *host)
{
    add(c, CHANGE_ASSIGNMENT_GONE, volume)->host = *host;
}

void changes_task(struct changes *c, const struct task_record *task)
{
    struct change *item = add(c, CHANGE_TASK, NULL);
    item->task = task->id;
    item->task_record = copy(task, 1, sizeof(*task));
}

void changes_task_gone(struct changes *c, uint64_t task)
{
    add(c, CHANGE_TASK_GONE, NULL)->task = task;
}

void changes_event(struct changes *c, const struct event_record *event)
{
    add(c, CHANGE_EVENT, NULL)->event = copy(event, 1, sizeof(*event));
}

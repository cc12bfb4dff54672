// Changes of the station's records: a list that the store and the pool in memory both apply.
// SPDX-License-Identifier: BSD-2-Clause
//
// Whoever decides something builds such a list. The store applies it in one transaction, and only
// then the pool does: so memory is never ahead of the disk, and a crash in between loses nothing.
// What a store loads is such a list, too.
#ifndef DVSAN_MODEL_CHANGE_H
#define DVSAN_MODEL_CHANGE_H

#include "model/pool.h"
#include <stddef.h>

enum change_kind {
    CHANGE_UNIT = 1, // made or replaced
    CHANGE_UNIT_GONE,
    CHANGE_MEDIA,   // all media of a unit
    CHANGE_FREE,    // the free extents of a unit from one place to another
    CHANGE_PORTALS, // all portals of a unit
    CHANGE_VOLUME,
    CHANGE_VOLUME_GONE, // with what its unit showed of it
    CHANGE_SHOWN,       // a volume and its rules as its unit shows them
    CHANGE_RENUMBERED,  // what its unit shows of it, at another index
    CHANGE_HIDDEN,      // the unit shows it no longer
    CHANGE_HOST,
    CHANGE_HOST_GONE,
    CHANGE_ASSIGNMENT,
    CHANGE_ASSIGNMENT_GONE,
    CHANGE_TASK,
    CHANGE_TASK_GONE,
    CHANGE_EVENT
};

struct change {
    enum change_kind kind;
    struct dv_uuid id;   // of the unit, volume or host that it is about; an assignment's volume
    struct dv_uuid host; // an assignment's host
    uint64_t task;       // a task's id
    uint32_t index;      // CHANGE_RENUMBERED
    struct free_place from, to; // CHANGE_FREE: those from here, and before there, become others
    union {
        struct unit_record *unit;
        struct volume_record *volume;
        struct host_record *host_record;
        struct assignment_record *assignment;
        struct task_record *task_record;
        struct event_record *event;
        struct medium *media;             // count of them
        struct portal *portals;           // count of them
        struct free_extent *free_extents; // count of them
        struct volume *shown;
        void *data; // any of these, owned
    };
    size_t count;
    struct access_rule *rules; // CHANGE_SHOWN, owned
    size_t rule_count;
};

// Zero-initialise; free with changes_free. Everything passed in is copied.
struct changes {
    struct change *items;
    size_t count;
};
void changes_free(struct changes *c); // leaves it empty and usable

void changes_unit(struct changes *c, const struct unit_record *unit);
void changes_unit_gone(struct changes *c, const struct dv_uuid *unit);
void changes_media(struct changes *c, const struct dv_uuid *unit, const struct medium *media,
                   size_t count);
// extents: from the place from on, and before to; by medium and start.
void changes_free_extents(struct changes *c, const struct dv_uuid *unit, struct free_place from,
                          struct free_place to, const struct free_extent *extents, size_t count);
void changes_portals(struct changes *c, const struct dv_uuid *unit, const struct portal *portals,
                     size_t count);
void changes_volume(struct changes *c, const struct volume_record *volume);
void changes_volume_gone(struct changes *c, const struct dv_uuid *volume);
void changes_shown(struct changes *c, const struct volume *shown, const struct access_rule *rules,
                   size_t rule_count);
void changes_renumbered(struct changes *c, const struct dv_uuid *volume, uint32_t index);
void changes_hidden(struct changes *c, const struct dv_uuid *volume);
void changes_host(struct changes *c, const struct host_record *host);
void changes_host_gone(struct changes *c, const struct dv_uuid *host);
void changes_assignment(struct changes *c, const struct assignment_record *assignment);
void changes_assignment_gone(struct changes *c, const struct dv_uuid *volume,
                             const struct dv_uuid *host);
void changes_task(struct changes *c, const struct task_record *task);
void changes_task_gone(struct changes *c, uint64_t task);
void changes_event(struct changes *c, const struct event_record *event);

#endif

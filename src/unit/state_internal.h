// What the state's own files share: the state itself.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_STATE_INTERNAL_H
#define DVSAN_UNIT_STATE_INTERNAL_H

#include "unit/state.h"
#include "unit/state_rows.h"

struct deletion {
    uint32_t generation, index;
};

struct state {
    struct state_rows media, portals, volumes, rules;
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
    struct state_change *changes; // ascending by generation; those that later ones replace are void
    size_t change_count, change_room, change_void;
    struct deletion deletions[STATE_DELETIONS]; // that are among them, ascending
    size_t deletion_count;
    uint32_t generation, changes_since;
    uint32_t last_volume;
    void (*changed)(void *arg);
    void *changed_arg;
};

// A volume is found by its UUID, its name and its target's id, which it gets here; or no more.
void state_index_add(struct state *s, struct unit_volume *v);
void state_index_remove(struct state *s, struct unit_volume *v);

#endif

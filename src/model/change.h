// Changes of the station's records: a list that the store and the pool in memory both apply.
// SPDX-License-Identifier: BSD-2-Clause
//
// Whoever decides something builds such a list. The store applies it in one transaction, and only
// then the pool does: so memory is never ahead of the disk, and a crash in between loses nothing.
// What a store loads comes in such lists, too.
#ifndef DVSAN_MODEL_CHANGE_H
#define DVSAN_MODEL_CHANGE_H

#include "model/enrolment.h"
#include "model/kind.h"
#include "model/pool.h"
#include <stddef.h>

enum change_op {
    CHANGE_PUT = 1, // one record is made, or gets other values
    CHANGE_GONE,    // the record with these keys goes, and with it all that it owns
    CHANGE_REPLACE, // the records of an owner become others
};

struct change {
    enum change_op op;
    const struct kind *kind;
    struct dv_uuid owner;       // CHANGE_REPLACE
    struct free_place from, to; // CHANGE_REPLACE of free extents: those from here, and before there
    void *records;              // of the kind; owned
    size_t count;               // 1, or of CHANGE_REPLACE so many
};

// Zero-initialise; free with changes_free. Everything passed in is copied.
struct changes {
    struct change *items;
    size_t count;
    // The number of intent (model/lead.h) gets higher than this, whatever is changed; 0: as that
    // wants it.
    uint32_t above;
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
// A volume as its unit shows it, which is beside what is wanted of it, and its rules.
void changes_shown(struct changes *c, const struct volume *shown, const struct access_rule *rules,
                   size_t rule_count);
void changes_shown_alone(struct changes *c, const struct volume *shown); // its rules stay
void changes_hidden(struct changes *c, const struct dv_uuid *volume);
void changes_host(struct changes *c, const struct host_record *host);
void changes_host_gone(struct changes *c, const struct dv_uuid *host);
void changes_assignment(struct changes *c, const struct assignment_record *assignment);
void changes_assignment_gone(struct changes *c, const struct dv_uuid *volume,
                             const struct dv_uuid *host);
void changes_task(struct changes *c, const struct task_record *task);
void changes_task_gone(struct changes *c, uint64_t task);
void changes_event(struct changes *c, const struct event_record *event);
void changes_token(struct changes *c, const struct token_record *token);
void changes_token_gone(struct changes *c, uint64_t token);
void changes_code(struct changes *c, const struct code_record *code);
void changes_code_gone(struct changes *c, const char *code);
void changes_code_use(struct changes *c, const struct code_use *use);

#endif

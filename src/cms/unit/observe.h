// A reading on its way into the pool, shared by the files that take it in.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_UNIT_OBSERVE_H
#define DVSAN_CMS_UNIT_OBSERVE_H

#include "cms/member/facet.h"
#include "cms/member/reading.h"
#include "cms/unit/found.h"

struct observation {
    struct cms *cms;
    struct pool *pool;
    struct unit_link *link;
    struct reading part;       // all of the link's reading, or a part of it
    const struct reading *r;   // that
    uint64_t host_changes;     // the pool's, before what is taken in
    struct pool_unit *unit;    // NULL: it is new
    struct unit_record rec;    // as it will be
    enum unit_state was;       // 0: it is new
    struct access_rule *rules; // those of r, by volume and index
    struct found found;        // in this reading
    struct new_volume *adopted_ones;
    bool not_adopted_told;          // how many, if at all
    const struct volume **left_out; // of r
    size_t left_out_count;
    struct changes c;
};

// ---- observe.c ----
// Before anything of the link's reading is taken in.
void observe_begin(struct unit_link *link);
// Takes in the next part of the link's reading, as a turn has time for: unit, tables, adoptions and
// events in one transaction of its own, which leaves the unit's generation as it was until the last
// one: a crash in between reads all again. done: it is in the pool, or could not be written; last:
// nothing of the reading is left. Not called once the conclusions are forgotten.
void observe_part(struct unit_link *link, facet_taken_fn *done);
void observe_forget(struct unit_link *link); // what is being written is taken in all the same

// Where the part of a reading that begins with this volume ends: behind it at least.
size_t observe_part_end(const struct reading *r, size_t at);
bool observe_is_at_last(const struct unit_link *link); // the next part of its reading is the last

// ---- observation.c ----
// Sorts by volume and index, as the functions below want it.
void observe_sort_rules(struct access_rule *rules, size_t count);
// The rules of a volume, by its index.
const struct access_rule *observe_rules_of(const struct observation *o, uint32_t volume,
                                           size_t *count);
// Of the medium with the index, as the unit shows it now. Where media are as they were, the reading
// has none.
const struct medium_proof *observe_proof(const struct observation *o, uint32_t medium);
// Whether the reading may tell of its volumes and hosts: what a unit shows can be other volumes
// each time.
bool observe_may_tell(struct observation *o);
#define OBSERVE_TOLD 16 // volumes, hosts or changes of one kind that a reading tells of by name
// Counts a volume, host or change, and says whether it is told of by name.
bool observe_is_told(struct observation *o, size_t *count);
// Once the changes were applied, or not.
void observe_end_adopted(struct observation *o, bool applied);
// A volume that is taken in.
void observe_note_adopted(struct observation *o, const struct dv_uuid *uuid);
bool observe_is_adopted(const struct observation *o, const struct dv_uuid *uuid);
void observe_hide(struct observation *o, struct pool_volume *pv); // a volume that is gone

// ---- observe_volumes.c ----
void observe_volume(struct observation *o, const struct volume *v);
// Whether a volume that would be taken in is used by so many hosts that nobody here knows that
// these come first, some in each turn of the loop. They do no harm without the volume; a volume
// is taken in with all its hosts or not at all.
bool observe_wants_hosts(const struct observation *o, const struct volume *v);
void observe_hosts(struct observation *o, const struct volume *v);
void observe_tell(struct observation *o); // of what was taken in, and is gone

// ---- observe_gone.c ----
// What the unit shows no longer; in a part as much as there is time for.
void observe_absence(struct observation *o);
// Whether that is more than there is time for, when so many volumes are still to come.
bool observe_much_is_gone(const struct observation *o, size_t to_come);

// ---- foreign.c ----
// Tells what changed of a volume that the unit had before, and was not asked for.
void foreign_tell(struct observation *o, struct pool_volume *pv, const struct volume *v,
                  const struct access_rule *rules, size_t count);

#endif

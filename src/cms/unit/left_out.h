// What a unit shows and the pool does not take from it.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_UNIT_LEFT_OUT_H
#define DVSAN_CMS_UNIT_LEFT_OUT_H

#include "cms/member/link.h"
#include "logic/moves.h"

struct observation;

struct left_out {
    struct unit_link *link; // that shows it
    struct dv_uuid uuid;
    enum volume_state state;
    bool known;                // the pool had it from another unit
    uint32_t index, medium;    // there
    enum move_verdict verdict; // why it was left out
    // What it still has for hosts: rules, and the index of the first that is to end, since a person
    // said that the volume is elsewhere; 0: none.
    size_t rules;
    uint32_t rule;
    struct pool_hold hold;
    uint64_t mark; // the reading that showed it last
    char *fault;   // of one that has failed there: "volume v1 ..."; else NULL
    struct left_out *same_prev, *same_next; // of the same volume, shown by others
    UT_hash_handle hh;                      // in unit_link.left_out, by uuid
};

void left_out_forget(struct unit_link *link); // all of it
// Whether what was left out of the pool would be taken now, or is to be told of.
bool left_out_is_wanted(const struct unit_link *link);
// What of the volume the unit shows, and the pool has from another one; NULL: nothing.
struct left_out *left_out_of(const struct unit_link *link, const struct dv_uuid *volume);
// What all units show of that volume, linked by same_next, known or not; NULL: nothing.
const struct left_out *left_out_everywhere(const struct cms *cms, const struct dv_uuid *volume);
// Why what the unit shows of it, and serves, is not the pool's; MOVE_STAYS, too, when it shows
// none.
enum move_verdict left_out_waits(const struct unit_link *link, const struct pool_volume *volume);
// A person said that the volume is on another unit than this one, which has it in the pool.
void left_out_leave(struct unit_link *link, const struct pool_volume *pv);

// Whether what another unit shows of the volume, on a medium with this proof, takes its place.
enum move_verdict left_out_judge(const struct pool_volume *pv, const struct dv_uuid *other_unit,
                                 enum volume_state other, const struct medium_proof *proof);
// Whether that was told. Of a row that has failed it is not.
bool left_out_is_told(const struct unit_link *link, const struct dv_uuid *uuid,
                      enum move_verdict verdict);
void left_out_add(struct observation *o, const struct volume *v);
// Once the observation was applied.
void left_out_note(struct observation *o);

#endif

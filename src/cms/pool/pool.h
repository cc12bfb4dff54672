// The pool in memory: everything the station knows, and its links.
// SPDX-License-Identifier: BSD-2-Clause
//
// Owned by the loop's thread. Reading is free for all code on that thread; changes go through the
// functions of src/cms, which write the store first.
#ifndef DVSAN_CMS_POOL_H
#define DVSAN_CMS_POOL_H

#include "logic/lead.h"
#include "model/change.h"
#include <uthash.h>

struct pool_placed;
struct pool_tasks_of;
struct pool_volume;

struct pool_unit {
    struct unit_record rec;
    uint64_t number;      // as of all units, volumes and hosts: it goes up as they come
    struct medium *media; // as read from it
    size_t media_count;
    struct free_extent *free_extents; // of all media, by medium and start
    size_t free_count;
    struct portal *portals;
    size_t portal_count;
    struct pool_volume *volumes; // those on it, by utlist's DL_ macros over unit_prev, unit_next
    size_t volume_count;
    // Those of them that may have something to do or to wait for, over open_prev, open_next: all
    // that changed, with their rights, since pool_settled was told of them.
    struct pool_volume *unsettled;
    uint64_t round;  // of turns in which those are planned for; goes up with a change, too
    bool busy;       // some of them were, in this round
    bool agent_away; // while it is down: its machine answers, and its agent does not
    bool keyless;    // likewise: its snmpd takes none of the station's keys
    struct pool_volume *shown;     // those it shows, by actual.index
    struct pool_promise *promises; // to volumes that are still to be made, by medium
    struct pool_volume *growing;   // those that are to, over grow_prev, grow_next
    struct pool_tasks_of *tasks;   // about it and those volumes, over home_prev, home_next
    struct pool_placed *placed;    // where it is found, over next_of_unit
    void *link;                    // the station's connection to it, private to src/cms
    // Whether this station leads it, as it showed last; 0 until it has answered. Like its lead, not
    // kept.
    enum lead_standing standing;
    struct lead lead;
    uint64_t held_until;    // loop_now_ms
    UT_hash_handle hh;      // by rec.uuid
    UT_hash_handle hh_name; // by rec.name
};

#define HOLD_WHY_ROOM 96 // bytes, with the NUL

// A step that was taken or refused is not tried again at once. Kept in memory alone.
struct pool_hold {
    uint64_t until; // loop_now_ms
    uint32_t ms;    // how long it was held last; doubles
    bool refused;
    bool told;               // by an event
    char why[HOLD_WHY_ROOM]; // what the unit said when it refused; else ""
};

struct pool_assignment {
    struct assignment_record rec;
    uint64_t number;
    struct pool_volume *volume;
    struct pool_host *host;
    struct access_rule actual; // as the unit shows it; actual.index 0 when it does not
    size_t rule;               // the place of that in the volume's rules
    size_t former; // 1 + that of the one for the host's previous IQN; 0: the unit shows none
    struct pool_hold hold;
    struct pool_assignment *volume_prev, *volume_next; // in pool_volume.assignments
    struct pool_assignment *host_prev, *host_next;     // in pool_host.assignments
    UT_hash_handle hh;                                 // in pool_volume.hosts, by rec.host
};

struct pool_volume {
    struct volume_record rec;
    uint64_t number;
    struct pool_unit *unit;
    struct volume actual;      // as the unit shows it; actual.index 0 when it does not
    struct access_rule *rules; // all rules the unit shows, also those nobody wants; by index
    size_t rule_count;
    struct pool_hold hold;
    bool resize_answered;          // the unit took or refused the size that is wanted
    char refusal[LAST_ERROR_ROOM]; // what it said then; "" when it took it
    enum dv_code refusal_code;
    // The number of intent of the last order about it, or its rights, that was sent and not
    // answered; 0: none. See pool_order_is_out. In memory alone: after a start it is that of the
    // run before.
    uint32_t order;
    bool renamed;     // its unit showed another name by no request: its own is ordered
    uint64_t mark;    // the reading that showed it last, private to src/cms
    uint64_t planned; // the round in which it had its turn last
    struct pool_assignment *assignments, *hosts; // in their order; by host
    struct pool_volume *unit_prev, *unit_next;
    struct pool_volume *open_prev, *open_next; // in pool_unit.unsettled
    struct pool_volume *link_prev, *link_next; // in pool.to_link
    struct pool_promise *promise;              // that counts promise_blocks for it; NULL: none does
    uint64_t promise_blocks;
    struct pool_volume *grow_prev, *grow_next; // in pool_unit.growing
    struct pool_unit *grows_on;                // in whose list of these it is; NULL in none
    bool unsettled, to_link;
    struct pool_unit *shown_by; // in whose hash of shown volumes it is; NULL in none
    UT_hash_handle hh;          // by rec.uuid
    UT_hash_handle hh_name;     // by rec.name
    UT_hash_handle hh_index;    // by actual.index
};

// Blocks of a medium that its free ones do not count as taken yet.
struct pool_promise {
    struct pool_unit *unit;
    uint32_t medium;
    size_t volumes; // to which they are promised
    uint64_t blocks;
    UT_hash_handle hh; // in pool_unit.promises, by medium
};

struct pool_host {
    struct host_record rec;
    uint64_t number;
    char iqn[IQN_MAX_LEN + 1], previous_iqn[IQN_MAX_LEN + 1]; // in canonical form
    struct pool_assignment *assignments;
    uint64_t mark;              // private to src/cms: the count that met it last
    UT_hash_handle hh;          // by rec.uuid
    UT_hash_handle hh_name;     // by rec.name
    UT_hash_handle hh_iqn;      // by iqn
    UT_hash_handle hh_previous; // by previous_iqn, while there is one
};

struct pool_task {
    struct task_record rec;
    struct pool_tasks_of *of; // while it is not over
    struct pool_task *of_prev, *of_next;
    bool over;                               // it is in pool.over
    struct pool_task *over_prev, *over_next; // by the time when they ended
    UT_hash_handle hh;                       // by rec.id
};

struct pool_tasks_of { // the tasks about a volume, or a unit, that are not over, by age
    struct dv_uuid about;
    struct pool_task *tasks;
    struct pool_unit *unit; // of the volume, or itself; NULL: there is no such thing any more
    struct pool_tasks_of *home_prev, *home_next; // in pool_unit.tasks, or pool.lone_tasks
    UT_hash_handle hh;                           // by about
};

// One of the units that are found at a place, which is written "192.0.2.1", where a unit answered,
// or "192.0.2.1:3260", where it has a portal. Units that are revoked answer nowhere.
struct pool_placed {
    struct pool_unit *unit;
    struct pool_place *place;
    struct pool_placed *prev, *next; // of the place, in the order in which they came
    struct pool_placed *next_of_unit;
};

struct pool {
    struct pool_unit *units, *unit_names;
    struct pool_volume *volumes, *volume_names;
    struct pool_host *hosts, *host_names, *host_iqns, *previous_iqns;
    struct pool_task *tasks; // ascending by id
    struct pool_tasks_of *tasks_of;
    struct pool_tasks_of *lone_tasks; // those of no unit, over home_prev, home_next
    struct pool_task *over;           // over over_prev, over_next
    size_t over_count;
    struct pool_place *places;
    uint64_t numbers;            // given so far
    struct pool_volume *to_link; // while changes are applied: whose rules or rights are others
    uint64_t host_changes;       // hosts that came, went, or became others, so far
    uint64_t lookups;            // of the hosts that rules name, so far
};

struct pool *pool_new(void);
void pool_free(struct pool *p);

// Applies what the store has applied. Every change must fit: a volume's unit, an assignment's
// volume and host are there, and nothing goes before what depends on it is gone, except that a
// volume takes its assignments along.
void pool_apply(struct pool *p, const struct changes *changes);

// The volume has moved: what was held may be tried again.
void pool_release_holds(struct pool_volume *v);
// There is nothing to do for the volume, nor to wait for, until something about it changes.
void pool_settled(struct pool_volume *v);
// There may be, and others that may have something to do come before it.
void pool_postpone(struct pool_volume *v);

// A thing by its name or by its UUID as text; NULL when there is none.
struct pool_unit *pool_find_unit(struct pool *p, const char *name_or_uuid);
struct pool_volume *pool_find_volume(struct pool *p, const char *name_or_uuid);
struct pool_host *pool_find_host(struct pool *p, const char *name_or_uuid);
struct pool_task *pool_find_task(struct pool *p, uint64_t id);

struct pool_unit *pool_unit_by_uuid(struct pool *p, const struct dv_uuid *uuid);
struct pool_volume *pool_volume_by_uuid(struct pool *p, const struct dv_uuid *uuid);
struct pool_host *pool_host_by_uuid(struct pool *p, const struct dv_uuid *uuid);
// By the present one or the previous one, in any case.
struct pool_host *pool_host_by_iqn(struct pool *p, const char *iqn);
struct pool_volume *pool_volume_by_index(struct pool_unit *u, uint32_t index); // shown ones
struct pool_assignment *pool_assignment_of(struct pool_volume *v, const struct dv_uuid *host);
// Whether an order of that station about the volume or its rights was sent and may still be carried
// out.
bool pool_order_is_out(const struct pool_volume *v, const struct dv_uuid *station);
uint64_t pool_promised(const struct pool_unit *u, uint32_t medium); // but for growing volumes
// The place where a unit with that management address answers; false: a name, or none is known.
bool pool_place_of(const char *management, char out[PORTAL_TEXT_ROOM]);
// The units that are found at a place, linked by next; NULL: none.
const struct pool_placed *pool_placed_at(const struct pool *p, const char *place);
uint64_t pool_next_mark(void); // of a host, for one count: none has it yet
// The tasks about a volume, or a unit, that are not over, linked by of_next; NULL when there are
// none.
struct pool_task *pool_tasks_of(struct pool *p, const struct dv_uuid *about);
const struct medium *pool_medium(const struct pool_unit *u, uint32_t index); // NULL: none
// Whether the medium that a shown volume lies on has failed, or is not in its unit's configuration.
bool pool_medium_is_away(const struct pool_volume *v);

// ---- pool_walk.c: walks that others may come between ----
// Each call returns the next one; NULL: that was all. A walk begins zeroed, and others may change
// the pool between two calls: what is there from the walk's first call to its last is met once, and
// what came behind the first is not met.
struct pool_walk {
    bool begun;
    uint64_t next, end;  // numbers: of the next one, and above those to be met
    struct dv_uuid uuid; // of the next one, or of its volume
};
struct pool_unit *pool_next_unit(struct pool *p, struct pool_walk *w);
struct pool_volume *pool_next_volume(struct pool *p, struct pool_walk *w);
struct pool_host *pool_next_host(struct pool *p, struct pool_walk *w);
struct pool_assignment *pool_next_right_of(struct pool *p, struct pool_walk *w,
                                           const struct pool_host *host);

// ---- shown.c: what people are shown ----
// Whether the unit answers, so that what is known of it is so now.
bool pool_is_current(const struct pool_unit *u);
// "creating", "online", "offline", "failed", "deleting", and "unreachable" while that is not known.
const char *pool_volume_state(const struct pool_volume *v);
const char *pool_volume_last_state(const struct pool_volume *v); // when the unit answered last
// The rule that the unit shows for the host's previous IQN; NULL: none.
const struct access_rule *pool_former_rule(const struct pool_assignment *a);
// How many access rules the volume has once its unit has all that is wanted.
size_t pool_rules_wanted(const struct pool_volume *v);
// Whether its unit has still to let the host in by the IQN that the host has now.
bool pool_awaits_iqn(const struct pool_assignment *a);
// Whether its unit has still to take the account that the host has now.
bool pool_awaits_account(const struct pool_assignment *a);
// Whether its unit showed last that it lets the host in by an account that has ended.
bool pool_admits_ended(const struct pool_assignment *a);
// "pending", "active", "failed", "revoking", and "unknown".
const char *pool_assignment_state(const struct pool_assignment *a);
#define POOL_ERROR_ROOM 512 // bytes, with the NUL
// What is wrong with a right on its unit; "" when nothing is.
void pool_assignment_error(const struct pool_assignment *a, char out[POOL_ERROR_ROOM]);
const char *pool_medium_state(const struct pool_unit *u, const struct medium *m); // or "unknown"
#define POOL_NOTE_ROOM 512 // bytes, with the NUL
// What is known of a unit that does not answer, and what not; "" when it answers.
void pool_unit_note(const struct pool_unit *u, char *out, size_t room);
#define POOL_LEAD_NOTE_ROOM 256 // bytes, with the NUL
// Of a unit that waits for a person's word and cannot be settled, since it does not answer: what to
// do. Else "".
void pool_lead_note(const struct pool_unit *u, char out[POOL_LEAD_NOTE_ROOM]);

// The hosts that may use volumes of the unit, each once, in some order. The caller frees the list.
const struct pool_host **pool_hosts_of_unit(const struct pool_unit *u, size_t *count);

struct pool_totals {
    uint64_t blocks, free_blocks; // of the media of units that are up or degraded
    size_t units, units_up, volumes, hosts;
};
void pool_totals(const struct pool *p, struct pool_totals *out);

#endif

// The connection to one unit: what is known of it, and asking it for what it shall do next.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_MEMBER_LINK_H
#define DVSAN_CMS_MEMBER_LINK_H

#include "cms/cms.h"
#include "cms/core/station.h"
#include "cms/pool/names.h"
#include "cms/task/tasks.h"
#include "logic/orders.h"
#include "logic/pace.h"

struct adoption;
struct facet;
struct fetch;
struct key_trial;
struct left_out;
struct observation;
struct reading;
struct rekey;
struct suspect;

#define FAULTS_MAX 8 // reasons that one reading tells of
struct fault_group { // volumes that have failed for one reason
    char why[LAST_ERROR_ROOM];
    char first[NAME_MAX_LEN + 1];
    size_t volumes;
};
struct faults { // of one reading, see unit/faults.h; zero before
    struct fault_group groups[FAULTS_MAX];
    size_t count, others, healed;
    char first_healed[NAME_MAX_LEN + 1];
    bool told; // why the unit is worse than before
};

enum link_work { LINK_IDLE, LINK_LOOKING, LINK_READING, LINK_SETTING };

#define LEFT_PORTALS_MAX 16 // that are remembered

struct unit_link {
    struct cms *cms;
    const struct facet *facet;
    struct dv_uuid uuid;
    char name[NAME_MAX_LEN + 1];       // as announced, for logs
    char address[ADDRESS_MAX_LEN + 1]; // where peer sends to
    struct sn_engine_id engine;        // pinned
    struct sn_peer *peer;
    char next_address[ADDRESS_MAX_LEN + 1]; // announced, to be tried; "" for none
    struct sn_peer *trial;                  // to next_address, while it is tried
    bool tried;                             // the last look was such a trial
    bool moving;                            // it says itself that next_address is its address
    char clone[ADDRESS_MAX_LEN + 1];        // where else it was announced; told once

    enum link_work work;
    uint64_t work_since;          // loop_now_ms
    bool discard;                 // what is being looked at is out of date
    bool urgent;                  // look again as soon as possible
    bool farewell;                // it is said to be stopped: silence means that it is
    bool replan;                  // intent has changed: plan before the next look
    uint32_t pace_ms;             // between looks while work is unsettled; 0: the poll interval
    uint64_t looked_at;           // the start of the last look, loop_now_ms
    struct pace looks;            // bounds them
    uint64_t poll_at;             // the next regular look
    uint32_t excess_ms;           // how long its endless tables are left alone; doubles; 0: none
    uint64_t excess_until;        // loop_now_ms
    unsigned misses;              // looks in a row without an answer
    enum member_state oper;       // as last answered
    enum unit_state state_before; // the station's restart, until the unit has answered; else 0
    uint64_t lease_until;         // loop_now_ms
    bool lease_under_way;
    struct lead_word lease_word; // that the last lease was written with
    // As pool_volume.order, of all its volumes; and what both were before the order under way.
    uint32_t order, order_before, volume_order_before;
    bool leads;                         // the unit takes orders from here
    uint32_t unproven;                  // leases that it has taken since a look showed one
    enum adopt_from adopt_from;         // as a person said
    struct adoption *adoption;          // while that is carried out, part by part
    uint64_t adopted_in;                // the conclusions in which one ended last
    uint64_t adopt_until;               // loop_now_ms; 0: never, and once it is led
    enum lead_standing standing_before; // before what was shown last
    bool adopting;           // it is shown, and what follows of who leads it is not decided yet
    bool take_over;          // the next lease is written though another station leads
    struct dv_uuid knocked;  // the station that leads it and was let known of this one
    uint32_t refusals_known; // of the unit, and told
    bool refusals_counted;   // once
    uint64_t refusals_told_at;
    bool stranger;             // not in the pool yet
    char sender[SENDER_ROOM];  // of a stranger's announcement
    uint64_t announced_at;     // loop_now_ms
    uint32_t over_ms;          // until it may be started over again; doubles
    uint64_t over_at;          // when it was, loop_now_ms
    struct log_limit told;     // events about what it shows of itself
    struct log_limit readings; // those that tell of volumes and hosts, by many events each
    enum { TELLS_UNDECIDED, TELLS, TELLS_NOT } tells; // the one that is taken in
    struct log_limit states;                          // events about its silence and its leaving
    struct log_limit standings;                       // events about who leads it
    struct log_limit refusals;                        // lines
    struct log_limit moves;                           // events for the hosts of moved portals
    struct log_limit odd;            // lines and events about odd announcements of it
    struct loop_timer *parts;        // begins to draw conclusions from a look
    uint64_t concluding;             // the number of these, while they are drawn; else 0
    unsigned conclusion;             // the step that this is at
    bool silent;                     // the unit did not answer
    char why[LAST_ERROR_ROOM];       // and why not
    struct observation *observation; // being written
    bool unknown;                    // it waits for a person's word, and is to be written down
    uint64_t keep_until;             // of a stranger: it is remembered that long, loop_now_ms
    bool stepping;                   // a turn is to come in which the next step is sent
    struct settling settling;        // of tasks
    uint64_t mark;                   // the reading's, for what it shows
    size_t parts_at, gone_at;        // the first of its volumes, and gone ones, still to come
    struct dv_uuid gone_from; // of a whole one the first volume of the unit still to be looked at
    bool taken_in_part;       // it, and not all of it
    struct names names;       // given in it: its parts do not try again what is taken
    uint32_t spare_index;     // the last that a displaced volume got; they go down
    size_t adopted, found;    // volumes and hosts that it took in
    size_t vanished, moved, doubled, resized; // volumes that it told of
    size_t foreign;                           // changes that nobody here asked for
    size_t strange_hosts;                     // of the unit, found and not completed
    size_t full, crowded;                     // volumes that it did not take in
    struct faults faults;                     // that it met
    size_t full_told, crowded_told;           // as told last
    bool accepted;                            // the listener takes this engine's traps
    uint64_t stranger_at;                     // when another engine used the UUID last; 0 never
    struct key_trial *search;                 // in a look: under which number does it answer
    uint64_t searched_at;                     // loop_now_ms; 0: never
    uint32_t found_key;                       // that number, until it is recorded; else 0
    char refused_keys[LAST_ERROR_ROOM];       // what it said to the present ones then
    bool keyless;                             // it said so to all, and took none since
    struct rekey *rekey;                      // its keys are being rotated
    bool rekeyed;         // and were: from the next look on it is asked with the new ones
    bool rekeyable;       // its agent can be given other keys
    uint64_t catch_up_at; // not before is it given the present keys because it shows others
    char rekey_trouble[LAST_ERROR_ROOM];    // why a rotation does not go on, or ""
    struct suspect *suspect;                // an engine that may be another one, being asked
    uint32_t heard_epoch, heard_generation; // of the announcement that made us look
    struct reading *reading;                // what the look under way has read
    struct fetch *fetch;                    // while tables are read
    struct orders queue;                    // being sent
    size_t queue_next;
    struct left_out *left_out; // what it shows and the pool does not take from it, by UUID
    uint64_t left_out_hosts;   // the pool's host_changes that it was judged by
    struct portal left_portals[LEFT_PORTALS_MAX]; // that are other units', the first of them
    size_t left_portal_count;                     // all of them
    char foreign_target[IQN_MAX_LEN + 1];         // told last; "": none
    bool faults_told;                             // why the unit is, or will be, degraded
    char trouble[LAST_ERROR_ROOM];                // the last trouble told, so that it is told once
    char recording[LAST_ERROR_ROOM];              // what is wrong with it as a whole, as told last
    struct loop_timer *timer;
    UT_hash_handle hh;
};

struct unit_link *link_find(struct cms *cms, const struct dv_uuid *uuid);
struct pool_unit *link_unit(const struct unit_link *link); // NULL: not in the pool yet
void link_look(struct unit_link *link);                    // look as soon as possible
void link_new_orders(struct unit_link *link);              // intent has changed
void link_go_on(struct unit_link *link);    // nothing is under way any more: what is due begins
void link_end_look(struct unit_link *link); // all that follows from it is done
void link_forget_orders(struct unit_link *link); // drops the steps not taken yet
struct conclusion {
    struct dv_uuid uuid; // of the link
    uint64_t number;
};
// The link whose conclusions these are; NULL: they were given up.
struct unit_link *link_concluding(struct cms *cms, const struct conclusion *c);

#endif

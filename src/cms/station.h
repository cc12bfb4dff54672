// What the station's parts share and nobody else sees.
// SPDX-License-Identifier: BSD-2-Clause
//
// The flow: join.c and timers make a link look at its unit (look.c); a look that shows something
// new reads tables (fetch.c); conclude.c does what follows, part by part: observe.c turns what was
// read into changes; tasks.c draws the conclusions for tasks; executor.c plans and sends the next
// steps. Per unit one thing is under way at a time, so nothing here needs a lock but the tasks,
// which other threads wait for.
#ifndef DVSAN_CMS_STATION_H
#define DVSAN_CMS_STATION_H

#include "base/log.h"
#include "cms/cms.h"
#include "cms/codes.h"
#include "cms/ledger.h"
#include "cms/names.h"
#include "config/cms_config.h"
#include "enrol/message.h"
#include "logic/moves.h"
#include "logic/orders.h"
#include "logic/pace.h"
#include "logic/strangers.h"
#include "loop/loop.h"
#include "snmp/listener.h"
#include "snmp/manager.h"
#include "store/store.h"
#include <pthread.h>

struct adoption;
struct auth;
struct enrol_door;
struct fetch;
struct reading;
struct seal;
struct suspect;
struct unit_link;
struct key_trial;
struct observation;
struct rekey;
struct task_way;

struct refused_member { // that was told of
    struct dv_uuid uuid;
    uint32_t epoch;
};

struct cms {
    struct loop *loop;
    const struct cms_config *config;
    struct sn_user provision; // borrows from config; "": only enrolled members are asked
    struct store *store;
    struct ledger *ledger; // by which alone the store and the pool are changed
    struct lead_run *runs; // all that are kept; the last one is this
    size_t run_count;
    struct pool *pool;
    const struct task_way *const *task_ways; // by enum task_kind
    struct seal *seal;
    struct auth *auth;
    struct sn_env *env;
    struct sn_listener *listener;
    struct codes codes;
    struct enrol_door *door;       // where members enrol; NULL: it cannot be opened
    char no_door[LAST_ERROR_ROOM]; // and why not
    struct unit_link *links;       // by uuid
    struct left_outs *left_outs;   // what they show and the pool does not take, by volume
    size_t strangers;              // links to units that are not in the pool
    uint64_t bad_announcements;
    struct refused_member refused[16]; // the last ones, of kinds that cannot join
    size_t refused_count;
    struct store_ids last;        // given so far
    struct event_record *events;  // the newest, as a ring; NULL: none are kept
    size_t event_count;           // that there were
    struct dv_uuid uuid;          // of this station; made with its store
    char name[LEAD_NAME_MAX + 1]; // what units are told
    size_t newer;                 // units that stand as LEAD_NEWER: nobody is ordered anything
    bool older_told;              // that this store is older than what units were told

    pthread_mutex_t tasks_lock; // pool->tasks: held to change them, and to read them elsewhere
    pthread_cond_t tasks_changed;
};

// ---- follow.c ----
// The changes are written: the pool has them from now on, and what follows of itself is begun.
void follow_changes(void *cms, const struct changes *c);

int64_t cms_now_ms(void); // milliseconds since 1970

// ---- older.c ----
// A unit shows that the store is older than what units were told. What a person gave out and took
// back since is not known: codes of before this start end, and the rest is told, once.
void older_noticed(struct cms *cms);
// Trust or codes change: units are told of a new state of the store, so that they show it when an
// older one is put back.
void older_mark(const struct cms *cms, struct changes *c);

// ---- events.c ----
// Adds an event to the list of changes. subject: "unit unit1", made by the caller's
// kind and name.
void events_add(struct cms *cms, struct changes *c, enum event_severity severity, const char *kind,
                const char *name, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
#define EVENTS_KEPT STORE_EVENTS_KEPT
int events_load(struct cms *cms, struct dv_err *err); // at the start
// One that was written.
void events_follow(struct cms *cms, const struct event_record *e);
void events_log(const struct event_record *e);
// The same for what strangers can cause: as log_limited, none beyond the limit.
void events_add_limited(struct log_limit *limit, struct cms *cms, struct changes *c,
                        enum event_severity severity, const char *kind, const char *name,
                        const char *fmt, ...) __attribute__((format(printf, 7, 8)));

// ---- Faults of one reading, see faults.c ----
#define FAULTS_MAX 8 // reasons that one reading tells of
struct fault_group { // volumes that have failed for one reason
    char why[LAST_ERROR_ROOM];
    char first[NAME_MAX_LEN + 1];
    size_t volumes;
};
struct faults { // of one reading; zero before
    struct fault_group groups[FAULTS_MAX];
    size_t count, others, healed;
    char first_healed[NAME_MAX_LEN + 1];
    bool told; // why the unit is worse than before
};

// ---- link.c: the connection to one unit ----
enum link_work { LINK_IDLE, LINK_LOOKING, LINK_READING, LINK_SETTING };

// Where the tasks and volumes that are settled behind a look go on.
struct settling {
    enum { SETTLE_DROP, SETTLE_JUDGE, SETTLE_TRIM, SETTLE_END } step;
    struct dv_uuid volume; // the next; zero: the first
};

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

#define LEFT_PORTALS_MAX 16 // that are remembered

struct unit_link {
    struct cms *cms;
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
// Whether an order about the volume or its rights was sent and may still be carried out.
bool link_order_is_out(const struct pool_volume *v);
struct conclusion {
    struct dv_uuid uuid; // of the link
    uint64_t number;
};
// The link whose conclusions these are; NULL: they were given up.
struct unit_link *link_concluding(struct cms *cms, const struct conclusion *c);

// ---- link_run.c: its life, and what it does next ----
// NULL with an error when the address cannot be used. Starts with an urgent look. sender: who
// announced it; "" of a unit that is known.
struct unit_link *link_new(struct cms *cms, const struct dv_uuid *uuid, const char *name,
                           const char *address, const struct sn_engine_id *engine,
                           const char *sender, struct dv_err *err);
void link_free(struct unit_link *link); // NULL is fine; may be called from its callbacks
// Gives up what is under way, whose answer cannot be waited for: the unit has just started again.
void link_start_over(struct unit_link *link);

// ---- trust.c: with which keys ----
// A unit is asked with the keys that it was enrolled with, one that was not with those that many
// share. As sn_peer_new.
struct sn_peer *trust_peer(struct cms *cms, const struct dv_uuid *unit, const char *address,
                           const struct sn_engine_id *engine, struct dv_err *err);
// The same as the station's user of that number, whatever the record says; and the keys themselves.
struct sn_peer *trust_peer_as(struct cms *cms, const struct unit_record *rec, uint32_t number,
                              const char *address, const struct sn_engine_id *engine,
                              struct dv_err *err);
void trust_keys(const struct cms *cms, enum keys_role role, const struct unit_record *rec,
                uint32_t number, struct member_keys *out);
// The listener takes informs of the record's unit signed with its keys, and those keys alone: the
// present ones, and those of one other number (rekey_listens).
int trust_listen(struct cms *cms, const struct unit_record *rec, struct dv_err *err);
// Why an announcement of that unit by that user is not believed; NULL when it is.
const char *trust_doubts(const struct cms *cms, const char *user, const struct dv_uuid *unit);
// Whether the unit that the link has looked at, and the pool does not have, waits for a person's
// word before anything of it is taken in.
bool trust_waits(const struct unit_link *link);
void trust_wait(struct unit_link *link); // writes down that it waits
// What an enrolled unit is told: all but the address at which it reaches the station.
void trust_grant(struct cms *cms, const struct unit_record *rec, struct grant *out);

// ---- enrol.c ----
void enrol_open(struct cms *cms);                      // the door; without it the station runs, too
int enrol_resume(struct cms *cms, struct dv_err *err); // listens to all that are enrolled

// ---- silence.c: in turns ----
extern const char silence_stopped[]; // why, of a unit that told that it is being stopped
// What the pool says of a unit that did not answer. why is a short reason.
void silence_noted(struct unit_link *link, const char *why);
// Sets the state of a unit that did not answer or took its leave, with the event that belongs to
// it.
void silence_state(struct cms *cms, struct pool_unit *unit, enum unit_state state, const char *why);

// ---- look.c ----
void look_start(struct unit_link *link);

// ---- conclude.c ----
// The unit has answered, and its tables are read where that was wanted; or it did not answer, and
// why. Ends the look in this turn of the loop or in a later one.
void conclude_answer(struct unit_link *link);
void conclude_silence(struct unit_link *link, const char *why);
void conclude_forget(struct unit_link *link);
// Ends the look without, while the store takes its time; false: it does not, or there is what
// cannot wait.
bool conclude_without(struct unit_link *link);
// They have not ended within a poll interval: a unit that is led stays so, and looks go on.
void conclude_waits(struct unit_link *link);

// ---- lead.c: who leads the unit ----
#define LEAD_VARS 3 // of a word
// In turns, one after the other. What the unit showed becomes known with the last part of its
// reading.
void lead_shown(struct unit_link *link, const struct reading *r);
// What it holds is taken over where that follows; true: there is more of that.
bool lead_adopts(struct unit_link *link, const struct reading *r);
// The lease is written, or orders are stopped and the unit is told why.
void lead_look(struct unit_link *link, const struct reading *r);
// While conclusions wait for the store: a unit that is led stays so.
void lead_keep(struct unit_link *link);
bool lead_takes_orders(const struct unit_link *link);
// Whether this station was the last to lead the unit, and told it nothing that its store lacks.
bool lead_was_ours(const struct cms *cms, const struct reading *r);
// Another station leads it, or led it last, and no person has said what counts.
bool lead_is_others(const struct pool_unit *u);
// Why orders are not taken, and what to do; "" when they are, or soon will be.
void lead_why_not(const struct cms *cms, const struct pool_unit *unit, char *out, size_t room);
// An order is sent, with the present word; it was answered. v may be NULL.
void lead_order_sent(struct unit_link *link, struct pool_volume *v);
void lead_order_answered(struct unit_link *link, struct pool_volume *v);
// Those of the run before may still be on their way.
void lead_orders_of_last_run(struct cms *cms);
// The word that an order begins with. What they point to lives as long as the station.
void lead_word_vars(const struct unit_link *link, struct sn_var vars[LEAD_VARS]);
// The unit is taken out of the pool.
void lead_forget(struct cms *cms, struct pool_unit *unit);

// ---- adopt.c ----
void adopt_forget(struct unit_link *link); // what is under way; what was taken over stays
// Both do a part in a turn, and return whether there is more.
// A unit was told more since a person said what counts: that counts for this, too.
bool adopt_again(struct unit_link *link);
// Before a unit is led by itself that another station led: what was asked for here before is not
// ordered, and what the unit has counts.
bool adopt_left_by_another(struct unit_link *link);
bool adopt_failed(const struct unit_link *link); // behind this look

// ---- join.c ----
void join_notification(void *cms, const struct sn_notification *n);

// ---- suspect.c ----
// Asks an engine that is said to use the unit's UUID; if it is so, the unit is in conflict.
void suspect_ask(struct unit_link *link, const struct sn_engine_id *engine, const char *address);
void suspect_free(struct suspect *s); // NULL is fine

// ---- observe.c ----
// Before anything of the link's reading is taken in.
void observe_begin(struct unit_link *link);
// Takes in the next part of the link's reading, as a turn has time for: unit, tables, adoptions and
// events in one transaction of its own, which leaves the unit's generation as it was until the last
// one: a crash in between reads all again. done: it is in the pool, or could not be written; last:
// nothing of the reading is left. Not called once the conclusions are forgotten.
typedef void observe_done_fn(struct unit_link *link, bool taken, bool last);
void observe_part(struct unit_link *link, observe_done_fn *done);
void observe_forget(struct unit_link *link); // what is being written is taken in all the same

// ---- left_out.c ----
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

// ---- moves.c ----
// When a unit's portals are at other addresses than before: an event for the unit, and one for each
// host and volume that this concerns. The reading has portals.
void moves_tell(struct cms *cms, struct changes *c, const struct pool_unit *unit,
                const struct reading *now);

// ---- portals.c ----
// Whether a portal that the unit shows, and that was another unit's, would be taken now.
bool portals_are_wanted(const struct unit_link *link);

// ---- faults.c ----
// What a unit that is starting says of its media it does not know yet: they are as they were.
void faults_keep_media(const struct pool_unit *unit, struct medium *now, size_t count);
// An event for each medium that is in another state than before. unit is NULL for a new one.
void faults_tell_media(struct cms *cms, struct changes *c, const char *name,
                       const struct pool_unit *unit, const struct medium *now, size_t count,
                       struct faults *f);
// Notes when a volume has failed or is served again, unless its medium says that already, or the
// unit is starting.
void faults_note_volume(struct faults *f, const struct pool_volume *v, const struct volume *now,
                        const struct medium *media, size_t count, enum unit_state before,
                        bool starting);
// An event for each reason, and one for what is well again.
void faults_tell_volumes(struct cms *cms, struct changes *c, const char *unit, struct faults *f);

// ---- executor.c ----
// Makes the list of steps that bring the link's unit to what is wanted. True when the unit is not
// settled yet and should be looked at again soon.
bool executor_plan(struct unit_link *link);
// Sends the next step; false when there is none (any more).
bool executor_step(struct unit_link *link);

#endif

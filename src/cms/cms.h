// The station: one context that its parts share, and the requests people make of it.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_CMS_H
#define DVSAN_CMS_CMS_H

#include "base/err.h"
#include "cms/core/auth.h"
#include "cms/pool/pool.h"
#include "enrol/code.h"
#include "logic/trust.h"
#include "snmp/listener.h"

struct loop;
struct cms;
struct cms_config;

// Opens the store, loads the pool, takes up unfinished tasks, listens for notifications and
// starts to poll. At the first start it makes the admin's password and returns it in *password
// (the caller prints it once, then wipes and frees it with secret_free); else *password is NULL.
struct cms *cms_new(struct loop *loop, const struct cms_config *config, char **password,
                    struct dv_err *err);
void cms_free(struct cms *cms);

// All below but cms_look_login, cms_check_password and cms_wait_task are for the loop's thread.
struct pool *cms_pool(struct cms *cms);
const struct cms_config *cms_config(const struct cms *cms);
void cms_notification_stats(const struct cms *cms, struct sn_listener_stats *out);

// Requests. Each is made in a turn of the ledger, checks everything it can, and commits intent and
// task at once, so that an accepted request survives any crash. Nothing is changed when it returns
// -1; when it returns 0, what it changes is there once the ledger has written it. *task is the
// task's id.
struct ledger *cms_ledger(struct cms *cms);
struct volume_request {
    const struct volume_record *label; // its name and description
    uint64_t bytes;                    // rounded up to a whole MiB
    const char *unit;                  // name or UUID; NULL: the placement policy chooses
    const char *medium;                // name; NULL: likewise
    int thin;                          // 1, 0, or -1: as the medium's default
};
int cms_create_volume(struct cms *cms, const struct volume_request *request, uint64_t *task,
                      struct dv_err *err);
// Hosts keep their sessions while a volume grows, unless it must be copied. force: it may become
// smaller, and loses what lies behind its new end, or be copied, and cannot be used meanwhile.
int cms_resize_volume(struct cms *cms, const char *volume, uint64_t bytes, bool force,
                      uint64_t *task, struct dv_err *err);
// Its name and description (KIND_CHANGEABLE) are those of the record from now on; the task is over
// when its unit has them, too.
int cms_relabel_volume(struct cms *cms, const char *volume, const struct volume_record *to,
                       uint64_t *task, struct dv_err *err);
// The same of its description, as description_check; "": none.
int cms_describe_volume(struct cms *cms, const char *volume, const char *text, uint64_t *task,
                        struct dv_err *err);
int cms_delete_volume(struct cms *cms, const char *volume, uint64_t *task, struct dv_err *err);
// With its medium away: the record of it goes, here and on its unit, and what the medium holds is
// left alone.
int cms_forget_volume(struct cms *cms, const char *volume, uint64_t *task, struct dv_err *err);
// A person's word that the volume is on that unit, which shows it as another one's: it is the
// unit's from now on. DV_CONFLICT when the unit does not show it, or a task is about it.
int cms_accept_volume(struct cms *cms, const char *volume, const char *unit, struct dv_err *err);
// Of a volume that a person said to be elsewhere: what the unit that had it may still do with it;
// "": nothing.
#define CMS_LEFT_NOTE_ROOM 320 // bytes, with the NUL
void cms_left_note(const struct cms *cms, const struct pool_volume *v,
                   char out[CMS_LEFT_NOTE_ROOM]);
// Of a volume that another unit serves while nothing proves that it moved there, and its own does
// not: what a person is asked; "": nothing.
#define CMS_MOVE_NOTE_ROOM 512 // bytes, with the NUL
void cms_move_note(const struct cms *cms, const struct pool_volume *v,
                   char out[CMS_MOVE_NOTE_ROOM]);
// The units that show the volume while the pool has it from another one, in some order; how many
// there are, of which the first room are told.
size_t cms_also_shown_by(const struct cms *cms, const struct pool_volume *v,
                         const struct pool_unit **units, size_t room);
int cms_assign(struct cms *cms, const char *volume, const char *host, uint64_t *task,
               struct dv_err *err);
int cms_unassign(struct cms *cms, const char *volume, const char *host, uint64_t *task,
                 struct dv_err *err);
// Takes back what a task that is not over has asked for, as far as it can be: a volume that was
// never finished is deleted, a right not yet confirmed is revoked, a size or name that the unit has
// not taken up is forgotten. A size that the volume has, though it is not served yet, stays.
// DV_CONFLICT when the task is over or is of a kind that cannot be taken back.
int cms_cancel_task(struct cms *cms, uint64_t task, struct dv_err *err);

// chap_user may be NULL: then the name is used. The secret is sealed at once and never shown; units
// are told it itself if one_secret, else each one of its own that comes of it (model/chap.h).
// description: NULL: none, or that of the host that was found.
int cms_add_host(struct cms *cms, const char *name, const char *iqn, const char *chap_user,
                 const char *chap_secret, bool one_secret, const char *description,
                 struct dv_err *err);
// Gives the host another secret, under another CHAP user. The account that it had stays valid
// beside that one until cms_finish_rekey, or ends at once if now, and with it the sessions.
// per_unit: each unit has another secret from then on. DV_CONFLICT: there is a previous account,
// and not now.
int cms_rekey_host(struct cms *cms, const char *host, const char *chap_secret, bool per_unit,
                   bool now, struct dv_err *err);
// Ends the previous account. DV_CONFLICT when a unit lacks the new one yet, and not now: then the
// sessions there end when the unit takes it.
int cms_finish_rekey(struct cms *cms, const char *host, bool now, struct dv_err *err);
// Gives the host another initiator name. The one that it had stays valid beside it until
// cms_finish_iqn, or ends at once if now, and with it its sessions. Back to the previous one the
// two change places.
int cms_change_iqn(struct cms *cms, const char *host, const char *iqn, bool now,
                   struct dv_err *err);
// Ends the previous initiator name, and its sessions. DV_CONFLICT when a unit does not let the host
// in by the present one yet, and not now.
int cms_finish_iqn(struct cms *cms, const char *host, bool now, struct dv_err *err);
// Units that let the host in by an account that has ended, and cannot be told so now: each once.
// The caller frees the list.
const struct pool_unit **cms_untold_units(const struct pool_host *host, size_t *count);
int cms_delete_host(struct cms *cms, const char *host,
                    struct dv_err *err); // DV_CONFLICT: has volumes

// Enrolment. A code is drawn on any thread, since that takes a while, and told once: to who asked.
struct new_code {
    struct code code;
    uint8_t key[CODE_KEY];
};
int cms_draw_code(struct new_code *out, struct dv_err *err);
struct code_request {
    const char *name;  // what the unit is to be called; NULL: what it calls itself
    bool again;        // the unit of that name is to get other keys
    uint32_t count;    // for how many units; 0: one
    uint32_t seconds;  // how long it is good; 0: an hour
    const char *range; // whence they come, address_range_check; NULL: from anywhere
};
int cms_create_code(struct cms *cms, const struct code_request *request,
                    const struct new_code *drawn, struct code_record *out, struct dv_err *err);
int cms_delete_code(struct cms *cms, const char *id, struct dv_err *err);
struct codes;
const struct codes *cms_codes(const struct cms *cms);

// Lets a unit in that says of itself what a code's user would (text: JSON, as dvsan-unit prints
// it), without a code or a talk. again: one that the pool has, to give it other keys. *identity is
// what it is to be given, a secret: secret_free.
int cms_import_unit(struct cms *cms, const char *text, bool again, char **identity,
                    struct dv_err *err);

// Whether that is the host's own secret, as far as it is known here.
int cms_check_secret(struct cms *cms, const char *host, const char *secret, bool *known,
                     bool *matches, struct dv_err *err);

int cms_describe_unit(struct cms *cms, const char *unit, const char *text, struct dv_err *err);
int cms_describe_host(struct cms *cms, const char *host, const char *text, struct dv_err *err);
// The name is kept whatever the unit calls itself.
int cms_rename_unit(struct cms *cms, const char *unit, const char *name, struct dv_err *err);
// Hosts with a secret for all units that is valid, also as that of the previous account, and that
// this unit was told, also for a right that ended since. The caller frees the list.
const struct pool_host **cms_shared_secrets(struct cms *cms, const struct pool_unit *unit,
                                            size_t *count);
// Units that take the pass-phrases which this one knows, since both share them: how many, and the
// first of them into out.
size_t cms_shared_keys(const struct pool *pool, const struct pool_unit *unit,
                       const struct pool_unit **out, size_t room);
// Gives the unit other keys; those of before stay good until the next change, or end with now.
int cms_rekey_unit(struct cms *cms, const char *unit, bool now, uint64_t *task, struct dv_err *err);
// A person's word on how far a unit is believed. Hosts go on using its volumes.
int cms_trust_unit(struct cms *cms, const char *unit, enum trust_act act, struct dv_err *err);
// Takes a unit that will not come back out of the pool, with its volumes' records; DV_CONFLICT
// while it is up, and, unless forced, while hosts may use its volumes.
int cms_forget_unit(struct cms *cms, const char *unit, bool force, struct dv_err *err);

// Who leads the units. A unit that was told what this station's store does not know is ordered
// nothing until a person has said what counts: what the units have, or what the store says.
struct station_view {
    struct dv_uuid uuid;
    char name[LEAD_NAME_MAX + 1];
    uint32_t intent;
    bool stopped; // nothing is ordered of any unit: this store is older than what they were told
    bool shares;  // units may share users, as the configuration says
    uint64_t longest_turn_us;        // of its loop, of all so far
    const char *longest_turn_served; // "": none was measured yet
};
void cms_station(const struct cms *cms, struct station_view *out);
// What the store and such units, or those that another station leads, say differently: a sentence
// each. The caller frees *out.
struct station_difference {
    char unit[NAME_MAX_LEN + 1];
    char text[300];
};
void cms_differences(struct cms *cms, struct station_difference **out, size_t *count);
enum adopt_from { ADOPT_UNITS, ADOPT_STORE };
// Settles it for all units that answer and wait for it; with take_over also for those that another
// station leads, which are led by this one then. DV_CONFLICT when there are none. 1: there is more
// than a turn of the loop has time for, to be called again.
int cms_adopt(struct cms *cms, enum adopt_from from, bool take_over, struct dv_err *err);

// The event that is so many back from the newest one, which is 0; NULL: it is not kept. For this
// turn of the loop.
const struct event_record *cms_event(const struct cms *cms, size_t back);

// API tokens. token has room for 64 characters and the NUL.
int cms_create_token(struct cms *cms, const char *name, char token[65], uint64_t *id,
                     struct dv_err *err);
int cms_delete_token(struct cms *cms, uint64_t id, struct dv_err *err);
// Ascending by id; for this turn of the loop.
const struct token_record *cms_tokens(const struct cms *cms, size_t *count);

// Any thread. Who may use the API: see auth.h.
enum auth_answer cms_look_login(struct cms *cms, const char *user, const char *secret);
bool cms_check_password(struct cms *cms, const char *password);

// Fails with why there is no such task: there never was, or it is over and not kept any more.
int cms_no_task(const struct cms *cms, uint64_t task, struct dv_err *err);

// Any thread but the loop's. Waits until the task's version is above seen, the task is over, or
// timeout_ms passed, then copies it to *out. DV_NOT_FOUND when there is no such task.
int cms_wait_task(struct cms *cms, uint64_t task, uint64_t seen, uint32_t timeout_ms,
                  struct task_record *out, struct dv_err *err);

#endif

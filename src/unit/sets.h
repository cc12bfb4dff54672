// What SET requests ask of volumes and rules: staged, journaled as one group, then made true.
// SPDX-License-Identifier: BSD-2-Clause
//
// A request may concern several rows. Each row's check stages an intent, so that the checks of the
// rows behind it see it; the intents of a request are journaled in one transaction, which ends
// with the last of them, before the request is answered. So a request is durable whole or not at
// all, and costs one write to the disk.
#ifndef DVSAN_UNIT_SETS_H
#define DVSAN_UNIT_SETS_H

#include "unit/journal.h"
#include "unit/state.h"

enum intent_kind {
    INTENT_NOTHING, // what is asked for is so already
    INTENT_PUT_VOLUME,
    INTENT_DELETE_VOLUME,
    INTENT_FORGET_VOLUME, // the row and its rules, and nothing else
    INTENT_PUT_RULE,
    INTENT_DELETE_RULE,
    INTENT_LEAD // another station's word, or a newer one; who asks makes it true
};

struct intent {
    enum intent_kind kind;
    struct volume volume; // as it is to be, its state included
    struct access_rule rule;
    struct lead lead, lead_before;
    uint32_t request; // intents of one request have the same, and stand or fall together
    bool create;      // there was no row, and its place is as was free then
    bool resize;      // the volume's target is asked for, too
    // Of a rule; they are the secrets of all rules of these CHAP users.
    char secret[CHAP_SECRET_MAX + 1];
    char previous_secret[CHAP_SECRET_MAX + 1]; // of rule.previous_user
    uint32_t previous_mark;                    // likewise
    // How far it has come; for this module.
    bool written, durable, unwritten;
};

struct sets;

// work(arg, volume) is called when a volume's wanted state became another one, or could not.
typedef void sets_work_fn(void *arg, uint32_t volume);
struct sets *sets_new(struct state *state, struct journal *journal, sets_work_fn *work, void *arg);
void sets_free(struct sets *s); // NULL is fine

// Stages a copy; it lives until sets_release.
struct intent *sets_stage(struct sets *s, const struct intent *intent);
// The phases, as of struct sn_table. Return 0 or -1.
int sets_apply(struct sets *s, struct intent *intent, struct dv_err *err);
int sets_undo(struct sets *s, struct intent *intent, struct dv_err *err);
void sets_commit(struct sets *s, struct intent *intent);
void sets_release(struct sets *s, struct intent *intent); // wipes its secrets; NULL is fine

// Whether something is staged: it was checked against what there was then.
bool sets_under_way(const struct sets *s);

// What is there or staged. except is the index of the row that asks.
bool sets_volume_uuid_taken(const struct sets *s, const struct dv_uuid *uuid, uint32_t except);
bool sets_volume_name_taken(const struct sets *s, const char *name, uint32_t except);
// Whether rules can be made for the volume: it is there or staged, and not going.
bool sets_volume_takes_rules(const struct sets *s, uint32_t volume);
bool sets_volume_has_rules(const struct sets *s, uint32_t volume);
bool sets_initiator_taken(const struct sets *s, uint32_t volume, const char *initiator,
                          uint32_t except);
// Whether this request gives the CHAP user two secrets, or two marks.
bool sets_secret_conflicts(const struct sets *s, const char *chap_user, const char *secret,
                           uint32_t mark);
// As state_extents, with those staged.
size_t sets_extents(const struct sets *s, uint32_t medium, struct extent **list);

#endif

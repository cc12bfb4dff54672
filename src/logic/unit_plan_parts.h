// The unit's planner, private part: what it knows about each target and account.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_LOGIC_UNIT_PLAN_PARTS_H
#define DVSAN_LOGIC_UNIT_PLAN_PARTS_H

#include "logic/unit_plan.h"
#include "model/unit.h"

#define MARK_ROOM (sizeof(PLAN_MARK) + PLAN_TAG_LEN + 1 + CHAP_USER_MAX + 1)

enum account_state {
    ACCOUNT_FINE,    // there, with its mark
    ACCOUNT_NEW,     // not there
    ACCOUNT_REPLACE, // there without its mark, or younger than that: another secret
    ACCOUNT_BLOCKED, // cannot be had; a problem tells why
};

// One wanted target. Arrays are owned, their texts borrowed from the planner's inputs.
struct view {
    const struct plan_target *want;
    struct plan_target filled;      // want, where the daemon tells what is not known
    const struct seen_target *seen; // the same tid and name, or NULL
    size_t index;                   // among the wanted targets
    bool blocked;                   // it cannot be made; a problem tells why
    bool ready;                     // as after the steps so far
    const char **users, **names;    // what its rules allow, each once; none while it is offline
    size_t user_count, name_count;
    char **spelled; // those of the names that are owned
    size_t spelled_count;
    const char **bound; // its accounts, as after the steps so far
    size_t bound_count;
};

struct planner {
    const struct plan_wanted *want;
    const struct seen *seen;
    struct plan *out;
    char *const **accounts; // those seen, by name: each one's place in the daemon's list
    size_t account_count;
    enum account_state *states; // of the wanted accounts
    struct view *views;         // of the wanted targets
    size_t view_count;
    bool *kept; // of the seen targets: it is what some wanted target sees
};

void planner_init(struct planner *p, const struct plan_wanted *want, const struct seen *seen,
                  struct plan *out);
void planner_done(struct planner *p);

void planner_view_sees(struct view *v, const struct seen_target *t);
bool planner_stays_bound(const struct planner *p, const struct view *v, const char *user);
bool planner_session_may_stay(const struct planner *p, const struct view *v, const char *initiator);
// Whether a session of a name that stays may be one of an account that ends with its host's access.
bool planner_sessions_are_suspect(const struct planner *p, const struct view *v);
bool planner_has_disk(const struct seen_target *t);
bool planner_lun_is_right(const struct seen_target *t, const struct plan_target *want);
// Whether the right LUN does not have the size that its file has, or is offline.
bool planner_lun_is_stale(const struct seen_target *t, const struct plan_target *want);
bool planner_lun_is_identified(const struct seen_target *t, const struct plan_target *want);

bool planner_among(const char *text, const char *const *list, size_t count);
bool planner_has_account(const struct planner *p, const char *name);
size_t planner_wanted_account(const struct planner *p, const char *user); // its index, or PLAN_NONE
bool planner_foreign_holds(const struct planner *p, const char *user);
const char *planner_mark_of(const struct plan_account *a, char out[MARK_ROOM]);
bool planner_is_mark_of(const char *account, const struct plan_account *a);

#endif

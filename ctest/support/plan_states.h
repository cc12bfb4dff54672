// What a unit's planner is given in tests: a wanted state, and what tgtd is seen to have.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CTEST_SUPPORT_PLAN_STATES_H
#define DVSAN_CTEST_SUPPORT_PLAN_STATES_H

#include "base/mem.h"
#include "base/text.h"
#include "logic/unit_plan.h"
#include <stdlib.h>
#include <string.h>

#define GUARD  PLAN_GUARD "salt"
#define PREFIX "iqn.2026-11.org.dvsan:"
#define TAG_A  "aaaaaaaaaaaaaaaa"
#define TAG_B  "bbbbbbbbbbbbbbbb"

// ---- A wanted state that owns its texts ---------------------------------------------------

struct want {
    struct plan_target *targets;
    size_t target_count;
    struct plan_account *accounts;
    size_t account_count;
};

static inline struct plan_target *want_target(struct want *w, uint32_t tid, const char *iqn,
                                              const char *path)
{
    struct plan_target *t = DV_APPEND(w->targets, w->target_count);
    *t = (struct plan_target){
        .tid = tid, .iqn = dv_strdup(iqn), .path = dv_strdup(path), .online = true};
    t->uuid.b[15] = (uint8_t)tid;
    return t;
}

static inline void want_rule(struct plan_target *t, const char *initiator, const char *user)
{
    struct plan_rule *rules = (struct plan_rule *)t->rules;
    *DV_APPEND(rules, t->rule_count) =
        (struct plan_rule){.initiator = dv_strdup(initiator), .user = dv_strdup(user)};
    t->rules = rules;
}

static inline void want_account(struct want *w, const char *user, const char *tag)
{
    struct plan_account *a = DV_APPEND(w->accounts, w->account_count);
    a->user = dv_strdup(user);
    dv_copy(a->tag, sizeof(a->tag), tag);
}

static inline void want_clear(struct want *w)
{
    for (size_t i = 0; i < w->target_count; i++) {
        struct plan_target *t = &w->targets[i];
        for (size_t r = 0; r < t->rule_count; r++) {
            free((char *)t->rules[r].initiator);
            free((char *)t->rules[r].user);
        }
        free((struct plan_rule *)t->rules);
        free((char *)t->iqn);
        free((char *)t->path);
    }
    for (size_t i = 0; i < w->account_count; i++)
        free((char *)w->accounts[i].user);
    free(w->targets);
    free(w->accounts);
    *w = (struct want){0};
}

static inline struct plan_wanted wanted_of(const struct want *w)
{
    return (struct plan_wanted){
        .prefix = PREFIX,
        .guard = GUARD,
        .targets = w->targets,
        .target_count = w->target_count,
        .accounts = w->accounts,
        .account_count = w->account_count,
    };
}

// ---- A seen state -------------------------------------------------------------------------

static inline struct seen_target *see_target(struct seen *s, uint32_t tid, const char *name)
{
    size_t at = s->target_count;
    (void)DV_APPEND(s->targets, s->target_count);
    for (; at > 0 && s->targets[at - 1].tid > tid; at--)
        s->targets[at] = s->targets[at - 1];
    s->targets[at] = (struct seen_target){.tid = tid, .name = dv_strdup(name), .ready = true};
    return &s->targets[at];
}

static inline struct seen_lun *see_lun(struct seen_target *t, uint64_t lun, const char *path)
{
    struct seen_lun *l = DV_APPEND(t->luns, t->lun_count);
    *l = (struct seen_lun){.lun = lun,
                           .path = dv_strdup(path),
                           .store = dv_strdup(PLAN_STORE),
                           .scsi_id = dv_strdup("IET"),
                           .serial = dv_strdup("beaf"),
                           .online = true};
    return l;
}

static inline void identify(struct seen_lun *l, const struct dv_uuid *uuid)
{
    char id[PLAN_SCSI_ID_ROOM], serial[UUID_TEXT_LEN];
    plan_scsi_id(uuid, id);
    uuid_format(uuid, serial);
    free(l->scsi_id);
    free(l->serial);
    l->scsi_id = dv_strdup(id);
    l->serial = dv_strdup(serial);
    l->unmaps = false;
}

static inline void see_session(struct seen_target *t, uint64_t sid, const char *initiator)
{
    *DV_APPEND(t->sessions, t->session_count) = (struct seen_session){
        .sid = sid, .initiator = dv_strdup(initiator), .address = dv_strdup("127.0.0.1")};
}

#define SEE_TEXT(list, count, text) (*DV_APPEND(list, count) = dv_strdup(text))

// tgtd lists the youngest first.
static inline void see_account(struct seen *s, const char *name)
{
    (void)DV_APPEND(s->accounts, s->account_count);
    memmove(&s->accounts[1], &s->accounts[0], (s->account_count - 1) * sizeof(*s->accounts));
    s->accounts[0] = dv_strdup(name);
}

#endif

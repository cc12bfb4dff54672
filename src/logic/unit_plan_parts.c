// The unit's planner, private part: looks at each target and account before anything is planned.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/unit_plan_parts.h"
#include "base/mem.h"
#include "base/search.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_LEN 1000 // bytes; the daemon copies it into 1024

bool planner_among(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, list[i]) == 0)
            return true;
    return false;
}

static void add_once(const char ***list, size_t *count, const char *text)
{
    if (!planner_among(text, *list, *count))
        *DV_APPEND(*list, *count) = text;
}

static int by_text(const void *a, const void *b)
{
    char *const *const *x = a, *const *const *y = b;
    return strcmp(**x, **y);
}

static char *const *place_of(const struct planner *p, const char *name)
{
    char *text = (char *)name, *const *key = &text;
    char *const **found = p->account_count > 0 ? bsearch(&key, p->accounts, p->account_count,
                                                         sizeof(*p->accounts), by_text)
                                               : NULL;
    return found ? *found : NULL;
}

bool planner_has_account(const struct planner *p, const char *name)
{
    return place_of(p, name) != NULL;
}

// A mark is made after its account. The daemon lists the youngest first, so an account before its
// mark is not the one that was marked: somebody deleted that and made another one.
static bool is_marked(const struct planner *p, const struct plan_account *a)
{
    char mark[MARK_ROOM];
    char *const *marked = place_of(p, planner_mark_of(a, mark));
    return marked && marked < place_of(p, a->user);
}

size_t planner_wanted_account(const struct planner *p, const char *user)
{
    for (size_t i = 0; i < p->want->account_count; i++)
        if (strcmp(p->want->accounts[i].user, user) == 0)
            return i;
    return PLAN_NONE;
}

bool plan_is_ours(const struct plan_wanted *wanted, const char *target_name)
{
    return strncmp(target_name, wanted->prefix, strlen(wanted->prefix)) == 0;
}

bool planner_foreign_holds(const struct planner *p, const char *user)
{
    for (size_t i = 0; i < p->seen->target_count; i++) {
        const struct seen_target *t = &p->seen->targets[i];
        if (!plan_is_ours(p->want, t->name) &&
            planner_among(user, (const char *const *)t->accounts, t->account_count))
            return true;
    }
    return false;
}

// ---- Marks --------------------------------------------------------------------------------

const char *planner_mark_of(const struct plan_account *a, char out[MARK_ROOM])
{
    snprintf(out, MARK_ROOM, PLAN_MARK "%s:%s", a->tag, a->user);
    return out;
}

bool planner_is_mark_of(const char *account, const struct plan_account *a)
{
    char mark[MARK_ROOM];
    return strcmp(account, planner_mark_of(a, mark)) == 0;
}

const char *plan_marked_user(const char *account)
{
    size_t len = strlen(PLAN_MARK) + PLAN_TAG_LEN;
    if (strncmp(account, PLAN_MARK, strlen(PLAN_MARK)) != 0 || strlen(account) <= len ||
        account[len] != ':')
        return NULL;
    return account + len + 1;
}

void plan_scsi_id(const struct dv_uuid *uuid, char out[PLAN_SCSI_ID_ROOM])
{
    snprintf(out, PLAN_SCSI_ID_ROOM, "%-8s", PLAN_VENDOR);
    for (size_t i = 2; i < sizeof(uuid->b); i++)
        snprintf(out + 4 + 2 * i, 3, "%02x", uuid->b[i]);
}

// FNV-1a (RFC 9923), folded.
uint32_t plan_tid(const struct dv_uuid *uuid)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < sizeof(uuid->b); i++)
        hash = (hash ^ uuid->b[i]) * 16777619U;
    hash = (hash >> 28) ^ (hash & PLAN_TID_MAX);
    return hash ? hash : 1;
}

// ---- Problems -----------------------------------------------------------------------------

static struct plan_problem *problem(struct planner *p, size_t target, enum dv_code code,
                                    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static struct plan_problem *problem(struct planner *p, size_t target, enum dv_code code,
                                    const char *fmt, ...)
{
    struct plan_problem *problem = DV_APPEND(p->out->problems, p->out->problem_count);
    problem->target = target;
    problem->rule = PLAN_NONE;
    char text[sizeof(problem->err.text)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    dv_fail(&problem->err, code, "%s", text);
    return problem;
}

// What would be misread on its way into the daemon (it splits at commas) or out of it (we read
// lines) must not get in.
static bool user_is_sane(const char *user)
{
    size_t len = strlen(user);
    if (len == 0 || len > CHAP_USER_MAX || chap_user_is_own(user))
        return false;
    for (const char *c = user; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == ',')
            return false;
    return true;
}

static bool text_is_sane(const char *text)
{
    if (strlen(text) > PATH_MAX_LEN)
        return false;
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f || *c == ',')
            return false;
    return true;
}

static bool path_is_sane(const char *path)
{
    return *path == '/' && text_is_sane(path);
}

static bool target_name_is_sane(const char *iqn)
{
    for (const char *c = iqn; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(":.-", *c))
            return false;
    return strlen(iqn) <= IQN_MAX_LEN;
}

// ---- Accounts -----------------------------------------------------------------------------

static void look_at_accounts(struct planner *p)
{
    for (size_t i = 0; i < p->want->account_count; i++) {
        const struct plan_account *a = &p->want->accounts[i];
        if (!user_is_sane(a->user)) {
            p->states[i] = ACCOUNT_BLOCKED;
            problem(p, PLAN_NONE, DV_INVALID,
                    "CHAP user \"%s\" cannot be used: 1 to %d printable characters without white "
                    "space and commas, not beginning with " CHAP_USER_OWN,
                    a->user, CHAP_USER_MAX);
        } else if (planner_wanted_account(p, a->user) != i) {
            p->states[i] = ACCOUNT_BLOCKED;
            problem(p, PLAN_NONE, DV_CONFLICT, "CHAP user \"%s\" is given two secrets", a->user);
        } else if (!planner_has_account(p, a->user)) {
            p->states[i] = ACCOUNT_NEW;
        } else if (is_marked(p, a)) {
            p->states[i] = ACCOUNT_FINE;
        } else if (planner_foreign_holds(p, a->user)) {
            p->states[i] = ACCOUNT_BLOCKED;
            problem(p, PLAN_NONE, DV_CONFLICT,
                    "CHAP user \"%s\" belongs to a target that is not ours; choose another name",
                    a->user);
        } else {
            p->states[i] = ACCOUNT_REPLACE;
        }
    }
}

// ---- Targets ------------------------------------------------------------------------------

void planner_view_sees(struct view *v, const struct seen_target *t)
{
    v->seen = t;
    v->ready = t->ready;
    for (size_t i = 0; i < t->account_count; i++)
        *DV_APPEND(v->bound, v->bound_count) = t->accounts[i];
}

// The daemon compares bytes. A name in another case is the same name (RFC 7143 section 4.2.7.1),
// and a host may use it as it was given or in its canonical form.
static void add_canonical(struct view *v, const char *initiator)
{
    char name[IQN_MAX_LEN + 1];
    iqn_canonical(initiator, name);
    if (planner_among(name, v->names, v->name_count))
        return;
    char *own = *DV_APPEND(v->spelled, v->spelled_count) = dv_strdup(name);
    *DV_APPEND(v->names, v->name_count) = own;
}

static void look_at_rules(struct planner *p, struct view *v)
{
    for (size_t i = 0; i < v->want->rule_count; i++) {
        const struct plan_rule *r = &v->want->rules[i];
        struct dv_err err;
        size_t a = planner_wanted_account(p, r->user);
        if (iqn_check(r->initiator, &err) != 0) {
            problem(p, v->index, err.code, "%s", err.text)->rule = i;
        } else if (a == PLAN_NONE) {
            problem(p, v->index, DV_CONFLICT,
                    "initiator %s cannot log in: CHAP user \"%s\" has no secret yet", r->initiator,
                    r->user)
                ->rule = i;
        } else if (p->states[a] == ACCOUNT_BLOCKED) {
            problem(p, v->index, DV_CONFLICT,
                    "initiator %s cannot log in: CHAP user \"%s\" cannot be used on this unit",
                    r->initiator, r->user)
                ->rule = i;
        } else if (v->want->online) {
            add_once(&v->names, &v->name_count, r->initiator);
            add_canonical(v, r->initiator);
            add_once(&v->users, &v->user_count, r->user);
        }
    }
}

static const struct seen_target *seen_by_tid(const struct seen *s, uint32_t tid, size_t *index)
{
    size_t i;
    DV_SEARCH(i, s->target_count, s->targets[i].tid < tid);
    *index = i;
    return i < s->target_count && s->targets[i].tid == tid ? &s->targets[i] : NULL;
}

static bool target_is_sane(struct planner *p, const struct view *v)
{
    const struct plan_target *t = v->want;
    if (t->tid == 0 || t->tid > INT32_MAX)
        problem(p, v->index, DV_INVALID, "target id %u is not in 1..%d", t->tid, INT32_MAX);
    else if (!plan_is_ours(p->want, t->iqn))
        problem(p, v->index, DV_INVALID,
                "target name %s does not begin with %s: put the iqn-prefix with which the volume "
                "was made back into the unit's configuration",
                t->iqn, p->want->prefix);
    else if (!target_name_is_sane(t->iqn))
        problem(p, v->index, DV_INVALID, "target name %s must have letters, digits and :.- only",
                t->iqn);
    else if (t->store && (!text_is_sane(t->path) || (t->options && !text_is_sane(t->options))))
        problem(p, v->index, DV_INVALID,
                "image \"%s\" with the options \"%s\" cannot be served: both must have at most %d "
                "bytes, without commas and control characters",
                t->path, t->options ? t->options : "", PATH_MAX_LEN);
    else if (!t->store && !path_is_sane(t->path))
        problem(p, v->index, DV_INVALID,
                "backing file \"%s\" cannot be served: its path must be absolute, of at most %d "
                "bytes, without commas and control characters",
                t->path, PATH_MAX_LEN);
    else
        return true;
    return false;
}

static bool tid_is_taken(const struct planner *p, const struct view *v)
{
    for (const struct view *other = p->views; other < v; other++)
        if (other->want->tid == v->want->tid)
            return true;
    return false;
}

// What is not known stays as it is seen: nothing is taken from hosts for want of knowledge.
static bool fill_path(struct planner *p, struct view *v, const struct seen_target *t, size_t at)
{
    bool same = t && strcmp(t->name, v->want->iqn) == 0;
    if (same)
        p->kept[at] = true;
    for (size_t i = 0; same && i < t->lun_count; i++) {
        if (t->luns[i].lun != PLAN_LUN)
            continue;
        v->filled = *v->want;
        v->filled.path = t->luns[i].path;
        v->filled.store = t->luns[i].store;
        v->filled.options = NULL;
        v->filled.writable = false;
        v->filled.unmaps = t->luns[i].unmaps;
        v->filled.blocks = v->filled.most_blocks = 0;
        v->want = &v->filled;
        return true;
    }
    problem(p, v->index, DV_BUSY, "it is not served, and what to serve is not known now");
    return false;
}

static void look_at_target(struct planner *p, struct view *v)
{
    size_t at;
    const struct seen_target *t = seen_by_tid(p->seen, v->want->tid, &at);
    v->blocked = !v->want->path && !fill_path(p, v, t, at);
    if (v->blocked)
        return;
    v->blocked = !target_is_sane(p, v);
    if (v->blocked)
        return;
    if (tid_is_taken(p, v)) {
        v->blocked = true;
        problem(p, v->index, DV_CONFLICT, "target id %u is wanted twice", v->want->tid);
    } else if (t && strcmp(t->name, v->want->iqn) == 0) {
        p->kept[at] = true;
        planner_view_sees(v, t);
    } else if (t && !plan_is_ours(p->want, t->name)) {
        v->blocked = true;
        problem(p, v->index, DV_CONFLICT,
                "target id %u is taken by %s, which is not ours; delete that target in tgtd",
                v->want->tid, t->name);
    }
    look_at_rules(p, v);
    for (size_t i = 0; v->seen && i < v->seen->lun_count; i++)
        if (v->seen->luns[i].lun == PLAN_LUN && v->seen->luns[i].read_only)
            problem(p, v->index, DV_DENIED,
                    "%s is served read-only: tgtd may not write it; let tgtd's user own the file, "
                    "on a file system that can be written",
                    v->want->path);
}

bool planner_stays_bound(const struct planner *p, const struct view *v, const char *user)
{
    if (strcmp(user, p->want->guard) == 0)
        return true;
    return planner_among(user, v->users, v->user_count) &&
           p->states[planner_wanted_account(p, user)] == ACCOUNT_FINE;
}

// An initiator that stays allowed keeps its session if an account that its rules name stays bound
// as it was. Which account a session used is not told.
bool planner_session_may_stay(const struct planner *p, const struct view *v, const char *initiator)
{
    if (!planner_among(initiator, v->names, v->name_count))
        return false;
    for (size_t i = 0; i < v->want->rule_count; i++) {
        const struct plan_rule *r = &v->want->rules[i];
        if (iqn_equal(r->initiator, initiator) && planner_stays_bound(p, v, r->user) &&
            planner_among(r->user, (const char *const *)v->seen->accounts, v->seen->account_count))
            return true;
    }
    return false;
}

static bool an_account_ends(const struct planner *p, const struct view *v)
{
    for (size_t i = 0; i < v->seen->account_count; i++)
        if (!planner_stays_bound(p, v, v->seen->accounts[i]))
            return true;
    return false;
}

// Whether access is taken from somebody who was let in, by a name or an account that is to go
// without another one beside it.
static bool somebody_is_cut_off(const struct planner *p, const struct view *v)
{
    if (v->want->revokes)
        return true;
    for (size_t i = 0; i < v->seen->acl_count; i++)
        if (!planner_session_may_stay(p, v, v->seen->acl[i]))
            return true;
    return false;
}

bool planner_sessions_are_suspect(const struct planner *p, const struct view *v)
{
    bool any_may_stay = false; // else all end one by one
    for (size_t i = 0; i < v->name_count; i++)
        any_may_stay = any_may_stay || planner_session_may_stay(p, v, v->names[i]);
    return any_may_stay && an_account_ends(p, v) && somebody_is_cut_off(p, v);
}

bool planner_has_disk(const struct seen_target *t)
{
    for (size_t i = 0; i < t->lun_count; i++)
        if (t->luns[i].lun != 0)
            return true;
    return false;
}

const char *plan_store(const struct plan_target *t)
{
    return t->store ? t->store : PLAN_STORE;
}

// Exactly one LUN beside the controller, over the right file. One that was made read-only, by hand
// or since the file was, is opened anew where that helps.
bool planner_lun_is_right(const struct seen_target *t, const struct plan_target *want)
{
    size_t right = 0;
    for (size_t i = 0; i < t->lun_count; i++) {
        const struct seen_lun *l = &t->luns[i];
        if (l->lun == 0)
            continue;
        if (l->lun != PLAN_LUN || strcmp(l->path, want->path) != 0 ||
            strcmp(l->store, plan_store(want)) != 0 || (l->read_only && want->writable))
            return false;
        right++;
    }
    return right == 1;
}

// tgtd takes size / 512 * 1.024 / 2000, in whole numbers.
uint64_t plan_megabytes(uint64_t blocks)
{
    return (blocks - (blocks / 625 - 974)) / 1950;
}

bool planner_lun_is_stale(const struct seen_target *t, const struct plan_target *want)
{
    for (size_t i = 0; i < t->lun_count; i++) {
        const struct seen_lun *l = &t->luns[i];
        if (l->lun == PLAN_LUN)
            return !l->online || l->removable || // a reload was broken off
                   want->replaced ||
                   (want->blocks != 0 && l->megabytes < plan_megabytes(want->blocks)) ||
                   (want->most_blocks != 0 && l->megabytes > plan_megabytes(want->most_blocks));
    }
    return false;
}

bool planner_lun_is_identified(const struct seen_target *t, const struct plan_target *want)
{
    char id[PLAN_SCSI_ID_ROOM], serial[UUID_TEXT_LEN];
    plan_scsi_id(&want->uuid, id);
    uuid_format(&want->uuid, serial);
    for (size_t i = 0; i < t->lun_count; i++) {
        const struct seen_lun *l = &t->luns[i];
        if (l->lun == PLAN_LUN)
            return strcmp(l->scsi_id, id) == 0 && strcmp(l->serial, serial) == 0 &&
                   l->unmaps == want->unmaps;
    }
    return false;
}

// ---- The planner --------------------------------------------------------------------------

void planner_init(struct planner *p, const struct plan_wanted *want, const struct seen *seen,
                  struct plan *out)
{
    *p = (struct planner){
        .want = want,
        .seen = seen,
        .out = out,
        .states = dv_calloc(want->account_count + 1, sizeof(*p->states)),
        .views = dv_calloc(want->target_count + 1, sizeof(*p->views)),
        .view_count = want->target_count,
        .kept = dv_calloc(seen->target_count + 1, sizeof(*p->kept)),
    };
    for (size_t i = 0; i < seen->account_count; i++)
        *DV_APPEND(p->accounts, p->account_count) = &seen->accounts[i];
    if (p->account_count > 1)
        qsort(p->accounts, p->account_count, sizeof(*p->accounts), by_text);
    look_at_accounts(p);
    for (size_t i = 0; i < p->view_count; i++) {
        p->views[i].want = &want->targets[i];
        p->views[i].index = i;
        look_at_target(p, &p->views[i]);
    }
}

void planner_done(struct planner *p)
{
    for (size_t i = 0; i < p->view_count; i++) {
        free(p->views[i].users);
        free(p->views[i].names);
        free(p->views[i].bound);
        for (size_t k = 0; k < p->views[i].spelled_count; k++)
            free(p->views[i].spelled[k]);
        free(p->views[i].spelled);
    }
    free(p->views);
    free(p->accounts);
    free(p->states);
    free(p->kept);
}

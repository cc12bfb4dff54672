// Carrying out: from a unit's orders to SETs, one at a time.
// SPDX-License-Identifier: BSD-2-Clause
//
// What is wanted is in the store before anything is sent, with the row's index. So a SET whose
// answer was lost is simply sent again, and means the same.
#include "cms/unit/executor.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cms/core/ledger.h"
#include "cms/core/seal.h"
#include "cms/member/lead.h"
#include "cms/member/link.h"
#include "cms/pool/pool.h"
#include "cms/task/tasks.h"
#include "cms/unit/left_out.h"
#include "dvsan_oids.h"
#include "logic/accounts.h"
#include "model/chap.h"
#include "snmp/smi.h"
#include <string.h>
#include <utlist.h>

#define STEPS_AT_A_TIME   32   // then the unit is looked at again
#define PLANNED_AT_A_TIME 2000 // volumes and rights, likewise
#define RESENT_FIRST_MS   100
#define RESENT_MAX_MS     5000
#define REFUSED_FIRST_MS  1000
#define REFUSED_MAX_MS    60000

#define STEP_VARS (LEAD_VARS + 8)

// ---- Planning ------------------------------------------------------------------------------

// why: of a step that was refused, else NULL.
static void hold(struct pool_hold *h, const char *why)
{
    uint32_t first = why ? REFUSED_FIRST_MS : RESENT_FIRST_MS;
    uint32_t max = why ? REFUSED_MAX_MS : RESENT_MAX_MS;
    h->refused = why != NULL;
    dv_copy(h->why, sizeof(h->why), why ? why : "");
    h->ms = h->ms * 2 > first ? h->ms * 2 : first;
    if (h->ms > max)
        h->ms = max;
    h->until = loop_now_ms() + h->ms;
}

// How many of the volumes that there may be something to do for are planned for in this turn, and
// how many rights they have.
static size_t count_planned(const struct pool_unit *unit, size_t *rights,
                            const struct pool_volume **next)
{
    struct pool_volume *v = unit->unsettled;
    size_t n = 0;
    *rights = 0;
    for (; v && n + *rights < PLANNED_AT_A_TIME; v = v->open_next, n++)
        *rights += HASH_CNT(hh, v->hosts);
    *next = v;
    return n;
}

// Whether the unit is to be looked at again soon: until all that may have something to do had its
// turn, and then while any of it did not wait for a refusal alone.
static bool goes_on(struct pool_unit *unit, const struct pool_volume *next, bool busy)
{
    unit->busy |= busy;
    if (next && next->planned != unit->round)
        return true;
    busy = unit->busy;
    unit->busy = false;
    unit->round++;
    return busy;
}

// Whether somebody asked for what differs. Only then the tasks are looked through.
static bool wants(const struct unit_link *link, const struct pool_volume *v, enum task_kind kind)
{
    bool differs = kind == TASK_VOLUME_RESIZE ? v->rec.blocks != v->actual.blocks
                                              : !volume_is_labelled(&v->rec, &v->actual);
    if (v->actual.index == 0 || !differs)
        return false;
    const struct pool_task *t = tasks_open(link->cms, kind, &v->rec.uuid, NULL);
    return t && t->rec.cancel == TASK_CANCEL_NO;
}

// What a unit took in from a medium that keeps no names is called by its UUID.
static bool is_nameless(const struct pool_volume *v)
{
    char uuid[UUID_TEXT_LEN];
    return v->actual.index != 0 && strcmp(v->actual.name, uuid_format(&v->rec.uuid, uuid)) == 0;
}

static bool wants_label(const struct unit_link *link, const struct pool_volume *v)
{
    return wants(link, v, TASK_VOLUME_RENAME) || is_nameless(v) || v->renamed ||
           (v->actual.index != 0 && volume_lost_words(&v->rec, &v->actual));
}

// Whether the volume can be left alone until something about it changes.
static bool is_settled(const struct pool_volume *v, const struct orders_volume *planned)
{
    if (!planned->settled || planned->held || !v->rec.wanted)
        return false;
    for (size_t i = 0; i < planned->right_count; i++)
        if (planned->rights[i].held || !planned->rights[i].want->wanted)
            return false;
    return true;
}

// Rules at the unit of volumes that were there, and are elsewhere as a person said.
static void plan_left(const struct unit_link *link, struct orders *out)
{
    for (const struct left_out *l = link->left_out; l; l = l->hh.next) {
        bool held = l->hold.until > loop_now_ms();
        if (l->rule == 0)
            continue;
        out->unsettled |= !held || !l->hold.refused;
        if (!held)
            *DV_APPEND(out->items, out->count) = (struct orders_item){.kind = ORDER_END_RULE,
                                                                      .volume = l->uuid,
                                                                      .volume_index = l->index,
                                                                      .rule_index = l->rule};
    }
}

bool executor_plan(struct unit_link *link)
{
    struct pool_unit *unit = link_unit(link);
    uint64_t now = loop_now_ms();
    const struct pool_volume *first_left; // for the next turns
    size_t n = 0, r = 0, right_count, count = count_planned(unit, &right_count, &first_left);
    DV_FREE struct orders_volume *volumes = dv_calloc(count + 1, sizeof(*volumes));
    DV_FREE struct orders_right *rights = dv_calloc(2 * right_count + 1, sizeof(*rights));
    bool waiting = false; // for what was taken to show
    for (struct pool_volume *v = unit->unsettled; n < count; v = v->open_next, n++) {
        volumes[n] = (struct orders_volume){
            .want = &v->rec,
            .shown = v->actual.index ? &v->actual : NULL,
            .rules = v->rules,
            .rule_count = v->rule_count,
            .rights = rights + r,
            .held = v->hold.until > now,
            .resize = wants(link, v, TASK_VOLUME_RESIZE),
            .rename = wants_label(link, v),
        };
        waiting |= volumes[n].held && !v->hold.refused;
        for (struct pool_assignment *a = v->assignments; a; a = a->volume_next) {
            bool held = a->hold.until > now;
            rights[r++] = (struct orders_right){&a->rec, &a->host->rec, held,
                                                a->actual.index ? a->rule : ORDERS_NO_RULE, false};
            if (a->host->previous_iqn[0])
                rights[r++] = (struct orders_right){
                    &a->rec, &a->host->rec, held, a->former ? a->former - 1 : ORDERS_NO_RULE, true};
            waiting |= held && !a->hold.refused;
        }
        volumes[n].right_count = (size_t)(rights + r - volumes[n].rights);
    }
    link_forget_orders(link);
    link->replan = false;
    orders_plan(volumes, n, &link->queue);
    plan_left(link, &link->queue);
    struct pool_volume *v = unit->unsettled, *next;
    for (size_t i = 0; i < n; i++, v = next) {
        next = v->open_next;
        v->planned = unit->round;
        if (is_settled(v, &volumes[i]))
            pool_settled(v);
        else if (first_left)
            pool_postpone(v);
    }
    if (link->queue.count > STEPS_AT_A_TIME)
        link->queue.count = STEPS_AT_A_TIME;
    return goes_on(unit, first_left, link->queue.unsettled || waiting);
}

// ---- Sending -------------------------------------------------------------------------------

struct target { // what a step is about, as the pool knows it now
    struct pool_volume *volume;
    struct pool_assignment *assignment; // NULL: none
};

static struct target target_of(const struct unit_link *link, const struct orders_item *s)
{
    struct target t = {.volume = pool_volume_by_uuid(link->cms->pool, &s->volume)};
    // It may be another unit's by now, where other rows have these indexes.
    if (t.volume && (!uuid_equal(&t.volume->rec.unit, &link->uuid) ||
                     s->volume_index !=
                         (t.volume->actual.index ? t.volume->actual.index : t.volume->rec.index)))
        t.volume = NULL;
    if (t.volume && !uuid_is_zero(&s->host))
        t.assignment = pool_assignment_of(t.volume, &s->host);
    return t;
}

static void hold_step(struct unit_link *link, const struct orders_item *s, const struct target *t,
                      const char *why)
{
    struct left_out *l = s->kind == ORDER_END_RULE ? left_out_of(link, &s->volume) : NULL;
    if (l)
        hold(&l->hold, why);
    else if (t->assignment)
        hold(&t->assignment->hold, why);
    else if (t->volume)
        hold(&t->volume->hold, why);
}

// Whether the rule has the name that it is for, as that is spelled now.
static bool is_named(const struct orders_item *s, const struct target *t)
{
    const struct pool_volume *v = t->volume;
    for (size_t i = 0; i < v->rule_count; i++)
        if (v->rules[i].index == s->rule_index)
            return strcmp(v->rules[i].initiator,
                          orders_iqn(&t->assignment->host->rec, s->former)) == 0;
    return false;
}

// Intent may have changed since the plan was made.
static bool still_wanted(const struct unit_link *link, const struct orders_item *s,
                         const struct target *t)
{
    if (!t->volume)
        return false;
    bool right = t->assignment && t->assignment->rec.wanted;
    bool given = right && !t->assignment->rec.found;
    switch (s->kind) {
    case ORDER_REMOVE_RULE:
        return !right || !t->volume->rec.wanted || !is_named(s, t);
    case ORDER_SET_ACCOUNT:
    case ORDER_ADD_RULE:
        return given && t->volume->rec.wanted &&
               (!s->previous || t->assignment->host->rec.previous.user[0]) &&
               (!s->former || t->assignment->host->previous_iqn[0]);
    case ORDER_DELETE_VOLUME:
        return !t->volume->rec.wanted;
    case ORDER_RENAME_VOLUME:
        return t->volume->rec.wanted && wants_label(link, t->volume);
    case ORDER_RESIZE_VOLUME:
        return t->volume->rec.wanted && wants(link, t->volume, TASK_VOLUME_RESIZE);
    case ORDER_ONLINE_VOLUME:
        return t->volume->rec.wanted && !t->volume->actual.admin_online;
    case ORDER_CREATE_VOLUME:
        return t->volume->rec.wanted && !t->volume->rec.seen;
    case ORDER_END_RULE:
        break;
    }
    return false;
}

static void var(struct sn_var *vars, size_t *n, const struct sn_oid *column, const uint32_t *index,
                size_t len, struct sn_value value)
{
    vars[*n] = (struct sn_var){sn_oid_join(column, index, len), value};
    ++*n;
}

// A row is named by its index, which may be another volume's on a unit that lost its memory: that
// the row is of this volume is checked by the unit.
static void guard(const struct orders_item *s, struct sn_var *vars, size_t *n)
{
    static const struct sn_oid uuid = OID_dvsanVolumeUuid;
    var(vars, n, &uuid, &s->volume_index, 1, sn_octets(s->volume.b, sizeof(s->volume.b)));
}

// What is to be other than it is shown. A new volume gets its name, and people's words once it is
// shown: an older agent, which has no columns for them, would refuse a row that brings them.
static void label_vars(const struct orders_item *s, const struct volume_record *rec,
                       const struct volume *shown, struct sn_var *vars, size_t *n)
{
    static const struct sn_oid entry = OID_dvsanVolumeEntry;
    for (size_t k = 0; k < kind_volume.field_count; k++) {
        const struct kind_field *f = &kind_volume.fields[k];
        const struct kind_field *g = kind_named(&kind_shown, f->name);
        if (!(f->flags & KIND_CHANGEABLE) || !volume_has_column(shown, g) ||
            strcmp(kind_text(f, rec), kind_text(g, shown)) == 0 ||
            (s->kind == ORDER_CREATE_VOLUME && (f->flags & KIND_OPTIONAL)))
            continue;
        const struct sn_oid column = sn_oid_append(&entry, g->mib);
        var(vars, n, &column, &s->volume_index, 1, sn_text(kind_text(f, rec)));
    }
}

#define ADMIN_ONLINE 1 // of dvsanVolumeAdminState

static size_t volume_vars(const struct orders_item *s, const struct volume_record *rec,
                          const struct volume *shown, struct sn_var *vars)
{
    static const struct sn_oid status = OID_dvsanVolumeRowStatus, uuid = OID_dvsanVolumeUuid,
                               medium = OID_dvsanVolumeMedium, size = OID_dvsanVolumeSize,
                               thin = OID_dvsanVolumeThin, force = OID_dvsanVolumeForce,
                               admin = OID_dvsanVolumeAdminState;
    const uint32_t *i = &s->volume_index;
    size_t n = 0;
    if (s->kind != ORDER_CREATE_VOLUME)
        guard(s, vars, &n);
    if (s->kind == ORDER_DELETE_VOLUME) {
        var(vars, &n, &status, i, 1, sn_int(ROW_DESTROY));
        if (rec->forced)
            var(vars, &n, &force, i, 1, sn_int(TRUTH_TRUE));
        return n;
    }
    if (s->kind == ORDER_ONLINE_VOLUME) {
        var(vars, &n, &admin, i, 1, sn_int(ADMIN_ONLINE));
        return n;
    }
    if (s->kind == ORDER_RENAME_VOLUME) {
        label_vars(s, rec, shown, vars, &n);
        return n;
    }
    if (s->kind == ORDER_RESIZE_VOLUME) {
        var(vars, &n, &size, i, 1, sn_uint((uint32_t)(rec->blocks / BLOCKS_PER_MIB)));
        if (rec->forced)
            var(vars, &n, &force, i, 1, sn_int(TRUTH_TRUE));
        return n;
    }
    var(vars, &n, &status, i, 1, sn_int(ROW_CREATE_AND_GO));
    var(vars, &n, &uuid, i, 1, sn_octets(rec->uuid.b, sizeof(rec->uuid.b)));
    label_vars(s, rec, shown, vars, &n);
    var(vars, &n, &medium, i, 1, sn_uint(rec->medium));
    var(vars, &n, &size, i, 1, sn_uint((uint32_t)(rec->blocks / BLOCKS_PER_MIB)));
    if (!rec->thin_default)
        var(vars, &n, &thin, i, 1, sn_int(rec->thin ? TRUTH_TRUE : TRUTH_FALSE));
    return n;
}

// host: with the account that is given; NULL when none is.
static size_t rule_vars(const struct orders_item *s, const struct pool_volume *v,
                        const struct host_record *host, const char *secret, struct sn_var *vars)
{
    static const struct sn_oid status = OID_dvsanAccessRowStatus,
                               initiator = OID_dvsanAccessInitiator, user = OID_dvsanAccessChapUser,
                               chap = OID_dvsanAccessChapSecret, mark = OID_dvsanAccessSecretMark,
                               previous = OID_dvsanAccessPreviousUser;
    const uint32_t i[] = {s->volume_index, s->rule_index};
    size_t n = 0;
    guard(s, vars, &n);
    for (size_t k = 0; s->kind != ORDER_ADD_RULE && k < v->rule_count; k++)
        if (v->rules[k].index == s->rule_index && iqn_check(v->rules[k].initiator, NULL) == 0)
            var(vars, &n, &initiator, i, 2, sn_text(v->rules[k].initiator));
    if (s->kind == ORDER_REMOVE_RULE) {
        var(vars, &n, &status, i, 2, sn_int(ROW_DESTROY));
        return n;
    }
    if (s->kind == ORDER_ADD_RULE) {
        var(vars, &n, &status, i, 2, sn_int(ROW_CREATE_AND_GO));
        var(vars, &n, &initiator, i, 2, sn_text(orders_iqn(host, s->former)));
    }
    var(vars, &n, &user, i, 2, sn_text(host->chap_user));
    if (s->alone)
        var(vars, &n, &previous, i, 2, sn_text(""));
    var(vars, &n, &chap, i, 2, sn_text(secret));
    var(vars, &n, &mark, i, 2, sn_uint(host->secret_mark));
    return n;
}

// ---- Answers -------------------------------------------------------------------------------

static void refused(struct unit_link *link, const struct orders_item *s, enum dv_code code,
                    const char *why)
{
    struct target t = target_of(link, s);
    log_limited(&link->refusals, LOG_LEVEL_WARNING, "executor", "%s: %s refused: %s", link->name,
                order_kind_name(s->kind), why);
    hold_step(link, s, &t, why);
    struct tasks_refusal r = {.unit = link->uuid, .step = *s, .code = code};
    dv_copy(r.why, sizeof(r.why), why);
    if (t.volume)
        ledger_turn(link->cms->ledger, tasks_refused, &r, sizeof(r));
}

static void accepted(struct unit_link *link, const struct orders_item *s)
{
    struct target t = target_of(link, s);
    log_debug("executor", "%s: %s %u.%u accepted", link->name, order_kind_name(s->kind),
              s->volume_index, s->rule_index);
    hold_step(link, s, &t, NULL);
    if (t.volume && s->kind == ORDER_RESIZE_VOLUME)
        t.volume->resize_answered = true;
}

// Whether it may well succeed the next time: no answer came, or snmpd answered for an agent that
// is away (it then knows no such column) or did not answer it in time.
static bool is_passing(const struct sn_result *result)
{
    switch (result->error_status) {
    case 0:
        return result->code == DV_TIMEOUT || result->code == DV_UNREACHABLE ||
               result->code == DV_IO;
    case SN_GEN_ERR:
    case SN_NO_CREATION:
    case SN_NOT_WRITABLE:
        return true;
    default:
        return false;
    }
}

// The look that follows tells more; then it is planned again.
static void postponed(struct unit_link *link, const struct orders_item *s, const char *why)
{
    struct target t = target_of(link, s);
    log_debug("executor", "%s: %s postponed: %s", link->name, order_kind_name(s->kind), why);
    hold_step(link, s, &t, NULL);
    link_forget_orders(link);
}

// By its word the unit was led by another station, or told by another copy of this one's store.
// The look that follows shows it.
static void led_by_another(struct unit_link *link, const struct orders_item *s, const char *why)
{
    link->leads = false;
    link->urgent = true;
    postponed(link, s, why);
}

// It tells at its next look; until it has, its log does.
static const char *not_recorded(const struct unit_link *link)
{
    const struct pool_unit *unit = link_unit(link);
    return unit && strstr(unit->rec.last_error, "cannot be recorded")
               ? unit->rec.last_error
               : "its agent could not record the change; see its log, and whether its disk is "
                 "full, or "
                 "another process has its unit.db locked";
}

static void step_answered(void *arg, const struct sn_result *result)
{
    if (result->code == DV_CANCELLED)
        return;
    struct unit_link *link = arg;
    struct orders_item step = link->queue.items[link->queue_next++];
    link->work = LINK_IDLE;
    if (!is_passing(result))
        lead_order_answered(link, target_of(link, &step).volume);
    if (result->code == DV_OK)
        accepted(link, &step);
    else if (is_passing(result))
        postponed(link, &step, result->text);
    else if (result->error_status == SN_NO_ACCESS)
        led_by_another(link, &step, result->text);
    else if (result->error_status == SN_COMMIT_FAILED)
        refused(link, &step, result->code, not_recorded(link));
    else
        refused(link, &step, result->code, result->text);
    if (link->queue_next == link->queue.count)
        link->urgent = true; // see what came of it
    link_go_on(link);
}

// volume: of the unit that it is about; NULL: none.
static void send_vars(struct unit_link *link, struct pool_volume *volume, const struct sn_var *vars,
                      size_t n)
{
    struct sn_timing timing = {link->cms->config->poll_timeout_ms, 1};
    link->work = LINK_SETTING;
    link->work_since = loop_now_ms();
    lead_order_sent(link, volume);
    sn_set(link->peer, vars, n, timing, step_answered, link);
}

static bool send_step(struct unit_link *link, const struct orders_item *s, const struct target *t)
{
    struct sn_var vars[STEP_VARS];
    char secret[CHAP_SECRET_MAX + 1] = "";
    struct host_record before; // the request borrows of it
    size_t n = LEAD_VARS;
    lead_word_vars(link, vars); // first: what follows is judged by it
    if (s->kind >= ORDER_DELETE_VOLUME && s->kind <= ORDER_CREATE_VOLUME) {
        n += volume_vars(s, &t->volume->rec, &t->volume->actual, vars + n);
    } else {
        const struct host_record *host = t->assignment ? &t->assignment->host->rec : NULL;
        struct dv_err err;
        if (s->previous) {
            before = account_before(host);
            host = &before;
        }
        if (s->kind != ORDER_REMOVE_RULE &&
            seal_open_secret(link->cms->seal, host, secret, &err) < 0) {
            refused(link, s, err.code, err.text);
            return false;
        }
        if (s->kind != ORDER_REMOVE_RULE && !host->one_secret)
            chap_unit_secret(secret, &link->uuid, secret);
        n += rule_vars(s, t->volume, host, secret, vars + n);
    }
    send_vars(link, t->volume, vars, n);
    secret_wipe(secret, sizeof(secret));
    return true;
}

// Of another unit's volume: the row is told by its index and the volume's UUID.
static bool send_end(struct unit_link *link, const struct orders_item *s)
{
    static const struct sn_oid status = OID_dvsanAccessRowStatus;
    const uint32_t i[] = {s->volume_index, s->rule_index};
    const struct left_out *l = left_out_of(link, &s->volume);
    struct sn_var vars[STEP_VARS];
    size_t n = LEAD_VARS;
    if (!l || l->rule != s->rule_index || l->index != s->volume_index)
        return false;
    lead_word_vars(link, vars);
    guard(s, vars, &n);
    var(vars, &n, &status, i, 2, sn_int(ROW_DESTROY));
    send_vars(link, NULL, vars, n);
    return true;
}

bool executor_step(struct unit_link *link)
{
    while (link->queue_next < link->queue.count) {
        const struct orders_item *s = &link->queue.items[link->queue_next];
        struct target t = target_of(link, s);
        if (s->kind == ORDER_END_RULE ? send_end(link, s)
                                      : still_wanted(link, s, &t) && send_step(link, s, &t))
            return true;
        link->queue_next++;
    }
    link_forget_orders(link);
    return false;
}

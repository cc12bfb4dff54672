// Rotating a unit's keys: the steps at its snmpd and its agent (logic/rekey.h).
// SPDX-License-Identifier: BSD-2-Clause
//
// The record says what is wanted; what the unit has is found out anew each time. So a run that is
// cut off, on whichever side, is begun again by the next look.
#include "cms/member/rekey.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/member/key_trial.h"
#include "cms/member/lead.h"
#include "cms/member/link.h"
#include "cms/member/reading.h"
#include "cms/member/trust.h"
#include "cms/pool/pool.h"
#include "cms/task/tasks.h"
#include "dvsan_oids.h"
#include "logic/health.h"
#include "logic/trust.h"
#include "snmp/smi.h"
#include "snmp/std_oids.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS_MAX  24    // steps of a run, more than any takes that gets on
#define CATCH_UP_MS 10000 // between two rotations of which a unit is the cause

struct rekey {
    struct unit_link *link;
    uint64_t number;               // tells it from others of the link
    char failure[LAST_ERROR_ROOM]; // for which it is to be given up for good; "": for none
    struct rekey_facts facts;
    struct rekey_order order; // under way
    unsigned rounds;
    struct key_trial *trial;
    struct sn_peer *current; // as the user of the current number
    struct sn_peer *proven;  // as the one that answered in the other place
};

static void step(struct rekey *r);

void rekey_free(struct rekey *r)
{
    if (!r)
        return;
    key_trial_free(r->trial);
    sn_peer_free(r->current);
    sn_peer_free(r->proven);
    free(r);
}

// A KeyChange that was carried out twice would leave keys that nobody knows. So it is sent once,
// and with the agent's spin lock, which refuses it to who sends a copy; what was not answered is
// found out by asking.
static struct sn_timing timing(const struct rekey *r, uint32_t retries)
{
    return (struct sn_timing){r->link->cms->config->poll_timeout_ms, retries};
}

// ---- Its end ---------------------------------------------------------------------------------

static void judge(const struct unit_link *link)
{
    ledger_turn(link->cms->ledger, tasks_judge_about, &link->uuid, sizeof(link->uuid));
}

static void end(struct rekey *r)
{
    struct unit_link *link = r->link;
    rekey_free(r);
    link->rekey = NULL;
    judge(link);
}

// Until the next look.
static void give_up(struct rekey *r, const char *why)
{
    struct unit_link *link = r->link;
    if (strcmp(link->rekey_trouble, why) != 0)
        log_info("rekey", "%s: %s", link->name, why);
    dv_copy(link->rekey_trouble, sizeof(link->rekey_trouble), why);
    end(r);
}

// In a turn.
static void fail(struct unit_link *link, const char *why)
{
    struct changes c = {0};
    struct unit_record rec = link_unit(link)->rec;
    struct pool_task *open = tasks_open(link->cms, TASK_UNIT_REKEY, &rec.uuid, NULL);
    rekey_take_back(&rec);
    if (open) {
        struct task_record t = open->rec;
        tasks_end(link->cms, &c, &t, TASK_FAILED, DV_CONFLICT, "%s", why);
    } else {
        events_add_limited(&link->told, link->cms, &c, EVENT_WARNING, "unit", rec.name,
                           "its keys could not be changed: %s", why);
    }
    changes_unit(&c, &rec);
    ledger_commit(link->cms->ledger, &c, LEDGER_KEPT);
}

static void write_step(struct rekey *r);

static void fail_and_end(struct rekey *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void fail_and_end(struct rekey *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->failure, sizeof(r->failure), fmt, args);
    va_end(args);
    write_step(r);
}

static void lacks_views(struct rekey *r)
{
    fail_and_end(r,
                 "the snmpd of %s does not let the station change its keys: run dvsan-unit --init "
                 "there once more, and restart its snmpd",
                 link_unit(r->link)->rec.name);
}

// ---- Steps -----------------------------------------------------------------------------------

// What the unit has in the place is to be found out (again).
static void ask_again(struct rekey *r)
{
    r->facts.asked[r->order.place] = REKEY_UNASKED;
    r->facts.saved[r->order.place] = false;
    step(r);
}

static bool is_unknown_key(const struct sn_result *result)
{
    return result->code == DV_DENIED && result->error_status == 0;
}

static bool is_closed(const struct sn_result *result)
{
    return result->error_status == SN_NO_ACCESS || result->error_status == SN_NOT_WRITABLE ||
           result->error_status == SN_AUTHORIZATION_ERROR;
}

static void tried(void *arg, enum key_answer answer, uint32_t number, struct sn_peer *peer)
{
    struct rekey *r = arg;
    unsigned place = r->order.place;
    key_trial_free(r->trial);
    r->trial = NULL;
    r->proven = peer;
    r->facts.asked[place] = answer == KEY_FITS ? REKEY_ANSWERED : REKEY_SILENT;
    r->facts.proven[place] = number;
    if (answer == KEY_UNKNOWN)
        give_up(r, "its snmpd does not answer");
    else
        step(r);
}

static void try_place(struct rekey *r)
{
    uint32_t numbers[REKEY_CANDIDATES];
    size_t count = rekey_candidates(r->facts.current, r->facts.wanted, r->order.place, numbers);
    sn_peer_free(r->proven);
    r->proven = NULL;
    r->trial = key_trial_new(r->link, numbers, count, tried, r);
}

static struct sn_oid user_row(const struct rekey *r, struct sn_oid column)
{
    const struct sn_engine_id *engine = &r->link->engine;
    char name[KEYS_USER_ROOM];
    keys_user(KEYS_OF_STATION, &r->link->uuid, r->order.number, name);
    struct sn_oid oid = sn_oid_append(&column, engine->len);
    for (size_t i = 0; i < engine->len; i++)
        oid = sn_oid_append(&oid, engine->b[i]);
    oid = sn_oid_append(&oid, (uint32_t)strlen(name));
    for (const char *c = name; *c; c++)
        oid = sn_oid_append(&oid, (uint8_t)*c);
    return oid;
}

static void changed(void *arg, const struct sn_result *result)
{
    struct rekey *r = arg;
    if (result->code == DV_CANCELLED)
        return;
    DV_FAULT("rekey.changed");
    bool of_lock = result->error_index <= 1; // else of the keys, which are snmpd's
    if (result->code == DV_OK || result->code == DV_TIMEOUT ||
        result->error_status == SN_INCONSISTENT_VALUE)
        ask_again(r);
    else if (is_closed(result) && !of_lock)
        lacks_views(r);
    else if (result->error_status == SN_INCONSISTENT_NAME && !of_lock)
        fail_and_end(r,
                     "the snmpd of %s cannot change the keys of this user: give the unit other "
                     "ones by a code (dvsan unit add %s --again)",
                     link_unit(r->link)->rec.name, link_unit(r->link)->rec.name);
    else
        give_up(r, result->text);
}

static void send_change(void *arg, const struct sn_result *result)
{
    static const struct sn_oid spin_lock = OID_dvsanMemberSpinLock, auth = OID_usmUserAuthKeyChange,
                               priv = OID_usmUserPrivKeyChange;
    struct rekey *r = arg;
    struct member_keys old, new;
    struct keys_change change;
    int32_t lock;
    if (result->code == DV_CANCELLED)
        return;
    if (result->code != DV_OK || result->count < 1 ||
        !sn_get_int(&result->vars[0].value, 0, SMI_TEST_AND_INCR_MAX, &lock)) {
        give_up(r, result->code == DV_OK ? reading_no_agent : result->text);
        return;
    }
    const struct unit_record *rec = &link_unit(r->link)->rec;
    trust_keys(r->link->cms, KEYS_OF_STATION, rec, r->facts.proven[r->order.place], &old);
    trust_keys(r->link->cms, KEYS_OF_STATION, rec, r->order.number, &new);
    keys_change(&old, &new, &change);
    const struct sn_var vars[] = {
        sn_scalar(&spin_lock, sn_int(lock)),
        {user_row(r, auth), sn_octets(change.auth, sizeof(change.auth))},
        {user_row(r, priv), sn_octets(change.priv, sizeof(change.priv))},
    };
    DV_FAULT("rekey.change");
    sn_set(r->current, vars, DV_COUNT(vars), timing(r, 0), changed, r);
    secret_wipe(&old, sizeof(old));
    secret_wipe(&new, sizeof(new));
    secret_wipe(&change, sizeof(change));
}

// Under the keys that stay: who knows those of the place alone learns nothing of the new ones.
static void change(struct rekey *r)
{
    static const struct sn_oid spin_lock = OID_dvsanMemberSpinLock;
    const struct sn_oid oid = sn_scalar_oid(&spin_lock);
    sn_get(r->current, &oid, 1, timing(r, 1), send_change, r);
}

static void saved(void *arg, const struct sn_result *result)
{
    struct rekey *r = arg;
    if (result->code == DV_CANCELLED)
        return;
    DV_FAULT("rekey.saved");
    if (result->code == DV_OK) {
        r->facts.saved[r->order.place] = true;
        step(r);
    } else if (is_unknown_key(result)) { // its snmpd was restarted, and had not saved them
        ask_again(r);
    } else if (is_closed(result)) {
        lacks_views(r);
    } else {
        give_up(r, result->text);
    }
}

// Asked with the keys that are to be saved, so that no others are.
static void save(struct rekey *r)
{
    static const struct sn_oid persistent = OID_versionSavePersistentData;
    const struct sn_var var = sn_scalar(&persistent, sn_int(1));
    sn_set(r->proven, &var, 1, timing(r, 1), saved, r);
}

static void given(void *arg, const struct sn_result *result)
{
    struct rekey *r = arg;
    if (result->code == DV_CANCELLED)
        return;
    DV_FAULT("rekey.given");
    if (result->code == DV_OK) {
        r->facts.given = true;
        step(r);
    } else if (is_unknown_key(result)) {
        r->order.place = r->order.number % 2;
        ask_again(r);
    } else {
        give_up(r, result->text); // its agent is away just now
    }
}

static void give(struct rekey *r)
{
    static const struct sn_oid object = OID_dvsanMemberKeys;
    uint32_t number = r->order.number;
    uint8_t b[4 + KEYS_AUTH + KEYS_PRIV] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                                            (uint8_t)(number >> 8), (uint8_t)number};
    struct member_keys keys;
    trust_keys(r->link->cms, KEYS_OF_MEMBER, &link_unit(r->link)->rec, number, &keys);
    memcpy(b + 4, keys.auth, KEYS_AUTH);
    memcpy(b + 4 + KEYS_AUTH, keys.priv, KEYS_PRIV);
    const struct sn_var var = sn_scalar(&object, sn_octets(b, sizeof(b)));
    sn_set(r->proven, &var, 1, timing(r, 1), given, r);
    secret_wipe(&keys, sizeof(keys));
    secret_wipe(b, sizeof(b));
}

// ---- What is written down -------------------------------------------------------------------

struct of_rekey {
    struct dv_uuid uuid; // of the link
    uint64_t number;
};

static struct rekey *find(struct cms *cms, const struct of_rekey *of)
{
    const struct unit_link *link = link_find(cms, &of->uuid);
    return link && link->rekey && link->rekey->number == of->number ? link->rekey : NULL;
}

static void raise(struct rekey *r, struct unit_record *rec)
{
    rec->key_wanted = r->facts.wanted = r->order.number;
}

static void record(struct rekey *r, struct unit_record *rec, struct changes *c)
{
    struct unit_link *link = r->link;
    struct log_limit none = {0};
    bool asked = tasks_open(link->cms, TASK_UNIT_REKEY, &rec->uuid, NULL) != NULL;
    rec->key_number = r->order.number;
    rec->key_wanted = 0;
    rec->key_before = true;
    events_add_limited(asked ? &none : &link->told, link->cms, c, EVENT_INFO, "unit", rec->name,
                       rec->key_alone
                           ? "has other keys; the ones before end now"
                           : "has other keys; the ones before are good until the next change");
}

static void record_end(struct rekey *r, struct unit_record *rec, struct changes *c)
{
    rec->key_before = rec->key_alone = false;
    events_add(r->link->cms, c, EVENT_INFO, "unit", rec->name,
               "its keys of before the last change are good no more");
}

// Once they are recorded the unit is asked with the new keys, when what is under way was answered.
static void step_written(void *owner, const void *arg, const struct dv_err *err)
{
    struct rekey *r = find(owner, arg);
    if (!r)
        return;
    if (!err && r->order.step == REKEY_RAISE) {
        step(r);
        return;
    }
    if (!err && r->order.step == REKEY_RECORD) {
        DV_FAULT("rekey.recorded");
        r->link->rekeyed = true;
        link_look(r->link);
    }
    end(r);
}

static void take_step(void *owner, const void *arg)
{
    struct rekey *r = find(owner, arg);
    struct changes c = {0};
    if (!r)
        return;
    if (r->failure[0]) {
        fail(r->link, r->failure);
        end(r);
        return;
    }
    struct unit_record rec = link_unit(r->link)->rec;
    if (r->order.step == REKEY_RAISE)
        raise(r, &rec);
    else if (r->order.step == REKEY_RECORD)
        record(r, &rec, &c);
    else
        record_end(r, &rec, &c);
    changes_unit(&c, &rec);
    ledger_commit_then(r->link->cms->ledger, &c, LEDGER_KEPT, step_written, arg,
                       sizeof(struct of_rekey));
}

static void write_step(struct rekey *r)
{
    const struct of_rekey of = {r->link->uuid, r->number};
    ledger_turn(r->link->cms->ledger, take_step, &of, sizeof(of));
}

// ---- The next step --------------------------------------------------------------------------

static void step(struct rekey *r)
{
    const char *name = link_unit(r->link)->rec.name;
    if (r->rounds++ == ROUNDS_MAX) {
        give_up(r, "what its snmpd has changes all the time");
        return;
    }
    r->order = rekey_next(&r->facts);
    switch (r->order.step) {
    case REKEY_NONE:
        end(r);
        break;
    case REKEY_TRY:
        try_place(r);
        break;
    case REKEY_CHANGE:
        change(r);
        break;
    case REKEY_RAISE:
    case REKEY_RECORD:
    case REKEY_END:
        write_step(r);
        break;
    case REKEY_SAVE:
        save(r);
        break;
    case REKEY_GIVE:
        give(r);
        break;
    case REKEY_LOST:
        fail_and_end(r,
                     "the snmpd of %s has keys that the station does not know: give the unit other "
                     "ones by a code (dvsan unit add %s --again)",
                     name, name);
        break;
    }
}

void rekey_go(struct unit_link *link)
{
    struct pool_unit *u = link_unit(link);
    struct dv_err err;
    if (link->rekey || link->rekeyed || !u || !rekey_is_open(&u->rec) ||
        !trust_is_taken(u->rec.trust) || !health_takes_orders(u->rec.state) ||
        !lead_takes_orders(link))
        return;
    if (!link->rekeyable) {
        char why[LAST_ERROR_ROOM];
        snprintf(why, sizeof(why),
                 "the dvsan-unit of %s is of a version that cannot be given other keys: update it",
                 u->rec.name);
        fail(link, why);
        judge(link);
        return;
    }
    struct sn_peer *current =
        trust_peer(link->cms, &link->uuid, link->address, &link->engine, &err);
    if (!current) {
        dv_copy(link->rekey_trouble, sizeof(link->rekey_trouble), err.text);
        return;
    }
    struct rekey *r = link->rekey = dv_calloc(1, sizeof(*r));
    static uint64_t rekeys;
    r->link = link;
    r->number = ++rekeys;
    r->current = current;
    r->facts.current = u->rec.key_number;
    r->facts.wanted = u->rec.key_wanted;
    r->facts.alone = u->rec.key_alone && u->rec.key_before;
    link->rekey_trouble[0] = '\0';
    step(r);
}

// ---- What a unit shows -----------------------------------------------------------------------

void rekey_shown(struct unit_link *link, const struct reading *shown)
{
    const struct pool_unit *u = link_unit(link);
    struct changes c = {0};
    link->rekeyable = shown->tells_key;
    // One who asks in the middle of a change may be shown what was before.
    if (!u || u->rec.key_number == 0 || link->rekey || link->rekeyed ||
        link->catch_up_at > loop_now_ms() || !lead_takes_orders(link))
        return;
    struct unit_record rec = u->rec;
    rec.key_wanted = rekey_behind(&rec, shown->key_number);
    if (rec.key_wanted == 0)
        return;
    link->catch_up_at = loop_now_ms() + CATCH_UP_MS;
    events_add_limited(&link->told, link->cms, &c, EVENT_WARNING, "unit", rec.name,
                       "its own keys are not the present ones, as after a backup was restored: it "
                       "gets others");
    changes_unit(&c, &rec);
    ledger_commit(link->cms->ledger, &c, LEDGER_KEPT);
}

void rekey_take(struct unit_link *link, uint32_t number, ledger_then_fn *then)
{
    struct changes c = {0};
    struct unit_record rec = link_unit(link)->rec;
    bool behind = number < rec.key_number;
    rekey_found(&rec, number);
    events_add(link->cms, &c, EVENT_WARNING, "unit", rec.name,
               behind ? "has the keys of before their last change, as after its backup was "
                        "restored: it gets the present ones again"
                      : "has other keys than the store knows, as after the station's backup was "
                        "restored: they are the station's own, and taken");
    changes_unit(&c, &rec);
    ledger_commit_then(link->cms->ledger, &c, LEDGER_KEPT, then, &link->uuid, sizeof(link->uuid));
}

void rekey_take_back(struct unit_record *rec)
{
    rec->key_wanted = 0;
    rec->key_alone = false;
}

// Enrolling: codes that people ask for, and members that come with one.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/join/enrol.h"

#include "base/address.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cms/cms.h"
#include "cms/core/codes.h"
#include "cms/core/events.h"
#include "cms/core/ledger.h"
#include "cms/core/older.h"
#include "cms/core/station.h"
#include "cms/join/enrol_door.h"
#include "cms/member/link.h"
#include "cms/member/link_run.h"
#include "cms/member/trust.h"
#include "cms/pool/names.h"
#include "cms/pool/pool.h"
#include "logic/enrolment.h"
#include "store/store.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

// ---- Codes ----------------------------------------------------------------------------------

int cms_draw_code(struct new_code *out, struct dv_err *err)
{
    code_make(&out->code);
    return code_key(&out->code, out->key, err);
}

// Whom the code is for, by the name that was given.
static int name_member(struct cms *cms, const struct code_request *r, struct code_record *rec,
                       struct dv_err *err)
{
    const struct pool_unit *unit = r->name ? pool_find_unit(cms->pool, r->name) : NULL;
    if (r->again && !r->name)
        return dv_fail(err, DV_INVALID,
                       "a code for a unit that enrols again needs its name: say which unit");
    if (r->again) {
        if (!unit)
            return dv_fail(err, DV_NOT_FOUND, "there is no unit %.64s that could enrol again",
                           r->name);
        rec->member = unit->rec.uuid;
        dv_copy(rec->name, sizeof(rec->name), unit->rec.name);
        return 0;
    }
    if (!r->name)
        return 0;
    if (unit)
        return dv_fail(err, DV_EXISTS,
                       "there is a unit %s already: for that one, say --again; else choose another "
                       "name",
                       unit->rec.name);
    if (r->count > 1)
        return dv_fail(err, DV_INVALID, "a code for %u units cannot give all of them one name",
                       r->count);
    if (new_name_check("unit", r->name, err) < 0)
        return -1;
    dv_copy(rec->name, sizeof(rec->name), r->name);
    return 0;
}

int cms_create_code(struct cms *cms, const struct code_request *r, const struct new_code *drawn,
                    struct code_record *out, struct dv_err *err)
{
    int64_t now = time(NULL);
    *out = (struct code_record){.kind = MEMBER_UNIT,
                                .count = r->count ? r->count : 1,
                                .tries = CODE_TRIES,
                                .created = now,
                                .expires = now + (r->seconds ? r->seconds : CODE_LIFE_S)};
    if (!cms->door)
        return dv_fail(err, DV_CONFLICT, "%s", cms->no_door);
    if (out->count > CODE_COUNT_MAX || out->expires - now > CODE_LIFE_MAX_S)
        return dv_fail(err, DV_INVALID, "a code is for %d units and %d days at most",
                       CODE_COUNT_MAX, CODE_LIFE_MAX_S / 86400);
    if (name_member(cms, r, out, err) < 0 || (r->range && address_range_check(r->range, err) < 0))
        return -1;
    if (r->range)
        dv_copy(out->range, sizeof(out->range), r->range);
    dv_copy(out->id, sizeof(out->id), drawn->code.id);
    struct changes c = {0};
    if (codes_add(&cms->codes, out, drawn->key, now, &c, err) < 0) {
        changes_free(&c);
        return -1;
    }
    events_add(cms, &c, EVENT_INFO, "pool", "enrolment", "the code %s was made for %u unit%s%s%s",
               out->id, out->count, out->count == 1 ? "" : "s", *out->name ? ": " : "", out->name);
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}

int cms_delete_code(struct cms *cms, const char *id, struct dv_err *err)
{
    struct changes c = {0};
    if (!codes_find(&cms->codes, id))
        return dv_fail(err, DV_NOT_FOUND, "there is no code %.8s", id);
    changes_code_gone(&c, id);
    older_mark(cms, &c);
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    return 0;
}

const struct codes *cms_codes(const struct cms *cms)
{
    return &cms->codes;
}

// ---- Members at the door --------------------------------------------------------------------

static void tell(struct cms *cms, enum event_severity severity, const char *kind, const char *name,
                 const char *text)
{
    static struct log_limit limit;
    struct changes c = {0};
    events_add_limited(&limit, cms, &c, severity, kind, name, "%s", text);
    ledger_commit(cms->ledger, &c, LEDGER_SEEN);
}

// Those that were not let try. A limit of their own, so that they hide nothing else.
static void tell_refused(struct cms *cms, const char *id, const char *from,
                         const struct dv_err *why)
{
    static struct log_limit limit;
    struct changes c = {0};
    events_add_limited(&limit, cms, &c, EVENT_WARNING, "pool", "enrolment",
                       "%s was refused with the code %s: %s", from, id, why->text);
    ledger_commit(cms->ledger, &c, LEDGER_SEEN);
}

// Somebody who knows the code, and is not let in.
static void tell_not_let_in(struct cms *cms, const char *id, const char *from,
                            const struct enrol_request *request, const struct dv_err *why)
{
    char text[800], uuid[UUID_TEXT_LEN]; // an event cuts it
    snprintf(text, sizeof(text), "%s (%s) at %s was refused with the code %s: %s", request->name,
             uuid_format(&request->uuid, uuid), from, id, why->text);
    tell(cms, EVENT_WARNING, "pool", "enrolment", text);
}

// ---- Tries ----------------------------------------------------------------------------------

struct code_try {
    uint64_t talk;
    char code[CODE_ID + 1], from[DOOR_FROM];
};

static struct code_try try_of(uint64_t talk, const char *code, const char *from)
{
    struct code_try t = {.talk = talk};
    dv_copy(t.code, sizeof(t.code), code);
    dv_copy(t.from, sizeof(t.from), from);
    return t;
}

static void end_try(void *owner, const void *arg)
{
    struct cms *cms = owner;
    const struct code_try *t = arg;
    struct code_entry *code = codes_find(&cms->codes, t->code);
    struct changes c = {0};
    if (code)
        codes_end_try(code, t->from, false, &c);
    ledger_commit(cms->ledger, &c, LEDGER_SEEN);
}

// The try is counted: from now on it may be made.
static void give_key(void *owner, const void *arg, const struct dv_err *err)
{
    struct cms *cms = owner;
    const struct code_try *t = arg;
    struct code_entry *code = codes_find(&cms->codes, t->code);
    uint8_t key[DOOR_KEY];
    struct dv_err why;
    int rc = -1;
    if (err)
        (void)dv_fail(&why, DV_INTERNAL, "it cannot count the try; its log says why");
    else if (!code) // it was deleted meanwhile
        (void)enrolment_may_be_tried(NULL, NULL, 0, t->from, &why);
    else
        rc = codes_key(&cms->codes, code, key, &why);
    bool answered = enrol_door_key(cms->door, t->talk, rc == 0 ? key : NULL, &why);
    secret_wipe(key, sizeof(key));
    if (err && code) // it was not counted
        codes_end_try(code, t->from, false, NULL);
    else if (!answered || rc < 0)
        end_try(cms, t);
}

static void begin_try(void *owner, const void *arg)
{
    struct cms *cms = owner;
    const struct code_try *t = arg;
    struct code_entry *code = codes_find(&cms->codes, t->code);
    struct changes c = {0};
    struct dv_err why;
    if (!enrol_door_waits(cms->door, t->talk))
        return; // it has gone
    if (enrolment_may_be_tried(code ? &code->rec : NULL, code ? codes_source(code, t->from) : NULL,
                               time(NULL), t->from, &why) < 0) {
        tell_refused(cms, t->code, t->from, &why);
        (void)enrol_door_key(cms->door, t->talk, NULL, &why);
        return;
    }
    codes_begin_try(code, t->from, &c);
    ledger_commit_then(cms->ledger, &c, LEDGER_KEPT, give_key, t, sizeof(*t));
}

static void ask(void *arg, uint64_t talk, const char *code, const char *from)
{
    const struct cms *cms = arg;
    const struct code_try t = try_of(talk, code, from);
    ledger_turn(cms->ledger, begin_try, &t, sizeof(t));
}

static void proven(void *arg, const char *code, const char *from)
{
    const struct cms *cms = arg;
    const struct code_try t = try_of(0, code, from);
    ledger_turn(cms->ledger, end_try, &t, sizeof(t));
}

static void unproven(void *arg, const char *id, const char *from)
{
    struct cms *cms = arg;
    struct code_entry *code = codes_find(&cms->codes, id);
    const struct code_source *source;
    char text[256];
    uint32_t wrong = CODE_TRIES_FROM;
    if (code) {
        codes_end_try(code, from, true, NULL);
        source = codes_source(code, from);
        if (source && source->wrong < CODE_TRIES_FROM)
            wrong = source->wrong;
    }
    snprintf(text, sizeof(text),
             "%s tried the code %s and does not know it, or somebody sits between; %u more such "
             "tries from there end it for that address",
             from, id, CODE_TRIES_FROM - wrong);
    tell(cms, EVENT_WARNING, "pool", "enrolment", text);
}

// ---- Letting in -----------------------------------------------------------------------------

// Keys of an earlier enrolment may be known to others: the number skips the place that holds one,
// also when the unit was forgotten since.
static int next_number(struct cms *cms, const struct dv_uuid *member,
                       const struct unit_record *known, uint32_t *out, struct dv_err *why)
{
    uint32_t last;
    struct dv_err err;
    if (store_retired_keys(cms->store, member, &last, &err) < 0) {
        log_error("enrol", "%s", err.text);
        return dv_fail(why, DV_INTERNAL, "it cannot read its store; its log says why");
    }
    if (known && known->key_number > last)
        last = known->key_number;
    if (known && known->key_wanted > last)
        last = known->key_wanted;
    *out = last > 0 ? last + 2 : 1;
    return 0;
}

// Whose engine of that ID is, other than the member's; NULL: nobody's. Two of one ID cannot be
// told apart, and have the same users.
static const char *engine_holder(struct cms *cms, const struct enrol_request *r)
{
    struct sn_engine_id own;
    sn_env_engine_id(cms->env, &own);
    if (own.len == r->engine.len && memcmp(own.b, r->engine.b, own.len) == 0)
        return "the station itself";
    for (const struct pool_unit *u = cms->pool->units; u; u = u->hh.next)
        if (!uuid_equal(&u->rec.uuid, &r->uuid) && u->rec.engine_id_len == r->engine.len &&
            memcmp(u->rec.engine_id, r->engine.b, r->engine.len) == 0)
            return u->rec.name;
    return NULL;
}

// The unit's record as it is once it has its keys.
static void make_record(struct cms *cms, const struct enrolment *e, uint32_t number,
                        struct unit_record *rec)
{
    if (e->known)
        *rec = *e->known;
    else
        *rec = (struct unit_record){.uuid = e->request->uuid, .state = UNIT_DOWN};
    rec->trust = TRUST_ENROLLED;
    rec->enrolment = uuid_random();
    rec->key_number = number;
    rec->key_wanted = 0;
    rec->key_before = rec->key_alone = false;
    rec->engine_id_len = e->request->engine.len;
    memset(rec->engine_id, 0, sizeof(rec->engine_id));
    memcpy(rec->engine_id, e->request->engine.b, e->request->engine.len);
    if (*e->request->address)
        dv_copy(rec->address, sizeof(rec->address), e->request->address);
    dv_copy(rec->software, sizeof(rec->software), e->request->software);
    rec->named |= *e->code->name != '\0';
    names_for_unit(cms->pool, enrolment_name(e), &rec->uuid, rec->name);
    if (!e->known)
        dv_copy(rec->last_error, sizeof(rec->last_error), "it is enrolled, and not heard of yet");
}

// What the unit gets, and its record when that is another one from now on.
static void let_in(struct cms *cms, const struct enrolment *e, uint32_t number,
                   struct unit_record *rec, struct changes *c)
{
    if (e->known && e->known->trust == TRUST_ENROLLED && e->known->key_number >= number) {
        *rec = *e->known; // before the connection broke
        events_add(cms, c, EVENT_INFO, "unit", rec->name,
                   "was given its keys once more, at %s, with the code %s", e->from, e->code->id);
        return;
    }
    make_record(cms, e, number, rec);
    changes_unit(c, rec);
    events_add(cms, c, EVENT_INFO, "unit", rec->name, "was enrolled from %s with the code %s%s",
               e->from, e->code->id, rec->key_number > 1 ? ", anew" : "");
}

// The unit is asked by its own keys alone. That it is believed by them alone follows from its
// record.
static void use_keys(struct cms *cms, const struct unit_record *rec)
{
    struct sn_engine_id engine = {.len = rec->engine_id_len};
    memcpy(engine.b, rec->engine_id, rec->engine_id_len);
    link_free(link_find(cms, &rec->uuid));
    if (*rec->address)
        link_new(cms, MEMBER_UNIT, &rec->uuid, rec->name, rec->address, &engine, "", NULL);
}

struct entrance { // of a member that asks
    struct code_try at;
    struct enrol_request request;
    char station[ADDRESS_MAX_LEN + 1];
};

static void give_grant(void *owner, const void *arg, const struct dv_err *err)
{
    struct cms *cms = owner;
    const struct entrance *en = arg;
    const struct pool_unit *u = pool_unit_by_uuid(cms->pool, &en->request.uuid);
    struct grant grant = {.number = 0};
    if (err || !u) {
        struct dv_err why;
        (void)dv_fail(&why, DV_INTERNAL, "it cannot write its store; its log says why");
        (void)enrol_door_grant(cms->door, en->at.talk, NULL, &why);
        return;
    }
    use_keys(cms, &u->rec);
    dv_copy(grant.station.address, sizeof(grant.station.address), en->station);
    trust_grant(cms, &u->rec, &grant);
    (void)enrol_door_grant(cms->door, en->at.talk, &grant, NULL);
    grant_wipe(&grant);
}

static int decide(struct cms *cms, const struct entrance *en, struct changes *c, struct dv_err *why)
{
    struct code_entry *code = codes_find(&cms->codes, en->at.code);
    const struct pool_unit *known = pool_unit_by_uuid(cms->pool, &en->request.uuid);
    const struct pool_unit *namesake =
        code && *code->rec.name ? pool_find_unit(cms->pool, code->rec.name) : NULL;
    struct code_use first = {
        .member = en->request.uuid, .engine = en->request.engine, .time = time(NULL)};
    if (!code) // it was deleted meanwhile
        return enrolment_may_be_tried(NULL, NULL, 0, en->at.from, why);
    if (next_number(cms, &en->request.uuid, known ? &known->rec : NULL, &first.number, why) < 0)
        return -1;
    const struct enrolment e = {
        .code = &code->rec,
        .uses = code->uses,
        .use_count = code->use_count,
        .now = first.time,
        .from = en->at.from,
        .request = &en->request,
        .known = known ? &known->rec : NULL,
        .namesake = namesake && namesake != known ? &namesake->rec : NULL,
        .engine_of = engine_holder(cms, &en->request),
        .number = first.number,
    };
    const struct code_use *use = NULL;
    struct unit_record rec;
    switch (enrolment_decide(&e, &use, why)) {
    case ENROL_NO:
        tell_not_let_in(cms, en->at.code, en->at.from, &en->request, why);
        return -1;
    case ENROL_YES:
        dv_copy(first.code, sizeof(first.code), en->at.code);
        dv_copy(first.name, sizeof(first.name), enrolment_name(&e));
        dv_copy(first.from, sizeof(first.from), en->at.from);
        changes_code_use(c, &first);
        use = &first;
        break;
    case ENROL_AGAIN:
        break;
    }
    let_in(cms, &e, use->number, &rec, c);
    older_mark(cms, c);
    return 0;
}

static void judge_entry(void *owner, const void *arg)
{
    struct cms *cms = owner;
    const struct entrance *en = arg;
    struct changes c = {0};
    struct dv_err why;
    if (!enrol_door_waits(cms->door, en->at.talk))
        return; // it has gone
    if (decide(cms, en, &c, &why) < 0)
        (void)enrol_door_grant(cms->door, en->at.talk, NULL, &why);
    else
        ledger_commit_then(cms->ledger, &c, LEDGER_KEPT, give_grant, en, sizeof(*en));
}

static void request(void *arg, uint64_t talk, const char *code, const char *from,
                    const struct enrol_request *asked, const char *station)
{
    const struct cms *cms = arg;
    struct entrance en = {.at = try_of(talk, code, from), .request = *asked};
    dv_copy(en.station, sizeof(en.station), station);
    ledger_turn(cms->ledger, judge_entry, &en, sizeof(en));
}

// ---- Identities by file -----------------------------------------------------------------------

// Where units that have no talk with the station find it.
static int heard_at(const struct cms *cms, char out[ADDRESS_MAX_LEN + 1], struct dv_err *err)
{
    const char *listen = cms->config->snmp.listen;
    if (transport_check(listen, ADDRESS_OF_HOST, NULL) < 0)
        return dv_fail(err, DV_CONFLICT,
                       "the station listens at %.80s, which says no unit where it is: write the "
                       "address that units reach into <snmp listen>",
                       listen);
    dv_copy(out, ADDRESS_MAX_LEN + 1, listen);
    return 0;
}

// As one that came with a code for whichever unit comes.
static int let_import(struct cms *cms, const struct enrol_request *request, bool again,
                      struct code_record *code, uint32_t *number, struct enrolment *e,
                      struct dv_err *err)
{
    char uuid[UUID_TEXT_LEN];
    const struct pool_unit *known = pool_unit_by_uuid(cms->pool, &request->uuid);
    const struct pool_unit *namesake = pool_find_unit(cms->pool, request->name);
    const struct code_use *before;
    if (again && !known)
        return dv_fail(err, DV_NOT_FOUND,
                       "the pool has no unit of the UUID %s, which could get other keys: leave "
                       "--again out",
                       uuid_format(&request->uuid, uuid));
    *code = (struct code_record){.id = "-", .kind = MEMBER_UNIT, .count = 1};
    if (again)
        code->member = request->uuid;
    *e = (struct enrolment){.code = code,
                            .now = time(NULL),
                            .from = "",
                            .request = request,
                            .known = known ? &known->rec : NULL,
                            .namesake = namesake && namesake != known ? &namesake->rec : NULL,
                            .engine_of = engine_holder(cms, request)};
    return enrolment_decide(e, &before, err) == ENROL_YES
               ? next_number(cms, &request->uuid, e->known, number, err)
               : -1;
}

static void use_imported(void *owner, const void *arg, const struct dv_err *err)
{
    struct cms *cms = owner;
    const struct pool_unit *u = pool_unit_by_uuid(cms->pool, arg);
    if (!err && u)
        use_keys(cms, &u->rec);
}

int cms_import_unit(struct cms *cms, const char *text, bool again, char **identity,
                    struct dv_err *err)
{
    struct enrol_request request;
    struct code_record code;
    struct enrolment e;
    struct unit_record rec;
    struct grant grant = {.number = 0};
    struct changes c = {0};
    uint32_t number;
    if (enrol_request_read(text, strlen(text), &request, err) < 0 ||
        heard_at(cms, grant.station.address, err) < 0 ||
        let_import(cms, &request, again, &code, &number, &e, err) < 0)
        return -1;
    make_record(cms, &e, number, &rec);
    changes_unit(&c, &rec);
    events_add(cms, &c, EVENT_INFO, "unit", rec.name, "was given an identity by a file%s",
               number > 1 ? ", anew" : "");
    older_mark(cms, &c);
    ledger_commit_then(cms->ledger, &c, LEDGER_KEPT, use_imported, &rec.uuid, sizeof(rec.uuid));
    trust_grant(cms, &rec, &grant);
    *identity = grant_write(&grant);
    grant_wipe(&grant);
    return 0;
}

struct keeper { // of what it was given by a code
    char code[CODE_ID + 1];
    struct dv_uuid member;
};

static void keep_use(void *owner, const void *arg)
{
    struct cms *cms = owner;
    const struct keeper *k = arg;
    const struct pool_unit *unit = pool_unit_by_uuid(cms->pool, &k->member);
    const struct code_entry *code = codes_find(&cms->codes, k->code);
    struct changes c = {0};
    if (code)
        codes_keep_use(code, &k->member, &c);
    ledger_commit(cms->ledger, &c, LEDGER_KEPT);
    if (unit)
        log_info("enrol", "%s has its keys", unit->rec.name);
}

static void kept(void *arg, const char *code, const struct dv_uuid *member)
{
    const struct cms *cms = arg;
    struct keeper k = {.member = *member};
    dv_copy(k.code, sizeof(k.code), code);
    ledger_turn(cms->ledger, keep_use, &k, sizeof(k));
}

void enrol_open(struct cms *cms)
{
    const struct door_judge judge = {ask, proven, unproven, request, kept, cms};
    struct dv_err err = {.text = ""};
    cms->door = enrol_door_new(cms->loop, cms->config->snmp.listen, &judge, &err);
    if (!cms->door)
        log_error("enrol", "%s", err.text);
    dv_copy(cms->no_door, sizeof(cms->no_door), err.text);
}

int enrol_resume(struct cms *cms, struct dv_err *err)
{
    for (struct pool_unit *u = cms->pool->units; u; u = u->hh.next)
        if (trust_listen(cms, &u->rec, err) < 0)
            return -1;
    return 0;
}

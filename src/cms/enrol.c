// Enrolling: codes that people ask for, and members that come with one.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/station.h"

#include "base/address.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cms/codes.h"
#include "cms/enrol_door.h"
#include "cms/names.h"
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
    if (codes_add(&cms->codes, out, drawn->key, now, err) < 0)
        return -1;
    struct changes c = {0};
    events_add(cms, &c, EVENT_INFO, "pool", "enrolment", "the code %s was made for %u unit%s%s%s",
               out->id, out->count, out->count == 1 ? "" : "s", *out->name ? ": " : "", out->name);
    cms_apply_or_log(cms, &c);
    changes_free(&c);
    return 0;
}

int cms_delete_code(struct cms *cms, const char *id, struct dv_err *err)
{
    if (codes_delete(&cms->codes, id, err) < 0)
        return -1;
    older_mark(cms);
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
    cms_apply_or_log(cms, &c);
    changes_free(&c);
}

// Those that were not let try. A limit of their own, so that they hide nothing else.
static void tell_refused(struct cms *cms, const char *id, const char *from,
                         const struct dv_err *why)
{
    static struct log_limit limit;
    struct changes c = {0};
    events_add_limited(&limit, cms, &c, EVENT_WARNING, "pool", "enrolment",
                       "%s was refused with the code %s: %s", from, id, why->text);
    cms_apply_or_log(cms, &c);
    changes_free(&c);
}

// Somebody who knows the code, and is not let in.
static void tell_not_let_in(struct cms *cms, const char *id, const char *from,
                            const struct enrol_request *request, const struct dv_err *why)
{
    char text[640], uuid[UUID_TEXT_LEN]; // an event cuts it
    snprintf(text, sizeof(text), "%s (%s) at %s was refused with the code %s: %s", request->name,
             uuid_format(&request->uuid, uuid), from, id, why->text);
    tell(cms, EVENT_WARNING, "pool", "enrolment", text);
}

static int give_key(void *arg, const char *id, const char *from, uint8_t key[DOOR_KEY],
                    struct dv_err *why)
{
    struct cms *cms = arg;
    struct code_entry *code = codes_find(&cms->codes, id);
    struct dv_err err;
    if (enrolment_may_be_tried(code ? &code->rec : NULL, code ? codes_source(code, from) : NULL,
                               time(NULL), from, why) < 0) {
        tell_refused(cms, id, from, why);
        return -1;
    }
    if (codes_begin_try(&cms->codes, code, from, &err) < 0) {
        log_error("enrol", "a try of the code %s is refused: %s", id, err.text);
        return dv_fail(why, DV_INTERNAL, "it cannot count the try; its log says why");
    }
    if (codes_key(&cms->codes, code, key, why) == 0)
        return 0;
    if (codes_end_try(&cms->codes, code, from, false, &err) < 0)
        log_error("enrol", "%s", err.text);
    return -1;
}

static void proven(void *arg, const char *id, const char *from)
{
    struct cms *cms = arg;
    struct code_entry *code = codes_find(&cms->codes, id);
    struct dv_err err;
    if (code && codes_end_try(&cms->codes, code, from, false, &err) < 0)
        log_error("enrol", "%s", err.text);
}

static void unproven(void *arg, const char *id, const char *from)
{
    struct cms *cms = arg;
    struct code_entry *code = codes_find(&cms->codes, id);
    const struct code_source *source;
    char text[256];
    uint32_t wrong = CODE_TRIES_FROM;
    if (code) {
        (void)codes_end_try(&cms->codes, code, from, true, NULL);
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

static int let_in(struct cms *cms, const struct enrolment *e, uint32_t number,
                  struct unit_record *rec, struct dv_err *why)
{
    struct changes c = {0};
    if (e->known && e->known->trust == TRUST_ENROLLED && e->known->key_number >= number) {
        *rec = *e->known; // before the connection broke
        events_add(cms, &c, EVENT_INFO, "unit", rec->name,
                   "was given its keys once more, at %s, with the code %s", e->from, e->code->id);
        cms_apply_or_log(cms, &c);
        changes_free(&c);
        return 0;
    }
    make_record(cms, e, number, rec);
    changes_unit(&c, rec);
    events_add(cms, &c, EVENT_INFO, "unit", rec->name, "was enrolled from %s with the code %s%s",
               e->from, e->code->id, rec->key_number > 1 ? ", anew" : "");
    int rc = cms_apply(cms, &c, why);
    changes_free(&c);
    return rc;
}

// From now on the unit is asked, and believed, by its own keys alone.
static int use_keys(struct cms *cms, const struct unit_record *rec, struct dv_err *why)
{
    struct unit_link *link = link_find(cms, &rec->uuid);
    struct sn_engine_id engine = {.len = rec->engine_id_len};
    memcpy(engine.b, rec->engine_id, rec->engine_id_len);
    if (trust_listen(cms, rec, why) < 0)
        return -1;
    older_mark(cms);
    link_free(link);
    if (*rec->address)
        link_new(cms, &rec->uuid, rec->name, rec->address, &engine, "", NULL);
    return 0;
}

static int grant(void *arg, const char *id, const char *from, const struct enrol_request *request,
                 struct grant *out, struct dv_err *why)
{
    struct cms *cms = arg;
    struct code_entry *code = codes_find(&cms->codes, id);
    const struct pool_unit *known = pool_unit_by_uuid(cms->pool, &request->uuid);
    const struct pool_unit *namesake =
        code && *code->rec.name ? pool_find_unit(cms->pool, code->rec.name) : NULL;
    struct code_use first = {
        .member = request->uuid, .engine = request->engine, .time = time(NULL)};
    if (!code) // it was deleted meanwhile
        return enrolment_may_be_tried(NULL, NULL, 0, from, why);
    if (next_number(cms, &request->uuid, known ? &known->rec : NULL, &first.number, why) < 0)
        return -1;
    const struct enrolment e = {
        .code = &code->rec,
        .uses = code->uses,
        .use_count = code->use_count,
        .now = first.time,
        .from = from,
        .request = request,
        .known = known ? &known->rec : NULL,
        .namesake = namesake && namesake != known ? &namesake->rec : NULL,
        .engine_of = engine_holder(cms, request),
        .number = first.number,
    };
    const struct code_use *use = NULL;
    switch (enrolment_decide(&e, &use, why)) {
    case ENROL_NO:
        tell_not_let_in(cms, id, from, request, why);
        return -1;
    case ENROL_YES: // the use comes before the record: what breaks off in between is done again
        dv_copy(first.code, sizeof(first.code), id);
        dv_copy(first.name, sizeof(first.name), enrolment_name(&e));
        dv_copy(first.from, sizeof(first.from), from);
        if (codes_add_use(&cms->codes, code, &first, why) < 0)
            return -1;
        use = &first;
        break;
    case ENROL_AGAIN:
        break;
    }
    struct unit_record rec;
    if (let_in(cms, &e, use->number, &rec, why) < 0)
        return -1;
    if (use_keys(cms, &rec, why) < 0)
        return -1;
    trust_grant(cms, &rec, out);
    return 0;
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
    int rc = cms_apply(cms, &c, err);
    changes_free(&c);
    if (rc < 0 || use_keys(cms, &rec, err) < 0)
        return -1;
    trust_grant(cms, &rec, &grant);
    *identity = grant_write(&grant);
    grant_wipe(&grant);
    return 0;
}

static void kept(void *arg, const char *id, const struct dv_uuid *member)
{
    struct cms *cms = arg;
    const struct pool_unit *unit = pool_unit_by_uuid(cms->pool, member);
    struct code_entry *code = codes_find(&cms->codes, id);
    struct dv_err err;
    if (code && codes_keep_use(&cms->codes, code, member, &err) < 0)
        log_error("enrol", "%s", err.text);
    if (unit)
        log_info("enrol", "%s has its keys", unit->rec.name);
}

void enrol_open(struct cms *cms)
{
    const struct door_judge judge = {give_key, proven, unproven, grant, kept, cms};
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

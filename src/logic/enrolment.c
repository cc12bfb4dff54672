// Who is let in by a code.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/enrolment.h"

#include "base/address.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIME_ROOM 32

static const char *time_text(int64_t seconds, char out[TIME_ROOM])
{
    struct tm tm;
    time_t t = (time_t)seconds;
    strftime(out, TIME_ROOM, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    return out;
}

int code_may_be_tried(const struct code_record *code, int64_t now, const char *from,
                      struct dv_err *why)
{
    char when[TIME_ROOM];
    if (!code)
        return dv_fail(why, DV_DENIED,
                       "it has no code that begins so: make one on the station, with dvsan unit "
                       "add");
    if (code->tries == 0)
        return dv_fail(why, DV_DENIED,
                       "the code %s was tried with wrong characters too often: make another one",
                       code->id);
    if (now >= code->expires)
        return dv_fail(why, DV_DENIED, "the code %s expired at %s: make another one", code->id,
                       time_text(code->expires, when));
    if (*code->range && !address_in_range(code->range, from))
        return dv_fail(why, DV_DENIED, "the code %s is for addresses in %s, and you come from %s",
                       code->id, code->range, from);
    return 0;
}

const char *enrolment_name(const struct enrolment *e)
{
    if (*e->code->name)
        return e->code->name;
    return e->known && e->known->named ? e->known->name : e->request->name;
}

static bool same_engine(const struct unit_record *unit, const struct engine_id *engine)
{
    return unit->engine_id_len == 0 || (unit->engine_id_len == engine->len &&
                                        memcmp(unit->engine_id, engine->b, engine->len) == 0);
}

static enum enrolment_verdict used(const struct enrolment *e, const struct code_use *use,
                                   struct dv_err *why)
{
    char when[TIME_ROOM], uuid[UUID_TEXT_LEN];
    dv_fail(why, DV_CONFLICT,
            "the code %s was used at %s by %s (%s) from %s: if that was not you, quarantine it "
            "with dvsan unit quarantine %s, and make another code",
            e->code->id, time_text(use->time, when), use->name, uuid_format(&use->member, uuid),
            use->from, use->name);
    return ENROL_NO;
}

// A unit that is known already, or the UUID of one, which others could name as well.
static enum enrolment_verdict known(const struct enrolment *e, struct dv_err *why)
{
    const struct unit_record *unit = e->known;
    bool meant = uuid_equal(&e->code->member, &unit->uuid);
    if (meant)
        return ENROL_YES;
    if (unit->trust != TRUST_SHARED && unit->trust != TRUST_WAITING)
        dv_fail(why, DV_CONFLICT,
                "the unit %s, which has this UUID, is %s already: a code for it is made by dvsan "
                "unit add %s --again",
                unit->name, unit_trust_name(unit->trust), unit->name);
    else if (!same_engine(unit, &e->request->engine))
        dv_fail(why, DV_CONFLICT,
                "the unit %s, which has this UUID, had another SNMP engine: if its snmpd was set "
                "up anew, make a code by dvsan unit add %s --again",
                unit->name, unit->name);
    else
        return ENROL_YES;
    return ENROL_NO;
}

enum enrolment_verdict enrolment_decide(const struct enrolment *e, const struct code_use **before,
                                        struct dv_err *why)
{
    const struct code_record *code = e->code;
    const struct enrol_request *r = e->request;
    char uuid[UUID_TEXT_LEN];
    if (r->kind != code->kind) {
        dv_fail(why, DV_INVALID, "the code %s is for a %s, not for a %s", code->id,
                member_kind_name(code->kind), member_kind_name(r->kind));
        return ENROL_NO;
    }
    for (size_t i = 0; i < e->use_count; i++)
        if (uuid_equal(&e->uses[i].member, &r->uuid) &&
            engine_id_equal(&e->uses[i].engine, &r->engine)) {
            *before = &e->uses[i];
            return ENROL_AGAIN;
        }
    if (e->use_count >= code->count)
        return used(e, &e->uses[e->use_count - 1], why);
    if (!uuid_is_zero(&code->member) && !uuid_equal(&code->member, &r->uuid)) {
        dv_fail(why, DV_CONFLICT, "the code %s is for the unit %s of UUID %s alone", code->id,
                code->name, uuid_format(&code->member, uuid));
        return ENROL_NO;
    }
    if (e->namesake) {
        dv_fail(why, DV_EXISTS,
                "the pool has another unit of the name %s: give this one another name, or forget "
                "the old one",
                e->namesake->name);
        return ENROL_NO;
    }
    return e->known ? known(e, why) : ENROL_YES;
}

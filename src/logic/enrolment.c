// Who is let in by a code.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/enrolment.h"

#include "base/address.h"
#include <arpa/inet.h>
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

void enrolment_try_source(const char *from, char out[TRY_SOURCE_ROOM])
{
    struct in6_addr at;
    char text[INET6_ADDRSTRLEN];
    dv_copy(text, sizeof(text), from);
    text[strcspn(text, "%")] = '\0'; // the interface of a link-local one
    if (inet_pton(AF_INET6, text, &at) != 1) {
        dv_copy(out, TRY_SOURCE_ROOM, text);
    } else if (IN6_IS_ADDR_V4MAPPED(&at)) {
        inet_ntop(AF_INET, at.s6_addr + 12, out, TRY_SOURCE_ROOM);
    } else {
        memset(at.s6_addr + 8, 0, 8);
        inet_ntop(AF_INET6, &at, text, sizeof(text));
        snprintf(out, TRY_SOURCE_ROOM, "%s/64", text);
    }
}

int enrolment_may_be_tried(const struct code_record *code, const struct code_source *source,
                           int64_t now, const char *from, struct dv_err *why)
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
    if (source && source->wrong >= CODE_TRIES_FROM)
        return dv_fail(why, DV_DENIED,
                       "the code %s was tried with wrong characters too often from %s: make "
                       "another one",
                       code->id, source->network);
    if (now >= code->expires)
        return dv_fail(why, DV_DENIED, "the code %s expired at %s: make another one", code->id,
                       time_text(code->expires, when));
    if (*code->range && !address_in_range(code->range, from))
        return dv_fail(why, DV_DENIED, "the code %s is for addresses in %s, and you come from %s",
                       code->id, code->range, from);
    if (source && source->wrong + source->open >= CODE_TRIES_FROM + code->count - 1)
        return dv_fail(why, DV_BUSY,
                       "the code %s is being tried from %s by too many at once: try again in a "
                       "minute",
                       code->id, source->network);
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

// It was let in by the code before. Only until it has what it got is it given that again: from
// then on who comes with the code may be somebody else, who has seen it.
static enum enrolment_verdict again(const struct enrolment *e, const struct code_use *use,
                                    struct dv_err *why)
{
    const struct unit_record *unit = e->known;
    bool forgotten =
        !unit && e->number != use->number; // since then: these keys are never made again
    if (use->kept || forgotten ||
        (unit && (unit->last_seen > use->time || unit->key_number > use->number)))
        return used(e, use, why);
    if (unit && (unit->trust == TRUST_QUARANTINED || unit->trust == TRUST_REVOKED)) {
        dv_fail(why, DV_DENIED,
                "the unit %s is %s: a code for it is made by dvsan unit add %s --again", unit->name,
                unit_trust_name(unit->trust), unit->name);
        return ENROL_NO;
    }
    return ENROL_AGAIN;
}

// How a unit that the pool has gets other keys: by a code, or by a file as it came now.
static void tell_other_keys(const struct enrolment *e, const char *is, struct dv_err *why)
{
    const char *name = e->known->name;
    dv_fail(
        why, DV_CONFLICT,
        "the unit %s, which has this UUID, %s: %s%s%s. If this machine is a copy of %s, do not do "
        "that: remove /etc/dvsan/dvsan-unit.xml, /etc/snmp/snmpd.conf, /var/lib/dvsan/unit and "
        "/var/lib/snmp on it, and set it up as another unit",
        name, is, *e->from ? "a code for it is made by dvsan unit add " : "", *e->from ? name : "",
        *e->from ? " --again" : "dvsan unit import --again gives it other keys", name);
}

// A unit that is known already, or the UUID of one, which others could name as well.
static enum enrolment_verdict known(const struct enrolment *e, struct dv_err *why)
{
    const struct unit_record *unit = e->known;
    char is[64];
    if (uuid_equal(&e->code->member, &unit->uuid))
        return ENROL_YES;
    snprintf(is, sizeof(is), "is %s already", unit_trust_name(unit->trust));
    if (unit->trust != TRUST_SHARED && unit->trust != TRUST_WAITING)
        tell_other_keys(e, is, why);
    else if (!same_engine(unit, &e->request->engine))
        tell_other_keys(e, "had another SNMP engine, so that its snmpd was set up anew", why);
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
            return again(e, &e->uses[i], why);
        }
    if (e->use_count >= code->count)
        return used(e, &e->uses[e->use_count - 1], why);
    if (!uuid_is_zero(&code->member) && !uuid_equal(&code->member, &r->uuid)) {
        dv_fail(why, DV_CONFLICT, "the code %s is for the unit %s of UUID %s alone", code->id,
                code->name, uuid_format(&code->member, uuid));
        return ENROL_NO;
    }
    if (e->engine_of) {
        dv_fail(why, DV_CONFLICT,
                "its SNMP engine has the ID of %s: each snmpd needs one of its own, exactEngineID "
                "in snmpd.conf and engine-id in dvsan-unit.xml",
                e->engine_of);
        return ENROL_NO;
    }
    if (e->namesake) {
        const char *name = e->namesake->name;
        if (*code->name)
            dv_fail(why, DV_EXISTS,
                    "the code %s gives the name %s, which another unit of the pool has: make a "
                    "code for another name, or forget that unit (dvsan unit forget %s)",
                    code->id, name, name);
        else
            dv_fail(why, DV_EXISTS,
                    "it calls itself %s, as another unit of the pool is called: write another name "
                    "into its dvsan-unit.xml, or forget that unit (dvsan unit forget %s)",
                    name, name);
        return ENROL_NO;
    }
    return e->known ? known(e, why) : ENROL_YES;
}

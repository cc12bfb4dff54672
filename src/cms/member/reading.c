// Decoding what a unit answers: types, lengths and ranges, before anything is believed.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/member/reading.h"

#include "base/address.h"
#include "base/mem.h"
#include "dvsan_oids.h"
#include "model/check.h"
#include "model/kind.h"
#include "snmp/record.h"
#include "snmp/smi.h"
#include <arpa/inet.h>
#include <string.h>

void reading_free(struct reading *r)
{
    if (!r)
        return;
    free(r->media);
    free(r->free_extents);
    free(r->portals);
    free(r->volumes);
    free(r->rules);
    free(r->gone);
    free(r->unread);
    free(r);
}

#define FREED_AT_A_TIME 4000 // rows: many megabytes take the system a while

bool reading_free_some(struct reading *r)
{
    if (r->rule_count > FREED_AT_A_TIME) {
        r->rule_count -= FREED_AT_A_TIME;
        r->rules = dv_realloc(r->rules, r->rule_count, sizeof(*r->rules));
        return true;
    }
    if (r->volume_count > FREED_AT_A_TIME) {
        r->volume_count -= FREED_AT_A_TIME;
        r->volumes = dv_realloc(r->volumes, r->volume_count, sizeof(*r->volumes));
        return true;
    }
    return false;
}

static const struct sn_oid head[] = {
    OID_dvsanMemberUuid,       OID_dvsanMemberKind,
    OID_dvsanMemberName,       OID_dvsanMemberEpoch,
    OID_dvsanMemberGeneration, OID_dvsanMemberOperState,
    OID_dvsanMemberLease,      OID_dvsanMemberSoftwareVersion,
    OID_dvsanUnitChangesSince, OID_dvsanMemberAddress,
    OID_dvsanUnitLastError,    OID_dvsanMemberHolder,
    OID_dvsanMemberHolderName, OID_dvsanMemberIntent,
    OID_dvsanMemberIntentMark, OID_dvsanMemberHeldFor,
    OID_dvsanMemberRefused,    OID_dvsanMemberRefusals,
    OID_dvsanMemberSpinLock,   OID_dvsanUnitNotificationError,
    OID_dvsanMemberKeyNumber,
};
#define HEAD_LEAD 11 // the place of the first that tells who leads it
#define HEAD_NEWS (DV_COUNT(head) - 2)
#define HEAD_KEY  (DV_COUNT(head) - 1)

size_t reading_head_oids(const struct reading *r, struct sn_oid *oids)
{
    static const struct sn_oid progress = OID_dvsanVolumeProgress;
    size_t n = 0;
    for (; n < DV_COUNT(head); n++)
        oids[n] = sn_scalar_oid(&head[n]);
    for (size_t i = 0; i < r->watched_count; i++)
        oids[n++] = sn_oid_append(&progress, r->watched[i]);
    return n;
}

static bool text(const struct sn_value *v, char *out, size_t room)
{
    if (!sn_get_text(v, out, room))
        return false;
    text_make_printable(out);
    return true;
}

// An enumeration from 1 to max.
static bool label(const struct sn_value *v, int32_t max, int32_t *out)
{
    return sn_get_int(v, 1, max, out);
}

// Who leads it. The holder is empty when nobody ever did.
static bool read_lead(const struct sn_value *holder, const struct sn_var *rest, struct reading *out)
{
    struct lead_word *word = &out->lead.word;
    bool none = holder->type == SN_OCTETS && holder->octets.len == 0;
    if (!none && !sn_get_octets(holder, word->station.b, sizeof(word->station.b)))
        return false;
    if (rest[5].value.type != SN_COUNTER32)
        return false;
    out->refusals = rest[5].value.u;
    return text(&rest[0].value, out->lead.name, sizeof(out->lead.name)) &&
           sn_get_uint(&rest[1].value, &word->number) && sn_get_uint(&rest[2].value, &word->mark) &&
           sn_get_uint(&rest[3].value, &out->held_for) &&
           text(&rest[4].value, out->refused, sizeof(out->refused)) &&
           sn_get_int(&rest[6].value, 0, SMI_TEST_AND_INCR_MAX, &out->spin_lock);
}

const char reading_no_agent[] = "its agent does not answer: it does not run, or it hangs";

bool reading_head(const struct sn_result *answer, struct reading *out, const char **why)
{
    if (answer->count < DV_COUNT(head)) {
        *why = "its answer is too short";
        return false;
    }
    const struct sn_var *v = answer->vars;
    if (sn_is_exception(&v[0].value)) {
        *why = reading_no_agent;
        return false;
    }
    int32_t kind, oper;
    bool good =
        sn_get_octets(&v[0].value, out->uuid.b, sizeof(out->uuid.b)) &&
        label(&v[1].value, MEMBER_HOST, &kind) && text(&v[2].value, out->name, sizeof(out->name)) &&
        sn_get_uint(&v[3].value, &out->epoch) && sn_get_uint(&v[4].value, &out->generation) &&
        label(&v[5].value, MEMBER_SHUTTING_DOWN, &oper) && sn_get_uint(&v[6].value, &out->lease) &&
        text(&v[7].value, out->software, sizeof(out->software)) &&
        sn_get_text(&v[9].value, out->address, sizeof(out->address)) &&
        transport_check(out->address, ADDRESS_OF_HOST, NULL) == 0 && !uuid_is_zero(&out->uuid) &&
        text(&v[10].value, out->last_error, sizeof(out->last_error)) &&
        read_lead(&v[HEAD_LEAD].value, &v[HEAD_LEAD + 1], out);
    if (!good) {
        *why = "its answer does not follow the MIB";
        return false;
    }
    transport_usual(out->address, out->address);
    if (!text(&v[HEAD_NEWS].value, out->news_error, sizeof(out->news_error)))
        out->news_error[0] = '\0'; // an agent that does not have it yet
    out->tells_key = sn_get_uint(&v[HEAD_KEY].value, &out->key_number);
    out->kind = (enum member_kind)kind;
    out->oper = (enum member_state)oper;
    if (out->kind != MEMBER_UNIT || !sn_get_uint(&v[8].value, &out->changes_since)) {
        *why = "it is not a unit";
        return false;
    }
    v += DV_COUNT(head);
    for (size_t i = 0; i < out->watched_count && DV_COUNT(head) + i < answer->count; i++) {
        uint32_t percent;
        if (sn_get_uint(&v[i].value, &percent) && percent <= 100)
            out->progress[out->progress_count++] =
                (struct reading_progress){out->watched[i], percent};
    }
    return true;
}

size_t reading_tail_oids(struct sn_oid *oids)
{
    static const struct sn_oid list[] = {OID_dvsanMemberEpoch, OID_dvsanMemberGeneration,
                                         OID_dvsanUnitVolumes, OID_dvsanUnitMedia};
    for (size_t i = 0; i < DV_COUNT(list); i++)
        oids[i] = sn_scalar_oid(&list[i]);
    return DV_COUNT(list);
}

bool reading_tail(const struct sn_result *answer, struct reading_tail *out)
{
    uint32_t *numbers[] = {&out->epoch, &out->generation, &out->volumes, &out->media};
    if (answer->count < DV_COUNT(numbers))
        return false;
    for (size_t i = 0; i < DV_COUNT(numbers); i++)
        if (!sn_get_uint(&answer->vars[i].value, numbers[i]))
            return false;
    return true;
}

// Of what the fields of its kind do not have as it is: columns behind theirs, at most so many.
#define MORE_MAX 3

static const struct {
    const struct kind *kind;
    struct sn_oid entry;
    size_t more_count;
    struct sn_oid more[MORE_MAX];
} tables[] = {
    [READING_MEDIA] = {&kind_medium, OID_dvsanMediumEntry, 1, {OID_dvsanMediumProof}},
    [READING_FREE] = {&kind_free_extent, OID_dvsanFreeExtentEntry, 0, {{0}}},
    [READING_PORTALS] = {&kind_portal,
                         OID_dvsanPortalEntry,
                         3,
                         {OID_dvsanPortalAddressType, OID_dvsanPortalAddress,
                          OID_dvsanPortalIfIndex}},
    [READING_VOLUMES] = {&kind_shown, OID_dvsanVolumeEntry, 1, {OID_dvsanVolumeSize}},
    [READING_RULES] = {&kind_rule, OID_dvsanAccessEntry, 0, {{0}}},
};

size_t reading_columns(enum reading_table table, struct sn_oid *oids)
{
    size_t n = sn_record_columns(tables[table].kind, &tables[table].entry, oids);
    memcpy(oids + n, tables[table].more, tables[table].more_count * sizeof(*oids));
    return n + tables[table].more_count;
}

static bool row_index(const uint32_t *index, size_t len, size_t want)
{
    if (len != want)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (index[i] == 0 || index[i] > INDEX_MAX)
            return false;
    }
    return true;
}

// The record, but for what its index tells, and the values behind those of its fields.
static const struct sn_value *read_record(enum reading_table table, const struct sn_value *v,
                                          void *record)
{
    struct sn_oid oids[READING_COLUMNS_MAX];
    const struct kind *k = tables[table].kind;
    return sn_record_read(k, v, record) ? v + sn_record_columns(k, &tables[table].entry, oids)
                                        : NULL;
}

// A unit of before there was such a column has none.
static bool proof(const struct sn_value *v, struct medium_proof *out)
{
    if (sn_is_exception(v) || sn_get_octets(v, out, 0) || sn_get_octets(v, out, sizeof(*out)))
        return true;
    return sn_get_octets(v, out->now, sizeof(out->now));
}

bool reading_medium(const uint32_t *index, size_t len, const struct sn_value *v, struct medium *out)
{
    const struct sn_value *more = read_record(READING_MEDIA, v, out);
    if (!row_index(index, len, 1) || !more || !proof(more, &out->proof))
        return false;
    out->index = index[0];
    return !medium_wrong(out);
}

bool reading_free_extent(const uint32_t *index, size_t len, const struct sn_value *v,
                         struct free_extent *out)
{
    if (len != 2 || !row_index(index, 1, 1) || !read_record(READING_FREE, v, out) ||
        out->start_lba / BLOCKS_PER_MIB != index[1])
        return false;
    out->medium = index[0];
    return !free_extent_wrong(out);
}

bool reading_portal(const uint32_t *index, size_t len, const struct sn_value *v, struct portal *out)
{
    int32_t type, if_index;
    const struct sn_value *more = read_record(READING_PORTALS, v, out);
    if (!row_index(index, len, 2) || !more || !label(&more[0], INET_IPV6, &type) ||
        more[1].type != SN_OCTETS || more[1].octets.len != (type == INET_IPV4 ? 4 : 16) ||
        !sn_get_int(&more[2], 0, INT32_MAX, &if_index) ||
        !inet_ntop(type == INET_IPV4 ? AF_INET : AF_INET6, more[1].octets.data, out->address,
                   sizeof(out->address)))
        return false;
    out->index = index[0];
    out->group = index[1];
    out->if_index = (uint32_t)if_index;
    return !portal_wrong(out);
}

bool reading_volume(const uint32_t *index, size_t len, const struct sn_value *v, struct volume *out)
{
    uint32_t mib;
    const struct sn_value *more = read_record(READING_VOLUMES, v, out);
    if (!row_index(index, len, 1) || !more || !sn_get_uint(more, &mib))
        return false;
    out->index = index[0];
    out->lacks = sn_record_lacks(&kind_shown, v);
    if (mib != out->blocks / BLOCKS_PER_MIB)
        out->target_blocks = (uint64_t)mib * BLOCKS_PER_MIB;
    return !volume_wrong(out);
}

bool reading_rule(const uint32_t *index, size_t len, const struct sn_value *v,
                  struct access_rule *out)
{
    if (!row_index(index, len, 2) || !read_record(READING_RULES, v, out))
        return false;
    out->volume = index[0];
    out->index = index[1];
    return !access_rule_wrong(out);
}

size_t reading_change_columns(struct sn_oid *oids)
{
    static const struct sn_oid list[] = {OID_dvsanChangeKind, OID_dvsanChangeIndex};
    memcpy(oids, list, sizeof(list));
    return DV_COUNT(list);
}

bool reading_change(const uint32_t *index, size_t len, const struct sn_value *v,
                    struct reading_change *out)
{
    if (len != 1 || !label(&v[0], dvsanChangeKind_volumeDeleted, &out->kind) ||
        !sn_get_uint(&v[1], &out->index))
        return false;
    out->generation = index[0];
    return true;
}

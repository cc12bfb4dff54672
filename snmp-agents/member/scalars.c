// The member's scalars, and who may change what: the lease, the station's word, and refusals by it.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/member/scalars.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "dvsan_oids.h"
#include "loop/loop.h"
#include "snmp-agents/member/identity.h"
#include "snmp-agents/member/table.h"
#include <stdio.h>
#include <string.h>

static uint32_t seconds_until(uint64_t end)
{
    uint64_t now = loop_now_ms();
    return end > now ? (uint32_t)((end - now + 999) / 1000) : 0;
}

static struct sn_value holder_of(const struct member *m)
{
    const struct dv_uuid *u = &m->lead.word.station;
    return sn_octets(u->b, uuid_is_zero(u) ? 0 : sizeof(u->b));
}

TABLE_GET(member_uuid, struct scalars, s, sn_octets(s->member->uuid.b, sizeof(s->member->uuid.b)))
TABLE_GET(member_kind, struct scalars, s, sn_int((int32_t)s->member->kind))
TABLE_GET(member_name, struct scalars, s, sn_text(s->member->name))
TABLE_GET(member_address, struct scalars, s, sn_text(s->member->address))
TABLE_GET(member_epoch, struct scalars, s, sn_uint(s->member->epoch))
TABLE_GET(member_generation, struct scalars, s,
          sn_uint(s->member->owner.generation(s->member->owner.arg)))
TABLE_GET(member_state_of, struct scalars, s, sn_int((int32_t)s->member->state))
TABLE_GET(member_lease, struct scalars, s, sn_uint(seconds_until(s->member->lease_end)))
TABLE_CONSTANT(member_version, sn_text(DVSAN_VERSION))
TABLE_GET(member_holder, struct scalars, s, holder_of(s->member))
TABLE_GET(member_holder_name, struct scalars, s, sn_text(s->member->lead.name))
TABLE_GET(member_intent, struct scalars, s, sn_uint(s->member->lead.word.number))
TABLE_GET(member_mark, struct scalars, s, sn_uint(s->member->lead.word.mark))
TABLE_CONSTANT(member_take_over, sn_int(TRUTH_FALSE))
TABLE_GET(member_held_for, struct scalars, s, sn_uint(seconds_until(s->member->held_until)))
TABLE_GET(member_spin_lock, struct scalars, s, sn_int(s->member->spin_lock))
TABLE_GET(member_refused, struct scalars, s, sn_text(s->member->refused))
TABLE_GET(member_refusals, struct scalars, s,
          ((struct sn_value){.type = SN_COUNTER32, .u = s->member->refusals}))
TABLE_CONSTANT(member_keys, sn_text(""))
TABLE_GET(member_key_number, struct scalars, s, sn_uint(s->identity ? s->identity->number : 0))

#define KEYS_LEN (4 + KEYS_AUTH + KEYS_PRIV)

static const struct sn_column MEMBER_COLUMNS[] = {
    {SUB_dvsanMemberUuid, SN_OCTETS, SN_READ_ONLY, 0, 0, member_uuid},
    {SUB_dvsanMemberKind, SN_INT, SN_READ_ONLY, 0, 0, member_kind},
    {SUB_dvsanMemberName, SN_OCTETS, SN_READ_ONLY, 0, 0, member_name},
    {SUB_dvsanMemberAddress, SN_OCTETS, SN_READ_ONLY, 0, 0, member_address},
    {SUB_dvsanMemberEpoch, SN_UINT, SN_READ_ONLY, 0, 0, member_epoch},
    {SUB_dvsanMemberGeneration, SN_UINT, SN_READ_ONLY, 0, 0, member_generation},
    {SUB_dvsanMemberOperState, SN_INT, SN_READ_ONLY, 0, 0, member_state_of},
    {SUB_dvsanMemberLease, SN_UINT, SN_READ_WRITE, 0, MEMBER_LEASE_MAX, member_lease},
    {SUB_dvsanMemberSoftwareVersion, SN_OCTETS, SN_READ_ONLY, 0, 0, member_version},
    {SUB_dvsanMemberHolder, SN_OCTETS, SN_READ_WRITE, 16, 16, member_holder},
    {SUB_dvsanMemberHolderName, SN_OCTETS, SN_READ_WRITE, 0, LEAD_NAME_MAX, member_holder_name},
    {SUB_dvsanMemberIntent, SN_UINT, SN_READ_WRITE, 0, 0, member_intent},
    {SUB_dvsanMemberIntentMark, SN_UINT, SN_READ_WRITE, 0, 0, member_mark},
    {SUB_dvsanMemberTakeOver, SN_INT, SN_READ_WRITE, TRUTH_TRUE, TRUTH_FALSE, member_take_over},
    {SUB_dvsanMemberHeldFor, SN_UINT, SN_READ_ONLY, 0, 0, member_held_for},
    {SUB_dvsanMemberRefused, SN_OCTETS, SN_READ_ONLY, 0, 0, member_refused},
    {SUB_dvsanMemberRefusals, SN_COUNTER32, SN_READ_ONLY, 0, 0, member_refusals},
    {SUB_dvsanMemberSpinLock, SN_INT, SN_READ_WRITE, 0, SMI_TEST_AND_INCR_MAX, member_spin_lock},
    {SUB_dvsanMemberKeys, SN_OCTETS, SN_READ_WRITE, KEYS_LEN, KEYS_LEN, member_keys},
    {SUB_dvsanMemberKeyNumber, SN_UINT, SN_READ_ONLY, 0, 0, member_key_number},
};

// ---- Who may ----------------------------------------------------------------------------------

static bool is_held(const struct member *m)
{
    return m->held_until > loop_now_ms();
}

static int refuse(struct member *m, const char *what, const char *why)
{
    int n = snprintf(m->refused, sizeof(m->refused), "%s: ", what);
    dv_copy(m->refused + n, sizeof(m->refused) - (size_t)n, why);
    text_make_printable(m->refused);
    m->refusals++;
    log_limited(&m->refused_log, LOG_LEVEL_WARNING, member_kind_name(m->kind), "%s", m->refused);
    return SN_NO_ACCESS;
}

int scalars_may_change(struct scalars *s, const struct sn_change *c, bool undone, const char *what)
{
    struct lead_ask ask = {0};
    char why[LEAD_WHY_ROOM];
    if (s->asked && s->asked_request == c->request)
        ask = s->ask;
    ask.undone = undone;
    if (lead_may_set(&s->member->lead, is_held(s->member), &ask, why))
        return SN_NO_ERROR;
    return refuse(s->member, what, why);
}

// ---- SET --------------------------------------------------------------------------------------

struct member_set {
    bool lease, spins;
    uint32_t seconds;
    struct lead lead; // as it will be recorded
    void *staged;     // that it is; NULL: nothing to record
    uint32_t number;  // of the keys that it brings; 0: none
    struct member_keys keys;
};

static int parse(const struct sn_change *c, struct member_set *r, struct lead_ask *ask)
{
    const struct sn_value *lease = sn_change_value(c, SUB_dvsanMemberLease),
                          *holder = sn_change_value(c, SUB_dvsanMemberHolder),
                          *name = sn_change_value(c, SUB_dvsanMemberHolderName),
                          *number = sn_change_value(c, SUB_dvsanMemberIntent),
                          *mark = sn_change_value(c, SUB_dvsanMemberIntentMark),
                          *take_over = sn_change_value(c, SUB_dvsanMemberTakeOver);
    int32_t truth = TRUTH_FALSE;
    struct lead_word *word = &r->lead.word;
    if (lease && sn_get_uint(lease, &r->seconds))
        r->lease = true;
    if (!holder)
        return number || mark || name ? SN_INCONSISTENT_VALUE : SN_NO_ERROR;
    if (!number || !mark)
        return SN_INCONSISTENT_VALUE;
    if (!sn_get_octets(holder, word->station.b, sizeof(word->station.b)) ||
        uuid_is_zero(&word->station) || !sn_get_uint(number, &word->number) ||
        !sn_get_uint(mark, &word->mark) ||
        (name && !sn_get_text(name, r->lead.name, sizeof(r->lead.name))))
        return SN_WRONG_VALUE;
    text_make_printable(r->lead.name);
    ask->word = *word;
    ask->name = r->lead.name;
    ask->take_over =
        take_over && sn_get_int(take_over, TRUTH_TRUE, TRUTH_FALSE, &truth) && truth == TRUTH_TRUE;
    return SN_NO_ERROR;
}

// What is kept of the station: its lease is renewed far more often than anything else changes.
static void stage(struct scalars *s, const struct sn_change *c, struct member_set *r)
{
    const struct lead *now = &s->member->lead;
    bool same = uuid_equal(&r->lead.word.station, &now->word.station);
    if (!sn_change_value(c, SUB_dvsanMemberHolderName) && same)
        memcpy(r->lead.name, now->name, sizeof(r->lead.name));
    r->lead.seconds = r->lease ? r->seconds : same ? now->seconds : 0;
    if (lead_word_equal(&r->lead.word, &now->word) && r->lead.seconds == now->seconds &&
        strcmp(r->lead.name, now->name) == 0)
        return;
    r->staged = s->member->owner.stage(s->member->owner.arg, c->request, &r->lead, now);
}

static int parse_keys(const struct scalars *s, const struct sn_change *c, struct member_set *r)
{
    const struct sn_value *v = sn_change_value(c, SUB_dvsanMemberKeys);
    uint8_t b[KEYS_LEN];
    if (!v)
        return SN_NO_ERROR;
    if (!s->identity)
        return SN_INCONSISTENT_NAME;
    if (!sn_get_octets(v, b, sizeof(b)))
        return SN_WRONG_LENGTH;
    r->number = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    memcpy(r->keys.auth, b + 4, KEYS_AUTH);
    memcpy(r->keys.priv, b + 4 + KEYS_AUTH, KEYS_PRIV);
    secret_wipe(b, sizeof(b));
    return r->number ? SN_NO_ERROR : SN_WRONG_VALUE;
}

static int check(void *ctx, struct sn_change *c)
{
    struct scalars *s = ctx;
    struct member_set r = {0};
    struct lead_ask ask = {0};
    char why[LEAD_WHY_ROOM];
    int32_t spin_lock;
    const struct sn_value *spin = sn_change_value(c, SUB_dvsanMemberSpinLock);
    if (spin && (!sn_get_int(spin, 0, SMI_TEST_AND_INCR_MAX, &spin_lock) ||
                 spin_lock != s->member->spin_lock))
        return table_blame(c, SUB_dvsanMemberSpinLock, SN_INCONSISTENT_VALUE);
    int status = parse(c, &r, &ask);
    ask.lease = r.lease;
    ask.knows = r.spins = spin != NULL;
    if (status != SN_NO_ERROR)
        return status;
    status = parse_keys(s, c, &r);
    if (status != SN_NO_ERROR)
        return table_blame(c, SUB_dvsanMemberKeys, status);
    if (!lead_may_set(&s->member->lead, is_held(s->member), &ask, why))
        return refuse(s->member, "the lease", why);
    if (!uuid_is_zero(&ask.word.station))
        stage(s, c, &r);
    struct member_set *kept = dv_calloc(1, sizeof(*kept));
    *kept = r;
    secret_wipe(&r.keys, sizeof(r.keys));
    c->memory = kept;
    ask.name = kept->lead.name;
    s->ask = ask;
    s->asked = true;
    s->asked_request = c->request;
    return SN_NO_ERROR;
}

static int keep_identity(const struct scalars *s, const struct grant *identity, int failed)
{
    struct dv_err err;
    if (identity_keep(s->state_dir, identity, &err) == 0)
        return SN_NO_ERROR;
    const char *kind = member_kind_name(s->member->kind);
    log_error(kind, "the %s's other keys cannot be kept: %s", kind, err.text);
    return failed;
}

static void put_keys(const struct member_set *r, struct grant *identity)
{
    identity->number = r->number;
    identity->notify = r->keys;
}

static int apply(void *ctx, struct sn_change *c)
{
    const struct scalars *s = ctx;
    const struct member_set *r = c->memory;
    const struct member_owner *o = &s->member->owner;
    int status = r->staged ? o->apply(o->arg, r->staged) : SN_NO_ERROR;
    if (status != SN_NO_ERROR || r->number == 0)
        return status;
    struct grant next = *s->identity;
    put_keys(r, &next);
    DV_FAULT("member.keys");
    status = keep_identity(s, &next, SN_COMMIT_FAILED);
    DV_FAULT("member.keys_kept");
    grant_wipe(&next);
    return status;
}

static int undo(void *ctx, struct sn_change *c)
{
    const struct scalars *s = ctx;
    const struct member_set *r = c->memory;
    int status = r->number ? keep_identity(s, s->identity, SN_UNDO_FAILED) : SN_NO_ERROR;
    const struct member_owner *o = &s->member->owner;
    int other = r->staged ? o->undo(o->arg, r->staged) : SN_NO_ERROR;
    return other != SN_NO_ERROR ? other : status;
}

static void use_keys(struct scalars *s, const struct member_set *r)
{
    const char *kind = member_kind_name(s->member->kind);
    if (r->number != s->identity->number)
        log_info(kind, "the station gave the %s its keys of number %u", kind, r->number);
    put_keys(r, s->identity);
    s->rekeyed(s->arg);
}

static void tell_lead(const char *kind, const struct lead *before, const struct lead *now)
{
    char uuid[UUID_TEXT_LEN];
    if (!uuid_equal(&before->word.station, &now->word.station))
        log_info(kind, "the station %s (%s) leads this %s now", now->name,
                 uuid_format(&now->word.station, uuid), kind);
}

static void commit(void *ctx, struct sn_change *c)
{
    struct scalars *s = ctx;
    const struct member_set *r = c->memory;
    struct member *m = s->member;
    bool told = !uuid_is_zero(&r->lead.word.station);
    if (r->spins || (told && !lead_word_equal(&m->lead.word, &r->lead.word)))
        m->spin_lock = m->spin_lock < SMI_TEST_AND_INCR_MAX ? m->spin_lock + 1 : 0;
    if (told) {
        tell_lead(member_kind_name(m->kind), &m->lead, &r->lead);
        m->lead = r->lead;
    }
    if (r->number)
        use_keys(s, r);
    if (!r->lease)
        return;
    m->lease_end = r->seconds > 0 ? loop_now_ms() + r->seconds * (uint64_t)1000 : 0;
    if (!uuid_is_zero(&r->lead.word.station))
        m->held_until = m->lease_end;
    s->leased(s->arg);
}

static void release(void *ctx, struct sn_change *c)
{
    struct scalars *s = ctx;
    struct member_set *r = c->memory;
    s->asked = false;
    if (!r)
        return;
    if (r->staged)
        s->member->owner.release(s->member->owner.arg, r->staged);
    secret_wipe(&r->keys, sizeof(r->keys));
    free(r);
    c->memory = NULL;
}

int table_blame(struct sn_change *c, uint32_t column, int status)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->sets[i].column == column)
            c->failed = i;
    return status;
}

const struct sn_table scalars_table = {
    .name = "member",
    .entry = OID_dvsanMemberObjects,
    .columns = MEMBER_COLUMNS,
    .column_count = DV_COUNT(MEMBER_COLUMNS),
    .find = sn_scalar_find,
    .next = sn_scalar_next,
    .check = check,
    .apply = apply,
    .undo = undo,
    .commit = commit,
    .release = release,
};

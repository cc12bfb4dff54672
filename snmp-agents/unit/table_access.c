// The access table: its columns, and what a SET may ask of a rule.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "base/secret.h"
#include "dvsan_oids.h"
#include "snmp-agents/unit/tables.h"
#include <stdio.h>
#include <string.h>

#define GETTER(name, value)   TABLE_GET(get_##name, struct unit_rule, r, value)
#define CONSTANT(name, value) TABLE_CONSTANT(get_##name, value)

GETTER(initiator, sn_text(r->r.initiator))
GETTER(user, sn_text(r->r.chap_user))
CONSTANT(secret, sn_text("")) // never shown
GETTER(secret_is_set, sn_int(r->r.secret_is_set ? TRUTH_TRUE : TRUTH_FALSE))
GETTER(oper, sn_int((int32_t)r->r.state))
GETTER(error, sn_text(r->r.last_error))
CONSTANT(storage, sn_int(STORAGE_NON_VOLATILE))
CONSTANT(status, sn_int(ROW_ACTIVE))
GETTER(mark, sn_uint(r->r.secret_mark))
GETTER(previous, sn_text(r->r.previous_user))

static const struct sn_column COLUMNS[] = {
    {SUB_dvsanAccessInitiator, SN_OCTETS, SN_READ_CREATE, 1, IQN_MAX_LEN, get_initiator},
    {SUB_dvsanAccessChapUser, SN_OCTETS, SN_READ_CREATE, 1, CHAP_USER_MAX, get_user},
    {SUB_dvsanAccessChapSecret, SN_OCTETS, SN_READ_CREATE, 0, CHAP_SECRET_MAX, get_secret},
    {SUB_dvsanAccessSecretIsSet, SN_INT, SN_READ_ONLY, 0, 0, get_secret_is_set},
    {SUB_dvsanAccessOperState, SN_INT, SN_READ_ONLY, 0, 0, get_oper},
    {SUB_dvsanAccessLastError, SN_OCTETS, SN_READ_ONLY, 0, 0, get_error},
    {SUB_dvsanAccessStorageType, SN_INT, SN_READ_ONLY, 0, 0, get_storage},
    {SUB_dvsanAccessRowStatus, SN_INT, SN_READ_CREATE, ROW_ACTIVE, ROW_DESTROY, get_status},
    {SUB_dvsanAccessSecretMark, SN_UINT, SN_READ_CREATE, 0, UINT32_MAX, get_mark},
    {SUB_dvsanAccessPreviousUser, SN_OCTETS, SN_READ_CREATE, 0, CHAP_USER_MAX, get_previous},
};

static const void *find(void *ctx, const uint32_t *index, size_t len)
{
    const struct tables *t = ctx;
    return len == 2 ? state_rule(t->state, index[0], index[1]) : NULL;
}

static const void *next(void *ctx, const uint32_t *index, size_t len, uint32_t *out,
                        size_t *out_len)
{
    const struct tables *t = ctx;
    const struct unit_rule *r =
        state_rule_next(t->state, len > 0 ? index[0] : 0, len > 1 ? index[1] : 0);
    if (!r)
        return NULL;
    out[0] = r->r.volume;
    out[1] = r->r.index;
    *out_len = 2;
    return r;
}

// ---- SET --------------------------------------------------------------------------------------

struct request {
    bool has_initiator, has_user, has_secret, has_mark;
    bool ends_previous; // of the accounts: only the one that is given, or was given last, stays
    char initiator[IQN_MAX_LEN + 1];
    char user[CHAP_USER_MAX + 1];
    char secret[CHAP_SECRET_MAX + 1];
    uint32_t mark;  // of the secret; 0 when there is none
    int32_t status; // enum row status, 0 when it is not set
};

static int parse(struct sn_change *c, struct request *r)
{
    *r = (struct request){.status = 0};
    for (size_t i = 0; i < c->count; i++) {
        const struct sn_value *v = &c->sets[i].value;
        int status = SN_WRONG_VALUE;
        bool good = true;
        switch (c->sets[i].column) {
        case SUB_dvsanAccessInitiator:
            r->has_initiator = true;
            good = sn_get_text(v, r->initiator, sizeof(r->initiator)) &&
                   iqn_check(r->initiator, NULL) == 0;
            break;
        case SUB_dvsanAccessChapUser:
            r->has_user = true;
            good = sn_get_text(v, r->user, sizeof(r->user)) && chap_user_check(r->user, NULL) == 0;
            break;
        case SUB_dvsanAccessChapSecret:
            r->has_secret = true;
            if (v->octets.len > 0 && v->octets.len < CHAP_SECRET_MIN) {
                good = false;
                status = SN_WRONG_LENGTH;
                break;
            }
            good = sn_get_text(v, r->secret, sizeof(r->secret)) &&
                   (r->secret[0] == '\0' || chap_secret_check(r->secret, NULL) == 0);
            break;
        case SUB_dvsanAccessSecretMark:
            r->has_mark = true;
            good = sn_get_uint(v, &r->mark);
            break;
        case SUB_dvsanAccessPreviousUser:
            r->ends_previous = true;
            good = v->octets.len == 0;
            break;
        case SUB_dvsanAccessRowStatus:
            good = sn_get_int(v, ROW_ACTIVE, ROW_DESTROY, &r->status) &&
                   (r->status == ROW_CREATE_AND_GO || r->status == ROW_DESTROY);
            break;
        }
        if (!good) {
            c->failed = i;
            return status;
        }
    }
    if (!*r->secret)
        r->mark = 0;
    return SN_NO_ERROR;
}

static void give_secret(struct intent *in, const struct request *r)
{
    dv_copy(in->secret, sizeof(in->secret), r->secret);
    in->rule.secret_mark = r->mark;
}

// The account that the rule has stays beside a new one, unless it ends or admits nobody.
static void change_accounts(struct intent *in, const struct unit_rule *rule,
                            const struct request *r, bool other_user)
{
    const struct access_rule *had = &rule->r;
    const char *previous = other_user ? had->chap_user : had->previous_user;
    const char *secret = other_user ? rule->secret : rule->previous_secret;
    in->rule = *had;
    in->rule.previous_user[0] = '\0';
    if (!r->ends_previous && *secret) {
        dv_copy(in->rule.previous_user, sizeof(in->rule.previous_user), previous);
        dv_copy(in->previous_secret, sizeof(in->previous_secret), secret);
        in->previous_mark = other_user ? had->secret_mark : rule->previous_mark;
    }
    if (other_user)
        dv_copy(in->rule.chap_user, sizeof(in->rule.chap_user), r->user);
    if (r->has_secret)
        give_secret(in, r);
    else
        dv_copy(in->secret, sizeof(in->secret), rule->secret);
}

static int check_create(struct tables *t, struct sn_change *c, const struct request *r,
                        struct intent *in)
{
    if (!r->has_initiator || !r->has_user || !r->has_secret)
        return table_blame(c, SUB_dvsanAccessRowStatus, SN_INCONSISTENT_VALUE);
    if (!sets_volume_takes_rules(t->sets, c->index[0]))
        return table_blame(c, SUB_dvsanAccessRowStatus, SN_INCONSISTENT_NAME);
    if (sets_initiator_taken(t->sets, c->index[0], r->initiator, c->index[1]))
        return table_blame(c, SUB_dvsanAccessInitiator, SN_INCONSISTENT_VALUE);
    if (sets_secret_conflicts(t->sets, r->user, r->secret, r->mark))
        return table_blame(c, SUB_dvsanAccessChapSecret, SN_INCONSISTENT_VALUE);
    in->kind = INTENT_PUT_RULE;
    in->rule =
        (struct access_rule){.volume = c->index[0], .index = c->index[1], .state = ACCESS_PENDING};
    dv_copy(in->rule.initiator, sizeof(in->rule.initiator), r->initiator);
    dv_copy(in->rule.chap_user, sizeof(in->rule.chap_user), r->user);
    give_secret(in, r);
    return SN_NO_ERROR;
}

// A change of accounts, or createAndGo for a rule that is there, which may bring one too: a manager
// that repeats itself sends the same one.
static int check_change(struct tables *t, struct sn_change *c, const struct unit_rule *rule,
                        const struct request *r, struct intent *in)
{
    if (rule->r.state == ACCESS_REVOKING) {
        c->failed = 0;
        return SN_INCONSISTENT_VALUE;
    }
    if (r->has_initiator && strcmp(r->initiator, rule->r.initiator) != 0)
        return table_blame(c, SUB_dvsanAccessInitiator, SN_INCONSISTENT_VALUE);
    bool other_user = r->has_user && strcmp(r->user, rule->r.chap_user) != 0;
    if (other_user && !r->secret[0])
        return table_blame(c, SUB_dvsanAccessChapSecret, SN_INCONSISTENT_VALUE);
    if (r->has_mark && !r->has_secret)
        return table_blame(c, SUB_dvsanAccessSecretMark, SN_INCONSISTENT_VALUE);
    bool same =
        !r->has_secret || (secret_equal(r->secret, rule->secret) && r->mark == rule->r.secret_mark);
    if (!other_user && same && !(r->ends_previous && rule->r.previous_user[0]))
        return SN_NO_ERROR;
    change_accounts(in, rule, r, other_user);
    if (sets_secret_conflicts(t->sets, in->rule.chap_user, in->secret, in->rule.secret_mark) ||
        sets_secret_conflicts(t->sets, in->rule.previous_user, in->previous_secret,
                              in->previous_mark))
        return table_blame(c, SUB_dvsanAccessChapSecret, SN_INCONSISTENT_VALUE);
    in->kind = INTENT_PUT_RULE;
    return SN_NO_ERROR;
}

static int check_destroy(struct sn_change *c, const struct unit_rule *rule, const struct request *r,
                         struct intent *in)
{
    if (r->has_user || r->has_secret || r->has_mark || r->ends_previous)
        return table_blame(c, SUB_dvsanAccessRowStatus, SN_INCONSISTENT_VALUE);
    if (!rule) // RFC 2579: destroying nothing succeeds
        return SN_NO_ERROR;
    if (r->has_initiator && strcmp(r->initiator, rule->r.initiator) != 0)
        return table_blame(c, SUB_dvsanAccessInitiator, SN_INCONSISTENT_VALUE);
    if (rule->r.state == ACCESS_REVOKING)
        return SN_NO_ERROR;
    in->kind = INTENT_DELETE_RULE;
    in->rule = rule->r;
    in->rule.state = ACCESS_REVOKING;
    return SN_NO_ERROR;
}

static int check_request(struct tables *t, struct sn_change *c, const struct request *r,
                         struct intent *in)
{
    const struct unit_rule *rule = c->row;
    if (r->status == ROW_DESTROY)
        return check_destroy(c, rule, r, in);
    if (rule && r->status == ROW_CREATE_AND_GO && !r->has_initiator)
        return table_blame(c, SUB_dvsanAccessRowStatus, SN_INCONSISTENT_VALUE);
    if (rule)
        return check_change(t, c, rule, r, in);
    return r->status == ROW_CREATE_AND_GO ? check_create(t, c, r, in) : SN_INCONSISTENT_NAME;
}

static int check(void *ctx, struct sn_change *c)
{
    struct tables *t = ctx;
    struct request r;
    struct intent in = {.kind = INTENT_NOTHING, .request = c->request};
    if (c->index_len != 2 || c->index[0] < 1 || c->index[0] > INDEX_MAX || c->index[1] < 1 ||
        c->index[1] > INDEX_MAX)
        return SN_NO_CREATION;
    int status = parse(c, &r);
    char what[48];
    snprintf(what, sizeof(what), "rule %u of volume %u", c->index[1], c->index[0]);
    if (status == SN_NO_ERROR)
        status = scalars_may_change(t->scalars, c, true, what);
    if (status == SN_NO_ERROR)
        status = check_request(t, c, &r, &in);
    if (status == SN_NO_ERROR)
        c->memory = sets_stage(t->sets, &in);
    else
        table_tell_refusal(c, what, status);
    secret_wipe(&r, sizeof(r));
    secret_wipe(&in, sizeof(in));
    return status;
}

const struct sn_table table_access = {
    .name = "access rules",
    .entry = OID_dvsanAccessEntry,
    .columns = COLUMNS,
    .column_count = DV_COUNT(COLUMNS),
    .find = find,
    .next = next,
    .check = check,
    .apply = table_apply,
    .undo = table_undo,
    .commit = table_commit,
    .release = table_release,
};

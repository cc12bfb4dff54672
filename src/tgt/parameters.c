// The target daemon: the session parameters that a target offers, read and set.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "tgt/engine.h"
#include "tgt/show.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct parameter {
    const char *name;
    size_t offset;
    enum { NUMBER_OF, YES_OR_NO, IS_NONE } kind; // into a uint32_t, or a bool
};

#define FLAG(name, field)                                                                          \
    {                                                                                              \
        name, offsetof(struct tgt_parameters, field), YES_OR_NO                                    \
    }
#define NUMBER(name, field)                                                                        \
    {                                                                                              \
        name, offsetof(struct tgt_parameters, field), NUMBER_OF                                    \
    }

#define NONE(name, field)                                                                          \
    {                                                                                              \
        name, offsetof(struct tgt_parameters, field), IS_NONE                                      \
    }

static const struct parameter KEYS[] = {
    NONE("HeaderDigest", no_header_digest),
    NONE("DataDigest", no_data_digest),
    FLAG("InitialR2T", session.initial_r2t),
    FLAG("ImmediateData", session.immediate_data),
    FLAG("DataPDUInOrder", data_pdu_in_order),
    FLAG("DataSequenceInOrder", data_sequence_in_order),
    NUMBER("MaxRecvDataSegmentLength", session.max_recv),
    NUMBER("MaxOutstandingR2T", session.max_outstanding_r2t),
    NUMBER("FirstBurstLength", session.first_burst),
    NUMBER("MaxBurstLength", session.max_burst),
    NUMBER("MaxConnections", max_connections),
    NUMBER("DefaultTime2Wait", time2wait),
    NUMBER("DefaultTime2Retain", time2retain),
    NUMBER("ErrorRecoveryLevel", error_recovery_level),
};

static bool take(const struct parameter *key, const char *value, struct tgt_parameters *out)
{
    char *field = (char *)out + key->offset;
    unsigned number;
    int end = 0;
    if (key->kind == IS_NONE) {
        *(bool *)field = strcmp(value, "None") == 0;
        return true;
    }
    if (key->kind == YES_OR_NO) {
        *(bool *)field = strcmp(value, "Yes") == 0;
        return *(bool *)field || strcmp(value, "No") == 0;
    }
    if (sscanf(value, "%9u%n", &number, &end) != 1 || value[end] != '\0')
        return false;
    *(uint32_t *)field = number;
    return true;
}

// Lines of KEY=VALUE, of which some are of no interest.
int show_parameters(const char *text, struct tgt_parameters *out, struct dv_err *err)
{
    bool seen[DV_COUNT(KEYS)] = {0};
    char line[128];
    for (const char *at = text; *at != '\0';) {
        size_t len = strcspn(at, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)(len < sizeof(line) ? len : sizeof(line)), at);
        at += len + (at[len] == '\n');
        char *value = strchr(line, '=');
        if (!value)
            continue;
        *value++ = '\0';
        for (size_t i = 0; i < DV_COUNT(KEYS); i++)
            if (strcmp(line, KEYS[i].name) == 0 && !(seen[i] = take(&KEYS[i], value, out)))
                return dv_fail(err, DV_INTERNAL, "tgtd's value of %s is not understood: %s", line,
                               value);
    }
    for (size_t i = 0; i < DV_COUNT(KEYS); i++)
        if (!seen[i])
            return dv_fail(err, DV_INTERNAL, "tgtd does not tell %s", KEYS[i].name);
    return 0;
}

int tgt_read_parameters(const struct tgt_engine *e, uint32_t tid, struct tgt_parameters *out,
                        struct dv_err *err)
{
    DV_FREE char *text = NULL;
    struct tgt_request r = {
        .mode = TGT_TARGET, .op = TGT_SHOW, .tid = (int32_t)tid, .doing = "reading parameters"};
    if (tgt_call(e->socket, e->timeout_ms, &r, &text, err) != TGT_OK)
        return -1;
    return show_parameters(text, out, err);
}

static bool same(const struct session_parameters *a, const struct session_parameters *b)
{
    return a->initial_r2t == b->initial_r2t && a->immediate_data == b->immediate_data &&
           a->max_recv == b->max_recv && a->first_burst == b->first_burst &&
           a->max_burst == b->max_burst && a->max_outstanding_r2t == b->max_outstanding_r2t;
}

int tgt_compare_session(const struct tgt_engine *e, uint32_t tid, bool *differs, struct dv_err *err)
{
    DV_FREE char *text = NULL;
    struct tgt_parameters p;
    struct tgt_request r = {
        .mode = TGT_TARGET, .op = TGT_SHOW, .tid = (int32_t)tid, .doing = "reading parameters"};
    int status = tgt_call(e->socket, e->timeout_ms, &r, &text, err);
    *differs = false;
    if (status == TGT_NO_TARGET)
        return 0;
    if (status != TGT_OK || show_parameters(text, &p, err) != 0)
        return -1;
    *differs = !same(&p.session, &e->session) || !p.no_header_digest || !p.no_data_digest;
    return 0;
}

int tgt_set_session(const struct tgt_engine *e, uint32_t tid, struct dv_err *err)
{
    const struct session_parameters *s = &e->session;
    const struct {
        const char *key;
        const char *text; // or NULL: the number
        uint32_t value;
    } keys[] = {
        {"HeaderDigest", "None", 0},
        {"DataDigest", "None", 0},
        {"InitialR2T", s->initial_r2t ? "Yes" : "No", 0},
        {"ImmediateData", s->immediate_data ? "Yes" : "No", 0},
        {"MaxRecvDataSegmentLength", NULL, s->max_recv},
        {"FirstBurstLength", NULL, s->first_burst},
        {"MaxBurstLength", NULL, s->max_burst},
        {"MaxOutstandingR2T", NULL, s->max_outstanding_r2t},
    };
    char params[64], doing[96];
    int result = 0;
    for (size_t i = 0; i < DV_COUNT(keys) && result == 0; i++) {
        if (keys[i].text)
            snprintf(params, sizeof(params), "%s=%s", keys[i].key, keys[i].text);
        else
            snprintf(params, sizeof(params), "%s=%u", keys[i].key, keys[i].value);
        snprintf(doing, sizeof(doing), "target %u: setting %s", tid, params);
        struct tgt_request r = {.mode = TGT_TARGET,
                                .op = TGT_UPDATE,
                                .tid = (int32_t)tid,
                                .params = params,
                                .doing = doing};
        result = tgt_ask(e, &r, TGT_OK, err);
    }
    return result;
}

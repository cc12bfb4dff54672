// The target daemon: the session parameters that a target offers.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "tgt/engine.h"
#include "tgt/show.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct key {
    const char *name;
    size_t offset;
    bool flag; // Yes or No, into a bool; else a number, into an uint32_t
};

#define FLAG(name, field)                                                                          \
    {                                                                                              \
        name, offsetof(struct tgt_parameters, field), true                                         \
    }
#define NUMBER(name, field)                                                                        \
    {                                                                                              \
        name, offsetof(struct tgt_parameters, field), false                                        \
    }

static const struct key KEYS[] = {
    FLAG("InitialR2T", initial_r2t),
    FLAG("ImmediateData", immediate_data),
    FLAG("DataPDUInOrder", data_pdu_in_order),
    FLAG("DataSequenceInOrder", data_sequence_in_order),
    NUMBER("MaxOutstandingR2T", max_outstanding_r2t),
    NUMBER("FirstBurstLength", first_burst),
    NUMBER("MaxBurstLength", max_burst),
    NUMBER("MaxConnections", max_connections),
    NUMBER("DefaultTime2Wait", time2wait),
    NUMBER("DefaultTime2Retain", time2retain),
    NUMBER("ErrorRecoveryLevel", error_recovery_level),
};

static bool take(const struct key *key, const char *value, struct tgt_parameters *out)
{
    char *field = (char *)out + key->offset;
    unsigned number;
    int end = 0;
    if (key->flag) {
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

int tgt_read_parameters(struct tgt_engine *e, uint32_t tid, struct tgt_parameters *out,
                        struct dv_err *err)
{
    DV_FREE char *text = NULL;
    struct tgt_request r = {
        .mode = TGT_TARGET, .op = TGT_SHOW, .tid = (int32_t)tid, .doing = "reading parameters"};
    if (tgt_call(e->socket, e->timeout_ms, &r, &text, err) != TGT_OK)
        return -1;
    return show_parameters(text, out, err);
}

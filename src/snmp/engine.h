// This process's SNMP engine on disk: its ID and its count of boots; for this folder only.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SNMP_ENGINE_H
#define DVSAN_SNMP_ENGINE_H

#include "snmp/env.h"

struct sn_engine {
    struct sn_engine_id id;
    uint32_t boots; // snmpEngineBoots of this run, 1..2^31-1
};

// Reads dir/engine, counts one more boot and has it on disk before it returns: an engine that
// came back with an old count would be refused by all who knew it (RFC 3414 section 2.2). So the
// count is never below the minutes since 2026 either.
// wanted: the ID to have, or NULL for the one in the file, or a new one.
int sn_engine_start(const char *dir, const struct sn_engine_id *wanted, struct sn_engine *out,
                    struct dv_err *err);
// Has a higher count of boots on disk.
int sn_engine_save(const char *dir, const struct sn_engine *engine, struct dv_err *err);

#endif

// Net-SNMP inside our loop: its sockets, timers, log and files.
// SPDX-License-Identifier: BSD-2-Clause
//
// Net-SNMP keeps global state and is not thread-safe: one environment a process, used from the
// loop's thread only.
#ifndef DVSAN_SNMP_ENV_H
#define DVSAN_SNMP_ENV_H

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

struct loop;
struct sn_env;

#define SN_ENGINE_ID_MAX 32
struct sn_engine_id { // snmpEngineID, RFC 3411 section 5; len 0 means not known
    uint8_t len;
    uint8_t b[SN_ENGINE_ID_MAX];
};

#define SN_AUTH_KEY 32 // bytes, HMAC-SHA-256
#define SN_PRIV_KEY 16 // bytes, AES-128
struct sn_local_keys { // localised: of one engine alone (RFC 3414 section 2.6)
    struct sn_engine_id engine;
    uint8_t auth[SN_AUTH_KEY], priv[SN_PRIV_KEY];
};

// A user of the User-based Security Model (RFC 3414), always authPriv with HMAC-SHA-256
// (RFC 7860) and AES-128 (RFC 3826). Either with passphrases, of 8 characters or more, which are
// localised at once to whatever engine is asked; or with keys of one engine. Both are borrowed for
// the call they are passed to.
struct sn_user {
    const char *name; // 1..32 characters
    const char *auth_pass;
    const char *priv_pass;
    const struct sn_local_keys *local; // instead of passphrases; NULL: none
};

// app names the program for Net-SNMP. state_dir is where the engine's ID and engineBoots are kept
// (in a file "engine"), made with mode 0700 when missing. engine_id may be NULL: then one is made
// at the first start and kept there. Reads no configuration files and no MIBs, for which it sets
// Net-SNMP's variables in the process's environment; has the process ignore SIGPIPE; sends
// Net-SNMP's messages to our log, few a minute, because anyone who can send us a datagram can
// cause them.
struct sn_env *sn_env_new(struct loop *loop, const char *app, const char *state_dir,
                          const struct sn_engine_id *engine_id, struct dv_err *err);
void sn_env_free(struct sn_env *env); // after all sessions, listeners and agents

// This process's own engine ID.
void sn_env_engine_id(const struct sn_env *env, struct sn_engine_id *out);

// The loop must look again at what Net-SNMP keeps in its global list; for this folder only.
void sn_env_refresh(struct sn_env *env);

#endif

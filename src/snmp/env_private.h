// What the files of this folder share of the environment.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SNMP_ENV_PRIVATE_H
#define DVSAN_SNMP_ENV_PRIVATE_H

#include "snmp/convert.h"
#include "snmp/env.h"
#include "snmp/usm.h"

struct loop *sn_env_loop(struct sn_env *env);
const char *sn_env_app(const struct sn_env *env);
struct sn_usm *sn_env_usm(struct sn_env *env);
// For reading one PDU's variables at a time; valid until the next use.
struct sn_vars *sn_env_vars(struct sn_env *env);
// A set with only fd in it, for Net-SNMP's read functions; valid until the next use.
netsnmp_large_fd_set *sn_env_only(struct sn_env *env, int fd);

// For sessions in Net-SNMP's global list: the library is about to close fd by itself.
void sn_env_forget_fd(struct sn_env *env, int fd);

#endif

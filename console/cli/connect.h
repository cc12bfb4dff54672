// What to type on a host to reach a volume, made from what the station says of both. Pure.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CLI_CONNECT_H
#define DVSAN_CLI_CONNECT_H

#include "base/text.h"
#include <jansson.h>

// The parts of a text for one host; host is what /hosts/{host}/connect-info answers, volume one of
// its volumes. Texts are quoted for a shell where they have to be. secret_file is the host's file
// with the secret.
void connect_secret(struct strbuf *out, const char *host, const char *secret_file);
void connect_open_iscsi_host(struct strbuf *out, const char *initiator, const char *chap_user,
                             const char *secret_file);
void connect_volume(struct strbuf *out, const json_t *host, const json_t *volume,
                    const char *secret_file);

// The parameter file of nbdkit-dvsan-plugin for one volume.
json_t *connect_plugin(const json_t *host, const json_t *volume, const char *secret_file);

#endif

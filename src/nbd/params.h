// The parameters of a served volume: a JSON object in a file or a pipe, for secrets' sake.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_NBD_PARAMS_H
#define DVSAN_NBD_PARAMS_H

#include "base/err.h"
#include "base/uuid.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct params {
    char *portal; // numeric address and port, resolved when it was read
    char *target, *initiator;
    unsigned lun;                  // 0..LUN_MAX
    char *chap_user, *chap_secret; // both or neither
    struct dv_uuid chap_unit;      // chap_secret came of the host's own for this unit; or zero
    bool header_digest;
    uint32_t timeout_s; // 1..3600
};

// Reads a file, a pipe, or standard input for "-". Every error names the file, and the line and
// the key where it has one.
struct params *params_read(const char *path, struct dv_err *err);
// The same from memory; name stands for the file in errors. Does not resolve the portal.
struct params *params_parse(const char *name, const char *text, size_t len, struct dv_err *err);
void params_free(struct params *p); // wipes the secret; NULL is fine

// The keys of FILE, for the program's help.
#define PARAMS_HELP                                                                                \
    "A file that holds chap_secret must have mode 0600.\n"                                         \
    "  \"portal\"            (required)  Address and port of the unit, such as 192.0.2.1:3260.\n"  \
    "  \"target\"            (required)  IQN of the volume.\n"                                     \
    "  \"initiator\"         (required)  IQN of this host.\n"                                      \
    "  \"lun\"               LUN, 0 to 255, default 1.\n"                                          \
    "  \"chap_user\"         CHAP user name.\n"                                                    \
    "  \"chap_secret\"       CHAP secret.\n"                                                       \
    "  \"chap_secret_file\"  A file of mode 0600 or a pipe with the CHAP secret in its first\n"    \
    "                      line, instead of chap_secret.\n"                                        \
    "  \"chap_unit\"         The UUID of the unit, if it knows another secret of this host than\n" \
    "                      the others; the secret above is then the host's own.\n"                 \
    "  \"header_digest\"     \"none\" (default) or \"crc32c\".\n"                                  \
    "  \"timeout_s\"         Seconds that a request may take before it fails,\n"                   \
    "                      1 to 3600, default 60."

#endif

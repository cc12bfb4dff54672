// tgtd's management protocol: one request and one answer per connection to its local socket.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_TGT_MGMT_H
#define DVSAN_TGT_MGMT_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Numbers of the protocol, as of tgt 1.0.x.
enum tgt_mode {
    TGT_SYSTEM,
    TGT_TARGET,
    TGT_DEVICE,
    TGT_PORTAL,
    TGT_DRIVERS,
    TGT_SESSION,
    TGT_CONNECTION,
    TGT_ACCOUNT,
};

enum tgt_op {
    TGT_NEW,
    TGT_DELETE,
    TGT_SHOW,
    TGT_BIND,
    TGT_UNBIND,
    TGT_UPDATE,
    TGT_STATS,
};

// What tgtd answers; those that callers tell apart.
enum tgt_status {
    TGT_OK = 0,
    TGT_NO_TARGET = 4,
    TGT_NO_LUN = 5,
    TGT_NO_SESSION = 6,
    TGT_NO_CONNECTION = 7,
    TGT_TARGET_EXISTS = 9,
    TGT_LUN_EXISTS = 10,
    TGT_ACL_EXISTS = 12,
    TGT_NO_ACL = 13,
    TGT_USER_EXISTS = 14,
    TGT_NO_USER = 15,
    TGT_TARGET_ACTIVE = 19,
    TGT_LUN_ACTIVE = 20,
};

#define TGT_ALL_TARGETS (-1)

struct tgt_request {
    enum tgt_mode mode;
    enum tgt_op op;
    int32_t tid;
    uint64_t sid, lun;
    uint32_t cid;
    bool outgoing;      // an account by which a target proves itself
    const char *params; // "key=value,key=value" or NULL
    const char *doing;  // for errors: "binding account alice to target 7"
};

// Connects, within the timeout. Returns the descriptor, or -1. Use a connection for a
// request: tgtd looks at errno to tell the end of one, and what it finds there may be old.
int tgt_connect(const char *socket, int timeout_ms, struct dv_err *err);

// Sends the request over fd and reads the answer, all within the timeout. Returns TGT_OK with the
// text (ends with NUL, is "" when there is none, and is freed by the caller; text may be NULL), a
// positive enum tgt_status with err telling it, or -1 when there was no usable answer.
int tgt_exchange(int fd, int timeout_ms, const struct tgt_request *request, char **text,
                 struct dv_err *err);

// Both, over a connection of its own.
int tgt_call(const char *socket, int timeout_ms, const struct tgt_request *request, char **text,
             struct dv_err *err);

#endif

// A leg: something that serves blocks. Legs stack: one may be made over others.
// SPDX-License-Identifier: BSD-2-Clause
//
// All calls and callbacks happen on the thread of one loop (loop/loop.h), so nothing here has a
// lock. A leg never reconnects by itself: its owner decides when to call leg_connect again. Nor
// does it limit how long a request takes, as long as the other side shows that it lives: the owner
// keeps the deadlines, and takes back what a leg holds by leg_disconnect. `steady` (steady.h) is a
// leg over such a one that does both.
#ifndef DVSAN_BLOCK_LEG_H
#define DVSAN_BLOCK_LEG_H

#include "base/err.h"
#include "base/uuid.h"
#include <stdbool.h>
#include <stdint.h>

struct leg;

enum leg_state {
    LEG_DOWN,       // no session; leg_connect starts one
    LEG_CONNECTING, // ends in LEG_READY, or in LEG_DOWN when the other side stops answering
    LEG_READY,      // takes requests
};

// Why a leg went down, or could not come up.
enum leg_loss {
    LEG_LOSS_NONE,
    LEG_LOSS_UNREACHABLE, // no connection, or no answer to connecting
    LEG_LOSS_REFUSED,     // the login was refused: access revoked, wrong name or secret
    LEG_LOSS_ABSENT,      // the unit is there, the target or LUN is not
    LEG_LOSS_NOT_READY,   // the LUN is there and cannot be used yet
    LEG_LOSS_CLOSED,      // the other side ended the session
    LEG_LOSS_SILENT,      // the other side stopped answering
    LEG_LOSS_PROTOCOL,    // it answered what makes no sense
    LEG_LOSS_ASKED,       // leg_disconnect
};

enum leg_op {
    LEG_READ,
    LEG_WRITE,
    LEG_FLUSH, // what was completed before is on stable storage
    LEG_TRIM,  // the contents no longer matter
    LEG_ZERO,  // reads as zeros afterwards
    LEG_SIZE,  // the leg asks for its size again: info.bytes tells it when done
};
enum {
    LEG_FUA = 1,      // with WRITE, TRIM, ZERO: on stable storage when done
    LEG_MAY_TRIM = 2, // with ZERO: blocks may be unmapped
    LEG_FAST = 4,     // with ZERO: fail with ENOTSUP when it would have to write zeros
};

// Valid once the leg was ready; kept while it is down.
struct leg_info {
    uint64_t bytes;
    uint32_t block_size;     // bytes; offsets and lengths of requests are multiples of it
    uint32_t physical_block; // bytes; the best alignment
    bool read_only;
    bool can_trim;
    bool can_zero; // zeroing without sending zeros
    // Which boot of its machine the unit runs in, if it tells: a write that was not flushed
    // may not outlive it.
    bool tells_boot;
    struct dv_uuid boot;
};

// Somebody who writes and flushes, such as a connection of a client. Zero-initialised; only legs
// look into it. When a unit's machine restarted between a write and its flush, the next flush of
// every client fails, once.
struct leg_client {
    bool known;
    unsigned told; // the losses that it knows of
};

// A request. The submitter owns it, and its data, until done is called.
struct leg_req {
    enum leg_op op;
    unsigned flags;
    uint64_t offset, bytes; // multiples of the block size, within the leg; 0, 0 for FLUSH and SIZE
    void *data;             // READ fills it, WRITE sends it
    struct leg_client *client; // whose it is; NULL: of nobody who has to be told of losses
    // Called once, never from within leg_submit. error is 0 or an errno value. ENOTCONN: the leg
    // was lost or is not ready; the request may have been carried out, in part, or not at all.
    void (*done)(struct leg_req *req, int error);
    bool answered; // valid in done: the other side answered a command of it, so it works
    // The leg's own:
    struct leg_req *next;
    uint64_t cursor; // how far it has been cut into commands
    uint32_t parts;  // commands outstanding
    int error;
    bool synced; // the flush that completes an emulated FUA has been issued
    bool queued; // it waits to be cut into more commands
};

struct leg_ops {
    void (*connect)(struct leg *leg);
    void (*disconnect)(struct leg *leg, enum leg_loss loss, const char *why);
    void (*submit)(struct leg *leg, struct leg_req *req);
    void (*free)(struct leg *leg);
};

struct leg {
    const struct leg_ops *ops;
    enum leg_state state;
    enum leg_loss loss; // the reason of the last LEG_DOWN
    struct dv_err why;  // and its sentence; while connecting, what is waited for
    struct leg_info info;
    // The owner's: called after each change of state. Going down, requests are completed with
    // ENOTCONN first. It may call leg_connect, not leg_free.
    void (*on_state)(struct leg *leg, void *owner);
    void *owner;
};

static inline void leg_connect(struct leg *leg) // no effect unless LEG_DOWN
{
    leg->ops->connect(leg);
}
// Ends the session for a reason, whose sentence `why` is; no effect when LEG_DOWN. on_state is not
// called from within.
static inline void leg_disconnect(struct leg *leg, enum leg_loss loss, const char *why)
{
    leg->ops->disconnect(leg, loss, why);
}
static inline void leg_submit(struct leg *leg, struct leg_req *req)
{
    leg->ops->submit(leg, req);
}
// Disconnects, without on_state, and frees. Outstanding requests are completed with ENOTCONN.
static inline void leg_free(struct leg *leg)
{
    if (leg)
        leg->ops->free(leg);
}

#endif

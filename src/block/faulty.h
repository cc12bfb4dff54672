// A leg over another that fails, delays and lies on command, for tests.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BLOCK_FAULTY_H
#define DVSAN_BLOCK_FAULTY_H

#include "block/leg.h"
#include "loop/loop.h"

// Requests go through as they are but for the faults that are set. One may be set, changed and
// cleared at any time; what was held goes on then.
struct leg_faults {
    unsigned ops;      // of which operations: a mask of FAULTY(op)
    uint32_t delay_ms; // before the leg below has it
    bool hold;         // nothing of it goes on until this is cleared
    int error;         // carried out, and then answered so; not 0
    bool unheard;      // answered so without being carried out; with error
    bool lie;          // a read's first octet is another one; a write is not carried out
    unsigned times;    // so many requests, then no more; 0: all
};
#define FAULTY(op) (1u << (op))

// Takes over the leg below.
struct leg *faulty_leg_new(struct loop *loop, struct leg *below);
void faulty_leg_set(struct leg *leg, const struct leg_faults *faults); // NULL: none any more
// The session is lost as from the other side: all that is out comes back with ENOTCONN.
void faulty_leg_lose(struct leg *leg, enum leg_loss loss);
// From now on connecting ends so; LEG_LOSS_NONE: as with the leg below.
void faulty_leg_refuse(struct leg *leg, enum leg_loss loss);
unsigned faulty_leg_held(const struct leg *leg);     // requests that do not go on
unsigned faulty_leg_connects(const struct leg *leg); // how often it was connected

#endif

// An iSCSI target that lies on command: for tests of initiators.
// SPDX-License-Identifier: BSD-2-Clause
//
// It serves one LUN of memory on a loopback port, honestly until a rule says otherwise. A write is
// kept in a cache until a flush; liar_reboot loses the cache, as a machine does. Threads of its
// own; all functions may be called from any thread.
#ifndef DVSAN_TEST_LIAR_H
#define DVSAN_TEST_LIAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIAR_TARGET "iqn.2026-11.test.dvsan:liar"
#define LIAR_BLOCK  512

// What a rule is about: a SCSI operation code, or one of these.
enum liar_about {
    LIAR_TEST_READY = 0x00,
    LIAR_INQUIRY = 0x12,
    LIAR_MODE_SENSE = 0x1a,
    LIAR_UNMAP = 0x42,
    LIAR_READ = 0x88,
    LIAR_WRITE = 0x8a,
    LIAR_FLUSH = 0x91,
    LIAR_SAME = 0x93,
    LIAR_CAPACITY = 0x9e,
    LIAR_LOGIN = 0x100,
    LIAR_LOOK, // a login without authentication that asks whether the target is there
    LIAR_RESET,
    LIAR_NOP,
    LIAR_KINDS
};

enum liar_lie {
    LIAR_HONEST,
    LIAR_SHORT,     // sends arg bytes of data instead of all, and GOOD, without residual
    LIAR_LONG,      // sends arg bytes more
    LIAR_ENDLESS,   // sends data until nobody takes them any more
    LIAR_UNDERFLOW, // all data, GOOD, and a residual of arg
    LIAR_OVERFLOW,
    LIAR_STATUS,   // that SCSI status
    LIAR_SENSE,    // CHECK CONDITION, fixed sense: key << 16 | code << 8 | qualifier
    LIAR_RAW,      // CHECK CONDITION with the data segment that liar_raw set
    LIAR_CLOSE,    // ends the session
    LIAR_SILENCE,  // never answers
    LIAR_EARLY,    // GOOD as soon as the header is there, also for the 63 commands that may follow
                   // on it, and once more after arg ms, in which nothing is read
    LIAR_REJECT,   // a Reject PDU, reason arg
    LIAR_ASK_DATA, // asks for data of a command that has none, then GOOD
    LIAR_REFUSE,   // a login: status arg; a reset: response arg
    LIAR_CLAIM,    // READ CAPACITY: arg as the block size; VPD, MODE SENSE: cut to arg bytes
    LIAR_LIES
};

struct liar;

// Returns NULL with errno when it cannot listen.
struct liar *liar_new(const char *address, uint16_t port, size_t bytes); // port 0: any
void liar_free(struct liar *l);
const char *liar_portal(const struct liar *l); // "127.0.0.1:12345"

// From the next one on, after `skip` more, `count` of them are lied to (0: all).
void liar_rule(struct liar *l, enum liar_about about, unsigned skip, unsigned count,
               enum liar_lie lie, uint64_t arg);
void liar_honest(struct liar *l);                               // forgets all rules
void liar_raw(struct liar *l, const void *segment, size_t len); // at most 64 bytes
// Changes bytes of about one answer in `one_in`, after the login; 0: none. Lengths of PDUs and what
// an R2T asks for stay.
void liar_mangle(struct liar *l, uint64_t seed, unsigned one_in);
// How small a piece of a write it takes, and how large the first burst.
void liar_limits(struct liar *l, unsigned segment, unsigned first_burst);

unsigned liar_count(struct liar *l, enum liar_about about); // so many have come
void liar_drop(struct liar *l);                             // ends all sessions
// Ends all sessions, loses what was not flushed, and is in another boot from then on.
void liar_reboot(struct liar *l);
void liar_tell_boot(struct liar *l, bool tell); // true at first
// The disk as it is now.
void liar_peek(struct liar *l, uint64_t offset, void *to, size_t len);
void liar_poke(struct liar *l, uint64_t offset, const void *from, size_t len);

#endif

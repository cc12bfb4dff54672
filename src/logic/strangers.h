// Who has to go when the places for units that are not known yet are all taken: a pure decision.
// SPDX-License-Identifier: BSD-2-Clause
//
// Whoever has the key of announcements can announce units that do not exist, as many as he likes.
// So a newcomer always gets a place, and the sender with most places pays for it.
#ifndef DVSAN_LOGIC_STRANGERS_H
#define DVSAN_LOGIC_STRANGERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stranger {
    const char *sender; // where the announcement came from, without the port; borrowed
    uint64_t since;     // when it came, on any clock
    bool has_answered;  // its engine did, so that it exists
};

// The place in list (count > 0) that a newcomer is given. Strangers that have not answered go
// first; among them the sender that has most of them loses its oldest.
size_t strangers_weakest(const struct stranger *list, size_t count);

#define SENDER_ROOM 64
// The sender of a notification, from Net-SNMP's text "UDP: [192.0.2.7]:4711->[192.0.2.1]:1162".
const char *stranger_sender(const char *from, char out[SENDER_ROOM]);

#endif

// The SNMP keys of a member, made of the station's key: nobody keeps a list of them.
// SPDX-License-Identifier: BSD-2-Clause
//
// A member and the station know each other by two users of SNMP's User-based Security Model (RFC
// 3414): one is the station's at the member's engine, one the member's at the station's engine.
// Their keys are localised ones from the start: no pass-phrase ever exists, and with the keys of
// one engine nothing at another one can be signed or read. Each has a number; number n lies in one
// of two places, so that two can be valid while they change. Each enrolment has a random number of
// its own, too: so none makes keys that another one made, whatever store forgot about that one.
#ifndef DVSAN_ENROL_KEYS_H
#define DVSAN_ENROL_KEYS_H

#include "base/uuid.h"
#include <stddef.h>
#include <stdint.h>

#define KEYS_ROOT 32 // bytes of the station's key
#define KEYS_AUTH 32 // HMAC-SHA-256, RFC 7860
#define KEYS_PRIV 16 // AES-128, RFC 3826

enum keys_role { KEYS_OF_STATION = 1, KEYS_OF_MEMBER };

// Localised to one engine. Secret: wiped by who has them.
struct member_keys {
    uint8_t auth[KEYS_AUTH], priv[KEYS_PRIV];
};

// The keys of this number, 1.., for the engine at which the user of that role is known: the
// member's for the station, the station's for the member. enrolment: random; zero for members that
// were enrolled before there was one.
void keys_make(const uint8_t root[KEYS_ROOT], enum keys_role role, const struct dv_uuid *member,
               const struct dv_uuid *enrolment, uint32_t number, const uint8_t *engine,
               size_t engine_len, struct member_keys *out);

// Values of usmUserAuthKeyChange and usmUserPrivKeyChange (KeyChange, RFC 3414 section 5) by which
// an engine replaces old by new: random bytes, and what the old key and they make of the new one.
struct keys_change {
    uint8_t auth[2 * KEYS_AUTH], priv[2 * KEYS_PRIV];
};
void keys_change(const struct member_keys *old, const struct member_keys *new,
                 struct keys_change *out);

#define KEYS_USER_ROOM 33 // an SNMP user's name, 32 characters at most, and a NUL
// The user's name for that number.
void keys_user(enum keys_role role, const struct dv_uuid *member, uint32_t number,
               char name[KEYS_USER_ROOM]);
// Whose user a name is at the station. False: no member's. place is 0 or 1: number % 2.
bool keys_member_of(const char *name, struct dv_uuid *member, unsigned *place);

#endif

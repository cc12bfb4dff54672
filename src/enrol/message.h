// What a member and the station tell each other in an enrolment, as JSON.
// SPDX-License-Identifier: BSD-2-Clause
//
// The grant is also what the member keeps: one shape on the wire, in its identity file, and in
// files of identities that are made elsewhere.
#ifndef DVSAN_ENROL_MESSAGE_H
#define DVSAN_ENROL_MESSAGE_H

#include "enrol/keys.h"
#include "model/enrolment.h"
#include <stdbool.h>

#define ENROL_PROLOGUE "dvsan enrolment 1" // of the handshake; its number goes up with the protocol
#define ENROL_PORT     1162                // of the station, unless its address says another one

// What the member is from now on, with all it has to know for that. Secret: grant_wipe.
struct grant {
    struct dv_uuid uuid;
    char name[NAME_MAX_LEN + 1]; // what the pool calls it
    uint32_t number;             // of its keys, 1..
    struct {
        struct dv_uuid uuid;
        char name[LEAD_NAME_MAX + 1];
        struct engine_id engine;
        char address[ADDRESS_MAX_LEN + 1]; // where it hears notifications
    } station;
    struct member_keys notify;          // the member's own at the station's engine
    bool has_station_keys;              // not in the identity file: snmpd alone needs them
    struct member_keys station_keys[2]; // the station's at the member's engine, by place
};

void grant_wipe(struct grant *grant);

// Each returns text for free(3), or a sentence that says what is wrong (DV_INVALID). Text that
// comes in is checked by meaning; whose text it was the caller says.
char *enrol_request_write(const struct enrol_request *request);
int enrol_request_read(const char *text, size_t len, struct enrol_request *out, struct dv_err *err);
char *grant_write(const struct grant *grant); // secret_free
int grant_read(const char *text, size_t len, struct grant *out, struct dv_err *err);
// The station's refusal: code and sentence.
char *enrol_refusal_write(const struct dv_err *why);
// Whether the text is a refusal, which is then in why.
bool enrol_refusal_read(const char *text, size_t len, struct dv_err *why);

bool message_engine_id_parse(const char *hex,
                             struct engine_id *out); // hex digits, "0x" before them or not
void message_engine_id_format(const struct engine_id *id, char out[2 * ENGINE_ID_MAX_LEN + 1]);

#endif

// Reading what a client sent: JSON bodies, queries, and the headers that matter. All pure.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_REQUEST_H
#define DVSAN_API_REQUEST_H

#include "base/err.h"
#include "model/kind.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_BODY_MAX (64 * 1024) // bytes

enum field_kind {
    FIELD_OF_KIND, // that of the records of this kind which the API calls so
    FIELD_NAME,    // a name of ours, or a UUID
    FIELD_TEXT,    // 1 to max bytes
    FIELD_SECRET,  // a CHAP secret
    FIELD_SIZE,    // "10G" or a number of bytes; becomes a number
    FIELD_NUMBER,  // min to max
    FIELD_BOOL
};

// One field of a body or a query. A table of them ends with an empty name.
struct field {
    const char *name;
    enum field_kind kind;
    bool required;
    const struct kind *of; // FIELD_OF_KIND
    uint64_t min, max;     // of FIELD_NUMBER; max also of FIELD_TEXT
    const char *what;      // whose name it is, where the field's own name does not say so: "volume"
};

// An object with exactly the fields that the table allows, checked; the caller decrefs *out.
// Unknown, missing, repeated and ill-typed fields are refused by name. A secret is never quoted.
int request_parse_body(const char *text, size_t len, const struct field *fields, json_t **out,
                       struct dv_err *err);
// The same from "a=1&b=x", which may be NULL. fields NULL: nothing is allowed.
int request_parse_query(const char *query, const struct field *fields, json_t **out,
                        struct dv_err *err);

// Percent-decodes len bytes (and "+" where plus says so). false: bad encoding, a NUL, or no room.
bool request_decode(const char *text, size_t len, bool plus, char *out, size_t room);

// Whether a Content-Type is application/json, in UTF-8 if it says anything about that.
bool request_type_is_json(const char *content_type);

// Whether a Host header names an address rather than a name, or localhost. A page that a browser
// loaded from elsewhere can reach a loopback server only under a name of its own.
bool request_host_is_local(const char *host);

// Whether an Origin header, if there is one (NULL: none), is of the same host as the Host header.
bool request_same_origin(const char *origin, const char *host);

struct credentials {
    char *user; // NULL: secret is a token
    char *secret;
};
// From an Authorization header, Basic or Bearer; false when it is neither or broken. Free with
// credentials_free, which wipes.
bool request_credentials(const char *authorization, struct credentials *out);
void credentials_free(struct credentials *c);

#endif

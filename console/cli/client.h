// The connection to the station: one request at a time, JSON in and out.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CLI_CLIENT_H
#define DVSAN_CLI_CLIENT_H

#include "base/err.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct client;

// Reads the token, or the admin's password, from where the environment says; on a terminal it
// asks for the password when there is neither. url NULL: $DVSAN_URL or the default.
struct client *client_new(const char *url, struct dv_err *err);
void client_free(struct client *c); // wipes; NULL is fine

// path begins behind /api/v1: "/volumes". body may be NULL and stays the caller's. *answer is
// NULL when there is none; the caller decrefs it. answer NULL: it is not wanted. A problem that
// the station reports becomes its class and sentence.
int client_request(struct client *c, const char *method, const char *path, const json_t *body,
                   json_t **answer, struct dv_err *err);

// As a GET, for one that the station may hold back for this long.
int client_wait(struct client *c, const char *path, uint32_t wait_ms, json_t **answer,
                struct dv_err *err);

// Whether the last request, which failed, reached the station as far as can be told, asked for a
// change, and was not answered: it may have been carried out, or be carried out yet.
bool client_is_open(const struct client *c);

// "/volumes/" and the name, percent-encoded, and the rest; the caller frees it.
char *client_path(const char *before, const char *name, const char *after);

#endif

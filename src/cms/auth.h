// Who may use the API: the admin's password and API tokens.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_AUTH_H
#define DVSAN_CMS_AUTH_H

#include "model/pool.h"

#define AUTH_ADMIN     "admin"
#define AUTH_TOKEN_LEN 47 // characters of a token

struct auth;
struct store;

// At the first start an admin's password is made and returned in *password (free it with
// secret_free); otherwise *password is NULL.
struct auth *auth_new(struct store *store, char **password, struct dv_err *err);
void auth_free(struct auth *a); // NULL is fine

// Any thread. user NULL: secret is a token.
bool auth_check(struct auth *a, const char *user, const char *secret);

// The thread that owns the store. name is checked and must be new.
int auth_create_token(struct auth *a, const char *name, char token[65], uint64_t *id,
                      struct dv_err *err);
int auth_delete_token(struct auth *a, uint64_t id, struct dv_err *err);
int auth_list_tokens(struct auth *a, struct token_record **tokens, size_t *count,
                     struct dv_err *err);

#endif

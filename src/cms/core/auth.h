// Who may use the API: the admin's password and API tokens.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_AUTH_H
#define DVSAN_CMS_AUTH_H

#include "model/change.h"

#define AUTH_ADMIN     "admin"
#define AUTH_TOKEN_LEN 47 // characters of a token

struct auth;
struct store;

// At the first start the admin gets the password first, if there is one, else one that is made and
// returned in *password (free it with secret_free). Otherwise *password is NULL. last_token: the
// largest id that a token ever had. The store is used here alone.
#define AUTH_FIRST_PASSWORD "first-password" // the file in the state folder that holds it
#define AUTH_DRAWN_PASSWORD                                                                        \
    "admin-password" // there, one that was made, where a journal would show it
struct auth *auth_new(struct store *store, uint64_t last_token, const char *first, char **password,
                      struct dv_err *err);
void auth_free(struct auth *a); // NULL is fine

enum auth_answer { AUTH_WRONG, AUTH_RIGHT, AUTH_SLOW }; // slow: a password to be checked

// Any thread. Answers at once whatever can be told at once: of tokens (user NULL: secret is a
// token), and of passwords when the right one was seen since the start.
enum auth_answer auth_look(struct auth *a, const char *user, const char *secret);
// Any thread. The admin's password, by argon2id: takes 64 MiB and a good part of a second, so one
// at a time is enough. Remembers the right one, as a keyed hash in memory.
bool auth_check_password(struct auth *a, const char *password);

// The loop's thread. What is to be written goes to the changes. name is checked and must be new.
int auth_create_token(struct auth *a, const char *name, struct changes *c, char token[65],
                      uint64_t *id, struct dv_err *err);
int auth_delete_token(struct auth *a, uint64_t id, struct changes *c, struct dv_err *err);
// Ascending by id; lives until tokens change.
const struct token_record *auth_tokens(const struct auth *a, size_t *count);
// What was written about tokens counts from now on.
void auth_follow(struct auth *a, const struct change *c);

#endif

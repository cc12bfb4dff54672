// Secrets in the journal are sealed with a key that is not in it.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/journal_seal.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "model/unit.h"
#include "store/db.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_NAME   "unit-key" // of the credential
#define WHOSE      "the unit's own"
#define FORGET_HOW "dvsan-unit --forget-secrets"

// One of systemd's credentials, which a copy of the disk does not give; else a file beside the
// journal.
static char *key_path(const char *state_dir)
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    char *path = credentials && *credentials ? dv_printf("%s/" KEY_NAME, credentials) : NULL;
    if (path && access(path, F_OK) == 0)
        return path;
    free(path);
    return dv_printf("%s/key", state_dir);
}

// 1: there is a sealed one; 0: none.
static int has_sealed(struct db *db, struct dv_err *err)
{
    struct db_stmt *s =
        db_prepare(db, "SELECT 1 FROM rule WHERE secret LIKE 'sealed:%' LIMIT 1", err);
    if (!s)
        return -1;
    int rc = db_step(s, err);
    db_finalize(s);
    return rc;
}

int journal_seal_key(struct db *db, const char *state_dir, struct seal_key *key, struct dv_err *err)
{
    DV_FREE char *path = key_path(state_dir);
    if (!file_is_missing(path)) {
        struct dv_err why;
        if (seal_key_read(path, WHOSE, key, &why) == 0)
            return 0;
        return dv_fail(err, DV_CONFLICT,
                       "%s; where there is none, " FORGET_HOW " gives the secrets up, and the "
                       "station sends them again",
                       why.text);
    }
    int sealed = has_sealed(db, err);
    if (sealed < 0)
        return -1;
    if (sealed > 0)
        return dv_fail(err, DV_CONFLICT,
                       "the key %s is missing, and hosts' secrets in unit.db are sealed with it: "
                       "put it back from a backup; where there is none, " FORGET_HOW
                       " gives the secrets up, and the station sends them again",
                       path);
    return seal_key_make(path, key, err);
}

// Those of before, of each CHAP user once. The reader is done before anything is written.
static int plain_users(struct db *db, char ***users, char ***secrets, size_t *count,
                       struct dv_err *err)
{
    size_t other = 0;
    struct db_stmt *s = db_prepare(db,
                                   "SELECT DISTINCT chap_user, secret FROM rule"
                                   " WHERE secret != '' AND secret NOT LIKE 'sealed:%'",
                                   err);
    if (!s)
        return -1;
    int rc;
    while ((rc = db_step(s, err)) == 1) {
        *DV_APPEND(*users, *count) = dv_strdup(db_text(s, 0));
        *DV_APPEND(*secrets, other) = dv_strdup(db_text(s, 1));
    }
    db_finalize(s);
    return rc;
}

static int seal_users(struct db *db, const struct seal_key *key, char **users, char **secrets,
                      size_t count, struct dv_err *err)
{
    struct db_stmt *s =
        db_prepare(db, "UPDATE rule SET secret = ? WHERE chap_user = ? AND secret = ?", err);
    int rc = s ? db_begin(db, err) : -1;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        DV_FREE char *sealed = seal_text(key, users[i], secrets[i]);
        db_bind_text(s, 1, sealed);
        db_bind_text(s, 2, users[i]);
        db_bind_text(s, 3, secrets[i]);
        rc = db_run(s, err);
    }
    if (rc == 0)
        rc = db_commit(db, err);
    else if (s)
        db_rollback(db);
    db_finalize(s);
    return rc;
}

int journal_seal_plain(struct db *db, const struct seal_key *key, struct dv_err *err)
{
    char **users = NULL, **secrets = NULL;
    size_t count = 0;
    int rc = plain_users(db, &users, &secrets, &count, err);
    if (rc == 0 && count > 0)
        rc = seal_users(db, key, users, secrets, count, err);
    // Pages that were written anew may hold what was on them before.
    if (rc == 0 && count > 0)
        rc = db_exec(db, "VACUUM", err);
    for (size_t i = 0; i < count; i++) {
        free(users[i]);
        secret_free(secrets[i]);
    }
    free(users);
    free(secrets);
    return rc;
}

int journal_open_secret(const struct seal_key *key, const char *user, const char *sealed,
                        char out[CHAP_SECRET_MAX + 1], struct dv_err *err)
{
    out[0] = '\0';
    if (!*sealed || seal_open_text(key, user, sealed, out, CHAP_SECRET_MAX + 1))
        return 0;
    return dv_fail(err, DV_CONFLICT,
                   "the secret of CHAP user %s in unit.db is sealed with another key: put " WHOSE
                   " key back from a backup; where there is none, " FORGET_HOW
                   " gives the secrets up, and the station sends them again",
                   user);
}

int journal_forget_secrets(struct db *db, const char *state_dir, struct dv_err *err)
{
    DV_FREE char *path = dv_printf("%s/key", state_dir);
    if (db_exec(db, "UPDATE rule SET secret = '', secret_mark = 0", err) != 0 ||
        db_exec(db, "VACUUM", err) != 0)
        return -1;
    unlink(path);
    return 0;
}

// Secrets in the journal are sealed with a key that is not in it.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/journal_seal.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "model/unit.h"
#include "sqlite/db.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_NAME  "unit-key" // of the credential
#define KEY       "key"      // of the file
#define FRESH_KEY "key.new"
#define WHOSE     "the unit's own"
#define GIVE_UP   "dvsan-unit --forget-secrets gives the secrets up, and the station sends them again"
#define JOURNAL   "unit.db" // for whom a text is sealed by which the key is known

// One of systemd's credentials, which a copy of the disk does not give; else a file beside the
// journal.
static char *key_path(const char *state_dir)
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    char *path = credentials && *credentials ? dv_printf("%s/" KEY_NAME, credentials) : NULL;
    if (path && access(path, F_OK) == 0)
        return path;
    free(path);
    return dv_printf("%s/" KEY, state_dir);
}

// Whose a secret is. With the mark in it no older secret of the user passes for the one of today.
static char *owner(const char *user, uint32_t mark)
{
    return dv_printf("%s %" PRIu32, user, mark);
}

bool journal_open_secret(const struct seal_key *key, const char *user, uint32_t mark,
                         const char *sealed, char out[CHAP_SECRET_MAX + 1])
{
    DV_FREE char *whose = owner(user, mark);
    out[0] = '\0';
    return *sealed ? key && seal_open_text(key, whose, sealed, out, CHAP_SECRET_MAX + 1)
                   : mark == 0;
}

char *journal_seal_secret(struct db *db, const struct seal_key *key, const char *user,
                          uint32_t mark, const char *secret, struct dv_err *err)
{
    DV_FREE char *check = seal_text(key, JOURNAL, "");
    DV_FREE char *whose = owner(user, mark);
    struct db_stmt *s = db_prepare(db, "UPDATE member SET sealed = ? WHERE sealed = ''", err);
    if (!s)
        return NULL;
    db_bind_text(s, 1, check);
    int rc = db_run(s, err);
    db_finalize(s);
    return rc == 0 ? seal_text(key, whose, secret) : NULL;
}

// ---- Users' secrets in the journal --------------------------------------------------------------

// All accounts of rules, the previous ones included.
#define ACCOUNTS                                                                                   \
    "(SELECT chap_user, secret, secret_mark FROM rule UNION ALL"                                   \
    " SELECT previous_user, previous_secret, previous_mark FROM rule WHERE previous_user != '')"

struct user_secret {
    char *user, *secret;
    uint32_t mark;
};

static void free_list(struct user_secret *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(list[i].user);
        secret_free(list[i].secret);
    }
    free(list);
}

// Of the rows (user, secret, mark, any), in what is wanted. The reader is done before anything is
// written.
static int list_users(struct db *db, const char *sql, const struct seal_key *key,
                      bool (*wanted)(const struct seal_key *key, struct db_stmt *row),
                      struct user_secret **list, size_t *count, struct dv_err *err)
{
    struct db_stmt *s = db_prepare(db, sql, err);
    int rc = -1;
    while (s && (rc = db_step(s, err)) == 1)
        if (wanted(key, s))
            *DV_APPEND(*list, *count) = (struct user_secret){.user = dv_strdup(db_text(s, 0)),
                                                             .secret = dv_strdup(db_text(s, 1)),
                                                             .mark = (uint32_t)db_int(s, 2)};
    db_finalize(s);
    return rc;
}

// For each of the list, in one transaction: the new text, the new mark, the user, the old text.
static int put_users(struct db *db, const struct seal_key *key, const struct user_secret *list,
                     size_t count, struct dv_err *err)
{
    struct db_stmt *s =
        db_prepare(db,
                   "UPDATE rule SET secret = iif(chap_user = ?3, ?1, secret),"
                   " secret_mark = iif(chap_user = ?3, ?2, secret_mark),"
                   " previous_secret = iif(previous_user = ?3, ?1, previous_secret),"
                   " previous_mark = iif(previous_user = ?3, ?2, previous_mark)"
                   " WHERE ?3 IN (chap_user, previous_user) AND (?4 IS NULL OR secret = ?4)",
                   err);
    int rc = s ? db_begin(db, err) : -1;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        DV_FREE char *sealed =
            key ? journal_seal_secret(db, key, list[i].user, list[i].mark, list[i].secret, err)
                : dv_strdup("");
        if (!sealed) {
            rc = -1;
            break;
        }
        db_bind_text(s, 1, sealed);
        db_bind_int(s, 2, key ? list[i].mark : 0);
        db_bind_text(s, 3, list[i].user);
        db_bind_text(s, 4, key ? list[i].secret : NULL);
        rc = db_run(s, err);
    }
    if (rc == 0)
        rc = db_commit(db, err);
    else if (s)
        db_rollback(db);
    db_finalize(s);
    return rc;
}

static bool is_plain(const struct seal_key *key, struct db_stmt *row)
{
    (void)key;
    return chap_secret_check(db_text(row, 1), NULL) == 0;
}

// Seals what an older program wrote, and leaves nothing of that in the file.
static int seal_plain(struct db *db, const struct seal_key *key, struct dv_err *err)
{
    struct user_secret *list = NULL;
    size_t count = 0;
    int rc = list_users(db, "SELECT DISTINCT chap_user, secret, secret_mark FROM rule", key,
                        is_plain, &list, &count, err);
    if (rc == 0 && count > 0)
        rc = put_users(db, key, list, count, err);
    // Pages that were written anew may hold what was on them before.
    if (rc == 0 && count > 0)
        rc = db_exec(db, "VACUUM", err);
    free_list(list, count);
    return rc;
}

static bool is_foreign(const struct seal_key *key, struct db_stmt *row)
{
    char secret[CHAP_SECRET_MAX + 1];
    bool good =
        db_int(row, 3) == 1 && journal_open_secret(key, db_text(row, 0), (uint32_t)db_int(row, 2),
                                                   db_text(row, 1), secret);
    secret_wipe(secret, sizeof(secret));
    return !good;
}

int journal_drop_foreign(struct db *db, const struct seal_key *key, struct dv_err *err)
{
    static struct log_limit limit;
    struct user_secret *list = NULL;
    size_t count = 0;
    int rc = list_users(db,
                        "SELECT chap_user, min(secret), min(secret_mark),"
                        " count(DISTINCT secret) * count(DISTINCT secret_mark)"
                        " FROM " ACCOUNTS " GROUP BY chap_user",
                        key, is_foreign, &list, &count, err);
    if (rc == 0 && count > 0)
        rc = put_users(db, NULL, list, count, err);
    // Beside the one that a rule has now, an account without a secret is none.
    if (rc == 0 && count > 0)
        rc = db_exec(db, "UPDATE rule SET previous_user = '' WHERE previous_secret = ''", err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        log_limited(&limit, LOG_LEVEL_WARNING, "unit",
                    "the secret of CHAP user %s in unit.db is not the one that was written there, "
                    "and is given up: the station sends it again",
                    list[i].user);
    free_list(list, count);
    return rc;
}

// ---- The key ------------------------------------------------------------------------------------

// The text by which the key is known, "" when nothing was sealed yet. The caller frees it.
static char *read_check(struct db *db, struct dv_err *err)
{
    struct db_stmt *s = db_prepare(db, "SELECT sealed FROM member", err);
    int rc = s ? db_step(s, err) : -1;
    char *check = rc < 0 ? NULL : dv_strdup(rc == 1 ? db_text(s, 0) : "");
    db_finalize(s);
    return check;
}

static int read_key(const char *path, const char *check, struct seal_key *key, struct dv_err *err)
{
    struct dv_err why;
    char none[1];
    if (seal_key_read(path, WHOSE, key, &why) != 0)
        return dv_fail(err, DV_CONFLICT, "%s; where there is none, " GIVE_UP, why.text);
    if (!*check || seal_open_text(key, JOURNAL, check, none, sizeof(none)))
        return 0;
    return dv_fail(err, DV_CONFLICT,
                   "the secrets in unit.db are sealed with another key than %s: put " WHOSE
                   " key back from a backup; where there is none, " GIVE_UP,
                   path);
}

// A key that is made has its name only once all is sealed with it. So where there is one, no plain
// text is this program's, whatever the journal says.
static int make_key(struct db *db, const char *path, const char *fresh, const char *check,
                    struct seal_key *key, struct dv_err *err)
{
    if (file_is_missing(fresh) && *check)
        return dv_fail(err, DV_CONFLICT,
                       "the key %s is missing, and hosts' secrets in unit.db are sealed with it: "
                       "put it back from a backup; where there is none, " GIVE_UP,
                       path);
    if ((file_is_missing(fresh) ? seal_key_make(fresh, key, err)
                                : read_key(fresh, check, key, err)) != 0)
        return -1;
    DV_FAULT("sealing.key");
    if (seal_plain(db, key, err) != 0)
        return -1;
    DV_FAULT("sealing.done");
    if (rename(fresh, path) != 0)
        return dv_fail_errno(err, errno, "cannot make the key %s", path);
    return file_sync_dir(path, err);
}

int journal_seal_key(struct db *db, const char *state_dir, struct seal_key *key, struct dv_err *err)
{
    DV_FREE char *path = key_path(state_dir);
    DV_FREE char *fresh = dv_printf("%s/" FRESH_KEY, state_dir);
    DV_FREE char *check = read_check(db, err);
    if (!check)
        return -1;
    return file_is_missing(path) ? make_key(db, path, fresh, check, key, err)
                                 : read_key(path, check, key, err);
}

int journal_forget_secrets(struct db *db, const char *state_dir, size_t *users, struct dv_err *err)
{
    DV_FREE char *path = dv_printf("%s/" KEY, state_dir);
    DV_FREE char *fresh = dv_printf("%s/" FRESH_KEY, state_dir);
    struct db_stmt *s = db_prepare(
        db, "SELECT count(DISTINCT chap_user) FROM " ACCOUNTS " WHERE secret != ''", err);
    int rc = s ? db_step(s, err) : -1;
    *users = rc == 1 ? (size_t)db_int(s, 0) : 0;
    db_finalize(s);
    if (rc < 0 || db_exec(db,
                          "BEGIN; UPDATE rule SET secret = '', secret_mark = 0,"
                          " previous_user = '', previous_secret = '', previous_mark = 0;"
                          "UPDATE member SET sealed = ''; COMMIT; VACUUM",
                          err) != 0)
        return -1;
    unlink(path);
    unlink(fresh);
    return 0;
}

// What must survive any crash of the unit's agent: its identity, volumes and access rules.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/journal.h"
#include "base/boot.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "sqlite/db.h"
#include "unit/journal_check.h"
#include "unit/journal_internal.h"
#include "unit/journal_seal.h"
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum statement {
    PUT_MEDIUM,
    PUT_VOLUME,
    PUT_LAST,
    SET_LAST,
    PUT_TGTD,
    PUT_RULE,
    PUT_SECRET,
    DROP_VOLUME,
    DROP_RULE,
    PUT_COUNTERS,
    PUT_RULE_COUNTERS,
    CLEAR_COUNTED,
    PUT_COUNTED,
    RESERVE,
    PUT_LEAD,
    DROP_LEAD,
    PUT_LISTENER,
    DROP_LISTENER,
    STATEMENTS
};

static const char *const SQL[STATEMENTS] = {
    [PUT_MEDIUM] = "INSERT INTO medium (idx, uuid, name, kind, identity) VALUES (?, ?, ?, ?, ?)"
                   " ON CONFLICT (idx) DO UPDATE SET uuid = excluded.uuid, name = excluded.name,"
                   " kind = excluded.kind, identity = excluded.identity",
    [PUT_VOLUME] = "INSERT INTO volume (idx, uuid, name, medium, start_lba, blocks, thin, iqn, lun,"
                   " admin_online, made, deleting, target_start_lba, target_blocks, description)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                   " ON CONFLICT (idx) DO UPDATE SET name = excluded.name,"
                   " start_lba = excluded.start_lba, blocks = excluded.blocks,"
                   " target_start_lba = excluded.target_start_lba,"
                   " target_blocks = excluded.target_blocks, description = excluded.description,"
                   " admin_online = excluded.admin_online, made = excluded.made,"
                   " deleting = excluded.deleting WHERE uuid = excluded.uuid",
    [PUT_LAST] = "UPDATE member SET last_index = ?1 WHERE last_index < ?1",
    [SET_LAST] = "UPDATE member SET last_index = ?",
    [PUT_TGTD] = "UPDATE volume SET tgtd = ? WHERE idx = ?",
    [PUT_RULE] = "INSERT INTO rule (volume, idx, initiator, chap_user, secret, revoking,"
                 " secret_mark, previous_user) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                 " ON CONFLICT (volume, idx) DO UPDATE SET revoking = excluded.revoking,"
                 " chap_user = excluded.chap_user, previous_user = excluded.previous_user,"
                 " previous_secret = iif(previous_user = excluded.previous_user,"
                 " previous_secret, ''), previous_mark = iif(previous_user ="
                 " excluded.previous_user, previous_mark, 0)",
    [PUT_SECRET] = "UPDATE rule SET secret = iif(chap_user = ?3, ?1, secret),"
                   " secret_mark = iif(chap_user = ?3, ?2, secret_mark),"
                   " previous_secret = iif(previous_user = ?3, ?1, previous_secret),"
                   " previous_mark = iif(previous_user = ?3, ?2, previous_mark)"
                   " WHERE ?3 IN (chap_user, previous_user)",
    [DROP_VOLUME] = "DELETE FROM volume WHERE idx = ?",
    [DROP_RULE] = "DELETE FROM rule WHERE volume = ? AND idx = ?",
    [PUT_COUNTERS] = "UPDATE volume SET read_ops = ?, write_ops = ?, read_bytes = ?,"
                     " written_bytes = ?, logins = ?, refused = ?, refused_ms = ?,"
                     " refused_initiator = ? WHERE idx = ?",
    [PUT_RULE_COUNTERS] = "UPDATE rule SET read_ops = ?, write_ops = ?, read_bytes = ?,"
                          " written_bytes = ?, logins = ? WHERE volume = ? AND idx = ?",
    [CLEAR_COUNTED] = "DELETE FROM counted",
    [PUT_COUNTED] = "INSERT INTO counted (tgtd, tid, sid, lun, read_commands, write_commands,"
                    " read_bytes, write_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [RESERVE] = "UPDATE member SET generation = ?",
    [PUT_LEAD] = "INSERT OR REPLACE INTO lead (id, station, name, number, mark, seconds)"
                 " VALUES (1, ?, ?, ?, ?, ?)",
    [DROP_LEAD] = "DELETE FROM lead",
    [PUT_LISTENER] = "INSERT OR IGNORE INTO listener (tgtd, address, port) VALUES (?, ?, ?)",
    [DROP_LISTENER] = "DELETE FROM listener WHERE tgtd = ? AND address = ? AND port = ?",
};

struct journal {
    char *dir;
    struct db *db;
    struct db_stmt *statements[STATEMENTS];
    struct journal_identity identity;
    char boot[UUID_TEXT_LEN]; // of the machine
    bool rebooted;            // since the last start
    uint32_t reserved;        // as recorded
    bool doubtful; // something was not recorded; so it is tried before all is taken to be well
    struct dv_err trouble;
    bool has_key;
    struct seal_key key;
};

static int check_dir(const char *dir, struct dv_err *err)
{
    struct stat st;
    if (stat(dir, &st) != 0)
        return dv_fail_errno(err, errno, "cannot look at the state directory %s", dir);
    if ((st.st_mode & 077) != 0)
        return dv_fail(err, DV_DENIED,
                       "the state directory %s can be entered by others, and it keeps secrets; run "
                       "chmod 0700 %s",
                       dir, dir);
    const struct passwd *owner =
        st.st_uid != geteuid() && geteuid() == 0 ? getpwuid(st.st_uid) : NULL;
    if (owner)
        return dv_fail(
            err, DV_DENIED,
            "the state directory %s belongs to the user %s, as whom dvsan-unit runs: run "
            "this as that user, as with runuser -u %s -- dvsan-unit",
            dir, owner->pw_name, owner->pw_name);
    if (st.st_uid != geteuid())
        return dv_fail(err, DV_DENIED,
                       "the state directory %s belongs to another user, and it keeps secrets; run "
                       "chown -R %u %s",
                       dir, (unsigned)geteuid(), dir);
    return 0;
}

static int read_identity(struct journal *j, struct dv_err *err)
{
    struct db_stmt *s = db_prepare(j->db, "SELECT uuid, epoch, generation, boot FROM member", err);
    if (!s)
        return -1;
    int rc = db_step(s, err);
    if (rc == 1) {
        size_t len;
        memcpy(j->identity.uuid.b, db_blob(s, 0, &len), sizeof(j->identity.uuid.b));
        j->identity.epoch = (uint32_t)db_int(s, 1);
        j->identity.generation = j->reserved = (uint32_t)db_int(s, 2);
        j->rebooted = strcmp(db_text(s, 3), j->boot) != 0;
    } else if (rc == 0) {
        j->identity.uuid = uuid_random();
    }
    db_finalize(s);
    return rc < 0 ? -1 : 0;
}

// The sentence about damage advises a backup; what helps without one is a unit's alone. A long path
// does not cut that off.
int journal_start_fails(struct dv_err *err)
{
    static const char hint[] = "; where there is no backup, see --rebuild in dvsan-unit(8)";
    if (!err || err->code != DV_DAMAGED)
        return -1;
    size_t len = strlen(err->text), most = sizeof(err->text) - sizeof(hint);
    memcpy(err->text + (len < most ? len : most), hint, sizeof(hint));
    return -1;
}

int journal_count_start(struct journal *j, struct dv_err *err)
{
    j->identity.epoch++;
    struct db_stmt *s =
        db_prepare(j->db,
                   "INSERT INTO member (id, uuid, epoch, generation, boot) VALUES (1, ?, ?, ?, ?)"
                   " ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, boot = excluded.boot",
                   err);
    if (!s)
        return journal_start_fails(err);
    db_bind_blob(s, 1, j->identity.uuid.b, sizeof(j->identity.uuid.b));
    db_bind_int(s, 2, j->identity.epoch);
    db_bind_int(s, 3, j->identity.generation);
    db_bind_text(s, 4, j->boot);
    DV_FAULT("journal.start");
    int rc = db_run(s, err);
    DV_FAULT("journal.started");
    db_finalize(s);
    return rc == 0 ? 0 : journal_start_fails(err);
}

static int open_db(struct journal *j, const char *dir, struct dv_err *err)
{
    DV_FREE char *path = dv_printf("%s/unit.db", dir);
    j->db = db_open(path, DB_BACK, err);
    if (!j->db)
        return -1;
    if (journal_migrate(j->db, err) != 0 || journal_check(j->db, err) != 0)
        return -1;
    for (int i = 0; i < STATEMENTS; i++)
        if (!(j->statements[i] = db_prepare(j->db, SQL[i], err)))
            return -1;
    struct dv_uuid boot;
    if (boot_id(&boot, err) != 0)
        return -1;
    uuid_format(&boot, j->boot);
    return read_identity(j, err);
}

bool journal_exists(const char *state_dir)
{
    struct stat st;
    DV_FREE char *path = dv_printf("%s/unit.db", state_dir);
    return stat(path, &st) == 0 ? st.st_size > 0 : !file_is_missing(path);
}

int journal_take_identity(struct journal *j, const struct dv_uuid *uuid, uint32_t epoch,
                          struct dv_err *err)
{
    j->identity.uuid = *uuid;
    j->identity.epoch = epoch;
    return journal_count_start(j, err);
}

struct journal *journal_open(const char *state_dir, struct dv_err *err)
{
    if (file_make_dirs(state_dir, 0700, err) != 0 || check_dir(state_dir, err) != 0)
        return NULL;
    struct journal *j = dv_calloc(1, sizeof(*j));
    j->dir = dv_strdup(state_dir);
    if (open_db(j, state_dir, err) != 0) {
        journal_start_fails(err);
        journal_close(j);
        return NULL;
    }
    return j;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        db_finalize(j->statements[i]);
    db_close(j->db);
    free(j->dir);
    secret_wipe(&j->key, sizeof(j->key));
    free(j);
}

const struct journal_identity *journal_identity(const struct journal *j)
{
    return &j->identity;
}

const struct seal_key *journal_key(struct journal *j, struct dv_err *err)
{
    if (!j->has_key && journal_seal_key(j->db, j->dir, &j->key, err) == 0)
        j->has_key = true;
    return j->has_key ? &j->key : NULL;
}

struct db *journal_db(struct journal *j)
{
    return j->db;
}

bool journal_rebooted(const struct journal *j)
{
    return j->rebooted;
}

int journal_begin(struct journal *j, struct dv_err *err)
{
    DV_FAULT("journal.begin");
    return db_begin(j->db, err);
}

int journal_commit(struct journal *j, struct dv_err *err)
{
    DV_FAULT("journal.commit");
    int rc = db_commit(j->db, err);
    j->doubtful = rc != 0;
    DV_FAULT("journal.committed");
    return rc;
}

void journal_rollback(struct journal *j)
{
    db_rollback(j->db);
    j->doubtful = true;
}

int journal_put_medium(struct journal *j, const struct medium *m, const struct dv_uuid *uuid,
                       const char *identity, struct dv_err *err)
{
    struct db_stmt *s = j->statements[PUT_MEDIUM];
    db_bind_int(s, 1, m->index);
    db_bind_blob(s, 2, uuid->b, sizeof(uuid->b));
    db_bind_text(s, 3, m->name);
    db_bind_int(s, 4, m->kind);
    db_bind_text(s, 5, identity);
    return db_run(s, err);
}

int journal_put_volume(struct journal *j, const struct volume *v, bool made, struct dv_err *err)
{
    struct db_stmt *s = j->statements[PUT_VOLUME];
    db_bind_int(s, 1, v->index);
    db_bind_blob(s, 2, v->uuid.b, sizeof(v->uuid.b));
    db_bind_text(s, 3, v->name);
    db_bind_int(s, 4, v->medium);
    db_bind_int(s, 5, (int64_t)v->start_lba);
    db_bind_int(s, 6, (int64_t)v->blocks);
    db_bind_int(s, 7, v->thin);
    db_bind_text(s, 8, v->iqn);
    db_bind_int(s, 9, v->lun);
    db_bind_int(s, 10, v->admin_online);
    db_bind_int(s, 11, made);
    db_bind_int(s, 12, v->state == VOLUME_DELETING);
    db_bind_int(s, 13, (int64_t)v->target_start_lba);
    db_bind_int(s, 14, (int64_t)v->target_blocks);
    db_bind_text(s, 15, v->description);
    if (db_run(s, err) != 0)
        return -1;
    if (db_changes(j->db) == 0)
        return dv_fail(err, DV_CONFLICT, "the number %u is that of another volume", v->index);
    db_bind_int(j->statements[PUT_LAST], 1, v->index);
    return db_run(j->statements[PUT_LAST], err);
}

int journal_set_last(struct journal *j, uint32_t index, struct dv_err *err)
{
    db_bind_int(j->statements[SET_LAST], 1, index);
    return db_run(j->statements[SET_LAST], err);
}

int journal_put_tgtd(struct journal *j, uint32_t index, const char *socket, struct dv_err *err)
{
    struct db_stmt *s = j->statements[PUT_TGTD];
    db_bind_text(s, 1, socket);
    db_bind_int(s, 2, index);
    return db_run(s, err);
}

static int put_listener(struct db_stmt *s, const char *socket, const struct listener *l,
                        struct dv_err *err)
{
    db_bind_text(s, 1, socket);
    db_bind_text(s, 2, l->address);
    db_bind_int(s, 3, l->port);
    return db_run(s, err);
}

int journal_put_listener(struct journal *j, const char *socket, const struct listener *l,
                         struct dv_err *err)
{
    return put_listener(j->statements[PUT_LISTENER], socket, l, err);
}

int journal_drop_listener(struct journal *j, const char *socket, const struct listener *l,
                          struct dv_err *err)
{
    return put_listener(j->statements[DROP_LISTENER], socket, l, err);
}

// No secret is kept as none.
static char *seal(struct journal *j, const char *chap_user, const char *secret, uint32_t mark,
                  struct dv_err *err)
{
    const struct seal_key *key = *secret ? journal_key(j, err) : NULL;
    if (!*secret)
        return dv_strdup("");
    return key ? journal_seal_secret(j->db, key, chap_user, mark, secret, err) : NULL;
}

int journal_put_rule(struct journal *j, const struct access_rule *r, const char *secret,
                     struct dv_err *err)
{
    struct db_stmt *s = j->statements[PUT_RULE];
    DV_FREE char *sealed = seal(j, r->chap_user, secret, r->secret_mark, err);
    if (!sealed)
        return -1;
    db_bind_int(s, 1, r->volume);
    db_bind_int(s, 2, r->index);
    db_bind_text(s, 3, r->initiator);
    db_bind_text(s, 4, r->chap_user);
    db_bind_text(s, 5, sealed);
    db_bind_int(s, 6, r->state == ACCESS_REVOKING);
    db_bind_int(s, 7, r->secret_mark);
    db_bind_text(s, 8, r->previous_user);
    return db_run(s, err);
}

int journal_put_secret(struct journal *j, const char *chap_user, const char *secret, uint32_t mark,
                       struct dv_err *err)
{
    struct db_stmt *s = j->statements[PUT_SECRET];
    DV_FREE char *sealed = seal(j, chap_user, secret, mark, err);
    if (!sealed)
        return -1;
    db_bind_text(s, 1, sealed);
    db_bind_int(s, 2, mark);
    db_bind_text(s, 3, chap_user);
    return db_run(s, err);
}

int journal_drop_volume(struct journal *j, uint32_t index, struct dv_err *err)
{
    db_bind_int(j->statements[DROP_VOLUME], 1, index);
    return db_run(j->statements[DROP_VOLUME], err);
}

int journal_drop_rule(struct journal *j, uint32_t volume, uint32_t index, struct dv_err *err)
{
    db_bind_int(j->statements[DROP_RULE], 1, volume);
    db_bind_int(j->statements[DROP_RULE], 2, index);
    return db_run(j->statements[DROP_RULE], err);
}

static void bind_counters(struct db_stmt *s, const struct volume_counters *c,
                          const struct counting *counting)
{
    db_bind_int(s, 1, (int64_t)c->read_ops);
    db_bind_int(s, 2, (int64_t)c->write_ops);
    db_bind_int(s, 3, (int64_t)c->read_bytes);
    db_bind_int(s, 4, (int64_t)c->written_bytes);
    db_bind_int(s, 5, (int64_t)counting->logins);
}

int journal_put_counters(struct journal *j, const struct unit_volume *v, struct dv_err *err)
{
    struct db_stmt *s = j->statements[PUT_COUNTERS];
    bind_counters(s, &v->counters, &v->counting);
    db_bind_int(s, 6, (int64_t)v->refused.count);
    db_bind_int(s, 7, (int64_t)v->refused.at_ms);
    db_bind_text(s, 8, v->refused.initiator);
    db_bind_int(s, 9, v->v.index);
    return db_run(s, err);
}

int journal_put_rule_counters(struct journal *j, const struct unit_rule *r, struct dv_err *err)
{
    struct db_stmt *s = j->statements[PUT_RULE_COUNTERS];
    bind_counters(s, &r->counters, &r->counting);
    db_bind_int(s, 6, r->r.volume);
    db_bind_int(s, 7, r->r.index);
    return db_run(s, err);
}

int journal_clear_counted(struct journal *j, struct dv_err *err)
{
    return db_run(j->statements[CLEAR_COUNTED], err);
}

int journal_put_counted(struct journal *j, const char *tgtd, const struct tgt_statistics *rows,
                        size_t count, struct dv_err *err)
{
    struct db_stmt *s = j->statements[PUT_COUNTED];
    for (size_t i = 0; i < count; i++) {
        db_bind_text(s, 1, tgtd);
        db_bind_int(s, 2, rows[i].tid);
        db_bind_int(s, 3, (int64_t)rows[i].sid);
        db_bind_int(s, 4, (int64_t)rows[i].lun);
        db_bind_int(s, 5, rows[i].read_commands);
        db_bind_int(s, 6, rows[i].write_commands);
        db_bind_int(s, 7, (int64_t)rows[i].read_bytes);
        db_bind_int(s, 8, (int64_t)rows[i].write_bytes);
        if (db_run(s, err) != 0)
            return -1;
    }
    return 0;
}

int journal_put_lead(struct journal *j, const struct lead *lead, struct dv_err *err)
{
    struct db_stmt *s = j->statements[PUT_LEAD];
    if (uuid_is_zero(&lead->word.station) && lead->seconds == 0)
        return db_run(j->statements[DROP_LEAD], err);
    db_bind_blob(s, 1, lead->word.station.b, sizeof(lead->word.station.b));
    db_bind_text(s, 2, lead->name);
    db_bind_int(s, 3, lead->word.number);
    db_bind_int(s, 4, lead->word.mark);
    db_bind_int(s, 5, lead->seconds);
    return db_run(s, err);
}

int journal_reserve(struct journal *j, uint32_t generation, struct dv_err *err)
{
    db_bind_int(j->statements[RESERVE], 1, generation);
    j->doubtful = db_run(j->statements[RESERVE], err) != 0;
    if (!j->doubtful)
        j->reserved = generation;
    return j->doubtful ? -1 : 0;
}

const char *journal_trouble(struct journal *j)
{
    j->trouble.text[0] = '\0';
    if (check_dir(j->dir, &j->trouble) == 0 && db_check_place(j->db, &j->trouble) == 0 &&
        j->doubtful)
        (void)journal_reserve(j, j->reserved, &j->trouble);
    return j->trouble.text;
}

int journal_give_up_secrets(struct journal *j, size_t *users, struct dv_err *err)
{
    return journal_forget_secrets(j->db, j->dir, users, err);
}

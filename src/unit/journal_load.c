// What the journal holds, loaded into the state at the agent's start.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "base/secret.h"
#include "logic/unit_plan.h"
#include "sqlite/db.h"
#include "unit/journal_internal.h"
#include "unit/journal_seal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// One that the configuration does not name any more. Of its range only what its volumes take is
// known, and of its storage nothing: as of one that was never looked at.
static void add_gone(struct state *state, uint32_t index, const char *name, enum medium_kind kind)
{
    struct medium m = {.index = index, .kind = kind, .state = MEDIUM_FAILED, .reserves = true};
    const struct unit_volume *v = NULL;
    while ((v = state_volume_next(state, v ? v->v.index : 0)))
        if (v->v.medium == index && v->v.start_lba + v->v.blocks > m.blocks)
            m.blocks = v->v.start_lba + v->v.blocks;
    if (name_check("medium", name, NULL) == 0)
        dv_copy(m.name, sizeof(m.name), name);
    else
        snprintf(m.name, sizeof(m.name), "medium%u", index);
    dv_copy(m.last_error, sizeof(m.last_error), MEDIUM_GONE);
    state_add_medium(state, &m, false)->gone = true;
}

static int load_medium(struct journal *j, struct db_stmt *s, struct state *state,
                       struct dv_err *err)
{
    (void)j;
    size_t len;
    uint32_t index = (uint32_t)db_int(s, 0);
    (void)err;
    if (!state_medium(state, index) && state_medium_has_volumes(state, index))
        add_gone(state, index, db_text(s, 2), (enum medium_kind)db_int(s, 3));
    struct unit_medium *m = state_medium(state, index);
    if (!m)
        return 0;
    memcpy(m->uuid.b, db_blob(s, 1, &len), sizeof(m->uuid.b));
    dv_copy(m->identity, sizeof(m->identity), db_text(s, 4));
    return 0;
}

// Those that nothing was recorded of but their volumes.
static void add_unrecorded(struct state *state)
{
    const struct unit_volume *v = NULL;
    while ((v = state_volume_next(state, v ? v->v.index : 0)))
        if (!state_medium(state, v->v.medium))
            add_gone(state, v->v.medium, "", MEDIUM_DIR);
}

static int load_volume(struct journal *j, struct db_stmt *s, struct state *state,
                       struct dv_err *err)
{
    (void)j;
    size_t len;
    struct volume v = {.index = (uint32_t)db_int(s, 0),
                       .medium = (uint32_t)db_int(s, 3),
                       .start_lba = (uint64_t)db_int(s, 4),
                       .blocks = (uint64_t)db_int(s, 5),
                       .thin = db_int(s, 6) != 0,
                       .lun = (uint32_t)db_int(s, 8),
                       .admin_online = db_int(s, 9) != 0,
                       .target_start_lba = (uint64_t)db_int(s, 17),
                       .target_blocks = (uint64_t)db_int(s, 18),
                       .progress = 100};
    memcpy(v.uuid.b, db_blob(s, 1, &len), sizeof(v.uuid.b));
    (void)err;
    dv_copy(v.name, sizeof(v.name), db_text(s, 2));
    dv_copy(v.iqn, sizeof(v.iqn), db_text(s, 7));
    dv_copy(v.description, sizeof(v.description), db_text(s, 23));
    bool made = db_int(s, 10) != 0, deleting = db_int(s, 11) != 0;
    if (deleting || !made) {
        v.state = deleting ? VOLUME_DELETING : VOLUME_CREATING;
        v.progress = 0;
    } else {
        v.state = v.admin_online ? VOLUME_FAILED : VOLUME_OFFLINE;
        if (v.admin_online)
            dv_copy(v.last_error, sizeof(v.last_error),
                    "it is not served yet: the unit has just started");
    }
    struct unit_volume *row = state_add_volume(state, &v);
    row->made = made;
    if (db_text(s, 19)[0])
        row->tgtd = state_add_tgtd(state, db_text(s, 19));
    row->counters = (struct volume_counters){
        .read_ops = (uint64_t)db_int(s, 12),
        .write_ops = (uint64_t)db_int(s, 13),
        .read_bytes = (uint64_t)db_int(s, 14),
        .written_bytes = (uint64_t)db_int(s, 15),
    };
    row->counting.logins = (uint64_t)db_int(s, 16);
    row->refused.count = (uint64_t)db_int(s, 20);
    row->refused.at_ms = (uint64_t)db_int(s, 21);
    dv_copy(row->refused.initiator, sizeof(row->refused.initiator), db_text(s, 22));
    return 0;
}

static int load_last(struct journal *j, struct db_stmt *s, struct state *state, struct dv_err *err)
{
    (void)j;
    (void)err;
    state_note_last(state, (uint32_t)db_int(s, 0));
    return 0;
}

// One without a secret is none.
static int load_previous(struct journal *j, struct db_stmt *s, struct unit_rule *row,
                         struct dv_err *err)
{
    const char *user = db_text(s, 12), *sealed = db_text(s, 13);
    const struct seal_key *key = *sealed ? journal_key(j, err) : NULL;
    const uint32_t mark = (uint32_t)db_int(s, 14);
    if (*sealed && !key)
        return -1;
    if (!journal_open_secret(key, user, mark, sealed, row->previous_secret) ||
        !row->previous_secret[0])
        return 0;
    dv_copy(row->r.previous_user, sizeof(row->r.previous_user), user);
    row->previous_mark = mark;
    return 0;
}

static int load_rule(struct journal *j, struct db_stmt *s, struct state *state, struct dv_err *err)
{
    struct access_rule r = {.volume = (uint32_t)db_int(s, 0), .index = (uint32_t)db_int(s, 1)};
    char secret[CHAP_SECRET_MAX + 1];
    const struct seal_key *key = *db_text(s, 4) ? journal_key(j, err) : NULL;
    if (*db_text(s, 4) && !key)
        return -1;
    r.secret_mark = (uint32_t)db_int(s, 11);
    (void)journal_open_secret(key, db_text(s, 3), r.secret_mark, db_text(s, 4), secret);
    dv_copy(r.initiator, sizeof(r.initiator), db_text(s, 2));
    dv_copy(r.chap_user, sizeof(r.chap_user), db_text(s, 3));
    // An active rule is in force only once tgtd has it again.
    r.state = db_int(s, 5) != 0 ? ACCESS_REVOKING : ACCESS_PENDING;
    struct unit_rule *row = state_add_rule(state, &r, secret);
    secret_wipe(secret, sizeof(secret));
    if (load_previous(j, s, row, err) != 0)
        return -1;
    row->counting.logins = (uint64_t)db_int(s, 6);
    row->counters = (struct volume_counters){
        .read_ops = (uint64_t)db_int(s, 7),
        .write_ops = (uint64_t)db_int(s, 8),
        .read_bytes = (uint64_t)db_int(s, 9),
        .written_bytes = (uint64_t)db_int(s, 10),
    };
    return 0;
}

static int load(struct journal *j, const char *sql, struct state *state,
                int (*row)(struct journal *, struct db_stmt *, struct state *, struct dv_err *),
                struct dv_err *err)
{
    struct db_stmt *s = db_prepare(journal_db(j), sql, err);
    if (!s)
        return -1;
    int rc;
    while ((rc = db_step(s, err)) == 1)
        if (row(j, s, state, err) != 0) {
            rc = -1;
            break;
        }
    db_finalize(s);
    return rc;
}

static int load_listener(struct journal *j, struct db_stmt *s, struct state *state,
                         struct dv_err *err)
{
    (void)j;
    struct listener l = {.tgtd = state_add_tgtd(state, db_text(s, 0)),
                         .port = (uint16_t)db_int(s, 2)};
    (void)err;
    dv_copy(l.address, sizeof(l.address), db_text(s, 1));
    state_add_listener(state, &l);
    return 0;
}

// Without any secret no key is asked for.
static int settle_secrets(struct journal *j, struct dv_err *err)
{
    struct db_stmt *s =
        db_prepare(journal_db(j),
                   "SELECT 1 FROM rule WHERE secret != '' OR previous_secret != '' LIMIT 1", err);
    int rc = s ? db_step(s, err) : -1;
    db_finalize(s);
    const struct seal_key *key = rc == 1 ? journal_key(j, err) : NULL;
    return rc < 0 || (rc == 1 && !key) ? -1 : journal_drop_foreign(journal_db(j), key, err);
}

int journal_load(struct journal *j, struct state *s, struct dv_err *err)
{
    // Times count from the start of the machine.
    if (journal_rebooted(j) && db_exec(journal_db(j), "UPDATE volume SET refused_ms = 0", err) != 0)
        return journal_start_fails(err);
    if (settle_secrets(j, err) != 0)
        return journal_start_fails(err);
    if (load(j,
             "SELECT idx, uuid, name, medium, start_lba, blocks, thin, iqn, lun, admin_online,"
             " made, deleting, read_ops, write_ops, read_bytes, written_bytes, logins,"
             " target_start_lba, target_blocks, tgtd, refused, refused_ms, refused_initiator,"
             " description"
             " FROM volume ORDER BY idx",
             s, load_volume, err) != 0 ||
        load(j, "SELECT last_index FROM member", s, load_last, err) != 0 ||
        load(j, "SELECT idx, uuid, name, kind, identity FROM medium", s, load_medium, err) != 0 ||
        load(j, "SELECT tgtd, address, port FROM listener", s, load_listener, err) != 0 ||
        load(j,
             "SELECT volume, idx, initiator, chap_user, secret, revoking, logins, read_ops,"
             " write_ops, read_bytes, written_bytes, secret_mark, previous_user,"
             " previous_secret, previous_mark FROM rule"
             " ORDER BY volume, idx",
             s, load_rule, err) != 0)
        return journal_start_fails(err);
    add_unrecorded(s);
    return 0;
}

int journal_other_targets(const char *state_dir, const char *iqn_prefix, struct volume *first,
                          struct dv_err *err)
{
    if (!journal_exists(state_dir))
        return 0;
    DV_FREE char *path = dv_printf("%s/unit.db", state_dir), *prefix = dv_printf("%s:", iqn_prefix);
    struct plan_wanted wanted = {.prefix = prefix};
    struct db *db = db_open_beside(path, err);
    struct db_stmt *s =
        db ? db_prepare(db, "SELECT name, iqn FROM volume ORDER BY idx", err) : NULL;
    int count = 0, rc = s ? 0 : -1;
    while (s && (rc = db_step(s, err)) == 1) {
        if (plan_is_ours(&wanted, db_text(s, 1)) || count++ > 0)
            continue;
        *first = (struct volume){0};
        dv_copy(first->name, sizeof(first->name), db_text(s, 0));
        dv_copy(first->iqn, sizeof(first->iqn), db_text(s, 1));
    }
    db_finalize(s);
    db_close(db);
    return rc < 0 ? -1 : count;
}

int journal_load_lead(struct journal *j, struct lead *lead, struct dv_err *err)
{
    struct db_stmt *s =
        db_prepare(journal_db(j), "SELECT station, name, number, mark, seconds FROM lead", err);
    size_t len;
    *lead = (struct lead){0};
    if (!s)
        return journal_start_fails(err);
    int rc = db_step(s, err);
    if (rc == 1) {
        memcpy(lead->word.station.b, db_blob(s, 0, &len), sizeof(lead->word.station.b));
        dv_copy(lead->name, sizeof(lead->name), db_text(s, 1));
        lead->word.number = (uint32_t)db_int(s, 2);
        lead->word.mark = (uint32_t)db_int(s, 3);
        lead->seconds = (uint32_t)db_int(s, 4);
    }
    db_finalize(s);
    return rc < 0 ? journal_start_fails(err) : 0;
}

void journal_counted_clear(struct journal_counted *c)
{
    free(c->tgtd);
    free(c->rows);
    *c = (struct journal_counted){0};
}

// The rows of each run follow each other.
static void add_counted(struct db_stmt *s, struct journal_counted **list, size_t *count)
{
    if (*count == 0 || strcmp((*list)[*count - 1].tgtd, db_text(s, 0)) != 0) {
        struct journal_counted *next = DV_APPEND(*list, *count);
        *next = (struct journal_counted){.tgtd = dv_strdup(db_text(s, 0))};
    }
    struct journal_counted *c = &(*list)[*count - 1];
    *DV_APPEND(c->rows, c->count) = (struct tgt_statistics){
        .tid = (uint32_t)db_int(s, 1),
        .sid = (uint64_t)db_int(s, 2),
        .lun = (uint64_t)db_int(s, 3),
        .read_commands = (uint32_t)db_int(s, 4),
        .write_commands = (uint32_t)db_int(s, 5),
        .read_bytes = (uint64_t)db_int(s, 6),
        .write_bytes = (uint64_t)db_int(s, 7),
    };
}

int journal_load_counted(struct journal *j, struct journal_counted **list, size_t *count,
                         struct dv_err *err)
{
    struct db_stmt *s = db_prepare(journal_db(j),
                                   "SELECT tgtd, tid, sid, lun, read_commands, write_commands,"
                                   " read_bytes, write_bytes FROM counted ORDER BY tgtd",
                                   err);
    *list = NULL;
    *count = 0;
    if (!s)
        return -1;
    int rc;
    while ((rc = db_step(s, err)) == 1)
        add_counted(s, list, count);
    db_finalize(s);
    return rc;
}

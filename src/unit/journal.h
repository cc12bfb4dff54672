// What must survive any crash of the unit's agent: its identity, volumes and access rules.
// SPDX-License-Identifier: BSD-2-Clause
//
// One SQLite file in the state directory, which is whole by itself whenever no commit is under way.
// It holds CHAP secrets, so the directory is closed to others. Changes come in groups between begin
// and commit; after commit returned 0 they are on stable storage.
#ifndef DVSAN_UNIT_JOURNAL_H
#define DVSAN_UNIT_JOURNAL_H

#include "model/lead.h"
#include "tgt/tgt.h"
#include "unit/state.h"

struct journal;

struct journal_identity {
    struct dv_uuid uuid; // made at the first start, then kept
    uint32_t epoch;      // starts so far, this one included
    uint32_t generation; // no change before this start had a higher one
};

// Whether there is a file, or it cannot be told; an empty one is none.
bool journal_exists(const char *state_dir);

// Makes the directory when missing, locks it against a second agent (DV_BUSY) and opens the file.
// One that is damaged, or that a newer program wrote, is left as it is.
struct journal *journal_open(const char *state_dir, struct dv_err *err);
void journal_close(struct journal *j); // NULL is fine

// Until the first start is counted: a random UUID and nothing else.
const struct journal_identity *journal_identity(const struct journal *j);
// To be called once all was loaded and found good.
int journal_count_start(struct journal *j, struct dv_err *err);
// Of a new journal: it is that of this unit, which has been started so often.
int journal_take_identity(struct journal *j, const struct dv_uuid *uuid, uint32_t epoch,
                          struct dv_err *err);

// Why changes cannot be recorded now, or "": so far as is known without writing, and, once a commit
// has failed, by trying. The text lives until the next call.
const char *journal_trouble(struct journal *j);

// Adds all volumes and rules to a state that holds media and portals alone, in the states their
// intents stand for, and tells its media what they were. Media that have volumes and are not in the
// state are added as gone. tgtds that volumes were served by are
// added to those that the state has.
int journal_load(struct journal *j, struct state *s, struct dv_err *err);

// How many recorded volumes have targets of another prefix, and the first of these (its name and
// target): as the file says now, which an agent may have open, and which is only read. 0 without a
// file; -1 when it cannot be read.
int journal_other_targets(const char *state_dir, const char *iqn_prefix, struct volume *first,
                          struct dv_err *err);

// A group of changes. After a failure of any part, roll back.
int journal_begin(struct journal *j, struct dv_err *err);
int journal_commit(struct journal *j, struct dv_err *err);
void journal_rollback(struct journal *j);

// Remembers what the configuration says of a medium, and which one was found there.
int journal_put_medium(struct journal *j, const struct medium *m, const struct dv_uuid *uuid,
                       const char *identity, struct dv_err *err);
// Writes a row, new or changed; DV_CONFLICT when the index is another volume's. Of a volume's state
// only creating and deleting are kept apart from the rest, and of a rule's only revoking: what else
// there is follows from what is served.
int journal_put_volume(struct journal *j, const struct volume *v, bool made, struct dv_err *err);
// The highest index that a volume ever had, which writing a volume raises: for rows that came to
// nothing.
int journal_set_last(struct journal *j, uint32_t index, struct dv_err *err);
// Which tgtd alone may serve the volume from now on, by its socket.
int journal_put_tgtd(struct journal *j, uint32_t index, const char *socket, struct dv_err *err);
// Where the tgtd at this socket is made to listen, before it is.
int journal_put_listener(struct journal *j, const char *socket, const struct listener *l,
                         struct dv_err *err);
int journal_drop_listener(struct journal *j, const char *socket, const struct listener *l,
                          struct dv_err *err);
int journal_put_rule(struct journal *j, const struct access_rule *r, const char *secret,
                     struct dv_err *err);
// Of a rule that is there only whether it is being revoked and its CHAP users are written; secrets
// are users', and each is written for all rules of its user at once, also where it is the previous
// one. So a rule's secrets are to be written behind its users, in the same group.
int journal_put_secret(struct journal *j, const char *chap_user, const char *secret, uint32_t mark,
                       struct dv_err *err);
// No row of that index is no error.
int journal_drop_volume(struct journal *j, uint32_t index, struct dv_err *err);
int journal_drop_rule(struct journal *j, uint32_t volume, uint32_t index, struct dv_err *err);
int journal_put_counters(struct journal *j, const struct unit_volume *v, struct dv_err *err);
int journal_put_rule_counters(struct journal *j, const struct unit_rule *r, struct dv_err *err);
// Which of tgtds' own counts are in the counters by now: forgets what was recorded of that, and
// records it for one run of a tgtd, which tgtd names.
int journal_clear_counted(struct journal *j, struct dv_err *err);
int journal_put_counted(struct journal *j, const char *tgtd, const struct tgt_statistics *rows,
                        size_t count, struct dv_err *err);

struct journal_counted {
    char *tgtd; // a run of a tgtd
    struct tgt_statistics *rows;
    size_t count; // > 0
};
// The caller clears each of the *count and frees *list, also after a failure.
int journal_load_counted(struct journal *j, struct journal_counted **list, size_t *count,
                         struct dv_err *err);
void journal_counted_clear(struct journal_counted *c);

// Who leads the unit; of a new journal nobody, which is no row.
int journal_load_lead(struct journal *j, struct lead *lead, struct dv_err *err);
int journal_put_lead(struct journal *j, const struct lead *lead, struct dv_err *err);

// Gives up the secrets of all rules, and the key that they were sealed with, where that is a file
// of the state folder: the station sends them again. *users is how many had one.
int journal_give_up_secrets(struct journal *j, size_t *users, struct dv_err *err);

// From the next start on, generations begin behind this one. It may be part of a group.
int journal_reserve(struct journal *j, uint32_t generation, struct dv_err *err);

#endif

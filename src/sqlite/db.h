// A thin helper over SQLite: one file, prepared statements, transactions, errors as sentences.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_SQLITE_DB_H
#define DVSAN_SQLITE_DB_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct db_stmt;

enum db_log {
    DB_AHEAD, // a write-ahead log: one write to the disk a commit, and a second file that belongs
              // to it
    DB_BACK   // a rollback journal: several writes a commit, and between commits the file is whole
};

// Opens path, making it with mode 0600 when missing (its directory must exist), locks it and checks
// it: a damaged file, or one whose references lead nowhere, is DV_DAMAGED with a sentence that says
// what to do, and is left as it is. The lock is on the file itself, by whatever name it is found:
// DV_BUSY when another db has it open, here or in another process.
// synchronous=FULL: what was committed survives a power cut. Deleted content is overwritten with
// zeros. Foreign keys are enforced.
// Another process' lock on the file is waited for shortly, once; what is tried further while that
// one has it fails with DV_BUSY at once. Use a db and its statements from one thread at a time.
struct db *db_open(const char *path, enum db_log log, struct dv_err *err);
// Opens a file that is there, to read it beside whoever has it open: without a lock, and unchecked.
struct db *db_open_beside(const char *path, struct dv_err *err);
void db_close(struct db *db); // NULL is fine; finalize the statements first

// Fails with DV_DAMAGED and the sentence that other damage has; what is wrong comes in brackets.
int db_damaged(const struct db *db, struct dv_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// Brings the schema up to date. steps[i] is SQL that leads from version i to i + 1; each step is
// a transaction, and the version is kept in user_version. Steps are never changed once released,
// only added. DV_CONFLICT when the file was written by a newer program.
// fresh is SQL that makes the newest schema at once, in a file that has none; NULL: the steps do.
int db_migrate(struct db *db, const char *fresh, const char *const *steps, size_t count,
               struct dv_err *err);

// Fails when nothing could be recorded now: the file is not at its path any more, its file system
// is full or read-only. Nothing is written to find out.
int db_check_place(struct db *db, struct dv_err *err);

// One or more statements whose rows, if any, are of no interest.
int db_exec(struct db *db, const char *sql, struct dv_err *err);

// Of a write-ahead log: whether what is committed from now on survives a power cut by itself, or
// only once something is committed later that does.
int db_sync(struct db *db, bool durable, struct dv_err *err);

// A write transaction, refused when the file is not at its path any more. They do not nest. Every
// statement that is to be atomic with others goes between begin and commit; when commit fails the
// transaction has been rolled back.
int db_begin(struct db *db, struct dv_err *err);
int db_commit(struct db *db, struct dv_err *err);
void db_rollback(struct db *db); // does nothing outside a transaction
// What was deleted before does not live on in the write-ahead log, unless a reader needs it just
// now; then it goes with the next commits.
void db_empty_log(struct db *db);

// A prepared statement, to be kept and used again. NULL on error: DV_DAMAGED when the tables are
// not those that the SQL is for.
struct db_stmt *db_prepare(struct db *db, const char *sql, struct dv_err *err);
void db_finalize(struct db_stmt *s); // NULL is fine

// Binds parameter n, counted from 1. Text and blobs are copied, and the copies are SQLite's to
// free without wiping; a NULL text or blob binds NULL. A failure shows at the next db_step.
void db_bind_int(struct db_stmt *s, int n, int64_t value);
void db_bind_text(struct db_stmt *s, int n, const char *text);
void db_bind_blob(struct db_stmt *s, int n, const void *data, size_t len);
void db_bind_null(struct db_stmt *s, int n);

// 1: there is a row; 0: there are no more rows, and the statement is ready to be bound and used
// again; -1: it failed, likewise ready. A failed constraint (UNIQUE, CHECK, a foreign key) is
// DV_CONFLICT, a full disk DV_NO_SPACE, a damaged file DV_DAMAGED, anything else DV_IO.
int db_step(struct db_stmt *s, struct dv_err *err);
// Steps to the end: for statements that return no rows. 0 or -1.
int db_run(struct db_stmt *s, struct dv_err *err);
// Ends a loop over rows early, and forgets what was bound.
void db_reset(struct db_stmt *s);

// Columns of the present row, counted from 0; what is pointed to lives until the next db_step or
// db_reset.
enum db_kind { DB_NULL, DB_INT, DB_REAL, DB_TEXT, DB_BLOB };
enum db_kind db_kind(struct db_stmt *s, int column); // what it is, not what it was declared
int64_t db_int(struct db_stmt *s, int column);       // 0 for NULL
const char *db_text(struct db_stmt *s, int column);  // NULL for NULL
const void *db_blob(struct db_stmt *s, int column, size_t *len); // NULL for NULL and empty

int64_t db_last_id(const struct db *db); // the rowid of the last INSERT
int64_t db_changes(const struct db *db); // rows that the last INSERT, UPDATE or DELETE touched

#endif

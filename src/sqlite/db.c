// A thin helper over SQLite: one file, prepared statements, transactions, errors as sentences.
// SPDX-License-Identifier: BSD-2-Clause
#include "sqlite/db.h"
#include "base/mem.h"
#include "base/wait.h"
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

// Another process, such as a backup, may hold the file shortly. Who waits for it then does nothing
// else; so that is once, until something could be written again.
#define BUSY_START_MS 5000
#define BUSY_MS       250
#define BUSY_PAUSE_MS 5
// Where SQLite has its locks on a file without a write-ahead log.
#define LOCKS_AT    0x40000000
#define LOCKS_BYTES 512
#define ROOM_BYTES  (UINT64_C(256) << 10) // with less left, a commit may not fit

struct db {
    sqlite3 *handle;
    int lock; // a descriptor of the file that holds a lock on it, or -1
    enum db_log log;
    bool loose;    // commits need not survive a power cut
    bool locked;   // somebody's lock was waited for in vain, and nothing was written since
    int64_t until; // else one that is there now is waited for
    char *path;
};

struct db_stmt {
    struct db *db;
    sqlite3_stmt *handle;
    int bind_error; // the first SQLite code other than SQLITE_OK that a bind returned
};

int db_damaged(const struct db *db, struct dv_err *err, const char *fmt, ...)
{
    char what[160];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return dv_fail(err, DV_DAMAGED,
                   "%s is damaged (%s); stop the program, move the file and those beside it whose "
                   "names begin with its own away, and put a backup in its place",
                   db->path, what);
}

// The process whose lock is in the way is not always to be known.
static int fail_locked(const struct db *db, struct dv_err *err)
{
    struct flock l = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCKS_AT, .l_len = LOCKS_BYTES};
    if (db->lock < 0 || db->log != DB_BACK || fcntl(db->lock, F_GETLK, &l) != 0 ||
        l.l_type == F_UNLCK || l.l_pid <= 0)
        return dv_fail(err, DV_BUSY, "%s is locked by another process", db->path);
    return dv_fail(err, DV_BUSY, "%s is locked by process %d: wait until that is done, or end it",
                   db->path, (int)l.l_pid);
}

static int fail(const struct db *db, int code, struct dv_err *err)
{
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return dv_fail(err, DV_CONFLICT, "%s: %s", db->path, sqlite3_errmsg(db->handle));
    case SQLITE_FULL:
        return dv_fail(err, DV_NO_SPACE, "%s cannot be written: the file system is full", db->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return db_damaged(db, err, "%s", sqlite3_errstr(code));
    case SQLITE_ERROR: // all SQL is this program's own: what is wrong with it is the tables it met
        return db_damaged(db, err, "%s", sqlite3_errmsg(db->handle));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return fail_locked(db, err);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return dv_fail(err, DV_IO,
                       "%s cannot be written: see who owns it and the folder it is in, and whether "
                       "their file system is read-only",
                       db->path);
    case SQLITE_IOERR:
        if (db->handle && sqlite3_system_errno(db->handle) != 0)
            return dv_fail_errno(err, sqlite3_system_errno(db->handle),
                                 "%s cannot be read or written", db->path);
        return dv_fail(err, DV_IO, "%s cannot be read or written: %s", db->path,
                       sqlite3_errstr(code));
    default:
        return dv_fail(err, DV_IO, "%s: %s", db->path, sqlite3_errmsg(db->handle));
    }
}

// A lock on a name would be lost with the name. That by flock is none of SQLite's, which are POSIX
// locks; but those end when any descriptor of the file is closed, so this one is kept until SQLite
// has closed its own.
static int lock(const char *path, int fd, struct dv_err *err)
{
    struct stat here, there;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? dv_fail(err, DV_BUSY, "%s is in use by another process; stop that one first",
                             path)
                   : dv_fail_errno(err, errno, "%s cannot be locked", path);
    if (fstat(fd, &here) != 0 || stat(path, &there) != 0 || here.st_ino != there.st_ino ||
        here.st_dev != there.st_dev)
        return dv_fail(err, DV_BUSY, "%s is just being replaced; try again", path);
    return 0;
}

// SQLite gives the WAL and the shared memory file the mode of the main file, so that one is made
// here, and closed to others when somebody opened it up. Returns the descriptor with the lock.
static int make_private(const char *path, struct dv_err *err)
{
    DV_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return dv_fail_errno(err, errno, "%s cannot be opened for writing", path);
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return dv_fail(err, DV_IO, "%s is not a regular file", path);
    if ((st.st_mode & 077) != 0 && fchmod(fd, 0600) != 0)
        return dv_fail_errno(err, errno, "%s can be read by others, and that cannot be changed",
                             path);
    if (lock(path, fd, err) != 0)
        return -1;
    int held = fd;
    fd = -1;
    return held;
}

static int check_references(struct db *db, struct dv_err *err)
{
    struct db_stmt *s = db_prepare(db, "PRAGMA foreign_key_check", err);
    if (!s)
        return -1;
    int rc = db_step(s, err);
    if (rc == 1)
        rc = db_damaged(db, err, "what a row of %s belongs to is not there", db_text(s, 0));
    db_finalize(s);
    return rc < 0 ? -1 : 0;
}

// The check tells of a page that could not be read just now as of one that is damaged.
static int fault_in(const char *finding)
{
    static const char code[] = "error code=";
    const char *at = strstr(finding, code);
    int rc = at ? atoi(at + sizeof(code) - 1) : SQLITE_OK;
    return rc != SQLITE_OK ? rc : SQLITE_CORRUPT;
}

// The quick check leaves out whether indexes have what their tables have, which takes long where
// much is kept.
static int check(struct db *db, enum db_log log, struct dv_err *err)
{
    struct db_stmt *s = db_prepare(
        db, log == DB_AHEAD ? "PRAGMA quick_check(1)" : "PRAGMA integrity_check(1)", err);
    if (!s)
        return -1;
    int rc = db_step(s, err);
    const char *finding = rc == 1 ? db_text(s, 0) : "ok";
    if (!finding || strcmp(finding, "ok") != 0) {
        (void)fail(db, finding ? fault_in(finding) : SQLITE_NOMEM, err);
        rc = -1;
    }
    db_finalize(s);
    return rc < 0 ? -1 : check_references(db, err);
}

static int wait_for_lock(void *arg, int tries)
{
    struct db *db = arg;
    if (tries == 0)
        db->until = wait_now_ms() + (db->locked ? 0 : BUSY_MS);
    db->locked = wait_now_ms() >= db->until;
    if (!db->locked)
        sqlite3_sleep(BUSY_PAUSE_MS);
    return !db->locked;
}

// Nothing is written before it was checked, and the log of a damaged file stays beside it.
static int open_checked(struct db *db, enum db_log log, struct dv_err *err)
{
    int rc = sqlite3_open_v2(db->path, &db->handle, SQLITE_OPEN_READWRITE, NULL);
    if (rc != SQLITE_OK)
        return fail(db, rc, err);
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, BUSY_START_MS);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (check(db, log, err) != 0)
        return -1;
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return db_exec(
        db,
        log == DB_AHEAD
            ? "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
              "PRAGMA wal_autocheckpoint = 250;" // pages, that one turn of a loop has time to move
              "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF"
            : "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
              "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF",
        err);
}

struct db *db_open(const char *path, enum db_log log, struct dv_err *err)
{
    int held = make_private(path, err);
    if (held < 0)
        return NULL;
    struct db *db = dv_calloc(1, sizeof(*db));
    db->lock = held;
    db->path = dv_strdup(path);
    db->log = log;
    if (open_checked(db, log, err) == 0) {
        sqlite3_busy_handler(db->handle, wait_for_lock, db);
        return db;
    }
    db_close(db);
    return NULL;
}

struct db *db_open_beside(const char *path, struct dv_err *err)
{
    struct db *db = dv_calloc(1, sizeof(*db));
    db->lock = -1;
    db->path = dv_strdup(path);
    int rc = sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READONLY, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(db->handle, BUSY_START_MS);
        return db;
    }
    (void)fail(db, rc, err);
    db_close(db);
    return NULL;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    sqlite3_close_v2(db->handle);
    if (db->lock >= 0)
        close(db->lock);
    free(db->path);
    free(db);
}

static int user_version(struct db *db, int64_t *version, struct dv_err *err)
{
    struct db_stmt *s = db_prepare(db, "PRAGMA user_version", err);
    if (!s)
        return -1;
    int rc = db_step(s, err);
    *version = rc == 1 ? db_int(s, 0) : 0;
    db_finalize(s);
    return rc < 0 ? -1 : 0;
}

static int migrate_step(struct db *db, const char *sql, size_t version, struct dv_err *err)
{
    DV_FREE char *mark = dv_printf("PRAGMA user_version = %zu", version);
    if (db_begin(db, err) != 0)
        return -1;
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        (void)fail(db, rc, err);
    else if (db_exec(db, mark, err) == 0)
        return db_commit(db, err);
    db_rollback(db);
    return err->code == DV_CONFLICT
               ? db_damaged(db, err, "its rows contradict each other: schema version %zu", version)
               : -1;
}

int db_migrate(struct db *db, const char *fresh, const char *const *steps, size_t count,
               struct dv_err *err)
{
    int64_t version;
    if (user_version(db, &version, err) != 0)
        return -1;
    if (version < 0 || (uint64_t)version > count)
        return dv_fail(err, DV_CONFLICT,
                       "%s has schema version %lld, this program knows up to %zu: it was written "
                       "by a newer version; install that one again",
                       db->path, (long long)version, count);
    if (version == 0 && fresh)
        return migrate_step(db, fresh, count, err);
    for (size_t i = (size_t)version; i < count; i++)
        if (migrate_step(db, steps[i], i + 1, err) != 0)
            return -1;
    return 0;
}

int db_exec(struct db *db, const char *sql, struct dv_err *err)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fail(db, rc, err);
}

// SQLite would go on writing to a file that nobody will find again.
static int check_moved(const struct db *db, struct dv_err *err)
{
    int moved = 0;
    (void)sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (!moved)
        return 0;
    return dv_fail(err, DV_NOT_FOUND,
                   "%s is not there any more, or something else is: put back the folder that held "
                   "it; nothing is recorded until then",
                   db->path);
}

int db_check_place(struct db *db, struct dv_err *err)
{
    struct statvfs fs;
    if (check_moved(db, err) != 0)
        return -1;
    if (statvfs(db->path, &fs) != 0)
        return dv_fail_errno(err, errno, "cannot look at the file system of %s", db->path);
    if (fs.f_flag & ST_RDONLY)
        return dv_fail(err, DV_DENIED, "%s is on a file system mounted read-only", db->path);
    if ((uint64_t)fs.f_bfree * fs.f_frsize < ROOM_BYTES)
        return dv_fail(err, DV_NO_SPACE, "the file system of %s is full: make room there",
                       db->path);
    return 0;
}

int db_sync(struct db *db, bool durable, struct dv_err *err)
{
    if (durable == !db->loose)
        return 0;
    if (db_exec(db, durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", err) < 0)
        return -1;
    db->loose = !durable;
    return 0;
}

int db_begin(struct db *db, struct dv_err *err)
{
    return check_moved(db, err) != 0 ? -1 : db_exec(db, "BEGIN IMMEDIATE", err);
}

int db_commit(struct db *db, struct dv_err *err)
{
    int rc = db_exec(db, "COMMIT", err);
    if (rc != 0)
        db_rollback(db);
    else
        db->locked = false;
    return rc;
}

static bool in_transaction(const struct db *db)
{
    return sqlite3_get_autocommit(db->handle) == 0;
}

void db_rollback(struct db *db)
{
    if (in_transaction(db))
        (void)db_exec(db, "ROLLBACK", NULL);
}

void db_empty_log(struct db *db)
{
    (void)db_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL);
}

struct db_stmt *db_prepare(struct db *db, const char *sql, struct dv_err *err)
{
    sqlite3_stmt *handle;
    int rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL);
    if (rc != SQLITE_OK) {
        (void)fail(db, rc, err);
        return NULL;
    }
    struct db_stmt *s = dv_calloc(1, sizeof(*s));
    s->db = db;
    s->handle = handle;
    return s;
}

void db_finalize(struct db_stmt *s)
{
    if (!s)
        return;
    sqlite3_finalize(s->handle);
    free(s);
}

static void bound(struct db_stmt *s, int rc)
{
    if (s->bind_error == SQLITE_OK)
        s->bind_error = rc;
}

void db_bind_int(struct db_stmt *s, int n, int64_t value)
{
    bound(s, sqlite3_bind_int64(s->handle, n, value));
}

void db_bind_text(struct db_stmt *s, int n, const char *text)
{
    bound(s, sqlite3_bind_text(s->handle, n, text, -1, SQLITE_TRANSIENT));
}

void db_bind_blob(struct db_stmt *s, int n, const void *data, size_t len)
{
    bound(s, sqlite3_bind_blob64(s->handle, n, data, len, SQLITE_TRANSIENT));
}

void db_bind_null(struct db_stmt *s, int n)
{
    bound(s, sqlite3_bind_null(s->handle, n));
}

int db_step(struct db_stmt *s, struct dv_err *err)
{
    int rc = s->bind_error != SQLITE_OK ? s->bind_error : sqlite3_step(s->handle);
    if (rc == SQLITE_ROW)
        return 1;
    int result = rc == SQLITE_DONE ? 0 : fail(s->db, rc, err);
    if (result == 0 && !sqlite3_stmt_readonly(s->handle) && !in_transaction(s->db))
        s->db->locked = false;
    db_reset(s);
    return result;
}

int db_run(struct db_stmt *s, struct dv_err *err)
{
    int rc;
    while ((rc = db_step(s, err)) == 1)
        ;
    return rc;
}

void db_reset(struct db_stmt *s)
{
    sqlite3_reset(s->handle);
    sqlite3_clear_bindings(s->handle);
    s->bind_error = SQLITE_OK;
}

enum db_kind db_kind(struct db_stmt *s, int column)
{
    switch (sqlite3_column_type(s->handle, column)) {
    case SQLITE_INTEGER:
        return DB_INT;
    case SQLITE_FLOAT:
        return DB_REAL;
    case SQLITE_TEXT:
        return DB_TEXT;
    case SQLITE_BLOB:
        return DB_BLOB;
    default:
        return DB_NULL;
    }
}

int64_t db_int(struct db_stmt *s, int column)
{
    return sqlite3_column_int64(s->handle, column);
}

const char *db_text(struct db_stmt *s, int column)
{
    return (const char *)sqlite3_column_text(s->handle, column);
}

const void *db_blob(struct db_stmt *s, int column, size_t *len)
{
    const void *data = sqlite3_column_blob(s->handle, column);
    *len = (size_t)sqlite3_column_bytes(s->handle, column);
    return data;
}

int64_t db_last_id(const struct db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

int64_t db_changes(const struct db *db)
{
    return sqlite3_changes64(db->handle);
}

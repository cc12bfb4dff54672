// What a database that cannot be read is said to be: damaged for good, or unread just now.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CTEST_SUPPORT_DB_FAULTS_H
#define DVSAN_CTEST_SUPPORT_DB_FAULTS_H

#include "base/file.h"
#include "base/mem.h"
#include "sqlite/db.h"
#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// ---- SQLite's own way to its files, in which one reading fails ----------------------------

static sqlite3_vfs faulty;
static sqlite3_io_methods methods;
static const sqlite3_io_methods *real;
static int fault, readings, turn;

static int read_or_fail(sqlite3_file *f, void *data, int count, sqlite3_int64 at)
{
    if (++readings != turn)
        return real->xRead(f, data, count, at);
    errno = EIO;
    return fault;
}

static int open_faulty(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    sqlite3_vfs *usual = vfs->pAppData;
    int rc = usual->xOpen(usual, name, f, flags, out);
    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB)) {
        real = f->pMethods;
        methods = *real;
        methods.xRead = read_or_fail;
        f->pMethods = &methods;
    }
    return rc;
}

static int set_up_all(void **state)
{
    (void)state;
    sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
    faulty = *usual;
    faulty.zName = "faulty";
    faulty.xOpen = open_faulty;
    faulty.pAppData = usual;
    return sqlite3_vfs_register(&faulty, 1);
}

// ---- The database that is tried -----------------------------------------------------------

static const char *db_file(void);        // in dir
static bool open_it(struct dv_err *err); // as the program does at its start, and closes it

static char dir[512];

static int make_dir(void **state)
{
    (void)state;
    turn = 0;
    strcpy(dir, "/tmp/dvsan-test-faults-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[600];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command);
}

// Lets each reading fail in turn, until there is none left that could. Returns how many of them
// made the opening fail.
static int fail_each_reading(int how, enum dv_code wanted)
{
    struct dv_err err;
    int refused = 0;
    fault = how;
    for (turn = 1;; turn++) {
        readings = 0;
        err = (struct dv_err){0};
        bool opened = open_it(&err);
        if (readings < turn) {
            assert_true(opened);
            break;
        }
        // Some failures are SQLite's to bear, as when it looks whether there is a journal.
        refused += !opened;
        if (!opened && err.code != wanted)
            fail_msg("SQLite's %d at reading %d became %s", how, turn, err.text);
    }
    assert_in_range(turn, 10, 10000);
    turn = 0;
    return refused;
}

static void passing_faults_are_no_damage(void **state)
{
    static const struct {
        int code;
        enum dv_code wanted;
    } cases[] = {
        {SQLITE_IOERR_READ, DV_IO},   {SQLITE_NOMEM, DV_IO},       {SQLITE_IOERR_NOMEM, DV_IO},
        {SQLITE_BUSY, DV_BUSY},       {SQLITE_LOCKED, DV_BUSY},    {SQLITE_FULL, DV_NO_SPACE},
        {SQLITE_CORRUPT, DV_DAMAGED}, {SQLITE_NOTADB, DV_DAMAGED}, {SQLITE_CANTOPEN, DV_IO},
    };
    struct dv_err err;
    (void)state;
    assert_true(open_it(&err));
    for (size_t i = 0; i < DV_COUNT(cases); i++)
        if (fail_each_reading(cases[i].code, cases[i].wanted) == 0)
            fail_msg("SQLite's %d is never told", cases[i].code);
    assert_true(open_it(&err));
}

// With ever more of it, until it is enough.
static void too_little_memory_is_no_damage(void **state)
{
    struct dv_err err;
    int refused = 0;
    (void)state;
    assert_true(open_it(&err));
    for (sqlite3_int64 bytes = sqlite3_memory_used() + 1024;; bytes += 4096) {
        sqlite3_hard_heap_limit64(bytes);
        bool opened = open_it(&err);
        sqlite3_hard_heap_limit64(0);
        if (opened)
            break;
        refused++;
        if (err.code == DV_DAMAGED)
            fail_msg("%s", err.text);
    }
    assert_true(refused > 3);
}

static void assert_damage(const char *sql)
{
    struct dv_err err;
    DV_FREE char *path = dv_printf("%s/%s", dir, db_file());
    DV_FREE char *good = NULL;
    size_t len;
    assert_true(open_it(&err));
    assert_int_equal(file_read(path, 1 << 24, &good, &len, &err), 0);
    struct db *db = db_open(path, DB_BACK, &err);
    assert_non_null(db);
    if (db_exec(db, sql, &err) != 0)
        fail_msg("%s: %s", sql, err.text);
    db_close(db);
    assert_false(open_it(&err));
    if (err.code != DV_DAMAGED || !strstr(err.text, "backup"))
        fail_msg("%s: %s", sql, err.text);
    assert_int_equal(file_write_atomic(path, good, len, 0600, &err), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_dir, remove_dir)

#endif

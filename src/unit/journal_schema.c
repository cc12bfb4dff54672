// The journal's tables, in the steps by which they came to be.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "sqlite/db.h"
#include "unit/journal_internal.h"

static const char *const SCHEMA[] = {
    "CREATE TABLE member ("
    " id INTEGER PRIMARY KEY CHECK (id = 1),"
    " uuid BLOB NOT NULL CHECK (length(uuid) = 16),"
    " epoch INTEGER NOT NULL,"
    " generation INTEGER NOT NULL) STRICT;"
    "CREATE TABLE medium ("
    " idx INTEGER PRIMARY KEY,"
    " uuid BLOB NOT NULL CHECK (length(uuid) = 16)) STRICT;"
    "CREATE TABLE volume ("
    " idx INTEGER PRIMARY KEY CHECK (idx BETWEEN 1 AND 2147483647),"
    " uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),"
    " name TEXT NOT NULL UNIQUE,"
    " medium INTEGER NOT NULL,"
    " start_lba INTEGER NOT NULL CHECK (start_lba >= 0),"
    " blocks INTEGER NOT NULL CHECK (blocks > 0),"
    " thin INTEGER NOT NULL,"
    " iqn TEXT NOT NULL UNIQUE,"
    " lun INTEGER NOT NULL,"
    " admin_online INTEGER NOT NULL,"
    " made INTEGER NOT NULL,"
    " deleting INTEGER NOT NULL,"
    " read_ops INTEGER NOT NULL DEFAULT 0,"
    " write_ops INTEGER NOT NULL DEFAULT 0,"
    " read_bytes INTEGER NOT NULL DEFAULT 0,"
    " written_bytes INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE rule ("
    " volume INTEGER NOT NULL REFERENCES volume (idx),"
    " idx INTEGER NOT NULL CHECK (idx BETWEEN 1 AND 2147483647),"
    " initiator TEXT NOT NULL,"
    " chap_user TEXT NOT NULL,"
    " secret TEXT NOT NULL,"
    " revoking INTEGER NOT NULL,"
    " PRIMARY KEY (volume, idx), UNIQUE (volume, initiator)) STRICT, WITHOUT ROWID;",
    // Counters of rules, and what of them is in tgtd's own counts.
    "ALTER TABLE volume ADD COLUMN logins INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rule ADD COLUMN logins INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rule ADD COLUMN read_ops INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rule ADD COLUMN write_ops INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rule ADD COLUMN read_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rule ADD COLUMN written_bytes INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE counted ("
    " tgtd TEXT NOT NULL,"
    " tid INTEGER NOT NULL,"
    " sid INTEGER NOT NULL,"
    " lun INTEGER NOT NULL,"
    " read_commands INTEGER NOT NULL,"
    " write_commands INTEGER NOT NULL,"
    " read_bytes INTEGER NOT NULL,"
    " write_bytes INTEGER NOT NULL,"
    " PRIMARY KEY (tid, sid, lun)) STRICT, WITHOUT ROWID;",
    // What a volume is being resized to.
    "ALTER TABLE volume ADD COLUMN target_start_lba INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE volume ADD COLUMN target_blocks INTEGER NOT NULL DEFAULT 0;",
    // Several tgtds: which one may be serving a volume, by its socket, and their counts apart.
    "ALTER TABLE volume ADD COLUMN tgtd TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE counted RENAME TO counted_before;"
    "CREATE TABLE counted ("
    " tgtd TEXT NOT NULL,"
    " tid INTEGER NOT NULL,"
    " sid INTEGER NOT NULL,"
    " lun INTEGER NOT NULL,"
    " read_commands INTEGER NOT NULL,"
    " write_commands INTEGER NOT NULL,"
    " read_bytes INTEGER NOT NULL,"
    " write_bytes INTEGER NOT NULL,"
    " PRIMARY KEY (tgtd, tid, sid, lun)) STRICT, WITHOUT ROWID;"
    "INSERT INTO counted SELECT * FROM counted_before;"
    "DROP TABLE counted_before;",
    // Refused logins, of which the last one is told until the machine starts again.
    "ALTER TABLE volume ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE volume ADD COLUMN refused_ms INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE volume ADD COLUMN refused_initiator TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE member ADD COLUMN boot TEXT NOT NULL DEFAULT '';",
    // Which station leads, and the last word that it told.
    "CREATE TABLE lead ("
    " id INTEGER PRIMARY KEY CHECK (id = 1),"
    " station BLOB NOT NULL CHECK (length(station) = 16),"
    " name TEXT NOT NULL CHECK (length(name) <= 127),"
    " number INTEGER NOT NULL CHECK (number BETWEEN 0 AND 4294967295),"
    " mark INTEGER NOT NULL CHECK (mark BETWEEN 0 AND 4294967295),"
    " seconds INTEGER NOT NULL CHECK (seconds BETWEEN 0 AND 86400)) STRICT;",
    // What a medium was when it was in the configuration, and the highest index that a volume had.
    "ALTER TABLE medium ADD COLUMN name TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE medium ADD COLUMN kind INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE member ADD COLUMN last_index INTEGER NOT NULL DEFAULT 0;"
    "UPDATE member SET last_index = (SELECT ifnull(max(idx), 0) FROM volume);",
    // Which device a medium is, whatever it is called.
    "ALTER TABLE medium ADD COLUMN identity TEXT NOT NULL DEFAULT '';",
    // Where tgtds were made to listen, by their sockets.
    "CREATE TABLE listener ("
    " tgtd TEXT NOT NULL,"
    " address TEXT NOT NULL,"
    " port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),"
    " PRIMARY KEY (tgtd, address, port)) STRICT, WITHOUT ROWID;",
    // Which secret it is, by the number that its station gave it.
    "ALTER TABLE rule ADD COLUMN secret_mark INTEGER NOT NULL DEFAULT 0;",
    // By which the key of the secrets is known.
    "ALTER TABLE member ADD COLUMN sealed TEXT NOT NULL DEFAULT '';",
    // The account that still admits an initiator beside the one that it was given last.
    "ALTER TABLE rule ADD COLUMN previous_user TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE rule ADD COLUMN previous_secret TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE rule ADD COLUMN previous_mark INTEGER NOT NULL DEFAULT 0;",
    // What people say of volumes.
    "ALTER TABLE volume ADD COLUMN description TEXT NOT NULL DEFAULT '';",
};

int journal_migrate(struct db *db, struct dv_err *err)
{
    return db_migrate(db, NULL, SCHEMA, DV_COUNT(SCHEMA), err);
}

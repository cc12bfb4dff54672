// The station's tables and every statement on them.
// SPDX-License-Identifier: BSD-2-Clause
#include "store/store_internal.h"

#include "base/mem.h"
#include "base/text.h"

// Numbers of enums are those of model/. Times are seconds or milliseconds since 1970, as there.
const char *const store_schema[] = {
    "CREATE TABLE unit ("
    " uuid BLOB PRIMARY KEY CHECK (length(uuid) = 16),"
    " name TEXT NOT NULL UNIQUE, address TEXT NOT NULL, engine_id BLOB, software TEXT NOT NULL,"
    " epoch INTEGER NOT NULL, generation INTEGER NOT NULL, state INTEGER NOT NULL,"
    " last_seen INTEGER NOT NULL, last_error TEXT NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE medium ("
    " unit BLOB NOT NULL REFERENCES unit ON DELETE CASCADE, idx INTEGER NOT NULL,"
    " name TEXT NOT NULL, kind INTEGER NOT NULL, state INTEGER NOT NULL, blocks INTEGER NOT NULL,"
    " free_blocks INTEGER NOT NULL, largest_free_blocks INTEGER NOT NULL,"
    " last_error TEXT NOT NULL, PRIMARY KEY (unit, idx)) WITHOUT ROWID;"

    "CREATE TABLE portal ("
    " unit BLOB NOT NULL REFERENCES unit ON DELETE CASCADE, idx INTEGER NOT NULL,"
    " address TEXT NOT NULL, port INTEGER NOT NULL, if_index INTEGER NOT NULL,"
    " up INTEGER NOT NULL, PRIMARY KEY (unit, idx)) WITHOUT ROWID;"

    // Volumes as the station wants them, and as their units show them.
    "CREATE TABLE volume ("
    " uuid BLOB PRIMARY KEY CHECK (length(uuid) = 16), name TEXT NOT NULL UNIQUE,"
    " unit BLOB NOT NULL REFERENCES unit, medium INTEGER NOT NULL, idx INTEGER NOT NULL,"
    " blocks INTEGER NOT NULL, thin INTEGER NOT NULL, thin_default INTEGER NOT NULL,"
    " wanted INTEGER NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX volume_unit ON volume (unit);"

    "CREATE TABLE shown ("
    " volume BLOB PRIMARY KEY REFERENCES volume ON DELETE CASCADE, idx INTEGER NOT NULL,"
    " name TEXT NOT NULL, medium INTEGER NOT NULL, start_lba INTEGER NOT NULL,"
    " blocks INTEGER NOT NULL, thin INTEGER NOT NULL, iqn TEXT NOT NULL, lun INTEGER NOT NULL,"
    " admin_online INTEGER NOT NULL, state INTEGER NOT NULL, progress INTEGER NOT NULL,"
    " generation INTEGER NOT NULL, last_error TEXT NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE rule ("
    " volume BLOB NOT NULL REFERENCES shown ON DELETE CASCADE, idx INTEGER NOT NULL,"
    " initiator TEXT NOT NULL, chap_user TEXT NOT NULL, secret_is_set INTEGER NOT NULL,"
    " state INTEGER NOT NULL, last_error TEXT NOT NULL, PRIMARY KEY (volume, idx)) WITHOUT ROWID;"

    "CREATE TABLE host ("
    " uuid BLOB PRIMARY KEY CHECK (length(uuid) = 16), name TEXT NOT NULL UNIQUE,"
    " iqn TEXT NOT NULL UNIQUE, chap_user TEXT NOT NULL, sealed_secret BLOB,"
    " secret_version INTEGER NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE assignment ("
    " volume BLOB NOT NULL REFERENCES volume ON DELETE CASCADE,"
    " host BLOB NOT NULL REFERENCES host, idx INTEGER NOT NULL, wanted INTEGER NOT NULL,"
    " pushed_version INTEGER NOT NULL, PRIMARY KEY (volume, host)) WITHOUT ROWID;"
    "CREATE INDEX assignment_host ON assignment (host);"

    // Tasks and events outlive what they speak of.
    "CREATE TABLE task ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, state INTEGER NOT NULL,"
    " progress INTEGER NOT NULL, summary TEXT NOT NULL, volume BLOB, host BLOB,"
    " error_code INTEGER NOT NULL, error TEXT NOT NULL, waiting TEXT NOT NULL,"
    " created INTEGER NOT NULL, started INTEGER NOT NULL, finished INTEGER NOT NULL);"
    "CREATE TABLE task_step ("
    " task INTEGER NOT NULL REFERENCES task ON DELETE CASCADE, n INTEGER NOT NULL,"
    " text TEXT NOT NULL, state INTEGER NOT NULL, PRIMARY KEY (task, n)) WITHOUT ROWID;"

    "CREATE TABLE event ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, severity INTEGER NOT NULL,"
    " subject TEXT NOT NULL, text TEXT NOT NULL);"

    "CREATE TABLE token ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    " hash BLOB NOT NULL CHECK (length(hash) = 32), created INTEGER NOT NULL);"

    "CREATE TABLE setting (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",

    // What volumes are being resized to, and the free extents. Units are read anew for them.
    "ALTER TABLE volume ADD COLUMN may_shrink INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE shown ADD COLUMN target_blocks INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE free_extent ("
    " unit BLOB NOT NULL REFERENCES unit ON DELETE CASCADE, medium INTEGER NOT NULL,"
    " start_lba INTEGER NOT NULL, blocks INTEGER NOT NULL,"
    " PRIMARY KEY (unit, medium, start_lba)) WITHOUT ROWID;"
    "UPDATE unit SET epoch = 0;",

    // Portal groups. Units are read anew for them.
    "ALTER TABLE shown ADD COLUMN portal_group INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE portal RENAME TO portal_before;"
    "CREATE TABLE portal ("
    " unit BLOB NOT NULL REFERENCES unit ON DELETE CASCADE, idx INTEGER NOT NULL,"
    " portal_group INTEGER NOT NULL, address TEXT NOT NULL, port INTEGER NOT NULL,"
    " if_index INTEGER NOT NULL, up INTEGER NOT NULL,"
    " PRIMARY KEY (unit, idx, portal_group)) WITHOUT ROWID;"
    "INSERT INTO portal SELECT unit, idx, 1, address, port, if_index, up FROM portal_before;"
    "DROP TABLE portal_before;"
    "UPDATE unit SET epoch = 0;",

    "ALTER TABLE unit ADD COLUMN last_index INTEGER NOT NULL DEFAULT 0;",

    // The starts of this station, each with the last number of intent that was given in it; and the
    // word of a unit up to which what it holds was taken in here, when another store told it.
    "CREATE TABLE run ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, mark INTEGER NOT NULL, number INTEGER NOT NULL);"
    "ALTER TABLE unit ADD COLUMN word_station BLOB;"
    "ALTER TABLE unit ADD COLUMN word_number INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE unit ADD COLUMN word_mark INTEGER NOT NULL DEFAULT 0;",

    // Names that people gave to units.
    "ALTER TABLE unit ADD COLUMN named INTEGER NOT NULL DEFAULT 0;",
    // What lies below media. Units are read anew for them.
    "ALTER TABLE medium ADD COLUMN storage_blocks INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE medium ADD COLUMN storage_free_blocks INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE medium ADD COLUMN overcommitted_blocks INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE medium ADD COLUMN reserves INTEGER NOT NULL DEFAULT 1;"
    "UPDATE unit SET epoch = 0;",
    // Tasks that are being taken back.
    "ALTER TABLE task ADD COLUMN cancel INTEGER NOT NULL DEFAULT 0;",
    // A mark for each secret, which units show; units that show none are given theirs.
    "ALTER TABLE rule ADD COLUMN secret_mark INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE host RENAME COLUMN secret_version TO secret_mark;"
    "UPDATE host SET secret_mark = 1 + (random() & 4294967294);"
    "ALTER TABLE assignment DROP COLUMN pushed_version;"
    "UPDATE unit SET epoch = 0;",

    // Units with keys of their own, and the codes by which they get them.
    "ALTER TABLE unit ADD COLUMN trust INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE unit ADD COLUMN key_number INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE code ("
    " id TEXT PRIMARY KEY, kind INTEGER NOT NULL, name TEXT NOT NULL, member BLOB,"
    " range TEXT NOT NULL, count INTEGER NOT NULL, tries INTEGER NOT NULL,"
    " created INTEGER NOT NULL, expires INTEGER NOT NULL, sealed_key BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE code_use ("
    " code TEXT NOT NULL REFERENCES code ON DELETE CASCADE, member BLOB NOT NULL,"
    " engine BLOB NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL, source TEXT NOT NULL,"
    " time INTEGER NOT NULL, PRIMARY KEY (code, member, engine)) WITHOUT ROWID;",
    // Which members have their keys on disk; and the numbers of keys of units that were forgotten.
    "ALTER TABLE code_use ADD COLUMN kept INTEGER NOT NULL DEFAULT 1;"
    "CREATE TABLE retired_key (member BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;",

    // By what media are told; and rights that units brought along. Units are read anew for them.
    "ALTER TABLE volume ADD COLUMN proof BLOB;"
    "ALTER TABLE assignment ADD COLUMN found INTEGER NOT NULL DEFAULT 0;"
    "UPDATE unit SET epoch = 0;",

    // Hosts whose secret is another one on each unit; those that were there have one for all.
    "ALTER TABLE host ADD COLUMN one_secret INTEGER NOT NULL DEFAULT 1;",

    // Where volumes were before a person said that they are elsewhere.
    "ALTER TABLE volume ADD COLUMN left_unit BLOB;",

    // Keys of units that are rotated, by tasks about units.
    "ALTER TABLE unit ADD COLUMN key_wanted INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE unit ADD COLUMN key_before INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE unit ADD COLUMN key_alone INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE task ADD COLUMN unit BLOB;",

    // Hosts' accounts of before, which are valid until a person ends them.
    "ALTER TABLE rule ADD COLUMN previous_user TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE host ADD COLUMN previous_user TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE host ADD COLUMN previous_secret BLOB;"
    "ALTER TABLE host ADD COLUMN previous_mark INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE host ADD COLUMN previous_one_secret INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE host ADD COLUMN previous_since INTEGER NOT NULL DEFAULT 0;",

    // What makes the keys of each enrolment differ; NULL for those that came before.
    "ALTER TABLE unit ADD COLUMN enrolment BLOB;",

    // By their marks, the secrets for all units that hosts have, or had before that: which unit was
    // told one for a right that is there no longer.
    "CREATE TABLE told ("
    " host BLOB NOT NULL REFERENCES host ON DELETE CASCADE, unit BLOB NOT NULL,"
    " mark INTEGER NOT NULL, PRIMARY KEY (host, unit, mark)) WITHOUT ROWID;",

    // Two things that were in one number.
    "ALTER TABLE assignment ADD COLUMN unasked INTEGER NOT NULL DEFAULT 0;"
    "UPDATE assignment SET unasked = (found & 2) <> 0, found = found & 1;",

    // What people say of things. Units are read anew for it.
    "ALTER TABLE unit ADD COLUMN description TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE volume ADD COLUMN description TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE shown ADD COLUMN description TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE host ADD COLUMN description TEXT NOT NULL DEFAULT '';"
    "UPDATE unit SET epoch = 0;",

    // Hosts' initiator names of before, which are valid until a person ends them.
    "ALTER TABLE host ADD COLUMN previous_iqn TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE host ADD COLUMN previous_iqn_since INTEGER NOT NULL DEFAULT 0;",
};
const size_t store_schema_steps = DV_COUNT(store_schema);

const struct kind *const store_kinds[STORE_TABLES] = {
    [TABLE_UNIT] = &kind_unit,
    [TABLE_MEDIUM] = &kind_medium,
    [TABLE_FREE] = &kind_free_extent,
    [TABLE_PORTAL] = &kind_portal,
    [TABLE_HOST] = &kind_host,
    [TABLE_VOLUME] = &kind_volume,
    [TABLE_ASSIGNMENT] = &kind_assignment,
    [TABLE_SHOWN] = &kind_shown,
    [TABLE_RULE] = &kind_rule,
    [TABLE_TASK] = &kind_task,
    [TABLE_EVENT] = &kind_event,
    [TABLE_TOKEN] = &kind_token,
    [TABLE_CODE] = &kind_code,
    [TABLE_CODE_USE] = &kind_code_use,
};

// What is no record of a kind, and by what else things are found.
static const char others[] =
    "CREATE INDEX volume_unit ON volume (unit);"
    "CREATE INDEX assignment_host ON assignment (host);"
    "CREATE TABLE task_step ("
    " task INTEGER NOT NULL REFERENCES task ON DELETE CASCADE, n INTEGER NOT NULL,"
    " text TEXT NOT NULL, state INTEGER NOT NULL, PRIMARY KEY (task, n)) WITHOUT ROWID;"
    "CREATE TABLE setting (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE run ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, mark INTEGER NOT NULL, number INTEGER NOT NULL);"
    "CREATE TABLE retired_key (member BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE told ("
    " host BLOB NOT NULL REFERENCES host ON DELETE CASCADE, unit BLOB NOT NULL,"
    " mark INTEGER NOT NULL, PRIMARY KEY (host, unit, mark)) WITHOUT ROWID;";

char *store_fresh_schema(void)
{
    struct strbuf out = {0};
    for (int i = 0; i < STORE_TABLES; i++) {
        DV_FREE char *ddl = rows_ddl(store_kinds[i]);
        strbuf_add(&out, "%s", ddl);
    }
    strbuf_add(&out, "%s", others);
    return out.text;
}

const char *const store_sql[STORE_STMTS] = {
    [ST_DELETE_FREE] = "DELETE FROM free_extent WHERE unit = ?"
                       " AND (medium, start_lba) >= (?, ?) AND (medium, start_lba) < (?, ?)",
    // One that becomes the previous one does not end.
    [ST_ENDS_SECRET] = "SELECT 1 FROM host WHERE uuid = ?1 AND ("
                       "(sealed_secret IS NOT NULL AND sealed_secret IS NOT ?2"
                       " AND sealed_secret IS NOT ?3) OR"
                       "(previous_secret IS NOT NULL AND previous_secret IS NOT ?3))",
    [ST_DELETE_STEPS] = "DELETE FROM task_step WHERE task = ?",
    [ST_PUT_STEP] = "INSERT INTO task_step VALUES (?,?,?,?)",
    [ST_TRIM_EVENTS] = "DELETE FROM event WHERE id <= ?",
    [ST_TOLD] = "SELECT DISTINCT host FROM told JOIN host ON host.uuid = told.host"
                " WHERE told.unit = ?1 AND"
                " ((one_secret AND secret_mark = mark) OR"
                "  (previous_user <> '' AND previous_one_secret AND previous_mark = mark))",
    // Of a volume that is on another unit than ?2, and of the host ?3; NULL: any.
    [ST_REMEMBER_TOLD] =
        "INSERT OR IGNORE INTO told"
        " SELECT h.uuid, v.unit, CASE WHEN which.previous THEN previous_mark ELSE secret_mark END"
        " FROM volume v JOIN assignment a ON a.volume = v.uuid JOIN host h ON h.uuid = a.host"
        " JOIN (SELECT 0 AS previous UNION ALL SELECT 1) which"
        " WHERE v.uuid = ?1 AND v.unit IS NOT ?2 AND (?3 IS NULL OR a.host = ?3)"
        " AND NOT a.found AND NOT a.unasked"
        " AND CASE WHEN which.previous THEN previous_one_secret AND previous_secret IS NOT NULL"
        " ELSE one_secret AND sealed_secret IS NOT NULL END",
    [ST_FORGET_TOLD] = "DELETE FROM told WHERE host = ?1 AND mark NOT IN (?2, ?3)",
    [ST_STEPS] = "SELECT text, state FROM task_step WHERE task = ? ORDER BY n",
    [ST_EVENTS] = "SELECT * FROM (SELECT id, time, severity, subject, text FROM event"
                  " WHERE id > ? ORDER BY id DESC LIMIT ?) ORDER BY id",
    [ST_LAST_IDS] = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name='event'), 0),"
                    " coalesce((SELECT seq FROM sqlite_sequence WHERE name='task'), 0),"
                    " coalesce((SELECT seq FROM sqlite_sequence WHERE name='token'), 0)",
    [ST_RETIRE_KEYS] =
        "INSERT INTO retired_key SELECT uuid, max(key_number, key_wanted)"
        " FROM unit WHERE uuid = ? AND key_number > 0 ON CONFLICT (member) DO UPDATE SET"
        " number=max(number, excluded.number)",
    [ST_RETIRED_KEYS] = "SELECT number FROM retired_key WHERE member = ?",
    [ST_SET] = "INSERT INTO setting VALUES (?,?) ON CONFLICT (key) DO UPDATE SET"
               " value=excluded.value",
    [ST_GET] = "SELECT value FROM setting WHERE key = ?",
    [ST_IN_USE] = "SELECT 1 WHERE EXISTS (SELECT * FROM run) AND (EXISTS (SELECT * FROM unit)"
                  " OR EXISTS (SELECT * FROM host) OR EXISTS (SELECT * FROM token)"
                  " OR EXISTS (SELECT * FROM task))",
    [ST_ADD_RUN] = "INSERT INTO run (mark, number) VALUES (?,?)",
    [ST_TRIM_RUNS] = "DELETE FROM run WHERE id <= ?",
    [ST_NUMBER_RUN] = "UPDATE run SET number = ? WHERE id = ?",
    [ST_ODD] =
        "SELECT 'run' FROM run WHERE typeof(mark) <> 'integer'"
        " OR typeof(number) <> 'integer' OR mark NOT BETWEEN 0 AND 4294967295"
        " OR number NOT BETWEEN 0 AND 4294967000 OR id > 1 << 62"
        " UNION ALL SELECT 'told' FROM told WHERE typeof(host) <> 'blob' OR length(host) <> 16"
        " OR typeof(unit) <> 'blob' OR length(unit) <> 16"
        " OR typeof(mark) <> 'integer' OR mark NOT BETWEEN 0 AND 4294967295"
        " UNION ALL SELECT 'setting' FROM setting WHERE typeof(value) <> 'blob'"
        " OR typeof(key) <> 'text'"
        " UNION ALL SELECT 'sqlite_sequence' FROM sqlite_sequence WHERE typeof(seq) <> 'integer'"
        " OR seq NOT BETWEEN 0 AND 1 << 62"
        " LIMIT 1",
    [ST_RUNS] = "SELECT id, mark, number FROM run ORDER BY id",
};

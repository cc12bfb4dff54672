// The journal as outside input: whether what its tables hold can be what this program wrote.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/journal_check.h"
#include "base/mem.h"
#include "media/media.h"
#include "model/unit.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <string.h>

// Of LBAs and counts of blocks: a medium of 2^63 bytes.
#define MOST_BLOCKS "18014398509481984"
#define INDEX       " NOT BETWEEN 1 AND 2147483647"
#define ALIGNED     " % 2048 != 0"
#define FLAG        " NOT IN (0, 1)"
#define COUNTS                                                                                     \
    " OR read_ops < 0 OR write_ops < 0 OR read_bytes < 0 OR written_bytes < 0 OR logins < 0"

_Static_assert(ALLOC_BLOCKS == 2048, "as in ALIGNED");
_Static_assert(INDEX_MAX == 2147483647, "as in INDEX");
_Static_assert(BLOCKS_MAX + 1 == 18014398509481984, "as in MOST_BLOCKS");

// Each query gives the number of a row that cannot be.
static const struct {
    const char *what, *sql;
} NUMBERS[] = {
    {"the count of starts", "SELECT epoch FROM member WHERE epoch NOT BETWEEN 1 AND 4294967294"},
    {"the count of changes",
     "SELECT generation FROM member WHERE generation NOT BETWEEN 0 AND 4294967295"},
    {"the highest number of a volume",
     "SELECT last_index FROM member WHERE last_index NOT BETWEEN 0 AND 2147483647"},
    {"the unit's UUID, start", "SELECT epoch FROM member WHERE uuid = zeroblob(16)"},
    {"a unit without an identity, with volume",
     "SELECT idx FROM volume WHERE NOT EXISTS (SELECT * FROM member)"},
    {"medium", "SELECT idx FROM medium WHERE idx" INDEX " OR kind NOT BETWEEN 1 AND 4"},
    {"volume", "SELECT idx FROM volume WHERE idx" INDEX " OR medium" INDEX
               " OR uuid = zeroblob(16) OR lun != 1 OR thin" FLAG " OR admin_online" FLAG
               " OR made" FLAG " OR deleting" FLAG COUNTS " OR refused < 0 OR refused_ms < 0"},
    {"the place of volume",
     "SELECT idx FROM volume WHERE start_lba" ALIGNED " OR blocks" ALIGNED
     " OR start_lba NOT BETWEEN 0 AND " MOST_BLOCKS " OR blocks NOT BETWEEN 1 AND " MOST_BLOCKS
     " OR start_lba + blocks > " MOST_BLOCKS},
    {"the place to come of volume",
     "SELECT idx FROM volume WHERE target_start_lba" ALIGNED " OR target_blocks" ALIGNED
     " OR target_start_lba NOT BETWEEN 0 AND " MOST_BLOCKS
     " OR target_blocks NOT BETWEEN 0 AND " MOST_BLOCKS
     " OR target_start_lba + target_blocks > " MOST_BLOCKS
     " OR (target_blocks = 0 AND target_start_lba != 0) OR target_blocks = blocks"},
    {"a rule of volume", "SELECT volume FROM rule WHERE volume NOT IN (SELECT idx FROM volume)"},
    {"access rule",
     "SELECT idx FROM rule WHERE idx" INDEX " OR secret_mark NOT BETWEEN 0 AND 4294967295"
     " OR previous_mark NOT BETWEEN 0 AND 4294967295 OR revoking" FLAG COUNTS},
    {"what was counted of target", "SELECT tid FROM counted WHERE tid NOT BETWEEN 0 AND 4294967295"
                                   " OR read_commands NOT BETWEEN 0 AND 4294967295"
                                   " OR write_commands NOT BETWEEN 0 AND 4294967295"},
    // Each has threads of its own.
    {"the number of tgtds",
     "SELECT count(*) FROM (SELECT tgtd FROM volume UNION SELECT tgtd FROM listener)"
     " HAVING count(*) > 64"},
};

// What a text may be; empty ones where that is said.
typedef bool text_fn(const char *text);

static bool is_printable(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!isgraph((unsigned char)*c))
            return false;
    return true;
}

static bool volume_name(const char *text)
{
    return name_check("volume", text, NULL) == 0;
}

static bool description(const char *text)
{
    return description_check("volume", text, NULL) == 0;
}

static bool name_or_none(const char *text)
{
    return !*text || volume_name(text);
}

static bool iscsi_name(const char *text)
{
    return iqn_check(text, NULL) == 0;
}

static bool iscsi_name_or_none(const char *text)
{
    return !*text || iscsi_name(text);
}

// Units took more characters once than chap_user_check does, and never a name of their own.
static bool chap_user(const char *text)
{
    return *text && strlen(text) <= CHAP_USER_MAX && is_printable(text) && !chap_user_is_own(text);
}

// One that is too long for a socket was never reached, so it does no harm.
static bool socket_path(const char *text)
{
    return *text == '/' && strlen(text) < PATH_MAX;
}

static bool socket_or_none(const char *text)
{
    return !*text || socket_path(text);
}

static bool identity(const char *text)
{
    return strlen(text) < MEDIA_IDENTITY_ROOM;
}

static bool address(const char *text)
{
    unsigned char raw[16];
    return inet_pton(AF_INET, text, raw) == 1 || inet_pton(AF_INET6, text, raw) == 1;
}

static const struct {
    const char *what, *sql;
    text_fn *good;
} TEXTS[] = {
    {"the name of medium", "SELECT idx, name FROM medium", name_or_none},
    {"the identity of medium", "SELECT idx, identity FROM medium", identity},
    {"the name of volume", "SELECT idx, name FROM volume", volume_name},
    {"the description of volume", "SELECT idx, description FROM volume", description},
    {"the target of volume", "SELECT idx, iqn FROM volume", iscsi_name},
    {"the tgtd of volume", "SELECT idx, tgtd FROM volume", socket_or_none},
    {"the last initiator refused by volume", "SELECT idx, refused_initiator FROM volume",
     iscsi_name_or_none},
    {"the initiator of access rule", "SELECT idx, initiator FROM rule", iscsi_name},
    {"the CHAP user of access rule", "SELECT idx, chap_user FROM rule", chap_user},
    {"the previous CHAP user of access rule",
     "SELECT idx, previous_user FROM rule WHERE previous_user != ''", chap_user},
    {"the tgtd at port", "SELECT port, tgtd FROM listener", socket_path},
    {"the address at port", "SELECT port, address FROM listener", address},
};

// good is NULL where each row is one that cannot be.
static int check(struct db *db, const char *what, const char *sql, text_fn *good,
                 struct dv_err *err)
{
    struct db_stmt *s = db_prepare(db, sql, err);
    if (!s)
        return -1;
    int rc;
    while ((rc = db_step(s, err)) == 1) {
        const char *text = good ? db_text(s, 1) : NULL;
        if (!text || !good(text)) {
            rc = db_damaged(db, err, "%s %lld cannot be what it is", what, (long long)db_int(s, 0));
            break;
        }
    }
    db_finalize(s);
    return rc;
}

int journal_check(struct db *db, struct dv_err *err)
{
    for (size_t i = 0; i < DV_COUNT(NUMBERS); i++)
        if (check(db, NUMBERS[i].what, NUMBERS[i].sql, NULL, err) != 0)
            return -1;
    for (size_t i = 0; i < DV_COUNT(TEXTS); i++)
        if (check(db, TEXTS[i].what, TEXTS[i].sql, TEXTS[i].good, err) != 0)
            return -1;
    return 0;
}

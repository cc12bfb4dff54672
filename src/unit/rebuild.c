// A unit that lost its journal: it does not start as another one, and is made anew from its media.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/rebuild.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "unit/journal.h"
#include "unit/take.h"
#include <errno.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define MACHINE_ID     "/etc/machine-id" // machine-id(5)
#define MACHINE_ID_MAX 256
#define FSTAB          "/etc/fstab"        // fstab(5)
#define MOUNTS         "/proc/self/mounts" // proc(5)

// FNV-1a: it only has to differ where places do.
static uint64_t add_text(uint64_t hash, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        hash = (hash ^ *c) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t rebuild_place(const struct unit_config *config)
{
    DV_FREE char *machine = NULL;
    size_t len;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    if (file_read(MACHINE_ID, MACHINE_ID_MAX, &machine, &len, NULL) == 0)
        hash = add_text(hash, machine);
    return add_text(hash, config->member.state_dir);
}

static bool is_in_table(const char *table, const char *dir)
{
    FILE *f = setmntent(table, "re");
    const struct mntent *m;
    bool found = false;
    while (f && !found && (m = getmntent(f)))
        found = strcmp(m->mnt_dir, dir) == 0;
    if (f)
        endmntent(f);
    return found;
}

// Without links, and slashes at the end; a part that is not there stays as it is written.
static char *real_path(const char *path)
{
    char *real = realpath(path, NULL);
    if (real)
        return real;
    DV_FREE char *above = dv_strdup(path);
    size_t len = strlen(above);
    while (len > 1 && above[len - 1] == '/')
        above[--len] = '\0';
    char *slash = strrchr(above, '/');
    if (!slash || slash == above)
        return dv_strdup(above);
    *slash = '\0';
    DV_FREE char *real_above = real_path(above);
    return dv_printf("%s/%s", strcmp(real_above, "/") == 0 ? "" : real_above, slash + 1);
}

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return len > 1 && strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

// What is mounted as it is written is not looked at: a server of files that is away would not
// answer.
static bool is_away(const char *point, const char *path, const char *mounts)
{
    DV_FREE char *dir = dv_strdup(point); // which the other table's reading overwrites
    if (*dir != '/' || is_in_table(mounts, dir))
        return false;
    DV_FREE char *real = real_path(dir);
    return is_below(path, real) && !is_in_table(mounts, real);
}

bool rebuild_is_unmounted(const char *path, const char *fstab, const char *mounts)
{
    DV_FREE char *real = real_path(path);
    FILE *f = setmntent(fstab, "re");
    const struct mntent *m;
    bool away = false;
    while (f && !away && (m = getmntent(f)))
        away = is_away(m->mnt_dir, real, mounts);
    if (f)
        endmntent(f);
    return away;
}

// A device, and a pool of Ceph's, never says whose it was.
static bool says_whose(const struct medium_config *c)
{
    return c->kind == MEDIUM_DIR || c->kind == MEDIUM_DISK;
}

static int ask(const struct medium_config *c, struct media_owner *out, bool *holds_volumes,
               struct dv_err *err)
{
    if (says_whose(c) && rebuild_is_unmounted(c->path, FSTAB, MOUNTS))
        return dv_fail(err, DV_NOT_FOUND,
                       "the file system that " FSTAB " has for %s is not mounted", c->path);
    const struct media_spec spec = {.kind = c->kind, .path = c->path};
    return media_ask_owner(&spec, out, holds_volumes, err);
}

// What a unit that has a journal makes next.
static int check_traces(const struct unit_config *config, struct dv_err *err)
{
    DV_FREE char *trace = dv_printf("%s/snmp", config->member.state_dir);
    struct stat st;
    if (rebuild_is_unmounted(config->member.state_dir, FSTAB, MOUNTS))
        return dv_fail(err, DV_NOT_FOUND,
                       "the file system that " FSTAB " has for the state folder %s is not mounted, "
                       "so there is no journal; mount it",
                       config->member.state_dir);
    if (file_is_missing(trace))
        return 0;
    if (stat(trace, &st) != 0)
        return dv_fail(err, DV_CONFLICT,
                       "there is no journal in %s, and the unit cannot look for what a unit left "
                       "there (%s: %s); mend the folder; to start as a new unit say --rebuild=new",
                       config->member.state_dir, trace, strerror(errno));
    return dv_fail(err, DV_CONFLICT,
                   "there is no journal in %s, but a unit has run with this folder; bring unit.db "
                   "back, from a backup if need be, or have a new one made from the media by "
                   "dvsan-unit --rebuild; to start as a new unit say --rebuild=new",
                   config->member.state_dir);
}

// A folder that is no medium yet has nothing to say.
static bool is_fresh(const struct medium_config *c, const struct dv_err *why)
{
    struct stat st;
    return c->kind == MEDIUM_DIR && why->code == DV_NOT_FOUND && stat(c->path, &st) == 0 &&
           S_ISDIR(st.st_mode) && !rebuild_is_unmounted(c->path, FSTAB, MOUNTS);
}

int rebuild_check_lost(const struct unit_config *config, struct dv_err *err)
{
    if (check_traces(config, err) != 0)
        return -1;
    for (size_t i = 0; i < config->media_count; i++) {
        struct media_owner owner;
        bool holds_volumes;
        struct dv_err why;
        char uuid[UUID_TEXT_LEN];
        if (ask(&config->media[i], &owner, &holds_volumes, &why) != 0) {
            if (is_fresh(&config->media[i], &why))
                continue;
            return dv_fail(err, DV_CONFLICT,
                           "there is no journal in %s, and medium %s cannot be asked whether one "
                           "was lost (%s); bring the medium back; if it is gone, dvsan-unit "
                           "--rebuild=UUID names the unit that this was, and --rebuild=new says "
                           "that it is a new one",
                           config->member.state_dir, config->media[i].name, why.text);
        }
        if (!holds_volumes || uuid_is_zero(&owner.unit) || owner.place != rebuild_place(config))
            continue;
        return dv_fail(err, DV_CONFLICT,
                       "there is no journal in %s, but medium %s says that unit %s kept it there; "
                       "bring the folder back, from a backup if need be, or have a new journal "
                       "made from the media by dvsan-unit --rebuild",
                       config->member.state_dir, config->media[i].name,
                       uuid_format(&owner.unit, uuid));
    }
    return 0;
}

static int find_unit(const struct unit_config *config, struct dv_uuid *out, struct dv_err *err)
{
    const char *by = NULL;
    for (size_t i = 0; i < config->media_count; i++) {
        const struct medium_config *c = &config->media[i];
        struct media_owner owner;
        bool holds_volumes;
        struct dv_err why;
        char a[UUID_TEXT_LEN], b[UUID_TEXT_LEN];
        if (ask(c, &owner, &holds_volumes, &why) != 0)
            return dv_fail(err, why.code,
                           "medium %s cannot be asked whose it is (%s); bring it back, or name the "
                           "unit: --rebuild=UUID",
                           c->name, why.text);
        if (uuid_is_zero(&owner.unit))
            continue;
        if (by && !uuid_equal(out, &owner.unit))
            return dv_fail(
                err, DV_CONFLICT,
                "medium %s was unit %s's and medium %s unit %s's; say which one this is: "
                "--rebuild=UUID",
                by, uuid_format(out, a), c->name, uuid_format(&owner.unit, b));
        *out = owner.unit;
        by = c->name;
    }
    if (!by)
        return dv_fail(err, DV_NOT_FOUND,
                       "no medium says which unit it belongs to; name the unit, as dvsan unit show "
                       "does: --rebuild=UUID");
    return 0;
}

// The count of starts must be higher than before, whatever it was; the clock's seconds are.
static int write_journal(const struct unit_config *config, const struct dv_uuid *unit,
                         struct dv_err *err)
{
    char uuid[UUID_TEXT_LEN];
    struct journal *j = journal_open(config->member.state_dir, err);
    if (!j)
        return -1;
    int rc = journal_take_identity(j, unit, (uint32_t)time(NULL), err);
    if (rc == 0)
        log_info("unit",
                 "unit %s has a journal again; start it, and it takes in what its media hold",
                 uuid_format(unit, uuid));
    journal_close(j);
    return rc;
}

// Those that name the unit are the unit's, though from another place, as when the machine is a new
// one; of all others that is to be said. It comes before the journal, so that what is broken off is
// done again by another --rebuild.
static int take_media(const struct unit_config *config, const struct dv_uuid *unit,
                      struct dv_err *err)
{
    if (file_make_dirs(config->member.state_dir, 0700, err) != 0)
        return -1;
    for (size_t i = 0; i < config->media_count; i++) {
        const struct medium_config *c = &config->media[i];
        const struct media_spec spec = {.kind = c->kind, .path = c->path};
        struct media_owner owner;
        bool holds_volumes;
        DV_FREE char *mark = NULL;
        if (ask(c, &owner, &holds_volumes, NULL) == 0 && uuid_equal(&owner.unit, unit) &&
            (media_ask_mark(&spec, &mark, err) != 0 ||
             take_mark_put(config, c->index, mark, err) != 0))
            return -1;
    }
    return 0;
}

int rebuild_journal(const struct unit_config *config, const struct dv_uuid *unit,
                    struct dv_err *err)
{
    struct dv_uuid found;
    if (journal_exists(config->member.state_dir))
        return dv_fail(
            err, DV_CONFLICT,
            "there is a journal in %s; if it cannot be used any more, move it away first",
            config->member.state_dir);
    if (!unit && find_unit(config, &found, err) != 0)
        return -1;
    if (!unit)
        unit = &found;
    return take_media(config, unit, err) != 0 ? -1 : write_journal(config, unit, err);
}

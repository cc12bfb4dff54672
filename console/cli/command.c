// The tables of options and commands.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/command.h"

#include "base/address.h"
#include "base/mem.h"
#include "base/text.h"
#include "console/cli/cli.h"
#include "console/cli/connect.h"
#include "console/cli/url.h"
#include "model/enrolment.h"
#include <string.h>

static int check_size(const char *value, struct dv_err *err)
{
    uint64_t bytes;
    return size_parse(value, &bytes, err);
}

// Also "+5G", which is added to the size that there is.
static int check_new_size(const char *value, struct dv_err *err)
{
    return check_size(*value == '+' ? value + 1 : value, err);
}

static int check_volume(const char *value, struct dv_err *err)
{
    return name_check("volume", value, err);
}

static int check_unit(const char *value, struct dv_err *err)
{
    return name_check("unit", value, err);
}

static int check_medium(const char *value, struct dv_err *err)
{
    return name_check("medium", value, err);
}

static int check_host(const char *value, struct dv_err *err)
{
    return name_check("host", value, err);
}

static int check_description(const char *value, struct dv_err *err)
{
    return description_check("thing", value, err);
}

static int check_from(const char *value, struct dv_err *err)
{
    if (strcmp(value, "units") != 0 && strcmp(value, "store") != 0)
        return dv_fail(err, DV_INVALID,
                       "\"%.20s\" is not a side: say units, for what the units have, or store, for "
                       "what the station's store says",
                       value);
    return 0;
}

static int check_count(const char *value, struct dv_err *err)
{
    uint64_t count;
    return number_parse("count", value, 1, CODE_COUNT_MAX, &count, err);
}

static int check_valid(const char *value, struct dv_err *err)
{
    uint32_t ms;
    if (duration_parse(value, &ms, err) < 0)
        return -1;
    if (ms < 1000 || ms / 1000 > CODE_LIFE_MAX_S)
        return dv_fail(err, DV_INVALID,
                       "a code is good for a second at least, and 30 days (30d) at most");
    return 0;
}

static int check_code(const char *value, struct dv_err *err)
{
    return name_check("code", value, err);
}

static int check_token_name(const char *value, struct dv_err *err)
{
    return name_check("token", value, err);
}

static int check_task(const char *value, struct dv_err *err)
{
    uint64_t id;
    return number_parse("task", value, 1, INT64_MAX, &id, err);
}

static int check_file(const char *value, struct dv_err *err)
{
    if (!*value)
        return dv_fail(err, DV_INVALID, "the name of a file is empty: give one");
    DV_FREE char *printable = dv_strdup(value);
    text_make_printable(printable); // it is shown, and written into lines to paste
    return strcmp(printable, value) == 0
               ? 0
               : dv_fail(
                     err, DV_INVALID,
                     "the name of the file \"%s\" has characters that cannot be shown, each a ? "
                     "here: give the file another name",
                     printable);
}

static int check_limit(const char *value, struct dv_err *err)
{
    uint64_t limit;
    return number_parse("limit", value, 1, 1000, &limit, err);
}

// clang-format off
const struct option_desc cli_options[OPTIONS] = {
    [OPT_JSON]    = {"json", NULL, 0, NULL, "print JSON instead of text; lists are arrays of objects"},
    [OPT_URL]     = {"url", "URL", 0, url_check, "the station's API; else $DVSAN_URL, else http://127.0.0.1:8480"},
    [OPT_HELP]    = {"help", NULL, 'h', NULL, "show this help"},
    [OPT_VERSION] = {"version", NULL, 'V', NULL, "show the version"},
    [OPT_TAKE_OVER] = {"take-over", NULL, 0, NULL, "also units that another station leads"},
    [OPT_NO_WAIT] = {"no-wait", NULL, 0, NULL, "do not wait for the task to end; print the task"},
    [OPT_YES]     = {"yes", NULL, 'y', NULL, "yes to the question; needed where no terminal is to ask it on"},
    [OPT_SIZE]    = {"size", "SIZE", 0, check_new_size, "its size with its unit, such as 512M, 10G or 1.5T; units are powers of 1024"},
    [OPT_UNIT]    = {"unit", "UNIT", 0, check_unit, "the unit to put it on; else the one with the most free space"},
    [OPT_MEDIUM]  = {"medium", "MEDIUM", 0, check_medium, "the medium to put it on, by name"},
    [OPT_THIN]    = {"thin", NULL, 0, NULL, "take space as it is written; else as its medium does"},
    [OPT_FULL]    = {"full", NULL, 0, NULL, "take all space now; else as its medium does"},
    [OPT_FORCE]   = {"force", NULL, 0, NULL, "let it lose its end, or be out of use while it is copied"},
    [OPT_FORGET]  = {"forget", NULL, 0, NULL, "with its medium away: drop the record, leave the data alone"},
    [OPT_DESCRIPTION] = {"description", "TEXT", 0, check_description, "what to say of it: one line, up to 255 octets"},
    [OPT_EXTENTS] = {"extents", NULL, 0, NULL, "list the free extents of the media instead"},
    [OPT_HOST]    = {"host", "HOST", 0, check_host, "the host to assign it to, or that has it"},
    [OPT_IQN]     = {"iqn", "IQN", 0, iqn_check, "the host's iSCSI initiator name"},
    [OPT_CHAP_USER] = {"chap-user", "USER", 0, chap_user_check, "the user name for CHAP; else the host's name"},
    [OPT_CHAP_SECRET_FILE] = {"chap-secret-file", "FILE", 0, check_file, "the file with the CHAP secret: one line of 12 to 16 characters, mode 0600"},
    [OPT_SAVE_SECRET] = {"save-secret", "FILE", 0, check_file, "write the new CHAP secret to this new file, mode 0600, instead of showing it"},
    [OPT_ONE_SECRET] = {"one-secret", NULL, 0, NULL, "the same secret on all units, for initiators that can hold only one"},
    [OPT_PER_UNIT] = {"per-unit", NULL, 0, NULL, "another secret on each unit from now on, for a host that has one for all"},
    [OPT_FINISH]  = {"finish", NULL, 0, NULL, "end what is valid from before, once the host uses the new one"},
    [OPT_VOLUME]  = {"volume", "VOLUME", 0, check_volume, "only this volume"},
    [OPT_FOR]     = {"for", "KIND", 0, connect_kind_check, "what reaches them: open-iscsi, multipath, md, windows, esxi, proxmox, libvirt, qemu or dvsan"},
    [OPT_NBD]     = {"nbd", NULL, 0, NULL, "print only the parameter file of dvsan-nbd"},
    [OPT_AGAIN]   = {"again", NULL, 0, NULL, "for a unit that the pool has, to give it other keys"},
    [OPT_COUNT]   = {"count", "N", 0, check_count, "how many units the code lets in, 1 to 10000; else one"},
    [OPT_VALID]   = {"valid", "TIME", 0, check_valid, "how long the code is good, such as 30m, 24h or 7d; else 1h"},
    [OPT_FROM]    = {"from", "RANGE", 0, address_range_check, "whence the units come, such as 192.0.2.0/24; else from anywhere"},
    [OPT_NOW]     = {"now", NULL, 0, NULL, "what was valid before ends at once"},
    [OPT_FOLLOW]  = {"follow", NULL, 'f', NULL, "go on with new ones as they come"},
    [OPT_LIMIT]   = {"limit", "N", 0, check_limit, "show the newest N, 1 to 1000; else 100"},
};

#define NO_ARG    {{NULL, false, NULL}}
#define ARG(name, check) {{name, false, check}}
#define TWO_ARGS(one, two, check) {{one, false, check}, {two, false, check}}

const struct command cli_commands[] = {
    {"pool", "show", NO_ARG, 0, 0, 0, pool_show,
     "Show what the pool has in all."},

    {"station", "show", NO_ARG, 0, 0, 0, station_show,
     "Show who leads each unit, and what units have that the store does not say."},
    {"station", "adopt", ARG("units|store", check_from), BIT(OPT_TAKE_OVER) | BIT(OPT_YES), 0, 0, station_adopt,
     "Say what counts, what such units have or what the store says, and go on."},

    {"unit", "add", {{"NAME", true, check_unit}}, BIT(OPT_AGAIN) | BIT(OPT_COUNT) | BIT(OPT_VALID) | BIT(OPT_FROM), 0, 0, unit_add,
     "Print a one-time code by which a unit becomes one of the pool."},
    {"unit", "import", TWO_ARGS("REQUEST", "FILE", check_file), BIT(OPT_AGAIN), 0, 0, unit_import,
     "Let a unit in by what it says of itself, and write its identity."},
    {"unit", "list", NO_ARG, 0, 0, 0, unit_list,
     "List the units of the pool."},
    {"unit", "show", ARG("UNIT", check_unit), 0, 0, 0, unit_show,
     "Show a unit with its media and portals."},
    {"unit", "rename", TWO_ARGS("UNIT", "NAME", check_unit), 0, 0, 0, unit_rename,
     "Give a unit another name here, whatever it calls itself."},
    {"unit", "describe", {{"UNIT", false, check_unit}, {"TEXT", false, check_description}}, 0, 0, 0, unit_describe,
     "Say what a unit is, in your own words; \"\" for nothing."},
    {"unit", "accept", ARG("UNIT", check_unit), 0, 0, 0, unit_accept,
     "Take in a unit that waits for it, or end its quarantine."},
    {"unit", "quarantine", ARG("UNIT", check_unit), 0, 0, 0, unit_quarantine,
     "Take no word of a unit and send it nothing, until it is accepted."},
    {"unit", "rekey", ARG("UNIT", check_unit), BIT(OPT_NOW) | BIT(OPT_NO_WAIT), 0, 0, unit_rekey,
     "Give a unit other keys, while it is in use."},
    {"unit", "revoke", ARG("UNIT", check_unit), BIT(OPT_YES), 0, 0, unit_revoke,
     "Make a unit's keys useless, as when it was stolen."},
    {"unit", "forget", ARG("UNIT", check_unit), BIT(OPT_YES), 0, 0, unit_forget,
     "Take a unit out of the pool that will not come back."},

    {"medium", "list", NO_ARG, BIT(OPT_EXTENTS), 0, 0, medium_list,
     "List the media of all units, or their free extents."},

    {"volume", "create", ARG("VOLUME", check_volume),
     BIT(OPT_SIZE) | BIT(OPT_UNIT) | BIT(OPT_MEDIUM) | BIT(OPT_THIN) | BIT(OPT_FULL) | BIT(OPT_NO_WAIT) | BIT(OPT_HOST) |
         BIT(OPT_IQN) | BIT(OPT_SAVE_SECRET) | BIT(OPT_FOR) | BIT(OPT_DESCRIPTION),
     BIT(OPT_SIZE), BIT(OPT_THIN) | BIT(OPT_FULL), volume_create,
     "Create a volume, and with --host and --iqn all that this host needs to use it."},
    {"volume", "list", NO_ARG, 0, 0, 0, volume_list,
     "List the volumes of the pool."},
    {"volume", "show", ARG("VOLUME", check_volume), 0, 0, 0, volume_show,
     "Show a volume."},
    {"volume", "resize", ARG("VOLUME", check_volume), BIT(OPT_SIZE) | BIT(OPT_FORCE) | BIT(OPT_YES) | BIT(OPT_NO_WAIT), BIT(OPT_SIZE), 0, volume_resize,
     "Make a volume larger, with --size +5G by so much, or smaller by force."},
    {"volume", "rename", TWO_ARGS("VOLUME", "NAME", check_volume), BIT(OPT_NO_WAIT), 0, 0, volume_rename,
     "Give a volume another name; hosts go on using it."},
    {"volume", "describe", {{"VOLUME", false, check_volume}, {"TEXT", false, check_description}}, BIT(OPT_NO_WAIT), 0, 0, volume_describe,
     "Say what a volume is, in your own words; \"\" for nothing."},
    {"volume", "accept", {{"VOLUME", false, check_volume}, {"UNIT", false, check_unit}}, BIT(OPT_YES), 0, 0, volume_accept,
     "Say that a volume is on another unit now, which shows it, too."},
    {"volume", "delete", ARG("VOLUME", check_volume), BIT(OPT_FORGET) | BIT(OPT_YES) | BIT(OPT_NO_WAIT), 0, 0, volume_delete,
     "Delete a volume with all its data, or forget one that is lost."},
    {"volume", "assign", ARG("VOLUME", check_volume), BIT(OPT_HOST) | BIT(OPT_NO_WAIT), BIT(OPT_HOST), 0, volume_assign,
     "Assign a volume to a host, which may use it from then on."},
    {"volume", "unassign", ARG("VOLUME", check_volume), BIT(OPT_HOST) | BIT(OPT_YES) | BIT(OPT_NO_WAIT), BIT(OPT_HOST), 0, volume_unassign,
     "Unassign a volume from a host; its sessions are ended."},

    {"host", "add", ARG("HOST", check_host),
     BIT(OPT_IQN) | BIT(OPT_CHAP_USER) | BIT(OPT_CHAP_SECRET_FILE) | BIT(OPT_SAVE_SECRET) | BIT(OPT_ONE_SECRET) |
         BIT(OPT_DESCRIPTION), BIT(OPT_IQN),
     BIT(OPT_CHAP_SECRET_FILE) | BIT(OPT_SAVE_SECRET), host_add,
     "Add a host with a new CHAP secret, or with one from a file."},
    {"host", "list", NO_ARG, 0, 0, 0, host_list,
     "List the hosts."},
    {"host", "show", ARG("HOST", check_host), 0, 0, 0, host_show,
     "Show a host and the volumes that are assigned to it."},
    {"host", "secret", ARG("HOST", check_host), BIT(OPT_UNIT) | BIT(OPT_CHAP_SECRET_FILE), BIT(OPT_UNIT) | BIT(OPT_CHAP_SECRET_FILE), 0, host_secret,
     "Print the CHAP secret of a host on one unit, which comes of its own secret."},
    {"host", "rekey", ARG("HOST", check_host),
     BIT(OPT_CHAP_SECRET_FILE) | BIT(OPT_SAVE_SECRET) | BIT(OPT_PER_UNIT) | BIT(OPT_NOW) | BIT(OPT_FINISH) | BIT(OPT_YES), 0,
     BIT(OPT_CHAP_SECRET_FILE) | BIT(OPT_SAVE_SECRET), host_rekey,
     "Give a host another CHAP user and secret, or end the previous ones."},
    {"host", "change", ARG("HOST", check_host), BIT(OPT_IQN) | BIT(OPT_NOW) | BIT(OPT_FINISH) | BIT(OPT_YES), 0,
     BIT(OPT_IQN) | BIT(OPT_FINISH), host_change,
     "Give a host another IQN, or end the previous one."},
    {"host", "describe", {{"HOST", false, check_host}, {"TEXT", false, check_description}}, 0, 0, 0, host_describe,
     "Say what a host is, in your own words; \"\" for nothing."},
    {"host", "delete", ARG("HOST", check_host), BIT(OPT_YES), 0, 0, host_delete,
     "Delete a host that has no volumes."},
    {"host", "connect-info", ARG("HOST", check_host), BIT(OPT_FOR) | BIT(OPT_VOLUME) | BIT(OPT_NBD) | BIT(OPT_CHAP_SECRET_FILE), 0,
     BIT(OPT_FOR) | BIT(OPT_NBD), host_connect_info,
     "Print what to type on a host to reach its volumes."},

    {"task", "list", NO_ARG, BIT(OPT_LIMIT), 0, 0, task_list,
     "List tasks: what was asked for and how far it is."},
    {"task", "show", ARG("TASK", check_task), 0, 0, 0, task_show,
     "Show a task with its steps."},
    {"task", "watch", {{"TASK", true, check_task}}, 0, 0, 0, task_watch,
     "Wait for a task, or for all that are not over."},
    {"task", "cancel", ARG("TASK", check_task), BIT(OPT_NO_WAIT), 0, 0, task_cancel,
     "Take back what a task asked for, as far as it can be."},

    {"event", "list", NO_ARG, BIT(OPT_FOLLOW) | BIT(OPT_LIMIT), 0, 0, event_list,
     "List what happened, the newest last."},

    {"code", "list", NO_ARG, 0, 0, 0, code_list,
     "List the codes by which units become part of the pool, and who used them."},
    {"code", "delete", ARG("ID", check_code), BIT(OPT_YES), 0, 0, code_delete,
     "Make a code useless, by its first five characters."},

    {"token", "create", ARG("NAME", check_token_name), 0, 0, 0, token_create,
     "Make an API token; it is shown once."},
    {"token", "list", NO_ARG, 0, 0, 0, token_list,
     "List the API tokens."},
    {"token", "delete", ARG("TOKEN", check_token_name), BIT(OPT_YES), 0, 0, token_delete,
     "Delete an API token by its name or number."},
};
// clang-format on
const size_t cli_command_count = DV_COUNT(cli_commands);

const struct command *command_find(const char *group, const char *verb)
{
    for (size_t i = 0; i < cli_command_count; i++)
        if (strcmp(cli_commands[i].group, group) == 0 && strcmp(cli_commands[i].verb, verb) == 0)
            return &cli_commands[i];
    return NULL;
}

bool command_group_exists(const char *group)
{
    for (size_t i = 0; i < cli_command_count; i++)
        if (strcmp(cli_commands[i].group, group) == 0)
            return true;
    return false;
}

// The edit distance, with a swap of neighbours as one edit; anything long is far.
static unsigned distance(const char *a, const char *b)
{
    enum { MOST = 24 };
    size_t rows = strlen(a), columns = strlen(b);
    unsigned d[MOST + 1][MOST + 1];
    if (rows > MOST || columns > MOST)
        return MOST;
    for (size_t i = 0; i <= rows; i++)
        for (size_t j = 0; j <= columns; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = (unsigned)(i + j);
                continue;
            }
            unsigned change = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            unsigned drop = d[i - 1][j] + 1, add = d[i][j - 1] + 1;
            d[i][j] = change < drop ? change : drop;
            d[i][j] = add < d[i][j] ? add : d[i][j];
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < d[i][j])
                d[i][j] = d[i - 2][j - 2] + 1;
        }
    return d[rows][columns];
}

// Keeps the nearest so far; a word that what was typed begins, such as "vol", is near too.
static void nearer(const char *typed, const char *word, const char **best, unsigned *least)
{
    unsigned d = distance(typed, word);
    if (*typed && strncmp(typed, word, strlen(typed)) == 0)
        d = 1;
    if (d < *least) {
        *least = d;
        *best = word;
    }
}

#define NEAR_ENOUGH 3 // edits that are too many

const char *command_suggest(const char *group, const char *typed)
{
    const char *best = NULL;
    unsigned least = NEAR_ENOUGH;
    for (size_t i = 0; i < cli_command_count; i++) {
        if (!group)
            nearer(typed, cli_commands[i].group, &best, &least);
        else if (strcmp(cli_commands[i].group, group) == 0)
            nearer(typed, cli_commands[i].verb, &best, &least);
    }
    return best;
}

const char *command_suggest_option(const struct command *command, const char *typed)
{
    const char *best = NULL;
    unsigned least = NEAR_ENOUGH;
    uint64_t options = COMMON_OPTIONS | (command ? command->options : 0);
    for (int i = 0; i < OPTIONS; i++)
        if (options & BIT(i))
            nearer(typed, cli_options[i].name, &best, &least);
    return best;
}

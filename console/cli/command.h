// What can be typed: the tables of options and commands that parsing, help and the manual share.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CLI_COMMAND_H
#define DVSAN_CLI_COMMAND_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option {
    OPT_JSON,
    OPT_URL,
    OPT_HELP,
    OPT_VERSION,
    OPT_SIZE,
    OPT_UNIT,
    OPT_MEDIUM,
    OPT_THIN,
    OPT_FULL,
    OPT_FORCE,
    OPT_FORGET,
    OPT_EXTENTS,
    OPT_HOST,
    OPT_IQN,
    OPT_CHAP_USER,
    OPT_CHAP_SECRET_FILE,
    OPT_SAVE_SECRET,
    OPT_ONE_SECRET,
    OPT_PER_UNIT,
    OPT_FINISH,
    OPT_VOLUME,
    OPT_FOR,
    OPT_NBD,
    OPT_FOLLOW,
    OPT_LIMIT,
    OPT_AGAIN,
    OPT_COUNT,
    OPT_VALID,
    OPT_FROM,
    OPT_TAKE_OVER,
    OPT_NOW,
    OPT_DESCRIPTION,
    OPT_NO_WAIT,
    OPT_YES,
    OPTIONS
};
#define BIT(option) (UINT64_C(1) << (option))
// What every command takes.
#define COMMON_OPTIONS (BIT(OPT_JSON) | BIT(OPT_URL) | BIT(OPT_HELP) | BIT(OPT_VERSION))

// Checks a value before anything is sent; NULL when any text will do.
typedef int value_check(const char *value, struct dv_err *err);

struct option_desc {
    const char *name;    // without the dashes
    const char *metavar; // "SIZE"; NULL for a flag
    char letter;         // its one-letter form; 0 for none
    value_check *check;
    const char *help; // lower case, no full stop
};
extern const struct option_desc cli_options[OPTIONS];

struct arg_desc {
    const char *metavar; // NULL: there is none
    bool optional;
    value_check *check;
};

struct cli;
typedef int command_fn(struct cli *cli, struct dv_err *err);

#define ARGS_MAX 2
struct command {
    const char *group, *verb; // "volume", "create"
    struct arg_desc args[ARGS_MAX];
    uint64_t options;   // those besides COMMON_OPTIONS
    uint64_t required;  // of them
    uint64_t exclusive; // at most one of these
    command_fn *run;
    const char *help; // one sentence
};
extern const struct command cli_commands[];
extern const size_t cli_command_count;

const struct command *command_find(const char *group, const char *verb);
bool command_group_exists(const char *group);

// The nearest command, group or option to what was typed, or NULL when none is near. group NULL
// looks among groups, else among its verbs.
const char *command_suggest(const char *group, const char *typed);
const char *command_suggest_option(const struct command *command, const char *typed);

#endif

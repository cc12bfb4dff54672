// Reading the command line by the tables in command.c.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/parse.h"

#include <stdio.h>
#include <string.h>

struct parser {
    int argc, at;
    char *const *argv;
    const char *words[2 + ARGS_MAX]; // group, verb, arguments
    size_t word_count;
    const char *surplus; // the first word too many
    struct invocation *out;
};

static int option_by_name(const char *name, size_t len)
{
    for (int i = 0; i < OPTIONS; i++)
        if (strlen(cli_options[i].name) == len && memcmp(cli_options[i].name, name, len) == 0)
            return i;
    return -1;
}

static int option_by_letter(char letter)
{
    for (int i = 0; i < OPTIONS; i++)
        if (cli_options[i].letter == letter)
            return i;
    return -1;
}

static int unknown_option(const struct parser *p, const char *typed, struct dv_err *err)
{
    const struct command *command =
        p->word_count >= 2 ? command_find(p->words[0], p->words[1]) : NULL;
    // Without what stands behind "=", which may be a secret.
    char shown[41];
    size_t len = strcspn(typed, "=");
    snprintf(shown, sizeof(shown), "%.*s", (int)(len < sizeof(shown) ? len : sizeof(shown)), typed);
    const char *near = command_suggest_option(command, shown + strspn(shown, "-"));
    if (near)
        return dv_fail(err, DV_INVALID, "unknown option %s; did you mean --%s?", shown, near);
    return dv_fail(err, DV_INVALID, "unknown option %s; see dvsan%s%s%s%s --help", shown,
                   command ? " " : "", command ? command->group : "", command ? " " : "",
                   command ? command->verb : "");
}

static int set_option(struct parser *p, int option, const char *value, struct dv_err *err)
{
    const struct option_desc *desc = &cli_options[option];
    if (p->out->values[option] && desc->metavar)
        return dv_fail(err, DV_INVALID, "--%s is given twice", desc->name);
    if (!desc->metavar) {
        if (value)
            return dv_fail(err, DV_INVALID, "--%s takes no value", desc->name);
        value = "";
    } else if (!value) {
        if (p->at + 1 >= p->argc)
            return dv_fail(err, DV_INVALID, "--%s needs a value: --%s %s", desc->name, desc->name,
                           desc->metavar);
        value = p->argv[++p->at]; // even one with a dash: "--size -1" is a bad size
    }
    p->out->values[option] = value;
    return 0;
}

static int take_long(struct parser *p, const char *typed, struct dv_err *err)
{
    const char *name = typed + 2, *equals = strchr(name, '=');
    int option = option_by_name(name, equals ? (size_t)(equals - name) : strlen(name));
    if (option < 0)
        return unknown_option(p, typed, err);
    return set_option(p, option, equals ? equals + 1 : NULL, err);
}

static int take_letters(struct parser *p, const char *typed, struct dv_err *err)
{
    for (const char *letter = typed + 1; *letter; letter++) {
        int option = option_by_letter(*letter);
        if (option < 0)
            return unknown_option(p, typed, err);
        if (set_option(p, option, NULL, err) < 0)
            return -1;
    }
    return 0;
}

static void take_word(struct parser *p, const char *word)
{
    if (p->word_count < 2 + ARGS_MAX)
        p->words[p->word_count++] = word;
    else if (!p->surplus)
        p->surplus = word;
}

static int take_all(struct parser *p, struct dv_err *err)
{
    bool only_words = false;
    for (p->at = 1; p->at < p->argc; p->at++) {
        const char *arg = p->argv[p->at];
        if (only_words || arg[0] != '-' || arg[1] == '\0')
            take_word(p, arg);
        else if (strcmp(arg, "--") == 0)
            only_words = true;
        else if ((arg[1] == '-' ? take_long(p, arg, err) : take_letters(p, arg, err)) < 0)
            return -1;
    }
    return 0;
}

static int find_command(struct parser *p, struct dv_err *err)
{
    const char *group = p->words[0], *verb = p->words[1], *near;
    bool help = p->out->values[OPT_HELP] != NULL;
    if (!group)
        return help || p->out->values[OPT_VERSION]
                   ? 0
                   : dv_fail(err, DV_INVALID, "no command is given; see dvsan --help");
    if (strcmp(group, "help") == 0) // what many type first
        return dv_fail(err, DV_INVALID, "help is an option: dvsan --help, dvsan volume --help");
    if (!command_group_exists(group)) {
        near = command_suggest(NULL, group);
        return near
                   ? dv_fail(err, DV_INVALID, "unknown command \"%.40s\"; did you mean %s?", group,
                             near)
                   : dv_fail(err, DV_INVALID, "unknown command \"%.40s\"; see dvsan --help", group);
    }
    p->out->group = group;
    if (!verb)
        return help ? 0
                    : dv_fail(err, DV_INVALID, "dvsan %s needs a command; see dvsan %s --help",
                              group, group);
    p->out->command = command_find(group, verb);
    if (p->out->command)
        return 0;
    near = command_suggest(group, verb);
    return near ? dv_fail(err, DV_INVALID, "unknown command \"%s %.40s\"; did you mean %s %s?",
                          group, verb, group, near)
                : dv_fail(err, DV_INVALID, "unknown command \"%s %.40s\"; see dvsan %s --help",
                          group, verb, group);
}

static int check_args(const struct parser *p, const struct command *c, struct dv_err *err)
{
    size_t given = p->word_count - 2;
    for (size_t i = 0; i < ARGS_MAX; i++) {
        const struct arg_desc *desc = &c->args[i];
        const char *value = i < given ? p->words[2 + i] : NULL;
        if (value && !desc->metavar)
            return dv_fail(err, DV_INVALID, "\"%.40s\" is too much: dvsan %s %s takes %s", value,
                           c->group, c->verb, i == 0 ? "no argument" : "one argument");
        if (!value && desc->metavar && !desc->optional)
            return dv_fail(err, DV_INVALID, "%s is missing: dvsan %s %s %s", desc->metavar,
                           c->group, c->verb, desc->metavar);
        if (value && desc->check && desc->check(value, err) < 0)
            return -1;
        p->out->args[i] = value;
    }
    if (p->surplus)
        return dv_fail(err, DV_INVALID, "\"%.40s\" is too much: dvsan %s %s takes %s", p->surplus,
                       c->group, c->verb,
                       !c->args[0].metavar   ? "no argument"
                       : !c->args[1].metavar ? "one argument"
                                             : "two arguments");
    return 0;
}

static int check_options(const struct invocation *in, const struct command *c, struct dv_err *err)
{
    const char *first = NULL;
    for (int i = 0; i < OPTIONS; i++) {
        const struct option_desc *desc = &cli_options[i];
        const char *value = in->values[i];
        if (!value && (c->required & BIT(i)))
            return dv_fail(err, DV_INVALID, "dvsan %s %s needs --%s %s", c->group, c->verb,
                           desc->name, desc->metavar);
        if (!value)
            continue;
        if (!((c->options | COMMON_OPTIONS) & BIT(i)))
            return dv_fail(err, DV_INVALID, "dvsan %s %s does not take --%s; see its --help",
                           c->group, c->verb, desc->name);
        if ((c->exclusive & BIT(i)) && first)
            return dv_fail(err, DV_INVALID, "--%s and --%s exclude each other", first, desc->name);
        if (c->exclusive & BIT(i))
            first = desc->name;
        if (desc->check && desc->check(value, err) < 0)
            return -1;
    }
    return 0;
}

int parse_args(int argc, char *const *argv, struct invocation *out, struct dv_err *err)
{
    *out = (struct invocation){0};
    struct parser p = {.argc = argc, .argv = argv, .out = out};
    if (take_all(&p, err) < 0 || find_command(&p, err) < 0)
        return -1;
    if (!out->command || out->values[OPT_HELP] || out->values[OPT_VERSION])
        return 0;
    return check_args(&p, out->command, err) < 0 ? -1 : check_options(out, out->command, err);
}

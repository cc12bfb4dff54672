// Help texts, made from the tables in command.c.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/help.h"

#include "base/text.h"
#include <string.h>

#define WIDTH 80 // columns

// One blank-separated piece at a time, so that a usage line breaks between options.
static void add_piece(FILE *out, size_t *column, size_t indent, const char *piece)
{
    if (*column + 1 + strlen(piece) > WIDTH) {
        fprintf(out, "\n%*s", (int)indent, "");
        *column = indent;
    }
    *column += (size_t)fprintf(out, " %s", piece);
}

static void option_text(char *text, size_t room, int option)
{
    const struct option_desc *desc = &cli_options[option];
    snprintf(text, room, "--%s%s%s", desc->name, desc->metavar ? " " : "",
             desc->metavar ? desc->metavar : "");
}

static void print_usage(FILE *out, const struct command *c)
{
    char piece[160], inner[64], other[64] = "";
    size_t column = (size_t)fprintf(out, "Usage: dvsan %s %s", c->group, c->verb);
    for (size_t i = 0; i < ARGS_MAX && c->args[i].metavar; i++) {
        snprintf(piece, sizeof(piece), c->args[i].optional ? "[%s]" : "%s", c->args[i].metavar);
        add_piece(out, &column, 11, piece);
    }
    for (int i = 0; i < OPTIONS; i++) {
        if (!(c->options & BIT(i)))
            continue;
        option_text(inner, sizeof(inner), i);
        if (!(c->exclusive & BIT(i))) {
            snprintf(piece, sizeof(piece), c->required & BIT(i) ? "%s" : "[%s]", inner);
        } else if (!other[0]) { // the first of two that exclude each other
            dv_copy(other, sizeof(other), inner);
            continue;
        } else {
            snprintf(piece, sizeof(piece), "[%s | %s]", other, inner);
        }
        add_piece(out, &column, 11, piece);
    }
    fprintf(out, "\n");
}

// The text from this column on, wrapped by words; the cursor stands there already.
static void print_wrapped(FILE *out, size_t indent, const char *text)
{
    size_t column = indent;
    while (*text) {
        size_t len = strcspn(text, " ");
        if (column > indent && column + 1 + len > WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        column += (size_t)fprintf(out, "%s%.*s", column > indent ? " " : "", (int)len, text);
        text += len + (text[len] == ' ');
    }
    fprintf(out, "\n");
}

static void print_options(FILE *out, uint64_t options)
{
    for (int i = 0; i < OPTIONS; i++) {
        if (!(options & BIT(i)))
            continue;
        char name[64];
        option_text(name, sizeof(name), i);
        if (cli_options[i].letter)
            fprintf(out, "  -%c, %-21s ", cli_options[i].letter, name);
        else
            fprintf(out, "  %-25s ", name);
        print_wrapped(out, 28, cli_options[i].help);
    }
}

static void print_commands(FILE *out, const char *group)
{
    for (size_t i = 0; i < cli_command_count; i++) {
        const struct command *c = &cli_commands[i];
        const struct arg_desc *arg = &c->args[0], *second = &c->args[1];
        char left[64];
        if (group && strcmp(c->group, group) != 0)
            continue;
        snprintf(left, sizeof(left),
                 !arg->metavar     ? "%s %s"
                 : second->metavar ? "%s %s %s %s"
                 : arg->optional   ? "%s %s [%s]"
                                   : "%s %s %s",
                 c->group, c->verb, arg->metavar, second->metavar);
        fprintf(out, "  %-25s ", left);
        print_wrapped(out, 28, c->help);
    }
}

static void print_general(FILE *out, const char *group)
{
    fprintf(out, "Usage: dvsan %s COMMAND [ARGUMENT] [OPTIONS]\n\n", group ? group : "GROUP");
    if (!group)
        fprintf(out, "Asks the station of a dvsan pool for its units, volumes and hosts.\n\n");
    fprintf(out, "Commands; each has its own --help:\n");
    print_commands(out, group);
    fprintf(out, "\nOptions of every command:\n");
    print_options(out, COMMON_OPTIONS);
    if (group)
        return;
    fprintf(out, "\nEnvironment:\n"
                 "  DVSAN_URL            the station's API\n"
                 "  DVSAN_TOKEN          an API token\n"
                 "  DVSAN_TOKEN_FILE     a file with an API token, mode 0600\n"
                 "  DVSAN_PASSWORD_FILE  a file with the admin's password, mode 0600\n"
                 "  NO_COLOR             print no colours\n");
}

void help_print(FILE *out, const struct invocation *in)
{
    const struct command *c = in->command;
    if (!c) {
        print_general(out, in->group);
        return;
    }
    print_usage(out, c);
    fprintf(out, "\n%s\n", c->help);
    if (c->options) {
        fprintf(out, "\nOptions:\n");
        print_options(out, c->options);
    }
    fprintf(out, "\nOptions of every command:\n");
    print_options(out, COMMON_OPTIONS);
}

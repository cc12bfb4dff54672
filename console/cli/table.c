// Tables over libsmartcols, and records.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/table.h"

#include "base/mem.h"
#include "base/text.h"
#include <libsmartcols.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BYTES_PER_BLOCK 512

struct table_style table_style_of(FILE *out)
{
    struct table_style style = {.headings = true};
    struct winsize size;
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    if (!isatty(fileno(out)))
        return style;
    style.colour = !(no_colour && *no_colour) && term && strcmp(term, "dumb") != 0;
    style.width = ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    return style;
}

// The colour of a state, as libsmartcols calls it: good, on its way or in need of a look, bad. NULL
// for the plain rest.
static const char *state_colour(const char *state)
{
    static const struct {
        const char *states, *colour;
    } colours[] = {
        {" up online active done running ", "green"},
        {" joining degraded low creating deleting pending revoking queued offline stopped "
         "cancelled warning ",
         "brown"},
        {" down failed unreachable conflict error ", "red"},
    };
    DV_FREE char *word = dv_printf(" %s ", state);
    for (size_t i = 0; i < DV_COUNT(colours); i++)
        if (strstr(colours[i].states, word))
            return colours[i].colour;
    return NULL;
}

char *table_time(const char *text)
{
    struct tm tm = {0};
    char out[40];
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return dv_strdup(text);
    time_t seconds = timegm(&tm);
    size_t len = strftime(out, sizeof(out), "%Y-%m-%dT%H:%M:%S%z", localtime_r(&seconds, &tm));
    // +0100 as +01:00
    return dv_printf("%.*s:%s", (int)len - 2, out, out + len - 2);
}

static char *joined(const json_t *array)
{
    struct strbuf b = {0};
    size_t i;
    const json_t *item;
    json_array_foreach(array, i, item) if (json_is_string(item))
        strbuf_add(&b, "%s%s", b.len ? "," : "", json_string_value(item));
    return b.text;
}

static char *size_text(uint64_t blocks)
{
    char text[SIZE_TEXT_ROOM];
    uint64_t bytes;
    if (__builtin_mul_overflow(blocks, BYTES_PER_BLOCK, &bytes))
        bytes = UINT64_MAX;
    return dv_strdup(size_format(bytes, text, sizeof(text)));
}

// What is measured, not given, such as a file system's room: exactly where that is short.
static char *room_text(uint64_t blocks)
{
    enum { SHORT = 8 }; // "10.25GiB"
    char *exact = size_text(blocks);
    unsigned power = 1; // of 1024 bytes
    if (strlen(exact) <= SHORT)
        return exact;
    free(exact);
    while (power < 5 && blocks >> (10 * (power + 1) - 9) != 0)
        power++;
    uint64_t unit = UINT64_C(1) << (10 * power - 9);
    return dv_printf("%llu.%llu%ciB", (unsigned long long)(blocks / unit),
                     (unsigned long long)(blocks % unit * 10 / unit), "KMGTP"[power - 1]);
}

// What a cell shows; the caller frees it.
static char *cell_text(const struct table_column *column, const json_t *value)
{
    char *text = NULL;
    if (column->kind == COLUMN_DETAIL)
        value = json_object_get(value, "detail");
    json_int_t number = json_integer_value(value);
    bool time = column->kind == COLUMN_TIME || column->kind == COLUMN_SINCE;
    if (json_is_string(value))
        text = time ? table_time(json_string_value(value)) : dv_strdup(json_string_value(value));
    else if (json_is_boolean(value))
        text = dv_strdup(json_is_true(value) ? "yes" : "no");
    else if (json_is_array(value))
        text = joined(value);
    else if (json_is_integer(value) && column->kind == COLUMN_BLOCKS)
        text = size_text((uint64_t)number);
    else if (json_is_integer(value) && column->kind == COLUMN_ROOM)
        text = room_text((uint64_t)number);
    else if (json_is_integer(value))
        text = dv_printf(column->kind == COLUMN_PERCENT ? "%lld%%" : "%lld", (long long)number);
    if (!text || !*text) {
        free(text);
        return dv_strdup("-");
    }
    text_make_printable(text);
    return text;
}

static bool on_the_right(enum column_kind kind)
{
    return kind == COLUMN_NUMBER || kind == COLUMN_BLOCKS || kind == COLUMN_ROOM ||
           kind == COLUMN_PERCENT;
}

static void fill_line(struct libscols_line *line, const struct table_column *columns, size_t count,
                      const json_t *object, const struct table_style *style)
{
    for (size_t i = 0; i < count; i++) {
        char *text = cell_text(&columns[i], json_object_get(object, columns[i].key));
        if (style->colour && columns[i].kind == COLUMN_STATE && state_colour(text))
            scols_cell_set_color(scols_line_get_cell(line, i), state_colour(text));
        scols_line_refer_data(line, i, text); // it frees it
    }
}

void table_print(FILE *out, const struct table_column *columns, size_t count, const json_t *array,
                 const struct table_style *style)
{
    scols_init_debug(0);
    struct libscols_table *table = scols_new_table();
    if (!table)
        abort(); // as for all memory that runs out
    scols_table_set_stream(table, out);
    scols_table_enable_noheadings(table, !style->headings);
    scols_table_enable_colors(table, style->colour);
    scols_table_set_termforce(table, style->width ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
    if (style->width)
        scols_table_set_termwidth(table, (size_t)style->width);
    for (size_t i = 0; i < count; i++) {
        int flags = on_the_right(columns[i].kind) ? SCOLS_FL_RIGHT : 0;
        if (style->width && i + 1 == count)
            flags |= SCOLS_FL_WRAP;
        scols_table_new_column(table, columns[i].title, 0, flags);
    }
    size_t i;
    const json_t *object;
    json_array_foreach(array, i, object)
        fill_line(scols_table_new_line(table, NULL), columns, count, object, style);
    scols_print_table(table);
    scols_unref_table(table);
}

static const char *colour_code(const char *colour)
{
    return strcmp(colour, "green") == 0 ? "32" : strcmp(colour, "red") == 0 ? "31" : "33";
}

void table_print_record(FILE *out, const struct table_column *columns, size_t count,
                        const json_t *object, const struct table_style *style)
{
    size_t widest = 0;
    for (size_t i = 0; i < count; i++)
        if (strlen(columns[i].title) > widest)
            widest = strlen(columns[i].title);
    for (size_t i = 0; i < count; i++) {
        enum column_kind kind = columns[i].kind;
        bool note = kind == COLUMN_NOTE || kind == COLUMN_SINCE || kind == COLUMN_DETAIL;
        if (note && json_is_null(json_object_get(object, columns[i].key)))
            continue;
        DV_FREE char *text = cell_text(&columns[i], json_object_get(object, columns[i].key));
        const char *colour =
            style->colour && columns[i].kind == COLUMN_STATE ? state_colour(text) : NULL;
        int pad = (int)(widest - strlen(columns[i].title)) + 2;
        if (colour)
            fprintf(out, "%s:%*s\033[%sm%s\033[0m\n", columns[i].title, pad, "",
                    colour_code(colour), text);
        else
            fprintf(out, "%s:%*s%s\n", columns[i].title, pad, "", text);
    }
}

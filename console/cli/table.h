// Tables and records for people, from JSON objects.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CLI_TABLE_H
#define DVSAN_CLI_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum column_kind {
    COLUMN_TEXT,
    COLUMN_STATE,  // text in the colour of its meaning
    COLUMN_NUMBER, // on the right
    COLUMN_BLOCKS, // blocks of 512 bytes, shown as a size, on the right
    COLUMN_ROOM,   // likewise, but a long one is rounded down to a tenth of its largest unit
    COLUMN_PERCENT,
    COLUMN_YES, // a boolean
    COLUMN_TIME,
    COLUMN_LIST,  // an array of texts, joined with commas
    COLUMN_NOTE,  // text; a record leaves it out when there is none
    COLUMN_SINCE, // the same of a time
    COLUMN_DETAIL // the same of an object's field "detail"
};

struct table_column {
    const char *title; // "SIZE" in a table; in a record "Size"
    const char *key;   // the object's field
    enum column_kind kind;
};

struct table_style {
    bool colour;
    bool headings;
    int width; // of the terminal; 0: none, so nothing is cut
};
// For a stream: colours and width only where it is a terminal, no colours with NO_COLOR or
// TERM=dumb.
struct table_style table_style_of(FILE *out);

// A table of an array of objects, "-" for what is null. On a terminal the last column is wrapped to
// fit.
void table_print(FILE *out, const struct table_column *columns, size_t count, const json_t *array,
                 const struct table_style *style);

// One object, a line for each column: "Size:  10G".
void table_print_record(FILE *out, const struct table_column *columns, size_t count,
                        const json_t *object, const struct table_style *style);

// "2026-11-22T13:30:23.123Z" in the time of the place, with its distance from UTC (ISO 8601); as it
// is when it is something else. The caller frees it.
char *table_time(const char *text);

#endif

// Allocation that cannot fail.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIRST_ROOM 4 // elements of a growing array that was empty

// Without the logger, which may want memory itself.
static _Noreturn void out_of_memory(void)
{
    static const char text[] = "out of memory\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)ignored;
    abort();
}

void *dv_calloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *dv_realloc(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        out_of_memory();
    void *p = realloc(old, bytes ? bytes : 1);
    if (!p)
        out_of_memory();
    return p;
}

char *dv_strdup(const char *text)
{
    if (!text)
        return NULL;
    size_t room = strlen(text) + 1;
    return memcpy(dv_calloc(room, 1), text, room);
}

char *dv_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        out_of_memory();
    va_end(args);
    return text;
}

void dv_cleanup_free(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

void dv_cleanup_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

// The room follows from the count alone: FIRST_ROOM, then the next power of two.
void *dv_grow(void *array, size_t count, size_t size)
{
    if (count == 0)
        array = dv_realloc(array, FIRST_ROOM, size);
    else if (count >= FIRST_ROOM && (count & (count - 1)) == 0)
        array = dv_realloc(array, count > SIZE_MAX / 2 ? SIZE_MAX : count * 2, size);
    memset((char *)array + count * size, 0, size);
    return array;
}

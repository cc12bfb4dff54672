// Showing how a task goes on.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/progress.h"

#include "base/text.h"
#include <string.h>

#define BAR_CELLS  24
#define PLAIN_STEP 25 // percent between plain lines about the same step

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

// What it waits for, else the step that runs, else the state.
static const char *now_doing(const json_t *task)
{
    size_t i;
    const json_t *step;
    if (strcmp(text_of(task, "state"), "running") != 0)
        return text_of(task, "state");
    if (*text_of(task, "waiting"))
        return text_of(task, "waiting");
    json_array_foreach(json_object_get(task, "steps"), i,
                       step) if (strcmp(text_of(step, "state"), "running") ==
                                 0) return text_of(step, "text");
    return text_of(task, "state");
}

void progress_line(const json_t *task, int width, char *out, size_t room)
{
    json_int_t percent = json_integer_value(json_object_get(task, "progress"));
    percent = percent < 0 ? 0 : percent > 100 ? 100 : percent;
    const char *doing = now_doing(task);
    const char *waits = doing == text_of(task, "waiting") ? "waiting: " : "";
    if (width) {
        char bar[BAR_CELLS + 1] = "";
        memset(bar, '-', BAR_CELLS);
        memset(bar, '#', (size_t)percent * BAR_CELLS / 100);
        snprintf(out, room, "%s [%s] %3d%% %s%s", text_of(task, "summary"), bar, (int)percent,
                 waits, doing);
        if (strlen(out) >= (size_t)width)
            out[width - 1] = '\0'; // what text_make_printable repairs, if inside a character
    } else {
        snprintf(out, room, "task %lld, %s: %d%%, %s%s",
                 (long long)json_integer_value(json_object_get(task, "id")),
                 text_of(task, "summary"), (int)percent, waits, doing);
    }
    text_make_printable(out);
}

// For plain lines: what it does has changed, or it is a good part further.
static bool is_news(struct progress *p, const json_t *task)
{
    int percent = (int)json_integer_value(json_object_get(task, "progress"));
    const char *doing = now_doing(task);
    if (strcmp(doing, p->doing) == 0 && percent < p->percent + PLAIN_STEP)
        return false;
    dv_copy(p->doing, sizeof(p->doing), doing);
    p->percent = percent;
    return true;
}

void progress_show(struct progress *p, const json_t *task)
{
    char line[sizeof(p->last)];
    progress_line(task, p->width, line, sizeof(line));
    if (strcmp(line, p->last) == 0 || (!p->width && !is_news(p, task)))
        return;
    if (p->width)
        fprintf(p->out, "\r\033[K%s", line);
    else
        fprintf(p->out, "%s\n", line);
    fflush(p->out);
    memcpy(p->last, line, sizeof(line));
}

void progress_note(struct progress *p, const char *text)
{
    progress_end(p);
    fprintf(p->out, "%s\n", text);
    fflush(p->out);
}

void progress_end(struct progress *p)
{
    if (p->width && p->last[0])
        fprintf(p->out, "\r\033[K");
    fflush(p->out);
    p->last[0] = '\0';
}

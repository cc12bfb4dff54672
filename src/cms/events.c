// Events: what happened, for people; kept in the store, and logged.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/station.h"

#include "base/log.h"
#include "store/store.h"
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

int64_t cms_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum log_level level_of(enum event_severity severity)
{
    switch (severity) {
    case EVENT_ERROR:
        return LOG_LEVEL_ERROR;
    case EVENT_WARNING:
        return LOG_LEVEL_WARNING;
    case EVENT_INFO:
        break;
    }
    return LOG_LEVEL_INFO;
}

void events_add(struct cms *cms, struct changes *c, enum event_severity severity, const char *kind,
                const char *name, const char *fmt, ...)
{
    struct event_record e = {
        .id = ++cms->last_event,
        .time = cms_now_ms(),
        .severity = severity,
    };
    snprintf(e.subject, sizeof(e.subject), "%s%s%s", kind, *name ? " " : "", name);
    va_list args;
    va_start(args, fmt);
    vsnprintf(e.text, sizeof(e.text), fmt, args);
    va_end(args);
    text_make_printable(e.text);
    changes_event(c, &e);
}

void events_log(const struct changes *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i].kind != CHANGE_EVENT)
            continue;
        const struct event_record *e = c->items[i].event;
        log_at(level_of(e->severity), "pool", "%s: %s", e->subject, e->text);
    }
}

int cms_events(struct cms *cms, uint64_t after, size_t limit, struct event_record **events,
               size_t *count, struct dv_err *err)
{
    return store_events(cms->store, after, limit, events, count, err);
}

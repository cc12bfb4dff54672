// Events: what happened, for people; kept in the store, and logged.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/core/events.h"

#include "base/log.h"
#include "base/mem.h"
#include "cms/cms.h"
#include "cms/core/station.h"
#include "store/store.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
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

static void add(struct cms *cms, struct changes *c, enum event_severity severity, const char *kind,
                const char *name, uint64_t left_out, const char *fmt, va_list args)
{
    struct event_record e = {
        .id = ++cms->last.event,
        .time = cms_now_ms(),
        .severity = severity,
    };
    snprintf(e.subject, sizeof(e.subject), "%s%s%s", kind, *name ? " " : "", name);
    vsnprintf(e.text, sizeof(e.text), fmt, args);
    size_t len = strlen(e.text);
    if (left_out > 0)
        snprintf(e.text + len, sizeof(e.text) - len, " (%llu more like this were left out)",
                 (unsigned long long)left_out);
    text_make_printable(e.text);
    changes_event(c, &e);
}

void events_add(struct cms *cms, struct changes *c, enum event_severity severity, const char *kind,
                const char *name, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add(cms, c, severity, kind, name, 0, fmt, args);
    va_end(args);
}

void events_add_limited(struct log_limit *limit, struct cms *cms, struct changes *c,
                        enum event_severity severity, const char *kind, const char *name,
                        const char *fmt, ...)
{
    uint64_t left_out = 0;
    if (!log_limit_passes(limit, loop_now_ms(), &left_out))
        return;
    va_list args;
    va_start(args, fmt);
    add(cms, c, severity, kind, name, left_out, fmt, args);
    va_end(args);
}

void events_log(const struct event_record *e)
{
    log_at(level_of(e->severity), "pool", "%s: %s", e->subject, e->text);
}

// ---- The newest, which anybody may ask for while the store takes its time ----------------------

int events_load(struct cms *cms, struct dv_err *err)
{
    DV_FREE struct event_record *list = NULL;
    size_t count;
    if (store_events(cms->store, 0, EVENTS_KEPT, &list, &count, err) < 0)
        return -1;
    cms->events = dv_calloc(EVENTS_KEPT, sizeof(*list));
    for (size_t i = 0; i < count; i++)
        events_follow(cms, &list[i]);
    return 0;
}

void events_follow(struct cms *cms, const struct event_record *e)
{
    if (cms->events)
        cms->events[cms->event_count++ % EVENTS_KEPT] = *e;
}

const struct event_record *cms_event(const struct cms *cms, size_t back)
{
    size_t kept = cms->event_count < EVENTS_KEPT ? cms->event_count : EVENTS_KEPT;
    return back < kept ? &cms->events[(cms->event_count - 1 - back) % EVENTS_KEPT] : NULL;
}

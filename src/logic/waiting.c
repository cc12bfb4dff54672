// For what a task waits, and what a person can do about it.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/waiting.h"

#include "logic/health.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ERROR_SHOWN 160 // characters of a unit's own reason

static void add(char out[WAITING_ROOM], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(char out[WAITING_ROOM], const char *fmt, ...)
{
    size_t len = strlen(out);
    va_list args;
    va_start(args, fmt);
    vsnprintf(out + len, WAITING_ROOM - len, fmt, args);
    va_end(args);
}

static void add_cancel(const struct waiting_case *c, char out[WAITING_ROOM])
{
    if (c->can_cancel)
        add(out, "; or cancel this (dvsan task cancel %llu)", (unsigned long long)c->task);
}

// Nothing is known of what it does, and nothing reaches it.
static void unit_is_away(const struct waiting_case *c, char out[WAITING_ROOM])
{
    if (c->untrusted && c->untrusted[0]) {
        add(out, "%s", c->untrusted);
        add_cancel(c, out);
        return;
    }
    switch (c->unit_state) {
    case UNIT_JOINING:
        add(out, "%s is starting", c->unit);
        break;
    case UNIT_CONFLICT:
        add(out, "%s is in conflict with another engine that uses its UUID: end one of the two",
            c->unit);
        break;
    case UNIT_STOPPED:
    case UNIT_DOWN:
    default:
        add(out, "%s %s; or, if it will not come back, forget it (dvsan unit forget %s)", c->unit,
            c->unit_state == UNIT_STOPPED
                ? "is stopped: start it"
                : "does not answer: start it, or start what hangs there again",
            c->unit);
        break;
    }
    add_cancel(c, out);
}

static void medium_is_away(const struct waiting_case *c, char out[WAITING_ROOM])
{
    if (c->medium)
        add(out, "medium %s of %s has failed (%.*s): bring it back", c->medium, c->unit,
            ERROR_SHOWN, c->medium_error);
    else
        add(out,
            "the volume's medium is not in the configuration of %s: put it back there and start "
            "the unit again",
            c->unit);
    if (c->can_cancel)
        add_cancel(c, out);
    else
        add(out, "; or forget the volume (dvsan volume delete %s --forget)", c->volume);
}

// Whether a medium that is away is what is in the way.
static bool needs_medium(const struct waiting_case *c)
{
    switch (c->kind) {
    case TASK_VOLUME_DELETE:
        return !c->forgets;
    case TASK_UNASSIGN: // its end is a matter of tgtd alone
        return c->access_error[0] != '\0';
    case TASK_VOLUME_RENAME:
    case TASK_UNIT_REKEY:
        return false;
    case TASK_VOLUME_CREATE:
    case TASK_ASSIGN:
    case TASK_VOLUME_RESIZE:
        break;
    }
    return true;
}

static const char *what_fails(const struct waiting_case *c)
{
    switch (c->kind) {
    case TASK_VOLUME_DELETE:
        return c->volume_state == VOLUME_DELETING || !c->rules ? "delete the volume"
                                                               : "end the hosts' access rules";
    case TASK_UNASSIGN:
        return "end the access rule";
    case TASK_ASSIGN:
        return "put the access rule in force";
    default:
        return "serve the volume";
    }
}

// What its unit says of that which is asked of it; "" when it is at work, or says nothing.
static const char *reason_of_unit(const struct waiting_case *c)
{
    if (c->forgets) // that needs neither medium nor tgtd
        return "";
    bool of_volume = c->volume_state != VOLUME_ONLINE && c->volume_state != VOLUME_OFFLINE;
    switch (c->kind) {
    case TASK_UNASSIGN:
        return c->access_error;
    case TASK_VOLUME_RENAME:
    case TASK_UNIT_REKEY:
        return "";
    default:
        return of_volume && c->volume_error[0] ? c->volume_error : c->access_error;
    }
}

static void known_text(const struct waiting_case *c, char out[WAITING_ROOM])
{
    bool changes =
        c->kind != TASK_VOLUME_CREATE && c->kind != TASK_VOLUME_DELETE && c->kind != TASK_UNASSIGN;
    bool of_unit = c->kind == TASK_UNIT_REKEY;
    const char *why = reason_of_unit(c);
    out[0] = '\0';
    if (c->taking_back) {
        add(out,
            "it is taken back as soon as %s has answered; its order was sent, and may still be "
            "carried out",
            c->unit);
        if (health_takes_orders(c->unit_state))
            return;
        add(out, ": ");
    }
    if (!health_takes_orders(c->unit_state)) {
        unit_is_away(c, out);
    } else if (c->not_led && c->not_led[0]) {
        add(out, "%s", c->not_led);
        add_cancel(c, out);
    } else if (c->shown && c->medium_away && needs_medium(c)) {
        medium_is_away(c, out);
    } else if (of_unit && c->refusal[0]) {
        add(out, "it is tried again at each look at %s: %.*s", c->unit, ERROR_SHOWN, c->refusal);
        add_cancel(c, out);
    } else if (c->refusal[0]) {
        add(out, "%s refuses: %.*s", c->unit, ERROR_SHOWN, c->refusal);
        add_cancel(c, out);
    } else if (!c->shown && changes && !of_unit) {
        add(out, "%s does not show the volume", c->unit);
        add_cancel(c, out);
    } else if (why[0]) {
        // Other causes say themselves what mends them.
        add(out, "%s cannot %s yet: %.*s%s", c->unit, what_fails(c), ERROR_SHOWN, why,
            strstr(why, "tgtd") ? ": mend that there (a tgtd that hangs is ended and started)"
                                : "");
        add_cancel(c, out);
    } else if (c->kind == TASK_ASSIGN && c->volume_state == VOLUME_CREATING) {
        add(out, "the volume is being created");
        add_cancel(c, out);
    }
}

// The unit takes what it is told and says of nothing that it is in the way.
static void still_text(const struct waiting_case *c, char out[WAITING_ROOM])
{
    time_t moved = (time_t)(c->moved / 1000);
    struct tm utc;
    char since[32];
    strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&moved, &utc));
    add(out,
        "%s has not %s since %s and does not say why: look at the log of its agent, and start "
        "dvsan-unit there again",
        c->unit, c->at_it ? "gone on with it" : "carried it out", since);
    if (c->can_cancel)
        add_cancel(c, out);
    else
        add(out, "; or stop the unit and forget it (dvsan unit forget %s)", c->unit);
}

bool waiting_text(const struct waiting_case *c, char out[WAITING_ROOM])
{
    int64_t most = c->at_it ? WAITING_STILL_AT_IT_MS : WAITING_STILL_MS;
    known_text(c, out);
    if (out[0])
        return true;
    if (c->moved != 0 && c->now - c->moved >= most)
        still_text(c, out);
    return false;
}

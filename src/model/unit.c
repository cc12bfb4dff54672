// How a unit's tables are written for people: names of numbers, portals.
// SPDX-License-Identifier: BSD-2-Clause
#include "model/unit.h"

#include "base/mem.h"
#include <stdio.h>
#include <string.h>

// Numbers that came over the network may lie outside their enum.
static const char *name_of(const char *const *names, size_t count, unsigned number)
{
    return number < count && names[number] ? names[number] : "unknown";
}
#define NAME_OF(names, number) name_of(names, DV_COUNT(names), (unsigned)(number))

const char *member_kind_name(enum member_kind kind)
{
    static const char *const names[] = {[MEMBER_UNIT] = "unit", [MEMBER_HOST] = "host"};
    return NAME_OF(names, kind);
}

const char *member_state_name(enum member_state state)
{
    static const char *const names[] = {
        [MEMBER_STARTING] = "starting",
        [MEMBER_RUNNING] = "running",
        [MEMBER_DEGRADED] = "degraded",
        [MEMBER_SHUTTING_DOWN] = "shutting_down",
    };
    return NAME_OF(names, state);
}

const char *medium_kind_name(enum medium_kind kind)
{
    static const char *const names[] = {
        [MEDIUM_DIR] = "dir",
        [MEDIUM_DISK] = "disk",
        [MEDIUM_DEVICE] = "device",
        [MEDIUM_RBD] = "rbd",
    };
    return NAME_OF(names, kind);
}

enum medium_moves medium_kind_moves(enum medium_kind kind)
{
    if (kind == MEDIUM_DIR || kind == MEDIUM_RBD)
        return MOVES_FREELY;
    return kind == MEDIUM_DISK ? MOVES_BY_COPY : MOVES_NOT;
}

const char *medium_state_name(enum medium_state state)
{
    static const char *const names[] = {
        [MEDIUM_ONLINE] = "online",
        [MEDIUM_LOW] = "low",
        [MEDIUM_FAILED] = "failed",
    };
    return NAME_OF(names, state);
}

const char *volume_state_name(enum volume_state state)
{
    static const char *const names[] = {
        [VOLUME_CREATING] = "creating", [VOLUME_ONLINE] = "online",
        [VOLUME_OFFLINE] = "offline",   [VOLUME_FAILED] = "failed",
        [VOLUME_DELETING] = "deleting",
    };
    return NAME_OF(names, state);
}

const char *access_state_name(enum access_state state)
{
    static const char *const names[] = {
        [ACCESS_PENDING] = "pending",
        [ACCESS_ACTIVE] = "active",
        [ACCESS_FAILED] = "failed",
        [ACCESS_REVOKING] = "revoking",
    };
    return NAME_OF(names, state);
}

const char *portal_format(const struct portal *p, char out[PORTAL_TEXT_ROOM])
{
    bool six = strchr(p->address, ':') != NULL;
    snprintf(out, PORTAL_TEXT_ROOM, six ? "[%s]:%u" : "%s:%u", p->address, (unsigned)p->port);
    return out;
}

// The names that people see for the states of the pool's records.
// SPDX-License-Identifier: BSD-2-Clause
#include "model/pool.h"

#include "base/mem.h"

static const char *name_of(const char *const *names, size_t count, unsigned value)
{
    return value < count && names[value] ? names[value] : "unknown";
}

const char *unit_state_name(enum unit_state state)
{
    static const char *const names[] = {
        [UNIT_JOINING] = "joining", [UNIT_UP] = "up",           [UNIT_DEGRADED] = "degraded",
        [UNIT_DOWN] = "down",       [UNIT_STOPPED] = "stopped", [UNIT_CONFLICT] = "conflict",
    };
    return name_of(names, DV_COUNT(names), state);
}

const char *unit_trust_name(enum unit_trust trust)
{
    static const char *const names[] = {
        [TRUST_SHARED] = "shared",     [TRUST_WAITING] = "waiting",
        [TRUST_ENROLLED] = "enrolled", [TRUST_QUARANTINED] = "quarantined",
        [TRUST_REVOKED] = "revoked",
    };
    return name_of(names, DV_COUNT(names), trust);
}

const char *task_kind_name(enum task_kind kind)
{
    static const char *const names[] = {
        [TASK_VOLUME_CREATE] = "volume_create",
        [TASK_VOLUME_DELETE] = "volume_delete",
        [TASK_ASSIGN] = "assign",
        [TASK_UNASSIGN] = "unassign",
        [TASK_VOLUME_RESIZE] = "volume_resize",
        [TASK_VOLUME_RENAME] = "volume_rename",
        [TASK_UNIT_REKEY] = "unit_rekey",
    };
    return name_of(names, DV_COUNT(names), kind);
}

const char *task_state_name(enum task_state state)
{
    static const char *const names[] = {
        [TASK_QUEUED] = "queued", [TASK_RUNNING] = "running",     [TASK_DONE] = "done",
        [TASK_FAILED] = "failed", [TASK_CANCELLED] = "cancelled",
    };
    return name_of(names, DV_COUNT(names), state);
}

const char *step_state_name(enum step_state state)
{
    static const char *const names[] = {
        [STEP_WAITING] = "waiting",
        [STEP_RUNNING] = "running",
        [STEP_DONE] = "done",
        [STEP_FAILED] = "failed",
    };
    return name_of(names, DV_COUNT(names), state);
}

const char *event_severity_name(enum event_severity severity)
{
    static const char *const names[] = {
        [EVENT_INFO] = "info",
        [EVENT_WARNING] = "warning",
        [EVENT_ERROR] = "error",
    };
    return name_of(names, DV_COUNT(names), severity);
}

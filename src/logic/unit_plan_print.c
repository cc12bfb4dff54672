// The unit's planner: its steps as lines, for logs and tests.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/unit_plan.h"
#include <inttypes.h>

static const char *const verbs[] = {
    [PLAN_ADD_ACCOUNT] = "add account",
    [PLAN_DELETE_ACCOUNT] = "delete account",
    [PLAN_NEW_TARGET] = "create",
    [PLAN_DELETE_TARGET] = "delete",
    [PLAN_SET_PARAMETERS] = "set session parameters",
    [PLAN_SET_OFFLINE] = "set offline",
    [PLAN_SET_READY] = "set ready",
    [PLAN_NEW_LUN] = "create LUN over",
    [PLAN_IDENTIFY_LUN] = "identify LUN",
    [PLAN_RELOAD_LUN] = "reload LUN over",
    [PLAN_DELETE_LUN] = "delete LUN",
    [PLAN_BIND_ACCOUNT] = "bind account",
    [PLAN_UNBIND_ACCOUNT] = "unbind account",
    [PLAN_UNBIND_OUTGOING] = "unbind outgoing account",
    [PLAN_BIND_NAME] = "bind initiator",
    [PLAN_UNBIND_NAME] = "unbind initiator",
    [PLAN_UNBIND_ADDRESS] = "unbind address",
    [PLAN_END_SESSIONS] = "end sessions of",
};

const char *plan_op_text(enum plan_op op)
{
    return verbs[op];
}

void plan_print_step(const struct plan_step *step, struct strbuf *out)
{
    if (step->tid != 0)
        strbuf_add(out, "target %u: ", step->tid);
    strbuf_add(out, "%s", plan_op_text(step->op));
    if (step->op == PLAN_DELETE_LUN)
        strbuf_add(out, " %" PRIu64, step->lun);
    else if (step->name)
        strbuf_add(out, " %s", step->name);
    else if (step->op == PLAN_END_SESSIONS)
        strbuf_add(out, " all initiators");
}

// What a unit does as a member in its own way.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/tables.h"
#include "snmp-agents/unit/telling.h"

static uint32_t generation(void *arg)
{
    const struct tables *t = arg;
    return state_generation(t->state);
}

static void announce(void *arg, struct announcement *a)
{
    const struct tables *t = arg;
    telling_announce(t->state, a);
}

static int offer(void *arg, struct sn_agent *agent, struct dv_err *err)
{
    return tables_register(agent, arg, err);
}

static void look(void *arg, struct news *n)
{
    struct tables *t = arg;
    telling_look(t->state, &t->seen, n);
}

static void tell(void *arg, unsigned kind, uint32_t index, int state)
{
    const struct tables *t = arg;
    struct netlink_interface link;
    struct announcement a;
    switch ((enum telling_kind)kind) {
    case TELLING_LINK:
        link = portals_link(t->portals, index);
        announcer_link(t->announcer, state != 0, &link);
        break;
    case TELLING_MEDIUM:
        telling_medium(&state_medium(t->state, index)->m, &a);
        announcer_tell(t->announcer, &a);
        break;
    case TELLING_VOLUME:
        telling_volume(&state_volume(t->state, index)->v, &a);
        announcer_tell(t->announcer, &a);
        break;
    case TELLING_LOGIN: // the station has no use for it
        telling_login(state_volume(t->state, index), &a);
        announcer_tell_others(t->announcer, &a);
        break;
    case TELLING_KINDS:
        break;
    }
}

// ---- Who leads it: recorded with the rows of the same request ----------------------------------

static void *stage(void *arg, uint32_t request, const struct lead *next, const struct lead *now)
{
    const struct tables *t = arg;
    const struct intent in = {
        .kind = INTENT_LEAD, .request = request, .lead = *next, .lead_before = *now};
    return sets_stage(t->sets, &in);
}

static int apply(void *arg, void *staged)
{
    struct sn_change part = {.memory = staged};
    return table_apply(arg, &part);
}

static int undo(void *arg, void *staged)
{
    struct sn_change part = {.memory = staged};
    return table_undo(arg, &part);
}

static void release(void *arg, void *staged)
{
    const struct tables *t = arg;
    sets_release(t->sets, staged);
}

struct member_owner tables_owner(struct tables *t)
{
    return (struct member_owner){.generation = generation,
                                 .announce = announce,
                                 .offer = offer,
                                 .kinds = telling_kinds,
                                 .kind_count = TELLING_KINDS,
                                 .look = look,
                                 .tell = tell,
                                 .stage = stage,
                                 .apply = apply,
                                 .undo = undo,
                                 .release = release,
                                 .arg = t};
}

// When to connect again, when to tell of it, and when to stop making requests wait for it.
// SPDX-License-Identifier: BSD-2-Clause
#include "block/reconnect.h"

#include "block/backoff.h"

#define BASE_MS    100
#define CAP_MS     5000
#define REFUSED_MS 250 // between refused logins, until they count

void reconnect_ready(struct reconnect *r, uint64_t now_ms)
{
    r->up = true;
    r->ready_ms = now_ms;
    r->refusals = 0;
    r->refused = false;
}

unsigned reconnect_proven(struct reconnect *r)
{
    unsigned lost = r->was_lost;
    r->attempts = 0;
    r->was_lost = 0;
    return lost;
}

// Whether a refusal now makes access count as gone.
static bool is_gone(struct reconnect *r, uint64_t now_ms)
{
    if (r->refusals++ == 0)
        r->refused_since_ms = now_ms;
    return r->refusals >= RECONNECT_REFUSALS &&
           now_ms - r->refused_since_ms >= RECONNECT_REFUSED_MS;
}

struct reconnect_plan reconnect_lost(struct reconnect *r, enum leg_loss loss, uint64_t now_ms,
                                     uint32_t random)
{
    struct reconnect_plan plan = {0};
    bool was_refused = r->refused;
    if (r->up && now_ms - r->ready_ms >= RECONNECT_PROVEN_MS)
        r->attempts = 0;
    r->up = false;
    if (loss != LEG_LOSS_REFUSED)
        r->refusals = 0;
    else if (is_gone(r, now_ms))
        r->refused = true;
    plan.pause_ms = backoff_ms(r->attempts++, BASE_MS, CAP_MS, random);
    if (r->refusals && !r->refused && plan.pause_ms > REFUSED_MS)
        plan.pause_ms = REFUSED_MS;
    r->was_lost++;
    plan.say = !r->said || now_ms - r->said_ms >= RECONNECT_SAY_MS || r->refused != was_refused;
    if (plan.say) {
        plan.untold = r->untold;
        r->untold = 0;
        r->said = true;
        r->said_ms = now_ms;
    } else {
        r->untold++;
    }
    return plan;
}

// When to connect again, and when to stop making requests wait for it.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/reconnect.h"

#include "iscsi/backoff.h"

#define BASE_MS 100
#define CAP_MS  5000

void reconnect_ready(struct reconnect *r)
{
    *r = (struct reconnect){0};
}

uint32_t reconnect_lost(struct reconnect *r, enum leg_loss loss, uint32_t random)
{
    r->refusals = loss == LEG_LOSS_REFUSED ? r->refusals + 1 : 0;
    r->absences = loss == LEG_LOSS_ABSENT ? r->absences + 1 : 0;
    if (r->refusals >= RECONNECT_REFUSALS || r->absences >= RECONNECT_ABSENCES)
        r->refused = true;
    return backoff_ms(r->attempts++, BASE_MS, CAP_MS, random);
}

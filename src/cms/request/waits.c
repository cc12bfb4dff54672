// What a task waits for, out of what the pool shows.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/request/waits.h"

#include "cms/core/station.h"
#include "cms/member/lead.h"
#include "cms/pool/pool.h"
#include "cms/task/tasks.h"
#include "logic/trust.h"
#include "logic/waiting.h"
#include <string.h>
#include <utlist.h>

static bool concerns(const struct task_record *t, const struct pool_assignment *a)
{
    return t->kind == TASK_VOLUME_DELETE || uuid_equal(&a->rec.host, &t->host);
}

static void look_at_rights(const struct task_record *t, const struct pool_volume *v,
                           struct waiting_case *c)
{
    const struct pool_assignment *a;
    bool revoking = t->kind != TASK_ASSIGN;
    DL_FOREACH2(v->assignments, a, volume_next)
    {
        if (!concerns(t, a))
            continue;
        if (a->actual.index != 0 && (a->actual.state == ACCESS_REVOKING) == revoking &&
            a->actual.last_error[0])
            c->access_error = a->actual.last_error;
        if (a->hold.why[0])
            c->refusal = a->hold.why;
    }
}

void waits_tell(struct judging *j, struct task_record *t, const struct pool_volume *v)
{
    const struct medium *m = pool_medium(v->unit, v->actual.medium);
    char not_led[WAITING_ROOM] = "";
    if (v->unit->link)
        lead_why_not(j->cms, v->unit, not_led, sizeof(not_led));
    char untrusted[TRUST_WHY_ROOM];
    trust_why_not(&v->unit->rec, untrusted);
    struct waiting_case c = {
        .task = t->id,
        .untrusted = untrusted,
        .kind = t->kind,
        .forgets = v->rec.forced && !v->rec.wanted, // else it is a size that may cut
        .taking_back = t->cancel == TASK_CANCEL_ASKED,
        .can_cancel = tasks_can_cancel(j->cms, v, t),
        .unit = v->unit->rec.name,
        .unit_state = v->unit->rec.state,
        .not_led = not_led,
        .volume = v->rec.name,
        .shown = v->actual.index != 0,
        .rules = v->rule_count > 0,
        .at_it = v->actual.index != 0 &&
                 (v->actual.progress < 100 || v->actual.state == VOLUME_DELETING),
        .volume_state = v->actual.state,
        .volume_error = v->actual.last_error,
        .medium_away = pool_medium_is_away(v),
        .medium = m ? m->name : NULL,
        .medium_error = m ? m->last_error : "",
        .access_error = "",
        .refusal = v->hold.why,
        .now = cms_now_ms(),
        .moved = t->moved,
    };
    look_at_rights(t, v, &c);
    if (waiting_text(&c, t->waiting))
        t->moved = 0;
    else if (t->moved == 0)
        t->moved = c.now;
}

// Under which number of its keys the station is known to a unit.
// SPDX-License-Identifier: BSD-2-Clause
//
// A unit that does not know a key says so at once, by a report. Only an answer proves anything.
#include "cms/member/key_trial.h"

#include "base/mem.h"
#include "cms/member/link.h"
#include "cms/member/trust.h"
#include "cms/pool/pool.h"
#include "snmp/std_oids.h"
#include <string.h>

#define RETRIES 1

struct key_trial {
    struct unit_link *link;
    uint32_t *numbers;
    size_t count, next;
    struct sn_peer *peer;
    struct loop_timer *later;
    key_trial_fn *done;
    void *arg;
};

static void finish(struct key_trial *t, enum key_answer answer)
{
    struct sn_peer *peer = answer == KEY_FITS ? t->peer : NULL;
    if (peer)
        t->peer = NULL;
    t->done(t->arg, answer, t->next > 0 ? t->numbers[t->next - 1] : 0, peer);
}

static void answered(void *arg, const struct sn_result *result)
{
    struct key_trial *t = arg;
    if (result->code == DV_CANCELLED)
        return;
    if (result->code == DV_OK)
        finish(t, KEY_FITS);
    else if (result->code == DV_DENIED && result->error_status == 0)
        loop_timer_set(t->later, 0);
    else
        finish(t, KEY_UNKNOWN);
}

static void try_next(void *arg)
{
    static const struct sn_oid up_time = OID_sysUpTime;
    struct key_trial *t = arg;
    struct unit_link *link = t->link;
    const struct pool_unit *unit = link_unit(link);
    struct sn_oid oid = sn_scalar_oid(&up_time);
    struct dv_err err;
    sn_peer_free(t->peer); // before the next, which may have the same name
    t->peer = NULL;
    if (t->next == t->count) {
        finish(t, KEY_NONE_FITS);
        return;
    }
    t->peer = trust_peer_as(link->cms, &unit->rec, t->numbers[t->next++], link->address,
                            &link->engine, &err);
    if (!t->peer) {
        finish(t, KEY_UNKNOWN);
        return;
    }
    sn_peer_forget_time(t->peer); // its snmpd may have been restored from a backup
    struct sn_timing timing = {link->cms->config->poll_timeout_ms, RETRIES};
    sn_get(t->peer, &oid, 1, timing, answered, t);
}

struct key_trial *key_trial_new(struct unit_link *link, const uint32_t *numbers, size_t count,
                                key_trial_fn *done, void *arg)
{
    struct key_trial *t = dv_calloc(1, sizeof(*t));
    *t = (struct key_trial){.link = link, .count = count, .done = done, .arg = arg};
    t->numbers = dv_calloc(count, sizeof(*numbers));
    memcpy(t->numbers, numbers, count * sizeof(*numbers));
    t->later = loop_timer_new(link->cms->loop, try_next, t);
    loop_timer_set(t->later, 0);
    return t;
}

void key_trial_free(struct key_trial *t)
{
    if (!t)
        return;
    sn_peer_free(t->peer);
    loop_timer_free(t->later);
    free(t->numbers);
    free(t);
}

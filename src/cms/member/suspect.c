// Another engine that claims a known unit's UUID: asked itself before it is believed.
// SPDX-License-Identifier: BSD-2-Clause
//
// All units sign announcements with one key, so any of them could name another's UUID and have its
// orders stopped. An answer for that UUID, signed by the engine that was named, cannot be forged:
// its keys are that engine's alone (RFC 3414 section 2.6).
#include "cms/member/suspect.h"

#include "base/log.h"
#include "base/mem.h"
#include "cms/core/ledger.h"
#include "cms/core/station.h"
#include "cms/member/link.h"
#include "cms/member/silence.h"
#include "cms/member/trust.h"
#include "cms/pool/pool.h"
#include "dvsan_oids.h"
#include <stdio.h>

#define RETRIES 1

struct suspect {
    struct unit_link *link;
    struct sn_peer *peer;
    char address[ADDRESS_MAX_LEN + 1];
};

void suspect_free(struct suspect *s)
{
    if (!s)
        return;
    sn_peer_free(s->peer);
    free(s);
}

struct suspicion {
    struct dv_uuid uuid;
    char address[ADDRESS_MAX_LEN + 1];
};

static void conflict(void *owner, const void *arg)
{
    struct cms *cms = owner;
    const struct suspicion *suspicion = arg;
    struct pool_unit *unit = pool_unit_by_uuid(cms->pool, &suspicion->uuid);
    struct unit_link *link = link_find(cms, &suspicion->uuid);
    char why[ADDRESS_MAX_LEN + 64];
    if (!unit || !link)
        return;
    link->stranger_at = loop_now_ms();
    snprintf(why, sizeof(why), "another engine at %s uses its UUID", suspicion->address);
    silence_state(cms, unit, UNIT_CONFLICT, why);
    link_look(link); // tasks that wait say for what, then
}

static const char *check(const struct unit_link *link, const struct sn_result *result)
{
    if (result->code != DV_OK)
        return result->text;
    struct dv_uuid uuid;
    if (result->count != 1 || !sn_get_octets(&result->vars[0].value, uuid.b, sizeof(uuid.b)) ||
        !uuid_equal(&uuid, &link->uuid))
        return "it has another UUID";
    return NULL;
}

static void answered(void *arg, const struct sn_result *result)
{
    if (result->code == DV_CANCELLED)
        return;
    struct suspect *s = arg;
    struct unit_link *link = s->link;
    const char *why = check(link, result);
    link->suspect = NULL;
    if (why)
        log_limited(&link->odd, LOG_LEVEL_WARNING, "join",
                    "%s was announced by another engine at %s, which is not it: %s", link->name,
                    s->address, why);
    struct suspicion suspicion = {.uuid = link->uuid};
    dv_copy(suspicion.address, sizeof(suspicion.address), s->address);
    suspect_free(s);
    if (!why)
        ledger_turn(link->cms->ledger, conflict, &suspicion, sizeof(suspicion));
}

void suspect_ask(struct unit_link *link, const struct sn_engine_id *engine, const char *address)
{
    static const struct sn_oid uuid = OID_dvsanMemberUuid;
    struct cms *cms = link->cms;
    struct dv_err err;
    if (link->suspect) // a true one repeats itself
        return;
    struct sn_peer *peer = trust_peer(cms, &link->uuid, address, engine, &err);
    if (!peer) {
        log_limited(&link->odd, LOG_LEVEL_WARNING, "join",
                    "%s was announced by another engine at %s, which cannot be asked: %s",
                    link->name, address, err.text);
        return;
    }
    struct suspect *s = link->suspect = dv_calloc(1, sizeof(*s));
    s->link = link;
    s->peer = peer;
    dv_copy(s->address, sizeof(s->address), address);
    const struct sn_oid oid = sn_scalar_oid(&uuid);
    sn_get(peer, &oid, 1, (struct sn_timing){cms->config->poll_timeout_ms, RETRIES}, answered, s);
}

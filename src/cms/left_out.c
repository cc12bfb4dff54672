// What a unit shows and the pool does not take, since another unit has it or there is no room: it
// is remembered, and taken as soon as it would be. SPDX-License-Identifier: BSD-2-Clause
#include "cms/observe.h"

#include "base/mem.h"
#include "logic/health.h"
#include <stdlib.h>
#include <string.h>

// Whether the unit that has the volume has the worse of two, so that another one's, in this state,
// takes its place.
bool left_out_yields(const struct pool_volume *pv, enum volume_state other)
{
    bool failed = pv->actual.state == VOLUME_FAILED;
    if (pv->actual.index == 0)
        return true;
    return other != VOLUME_FAILED && (failed || !health_takes_orders(pv->unit->rec.state));
}

// Whether that was told. Of a row that has failed it is not.
bool left_out_is_told(const struct unit_link *link, const struct dv_uuid *uuid)
{
    for (size_t i = 0; i < link->left_out_count; i++)
        if (uuid_equal(&link->left_out[i].uuid, uuid) && link->left_out[i].state != VOLUME_FAILED)
            return true;
    return false;
}

void left_out_add(struct observation *o, const struct volume *v)
{
    *DV_APPEND(o->left_out, o->left_out_count) =
        (struct left_out){.uuid = v->uuid, .state = v->state};
}

bool left_out_is_wanted(const struct unit_link *link)
{
    struct pool *p = link->cms->pool;
    for (size_t i = 0; i < link->left_out_count; i++) {
        const struct left_out *l = &link->left_out[i];
        const struct pool_volume *pv = pool_volume_by_uuid(p, &l->uuid);
        if (pv ? left_out_yields(pv, l->state)
               : HASH_COUNT(p->hosts) != link->left_out_hosts || l->known)
            return true;
    }
    return false;
}

// Those of a whole reading, which may come part by part, are all there are: those known before it
// go with its last part. Of very many some are not remembered.
void left_out_note(struct observation *o)
{
    enum { REMEMBERED = 4096 };
    struct unit_link *link = o->link;
    size_t before = link->reading->whole ? link->left_out_before : 0;
    for (size_t i = 0; i < o->left_out_count; i++) {
        struct left_out *l = &o->left_out[i];
        size_t k = before;
        l->known = pool_volume_by_uuid(o->pool, &l->uuid) != NULL;
        while (k < link->left_out_count && !uuid_equal(&link->left_out[k].uuid, &l->uuid))
            k++;
        if (k < link->left_out_count)
            link->left_out[k] = *l;
        else if (k - before < REMEMBERED)
            *DV_APPEND(link->left_out, link->left_out_count) = *l;
    }
    if (o->r->whole && before > 0) {
        link->left_out_count -= before;
        memmove(link->left_out, link->left_out + before,
                link->left_out_count * sizeof(*link->left_out));
        link->left_out_before = 0;
    }
    link->left_out_hosts = HASH_COUNT(o->pool->hosts);
}

// The configured media, as a pass finds them: opened, and looked at.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/pass_media.h"
#include "base/mem.h"
#include "snmp-agents/unit/take.h"
#include <stdlib.h>

struct pass_media {
    const struct unit_config *config;
    struct media **media; // as in the configuration; NULL while one cannot be opened
    bool *full, *copies;  // likewise: as judged last; copies: not struct media_space's reserves
};

struct pass_media *pass_media_new(const struct unit_config *config)
{
    struct pass_media *p = dv_calloc(1, sizeof(*p));
    p->config = config;
    p->media = dv_calloc(config->media_count, sizeof(*p->media));
    p->full = dv_calloc(config->media_count, sizeof(*p->full));
    p->copies = dv_calloc(config->media_count, sizeof(*p->copies));
    return p;
}

void pass_media_free(struct pass_media *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->config->media_count; i++)
        media_close(p->media[i]);
    free(p->media);
    free(p->full);
    free(p->copies);
    free(p);
}

static bool has_volumes(const struct order *o, uint32_t medium)
{
    for (size_t i = 0; i < o->volume_count; i++)
        if (o->volumes[i].v.medium == medium)
            return true;
    return false;
}

// A folder whose file system is not mounted is there, but it is not the medium; whoever wrote to
// it would lose what he wrote from sight later.
static int open_medium(const struct pass_media *p, const struct medium_config *c,
                       const struct order *o, struct order_medium *om, struct media **out,
                       struct dv_err *err)
{
    DV_FREE char *take = take_mark(p->config, c->index);
    const struct media_spec spec = {.kind = c->kind,
                                    .path = c->path,
                                    .blocks = c->bytes / BLOCK_SIZE,
                                    .initialise = c->initialise,
                                    .uuid = om->uuid,
                                    .ceph_conf = c->ceph_conf,
                                    .ceph_user = c->ceph_user,
                                    .owner = o->owner,
                                    .identity = om->identity,
                                    .take = take};
    struct media *m = media_open(&spec, err);
    if (!m)
        return -1;
    // A person's word is enough where no volume counts on the one that was there.
    if (!uuid_is_zero(&om->uuid) && !uuid_equal(&om->uuid, media_uuid(m)) &&
        (!take || has_volumes(o, c->index))) {
        media_close(m);
        return dv_fail(err, DV_CONFLICT,
                       c->kind == MEDIUM_DIR
                           ? "%s is not the medium that was there before; see whether its file "
                             "system is mounted%s"
                           : "%s is not the medium that was there before; give this one an index "
                             "of its own in the configuration%s",
                       c->path,
                       has_volumes(o, c->index) ? "" : ", or say that it is (dvsan-unit --take)");
    }
    if (!uuid_is_zero(&o->owner.unit) && media_tell_owner(m, &o->owner, err) != 0) {
        media_close(m);
        return -1;
    }
    om->taken = take != NULL;
    *out = m;
    return 0;
}

static void check_medium(const struct pass_media *p, const struct medium_config *c,
                         const struct order *o, struct media **m, struct order_medium *om)
{
    struct media_space space;
    struct dv_err err;
    if (om->misfit)
        dv_fail(&err, DV_CONFLICT, "%s", om->error);
    om->error[0] = '\0';
    if (!om->misfit && (*m || open_medium(p, c, o, om, m, &err) == 0) &&
        media_probe(*m, &space, &err) == 0 && media_read_layout(*m, &om->layout, &err) == 0) {
        om->state = space.state;
        om->full = space.full;
        om->reserves = space.reserves;
        om->storage_blocks = space.total_bytes / BLOCK_SIZE;
        om->storage_free_blocks = space.total_bytes ? space.free_bytes / BLOCK_SIZE : 0;
        om->uuid = *media_uuid(*m);
        om->proof = *media_proof(*m);
        dv_copy(om->identity, sizeof(om->identity), media_identity(*m));
        om->has_layout = true;
        if (om->state == MEDIUM_LOW)
            dv_copy(om->error, sizeof(om->error),
                    om->reserves
                        ? "what lies below the medium is nearly full"
                        : "what lies below the medium is nearly full, and also volumes that "
                          "are not thin take room there when they are overwritten");
        return;
    }
    dv_copy(om->error, sizeof(om->error), err.text);
    om->unjudged = dv_is_shortage(&err);
    if (om->unjudged)
        return;
    // Opened anew next time, when another file system may be there.
    media_close(*m);
    *m = NULL;
    om->taken = false; // a person's word is needed again when it is opened next
    om->state = MEDIUM_FAILED;
}

// The place of a medium in the configuration, or media_count where that names it no more.
static size_t place_of(const struct pass_media *p, uint32_t index)
{
    size_t i = 0;
    while (i < p->config->media_count && p->config->media[i].index != index)
        i++;
    return i;
}

void pass_media_check(struct pass_media *p, struct order *o)
{
    for (size_t i = 0; i < o->medium_count; i++) {
        size_t k = place_of(p, o->media[i].index);
        struct order_medium *om = &o->media[i];
        if (k == p->config->media_count)
            continue;
        check_medium(p, &p->config->media[k], o, &p->media[k], om);
        if (om->unjudged) {
            om->full = p->full[k];
            om->reserves = !p->copies[k];
        }
        p->full[k] = om->full;
        p->copies[k] = !om->reserves;
    }
}

struct media *pass_media_at(const struct pass_media *p, uint32_t index)
{
    size_t i = place_of(p, index);
    return i < p->config->media_count ? p->media[i] : NULL;
}

bool pass_media_is_device(const struct pass_media *p, uint32_t index)
{
    size_t i = place_of(p, index);
    return i < p->config->media_count && p->config->media[i].kind == MEDIUM_DEVICE;
}

struct media *pass_media_of(const struct pass_media *p, const struct order *o,
                            const struct order_volume *ov, struct dv_err *err)
{
    struct media *m = pass_media_at(p, ov->v.medium);
    if (m)
        return m;
    const struct order_medium *om = order_medium(o, ov->v.medium);
    const char *why = om ? om->error : MEDIUM_GONE;
    if (ov->task == ORDER_DELETE)
        (void)dv_fail(err, DV_IO,
                      "it is deleted when its medium can be used again, unless it is forgotten "
                      "before: %s",
                      why);
    else
        (void)dv_fail(err, DV_IO, "its medium cannot be used: %s", why);
    return NULL;
}

// Media: hands each request to the medium's kind.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/media.h"
#include "base/mem.h"
#include "media/kind.h"
#include "media/owner.h"

static const struct media_kind *const kinds[] = {
    [MEDIUM_DIR] = &media_dir,
    [MEDIUM_DISK] = &media_disk,
    [MEDIUM_DEVICE] = &media_device,
    [MEDIUM_RBD] = &media_rbd,
};

// tgtd takes paths without commas only, and its listings are lines.
static int check_path(const char *path, struct dv_err *err)
{
    if (*path != '/')
        return dv_fail(err, DV_INVALID, "the path of a medium must be absolute, not %s", path);
    for (const char *c = path; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f || *c == ',')
            return dv_fail(err, DV_INVALID,
                           "the path %s has a comma or control character, which tgtd cannot take; "
                           "choose another one",
                           path);
    return 0;
}

struct media *media_open(const struct media_spec *spec, struct dv_err *err)
{
    if (spec->kind >= DV_COUNT(kinds) || !kinds[spec->kind]) {
        (void)dv_fail(err, DV_INVALID, "media of the kind %s are not supported by this version",
                      medium_kind_name(spec->kind));
        return NULL;
    }
    if (spec->kind != MEDIUM_RBD && check_path(spec->path, err) != 0)
        return NULL;
    struct media *m = dv_calloc(1, sizeof(*m));
    m->kind = kinds[spec->kind];
    m->path = dv_strdup(spec->path);
    m->blocks = spec->blocks;
    m->initialise = spec->initialise;
    m->uuid = spec->uuid;
    m->ceph_conf = dv_strdup(spec->ceph_conf);
    m->ceph_user = dv_strdup(spec->ceph_user);
    m->owner = spec->owner;
    m->identity = spec->identity && spec->identity[0] ? dv_strdup(spec->identity) : NULL;
    m->take = spec->take ? dv_strdup(spec->take) : NULL;
    if (m->kind->open(m, err) != 0) {
        media_close(m);
        return NULL;
    }
    return m;
}

void media_close(struct media *m)
{
    if (!m)
        return;
    m->kind->close(m);
    free(m->path);
    free(m->ceph_conf);
    free(m->ceph_user);
    free(m->identity);
    free(m->take);
    free(m);
}

const struct dv_uuid *media_uuid(const struct media *m)
{
    return &m->uuid;
}

const char *media_identity(const struct media *m)
{
    return m->identity ? m->identity : "";
}

int media_ask_mark(const struct media_spec *spec, char **mark, struct dv_err *err)
{
    const struct media_kind *kind = spec->kind < DV_COUNT(kinds) ? kinds[spec->kind] : NULL;
    struct media_owner owner;
    bool holds_volumes;
    *mark = NULL;
    if (kind && kind->ask_identity)
        return (*mark = kind->ask_identity(spec->path, err)) ? 0 : -1;
    if (media_ask_owner(spec, &owner, &holds_volumes, err) != 0)
        return -1;
    *mark = uuid_is_zero(&owner.unit) ? dv_strdup("") : owner_format(&owner);
    return 0;
}

int media_tell_owner(struct media *m, const struct media_owner *owner, struct dv_err *err)
{
    if (m->kind->tell_owner && m->kind->tell_owner(m, owner, err) != 0)
        return -1;
    free(m->take); // the word was about what it said before
    m->take = NULL;
    return 0;
}

const struct medium_proof *media_proof(const struct media *m)
{
    return &m->owner.proof;
}

int media_ask_owner(const struct media_spec *spec, struct media_owner *out, bool *holds_volumes,
                    struct dv_err *err)
{
    const struct media_kind *kind = spec->kind < DV_COUNT(kinds) ? kinds[spec->kind] : NULL;
    *out = (struct media_owner){0};
    *holds_volumes = false;
    return kind && kind->ask_owner ? kind->ask_owner(spec->path, out, holds_volumes, err) : 0;
}

bool media_resumes(const struct media *m)
{
    return m->kind->resumes;
}

int media_probe(struct media *m, struct media_space *space, struct dv_err *err)
{
    return m->kind->probe(m, space, err);
}

int media_read_layout(struct media *m, struct media_layout *out, struct dv_err *err)
{
    *out = (struct media_layout){0};
    return m->kind->read_layout(m, out, err);
}

void media_layout_clear(struct media_layout *l)
{
    free(l->reserved);
    free(l->found);
    free(l->unfinished);
    *l = (struct media_layout){0};
}

char *media_volume_path(struct media *m, const struct volume *v, struct dv_err *err)
{
    return m->kind->path(m, v, err);
}

const char *media_store(const struct media *m, const char **options)
{
    *options = NULL;
    return m->kind->store ? m->kind->store(m, options) : NULL;
}

int media_volume_create(struct media *m, const struct volume *v,
                        const struct media_progress *progress, struct dv_err *err)
{
    return m->kind->create(m, v, progress, err);
}

int media_volume_grow(struct media *m, const struct volume *v, uint64_t blocks,
                      const struct media_progress *progress, struct dv_err *err)
{
    return m->kind->grow(m, v, blocks, progress, err);
}

int media_volume_length(struct media *m, const struct volume *v, uint64_t *blocks,
                        struct dv_err *err)
{
    *blocks = v->blocks;
    return m->kind->length ? m->kind->length(m, v, blocks, err) : 0;
}

bool media_unmaps(const struct media *m, const struct volume *v)
{
    return m->kind->unmaps && m->kind->unmaps(m, v);
}

bool media_grows_open(const struct media *m)
{
    return m->kind->grows_open;
}

int media_volume_shrink(struct media *m, const struct volume *v, uint64_t blocks,
                        struct dv_err *err)
{
    if (!m->kind->shrink)
        return dv_fail(err, DV_INVALID, "volumes on media of this kind cannot be made shorter");
    return m->kind->shrink(m, v, blocks, err);
}

int media_volume_move(struct media *m, const struct volume *v,
                      const struct media_progress *progress, struct dv_err *err)
{
    if (!m->kind->move)
        return dv_fail(err, DV_INVALID, "volumes on media of this kind are not copied");
    return m->kind->move(m, v, progress, err);
}

bool media_moves_by_copy(const struct media *m)
{
    return m->kind->move != NULL;
}

int media_volume_rename(struct media *m, const struct volume *v, struct dv_err *err)
{
    return m->kind->rename ? m->kind->rename(m, v, err) : 0;
}

int media_volume_delete(struct media *m, const struct volume *v,
                        const struct media_progress *progress, struct dv_err *err)
{
    return m->kind->remove(m, v, progress, err);
}

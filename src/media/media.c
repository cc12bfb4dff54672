// Media: hands each request to the medium's kind.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/media.h"
#include "base/mem.h"
#include "media/kind.h"

static const struct media_kind *const kinds[] = {
    [MEDIUM_DIR] = &media_dir,
};

struct media *media_open(enum medium_kind kind, const char *path, uint64_t blocks,
                         struct dv_err *err)
{
    if (kind >= DV_COUNT(kinds) || !kinds[kind]) {
        dv_fail(err, DV_INVALID, "media of the kind %s are not supported by this version",
                medium_kind_name(kind));
        return NULL;
    }
    struct media *m = dv_calloc(1, sizeof(*m));
    m->kind = kinds[kind];
    m->path = dv_strdup(path);
    m->blocks = blocks;
    m->lock = -1;
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
    dv_cleanup_close(&m->lock);
    free(m->path);
    free(m);
}

const struct dv_uuid *media_uuid(const struct media *m)
{
    return &m->uuid;
}

uint64_t media_blocks(const struct media *m)
{
    return m->blocks;
}

int media_probe(struct media *m, struct media_space *space, struct dv_err *err)
{
    return m->kind->probe(m, space, err);
}

char *media_volume_path(const struct media *m, const struct dv_uuid *volume)
{
    return m->kind->path(m, volume);
}

int media_volume_create(struct media *m, const struct dv_uuid *volume, uint64_t blocks, bool thin,
                        const struct media_progress *progress, struct dv_err *err)
{
    return m->kind->create(m, volume, blocks, thin, progress, err);
}

int media_volume_grow(struct media *m, const struct dv_uuid *volume, uint64_t blocks, bool thin,
                      const struct media_progress *progress, struct dv_err *err)
{
    return m->kind->grow(m, volume, blocks, thin, progress, err);
}

int media_volume_delete(struct media *m, const struct dv_uuid *volume, struct dv_err *err)
{
    return m->kind->remove(m, volume, err);
}

// A person's word that a medium may be taken over, kept as a file in the state directory.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/take.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "media/media.h"
#include <string.h>
#include <unistd.h>

#define MARK_MAX 4096 // bytes

static char *file_of(const struct unit_config *config, uint32_t medium)
{
    return dv_printf("%s/take-%u", config->member.state_dir, medium);
}

char *take_mark(const struct unit_config *config, uint32_t medium)
{
    DV_FREE char *path = file_of(config, medium);
    char *mark = NULL;
    size_t len;
    return file_read(path, MARK_MAX, &mark, &len, NULL) == 0 ? mark : NULL;
}

void take_done(const struct unit_config *config, uint32_t medium)
{
    DV_FREE char *path = file_of(config, medium);
    if (unlink(path) == 0)
        log_info("unit", "medium %u is this unit's now, as was said by --take", medium);
}

int take_mark_put(const struct unit_config *config, uint32_t medium, const char *mark,
                  struct dv_err *err)
{
    DV_FREE char *path = file_of(config, medium);
    return file_write_atomic(path, mark, strlen(mark), 0644, err);
}

static const struct medium_config *named(const struct unit_config *config, const char *name)
{
    for (size_t i = 0; i < config->media_count; i++)
        if (strcmp(config->media[i].name, name) == 0)
            return &config->media[i];
    return NULL;
}

int take_medium(const struct unit_config *config, const char *name, struct dv_err *err)
{
    const struct medium_config *c = named(config, name);
    DV_FREE char *mark = NULL;
    if (!c)
        return dv_fail(err, DV_NOT_FOUND, "the configuration has no medium of the name %.63s",
                       name);
    const struct media_spec spec = {.kind = c->kind, .path = c->path};
    if (media_ask_mark(&spec, &mark, err) != 0)
        return -1;
    if (!mark[0])
        return dv_fail(err, DV_CONFLICT,
                       "medium %s does not say whose it is, or which, so there is nothing to take",
                       name);
    if (take_mark_put(config, c->index, mark, err) != 0)
        return -1;
    log_info("unit",
             "medium %s, which says \"%.*s\", counts as this unit's when dvsan-unit looks at it "
             "next; what else is wrong with it, such as volumes on record for another one at its "
             "index, dvsan-unit tells then",
             name, (int)strcspn(mark, "\n"), mark);
    return 0;
}

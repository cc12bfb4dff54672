// A person's word that a volume which cannot be served is to be forgotten.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/forget.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 65536 // bytes

struct forget_words {
    char *text; // a UUID on each line
    char *next;
};

static char *file_of(const struct unit_config *config)
{
    return dv_printf("%s/forget", config->member.state_dir);
}

int forget_say(const struct unit_config *config, const char *uuid, struct dv_err *err)
{
    DV_FREE char *path = file_of(config);
    DV_FREE char *before = NULL;
    char text[UUID_TEXT_LEN];
    struct dv_uuid u;
    size_t len;
    if (!uuid_parse(uuid, &u))
        return dv_fail(err, DV_INVALID, "%.63s is not the UUID of a volume", uuid);
    if (access(path, F_OK) == 0 && file_read(path, WORDS_MAX, &before, &len, err) != 0)
        return -1;
    DV_FREE char *all = dv_printf("%s%s\n", before ? before : "", uuid_format(&u, text));
    if (file_write_atomic(path, all, strlen(all), 0644, err) != 0)
        return -1;
    log_info("unit",
             "volume %s is forgotten when dvsan-unit looks at it next, unless it can be served; "
             "what its medium holds of it stays, and would be found there again",
             text);
    return 0;
}

struct forget_words *forget_words_read(const struct unit_config *config)
{
    DV_FREE char *path = file_of(config);
    struct dv_err err;
    size_t len;
    if (access(path, F_OK) != 0)
        return NULL;
    struct forget_words *w = dv_calloc(1, sizeof(*w));
    if (file_read(path, WORDS_MAX, &w->text, &len, &err) != 0) {
        log_warning("unit", "what is to be forgotten is not known: %s", err.text);
        free(w);
        return NULL;
    }
    w->next = w->text;
    return w;
}

const struct unit_volume *forget_words_next(struct forget_words *w, const struct state *state)
{
    char *line;
    while (w && (line = strsep(&w->next, "\n"))) {
        struct dv_uuid u;
        const struct unit_volume *v = uuid_parse(line, &u) ? state_volume_uuid(state, &u) : NULL;
        if (v && v->v.state == VOLUME_FAILED)
            return v;
        if (*line)
            log_warning("unit", "volume %s is not forgotten: %s", line,
                        v ? "it has not failed" : "there is none of this UUID");
    }
    return NULL;
}

void forget_words_done(struct forget_words *w, const struct unit_config *config)
{
    DV_FREE char *path = file_of(config);
    if (!w)
        return;
    if (unlink(path) != 0)
        log_warning("unit", "%s cannot be removed", path);
    free(w->text);
    free(w);
}

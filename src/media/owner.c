// Which unit holds a medium, as a line of text that is kept on the medium itself.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/owner.h"
#include "base/mem.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORD "dvsan-unit "

char *owner_format(const struct media_owner *o)
{
    char uuid[UUID_TEXT_LEN];
    return dv_printf(WORD "%s %016" PRIx64 "\n", uuid_format(&o->unit, uuid), o->place);
}

bool owner_parse(const char *line, struct media_owner *out)
{
    char uuid[UUID_TEXT_LEN] = "";
    int end = 0;
    *out = (struct media_owner){0};
    return sscanf(line, WORD "%36[0-9a-f-] %16" SCNx64 "%n", uuid, &out->place, &end) == 2 &&
           line[end] == '\n' && uuid_parse(uuid, &out->unit) && !uuid_is_zero(&out->unit);
}

bool owner_equal(const struct media_owner *a, const struct media_owner *b)
{
    return uuid_equal(&a->unit, &b->unit) && a->place == b->place;
}

int owner_check(const struct media *m, const struct media_owner *found, struct dv_err *err)
{
    char unit[UUID_TEXT_LEN];
    DV_FREE char *mark = owner_format(found);
    if (uuid_is_zero(&m->owner.unit) || uuid_is_zero(&found->unit) ||
        owner_equal(found, &m->owner) || (m->take && strcmp(m->take, mark) == 0))
        return 0;
    if (uuid_equal(&found->unit, &m->owner.unit))
        return dv_fail(err, DV_CONFLICT,
                       "%s was used by this unit on another machine or with another state-dir, as "
                       "its note says, where tgtd may still serve it; if none does, say so by "
                       "dvsan-unit --take",
                       m->path);
    return dv_fail(err, DV_CONFLICT,
                   "%s is used by unit %s, as its note says, which may still serve it; if it does "
                   "not, say so by dvsan-unit --take",
                   m->path, uuid_format(&found->unit, unit));
}

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

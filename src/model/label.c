// A volume's label: what of it can be changed at any time, and what its unit shows of that.
// SPDX-License-Identifier: BSD-2-Clause
#include "model/kind.h"
#include "model/pool.h"
#include <string.h>

// The next field of a label, all of which are texts, and the one that the unit shows of it.
static const struct kind_field *next(size_t *i, const struct kind_field **shown)
{
    while (*i < kind_volume.field_count) {
        const struct kind_field *f = &kind_volume.fields[(*i)++];
        *shown = f->flags & KIND_CHANGEABLE ? kind_named(&kind_shown, f->name) : NULL;
        if (*shown)
            return f;
    }
    return NULL;
}

bool volume_has_column(const struct volume *shown, const struct kind_field *of)
{
    return !(shown->lacks >> of->mib & 1);
}

bool volume_is_labelled(const struct volume_record *want, const struct volume *shown)
{
    const struct kind_field *f, *g;
    for (size_t i = 0; (f = next(&i, &g));)
        if (volume_has_column(shown, g) && strcmp(kind_text(f, want), kind_text(g, shown)) != 0)
            return false;
    return true;
}

bool volume_lost_words(const struct volume_record *want, const struct volume *shown)
{
    const struct kind_field *f, *g;
    for (size_t i = 0; (f = next(&i, &g));)
        if (volume_has_column(shown, g) && *kind_text(f, want) && !*kind_text(g, shown))
            return true;
    return false;
}

void volume_take_label(struct volume_record *want, const struct volume *shown)
{
    const struct kind_field *f, *g;
    for (size_t i = 0; (f = next(&i, &g));)
        if (volume_has_column(shown, g))
            dv_copy(kind_text(f, want), f->room, kind_text(g, shown));
}

void volume_follow_words(struct volume_record *want, const struct volume *shown)
{
    const struct kind_field *f, *g;
    for (size_t i = 0; (f = next(&i, &g));)
        if ((f->flags & KIND_OPTIONAL) && *kind_text(g, shown))
            dv_copy(kind_text(f, want), f->room, kind_text(g, shown));
}

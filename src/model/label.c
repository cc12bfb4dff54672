// A volume's label: what of it can be changed at any time, and what its unit shows of that.
// SPDX-License-Identifier: BSD-2-Clause
#include "model/kind.h"
#include "model/pool.h"
#include <string.h>

bool volume_is_labelled(const struct volume_record *want, const struct volume *shown)
{
    return kind_agree(KIND_CHANGEABLE, &kind_volume, want, &kind_shown, shown);
}

void volume_take_label(struct volume_record *want, const struct volume *shown)
{
    kind_take(KIND_CHANGEABLE, &kind_volume, want, &kind_shown, shown);
}

static bool is_optional(const struct kind_field *f)
{
    return f->type == KIND_TEXT && (f->flags & KIND_CHANGEABLE) && (f->flags & KIND_OPTIONAL);
}

static const char *shown_text(const struct kind_field *f, const struct volume *shown)
{
    return (const char *)shown + kind_named(&kind_shown, f->name)->offset;
}

bool volume_lost_label(const struct volume_record *want, const struct volume *shown)
{
    for (size_t i = 0; i < kind_volume.field_count; i++) {
        const struct kind_field *f = &kind_volume.fields[i];
        if (is_optional(f) && ((const char *)want)[f->offset] && !*shown_text(f, shown))
            return true;
    }
    return false;
}

void volume_follow_label(struct volume_record *want, const struct volume *shown)
{
    for (size_t i = 0; i < kind_volume.field_count; i++) {
        const struct kind_field *f = &kind_volume.fields[i];
        if (is_optional(f) && *shown_text(f, shown))
            memcpy((char *)want + f->offset, shown_text(f, shown), f->room);
    }
}

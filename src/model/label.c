// A volume's label: what of it can be changed at any time, and what its unit shows of that.
// SPDX-License-Identifier: BSD-2-Clause
#include "model/kind.h"
#include "model/pool.h"

bool volume_is_labelled(const struct volume_record *want, const struct volume *shown)
{
    return kind_agree(KIND_CHANGEABLE, &kind_volume, want, &kind_shown, shown);
}

void volume_take_label(struct volume_record *want, const struct volume *shown)
{
    kind_take(KIND_CHANGEABLE, &kind_volume, want, &kind_shown, shown);
}

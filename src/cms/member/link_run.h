// The life of a link, and what it does next.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_MEMBER_LINK_RUN_H
#define DVSAN_CMS_MEMBER_LINK_RUN_H

#include "cms/member/link.h"

// NULL with an error when the address cannot be used. Starts with an urgent look. sender: who
// announced it; "" of a unit that is known.
struct unit_link *link_new(struct cms *cms, enum member_kind kind, const struct dv_uuid *uuid,
                           const char *name, const char *address, const struct sn_engine_id *engine,
                           const char *sender, struct dv_err *err);
void link_free(struct unit_link *link); // NULL is fine; may be called from its callbacks
// Gives up what is under way, whose answer cannot be waited for: the unit has just started again.
void link_start_over(struct unit_link *link);

#endif

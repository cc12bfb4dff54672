// Who leads a unit, and what is taken over from it.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_MEMBER_LEAD_H
#define DVSAN_CMS_MEMBER_LEAD_H

#include "cms/member/link.h"
#include "cms/member/reading.h"

#define LEAD_VARS 3 // of a word
// In turns, one after the other. What the unit showed becomes known with the last part of its
// reading.
void lead_shown(struct unit_link *link, const struct reading *r);
// What it holds is taken over where that follows; true: there is more of that.
bool lead_adopts(struct unit_link *link, const struct reading *r);
// The lease is written, or orders are stopped and the unit is told why.
void lead_look(struct unit_link *link, const struct reading *r);
// While conclusions wait for the store: a unit that is led stays so.
void lead_keep(struct unit_link *link);
bool lead_takes_orders(const struct unit_link *link);
// Whether this station was the last to lead the unit, and told it nothing that its store lacks.
bool lead_was_ours(const struct cms *cms, const struct reading *r);
// Another station leads it, or led it last, and no person has said what counts.
bool lead_is_others(const struct pool_unit *u);
// Why orders are not taken, and what to do; "" when they are, or soon will be.
void lead_why_not(const struct cms *cms, const struct pool_unit *unit, char *out, size_t room);
// An order is sent, with the present word; it was answered. v may be NULL.
void lead_order_sent(struct unit_link *link, struct pool_volume *v);
void lead_order_answered(struct unit_link *link, struct pool_volume *v);
// Those of the run before may still be on their way.
void lead_orders_of_last_run(struct cms *cms);
// The word that an order begins with. What they point to lives as long as the station.
void lead_word_vars(const struct unit_link *link, struct sn_var vars[LEAD_VARS]);
// The unit is taken out of the pool.
void lead_forget(struct cms *cms, struct pool_unit *unit);

#endif

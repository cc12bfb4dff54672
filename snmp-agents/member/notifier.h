// Tells changes of state by notifications, no more often than news.h has it.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEMBER_NOTIFIER_H
#define DVSAN_MEMBER_NOTIFIER_H

#include "loop/loop.h"
#include "snmp-agents/member/member.h"
#include "snmp-agents/member/news.h"

struct notifier;

// The owner is borrowed: its kinds, look and tell are used. Nothing is told yet.
struct notifier *notifier_new(struct loop *loop, const struct member_owner *owner);
void notifier_free(struct notifier *n); // NULL is fine

// The SNMP master is there, or is lost. Without one nothing is told; what is to be told waits.
void notifier_ready(struct notifier *n, bool ready);
// Something changed: the owner is asked to look in the next turn of the loop, when all that belongs
// to the change is done.
void notifier_changed(struct notifier *n);
// A thing that the owner would not find by looking; as news_see.
void notifier_see(struct notifier *n, unsigned kind, uint32_t index, int state, int untold);

// How many changes of state were never told, because later ones took their place.
uint32_t notifier_suppressed(const struct notifier *n);

#endif

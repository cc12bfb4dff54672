// The unit's tgtds, each by itself: meeting them, making them serve what is wanted, portals.
// SPDX-License-Identifier: BSD-2-Clause
//
// Everything here blocks; it belongs to the worker's thread. All tgtds are asked at the same time,
// each by a thread of its own for as long as that takes. So a tgtd that is away, or that hangs,
// costs the others one time-out when that begins, and a moment later on.
//
// No volume is ever served by two tgtds. Which tgtd may serve a volume is on record before that
// tgtd hears of the volume. Another tgtd is recorded only when the first one has let go of the
// volume: it said so when it was asked, or its process has ended. A tgtd that runs and does not
// answer keeps its volumes.
#ifndef DVSAN_UNIT_SERVING_H
#define DVSAN_UNIT_SERVING_H

#include "config/unit_config.h"
#include "tgt/tgt.h"
#include "unit/order.h"

struct serving;

// tgtds by number as in the state; all is borrowed.
struct serving *serving_new(const struct unit_config *config, const struct state *state);
void serving_free(struct serving *s); // NULL is fine

// Looks which tgtds are there: those of the portal groups, and those others that volumes of the
// order, or portals on record, name. met(arg, number) is called for each of them, on its thread.
void serving_meet(struct serving *s, struct order *o, void (*met)(void *arg, uint32_t number),
                  void *arg);

struct serving_want {
    struct plan_target target;
    size_t volume; // of which volume of the order
};
// Makes each tgtd that was met serve what is wanted of the volumes that are its own, and nothing
// else. The results are written into the order.
void serving_reconcile(struct serving *s, struct order *o, const struct serving_want *wants,
                       size_t count);

// Whether the tgtd that may have served the volume has the volume's file open no more, whatever
// became of other volumes; true when there is no such tgtd. For a volume without a record: whether
// no tgtd has the file open.
bool serving_has_let_go(const struct serving *s, const struct order *o,
                        const struct order_volume *ov, struct dv_err *err);

// Makes each tgtd that was met and is there listen at the portals of its group, and at no others
// that are on record.
void serving_listen(struct serving *s);

#endif

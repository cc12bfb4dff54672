// How a task about a volume stands, by what the pool shows.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_JUDGE_H
#define DVSAN_CMS_JUDGE_H

#include "cms/station.h"

struct judging {
    struct cms *cms;
    struct pool_unit *unit;
    bool fresh; // the unit was looked at just now
    struct changes c;
    size_t rows, looked; // that go, and what was looked at, in this turn of the loop
};

// Adds to j->c what is to change about a task that is not over: its end, or how far it is. A task
// about another unit, or a volume there, is left alone.
void judge_task(struct judging *j, const struct pool_task *pt);

// The volume, or its right, is not wanted any more: what there is of it goes.
void judge_withdraw_volume(struct judging *j, const struct pool_volume *v);
void judge_withdraw_right(struct judging *j, const struct pool_assignment *a);

#endif

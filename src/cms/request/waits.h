// For what a task waits, out of what the pool shows.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_WAITS_H
#define DVSAN_CMS_WAITS_H

#include "cms/task/tasks.h"

// Fills in for what the unfinished task about the volume waits.
void waits_tell(struct judging *j, struct task_record *t, const struct pool_volume *v);

#endif

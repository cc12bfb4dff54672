// What is found in the pool by what it is about, where it is, and what it waits for; for pool.c.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_POOL_POOL_INDEX_H
#define DVSAN_CMS_POOL_POOL_INDEX_H

#include "cms/pool/pool.h"

// Each is called behind a change of what it is about.
void index_room(struct pool_volume *v);
void index_room_gone(struct pool_volume *v);
void index_task(struct pool *p, struct pool_task *t);
void index_task_gone(struct pool *p, struct pool_task *t);
void index_tasks(struct pool *p, const struct dv_uuid *about); // it came, went, or has moved
void index_places(struct pool *p, struct pool_unit *u);
void index_places_gone(struct pool *p, struct pool_unit *u);

#endif

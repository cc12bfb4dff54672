// The JSON of the pool's things, as docs/API.md has it. The loop's thread.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_VIEW_H
#define DVSAN_API_VIEW_H

#include "cms/cms.h"
#include "cms/pool/pool.h"
#include "model/kind.h"
#include "snmp/listener.h"
#include <jansson.h>

json_t *view_pool(const struct pool *pool, const char *name, const struct sn_listener_stats *stats);
json_t *view_station(const struct station_view *station,
                     const struct station_difference *differences,
                     size_t count);           // but for its units
json_t *view_lead(const struct pool_unit *u); // one of these
json_t *view_unit(const struct pool_unit *u);
json_t *view_medium(const struct pool_unit *u, const struct medium *m);
json_t *view_volume(const struct pool_volume *v);
// With its unit, if that shows it, and these units as shown_by; left, moved: see
// cms_left_note and cms_move_note.
json_t *view_shown_volume(const struct pool_volume *v, const struct pool_unit *const *also,
                          size_t count, const char *left, const char *moved);
json_t *view_assignment(const struct pool_assignment *a);
json_t *view_host(const struct pool_host *h);
// How a host reaches its volumes.
json_t *view_connect_info(const struct pool_host *h);
json_t *view_task(struct pool *pool, const struct task_record *t);
// A record of which nothing else is told than what its kind shows.
json_t *view_plain(const struct kind *k, const void *record);

// RFC 9457. status is the HTTP status.
json_t *view_problem(int status, const struct dv_err *err);

#endif

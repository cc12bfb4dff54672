// What the files that take requests share.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_REQUEST_REQUEST_H
#define DVSAN_CMS_REQUEST_REQUEST_H

#include "cms/cms.h"

struct changes;
struct host_record;
struct medium;
struct pool_assignment;
struct pool_host;
struct pool_task;
struct pool_unit;
struct pool_volume;
struct judging;
struct pool_hold;
struct task_record;
struct tasks_refusal;

// By name or UUID; NULL with DV_NOT_FOUND.
struct pool_unit *request_unit(struct cms *cms, const char *name, struct dv_err *err);
struct pool_volume *request_volume(struct cms *cms, const char *name, struct dv_err *err);
struct pool_host *request_host(struct cms *cms, const char *name, struct dv_err *err);

// A size as asked for, in bytes, to whole MiB in blocks.
int request_size(uint64_t bytes, uint64_t *blocks, struct dv_err *err);
// Whether the name is valid and free; that of `of`, which may be NULL, does not count.
int request_new_volume_name(struct cms *cms, const char *name, const struct pool_volume *of,
                            struct dv_err *err);
// Commits the changes and their new task, and tells the task's number.
int request_begin(struct cms *cms, struct changes *c, const struct task_record *t,
                  const struct pool_unit *unit, uint64_t *task, struct dv_err *err);
// Refuses what must wait until that task has been taken back, and tells for what it waits.
int request_is_taken_back(const struct pool_task *t, struct dv_err *err);
// why: what becomes of what was asked for.
void request_end_task(struct cms *cms, struct changes *c, enum task_kind kind,
                      const struct dv_uuid *volume, const struct dv_uuid *host, const char *why);

// Whether the volume is there and nothing is being done to it.
int request_is_free(struct cms *cms, const struct pool_volume *v, struct dv_err *err);

// Healing, not a request, was refused: it is tried again, ever more seldom; said once.
void request_tell_refused(struct judging *j, const struct tasks_refusal *r,
                          const struct pool_volume *v, struct pool_hold *hold);

// ---- request_place.c ----
struct request_place {
    struct pool_unit *unit;
    const struct medium *medium;
};
// Where a new volume of so many blocks goes. only: the unit that was asked for, or NULL.
int request_place(struct cms *cms, const struct volume_request *request, struct pool_unit *only,
                  uint64_t blocks, struct request_place *out, struct dv_err *err);
uint32_t request_volume_index(const struct pool_unit *u); // dvsanVolumeIndex of the next one
// Whether the volume's medium has room for it with `blocks` blocks, by its free extents.
int request_room_to_resize(const struct pool_volume *v, uint64_t blocks, bool *in_place,
                           struct dv_err *err);

// ---- request_host.c ----
// It was found on a unit, and no secret of it is known here.
bool request_is_found(const struct pool_host *h);
// Refuses an initiator name that is a target's.
int request_is_no_target(struct pool *p, const char *iqn, struct dv_err *err);
// Fails: without the host's secret no unit can be told anything of it.
int request_secret_unknown(const struct host_record *rec, struct dv_err *err);
// Refuses to give the host a volume on the unit while a host that was found there has its CHAP
// user.
int request_check_user_on(struct cms *cms, const struct pool_host *host, const struct pool_unit *u,
                          struct dv_err *err);

// ---- untold.c ----
// Tells, of a host that is as rec says from now on, on which units an account opens volumes that
// has ended.
void request_tell_untold(struct cms *cms, struct changes *c, const struct pool_host *h,
                         const struct host_record *rec);

// ---- Each kind of task, in the file of its requests; task_ways.c has the table ----
struct task_way;
extern const struct task_way task_way_create, task_way_delete, task_way_assign, task_way_unassign,
    task_way_resize, task_way_rename, task_way_rekey;
extern const struct task_way *const task_ways[]; // by enum task_kind

#endif

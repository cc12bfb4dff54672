// Commands of an iSCSI leg: how each part is sent, and what its answer is worth.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/leg_private.h"

#include "base/mem.h"
#include "iscsi/verdict.h"
#include <errno.h>
#include <poll.h>
#include <string.h>

// Commands ----------------------------------------------------------------------------------

static void on_command(struct iscsi_context *ctx, int status, void *data, void *arg);

// Reading, libiscsi gathers the data by itself, since it counts only then what has come.
static struct scsi_task *send_read(struct part *part)
{
    struct iscsi_leg *l = part->leg;
    uint32_t block = l->limits.block_size;
    return iscsi_read16_task(l->ctx, (int)l->lun, part->offset / block, part->bytes, (int)block, 0,
                             0, 0, 0, 0, on_command, part);
}

static struct scsi_task *send_write(struct part *part, void *data)
{
    struct iscsi_leg *l = part->leg;
    uint64_t lba = part->offset / l->limits.block_size;
    int block = (int)l->limits.block_size, lun = (int)l->lun;
    int fua = (part->req->flags & LEG_FUA) && l->fua;
    part->iov = (struct scsi_iovec){.iov_base = data, .iov_len = part->bytes};
    return iscsi_write16_iov_task(l->ctx, lun, lba, NULL, part->bytes, block, 0, 0, fua, 0, 0,
                                  on_command, part, &part->iov, 1);
}

static void *zeros(struct iscsi_leg *l)
{
    if (!l->zeros)
        l->zeros = dv_calloc(1, SPLIT_TRANSFER_CAP);
    return l->zeros;
}

// Where the data of a part are, in those of its request.
static char *place_of(const struct part *part)
{
    return (char *)part->req->data + (part->offset - part->req->offset);
}

static struct scsi_task *send_command(struct part *part)
{
    struct iscsi_leg *l = part->leg;
    uint32_t block = l->limits.block_size, blocks = part->bytes / block;
    uint64_t lba = part->offset / block;
    struct unmap_list range = {.lba = lba, .num = blocks};
    switch (part->command) {
    case SPLIT_READ:
        return send_read(part);
    case SPLIT_WRITE:
        return send_write(part, place_of(part));
    case SPLIT_WRITE_ZEROS:
        return send_write(part, zeros(l));
    case SPLIT_SAME:
        part->iov = (struct scsi_iovec){.iov_base = zeros(l), .iov_len = block};
        return iscsi_writesame16_iov_task(l->ctx, (int)l->lun, lba, NULL, block, blocks, 0, 1, 0, 0,
                                          on_command, part, &part->iov, 1);
    case SPLIT_UNMAP:
        return iscsi_unmap_task(l->ctx, (int)l->lun, 0, 0, &range, 1, on_command, part);
    case SPLIT_CAPACITY:
        return iscsi_readcapacity16_task(l->ctx, (int)l->lun, on_command, part);
    default:
        return iscsi_synchronizecache16_task(l->ctx, (int)l->lun, 0, 0, 0, 0, on_command, part);
    }
}

void leg_send_part(struct part *part)
{
    struct iscsi_leg *l = part->leg;
    session_allow(l, part->command == SPLIT_READ ? part->bytes : 0);
    part->task = send_command(part);
    if (part->task) {
        part->sent = true;
        l->burst += part->command == SPLIT_READ || part->command == SPLIT_SYNC ? 1 : 2;
        return;
    }
    session_over(l, LEG_LOSS_PROTOCOL, "%s: %s", l->portal, iscsi_get_error(l->ctx));
    part_push(&l->later, part);
}

// Answers -----------------------------------------------------------------------------------

static void lose_session(struct part *part, int status)
{
    struct iscsi_leg *l = part->leg;
    if (status == SCSI_STATUS_CHECK_CONDITION)
        session_over(l, LEG_LOSS_ABSENT, "%s: %s has no LUN %u any more", l->portal, l->target,
                     l->lun);
    else if (status == SCSI_STATUS_CANCELLED)
        session_over(l, LEG_LOSS_CLOSED, "%s: the session was closed", l->portal);
    else
        session_over(l, LEG_LOSS_PROTOCOL, "%s: the other side answered what makes no sense",
                     l->portal);
    leg_lose_part(part);
}

// Whether the target moved exactly the bytes that it was asked for, by its own word and, of those
// that it sent, by count.
static bool moved_all(const struct part *part, const struct scsi_task *task)
{
    if (part->command == SPLIT_CAPACITY || part->command == SPLIT_UNMAP)
        return true; // its reader counts; of UNMAP tgtd says that it left some of the list
    return task->residual_status == SCSI_RESIDUAL_NO_RESIDUAL &&
           (part->command != SPLIT_READ || (uint32_t)task->datain.size == part->bytes);
}

// Takes what a command that is done has brought; false: the answer is not to be believed.
static bool take_data(struct part *part, const struct scsi_task *task)
{
    if (!moved_all(part, task))
        return false;
    if (part->command == SPLIT_READ)
        memcpy(place_of(part), task->datain.data, part->bytes);
    return part->command != SPLIT_CAPACITY || probe_take_size(part->leg, task);
}

static void judge(struct part *part, int status, const struct scsi_task *task)
{
    struct iscsi_leg *l = part->leg;
    struct sense sense = {0};
    int error;
    if (status == SCSI_STATUS_CHECK_CONDITION)
        sense = verdict_sense(task->datain.data, (size_t)task->datain.size);
    enum verdict v = verdict_of(status, &sense, &error);
    if (l->over || v == VERDICT_LOST) {
        lose_session(part, status);
        return;
    }
    // With a recovered error the sense stands where the data would, so they cannot be counted.
    bool counted = status == SCSI_STATUS_GOOD || part->command != SPLIT_READ;
    if (v == VERDICT_DONE && !(counted && take_data(part, task))) {
        v = VERDICT_FAILED;
        error = EIO;
    }
    l->heard = true;
    part->req->answered = true;
    loop_soon_set(l->soon);
    if (v == VERDICT_DONE)
        leg_end_part(part, 0);
    else if (v == VERDICT_AGAIN || v == VERDICT_LATER)
        leg_again(part, v == VERDICT_LATER);
    else if (part->command == SPLIT_SAME)
        leg_same_as_zeros(part);
    else
        leg_end_part(part, error);
}

static void on_command(struct iscsi_context *ctx, int status, void *data, void *arg)
{
    struct part *part = arg;
    struct scsi_task *task = data;
    (void)ctx;
    part->sent = false;
    if (task->xfer_dir == SCSI_XFER_WRITE) {
        part->task = task;
        part->status = status;
        part_push(&part->leg->answered, part);
        return;
    }
    judge(part, status, task);
    leg_spend(part->leg, task);
}

// Tasks that were answered ---------------------------------------------------------------------

// libiscsi may have pieces of data queued for a task although it is answered: when a target answers
// early, or asks for data where there are none. They point to the task, and to the data. So
// neither is freed before libiscsi has been served, and what became of the pieces is looked at.
void leg_spend(struct iscsi_leg *l, struct scsi_task *task)
{
    free(task->datain.data);
    task->datain = (struct scsi_data){0};
    task->ptr = l->spent;
    l->spent = task;
}

static void free_tasks(struct scsi_task **list)
{
    struct scsi_task *task;
    while ((task = *list)) {
        *list = task->ptr;
        scsi_free_scsi_task(task);
    }
}

// An answered command is not queued any more, so that only pieces of its data can be found.
static void check_answer(struct iscsi_leg *l, struct scsi_task *task)
{
    if (!l->over && iscsi_scsi_cancel_task(l->ctx, task) == 0)
        session_over(l, LEG_LOSS_PROTOCOL,
                     "%s: a command was answered before all of its data were sent", l->portal);
}

// The one piece that libiscsi has begun to write is not in its queue, and nothing tells whose it
// is. So the task lives on, with a copy of the data, until the queue was seen empty.
static void copy_data(struct part *part)
{
    struct scsi_task *task = part->task;
    if (task->iovector_out.iov != &part->iov)
        return; // the data are the task's own
    struct scsi_iovec *iov = scsi_malloc(task, sizeof(*iov));
    void *data = scsi_malloc(task, part->iov.iov_len);
    if (!iov || !data)
        abort();
    memcpy(data, part->iov.iov_base, part->iov.iov_len);
    *iov = (struct scsi_iovec){.iov_base = data, .iov_len = part->iov.iov_len};
    task->iovector_out.iov = iov;
    part->leg->held_bytes += part->iov.iov_len;
}

void leg_take_answers(struct iscsi_leg *l)
{
    struct part *part;
    struct scsi_task *task;
    bool empty = !l->ctx || !(iscsi_which_events(l->ctx) & POLLOUT);
    if (empty) {
        free_tasks(&l->held);
        l->held_bytes = 0;
    }
    for (task = l->spent; task && !empty; task = task->ptr)
        check_answer(l, task);
    while ((part = part_pop(&l->answered))) {
        task = part->task;
        if (!empty)
            check_answer(l, task);
        if (!empty && !l->over)
            copy_data(part);
        judge(part, part->status, task);
        leg_spend(l, task);
    }
    while (!empty && (task = l->spent)) {
        l->spent = task->ptr;
        task->ptr = l->held;
        l->held = task;
        l->held_bytes += sizeof(*task);
    }
    free_tasks(&l->spent);
}

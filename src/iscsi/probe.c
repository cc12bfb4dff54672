// From the login to ready: waits until the LUN is, and learns its size and limits.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/leg_private.h"
#include "iscsi/verdict.h"

#include "base/mem.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define STEP_ATTEMPTS 20 // unit attentions and not-ready answers that one step puts up with
#define STEP_PAUSE_MS 100
#define VPD_BYTES     255

// A step sends one command; its answer goes to `take`, which returns false when it makes no
// sense. An optional step that fails is left out.
struct step {
    const char *name;
    bool optional;
    struct scsi_task *(*send)(struct iscsi_leg *l, iscsi_command_cb cb);
    bool (*take)(struct iscsi_leg *l, struct scsi_task *task);
};

static void send_step(struct iscsi_leg *l);

static struct scsi_task *send_ready(struct iscsi_leg *l, iscsi_command_cb cb)
{
    return iscsi_testunitready_task(l->ctx, (int)l->lun, cb, l);
}

static struct scsi_task *send_capacity(struct iscsi_leg *l, iscsi_command_cb cb)
{
    return iscsi_readcapacity16_task(l->ctx, (int)l->lun, cb, l);
}

static bool take_capacity(struct iscsi_leg *l, struct scsi_task *task)
{
    struct scsi_readcapacity16 *c = scsi_datain_unmarshall(task);
    if (!c || c->block_length < 512 || c->block_length > 65536 ||
        (c->block_length & (c->block_length - 1)) || c->returned_lba >= INT64_MAX / c->block_length)
        return false;
    l->fresh.block_size = l->pages.block_size = c->block_length;
    l->fresh.physical_block = c->lbppbe < 8 ? c->block_length << c->lbppbe : c->block_length;
    l->fresh.bytes = (c->returned_lba + 1) * c->block_length;
    return true;
}

bool probe_take_size(struct iscsi_leg *l, struct scsi_task *task)
{
    if (!take_capacity(l, task) || l->fresh.block_size != l->leg.info.block_size)
        return false;
    l->leg.info.bytes = l->fresh.bytes;
    return true;
}

static struct scsi_task *send_limits(struct iscsi_leg *l, iscsi_command_cb cb)
{
    return iscsi_inquiry_task(l->ctx, (int)l->lun, 1, SCSI_INQUIRY_PAGECODE_BLOCK_LIMITS, VPD_BYTES,
                              cb, l);
}

static bool take_limits(struct iscsi_leg *l, struct scsi_task *task)
{
    struct scsi_inquiry_block_limits *b = scsi_datain_unmarshall(task);
    if (!b)
        return false;
    l->pages.max_transfer = b->max_xfer_len;
    l->pages.max_unmap = b->max_unmap;
    l->pages.max_unmap_descriptors = b->max_unmap_bdc;
    l->pages.max_same = b->max_ws_len;
    return true;
}

static struct scsi_task *send_provisioning(struct iscsi_leg *l, iscsi_command_cb cb)
{
    return iscsi_inquiry_task(l->ctx, (int)l->lun, 1,
                              SCSI_INQUIRY_PAGECODE_LOGICAL_BLOCK_PROVISIONING, VPD_BYTES, cb, l);
}

static bool take_provisioning(struct iscsi_leg *l, struct scsi_task *task)
{
    struct scsi_inquiry_logical_block_provisioning *b = scsi_datain_unmarshall(task);
    if (!b)
        return false;
    l->pages.can_unmap = b->lbpu;
    l->pages.can_same = b->lbpws;
    return true;
}

static struct scsi_task *send_mode(struct iscsi_leg *l, iscsi_command_cb cb)
{
    return iscsi_modesense6_task(l->ctx, (int)l->lun, 1, SCSI_MODESENSE_PC_CURRENT,
                                 SCSI_MODEPAGE_CACHING, 0, VPD_BYTES, cb, l);
}

static bool take_mode(struct iscsi_leg *l, struct scsi_task *task)
{
    if (task->datain.size < 4) // MODE SENSE(6): the device-specific parameter is byte 2
        return false;
    l->fresh.read_only = task->datain.data[2] & 0x80;
    l->fua = task->datain.data[2] & 0x10;
    return true;
}

static const struct step steps[] = {
    {"TEST UNIT READY", false, send_ready, NULL},
    {"READ CAPACITY", false, send_capacity, take_capacity},
    {"INQUIRY of block limits", true, send_limits, take_limits},
    {"INQUIRY of provisioning", true, send_provisioning, take_provisioning},
    {"MODE SENSE", true, send_mode, take_mode},
};

static void now_ready(struct iscsi_leg *l)
{
    if (l->leg.info.block_size && l->leg.info.block_size != l->fresh.block_size) {
        session_over(l, LEG_LOSS_ABSENT, "%s: %s now has blocks of %u bytes instead of %u",
                     l->portal, l->target, l->fresh.block_size, l->leg.info.block_size);
        return;
    }
    l->limits = split_limits_from(&l->pages);
    l->fresh.can_trim = l->limits.unmap != 0;
    l->fresh.can_zero = l->limits.same != 0;
    l->leg.info = l->fresh;
    l->leg.state = LEG_READY;
    l->leg.loss = LEG_LOSS_NONE;
    l->leg.why = (struct dv_err){0};
    l->settle = false;
    l->heard = true;
    pump_timer_cancel(l->pump, &l->connect_timer);
    pump_timer_set(l->pump, &l->nop_timer, l->nop_ms);
    if (l->leg.on_state)
        l->leg.on_state(&l->leg, l->leg.owner);
    l->source.dirty = true;
}

static void next_step(struct iscsi_leg *l)
{
    l->step_attempts = 0;
    if (++l->step < DV_COUNT(steps))
        send_step(l);
    else
        now_ready(l);
}

static void on_pause_over(struct pump_timer *t)
{
    send_step((struct iscsi_leg *)((char *)t - offsetof(struct iscsi_leg, later_timer)));
}

static void on_answer(struct iscsi_context *ctx, int status, void *data, void *arg)
{
    struct iscsi_leg *l = arg;
    struct scsi_task *task = data;
    const struct step *step = &steps[l->step];
    int error;
    (void)ctx;
    if (l->over) {
        scsi_free_scsi_task(task);
        return;
    }
    enum verdict v = verdict_of(status, (int)task->sense.key, task->sense.ascq, &error);
    bool again = v == VERDICT_AGAIN || v == VERDICT_LATER;
    if (v == VERDICT_DONE && step->take && !step->take(l, task)) {
        v = VERDICT_FAILED;
        error = EIO;
    }
    scsi_free_scsi_task(task);
    if (v == VERDICT_DONE || (v == VERDICT_FAILED && step->optional)) {
        next_step(l);
    } else if (again && ++l->step_attempts < STEP_ATTEMPTS) {
        l->later_timer.fn = on_pause_over;
        if (v == VERDICT_AGAIN)
            send_step(l);
        else
            pump_timer_set(l->pump, &l->later_timer, STEP_PAUSE_MS);
    } else {
        session_over(l, LEG_LOSS_ABSENT, "%s: %s LUN %u is not ready: %s failed", l->portal,
                     l->target, l->lun, step->name);
    }
}

static void send_step(struct iscsi_leg *l)
{
    if (!steps[l->step].send(l, on_answer))
        session_over(l, LEG_LOSS_PROTOCOL, "%s: %s", l->portal, iscsi_get_error(l->ctx));
    l->source.dirty = true;
}

static void on_reset(struct iscsi_context *ctx, int status, void *data, void *arg)
{
    struct iscsi_leg *l = arg;
    (void)ctx;
    if (l->over)
        return;
    uint32_t *response = data;
    bool done = status == SCSI_STATUS_GOOD && response &&
                // A target without resets must have ended the old commands before the login.
                (*response == ISCSI_TMR_FUNC_COMPLETE || *response == ISCSI_TMR_TMF_NOT_SUPPORTED);
    if (!done)
        session_over(l, LEG_LOSS_ABSENT, "%s: %s LUN %u could not be reset", l->portal, l->target,
                     l->lun);
    else
        send_step(l);
}

// Commands of a lost session may still be at work in the target, also after a new login. If one
// of them changes blocks, it could overwrite what is written from now on. A logical unit reset is
// answered when all of them have ended. (iscsi_task_mgmt_lun_reset_async would free the login that
// is just being answered.)
void probe_start(struct iscsi_leg *l)
{
    l->step = l->step_attempts = 0;
    memset(&l->pages, 0, sizeof(l->pages));
    memset(&l->fresh, 0, sizeof(l->fresh));
    l->fua = false;
    if (!l->settle)
        send_step(l);
    else if (iscsi_task_mgmt_async(l->ctx, (int)l->lun, ISCSI_TM_LUN_RESET, 0xffffffff, 0, on_reset,
                                   l) != 0)
        session_over(l, LEG_LOSS_PROTOCOL, "%s: %s", l->portal, iscsi_get_error(l->ctx));
    l->source.dirty = true;
}

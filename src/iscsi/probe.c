// From the login to ready: waits until the LUN is, and learns its size and limits.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/answers.h"
#include "iscsi/leg_private.h"
#include "iscsi/verdict.h"

#include "base/boot.h"
#include "base/mem.h"
#include <stddef.h>
#include <string.h>

#define STEP_PAUSE_MS 100 // before a step is tried again
#define VPD_BYTES     255

// A step sends one command; its answer goes to `take`, which returns false when it makes no
// sense. An optional step that fails is left out.
struct step {
    const char *name;
    bool optional;
    struct scsi_task *(*send)(struct iscsi_leg *l, iscsi_command_cb cb);
    bool (*take)(struct iscsi_leg *l, const uint8_t *data, size_t len);
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

static bool take_capacity(struct iscsi_leg *l, const uint8_t *data, size_t len)
{
    if (!answer_capacity(data, len, &l->fresh))
        return false;
    l->pages.block_size = l->fresh.block_size;
    return true;
}

bool probe_take_size(struct iscsi_leg *l, const struct scsi_task *task)
{
    if (!take_capacity(l, task->datain.data, (size_t)task->datain.size) ||
        l->fresh.block_size != l->leg.info.block_size)
        return false;
    l->leg.info.bytes = l->fresh.bytes;
    return true;
}

static struct scsi_task *send_limits(struct iscsi_leg *l, iscsi_command_cb cb)
{
    return iscsi_inquiry_task(l->ctx, (int)l->lun, 1, SCSI_INQUIRY_PAGECODE_BLOCK_LIMITS, VPD_BYTES,
                              cb, l);
}

static bool take_limits(struct iscsi_leg *l, const uint8_t *data, size_t len)
{
    return answer_limits(data, len, &l->pages);
}

static struct scsi_task *send_provisioning(struct iscsi_leg *l, iscsi_command_cb cb)
{
    return iscsi_inquiry_task(l->ctx, (int)l->lun, 1,
                              SCSI_INQUIRY_PAGECODE_LOGICAL_BLOCK_PROVISIONING, VPD_BYTES, cb, l);
}

static bool take_provisioning(struct iscsi_leg *l, const uint8_t *data, size_t len)
{
    return answer_provisioning(data, len, &l->pages);
}

static struct scsi_task *send_mode(struct iscsi_leg *l, iscsi_command_cb cb)
{
    return iscsi_modesense6_task(l->ctx, (int)l->lun, 1, SCSI_MODESENSE_PC_CURRENT,
                                 SCSI_MODEPAGE_CACHING, 0, VPD_BYTES, cb, l);
}

static bool take_mode(struct iscsi_leg *l, const uint8_t *data, size_t len)
{
    return answer_mode(data, len, &l->fresh.read_only, &l->fua);
}

static struct scsi_task *send_boot(struct iscsi_leg *l, iscsi_command_cb cb)
{
    return iscsi_modesense6_task(l->ctx, (int)l->lun, 1, SCSI_MODESENSE_PC_CURRENT, BOOT_PAGE, 0,
                                 VPD_BYTES, cb, l);
}

static bool take_boot(struct iscsi_leg *l, const uint8_t *data, size_t len)
{
    l->fresh.tells_boot = answer_boot(data, len, &l->fresh.boot);
    return true;
}

static const struct step steps[] = {
    {"TEST UNIT READY", false, send_ready, NULL},
    {"READ CAPACITY", false, send_capacity, take_capacity},
    {"INQUIRY of block limits", true, send_limits, take_limits},
    {"INQUIRY of provisioning", true, send_provisioning, take_provisioning},
    {"MODE SENSE", true, send_mode, take_mode},
    {"MODE SENSE of the unit's boot", true, send_boot, take_boot},
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
    loop_timer_cancel(l->connect_timer);
    if (l->leg.on_state)
        l->leg.on_state(&l->leg, l->leg.owner);
    loop_soon_set(l->soon);
}

static void next_step(struct iscsi_leg *l)
{
    if (++l->step < DV_COUNT(steps))
        send_step(l);
    else
        now_ready(l);
}

static void on_pause_over(void *arg)
{
    send_step(arg);
}

void probe_init(struct iscsi_leg *l)
{
    l->pause_timer = loop_timer_new(l->loop, on_pause_over, l);
}

// The session ended below a command on the way to ready: that says nothing about the LUN.
static void lost_below(struct iscsi_leg *l, int status)
{
    bool closed = status == SCSI_STATUS_CANCELLED;
    session_over(l, closed ? LEG_LOSS_CLOSED : LEG_LOSS_PROTOCOL, "%s: %s", l->portal,
                 closed ? "the session was closed by the other side before the volume was ready"
                        : "the other side answered what makes no sense");
}

// Tries the step again, as often as it takes: whoever waits has a deadline of his own.
static void step_again(struct iscsi_leg *l)
{
    (void)dv_fail(&l->leg.why, DV_UNREACHABLE, "%s: %s LUN %u is not ready yet: %s says so",
                  l->portal, l->target, l->lun, steps[l->step].name);
    loop_timer_set(l->pause_timer, STEP_PAUSE_MS);
}

static void on_answer(struct iscsi_context *ctx, int status, void *data, void *arg)
{
    struct iscsi_leg *l = arg;
    struct scsi_task *task = data;
    const struct step *step = &steps[l->step];
    int error;
    (void)ctx;
    l->probing = NULL;
    if (l->over) {
        leg_spend(l, task);
        return;
    }
    size_t len = (size_t)task->datain.size;
    struct sense sense = {0};
    if (status == SCSI_STATUS_CHECK_CONDITION)
        sense = verdict_sense(task->datain.data, len);
    enum verdict v = verdict_of(status, &sense, &error);
    // With a recovered error the sense stands where the data would.
    if (v == VERDICT_DONE && step->take &&
        (status != SCSI_STATUS_GOOD || !step->take(l, task->datain.data, len)))
        v = VERDICT_FAILED;
    leg_spend(l, task);
    session_alive(l);
    bool below = v == VERDICT_LOST && status != SCSI_STATUS_CHECK_CONDITION;
    if (below)
        lost_below(l, status);
    else if (v == VERDICT_DONE || (v == VERDICT_FAILED && step->optional))
        next_step(l);
    else if (v == VERDICT_AGAIN || v == VERDICT_LATER)
        step_again(l);
    else
        session_over(l, v == VERDICT_LOST ? LEG_LOSS_ABSENT : LEG_LOSS_NOT_READY,
                     "%s: %s LUN %u is not ready: %s failed", l->portal, l->target, l->lun,
                     step->name);
}

static void send_step(struct iscsi_leg *l)
{
    session_allow(l, 0);
    l->probing = steps[l->step].send(l, on_answer);
    if (!l->probing)
        session_over(l, LEG_LOSS_PROTOCOL, "%s: %s", l->portal, iscsi_get_error(l->ctx));
    loop_soon_set(l->soon);
}

static void on_reset(struct iscsi_context *ctx, int status, void *data, void *arg)
{
    struct iscsi_leg *l = arg;
    (void)ctx;
    if (l->over)
        return;
    uint32_t *response = data;
    if (status != SCSI_STATUS_GOOD || !response) {
        lost_below(l, status);
        return;
    }
    session_alive(l);
    // A target without resets must have ended the old commands before the login.
    if (*response == ISCSI_TMR_FUNC_COMPLETE || *response == ISCSI_TMR_TMF_NOT_SUPPORTED)
        send_step(l);
    else
        session_over(l, LEG_LOSS_NOT_READY, "%s: %s LUN %u could not be reset", l->portal,
                     l->target, l->lun);
}

// Commands of a lost session may still be at work in the target, also after a new login. If one
// of them changes blocks, it could overwrite what is written from now on. A logical unit reset is
// answered when all of them have ended. That takes as long as it takes: tgtd keeps one reset for
// each command, a second one makes it forget the first, with the session that asked for it. So no
// time ends this session while NOPs are answered. (iscsi_task_mgmt_lun_reset_async would free the
// login that is just being answered.)
static void send_reset(struct iscsi_leg *l)
{
    loop_timer_cancel(l->connect_timer);
    (void)dv_fail(&l->leg.why, DV_UNREACHABLE,
                  "%s: %s LUN %u still carries out commands of the session before", l->portal,
                  l->target, l->lun);
    if (iscsi_task_mgmt_async(l->ctx, (int)l->lun, ISCSI_TM_LUN_RESET, 0xffffffff, 0, on_reset,
                              l) != 0)
        session_over(l, LEG_LOSS_PROTOCOL, "%s: %s", l->portal, iscsi_get_error(l->ctx));
    loop_soon_set(l->soon);
}

void probe_start(struct iscsi_leg *l)
{
    l->step = 0;
    memset(&l->pages, 0, sizeof(l->pages));
    memset(&l->fresh, 0, sizeof(l->fresh));
    l->fua = false;
    if (l->settle)
        send_reset(l);
    else
        send_step(l);
}

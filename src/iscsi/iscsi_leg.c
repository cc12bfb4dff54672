// A leg over iSCSI: cuts requests into commands, keeps a window of them at the target.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/iscsi_leg.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "iscsi/leg_private.h"
#include "iscsi/verdict.h"
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>

#define LATER_MS         100
#define SOON_ATTEMPTS    5 // so many come sooner: a unit that re-reads a size is back in a moment
#define SOON_MS          5
#define AT_ONCE_ATTEMPTS 3           // so many come at once, if the target interrupted the command
#define START_OVER       (-1)        // leg_req.error: cut it up again from the start
#define HELD_AT_MOST     (64u << 20) // bytes of copies; until they are written no command is added

static void queue_add(struct req_queue *q, struct leg_req *req)
{
    req->next = NULL;
    *q->end = req;
    q->end = &req->next;
}

static struct leg_req *queue_take(struct req_queue *q)
{
    struct leg_req *req = q->first;
    if (req) {
        q->first = req->next;
        if (!q->first)
            q->end = &q->first;
    }
    return req;
}

static void part_push(struct part_list *list, struct part *part)
{
    part->next = list->first;
    list->first = part;
}

static struct part *part_pop(struct part_list *list)
{
    struct part *part = list->first;
    if (part)
        list->first = part->next;
    return part;
}

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

static void send_part(struct part *part)
{
    struct iscsi_leg *l = part->leg;
    session_allow(l, part->command == SPLIT_READ ? part->bytes : 0);
    if (send_command(part)) {
        part->sent = true;
        l->burst += part->command == SPLIT_READ || part->command == SPLIT_SYNC ? 1 : 2;
        return;
    }
    session_over(l, LEG_LOSS_PROTOCOL, "%s: %s", l->portal, iscsi_get_error(l->ctx));
    part_push(&l->later, part);
}

// Requests ----------------------------------------------------------------------------------

static bool changes_blocks(enum leg_op op)
{
    return op == LEG_WRITE || op == LEG_TRIM || op == LEG_ZERO;
}

// A FUA that no command has carried: the target does not take it, or the command has no such bit.
static bool needs_sync(const struct iscsi_leg *l, const struct leg_req *req,
                       enum split_command command)
{
    if (!(req->flags & LEG_FUA) || req->synced || !changes_blocks(req->op))
        return false;
    return !l->fua || (command != SPLIT_WRITE && command != SPLIT_WRITE_ZEROS);
}

static struct part *new_part(struct iscsi_leg *l, struct leg_req *req, enum split_command command,
                             uint32_t bytes)
{
    struct part *part = part_pop(&l->free);
    part->req = req;
    part->command = command;
    part->offset = req->offset + req->cursor;
    part->bytes = bytes;
    part->attempts = 0;
    req->parts++;
    return part;
}

// All parts are back: either the request is done, or it still needs a flush.
static void finish(struct iscsi_leg *l, struct leg_req *req, enum split_command command)
{
    if (req->error == START_OVER) {
        req->error = 0;
        req->cursor = 0;
        queue_add(&l->waiting, req);
        return;
    }
    if (req->error == 0 && needs_sync(l, req, command)) {
        req->synced = true;
        send_part(new_part(l, req, SPLIT_SYNC, 0));
        return;
    }
    req->done(req, req->error);
}

static bool whole(const struct leg_req *req)
{
    return req->error != 0 || req->cursor >= req->bytes;
}

static bool may_send(const struct iscsi_leg *l)
{
    return l->leg.state == LEG_READY && !l->over && l->free.first && l->held_bytes < HELD_AT_MOST;
}

// Sends as much of the first waiting request as the window takes.
static void send_some(struct iscsi_leg *l, struct leg_req *req)
{
    enum split_command command = split_command_for(req->op, req->flags, &l->limits);
    if (command == SPLIT_REFUSE)
        req->error = ENOTSUP;
    if (command == SPLIT_NOTHING)
        req->cursor = req->bytes;
    if (command == SPLIT_CAPACITY)
        send_part(new_part(l, req, command, 0));
    if (command == SPLIT_SYNC) {
        req->synced = true;
        send_part(new_part(l, req, command, 0));
    }
    while (!whole(req) && may_send(l)) {
        uint32_t bytes = split_next(command, req->bytes - req->cursor, &l->limits);
        struct part *part = new_part(l, req, command, bytes);
        req->cursor += bytes;
        send_part(part);
    }
    if (!whole(req))
        return;
    queue_take(&l->waiting);
    if (req->parts == 0)
        finish(l, req, command);
}

void leg_send_waiting(struct iscsi_leg *l)
{
    while (may_send(l) && l->waiting.first)
        send_some(l, l->waiting.first);
}

static void end_part(struct part *part, int error)
{
    struct iscsi_leg *l = part->leg;
    struct leg_req *req = part->req;
    if (error && (!req->error || req->error == START_OVER))
        req->error = error;
    enum split_command command = part->command;
    part_push(&l->free, part);
    // A request that is still waiting to be cut up ends there.
    if (--req->parts == 0 && whole(req) && l->waiting.first != req)
        finish(l, req, command);
}

// WRITE SAME turned out not to work here: from now on zeros are written. The request starts over
// when its other commands are back; to zero twice does no harm.
static void same_as_zeros(struct part *part)
{
    part->leg->limits.same = 0;
    part->leg->leg.info.can_zero = false;
    end_part(part, START_OVER);
}

static void set_later_timer(struct iscsi_leg *l);

static void on_later(struct pump_timer *t)
{
    struct iscsi_leg *l = (struct iscsi_leg *)((char *)t - offsetof(struct iscsi_leg, later_timer));
    struct part *part = l->later.first;
    uint64_t now = pump_now_ms();
    l->later.first = NULL;
    while (part) {
        struct part *next = part->next;
        if (part->due_ms <= now && !l->over)
            send_part(part);
        else
            part_push(&l->later, part);
        part = next;
    }
    set_later_timer(l);
    l->source.dirty = true;
}

// For the first that is due.
static void set_later_timer(struct iscsi_leg *l)
{
    uint64_t now = pump_now_ms(), due = UINT64_MAX;
    for (const struct part *part = l->later.first; part; part = part->next)
        if (part->due_ms < due)
            due = part->due_ms;
    l->later_timer.fn = on_later;
    if (due != UINT64_MAX && !l->over)
        pump_timer_set(l->pump, &l->later_timer, due > now ? (uint32_t)(due - now) : 0);
}

// As often as it takes: the request's deadline is its owner's, attempts only choose the pause.
static void again(struct part *part, bool later)
{
    struct iscsi_leg *l = part->leg;
    l->source.dirty = true;
    if (part->attempts++ < AT_ONCE_ATTEMPTS && !later) {
        send_part(part);
        return;
    }
    part->due_ms = pump_now_ms() + (part->attempts <= SOON_ATTEMPTS ? SOON_MS : LATER_MS);
    part_push(&l->later, part);
    set_later_timer(l);
}

// It is completed when the session is taken down.
static void lose_part(struct part *part)
{
    part->sent = false;
    if (changes_blocks(part->req->op))
        part->leg->settle = true;
    part_push(&part->leg->later, part);
}

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
    lose_part(part);
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
    l->source.dirty = true;
    if (v == VERDICT_DONE)
        end_part(part, 0);
    else if (v == VERDICT_AGAIN || v == VERDICT_LATER)
        again(part, v == VERDICT_LATER);
    else if (part->command == SPLIT_SAME)
        same_as_zeros(part);
    else
        end_part(part, error);
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

void leg_fail_all(struct iscsi_leg *l, int error)
{
    struct leg_req *req;
    struct part *part;
    for (unsigned i = 0; i < LEG_WINDOW; i++) // what libiscsi did not give back, after a logout
        if (l->parts[i].sent)
            lose_part(&l->parts[i]);
    // Requests that still wait first: end_part then finds none of its own there.
    while ((req = queue_take(&l->waiting))) {
        req->error = error;
        if (req->parts == 0)
            req->done(req, error);
    }
    while ((part = part_pop(&l->later)))
        end_part(part, error);
}

// The interface -----------------------------------------------------------------------------

static struct iscsi_leg *of(struct leg *leg)
{
    return (struct iscsi_leg *)leg;
}

static void do_connect(struct leg *leg)
{
    if (leg->state == LEG_DOWN)
        session_connect(of(leg));
}

static void do_disconnect(struct leg *leg, enum leg_loss loss, const char *why)
{
    if (leg->state != LEG_DOWN)
        session_over(of(leg), loss, "%s: %s", of(leg)->portal, why);
}

static void do_submit(struct leg *leg, struct leg_req *req)
{
    struct iscsi_leg *l = of(leg);
    req->cursor = 0;
    req->parts = 0;
    req->synced = req->answered = false;
    req->error = leg->state == LEG_READY && !l->over
                     ? split_check(req->op, req->offset, req->bytes, &leg->info)
                     : ENOTCONN;
    queue_add(req->error ? &l->refused : &l->waiting, req);
    l->source.dirty = true;
}

static void complete_refused(struct iscsi_leg *l)
{
    struct leg_req *req;
    while ((req = queue_take(&l->refused)))
        req->done(req, req->error);
}

static void do_free(struct leg *leg)
{
    struct iscsi_leg *l = of(leg);
    leg->on_state = NULL;
    session_close(l);
    complete_refused(l);
    leg_fail_all(l, ENOTCONN);
    pump_source_remove(l->pump, &l->source);
    free(l->portal);
    free(l->at);
    free(l->target);
    free(l->initiator);
    free(l->chap_user);
    secret_free(l->chap_secret);
    free(l->zeros);
    free(l);
}

static struct iscsi_leg *of_source(struct pump_source *s)
{
    return (struct iscsi_leg *)((char *)s - offsetof(struct iscsi_leg, source));
}

static void on_ready(struct pump_source *s, unsigned revents)
{
    struct iscsi_leg *l = of_source(s);
    if (l->look >= 0)
        presence_service(l, revents);
    else
        session_service(l, revents);
    session_settle(l);
}

static void on_flush(struct pump_source *s)
{
    struct iscsi_leg *l = of_source(s);
    complete_refused(l);
    leg_send_waiting(l);
    // Before the connection stands, POLLOUT would tell libiscsi that it does.
    if (l->logged_in && !l->over && (iscsi_which_events(l->ctx) & POLLOUT))
        session_write(l);
    session_settle(l);
}

static const struct leg_ops iscsi_leg_ops = {
    .connect = do_connect,
    .disconnect = do_disconnect,
    .submit = do_submit,
    .free = do_free,
};

void iscsi_leg_defaults(struct iscsi_leg_config *config)
{
    config->connect_ms = 10000;
    config->nop_ms = 2000;
}

struct leg *iscsi_leg_new(struct pump *pump, const struct iscsi_leg_config *config)
{
    struct iscsi_leg *l = dv_calloc(1, sizeof(*l));
    l->leg.ops = &iscsi_leg_ops;
    l->pump = pump;
    l->portal = dv_strdup(config->portal);
    l->target = dv_strdup(config->target);
    l->initiator = dv_strdup(config->initiator);
    l->lun = config->lun;
    l->chap_user = dv_strdup(config->chap_user);
    l->chap_secret = dv_strdup(config->chap_secret);
    l->header_digest = config->header_digest;
    l->connect_ms = config->connect_ms;
    l->nop_ms = config->nop_ms;
    random_fill(&l->isid, sizeof(l->isid));
    l->look = -1;
    l->waiting.end = &l->waiting.first;
    l->refused.end = &l->refused.first;
    for (unsigned i = 0; i < LEG_WINDOW; i++) {
        l->parts[i].leg = l;
        part_push(&l->free, &l->parts[i]);
    }
    l->source = (struct pump_source){.fd = -1, .ready = on_ready, .flush = on_flush};
    pump_source_add(pump, &l->source);
    return &l->leg;
}

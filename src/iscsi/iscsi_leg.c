// A leg over iSCSI: cuts requests into parts, keeps a window of them at the target.
// SPDX-License-Identifier: BSD-2-Clause
#include "iscsi/iscsi_leg.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "iscsi/leg_private.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>

#define LATER_MS         100
#define SOON_ATTEMPTS    5 // so many come sooner: a unit that re-reads a size is back in a moment
#define SOON_MS          5
#define AT_ONCE_ATTEMPTS 3           // so many come at once, if the target interrupted the command
#define START_OVER       (-1)        // leg_req.error: cut it up again from the start
#define PARTS_AT_MOST    32          // of one request that are out: half of the window
#define HELD_AT_MOST     (64u << 20) // bytes of copies; until they are written no command is added

static void queue_add(struct req_queue *q, struct leg_req *req)
{
    req->next = NULL;
    req->queued = true;
    *q->end = req;
    q->end = &req->next;
}

static struct leg_req *queue_take(struct req_queue *q)
{
    struct leg_req *req = q->first;
    if (req) {
        req->queued = false;
        q->first = req->next;
        if (!q->first)
            q->end = &q->first;
    }
    return req;
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
        leg_send_part(new_part(l, req, SPLIT_SYNC, 0));
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

// Sends as much of the first waiting request as the window takes, and no more than its share of it:
// what is left waits behind the others. Returns whether something is left.
static bool send_some(struct iscsi_leg *l, struct leg_req *req)
{
    enum split_command command = split_command_for(req->op, req->flags, &l->limits);
    if (command == SPLIT_REFUSE)
        req->error = ENOTSUP;
    if (command == SPLIT_NOTHING)
        req->cursor = req->bytes;
    if (command == SPLIT_CAPACITY)
        leg_send_part(new_part(l, req, command, 0));
    if (command == SPLIT_SYNC) {
        req->synced = true;
        leg_send_part(new_part(l, req, command, 0));
    }
    while (!whole(req) && req->parts < PARTS_AT_MOST && may_send(l)) {
        uint32_t bytes = split_next(command, req->bytes - req->cursor, &l->limits);
        struct part *part = new_part(l, req, command, bytes);
        req->cursor += bytes;
        leg_send_part(part);
    }
    queue_take(&l->waiting);
    if (!whole(req)) {
        queue_add(&l->waiting, req);
        return true;
    }
    if (req->parts == 0)
        finish(l, req, command);
    return false;
}

void leg_send_waiting(struct iscsi_leg *l)
{
    const struct leg_req *turned = NULL; // the first that had its turn, and waits for another one
    while (may_send(l) && l->waiting.first && l->waiting.first != turned) {
        struct leg_req *req = l->waiting.first;
        if (send_some(l, req) && !turned)
            turned = req;
    }
}

void leg_end_part(struct part *part, int error)
{
    struct iscsi_leg *l = part->leg;
    struct leg_req *req = part->req;
    if (error && (!req->error || req->error == START_OVER))
        req->error = error;
    enum split_command command = part->command;
    part_push(&l->free, part);
    // A request that is still waiting to be cut up ends there.
    if (--req->parts == 0 && whole(req) && !req->queued)
        finish(l, req, command);
}

void leg_same_as_zeros(struct part *part)
{
    part->leg->limits.same = 0;
    part->leg->leg.info.can_zero = false;
    leg_end_part(part, START_OVER);
}

// For the first that is due.
static void set_later_timer(struct iscsi_leg *l)
{
    uint64_t now = loop_now_ms(), due = UINT64_MAX;
    for (const struct part *part = l->later.first; part; part = part->next)
        if (part->due_ms < due)
            due = part->due_ms;
    if (due != UINT64_MAX && !l->over)
        loop_timer_set(l->later_timer, due > now ? (uint32_t)(due - now) : 0);
}

static void on_later(void *arg)
{
    struct iscsi_leg *l = arg;
    struct part *part = l->later.first;
    uint64_t now = loop_now_ms();
    l->later.first = NULL;
    while (part) {
        struct part *next = part->next;
        if (part->due_ms <= now && !l->over)
            leg_send_part(part);
        else
            part_push(&l->later, part);
        part = next;
    }
    set_later_timer(l);
    loop_soon_set(l->soon);
}

void leg_again(struct part *part, bool later)
{
    struct iscsi_leg *l = part->leg;
    loop_soon_set(l->soon);
    if (part->attempts++ < AT_ONCE_ATTEMPTS && !later) {
        leg_send_part(part);
        return;
    }
    part->due_ms = loop_now_ms() + (part->attempts <= SOON_ATTEMPTS ? SOON_MS : LATER_MS);
    part_push(&l->later, part);
    set_later_timer(l);
}

void leg_lose_part(struct part *part)
{
    part->sent = false;
    if (changes_blocks(part->req->op))
        part->leg->settle = true;
    part_push(&part->leg->later, part);
}

void leg_fail_all(struct iscsi_leg *l, int error)
{
    struct leg_req *req;
    struct part *part;
    // What libiscsi did not give back: it drops a command whose answer it cannot read.
    for (unsigned i = 0; i < LEG_WINDOW; i++) {
        if (!l->parts[i].sent)
            continue;
        scsi_free_scsi_task(l->parts[i].task);
        leg_lose_part(&l->parts[i]);
    }
    // Requests that still wait first: leg_end_part then finds none of its own there.
    while ((req = queue_take(&l->waiting))) {
        req->error = error;
        if (req->parts == 0)
            req->done(req, error);
    }
    while ((part = part_pop(&l->later)))
        leg_end_part(part, error);
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
    loop_soon_set(l->soon);
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
    loop_timer_free(l->connect_timer);
    loop_timer_free(l->nop_timer);
    loop_timer_free(l->pause_timer);
    loop_timer_free(l->later_timer);
    loop_soon_free(l->soon);
    free(l->portal);
    free(l->at);
    free(l->target);
    free(l->initiator);
    free(l->chap_user);
    secret_free(l->chap_secret);
    free(l->zeros);
    free(l);
}

static void on_fd(void *arg, int fd, unsigned events)
{
    struct iscsi_leg *l = arg;
    unsigned revents = (events & LOOP_READ ? POLLIN : 0) | (events & LOOP_WRITE ? POLLOUT : 0);
    (void)fd;
    if (l->look >= 0)
        presence_service(l, revents);
    else
        session_service(l, revents);
    session_settle(l);
    loop_soon_set(l->soon); // there may be room for more
}

void leg_watch(struct iscsi_leg *l, int fd, unsigned events)
{
    unsigned what = (events & POLLIN ? LOOP_READ : 0) | (events & POLLOUT ? LOOP_WRITE : 0);
    if (l->watch && l->watched_fd != fd)
        leg_unwatch(l);
    if (!l->watch) {
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC); // libiscsi does not, and a command may be run
        l->watch = loop_fd_new(l->loop, fd, what, on_fd, l);
    } else if (l->watched != events) {
        loop_fd_events(l->watch, what);
    }
    l->watched_fd = fd;
    l->watched = events;
}

void leg_unwatch(struct iscsi_leg *l)
{
    loop_fd_free(l->watch);
    l->watch = NULL;
}

static void on_soon(void *arg)
{
    struct iscsi_leg *l = arg;
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

struct leg *iscsi_leg_new(struct loop *loop, const struct iscsi_leg_config *config)
{
    struct iscsi_leg *l = dv_calloc(1, sizeof(*l));
    l->leg.ops = &iscsi_leg_ops;
    l->loop = loop;
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
    l->soon = loop_soon_new(loop, on_soon, l);
    l->later_timer = loop_timer_new(loop, on_later, l);
    session_init(l);
    probe_init(l);
    return &l->leg;
}

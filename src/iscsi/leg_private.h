// What the files of the iSCSI leg share: its session, its commands.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_ISCSI_LEG_PRIVATE_H
#define DVSAN_ISCSI_LEG_PRIVATE_H

#include "iscsi/iscsi_leg.h"
#include "iscsi/split.h"
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

// Commands outstanding at the target: below tgtd's MaxQueueCmd of 128, above what clients ask for.
#define LEG_WINDOW   64
#define LEG_PDU_HEAD 48

struct iscsi_leg;

// One command of a request.
struct part {
    struct iscsi_leg *leg;
    struct leg_req *req;
    enum split_command command;
    uint64_t offset;
    uint32_t bytes;
    unsigned attempts; // choose the pause before the next one
    uint64_t due_ms;   // in later: when it is sent again
    bool sent;         // libiscsi has it
    struct scsi_iovec iov;
    struct scsi_task *task; // while libiscsi has it, and in answered: what was answered, and
    int status;             // how
    struct part *next;      // in free, later, or answered
};

struct part_list {
    struct part *first;
};
static inline void part_push(struct part_list *list, struct part *part)
{
    part->next = list->first;
    list->first = part;
}

static inline struct part *part_pop(struct part_list *list)
{
    struct part *part = list->first;
    if (part)
        list->first = part->next;
    return part;
}

struct req_queue {
    struct leg_req *first, **end;
};

struct iscsi_leg {
    struct leg leg;
    struct loop *loop;
    struct loop_fd *watch; // of watched_fd; NULL: of none at present
    int watched_fd;
    unsigned watched;       // POLLIN, POLLOUT
    struct loop_soon *soon; // serves what was noted, once for all of it

    // Configuration; all strings are owned.
    char *portal, *target, *initiator, *chap_user, *chap_secret;
    unsigned lun;
    bool header_digest;
    uint32_t connect_ms, nop_ms;
    uint32_t isid; // the same for the leg's life: a new login replaces the old session

    // The session.
    struct iscsi_context *ctx; // NULL while down
    bool logged_in;
    bool over; // the session is lost; taken down when control is back from libiscsi
    char *at;  // the portal that was logged in to last, after redirections; owned
    int look;  // the socket that asks whether the target hides from us; -1: none
    uint8_t look_head[LEG_PDU_HEAD]; // what it has been answered,
    unsigned look_len;               // so much of it
    unsigned step;                   // of getting ready, after the login
    bool settle; // commands that change blocks were lost: wait for the target to finish them
    struct split_pages pages;
    struct leg_info fresh; // being probed
    bool fua;              // the target takes the FUA bit
    unsigned silent;       // NOP rounds without any sign of life
    bool heard;
    unsigned redirects;
    unsigned burst; // pieces that libiscsi was given since it last wrote to the socket
    // libiscsi gathers whatever comes for a command: bytes that the target may have sent by now,
    // with room for headers.
    uint64_t allowed;
    struct loop_timer *connect_timer, *nop_timer, *pause_timer, *later_timer;

    // Requests.
    struct split_limits limits;
    struct req_queue waiting; // not yet cut up completely
    struct req_queue refused; // never taken; completed at the next flush
    struct part parts[LEG_WINDOW];
    struct part_list free;
    struct part_list later;    // to be sent again after a pause
    struct part_list answered; // commands that sent data; judged when control is back from libiscsi
    struct scsi_task *spent;   // tasks that were answered while libiscsi was served
    struct scsi_task *probing; // the step that libiscsi has, while the leg gets ready
    struct scsi_task *held;    // and those that its queue may still hold something of,
    uint64_t held_bytes;       // of so many bytes, with copies of their data
    void *zeros;               // SPLIT_TRANSFER_CAP bytes, when first needed
};

// iscsi_leg.c: the descriptor that is watched, and for what (POLLIN, POLLOUT). leg_unwatch: before
// it is closed, and when another may have its number.
void leg_watch(struct iscsi_leg *l, int fd, unsigned events);
void leg_unwatch(struct iscsi_leg *l);

// session.c
void session_init(struct iscsi_leg *l); // its timers
void session_connect(struct iscsi_leg *l);
void session_service(struct iscsi_leg *l, unsigned revents);
void session_write(struct iscsi_leg *l); // sends what libiscsi has queued
// Ends the session for a reason, once; everything is completed and on_state called from
// session_settle, when control is back from libiscsi.
void session_over(struct iscsi_leg *l, enum leg_loss loss, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
// Takes down a session that is over and brings what is watched up to date.
void session_settle(struct iscsi_leg *l);
void session_close(struct iscsi_leg *l); // without telling anybody
// The other side answered: it has connect_ms more.
void session_alive(struct iscsi_leg *l);
// The target may send so many bytes more, with the headers that go with them.
void session_allow(struct iscsi_leg *l, uint64_t bytes);

// probe.c: from the login to ready, step by step.
void probe_init(struct iscsi_leg *l); // its timer
void probe_start(struct iscsi_leg *l);
// Takes over the size from the answer to a READ CAPACITY of a leg that is ready.
bool probe_take_size(struct iscsi_leg *l, const struct scsi_task *task);

// presence.c: a target that does not admit this initiator says that it does not exist. After that
// answer to a login, this asks once more in the way that tells, and ends the session with
// LEG_LOSS_REFUSED when the target is there, and LEG_LOSS_ABSENT when it is not.
void presence_start(struct iscsi_leg *l);
void presence_service(struct iscsi_leg *l, unsigned revents); // while l->look >= 0
void presence_unknown(struct iscsi_leg *l);                   // there is no answer
void presence_close(struct iscsi_leg *l);

// iscsi_leg.c: requests, and the parts that they are cut into.
void leg_send_waiting(struct iscsi_leg *l);
void leg_end_part(struct part *part, int error);
// Sends a part again, as often as it takes: the request's deadline is its owner's, attempts only
// choose the pause.
void leg_again(struct part *part, bool later);
// WRITE SAME turned out not to work here: from now on zeros are written. The request starts over
// when its other commands are back; to zero twice does no harm.
void leg_same_as_zeros(struct part *part);
void leg_lose_part(struct part *part);             // it ends when the session is taken down
void leg_fail_all(struct iscsi_leg *l, int error); // with no session

// leg_command.c
void leg_send_part(struct part *part);
// Takes over an answered task, to free it when nothing points to it any more; frees its data.
void leg_spend(struct iscsi_leg *l, struct scsi_task *task);
// Judges the answers that came in while libiscsi was served, and frees what can be freed. Also
// without a session.
void leg_take_answers(struct iscsi_leg *l);

#endif

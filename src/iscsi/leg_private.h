// What the files of the iSCSI leg share: its session, its commands.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_ISCSI_LEG_PRIVATE_H
#define DVSAN_ISCSI_LEG_PRIVATE_H

#include "iscsi/iscsi_leg.h"
#include "iscsi/split.h"
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

// Commands outstanding at the target: below tgtd's MaxQueueCmd of 128, above what nbdkit asks for.
#define LEG_WINDOW 64

struct iscsi_leg;

// One command of a request.
struct part {
    struct iscsi_leg *leg;
    struct leg_req *req;
    enum split_command command;
    uint64_t offset;
    uint32_t bytes;
    unsigned attempts;
    bool sent; // libiscsi has it
    struct scsi_iovec iov;
    struct part *next; // in free, or in later
};

struct part_list {
    struct part *first;
};
struct req_queue {
    struct leg_req *first, **end;
};

struct iscsi_leg {
    struct leg leg;
    struct pump *pump;
    struct pump_source source;

    // Configuration; all strings are owned.
    char *portal, *target, *initiator, *chap_user, *chap_secret;
    unsigned lun;
    bool header_digest;
    uint32_t connect_ms, nop_ms, command_s;
    uint32_t isid; // the same for the leg's life: a new login replaces the old session

    // The session.
    struct iscsi_context *ctx; // NULL while down
    bool logged_in;
    bool over; // the session is lost; taken down when control is back from libiscsi
    unsigned step, step_attempts; // of getting ready, after the login
    bool settle; // commands that change blocks were lost: wait for the target to finish them
    struct split_pages pages;
    struct leg_info fresh; // being probed
    bool fua;              // the target takes the FUA bit
    unsigned silent;       // NOP rounds without any sign of life
    bool heard;
    unsigned redirects;
    unsigned burst; // pieces that libiscsi was given since the last write
    struct pump_timer connect_timer, nop_timer, tick_timer, later_timer;

    // Requests.
    struct split_limits limits;
    struct req_queue waiting; // not yet cut up completely
    struct req_queue refused; // never taken; completed at the next flush
    struct part parts[LEG_WINDOW];
    struct part_list free, later; // later: to be sent again after a pause
    void *zeros;                  // SPLIT_TRANSFER_CAP bytes, when first needed
};

// session.c
void session_connect(struct iscsi_leg *l);
void session_service(struct iscsi_leg *l, unsigned revents);
void session_write(struct iscsi_leg *l); // sends what libiscsi has queued
// Ends the session for a reason, once; everything is completed and on_state called from
// session_settle, when control is back from libiscsi.
void session_over(struct iscsi_leg *l, enum leg_loss loss, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
// Takes down a session that is over and brings the source's fd and events up to date.
void session_settle(struct iscsi_leg *l);
void session_close(struct iscsi_leg *l); // without telling anybody

// probe.c: from the login to ready, step by step.
void probe_start(struct iscsi_leg *l);
// Takes over the size from the answer to a READ CAPACITY of a leg that is ready.
bool probe_take_size(struct iscsi_leg *l, struct scsi_task *task);

// iscsi_leg.c
void leg_send_waiting(struct iscsi_leg *l);
void leg_fail_all(struct iscsi_leg *l, int error); // with no session

#endif

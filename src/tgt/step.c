// The target daemon: each kind of step as requests.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/boot.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/wait.h"
#include "tgt/engine.h"
#include "tgt/show.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PARAMS_ROOM 2048
#define DOING_ROOM  400
#define SETTLE_MS   1000 // how long sessions and commands may take to end

int tgt_ask(const struct tgt_engine *e, const struct tgt_request *r, enum tgt_status ok,
            struct dv_err *err)
{
    int status = tgt_call(e->socket, e->timeout_ms, r, NULL, err);
    if (status == TGT_OK || status == (int)ok)
        return 0;
    return status < 0 ? -1 : TGT_REFUSED;
}

// A request about a target with one parameter, key and value.
static int ask_target(const struct tgt_engine *e, struct tgt_request r, uint32_t tid,
                      const char *key, const char *value, enum tgt_status ok, struct dv_err *err)
{
    char params[PARAMS_ROOM], doing[DOING_ROOM];
    snprintf(params, sizeof(params), "%s=%s", key, value);
    snprintf(doing, sizeof(doing), "target %u: %s %s", tid, r.doing, value);
    r.tid = (int32_t)tid;
    r.params = params;
    r.doing = doing;
    return tgt_ask(e, &r, ok, err);
}

// ---- Accounts -----------------------------------------------------------------------------

static int add_account(const struct tgt_engine *e, const struct plan_wanted *w,
                       const struct plan_step *step, struct dv_err *err)
{
    char params[PARAMS_ROOM], doing[DOING_ROOM], unknown[CHAP_SECRET_MAX + 1];
    secret_random_text(unknown, CHAP_SECRET_MAX);
    const char *secret = step->account == PLAN_NONE ? unknown : w->accounts[step->account].secret;
    snprintf(params, sizeof(params), "user=%s,password=%s", step->name, secret);
    snprintf(doing, sizeof(doing), "adding account %s", step->name);
    struct tgt_request r = {.mode = TGT_ACCOUNT, .op = TGT_NEW, .params = params, .doing = doing};
    int result = tgt_ask(e, &r, TGT_OK, err);
    secret_wipe(unknown, sizeof(unknown));
    secret_wipe(params, sizeof(params));
    return result;
}

static int delete_account(const struct tgt_engine *e, const struct plan_step *step,
                          struct dv_err *err)
{
    char params[PARAMS_ROOM], doing[DOING_ROOM];
    snprintf(params, sizeof(params), "user=%s", step->name);
    snprintf(doing, sizeof(doing), "deleting account %s", step->name);
    struct tgt_request r = {
        .mode = TGT_ACCOUNT, .op = TGT_DELETE, .params = params, .doing = doing};
    return tgt_ask(e, &r, TGT_NO_USER, err);
}

// ---- Waiting ------------------------------------------------------------------------------

// tgtd tells of nothing, so what takes it a moment is asked for again: at once at first, then less
// and less often. False when the time is up.
struct patience {
    int64_t until;
    long pause_ms;
};

static struct patience patience_new(void)
{
    return (struct patience){.until = wait_now_ms() + SETTLE_MS};
}

static bool patience_wait(struct patience *p)
{
    if (wait_now_ms() >= p->until)
        return false;
    nanosleep(&(struct timespec){.tv_nsec = p->pause_ms * 1000000}, NULL);
    p->pause_ms = p->pause_ms == 0 ? 1 : p->pause_ms < 16 ? p->pause_ms * 2 : 20;
    return true;
}

// Deletes what commands that are still running keep in use.
static int ask_when_idle(const struct tgt_engine *e, const struct tgt_request *r,
                         enum tgt_status gone, struct dv_err *err)
{
    for (struct patience p = patience_new();;) {
        int status = tgt_call(e->socket, e->timeout_ms, r, NULL, err);
        if (status == TGT_OK || status == (int)gone)
            return 0;
        if (status < 0)
            return -1;
        if ((status != TGT_LUN_ACTIVE && status != TGT_TARGET_ACTIVE) || !patience_wait(&p))
            return TGT_REFUSED;
    }
}

// ---- Sessions -----------------------------------------------------------------------------

// The sessions to be ended, or none when the target is gone.
static int list_sessions(const struct tgt_engine *e, uint32_t tid, struct seen_target *t,
                         struct dv_err *err)
{
    char doing[DOING_ROOM];
    snprintf(doing, sizeof(doing), "target %u: listing connections", tid);
    struct tgt_request r = {
        .mode = TGT_CONNECTION, .op = TGT_SHOW, .tid = (int32_t)tid, .doing = doing};
    DV_FREE char *text = NULL;
    int status = tgt_call(e->socket, e->timeout_ms, &r, &text, err);
    seen_clear_sessions(t);
    if (status == TGT_NO_TARGET)
        return 0;
    if (status != TGT_OK)
        return status < 0 ? -1 : TGT_REFUSED;
    return show_connections(text, t, err) == 0 ? 0 : TGT_REFUSED;
}

static bool known(const uint64_t *sids, size_t count, uint64_t sid)
{
    for (size_t i = 0; i < count; i++)
        if (sids[i] == sid)
            return true;
    return false;
}

static int end_session(const struct tgt_engine *e, uint32_t tid, const struct seen_session *s,
                       struct dv_err *err)
{
    char doing[DOING_ROOM];
    snprintf(doing, sizeof(doing), "target %u: ending session %" PRIu64 " of %s", tid, s->sid,
             s->initiator);
    struct tgt_request r = {.mode = TGT_CONNECTION,
                            .op = TGT_DELETE,
                            .tid = (int32_t)tid,
                            .sid = s->sid,
                            .cid = s->cid,
                            .doing = doing};
    int status = tgt_call(e->socket, e->timeout_ms, &r, NULL, err);
    if (status == TGT_OK || status == TGT_NO_SESSION || status == TGT_NO_CONNECTION ||
        status == TGT_NO_TARGET)
        return 0;
    return status < 0 ? -1 : TGT_REFUSED;
}

bool tgt_is_ghost(const struct tgt_engine *e, uint32_t tid, uint64_t sid)
{
    for (size_t i = 0; i < e->ghost_count; i++)
        if (e->ghosts[i].tid == tid && e->ghosts[i].sid == sid)
            return true;
    return false;
}

// One round: tells tgtd to end each session once (sids remembers) and counts those that are left.
static int end_round(const struct tgt_engine *e, uint32_t tid, const struct tgt_choice *which,
                     uint64_t **sids, size_t *sid_count, size_t *left, struct dv_err *err)
{
    struct seen_target t = {0};
    int result = list_sessions(e, tid, &t, err);
    *left = 0;
    for (size_t i = 0; result == 0 && i < t.session_count; i++) {
        const struct seen_session *s = &t.sessions[i];
        if (!which->takes(which->arg, s) || tgt_is_ghost(e, tid, s->sid))
            continue;
        ++*left;
        if (known(*sids, *sid_count, s->sid))
            continue;
        *DV_APPEND(*sids, *sid_count) = s->sid;
        result = end_session(e, tid, s, err);
    }
    seen_clear_sessions(&t);
    return result;
}

// Whether a session reads or writes, now.
static bool is_busy(const struct tgt_statistics *rows, size_t count, uint32_t tid, uint64_t sid)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].tid == tid && rows[i].sid == sid && rows[i].under_way > 0)
            return true;
    return false;
}

// The sessions that tgtd took the word to end for and still shows have no connection any more that
// it would read from. Those that neither read nor write are ghosts; the number of the others.
static int find_ghosts(struct tgt_engine *e, uint32_t tid, const uint64_t *sids, size_t sid_count,
                       const struct tgt_choice *which, size_t *left, struct dv_err *err)
{
    DV_FREE struct tgt_statistics *rows = NULL;
    struct seen_target t = {0};
    size_t count;
    int result = list_sessions(e, tid, &t, err);
    *left = 0;
    if (result == 0 && tgt_read_statistics(e, &rows, &count, err) != 0)
        result = TGT_REFUSED;
    for (size_t i = 0; result == 0 && i < t.session_count; i++) {
        const struct seen_session *s = &t.sessions[i];
        if (!which->takes(which->arg, s) || tgt_is_ghost(e, tid, s->sid))
            continue;
        if (!known(sids, sid_count, s->sid) || is_busy(rows, count, tid, s->sid)) {
            ++*left;
            continue;
        }
        *DV_APPEND(e->ghosts, e->ghost_count) = (struct tgt_ghost){tid, s->sid};
        log_warning("tgt",
                    "target %u: session %" PRIu64 " of %s has ended, though tgtd shows it until it "
                    "is started anew; it does nothing any more, and nothing waits for it",
                    tid, s->sid, s->initiator);
    }
    seen_clear_sessions(&t);
    return result;
}

int tgt_do_end_chosen(struct tgt_engine *e, uint32_t tid, const struct tgt_choice *which,
                      struct dv_err *err)
{
    uint64_t *sids = NULL;
    size_t sid_count = 0, left;
    struct patience p = patience_new();
    int result;
    while ((result = end_round(e, tid, which, &sids, &sid_count, &left, err)) == 0 && left > 0) {
        if (!patience_wait(&p)) {
            result = find_ghosts(e, tid, sids, sid_count, which, &left, err);
            if (result != 0 || left == 0)
                break;
            dv_fail(err, DV_TIMEOUT,
                    "target %u: %zu sessions have not ended within %d ms; their commands hang on "
                    "the backing file",
                    tid, left, SETTLE_MS);
            result = TGT_REFUSED;
            break;
        }
    }
    free(sids);
    return result;
}

static bool is_of(const void *initiator, const struct seen_session *s)
{
    return !initiator || strcmp(s->initiator, initiator) == 0;
}

int tgt_do_end_sessions(struct tgt_engine *e, uint32_t tid, const char *initiator,
                        struct dv_err *err)
{
    const struct tgt_choice which = {is_of, initiator};
    return tgt_do_end_chosen(e, tid, &which, err);
}

// ---- Targets and LUNs ---------------------------------------------------------------------

// No listing that is read often shows them, so they are read back at once.
static int set_parameters(const struct tgt_engine *e, const struct plan_step *step,
                          struct dv_err *err)
{
    bool differs;
    int result = tgt_set_session(e, step->tid, err);
    if (result != 0)
        return result;
    if (tgt_compare_session(e, step->tid, &differs, err) != 0)
        return TGT_REFUSED;
    if (!differs)
        return 0;
    (void)dv_fail(err, DV_CONFLICT,
                  "target %u: tgtd took its session parameters and does not show them", step->tid);
    return TGT_REFUSED;
}

static int new_lun(const struct tgt_engine *e, const struct plan_step *step,
                   const struct plan_target *t, struct dv_err *err)
{
    char params[PARAMS_ROOM], doing[DOING_ROOM];
    snprintf(params, sizeof(params), "path=%s,bstype=%s,blocksize=%u%s%s", step->name,
             plan_store(t), BLOCK_SIZE, t->options ? ",bsopts=" : "", t->options ? t->options : "");
    snprintf(doing, sizeof(doing), "target %u: opening %s", step->tid, step->name);
    struct tgt_request r = {.mode = TGT_DEVICE,
                            .op = TGT_NEW,
                            .tid = (int32_t)step->tid,
                            .lun = PLAN_LUN,
                            .params = params,
                            .doing = doing};
    return tgt_ask(e, &r, TGT_OK, err);
}

// Tells hosts by a mode page in which boot of this machine the LUN was made: tgtd, and with it the
// LUN, lives in one alone. Without a boot id nothing is told.
static void add_boot_page(const struct tgt_engine *e, char params[PARAMS_ROOM])
{
    static const char mark[] = BOOT_MARK;
    size_t at = strlen(params);
    if (uuid_is_zero(&e->boot))
        return;
    at += (size_t)snprintf(params + at, PARAMS_ROOM - at, ",mode_page=%#x:0:%zu", BOOT_PAGE,
                           BOOT_PAGE_BYTES);
    for (size_t i = 0; i < BOOT_PAGE_BYTES; i++)
        at += (size_t)snprintf(params + at, PARAMS_ROOM - at, ":%d",
                               i < sizeof(mark) - 1 ? mark[i] : e->boot.b[i - sizeof(mark) + 1]);
}

// What tgtd calls thin provisioning is UNMAP. tgt 1.0.85 counts the bytes to unmap in 32 bits and
// names no limit, so that of 4 GiB and more at once some stay what they were, behind the answer
// that all went well. The standard allows that of UNMAP; of WRITE SAME, by which blocks are made
// zero, it does not. Linux and qemu ask for less than 4 GiB at once in any case.
static int identify_lun(const struct tgt_engine *e, const struct plan_target *t, struct dv_err *err)
{
    char params[PARAMS_ROOM], doing[DOING_ROOM], id[PLAN_SCSI_ID_ROOM], serial[UUID_TEXT_LEN];
    plan_scsi_id(&t->uuid, id);
    uuid_format(&t->uuid, serial);
    snprintf(params, sizeof(params),
             "vendor_id=" TGT_VENDOR ",product_id=" TGT_PRODUCT ",product_rev=" TGT_REVISION ","
             "scsi_id=%s,scsi_sn=%s,thin_provisioning=%d",
             id, serial, t->unmaps);
    add_boot_page(e, params);
    snprintf(doing, sizeof(doing), "target %u: identifying its LUN", t->tid);
    struct tgt_request r = {.mode = TGT_DEVICE,
                            .op = TGT_UPDATE,
                            .tid = (int32_t)t->tid,
                            .lun = PLAN_LUN,
                            .params = params,
                            .doing = doing};
    return tgt_ask(e, &r, TGT_OK, err);
}

static int update_lun(const struct tgt_engine *e, uint32_t tid, const char *params,
                      const char *what, struct dv_err *err)
{
    char doing[DOING_ROOM];
    snprintf(doing, sizeof(doing), "target %u: %s", tid, what);
    struct tgt_request r = {.mode = TGT_DEVICE,
                            .op = TGT_UPDATE,
                            .tid = (int32_t)tid,
                            .lun = PLAN_LUN,
                            .params = params,
                            .doing = doing};
    return tgt_ask(e, &r, TGT_OK, err);
}

static int set_state(const struct tgt_engine *e, uint32_t tid, bool ready, struct dv_err *err)
{
    struct tgt_request r = {.mode = TGT_TARGET, .op = TGT_UPDATE, .doing = "setting the state to"};
    return ask_target(e, r, tid, "state", ready ? "ready" : "offline", TGT_OK, err);
}

// tgtd reads a file's size when it opens it. It closes the old descriptor first, under the hands of
// its threads: a command that is under way then would go to descriptor 0 or fail. No initiator but
// our own repeats a command that was answered with an error, so none may be: an offline target lets
// nobody in and drops commands without an answer, those in the threads' hands are answered and end
// with their sessions, and whoever logs in again sends again what had no answer. The LUN goes
// offline, gets the file and is online again in one request, which tgtd carries out in one piece.
static int reload_lun(struct tgt_engine *e, const struct plan_step *step, struct dv_err *err)
{
    char params[PARAMS_ROOM];
    struct dv_err ignored;
    int result = set_state(e, step->tid, false, err);
    DV_FAULT("tgt.reload.paused");
    if (result == 0)
        result = tgt_do_end_sessions(e, step->tid, NULL, err);
    if (result != 0) {
        if (result == TGT_REFUSED) // with the size that it had
            (void)set_state(e, step->tid, true, &ignored);
        return result;
    }
    snprintf(params, sizeof(params), "removable=0,online=0,path=%s", step->name);
    result = update_lun(e, step->tid, params, "opening its file again", err);
    DV_FAULT("tgt.reload.opened");
    return result == 0 ? set_state(e, step->tid, true, err) : result;
}

static int delete_lun(const struct tgt_engine *e, const struct plan_step *step, struct dv_err *err)
{
    char doing[DOING_ROOM];
    snprintf(doing, sizeof(doing), "target %u: deleting LUN %" PRIu64, step->tid, step->lun);
    struct tgt_request r = {.mode = TGT_DEVICE,
                            .op = TGT_DELETE,
                            .tid = (int32_t)step->tid,
                            .lun = step->lun,
                            .doing = doing};
    return ask_when_idle(e, &r, TGT_NO_LUN, err);
}

// One with a ghost, which was none when this was planned, stays, and is closed.
static int delete_target(const struct tgt_engine *e, const struct plan_step *step,
                         struct dv_err *err)
{
    for (size_t i = 0; i < e->ghost_count; i++)
        if (e->ghosts[i].tid == step->tid)
            return 0;
    char doing[DOING_ROOM];
    snprintf(doing, sizeof(doing), "deleting target %u", step->tid);
    struct tgt_request r = {
        .mode = TGT_TARGET, .op = TGT_DELETE, .tid = (int32_t)step->tid, .doing = doing};
    return ask_when_idle(e, &r, TGT_NO_TARGET, err);
}

int tgt_do_step(struct tgt_engine *e, const struct plan_wanted *wanted,
                const struct plan_step *step, struct dv_err *err)
{
    struct tgt_request target = {.mode = TGT_TARGET}, account = {.mode = TGT_ACCOUNT};
    switch (step->op) {
    case PLAN_ADD_ACCOUNT:
        return add_account(e, wanted, step, err);
    case PLAN_DELETE_ACCOUNT:
        return delete_account(e, step, err);
    case PLAN_NEW_TARGET:
        target.op = TGT_NEW;
        target.doing = "creating";
        return ask_target(e, target, step->tid, "targetname", step->name, TGT_OK, err);
    case PLAN_DELETE_TARGET:
        return delete_target(e, step, err);
    case PLAN_SET_PARAMETERS:
        return set_parameters(e, step, err);
    case PLAN_SET_OFFLINE:
    case PLAN_SET_READY:
        return set_state(e, step->tid, step->op == PLAN_SET_READY, err);
    case PLAN_NEW_LUN:
        return new_lun(e, step, &wanted->targets[step->target], err);
    case PLAN_IDENTIFY_LUN:
        return identify_lun(e, &wanted->targets[step->target], err);
    case PLAN_RELOAD_LUN:
        return reload_lun(e, step, err);
    case PLAN_DELETE_LUN:
        return delete_lun(e, step, err);
    case PLAN_BIND_ACCOUNT:
        account.op = TGT_BIND;
        account.doing = "binding account";
        return ask_target(e, account, step->tid, "user", step->name, TGT_USER_EXISTS, err);
    case PLAN_UNBIND_ACCOUNT:
        account.op = TGT_UNBIND;
        account.doing = "unbinding account";
        return ask_target(e, account, step->tid, "user", step->name, TGT_NO_USER, err);
    case PLAN_UNBIND_OUTGOING:
        account.op = TGT_UNBIND;
        account.outgoing = true;
        account.doing = "unbinding outgoing account";
        return ask_target(e, account, step->tid, "user", step->name, TGT_NO_USER, err);
    case PLAN_BIND_NAME:
        target.op = TGT_BIND;
        target.doing = "binding initiator";
        return ask_target(e, target, step->tid, "initiator-name", step->name, TGT_ACL_EXISTS, err);
    case PLAN_UNBIND_NAME:
        target.op = TGT_UNBIND;
        target.doing = "unbinding initiator";
        return ask_target(e, target, step->tid, "initiator-name", step->name, TGT_NO_ACL, err);
    case PLAN_UNBIND_ADDRESS:
        target.op = TGT_UNBIND;
        target.doing = "unbinding address";
        return ask_target(e, target, step->tid, "initiator-address", step->name, TGT_NO_ACL, err);
    case PLAN_END_SESSIONS:
        return tgt_do_end_sessions(e, step->tid, step->name, err);
    }
    return dv_fail(err, DV_INTERNAL, "a plan has a step of unknown kind %d", (int)step->op);
}

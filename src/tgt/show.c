// Reading tgtd's lists of targets and of their sessions: one function per kind of block.
// SPDX-License-Identifier: BSD-2-Clause
#include "tgt/show.h"
#include "base/mem.h"
#include "tgt/line.h"
#include <stdlib.h>
#include <string.h>

// "Target 7: iqn.2026-11.org.example:v7"
static bool target_line(const struct line *l, size_t indent, uint32_t *tid, const char **name,
                        size_t *name_len)
{
    size_t len;
    uint64_t n;
    const char *text = line_value(l, indent, "Target ", &len);
    size_t digits = len;
    if (!text || !line_digits(text, &digits, UINT32_MAX, &n) || len < digits + 2 ||
        memcmp(text + digits, ": ", 2) != 0)
        return false;
    *tid = (uint32_t)n;
    *name = text + digits + 2;
    *name_len = len - digits - 2;
    return true;
}

int show_names(const char *text, struct seen *out, struct dv_err *err)
{
    struct reader r = {.at = text};
    while (line_next(&r)) {
        uint32_t tid;
        const char *name;
        size_t len;
        if (r.line.indent < 2 * TAB)
            continue; // the heading, and a line for each driver
        if (!target_line(&r.line, 2 * TAB, &tid, &name, &len))
            return line_fail(&r, "drivers", err);
        struct seen_target *t = DV_APPEND(out->targets, out->target_count);
        t->tid = tid;
        t->name = line_copy(name, len);
        // A driver lists its targets as they were made; the list of targets is by id.
        for (; t > out->targets && t[-1].tid > t->tid; t--) {
            struct seen_target swap = t[-1];
            t[-1] = *t;
            *t = swap;
        }
    }
    return 0;
}

enum section { SYSTEM, SESSIONS, LUNS, ACCOUNTS, ACL, SECTIONS, NO_SECTION };

static const char *const section_heads[] = {
    [SYSTEM] = "System information:", [SESSIONS] = "I_T nexus information:",
    [LUNS] = "LUN information:",      [ACCOUNTS] = "Account information:",
    [ACL] = "ACL information:",
};

// The lines of a session come in this order, each once.
enum session_line { NO_SESSION, NEXUS, INITIATOR, CONNECTION, ADDRESS };

struct block {
    struct reader r;
    struct seen_target *t;
    enum section section;
    enum session_line session;
    struct seen_session *open; // the session whose lines are being read
};

static bool is_section(const struct line *l, enum section s)
{
    return line_is(l, TAB, section_heads[s]);
}

static bool system_line(struct block *b)
{
    size_t len;
    const char *state = line_value(&b->r.line, 2 * TAB, "State: ", &len);
    if (state)
        b->t->ready = len == strlen("ready") && memcmp(state, "ready", len) == 0;
    return b->r.line.indent == 2 * TAB;
}

// The initiator's line is "Initiator: NAME alias: ALIAS"; names have no spaces.
static bool initiator_line(struct block *b)
{
    size_t len;
    const char *text = line_value(&b->r.line, 3 * TAB, "Initiator: ", &len);
    const char *space = text ? memchr(text, ' ', len) : NULL;
    if (!space)
        return false;
    b->open->initiator = line_copy(text, (size_t)(space - text));
    return true;
}

static bool session_line(struct block *b)
{
    size_t len;
    uint64_t n;
    const struct line *l = &b->r.line;
    if (line_number(l, 2 * TAB, "I_T nexus: ", UINT64_MAX, &n)) {
        bool whole = b->session == NO_SESSION || b->session == ADDRESS;
        b->open = DV_APPEND(b->t->sessions, b->t->session_count);
        b->open->sid = n;
        b->session = NEXUS;
        return whole;
    }
    const char *address = line_value(l, 4 * TAB, "", &len);
    if (b->session == NEXUS && initiator_line(b)) {
        b->session = INITIATOR;
    } else if (b->session == INITIATOR && line_number(l, 3 * TAB, "Connection: ", UINT32_MAX, &n)) {
        b->open->cid = (uint32_t)n;
        b->session = CONNECTION;
    } else if (b->session == CONNECTION && address) {
        b->open->address = line_copy(address, len);
        b->session = ADDRESS;
    } else {
        return false;
    }
    return true;
}

// Session text that was cut off ends without a line end, so that the next heading hangs on it.
static bool cut_off_before_luns(const struct line *l)
{
    static const char head[] = "    LUN information:";
    size_t len = strlen(head);
    return l->len >= len && memcmp(l->text + l->len - len, head, len) == 0;
}

static void close_sessions(struct block *b)
{
    if (b->session != NO_SESSION && b->session != ADDRESS)
        b->t->sessions_unclear = true;
    b->open = NULL;
    for (size_t i = 0; i < b->t->session_count; i++) {
        struct seen_session *s = &b->t->sessions[i];
        s->initiator = s->initiator ? s->initiator : dv_strdup("");
        s->address = s->address ? s->address : dv_strdup("");
    }
}

static void keep(char **field, const struct line *l, const char *key)
{
    size_t len;
    const char *text = line_value(l, 3 * TAB, key, &len);
    if (!text)
        return;
    free(*field);
    *field = line_copy(text, len);
}

static bool lun_line(struct block *b)
{
    const struct line *l = &b->r.line;
    uint64_t n;
    if (line_number(l, 2 * TAB, "LUN: ", UINT64_MAX, &n)) {
        struct seen_lun *lun = DV_APPEND(b->t->luns, b->t->lun_count);
        *lun = (struct seen_lun){.lun = n,
                                 .path = dv_strdup(""),
                                 .store = dv_strdup(""),
                                 .scsi_id = dv_strdup(""),
                                 .serial = dv_strdup("")};
        return true;
    }
    if (b->t->lun_count == 0 || l->indent != 3 * TAB || !memmem(l->text, l->len, ": ", 2))
        return false;
    struct seen_lun *lun = &b->t->luns[b->t->lun_count - 1];
    keep(&lun->path, l, "Backing store path: ");
    keep(&lun->store, l, "Backing store type: ");
    keep(&lun->scsi_id, l, "SCSI ID: ");
    keep(&lun->serial, l, "SCSI SN: ");
    size_t len;
    const char *size = line_value(l, 3 * TAB, "Size: ", &len);
    if (size)
        line_digits(size, &len, UINT64_MAX, &lun->megabytes);
    lun->online |= line_is(l, 3 * TAB, "Online: Yes");
    lun->read_only |= line_is(l, 3 * TAB, "Readonly: Yes");
    lun->removable |= line_is(l, 3 * TAB, "Removable media: Yes");
    lun->unmaps |= line_is(l, 3 * TAB, "Thin-provisioning: Yes");
    return true;
}

static bool account_line(struct block *b)
{
    static const char outgoing[] = " (outgoing)";
    const struct line *l = &b->r.line;
    size_t len = strlen(outgoing);
    if (l->indent != 2 * TAB)
        return false;
    if (l->len < len || memcmp(l->text + l->len - len, outgoing, len) != 0) {
        *DV_APPEND(b->t->accounts, b->t->account_count) = line_copy(l->text, l->len);
        return true;
    }
    free(b->t->outgoing);
    b->t->outgoing = line_copy(l->text, l->len - len);
    return true;
}

static bool acl_line(struct block *b)
{
    if (b->r.line.indent != 2 * TAB)
        return false;
    *DV_APPEND(b->t->acl, b->t->acl_count) = line_copy(b->r.line.text, b->r.line.len);
    return true;
}

static bool body_line(struct block *b)
{
    switch (b->section) {
    case SYSTEM:
        return system_line(b);
    case LUNS:
        return lun_line(b);
    case ACCOUNTS:
        return account_line(b);
    case ACL:
        return acl_line(b);
    case SESSIONS:
        if (!session_line(b))
            b->t->sessions_unclear = true;
        if (cut_off_before_luns(&b->r.line)) {
            close_sessions(b);
            b->section = LUNS;
        }
        return true;
    default:
        return false;
    }
}

static bool target_start(struct block *b, struct seen *out, const struct seen_target *due)
{
    uint32_t tid;
    const char *name;
    size_t len;
    if (!target_line(&b->r.line, 0, &tid, &name, &len) || tid != due->tid ||
        len != strlen(due->name) || memcmp(name, due->name, len) != 0)
        return false;
    b->t = DV_APPEND(out->targets, out->target_count);
    b->t->tid = tid;
    b->t->name = line_copy(name, len);
    b->section = NO_SECTION;
    b->session = NO_SESSION;
    b->open = NULL;
    return true;
}

// A heading is taken when it is the one that is due. Only iSCSI targets list accounts.
static bool section_start(struct block *b)
{
    enum section due = b->section == NO_SECTION ? SYSTEM : b->section + 1;
    if (due == ACCOUNTS && is_section(&b->r.line, ACL))
        due = ACL;
    if (due >= SECTIONS || !is_section(&b->r.line, due))
        return false;
    if (b->section == SESSIONS)
        close_sessions(b);
    b->section = due;
    return true;
}

int show_targets(const char *text, const struct seen *names, struct seen *out, size_t *broken,
                 struct dv_err *err)
{
    struct block b = {.r = {.at = text}, .section = ACL};
    while (line_next(&b.r)) {
        size_t done = out->target_count;
        *broken = done > 0 ? done - 1 : 0;
        bool due = b.section == ACL && done < names->target_count;
        if (due && target_start(&b, out, &names->targets[done]))
            continue;
        if (b.t && section_start(&b))
            continue;
        if (!b.t || !body_line(&b)) {
            if (b.section == SESSIONS)
                close_sessions(&b);
            return line_fail(&b.r, "targets", err);
        }
    }
    if (b.t && b.section == SESSIONS)
        close_sessions(&b);
    if (out->target_count == names->target_count && b.section == ACL)
        return 0;
    *broken = out->target_count > 0 ? out->target_count - 1 : 0;
    return dv_fail(err, DV_INTERNAL,
                   "tgtd's list of targets ends after %zu of %zu targets, or within one",
                   out->target_count, names->target_count);
}

// "Session: 3", then for its connection "Connection: 0", "Initiator: NAME", "IP Address: ...".
int show_connections(const char *text, struct seen_target *t, struct dv_err *err)
{
    struct reader r = {.at = text};
    uint64_t sid = 0, cid = 0;
    enum session_line due = NEXUS;
    seen_clear_sessions(t);
    t->sessions_unclear = false;
    while (line_next(&r)) {
        size_t len = 0;
        const char *initiator = line_value(&r.line, 2 * TAB, "Initiator: ", &len);
        if (due == NEXUS && line_number(&r.line, 0, "Session: ", UINT64_MAX, &sid)) {
            due = CONNECTION;
        } else if (due == CONNECTION &&
                   line_number(&r.line, TAB, "Connection: ", UINT32_MAX, &cid)) {
            due = INITIATOR;
        } else if (due == INITIATOR && initiator) {
            *DV_APPEND(t->sessions, t->session_count) =
                (struct seen_session){.sid = sid,
                                      .cid = (uint32_t)cid,
                                      .initiator = line_copy(initiator, len),
                                      .address = dv_strdup("")};
            due = ADDRESS;
        } else if (due == ADDRESS) {
            free(t->sessions[t->session_count - 1].address);
            t->sessions[t->session_count - 1].address = line_copy(r.line.text, r.line.len);
            due = NEXUS;
        } else {
            return line_fail(&r, "connections", err);
        }
    }
    return due == NEXUS ? 0 : dv_fail(err, DV_INTERNAL, "tgtd's list of connections is cut off");
}

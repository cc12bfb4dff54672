// What is said in the NBD protocol: options and their replies, requests and theirs. Pure.
// SPDX-License-Identifier: BSD-2-Clause
#include "nbd/talk.h"

#include "base/mem.h"
#include <errno.h>
#include <string.h>

static const char allocation[] = "base:allocation";
#define ZEROES_AFTER_EXPORT_NAME 124

// ---- Options ------------------------------------------------------------------------------------

void nbd_greet(uint8_t out[static NBD_GREETING])
{
    nbd_put16(nbd_put64(nbd_put64(out, NBD_MAGIC), NBD_OPTION_MAGIC),
              NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
}

bool nbd_take_flags(struct nbd_talk *t, uint32_t flags)
{
    // A client without the fixed negotiation knows NBD_OPT_EXPORT_NAME alone, which is the same in
    // both: so nothing is to be kept of that flag.
    t->no_zeroes = flags & NBD_FLAG_NO_ZEROES;
    return !(flags & ~(uint32_t)(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES));
}

static void reply(struct strbuf *out, uint32_t option, uint32_t type, const void *data, size_t len)
{
    uint8_t head[20];
    nbd_put32(nbd_put32(nbd_put32(nbd_put64(head, NBD_REPLY_MAGIC), option), type), (uint32_t)len);
    strbuf_addn(out, (const char *)head, sizeof(head));
    if (len > 0)
        strbuf_addn(out, data, len);
}

// An error's data are a sentence for a person.
static void refuse(struct strbuf *out, uint32_t option, uint32_t type, const char *why)
{
    reply(out, option, type, why, strlen(why));
}

// A string with its length before it; NULL when it does not fit, or is none.
static const char *take_string(const uint8_t **at, uint32_t *left, uint32_t *len)
{
    if (*left < 4 || (*len = nbd_get32(*at)) > *left - 4 || *len > NBD_STRING_MAX)
        return NULL;
    const char *text = (const char *)*at + 4;
    *at += 4 + *len;
    *left -= 4 + *len;
    return text;
}

static bool is_export(const struct nbd_export *e, const char *name, uint32_t len)
{
    return len == 0 || (len == strlen(e->name) && memcmp(name, e->name, len) == 0);
}

static uint16_t export_flags(const struct nbd_talk *t, const struct nbd_export *e)
{
    unsigned flags =
        NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_CAN_MULTI_CONN;
    if (e->read_only)
        flags |= NBD_FLAG_READ_ONLY;
    else
        flags |= NBD_FLAG_SEND_WRITE_ZEROES | (e->can_trim ? NBD_FLAG_SEND_TRIM : 0) |
                 (e->can_zero_fast ? NBD_FLAG_SEND_FAST_ZERO : 0);
    if (t->structured)
        flags |= NBD_FLAG_SEND_DF;
    return (uint16_t)flags;
}

static enum nbd_next export_name(const struct nbd_talk *t, const uint8_t *data, uint32_t len,
                                 const struct nbd_export *e, struct strbuf *out)
{
    uint8_t body[10 + ZEROES_AFTER_EXPORT_NAME] = {0};
    if (!is_export(e, (const char *)data, len))
        return NBD_NEXT_CLOSE; // it has no reply for an error
    nbd_put16(nbd_put64(body, e->bytes), export_flags(t, e));
    strbuf_addn(out, (const char *)body, t->no_zeroes ? 10 : sizeof(body));
    return NBD_NEXT_REQUESTS;
}

static void list(const struct nbd_export *e, uint32_t option, struct strbuf *out)
{
    uint8_t item[4 + NBD_STRING_MAX];
    size_t len = strlen(e->name);
    nbd_put32(item, (uint32_t)len);
    memcpy(item + 4, e->name, len);
    reply(out, option, NBD_REP_SERVER, item, 4 + len);
    reply(out, option, NBD_REP_ACK, NULL, 0);
}

static void tell_info(const struct nbd_talk *t, const struct nbd_export *e, uint32_t option,
                      unsigned info, struct strbuf *out)
{
    uint8_t body[2 + NBD_STRING_MAX];
    uint8_t *end = nbd_put16(body, (uint16_t)info);
    size_t len = strlen(e->name);
    if (info == NBD_INFO_EXPORT)
        end = nbd_put16(nbd_put64(end, e->bytes), export_flags(t, e));
    else if (info == NBD_INFO_BLOCK_SIZE)
        end = nbd_put32(nbd_put32(nbd_put32(end, e->least), e->preferred), NBD_REQUEST_MOST);
    else // NBD_INFO_NAME
        end = (uint8_t *)memcpy(end, e->name, len) + len;
    reply(out, option, NBD_REP_INFO, body, (size_t)(end - body));
}

// INFO and GO: a name, and what is to be told besides the export itself.
static enum nbd_next info(const struct nbd_talk *t, uint32_t option, const uint8_t *data,
                          uint32_t len, const struct nbd_export *e, struct strbuf *out)
{
    uint32_t name_len;
    const char *name = take_string(&data, &len, &name_len);
    uint32_t count = name && len >= 2 ? nbd_get16(data) : 0;
    if (!name || len != 2 + 2 * count) {
        refuse(out, option, NBD_REP_ERR_INVALID, "the lengths of its data do not fit together");
        return NBD_NEXT_OPTION;
    }
    if (!is_export(e, name, name_len)) {
        refuse(out, option, NBD_REP_ERR_UNKNOWN, "there is no export of that name");
        return NBD_NEXT_OPTION;
    }
    tell_info(t, e, option, NBD_INFO_EXPORT, out);
    // Told unasked, too, as the protocol wants of a server that insists on them.
    tell_info(t, e, option, NBD_INFO_BLOCK_SIZE, out);
    for (uint32_t i = 0; i < count; i++)
        if (nbd_get16(data + 2 + 2 * i) == NBD_INFO_NAME) {
            tell_info(t, e, option, NBD_INFO_NAME, out);
            break;
        }
    reply(out, option, NBD_REP_ACK, NULL, 0);
    return option == NBD_OPT_GO ? NBD_NEXT_REQUESTS : NBD_NEXT_OPTION;
}

static void tell_context(uint32_t option, struct strbuf *out)
{
    uint8_t body[4 + sizeof(allocation) - 1];
    memcpy(nbd_put32(body, option == NBD_OPT_SET_META_CONTEXT ? NBD_ALLOCATION : 0), allocation,
           sizeof(allocation) - 1);
    reply(out, option, NBD_REP_META_CONTEXT, body, sizeof(body));
}

static bool asks_for_allocation(uint32_t option, const char *query, uint32_t len)
{
    bool is_space = len == strlen("base:") && memcmp(query, "base:", len) == 0;
    return (len == sizeof(allocation) - 1 && memcmp(query, allocation, len) == 0) ||
           (is_space && option == NBD_OPT_LIST_META_CONTEXT);
}

static void contexts(struct nbd_talk *t, uint32_t option, const uint8_t *data, uint32_t len,
                     const struct nbd_export *e, struct strbuf *out)
{
    uint32_t name_len, query_len;
    const char *name = take_string(&data, &len, &name_len), *query = name;
    uint32_t count = name && len >= 4 ? nbd_get32(data) : 0;
    bool good = name && len >= 4, found = count == 0 && option == NBD_OPT_LIST_META_CONTEXT;
    if (option == NBD_OPT_SET_META_CONTEXT)
        t->allocation = false;
    if (good) {
        data += 4;
        len -= 4;
    }
    for (uint32_t i = 0; good && i < count; i++) {
        query = take_string(&data, &len, &query_len);
        good = query != NULL;
        found |= good && asks_for_allocation(option, query, query_len);
    }
    if (!good || len != 0) {
        refuse(out, option, NBD_REP_ERR_INVALID, "the lengths of its data do not fit together");
        return;
    }
    // Listing them before is only advised against, and harms nobody.
    if (option == NBD_OPT_SET_META_CONTEXT && !t->structured) {
        refuse(out, option, NBD_REP_ERR_INVALID, "structured replies come before contexts");
        return;
    }
    // Which of its two names is said here, and which one later, is all the same: it is one export.
    if (!is_export(e, name, name_len)) {
        refuse(out, option, NBD_REP_ERR_UNKNOWN, "there is no export of that name");
        return;
    }
    if (found)
        tell_context(option, out);
    t->allocation |= found && option == NBD_OPT_SET_META_CONTEXT;
    reply(out, option, NBD_REP_ACK, NULL, 0);
}

enum nbd_next nbd_answer_option(struct nbd_talk *t, uint32_t option, const uint8_t *data,
                                uint32_t len, const struct nbd_export *e, struct strbuf *out)
{
    switch (option) {
    case NBD_OPT_EXPORT_NAME:
        return export_name(t, data, len, e, out);
    case NBD_OPT_ABORT:
        reply(out, option, NBD_REP_ACK, NULL, 0);
        return NBD_NEXT_CLOSE;
    case NBD_OPT_INFO:
    case NBD_OPT_GO:
        return info(t, option, data, len, e, out);
    case NBD_OPT_LIST_META_CONTEXT:
    case NBD_OPT_SET_META_CONTEXT:
        contexts(t, option, data, len, e, out);
        return NBD_NEXT_OPTION;
    case NBD_OPT_LIST:
    case NBD_OPT_STRUCTURED_REPLY:
        if (len != 0) {
            refuse(out, option, NBD_REP_ERR_INVALID, "it has no data");
            return NBD_NEXT_OPTION;
        }
        if (option == NBD_OPT_LIST) {
            list(e, option, out);
            return NBD_NEXT_OPTION;
        }
        t->structured = true;
        reply(out, option, NBD_REP_ACK, NULL, 0);
        return NBD_NEXT_OPTION;
    default:
        refuse(out, option, NBD_REP_ERR_UNSUP, "there is no such option here");
        return NBD_NEXT_OPTION;
    }
}

bool nbd_tells_size(uint32_t option)
{
    return option == NBD_OPT_EXPORT_NAME || option == NBD_OPT_INFO || option == NBD_OPT_GO;
}

enum nbd_next nbd_answer_long_option(struct nbd_talk *t, uint32_t option, struct strbuf *out)
{
    switch (option) {
    case NBD_OPT_EXPORT_NAME: // no name is that long, and the option has no reply for an error
        return NBD_NEXT_CLOSE;
    case NBD_OPT_INFO:
    case NBD_OPT_GO:
    case NBD_OPT_LIST_META_CONTEXT:
    case NBD_OPT_SET_META_CONTEXT:
        if (option == NBD_OPT_SET_META_CONTEXT)
            t->allocation = false;
        refuse(out, option, NBD_REP_ERR_TOO_BIG, "its data are too long");
        return NBD_NEXT_OPTION;
    case NBD_OPT_LIST:
    case NBD_OPT_STRUCTURED_REPLY:
        refuse(out, option, NBD_REP_ERR_INVALID, "it has no data");
        return NBD_NEXT_OPTION;
    default: // of which the data mean nothing
        return nbd_answer_option(t, option, NULL, 0, NULL, out);
    }
}

// ---- Requests -----------------------------------------------------------------------------------

bool nbd_take_request(const uint8_t *in, struct nbd_request *r)
{
    r->flags = nbd_get16(in + 4);
    r->type = nbd_get16(in + 6);
    r->cookie = nbd_get64(in + 8);
    r->offset = nbd_get64(in + 16);
    r->length = nbd_get32(in + 24);
    return nbd_get32(in) == NBD_REQUEST_MAGIC;
}

// The commands, and what flags each may have. FUA may come with any, and means nothing with those
// that write nothing (proto.md, "Command flags").
static const struct talk_command {
    bool known;
    enum leg_op op;
    uint16_t flags;
    bool writes, has_range, has_data;
} commands[] = {
    [NBD_CMD_READ] = {true, LEG_READ, NBD_CMD_FLAG_DF, false, true, true},
    [NBD_CMD_WRITE] = {true, LEG_WRITE, 0, true, true, true},
    [NBD_CMD_FLUSH] = {true, LEG_FLUSH, 0, false, false, false},
    [NBD_CMD_TRIM] = {true, LEG_TRIM, 0, true, true, false},
    [NBD_CMD_WRITE_ZEROES] = {true, LEG_ZERO, NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO, true,
                              true, false},
    [NBD_CMD_BLOCK_STATUS] = {true, LEG_READ, NBD_CMD_FLAG_REQ_ONE, false, true, false},
};

static void fail(struct nbd_task *task, int error, const char *why)
{
    task->error = error;
    task->why = why;
}

void nbd_judge(const struct nbd_talk *t, const struct nbd_export *e, const struct nbd_request *r,
               struct nbd_task *task)
{
    static const struct talk_command none;
    const struct talk_command *c = r->type < DV_COUNT(commands) ? &commands[r->type] : &none;
    *task = (struct nbd_task){.op = c->op, .block_status = r->type == NBD_CMD_BLOCK_STATUS};
    if (r->flags & NBD_CMD_FLAG_FUA)
        task->leg_flags |= c->writes ? LEG_FUA : 0;
    if (task->op == LEG_ZERO)
        task->leg_flags |= (r->flags & NBD_CMD_FLAG_NO_HOLE ? 0 : LEG_MAY_TRIM) |
                           (r->flags & NBD_CMD_FLAG_FAST_ZERO ? LEG_FAST : 0);
    if (!c->known || (task->block_status && !t->allocation) ||
        (task->op == LEG_TRIM && !e->can_trim && !e->read_only))
        fail(task, NBD_EINVAL, "there is no such command here");
    else if (r->flags & ~(c->flags | NBD_CMD_FLAG_FUA) ||
             ((r->flags & NBD_CMD_FLAG_DF) && !t->structured) ||
             ((r->flags & NBD_CMD_FLAG_FAST_ZERO) && !e->can_zero_fast))
        fail(task, NBD_EINVAL, "it has a flag that was not offered for it");
    else if (c->writes && e->read_only)
        fail(task, NBD_EPERM, "the volume is read-only");
    else if (!c->has_range && (r->offset || r->length))
        fail(task, NBD_EINVAL, "it has no range");
    else if (c->has_data && r->length > NBD_REQUEST_MOST)
        // The one error is for reads that could be split; clients without those may not know it.
        fail(task, !c->writes && t->structured ? NBD_EOVERFLOW : NBD_EINVAL,
             "it is longer than 32 MiB");
    else if (c->has_range && (r->offset > e->bytes || r->length > e->bytes - r->offset))
        fail(task, c->op == LEG_WRITE || c->op == LEG_ZERO ? NBD_ENOSPC : NBD_EINVAL,
             "it is beyond the end of the volume");
    else if (c->has_range && (r->offset % e->least || r->length % e->least))
        fail(task, NBD_EINVAL, "it is not a whole number of blocks");
    // The protocol leaves open what a server does; no reply of data or status may be empty.
    else if (c->has_range && r->length == 0)
        fail(task, NBD_EINVAL, "its range is empty");
}

int nbd_error_of(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return NBD_EPERM;
    case ENOMEM:
        return NBD_ENOMEM;
    case EINVAL:
        return NBD_EINVAL;
    case ENOSPC:
        return NBD_ENOSPC;
    case ENOTSUP:
        return NBD_ENOTSUP;
    case ENOTCONN: // the leg is being taken down
        return NBD_ESHUTDOWN;
    default:
        return NBD_EIO;
    }
}

// ---- Replies ------------------------------------------------------------------------------------

static uint8_t *simple(const struct nbd_request *r, uint32_t error, uint8_t *out)
{
    return nbd_put64(nbd_put32(nbd_put32(out, NBD_SIMPLE_MAGIC), error), r->cookie);
}

static uint8_t *chunk(const struct nbd_request *r, unsigned type, size_t len, uint8_t *out)
{
    out = nbd_put16(nbd_put32(out, NBD_CHUNK_MAGIC), NBD_CHUNK_FLAG_DONE);
    return nbd_put32(nbd_put64(nbd_put16(out, (uint16_t)type), r->cookie), (uint32_t)len);
}

size_t nbd_reply_data(const struct nbd_talk *t, const struct nbd_request *r, uint8_t *out)
{
    if (!t->structured)
        return (size_t)(simple(r, 0, out) - out);
    uint8_t *end = chunk(r, NBD_CHUNK_OFFSET_DATA, 8 + (size_t)r->length, out);
    return (size_t)(nbd_put64(end, r->offset) - out);
}

size_t nbd_reply_done(const struct nbd_talk *t, const struct nbd_request *r, uint8_t *out)
{
    uint8_t *end = t->structured ? chunk(r, NBD_CHUNK_NONE, 0, out) : simple(r, 0, out);
    return (size_t)(end - out);
}

size_t nbd_reply_error(const struct nbd_talk *t, const struct nbd_request *r, int error,
                       const char *text, uint8_t out[static NBD_REPLY_MOST])
{
    size_t len = strnlen(text, NBD_ERROR_TEXT + 1);
    if (len > NBD_ERROR_TEXT) // cut, but not within a character of UTF-8
        for (len = NBD_ERROR_TEXT; len > 0 && (text[len] & 0xc0) == 0x80; len--)
            ;
    if (!t->structured)
        return (size_t)(simple(r, (uint32_t)error, out) - out);
    uint8_t *end = chunk(r, NBD_CHUNK_ERROR, 6 + len, out);
    end = nbd_put16(nbd_put32(end, (uint32_t)error), (uint16_t)len);
    memcpy(end, text, len);
    return (size_t)(end + len - out);
}

// All of it holds data, as far as is known. SCSI has GET LBA STATUS, which is not used: tgtd 1.0.85
// walks all holes from there to the end of the volume for each answer, and serves nothing
// meanwhile.
size_t nbd_reply_allocated(const struct nbd_request *r, uint8_t out[static NBD_REPLY_MOST])
{
    uint8_t *end = chunk(r, NBD_CHUNK_BLOCK_STATUS, 12, out);
    return (size_t)(nbd_put32(nbd_put32(nbd_put32(end, NBD_ALLOCATION), r->length), 0) - out);
}

// What is said in the NBD protocol: options and their replies, requests and theirs. Pure.
// SPDX-License-Identifier: BSD-2-Clause
//
// "proto.md" below is the protocol's own text, doc/proto.md of the NBD project.
#ifndef DVSAN_NBD_TALK_H
#define DVSAN_NBD_TALK_H

#include "base/text.h"
#include "block/leg.h"
#include "nbd/proto.h"

// The one export of a server.
struct nbd_export {
    const char *name; // besides "", which is the default export
    uint64_t bytes;
    bool read_only, can_trim, can_zero_fast;
    uint32_t least, preferred; // block sizes
};
#define NBD_REQUEST_MOST (32u << 20) // bytes of data of one request
#define NBD_OPTION_MOST  8192        // bytes of an option's data: a name of 4,096, and contexts

// How far the two sides have agreed. Zero-initialise.
struct nbd_talk {
    bool no_zeroes;
    bool structured; // replies are
    bool allocation; // the context base:allocation was asked for, and is number NBD_ALLOCATION
};
#define NBD_ALLOCATION 1

// What the server says first, and how long it is.
#define NBD_GREETING 18
void nbd_greet(uint8_t out[static NBD_GREETING]);
// The client's answer to that: false when it sets a flag that it was not offered.
bool nbd_take_flags(struct nbd_talk *t, uint32_t flags);

enum nbd_next {
    NBD_NEXT_OPTION,
    NBD_NEXT_REQUESTS, // the negotiation is over
    NBD_NEXT_CLOSE,    // behind what is still to be sent
};
// Answers an option with all of its data.
enum nbd_next nbd_answer_option(struct nbd_talk *t, uint32_t option, const uint8_t *data,
                                uint32_t len, const struct nbd_export *e, struct strbuf *out);
// Whether the answer tells the size.
bool nbd_tells_size(uint32_t option);
// Answers an option whose data were too long to be looked at, and have been skipped.
enum nbd_next nbd_answer_long_option(struct nbd_talk *t, uint32_t option, struct strbuf *out);

struct nbd_request {
    uint16_t flags, type;
    uint64_t cookie; // as it came, to be sent back
    uint64_t offset;
    uint32_t length;
};
// From NBD_REQUEST_HEAD bytes; false when they are none.
bool nbd_take_request(const uint8_t *in, struct nbd_request *r);

// What is to be done about a request.
struct nbd_task {
    int error;       // it is refused: one of NBD_E..., of which why tells
    const char *why; // a literal
    enum leg_op op;
    unsigned leg_flags;
    bool block_status; // no operation at all: it is answered at once
};
void nbd_judge(const struct nbd_talk *t, const struct nbd_export *e, const struct nbd_request *r,
               struct nbd_task *task);
// An errno value of a leg, as NBD has it.
int nbd_error_of(int error);

// Replies. Each returns its length. nbd_reply_data: what stands in front of the data of a READ, of
// NBD_DATA_HEAD bytes at most.
#define NBD_DATA_HEAD  (NBD_CHUNK_HEAD + 8)
#define NBD_ERROR_TEXT 200
#define NBD_REPLY_MOST (NBD_CHUNK_HEAD + 6 + NBD_ERROR_TEXT)
size_t nbd_reply_data(const struct nbd_talk *t, const struct nbd_request *r, uint8_t *out);
size_t nbd_reply_done(const struct nbd_talk *t, const struct nbd_request *r, uint8_t *out);
size_t nbd_reply_error(const struct nbd_talk *t, const struct nbd_request *r, int error,
                       const char *text, uint8_t out[static NBD_REPLY_MOST]);
size_t nbd_reply_allocated(const struct nbd_request *r, uint8_t out[static NBD_REPLY_MOST]);

#endif

// The numbers of the NBD protocol, as its own text has them (doc/proto.md of the NBD project).
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_NBD_PROTO_H
#define DVSAN_NBD_PROTO_H

#include <stddef.h>
#include <stdint.h>

#define NBD_MAGIC         0x4e42444d41474943ull // "NBDMAGIC"
#define NBD_OPTION_MAGIC  0x49484156454f5054ull // "IHAVEOPT"
#define NBD_REPLY_MAGIC   0x0003e889045565a9ull // of an option's reply
#define NBD_REQUEST_MAGIC 0x25609513u
#define NBD_SIMPLE_MAGIC  0x67446698u
#define NBD_CHUNK_MAGIC   0x668e33efu

enum { // handshake flags, and the client's
    NBD_FLAG_FIXED_NEWSTYLE = 1,
    NBD_FLAG_NO_ZEROES = 2,
};

enum nbd_option {
    NBD_OPT_EXPORT_NAME = 1,
    NBD_OPT_ABORT = 2,
    NBD_OPT_LIST = 3,
    NBD_OPT_STARTTLS = 5,
    NBD_OPT_INFO = 6,
    NBD_OPT_GO = 7,
    NBD_OPT_STRUCTURED_REPLY = 8,
    NBD_OPT_LIST_META_CONTEXT = 9,
    NBD_OPT_SET_META_CONTEXT = 10,
};

enum nbd_rep {
    NBD_REP_ACK = 1,
    NBD_REP_SERVER = 2,
    NBD_REP_INFO = 3,
    NBD_REP_META_CONTEXT = 4,
};
#define NBD_REP_ERR_UNSUP   0x80000001u
#define NBD_REP_ERR_INVALID 0x80000003u
#define NBD_REP_ERR_UNKNOWN 0x80000006u
#define NBD_REP_ERR_TOO_BIG 0x80000009u

enum nbd_info {
    NBD_INFO_EXPORT = 0,
    NBD_INFO_NAME = 1,
    NBD_INFO_DESCRIPTION = 2,
    NBD_INFO_BLOCK_SIZE = 3,
};

enum { // transmission flags
    NBD_FLAG_HAS_FLAGS = 1,
    NBD_FLAG_READ_ONLY = 1 << 1,
    NBD_FLAG_SEND_FLUSH = 1 << 2,
    NBD_FLAG_SEND_FUA = 1 << 3,
    NBD_FLAG_SEND_TRIM = 1 << 5,
    NBD_FLAG_SEND_WRITE_ZEROES = 1 << 6,
    NBD_FLAG_SEND_DF = 1 << 7,
    NBD_FLAG_CAN_MULTI_CONN = 1 << 8,
    NBD_FLAG_SEND_FAST_ZERO = 1 << 11,
};

enum nbd_cmd {
    NBD_CMD_READ = 0,
    NBD_CMD_WRITE = 1,
    NBD_CMD_DISC = 2,
    NBD_CMD_FLUSH = 3,
    NBD_CMD_TRIM = 4,
    NBD_CMD_WRITE_ZEROES = 6,
    NBD_CMD_BLOCK_STATUS = 7,
};

enum { // command flags
    NBD_CMD_FLAG_FUA = 1,
    NBD_CMD_FLAG_NO_HOLE = 1 << 1,
    NBD_CMD_FLAG_DF = 1 << 2,
    NBD_CMD_FLAG_REQ_ONE = 1 << 3,
    NBD_CMD_FLAG_FAST_ZERO = 1 << 4,
};

enum { // chunks of a structured reply
    NBD_CHUNK_FLAG_DONE = 1,
    NBD_CHUNK_NONE = 0,
    NBD_CHUNK_OFFSET_DATA = 1,
    NBD_CHUNK_BLOCK_STATUS = 5,
    NBD_CHUNK_ERROR = 0x8001,
};

enum { // errors
    NBD_EPERM = 1,
    NBD_EIO = 5,
    NBD_ENOMEM = 12,
    NBD_EINVAL = 22,
    NBD_ENOSPC = 28,
    NBD_EOVERFLOW = 75,
    NBD_ENOTSUP = 95,
    NBD_ESHUTDOWN = 108,
};

#define NBD_OPTION_HEAD  16 // magic, option, length
#define NBD_REQUEST_HEAD 28
#define NBD_SIMPLE_HEAD  16
#define NBD_CHUNK_HEAD   20
#define NBD_STRING_MAX   4096 // of a name
// Numbers, in the network's order.
static inline uint8_t *nbd_put16(uint8_t *at, uint16_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
    return at + 2;
}
static inline uint8_t *nbd_put32(uint8_t *at, uint32_t v)
{
    return nbd_put16(nbd_put16(at, (uint16_t)(v >> 16)), (uint16_t)v);
}
static inline uint8_t *nbd_put64(uint8_t *at, uint64_t v)
{
    return nbd_put32(nbd_put32(at, (uint32_t)(v >> 32)), (uint32_t)v);
}
static inline uint16_t nbd_get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}
static inline uint32_t nbd_get32(const uint8_t *at)
{
    return (uint32_t)nbd_get16(at) << 16 | nbd_get16(at + 2);
}
static inline uint64_t nbd_get64(const uint8_t *at)
{
    return (uint64_t)nbd_get32(at) << 32 | nbd_get32(at + 4);
}

#endif

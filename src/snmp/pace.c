// Takes the AgentX master's messages one at a time.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp/pace.h"

#include <string.h>
#include <sys/socket.h>

// The header of every message, RFC 2741 section 6.1.
#define HEAD_LEN        20
#define FLAGS_AT        2
#define FLAG_BIG_ENDIAN 0x10
#define LENGTH_AT       16

// Of the one session; a transport has no room for what is ours.
static struct {
    int (*recv)(netsnmp_transport *t, void *buf, int size, void **opaque, int *olength);
    uint8_t head[HEAD_LEN];
    size_t head_len; // bytes of it that were read, while it is not whole
    uint32_t left;   // bytes of the message that are still to be read, when its head was
} pace;

static uint32_t payload_length(const uint8_t *head)
{
    uint32_t len = 0;
    for (int i = 0; i < 4; i++) {
        int at = head[FLAGS_AT] & FLAG_BIG_ENDIAN ? LENGTH_AT + i : LENGTH_AT + 3 - i;
        len = len << 8 | head[at];
    }
    return len;
}

// How much to read so as not to read past the end of the message.
static uint32_t wanted(netsnmp_transport *t)
{
    if (pace.left > 0)
        return pace.left;
    size_t room = HEAD_LEN - pace.head_len;
    ssize_t n = recv(t->sock, pace.head + pace.head_len, room, MSG_PEEK | MSG_DONTWAIT);
    if (n <= 0)
        return (uint32_t)room; // the read itself shall find out
    if ((size_t)n < room)
        return (uint32_t)n;
    return (uint32_t)room + payload_length(pace.head);
}

static int recv_some(netsnmp_transport *t, void *buf, int size, void **opaque, int *olength)
{
    uint32_t most = wanted(t);
    int got = pace.recv(t, buf, most < (uint32_t)size ? (int)most : size, opaque, olength);
    if (got <= 0)
        return got;
    if (pace.left > 0) {
        pace.left -= (uint32_t)got;
        return got;
    }
    size_t room = HEAD_LEN - pace.head_len, len = pace.head_len + (size_t)got;
    memcpy(pace.head + pace.head_len, buf, (size_t)got < room ? (size_t)got : room);
    if (len < HEAD_LEN) {
        pace.head_len = len;
    } else {
        pace.left = HEAD_LEN + payload_length(pace.head) - (uint32_t)len;
        pace.head_len = 0;
    }
    return got;
}

void sn_pace(netsnmp_transport *t)
{
    pace.head_len = pace.left = 0;
    pace.recv = t->f_recv;
    t->f_recv = recv_some;
}

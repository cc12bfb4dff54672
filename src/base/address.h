// Network addresses by meaning: what an address is good for, and SNMP transport addresses.
// SPDX-License-Identifier: BSD-2-Clause
//
// One place for the configuration, both sides of SNMP and the API. An address that has the right
// form may still mean nobody (0.0.0.0), many (224.0.0.1) or somebody else on every link (fe80::1).
#ifndef DVSAN_BASE_ADDRESS_H
#define DVSAN_BASE_ADDRESS_H

#include "base/err.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

enum address_use {
    ADDRESS_OF_HOST,  // others reach one machine there: portals, stations, management addresses
    ADDRESS_TO_LISTEN // a server of this machine; 0.0.0.0 and :: then mean all its addresses
};

// Why an address of 4 or 16 bytes, in network order, is not good for that, as the end of a
// sentence that begins with the address: "means every address of ...". NULL when it is good.
const char *address_wrong(const void *raw, size_t len, enum address_use use);

// An IPv4 or IPv6 address in numbers. Writes it in its usual form (RFC 5952).
int address_check(const char *text, enum address_use use, char out[INET6_ADDRSTRLEN],
                  struct dv_err *err);

// A range of addresses: ADDRESS/BITS, such as 192.0.2.0/24 or 2001:db8::/32, or one ADDRESS. The
// bits behind are zeros, so that a mistake in the length is seen. No number has zeros before it.
int address_range_check(const char *text, struct dv_err *err);
// Whether a range that passed the check holds the address; an IPv4 address may be written inside
// an IPv6 one, as sockets of both kinds show it.
bool address_in_range(const char *range, const char *address);

#define TRANSPORT_MAX_LEN 255 // dvsanMemberAddress
// A management address as Net-SNMP writes them: udp:HOST:PORT, udp6:[ADDRESS]:PORT, with udpv6 and
// udpipv6 as other words for udp6. HOST is an IPv4 address or a DNS name; the port may be left out.
// To listen also tcp and tcp6 (tcpv6, tcpipv6), no transport, a port alone, and the wildcards.
int transport_check(const char *text, enum address_use use, struct dv_err *err);
// The parts of a transport address that passed the check: the host without brackets, "" for all
// addresses; and the port, "" when none is given.
struct transport {
    int family; // AF_INET or AF_INET6
    bool stream;
    char host[TRANSPORT_MAX_LEN + 1];
    char port[6];
};
void transport_split(const char *text, struct transport *out);
// One that passed the check as somebody's address, as all write it: udp or udp6, an IPv6 address by
// RFC 5952, a name in lower case, the port without zeros before it. out may be text.
void transport_usual(const char *text, char out[TRANSPORT_MAX_LEN + 1]);

#endif

// What addresses mean (RFC 6890, RFC 4291), and the parts of a transport address.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/address.h"

#include "base/mem.h"
#include "base/text.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define HOST_MAX_LEN 253 // characters of a DNS name, RFC 1035 section 2.3.4
#define LABEL_MAX    63

// 169.254.0.0/16 is good: unlike fe80::1 such an address needs no interface beside it, and two
// machines on one cable have no other without a configuration.
static const char *wrong4(const uint8_t *b, enum address_use use)
{
    static const uint8_t none[4] = {0}, all[4] = {255, 255, 255, 255};
    if (memcmp(b, none, 4) == 0)
        return use == ADDRESS_TO_LISTEN ? NULL : "means every address of the machine, not one";
    if (b[0] == 0)
        return "is in 0.0.0.0/8, which no machine can have";
    if (memcmp(b, all, 4) == 0)
        return "is the broadcast address";
    if (b[0] >= 240)
        return "is in 240.0.0.0/4, which is reserved";
    if (b[0] >= 224)
        return "is a multicast address, not one machine's";
    if (b[0] == 127 && b[1] == 255 && b[2] == 255 && b[3] == 255)
        return "is the broadcast address of the loopback network";
    return NULL;
}

static const char *wrong6(const uint8_t *b, enum address_use use)
{
    static const uint8_t zeros[16] = {0};
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (memcmp(b, zeros, 16) == 0)
        return use == ADDRESS_TO_LISTEN ? NULL : "means every address of the machine, not one";
    if (b[0] == 0xff)
        return "is a multicast address, not one machine's";
    if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
        return "is a link-local address, which means another machine on each link; take a global "
               "or a unique local one";
    if (memcmp(b, mapped, 12) == 0)
        return "is an IPv4 address inside an IPv6 one; write it as an IPv4 address";
    if (memcmp(b, zeros, 12) == 0 && !(b[12] == 0 && b[13] == 0 && b[14] == 0 && b[15] == 1))
        return "is in ::/96, which is reserved";
    if (b[0] == 0x01 && b[1] == 0 && memcmp(b + 2, zeros, 6) == 0)
        return "is in 100::/64, where everything is dropped";
    return NULL;
}

const char *address_wrong(const void *raw, size_t len, enum address_use use)
{
    if (len == 4)
        return wrong4(raw, use);
    return len == 16 ? wrong6(raw, use) : "has neither 4 nor 16 bytes";
}

int address_check(const char *text, enum address_use use, char out[INET6_ADDRSTRLEN],
                  struct dv_err *err)
{
    uint8_t raw[16];
    int family = inet_pton(AF_INET, text, raw) == 1    ? AF_INET
                 : inet_pton(AF_INET6, text, raw) == 1 ? AF_INET6
                                                       : 0;
    if (family == 0)
        return dv_fail(err, DV_INVALID,
                       "\"%.64s\" is not an IP address; write one such as 192.0.2.7 or 2001:db8::7",
                       text);
    const char *wrong = address_wrong(raw, family == AF_INET ? 4 : 16, use);
    if (wrong)
        return dv_fail(err, DV_INVALID, "\"%.64s\" %s", text, wrong);
    inet_ntop(family, raw, out, INET6_ADDRSTRLEN);
    return 0;
}

// ---- Ranges -----------------------------------------------------------------------------------

struct range {
    uint8_t b[16];
    size_t len;    // 4 or 16 bytes
    unsigned bits; // of it that count
};

static bool address_bytes(const char *text, struct range *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
    out->len = inet_pton(AF_INET, text, out->b) == 1    ? 4
               : inet_pton(AF_INET6, text, out->b) == 1 ? 16
                                                        : 0;
    if (out->len == 16 && memcmp(out->b, mapped, sizeof(mapped)) == 0) {
        memmove(out->b, out->b + sizeof(mapped), 4);
        out->len = 4;
    }
    out->bits = 8 * (unsigned)out->len;
    return out->len > 0;
}

static bool has_bits_behind(const struct range *r)
{
    for (unsigned bit = r->bits; bit < 8 * r->len; bit++)
        if (r->b[bit / 8] & 0x80 >> bit % 8)
            return true;
    return false;
}

static bool range_parse(const char *text, struct range *out)
{
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    uint64_t bits;
    if (!slash)
        return address_bytes(text, out);
    if ((size_t)(slash - text) >= sizeof(address))
        return false;
    snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
    if (!address_bytes(address, out) || (slash[1] == '0' && slash[2] != '\0') ||
        number_parse("", slash + 1, 0, out->bits, &bits, NULL) < 0)
        return false;
    out->bits = (unsigned)bits;
    return true;
}

int address_range_check(const char *text, struct dv_err *err)
{
    struct range r;
    if (!range_parse(text, &r))
        return dv_fail(err, DV_INVALID,
                       "\"%.80s\" is not a range of addresses; write one such as 192.0.2.0/24 or "
                       "2001:db8::/32",
                       text);
    if (has_bits_behind(&r))
        return dv_fail(
            err, DV_INVALID,
            "\"%.80s\" is not a range of addresses: behind the first %u bits the address "
            "must be 0",
            text, r.bits);
    return 0;
}

bool address_in_range(const char *range, const char *address)
{
    struct range r, a;
    if (!range_parse(range, &r) || !address_bytes(address, &a) || r.len != a.len)
        return false;
    for (unsigned bit = 0; bit < r.bits; bit++)
        if ((r.b[bit / 8] ^ a.b[bit / 8]) & 0x80 >> bit % 8)
            return false;
    return true;
}

// ---- Transport addresses ---------------------------------------------------------------------

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Whether inet_aton(3) takes a label for a number: "127", "0x7f".
static bool is_number(const char *label, size_t len)
{
    bool hex = len >= 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X');
    const char *digits = hex ? "0123456789abcdefABCDEF" : "0123456789";
    return strspn(label + 2 * hex, digits) >= len - 2 * hex;
}

// A DNS name. Its last label is no number, so that a name and an address, also one that is written
// as "127.1", are told apart.
static bool is_name(const char *host)
{
    size_t len = strlen(host), label = 0;
    if (len > 0 && host[len - 1] == '.') // a full name may end with the root's dot
        len--;
    if (len == 0 || len > HOST_MAX_LEN)
        return false;
    const char *last = host;
    for (size_t i = 0; i <= len; i++) {
        if (i == len || host[i] == '.') {
            if (label == 0 || label > LABEL_MAX || host[i - 1] == '-')
                return false;
            last = host + i - label;
            label = 0;
        } else if ((!is_alnum(host[i]) && host[i] != '-' && host[i] != '_') ||
                   (label++ == 0 && host[i] == '-')) {
            return false;
        }
    }
    return !is_number(last, (size_t)(host + len - last));
}

static const struct {
    const char *word;
    bool six, datagrams;
} transports[] = {
    {"udp", false, true},  {"udp6", true, true},  {"udpv6", true, true},  {"udpipv6", true, true},
    {"tcp", false, false}, {"tcp6", true, false}, {"tcpv6", true, false}, {"tcpipv6", true, false},
};

static int form_wrong(const char *text, enum address_use use, struct dv_err *err)
{
    return dv_fail(err, DV_INVALID,
                   "\"%.64s\" is not %s; write one such as udp:192.0.2.7:%s or "
                   "udp6:[2001:db8::7]:%s",
                   text, use == ADDRESS_OF_HOST ? "a UDP address" : "an SNMP address",
                   use == ADDRESS_OF_HOST ? "161" : "1162",
                   use == ADDRESS_OF_HOST ? "161" : "1162");
}

static bool port_good(const char *text)
{
    uint64_t port;
    return number_parse("port", text, 1, UINT16_MAX, &port, NULL) == 0;
}

// host is a copy that may be cut up. Writes what is behind the host to *port, NULL when nothing is.
static bool split_host(char *host, bool six, char **bare, char **port)
{
    char *end;
    *bare = host;
    if (*host == '[') {
        end = strchr(host, ']');
        if (!six || !end || (end[1] != '\0' && end[1] != ':'))
            return false;
        *bare = host + 1;
        *end++ = '\0';
    } else {
        end = strchr(host, ':');
    }
    *port = NULL;
    if (end && *end == ':') {
        *end = '\0';
        *port = end + 1;
    }
    return true;
}

// Its row in the table; DV_COUNT(transports) when it names none. *rest is what is behind.
static size_t transport_of(const char *text, const char **rest)
{
    const char *colon = strchr(text, ':');
    *rest = text;
    for (size_t i = 0; colon && i < DV_COUNT(transports); i++)
        if (strlen(transports[i].word) == (size_t)(colon - text) &&
            strncmp(transports[i].word, text, (size_t)(colon - text)) == 0) {
            *rest = colon + 1;
            return i;
        }
    return DV_COUNT(transports);
}

void transport_split(const char *text, struct transport *out)
{
    const char *rest;
    size_t given = transport_of(text, &rest);
    bool known = given < DV_COUNT(transports), six = known && transports[given].six;
    DV_FREE char *copy = dv_strdup(rest);
    char *host = copy, *port = NULL;
    if (port_good(copy)) {
        port = copy;
        host = NULL;
    } else {
        split_host(copy, six, &host, &port);
    }
    *out = (struct transport){.family = six ? AF_INET6 : AF_INET,
                              .stream = known && !transports[given].datagrams};
    dv_copy(out->host, sizeof(out->host), host ? host : "");
    dv_copy(out->port, sizeof(out->port), port ? port : "");
    if (strcmp(out->host, "0.0.0.0") == 0 || strcmp(out->host, "::") == 0)
        *out->host = '\0';
}

void transport_usual(const char *text, char out[TRANSPORT_MAX_LEN + 1])
{
    struct transport t;
    struct in6_addr six;
    char usual[INET6_ADDRSTRLEN];
    transport_split(text, &t);
    const char *port = t.port + strspn(t.port, "0");
    for (char *c = t.host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    bool in_brackets = t.family == AF_INET6 && inet_pton(AF_INET6, t.host, &six) == 1;
    if (in_brackets) {
        inet_ntop(AF_INET6, &six, usual, sizeof(usual));
        dv_copy(t.host, sizeof(t.host), usual);
    }
    DV_FREE char *all =
        dv_printf(in_brackets ? "%s:[%s]%s%s" : "%s:%s%s%s", t.family == AF_INET6 ? "udp6" : "udp",
                  t.host, *port ? ":" : "", port);
    dv_copy(out, TRANSPORT_MAX_LEN + 1, all);
}

int transport_check(const char *text, enum address_use use, struct dv_err *err)
{
    size_t len = strlen(text);
    const char *rest;
    if (len == 0 || len > TRANSPORT_MAX_LEN)
        return form_wrong(text, use, err);
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p >= 0x7f)
            return form_wrong(text, use, err);
    size_t given = transport_of(text, &rest);
    bool known = given < DV_COUNT(transports), six = known && transports[given].six;
    // A connect of Net-SNMP's blocks, and one silent peer would hold up all others. So what is
    // reached by ourselves is reached by datagrams.
    if (use == ADDRESS_OF_HOST && (!known || !transports[given].datagrams))
        return form_wrong(text, use, err);
    DV_FREE char *copy = dv_strdup(rest);
    char *host, *port, number[INET6_ADDRSTRLEN];
    if (use == ADDRESS_TO_LISTEN && port_good(copy))
        return 0;
    if (!split_host(copy, six, &host, &port) || (port && !port_good(port)))
        return form_wrong(text, use, err);
    struct dv_err reason;
    bool numeric = address_check(host, use, number, &reason) == 0;
    if (numeric && six == (strchr(host, ':') != NULL))
        return 0;
    uint8_t raw[16];
    if (inet_pton(six ? AF_INET6 : AF_INET, host, raw) == 1)
        return dv_fail(err, DV_INVALID, "%.255s: %.128s", text, reason.text);
    if (numeric || !is_name(host))
        return form_wrong(text, use, err);
    return 0;
}

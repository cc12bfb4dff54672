// The target daemon: where it listens, and who came in there.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "tgt/engine.h"
#include "tgt/show.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECTIONS_MAX (64 << 20) // bytes of the kernel's list

const struct tgt_request tgt_list_portals = {
    .mode = TGT_PORTAL, .op = TGT_SHOW, .doing = "listing portals"};

// Also true of the wildcard address of the same family and port, beside which no other can be
// bound.
static bool listens(const struct show_portal *seen, const struct portal *wanted)
{
    bool six = strchr(wanted->address, ':');
    return seen->port == wanted->port && (strcmp(seen->address, wanted->address) == 0 ||
                                          strcmp(seen->address, six ? "::" : "0.0.0.0") == 0);
}

static int change_portal(struct tgt_engine *e, enum tgt_op op, const struct portal *p,
                         struct dv_err *err)
{
    char text[PORTAL_TEXT_ROOM], params[128], doing[160];
    snprintf(params, sizeof(params), "portal=%s", portal_format(p, text));
    snprintf(doing, sizeof(doing), "%s %s", op == TGT_NEW ? "adding" : "removing", params);
    struct tgt_request r = {.mode = TGT_PORTAL, .op = op, .params = params, .doing = doing};
    return tgt_ask(e, &r, TGT_OK, err) == 0 ? 0 : -1;
}

static int read_portals(struct tgt_engine *e, struct show_portal **seen, size_t *count,
                        struct dv_err *err)
{
    DV_FREE char *text = NULL;
    if (tgt_call(e->socket, e->timeout_ms, &tgt_list_portals, &text, err) != TGT_OK)
        return -1;
    return show_portals(text, seen, count, err);
}

int tgt_add_portals(struct tgt_engine *e, const struct portal *portals, size_t count,
                    struct dv_err *err)
{
    DV_FREE struct show_portal *seen = NULL;
    size_t seen_count;
    int rc = 0;
    if (read_portals(e, &seen, &seen_count, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        bool there = false;
        for (size_t k = 0; k < seen_count; k++)
            there |= listens(&seen[k], &portals[i]);
        if (!there && change_portal(e, TGT_NEW, &portals[i], err) != 0)
            rc = -1;
    }
    for (size_t k = 0; k < seen_count; k++) {
        struct portal first = {.port = seen[k].port};
        dv_copy(first.address, sizeof(first.address), seen[k].address);
        if (strcmp(first.address, TGT_FIRST_ADDRESS) == 0 &&
            change_portal(e, TGT_DELETE, &first, err) != 0)
            rc = -1;
    }
    return rc;
}

// ---- Closing ------------------------------------------------------------------------------

struct peers {
    char (*list)[INET6_ADDRSTRLEN];
    size_t count;
};

static bool is_peer(const struct peers *peers, const char *address)
{
    for (size_t i = 0; i < peers->count; i++)
        if (strcmp(peers->list[i], address) == 0)
            return true;
    return false;
}

// "0100007F:0CBC": words of 32 bits as the machine has them, and the port.
static bool parse_end(const char *text, bool six, char address[INET6_ADDRSTRLEN], uint16_t *port)
{
    uint32_t words[4] = {0};
    for (size_t i = 0; i < (six ? 4 : 1); i++)
        if (sscanf(text + 8 * i, "%8x", &words[i]) != 1)
            return false;
    const char *colon = strchr(text, ':');
    unsigned number;
    if (!colon || sscanf(colon + 1, "%4x", &number) != 1)
        return false;
    *port = (uint16_t)number;
    return inet_ntop(six ? AF_INET6 : AF_INET, words, address, INET6_ADDRSTRLEN);
}

// Adds the other ends of this machine's connections at a portal.
static int read_peers(const struct portal *p, struct peers *peers, struct dv_err *err)
{
    bool six = strchr(p->address, ':');
    DV_FREE char *text = NULL;
    size_t len;
    if (file_read(six ? "/proc/self/net/tcp6" : "/proc/self/net/tcp", CONNECTIONS_MAX, &text, &len,
                  err) != 0)
        return -1;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char here[64], there[64], address[INET6_ADDRSTRLEN];
        uint16_t port;
        if (sscanf(line, " %*u: %63s %63s", here, there) != 2 ||
            !parse_end(here, six, address, &port) || port != p->port ||
            strcmp(address, p->address) != 0 || !parse_end(there, six, address, &port) ||
            port == 0 || is_peer(peers, address))
            continue;
        memcpy(*DV_APPEND(peers->list, peers->count), address, sizeof(address));
    }
    return 0;
}

// "IP Address: 192.0.2.1", or "IP Address: [2001:db8::1]".
static bool is_from(const void *peers, const struct seen_session *s)
{
    char address[INET6_ADDRSTRLEN + 2];
    const char *at = strstr(s->address, ": ");
    at = at ? at + 2 : "";
    dv_copy(address, sizeof(address), at[0] == '[' ? at + 1 : at);
    address[strcspn(address, "]%")] = '\0';
    return is_peer(peers, address);
}

// tgtd tells of a session from where it comes, not to where, which the kernel does. Who also came
// from there by another portal has both sessions ended, and comes back by that one.
static int end_guests(struct tgt_engine *e, const struct portal *p, struct dv_err *err)
{
    struct peers peers = {0};
    struct seen names = {0};
    const struct tgt_choice which = {is_from, &peers};
    int rc = read_peers(p, &peers, err);
    if (rc == 0 && peers.count > 0)
        rc = tgt_read_names(e, &names, err);
    for (size_t i = 0; rc == 0 && i < names.target_count; i++)
        if (strncmp(names.targets[i].name, e->prefix, strlen(e->prefix)) == 0)
            rc = tgt_do_end_chosen(e, names.targets[i].tid, &which, err) == 0 ? 0 : -1;
    seen_clear(&names);
    free(peers.list);
    return rc;
}

int tgt_close_portal(struct tgt_engine *e, const struct portal *p, struct dv_err *err)
{
    DV_FREE struct show_portal *seen = NULL;
    size_t seen_count;
    if (read_portals(e, &seen, &seen_count, err) != 0)
        return -1;
    for (size_t i = 0; i < seen_count; i++)
        if (seen[i].port == p->port && strcmp(seen[i].address, p->address) == 0 &&
            change_portal(e, TGT_DELETE, p, err) != 0)
            return -1;
    return end_guests(e, p, err);
}

int tgt_other_portals(struct tgt_engine *e, const struct portal *wanted, size_t count,
                      struct portal **others, size_t *other_count, struct dv_err *err)
{
    DV_FREE struct show_portal *seen = NULL;
    size_t seen_count;
    *others = NULL;
    *other_count = 0;
    if (read_portals(e, &seen, &seen_count, err) != 0)
        return -1;
    for (size_t i = 0; i < seen_count; i++) {
        bool known = strcmp(seen[i].address, TGT_FIRST_ADDRESS) == 0 ||
                     strcmp(seen[i].address, TGT_SERVICE_ADDRESS) == 0;
        for (size_t k = 0; k < count; k++)
            known |=
                seen[i].port == wanted[k].port && strcmp(seen[i].address, wanted[k].address) == 0;
        if (known)
            continue;
        struct portal *other = DV_APPEND(*others, *other_count);
        other->port = seen[i].port;
        dv_copy(other->address, sizeof(other->address), seen[i].address);
    }
    return 0;
}

// Reading tgtd's short lists: accounts, portals, statistics.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "tgt/line.h"
#include "tgt/show.h"
#include <stdlib.h>
#include <string.h>

int show_accounts(const char *text, struct seen *out, struct dv_err *err)
{
    struct reader r = {.at = text};
    while (line_next(&r)) {
        if (r.number == 1 && line_is(&r.line, 0, "Account list:"))
            continue;
        if (r.number == 1 || r.line.indent != TAB || r.line.len == 0)
            return line_fail(&r, "accounts", err);
        *DV_APPEND(out->accounts, out->account_count) = line_copy(r.line.text, r.line.len);
    }
    return 0;
}

// "Portal: 127.0.0.1:3260,1" or "Portal: [::1]:3260,1"
int show_portals(const char *text, struct show_portal **portals, size_t *count, struct dv_err *err)
{
    struct reader r = {.at = text};
    *portals = NULL;
    *count = 0;
    while (line_next(&r)) {
        struct show_portal p = {0};
        size_t len, port_len;
        uint64_t port = 0;
        const char *from = line_value(&r.line, 0, "Portal: ", &len);
        const char *colon = from ? memrchr(from, ':', len) : NULL;
        size_t address_len = colon ? (size_t)(colon - from) : 0;
        if (address_len > 2 && from[0] == '[' && colon[-1] == ']') {
            from++;
            address_len -= 2;
        }
        port_len = colon ? (size_t)(r.line.text + r.line.len - colon - 1) : 0;
        if (!colon || address_len == 0 || address_len >= sizeof(p.address) ||
            !line_digits(colon + 1, &port_len, UINT16_MAX, &port) || port == 0) {
            free(*portals);
            *portals = NULL;
            *count = 0;
            return line_fail(&r, "portals", err);
        }
        memcpy(p.address, from, address_len);
        p.port = (uint16_t)port;
        *DV_APPEND(*portals, *count) = p;
    }
    return 0;
}

// Lists under headings; the first is "System:", with the state of all.
int show_system(const char *text, struct tgt_barred *out, struct dv_err *err)
{
    struct reader r = {.at = text};
    bool state = false, isns = false, access = false;
    *out = (struct tgt_barred){0};
    while (line_next(&r)) {
        size_t len;
        const char *value = line_value(&r.line, TAB, "State: ", &len);
        if (value && !state) {
            state = true;
            out->offline = !line_is(&r.line, TAB, "State: ready");
        }
        isns |= line_is(&r.line, TAB, "iSNS=On");
        access |= line_is(&r.line, TAB, "iSNSAccessControl=On");
    }
    out->named = isns && access;
    return state ? 0 : dv_fail(err, DV_INTERNAL, "tgtd does not tell its state");
}

// A heading, then rows of: tgt lun sid, bytes and commands read as submitted and as done, the same
// of writing, errors.
#define COLUMNS 12

static bool row_of(const struct line *l, uint64_t fields[COLUMNS])
{
    const char *at = l->text, *end = l->text + l->len;
    for (size_t i = 0; i < COLUMNS; i++) {
        while (at < end && *at == ' ')
            at++;
        size_t len = (size_t)(end - at);
        if (!line_digits(at, &len, UINT64_MAX, &fields[i]))
            return false;
        at += len;
    }
    return at == end;
}

int show_statistics(const char *text, struct tgt_statistics **rows, size_t *count,
                    struct dv_err *err)
{
    struct reader r = {.at = text};
    *rows = NULL;
    *count = 0;
    while (line_next(&r)) {
        uint64_t f[COLUMNS];
        if (r.number == 1)
            continue;
        if (!row_of(&r.line, f)) {
            free(*rows);
            *rows = NULL;
            *count = 0;
            return line_fail(&r, "statistics", err);
        }
        *DV_APPEND(*rows, *count) = (struct tgt_statistics){
            .tid = (uint32_t)f[0],
            .lun = f[1],
            .sid = f[2],
            .read_bytes = f[5],
            .read_commands = (uint32_t)f[6],
            .write_bytes = f[9],
            .write_commands = (uint32_t)f[10],
            .errors = (uint32_t)f[11],
            .under_way = (uint32_t)(f[4] - f[6] + f[8] - f[10]),
        };
    }
    return 0;
}

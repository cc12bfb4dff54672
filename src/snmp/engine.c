// This process's SNMP engine on disk: its ID and its count of boots.
// SPDX-License-Identifier: BSD-2-Clause
//
// The file has one line, "HEX-ID BOOTS".
#include "snmp/engine.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "snmp/smi.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ID_MIN      5          // RFC 3411 SnmpEngineID
#define BOOTS_SINCE 1767225600 // 2026-01-01

// An ID of format 5, "octets", under Net-SNMP's enterprise number 8072 as the MIB modules are.
static void make_id(struct sn_engine_id *id)
{
    static const uint8_t head[] = {0x80, 0x00, 0x1f, 0x88, 0x05};
    memcpy(id->b, head, sizeof(head));
    random_fill(id->b + sizeof(head), 12);
    id->len = sizeof(head) + 12;
}

static bool parse(const char *line, struct sn_engine *out)
{
    struct sn_engine e = {.boots = 0};
    for (; e.id.len < SN_ENGINE_ID_MAX && isxdigit(line[0]) && isxdigit(line[1]); line += 2)
        sscanf(line, "%2hhx", &e.id.b[e.id.len++]);
    char end;
    if (e.id.len < ID_MIN || *line != ' ' || sscanf(line, "%u%c", &e.boots, &end) != 2 ||
        end != '\n' || e.boots < 1 || e.boots > SMI_ENGINE_BOOTS_MAX)
        return false;
    *out = e;
    return true;
}

int sn_engine_save(const char *dir, const struct sn_engine *e, struct dv_err *err)
{
    DV_FREE char *path = dv_printf("%s/engine", dir);
    struct strbuf text = {0};
    for (size_t i = 0; i < e->id.len; i++)
        strbuf_add(&text, "%02x", e->id.b[i]);
    strbuf_add(&text, " %u\n", e->boots);
    int rc = file_write_atomic(path, text.text, text.len, 0600, err);
    strbuf_free(&text);
    return rc;
}

static bool same_id(const struct sn_engine_id *a, const struct sn_engine_id *b)
{
    return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

// Since 2026, and none while the clock is not set: no engine starts more often than once a minute
// for long, so its count stays below.
static uint32_t minutes_now(void)
{
    int64_t minutes = ((int64_t)time(NULL) - BOOTS_SINCE) / 60;
    return minutes < 1                      ? 1
           : minutes > SMI_ENGINE_BOOTS_MAX ? SMI_ENGINE_BOOTS_MAX
                                            : (uint32_t)minutes;
}

int sn_engine_start(const char *dir, const struct sn_engine_id *wanted, struct sn_engine *out,
                    struct dv_err *err)
{
    DV_FREE char *path = dv_printf("%s/engine", dir);
    DV_FREE char *text = NULL;
    size_t len;
    struct sn_engine e = {.boots = 0};
    if (wanted && (wanted->len < ID_MIN || wanted->len > SN_ENGINE_ID_MAX))
        return dv_fail(err, DV_INVALID, "an SNMP engine ID has %d to %d bytes", ID_MIN,
                       SN_ENGINE_ID_MAX);
    if (!file_is_missing(path)) {
        if (file_read(path, 4096, &text, &len, err) != 0)
            return -1;
        if (!parse(text, &e))
            return dv_fail(err, DV_IO,
                           "%s is damaged; remove it to start with a new SNMP engine ID", path);
    }
    if (wanted && !same_id(&e.id, wanted))
        e = (struct sn_engine){.id = *wanted};
    else if (e.id.len == 0)
        make_id(&e.id);
    if (e.boots < SMI_ENGINE_BOOTS_MAX)
        e.boots++;
    // A file that was lost, or came back from a backup, would have the count go back.
    if (e.boots < minutes_now())
        e.boots = minutes_now();
    if (sn_engine_save(dir, &e, err) != 0)
        return -1;
    *out = e;
    return 0;
}

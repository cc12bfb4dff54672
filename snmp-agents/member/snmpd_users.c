// Writes snmpd's users, in the form in which it does that itself.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/member/snmpd_users.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include <string.h>

#define FILE_MAX_LEN (1 << 20)

static void add_hex(struct strbuf *out, const void *bytes, size_t len)
{
    strbuf_add(out, " 0x");
    for (size_t i = 0; i < len; i++)
        strbuf_add(out, "%02x", ((const uint8_t *)bytes)[i]);
}

// usmUser STATUS STORAGE ENGINE NAME SECNAME CLONEFROM AUTHPROTO KEY PRIVPROTO KEY PUBLIC. The
// clone-from is not NULL, or snmpd would refuse to change the keys later (RFC 3414,
// usmUserCloneFrom).
static void add_user(struct strbuf *out, const struct engine_id *engine, const char *name,
                     const struct member_keys *keys)
{
    strbuf_add(out, "usmUser 1 3");
    add_hex(out, engine->b, engine->len);
    add_hex(out, name, strlen(name));
    add_hex(out, name, strlen(name));
    strbuf_add(out, " .0.0 .1.3.6.1.6.3.10.1.1.5"); // usmHMAC192SHA256AuthProtocol, RFC 7860
    add_hex(out, keys->auth, KEYS_AUTH);
    strbuf_add(out, " .1.3.6.1.6.3.10.1.2.4"); // usmAesCfb128Protocol, RFC 3826
    add_hex(out, keys->priv, KEYS_PRIV);
    strbuf_add(out, " \"\"\n");
}

// Whether a line of the file makes one of the two.
static bool is_ours(const char *line, size_t len, char names[2][KEYS_USER_ROOM])
{
    for (size_t i = 0; i < 2; i++) {
        struct strbuf hex = {0};
        add_hex(&hex, names[i], strlen(names[i]));
        strbuf_add(&hex, " ");
        bool made = len > 8 && strncmp(line, "usmUser ", 8) == 0 &&
                    memmem(line, len, hex.text, hex.len) != NULL;
        bool wanted = len > 11 && strncmp(line, "createUser ", 11) == 0 &&
                      memmem(line, len, names[i], strlen(names[i])) != NULL;
        strbuf_free(&hex);
        if (made || wanted)
            return true;
    }
    return false;
}

static void copy_others(struct strbuf *out, const char *text, char names[2][KEYS_USER_ROOM])
{
    for (const char *line = text; *line;) {
        const char *end = strchr(line, '\n');
        size_t len = end ? (size_t)(end - line) : strlen(line);
        if (!is_ours(line, len, names)) {
            strbuf_addn(out, line, len);
            strbuf_addn(out, "\n", 1);
        }
        line += len + (end ? 1 : 0);
    }
}

int snmpd_users_put(const char *path, const struct engine_id *engine, const struct grant *grant,
                    struct dv_err *err)
{
    DV_FREE char *old = NULL;
    char names[2][KEYS_USER_ROOM];
    struct strbuf text = {0};
    struct dv_err why;
    size_t len;
    for (uint32_t place = 0; place < 2; place++)
        keys_user(KEYS_OF_STATION, &grant->uuid, place, names[place]);
    if (file_read(path, FILE_MAX_LEN, &old, &len, &why) < 0 && why.code != DV_NOT_FOUND)
        return dv_fail(err, why.code, "%s", why.text);
    copy_others(&text, old ? old : "", names);
    for (size_t place = 0; place < 2; place++)
        add_user(&text, engine, names[place], &grant->station_keys[place]);
    int rc = file_write_atomic(path, text.text, text.len, 0600, err);
    secret_wipe(text.text, text.len);
    strbuf_free(&text);
    if (old)
        secret_wipe(old, len);
    return rc;
}

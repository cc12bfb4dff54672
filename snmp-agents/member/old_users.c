// Taking out the users that units shared.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/member/old_users.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "config/setup.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_LEN (1 << 20)
#define WORD_ROOM    300
#define OF_STATION   "dvsan-station-" // users that enrolment makes

// ---- Lines ------------------------------------------------------------------------------------

// Without its LF; the next one begins at the result.
static const char *line_at(const char *text, size_t *len)
{
    *len = strcspn(text, "\n");
    return text + *len + (text[*len] ? 1 : 0);
}

// The n-th word of a line, "" when it has fewer.
static const char *word_at(const char *line, size_t len, size_t n, char out[WORD_ROOM])
{
    const char *end = line + len;
    for (;; n--) {
        while (line < end && isspace((unsigned char)*line))
            line++;
        const char *start = line;
        while (line < end && !isspace((unsigned char)*line))
            line++;
        if (n > 0 && line < end)
            continue;
        size_t word = n == 0 ? (size_t)(line - start) : 0;
        if (word >= WORD_ROOM)
            word = WORD_ROOM - 1;
        memcpy(out, start, word);
        out[word] = '\0';
        return out;
    }
}

static bool has_word(const char *line, size_t len, size_t n, const char *word)
{
    char is[WORD_ROOM];
    return strcmp(word_at(line, len, n, is), word) == 0;
}

bool old_users_value(const char *conf, const char *word, char *out, size_t room)
{
    char value[WORD_ROOM];
    size_t len;
    for (const char *line = conf, *next; *line; line = next) {
        next = line_at(line, &len);
        if (has_word(line, len, 0, word))
            return dv_copy(out, room, word_at(line, len, 1, value));
    }
    return false;
}

// ---- Who --------------------------------------------------------------------------------------

static bool may_write(const char *conf, const char *group)
{
    char view[WORD_ROOM];
    size_t len;
    for (const char *line = conf, *next; *line; line = next) {
        next = line_at(line, &len);
        if (has_word(line, len, 0, "access") && has_word(line, len, 1, group) &&
            *word_at(line, len, 7, view) && strcmp(view, "none") != 0)
            return true;
    }
    return false;
}

static bool is_old(const struct old_users *old, const char *name)
{
    for (size_t i = 0; i < old->count; i++)
        if (strcmp(old->names[i], name) == 0)
            return true;
    return false;
}

void old_users_find(const char *conf, struct old_users *out)
{
    char group[WORD_ROOM], user[WORD_ROOM];
    size_t len;
    *out = (struct old_users){0};
    for (const char *line = conf, *next; *line; line = next) {
        next = line_at(line, &len);
        if (!has_word(line, len, 0, "group") || !may_write(conf, word_at(line, len, 1, group)))
            continue;
        word_at(line, len, 3, user);
        if (*user && strncmp(user, OF_STATION, strlen(OF_STATION)) != 0 && !is_old(out, user) &&
            out->count < OLD_USERS_MAX &&
            dv_copy(out->names[out->count], sizeof(out->names[0]), user))
            out->count++;
    }
}

// ---- Texts without them -----------------------------------------------------------------------

// createUser [-e ENGINE] NAME ...
static bool makes_old(const struct old_users *old, const char *line, size_t len)
{
    char name[WORD_ROOM];
    if (!has_word(line, len, 0, "createUser"))
        return false;
    return is_old(old, word_at(line, len, has_word(line, len, 1, "-e") ? 3 : 1, name));
}

static bool groups_old(const struct old_users *old, const char *line, size_t len)
{
    char name[WORD_ROOM];
    return has_word(line, len, 0, "group") && is_old(old, word_at(line, len, 3, name));
}

// usmUser STATUS STORAGE ENGINE NAME ..., the name in hex digits or quoted.
static bool keeps_old(const struct old_users *old, const char *line, size_t len)
{
    char word[WORD_ROOM], name[WORD_ROOM], hex[2 * SNMP_USER_MAX + 3];
    if (!has_word(line, len, 0, "usmUser"))
        return false;
    word_at(line, len, 4, word);
    for (size_t i = 0; i < old->count; i++) {
        memcpy(hex, "0x", 2);
        hex[2] = '\0';
        for (size_t c = 0; old->names[i][c]; c++)
            snprintf(hex + 2 + 2 * c, 3, "%02x", (unsigned)(unsigned char)old->names[i][c]);
        snprintf(name, sizeof(name), "\"%s\"", old->names[i]);
        if (strcasecmp(word, hex) == 0 || strcmp(word, name) == 0)
            return true;
    }
    return false;
}

static void add_line(struct strbuf *out, const char *line, size_t len)
{
    strbuf_addn(out, line, len);
    strbuf_addn(out, "\n", 1);
}

static bool has_line(const char *text, const char *line, size_t len)
{
    size_t other;
    for (const char *at = text, *next; *at; at = next) {
        next = line_at(at, &other);
        if (other == len && strncmp(at, line, len) == 0)
            return true;
    }
    return false;
}

// What the example says of the station's group and views.
static bool is_of_station(const char *line, size_t len)
{
    return has_word(line, len, 1, "provision") && memchr(line, '@', len) == NULL;
}

char *old_users_conf(const char *conf, const char *example, const struct old_users *old)
{
    struct strbuf out = {0};
    size_t len;
    strbuf_add(&out, "%s", "");
    for (const char *line = conf, *next; *line; line = next) {
        next = line_at(line, &len);
        if (!makes_old(old, line, len) && !groups_old(old, line, len))
            add_line(&out, line, len);
    }
    for (const char *line = example, *next; *line; line = next) {
        next = line_at(line, &len);
        if (*line != '#' && is_of_station(line, len) && !has_line(out.text, line, len))
            add_line(&out, line, len);
    }
    return out.text;
}

char *old_users_state(const char *state, const struct old_users *old)
{
    struct strbuf out = {0};
    size_t len;
    strbuf_add(&out, "%s", "");
    for (const char *line = state, *next; *line; line = next) {
        next = line_at(line, &len);
        if (!keeps_old(old, line, len) && !makes_old(old, line, len))
            add_line(&out, line, len);
    }
    return out.text;
}

// Where the element that begins at text ends: quoted values may hold anything.
static const char *end_of_element(const char *text)
{
    for (char quote = '\0'; *text; text++) {
        if (quote) {
            quote = *text == quote ? '\0' : quote;
        } else if (*text == '"' || *text == '\'') {
            quote = *text;
        } else if (*text == '>') {
            if (text[-1] == '/')
                return text + 1;
            const char *close = strstr(text, "</notify");
            return close ? close + strcspn(close, ">") + 1 : NULL;
        }
    }
    return NULL;
}

char *old_users_xml(const char *xml)
{
    struct strbuf out = {0};
    const char *at = xml;
    while ((at = strchr(at, '<'))) {
        if (strncmp(at, "<!--", 4) == 0) {
            const char *end = strstr(at, "-->");
            if (!end)
                break;
            at = end + 3;
        } else if (strncmp(at, "<notify", 7) == 0 && isspace((unsigned char)at[7])) {
            const char *end = end_of_element(at);
            if (!end)
                break;
            while (at > xml && isspace((unsigned char)at[-1]))
                at--;
            strbuf_addn(&out, xml, (size_t)(at - xml));
            strbuf_add(&out, "%s", end);
            return out.text;
        } else {
            at++;
        }
    }
    return dv_strdup(xml);
}

// ---- The files ---------------------------------------------------------------------------------

// NULL without an error when there is none.
static char *read_text(const char *path)
{
    char *text = NULL;
    size_t len;
    struct dv_err why;
    return file_read(path, FILE_MAX_LEN, &text, &len, &why) == 0 ? text : NULL;
}

static const char *bare(const char *socket)
{
    return strncmp(socket, "unix:", 5) == 0 ? socket + 5 : socket;
}

// How many bytes; 0 when they are not hex digits, or too many.
static size_t read_hex(const char *text, uint8_t *out, size_t room)
{
    size_t len = strlen(text) / 2;
    unsigned byte;
    if (strlen(text) % 2 || len > room || strspn(text, "0123456789abcdefABCDEF") != 2 * len)
        return 0;
    for (size_t i = 0; i < len && sscanf(text + 2 * i, "%2x", &byte) == 1; i++)
        out[i] = (uint8_t)byte;
    return len;
}

bool old_users_engine(const struct member_config *config, struct engine_id *out)
{
    char *conf = read_text(config->snmpd_conf);
    char agentx[WORD_ROOM] = "", engine[WORD_ROOM] = "";
    size_t len = 0;
    bool ours = conf && old_users_value(conf, "agentXSocket", agentx, sizeof(agentx)) &&
                strcmp(bare(agentx), bare(config->agentx)) == 0 &&
                old_users_value(conf, "exactEngineID", engine, sizeof(engine)) &&
                strncmp(engine, "0x", 2) == 0 &&
                (len = read_hex(engine + 2, out->b, sizeof(out->b))) >= 5;
    out->len = (uint8_t)len;
    secret_free(conf);
    return ours && (config->engine_id_len == 0 ||
                    (config->engine_id_len == len && memcmp(config->engine_id, out->b, len) == 0));
}

static int write_as(const char *path, const char *text, mode_t mode, const struct stat *owner,
                    struct dv_err *err)
{
    DV_FREE char *fresh = dv_printf("%s.new", path);
    if (file_write_atomic(fresh, text, strlen(text), mode, err) < 0)
        return -1;
    // Not through a link that the folder's owner may have put there.
    if (geteuid() == 0 && lchown(fresh, owner->st_uid, owner->st_gid) != 0)
        return dv_fail_errno(err, errno, "cannot give %s to the owner of %s", fresh, path);
    if (rename(fresh, path) != 0)
        return dv_fail_errno(err, errno, "cannot write %s", path);
    return file_sync_dir(path, err);
}

// Frees both texts. 1: the file was changed.
static int replace(const char *path, char *old, char *new, struct dv_err *err)
{
    DV_FREE char *before = dv_printf("%s.before-enrolment", path);
    struct stat owner;
    int rc = 0;
    if (strcmp(old, new) != 0) {
        if (stat(path, &owner) != 0)
            rc = dv_fail_errno(err, errno, "cannot look at %s", path);
        if (rc == 0 && access(before, F_OK) != 0)
            rc = write_as(before, old, 0600, &owner, err);
        if (rc == 0)
            rc = write_as(path, new, owner.st_mode & 07777, &owner, err);
        if (rc == 0) {
            log_info("enrol", "the users that units share are taken out of %s, which is kept as %s",
                     path, before);
            rc = 1;
        }
    }
    secret_free(old);
    secret_free(new);
    return rc;
}

static int of_snmpd(const struct member_config *config, struct dv_err *err)
{
    struct engine_id engine;
    struct old_users old;
    if (!old_users_engine(config, &engine))
        return 0;
    char *conf = read_text(config->snmpd_conf);
    char *state = read_text(config->snmpd_state);
    if (!conf || !state) {
        secret_free(conf);
        secret_free(state);
        return 0;
    }
    old_users_find(conf, &old);
    // The users' names are in snmpd.conf, so this comes last.
    char *new_conf = old_users_conf(conf, (const char *)setup_text_snmpd_conf.text, &old);
    int rc = replace(config->snmpd_state, state, old_users_state(state, &old), err);
    if (rc < 0) {
        secret_free(conf);
        secret_free(new_conf);
        return -1;
    }
    int more = replace(config->snmpd_conf, conf, new_conf, err);
    return more < 0 ? -1 : rc | more;
}

int old_users_remove(const struct member_config *config, const char *config_path,
                     struct dv_err *err)
{
    int rc = of_snmpd(config, err);
    char *xml = rc >= 0 ? read_text(config_path) : NULL;
    if (xml) {
        int more = replace(config_path, xml, old_users_xml(xml), err);
        rc = more < 0 ? -1 : rc | more;
    }
    if (rc > 0)
        log_info("enrol", "once the station shows the unit as up, remove these copies and the "
                          "files of pass-phrases that <notify> named: they are valid where units "
                          "still share them");
    return rc < 0 ? -1 : 0;
}

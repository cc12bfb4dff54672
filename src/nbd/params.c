// The parameters of dvsan-nbd: a JSON object in a file or a pipe, so that no secret is in argv.
// SPDX-License-Identifier: BSD-2-Clause
#include "nbd/params.h"

#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "model/chap.h"
#include "model/check.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <netdb.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX        65536 // bytes
#define CHAP_MAX        255   // bytes of a name or secret, what libiscsi takes
#define DEFAULT_PORT    "3260"
#define DEFAULT_TIMEOUT 60

// Where an error is reported from.
struct params_source {
    const char *name, *text;
    size_t len;
    json_t *object;
    bool inline_secret;
};

// The line of a key of the outermost object; jansson keeps no positions.
static int line_of(const struct params_source *s, const char *key)
{
    int line = 1, depth = 0;
    size_t key_len = strlen(key);
    for (size_t i = 0; i < s->len; i++) {
        char c = s->text[i];
        line += c == '\n';
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (c != '"')
            continue;
        size_t end = i + 1;
        while (end < s->len && s->text[end] != '"')
            end += s->text[end] == '\\' ? 2 : 1;
        size_t colon = end + 1;
        while (colon < s->len && strchr(" \t\r\n", s->text[colon]))
            colon++;
        if (depth == 1 && colon < s->len && s->text[colon] == ':' && end - i - 1 == key_len &&
            memcmp(s->text + i + 1, key, key_len) == 0)
            return line;
        i = end;
    }
    return 1;
}

static int bad(const struct params_source *s, const char *key, struct dv_err *err, const char *what)
{
    return dv_fail(err, DV_INVALID, "%s:%d: \"%s\": %s", s->name, line_of(s, key), key, what);
}

// Keys --------------------------------------------------------------------------------------

static int take_text(const struct params_source *s, const char *key, json_t *value, size_t max,
                     char **out, struct dv_err *err)
{
    if (!json_is_string(value))
        return bad(s, key, err, "must be a string");
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (len == 0)
        return bad(s, key, err, "must not be empty");
    if (len > max || strlen(text) != len)
        return bad(s, key, err, "is too long, or has a zero byte");
    *out = dv_strdup(text);
    return 0;
}

static int take_number(const struct params_source *s, const char *key, json_t *value,
                       json_int_t min, json_int_t max, uint32_t *out, struct dv_err *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max)
        return dv_fail(err, DV_INVALID, "%s:%d: \"%s\": must be a whole number from %lld to %lld",
                       s->name, line_of(s, key), key, (long long)min, (long long)max);
    *out = (uint32_t)json_integer_value(value);
    return 0;
}

static int take_iqn(const struct params_source *s, const char *key, json_t *value, char **out,
                    struct dv_err *err)
{
    struct dv_err why;
    if (take_text(s, key, value, IQN_MAX_LEN, out, err) < 0)
        return -1;
    return iqn_check(*out, &why) < 0 ? bad(s, key, err, why.text) : 0;
}

static int take_secret_file(const struct params_source *s, const char *key, json_t *value,
                            char **out, struct dv_err *err)
{
    DV_FREE char *path = NULL;
    struct dv_err why;
    if (take_text(s, key, value, FILE_MAX, &path, err) < 0)
        return -1;
    return secret_read_file(path, out, &why) < 0 ? bad(s, key, err, why.text) : 0;
}

static int take_digest(const struct params_source *s, const char *key, json_t *value, bool *out,
                       struct dv_err *err)
{
    const char *text = json_string_value(value);
    if (!text || (strcmp(text, "none") != 0 && strcmp(text, "crc32c") != 0))
        return bad(s, key, err, "must be \"none\" or \"crc32c\"");
    *out = strcmp(text, "crc32c") == 0;
    return 0;
}

static int take_key(struct params_source *s, struct params *p, const char *key, json_t *v,
                    struct dv_err *err)
{
    if (!strcmp(key, "portal"))
        return take_text(s, key, v, CHAP_MAX, &p->portal, err);
    if (!strcmp(key, "target"))
        return take_iqn(s, key, v, &p->target, err);
    if (!strcmp(key, "initiator"))
        return take_iqn(s, key, v, &p->initiator, err);
    if (!strcmp(key, "lun"))
        return take_number(s, key, v, 0, LUN_MAX, &p->lun, err);
    if (!strcmp(key, "chap_user"))
        return take_text(s, key, v, CHAP_MAX, &p->chap_user, err);
    if (!strcmp(key, "chap_unit")) {
        DV_FREE char *uuid = NULL;
        if (take_text(s, key, v, UUID_TEXT_LEN - 1, &uuid, err) < 0)
            return -1;
        return uuid_parse(uuid, &p->chap_unit) ? 0 : bad(s, key, err, "must be the UUID of a unit");
    }
    if (!strcmp(key, "header_digest"))
        return take_digest(s, key, v, &p->header_digest, err);
    if (!strcmp(key, "timeout_s"))
        return take_number(s, key, v, 1, 3600, &p->timeout_s, err);
    bool from_file = !strcmp(key, "chap_secret_file");
    if (!from_file && strcmp(key, "chap_secret"))
        return bad(s, key, err, "unknown parameter; see dvsan-nbd(1)");
    if (p->chap_secret)
        return bad(s, key, err, "give one of chap_secret and chap_secret_file");
    s->inline_secret |= !from_file;
    return from_file ? take_secret_file(s, key, v, &p->chap_secret, err)
                     : take_text(s, key, v, CHAP_MAX, &p->chap_secret, err);
}

static int check_complete(const struct params_source *s, const struct params *p, struct dv_err *err)
{
    const char *missing = !p->portal      ? "portal"
                          : !p->target    ? "target"
                          : !p->initiator ? "initiator"
                                          : NULL;
    if (missing)
        return dv_fail(err, DV_INVALID, "%s: \"%s\" is missing", s->name, missing);
    if (p->chap_user && !p->chap_secret)
        return bad(s, "chap_user", err, "needs chap_secret or chap_secret_file");
    if (p->chap_secret && !p->chap_user)
        return bad(s,
                   json_object_get(s->object, "chap_secret") ? "chap_secret" : "chap_secret_file",
                   err, "needs chap_user");
    if (!uuid_is_zero(&p->chap_unit) && !p->chap_secret)
        return bad(s, "chap_unit", err, "needs chap_secret or chap_secret_file");
    if (p->chap_secret && strlen(p->chap_secret) > CHAP_MAX)
        return bad(s, "chap_secret_file", err, "the secret has more than 255 characters");
    return 0;
}

// The host's own secret becomes that which the unit knows.
static void derive_secret(struct params *p)
{
    char *derived = dv_calloc(1, CHAP_SECRET_MAX + 1);
    chap_unit_secret(p->chap_secret, &p->chap_unit, derived);
    secret_free(p->chap_secret);
    p->chap_secret = derived;
}

static int take_all(struct params_source *s, struct params *p, struct dv_err *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(s->object))
        return dv_fail(err, DV_INVALID, "%s:1: must be a JSON object", s->name);
    json_object_foreach(s->object, key, value)
    {
        if (take_key(s, p, key, value, err) < 0)
            return -1;
    }
    if (check_complete(s, p, err) < 0)
        return -1;
    if (!uuid_is_zero(&p->chap_unit))
        derive_secret(p);
    return 0;
}

// JSON --------------------------------------------------------------------------------------

// jansson leaves copies of what it parsed in memory it frees.
static void wiping_free(void *memory)
{
    if (memory)
        secret_wipe(memory, malloc_usable_size(memory));
    free(memory);
}

static struct params *parse(struct params_source *s, struct dv_err *err)
{
    json_malloc_t old_malloc;
    json_free_t old_free;
    json_error_t where;
    json_get_alloc_funcs(&old_malloc, &old_free);
    json_set_alloc_funcs(malloc, wiping_free);
    struct params *p = dv_calloc(1, sizeof(*p));
    p->lun = 1;
    p->timeout_s = DEFAULT_TIMEOUT;
    int result;
    s->object = json_loadb(s->text, s->len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (!s->object) // jansson's sentence may quote the text near the error, so it is not used
        result = dv_fail(err, DV_INVALID, "%s:%d: %s", s->name, where.line,
                         json_error_code(&where) == json_error_duplicate_key
                             ? "a parameter is given twice"
                             : "this is not valid JSON");
    else
        result = take_all(s, p, err);
    json_decref(s->object);
    json_set_alloc_funcs(old_malloc, old_free);
    if (result == 0)
        return p;
    params_free(p);
    return NULL;
}

struct params *params_parse(const char *name, const char *text, size_t len, struct dv_err *err)
{
    struct params_source s = {.name = name, .text = text, .len = len};
    return parse(&s, err);
}

// Files -------------------------------------------------------------------------------------

// "host", "host:port", "[v6]:port" to a numeric "address:port". libiscsi would look a name up
// each time it connects, and block.
static int resolve(const struct params_source *s, struct params *p, struct dv_err *err)
{
    DV_FREE char *copy = dv_strdup(p->portal);
    char *host = copy, *port = strrchr(copy, ':');
    char address[NI_MAXHOST], service[NI_MAXSERV];
    if (*host == '[' && strchr(host, ']')) {
        char *end = strchr(++host, ']');
        *end = '\0';
        port = end[1] == ':' ? end + 1 : NULL;
    }
    if (port)
        *port++ = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int e = getaddrinfo(host, port ? port : DEFAULT_PORT, &hints, &found);
    if (e == 0)
        e = getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof(address), service,
                        sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV);
    if (e != 0)
        return bad(s, "portal", err, gai_strerror(e));
    bool v6 = found->ai_family == AF_INET6;
    freeaddrinfo(found);
    free(p->portal);
    p->portal = dv_printf(v6 ? "[%s]:%s" : "%s:%s", address, service);
    return 0;
}

static int read_all(int fd, const char *name, char *text, size_t *len, struct dv_err *err)
{
    *len = 0;
    for (;;) {
        ssize_t n = read(fd, text + *len, FILE_MAX + 1 - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dv_fail(err, DV_IO, "%s: cannot read: %s", name, strerror(errno));
        if (n == 0)
            return 0;
        *len += (size_t)n;
        if (*len > FILE_MAX)
            return dv_fail(err, DV_INVALID, "%s: has more than %d bytes", name, FILE_MAX);
    }
}

// A regular file with a secret inside must be private, as secret_read_file asks for.
static int check_private(const struct params_source *s, int fd, struct dv_err *err)
{
    struct stat st;
    if (!s->inline_secret || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return bad(s, "chap_secret", err, "this file belongs to somebody else; chown it to root");
    if (st.st_mode & 077)
        return bad(s, "chap_secret", err, "this file can be used by others; chmod 600 it");
    return 0;
}

static struct params *read_from(int fd, const char *name, struct dv_err *err)
{
    char *text = dv_calloc(1, FILE_MAX + 1);
    struct params_source s = {.name = name, .text = text};
    struct params *p = NULL;
    if (read_all(fd, name, text, &s.len, err) == 0)
        p = parse(&s, err);
    if (p && (check_private(&s, fd, err) < 0 || resolve(&s, p, err) < 0)) {
        params_free(p);
        p = NULL;
    }
    secret_wipe(text, FILE_MAX + 1);
    free(text);
    return p;
}

struct params *params_read(const char *path, struct dv_err *err)
{
    if (!strcmp(path, "-"))
        return read_from(STDIN_FILENO, "standard input", err);
    DV_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        dv_fail(err, DV_NOT_FOUND, "%s: cannot open: %s", path, strerror(errno));
        return NULL;
    }
    return read_from(fd, path, err);
}

void params_free(struct params *p)
{
    if (!p)
        return;
    free(p->portal);
    free(p->target);
    free(p->initiator);
    free(p->chap_user);
    secret_free(p->chap_secret);
    free(p);
}

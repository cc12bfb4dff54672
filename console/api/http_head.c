// Reading a request's head (RFC 9112 sections 2 to 6).
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/http_head.h"

#include "base/mem.h"
#include <string.h>
#include <strings.h>

#define LENGTH_MAX ((uint64_t)INT64_MAX)

// The fields that matter; each may be there once.
enum {
    HEAD_HOST,
    HEAD_ORIGIN,
    HEAD_AUTHORIZATION,
    HEAD_CONTENT_TYPE,
    HEAD_CONTENT_LENGTH,
    HEAD_TRANSFER_ENCODING,
    HEAD_EXPECT,
    HEAD_FIELDS
};
static const char *const names[HEAD_FIELDS] = {
    "Host",  "Origin", "Authorization", "Content-Type", "Content-Length", "Transfer-Encoding",
    "Expect"};

struct head_reading {
    struct http_head *out;
    const char *once[HEAD_FIELDS];
    bool old; // HTTP/1.0
    int *status;
    struct dv_err *err;
};

// Not in any line of a head: a NUL, another control character, or a lone end of line.
static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static int bad(int *status, int value)
{
    *status = value;
    return -1;
}
#define BAD(r, value, ...) (dv_fail((r)->err, DV_INVALID, __VA_ARGS__), bad((r)->status, (value)))

static long end_of_line(const char *text, size_t len, size_t at, int *status, struct dv_err *err)
{
    if (text[at] != '\r') {
        dv_fail(err, DV_INVALID,
                "byte %zu of the request is 0x%02x, which is not allowed in a head; lines end "
                "with CR LF",
                at + 1, (unsigned)(unsigned char)text[at]);
        return bad(status, 400);
    }
    if (at + 1 == len)
        return 0;
    if (text[at + 1] != '\n') {
        dv_fail(err, DV_INVALID, "byte %zu of the request is a CR that no LF follows", at + 1);
        return bad(status, 400);
    }
    return 1;
}

long http_head_end(const char *text, size_t len, size_t *seen, int *status, struct dv_err *err)
{
    size_t at = *seen;
    for (; at < len && at < HTTP_HEAD_MAX; at++) {
        if (!is_control(text[at]))
            continue;
        long whole = end_of_line(text, len, at, status, err);
        if (whole < 0)
            return -1;
        if (whole == 0)
            break;
        if (at == 0 || text[at - 1] == '\n') // the empty line
            return (long)at + 2;
        at++;
    }
    *seen = at;
    if (len < HTTP_HEAD_MAX)
        return 0;
    dv_fail(err, DV_INVALID, "the head of the request has more than %d bytes", HTTP_HEAD_MAX);
    return bad(status, memchr(text, '\r', HTTP_HEAD_MAX) ? 431 : 414);
}

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_len(const char *text)
{
    size_t len = 0;
    while (is_token_char(text[len]))
        len++;
    return len;
}

// uri-host [ ":" port ]; empty is allowed.
static bool is_authority(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~!$&'()*+;=%";
    const char *p = text;
    if (*p == '[') {
        p += 1 + strspn(p + 1, "0123456789abcdefABCDEF:.");
        if (*p++ != ']')
            return false;
    } else {
        p += strspn(p, allowed);
    }
    if (*p == ':')
        p += 1 + strspn(p + 1, "0123456789");
    return *p == '\0';
}

// ---- The request line ---------------------------------------------------------------------------

static int parse_version(struct head_reading *r, const char *version)
{
    r->old = !strcmp(version, "HTTP/1.0");
    if (r->old || !strcmp(version, "HTTP/1.1"))
        return 0;
    if (!strncmp(version, "HTTP/", 5) && strspn(version + 5, "0123456789") == 1 &&
        version[6] == '.' && strspn(version + 7, "0123456789") == 1 && version[8] == '\0')
        return BAD(r, 505, "the version \"%s\" is neither HTTP/1.1 nor HTTP/1.0", version);
    return BAD(r, 400, "the request line does not end with HTTP/1.1 or HTTP/1.0");
}

// "http://host:port/path": what Host says does not count then. The authority moves down by one
// byte, which makes room for the NUL behind it.
static int parse_absolute(struct head_reading *r, char *target)
{
    char *authority = strstr(target, "://") + 3;
    size_t len = strcspn(authority, "/?");
    bool web = !strncasecmp(target, "http://", 7) || !strncasecmp(target, "https://", 8);
    memmove(authority - 1, authority, len);
    authority[len - 1] = '\0';
    r->out->host = authority - 1;
    if (len == 0 || !web || !is_authority(r->out->host))
        return BAD(r, 400, "the request's target is not a URL of this server");
    r->out->path = authority + len;
    if (*r->out->path != '/') // no path is the path "/"
        r->out->path = "/";
    return 0;
}

static int parse_target(struct head_reading *r, char *target)
{
    for (const char *p = target; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '#')
            return BAD(r, 400, "the request's target has a character that no URL has there");
    char *query = strchr(target, '?');
    if (query) {
        *query = '\0';
        r->out->query = query + 1;
    }
    r->out->path = target;
    if (!strcmp(r->out->method, "CONNECT"))
        return BAD(r, 400, "CONNECT asks for a tunnel, and this server is no proxy");
    if (*target == '/' || (!strcmp(target, "*") && !query && !strcmp(r->out->method, "OPTIONS")))
        return 0;
    if (strstr(target, "://"))
        return parse_absolute(r, target);
    return BAD(r, 400, "the request's target is neither a path nor a URL");
}

static int parse_request_line(struct head_reading *r, char *line)
{
    size_t len = token_len(line);
    char *target = line + len + 1;
    char *space = len && line[len] == ' ' ? strchr(target, ' ') : NULL;
    if (!space || space == target)
        return BAD(r, 400,
                   "this is not an HTTP request: a method, a target and HTTP/1.1 are "
                   "expected, with one space between them");
    line[len] = *space = '\0';
    r->out->method = line;
    return parse_version(r, space + 1) < 0 ? -1 : parse_target(r, target);
}

// ---- The fields ---------------------------------------------------------------------------------

static bool lists_close(const char *value)
{
    while (*value) {
        value += strspn(value, ", \t");
        size_t len = strcspn(value, ", \t");
        if (len == 5 && !strncasecmp(value, "close", len))
            return true;
        value += len;
    }
    return false;
}

static int take_field(struct head_reading *r, const char *name, const char *value)
{
    if (!strcasecmp(name, "Connection"))
        r->out->close |= lists_close(value);
    for (int i = 0; i < HEAD_FIELDS; i++) {
        if (strcasecmp(name, names[i]) != 0)
            continue;
        if (r->once[i])
            return BAD(r, 400, "the header %s is there more than once", names[i]);
        r->once[i] = value;
    }
    return 0;
}

static int parse_field(struct head_reading *r, char *line)
{
    size_t len = token_len(line);
    if (*line == ' ' || *line == '\t')
        return BAD(r, 400, "a line of the head begins with white space: headers are not folded");
    if (line[len] != ':' || len == 0)
        return BAD(r, 400, "a line of the head is not a name, a colon at once, and a value");
    line[len] = '\0';
    char *value = line + len + 1;
    value += strspn(value, " \t");
    for (char *end = value + strlen(value); end > value && strchr(" \t", end[-1]); end--)
        end[-1] = '\0';
    return take_field(r, line, value);
}

// ---- What they mean together ----------------------------------------------------------------

static int check_length(struct head_reading *r)
{
    const char *text = r->once[HEAD_CONTENT_LENGTH];
    uint64_t length = 0;
    if (!text)
        return 0;
    if (!*text || text[strspn(text, "0123456789")])
        return BAD(r, 400, "the Content-Length \"%.32s\" is not a number in digits", text);
    for (; *text; text++) // too much stays too much
        length = length > LENGTH_MAX / 10 - 1 ? LENGTH_MAX : length * 10 + (uint64_t)(*text - '0');
    r->out->content_length = length;
    return 0;
}

static int check_coding(struct head_reading *r)
{
    const char *coding = r->once[HEAD_TRANSFER_ENCODING];
    if (!coding)
        return 0;
    if (r->once[HEAD_CONTENT_LENGTH])
        return BAD(r, 400,
                   "Transfer-Encoding and Content-Length are both there; send one, the "
                   "Content-Length");
    if (r->old || strcasecmp(coding, "chunked") != 0)
        return BAD(r, 400, "the Transfer-Encoding \"%.32s\" does not tell where the body ends",
                   coding);
    return BAD(r, 411, "send the body with a Content-Length and no Transfer-Encoding");
}

static int check_host(struct head_reading *r)
{
    const char *host = r->once[HEAD_HOST];
    if (!host && !r->old)
        return BAD(r, 400, "the header Host is missing");
    if (host && !is_authority(host))
        return BAD(r, 400, "the Host header \"%.64s\" is not a host and a port", host);
    if (!r->out->host)
        r->out->host = host;
    return 0;
}

static int check_expect(struct head_reading *r)
{
    const char *expect = r->once[HEAD_EXPECT];
    if (!expect || r->old)
        return 0;
    if (strcasecmp(expect, "100-continue") != 0)
        return BAD(r, 417, "nothing but 100-continue can be expected of this server");
    r->out->expects_continue = true;
    return 0;
}

static char *next_line(char **text)
{
    char *line = *text, *end = strstr(line, "\r\n"); // there is one: http_head_end saw it
    *end = '\0';
    *text = end + 2;
    return line;
}

int http_head_parse(char *text, size_t len, struct http_head *out, int *status, struct dv_err *err)
{
    struct head_reading r = {.out = out, .status = status, .err = err};
    *out = (struct http_head){0};
    text[len - 2] = '\0'; // the empty line: no line is behind it
    if (len == 2)
        return BAD(&r, 400, "the request begins with empty lines");
    if (parse_request_line(&r, next_line(&text)) < 0)
        return -1;
    for (size_t fields = 0; *text; fields++) {
        if (fields == HTTP_FIELDS_MAX)
            return BAD(&r, 431, "there are more than %d headers", HTTP_FIELDS_MAX);
        if (parse_field(&r, next_line(&text)) < 0)
            return -1;
    }
    out->close |= r.old;
    out->origin = r.once[HEAD_ORIGIN];
    out->authorization = r.once[HEAD_AUTHORIZATION];
    out->content_type = r.once[HEAD_CONTENT_TYPE];
    if (check_length(&r) < 0 || check_coding(&r) < 0 || check_host(&r) < 0)
        return -1;
    return check_expect(&r);
}

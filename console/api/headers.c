// Reading the headers that matter, and percent-encoded text.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/request.h"

#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include <arpa/inet.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool request_decode(const char *text, size_t len, bool plus, char *out, size_t room)
{
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            if (len - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
                return false;
            c = (char)(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0' || used + 1 >= room)
            return false;
        out[used++] = c;
    }
    out[used] = '\0';
    return true;
}

bool request_type_is_json(const char *content_type)
{
    static const char json[] = "application/json";
    if (!content_type || strncasecmp(content_type, json, sizeof(json) - 1) != 0)
        return false;
    const char *p = content_type + sizeof(json) - 1;
    p += strspn(p, " \t");
    if (*p == '\0')
        return true;
    if (*p++ != ';')
        return false;
    p += strspn(p, " \t");
    return *p == '\0' || strcasecmp(p, "charset=utf-8") == 0 ||
           strcasecmp(p, "charset=\"utf-8\"") == 0;
}

bool request_host_is_local(const char *host)
{
    char name[INET6_ADDRSTRLEN + 2];
    struct in6_addr address;
    if (!host)
        return false;
    bool bracket = *host == '[';
    const char *from = host + bracket;
    size_t len = strcspn(from, bracket ? "]" : ":");
    if (len >= sizeof(name) || (bracket && from[len] != ']'))
        return false;
    memcpy(name, from, len);
    name[len] = '\0';
    const char *port = from + len + bracket;
    if (*port == ':' ? strspn(port + 1, "0123456789") != strlen(port + 1) : *port != '\0')
        return false;
    return inet_pton(bracket ? AF_INET6 : AF_INET, name, &address) == 1 ||
           (!bracket && strcasecmp(name, "localhost") == 0);
}

bool request_same_origin(const char *origin, const char *host)
{
    if (!origin)
        return true;
    const char *authority = strstr(origin, "://");
    return host && authority && strcasecmp(authority + 3, host) == 0;
}

static bool basic_credentials(const char *text, struct credentials *out)
{
    size_t room = strlen(text) + 1, len = 0;
    char *plain = dv_calloc(room, 1);
    bool good = sodium_base642bin((unsigned char *)plain, room - 1, text, strlen(text), NULL, &len,
                                  NULL, sodium_base64_VARIANT_ORIGINAL) == 0;
    char *colon = good && !memchr(plain, '\0', len) ? strchr(plain, ':') : NULL;
    if (colon) {
        *colon = '\0';
        out->user = dv_strdup(plain);
        out->secret = dv_strdup(colon + 1);
    }
    secret_wipe(plain, room);
    free(plain);
    return colon != NULL;
}

bool request_credentials(const char *authorization, struct credentials *out)
{
    *out = (struct credentials){0};
    if (!authorization)
        return false;
    const char *space = strchr(authorization, ' ');
    if (!space)
        return false;
    size_t len = (size_t)(space - authorization);
    const char *text = space + strspn(space, " ");
    if (len == 5 && strncasecmp(authorization, "Basic", len) == 0)
        return basic_credentials(text, out);
    if (len != 6 || strncasecmp(authorization, "Bearer", len) != 0 || *text == '\0')
        return false;
    out->secret = dv_strdup(text);
    return true;
}

void credentials_free(struct credentials *c)
{
    secret_free(c->user);
    secret_free(c->secret);
    *c = (struct credentials){0};
}

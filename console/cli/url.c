// Checking the station's URL.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/url.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define SUCH_AS "such as http://127.0.0.1:8480"

int url_check(const char *url, struct dv_err *err)
{
    const char *rest = strstr(url, "://");
    size_t scheme = rest ? (size_t)(rest - url) : 0;
    // Also what is not quite a URL may hold them: "admin:secret@host".
    if (strchr(url, '@'))
        return dv_fail(err, DV_INVALID,
                       "the station's URL has a user or a password in it, which everybody could "
                       "read: leave them out, and set DVSAN_TOKEN_FILE or DVSAN_PASSWORD_FILE");
    if (strpbrk(url, "?#"))
        return dv_fail(err, DV_INVALID,
                       "the station's URL has a \"%c\" in it: give its beginning alone, " SUCH_AS,
                       *strpbrk(url, "?#"));
    for (const char *p = url; *p; p++)
        if (*p <= ' ' || *p > '~')
            return dv_fail(
                err, DV_INVALID,
                "byte %d of the station's URL is 0x%02x, which no URL has; give one " SUCH_AS,
                (int)(p - url) + 1, (unsigned)(unsigned char)*p);
    bool known = (scheme == 4 && !strncasecmp(url, "http", 4)) ||
                 (scheme == 5 && !strncasecmp(url, "https", 5));
    if (!known || strcspn(rest + 3, "/:") == 0)
        return dv_fail(err, DV_INVALID, "\"%.80s\" is not a URL of the station; give one " SUCH_AS,
                       url);
    return 0;
}

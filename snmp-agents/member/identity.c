// The identity file of an enrolled member.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/member/identity.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include <string.h>
#include <unistd.h>

#define IDENTITY_MAX 8192 // bytes

static char *path_of(const char *state_dir)
{
    return dv_printf("%s/identity", state_dir);
}

int identity_load(const char *state_dir, struct grant *out, struct dv_err *err)
{
    DV_FREE char *path = path_of(state_dir);
    struct dv_err why;
    char *text = NULL;
    size_t len;
    if (file_read(path, IDENTITY_MAX, &text, &len, &why) < 0) {
        if (why.code == DV_NOT_FOUND)
            return 0;
        return dv_fail(err, why.code, "%s", why.text);
    }
    int rc = grant_read(text, len, out, &why);
    secret_wipe(text, len);
    free(text);
    if (rc == 0)
        return 1;
    return dv_fail(err, DV_DAMAGED,
                   "%s cannot be used (%s): bring it back from a backup, or enrol it anew "
                   "with a code that dvsan unit add --again prints",
                   path, why.text);
}

int identity_keep(const char *state_dir, const struct grant *grant, struct dv_err *err)
{
    DV_FREE char *path = path_of(state_dir);
    struct grant own = *grant;
    own.has_station_keys = false;
    char *text = grant_write(&own);
    grant_wipe(&own);
    int rc = file_write_atomic(path, text, strlen(text), 0600, err);
    secret_free(text);
    return rc;
}

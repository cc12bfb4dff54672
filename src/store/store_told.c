// Which units were told the one secret that a host has for all of them, and are not to get it now.
// SPDX-License-Identifier: BSD-2-Clause
#include "store/store_internal.h"

#include "base/mem.h"
#include <string.h>

int store_told(struct store *s, const struct dv_uuid *unit, struct dv_uuid **hosts, size_t *count,
               struct dv_err *err)
{
    struct db_stmt *st = s->stmt[ST_TOLD];
    struct dv_uuid *list = NULL;
    size_t n = 0, len;
    int rc;
    db_bind_blob(st, 1, unit->b, sizeof(unit->b));
    while ((rc = db_step(st, err)) == 1) { // all were judged at the start
        const void *host = db_blob(st, 0, &len);
        if (host && len == sizeof(list->b))
            memcpy(DV_APPEND(list, n)->b, host, len);
    }
    if (rc < 0) {
        free(list);
        list = NULL;
        n = 0;
    }
    *hosts = list;
    *count = n;
    return rc;
}

// Which units were told the one secret that a host has for all of them, and are not to get it now.
// SPDX-License-Identifier: BSD-2-Clause
#include "store/store_row.h"

#include "base/mem.h"
#include <stdlib.h>

int store_told(struct store *s, const struct dv_uuid *unit, struct dv_uuid **hosts, size_t *count,
               struct dv_err *err)
{
    struct row row = {.s = s, .st = s->stmt[ST_TOLD], .table = "told"};
    int rc;
    *hosts = NULL;
    *count = 0;
    db_bind_blob(row.st, 1, unit->b, sizeof(unit->b));
    while ((rc = db_step(row.st, err)) == 1)
        *DV_APPEND(*hosts, *count) = row_uuid(&row, 0, "host", false);
    db_reset(row.st);
    if (rc == 0 && row_judge(&row, err) == 0)
        return 0;
    free(*hosts);
    *hosts = NULL;
    *count = 0;
    return -1;
}

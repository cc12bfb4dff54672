// Where volumes lie on a folder: accounts that nothing but the journal keeps, and so can be wrong.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/accounts.h"
#include "base/log.h"
#include "base/mem.h"
#include <string.h>

struct placed { // the extents that are good, sorted
    struct extent *list;
    size_t count;
    uint64_t total;
};

static bool is_free(const struct placed *p, const struct extent *e)
{
    size_t i = extent_place(p->list, p->count, e->start);
    const struct extent *before = i > 0 ? &p->list[i - 1] : NULL;
    return (!before || before->start + before->blocks <= e->start) &&
           (i == p->count || e->start + e->blocks <= p->list[i].start);
}

static void put(struct placed *p, const struct extent *e)
{
    size_t i = extent_place(p->list, p->count, e->start);
    (void)DV_APPEND(p->list, p->count);
    memmove(p->list + i + 1, p->list + i, (p->count - 1 - i) * sizeof(*p->list));
    p->list[i] = *e;
}

// Adds what the volume takes, unless some of it is taken already or behind the end.
static bool place(struct placed *p, const struct volume *v)
{
    const struct extent now = {v->start_lba, v->blocks};
    const struct extent target = {v->target_start_lba, v->target_blocks};
    DV_FREE struct extent *list = NULL;
    size_t n = 0;
    extent_add_both(&now, target.blocks ? &target : &now, &list, &n);
    extent_sort(list, n);
    if (extent_check(list, n, p->total, NULL) != 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_free(p, &list[i]))
            return false;
    for (size_t i = 0; i < n; i++)
        put(p, &list[i]);
    return true;
}

// What is being resized is to be one extent then.
static bool find_other(const struct placed *p, struct volume *v)
{
    uint64_t start, blocks = v->target_blocks > v->blocks ? v->target_blocks : v->blocks;
    if (extent_find(p->list, p->count, p->total, blocks, &start, NULL) != 0)
        return false;
    v->start_lba = start;
    if (v->target_blocks > 0)
        v->target_start_lba = start;
    return true;
}

static int mend(struct state *s, const struct unit_medium *m, struct journal *j, struct dv_err *err)
{
    struct placed p = {.total = m->m.blocks};
    struct unit_volume **wrong = NULL, *v = NULL;
    size_t count = 0;
    int rc = 0;
    while ((v = state_volume_next(s, v ? v->v.index : 0)))
        if (v->v.medium == m->m.index && !place(&p, &v->v))
            *DV_APPEND(wrong, count) = v;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct volume now = wrong[i]->v;
        if (!find_other(&p, &now))
            continue;
        rc = journal_put_volume(j, &now, wrong[i]->made, err);
        if (rc != 0)
            break;
        (void)place(&p, &now);
        wrong[i]->v = now;
        state_volume_changed(s, wrong[i]);
        log_warning("unit",
                    "volume %s had blocks on medium %s that are another one's, or are not there; "
                    "it has others in the accounts now",
                    now.name, m->m.name);
    }
    free(wrong);
    free(p.list);
    return rc;
}

int accounts_mend(struct state *s, struct journal *j, struct dv_err *err)
{
    const struct unit_medium *m = NULL;
    while ((m = state_medium_next(s, m ? m->m.index : 0))) {
        if (state_check_accounts(s, m, NULL) != 0 && mend(s, m, j, err) != 0)
            return -1;
        state_count_free(s, m->m.index);
    }
    return 0;
}

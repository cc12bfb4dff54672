// Fairness among the senders of announcements.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/strangers.h"

#include "base/mem.h"
#include "base/text.h"
#include <string.h>

static int by_sender(const void *x, const void *y)
{
    const struct stranger *const *a = x, *const *b = y;
    int order = strcmp((*a)->sender, (*b)->sender);
    if (order == 0)
        order = ((*a)->since > (*b)->since) - ((*a)->since < (*b)->since);
    return order ? order : (*a > *b) - (*a < *b);
}

size_t strangers_weakest(const struct stranger *list, size_t count)
{
    DV_FREE const struct stranger **sorted = dv_calloc(count, sizeof(struct stranger *));
    size_t n = 0, most = 0;
    const struct stranger *weakest = list;
    for (size_t i = 0; i < count; i++)
        if (!list[i].has_answered)
            sorted[n++] = &list[i];
    for (size_t i = 0; n == 0 && i < count; i++)
        sorted[i] = &list[i];
    n = n ? n : count;
    qsort(sorted, n, sizeof(struct stranger *), by_sender);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && strcmp(sorted[end]->sender, sorted[i]->sender) == 0; end++)
            ;
        // Of senders with equally many, the one whose oldest is the oldest.
        if (end - i > most || (end - i == most && sorted[i]->since < weakest->since)) {
            most = end - i;
            weakest = sorted[i];
        }
    }
    return (size_t)(weakest - list);
}

const char *stranger_sender(const char *from, char out[SENDER_ROOM])
{
    const char *open = strchr(from, '[');
    dv_copy(out, SENDER_ROOM, open ? open + 1 : from);
    out[strcspn(out, open ? "]" : " ->")] = '\0';
    return out;
}

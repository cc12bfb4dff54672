// From what live sessions did, as tgtd tells it, to what each volume did: sums that never go back.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/traffic.h"
#include "base/mem.h"
#include <string.h>

struct traffic {
    struct tgt_statistics *rows; // sorted as below
    size_t count;
};

static int compare(const void *a, const void *b)
{
    const struct tgt_statistics *x = a, *y = b;
    if (x->tid != y->tid)
        return x->tid < y->tid ? -1 : 1;
    if (x->sid != y->sid)
        return x->sid < y->sid ? -1 : 1;
    return x->lun < y->lun ? -1 : x->lun > y->lun;
}

struct traffic *traffic_new(void)
{
    return dv_calloc(1, sizeof(struct traffic));
}

void traffic_reset(struct traffic *t)
{
    free(t->rows);
    *t = (struct traffic){0};
}

void traffic_free(struct traffic *t)
{
    if (t)
        traffic_reset(t);
    free(t);
}

// The differences of the 32-bit counts are right also when these wrapped. A session whose bytes
// went back is another one with the same number, and began at zero.
static struct volume_counters grown(const struct tgt_statistics *now,
                                    const struct tgt_statistics *before)
{
    static const struct tgt_statistics zero;
    if (!before || now->read_bytes < before->read_bytes || now->write_bytes < before->write_bytes)
        before = &zero;
    return (struct volume_counters){
        .read_ops = (uint32_t)(now->read_commands - before->read_commands),
        .write_ops = (uint32_t)(now->write_commands - before->write_commands),
        .read_bytes = now->read_bytes - before->read_bytes,
        .written_bytes = now->write_bytes - before->write_bytes};
}

static void add(struct order *o, uint32_t volume, const struct volume_counters *g)
{
    if (g->read_ops == 0 && g->write_ops == 0 && g->read_bytes == 0 && g->written_bytes == 0)
        return;
    struct order_counters *last = o->counter_count ? &o->counters[o->counter_count - 1] : NULL;
    if (!last || last->volume != volume) {
        last = DV_APPEND(o->counters, o->counter_count);
        last->volume = volume;
    }
    last->grown.read_ops += g->read_ops;
    last->grown.write_ops += g->write_ops;
    last->grown.read_bytes += g->read_bytes;
    last->grown.written_bytes += g->written_bytes;
}

void traffic_take(struct traffic *t, const struct tgt_statistics *rows, size_t count,
                  struct order *o)
{
    struct tgt_statistics *sorted = dv_calloc(count + 1, sizeof(*sorted));
    if (count > 0) {
        memcpy(sorted, rows, count * sizeof(*rows));
        qsort(sorted, count, sizeof(*sorted), compare);
    }
    for (size_t i = 0; i < count; i++) {
        const struct tgt_statistics *before =
            t->count ? bsearch(&sorted[i], t->rows, t->count, sizeof(*sorted), compare) : NULL;
        struct volume_counters g = grown(&sorted[i], before);
        add(o, sorted[i].tid, &g);
    }
    free(t->rows);
    t->rows = sorted;
    t->count = count;
}

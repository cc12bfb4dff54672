// Hosts found in access rules, by the canonical form of their names.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/unit/found.h"

#include "base/mem.h"
#include "cms/pool/names.h"
#include "cms/pool/pool.h"
#include <string.h>
#include <uthash.h>

struct found_host {
    char key[IQN_MAX_LEN + 1];
    struct host_record rec;
    UT_hash_handle hh;
};

static const struct host_record *find(const struct found *f, const char *iqn)
{
    char key[IQN_MAX_LEN + 1];
    struct found_host *h = NULL;
    const struct pool_host *known = pool_host_by_iqn(f->pool, iqn);
    if (known)
        return &known->rec;
    iqn_canonical(iqn, key);
    HASH_FIND_STR(f->hosts, key, h);
    return h ? &h->rec : NULL;
}

bool found_knows(const struct found *f, const char *iqn)
{
    return find(f, iqn) != NULL;
}

bool found_host(struct found *f, const struct access_rule *rule, struct changes *c,
                struct host_record *out)
{
    const struct host_record *known = find(f, rule->initiator);
    if (known) {
        *out = *known;
        return false;
    }
    struct found_host *h = dv_calloc(1, sizeof(*h));
    h->rec.uuid = uuid_random();
    names_for_host(f->pool, f->names, rule->initiator, h->rec.name);
    dv_copy(h->rec.iqn, sizeof(h->rec.iqn), rule->initiator);
    dv_copy(h->rec.chap_user, sizeof(h->rec.chap_user), rule->chap_user);
    iqn_canonical(rule->initiator, h->key);
    HASH_ADD_STR(f->hosts, key, h);
    changes_host(c, &h->rec);
    *out = h->rec;
    return true;
}

size_t found_count(const struct found *f)
{
    return HASH_COUNT(f->hosts);
}

size_t found_strangers(const struct pool *pool, const struct pool_unit *unit)
{
    const uint64_t mark = pool_next_mark();
    size_t n = 0;
    for (const struct pool_volume *v = unit ? unit->volumes : NULL; v; v = v->unit_next) {
        for (const struct pool_assignment *a = v->assignments; a; a = a->volume_next) {
            n += a->host->mark != mark && a->host->rec.sealed_len == 0;
            a->host->mark = mark;
        }
    }
    for (const struct pool_host *h = pool->hosts; h; h = h->hh.next)
        n += !h->assignments && h->rec.sealed_len == 0;
    return n;
}

void found_free(struct found *f)
{
    struct found_host *h, *next;
    HASH_ITER(hh, f->hosts, h, next)
    {
        HASH_DEL(f->hosts, h);
        free(h);
    }
}

// Hosts that units' access rules name and nobody here knows: each is made once.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_FOUND_H
#define DVSAN_CMS_FOUND_H

#include "cms/pool/names.h"
#include "cms/pool/pool.h"

#define FOUND_HOSTS_MAX 10000 // of one unit, whose secrets are not known here

struct found_host;

// Those of one set of changes; zero before, but for the pool and the names.
struct found {
    struct pool *pool;
    struct names *names; // given to things that the pool does not have yet; not freed with this
    struct found_host *hosts;
};

void found_free(struct found *f);
size_t found_count(const struct found *f); // new ones
// How many hosts of the unit's volumes were found and are not completed yet, and of those that have
// no volume, which may have come ahead of one that never did. Unit may be NULL.
size_t found_strangers(const struct pool *pool, const struct pool_unit *unit);
// Whether the pool has the host, or it was found before.
bool found_knows(const struct found *f, const char *iqn);
// The host that the rule is for: the pool's, one that was found before, or a new one, which is
// added to the changes. True when it is new.
bool found_host(struct found *f, const struct access_rule *rule, struct changes *c,
                struct host_record *out);

#endif

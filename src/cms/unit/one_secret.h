// A host's one secret, where a unit's word alone gave it a volume.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_UNIT_ONE_SECRET_H
#define DVSAN_CMS_UNIT_ONE_SECRET_H

#include "cms/unit/observe.h"

// The volume moves by its unit's word, so only the other unit's says where it is: what opens others
// is not sent there until a person assigns the volume anew.
void one_secret_stays(struct observation *o, const struct pool_volume *pv);

// The found host is completed, as rec says: where a unit's word alone gave it a volume, its one
// secret is not sent.
void one_secret_from_finders(struct cms *cms, struct changes *c, const struct pool_host *found,
                             const struct host_record *rec);

#endif

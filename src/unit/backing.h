// Backings of volumes: made, resized, moved and destroyed.
// SPDX-License-Identifier: BSD-2-Clause
//
// Everything here blocks; it belongs to the worker's thread. The results are written into the
// order.
#ifndef DVSAN_UNIT_BACKING_H
#define DVSAN_UNIT_BACKING_H

#include "unit/pass.h"
#include "unit/pass_media.h"

// Whether the backing was made.
bool backing_make(struct pass_media *p, struct order *o, struct order_volume *ov,
                  const struct pass_calls *calls);

// Whether nothing may have the backing open while it is resized. Whoever has the backing open must
// never lose the end of it.
bool backing_is_resized_closed(const struct media *m, const struct order_volume *ov);
// Whether the backing is resized while it is open.
bool backing_is_resized_open(const struct pass_media *p, const struct order *o,
                             struct order_volume *ov);
// Whether something is to be recorded. While its medium is away a volume goes on waiting.
bool backing_resize(struct pass_media *p, struct order *o, struct order_volume *ov,
                    const struct pass_calls *calls);

void backing_destroy(struct pass_media *p, struct order *o, struct order_volume *ov,
                     const struct pass_calls *calls);

// Clears away what media hold of volumes that nobody knows.
void backing_tidy(struct pass_media *p, struct order *o);

#endif

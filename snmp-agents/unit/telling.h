// What a unit's notifications tell of its media, volumes and links, and when.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_TELLING_H
#define DVSAN_UNIT_TELLING_H

#include "snmp-agents/member/announcement.h"
#include "snmp-agents/member/news.h"
#include "unit/state.h"

// In the order in which they are told: what concerns many volumes first.
enum telling_kind {
    TELLING_MEDIUM,
    TELLING_LINK,
    TELLING_VOLUME,
    TELLING_LOGIN, // refused ones, whose state is their number
    TELLING_KINDS
};
extern const struct news_kind telling_kinds[TELLING_KINDS];

// Sees the media and volumes that changed behind the generation *seen, which becomes the last one.
void telling_look(const struct state *state, uint32_t *seen, struct news *n);

// The number of volumes, and as many of them as fit, behind the member's own objects.
void telling_announce(const struct state *state, struct announcement *a);
// That the medium, or the volume, is in another state: dvsanMediumOnline, dvsanMediumLow or
// dvsanMediumFailed; dvsanVolumeStateChange. Volumes' extents are left out.
void telling_medium(const struct medium *medium, struct announcement *a);
void telling_volume(const struct volume *volume, struct announcement *a);
// That a login at the volume was refused: iscsiTgtLoginFailure of the ISCSI-MIB.
void telling_login(const struct unit_volume *volume, struct announcement *a);

#endif

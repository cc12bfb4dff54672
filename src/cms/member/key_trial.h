// With which of the station's keys a unit answers.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_MEMBER_KEY_TRIAL_H
#define DVSAN_CMS_MEMBER_KEY_TRIAL_H

#include "cms/member/link.h"

// Asks the unit as the station's user of one number after the other until one answers. UNKNOWN: it
// said neither yes nor no. peer: as the user that fits, for the callee to free; else NULL.
enum key_answer { KEY_FITS, KEY_NONE_FITS, KEY_UNKNOWN };
typedef void key_trial_fn(void *arg, enum key_answer answer, uint32_t number, struct sn_peer *peer);
struct key_trial *key_trial_new(struct unit_link *link, const uint32_t *numbers, size_t count,
                                key_trial_fn *done, void *arg);
void key_trial_free(struct key_trial *t); // NULL is fine; also from done

#endif

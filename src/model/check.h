// What a unit's rows can be, whoever tells them: the unit by SNMP, or the station's own store.
// SPDX-License-Identifier: BSD-2-Clause
//
// Each returns the field that cannot be what it is, or NULL when the row is good. Texts have ended
// and are printable already; what refers to other rows is not looked at.
#ifndef DVSAN_MODEL_CHECK_H
#define DVSAN_MODEL_CHECK_H

#include "model/unit.h"

// SAM-5 section 4.7.7.2, peripheral device addressing: what all initiators and our data path reach.
#define LUN_MAX 255u

const char *medium_wrong(const struct medium *m);
const char *free_extent_wrong(const struct free_extent *e);
const char *portal_wrong(const struct portal *p);
const char *volume_wrong(const struct volume *v); // as its unit shows it
// Whether its target's name is made of its UUID, as units make it. So no volume has another one's.
bool volume_has_own_target(const struct volume *v);
const char *access_rule_wrong(const struct access_rule *r);

#endif

// At which volume a login was refused, of which tgtd's log gives the initiator alone.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_UNIT_REFUSAL_H
#define DVSAN_UNIT_REFUSAL_H

#include "unit/state.h"

// tgtd checks the CHAP user and secret only of an initiator that the target admits by its name. So
// the login was at one of the volumes that this tgtd serves and that have a rule for the initiator.
// Returns that volume when there is just one and its rule is in force; NULL when the volume is not
// certain. The state must be that of the moment at which the log was written.
struct unit_volume *refusal_volume(const struct state *s, uint32_t tgtd, const char *initiator);

// Notes the refusal at all rules at which it may have been, for refusal_text. now: Unix time.
void refusal_note(struct state *s, uint32_t tgtd, const char *initiator, int64_t now);
// What is to be said of a rule in force: "" when nothing was refused since the initiator's last
// login. The caller frees it.
char *refusal_text(const struct unit_rule *r);

#endif

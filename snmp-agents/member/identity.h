// What an enrolled member keeps of its station and its own keys: the file identity in its folder.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_MEMBER_IDENTITY_H
#define DVSAN_MEMBER_IDENTITY_H

#include "enrol/message.h"

// 1: the identity is in out, which the caller wipes (grant_wipe). 0: the member was never enrolled.
// -1: there is an identity that cannot be used, with a sentence.
int identity_load(const char *state_dir, struct grant *out, struct dv_err *err);
// Has the identity on disk, mode 0600, before it returns.
int identity_keep(const char *state_dir, const struct grant *grant, struct dv_err *err);

#endif

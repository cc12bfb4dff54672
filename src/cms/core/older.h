// A store that is older than what units were told.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_CORE_OLDER_H
#define DVSAN_CMS_CORE_OLDER_H

struct changes;
struct cms;

// A unit shows that the store is older than what units were told. What a person gave out and took
// back since is not known: codes of before this start end, and the rest is told, once.
void older_noticed(struct cms *cms);
// Trust or codes change: units are told of a new state of the store, so that they show it when an
// older one is put back.
void older_mark(const struct cms *cms, struct changes *c);

#endif

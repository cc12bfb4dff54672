// Going to the background once all is well.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_NBD_BACKGROUND_H
#define DVSAN_NBD_BACKGROUND_H

#include "base/err.h"

// Goes on in a child. The parent stays until the child calls background_go, and then ends with 0;
// or until the child ends before, and then fails as that did. Before there are threads.
int background_begin(struct dv_err *err);
// From now on standard error is the file log, appended to, and the parent ends.
int background_go(const char *log, struct dv_err *err);

#endif

// The service manager that started the program, systemd's protocol of sd_notify(3).
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_BASE_SERVICE_H
#define DVSAN_BASE_SERVICE_H

#include <stdbool.h>

// Tell the manager, when there is one (NOTIFY_SOCKET is set), that the program serves, and that it
// is about to end. A manager that does not listen is no failure of ours.
void service_ready(void);
void service_stopping(void);

// Whether what is written to this descriptor becomes part of the journal, which is kept and which
// others may read.
bool service_logs(int fd);

#endif

// Fault points: where a test can stop the program, to kill it or what it works with just then.
// SPDX-License-Identifier: BSD-2-Clause
//
// Only builds with the CMake option DVSAN_FAULTS have them; in all others they are nothing at all.
// A point stands before and after whatever is durable, or done by another process. Its name is
// MODULE.STEP; where one place does several things, a detail follows.
//
// Two environment variables name files. To the one in DVSAN_FAULT_RECORD each point that is passed
// is appended as a line. The one in DVSAN_FAULT_STOP is looked at whenever a point is passed; if it
// says NAME:N, the program deletes it and stops itself (SIGSTOP) when it passes that point for the
// Nth time since it first saw the file.
#ifndef DVSAN_BASE_FAULT_H
#define DVSAN_BASE_FAULT_H

#ifdef DVSAN_FAULTS
void fault_pass(const char *name, const char *detail); // detail may be NULL
#define DV_FAULT(name)            fault_pass(name, NULL)
#define DV_FAULT_OF(name, detail) fault_pass(name, detail)
#else
#define DV_FAULT(name)            ((void)0)
#define DV_FAULT_OF(name, detail) ((void)0)
#endif

#endif

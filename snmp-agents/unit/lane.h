// A thread on which one medium is asked things, so that one that does not answer holds up no other.
// SPDX-License-Identifier: BSD-2-Clause
//
// A call into a file system or disk that hangs cannot be taken back. Who waits gives up when there
// was no sign of life for a while; the call goes on, is asked nothing else meanwhile, and what
// comes of it is dropped. So what is asked must be right when it is asked again, as after a crash.
#ifndef DVSAN_UNIT_LANE_H
#define DVSAN_UNIT_LANE_H

#include <stdbool.h>
#include <stdint.h>

struct lane;

struct lane_job {
    void (*work)(struct lane_job *j); // on the lane's thread
    void (*drop)(struct lane_job *j); // frees it; on the lane's thread, when nobody waits any more
    char doing[160];                  // "volume v1 was created"
};

struct lane *lane_new(uint32_t patience_ms);
// Waits for what goes on as long as for a job; false when that does not end: the lane is then left
// as it is, and what its job uses must stay.
bool lane_free(struct lane *l);

// Starts a job, which is the lane's from then on; only when lane_is_free.
void lane_start(struct lane *l, struct lane_job *j);
// Waits for it. True: it has ended, and is the caller's again. False: it goes on without him.
// tell(arg, percent), which may be NULL, is called with what the job tells; false: it is not wanted
// any more.
bool lane_wait(struct lane *l, bool (*tell)(void *arg, uint32_t percent), void *arg);
bool lane_is_free(struct lane *l);
// Since when the job that was given up last had given no sign of life, and what it was:
// "since 2026-11-29T12:00:00Z, when volume v1 was created".
#define LANE_TROUBLE_ROOM 200
void lane_trouble(struct lane *l, char out[static LANE_TROUBLE_ROOM]);

// From inside a job: a sign of life. False: it is not wanted any more.
bool lane_tell(struct lane *l, uint32_t percent);

// Any thread: from now on there is less patience, since the program ends.
void lane_hurry(struct lane *l);

#endif

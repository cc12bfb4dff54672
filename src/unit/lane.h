// A thread on which one medium is asked things, so that one that does not answer holds up no other.
// SPDX-License-Identifier: BSD-2-Clause
//
// A call into a file system or disk that hangs cannot be taken back. Who waits does so for a while;
// the job goes on without him, nothing else is asked meanwhile, and what comes of it is taken by
// whoever waits for it again.
#ifndef DVSAN_UNIT_LANE_H
#define DVSAN_UNIT_LANE_H

#include <stdbool.h>
#include <stdint.h>

struct lane;

struct lane_job {
    void (*work)(struct lane_job *j); // on the lane's thread
    char doing[160];                  // "volume v1 was created"
};

struct lane *lane_new(void);
// Waits a little for what goes on. False when that does not end: the lane is then left as it is,
// and what its job uses must stay. Else the job is the caller's again.
bool lane_free(struct lane *l);

// Starts a job, which is the lane's until it was waited for; only when there is none.
void lane_start(struct lane *l, struct lane_job *j);

struct lane_patience {
    int64_t until_ms;    // of wait_now_ms
    uint32_t silence_ms; // or until there was no sign of life for so long, when that is sooner
};
// Waits for the job. True: it has ended, and is the caller's again. False: it goes on.
// tell(arg, percent), which may be NULL, is called with what the job tells; false: it is not wanted
// any more.
bool lane_wait(struct lane *l, struct lane_patience patience,
               bool (*tell)(void *arg, uint32_t percent), void *arg);
// For how long the job has given no sign of life.
uint32_t lane_silence(struct lane *l);
// Since when, and what it is: "since 2026-11-29T12:00:00Z, when volume v1 was created".
#define LANE_TROUBLE_ROOM 200
void lane_trouble(struct lane *l, char out[static LANE_TROUBLE_ROOM]);

// From inside a job: a sign of life. False: it is not wanted any more.
bool lane_tell(struct lane *l, uint32_t percent);

// Any thread: from now on there is less patience, since the program ends.
void lane_hurry(struct lane *l);

#endif

// A thread on which one medium is asked things, so that a silent medium holds up no other.
// SPDX-License-Identifier: BSD-2-Clause
//
// A call into a file system or disk that hangs cannot be taken back. So the caller waits for a job
// only for a while. The job goes on without the caller, and the medium is asked nothing else
// meanwhile. Whoever waits for the job again takes what came of it.
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
// Waits a little for the job that goes on. False when the job does not end: the lane is then left
// as it is, and what its job uses must stay. Else the job is the caller's again.
bool lane_free(struct lane *l);

// Starts a job, which is the lane's until lane_wait gives it back; only when the lane has none.
void lane_start(struct lane *l, struct lane_job *j);

struct lane_patience {
    int64_t until_ms;    // of wait_now_ms
    uint32_t silence_ms; // or until there was no sign of life for so long, when that is sooner
};
// Waits for the job. True: the job has ended, and is the caller's again. False: the job goes on.
// tell(arg, percent), which may be NULL, is called with what the job tells, and returns false when
// the job is not wanted any more.
bool lane_wait(struct lane *l, struct lane_patience patience,
               bool (*tell)(void *arg, uint32_t percent), void *arg);
// For how long the job has given no sign of life.
uint32_t lane_silence(struct lane *l);
// Since when the job is silent, and what the job is: "since 2026-11-29T12:00:00Z, when volume v1
// was created".
#define LANE_TROUBLE_ROOM 200
void lane_trouble(struct lane *l, char out[static LANE_TROUBLE_ROOM]);

// From inside a job: a sign of life. False: the job is not wanted any more.
bool lane_tell(struct lane *l, uint32_t percent);

// Any thread: from now on there is less patience, since the program ends.
void lane_hurry(struct lane *l);

#endif

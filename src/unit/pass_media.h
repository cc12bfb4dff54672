// The configured media, as a pass finds them: opened, and looked at.
// SPDX-License-Identifier: BSD-2-Clause
//
// Everything here blocks, but not for long; it belongs to the worker's thread. Each medium is asked
// on a thread of its own; see lane.h. A pass goes on without those that have not answered a moment
// later, all together, which says so in the order: nothing is known of them (waits) until they were
// silent for long (hung). What they answer meanwhile the next pass takes; they are asked nothing
// else until then.
#ifndef DVSAN_UNIT_PASS_MEDIA_H
#define DVSAN_UNIT_PASS_MEDIA_H

#include "config/unit_config.h"
#include "unit/order.h"

struct pass_media;

struct pass_media *pass_media_new(const struct unit_config *config); // borrowed
// False when a medium still does not answer: what it uses is left as it is. NULL is fine.
bool pass_media_free(struct pass_media *p);
// Any thread: the program ends, so that less time is given to media that do not answer.
void pass_media_hurry(struct pass_media *p);

// Opens those that are not open, and writes into the order what each of them tells.
void pass_media_check(struct pass_media *p, struct order *o);

// The medium of this index; NULL while it cannot be used.
struct media *pass_media_at(const struct pass_media *p, uint32_t index);
// The volume's medium; NULL with the reason while it cannot be used.
struct media *pass_media_of(const struct pass_media *p, const struct order *o,
                            const struct order_volume *ov, struct dv_err *err);
enum pass_act {
    PASS_CREATE,
    PASS_GROW,
    PASS_LENGTH,
    PASS_SHRINK,
    PASS_MOVE,
    PASS_DELETE,
    PASS_PATH, // also has the medium tell the volume's name
};
struct pass_ask {
    enum pass_act act;
    const struct volume *v;
    uint64_t blocks; // of PASS_GROW and PASS_SHRINK; what PASS_LENGTH found
    // How far it is, called on the caller's thread, or NULL; false: it is not wanted any more.
    bool (*tell)(void *arg, uint32_t percent);
    void *arg;
    // Results.
    char *path;       // the caller's
    bool away;        // the medium has not answered yet
    bool expired;     // its slice of time is over; the next pass goes on with it
    uint32_t percent; // then: how far it is
};
// Asks the volume's medium, which is there. What of media.h fails, fails here, with its error.
int pass_media_ask(struct pass_media *p, struct order *o, struct pass_ask *ask, struct dv_err *err);

bool pass_media_is_device(const struct pass_media *p, uint32_t index);

#endif

// What becomes of a task that a person takes back, while its order may be on its way.
// SPDX-License-Identifier: BSD-2-Clause
//
// Pure. An order that was sent and not answered may be carried out later, however long it lay in a
// buffer. So a task is taken back only when its unit has taken a newer word of the station, after
// which it refuses that order, and has shown what came of it.
#ifndef DVSAN_LOGIC_CANCEL_H
#define DVSAN_LOGIC_CANCEL_H

#include <stdbool.h>

struct cancel_look {
    bool out;   // an order of the task may still be carried out
    bool fresh; // what follows is what the unit shows now, and not before
    bool done;  // what was asked for is there
    bool stays; // what is there stays: to undo it would cut, or surprise
};

enum cancel_end {
    CANCEL_WAITS = 1,
    CANCEL_TAKEN_BACK, // the order was not carried out, and will not be
    CANCEL_UNDONE,     // the order was carried out; what it made ends again
    CANCEL_CARRIED_OUT // the order was carried out, and stays so: see stays
};

enum cancel_end cancel_ends(const struct cancel_look *look);

#endif

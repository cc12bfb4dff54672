// What becomes of a task that a person takes back, while its order may be on its way.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/cancel.h"

enum cancel_end cancel_ends(const struct cancel_look *look)
{
    if (look->out || !look->fresh)
        return CANCEL_WAITS;
    if (!look->done)
        return CANCEL_TAKEN_BACK;
    return look->stays ? CANCEL_CARRIED_OUT : CANCEL_UNDONE;
}

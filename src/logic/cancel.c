// What becomes of a task that a person takes back, while its order may be on its way.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/cancel.h"

enum cancel_end cancel_ends(const struct cancel_look *look)
{
    if (look->out || !look->fresh)
        return CANCEL_WAITS;
    switch (look->kind) {
    case TASK_VOLUME_CREATE:
        return look->volume ? CANCEL_UNDONE : CANCEL_TAKEN_BACK;
    case TASK_ASSIGN:
        return look->right ? CANCEL_UNDONE : CANCEL_TAKEN_BACK;
    case TASK_VOLUME_RESIZE:
        return look->volume && look->other_size ? CANCEL_CARRIED_OUT : CANCEL_TAKEN_BACK;
    case TASK_VOLUME_RENAME:
        return look->volume && look->other_name ? CANCEL_CARRIED_OUT : CANCEL_TAKEN_BACK;
    case TASK_VOLUME_DELETE: // these are never taken back
    case TASK_UNASSIGN:
    case TASK_UNIT_REKEY: // at once, and elsewhere
        break;
    }
    return CANCEL_WAITS;
}

// Whether writes that were answered are on stable storage, and what a restart of the unit costs.
// SPDX-License-Identifier: BSD-2-Clause
#include "block/unflushed.h"

bool unflushed_session(struct unflushed *u, const struct leg_info *info)
{
    // One that told and does not any more cannot be shown to be in the same boot.
    bool other = u->known && !(info->tells_boot && uuid_equal(&u->boot, &info->boot));
    bool lost = other && u->written > u->flushed;
    if (other)
        u->flushed = u->written;
    if (lost)
        u->losses++;
    if (info->tells_boot)
        u->boot = info->boot;
    u->known = info->tells_boot;
    return lost;
}

uint64_t unflushed_mark(const struct unflushed *u)
{
    return u->written;
}

void unflushed_done(struct unflushed *u, enum leg_op op, unsigned flags, uint64_t mark)
{
    if ((op == LEG_WRITE || op == LEG_ZERO) && !(flags & LEG_FUA))
        u->written++;
    if (op == LEG_FLUSH && mark > u->flushed)
        u->flushed = mark;
}

void unflushed_failed(struct unflushed *u, unsigned *told)
{
    if (u->written == u->flushed)
        return;
    u->flushed = u->written;
    u->losses++;
    if (told)
        *told = u->told = u->losses;
}

bool unflushed_tell(struct unflushed *u, unsigned *told)
{
    if (*told == u->losses)
        return true;
    *told = u->told = u->losses;
    return false;
}

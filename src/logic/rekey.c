// The order of a rotation's steps.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/rekey.h"

#define SPENT 0x80000000U

uint32_t rekey_spent(uint32_t number)
{
    return number | SPENT;
}

bool rekey_is_open(const struct unit_record *u)
{
    return u->key_wanted != 0 || (u->key_alone && u->key_before);
}

uint32_t rekey_behind(const struct unit_record *u, uint32_t shown)
{
    return shown == 0 || shown == u->key_number || rekey_is_open(u) ? 0 : u->key_number + 1;
}

uint32_t rekey_listens(const struct unit_record *u)
{
    if (u->key_wanted != 0)
        return u->key_wanted;
    return u->key_before ? u->key_number - 1 : u->key_number + 1;
}

static size_t add(uint32_t *out, size_t n, uint32_t number)
{
    for (size_t i = 0; i < n; i++)
        if (out[i] == number)
            return n;
    out[n] = number;
    return n + 1;
}

size_t rekey_candidates(uint32_t current, uint32_t wanted, unsigned place,
                        uint32_t out[REKEY_CANDIDATES])
{
    size_t n = 0;
    uint32_t first = current;
    if ((current & 1) != place) {
        if (wanted != 0 && (wanted & 1) == place)
            n = add(out, n, wanted);
        n = add(out, n, current - 1);
        n = add(out, n, rekey_spent(current - 1));
        first = current + 1;
    }
    for (uint32_t number = first; number <= current + REKEY_AHEAD; number += 2)
        n = add(out, n, number);
    return n;
}

// While a rotation is under way the number before is not good any more: it had the place of the one
// that is wanted.
size_t rekey_search(const struct unit_record *u, uint32_t out[REKEY_SEARCHED])
{
    size_t n = 0;
    if (u->key_before && !u->key_alone && u->key_wanted == 0)
        n = add(out, n, u->key_number - 1);
    for (uint32_t i = 1; i <= REKEY_AHEAD; i++)
        n = add(out, n, u->key_number + i);
    return n;
}

void rekey_found(struct unit_record *u, uint32_t number)
{
    if (number < u->key_number) {
        u->key_wanted = u->key_number;
    } else if (u->key_wanted != 0 && u->key_wanted <= number) {
        u->key_wanted = number + 1; // it was asked for by a person, who wants keys that are new
    }
    u->key_number = number;
    u->key_before = false;
    u->key_alone = u->key_alone && u->key_wanted != 0;
}

// Brings the keys of a place to those of number. False: they are there, and snmpd has written them.
static bool bring(const struct rekey_facts *f, uint32_t number, struct rekey_order *out)
{
    unsigned place = number & 1;
    *out = (struct rekey_order){.place = place, .number = number};
    if (f->asked[place] == REKEY_UNASKED)
        out->step = REKEY_TRY;
    else if (f->asked[place] == REKEY_SILENT)
        out->step = REKEY_LOST;
    else if (f->proven[place] < SPENT && f->proven[place] > (number & ~SPENT)) {
        // Never back to a lower number: its keys may have been ended for a reason.
        out->step = REKEY_RAISE;
        out->number = f->proven[place];
    } else if (f->proven[place] != number)
        out->step = REKEY_CHANGE;
    else if (!f->saved[place])
        out->step = REKEY_SAVE;
    return out->step != REKEY_NONE;
}

struct rekey_order rekey_next(const struct rekey_facts *f)
{
    struct rekey_order out = {REKEY_NONE, 0, 0};
    if (f->wanted != 0 && f->wanted != f->current) {
        if (bring(f, f->wanted, &out))
            return out;
        return (struct rekey_order){f->given ? REKEY_RECORD : REKEY_GIVE, 0, f->wanted};
    }
    // Only when the member is known by the current number alone does the one before end.
    if (!f->alone || bring(f, rekey_spent(f->current - 1), &out))
        return out;
    return (struct rekey_order){REKEY_END, 0, f->current};
}

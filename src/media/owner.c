// Which unit holds a medium, as a line of text that is kept on the medium itself.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/owner.h"
#include "base/mem.h"
#include "base/random.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORD       "dvsan-unit "
#define PROOF_WORD "proof "
#define HEX        ((size_t)PROOF_BYTES * 2)

char *owner_format(const struct media_owner *o)
{
    char uuid[UUID_TEXT_LEN];
    return dv_printf(WORD "%s %016" PRIx64 "\n", uuid_format(&o->unit, uuid), o->place);
}

static bool is_none(const uint8_t proof[PROOF_BYTES])
{
    static const uint8_t none[PROOF_BYTES];
    return memcmp(proof, none, PROOF_BYTES) == 0;
}

static void hex(const uint8_t proof[PROOF_BYTES], char out[HEX + 1])
{
    for (size_t i = 0; i < PROOF_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", proof[i]);
}

static bool unhex(const char *text, uint8_t proof[PROOF_BYTES])
{
    for (size_t i = 0; i < PROOF_BYTES; i++)
        if (sscanf(text + 2 * i, "%2hhx", &proof[i]) != 1)
            return false;
    return strspn(text, "0123456789abcdef") == HEX;
}

char *owner_note(const struct media_owner *o)
{
    char now[HEX + 1], before[HEX + 1];
    DV_FREE char *line = owner_format(o);
    if (is_none(o->proof.now))
        return dv_strdup(line);
    hex(o->proof.now, now);
    hex(o->proof.before, before);
    return dv_printf("%s" PROOF_WORD "%s %s\n", line, now, before);
}

// A note of before there were proofs has none, nor has one that was damaged.
static void parse_proof(const char *text, struct medium_proof *out)
{
    char now[HEX + 1] = "", before[HEX + 1] = "";
    if (sscanf(text, PROOF_WORD "%32[0-9a-f] %32[0-9a-f]", now, before) != 2 ||
        !unhex(now, out->now) || !unhex(before, out->before))
        *out = (struct medium_proof){0};
}

bool owner_parse(const char *line, struct media_owner *out)
{
    char uuid[UUID_TEXT_LEN] = "";
    int end = 0;
    *out = (struct media_owner){0};
    if (sscanf(line, WORD "%36[0-9a-f-] %16" SCNx64 "%n", uuid, &out->place, &end) != 2 ||
        line[end] != '\n' || !uuid_parse(uuid, &out->unit) || uuid_is_zero(&out->unit))
        return false;
    parse_proof(line + end + 1, &out->proof);
    return true;
}

bool owner_equal(const struct media_owner *a, const struct media_owner *b)
{
    return uuid_equal(&a->unit, &b->unit) && a->place == b->place;
}

bool owner_next(const struct media_owner *found, const struct media_owner *owner,
                struct media_owner *out)
{
    bool same = owner_equal(found, owner);
    *out = *owner;
    out->proof = found->proof;
    if (same && !is_none(found->proof.now))
        return false;
    if (!same)
        memcpy(out->proof.before, found->proof.now, PROOF_BYTES);
    random_fill(out->proof.now, PROOF_BYTES);
    return true;
}

int owner_check(const struct media *m, const struct media_owner *found, struct dv_err *err)
{
    char unit[UUID_TEXT_LEN];
    DV_FREE char *mark = owner_format(found);
    if (uuid_is_zero(&m->owner.unit) || uuid_is_zero(&found->unit) ||
        owner_equal(found, &m->owner) || (m->take && strcmp(m->take, mark) == 0))
        return 0;
    if (uuid_equal(&found->unit, &m->owner.unit))
        return dv_fail(err, DV_CONFLICT,
                       "%s was used by this unit on another machine or with another state-dir, as "
                       "its note says, where tgtd may still serve it; if none does, say so by "
                       "dvsan-unit --take",
                       m->path);
    return dv_fail(err, DV_CONFLICT,
                   "%s is used by unit %s, as its note says, which may still serve it; if it does "
                   "not, say so by dvsan-unit --take",
                   m->path, uuid_format(&found->unit, unit));
}

// What a unit's rows can be, whoever tells them.
// SPDX-License-Identifier: BSD-2-Clause
#include "model/check.h"

#include "base/address.h"
#include "base/mem.h"
#include <string.h>

static bool is_index(uint32_t index)
{
    return index >= 1 && index <= INDEX_MAX;
}

// An enumeration from 1.
static bool is_label(int value, int max)
{
    return value >= 1 && value <= max;
}

struct need {
    const char *field;
    bool holds;
};

static const char *first_wrong(const struct need *needs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!needs[i].holds)
            return needs[i].field;
    return NULL;
}

const char *medium_wrong(const struct medium *m)
{
    const struct need needs[] = {
        {"idx", is_index(m->index)},
        {"name", new_name_check("medium", m->name, NULL) == 0},
        {"kind", is_label((int)m->kind, MEDIUM_RBD)},
        {"state", is_label((int)m->state, MEDIUM_FAILED)},
        {"blocks", m->blocks <= BLOCKS_MAX},
        {"free_blocks", m->free_blocks <= m->blocks},
        {"largest_free_blocks", m->largest_free_blocks <= m->free_blocks},
        {"storage_blocks", m->storage_blocks <= BLOCKS_MAX},
        {"storage_free_blocks", m->storage_free_blocks <= BLOCKS_MAX},
        {"overcommitted_blocks", m->overcommitted_blocks <= BLOCKS_MAX},
    };
    return first_wrong(needs, DV_COUNT(needs));
}

const char *free_extent_wrong(const struct free_extent *e)
{
    const struct need needs[] = {
        {"medium", is_index(e->medium)},
        {"start_lba", e->start_lba <= BLOCKS_MAX},
        {"blocks",
         e->blocks > 0 && e->blocks <= BLOCKS_MAX && e->start_lba <= BLOCKS_MAX - e->blocks},
    };
    return first_wrong(needs, DV_COUNT(needs));
}

const char *portal_wrong(const struct portal *p)
{
    char usual[INET6_ADDRSTRLEN];
    const struct need needs[] = {
        {"idx", is_index(p->index)},
        {"portal_group", p->group >= 1 && p->group <= UNIT_GROUPS_MAX},
        {"address", address_check(p->address, ADDRESS_OF_HOST, usual, NULL) == 0 &&
                        strcmp(usual, p->address) == 0},
        {"port", p->port != 0},
        {"if_index", p->if_index <= INDEX_MAX},
    };
    return first_wrong(needs, DV_COUNT(needs));
}

const char *volume_wrong(const struct volume *v)
{
    const struct need needs[] = {
        {"volume", !uuid_is_zero(&v->uuid)},
        {"idx", is_index(v->index)},
        {"medium", v->medium <= INDEX_MAX},
        {"blocks", v->blocks > 0 && v->blocks <= BLOCKS_MAX},
        {"start_lba", v->start_lba <= BLOCKS_MAX && v->start_lba + v->blocks <= BLOCKS_MAX},
        {"target_blocks", v->target_blocks <= BLOCKS_MAX},
        {"iqn", iqn_check(v->iqn, NULL) == 0 && iqn_is_canonical(v->iqn)},
        {"lun", v->lun <= LUN_MAX},
        {"portal_group", v->group >= 1 && v->group <= UNIT_GROUPS_MAX},
        {"state", is_label((int)v->state, VOLUME_DELETING)},
        {"progress", v->progress <= 100},
    };
    return first_wrong(needs, DV_COUNT(needs));
}

bool volume_has_own_target(const struct volume *v)
{
    char uuid[UUID_TEXT_LEN];
    const char *colon = strrchr(v->iqn, ':');
    return colon && strcmp(colon + 1, uuid_format(&v->uuid, uuid)) == 0;
}

const char *access_rule_wrong(const struct access_rule *r)
{
    const struct need needs[] = {
        {"idx", is_index(r->index)},
        {"initiator", iqn_check(r->initiator, NULL) == 0},
        {"chap_user", chap_user_check(r->chap_user, NULL) == 0},
        {"previous_user", !r->previous_user[0] || chap_user_check(r->previous_user, NULL) == 0},
        {"state", is_label((int)r->state, ACCESS_REVOKING)},
    };
    return first_wrong(needs, DV_COUNT(needs));
}

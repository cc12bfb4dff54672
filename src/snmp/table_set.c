// A SET in its phases, grouped by row.
// SPDX-License-Identifier: BSD-2-Clause
//
// Over AgentX, TestSet is RESERVE1 and RESERVE2, CommitSet is ACTION, and then comes either
// CleanupSet as COMMIT, or UndoSet; a test that failed is ended by CleanupSet as FREE.
#include "snmp/table_set.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/secret.h"
#include <string.h>

enum change_phase { GATHERED, CHECKED, APPLIED }; // how far a row's change has come

struct row_change {
    const struct sn_bound_table *table;
    struct sn_change change;
    netsnmp_request_info *request[SN_ROW_SETS]; // Net-SNMP keeps them through all phases
    struct sn_oid *objid[SN_ROW_SETS];          // owned: what values of type SN_OBJID point to
    uint8_t *octets[SN_ROW_SETS];               // owned: what values of type SN_OCTETS point to
    enum change_phase progress;
    struct row_change *next;
};

struct sn_set {
    struct sn_set *next;
    uint32_t transaction; // the master's number for it
    uintptr_t serial;     // by which Net-SNMP remembers it; never given twice, as an address may be
    struct row_change *rows, **last;
};

const struct sn_value *sn_change_value(const struct sn_change *c, uint32_t column)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->sets[i].column == column)
            return &c->sets[i].value;
    }
    return NULL;
}

// ---- The checks that need no more than the column's description -----------------------------

static int check_value(const struct sn_column *column, const struct sn_value *v)
{
    if (v->type != column->type)
        return SN_WRONG_TYPE;
    if (column->min == 0 && column->max == 0)
        return SN_NO_ERROR;
    switch (v->type) {
    case SN_INT:
        return v->i < column->min || v->i > column->max ? SN_WRONG_VALUE : SN_NO_ERROR;
    case SN_UINT:
        return v->u < column->min || v->u > column->max ? SN_WRONG_VALUE : SN_NO_ERROR;
    case SN_OCTETS:
        return (int64_t)v->octets.len < column->min || (int64_t)v->octets.len > column->max
                   ? SN_WRONG_LENGTH
                   : SN_NO_ERROR;
    default:
        return SN_NO_ERROR;
    }
}

static const void *find_row(const struct row_change *r)
{
    const struct sn_change *c = &r->change;
    return c->index_len > 0 ? r->table->table->find(r->table->ctx, c->index, c->index_len) : NULL;
}

static struct row_change *row_of(struct sn_set *set, const struct sn_bound_table *table,
                                 const uint32_t *index, size_t len)
{
    for (struct row_change *r = set->rows; r; r = r->next) {
        if (r->table == table &&
            sn_subids_compare(r->change.index, r->change.index_len, index, len) == 0)
            return r;
    }
    struct row_change *r = dv_calloc(1, sizeof(*r));
    r->table = table;
    r->change.request = set->transaction;
    memcpy(r->change.index, index, len * sizeof(index[0]));
    r->change.index_len = len;
    r->change.row = find_row(r);
    *set->last = r;
    set->last = &r->next;
    return r;
}

// Copies the value: Net-SNMP's variables need not outlive a phase.
static void add_value(struct row_change *r, uint32_t column, const struct sn_value *v,
                      netsnmp_request_info *request)
{
    size_t i = r->change.count++;
    r->request[i] = request;
    r->change.sets[i].column = column;
    r->change.sets[i].value = *v;
    if (v->type == SN_OCTETS) {
        r->octets[i] = dv_calloc(1, v->octets.len + 1);
        if (v->octets.len)
            memcpy(r->octets[i], v->octets.data, v->octets.len);
        r->change.sets[i].value.octets.data = r->octets[i];
    } else if (v->type == SN_OBJID) {
        r->objid[i] = dv_calloc(1, sizeof(*r->objid[i]));
        *r->objid[i] = *v->oid;
        r->change.sets[i].value.oid = r->objid[i];
    }
}

// Takes one variable in, in the order of checks of RFC 3416 section 4.2.5.
static int gather(struct sn_region *region, struct sn_set *set, netsnmp_request_info *request)
{
    struct sn_oid name, objid;
    struct sn_value value;
    const struct sn_column *column;
    const uint32_t *index;
    size_t len;
    if (!sn_oid_read(&name, request->requestvb->name, request->requestvb->name_length))
        return SN_NOT_WRITABLE;
    const struct sn_bound_table *t = sn_region_find(region, &name, &column, &index, &len);
    if (!t || !t->table->check ||
        (column->access != SN_READ_WRITE && column->access != SN_READ_CREATE))
        return SN_NOT_WRITABLE;
    if (!sn_value_read(&value, &objid, request->requestvb))
        return SN_WRONG_TYPE;
    int status = check_value(column, &value);
    if (status != SN_NO_ERROR)
        return status;
    if (len == 0 || len > SN_INDEX_MAX)
        return SN_NO_CREATION;
    struct row_change *r = row_of(set, t, index, len);
    if (!r->change.row && column->access != SN_READ_CREATE)
        return SN_NO_CREATION;
    if (sn_change_value(&r->change, column->number))
        return SN_INCONSISTENT_VALUE; // named twice
    if (r->change.count == SN_ROW_SETS)
        return SN_RESOURCE_UNAVAILABLE;
    add_value(r, column->number, &value, request);
    return SN_NO_ERROR;
}

// ---- Phases ---------------------------------------------------------------------------------

#define DATA_NAME "dvsan-set"

static struct sn_set *begin(struct sn_region *region, netsnmp_agent_request_info *info)
{
    // The master has one SET under way at a time. What is left of another it has given up, because
    // we were too slow for it.
    sn_region_abandon_sets(region);
    struct sn_set *set = dv_calloc(1, sizeof(*set));
    set->transaction = info->asp && info->asp->pdu ? (uint32_t)info->asp->pdu->transid : 0;
    set->last = &set->rows;
    set->next = region->sets;
    region->sets = set;
    set->serial = ++region->last_serial;
    netsnmp_agent_add_list_data(info,
                                netsnmp_create_data_list(DATA_NAME, (void *)set->serial, NULL));
    return set;
}

// NULL when the SET was abandoned meanwhile, which Net-SNMP may still remember.
static struct sn_set *under_way(const struct sn_region *region, netsnmp_agent_request_info *info)
{
    uintptr_t serial = (uintptr_t)netsnmp_agent_get_list_data(info, DATA_NAME);
    for (struct sn_set *set = region->sets; set; set = set->next) {
        if (set->serial == serial)
            return set;
    }
    return NULL;
}

static void release(struct row_change *r)
{
    if (r->progress >= CHECKED && r->table->table->release)
        r->table->table->release(r->table->ctx, &r->change);
    r->change.memory = NULL;
}

static void free_row(struct row_change *r)
{
    release(r);
    for (size_t i = 0; i < r->change.count; i++) {
        if (r->octets[i])
            secret_wipe(r->octets[i], r->change.sets[i].value.octets.len); // it may be one
        free(r->octets[i]);
        free(r->objid[i]);
    }
    free(r);
}

static void end(struct sn_region *region, struct sn_set *set)
{
    struct sn_set **link = &region->sets;
    while (*link != set)
        link = &(*link)->next;
    *link = set->next;
    for (struct row_change *r = set->rows, *next; r; r = next) {
        next = r->next;
        free_row(r);
    }
    free(set);
}

static void blame(netsnmp_agent_request_info *info, const struct row_change *r, int status)
{
    size_t which = r->change.failed < r->change.count ? r->change.failed : 0;
    netsnmp_set_request_error(info, r->request[which], status);
}

// The master repeats a phase whose answer it has waited for too long: then the last check counts,
// and what is applied is applied.
static void check(struct sn_set *set, netsnmp_agent_request_info *info)
{
    for (struct row_change *r = set->rows; r; r = r->next) {
        release(r);
        r->change.row = find_row(r); // a repetition comes later, when the row may be gone
        r->progress = CHECKED;
        int status = r->table->table->check(r->table->ctx, &r->change);
        if (status != SN_NO_ERROR) {
            blame(info, r, status);
            return;
        }
    }
}

static void apply(struct sn_set *set, netsnmp_agent_request_info *info)
{
    for (struct row_change *r = set->rows; r; r = r->next) {
        if (r->progress == APPLIED)
            continue;
        int status = r->table->table->apply(r->table->ctx, &r->change);
        if (status != SN_NO_ERROR) {
            blame(info, r, status);
            return; // UNDO follows, for those before this one
        }
        r->progress = APPLIED;
    }
}

// The last first: a later row's change may build on an earlier one's.
static int undo_from(struct row_change *r)
{
    if (!r)
        return SN_NO_ERROR;
    int status = undo_from(r->next);
    if (r->progress == APPLIED && r->table->table->undo(r->table->ctx, &r->change) != SN_NO_ERROR)
        status = SN_UNDO_FAILED;
    return status;
}

static void commit(struct sn_set *set)
{
    for (struct row_change *r = set->rows; r; r = r->next) {
        if (r->table->table->commit)
            r->table->table->commit(r->table->ctx, &r->change);
    }
}

static void gather_all(struct sn_region *region, netsnmp_agent_request_info *info,
                       netsnmp_request_info *requests)
{
    struct sn_set *set = begin(region, info);
    for (netsnmp_request_info *r = requests; r; r = r->next) {
        int status = r->processed ? SN_NO_ERROR : gather(region, set, r);
        if (status != SN_NO_ERROR) {
            netsnmp_set_request_error(info, r, status);
            return;
        }
    }
}

void sn_set_phase(struct sn_region *region, netsnmp_agent_request_info *info,
                  netsnmp_request_info *requests)
{
    if (info->mode == MODE_SET_RESERVE1) {
        gather_all(region, info, requests);
        return;
    }
    struct sn_set *set = under_way(region, info);
    if (!set) {
        if (info->mode != MODE_SET_FREE)
            netsnmp_set_request_error(info, requests, SNMP_ERR_GENERR);
        return;
    }
    switch (info->mode) {
    case MODE_SET_RESERVE2:
        DV_FAULT("set.check");
        check(set, info);
        DV_FAULT("set.checked");
        break;
    case MODE_SET_ACTION:
        DV_FAULT("set.apply");
        apply(set, info);
        DV_FAULT("set.applied"); // the answer to this is what the manager gets
        break;
    case MODE_SET_UNDO:
        if (undo_from(set->rows) != SN_NO_ERROR)
            netsnmp_set_request_error(info, requests, SNMP_ERR_UNDOFAILED);
        end(region, set);
        break;
    case MODE_SET_COMMIT:
        DV_FAULT("set.commit");
        commit(set);
        DV_FAULT("set.committed");
        end(region, set);
        break;
    default: // MODE_SET_FREE
        end(region, set);
    }
}

static bool is_applied(const struct sn_set *set)
{
    for (const struct row_change *r = set->rows; r; r = r->next) {
        if (r->progress != APPLIED)
            return false;
    }
    return true;
}

void sn_region_abandon_sets(struct sn_region *region)
{
    while (region->sets) {
        // What was applied as a whole stands: the master may have told its success.
        struct sn_set *set = region->sets;
        if (is_applied(set))
            commit(set);
        else
            undo_from(set->rows);
        end(region, set);
    }
}

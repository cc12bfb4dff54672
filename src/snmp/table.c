// Requests of the AgentX master to our tables: regions, GET and GETNEXT.
// SPDX-License-Identifier: BSD-2-Clause
//
// GETBULK does not come this way: Net-SNMP's master turns it into GETNEXTs.
#include "snmp/table.h"

#include "base/mem.h"
#include "snmp/table_set.h"
#include <string.h>

#define REGION_LEN 7 // 1.3.6.1.4.1.ENTERPRISE, or 1.3.6.1.2.1.MODULE

// ---- Regions --------------------------------------------------------------------------------

static size_t common_length(const struct sn_oid *a, const struct sn_oid *b)
{
    size_t n = 0;
    while (n < a->len && n < b->len && a->id[n] == b->id[n])
        n++;
    return n;
}

static bool insert(struct sn_region *region, const struct sn_bound_table *table)
{
    const struct sn_oid *entry = &table->table->entry;
    size_t at = 0;
    for (; at < region->count; at++) {
        const struct sn_oid *other = &region->tables[at].table->entry;
        size_t common = common_length(entry, other);
        if (common == entry->len || common == other->len)
            return false; // one is within the other
        if (sn_oid_compare(entry, other) < 0)
            break;
    }
    region->tables = dv_grow(region->tables, region->count, sizeof(*region->tables));
    memmove(region->tables + at + 1, region->tables + at,
            (region->count - at) * sizeof(*region->tables));
    region->tables[at] = *table;
    region->count++;
    region->root.len = (uint32_t)common_length(&region->root, entry);
    return true;
}

bool sn_regions_add(struct sn_region ***regions, size_t *count, const struct sn_bound_table *table)
{
    const struct sn_oid *entry = &table->table->entry;
    for (size_t i = 0; i < *count; i++) {
        if (common_length(&(*regions)[i]->root, entry) >= REGION_LEN)
            return insert((*regions)[i], table);
    }
    struct sn_region *region = dv_calloc(1, sizeof(*region));
    region->root = *entry;
    *DV_APPEND(*regions, *count) = region;
    return insert(region, table);
}

void sn_region_free(struct sn_region *region)
{
    free(region->tables);
    free(region);
}

const struct sn_bound_table *sn_region_find(const struct sn_region *region,
                                            const struct sn_oid *name,
                                            const struct sn_column **column, const uint32_t **index,
                                            size_t *index_len)
{
    const uint32_t *suffix;
    size_t len;
    for (size_t i = 0; i < region->count; i++) {
        const struct sn_table *t = region->tables[i].table;
        if (!sn_oid_under(name, &t->entry, &suffix, &len))
            continue;
        for (size_t c = 0; c < t->column_count; c++) {
            if (t->columns[c].number == suffix[0]) {
                *column = &t->columns[c];
                *index = suffix + 1;
                *index_len = len - 1;
                return &region->tables[i];
            }
        }
        return NULL;
    }
    return NULL;
}

// ---- GET ------------------------------------------------------------------------------------

static void answer(netsnmp_agent_request_info *info, netsnmp_request_info *request,
                   const struct sn_value *value)
{
    if (!sn_value_write(value, request->requestvb))
        netsnmp_set_request_error(info, request, SNMP_ERR_GENERR);
}

static void get(const struct sn_region *region, netsnmp_agent_request_info *info,
                netsnmp_request_info *request, const struct sn_oid *name)
{
    const struct sn_column *column;
    const uint32_t *index;
    size_t len;
    const struct sn_bound_table *t = sn_region_find(region, name, &column, &index, &len);
    struct sn_value value = {.type = SN_NO_OBJECT};
    if (t && column->access != SN_NOT_ACCESSIBLE) {
        const void *row = len > 0 ? t->table->find(t->ctx, index, len) : NULL;
        value.type = SN_NO_INSTANCE;
        if (row)
            column->get(t->ctx, row, &value);
    }
    answer(info, request, &value);
}

// ---- GETNEXT --------------------------------------------------------------------------------

// The first instance of one column behind an index that has a value.
static bool next_in_column(const struct sn_bound_table *t, const struct sn_column *column,
                           const uint32_t *after, size_t after_len, struct sn_oid *name,
                           struct sn_value *value)
{
    if (column->access == SN_NOT_ACCESSIBLE)
        return false;
    uint32_t index[SN_INDEX_MAX], previous[SN_INDEX_MAX];
    size_t len;
    const void *row;
    while ((row = t->table->next(t->ctx, after, after_len, index, &len))) {
        column->get(t->ctx, row, value);
        if (!sn_is_exception(value)) {
            struct sn_oid object = sn_oid_append(&t->table->entry, column->number);
            *name = sn_oid_join(&object, index, len);
            return true;
        }
        memcpy(previous, index, len * sizeof(index[0]));
        after = previous;
        after_len = len;
    }
    return false;
}

// The first instance in a table behind *name, which it replaces.
static bool next_in_table(const struct sn_bound_table *t, struct sn_oid *name,
                          struct sn_value *value)
{
    const uint32_t *suffix;
    size_t len;
    uint32_t first = 0;
    const uint32_t *after = NULL;
    size_t after_len = 0;
    if (sn_oid_under(name, &t->table->entry, &suffix, &len)) {
        first = suffix[0];
        after = suffix + 1;
        after_len = len - 1;
    } else if (sn_oid_compare(name, &t->table->entry) > 0) {
        return false; // behind it
    }
    for (size_t c = 0; c < t->table->column_count; c++) {
        const struct sn_column *column = &t->table->columns[c];
        if (column->number < first)
            continue;
        if (column->number > first)
            after_len = 0;
        struct sn_oid found;
        if (next_in_column(t, column, after, after_len, &found, value)) {
            *name = found;
            return true;
        }
    }
    return false;
}

static void get_next(const struct sn_region *region, netsnmp_agent_request_info *info,
                     netsnmp_request_info *request, struct sn_oid *name)
{
    struct sn_value value;
    for (size_t i = 0; i < region->count; i++) {
        if (!next_in_table(&region->tables[i], name, &value))
            continue;
        oid found[SN_OID_MAX];
        size_t len = sn_oid_write(name, found);
        snmp_set_var_objid(request->requestvb, found, len);
        answer(info, request, &value);
        return;
    }
    // Left alone, a request goes on with what is registered behind the region.
}

int sn_region_handle(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                     netsnmp_agent_request_info *info, netsnmp_request_info *requests)
{
    (void)registration;
    struct sn_region *region = handler->myvoid;
    if (info->mode != MODE_GET && info->mode != MODE_GETNEXT) {
        sn_set_phase(region, info, requests);
        return SNMP_ERR_NOERROR;
    }
    for (netsnmp_request_info *r = requests; r; r = r->next) {
        struct sn_oid name;
        if (r->processed)
            continue;
        if (!sn_oid_read(&name, r->requestvb->name, r->requestvb->name_length))
            netsnmp_set_request_error(info, r, SNMP_ERR_GENERR);
        else if (info->mode == MODE_GET)
            get(region, info, r, &name);
        else
            get_next(region, info, r, &name);
    }
    return SNMP_ERR_NOERROR;
}

const void *sn_scalar_find(void *ctx, const uint32_t *index, size_t len)
{
    return len == 1 && index[0] == 0 ? ctx : NULL;
}

const void *sn_scalar_next(void *ctx, const uint32_t *index, size_t len, uint32_t *out,
                           size_t *out_len)
{
    (void)index;
    if (len > 0)
        return NULL;
    out[0] = 0;
    *out_len = 1;
    return ctx;
}

// Between our values and Net-SNMP's variable lists.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp/convert.h"

#include "base/mem.h"
#include <string.h>

const struct sn_oid sn_sys_up_time = {9, {1, 3, 6, 1, 2, 1, 1, 3, 0}};
const struct sn_oid sn_snmp_trap_oid = {11, {1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0}};

bool sn_oid_read(struct sn_oid *out, const oid *name, size_t len)
{
    if (len > SN_OID_MAX)
        return false;
    out->len = (uint32_t)len;
    for (size_t i = 0; i < len; i++)
        out->id[i] = (uint32_t)name[i];
    return true;
}

size_t sn_oid_write(const struct sn_oid *in, oid *name)
{
    for (uint32_t i = 0; i < in->len; i++)
        name[i] = in->id[i];
    return in->len;
}

static bool read_unsigned(struct sn_value *out, enum sn_type type, const netsnmp_variable_list *var)
{
    // Net-SNMP keeps these in a long, and lets through what is wider than 32 bits.
    unsigned long n = (unsigned long)*var->val.integer;
    if (n > UINT32_MAX)
        return false;
    out->type = type;
    out->u = (uint32_t)n;
    return true;
}

bool sn_value_read(struct sn_value *out, struct sn_oid *objid, const netsnmp_variable_list *var)
{
    switch (var->type) {
    case ASN_INTEGER:
        if (*var->val.integer < INT32_MIN || *var->val.integer > INT32_MAX)
            return false;
        *out = sn_int((int32_t)*var->val.integer);
        return true;
    case ASN_GAUGE:
        return read_unsigned(out, SN_UINT, var);
    case ASN_COUNTER:
        return read_unsigned(out, SN_COUNTER32, var);
    case ASN_TIMETICKS:
        return read_unsigned(out, SN_TICKS, var);
    case ASN_COUNTER64:
        *out = sn_counter64((uint64_t)var->val.counter64->high << 32 |
                            (var->val.counter64->low & UINT32_MAX));
        return true;
    case ASN_OCTET_STR:
    case ASN_IPADDRESS:
    case ASN_OPAQUE:
        *out = sn_octets(var->val.string, var->val_len);
        return true;
    case ASN_OBJECT_ID:
        if (!sn_oid_read(objid, var->val.objid, var->val_len / sizeof(oid)))
            return false;
        *out = sn_objid(objid);
        return true;
    case ASN_NULL:
        out->type = SN_NULL;
        return true;
    case SNMP_NOSUCHOBJECT:
        out->type = SN_NO_OBJECT;
        return true;
    case SNMP_NOSUCHINSTANCE:
        out->type = SN_NO_INSTANCE;
        return true;
    case SNMP_ENDOFMIBVIEW:
        out->type = SN_END;
        return true;
    default:
        return false;
    }
}

bool sn_vars_read(struct sn_vars *out, const netsnmp_variable_list *list)
{
    size_t count = 0;
    for (const netsnmp_variable_list *v = list; v; v = v->next_variable)
        count++;
    if (count > out->room) {
        out->var = dv_realloc(out->var, count, sizeof(*out->var));
        out->room = count;
    }
    size_t objids = 0;
    for (const netsnmp_variable_list *v = list; v; v = v->next_variable)
        objids += v->type == ASN_OBJECT_ID;
    if (objids > out->objid_room) {
        out->objids = dv_realloc(out->objids, objids, sizeof(*out->objids));
        out->objid_room = objids;
    }

    out->count = count;
    size_t i = 0, o = 0;
    for (const netsnmp_variable_list *v = list; v; v = v->next_variable, i++) {
        struct sn_oid *objid = v->type == ASN_OBJECT_ID ? &out->objids[o++] : NULL;
        if (!sn_oid_read(&out->var[i].oid, v->name, v->name_length) ||
            !sn_value_read(&out->var[i].value, objid, v)) {
            out->count = 0;
            return false;
        }
    }
    return true;
}

void sn_vars_free(struct sn_vars *vars)
{
    free(vars->var);
    free(vars->objids);
    *vars = (struct sn_vars){0};
}

bool sn_value_write(const struct sn_value *in, netsnmp_variable_list *var)
{
    long number;
    switch (in->type) {
    case SN_INT:
        number = in->i;
        return snmp_set_var_typed_value(var, ASN_INTEGER, &number, sizeof(number)) == 0;
    case SN_UINT:
        number = in->u;
        return snmp_set_var_typed_value(var, ASN_GAUGE, &number, sizeof(number)) == 0;
    case SN_COUNTER32:
        number = in->u;
        return snmp_set_var_typed_value(var, ASN_COUNTER, &number, sizeof(number)) == 0;
    case SN_TICKS:
        number = in->u;
        return snmp_set_var_typed_value(var, ASN_TIMETICKS, &number, sizeof(number)) == 0;
    case SN_COUNTER64: {
        struct counter64 wide = {.high = in->u64 >> 32, .low = in->u64 & UINT32_MAX};
        return snmp_set_var_typed_value(var, ASN_COUNTER64, &wide, sizeof(wide)) == 0;
    }
    case SN_OCTETS:
        return snmp_set_var_typed_value(var, ASN_OCTET_STR, in->octets.len ? in->octets.data : "",
                                        in->octets.len) == 0;
    case SN_OBJID: {
        oid name[SN_OID_MAX];
        size_t len = sn_oid_write(in->oid, name);
        return snmp_set_var_typed_value(var, ASN_OBJECT_ID, name, len * sizeof(oid)) == 0;
    }
    case SN_NULL:
        return snmp_set_var_typed_value(var, ASN_NULL, NULL, 0) == 0;
    case SN_NO_OBJECT:
        return snmp_set_var_typed_value(var, SNMP_NOSUCHOBJECT, NULL, 0) == 0;
    case SN_NO_INSTANCE:
        return snmp_set_var_typed_value(var, SNMP_NOSUCHINSTANCE, NULL, 0) == 0;
    case SN_END:
        return snmp_set_var_typed_value(var, SNMP_ENDOFMIBVIEW, NULL, 0) == 0;
    }
    return false;
}

bool sn_vars_append(netsnmp_variable_list ***tail, const struct sn_oid *name,
                    const struct sn_value *value)
{
    // calloc, because Net-SNMP frees it.
    netsnmp_variable_list *var = calloc(1, sizeof(*var));
    if (!var)
        return false;
    oid id[SN_OID_MAX];
    size_t len = sn_oid_write(name, id);
    if (snmp_set_var_objid(var, id, len) != 0 || !sn_value_write(value, var)) {
        snmp_free_var(var);
        return false;
    }
    **tail = var;
    *tail = &var->next_variable;
    return true;
}

bool sn_notification_fill(netsnmp_variable_list **list, const struct sn_oid *trap,
                          const struct sn_var *vars, size_t count)
{
    // What restarts with this process restarts its engine's time too.
    struct sn_value up = {.type = SN_TICKS, .u = snmpv3_local_snmpEngineTime() * 100};
    struct sn_value what = sn_objid(trap);
    if (!sn_vars_append(&list, &sn_sys_up_time, &up) ||
        !sn_vars_append(&list, &sn_snmp_trap_oid, &what))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!sn_vars_append(&list, &vars[i].oid, &vars[i].value))
            return false;
    }
    return true;
}

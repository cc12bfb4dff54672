// A unit that says whatever a file tells it to: an AgentX subagent below a real snmpd.
// SPDX-License-Identifier: BSD-2-Clause
//
// usage: lying_unit_demo SOCKET FILE
// Serves the objects below dvsan's root that FILE lists, and reads FILE again at SIGHUP. Its lines:
//   OID TYPE VALUE          one object, with its instance
//   endless OID TYPE VALUE  one for each of OID.1, OID.2 and so on, up to OID.4294967295
//   delay MS                each request to this agent takes so long
// TYPE i, u, t or c has a decimal number (INTEGER, Unsigned32, Counter32, Counter64), s the rest of
// the line as it is, x hexadecimal digits, o an object identifier, a an IPv4 address as 8
// hexadecimal digits. Every SET is answered with noError, changes nothing and is printed, a line
// "set OID VALUE" with the value in hexadecimal digits for each variable. At SIGUSR1 it prints how
// many variables it has answered so far.
#include <net-snmp/net-snmp-config.h>
// The one above comes first, the one below before the agent's.
#include <net-snmp/net-snmp-includes.h>
// The rest.
#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OID_ROOM   32
#define LINE_ROOM  8192
#define LAST_INDEX 4294967295UL

struct object {
    oid name[OID_ROOM];
    size_t len;
    bool endless;
    u_char type;
    void *value;
    size_t value_len;
};

static struct object *objects; // ascending
static size_t object_count;
static unsigned delay_ms;
static unsigned long answered; // variables
static volatile sig_atomic_t ending, again, asked;

static void on_signal(int signo)
{
    if (signo == SIGHUP)
        again = 1;
    else if (signo == SIGUSR1)
        asked = 1;
    else
        ending = 1;
}

static void die(const char *why, const char *what)
{
    fprintf(stderr, "lying_unit_demo: %s: %s\n", why, what);
    exit(1);
}

// ---- The file ----------------------------------------------------------------------------------

static bool read_oid(const char *text, oid *out, size_t *len)
{
    char *end;
    *len = 0;
    do {
        if (*len == OID_ROOM)
            return false;
        out[(*len)++] = strtoul(text, &end, 10);
        if (end == text)
            return false;
        text = end + 1;
    } while (*end == '.');
    return *end == '\0' || *end == ' ' || *end == '\n';
}

static void *copy_of(const void *data, size_t len)
{
    void *copy = malloc(len + 1);
    if (!copy)
        die("no memory", "");
    memcpy(copy, data, len);
    return copy;
}

static size_t read_hex(const char *text, u_char *out)
{
    size_t len = 0;
    unsigned byte;
    for (; sscanf(text + 2 * len, "%2x", &byte) == 1 && text[2 * len + 1] > ' '; len++)
        out[len] = (u_char)byte;
    return len;
}

static bool read_value(struct object *o, char type, const char *text)
{
    long number = (long)strtoull(text, NULL, 10);
    unsigned long long wide = strtoull(text, NULL, 10);
    struct counter64 counter = {.high = wide >> 32, .low = wide & 0xffffffff};
    u_char octets[LINE_ROOM];
    oid name[OID_ROOM];
    size_t len = 0;
    switch (type) {
    case 'i':
    case 'u':
    case 't':
        o->type = type == 'i' ? ASN_INTEGER : type == 'u' ? ASN_UNSIGNED : ASN_COUNTER;
        o->value = copy_of(&number, o->value_len = sizeof(number));
        return true;
    case 'c':
        o->type = ASN_COUNTER64;
        o->value = copy_of(&counter, o->value_len = sizeof(counter));
        return true;
    case 's':
        o->type = ASN_OCTET_STR;
        o->value = copy_of(text, o->value_len = strcspn(text, "\n"));
        return true;
    case 'x':
    case 'a':
        o->type = type == 'x' ? ASN_OCTET_STR : ASN_IPADDRESS;
        len = read_hex(text, octets);
        o->value = copy_of(octets, o->value_len = len);
        return true;
    case 'o':
        o->type = ASN_OBJECT_ID;
        if (!read_oid(text, name, &len))
            return false;
        o->value = copy_of(name, o->value_len = len * sizeof(oid));
        return true;
    }
    return false;
}

static int by_name(const void *x, const void *y)
{
    const struct object *a = x, *b = y;
    return snmp_oid_compare(a->name, a->len, b->name, b->len);
}

static void read_line(char *line)
{
    if (line[0] == '#' || line[0] == '\n')
        return;
    if (sscanf(line, "delay %u", &delay_ms) == 1)
        return;
    if ((object_count & (object_count + 1)) == 0) {
        objects = realloc(objects, 2 * (object_count + 1) * sizeof(*objects));
        if (!objects)
            die("no memory", "");
    }
    struct object *o = &objects[object_count++];
    memset(o, 0, sizeof(*o));
    o->endless = strncmp(line, "endless ", 8) == 0;
    char *name = o->endless ? line + 8 : line, *type = strchr(name, ' ');
    if (!type || !type[1] || type[2] != ' ' || !read_oid(name, o->name, &o->len) ||
        !read_value(o, type[1], type + 3))
        die("a line that cannot be read", line);
}

static void read_file(const char *path)
{
    char line[LINE_ROOM];
    FILE *f = fopen(path, "r");
    if (!f)
        die("cannot read", path);
    for (size_t i = 0; i < object_count; i++)
        free(objects[i].value);
    free(objects);
    objects = NULL;
    object_count = 0;
    delay_ms = 0;
    while (fgets(line, sizeof(line), f))
        read_line(line);
    fclose(f);
    if (object_count > 1)
        qsort(objects, object_count, sizeof(*objects), by_name);
}

// ---- Requests ----------------------------------------------------------------------------------

static bool is_below(const struct object *o, const oid *name, size_t len)
{
    return len > o->len && snmp_oid_compare(name, o->len, o->name, o->len) == 0;
}

static const struct object *find(const oid *name, size_t len)
{
    size_t low = 0, high = object_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (snmp_oid_compare(objects[middle].name, objects[middle].len, name, len) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    const struct object *o = low > 0 ? &objects[low - 1] : NULL;
    if (o && o->endless && is_below(o, name, len) && len == o->len + 1 && name[o->len] > 0)
        return o;
    return o && !o->endless && snmp_oid_compare(o->name, o->len, name, len) == 0 ? o : NULL;
}

// The first behind name, whose own name goes to out.
static const struct object *find_next(const oid *name, size_t len, oid *out, size_t *out_len)
{
    size_t low = 0, high = object_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (snmp_oid_compare(objects[middle].name, objects[middle].len, name, len) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    const struct object *o = low > 0 ? &objects[low - 1] : NULL;
    oid index = 1;
    if (o && o->endless && snmp_oid_compare(o->name, o->len, name, len) == 0)
        index = 1;
    else if (o && o->endless && is_below(o, name, len) && name[o->len] < LAST_INDEX)
        index = name[o->len] + 1;
    else
        o = low < object_count ? &objects[low] : NULL;
    if (!o)
        return NULL;
    memcpy(out, o->name, o->len * sizeof(oid));
    *out_len = o->len;
    if (o->endless)
        out[(*out_len)++] = index;
    return o;
}

static void answer_next(netsnmp_request_info *r)
{
    netsnmp_variable_list *var = r->requestvb;
    oid name[OID_ROOM + 1];
    size_t len = 0;
    const struct object *o = r->inclusive ? find(var->name, var->name_length) : NULL;
    if (!o && (o = find_next(var->name, var->name_length, name, &len)))
        snmp_set_var_objid(var, name, len);
    if (o)
        snmp_set_var_typed_value(var, o->type, o->value, o->value_len);
}

static void print_set(const netsnmp_variable_list *var)
{
    printf("set ");
    for (size_t i = 0; i < var->name_length; i++)
        printf("%s%lu", i ? "." : "", (unsigned long)var->name[i]);
    putchar(' ');
    for (size_t i = 0; i < var->val_len; i++)
        printf("%02x", var->val.string[i]);
    putchar('\n');
    fflush(stdout);
}

static int handle(netsnmp_mib_handler *handler, netsnmp_handler_registration *registration,
                  netsnmp_agent_request_info *info, netsnmp_request_info *requests)
{
    (void)handler, (void)registration;
    usleep(delay_ms * 1000);
    for (netsnmp_request_info *r = requests; r; r = r->next) {
        const struct object *o;
        answered++;
        switch (info->mode) {
        case MODE_GET:
            o = find(r->requestvb->name, r->requestvb->name_length);
            if (o)
                snmp_set_var_typed_value(r->requestvb, o->type, o->value, o->value_len);
            else
                netsnmp_set_request_error(info, r, SNMP_NOSUCHINSTANCE);
            break;
        case MODE_GETNEXT:
            answer_next(r);
            break;
        case MODE_SET_ACTION: // SETs please all
            print_set(r->requestvb);
            break;
        default:
            break;
        }
    }
    return SNMP_ERR_NOERROR;
}

int main(int argc, char **argv)
{
    static oid root[] = {1, 3, 6, 1, 4, 1, 8072, 9999, 9999, 21137, 1};
    if (argc != 3)
        die("usage", "lying_unit_demo SOCKET FILE");
    signal(SIGTERM, on_signal);
    signal(SIGHUP, on_signal);
    signal(SIGUSR1, on_signal);
    read_file(argv[2]);
    netsnmp_ds_set_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_ROLE, 1);
    netsnmp_ds_set_string(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_X_SOCKET, argv[1]);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    init_agent("lying_unit_demo");
    netsnmp_register_handler(netsnmp_create_handler_registration(
        "lying_unit_demo", handle, root, OID_LENGTH(root), HANDLER_CAN_RWRITE));
    init_snmp("lying_unit_demo");
    while (!ending) {
        if (again) {
            again = 0;
            read_file(argv[2]);
        }
        if (asked) {
            asked = 0;
            printf("answered %lu\n", answered);
            fflush(stdout);
        }
        agent_check_and_process(1);
    }
    snmp_shutdown("lying_unit_demo");
    return 0;
}

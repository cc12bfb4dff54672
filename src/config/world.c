// What a configuration names and this machine has, or has not.
// SPDX-License-Identifier: BSD-2-Clause
#include "config/world.h"
#include "base/address.h"
#include "base/mem.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void add(char ***list, size_t *count, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void add(char ***list, size_t *count, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    *DV_APPEND(*list, *count) = dv_strdup(text);
}
#define MISSING(w, ...) add(&(w)->missing, &(w)->missing_count, __VA_ARGS__)
#define DOUBT(w, ...)   add(&(w)->doubts, &(w)->doubt_count, __VA_ARGS__)

// ---- Addresses --------------------------------------------------------------------------------

// What an interface has, in its usual form. False when it is none that others reach one machine by.
static bool text_of(const struct sockaddr *at, char out[INET6_ADDRSTRLEN])
{
    const void *raw = NULL;
    if (at && at->sa_family == AF_INET)
        raw = &((const struct sockaddr_in *)at)->sin_addr;
    else if (at && at->sa_family == AF_INET6)
        raw = &((const struct sockaddr_in6 *)at)->sin6_addr;
    return raw && inet_ntop(at->sa_family, raw, out, INET6_ADDRSTRLEN) &&
           !address_wrong(raw, at->sa_family == AF_INET ? 4 : 16, ADDRESS_OF_HOST);
}

// Of this interface, or of any (NULL): this address, or any of the family (NULL).
static bool has_address(const char *interface, int family, const char *address)
{
    struct ifaddrs *all = NULL;
    char text[INET6_ADDRSTRLEN];
    bool found = false;
    // All of 127.0.0.0/8 is the machine's own.
    if (!interface && strncmp(address, "127.", 4) == 0)
        return true;
    if (getifaddrs(&all) != 0)
        return true; // nothing can be said
    for (const struct ifaddrs *a = all; a && !found; a = a->ifa_next)
        if ((!interface || strcmp(a->ifa_name, interface) == 0) && text_of(a->ifa_addr, text))
            found = address ? strcmp(text, address) == 0 : a->ifa_addr->sa_family == family;
    freeifaddrs(all);
    return found;
}

static bool is_here(const char *address)
{
    return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0 ||
           has_address(NULL, 0, address);
}

// The address in numbers of a transport address; false when it has a name, or none.
static bool address_in(const char *transport, char out[INET6_ADDRSTRLEN])
{
    const char *colon = strchr(transport, ':');
    const char *const starts[] = {transport, colon ? colon + 1 : transport};
    for (size_t i = 0; i < DV_COUNT(starts); i++) {
        DV_FREE char *host = dv_strdup(starts[i]);
        char *bare = host[0] == '[' ? host + 1 : host;
        bare[strcspn(bare, host[0] == '[' ? "]" : ":")] = '\0';
        if (address_check(bare, ADDRESS_TO_LISTEN, out, NULL) == 0)
            return true;
    }
    return false;
}

static void look_at_portal(struct world *w, const struct portal_config *p)
{
    if (!p->interface[0] && !is_here(p->address))
        MISSING(w, "no interface of this machine has the address %s of portal %u", p->address,
                p->index);
    if (!p->interface[0])
        return;
    if (if_nametoindex(p->interface) == 0)
        MISSING(w, "this machine has no network interface %s, as portal %u names it", p->interface,
                p->index);
    else if (!has_address(p->interface, p->family, NULL))
        MISSING(w, "the interface %s of portal %u has no %s address", p->interface, p->index,
                p->family == AF_INET6 ? "IPv6" : "IPv4");
}

static bool has_program(const char *name)
{
    const char *given = getenv("PATH");
    DV_FREE char *path = dv_strdup(given ? given : "/usr/sbin:/usr/bin:/sbin:/bin");
    bool found = false;
    char *rest = path;
    for (char *folder; !found && (folder = strsep(&rest, ":"));) {
        DV_FREE char *program = dv_printf("%s/%s", folder, name);
        found = access(program, X_OK) == 0;
    }
    return found;
}

// ---- Media ------------------------------------------------------------------------------------

bool world_is_kernel_name(const char *path)
{
    static const char *const kinds[] = {"sd",   "vd",   "xvd",  "hd",  "nvme",  "mmcblk",
                                        "loop", "dm-",  "md",   "nbd", "rbd",   "ram",
                                        "zram", "pmem", "dasd", "sr",  "bcache"};
    if (strncmp(path, "/dev/block/", 11) == 0)
        return true;
    if (strncmp(path, "/dev/", 5) != 0 || strchr(path + 5, '/'))
        return false;
    for (size_t i = 0; i < DV_COUNT(kinds); i++)
        if (strncmp(path + 5, kinds[i], strlen(kinds[i])) == 0)
            return true;
    return false;
}

static void tell_absence(struct world *w, const struct medium_config *m, const char *what)
{
    if (errno == ENOENT || errno == ENOTDIR)
        MISSING(w, "the %s %s of medium %s is not there", what, m->path, m->name);
    else
        MISSING(w, "the %s %s of medium %s cannot be looked at: %s", what, m->path, m->name,
                strerror(errno));
}

static void look_at_folder(struct world *w, const struct medium_config *m)
{
    struct stat st;
    if (stat(m->path, &st) != 0)
        tell_absence(w, m, "folder");
    else if (!S_ISDIR(st.st_mode))
        MISSING(w, "%s of medium %s is not a folder", m->path, m->name);
    else if (access(m->path, R_OK | W_OK | X_OK) != 0)
        MISSING(w, "this user cannot write into the folder %s of medium %s: %s", m->path, m->name,
                strerror(errno));
}

static void look_at_device(struct world *w, const struct medium_config *m)
{
    struct stat st;
    if (stat(m->path, &st) != 0)
        tell_absence(w, m, medium_kind_name(m->kind));
    else if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
        MISSING(w, "%s of medium %s is neither a block device nor an image", m->path, m->name);
    else if (access(m->path, R_OK | W_OK) != 0)
        MISSING(w, "this user cannot write to %s of medium %s: %s", m->path, m->name,
                strerror(errno));
    if (world_is_kernel_name(m->path))
        DOUBT(w,
              "%s of medium %s is a name that the kernel may give to another disk after a restart; "
              "name it as in /dev/disk/by-id",
              m->path, m->name);
}

static void look_at_pool(struct world *w, const struct medium_config *m)
{
    if (!has_program("rbd"))
        MISSING(w, "the program rbd that medium %s takes, of the package ceph-common, is not there",
                m->name);
    if (m->ceph_conf && access(m->ceph_conf, R_OK) != 0)
        MISSING(w, "the file %s of medium %s cannot be read: %s", m->ceph_conf, m->name,
                strerror(errno));
}

static bool same_place(const struct medium_config *a, const struct medium_config *b)
{
    struct stat x, y;
    if (a->kind == MEDIUM_RBD || b->kind == MEDIUM_RBD || stat(a->path, &x) != 0 ||
        stat(b->path, &y) != 0)
        return false;
    return S_ISBLK(x.st_mode) ? S_ISBLK(y.st_mode) && x.st_rdev == y.st_rdev
                              : x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void look_at_medium(struct world *w, const struct unit_config *config, size_t at)
{
    const struct medium_config *m = &config->media[at];
    if (m->kind == MEDIUM_DIR)
        look_at_folder(w, m);
    else if (m->kind == MEDIUM_RBD)
        look_at_pool(w, m);
    else
        look_at_device(w, m);
    for (size_t i = 0; i < at; i++)
        if (same_place(m, &config->media[i]))
            MISSING(w, "medium %s is not one of its own: %s and %s of medium %s are the same",
                    m->name, m->path, config->media[i].path, config->media[i].name);
}

// ---- Both programs ----------------------------------------------------------------------------

// systemd makes it, or the program itself at its first start.
static void look_at_state_dir(struct world *w, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 && errno == ENOENT)
        DOUBT(w, "the state-dir %s is not there yet: it is made at the first start", path);
    else if (access(path, R_OK | W_OK | X_OK) != 0)
        MISSING(w, "this user cannot use the state-dir %s: %s", path, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        MISSING(w, "the state-dir %s is not a folder", path);
}

static void look_at_snmp(struct world *w, const char *management)
{
    char address[INET6_ADDRSTRLEN];
    if (address_in(management, address) && !is_here(address))
        DOUBT(w,
              "no interface of this machine has the management-address %s: that is right only when "
              "something between it and the station changes addresses",
              address);
}

void world_of_unit(const struct unit_config *config, struct world *out)
{
    *out = (struct world){0};
    look_at_state_dir(out, config->state_dir);
    for (size_t i = 0; i < config->media_count; i++)
        look_at_medium(out, config, i);
    for (size_t i = 0; i < config->portal_count; i++)
        look_at_portal(out, &config->portals[i]);
    if (config->tgtd.supervise && !has_program("tgtd") && access("/usr/sbin/tgtd", X_OK) != 0)
        MISSING(out, "the program tgtd, of the package tgt, is not there");
    look_at_snmp(out, config->snmp.management_address);
}

void world_of_cms(const struct cms_config *config, struct world *out)
{
    *out = (struct world){0};
    look_at_state_dir(out, config->state_dir);
    if (!is_here(config->http.address))
        MISSING(out, "no interface of this machine has the address %s of http",
                config->http.address);
    char address[INET6_ADDRSTRLEN];
    if (address_in(config->snmp.listen, address) && !is_here(address))
        MISSING(out, "no interface of this machine has the address %s that snmp listens at",
                address);
}

void world_clear(struct world *w)
{
    for (size_t i = 0; i < w->missing_count; i++)
        free(w->missing[i]);
    for (size_t i = 0; i < w->doubt_count; i++)
        free(w->doubts[i]);
    free(w->missing);
    free(w->doubts);
    *w = (struct world){0};
}

int world_print(const struct world *w, const char *path)
{
    if (w->missing_count == 0)
        printf("%s is good.\n", path);
    else
        printf("%s is well formed, but this machine lacks what it names:\n", path);
    for (size_t i = 0; i < w->missing_count; i++)
        printf("- %s\n", w->missing[i]);
    if (w->doubt_count > 0)
        printf("Worth a look:\n");
    for (size_t i = 0; i < w->doubt_count; i++)
        printf("- %s\n", w->doubts[i]);
    return w->missing_count > 0 ? dv_code_exit(DV_NOT_FOUND) : 0;
}

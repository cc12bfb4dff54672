// What a configuration names and this machine has, or has not.
// SPDX-License-Identifier: BSD-2-Clause
#include "config/world.h"
#include "base/address.h"
#include "base/mem.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

void world_add(char ***list, size_t *count, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    *DV_APPEND(*list, *count) = dv_strdup(text);
}
#define MISSING(w, ...) world_add(&(w)->missing, &(w)->missing_count, __VA_ARGS__)
#define DOUBT(w, ...)   world_add(&(w)->doubts, &(w)->doubt_count, __VA_ARGS__)

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

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static bool is_loopback_interface(const char *name)
{
    struct ifaddrs *all = NULL;
    bool found = false;
    if (getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *a = all; a && !found; a = a->ifa_next)
        found = strcmp(a->ifa_name, name) == 0 && (a->ifa_flags & IFF_LOOPBACK);
    freeifaddrs(all);
    return found;
}

static void look_at_portal(struct world *w, const struct portal_config *p)
{
    if (!p->interface[0] && !is_here(p->address))
        MISSING(w, "no interface of this machine has the address %s of portal %u", p->address,
                p->index);
    if (p->interface[0] ? is_loopback_interface(p->interface) : is_loopback(p->address))
        DOUBT(w,
              "portal %u is at %s, which only this machine reaches: no host elsewhere can log in",
              p->index, p->interface[0] ? p->interface : p->address);
    if (!p->interface[0])
        return;
    if (if_nametoindex(p->interface) == 0)
        MISSING(w, "this machine has no network interface %s, as portal %u names it", p->interface,
                p->index);
    else if (!has_address(p->interface, p->family, NULL))
        MISSING(w, "the interface %s of portal %u has no %s address", p->interface, p->index,
                p->family == AF_INET6 ? "IPv6" : "IPv4");
}

// Where announcements go.
static void look_at_station(struct world *w, const char *address)
{
    const char *host = strchr(address, ':') + 1, *end = host + strcspn(host, ":");
    char number[INET6_ADDRSTRLEN];
    if (*host == '[')
        end = host + strcspn(host, "]") + 1;
    if (*end != ':')
        DOUBT(w,
              "the cms address %s has no port, so announcements go to port 161, where agents "
              "listen: add the port at which the station does, such as %s:1162",
              address, address);
    if (address_in(address, number))
        return;
    DV_FREE char *name = dv_printf("%.*s", (int)(end - host), host);
    struct addrinfo *found = NULL, want = {.ai_socktype = SOCK_DGRAM};
    want.ai_family = strncmp(address, "udp:", 4) == 0 ? AF_INET : AF_INET6;
    int failed = getaddrinfo(name, NULL, &want, &found);
    if (failed)
        DOUBT(w, "the name %s of the cms address %s has no %s address now: %s", name, address,
              want.ai_family == AF_INET ? "IPv4" : "IPv6", gai_strerror(failed));
    else
        freeaddrinfo(found);
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

// What the files in a folder take.
static uint64_t taken_in(const char *folder)
{
    DIR *dir = opendir(folder);
    uint64_t bytes = 0;
    struct stat st;
    for (const struct dirent *d; dir && (d = readdir(dir));)
        if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            bytes += (uint64_t)st.st_blocks * 512;
    if (dir)
        closedir(dir);
    return bytes;
}

// A thin medium may promise more than there is; a person may not have meant to.
static void look_at_room(struct world *w, const struct medium_config *m)
{
    struct statvfs fs;
    char size[SIZE_TEXT_ROOM], left[SIZE_TEXT_ROOM];
    if (statvfs(m->path, &fs) != 0)
        return;
    uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize + taken_in(m->path);
    room -= room % (1 << 20);
    if (m->bytes <= room)
        return;
    size_format(m->bytes, size, sizeof(size));
    size_format(room, left, sizeof(left));
    if (m->thin)
        DOUBT(w,
              "medium %s promises %s, and the file system of %s has room for %s: volumes fail when "
              "hosts write more than that",
              m->name, size, m->path, left);
    else
        MISSING(w,
                "the file system of %s has room for %s, and medium %s is to have %s: make its "
                "size less, or give it another folder",
                m->path, left, m->name, size);
}

static bool is_inside(const char *inner, const char *outer)
{
    size_t len = strlen(outer);
    return strncmp(inner, outer, len) == 0 &&
           (inner[len] == '/' || inner[len] == '\0' || outer[len - 1] == '/');
}

// What else is in a medium's folder, or the folder in what is another's.
static void look_at_neighbour(struct world *w, const struct medium_config *m, const char *path,
                              const char *what)
{
    DV_FREE char *own = realpath(m->path, NULL), *others = realpath(path, NULL);
    if (!own || !others)
        return;
    if (strcmp(own, others) == 0)
        MISSING(w, "the folder %s of medium %s is no folder of its own: it is %s", m->path, m->name,
                what);
    else if (is_inside(others, own))
        DOUBT(w,
              "in the folder %s of medium %s there is %s; a medium should have its folder for "
              "itself",
              m->path, m->name, what);
    else if (is_inside(own, others))
        DOUBT(w, "the folder %s of medium %s is inside %s; it should be elsewhere", m->path,
              m->name, what);
}

static bool look_at_folder(struct world *w, const struct medium_config *m)
{
    struct statvfs fs;
    struct stat st;
    if (stat(m->path, &st) != 0)
        tell_absence(w, m, "folder");
    else if (!S_ISDIR(st.st_mode))
        MISSING(w, "%s of medium %s is not a folder", m->path, m->name);
    else if (statvfs(m->path, &fs) == 0 && fs.f_blocks == 0)
        MISSING(w, "the folder %s of medium %s is in a file system that holds no data", m->path,
                m->name);
    else if (access(m->path, R_OK | W_OK | X_OK) != 0)
        MISSING(w, "this user cannot write into the folder %s of medium %s: %s", m->path, m->name,
                strerror(errno));
    else
        return true;
    return false;
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
    if (m->kind == MEDIUM_DIR) {
        if (look_at_folder(w, m)) {
            look_at_room(w, m);
            look_at_neighbour(w, m, config->member.state_dir, "the state-dir");
        }
    } else if (m->kind == MEDIUM_RBD)
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
    look_at_state_dir(out, config->member.state_dir);
    for (size_t i = 0; i < config->media_count; i++)
        look_at_medium(out, config, i);
    for (size_t i = 0; i < config->portal_count; i++)
        look_at_portal(out, &config->portals[i]);
    if (config->tgtd.supervise && !has_program("tgtd") && access("/usr/sbin/tgtd", X_OK) != 0)
        MISSING(out, "the program tgtd, of the package tgt, is not there");
    look_at_snmp(out, config->member.management_address);
    for (size_t i = 0; i < config->member.cms_count; i++)
        look_at_station(out, config->member.cms[i]);
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
        printf("%s is well formed, but does not fit this machine:\n", path);
    for (size_t i = 0; i < w->missing_count; i++)
        printf("- %s\n", w->missing[i]);
    if (w->doubt_count > 0)
        printf("Worth a look:\n");
    for (size_t i = 0; i < w->doubt_count; i++)
        printf("- %s\n", w->doubts[i]);
    return w->missing_count > 0 ? dv_code_exit(DV_NOT_FOUND) : 0;
}

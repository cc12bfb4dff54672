// What to type on a host to reach its volumes, made from what the station says of both. Pure.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CLI_CONNECT_H
#define DVSAN_CLI_CONNECT_H

#include "base/err.h"
#include "base/text.h"
#include <jansson.h>

// host: what /hosts/{host}/connect-info answers. secret_file: the file on the host with its CHAP
// secret. Borrowed.
struct connection {
    const json_t *host;
    const char *secret_file;
};

// What reaches a volume: its name as in --for, and in a line what it is.
struct connect_kind {
    const char *name, *what;
    // Once for the host; NULL: there is nothing to do.
    void (*host)(struct strbuf *out, const struct connection *c);
    // For each volume.
    void (*volume)(struct strbuf *out, const struct connection *c, const json_t *volume);
    // Behind them; NULL: nothing.
    void (*end)(struct strbuf *out, const struct connection *c);
    // What the volume's disk is called there, for DISK in what makes a larger volume seen; the
    // caller frees it. NULL: that is not known.
    char *(*disk)(const struct connection *c, const json_t *volume);
};

// The kind of this name; DV_INVALID with all names if there is none.
const struct connect_kind *connect_kind(const char *name, struct dv_err *err);
int connect_kind_check(const char *name, struct dv_err *err);
// What to take for a host where nobody says: open-iscsi, with multipath where a volume has several
// portals.
const struct connect_kind *connect_default(const json_t *host);

// The whole text. kind: one of the kinds above. others: also name the other kinds.
void connect_print(struct strbuf *out, const struct connection *c, const struct connect_kind *kind,
                   bool others);

// Whether nobody asked here that the host may use it: its unit alone says so.
bool connect_is_unasked(const json_t *volume);
// Whether it is known where and under which name to reach the volume, which the host is to use.
bool connect_is_ready(const json_t *volume);

// The parameter file of dvsan-nbd for one volume.
json_t *connect_nbd(const json_t *host, const json_t *volume, const char *secret_file);

// ---- For the files with the kinds -----------------------------------------------------------

// A text of an object's, "" where it has none.
const char *connect_text(const json_t *object, const char *key);
const char *connect_portal(const json_t *volume); // the first of its portals
long long connect_lun(const json_t *volume);
// "address" and "port" of a portal such as 192.0.2.1:3260 or [2001:db8::1]:3260.
struct endpoint {
    char address[64], port[8];
};
struct endpoint connect_endpoint(const char *portal);
// The lines that ask for the secret and put it into its file, for bash; and where each unit has
// another one, the function that makes it.
void connect_secret(struct strbuf *out, const struct connection *c);
bool connect_is_one_secret(const struct connection *c);
// The unit's UUID, a word in any shell; "" where one secret is for all.
const char *connect_unit(const struct connection *c, const json_t *volume);
// A command for bash that prints the secret for the volume's unit; the caller frees it.
char *connect_print_secret(const struct connection *c, const json_t *volume);

extern const struct connect_kind connect_open_iscsi, connect_multipath, connect_md;
extern const struct connect_kind connect_windows, connect_esxi, connect_proxmox, connect_libvirt;
extern const struct connect_kind connect_qemu;

#endif

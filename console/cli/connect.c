// What to type on a host: the kinds of hosts, and our own tools.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/connect.h"

#include "base/mem.h"
#include "base/uuid.h"
#include "console/cli/quote.h"
#include <string.h>

const char *connect_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

const char *connect_portal(const json_t *volume)
{
    const char *portal = json_string_value(json_array_get(json_object_get(volume, "portals"), 0));
    return portal ? portal : "";
}

long long connect_lun(const json_t *volume)
{
    return (long long)json_integer_value(json_object_get(volume, "lun"));
}

struct endpoint connect_endpoint(const char *portal)
{
    struct endpoint e = {"", ""};
    const char *colon = strrchr(portal, ':');
    size_t len = colon ? (size_t)(colon - portal) : strlen(portal);
    if (len >= 2 && portal[0] == '[' && portal[len - 1] == ']') {
        portal++;
        len -= 2;
    }
    snprintf(e.address, sizeof(e.address), "%.*s", (int)len, portal);
    dv_copy(e.port, sizeof(e.port), colon ? colon + 1 : "3260");
    return e;
}

void connect_secret(struct strbuf *out, const struct connection *c)
{
    DV_FREE char *folder = dv_strdup(c->secret_file);
    char *slash = strrchr(folder, '/');
    strbuf_add(out,
               "# The CHAP secret of %s, once, for bash: into a file that only root can read.\n"
               "# Paste these two lines alone; they ask for it.\n"
               "(umask 077",
               connect_text(c->host, "host"));
    if (slash && slash != folder) {
        *slash = '\0';
        DV_FREE char *word = quote_shell(folder);
        strbuf_add(out, "; mkdir -p %s", word);
    }
    DV_FREE char *file = quote_shell(c->secret_file);
    strbuf_add(out, "\n read -rsp 'CHAP secret: ' s && printf %%s \"$s\" > %s)\n", file);
    if (!connect_is_one_secret(c))
        strbuf_add(out,
                   "\n# Each unit knows another secret of this host, made of that one and the "
                   "unit's UUID.\n"
                   "dvsan_secret() {\n"
                   "  [ -s %s ] || { echo 'No secret is in its file: see above.' >&2; return 1; }\n"
                   "  printf \"$(printf %%s:%%s \"$(cat %s)\" \"$1\" | sha256sum | cut -c-64 |\n"
                   "    sed 's/../\\\\x&/g')\" | base64 | cut -c-16 | tr +/ ab\n"
                   "}\n",
                   file, file);
}

bool connect_is_one_secret(const struct connection *c)
{
    return !json_is_false(json_object_get(c->host, "one_secret"));
}

const char *connect_unit(const struct connection *c, const json_t *volume)
{
    struct dv_uuid uuid;
    const char *text = connect_text(volume, "unit_uuid");
    return connect_is_one_secret(c) || !uuid_parse(text, &uuid) ? "" : text;
}

char *connect_print_secret(const struct connection *c, const json_t *volume)
{
    DV_FREE char *file = quote_shell(c->secret_file);
    const char *unit = connect_unit(c, volume);
    return *unit ? dv_printf("dvsan_secret %s", unit) : dv_printf("cat %s", file);
}

static void dvsan_volume(struct strbuf *out, const struct connection *c, const json_t *v)
{
    DV_FREE char *secret = connect_print_secret(c, v);
    DV_FREE char *user = quote_shell(connect_text(c->host, "chap_user"));
    DV_FREE char *initiator = quote_shell(connect_text(c->host, "iqn"));
    DV_FREE char *url =
        dv_printf("iscsi://%s/%s/%lld", connect_portal(v), connect_text(v, "iqn"), connect_lun(v));
    DV_FREE char *word = quote_shell(url);
    DV_FREE char *name = quote_shell(connect_text(v, "name"));
    strbuf_add(out,
               "# an NBD disk by our data path; its parameter file is made by the station's\n"
               "#   dvsan host connect-info %s --volume %s --nbd > %s.json\n"
               "dvsan-nbd --socket /run/%s.sock %s.json\n"
               "# libiscsi's tools\n"
               "export LIBISCSI_CHAP_USERNAME=%s\n"
               "export LIBISCSI_CHAP_PASSWORD=\"$(%s)\"\n"
               "iscsi-inq -i %s %s\n",
               connect_text(c->host, "host"), name, name, name, name, user, secret, initiator,
               word);
}

static const struct connect_kind connect_dvsan = {
    .name = "dvsan",
    .what = "our own data path, and libiscsi's tools",
    .host = connect_secret,
    .volume = dvsan_volume,
};

// In the order in which help shows them.
static const struct connect_kind *const kinds[] = {
    &connect_open_iscsi, &connect_multipath, &connect_md,   &connect_windows, &connect_esxi,
    &connect_proxmox,    &connect_libvirt,   &connect_qemu, &connect_dvsan,
};

const struct connect_kind *connect_kind(const char *name, struct dv_err *err)
{
    for (size_t i = 0; i < DV_COUNT(kinds); i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    struct strbuf names = {0};
    for (size_t i = 0; i < DV_COUNT(kinds); i++)
        strbuf_add(&names, "%s%s",
                   i == 0                    ? ""
                   : i + 1 < DV_COUNT(kinds) ? ", "
                                             : " or ",
                   kinds[i]->name);
    dv_fail(err, DV_INVALID, "\"%.40s\" is not a kind of host; choose %s", name, names.text);
    strbuf_free(&names);
    return NULL;
}

int connect_kind_check(const char *name, struct dv_err *err)
{
    return connect_kind(name, err) ? 0 : -1;
}

const struct connect_kind *connect_default(const json_t *host)
{
    const json_t *volume;
    size_t i;
    json_array_foreach(json_object_get(host, "volumes"), i,
                       volume) if (json_array_size(json_object_get(volume, "portals")) >
                                   1) return &connect_multipath;
    return &connect_open_iscsi;
}

bool connect_is_unasked(const json_t *volume)
{
    return json_is_true(json_object_get(volume, "unasked"));
}

bool connect_is_ready(const json_t *volume)
{
    return !connect_is_unasked(volume) && json_array_size(json_object_get(volume, "portals")) > 0 &&
           *connect_text(volume, "iqn");
}

static void volume_head(struct strbuf *out, const struct connection *c, const json_t *v)
{
    char size[SIZE_TEXT_ROOM];
    uint64_t blocks = (uint64_t)json_integer_value(json_object_get(v, "blocks"));
    const json_t *portal, *portals = json_object_get(v, "portals");
    size_t i;
    strbuf_add(out, "\n### Volume %s, %s, LUN %lld", connect_text(v, "name"),
               size_format(blocks * 512, size, sizeof(size)), connect_lun(v));
    json_array_foreach(portals, i, portal)
        strbuf_add(out, "%s %s", i ? "," : ", at", json_string_value(portal));
    strbuf_add(out, "\n");
    if (*connect_text(v, "note"))
        strbuf_add(out, "# Note: %s.\n", connect_text(v, "note"));
    if (connect_is_unasked(v))
        strbuf_add(out,
                   "# Unit %s has an access rule for host %s, and nobody here assigned this volume "
                   "to it.\n"
                   "# If it is right, say so, and ask again: dvsan volume assign %s --host %s\n",
                   connect_text(v, "unit"), connect_text(c->host, "host"), connect_text(v, "name"),
                   connect_text(c->host, "host"));
    else if (!connect_is_ready(v))
        strbuf_add(out, "# It cannot be reached now: it is %s. Ask again when it is online.\n",
                   connect_text(v, "state"));
}

static void name_others(struct strbuf *out, const struct connection *c,
                        const struct connect_kind *kind)
{
    strbuf_add(out, "\n# This is for %s. For others: dvsan host connect-info %s --for KIND\n",
               kind->name, connect_text(c->host, "host"));
    for (size_t i = 0; i < DV_COUNT(kinds); i++)
        if (kinds[i] != kind)
            strbuf_add(out, "#   %-10s  %s\n", kinds[i]->name, kinds[i]->what);
}

// A comment of one line.
static void print_grown(struct strbuf *out, const struct connection *c,
                        const struct connect_kind *kind, const json_t *volume)
{
    const char *grown = connect_text(json_object_get(volume, "rescan"), kind->name);
    const char *place = kind->disk ? strstr(grown, "DISK") : NULL;
    if (!*grown)
        return;
    strbuf_add(out, "# When volume %s was made larger: ", connect_text(volume, "name"));
    if (place) {
        DV_FREE char *disk = kind->disk(c, volume);
        strbuf_add(out, "%.*s%s%s\n", (int)(place - grown), grown, disk, place + strlen("DISK"));
    } else {
        strbuf_add(out, "%s\n", grown);
    }
}

void connect_print(struct strbuf *out, const struct connection *c, const struct connect_kind *kind,
                   bool others)
{
    const json_t *volume, *volumes = json_object_get(c->host, "volumes");
    size_t i;
    strbuf_add(out, "# Host %s: %s.\n", connect_text(c->host, "host"), kind->what);
    if (kind->host)
        kind->host(out, c);
    json_array_foreach(volumes, i, volume)
    {
        volume_head(out, c, volume);
        if (!connect_is_ready(volume))
            continue;
        kind->volume(out, c, volume);
        print_grown(out, c, kind, volume);
    }
    if (json_array_size(volumes) == 0)
        strbuf_add(out,
                   "\n# This host has no volumes. Assign one: "
                   "dvsan volume assign VOLUME --host %s\n",
                   connect_text(c->host, "host"));
    else if (kind->end)
        kind->end(out, c);
    if (others)
        name_others(out, c, kind);
}

json_t *connect_nbd(const json_t *host, const json_t *v, const char *secret_file)
{
    const struct connection c = {host, secret_file};
    const char *unit = connect_unit(&c, v);
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s*}", "portal", connect_portal(v), "target",
                     connect_text(v, "iqn"), "lun", (json_int_t)connect_lun(v), "initiator",
                     connect_text(host, "iqn"), "chap_user", connect_text(host, "chap_user"),
                     "chap_secret_file", secret_file, "chap_unit", *unit ? unit : NULL);
}

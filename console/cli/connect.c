// What to type on a host to reach a volume.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/connect.h"

#include "base/mem.h"
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static const char *first_portal(const json_t *connection)
{
    const char *portal =
        json_string_value(json_array_get(json_object_get(connection, "portals"), 0));
    return portal ? portal : "";
}

static long long lun_of(const json_t *connection)
{
    return (long long)json_integer_value(json_object_get(connection, "lun"));
}

// For a shell: as it is, or in single quotes. The caller frees it.
static char *quoted(const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-_.:/,=@%+[]";
    struct strbuf b = {0};
    if (*text && strspn(text, plain) == strlen(text))
        return dv_strdup(text);
    strbuf_add(&b, "'");
    for (const char *p = text; *p; p++)
        strbuf_add(&b, *p == '\'' ? "'\\''" : "%c", *p);
    strbuf_add(&b, "'");
    return b.text;
}

// For a value inside qemu's options, where a comma is doubled.
static char *qemu_value(const char *text)
{
    struct strbuf b = {0};
    strbuf_add(&b, "%s", "");
    for (const char *p = text; *p; p++)
        strbuf_add(&b, *p == ',' ? ",," : "%c", *p);
    return b.text;
}

void connect_secret(struct strbuf *out, const char *host, const char *secret_file)
{
    DV_FREE char *folder = dv_strdup(secret_file);
    char *slash = strrchr(folder, '/');
    strbuf_add(
        out,
        "# For bash. The CHAP secret of %s, once: into a file that only root can read. Paste\n"
        "# these two lines alone; they ask for it.\n"
        "(umask 077",
        host);
    if (slash && slash != folder) {
        *slash = '\0';
        DV_FREE char *word = quoted(folder);
        strbuf_add(out, "; mkdir -p %s", word);
    }
    DV_FREE char *file = quoted(secret_file);
    strbuf_add(out, "\n read -rsp 'CHAP secret: ' s && printf %%s \"$s\" > %s)\n", file);
}

void connect_open_iscsi_host(struct strbuf *out, const char *initiator, const char *chap_user,
                             const char *secret_file)
{
    DV_FREE char *file = quoted(secret_file), *user = quoted(chap_user);
    strbuf_add(out,
               "# open-iscsi, once for this host: its name, and its login for all targets.\n"
               "echo InitiatorName=%s > /etc/iscsi/initiatorname.iscsi\n"
               "{ echo node.session.auth.authmethod = CHAP\n"
               "  echo node.session.auth.username = %s\n"
               "  echo node.session.auth.password = \"$(cat %s)\"\n"
               "} >> /etc/iscsi/iscsid.conf\n"
               "chmod 600 /etc/iscsi/iscsid.conf\n"
               "systemctl restart iscsid\n",
               initiator, user, file);
}

static void open_iscsi(struct strbuf *out, const json_t *c)
{
    const char *portal = first_portal(c);
    strbuf_add(out,
               "# open-iscsi\n"
               "iscsiadm -m discovery -t sendtargets -p %s\n"
               "iscsiadm -m node -T %s -p %s --login\n",
               portal, text_of(c, "iqn"), portal);
}

static void libiscsi(struct strbuf *out, const json_t *host, const json_t *c,
                     const char *secret_file)
{
    DV_FREE char *file = quoted(secret_file), *user = quoted(text_of(host, "chap_user"));
    strbuf_add(out,
               "# libiscsi's tools\n"
               "export LIBISCSI_CHAP_USERNAME=%s\n"
               "export LIBISCSI_CHAP_PASSWORD=\"$(cat %s)\"\n"
               "iscsi-inq -i %s iscsi://%s/%s/%lld\n",
               user, file, text_of(host, "iqn"), first_portal(c), text_of(c, "iqn"), lun_of(c));
}

// qemu takes a secret's file as it is, so a newline at its end would be part of the secret.
static void qemu(struct strbuf *out, const json_t *host, const json_t *c, const char *secret_file)
{
    DV_FREE char *file = quoted(secret_file), *user = qemu_value(text_of(host, "chap_user"));
    DV_FREE char *image =
        dv_printf("driver=iscsi,transport=tcp,portal=%s,target=%s,lun=%lld,initiator-name=%s,"
                  "user=%s,password-secret=chap",
                  first_portal(c), text_of(c, "iqn"), lun_of(c), text_of(host, "iqn"), user);
    DV_FREE char *image_word = quoted(image);
    strbuf_add(out,
               "# qemu\n"
               "qemu-img info --object secret,id=chap,file=<(tr -d '\\n' < %s) \\\n"
               "  --image-opts %s\n",
               file, image_word);
}

void connect_volume(struct strbuf *out, const json_t *host, const json_t *volume,
                    const char *secret_file)
{
    char size[16];
    const char *name = text_of(volume, "name");
    uint64_t blocks = (uint64_t)json_integer_value(json_object_get(volume, "blocks"));
    strbuf_add(out, "### Volume %s, %s, LUN %lld, at %s\n", name,
               size_format(blocks * 512, size, sizeof(size)), lun_of(volume), first_portal(volume));
    open_iscsi(out, volume);
    strbuf_add(out, "\n");
    libiscsi(out, host, volume, secret_file);
    strbuf_add(out, "\n");
    qemu(out, host, volume, secret_file);
    strbuf_add(out,
               "\n# nbdkit, with a parameter file made by: dvsan host connect-info %s \\\n"
               "#   --volume %s --plugin > %s.json\n"
               "nbdkit dvsan params=%s.json\n",
               text_of(host, "host"), name, name, name);
}

json_t *connect_plugin(const json_t *host, const json_t *c, const char *secret_file)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "portal", first_portal(c), "target",
                     text_of(c, "iqn"), "lun", (json_int_t)lun_of(c), "initiator",
                     text_of(host, "iqn"), "chap_user", text_of(host, "chap_user"),
                     "chap_secret_file", secret_file);
}

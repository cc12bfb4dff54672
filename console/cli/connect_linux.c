// What to type on a Linux host with open-iscsi, alone, with multipath, and with md.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/connect.h"

#include "base/mem.h"
#include "console/cli/quote.h"
#include <string.h>

// How long the kernel holds requests of a session that is lost before they fail, and how often and
// how long it asks an idle target whether it is there; seconds.
struct timeouts {
    unsigned replacement, noop_interval, noop_timeout;
    const char *why;
};

// 120, 5, 5 are open-iscsi's own; written down, since iscsid.conf may say otherwise.
static const struct timeouts alone = {
    120, 5, 5,
    "# 120 s: there is no other way to the data, so waiting for a unit that restarts is better\n"
    "# than errors, on which a file system stops writing.\n"};
static const struct timeouts one_of_several = {
    5, 5, 5,
    "# 5 s: multipath takes the other path then; it does the waiting when all are gone.\n"};
static const struct timeouts mirrored = {
    5, 2, 2,
    "# 5 s: the mirror goes on with its other leg then. Until a leg is given up all writes of the\n"
    "# mirror wait: with open-iscsi's own 120 s that was measured as 121 s, with these as 5 s.\n"};

static void name_lines(struct strbuf *out, const struct connection *c)
{
    DV_FREE char *iqn = quote_shell(connect_text(c->host, "iqn"));
    strbuf_add(
        out,
        "\n# The name by which the pool knows this host, if it is not this name already. A host\n"
        "# that other targets know by another name keeps that name.\n"
        "wanted=%s\n"
        "name=$(sed -n 's/^InitiatorName=//p' /etc/iscsi/initiatorname.iscsi 2>/dev/null)\n"
        "if [ \"$name\" = \"$wanted\" ]; then :\n"
        "elif iscsiadm -m node >/dev/null 2>&1; then\n"
        "  echo \"Other targets know this host as $name. Let the pool know it by that name:\"\n"
        "  echo \"  dvsan host add NAME --iqn $name\"\n"
        "else\n"
        "  echo \"InitiatorName=$wanted\" > /etc/iscsi/initiatorname.iscsi\n"
        "  systemctl restart iscsid\n"
        "fi\n",
        iqn);
}

// The login belongs into the record of the node: as a default in iscsid.conf it would be offered to
// every target, and the next discovery at another one would put it into that one's records.
// Appending to the record keeps the secret out of the arguments of a program.
static void login_lines(struct strbuf *out, const struct connection *c)
{
    DV_FREE char *user = quote_shell(connect_text(c->host, "chap_user"));
    DV_FREE char *file = quote_shell(c->secret_file);
    bool one = connect_is_one_secret(c);
    strbuf_add(out,
               "\n# Puts the CHAP login into the records of one target, of no other.\n"
               "dvsan_chap() {\n"
               "  find /etc/iscsi/nodes/\"$1\" /var/lib/iscsi/nodes/\"$1\" -type f 2>/dev/null |\n"
               "  while read -r record; do\n"
               "    printf 'node.session.auth.%%s\\n' 'authmethod = CHAP' username\\ =\\ %s \\\n"
               "      \"password = $(%s%s)\" >> \"$record\"\n"
               "  done\n"
               "}\n",
               user, one ? "cat " : "dvsan_secret \"$2\"", one ? file : "");
}

static void host_lines(struct strbuf *out, const struct connection *c, const char *debian,
                       const char *rhel)
{
    strbuf_add(out,
               "# As root, in bash; all but the secret may be pasted again at any time.\n"
               "# Packages: Debian, Ubuntu: apt-get install open-iscsi%s\n"
               "#           RHEL, Alma, Rocky: dnf install iscsi-initiator-utils%s\n\n",
               debian, rhel);
    connect_secret(out, c);
    name_lines(out, c);
    strbuf_add(out, "\n# Start it now, and with the machine.\n"
                    "systemctl enable --now iscsid\n"
                    "systemctl enable --now open-iscsi 2>/dev/null || "
                    "systemctl enable --now iscsi\n");
    login_lines(out, c);
}

// The name that udev gives to the disk behind a portal (its path_id writes the address as the
// kernel knows it, one of IPv6 without brackets); the caller frees it.
static char *disk_path(const json_t *v, const char *portal)
{
    struct endpoint e = connect_endpoint(portal);
    return dv_printf("/dev/disk/by-path/ip-%s:%s-iscsi-%s-lun-%lld", e.address, e.port,
                     connect_text(v, "iqn"), connect_lun(v));
}

static char *disk_name(const json_t *v, const char *portal) // as a word of a shell
{
    DV_FREE char *path = disk_path(v, portal);
    return quote_shell(path);
}

static void records(struct strbuf *out, const struct connection *c, const json_t *v, size_t portals,
                    const struct timeouts *t)
{
    DV_FREE char *target = quote_shell(connect_text(v, "iqn"));
    const char *unit = connect_unit(c, v);
    const json_t *all = json_object_get(v, "portals");
    for (size_t i = 0; i < portals; i++) {
        DV_FREE char *portal = quote_shell(json_string_value(json_array_get(all, i)));
        strbuf_add(out, "iscsiadm -m node -T %s -p %s -o new\n", target, portal);
    }
    strbuf_add(out,
               "dvsan_chap %s%s%s\n"
               "%s"
               "iscsiadm -m node -T %s -o update -n node.startup -v automatic \\\n"
               "  -n node.session.timeo.replacement_timeout -v %u \\\n"
               "  -n 'node.conn[0].timeo.noop_out_interval' -v %u \\\n"
               "  -n 'node.conn[0].timeo.noop_out_timeout' -v %u\n"
               "iscsiadm -m node -T %s --login\n",
               target, *unit ? " " : "", unit, t->why, target, t->replacement, t->noop_interval,
               t->noop_timeout, target);
}

static void check_lines(struct strbuf *out, const json_t *v, size_t portals)
{
    const json_t *all = json_object_get(v, "portals");
    strbuf_add(out, "# To check; the disk's name stays the same:\nudevadm settle; lsblk --nodeps "
                    "--paths --output NAME,SIZE,MODEL");
    for (size_t i = 0; i < portals; i++) {
        DV_FREE char *disk = disk_name(v, json_string_value(json_array_get(all, i)));
        strbuf_add(out, " \\\n  %s", disk);
    }
    strbuf_add(out, "\n");
}

static void open_iscsi_host(struct strbuf *out, const struct connection *c)
{
    host_lines(out, c, "", "");
}

static void note_other_portals(struct strbuf *out, const json_t *v)
{
    size_t portals = json_array_size(json_object_get(v, "portals"));
    if (portals > 1)
        strbuf_add(out,
                   "# This volume has %zu portals. Only the first is used here: each would be a "
                   "disk of its own;\n# --for multipath makes one of all.\n",
                   portals);
}

static void open_iscsi_volume(struct strbuf *out, const struct connection *c, const json_t *v)
{
    note_other_portals(out, v);
    records(out, c, v, 1, &alone);
    check_lines(out, v, 1);
    DV_FREE char *path = disk_path(v, connect_portal(v));
    DV_FREE char *disk = quote_fstab(path);
    strbuf_add(
        out,
        "# A file system on it, in /etc/fstab: \"_netdev\" waits for the network, \"nofail\" "
        "lets the machine start without.\n"
        "#   %s /srv/%s ext4 _netdev,nofail 0 2\n",
        disk, connect_text(v, "name"));
}

const struct connect_kind connect_open_iscsi = {
    .name = "open-iscsi",
    .what = "Linux with its own initiator, one path to each volume",
    .host = open_iscsi_host,
    .volume = open_iscsi_volume,
};

static void multipath_host(struct strbuf *out, const struct connection *c)
{
    host_lines(out, c, " multipath-tools", " device-mapper-multipath");
    strbuf_add(
        out,
        "\n# All paths of a volume lead to the same target, so all are used; when none is left,\n"
        "# requests wait for 24 looks of 5 s, two minutes, before they fail.\n"
        "mkdir -p /etc/multipath/conf.d\n"
        "cat > /etc/multipath/conf.d/dvsan.conf <<'END'\n"
        "devices {\n"
        "  device {\n"
        "    vendor \"DVSAN\"\n"
        "    product \".*\"\n"
        "    path_grouping_policy multibus\n"
        "    path_checker tur\n"
        "    no_path_retry 24\n"
        "  }\n"
        "}\n"
        "END\n"
        "[ -e /etc/multipath.conf ] || touch /etc/multipath.conf\n"
        "modprobe dm-multipath\n"
        "systemctl enable --now multipathd\n");
}

static void multipath_volume(struct strbuf *out, const struct connection *c, const json_t *v)
{
    size_t portals = json_array_size(json_object_get(v, "portals"));
    records(out, c, v, portals, &one_of_several);
    check_lines(out, v, portals);
    DV_FREE char *disk = disk_name(v, connect_portal(v));
    strbuf_add(out,
               "multipath -a \"$(readlink -f %s)\"; multipathd reconfigure; multipath -ll\n"
               "# Use the disk that it shows below /dev/mapper, never one of the above.\n",
               disk);
}

const struct connect_kind connect_multipath = {
    .name = "multipath",
    .what = "Linux with its own initiator, several paths to a volume",
    .host = multipath_host,
    .volume = multipath_volume,
};

static void md_host(struct strbuf *out, const struct connection *c)
{
    host_lines(out, c, " mdadm", " mdadm");
}

static void md_volume(struct strbuf *out, const struct connection *c, const json_t *v)
{
    note_other_portals(out, v);
    records(out, c, v, 1, &mirrored);
    check_lines(out, v, 1);
}

// Two volumes of different units that can be reached: the first for which there is a second.
static bool find_pair(const json_t *volumes, const json_t **one, const json_t **two)
{
    const json_t *a, *b;
    size_t i, k;
    json_array_foreach(volumes, i, a)
    {
        json_array_foreach(volumes, k, b)
        {
            if (k > i && connect_is_ready(a) && connect_is_ready(b) &&
                strcmp(connect_text(a, "unit"), connect_text(b, "unit")) != 0) {
                *one = a;
                *two = b;
                return true;
            }
        }
    }
    return false;
}

static void md_end(struct strbuf *out, const struct connection *c)
{
    const json_t *one, *two;
    if (!find_pair(json_object_get(c->host, "volumes"), &one, &two)) {
        strbuf_add(out,
                   "\n# A mirror takes two volumes on different units that can be reached, and no "
                   "two\n# of these are: assign this host one that is on another unit.\n");
        return;
    }
    DV_FREE char *first = disk_name(one, connect_portal(one));
    DV_FREE char *second = disk_name(two, connect_portal(two));
    strbuf_add(
        out,
        "\n# The mirror, once, here of %s on %s and %s on %s; its two volumes must be on\n"
        "# different units. The bitmap lets a leg that was away for a while take only what it\n"
        "# missed.\n"
        "#   mdadm --create /dev/md/NAME --level=1 --raid-devices=2 --metadata=1.0 "
        "--bitmap=internal \\\n"
        "#     %s \\\n#     %s\n"
        "# A leg that was given up and is back:\n"
        "#   mdadm /dev/md/NAME --re-add DISK\n",
        connect_text(one, "name"), connect_text(one, "unit"), connect_text(two, "name"),
        connect_text(two, "unit"), first, second);
}

const struct connect_kind connect_md = {
    .name = "md",
    .what = "Linux with its own initiator, volumes of two units mirrored by md",
    .host = md_host,
    .volume = md_volume,
    .end = md_end,
};

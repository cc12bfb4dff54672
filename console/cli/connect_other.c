// What to type on Windows and hypervisors, and for qemu.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/cli/connect.h"

#include "base/mem.h"
#include "console/cli/quote.h"
#include <string.h>

#define NOT_TRIED "# By the vendor's manuals; not tried there.\n"

static void windows_host(struct strbuf *out, const struct connection *c)
{
    DV_FREE char *iqn = quote_powershell(connect_text(c->host, "iqn"));
    strbuf_add(out,
               NOT_TRIED
               "# PowerShell as Administrator. With several portals also install MPIO first:\n"
               "#   Install-WindowsFeature Multipath-IO; Enable-MSDSMAutomaticClaim -BusType "
               "iSCSI\n"
               "Set-Service MSiSCSI -StartupType Automatic; Start-Service MSiSCSI\n"
               "$wanted = %s\n"
               "$port = Get-InitiatorPort | Where-Object ConnectionType -eq iSCSI\n"
               "if ($port.NodeAddress -ne $wanted) {\n"
               "  if (Get-IscsiTarget) { Write-Warning \"Other targets know this host as "
               "$($port.NodeAddress); let the pool know it by that name.\" }\n"
               "  else { Set-InitiatorPort -NodeAddress $port.NodeAddress -NewNodeAddress $wanted "
               "}\n"
               "}\n"
               "$secret = Read-Host 'CHAP secret'\n",
               iqn);
    if (!connect_is_one_secret(c))
        strbuf_add(out,
                   "# Each unit knows another secret of this host, made of that one and the unit's "
                   "UUID.\n"
                   "function UnitSecret($unit) {\n"
                   "  $bytes = [Text.Encoding]::ASCII.GetBytes($secret + ':' + $unit)\n"
                   "  $hash = [Security.Cryptography.SHA256]::Create().ComputeHash($bytes)\n"
                   "  [Convert]::ToBase64String($hash).Substring(0, 16).Replace('+', "
                   "'a').Replace('/', 'b')\n"
                   "}\n");
}

static void windows_volume(struct strbuf *out, const struct connection *c, const json_t *v)
{
    DV_FREE char *target = quote_powershell(connect_text(v, "iqn"));
    DV_FREE char *user = quote_powershell(connect_text(c->host, "chap_user"));
    const char *unit = connect_unit(c, v);
    DV_FREE char *secret = *unit ? dv_printf("(UnitSecret '%s')", unit) : dv_strdup("$secret");
    const json_t *portal, *portals = json_object_get(v, "portals");
    size_t i;
    json_array_foreach(portals, i, portal)
    {
        struct endpoint e = connect_endpoint(json_string_value(portal));
        DV_FREE char *address = quote_powershell(e.address);
        strbuf_add(out,
                   "New-IscsiTargetPortal -TargetPortalAddress %s -TargetPortalPortNumber %s\n"
                   "Connect-IscsiTarget -NodeAddress %s `\n"
                   "  -TargetPortalAddress %s -TargetPortalPortNumber %s `\n"
                   "  -AuthenticationType ONEWAYCHAP -ChapUsername %s -ChapSecret %s `\n"
                   "  -IsPersistent $true%s\n",
                   address, e.port, target, address, e.port, user, secret,
                   json_array_size(portals) > 1 ? " -IsMultipathEnabled $true" : "");
    }
    strbuf_add(out,
               "# To check:\nGet-IscsiSession | Where-Object TargetNodeAddress -eq %s | Get-Disk\n",
               target);
}

const struct connect_kind connect_windows = {
    .name = "windows",
    .what = "Windows, by PowerShell",
    .host = windows_host,
    .volume = windows_volume,
};

static void esxi_host(struct strbuf *out, const struct connection *c)
{
    DV_FREE char *iqn = quote_shell(connect_text(c->host, "iqn"));
    strbuf_add(
        out,
        NOT_TRIED
        "# In a shell of the host.\n"
        "esxcli iscsi software set --enabled=true\n"
        "A=$(esxcli iscsi adapter list | awk '/iscsi_vmk/ {print $1; exit}')\n"
        "# The name, if it is not this name already and no other target knows the host by it:\n"
        "esxcli iscsi adapter get --adapter=\"$A\" | grep -qF %s ||\n"
        "  esxcli iscsi adapter set --adapter=\"$A\" --name=%s\n"
        "printf 'CHAP secret: '; read -rs secret\n",
        iqn, iqn);
    if (!connect_is_one_secret(c))
        strbuf_add(
            out,
            "# Each unit knows another secret of this host, made of that one and the "
            "unit's UUID.\n"
            "dvsan_secret() {\n"
            "  [ -n \"$secret\" ] || { echo 'No secret was typed: see above.' >&2; return 1; }\n"
            "  printf %%s:%%s \"$secret\" \"$1\" | openssl dgst -sha256 -binary |\n"
            "    openssl base64 | cut -c1-16 | tr +/ ab\n"
            "}\n");
}

static void esxi_volume(struct strbuf *out, const struct connection *c, const json_t *v)
{
    DV_FREE char *target = quote_shell(connect_text(v, "iqn"));
    DV_FREE char *user = quote_shell(connect_text(c->host, "chap_user"));
    const char *unit = connect_unit(c, v);
    DV_FREE char *secret = *unit ? dv_printf("$(dvsan_secret %s)", unit) : dv_strdup("$secret");
    const json_t *portal;
    size_t i;
    json_array_foreach(json_object_get(v, "portals"), i, portal)
    {
        DV_FREE char *address = quote_shell(json_string_value(portal));
        strbuf_add(out,
                   "esxcli iscsi adapter discovery statictarget add --adapter=\"$A\" \\\n"
                   "  --address=%s --name=%s\n"
                   "esxcli iscsi adapter target portal auth chap set --adapter=\"$A\" \\\n"
                   "  --address=%s --name=%s --direction=uni --level=required \\\n"
                   "  --authname=%s --secret=\"%s\"\n",
                   address, target, address, target, user, secret);
    }
    strbuf_add(out, "esxcli storage core adapter rescan --adapter=\"$A\"\n"
                    "# To check:\nesxcli iscsi session list --adapter=\"$A\"\n");
}

const struct connect_kind connect_esxi = {
    .name = "esxi",
    .what = "VMware ESXi, by esxcli",
    .host = esxi_host,
    .volume = esxi_volume,
};

static void proxmox_host(struct strbuf *out, const struct connection *c)
{
    strbuf_add(out, NOT_TRIED
               "# On each node; Proxmox is Debian, and its initiator open-iscsi. Do not add the "
               "volume as\n# storage of the type iscsi: that knows no CHAP, and its discovery "
               "would reset the login.\n");
    connect_default(c->host)->host(out, c);
}

static void proxmox_volume(struct strbuf *out, const struct connection *c, const json_t *v)
{
    DV_FREE char *name = quote_shell(connect_text(v, "name"));
    connect_default(c->host)->volume(out, c, v);
    strbuf_add(out,
               "# On one node, once: a volume group on the disk, as storage that all nodes share.\n"
               "#   pvcreate DISK && vgcreate %s DISK\n"
               "#   pvesm add lvm %s --vgname %s --shared 1 --content images,rootdir\n",
               name, name, name);
}

const struct connect_kind connect_proxmox = {
    .name = "proxmox",
    .what = "Proxmox VE, as LVM on volumes that all nodes share",
    .host = proxmox_host,
    .volume = proxmox_volume,
};

// libvirt knows a secret by a usage that its owner chooses.
static void libvirt_secret(struct strbuf *out, const struct connection *c, const char *unit,
                           const char *file)
{
    DV_FREE char *host = quote_xml(connect_text(c->host, "host"));
    DV_FREE char *usage = quote_shell(connect_text(c->host, "host"));
    const char *dash = *unit ? "-" : "";
    strbuf_add(out,
               "\n# The secret, once for this machine's libvirt.\n"
               "cat > dvsan-secret.xml <<'END'\n"
               "<secret ephemeral='no' private='yes'>\n"
               "  <usage type='iscsi'><target>dvsan-%s%s%s</target></usage>\n"
               "</secret>\n"
               "END\n"
               "virsh secret-define dvsan-secret.xml\n"
               "virsh secret-set-value --plain --file %s \\\n"
               "  \"$(virsh secret-list | awk -v u=dvsan-%s%s%s '$3 == u {print $1}')\"\n",
               host, dash, unit, file, usage, dash, unit);
}

static void libvirt_host(struct strbuf *out, const struct connection *c)
{
    DV_FREE char *file = quote_shell(c->secret_file);
    strbuf_add(out, NOT_TRIED "# Packages: Debian, Ubuntu: apt-get install libvirt-clients "
                              "libvirt-daemon-system qemu-block-extra\n\n");
    connect_secret(out, c);
    if (connect_is_one_secret(c))
        libvirt_secret(out, c, "", file);
}

// Of each unit, before the first volume of it.
static void libvirt_unit(struct strbuf *out, const struct connection *c, const json_t *v)
{
    const char *unit = connect_unit(c, v);
    const json_t *other;
    size_t i;
    json_array_foreach(json_object_get(c->host, "volumes"), i, other)
    {
        if (other == v)
            break;
        if (connect_is_ready(other) && strcmp(connect_unit(c, other), unit) == 0)
            return;
    }
    DV_FREE char *secret = connect_print_secret(c, v);
    DV_FREE char *file = dv_printf("<(%s | tr -d '\\n')", secret);
    libvirt_secret(out, c, unit, file);
}

// vdb for the first volume, vdc for the next; behind vdz comes vdaa.
static char *disk_of_domain(const struct connection *c, const json_t *v)
{
    const json_t *volumes = json_object_get(c->host, "volumes");
    char letters[16];
    size_t n = 1, at = sizeof(letters);
    while (n <= json_array_size(volumes) && json_array_get(volumes, n - 1) != v)
        n++;
    letters[--at] = '\0';
    for (n++; n > 0; n = (n - 1) / 26)
        letters[--at] = (char)('a' + (n - 1) % 26);
    return dv_printf("vd%s", letters + at);
}

static void libvirt_volume(struct strbuf *out, const struct connection *c, const json_t *v)
{
    DV_FREE char *disk = disk_of_domain(c, v);
    const char *unit = connect_unit(c, v);
    if (*unit)
        libvirt_unit(out, c, v);
    struct endpoint e = connect_endpoint(connect_portal(v));
    DV_FREE char *host = quote_xml(connect_text(c->host, "host"));
    DV_FREE char *initiator = quote_xml(connect_text(c->host, "iqn"));
    DV_FREE char *user = quote_xml(connect_text(c->host, "chap_user"));
    DV_FREE char *target = quote_xml(connect_text(v, "iqn"));
    DV_FREE char *name = quote_shell(connect_text(v, "name"));
    strbuf_add(out,
               "cat > %s.xml <<'END'\n"
               "<disk type='network' device='disk'>\n"
               "  <driver name='qemu' type='raw' cache='none'/>\n"
               "  <source protocol='iscsi' name='%s/%lld'>\n"
               "    <host name='%s' port='%s'/>\n"
               "    <initiator><iqn name='%s'/></initiator>\n"
               "    <auth username='%s'><secret type='iscsi' usage='dvsan-%s%s%s'/></auth>\n"
               "  </source>\n"
               "  <target dev='%s' bus='virtio'/>\n"
               "</disk>\n"
               "END\n"
               "# Where the domain has a disk %s already, write another name into the file.\n"
               "virsh attach-device DOMAIN %s.xml --persistent\n",
               name, target, connect_lun(v), e.address, e.port, initiator, user, host,
               *unit ? "-" : "", unit, disk, disk, name);
}

const struct connect_kind connect_libvirt = {
    .name = "libvirt",
    .what = "a libvirt domain's disk, by qemu's own initiator",
    .host = libvirt_host,
    .volume = libvirt_volume,
    .disk = disk_of_domain,
};

// qemu takes a secret's file as it is, so a newline at its end would be part of the secret.
static void qemu_volume(struct strbuf *out, const struct connection *c, const json_t *v)
{
    DV_FREE char *file = quote_shell(c->secret_file);
    const char *unit = connect_unit(c, v);
    DV_FREE char *secret = *unit ? dv_printf("dvsan_secret %s | tr -d '\\n'", unit)
                                 : dv_printf("tr -d '\\n' < %s", file);
    DV_FREE char *user = quote_qemu(connect_text(c->host, "chap_user"));
    DV_FREE char *name = quote_qemu(connect_text(c->host, "iqn"));
    DV_FREE char *target = quote_qemu(connect_text(v, "iqn"));
    DV_FREE char *image =
        dv_printf("driver=iscsi,transport=tcp,portal=%s,target=%s,lun=%lld,initiator-name=%s,"
                  "user=%s,password-secret=chap",
                  connect_portal(v), target, connect_lun(v), name, user);
    DV_FREE char *word = quote_shell(image);
    strbuf_add(out,
               "# For qemu-system, --drive takes the same behind --image-opts, as one word.\n"
               "qemu-img info --object secret,id=chap,file=<(%s) \\\n"
               "  --image-opts %s\n",
               secret, word);
}

static void qemu_host(struct strbuf *out, const struct connection *c)
{
    strbuf_add(out, "# Packages: Debian, Ubuntu: apt-get install qemu-utils qemu-block-extra\n\n");
    connect_secret(out, c);
}

const struct connect_kind connect_qemu = {
    .name = "qemu",
    .what = "qemu and qemu-img, without the kernel",
    .host = qemu_host,
    .volume = qemu_volume,
};

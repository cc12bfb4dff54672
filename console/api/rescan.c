// What makes a host see that a volume is larger.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/rescan.h"

#include "base/mem.h"

json_t *rescan_lines(const char *iqn)
{
    DV_FREE char *linux_line = dv_printf("iscsiadm -m node -T %s -R", iqn);
    return json_pack(
        "{s:o, s:o, s:o, s:s, s:s, s:o, s:s, s:s, s:s}", "open-iscsi",
        json_sprintf("%s; then resize2fs or xfs_growfs", linux_line), "multipath",
        json_sprintf("%s; multipathd resize map MAP; then resize2fs or xfs_growfs", linux_line),
        "md", json_sprintf("%s; on both legs, then mdadm --grow MD --size=max", linux_line),
        "windows", "Update-HostStorageCache; then Resize-Partition", "esxi",
        "esxcli storage core adapter rescan --all; then grow the datastore", "proxmox",
        json_sprintf("%s; on each node, then pvresize DISK on one", linux_line), "libvirt",
        "virsh blockresize DOMAIN DISK SIZE", "qemu", "block_resize in the monitor", "dvsan",
        "nothing: the next client of dvsan-nbd is told the new size");
}

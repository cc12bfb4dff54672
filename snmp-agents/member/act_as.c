// Root acting as the owner of a folder.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/member/act_as.h"

#include "base/log.h"
#include "base/mem.h"
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void act_as_oneself(struct own_groups *own)
{
    if (own->list && (seteuid(getuid()) != 0 || setegid(getgid()) != 0 ||
                      setgroups((size_t)own->count, own->list) != 0))
        log_error("unit", "cannot act as root again: %s", strerror(errno));
    free(own->list);
    own->list = NULL;
}

int act_as_owner(const char *folder, struct own_groups *own, struct dv_err *err)
{
    struct stat st;
    *own = (struct own_groups){.list = NULL};
    if (geteuid() != 0)
        return 0;
    if (stat(folder, &st) != 0)
        return dv_fail_errno(err, errno,
                             "cannot look at %s (the configuration says it: state-dir, and "
                             "snmpd-state for snmpd's)",
                             folder);
    if (st.st_uid == 0)
        return 0;
    own->count = getgroups(0, NULL);
    own->list = dv_calloc((size_t)own->count + 1, sizeof(*own->list));
    if (getgroups(own->count, own->list) != own->count || setgroups(0, NULL) != 0) {
        free(own->list);
        own->list = NULL;
    } else if (setegid(st.st_gid) == 0 && seteuid(st.st_uid) == 0) {
        return 0;
    }
    (void)dv_fail_errno(err, errno, "cannot act as the owner of %s", folder);
    act_as_oneself(own);
    return -1;
}

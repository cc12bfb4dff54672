// A journal in a folder of its own, with volumes and rules that tests put into it.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CTEST_SUPPORT_JOURNAL_BOX_H
#define DVSAN_CTEST_SUPPORT_JOURNAL_BOX_H

#include "base/file.h"
#include "base/mem.h"
#include "sqlite/db.h"
#include "unit/journal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/dvsan-test-journal-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command);
}

static struct volume volume(uint32_t index)
{
    char uuid[UUID_TEXT_LEN];
    struct volume v = {.index = index,
                       .uuid = {{(uint8_t)index, 1}},
                       .medium = 1,
                       .start_lba = index * (uint64_t)ALLOC_BLOCKS,
                       .blocks = ALLOC_BLOCKS,
                       .thin = true,
                       .lun = 1,
                       .admin_online = true,
                       .state = VOLUME_CREATING};
    snprintf(v.name, sizeof(v.name), "v%u", index);
    snprintf(v.iqn, sizeof(v.iqn), "iqn.2026-11.test:%s", uuid_format(&v.uuid, uuid));
    return v;
}

static struct access_rule rule(uint32_t v, uint32_t index, const char *user)
{
    struct access_rule r = {.volume = v, .index = index, .state = ACCESS_PENDING};
    snprintf(r.initiator, sizeof(r.initiator), "iqn.2026-11.host:%u", index);
    dv_copy(r.chap_user, sizeof(r.chap_user), user);
    return r;
}

static struct journal *open_journal(void)
{
    struct dv_err err;
    struct journal *j = journal_open(dir, &err);
    if (!j || journal_count_start(j, &err) != 0)
        fail_msg("%s", err.text);
    return j;
}

static struct state *load(struct journal *j)
{
    struct dv_err err;
    struct state *s = state_new(journal_identity(j)->generation, 1);
    if (journal_load(j, s, &err) != 0)
        fail_msg("%s", err.text);
    return s;
}

static void put_volume(struct journal *j, struct volume v, bool made)
{
    assert_int_equal(journal_put_volume(j, &v, made, NULL), 0);
}

static size_t file_len(const char *path, char **data)
{
    size_t len = 0;
    struct dv_err err;
    if (file_read(path, 1 << 24, data, &len, &err) != 0)
        fail_msg("%s", err.text);
    return len;
}

#endif

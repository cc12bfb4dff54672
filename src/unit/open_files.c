// Which files another process has open: /proc/PID/fd, see proc(5).
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/open_files.h"
#include "base/mem.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

struct open_files {
    struct file {
        bool device;
        dev_t dev; // the device itself, or the one that the file is on
        ino_t ino; // 0 of a device
    } * list;
    size_t count;
};

static struct file file_of(const struct stat *st)
{
    return S_ISBLK(st->st_mode) ? (struct file){.device = true, .dev = st->st_rdev}
                                : (struct file){.dev = st->st_dev, .ino = st->st_ino};
}

static int compare(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    if (x->device != y->device)
        return x->device ? 1 : -1;
    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    return x->ino < y->ino ? -1 : x->ino > y->ino;
}

struct open_files *open_files_of(pid_t pid)
{
    DV_FREE char *path = dv_printf("/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    if (!d)
        return NULL;
    struct open_files *f = dv_calloc(1, sizeof(*f));
    struct stat st;
    for (const struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && fstatat(dirfd(d), e->d_name, &st, 0) == 0 &&
            (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
            *DV_APPEND(f->list, f->count) = file_of(&st);
    closedir(d);
    if (f->count > 1)
        qsort(f->list, f->count, sizeof(*f->list), compare);
    return f;
}

void open_files_free(struct open_files *f)
{
    if (f)
        free(f->list);
    free(f);
}

bool open_files_have(const struct open_files *f, const struct stat *file)
{
    const struct file wanted = file_of(file);
    return f->count > 0 && bsearch(&wanted, f->list, f->count, sizeof(*f->list), compare);
}

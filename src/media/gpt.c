// The partition table of a disk medium, read and written by libfdisk.
// SPDX-License-Identifier: BSD-2-Clause
#include "media/gpt.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include <errno.h>
#include <libfdisk/libfdisk.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define UNFINISHED     "GUID:48"
#define UNFINISHED_BIT (UINT64_C(1) << 48)

// libfdisk asks and tells through this; with every question answered by no.
static int on_ask(struct fdisk_context *cxt, struct fdisk_ask *ask, void *arg)
{
    const struct gpt_disk *d = arg;
    (void)cxt;
    switch (fdisk_ask_get_type(ask)) {
    case FDISK_ASKTYPE_WARN:
    case FDISK_ASKTYPE_WARNX:
        log_warning("media", "%s: %s", d->path, fdisk_ask_print_get_mesg(ask));
        return 0;
    case FDISK_ASKTYPE_INFO:
        log_debug("media", "%s: %s", d->path, fdisk_ask_print_get_mesg(ask));
        return 0;
    case FDISK_ASKTYPE_YESNO:
        return fdisk_ask_yesno_set_result(ask, 0);
    default:
        return -EINVAL;
    }
}

static void close_context(struct fdisk_context *cxt)
{
    if (!cxt)
        return;
    fdisk_deassign_device(cxt, 1); // the descriptor syncs each write by itself
    fdisk_unref_context(cxt);
}

static struct fdisk_context *open_context(const struct gpt_disk *d, struct dv_err *err)
{
    struct fdisk_context *cxt = fdisk_new_context();
    if (!cxt) {
        (void)dv_fail_errno(err, ENOMEM, "libfdisk cannot read the partition table of %s", d->path);
        return NULL;
    }
    fdisk_set_ask(cxt, on_ask, (void *)d);
    int rc = fdisk_assign_device_by_fd(cxt, d->fd, d->path, 0);
    if (rc != 0) {
        (void)dv_fail_errno(err, -rc, "cannot read the partition table of %s", d->path);
        fdisk_unref_context(cxt);
        return NULL;
    }
    return cxt;
}

static int write_table(struct fdisk_context *cxt, const struct gpt_disk *d, struct dv_err *err)
{
    int rc = fdisk_write_disklabel(cxt);
    if (rc != 0)
        return dv_fail_errno(err, -rc, "cannot write the partition table of %s", d->path);
    return 0;
}

// Opens what must have a table, and repairs it.
static struct fdisk_context *open_table(const struct gpt_disk *d, struct dv_err *err)
{
    enum gpt_presence there;
    if (gpt_look(d, &there, err) != 0)
        return NULL;
    if (there == GPT_NONE) {
        (void)dv_fail(err, DV_NOT_FOUND, "%s has no GPT partition table", d->path);
        return NULL;
    }
    struct fdisk_context *cxt = open_context(d, err);
    if (!cxt)
        return NULL;
    if (!fdisk_is_label(cxt, GPT)) {
        (void)dv_fail(err, DV_IO,
                      "both copies of the partition table of %s are damaged, or belong to a disk "
                      "of another size; it is left alone: repair it with gdisk(8) or sfdisk(8)",
                      d->path);
        close_context(cxt);
        return NULL;
    }
    if (fdisk_label_is_changed(fdisk_get_label(cxt, NULL))) {
        if (write_table(cxt, d, err) != 0) {
            close_context(cxt);
            return NULL;
        }
        log_warning("media",
                    "one copy of the partition table of %s was damaged or out of place; it "
                    "was repaired from the other one",
                    d->path);
    }
    return cxt;
}

// ---- Reading ----------------------------------------------------------------------------------

static uint64_t scale(const struct gpt_disk *d)
{
    return d->sector / BLOCK_SIZE;
}

static void take_part(const struct gpt_disk *d, struct fdisk_context *cxt,
                      struct fdisk_partition *pa, struct gpt_table *t)
{
    struct gpt_part *p = DV_APPEND(t->parts, t->count);
    const char *type = fdisk_parttype_get_string(fdisk_partition_get_type(pa));
    const char *uuid = fdisk_partition_get_uuid(pa), *name = fdisk_partition_get_name(pa);
    uint64_t attrs = 0;
    p->number = fdisk_partition_get_partno(pa);
    p->start = fdisk_partition_get_start(pa) * scale(d);
    p->blocks = fdisk_partition_get_size(pa) * scale(d);
    p->ours = type && strcasecmp(type, GPT_TYPE) == 0;
    if (!uuid || !uuid_parse(uuid, &p->uuid))
        memset(&p->uuid, 0, sizeof(p->uuid));
    dv_copy(p->name, sizeof(p->name), name ? name : "");
    (void)fdisk_gpt_get_partition_attrs(cxt, p->number, &attrs);
    p->unfinished = p->ours && (attrs & UNFINISHED_BIT) != 0;
}

static int read_parts(const struct gpt_disk *d, struct fdisk_context *cxt, struct gpt_table *out,
                      struct dv_err *err)
{
    struct fdisk_table *list = NULL;
    struct fdisk_iter *iter = fdisk_new_iter(FDISK_ITER_FORWARD);
    struct fdisk_partition *pa;
    int rc = iter ? fdisk_get_partitions(cxt, &list) : -ENOMEM;
    while (rc == 0 && fdisk_table_next_partition(list, iter, &pa) == 0)
        if (fdisk_partition_has_start(pa) && fdisk_partition_has_size(pa))
            take_part(d, cxt, pa, out);
    fdisk_free_iter(iter);
    fdisk_unref_table(list);
    if (rc != 0)
        return dv_fail_errno(err, -rc, "cannot list the partitions of %s", d->path);
    return 0;
}

static uint64_t number_of(struct fdisk_context *cxt, int id)
{
    uint64_t value = 0;
    struct fdisk_labelitem *item = fdisk_new_labelitem();
    if (item && fdisk_get_disklabel_item(cxt, id, item) == 0)
        (void)fdisk_labelitem_get_data_u64(item, &value);
    fdisk_unref_labelitem(item);
    return value;
}

static int read_table(const struct gpt_disk *d, struct fdisk_context *cxt, struct gpt_table *out,
                      struct dv_err *err)
{
    char *id = NULL;
    if (fdisk_get_disklabel_id(cxt, &id) != 0 || !id || !uuid_parse(id, &out->uuid)) {
        free(id);
        return dv_fail(err, DV_IO, "the partition table of %s has no UUID", d->path);
    }
    free(id);
    out->first = number_of(cxt, GPT_LABELITEM_FIRSTLBA) * scale(d);
    out->end = (number_of(cxt, GPT_LABELITEM_LASTLBA) + 1) * scale(d);
    return read_parts(d, cxt, out, err);
}

int gpt_read(const struct gpt_disk *d, struct gpt_table *out, struct dv_err *err)
{
    *out = (struct gpt_table){0};
    struct fdisk_context *cxt = open_table(d, err);
    if (!cxt)
        return -1;
    int rc = read_table(d, cxt, out, err);
    if (rc != 0)
        gpt_table_clear(out);
    close_context(cxt);
    return rc;
}

void gpt_table_clear(struct gpt_table *t)
{
    free(t->parts);
    *t = (struct gpt_table){0};
}

const struct gpt_part *gpt_find(const struct gpt_table *t, const struct dv_uuid *uuid)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->parts[i].ours && uuid_equal(&t->parts[i].uuid, uuid))
            return &t->parts[i];
    return NULL;
}

// ---- Writing ----------------------------------------------------------------------------------

int gpt_create(const struct gpt_disk *d, struct dv_err *err)
{
    struct fdisk_context *cxt = open_context(d, err);
    if (!cxt)
        return -1;
    int rc = fdisk_create_disklabel(cxt, "gpt");
    if (rc == 0)
        rc = fdisk_gpt_set_npartitions(cxt, GPT_ENTRIES);
    if (rc != 0)
        rc = dv_fail_errno(err, -rc, "cannot make a partition table on %s", d->path);
    else
        rc = write_table(cxt, d, err);
    close_context(cxt);
    return rc;
}

// What of a partition may change. NULL when there is no memory.
static struct fdisk_partition *describe(const struct gpt_disk *d, const struct gpt_part *part)
{
    struct fdisk_partition *pa = fdisk_new_partition();
    if (!pa)
        return NULL;
    fdisk_partition_set_start(pa, part->start / scale(d));
    fdisk_partition_set_size(pa, part->blocks / scale(d));
    fdisk_partition_size_explicit(pa, 1);
    fdisk_partition_set_name(pa, part->name);
    fdisk_partition_set_attrs(pa, part->unfinished ? UNFINISHED : "");
    return pa;
}

static int add(const struct gpt_disk *d, struct fdisk_context *cxt, const struct gpt_part *part)
{
    char uuid[UUID_TEXT_LEN];
    struct fdisk_partition *pa = describe(d, part);
    struct fdisk_parttype *type = fdisk_label_parse_parttype(fdisk_get_label(cxt, NULL), GPT_TYPE);
    int rc = -ENOMEM;
    if (pa && type) {
        fdisk_partition_partno_follow_default(pa, 1);
        fdisk_partition_set_type(pa, type);
        fdisk_partition_set_uuid(pa, uuid_format(&part->uuid, uuid));
        rc = fdisk_add_partition(cxt, pa, NULL);
    }
    fdisk_unref_parttype(type);
    fdisk_unref_partition(pa);
    return rc;
}

static int change(const struct gpt_disk *d, struct fdisk_context *cxt, const struct gpt_part *part)
{
    char uuid[UUID_TEXT_LEN];
    struct fdisk_partition *pa = describe(d, part);
    if (pa)
        fdisk_partition_set_uuid(pa, uuid_format(&part->uuid, uuid));
    int rc = pa ? fdisk_set_partition(cxt, part->number, pa) : -ENOMEM;
    fdisk_unref_partition(pa);
    if (rc == 0)
        rc =
            fdisk_gpt_set_partition_attrs(cxt, part->number, part->unfinished ? UNFINISHED_BIT : 0);
    return rc;
}

static int change_both(const struct gpt_disk *d, struct fdisk_context *cxt,
                       const struct gpt_part *parts)
{
    int rc = change(d, cxt, &parts[0]);
    return rc == 0 ? change(d, cxt, &parts[1]) : rc;
}

static int drop(const struct gpt_disk *d, struct fdisk_context *cxt, const struct gpt_part *part)
{
    (void)d;
    return fdisk_delete_partition(cxt, part->number);
}

typedef int edit_fn(const struct gpt_disk *, struct fdisk_context *, const struct gpt_part *);

static int edit(const struct gpt_disk *d, const struct gpt_part *part, edit_fn *with,
                const char *what, struct dv_err *err)
{
    struct fdisk_context *cxt = open_table(d, err);
    if (!cxt)
        return -1;
    DV_FAULT_OF("gpt.write", what);
    int rc = with(d, cxt, part);
    if (rc == -ERANGE)
        rc = dv_fail(err, DV_CONFLICT,
                     "cannot %s partition \"%s\" of %s: other partitions are in its way", what,
                     part->name, d->path);
    else if (rc != 0)
        rc = dv_fail_errno(err, -rc, "cannot %s partition \"%s\" of %s", what, part->name, d->path);
    else
        rc = write_table(cxt, d, err);
    DV_FAULT_OF("gpt.written", what);
    close_context(cxt);
    return rc;
}

int gpt_add(const struct gpt_disk *d, const struct gpt_part *part, struct dv_err *err)
{
    return edit(d, part, add, "make", err);
}

int gpt_change(const struct gpt_disk *d, const struct gpt_part *part, struct dv_err *err)
{
    return edit(d, part, change, "change", err);
}

int gpt_change_both(const struct gpt_disk *d, const struct gpt_part parts[2], struct dv_err *err)
{
    return edit(d, parts, change_both, "switch", err);
}

int gpt_remove(const struct gpt_disk *d, const struct gpt_part *part, struct dv_err *err)
{
    return edit(d, part, drop, "remove", err);
}

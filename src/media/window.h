// Parts of a disk as devices of their own, for tgtd to open.
// SPDX-License-Identifier: BSD-2-Clause
//
// A partition node where the kernel makes one, else a loop device over the part. Loop devices end
// by themselves when nobody holds them any more, neither this process nor tgtd; those that a
// former process of ours left in use are found again by what they lie on and where.
#ifndef DVSAN_MEDIA_WINDOW_H
#define DVSAN_MEDIA_WINDOW_H

#include "media/gpt.h"
#include "media/storage.h"

struct windows;

// So many descriptors are left to the rest of the process: windows are not made, and those that are
// there are used without being held, when fewer are free. DV_BUSY, and a shortage.
#define WINDOWS_SPARE 32u

// The storage is borrowed. NULL where this process may make neither.
struct windows *windows_new(const struct storage *storage, struct dv_err *err);
void windows_free(struct windows *w); // NULL is fine

// Whether new parts get partition nodes. Without CAP_SYS_ADMIN they do not, nor on an image; those
// that the kernel made by itself are used all the same.
bool windows_make_nodes(const struct windows *w);

// The device's path, which the caller frees; NULL after a failure. Opening again gives it again,
// with the size that the part has now. From then on nothing else on this machine can mount it or
// have it in an array or volume group; DV_BUSY when something has already.
char *windows_open(struct windows *w, const struct gpt_part *part, struct dv_err *err);
// Lets go of those that were taken over and lie where none of the table's volumes does.
void windows_prune(struct windows *w, const struct gpt_table *t);
// Writes what was written to the device and is not on the disk yet. One that fails is the last that
// is heard of it: the kernel tells it once, and not who closes the device. None is fine.
int windows_flush(const struct windows *w, const struct gpt_part *part, struct dv_err *err);
// Takes the device away; DV_BUSY while somebody still has it open. None is fine.
int windows_close(struct windows *w, const struct gpt_part *part, struct dv_err *err);

#endif

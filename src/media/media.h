// Media: where the blocks of a unit's volumes lie.
// SPDX-License-Identifier: BSD-2-Clause
//
// A medium is held by one process at a time. Which volume lies where on it is the caller's to
// know; a medium gives and takes the storage. Every change is on disk when its function returns,
// and repeating one that was done is fine, so a journal can be replayed.
#ifndef DVSAN_MEDIA_MEDIA_H
#define DVSAN_MEDIA_MEDIA_H

#include "base/err.h"
#include "logic/extent.h"
#include "model/unit.h"

// With less than this left, what takes room as it is written cannot be written any more.
#define MEDIA_FULL_BYTES (UINT64_C(1) << 20)

struct media;

// Which unit holds a medium, as it says itself: a lock lives as long as its process, but the target
// daemon that serves the medium may live longer, or on another machine that sees the same storage.
struct media_owner {
    struct dv_uuid unit;       // zero: it does not say
    uint64_t place;            // tells the machine and state directory of the unit from others
    struct medium_proof proof; // as the medium has it; of who opens it: nothing
};

struct media_spec {
    enum medium_kind kind;
    const char *path;
    uint64_t blocks;                   // of a folder or pool; other kinds know their own size
    bool initialise;                   // a disk that holds nothing may be given a partition table
    struct dv_uuid uuid;               // of the medium that was there before; zero: none was yet
    const char *ceph_conf, *ceph_user; // of an RBD pool, whose name is the path; NULL: the usual
    struct media_owner owner;          // who opens it; no unit: whose it is does not matter
    const char *identity;              // of a device that was there before; NULL or "": none was
    const char *take;                  // NULL, or the mark that a person said may be taken over
};

struct media_space {
    enum medium_state state; // MEDIUM_ONLINE, or MEDIUM_LOW when real room runs out
    uint64_t free_bytes;     // what the storage really has left
    uint64_t total_bytes;    // of the storage; 0: it does not tell, and free_bytes means nothing
    bool full;               // nothing that takes room as it is written can be written
    // A volume that is not thin takes no room when it is overwritten. Otherwise what lies below
    // copies on write, or is thin itself.
    bool reserves;
};

#define MEDIA_ANYWHERE UINT64_MAX // a start LBA that the medium leaves to the unit

// A volume that the medium itself tells of.
struct media_found {
    struct dv_uuid uuid;
    char name[NAME_MAX_LEN + 1]; // a valid one, perhaps cut, perhaps made from the UUID
    uint64_t start_lba, blocks;
    bool thin;
    // Why it is not to be taken for a volume that nobody knows yet; NULL: it may be.
    const char *odd;
};

struct media_layout {
    uint64_t blocks;         // the whole range: LBA 0 .. blocks - 1
    bool lists_volumes;      // found tells of all volumes that are there; else it is empty
    struct extent *reserved; // no volume can lie here; sorted
    size_t reserved_count;
    struct media_found *found;
    size_t found_count;
    struct media_found
        *unfinished; // their create or delete was broken off; no names, some no place
    size_t unfinished_count;
    uint64_t unwritten_blocks; // of its volumes, that take room below only when they are written
};

// Told now and then, with 0..100, by what takes long; false takes the request back.
struct media_progress {
    bool (*report)(void *arg, uint32_t percent);
    void *arg;
};

// Opens and locks a medium. Fails with DV_BUSY when another process has it, and with DV_CONFLICT
// when it is another owner's, or another device than before, unless its mark is the one to take.
struct media *media_open(const struct media_spec *spec, struct dv_err *err);
void media_close(struct media *m); // NULL is fine

// Of the medium itself: written onto it when it is first opened, or its partition table's. A
// medium that comes back with another one is not the one that was there: a folder, say, whose file
// system is not mounted. Zero for the kinds that have none.
const struct dv_uuid *media_uuid(const struct media *m);

// Of a device or image that is a volume as it is: what tells it from all others, whatever it is
// called. "" for the other kinds, and for a device that does not tell.
#define MEDIA_IDENTITY_ROOM 192
const char *media_identity(const struct media *m);

// What is on or of the medium at the path that says whose, or which, it is, as a line of text:
// media_spec.take. "" when nothing does. The caller frees *mark.
int media_ask_mark(const struct media_spec *spec, char **mark, struct dv_err *err);

// Has the medium tell whose it is from now on; of kinds that cannot, and disks that boot, nothing.
// One that was somebody else's, or has none, gets a new proof.
int media_tell_owner(struct media *m, const struct media_owner *owner, struct dv_err *err);
// Of one that was told so; zero of one that cannot tell.
const struct medium_proof *media_proof(const struct media *m);
// Asks one that is not open, and changes nothing. holds_volumes: it may hold some.
int media_ask_owner(const struct media_spec *spec, struct media_owner *out, bool *holds_volumes,
                    struct dv_err *err);

// Fails when the medium cannot be used as it stands, or is another owner's meanwhile.
int media_probe(struct media *m, struct media_space *space, struct dv_err *err);
// What lies where, read anew. Clear it when 0 was returned.
int media_read_layout(struct media *m, struct media_layout *out, struct dv_err *err);
void media_layout_clear(struct media_layout *l);

// Of a volume, its UUID, name, start_lba, blocks and thin are read below.

// What tgtd is given to serve; the caller frees it. NULL when the volume is not there as it
// should be.
char *media_volume_path(struct media *m, const struct volume *v, struct dv_err *err);

// The type of tgtd's backing store that serves the medium's volumes, NULL for the one for files,
// and its options or NULL; both are the medium's.
const char *media_store(const struct media *m, const char **options);

// Makes a volume that reads as zeros. A thin one takes room as it is written; a full one has all
// of it, or DV_NO_SPACE. progress may be NULL. A volume appears whole or not at all.
int media_volume_create(struct media *m, const struct volume *v,
                        const struct media_progress *progress, struct dv_err *err);

// Makes a volume `blocks` long, in place; what is new reads as zeros. Never makes one shorter: what
// is longer than that, or shorter than v->blocks, is DV_INVALID and is left as it is. While that
// goes on, v->target_blocks is the length to come. When it fails, only what this process did is
// undone; what there is then media_volume_length tells.
int media_volume_grow(struct media *m, const struct volume *v, uint64_t blocks,
                      const struct media_progress *progress, struct dv_err *err);

// How long a volume is after a growth that failed: v->blocks, or more when another process had
// begun it.
int media_volume_length(struct media *m, const struct volume *v, uint64_t *blocks,
                        struct dv_err *err);

// Makes a volume shorter, which nothing serves now; what was behind its new end is gone. One that
// has neither v->blocks nor `blocks` is DV_CONFLICT and is left as it is.
int media_volume_shrink(struct media *m, const struct volume *v, uint64_t blocks,
                        struct dv_err *err);

// Makes a volume that nothing serves now be at its target, which overlaps with no volume: copied,
// and what is new reads as zeros. Where it was the layout then shows something unfinished, to be
// deleted; before, the target is that. What was cancelled goes on when it is called again.
int media_volume_move(struct media *m, const struct volume *v,
                      const struct media_progress *progress, struct dv_err *err);

// Whether its volumes must be moved so to have other LBAs; else those are a matter of accounts.
bool media_moves_by_copy(const struct media *m);

// Whether hosts may give back blocks of a volume: it is thin, and what lies below can.
bool media_unmaps(const struct media *m, const struct volume *v);

// Whether a volume may be served while it grows.
bool media_grows_open(const struct media *m);

// Has the medium tell the volume's name as it is in v.
int media_volume_rename(struct media *m, const struct volume *v, struct dv_err *err);

// Nothing serves the volume any more. What it held is gone for good when this returns 0. Also
// takes away what a create left that was broken off. progress may be NULL.
int media_volume_delete(struct media *m, const struct volume *v,
                        const struct media_progress *progress, struct dv_err *err);

// Whether what takes long goes on where it was when it was cancelled and is called again, so that
// it can be done in slices.
bool media_resumes(const struct media *m);

#endif

// The headers of a partition table: are they there, and whole?
// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"
#include "base/mem.h"
#include "media/gpt.h"
#include "media/storage.h"
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIGNATURE  "EFI PART"
#define HEADER_MIN 92u // bytes, UEFI 2.10 table 5-5
#define PROTECTIVE 0xee

#define NOTE_SECTOR 4096u // bytes; what any disk can read past the page cache

struct header {
    char signature[8];
    uint32_t revision, size, crc, reserved;
    uint64_t here, other;
} __attribute__((packed));

static uint32_t crc32_of(const uint8_t *data, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

static int read_sector(const struct gpt_disk *d, uint64_t lba, uint8_t *out, struct dv_err *err)
{
    ssize_t n = pread(d->fd, out, d->sector, (off_t)(lba * d->sector));
    if (n == (ssize_t)d->sector)
        return 0;
    return dv_fail_errno(err, n < 0 ? errno : EIO, "cannot read sector %llu of %s",
                         (unsigned long long)lba, d->path);
}

// Whether a sector was a header once, and whether it still is.
static enum gpt_presence judge(uint8_t *sector, unsigned size, uint64_t lba)
{
    struct header h;
    memcpy(&h, sector, sizeof(h));
    if (memcmp(h.signature, SIGNATURE, sizeof(h.signature)) != 0)
        return GPT_NONE;
    uint32_t len = le32toh(h.size);
    if (len < HEADER_MIN || len > size || le64toh(h.here) != lba)
        return GPT_DAMAGED;
    memset(sector + offsetof(struct header, crc), 0, sizeof(h.crc));
    return crc32_of(sector, len) == le32toh(h.crc) ? GPT_THERE : GPT_DAMAGED;
}

static int write_mbr(const struct gpt_disk *d, uint64_t last, struct dv_err *err)
{
    DV_FREE uint8_t *sector = dv_calloc(1, d->sector);
    uint8_t *entry = sector + 446;
    uint32_t start = htole32(1), count = htole32(last < UINT32_MAX ? (uint32_t)last : UINT32_MAX);
    entry[2] = 2; // cylinder 0, head 0, sector 2
    entry[4] = PROTECTIVE;
    memset(entry + 5, 0xff, 3);
    memcpy(entry + 8, &start, sizeof(start));
    memcpy(entry + 12, &count, sizeof(count));
    sector[510] = 0x55;
    sector[511] = 0xaa;
    if (pwrite(d->fd, sector, d->sector, 0) != (ssize_t)d->sector)
        return dv_fail_errno(err, errno, "cannot write the first sector of %s", d->path);
    log_warning("media",
                "the first sector of %s was lost, but its partition table is there: the "
                "protective MBR was written again",
                d->path);
    return 0;
}

static bool has_mbr(const uint8_t *sector)
{
    if (sector[510] != 0x55 || sector[511] != 0xaa)
        return false;
    for (unsigned i = 0; i < 4; i++)
        if (sector[446 + 16 * i + 4] == PROTECTIVE)
            return true;
    return false;
}

static bool is_empty(const uint8_t *sector, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        if (sector[i] != 0)
            return false;
    return true;
}

int gpt_look(const struct gpt_disk *d, enum gpt_presence *out, struct dv_err *err)
{
    uint64_t bytes;
    DV_FREE uint8_t *sector = dv_calloc(1, d->sector);
    if (storage_size(d->fd, d->path, &bytes, err) != 0)
        return -1;
    *out = GPT_NONE;
    if (bytes < 3 * (uint64_t)d->sector)
        return 0;
    uint64_t last = bytes / d->sector - 1;
    if (read_sector(d, 1, sector, err) != 0)
        return -1;
    enum gpt_presence front = judge(sector, d->sector, 1);
    if (read_sector(d, last, sector, err) != 0)
        return -1;
    enum gpt_presence back = judge(sector, d->sector, last);
    if (read_sector(d, 0, sector, err) != 0)
        return -1;
    bool mbr = has_mbr(sector);
    if (front == GPT_THERE || back == GPT_THERE)
        *out = GPT_THERE;
    else if (mbr || front == GPT_DAMAGED || back == GPT_DAMAGED)
        *out = GPT_DAMAGED;
    // A first sector that holds something else was overwritten by something else: left alone.
    if (*out == GPT_THERE && !mbr && is_empty(sector, d->sector))
        return write_mbr(d, last, err);
    return 0;
}

// ---- The note ---------------------------------------------------------------------------------

int gpt_read_note(const char *path, char **note, struct dv_err *err)
{
    void *sector = NULL;
    DV_CLOSE int fd = storage_open_direct(path, err);
    if (fd < 0)
        return -1;
    if (posix_memalign(&sector, NOTE_SECTOR, NOTE_SECTOR) != 0)
        return dv_fail_errno(err, ENOMEM, "cannot read %s", path);
    ssize_t n = pread(fd, sector, NOTE_SECTOR, 0);
    int errnum = n < 0 ? errno : EIO;
    *note = dv_calloc(1, GPT_NOTE_MAX + 1);
    memcpy(*note, sector, n == NOTE_SECTOR ? GPT_NOTE_MAX : 0);
    free(sector);
    return n == NOTE_SECTOR
               ? 0
               : dv_fail_errno(err, errnum, "cannot read the first sector of %s", path);
}

int gpt_write_note(const struct gpt_disk *d, const char *note, struct dv_err *err)
{
    DV_FREE uint8_t *sector = dv_calloc(1, d->sector);
    if (read_sector(d, 0, sector, err) != 0)
        return -1;
    memset(sector, 0, GPT_NOTE_MAX);
    memcpy(sector, note, strnlen(note, GPT_NOTE_MAX));
    if (pwrite(d->fd, sector, d->sector, 0) != (ssize_t)d->sector)
        return dv_fail_errno(err, errno, "cannot write the first sector of %s", d->path);
    return 0;
}

// The nbdkit plugin: a volume of the pool as an NBD disk.
// SPDX-License-Identifier: BSD-2-Clause
#define NBDKIT_API_VERSION 2

#include "base/mem.h"
#include "base/secret.h"
#include "iscsi/iscsi_leg.h"
#include "iscsi/volume.h"
#include "nbd/params.h"
#include "nbd/quit.h"
#include <errno.h>
#include <inttypes.h>
#include <nbdkit-plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

#define PREFERRED_BLOCK 4096
#define LARGEST_REQUEST (32u << 20)

// nbdkit has one instance of a plugin in a process and passes it no context.
static struct params *params;
static struct pump *pump;
static struct volume_session *volume;

// Set-up ------------------------------------------------------------------------------------

static int dvsan_config(const char *key, const char *value)
{
    struct dv_err err;
    if (strcmp(key, "params") != 0) {
        nbdkit_error("unknown parameter '%s': everything but params=FILE is given in FILE, so that "
                     "no secret shows in the list of processes",
                     key);
        return -1;
    }
    if (params) {
        nbdkit_error("params is given twice");
        return -1;
    }
    params = params_read(value, &err);
    if (params)
        return 0;
    nbdkit_error("%s", err.text);
    return -1;
}

static int dvsan_config_complete(void)
{
    if (params)
        return 0;
    nbdkit_error("params=FILE is missing");
    return -1;
}

static void on_event(void *arg, bool good, const char *text)
{
    (void)arg;
    if (good)
        nbdkit_debug("%s", text);
    else
        nbdkit_error("%s", text);
}

static struct leg *make_leg(void)
{
    struct iscsi_leg_config config = {
        .portal = params->portal,
        .target = params->target,
        .initiator = params->initiator,
        .lun = params->lun,
        .chap_user = params->chap_user,
        .chap_secret = params->chap_secret,
        .header_digest = params->header_digest,
    };
    iscsi_leg_defaults(&config);
    pump_enter(pump);
    struct leg *leg = iscsi_leg_new(pump, &config);
    pump_leave(pump);
    return leg;
}

// Before nbdkit goes to the background, so that a refused login ends it with a message.
static int dvsan_get_ready(void)
{
    struct dv_err err;
    secret_harden_process();
    pump = pump_new(&err);
    if (!pump) {
        nbdkit_error("%s", err.text);
        return -1;
    }
    struct volume_config config = {.timeout_ms = params->timeout_s * 1000, .on_event = on_event};
    volume = volume_new(pump, make_leg(), &config);
    if (volume_open(volume, &err) == 0)
        return 0;
    nbdkit_error("%s", err.text);
    return -1;
}

static int dvsan_after_fork(void)
{
    struct dv_err err;
    if (pump_start(pump, &err) == 0 && quit_watch(volume, &err) == 0)
        return 0;
    nbdkit_error("%s", err.text);
    return -1;
}

static void dvsan_unload(void)
{
    quit_unwatch();
    if (pump)
        pump_stop(pump);
    volume_free(volume);
    pump_free(pump);
    params_free(params);
}

static void dvsan_dump_plugin(void)
{
    printf("dvsan_transport=iscsi\n");
    printf("dvsan_max_request=%u\n", LARGEST_REQUEST);
}

// Connections -------------------------------------------------------------------------------

static void *dvsan_open(int readonly)
{
    (void)readonly;
    struct volume_client *client = dv_calloc(1, sizeof(*client));
    volume_client_init(volume, client);
    volume_refresh(volume); // NBD tells a client the size once, when it connects
    return client;
}

static void dvsan_close(void *handle)
{
    free(handle);
}

static int64_t dvsan_get_size(void *handle)
{
    (void)handle;
    return (int64_t)volume_info(volume).bytes;
}

static int dvsan_can_write(void *handle)
{
    (void)handle;
    return !volume_info(volume).read_only;
}

static int dvsan_yes(void *handle)
{
    (void)handle;
    return 1;
}

static int dvsan_no(void *handle)
{
    (void)handle;
    return 0;
}

static int dvsan_can_fua(void *handle)
{
    (void)handle;
    return NBDKIT_FUA_NATIVE;
}

static int dvsan_can_trim(void *handle)
{
    (void)handle;
    return volume_info(volume).can_trim;
}

static int dvsan_can_fast_zero(void *handle)
{
    (void)handle;
    return volume_info(volume).can_zero;
}

static int dvsan_block_size(void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
    (void)handle;
    struct leg_info info = volume_info(volume);
    *minimum = info.block_size;
    *preferred = info.physical_block > PREFERRED_BLOCK ? info.physical_block : PREFERRED_BLOCK;
    *maximum = LARGEST_REQUEST;
    return 0;
}

// Requests ----------------------------------------------------------------------------------

static int failed(const char *what, uint32_t count, uint64_t offset, int error)
{
    struct dv_err why = {0};
    if (error == EINVAL) {
        nbdkit_error("%s of %" PRIu32 " bytes at %" PRIu64 " is not a whole number of blocks of "
                     "%" PRIu32 " bytes; nbdkit's --filter=blocksize takes any",
                     what, count, offset, volume_info(volume).block_size);
    } else {
        if (error == EACCES || error == EIO)
            volume_why(volume, &why);
        nbdkit_error("%s of %" PRIu32 " bytes at %" PRIu64 ": %s%s%s", what, count, offset,
                     strerrordesc_np(error), why.text[0] ? ": " : "", why.text);
    }
    nbdkit_set_error(error == EACCES ? EPERM : error); // NBD has no EACCES
    return -1;
}

static int run(void *client, const char *what, enum leg_op op, uint32_t flags, uint32_t count,
               uint64_t offset, void *data)
{
    unsigned leg_flags = ((flags & NBDKIT_FLAG_FUA) ? LEG_FUA : 0) |
                         ((flags & NBDKIT_FLAG_MAY_TRIM) ? LEG_MAY_TRIM : 0) |
                         ((flags & NBDKIT_FLAG_FAST_ZERO) ? LEG_FAST : 0);
    int error = volume_io(volume, client, op, leg_flags, offset, count, data);
    return error ? failed(what, count, offset, error) : 0;
}

static int dvsan_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
    return run(handle, "reading", LEG_READ, flags, count, offset, buf);
}

static int dvsan_pwrite(void *handle, const void *buf, uint32_t count, uint64_t offset,
                        uint32_t flags)
{
    return run(handle, "writing", LEG_WRITE, flags, count, offset, (void *)(uintptr_t)buf);
}

static int dvsan_flush(void *handle, uint32_t flags)
{
    return run(handle, "flushing", LEG_FLUSH, flags, 0, 0, NULL);
}

static int dvsan_trim(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
    return run(handle, "trimming", LEG_TRIM, flags, count, offset, NULL);
}

static int dvsan_zero(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
    return run(handle, "zeroing", LEG_ZERO, flags, count, offset, NULL);
}

static struct nbdkit_plugin plugin = {
    .name = "dvsan",
    .longname = "nbdkit dvsan plugin",
    .version = DVSAN_VERSION,
    .description = "A volume of a dvsan pool, or any iSCSI LUN, by libiscsi.",
    .unload = dvsan_unload,
    .config = dvsan_config,
    .config_complete = dvsan_config_complete,
    .config_help = PARAMS_HELP,
    .magic_config_key = "params",
    .get_ready = dvsan_get_ready,
    .after_fork = dvsan_after_fork,
    .dump_plugin = dvsan_dump_plugin,
    .open = dvsan_open,
    .close = dvsan_close,
    .get_size = dvsan_get_size,
    .can_write = dvsan_can_write,
    .can_flush = dvsan_yes,
    .can_fua = dvsan_can_fua,
    .can_trim = dvsan_can_trim,
    .can_zero = dvsan_yes,
    .can_fast_zero = dvsan_can_fast_zero,
    .can_multi_conn = dvsan_yes, // one session: a flush covers what every connection wrote
    .is_rotational = dvsan_no,
    .block_size = dvsan_block_size,
    .pread = dvsan_pread,
    .pwrite = dvsan_pwrite,
    .flush = dvsan_flush,
    .trim = dvsan_trim,
    .zero = dvsan_zero,
};

NBDKIT_REGISTER_PLUGIN(plugin)

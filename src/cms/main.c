// The program dvsan-cms: puts the station and its API together and takes them down again.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/service.h"
#include "cms/cms.h"
#include "cms/core/auth.h"
#include "cms/core/station.h"
#include "cms/init.h"
#include "cms/options.h"
#include "config/cms_config.h"
#include "config/world.h"
#include "console/api/api.h"
#include "loop/loop.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// What malloc puts off it does later in one go, while the loop waits: joining the small pieces that
// were freed (7.5 ms at once behind a unit with 64,000 rules), and copying an array that grows,
// which is only a moving of pages (mremap) from M_MMAP_THRESHOLD on. glibc raises that in time to
// 32 MiB where it is not set (mallopt(3)).
static void let_malloc_put_off_nothing(void)
{
    mallopt(M_MXFAST, 0);
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

static int fail(const struct dv_err *err)
{
    log_error("cms", "%s", err->text);
    return dv_code_exit(err->code);
}

// A file for what must not get into a log.
static int keep_password(const char *password, const char *state_dir, struct dv_err *err)
{
    DV_FREE char *path = dv_printf("%s/" AUTH_DRAWN_PASSWORD, state_dir);
    char *line = dv_printf("%s\n", password);
    int rc = file_write_atomic(path, line, strlen(line), 0600, err);
    secret_free(line);
    if (rc != 0)
        return dv_fail(err, err->code,
                       "%s; the admin's password is lost: remove %s/pool.db, which holds nothing "
                       "else yet, and start again",
                       err->text, state_dir);
    log_info("cms", "the admin's password is in %s: read it, then remove the file", path);
    return 0;
}

// Frees the password; NULL is fine.
static int show_password(char *password, const char *state_dir, struct dv_err *err)
{
    int rc = 0;
    if (password && service_logs(STDOUT_FILENO)) {
        rc = keep_password(password, state_dir, err);
    } else if (password) {
        printf("admin password: %s\n"
               "Keep it: it is not shown again. The API and dvsan(1) take it with the user "
               "admin.\n",
               password);
        fflush(stdout);
    }
    secret_free(password);
    return rc;
}

static void on_signal(void *arg)
{
    log_info("cms", "stopping");
    service_stopping();
    loop_stop(arg);
}

static int serve(struct loop *loop, struct cms *cms, const struct cms_config *config)
{
    struct dv_err err;
    struct api *api = api_new(loop, cms, config, &err);
    if (!api)
        return fail(&err);
    signal(SIGPIPE, SIG_IGN); // a log that nobody reads any more is no reason to end
    struct loop_signal *term = loop_signal_new(loop, SIGTERM, on_signal, loop);
    struct loop_signal *interrupt = loop_signal_new(loop, SIGINT, on_signal, loop);
    log_info("cms", "dvsan-cms %s serves the pool %s at http://%s:%u", DVSAN_VERSION, config->name,
             config->http.address, config->http.port);
    service_ready();
    loop_run(loop);
    api_free(api);
    loop_signal_free(term);
    loop_signal_free(interrupt);
    return 0;
}

// Each unit takes one, and all else, such as the API's connections, FILE_FEW at most.
static void check_limit(size_t units)
{
    uint64_t limit = file_limit();
    size_t room = limit > FILE_FEW ? (size_t)(limit - FILE_FEW) : 0;
    if (room < units)
        log_warning("cms",
                    "%llu files can be open at once, which is enough for %zu units, and the pool "
                    "has %zu: raise LimitNOFILE of the station's service (or ulimit -Hn)",
                    (unsigned long long)limit, room, units);
}

static int run(const struct cms_config *config)
{
    struct dv_err err;
    char *password;
    int rc;
    file_raise_limit();
    struct loop *loop = loop_new();
    loop_measure(loop);
    struct cms *cms = cms_new(loop, config, &password, &err);
    if (cms)
        check_limit(HASH_COUNT(cms_pool(cms)->units));
    if (cms && show_password(password, config->state_dir, &err) == 0)
        rc = serve(loop, cms, config);
    else
        rc = fail(&err);
    cms_free(cms);
    loop_free(loop);
    return rc;
}

static int check(const struct cms_config *config, const char *path)
{
    struct world world;
    world_of_cms(config, &world);
    int rc = world_print(&world, path);
    world_clear(&world);
    return rc;
}

static int init(const struct station_options *o)
{
    struct dv_err err;
    struct setup s = {.root = o->root,
                      .asks = !o->yes && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)};
    return init_station(&s, o->config, &o->answers, &err) == 0 ? 0 : fail(&err);
}

int main(int argc, char **argv)
{
    struct station_options options;
    struct dv_err err;
    secret_harden_process();
    let_malloc_put_off_nothing();
    log_init("dvsan-cms", LOG_LEVEL_INFO);
    enum options_result result = options_parse(argc, argv, &options);
    if (result != OPTIONS_RUN)
        return result == OPTIONS_DONE ? 0 : dv_code_exit(DV_INVALID);
    if (options.init)
        return init(&options);
    struct cms_config *config = cms_config_load(options.config, &err);
    if (!config)
        return fail(&err);
    log_init("dvsan-cms", options.verbose ? LOG_LEVEL_DEBUG : config->log_level);
    int rc = 0;
    if (options.check)
        rc = check(config, options.config);
    else
        rc = run(config);
    cms_config_free(config);
    return rc;
}

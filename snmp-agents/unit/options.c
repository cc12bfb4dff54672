// The command line of dvsan-unit.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/service.h"
#include "config/world.h"
#include "snmp-agents/unit/enrol.h"
#include "snmp-agents/unit/rebuild.h"
#include "snmp-agents/unit/take.h"
#include "snmp-agents/unit/unit.h"
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_CONFIG "/etc/dvsan/dvsan-unit.xml"

static const char HELP[] =
    "usage: dvsan-unit [-c FILE] [-t] [-v] [--take=MEDIUM] [--rebuild[=UUID|new]]\n"
    "                  [--enrol CODE [--station ADDRESS]] [--help] [--version]\n"
    "\n"
    "The agent of an IP SAN unit: an AgentX subagent beside snmpd(8) and tgtd(8).\n"
    "It runs in the foreground until it gets SIGTERM or SIGINT.\n"
    "\n"
    "  -c, --config FILE  the configuration (default: " DEFAULT_CONFIG ")\n"
    "  -t, --check        check the configuration, and this machine against it, and exit\n"
    "  -v, --verbose      log what happens in detail\n"
    "      --rebuild[=UUID|new]\n"
    "                     make the journal of a unit that lost it anew, or that of a new unit\n"
    "                     whose media are not there yet, and exit\n"
    "      --take=MEDIUM  say that no other unit serves this medium, and that it is the right\n"
    "                     one, and exit\n"
    "      --enrol CODE   make this unit a member of the pool whose station printed the one-time\n"
    "                     code, and exit; - reads the code from standard input\n"
    "      --station ADDRESS\n"
    "                     where that station is: HOST, HOST:PORT or [IPv6]:PORT (default: the\n"
    "                     first one of the configuration)\n"
    "      --help         print this text and exit\n"
    "      --version      print the version and exit\n";

enum {
    OPTION_HELP = 256,
    OPTION_VERSION,
    OPTION_REBUILD,
    OPTION_TAKE,
    OPTION_ENROL,
    OPTION_STATION
};

static const struct option OPTIONS[] = {{"config", required_argument, NULL, 'c'},
                                        {"check", no_argument, NULL, 't'},
                                        {"verbose", no_argument, NULL, 'v'},
                                        {"rebuild", optional_argument, NULL, OPTION_REBUILD},
                                        {"take", required_argument, NULL, OPTION_TAKE},
                                        {"enrol", required_argument, NULL, OPTION_ENROL},
                                        {"station", required_argument, NULL, OPTION_STATION},
                                        {"help", no_argument, NULL, OPTION_HELP},
                                        {"version", no_argument, NULL, OPTION_VERSION},
                                        {0}};

static int fail(const struct dv_err *err)
{
    log_error("unit", "%s", err->text);
    return dv_code_exit(err->code);
}

static void on_signal(void *arg)
{
    service_stopping();
    unit_stop(arg);
}

static int run(const struct unit_config *config)
{
    struct dv_err err;
    int rc = 0;
    struct loop *loop = loop_new();
    struct unit *unit = unit_new(loop, config, &err);
    if (unit) {
        struct loop_signal *term = loop_signal_new(loop, SIGTERM, on_signal, unit);
        struct loop_signal *interrupt = loop_signal_new(loop, SIGINT, on_signal, unit);
        log_info("unit", "dvsan-unit %s serves as %s", DVSAN_VERSION, config->name);
        service_ready();
        loop_run(loop);
        rc = unit_exit_code(unit);
        loop_signal_free(term);
        loop_signal_free(interrupt);
        unit_free(unit);
    } else {
        rc = fail(&err);
    }
    loop_free(loop);
    return rc;
}

struct options {
    const char *path;
    bool check, verbose, rebuild;
    const char *unit; // to be rebuilt; NULL: the media know
    const char *take; // the name of a medium; NULL: none
    const char *enrol, *station;
};

static int rebuild(const struct unit_config *config, const char *unit)
{
    struct dv_err err;
    struct dv_uuid uuid;
    if (unit && strcmp(unit, "new") == 0) {
        uuid = uuid_random();
    } else if (unit && (!uuid_parse(unit, &uuid) || uuid_is_zero(&uuid))) {
        (void)dv_fail(&err, DV_INVALID, "%s is not the UUID of a unit, nor the word new", unit);
        return fail(&err);
    }
    return rebuild_journal(config, unit ? &uuid : NULL, &err) == 0 ? 0 : fail(&err);
}

static int enrol(const struct unit_config *config, const char *code, const char *station)
{
    char line[128];
    struct dv_err err;
    if (strcmp(code, "-") == 0) {
        if (!fgets(line, sizeof(line), stdin)) {
            (void)dv_fail(&err, DV_INVALID, "standard input ended without a code");
            return fail(&err);
        }
        code = line;
    }
    int rc = enrol_unit(config, code, station, &err);
    secret_wipe(line, sizeof(line));
    return rc == 0 ? 0 : fail(&err);
}

static int check(const struct unit_config *config, const char *path)
{
    struct world world;
    world_of_unit(config, &world);
    int rc = world_print(&world, path);
    world_clear(&world);
    return rc;
}

static int load_and_run(const struct options *o)
{
    struct dv_err err;
    struct unit_config *config = unit_config_load(o->path, &err);
    if (!config)
        return fail(&err);
    log_init("dvsan-unit", o->verbose ? LOG_LEVEL_DEBUG : config->log_level);
    int rc = 0;
    if (o->check)
        rc = check(config, o->path);
    else if (o->take)
        rc = take_medium(config, o->take, &err) == 0 ? 0 : fail(&err);
    else if (o->rebuild)
        rc = rebuild(config, o->unit);
    else if (o->enrol)
        rc = enrol(config, o->enrol, o->station);
    else
        rc = run(config);
    unit_config_free(config);
    return rc;
}

int unit_main(int argc, char **argv)
{
    struct options o = {.path = DEFAULT_CONFIG};
    int option;
    secret_harden_process();
    file_raise_limit();
    signal(SIGPIPE, SIG_IGN); // a log that nobody reads any more is no reason to end
    log_init("dvsan-unit", LOG_LEVEL_INFO);
    while ((option = getopt_long(argc, argv, "c:tv", OPTIONS, NULL)) != -1) {
        switch (option) {
        case 'c':
            o.path = optarg;
            break;
        case 't':
            o.check = true;
            break;
        case 'v':
            o.verbose = true;
            break;
        case OPTION_REBUILD:
            o.rebuild = true;
            o.unit = optarg;
            break;
        case OPTION_TAKE:
            o.take = optarg;
            break;
        case OPTION_ENROL:
            o.enrol = optarg;
            break;
        case OPTION_STATION:
            o.station = optarg;
            break;
        case OPTION_HELP:
            fputs(HELP, stdout);
            return 0;
        case OPTION_VERSION:
            puts("dvsan-unit " DVSAN_VERSION);
            return 0;
        default:
            fputs("Try dvsan-unit --help.\n", stderr);
            return dv_code_exit(DV_INVALID);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "dvsan-unit takes no arguments; try dvsan-unit --help.\n");
        return dv_code_exit(DV_INVALID);
    }
    return load_and_run(&o);
}

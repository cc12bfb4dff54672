// The command line of dvsan-unit.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/service.h"
#include "config/world.h"
#include "media/command.h"
#include "snmp-agents/member/act_as.h"
#include "snmp-agents/member/enrol.h"
#include "snmp-agents/unit/init.h"
#include "snmp-agents/unit/unit_agent.h"
#include "unit/forget.h"
#include "unit/journal.h"
#include "unit/rebuild.h"
#include "unit/take.h"
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CONFIG "/etc/dvsan/dvsan-unit.xml"

static const char HELP[] =
    "usage: dvsan-unit [-c FILE] [-t] [-v] [--take=MEDIUM] [--rebuild[=UUID|new]]\n"
    "                  [--forget=VOLUME] [--forget-secrets]\n"
    "                  [--enrol CODE [--station ADDRESS]] [--identity-request]\n"
    "                  [--identity FILE] [--help] [--version]\n"
    "       dvsan-unit --init [--name NAME] [--address ADDRESS] [--media PATH]... [--size SIZE]\n"
    "                  [--yes] [--root FOLDER] [--enrol CODE --station ADDRESS]\n"
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
    "      --forget=VOLUME\n"
    "                     forget the volume of this UUID, which cannot be served, since its file "
    "is\n"
    "                     gone for good, say, and the station has none of its own here; and exit\n"
    "      --forget-secrets\n"
    "                     give up the hosts' secrets, whose key is lost: the station sends them\n"
    "                     again; and exit\n"
    "      --enrol CODE   make this unit a member of the pool whose station printed the one-time\n"
    "                     code, and exit; - reads the code from standard input\n"
    "      --station ADDRESS\n"
    "                     where that station is: HOST, HOST:PORT or [IPv6]:PORT (default: the\n"
    "                     first one of the configuration)\n"
    "      --identity-request\n"
    "                     print what the unit says of itself, for dvsan unit import, and exit\n"
    "      --identity FILE\n"
    "                     make this unit a member by the identity in a file that dvsan unit\n"
    "                     import wrote, of mode 0600, and exit\n"
    "      --init         make this machine a unit: the configuration, snmpd's file, folders and\n"
    "                     services; what is there already is kept\n"
    "      --name NAME    the unit's name (default: this machine's)\n"
    "      --address ADDRESS\n"
    "                     where hosts and the station reach it (default: this machine's address\n"
    "                     that reaches the station, or the only one)\n"
    "      --media PATH   a folder or disk for volumes; may be repeated (default:\n"
    "                     /srv/dvsan/pool0)\n"
    "      --size SIZE    how much of a folder is for volumes (default: nine tenths of what is\n"
    "                     free)\n"
    "      --yes          ask nothing: take the defaults, and leave another pool for this one\n"
    "      --root FOLDER  set up the image of a machine in this folder; with --name, --address\n"
    "                     and --size, since this machine's are not guessed for it\n"
    "      --help         print this text and exit\n"
    "      --version      print the version and exit\n";

enum {
    UNIT_OPTION_HELP = 256,
    UNIT_OPTION_VERSION,
    UNIT_OPTION_REBUILD,
    UNIT_OPTION_TAKE,
    UNIT_OPTION_FORGET,
    UNIT_OPTION_ENROL,
    UNIT_OPTION_FORGET_SECRETS,
    UNIT_OPTION_STATION,
    UNIT_OPTION_IDENTITY,
    UNIT_OPTION_REQUEST,
    UNIT_OPTION_INIT,
    UNIT_OPTION_NAME,
    UNIT_OPTION_ADDRESS,
    UNIT_OPTION_MEDIA,
    UNIT_OPTION_SIZE,
    UNIT_OPTION_YES,
    UNIT_OPTION_ROOT
};

static const struct option OPTIONS[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, 't'},
    {"verbose", no_argument, NULL, 'v'},
    {"rebuild", optional_argument, NULL, UNIT_OPTION_REBUILD},
    {"take", required_argument, NULL, UNIT_OPTION_TAKE},
    {"forget", required_argument, NULL, UNIT_OPTION_FORGET},
    {"forget-secrets", no_argument, NULL, UNIT_OPTION_FORGET_SECRETS},
    {"enrol", required_argument, NULL, UNIT_OPTION_ENROL},
    {"station", required_argument, NULL, UNIT_OPTION_STATION},
    {"identity", required_argument, NULL, UNIT_OPTION_IDENTITY},
    {"identity-request", no_argument, NULL, UNIT_OPTION_REQUEST},
    {"init", no_argument, NULL, UNIT_OPTION_INIT},
    {"name", required_argument, NULL, UNIT_OPTION_NAME},
    {"address", required_argument, NULL, UNIT_OPTION_ADDRESS},
    {"media", required_argument, NULL, UNIT_OPTION_MEDIA},
    {"size", required_argument, NULL, UNIT_OPTION_SIZE},
    {"yes", no_argument, NULL, UNIT_OPTION_YES},
    {"root", required_argument, NULL, UNIT_OPTION_ROOT},
    {"help", no_argument, NULL, UNIT_OPTION_HELP},
    {"version", no_argument, NULL, UNIT_OPTION_VERSION},
    {0}};

static int fail(const struct dv_err *err)
{
    log_error("unit", "%s", err->text);
    return dv_code_exit(err->code);
}

static void on_signal(void *arg)
{
    service_stopping();
    unit_agent_stop(arg);
}

static int run(const struct unit_config *config)
{
    struct dv_err err;
    int rc = 0;
    struct loop *loop = loop_new();
    loop_measure(loop);
    struct unit_agent *unit = unit_agent_new(loop, config, &err);
    if (unit) {
        struct loop_signal *term = loop_signal_new(loop, SIGTERM, on_signal, unit);
        struct loop_signal *interrupt = loop_signal_new(loop, SIGINT, on_signal, unit);
        log_info("unit", "dvsan-unit %s serves as %s", DVSAN_VERSION, config->member.name);
        service_ready();
        loop_run(loop);
        rc = unit_agent_exit_code(unit);
        loop_signal_free(term);
        loop_signal_free(interrupt);
        if (!unit_agent_free(unit)) {
            command_kill_all();
            _exit(rc);
        }
    } else {
        rc = fail(&err);
    }
    loop_free(loop);
    return rc;
}

#define CODE_LINE 128 // bytes of a line with a code

struct unit_options {
    const char *path;
    bool check, verbose, rebuild, forget_secrets;
    const char *unit;   // to be rebuilt; NULL: the media know
    const char *take;   // the name of a medium; NULL: none
    const char *forget; // the UUID of a volume; NULL: none
    const char *enrol, *station;
    const char *identity; // a file; NULL: none
    bool request;
    bool init, yes; // set this machine up; ask nothing
    struct setup setup;
    struct unit_answers answers;
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

// A new unit keeps the UUID that is enrolled.
static int own_uuid(const struct enrol_member *m, struct dv_uuid *out, struct dv_err *err)
{
    const struct unit_config *config = m->arg;
    struct journal *j = journal_open(config->member.state_dir, err);
    int rc = j ? 0 : -1;
    if (j && journal_identity(j)->epoch == 0) {
        rc = rebuild_check_lost(config, err);
        if (rc == 0)
            rc = journal_count_start(j, err);
    }
    if (j)
        *out = journal_identity(j)->uuid;
    journal_close(j);
    return rc;
}

static struct enrol_member member_of(const struct unit_options *o, const struct unit_config *config)
{
    uint32_t index;
    size_t len;
    const char *address = config->member.management_address;
    bool changes = unit_config_portal_in(address, &index, &len) != NULL;
    return (struct enrol_member){.config = &config->member,
                                 .config_path = o->path,
                                 .kind = MEMBER_UNIT,
                                 .address = changes ? "" : address,
                                 .uuid = own_uuid,
                                 .arg = config};
}

// Whether it is the unit whose services systemd starts on this machine.
static bool is_of_services(const struct unit_options *o)
{
    return strcmp(o->path, DEFAULT_CONFIG) == 0 && setup_runs_services(&o->setup);
}

// Of this machine's unit the services are stopped meanwhile, and started again whatever happens.
static int enrol_with_services(const struct unit_options *o, const struct unit_config *config,
                               const char *code, struct dv_err *err)
{
    struct dv_err why;
    sigset_t ends, before;
    const struct enrol_member member = member_of(o, config);
    bool services = is_of_services(o);
    if (services && enrol_ready(&config->member, code, o->station, err) < 0)
        return -1; // nothing is stopped for that
    // Who ends this command meanwhile ends it once the services run again.
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    if (services)
        sigprocmask(SIG_BLOCK, &ends, &before);
    int rc = services ? init_hold_services(&o->setup, err) : 0;
    if (rc == 0)
        rc = enrol_by_code(&member, code, o->station, o->yes, err);
    if (services && (rc == 0 || init_is_member(&o->setup, config)) &&
        init_start_services(&o->setup, config, &why) < 0 && rc == 0)
        rc = dv_fail(err, why.code, "%s", why.text);
    if (services)
        sigprocmask(SIG_SETMASK, &before, NULL);
    return rc;
}

// The code that was given, or is on standard input, into line.
static const char *read_code(const struct unit_options *o, char line[CODE_LINE], struct dv_err *err)
{
    line[0] = '\0';
    if (strcmp(o->enrol, "-") != 0)
        return o->enrol;
    if (fgets(line, CODE_LINE, stdin))
        return line;
    (void)dv_fail(err, DV_INVALID, "standard input ended without a code");
    return NULL;
}

static int enrol(const struct unit_options *o, const struct unit_config *config)
{
    char line[CODE_LINE];
    struct dv_err err;
    const char *code = read_code(o, line, &err);
    int rc = code ? enrol_with_services(o, config, code, &err) : -1;
    secret_wipe(line, sizeof(line));
    return rc == 0 ? 0 : fail(&err);
}

static int forget_secrets(const struct unit_options *o, const struct unit_config *config)
{
    bool services = is_of_services(o);
    struct dv_err err;
    struct own_groups own;
    size_t users;
    if (act_as_owner(config->member.state_dir, &own, &err) < 0)
        return fail(&err);
    struct journal *j = journal_open(config->member.state_dir, &err);
    int rc = j ? journal_give_up_secrets(j, &users, &err) : -1;
    journal_close(j);
    act_as_oneself(&own);
    if (rc == 0 && services)
        rc = init_drop_key(&o->setup, &err);
    if (rc != 0)
        return fail(&err);
    printf("The secrets of %zu CHAP user%s were given up. The station sends them again once "
           "dvsan-unit runs.\n",
           users, users == 1 ? "" : "s");
    return 0;
}

// The agent may be running meanwhile.
static void look_at_targets(const struct unit_config *config, struct world *w)
{
    struct dv_err err;
    struct volume first;
    int count = journal_other_targets(config->member.state_dir, config->iqn_prefix, &first, &err);
    if (count < 0)
        world_add(&w->doubts, &w->doubt_count,
                  "whether the volumes that are there have this iqn-prefix is not known: %s",
                  err.text);
    else if (count > 0)
        world_add(&w->missing, &w->missing_count,
                  "volumes that were made with another iqn-prefix are not served with %s: %d, such "
                  "as %s with the target name %s; put the iqn-prefix with which they were made "
                  "back",
                  config->iqn_prefix, count, first.name, first.iqn);
}

static int check(const struct unit_config *config, const char *path)
{
    struct world world;
    world_of_unit(config, &world);
    look_at_targets(config, &world);
    int rc = world_print(&world, path);
    world_clear(&world);
    return rc;
}

// Before anything is made: a machine whose code is mistyped stays as it is.
static int check_enrol(const struct unit_options *o, const char *code, struct dv_err *err)
{
    if (*o->setup.root)
        return dv_fail(err, DV_INVALID,
                       "an image is enrolled on the machine where it runs: leave --enrol out");
    struct unit_config *config = NULL;
    if (!code || (setup_has(&o->setup, o->path) && !(config = unit_config_load(o->path, err))))
        return -1;
    int rc = enrol_check(config ? &config->member : NULL, code, o->station, err);
    unit_config_free(config);
    return rc;
}

static int end_init(const struct unit_options *o, const struct unit_config *config,
                    const char *code, struct dv_err *err)
{
    bool services = setup_runs_services(&o->setup), image = *o->setup.root != '\0';
    int rc = 0;
    if (image)
        printf("Next, where it runs as a machine: dvsan unit add %s on the station, and then what "
               "this prints.\n",
               config->member.name);
    else if (code)
        rc = enrol_with_services(o, config, code, err);
    else if (!init_is_member(&o->setup, config))
        printf("Next: dvsan unit add %s on the station, and then what this prints.\n",
               config->member.name);
    else if (services)
        rc = init_start_services(&o->setup, config, err);
    if (rc == 0 && !services && !image)
        init_print_start(config);
    return rc;
}

static int init(struct unit_options *o)
{
    struct dv_err err;
    struct unit_config *config = NULL;
    char line[CODE_LINE] = "";
    const char *code = o->enrol ? read_code(o, line, &err) : NULL;
    o->setup.asks = !o->yes && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
                    (!o->enrol || strcmp(o->enrol, "-") != 0);
    o->answers.station = o->station;
    int rc = o->enrol ? check_enrol(o, code, &err) : 0;
    if (rc == 0)
        rc = init_unit(&o->setup, o->path, &o->answers, &config, &err);
    if (rc == 0)
        rc = end_init(o, config, code, &err);
    secret_wipe(line, sizeof(line));
    unit_config_free(config);
    return rc == 0 ? 0 : fail(&err);
}

static int load_and_run(const struct unit_options *o)
{
    struct dv_err err;
    struct unit_config *config = unit_config_load(o->path, &err);
    if (!config)
        return fail(&err);
    log_init("dvsan-unit", o->verbose ? LOG_LEVEL_DEBUG : config->log_level);
    const struct enrol_member member = member_of(o, config);
    int rc = 0;
    if (o->check)
        rc = check(config, o->path);
    else if (o->take)
        rc = take_medium(config, o->take, &err) == 0 ? 0 : fail(&err);
    else if (o->forget)
        rc = forget_say(config, o->forget, &err) == 0 ? 0 : fail(&err);
    else if (o->rebuild)
        rc = rebuild(config, o->unit);
    else if (o->forget_secrets)
        rc = forget_secrets(o, config);
    else if (o->enrol)
        rc = enrol(o, config);
    else if (o->request)
        rc = enrol_print_request(&member, &err) == 0 ? 0 : fail(&err);
    else if (o->identity)
        rc = enrol_by_file(&member, o->identity, o->yes, &err) == 0 ? 0 : fail(&err);
    else
        rc = run(config);
    unit_config_free(config);
    return rc;
}

int unit_agent_main(int argc, char **argv)
{
    struct unit_options o = {.path = DEFAULT_CONFIG, .setup.root = ""};
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
        case UNIT_OPTION_REBUILD:
            o.rebuild = true;
            o.unit = optarg;
            break;
        case UNIT_OPTION_TAKE:
            o.take = optarg;
            break;
        case UNIT_OPTION_FORGET:
            o.forget = optarg;
            break;
        case UNIT_OPTION_FORGET_SECRETS:
            o.forget_secrets = true;
            break;
        case UNIT_OPTION_ENROL:
            o.enrol = optarg;
            break;
        case UNIT_OPTION_STATION:
            o.station = optarg;
            break;
        case UNIT_OPTION_IDENTITY:
            o.identity = optarg;
            break;
        case UNIT_OPTION_REQUEST:
            o.request = true;
            break;
        case UNIT_OPTION_INIT:
            o.init = true;
            break;
        case UNIT_OPTION_NAME:
            o.answers.name = optarg;
            break;
        case UNIT_OPTION_ADDRESS:
            o.answers.address = optarg;
            break;
        case UNIT_OPTION_MEDIA:
            if (o.answers.media_count < INIT_MEDIA_MAX)
                o.answers.media[o.answers.media_count++] = optarg;
            break;
        case UNIT_OPTION_SIZE:
            o.answers.size = optarg;
            break;
        case UNIT_OPTION_YES:
            o.yes = true;
            break;
        case UNIT_OPTION_ROOT:
            o.setup.root = optarg;
            break;
        case UNIT_OPTION_HELP:
            fputs(HELP, stdout);
            return 0;
        case UNIT_OPTION_VERSION:
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
    return o.init ? init(&o) : load_and_run(&o);
}

// The command line of dvsan-nbd.
// SPDX-License-Identifier: BSD-2-Clause
#include "nbd/options.h"

#include "base/mem.h"
#include "base/text.h"
#include "nbd/params.h"
#include "nbd/proto.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: dvsan-nbd [OPTION]... FILE\n"
    "\n"
    "Serves one volume of a dvsan pool, or any other iSCSI logical unit, as a network block "
    "device.\n"
    "It logs in, and serves the volume until it gets SIGTERM, SIGINT, SIGQUIT or SIGHUP.\n"
    "\n"
    "  -s, --socket PATH       listen at this socket; only this user may connect to it\n"
    "  -l, --listen ADDRESS    listen at ADDRESS:PORT, such as 127.0.0.1:10809; whoever can "
    "connect\n"
    "                          to it can read and write the volume\n"
    "                          Both may be given more than once. Sockets that systemd passes are\n"
    "                          served, too.\n"
    "  -n, --name NAME         the export's name (default: none); without a name a client gets it, "
    "too\n"
    "  -r, --read-only         serve it read-only\n"
    "      --run COMMAND       run COMMAND by sh with the variables uri and socket, and end with "
    "it\n"
    "      --background LOG    once the volume is served, go on in the background; log to the file "
    "LOG\n"
    "      --pid-file PIDFILE  write the process number there once the volume is served\n"
    "  -v, --verbose           log what happens in detail\n"
    "      --help              print this text and exit\n"
    "      --version           print the version and exit\n"
    "\n"
    "FILE holds the parameters, a JSON object: dvsan host connect-info --volume NAME --nbd writes\n"
    "one. It may be a pipe such as /dev/fd/N, or - for standard input.\n" PARAMS_HELP "\n";

enum {
    OPTION_HELP = 256,
    OPTION_VERSION,
    OPTION_RUN,
    OPTION_BACKGROUND,
    OPTION_PID_FILE,
};

static const struct option known[] = {{"socket", required_argument, NULL, 's'},
                                      {"listen", required_argument, NULL, 'l'},
                                      {"name", required_argument, NULL, 'n'},
                                      {"read-only", no_argument, NULL, 'r'},
                                      {"run", required_argument, NULL, OPTION_RUN},
                                      {"background", required_argument, NULL, OPTION_BACKGROUND},
                                      {"pid-file", required_argument, NULL, OPTION_PID_FILE},
                                      {"verbose", no_argument, NULL, 'v'},
                                      {"help", no_argument, NULL, OPTION_HELP},
                                      {"version", no_argument, NULL, OPTION_VERSION},
                                      {0}};

static enum nbd_parsed wrong(const char *why)
{
    fprintf(stderr, "dvsan-nbd: %s; see dvsan-nbd --help\n", why);
    return NBD_WRONG;
}

static bool add_place(struct nbd_options *o, const char *text, bool is_path)
{
    if (o->place_count == NBD_PLACES_MOST)
        return false;
    o->places[o->place_count++] = (struct nbd_place){text, is_path};
    return true;
}

// A name of NBD is text in UTF-8.
static bool is_printable(const char *name)
{
    DV_FREE char *text = dv_strdup(name);
    text_make_printable(text);
    return strcmp(text, name) == 0;
}

static enum nbd_parsed judge(int argc, char **argv, struct nbd_options *o)
{
    if (optind == argc)
        return wrong("the file with the parameters is missing");
    if (optind + 1 < argc)
        return wrong("there are too many arguments: one file holds the parameters");
    if (strlen(o->name) > NBD_STRING_MAX)
        return wrong("the export's name is longer than 4,096 bytes");
    if (!is_printable(o->name))
        return wrong("the export's name is not printable text in UTF-8");
    if (o->run && o->log)
        return wrong("--run and --background do not go together");
    o->params = argv[optind];
    return NBD_RUN;
}

enum nbd_parsed nbd_options_parse(int argc, char **argv, struct nbd_options *o)
{
    int option;
    *o = (struct nbd_options){.name = ""};
    while ((option = getopt_long(argc, argv, "s:l:n:rv", known, NULL)) != -1) {
        switch (option) {
        case 's':
        case 'l':
            if (!add_place(o, optarg, option == 's'))
                return wrong("there are too many places to listen at");
            break;
        case 'n':
            o->name = optarg;
            break;
        case 'r':
            o->read_only = true;
            break;
        case 'v':
            o->verbose = true;
            break;
        case OPTION_RUN:
            o->run = optarg;
            break;
        case OPTION_BACKGROUND:
            o->log = optarg;
            break;
        case OPTION_PID_FILE:
            o->pid_file = optarg;
            break;
        case OPTION_HELP:
            fputs(help, stdout);
            return NBD_DONE;
        case OPTION_VERSION:
            puts("dvsan-nbd " DVSAN_VERSION);
            return NBD_DONE;
        default:
            return wrong("the options are not right");
        }
    }
    return judge(argc, argv, o);
}

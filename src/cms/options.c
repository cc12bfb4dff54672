// The command line of dvsan-cms.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/options.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
    "usage: dvsan-cms [-c FILE] [-t] [-v] [--help] [--version]\n"
    "       dvsan-cms --init [--name NAME] [--address ADDRESS] [--password-file FILE] [--yes]\n"
    "                 [--root FOLDER]\n"
    "\n"
    "The control management station: it hears units, makes a storage pool of them, and gives\n"
    "volumes to hosts. It runs in the foreground until it gets SIGTERM or SIGINT.\n"
    "\n"
    "  -c, --config FILE  the configuration (default: " OPTIONS_DEFAULT_CONFIG ")\n"
    "  -t, --check        check the configuration, and this machine against it, and exit\n"
    "  -v, --verbose      log what happens in detail\n"
    "      --init         make this machine the station: the configuration, the admin's password\n"
    "                     and the service; what is there already is kept\n"
    "      --name NAME    the station's name (default: this machine's)\n"
    "      --address ADDRESS\n"
    "                     where units reach it (default: this machine's address, if it has one)\n"
    "      --password-file FILE\n"
    "                     a file with the admin's password, mode 0600 (default: one is made)\n"
    "      --yes          ask nothing: take the defaults\n"
    "      --root FOLDER  set up the image of a machine in this folder; with --name and\n"
    "                     --address, since this machine's are not guessed for it\n"
    "      --help         print this text and exit\n"
    "      --version      print the version and exit\n";

enum {
    STATION_OPTION_HELP = 256,
    STATION_OPTION_VERSION,
    STATION_OPTION_INIT,
    STATION_OPTION_NAME,
    STATION_OPTION_ADDRESS,
    STATION_OPTION_PASSWORD_FILE,
    STATION_OPTION_YES,
    STATION_OPTION_ROOT
};

static const struct option known[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, 't'},
    {"verbose", no_argument, NULL, 'v'},
    {"init", no_argument, NULL, STATION_OPTION_INIT},
    {"name", required_argument, NULL, STATION_OPTION_NAME},
    {"address", required_argument, NULL, STATION_OPTION_ADDRESS},
    {"password-file", required_argument, NULL, STATION_OPTION_PASSWORD_FILE},
    {"yes", no_argument, NULL, STATION_OPTION_YES},
    {"root", required_argument, NULL, STATION_OPTION_ROOT},
    {"help", no_argument, NULL, STATION_OPTION_HELP},
    {"version", no_argument, NULL, STATION_OPTION_VERSION},
    {0}};

enum options_result options_parse(int argc, char **argv, struct station_options *out)
{
    int option;
    *out = (struct station_options){.config = OPTIONS_DEFAULT_CONFIG, .root = ""};
    while ((option = getopt_long(argc, argv, "c:tv", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            out->config = optarg;
            break;
        case 't':
            out->check = true;
            break;
        case 'v':
            out->verbose = true;
            break;
        case STATION_OPTION_INIT:
            out->init = true;
            break;
        case STATION_OPTION_NAME:
            out->answers.name = optarg;
            break;
        case STATION_OPTION_ADDRESS:
            out->answers.address = optarg;
            break;
        case STATION_OPTION_PASSWORD_FILE:
            out->answers.password_file = optarg;
            break;
        case STATION_OPTION_YES:
            out->yes = true;
            break;
        case STATION_OPTION_ROOT:
            out->root = optarg;
            break;
        case STATION_OPTION_HELP:
            fputs(help, stdout);
            return OPTIONS_DONE;
        case STATION_OPTION_VERSION:
            puts("dvsan-cms " DVSAN_VERSION);
            return OPTIONS_DONE;
        default:
            fputs("Try dvsan-cms --help.\n", stderr);
            return OPTIONS_BAD;
        }
    }
    if (optind < argc) {
        fputs("dvsan-cms takes no arguments: try dvsan-cms --help.\n", stderr);
        return OPTIONS_BAD;
    }
    return OPTIONS_RUN;
}

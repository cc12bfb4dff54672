// The command line of dvsan-cms.
// SPDX-License-Identifier: BSD-2-Clause
#include "cms/options.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
    "usage: dvsan-cms [-c FILE] [-t] [-v] [--help] [--version]\n"
    "\n"
    "The control management station: it hears units, makes a storage pool of them, and gives\n"
    "volumes to hosts. It runs in the foreground until it gets SIGTERM or SIGINT.\n"
    "\n"
    "  -c, --config FILE  the configuration (default: " OPTIONS_DEFAULT_CONFIG ")\n"
    "  -t, --check        check the configuration, and this machine against it, and exit\n"
    "  -v, --verbose      log what happens in detail\n"
    "      --help         print this text and exit\n"
    "      --version      print the version and exit\n";

enum { OPTION_HELP = 256, OPTION_VERSION };

static const struct option known[] = {{"config", required_argument, NULL, 'c'},
                                      {"check", no_argument, NULL, 't'},
                                      {"verbose", no_argument, NULL, 'v'},
                                      {"help", no_argument, NULL, OPTION_HELP},
                                      {"version", no_argument, NULL, OPTION_VERSION},
                                      {0}};

enum options_result options_parse(int argc, char **argv, struct options *out)
{
    int option;
    *out = (struct options){.config = OPTIONS_DEFAULT_CONFIG};
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
        case OPTION_HELP:
            fputs(help, stdout);
            return OPTIONS_DONE;
        case OPTION_VERSION:
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

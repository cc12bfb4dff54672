// The command line of dvsan-nbd.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_NBD_OPTIONS_H
#define DVSAN_NBD_OPTIONS_H

#include <stdbool.h>

#define NBD_PLACES_MOST 16

struct nbd_place { // to listen at
    const char *text;
    bool is_path;
};

struct nbd_options { // all texts are argv's
    const char *params;
    struct nbd_place places[NBD_PLACES_MOST];
    unsigned place_count;
    const char *name; // "" unless given
    const char *log;  // go to the background and log there; NULL: stay
    const char *pid_file;
    const char *run; // a command to be run once the volume is served
    bool read_only, verbose;
};

enum nbd_parsed { NBD_RUN, NBD_DONE, NBD_WRONG };
enum nbd_parsed nbd_options_parse(int argc, char **argv, struct nbd_options *out);

#endif

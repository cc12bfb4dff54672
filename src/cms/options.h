// The command line of dvsan-cms, read.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_OPTIONS_H
#define DVSAN_CMS_OPTIONS_H

#include "cms/init.h"
#include <stdbool.h>

#define OPTIONS_DEFAULT_CONFIG "/etc/dvsan/dvsan-cms.xml"

struct station_options {
    const char *config;
    bool check, verbose;
    bool init, yes; // set this machine up; ask nothing
    const char *root;
    struct station_answers answers;
};

enum options_result {
    OPTIONS_RUN,
    OPTIONS_DONE, // the option was answered
    OPTIONS_BAD   // a sentence was printed
};

enum options_result options_parse(int argc, char **argv, struct station_options *out);

#endif

// The station's configuration: what dvsan-cms.xml says.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CONFIG_CMS_CONFIG_H
#define DVSAN_CONFIG_CMS_CONFIG_H

#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "config/user.h"
#include <netinet/in.h>
#include <stdint.h>

// Paths that the file gives relative are relative to the file's folder.
struct cms_config {
    char name[NAME_MAX_LEN + 1];
    char *state_dir;
    enum log_level log_level;

    struct {
        char address[INET6_ADDRSTRLEN];
        uint16_t port;
    } http;

    struct {
        char *listen; // for notifications; a Net-SNMP transport string
        // Of units that are not enrolled, which share them; names "": there are none such.
        struct user_config notify;    // whose informs are taken
        struct user_config provision; // for reading and setting on members
        bool accept_shared; // such units are taken in at once; else they wait for a person's word
    } snmp;

    uint32_t poll_interval_ms; // 100..3600000
    uint32_t poll_timeout_ms;  // 50..60000, for each try
    uint32_t lease_s;          // 1..86400, longer than the poll interval
};

// Reads, validates and checks the file, and reads the pass-phrase files that it names. NULL with
// a sentence that gives file, line, and what is wrong.
struct cms_config *cms_config_load(const char *path, struct dv_err *err);
void cms_config_free(struct cms_config *config); // NULL is fine; wipes the pass-phrases

#endif

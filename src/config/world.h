// What a configuration names and this machine has, or has not: its form is another matter.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CONFIG_WORLD_H
#define DVSAN_CONFIG_WORLD_H

#include "config/cms_config.h"
#include "config/unit_config.h"

// Sentences for a person.
struct world {
    char **missing; // what is not there
    size_t missing_count;
    char **doubts; // what is there, and may be something else tomorrow
    size_t doubt_count;
};

// Adds a sentence to one of the lists.
void world_add(char ***list, size_t *count, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// Looks, and changes nothing. What other services make when they start (the sockets of snmpd and
// tgtd) is not looked for.
void world_of_unit(const struct unit_config *config, struct world *out);
void world_of_cms(const struct cms_config *config, struct world *out);
void world_clear(struct world *w);

// Prints whether the file's form is good, and then what is not there; the exit code: that of
// DV_NOT_FOUND when something is not.
int world_print(const struct world *w, const char *path);

// Whether it is a name that the kernel gives in the order in which it finds devices: "/dev/sda1".
bool world_is_kernel_name(const char *path);

#endif

// Runs a target that lies from standard input, for integration tests of initiators.
// SPDX-License-Identifier: BSD-2-Clause
//
// usage: liar_demo ADDRESS BYTES
//   prints the portal; then answers each line with a line
//   rule ABOUT SKIP COUNT LIE ARG   numbers, as in liar.h
//   honest | drop | reboot          as the functions there
//   count ABOUT                     prints how many have come
#include "ctest/support/liar.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    char line[256];
    unsigned about, skip, count, lie;
    unsigned long long arg;
    struct liar *l = argc == 3 ? liar_new(argv[1], 0, strtoul(argv[2], NULL, 10)) : NULL;
    if (!l)
        return 1;
    printf("%s\n", liar_portal(l));
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        unsigned answer = 0;
        if (sscanf(line, "rule %u %u %u %u %llu", &about, &skip, &count, &lie, &arg) == 5 &&
            about < LIAR_KINDS && lie < LIAR_LIES)
            liar_rule(l, about, skip, count, lie, arg);
        else if (sscanf(line, "count %u", &about) == 1 && about < LIAR_KINDS)
            answer = liar_count(l, about);
        else if (strcmp(line, "honest\n") == 0)
            liar_honest(l);
        else if (strcmp(line, "drop\n") == 0)
            liar_drop(l);
        else if (strcmp(line, "reboot\n") == 0)
            liar_reboot(l);
        else
            return 1;
        printf("%u\n", answer);
        fflush(stdout);
    }
    liar_free(l);
    return 0;
}

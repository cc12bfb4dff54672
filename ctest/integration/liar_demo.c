// Runs a target that lies from standard input, for integration tests of initiators.
// SPDX-License-Identifier: BSD-2-Clause
//
// usage: liar_demo ADDRESS BYTES
//   prints the portal; then answers each line with a line
//   rule ABOUT SKIP COUNT LIE ARG   as in liar.h; ABOUT a number, LIE a word of those below
//   honest | drop | reboot          as the functions there
//   count ABOUT                     prints how many have come
#include "ctest/support/liar.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word;
    enum liar_lie lie;
} lies[] = {{"short", LIAR_SHORT}, {"close", LIAR_CLOSE}, {"silence", LIAR_SILENCE}};

static bool add_rule(struct liar *l, unsigned about, unsigned skip, unsigned count,
                     const char *word, uint64_t arg)
{
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]) && about < LIAR_KINDS; i++) {
        if (strcmp(word, lies[i].word) != 0)
            continue;
        liar_rule(l, about, skip, count, lies[i].lie, arg);
        return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    char line[256], word[32];
    unsigned about, skip, count;
    unsigned long long arg;
    struct liar *l = argc == 3 ? liar_new(argv[1], 0, strtoul(argv[2], NULL, 10)) : NULL;
    if (!l)
        return 1;
    printf("%s\n", liar_portal(l));
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        unsigned answer = 0;
        if (sscanf(line, "rule %u %u %u %31s %llu", &about, &skip, &count, word, &arg) == 5) {
            if (!add_rule(l, about, skip, count, word, arg))
                return 1;
        } else if (sscanf(line, "count %u", &about) == 1 && about < LIAR_KINDS)
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

// Feeds a fuzz target its corpus, and mutations of it from a seed that is printed.
// SPDX-License-Identifier: BSD-2-Clause
//
// usage: fuzz_NAME CORPUS_DIRECTORY [RUNS [SEED]]
// For guided fuzzing leave this file out:
//   clang -g -fsanitize=fuzzer,address,undefined -Isrc -I. ctest/fuzz/fuzz_NAME.c <sources>
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include <dirent.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SEED_MAX_BYTES (1u << 20)
#define DEFAULT_RUNS   20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sample {
    char *data;
    size_t len;
};

static uint64_t state;

static uint64_t draw(void) // splitmix64
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(size_t limit)
{
    return limit ? (size_t)(draw() % limit) : 0;
}

// One to eight small changes: a flipped bit, a byte, a cut, a doubled piece.
static void mutate(struct sample *s)
{
    for (size_t i = 0, n = 1 + below(8); i < n && s->len > 0; i++) {
        size_t at = below(s->len);
        switch (below(4)) {
        case 0:
            s->data[at] ^= (char)(1 << below(8));
            break;
        case 1:
            s->data[at] = (char)draw();
            break;
        case 2:
            s->len = at;
            break;
        default: {
            size_t piece = 1 + below(s->len - at);
            if (s->len + piece > SEED_MAX_BYTES)
                break;
            s->data = dv_realloc(s->data, s->len + piece, 1);
            memmove(s->data + at + piece, s->data + at, s->len - at);
            s->len += piece;
        }
        }
    }
}

static int load(const char *dir, struct sample **samples, size_t *count)
{
    DIR *d = opendir(dir);
    if (!d) {
        fprintf(stderr, "%s cannot be read.\n", dir);
        return -1;
    }
    struct dirent *entry;
    while ((entry = readdir(d))) {
        if (entry->d_name[0] == '.')
            continue;
        struct dv_err err;
        DV_FREE char *path = dv_printf("%s/%s", dir, entry->d_name);
        struct sample *s = DV_APPEND(*samples, *count);
        if (file_read(path, SEED_MAX_BYTES, &s->data, &s->len, &err) != 0) {
            fprintf(stderr, "%s\n", err.text);
            closedir(d);
            return -1;
        }
    }
    closedir(d);
    return *count > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s CORPUS_DIRECTORY [RUNS [SEED]]\n", argv[0]);
        return 2;
    }
    log_init("fuzz", LOG_LEVEL_SILENT);
    uint64_t runs = argc > 2 ? strtoull(argv[2], NULL, 0) : DEFAULT_RUNS;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : (uint64_t)time(NULL);
    struct sample *samples = NULL;
    size_t count = 0;
    if (load(argv[1], &samples, &count) != 0)
        return 1;
    state = seed;
    printf("%zu samples, %" PRIu64 " mutations, seed %" PRIu64 "\n", count, runs, seed);
    fflush(stdout);
    for (size_t i = 0; i < count; i++)
        LLVMFuzzerTestOneInput((const uint8_t *)samples[i].data, samples[i].len);
    for (uint64_t i = 0; i < runs; i++) {
        struct sample from = samples[below(count)];
        struct sample copy = {dv_calloc(from.len + 1, 1), from.len};
        memcpy(copy.data, from.data, from.len);
        mutate(&copy);
        // An exact allocation, so that AddressSanitizer sees the first byte read beyond it.
        DV_FREE uint8_t *exact = dv_calloc(copy.len, 1);
        memcpy(exact, copy.data, copy.len);
        LLVMFuzzerTestOneInput(exact, copy.len);
        free(copy.data);
    }
    for (size_t i = 0; i < count; i++)
        free(samples[i].data);
    free(samples);
    printf("no crash\n");
    return 0;
}

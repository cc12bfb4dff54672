// Fuzzes the readers of tgtd's listings, into which initiators can write.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "tgt/show.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The names that go with a list of targets are taken from its own headings, so that mutations get
// past the first line.
static char *names_in(const char *text)
{
    struct strbuf names = {0};
    strbuf_add(&names, "LLDs:\n");
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (strncmp(at, "Target ", 7) == 0)
            strbuf_add(&names, "        %.*s\n", (int)strcspn(at, "\n"), at);
    return names.text;
}

static void read_targets(const char *text)
{
    DV_FREE char *list = names_in(text);
    struct seen names = {0}, seen = {0};
    struct dv_err err;
    size_t broken = 0;
    if (show_names(list, &names, &err) == 0 &&
        show_targets(text, &names, &seen, &broken, &err) != 0 && names.target_count > 0 &&
        broken >= names.target_count)
        abort();
    for (size_t i = 0; i < seen.target_count; i++)
        show_connections(text, &seen.targets[i], &err);
    seen_clear(&names);
    seen_clear(&seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DV_FREE char *text = dv_calloc(size + 1, 1);
    memcpy(text, data, size);
    struct seen seen = {0};
    struct dv_err err;
    struct show_portal *portals;
    struct tgt_statistics *rows;
    struct tgt_parameters parameters;
    size_t count;
    read_targets(text);
    show_names(text, &seen, &err);
    show_accounts(text, &seen, &err);
    seen_clear(&seen);
    if (show_portals(text, &portals, &count, &err) == 0)
        free(portals);
    if (show_statistics(text, &rows, &count, &err) == 0)
        free(rows);
    (void)show_parameters(text, &parameters, &err);
    return 0;
}

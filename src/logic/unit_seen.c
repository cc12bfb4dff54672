// What a unit's target daemon was seen to hold: taking it down.
// SPDX-License-Identifier: BSD-2-Clause
#include "logic/unit_seen.h"
#include <stdlib.h>

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

void seen_clear_sessions(struct seen_target *t)
{
    for (size_t i = 0; i < t->session_count; i++) {
        free(t->sessions[i].initiator);
        free(t->sessions[i].address);
    }
    free(t->sessions);
    t->sessions = NULL;
    t->session_count = 0;
}

void seen_clear(struct seen *s)
{
    for (size_t i = 0; i < s->target_count; i++) {
        struct seen_target *t = &s->targets[i];
        seen_clear_sessions(t);
        for (size_t k = 0; k < t->lun_count; k++) {
            free(t->luns[k].path);
            free(t->luns[k].store);
            free(t->luns[k].scsi_id);
            free(t->luns[k].serial);
        }
        free(t->luns);
        free_texts(t->accounts, t->account_count);
        free_texts(t->acl, t->acl_count);
        free(t->outgoing);
        free(t->name);
    }
    free(s->targets);
    free_texts(s->accounts, s->account_count);
    *s = (struct seen){0};
}

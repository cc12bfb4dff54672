// The target daemon as a whole: what keeps hosts out of all targets at once.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "tgt/engine.h"
#include "tgt/show.h"
#include <stdio.h>

int tgt_read_barred(const struct tgt_engine *e, struct tgt_barred *out, struct dv_err *err)
{
    DV_FREE char *text = NULL;
    struct tgt_request r = {.mode = TGT_SYSTEM, .op = TGT_SHOW, .doing = "reading its state"};
    if (tgt_call(e->socket, e->timeout_ms, &r, &text, err) != TGT_OK)
        return -1;
    return show_system(text, out, err);
}

int tgt_unbar(const struct tgt_engine *e, struct dv_err *err)
{
    static const char *const all[] = {"State=ready", "iSNSAccessControl=Off"};
    char doing[64];
    for (size_t i = 0; i < DV_COUNT(all); i++) {
        snprintf(doing, sizeof(doing), "setting %s", all[i]);
        struct tgt_request r = {
            .mode = TGT_SYSTEM, .op = TGT_UPDATE, .params = all[i], .doing = doing};
        if (tgt_ask(e, &r, TGT_OK, err) != 0)
            return -1;
    }
    return 0;
}

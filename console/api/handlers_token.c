// API tokens.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/secret.h"
#include "cms/cms.h"
#include "console/api/handlers.h"
#include "console/api/view.h"

int list_tokens(struct api_call *call, struct dv_err *err)
{
    size_t count;
    const struct token_record *tokens = cms_tokens(call->cms, &count);
    (void)err;
    call->answer = json_array();
    call->sort_key = "id";
    for (size_t i = 0; i < count; i++)
        json_array_append_new(call->answer, view_plain(&kind_token, &tokens[i]));
    return 0;
}

int create_token(struct api_call *call, struct dv_err *err)
{
    const char *name = call_text(call->body, "name");
    char token[65];
    uint64_t id;
    if (cms_create_token(call->cms, name, token, &id, err) < 0)
        return -1;
    call->status = 201;
    call->answer = json_pack("{s:I, s:s, s:s}", "id", (json_int_t)id, "name", name, "token", token);
    secret_wipe(token, sizeof(token));
    return 0;
}

int delete_token(struct api_call *call, struct dv_err *err)
{
    uint64_t id;
    if (call_id("token", call->params[0], &id, err) < 0)
        return -1;
    return cms_delete_token(call->cms, id, err);
}

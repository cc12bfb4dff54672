// What a class of failure is called: name, HTTP status, exit code; and an errno's class.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/err.h"

#include "base/mem.h"
#include <errno.h>

// clang-format off
static const struct {
    const char *name;
    int http, exit;
} map[DV_CODES] = {
    [DV_OK]          = {"ok",          200, 0},
    [DV_INVALID]     = {"invalid",     400, 2},
    [DV_NOT_FOUND]   = {"not_found",   404, 3},
    [DV_EXISTS]      = {"exists",      409, 4},
    [DV_CONFLICT]    = {"conflict",    409, 4},
    [DV_NO_SPACE]    = {"no_space",    507, 5},
    [DV_DENIED]      = {"denied",      403, 6},
    [DV_UNREACHABLE] = {"unreachable", 502, 7},
    [DV_TIMEOUT]     = {"timeout",     504, 7},
    [DV_BUSY]        = {"busy",        503, 8},
    [DV_IO]          = {"io",          500, 1},
    [DV_CANCELLED]   = {"cancelled",   409, 9},
    [DV_INTERNAL]    = {"internal",    500, 1},
    [DV_DAMAGED]     = {"damaged",     500, 10},
};

static const struct {
    int errnum;
    enum dv_code code;
} classes[] = {
    {EINVAL, DV_INVALID},           {ENAMETOOLONG, DV_INVALID},    {EISDIR, DV_INVALID},
    {ENOENT, DV_NOT_FOUND},         {ENOTDIR, DV_NOT_FOUND},       {ENODEV, DV_NOT_FOUND},
    {EEXIST, DV_EXISTS},            {EBUSY, DV_CONFLICT},          {EADDRINUSE, DV_CONFLICT},
    {ENOTEMPTY, DV_CONFLICT},       {EADDRNOTAVAIL, DV_CONFLICT},  {EROFS, DV_CONFLICT},
    {ENOSPC, DV_NO_SPACE},          {EDQUOT, DV_NO_SPACE},         {EFBIG, DV_NO_SPACE},
    {EACCES, DV_DENIED},            {EPERM, DV_DENIED},            {ELOOP, DV_DENIED},
    {ECONNREFUSED, DV_UNREACHABLE}, {EHOSTUNREACH, DV_UNREACHABLE},
    {ENETUNREACH, DV_UNREACHABLE},  {ECONNRESET, DV_UNREACHABLE},  {EPIPE, DV_UNREACHABLE},
    {ETIMEDOUT, DV_TIMEOUT},        {EAGAIN, DV_BUSY},             {EMFILE, DV_BUSY},
    {ENFILE, DV_BUSY},              {ENOMEM, DV_BUSY},
    {ECANCELED, DV_CANCELLED},
};
// clang-format on

// A number that is no class came from a bug, and says so.
static enum dv_code known(enum dv_code code)
{
    return (unsigned)code < DV_CODES ? code : DV_INTERNAL;
}

const char *dv_code_name(enum dv_code code)
{
    return map[known(code)].name;
}

int dv_code_http(enum dv_code code)
{
    return map[known(code)].http;
}

int dv_code_exit(enum dv_code code)
{
    return map[known(code)].exit;
}

enum dv_code dv_code_from_errno(int errnum)
{
    if (errnum == 0)
        return DV_OK;
    for (size_t i = 0; i < DV_COUNT(classes); i++)
        if (classes[i].errnum == errnum)
            return classes[i].code;
    return DV_IO;
}

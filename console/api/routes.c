// The table of routes: everything that can be asked of the server. docs/API.md describes it.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "console/api/handlers.h"
#include "model/enrolment.h"

static const struct field volume_body[] = {
    {.name = "name", .of = &kind_volume, .required = true},
    {.name = "size", .kind = FIELD_SIZE, .required = true},
    {.name = "unit", .kind = FIELD_NAME},
    {.name = "medium", .kind = FIELD_NAME},
    {.name = "thin", .of = &kind_volume},
    {.name = "description", .of = &kind_volume},
    {.name = NULL},
};
static const struct field change_body[] = {
    {.name = "name", .of = &kind_volume},
    {.name = "description", .of = &kind_volume},
    {.name = "size", .kind = FIELD_SIZE},
    {.name = "force", .kind = FIELD_BOOL},
    {.name = NULL},
};
static const struct field assignment_body[] = {
    {.name = "volume", .kind = FIELD_NAME, .required = true},
    {.name = "host", .kind = FIELD_NAME, .required = true},
    {.name = NULL},
};
static const struct field assignment_query[] = {
    {.name = "volume", .kind = FIELD_NAME}, {.name = "host", .kind = FIELD_NAME}, {.name = NULL}};
static const struct field host_body[] = {
    {.name = "name", .of = &kind_host, .required = true},
    {.name = "iqn", .of = &kind_host, .required = true},
    {.name = "chap_user", .of = &kind_host},
    {.name = "chap_secret", .kind = FIELD_SECRET, .required = true},
    {.name = "one_secret", .of = &kind_host},
    {.name = "description", .of = &kind_host},
    {.name = NULL},
};
static const struct field change_host_body[] = {
    {.name = "description", .of = &kind_host},
    {.name = "iqn", .of = &kind_host},
    {.name = "now", .kind = FIELD_BOOL},
    {.name = NULL},
};
static const struct field host_rekey_body[] = {
    {.name = "chap_secret", .kind = FIELD_SECRET, .required = true},
    {.name = "per_unit", .kind = FIELD_BOOL},
    {.name = "now", .kind = FIELD_BOOL},
    {.name = NULL},
};
static const struct field finish_body[] = {
    {.name = "now", .kind = FIELD_BOOL},
    {.name = NULL},
};
static const struct field secret_body[] = {
    {.name = "chap_secret", .kind = FIELD_SECRET, .required = true},
    {.name = NULL},
};
static const struct field unit_body[] = {
    {.name = "name", .of = &kind_unit},
    {.name = "description", .of = &kind_unit},
    {.name = NULL},
};
static const struct field import_body[] = {
    {.name = "kind", .kind = FIELD_TEXT, .max = 8, .required = true},
    {.name = "uuid", .kind = FIELD_TEXT, .max = 36, .required = true},
    {.name = "name", .of = &kind_unit, .required = true},
    {.name = "engine_id", .kind = FIELD_TEXT, .max = 66, .required = true},
    {.name = "address", .of = &kind_unit, .required = true},
    {.name = "software", .of = &kind_unit, .required = true},
    {.name = NULL},
};
static const struct field rekey_body[] = {{.name = "now", .kind = FIELD_BOOL}, {.name = NULL}};
static const struct field forget_query[] = {{.name = "force", .kind = FIELD_BOOL}, {.name = NULL}};
static const struct field import_query[] = {{.name = "again", .kind = FIELD_BOOL}, {.name = NULL}};
static const struct field task_query[] = {
    {.name = "seen", .kind = FIELD_NUMBER, .max = INT64_MAX},
    {.name = "wait", .kind = FIELD_NUMBER, .max = 60},
    {.name = NULL},
};
static const struct field tasks_query[] = {
    {.name = "state", .kind = FIELD_TEXT, .max = 16},
    {.name = "limit", .kind = FIELD_NUMBER, .min = 1, .max = 10000},
    {.name = NULL},
};
static const struct field event_query[] = {
    {.name = "after", .kind = FIELD_NUMBER, .max = INT64_MAX},
    {.name = "limit", .kind = FIELD_NUMBER, .min = 1, .max = 1000},
    {.name = NULL},
};
static const struct field token_body[] = {
    {.name = "name", .kind = FIELD_NAME, .required = true, .what = "token"},
    {.name = NULL},
};

static const struct field code_body[] = {
    {.name = "name", .kind = FIELD_NAME, .what = "unit"},
    {.name = "again", .kind = FIELD_BOOL},
    {.name = "count", .kind = FIELD_NUMBER, .min = 1, .max = CODE_COUNT_MAX},
    {.name = "seconds", .kind = FIELD_NUMBER, .min = 1, .max = CODE_LIFE_MAX_S},
    {.name = "from", .of = &kind_code},
    {.name = NULL},
};

static const struct field accept_body[] = {
    {.name = "unit", .kind = FIELD_NAME, .what = "unit", .required = true},
    {.name = NULL},
};

static const struct field adopt_body[] = {
    {.name = "from", .kind = FIELD_TEXT, .max = 8, .required = true},
    {.name = "take_over", .kind = FIELD_BOOL},
    {.name = NULL},
};

// Method, path, handler, body, query, what waits before it.
// clang-format off
const struct route api_routes[] = {
    {"GET",    "/api/v1/pool",                         get_pool, NULL, NULL, NULL},
    {"GET",    "/api/v1/station",                      get_station, NULL, NULL, NULL},
    {"POST",   "/api/v1/station/adopt",                adopt_station, adopt_body, NULL, NULL},
    {"GET",    "/api/v1/units",                        list_units, NULL, NULL, NULL},
    {"POST",   "/api/v1/units",                        import_unit, import_body, import_query, NULL},
    {"GET",    "/api/v1/units/{unit}",                 get_unit, NULL, NULL, NULL},
    {"PATCH",  "/api/v1/units/{unit}",                 change_unit, unit_body, NULL, NULL},
    {"DELETE", "/api/v1/units/{unit}",                 forget_unit, NULL, forget_query, NULL},
    {"POST",   "/api/v1/units/{unit}/accept",          accept_unit, NULL, NULL, NULL},
    {"POST",   "/api/v1/units/{unit}/quarantine",      quarantine_unit, NULL, NULL, NULL},
    {"POST",   "/api/v1/units/{unit}/revoke",          revoke_unit, NULL, NULL, NULL},
    {"POST",   "/api/v1/units/{unit}/rekey",           rekey_unit, rekey_body, NULL, NULL},
    {"GET",    "/api/v1/media",                        list_media, NULL, NULL, NULL},
    {"GET",    "/api/v1/volumes",                      list_volumes, NULL, NULL, NULL},
    {"POST",   "/api/v1/volumes",                      create_volume, volume_body, NULL, NULL},
    {"GET",    "/api/v1/volumes/{volume}",             get_volume, NULL, NULL, NULL},
    {"PATCH",  "/api/v1/volumes/{volume}",             change_volume, change_body, NULL, NULL},
    {"DELETE", "/api/v1/volumes/{volume}",             delete_volume, NULL, NULL, NULL},
    {"POST",   "/api/v1/volumes/{volume}/accept",      accept_volume, accept_body, NULL, NULL},
    {"POST",   "/api/v1/volumes/{volume}/forget",      forget_volume, NULL, NULL, NULL},
    {"GET",    "/api/v1/assignments",                  list_assignments, NULL, assignment_query, NULL},
    {"POST",   "/api/v1/assignments",                  assign_volume, assignment_body, NULL, NULL},
    {"GET",    "/api/v1/assignments/{volume}/{host}",  get_assignment, NULL, NULL, NULL},
    {"DELETE", "/api/v1/assignments/{volume}/{host}",  unassign_volume, NULL, NULL, NULL},
    {"GET",    "/api/v1/hosts",                        list_hosts, NULL, NULL, NULL},
    {"POST",   "/api/v1/hosts",                        add_host, host_body, NULL, NULL},
    {"GET",    "/api/v1/hosts/{host}",                 get_host, NULL, NULL, NULL},
    {"PATCH",  "/api/v1/hosts/{host}",                 change_host, change_host_body, NULL, NULL},
    {"DELETE", "/api/v1/hosts/{host}",                 delete_host, NULL, NULL, NULL},
    {"POST",   "/api/v1/hosts/{host}/rekey",           rekey_host, host_rekey_body, NULL, NULL},
    {"POST",   "/api/v1/hosts/{host}/finish-rekey",    finish_rekey, finish_body, NULL, NULL},
    {"POST",   "/api/v1/hosts/{host}/finish-iqn",      finish_iqn, finish_body, NULL, NULL},
    {"POST",   "/api/v1/hosts/{host}/check-secret",    check_secret, secret_body, NULL, NULL},
    {"GET",    "/api/v1/hosts/{host}/connect-info",    get_connect_info, NULL, NULL, NULL},
    {"GET",    "/api/v1/tasks",                        list_tasks, NULL, tasks_query, NULL},
    {"GET",    "/api/v1/tasks/{task}",                 get_task, NULL, task_query, wait_task},
    {"POST",   "/api/v1/tasks/{task}/cancel",          cancel_task, NULL, NULL, NULL},
    {"GET",    "/api/v1/events",                       list_events, NULL, event_query, NULL},
    {"GET",    "/api/v1/codes",                        list_codes, NULL, NULL, NULL},
    {"POST",   "/api/v1/codes",                        create_code, code_body, NULL, draw_code},
    {"DELETE", "/api/v1/codes/{code}",                 delete_code, NULL, NULL, NULL},
    {"GET",    "/api/v1/tokens",                       list_tokens, NULL, NULL, NULL},
    {"POST",   "/api/v1/tokens",                       create_token, token_body, NULL, NULL},
    {"DELETE", "/api/v1/tokens/{token}",               delete_token, NULL, NULL, NULL},
};
// clang-format on
const size_t api_route_count = DV_COUNT(api_routes);

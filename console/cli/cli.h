// One run of the command line: what was asked, the connection, and where output goes.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CLI_CLI_H
#define DVSAN_CLI_CLI_H

#include "console/cli/client.h"
#include "console/cli/parse.h"
#include "console/cli/table.h"

struct cli {
    const struct invocation *in;
    struct client *client;
    struct table_style style; // of standard output
    bool json;
    bool yes;      // --yes was given
    bool terminal; // standard input and error are one
};

// The commands; see the table in command.c.
command_fn pool_show, unit_list, unit_show, unit_rename, unit_forget, medium_list; // cmd_pool.c
command_fn unit_accept, unit_quarantine, unit_revoke, unit_rekey, unit_import;     // cmd_trust.c
command_fn station_show, station_adopt;                                            // cmd_station.c
command_fn volume_create, volume_list, volume_show, volume_delete;                 // cmd_volume.c
command_fn volume_resize, volume_rename, volume_describe, volume_accept;           // cmd_change.c
command_fn unit_describe, host_describe;                                           // likewise
command_fn volume_assign, volume_unassign;                                         // cmd_assign.c
command_fn host_add, host_list, host_show, host_secret, host_rekey, host_delete;   // cmd_host.c
command_fn host_change;                                                            // cmd_host_iqn.c
command_fn host_connect_info;                                                      // cmd_connect.c
command_fn task_list, task_show, task_watch, task_cancel;                          // cmd_task.c
command_fn event_list;                                                             // cmd_event.c
command_fn unit_add, code_list, code_delete;                                       // cmd_code.c
command_fn token_create, token_list, token_delete;                                 // cmd_token.c

// The value of an option, or NULL; and whether a flag is set.
const char *cli_value(const struct cli *cli, enum option option);
bool cli_flag(const struct cli *cli, enum option option);
// The body of a request: those of these options that were given, under their own names with _ for
// -; the flags all, true or false. NULL when one is not text in UTF-8.
json_t *cli_body(const struct cli *cli, uint64_t options, struct dv_err *err);

// GETs a path and prints it as JSON, or as a table of these columns; what ("volumes") is for
// saying on stderr that there are none.
int cli_list(struct cli *cli, const char *what, const char *path,
             const struct table_column *columns, size_t count, struct dv_err *err);
void cli_print_json(const json_t *value);

// An error on stderr: a line of text, or with --json a line of JSON as tasks have it:
// {"error": {"code": "not_found", "detail": "..."}}.
void cli_print_error(const struct dv_err *err, bool json);

// "a, b and c", of an array of texts; the first few of many, and how many more there are. "" for
// none. The caller frees it.
char *cli_names(const json_t *array);

// Before anything that destroys or drops. With --yes it is done; a terminal is asked, and "y" means
// yes (else DV_CANCELLED); where there is none it fails, and tells to say --yes. The question is a
// sentence that names what is lost, and who uses it.
int cli_confirm(const struct cli *cli, const char *question, struct dv_err *err);

// What is told beside a result that stands, on the standard error output.
// The size that a person gave, in bytes, rounded up to the whole MiB that volumes have, with a
// note. What is less than that is left for the station to refuse.
uint64_t cli_whole(uint64_t bytes);
void cli_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// Gets what was changed, to show it. False, after a warning, when it cannot be had now: the change
// was made all the same.
bool cli_show_changed(struct cli *cli, const char *path, json_t **thing);

// Sends a request that is answered with a task. With --no-wait prints the task and sets *waited
// false; else waits until it is over, and fails with what it failed with. With --json and printed
// true the finished task is printed as well.
int cli_do_task(struct cli *cli, const char *method, const char *path, const json_t *body,
                bool printed, bool *waited, struct dv_err *err);

#endif

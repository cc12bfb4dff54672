// The handlers of all routes, by the thing they are about.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_HANDLERS_H
#define DVSAN_API_HANDLERS_H

#include "console/api/call.h"

// handlers_pool.c
api_handler get_pool, list_units, get_unit, change_unit, forget_unit, list_media, list_events;
api_handler import_unit, accept_unit, quarantine_unit, revoke_unit, rekey_unit;
// handlers_station.c
api_handler get_station, adopt_station;
// handlers_volume.c
api_handler list_volumes, get_volume, create_volume, change_volume, delete_volume, forget_volume,
    accept_volume;
// handlers_assignment.c
api_handler list_assignments, get_assignment, assign_volume, unassign_volume;
// handlers_host.c
api_handler list_hosts, get_host, add_host, change_host, check_secret, delete_host, rekey_host,
    finish_rekey, finish_iqn, get_connect_info;
// handlers_task.c
api_handler list_tasks, wait_task, get_task, cancel_task;
// handlers_code.c; draw_code waits before create_code
api_handler list_codes, draw_code, create_code, delete_code;
// handlers_token.c
api_handler list_tokens, create_token, delete_token;

#endif

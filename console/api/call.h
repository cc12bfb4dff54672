// One request on its way through a handler, and the answer it fills.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_CALL_H
#define DVSAN_API_CALL_H

#include "cms/pool/pool.h"
#include "console/api/request.h"
#include "console/api/route.h"
#include <stdatomic.h>

struct cms;
struct loop;
struct new_code;

struct api_call {
    struct loop *loop;
    struct cms *cms;
    const struct route *route;
    const char *params[ROUTE_PARAMS_MAX];
    json_t *body;                // checked against the route's fields; NULL when it has none
    json_t *query;               // likewise; never NULL
    const atomic_bool *stopping; // the server is: what waits should end
    atomic_int *waiters;         // requests that wait, of all threads
    struct new_code *drawn;      // what draw_code made; wiped behind the call

    bool again; // the handler, or then, is to be called once more, in another turn
    // Of a list, which is made in as many turns as it takes: where it goes on.
    struct pool_walk walk;
    uint64_t last_task; // the last that it took; 0: none yet
    // What is called in a turn of the ledger once all that the handler committed is written; NULL:
    // nothing.
    api_handler *then;
    bool behind;   // that is called, as often as it asks for
    uint64_t task; // that call_accepted was told

    // The answer. status 0 is 200 with a body and 204 without.
    int status;
    json_t *answer;
    const char *sort_in;   // the answer's member, an array, that is sorted; NULL: the answer itself
    const char *sort_key;  // by this field, texts in natural order; NULL: it stays as it is
    const char *sort_then; // and by this one; what is equal stays as it was
    char location[96];     // a Location header; "" for none
};

// What a checked body or query has; the fallback when the field is not there.
const char *call_text(const json_t *object, const char *name); // or NULL
int64_t call_number(const json_t *object, const char *name, int64_t fallback);
int call_bool(const json_t *object, const char *name); // 1, 0, or -1
// Gives the record the texts that a checked body has of its kind's fields. Returns how many.
size_t call_record(const json_t *body, const struct kind *k, void *record);

// A thing named in the path, or NULL with DV_NOT_FOUND. The loop's thread.
struct pool_unit *call_unit(struct api_call *call, const char *name, struct dv_err *err);
struct pool_volume *call_volume(struct api_call *call, const char *name, struct dv_err *err);
struct pool_host *call_host(struct api_call *call, const char *name, struct dv_err *err);
int call_id(const char *what, const char *text, uint64_t *id, struct dv_err *err);

// A list of no items yet, to be sorted by a field, and then by another one unless NULL. Called
// first in each turn.
void call_lists(struct api_call *call, const char *sort_key, const char *sort_then);
// Whether the turn has time for one more item. When not, the handler returns, to be called again.
bool call_has_time(struct api_call *call);

// Answers 202 with the task, then.
int call_accepted(struct api_call *call, uint64_t task);

extern const struct route api_routes[];
extern const size_t api_route_count;

#endif

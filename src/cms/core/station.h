// What all parts of the station share and nobody else sees.
// SPDX-License-Identifier: BSD-2-Clause
//
// The flow: join/ and timers make a link look at its unit (member/look.c); a look that shows
// something new reads tables (member/fetch.c); conclude.c does what follows, part by part:
// observe.c turns what was read into changes; task/ draws the conclusions for tasks; executor.c
// plans and sends the next steps. Per unit one thing is under way at a time, so nothing here needs
// a lock but the tasks, which other threads wait for.
#ifndef DVSAN_CMS_CORE_STATION_H
#define DVSAN_CMS_CORE_STATION_H

#include "base/log.h"
#include "cms/core/codes.h"
#include "cms/core/ledger.h"
#include "cms/pool/pool.h"
#include "config/cms_config.h"
#include "logic/strangers.h"
#include "loop/loop.h"
#include "snmp/listener.h"
#include "snmp/manager.h"
#include "store/store.h"
#include <pthread.h>

struct auth;
struct enrol_door;
struct facet;
struct left_outs;
struct seal;
struct task_way;
struct unit_link;

struct refused_member { // that was told of
    struct dv_uuid uuid;
    uint32_t epoch;
};

struct cms {
    struct loop *loop;
    const struct cms_config *config;
    struct sn_user provision; // borrows from config; "": only enrolled members are asked
    struct store *store;
    struct ledger *ledger; // by which alone the store and the pool are changed
    struct lead_run *runs; // all that are kept; the last one is this
    size_t run_count;
    struct pool *pool;
    const struct task_way *const *task_ways; // by enum task_kind
    const struct facet *const *facets;       // by enum member_kind; NULL: cannot join
    struct seal *seal;
    struct auth *auth;
    struct sn_env *env;
    struct sn_listener *listener;
    struct codes codes;
    struct enrol_door *door;       // where members enrol; NULL: it cannot be opened
    char no_door[LAST_ERROR_ROOM]; // and why not
    struct unit_link *links;       // by uuid
    struct left_outs *left_outs;   // what they show and the pool does not take, by volume
    size_t strangers;              // links to units that are not in the pool
    uint64_t bad_announcements;
    struct refused_member refused[16]; // the last ones, of kinds that cannot join
    size_t refused_count;
    struct store_ids last;        // given so far
    struct event_record *events;  // the newest, as a ring; NULL: none are kept
    size_t event_count;           // that there were
    struct dv_uuid uuid;          // of this station; made with its store
    char name[LEAD_NAME_MAX + 1]; // what units are told
    size_t newer;                 // units that stand as LEAD_NEWER: nobody is ordered anything
    bool older_told;              // that this store is older than what units were told

    pthread_mutex_t tasks_lock; // pool->tasks: held to change them, and to read them elsewhere
    pthread_cond_t tasks_changed;
};

int64_t cms_now_ms(void); // milliseconds since 1970

#endif

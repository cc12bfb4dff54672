// Who asks, what for, and the handler's call on the loop's thread.
// SPDX-License-Identifier: BSD-2-Clause
#include "console/api/dispatch.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "cms/cms.h"
#include "cms/core/ledger.h"
#include "console/api/call.h"
#include "console/api/view.h"
#include "loop/loop.h"
#include <pthread.h>
#include <string.h>

// For use in a return statement: the answer is there, nothing more is to be done.
static bool refuse(struct http_answer *answer, int status, const struct dv_err *err)
{
    http_answer_problem(answer, status, err);
    return false;
}

bool dispatch_check_source(const struct dispatcher *d, const struct http_head *head,
                           struct http_answer *answer)
{
    struct dv_err err;
    if (d->loopback && !request_host_is_local(head->host)) {
        dv_fail(&err, DV_DENIED,
                "the Host header \"%.64s\" is neither an address nor localhost; use the address "
                "in the URL",
                head->host ? head->host : "");
        return refuse(answer, 421, &err);
    }
    if (!request_same_origin(head->origin, head->host)) {
        dv_fail(&err, DV_DENIED, "requests from pages of other sites (%.64s) are refused",
                head->origin);
        return refuse(answer, 403, &err);
    }
    return true;
}

void dispatch_refuse_login(const struct http_head *head, bool given, struct http_answer *answer)
{
    static struct log_limit refused;
    struct dv_err err;
    if (given) {
        log_limited(&refused, LOG_LEVEL_WARNING, "api", "refused a login from %s", head->client);
        dv_fail(&err, DV_DENIED, "the API token or the password is wrong");
    } else {
        dv_fail(&err, DV_DENIED,
                "log in first: with an API token (Authorization: Bearer) or as admin with the "
                "password (Authorization: Basic)");
    }
    http_answer_problem(answer, 401, &err);
}

static bool check_route(const struct http_head *head, struct route_match *match,
                        struct http_answer *answer)
{
    struct dv_err err;
    switch (route_match(api_routes, api_route_count, head->method, head->path, match)) {
    case ROUTE_FOUND:
        return true;
    case ROUTE_WRONG_METHOD:
        dv_fail(&err, DV_INVALID, "%.16s is not possible here; possible are: %s", head->method,
                match->allow);
        dv_copy(answer->allow, sizeof(answer->allow), match->allow);
        return refuse(answer, 405, &err);
    case ROUTE_BAD_PATH:
        dv_fail(&err, DV_INVALID, "the path is too long or not well percent-encoded");
        return refuse(answer, 400, &err);
    default:
        dv_fail(&err, DV_NOT_FOUND, "there is nothing at %.128s", head->path);
        return refuse(answer, 404, &err);
    }
}

bool dispatch_check_route(const struct http_head *head, struct http_answer *answer)
{
    struct route_match match;
    return check_route(head, &match, answer);
}

static bool check_body(const struct http_head *head, const struct route *route,
                       struct http_answer *answer)
{
    struct dv_err err;
    if (head->content_length == 0)
        return true; // a body that is missing is found when it is parsed
    if (!route->body) {
        dv_fail(&err, DV_INVALID, "this request takes no body");
        return refuse(answer, 400, &err);
    }
    if (!request_type_is_json(head->content_type)) {
        dv_fail(&err, DV_INVALID, "the body must be sent as Content-Type: application/json");
        return refuse(answer, 415, &err);
    }
    return true;
}

static int parse(const struct route *route, const struct http_head *head, const char *body,
                 struct api_call *call, struct dv_err *err)
{
    size_t len = (size_t)head->content_length;
    if (request_parse_query(head->query, route->query, &call->query, err) < 0)
        return -1;
    if (!route->body)
        return 0;
    if (len == 0 && route->body->name)
        return dv_fail(err, DV_INVALID, "the body is missing; send a JSON object");
    return request_parse_body(len ? body : "{}", len ? len : 2, route->body, &call->body, err);
}

// ---- To the loop's thread and back ------------------------------------------------------------

#define WRITERS_MAX   8     // of the server's threads; the others are for all else
#define TURN_MS       10000 // for which a request waits until it has its turn
#define STOP_LOOKS_MS 200   // how often it is looked whether the station is being stopped

struct crossing {
    struct dispatcher *d;
    struct api_call *call;
    struct dv_err *err;
    int result;
    // Of a request that may change something:
    uint64_t turn; // that it waits for
    bool first;    // it is the request's first
    struct ledger_outcome outcome;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_bool begun, done;
};

static void on_loop(void *arg)
{
    struct crossing *c = arg;
    loop_serves(c->d->loop, "answering a request");
    c->result = (c->call->behind ? c->call->then : c->call->route->handler)(c->call, c->err);
}

static void finish(struct crossing *c)
{
    if (c->outcome.err.code != DV_OK) {
        *c->err = c->outcome.err;
        c->result = -1;
    }
    c->call->behind = c->result == 0 && !c->call->again && c->call->then;
    if (c->call->behind)
        c->result = c->call->then(c->call, c->err);
    pthread_mutex_lock(&c->lock);
    c->done = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void written(struct ledger_outcome *o)
{
    struct crossing *c = (struct crossing *)((char *)o - offsetof(struct crossing, outcome));
    loop_serves(c->d->loop, "answering a request");
    finish(c);
}

static void in_turn(void *cms, const void *arg)
{
    struct crossing *c = *(struct crossing *const *)arg;
    struct ledger *ledger = cms_ledger(c->call->cms);
    (void)cms;
    c->begun = true;
    ledger_watch(ledger, &c->outcome);
    on_loop(c);
    ledger_watch(ledger, NULL);
    if (c->outcome.open == 0)
        finish(c);
}

static void ask_for_turn(void *arg)
{
    struct crossing *c = arg;
    c->turn = ledger_turn(cms_ledger(c->call->cms), in_turn, &c, sizeof(c));
}

static void give_up(void *arg)
{
    const struct crossing *c = arg;
    if (!ledger_cancel(cms_ledger(c->call->cms), c->turn))
        return; // it has begun meanwhile
    struct crossing *mine = arg;
    mine->result = dv_fail(mine->err, DV_BUSY,
                           "the station's store takes its time%s; try again, and see the station's "
                           "log",
                           c->first ? ": nothing was changed" : "");
    mine->done = true;
}

static void wait_a_while(struct crossing *c)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += STOP_LOOKS_MS * 1000000l;
    until.tv_sec += until.tv_nsec / 1000000000l;
    until.tv_nsec %= 1000000000l;
    pthread_mutex_lock(&c->lock);
    if (!c->done)
        pthread_cond_timedwait(&c->changed, &c->lock, &until);
    pthread_mutex_unlock(&c->lock);
}

static int is_stopping(struct dv_err *err)
{
    return dv_fail(err, DV_BUSY, "the station is being stopped; try again when it is back");
}

static void look_at(void *arg)
{
    (void)arg;
}

// In a turn of the ledger, and answered once it is written. Only one that has not begun is given
// up: of the others it is known in the end what became of them.
static int run_in_turn(struct crossing *c)
{
    uint64_t until = loop_now_ms() + TURN_MS;
    if (!loop_call(c->d->loop, ask_for_turn, c))
        return is_stopping(c->err);
    while (!c->done) {
        wait_a_while(c);
        bool late = !c->begun && loop_now_ms() >= until;
        if (!c->done && !loop_call(c->d->loop, late ? give_up : look_at, c))
            return is_stopping(c->err);
    }
    pthread_mutex_lock(&c->lock); // finish() has let go of it
    pthread_mutex_unlock(&c->lock);
    return c->result;
}

static bool may_change(const struct api_call *call)
{
    return strcmp(call->route->method, "GET") != 0 && !call->behind;
}

static int run_once(struct crossing *c)
{
    if (!may_change(c->call))
        return loop_call(c->d->loop, on_loop, c) ? c->result : is_stopping(c->err);
    int rc;
    if (atomic_fetch_add(&c->d->writers, 1) >= WRITERS_MAX)
        rc = dv_fail(c->err, DV_BUSY, "too many requests wait for the station's store; try again");
    else
        rc = run_in_turn(c);
    atomic_fetch_sub(&c->d->writers, 1);
    return rc;
}

// A request that takes several turns has failed behind the first.
static void tell_part(struct dv_err *err)
{
    const struct dv_err why = *err;
    dv_fail(err, why.code,
            "%s; what was done of it before stays done, so look before you ask again", why.text);
}

static int run(struct dispatcher *d, struct api_call *call, struct dv_err *err)
{
    int rc;
    bool first = true;
    if (call->route->wait && call->route->wait(call, err) < 0)
        return -1;
    do {
        struct crossing c = {
            .d = d, .call = call, .err = err, .first = first, .outcome = {.closed = written}};
        call->again = false;
        pthread_mutex_init(&c.lock, NULL);
        pthread_cond_init(&c.changed, NULL);
        rc = run_once(&c);
        pthread_mutex_destroy(&c.lock);
        pthread_cond_destroy(&c.changed);
        if (rc < 0 && !first && may_change(call))
            tell_part(err);
        first = false;
    } while (rc == 0 && call->again);
    return rc;
}

// The array beside its keys, for qsort: natural order, so unit2 before unit10.
struct keyed {
    const json_t *key, *then;
    size_t place;
    json_t *value;
};

static int compare_values(const json_t *x, const json_t *y)
{
    if (json_is_string(x) && json_is_string(y))
        return strverscmp(json_string_value(x), json_string_value(y));
    json_int_t m = json_integer_value(x), n = json_integer_value(y);
    return (m > n) - (m < n);
}

static int compare(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    int order = compare_values(x->key, y->key);
    if (order == 0)
        order = compare_values(x->then, y->then);
    return order ? order : (x->place > y->place) - (x->place < y->place);
}

static json_t *sorted(const json_t *array, const char *key, const char *then)
{
    size_t count = json_array_size(array);
    DV_FREE struct keyed *keyed = dv_calloc(count, sizeof(*keyed));
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_array_get(array, i);
        keyed[i] = (struct keyed){.key = json_object_get(value, key),
                                  .then = then ? json_object_get(value, then) : NULL,
                                  .place = i,
                                  .value = value};
    }
    qsort(keyed, count, sizeof(*keyed), compare);
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append(out, keyed[i].value);
    return out;
}

static void sort(struct api_call *call)
{
    json_t *list = call->sort_in ? json_object_get(call->answer, call->sort_in) : call->answer;
    if (!call->sort_key)
        return;
    list = sorted(list, call->sort_key, call->sort_then);
    if (call->sort_in) {
        json_object_set_new(call->answer, call->sort_in, list);
    } else {
        json_decref(call->answer);
        call->answer = list;
    }
}

static void carry_out(struct dispatcher *d, const struct http_head *head,
                      const struct route_match *match, const char *body, struct http_answer *answer)
{
    struct dv_err err = {0};
    struct api_call call = {
        .loop = d->loop,
        .cms = d->cms,
        .route = match->route,
        .params = {match->params[0], match->params[1]},
        .stopping = &d->stopping,
        .waiters = &d->waiters,
    };
    if (parse(match->route, head, body, &call, &err) < 0 || run(d, &call, &err) < 0) {
        http_answer_problem(answer, dv_code_http(err.code), &err);
    } else {
        sort(&call);
        answer->text = call.answer ? json_dumps(call.answer, JSON_COMPACT) : NULL;
        answer->status = call.status ? call.status : call.answer ? 200 : 204;
        dv_copy(answer->location, sizeof(answer->location), call.location);
    }
    if (call.drawn)
        secret_wipe(call.drawn, sizeof(*call.drawn));
    free(call.drawn);
    json_decref(call.answer);
    json_decref(call.body);
    json_decref(call.query);
}

void dispatch_run(struct dispatcher *d, const struct http_head *head, const char *body,
                  struct http_answer *answer)
{
    struct route_match match;
    if (check_route(head, &match, answer) && check_body(head, match.route, answer))
        carry_out(d, head, &match, body, answer);
}

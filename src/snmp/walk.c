// Walks of a table: GETBULK by columns, put together to rows.
// SPDX-License-Identifier: BSD-2-Clause
//
// Each column has a cursor and a queue of cells that came and are not yet part of a row that is
// complete: a row is, when every column has a cell in its queue or is at its end. Only columns
// whose queue is empty are asked for more, so a column with holes cannot run ahead. The proof, if
// there is one, is the one variable of each request that is not repeated.
#include "snmp/manager.h"

#include "base/mem.h"
#include "snmp/manager_private.h"
#include <assert.h>
#include <string.h>

#define TOO_BIG     1 // error-status tooBig
#define COLUMNS_MAX 64
// Variables asked for at a time. With 40 to 300 bytes each an answer stays below the 65,507 bytes
// of a datagram, which an agent cannot be relied on to respect by itself.
#define VARIABLES_MAX 160

struct cell {
    struct cell *next;
    size_t index_len;
    uint32_t index[SN_OID_MAX];
    struct sn_value value; // points to what follows
    union {
        struct sn_oid oid;
        uint8_t octets[1];
    } data[];
};

struct walk_column {
    struct sn_oid oid;
    struct sn_oid cursor; // the last OID that came
    bool ended;
    struct cell *first, **last;
};

struct walk {
    struct sn_peer_watcher watcher;
    struct sn_timing timing;
    sn_row_fn *row;
    sn_done_fn *done;
    void *arg;
    bool has_proof;
    struct sn_proof proof;
    uint32_t repetitions;
    size_t asked[COLUMNS_MAX]; // the columns of the request under way
    size_t asked_count;
    size_t count;
    struct walk_column column[];
};

static void ask(struct walk *w);

static void finish(struct walk *w, const struct sn_result *result)
{
    sn_peer_unwatch(&w->watcher);
    for (size_t i = 0; i < w->count; i++) {
        for (struct cell *c = w->column[i].first, *next; c; c = next) {
            next = c->next;
            free(c);
        }
    }
    sn_done_fn *done = w->done;
    void *arg = w->arg;
    free(w);
    done(arg, result);
}

static void finish_with(struct walk *w, enum dv_code code, const char *text)
{
    finish(w, &(struct sn_result){.code = code, .text = text});
}

static struct cell *new_cell(const uint32_t *index, size_t len, const struct sn_value *value)
{
    size_t extra = value->type == SN_OCTETS  ? value->octets.len
                   : value->type == SN_OBJID ? sizeof(struct sn_oid)
                                             : 0;
    struct cell *c = dv_calloc(1, sizeof(*c) + extra);
    c->index_len = len;
    memcpy(c->index, index, len * sizeof(*index));
    c->value = *value;
    if (value->type == SN_OCTETS) {
        if (extra)
            memcpy(c->data, value->octets.data, extra);
        c->value.octets.data = c->data;
    } else if (value->type == SN_OBJID) {
        memcpy(c->data, value->oid, sizeof(*value->oid));
        c->value.oid = &c->data->oid;
    }
    return c;
}

// Takes one variable into its column. False when the agent goes backwards or in a circle.
static bool take(struct walk_column *col, const struct sn_var *var)
{
    const uint32_t *index;
    size_t len;
    if (col->ended)
        return true;
    if (sn_is_exception(&var->value) || !sn_oid_under(&var->oid, &col->oid, &index, &len)) {
        col->ended = true;
        return true;
    }
    if (sn_oid_compare(&var->oid, &col->cursor) <= 0)
        return false;
    col->cursor = var->oid;
    struct cell *c = new_cell(index, len, &var->value);
    *col->last = c;
    col->last = &c->next;
    return true;
}

// The smallest index that is first in a queue, or NULL when a row may still be incomplete or all
// columns have ended.
static const struct cell *complete_row(const struct walk *w)
{
    const struct cell *least = NULL;
    for (size_t i = 0; i < w->count; i++) {
        const struct cell *c = w->column[i].first;
        if (!c && !w->column[i].ended)
            return NULL;
        if (c && (!least ||
                  sn_subids_compare(c->index, c->index_len, least->index, least->index_len) < 0))
            least = c;
    }
    return least;
}

// Gives out one row. False when the walk is to stop.
static bool give_row(struct walk *w, const struct cell *least)
{
    struct sn_value values[COLUMNS_MAX] = {{.type = SN_NO_INSTANCE}};
    struct cell *used = NULL;
    uint32_t index[SN_OID_MAX];
    size_t len = least->index_len;
    memcpy(index, least->index, len * sizeof(index[0]));
    for (size_t i = 0; i < w->count; i++) {
        struct walk_column *col = &w->column[i];
        struct cell *c = col->first;
        values[i].type = SN_NO_INSTANCE;
        if (!c || sn_subids_compare(c->index, c->index_len, index, len) != 0)
            continue;
        values[i] = c->value;
        col->first = c->next;
        if (!col->first)
            col->last = &col->first;
        c->next = used;
        used = c;
    }
    bool more = w->row(w->arg, index, len, values);
    for (struct cell *next; used; used = next) {
        next = used->next;
        free(used);
    }
    return more;
}

// Repetitions that came whole. An agent may cut an answer anywhere, but what is left of the last
// repetition would put the columns out of step; it is asked for again.
static size_t whole_repetitions(const struct walk *w, size_t vars)
{
    size_t whole = vars / w->asked_count;
    return whole > 0 ? whole : 1;
}

static bool is_proved(const struct walk *w, const struct sn_var *var)
{
    const uint32_t *index;
    size_t len;
    uint32_t value;
    return sn_oid_under(&var->oid, &w->proof.object, &index, &len) && len == 1 && index[0] == 0 &&
           sn_get_uint(&var->value, &value) && value == w->proof.value;
}

static void on_answer(struct walk *w, const struct sn_result *result)
{
    const struct sn_var *var = result->vars;
    size_t count = result->count;
    if (w->has_proof && (count == 0 || !is_proved(w, var))) {
        finish_with(w, DV_UNREACHABLE, "its agent is not running, or has started again");
        return;
    }
    if (w->has_proof) {
        var++;
        count--;
    }
    if (count == 0) {
        finish_with(w, DV_INVALID, "the agent answered a GETBULK with nothing");
        return;
    }
    size_t vars = whole_repetitions(w, count) * w->asked_count;
    for (size_t i = 0; i < vars && i < count; i++) {
        if (!take(&w->column[w->asked[i % w->asked_count]], &var[i])) {
            finish_with(w, DV_INVALID, "the agent's answers do not go forward");
            return;
        }
    }
    for (const struct cell *least; (least = complete_row(w));) {
        bool more = give_row(w, least);
        if (!w->watcher.peer) {
            finish_with(w, DV_CANCELLED, "the walk was cancelled");
            return;
        }
        if (!more) {
            finish_with(w, DV_OK, "");
            return;
        }
    }
    ask(w);
}

static void on_done(void *arg, const struct sn_result *result)
{
    struct walk *w = arg;
    if (result->code == DV_OK) {
        on_answer(w, result);
    } else if (result->error_status == TOO_BIG && w->repetitions > 1) {
        w->repetitions /= 2;
        ask(w);
    } else {
        struct sn_result last = *result;
        last.vars = NULL;
        last.count = 0;
        finish(w, &last);
    }
}

// Asks for more of all columns that have nothing in their queue.
static void ask(struct walk *w)
{
    struct sn_oid *oids = dv_calloc(w->count + 1, sizeof(*oids));
    uint32_t once = w->has_proof;
    oids[0] = w->proof.object;
    w->asked_count = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (w->column[i].ended || w->column[i].first)
            continue;
        oids[once + w->asked_count] = w->column[i].cursor;
        w->asked[w->asked_count++] = i;
    }
    if (w->asked_count == 0)
        finish_with(w, DV_OK, "");
    else
        sn_bulk(w->watcher.peer, oids, once + w->asked_count, once, w->repetitions, w->timing,
                on_done, w);
    free(oids);
}

void sn_walk(struct sn_peer *peer, const struct sn_oid *columns, size_t count,
             const uint32_t *after, size_t after_len, const struct sn_proof *proof,
             struct sn_timing timing, sn_row_fn *row, sn_done_fn *done, void *arg)
{
    assert(count >= 1 && count <= COLUMNS_MAX);
    struct walk *w = dv_calloc(1, sizeof(*w) + count * sizeof(w->column[0]));
    w->timing = timing;
    w->row = row;
    w->done = done;
    w->arg = arg;
    w->has_proof = proof != NULL;
    if (proof)
        w->proof = *proof;
    w->repetitions = (uint32_t)(VARIABLES_MAX / count);
    w->count = count;
    for (size_t i = 0; i < count; i++) {
        w->column[i].oid = columns[i];
        w->column[i].cursor = sn_oid_join(&columns[i], after, after_len);
        w->column[i].last = &w->column[i].first;
    }
    sn_peer_watch(peer, &w->watcher);
    ask(w);
}

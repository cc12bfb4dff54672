// The unit's tgtds, each by itself: meeting them, making them serve what is wanted, portals.
// SPDX-License-Identifier: BSD-2-Clause
#include "unit/serving.h"
#include "base/log.h"
#include "base/mem.h"
#include "media/ground.h"
#include "unit/open_files.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

// How long a tgtd that did not answer in time is waited for from then on, until it does, or was
// seen to answer somebody else.
#define BRIEF_MS 250

// A file that a volume's tgtd was made to open in place of the one that it had.
struct reopened {
    struct dv_uuid volume;
    dev_t dev;
    ino_t ino;
};

struct instance {
    struct serving *serving;
    uint32_t number;
    const char *socket;
    struct tgt_engine *tgt, *brief;
    pid_t pid;                 // of the one that was found last
    struct reopened *reopened; // by that one: of a volume the last, which is not replaced again
    size_t reopened_count;
    bool hung;        // it did not answer in time when it was asked last
    bool complained;  // about portals, so that it is logged once
    bool told_others; // portals of somebody else, the same

    // Of one pass.
    bool asked;     // it takes part
    bool gone;      // its process has ended, so it serves nothing
    bool told;      // it told what it serves:
    char **holding; // names of targets that have their file open, sorted
    size_t holding_count;
    struct order *order;
    const struct serving_want *wants;
    size_t want_count;
    void (*met)(void *arg, uint32_t number);
    void *arg;
    pthread_t thread;
    bool threaded;
};

struct serving {
    const struct unit_config *config;
    struct instance *instances; // number 1 is the first
    uint32_t count;
};

struct serving *serving_new(const struct unit_config *config, const struct state *state)
{
    struct serving *s = dv_calloc(1, sizeof(*s));
    DV_FREE char *prefix = dv_printf("%s:", config->iqn_prefix);
    s->config = config;
    s->count = state_tgtd_count(state);
    s->instances = dv_calloc(s->count + 1, sizeof(*s->instances));
    for (uint32_t i = 0; i < s->count; i++) {
        const char *socket = state_tgtd(state, i + 1);
        s->instances[i] = (struct instance){
            .serving = s,
            .number = i + 1,
            .socket = socket,
            .tgt = tgt_engine_new(socket, prefix, TGT_TIMEOUT_MS),
            .brief = tgt_engine_new(socket, prefix, BRIEF_MS),
        };
        tgt_engine_session(s->instances[i].tgt, &config->tgtd.session);
    }
    return s;
}

static void forget_told(struct instance *i)
{
    for (size_t n = 0; n < i->holding_count; n++)
        free(i->holding[n]);
    free(i->holding);
    i->holding = NULL;
    i->holding_count = 0;
    i->told = false;
}

void serving_free(struct serving *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->count; i++) {
        tgt_engine_free(s->instances[i].tgt);
        tgt_engine_free(s->instances[i].brief);
        forget_told(&s->instances[i]);
        free(s->instances[i].reopened);
    }
    free(s->instances);
    free(s);
}

// ---- All at once ------------------------------------------------------------------------------

// Runs work for each tgtd that takes part; the last one needs no thread.
static void for_each(struct serving *s, void *(*work)(void *instance))
{
    struct instance *last = NULL;
    for (uint32_t n = 0; n < s->count; n++) {
        struct instance *i = &s->instances[n];
        i->threaded = false;
        if (!i->asked)
            continue;
        if (last) {
            last->threaded = pthread_create(&last->thread, NULL, work, last) == 0;
            if (!last->threaded)
                work(last);
        }
        last = i;
    }
    if (last)
        work(last);
    for (uint32_t n = 0; n < s->count; n++)
        if (s->instances[n].threaded)
            pthread_join(s->instances[n].thread, NULL);
}

// ---- Meeting ----------------------------------------------------------------------------------

static struct order_tgtd *result_of(const struct instance *i)
{
    return &i->order->tgtds[i->number - 1];
}

static void lose(struct instance *i)
{
    struct order_tgtd *t = result_of(i);
    t->there = false;
    i->hung = t->err.code == DV_TIMEOUT;
    i->gone = tgt_is_gone(i->tgt);
}

// One that is watched is known to run; whether it answers is seen when it is asked something.
static void *meet(void *arg)
{
    struct instance *i = arg;
    struct order_tgtd *t = result_of(i);
    pid_t pid;
    int fd;
    t->there = t->watched && !i->hung;
    if (!t->there) {
        struct tgt_engine *e = i->hung && !t->answers ? i->brief : i->tgt;
        if (tgt_watch(e, &pid, &fd, &t->err) != 0) {
            lose(i);
            return NULL;
        }
        i->hung = false;
        t->there = true;
        if (t->watched) {
            close(fd);
        } else {
            t->watch_fd = fd;
            i->pid = pid;
            free(i->reopened);
            i->reopened = NULL;
            i->reopened_count = 0;
            log_info("unit", "found tgtd, process %d, at %s", (int)pid, i->socket);
        }
    }
    i->met(i->arg, i->number);
    return NULL;
}

void serving_meet(struct serving *s, struct order *o, void (*met)(void *arg, uint32_t number),
                  void *arg)
{
    for (uint32_t n = 0; n < s->count; n++) {
        struct instance *i = &s->instances[n];
        i->order = o;
        i->met = met;
        i->arg = arg;
        i->gone = false;
        forget_told(i);
        i->asked = i->number <= o->groups;
    }
    for (size_t n = 0; n < o->volume_count; n++)
        if (o->volumes[n].tgtd > 0)
            s->instances[o->volumes[n].tgtd - 1].asked = true;
    for (size_t n = 0; n < o->listener_count; n++)
        s->instances[o->listeners[n].l.tgtd - 1].asked = true;
    for_each(s, meet);
}

// ---- Serving ----------------------------------------------------------------------------------

static int compare_users(const void *user, const void *account)
{
    return strcmp(user, ((const struct order_account *)account)->user);
}

// The accounts that rules of the volumes of this tgtd's group name.
static struct plan_account *accounts_of(const struct instance *i, size_t *count)
{
    const struct order *o = i->order;
    struct plan_account *list = dv_calloc(o->account_count + 1, sizeof(*list));
    DV_FREE bool *used = dv_calloc(o->account_count + 1, sizeof(*used));
    for (size_t n = 0; n < o->volume_count; n++) {
        const struct order_volume *ov = &o->volumes[n];
        for (size_t k = 0; ov->v.group == i->number && k < ov->rule_count; k++) {
            const struct order_account *a = bsearch(ov->rules[k].user, o->accounts,
                                                    o->account_count, sizeof(*a), compare_users);
            used[a - o->accounts] = true;
        }
    }
    *count = 0;
    for (size_t n = 0; n < o->account_count; n++)
        if (used[n])
            list[(*count)++] =
                (struct plan_account){.user = o->accounts[n].user, .secret = o->accounts[n].secret};
    return list;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_own(const struct instance *i, const struct serving_want *w)
{
    const struct order_volume *ov = &i->order->volumes[w->volume];
    return ov->tgtd == i->number && ov->v.group == i->number;
}

static struct reopened *find_reopened(const struct instance *i, const struct dv_uuid *volume)
{
    for (size_t n = 0; n < i->reopened_count; n++)
        if (uuid_equal(&i->reopened[n].volume, volume))
            return &i->reopened[n];
    return NULL;
}

// Whether it has another file open than the one that is at the path by now, as after a restore by
// rename: what hosts write into that one is lost when it is closed.
static bool is_replaced(const struct instance *i, const struct open_files *open,
                        const struct plan_target *t)
{
    struct stat st;
    if (!open || !t->path || t->store || stat(t->path, &st) != 0 || open_files_have(open, &st))
        return false;
    const struct reopened *r = find_reopened(i, &t->uuid);
    return !r || r->dev != st.st_dev || r->ino != st.st_ino;
}

// Of one that has failed, perhaps since it is served read-only. tgtd runs as the same user.
static bool is_writable(const struct order_volume *ov, const struct plan_target *t)
{
    int read_only = 0;
    if (ov->v.state != VOLUME_FAILED || !t->path || t->store ||
        faccessat(AT_FDCWD, t->path, W_OK, AT_EACCESS) != 0)
        return false;
    DV_CLOSE int fd = open(t->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && (ioctl(fd, BLKROGET, &read_only) != 0 || read_only == 0);
}

static void note_reopened(struct instance *i, const struct plan_target *t)
{
    struct stat st;
    struct reopened *r = find_reopened(i, &t->uuid);
    if (stat(t->path, &st) != 0)
        return;
    if (!r)
        r = DV_APPEND(i->reopened, i->reopened_count);
    *r = (struct reopened){.volume = t->uuid, .dev = st.st_dev, .ino = st.st_ino};
}

// volumes are those of the targets, in the order of these.
static void take_rule_errors(struct order *o, const size_t *volumes,
                             const struct tgt_result *result)
{
    for (size_t k = 0; k < result->rule_count; k++) {
        const struct tgt_rule_error *e = &result->rules[k];
        struct order_rule *rule = &o->volumes[volumes[e->target]].rules[e->rule];
        rule -= rule->previous; // told of the rule as a whole
        if (!rule->error)
            rule->error = dv_strdup(e->err.text);
    }
}

// tgtd takes paths that begin where it was started.
static bool stat_of(const struct instance *i, const char *path, struct stat *st)
{
    DV_FREE char *whole =
        *path == '/' ? dv_strdup(path) : dv_printf("/proc/%d/cwd/%s", (int)i->pid, path);
    return stat(whole, st) == 0;
}

// The volume, of whichever tgtd, whose blocks are at a path that one of this tgtd's targets has.
static const struct order_volume *volume_at(const struct instance *i, const char *path)
{
    struct stat there, st;
    struct ground below, ours;
    bool found = stat_of(i, path, &there);
    if (found)
        ground_of(&there, &below);
    for (size_t n = 0; n < i->want_count; n++) {
        const struct plan_target *t = &i->wants[n].target;
        if (!t->path || !t->path[0])
            continue;
        bool same = strcmp(t->path, path) == 0;
        if (!same && found && !t->store && stat(t->path, &st) == 0) {
            ground_of(&st, &ours);
            same = ground_is_shared(&below, &ours);
        }
        if (same)
            return &i->order->volumes[i->wants[n].volume];
    }
    return NULL;
}

// A target of somebody else's is left alone; but through one over a volume's blocks anybody reads
// and writes them whom no rule of the volume names.
static void tell_intruder(const struct instance *i, const struct tgt_result *result,
                          char out[LAST_ERROR_ROOM])
{
    out[0] = '\0';
    for (size_t n = 0; n < result->foreign_count; n++) {
        const struct tgt_foreign *f = &result->foreign[n];
        const struct order_volume *ov = NULL;
        for (size_t k = 0; k < f->path_count && !ov; k++)
            ov = volume_at(i, f->paths[k]);
        if (!ov)
            continue;
        DV_FREE char *text =
            dv_printf("target %u in tgtd, which is not this unit's, serves the blocks of volume %s "
                      "to hosts that the volume does not name: end it there (tgtadm --lld iscsi "
                      "--mode target --op delete --force --tid %u); its name is %s",
                      f->tid, ov->v.name, f->tid, f->name);
        dv_copy(out, LAST_ERROR_ROOM, text);
        return;
    }
}

// Only what concerns this tgtd's own volumes is written to, so others may do the same.
static void *reconcile(void *arg)
{
    struct instance *i = arg;
    struct order_tgtd *t = result_of(i);
    struct tgt_result result;
    size_t count = 0, own = 0, account_count;
    if (!t->there)
        return NULL;
    DV_FREE struct plan_target *targets = dv_calloc(i->want_count + 1, sizeof(*targets));
    DV_FREE size_t *volumes = dv_calloc(i->want_count + 1, sizeof(*volumes));
    DV_FREE struct plan_account *accounts = accounts_of(i, &account_count);
    struct open_files *open = open_files_of(i->pid);
    for (size_t n = 0; n < i->want_count; n++) {
        if (!is_own(i, &i->wants[n]))
            continue;
        targets[count] = i->wants[n].target;
        targets[count].writable =
            is_writable(&i->order->volumes[i->wants[n].volume], &targets[count]);
        targets[count].replaced = is_replaced(i, open, &targets[count]);
        volumes[count] = i->wants[n].volume;
        count++;
    }
    open_files_free(open);
    t->there =
        tgt_reconcile(i->tgt, targets, count, accounts, account_count, &result, &t->err) == 0;
    for (size_t n = 0; n < i->want_count; n++) {
        if (!is_own(i, &i->wants[n]))
            continue;
        struct order_volume *ov = &i->order->volumes[i->wants[n].volume];
        bool reopened = result.reloaded[own] && targets[own].replaced;
        ov->err = result.targets[own++];
        ov->done = t->there && ov->err.code == DV_OK;
        if (ov->done && reopened) { // for this pass
            ov->done = false;
            note_reopened(i, &i->wants[n].target);
            log_warning("unit", "volume %s: tgtd had another file open than the one at %s",
                        ov->v.name, targets[own - 1].path);
            (void)dv_fail(&ov->err, DV_CONFLICT,
                          "another file was put in place of the one that was served, into which "
                          "hosts wrote until now; that one is lost, and the new one is served");
        }
    }
    take_rule_errors(i->order, volumes, &result);
    t->foreign = result.foreign_count > 0;
    tell_intruder(i, &result, t->intruder);
    forget_told(i);
    i->told = t->there;
    i->holding = result.holding;
    i->holding_count = result.holding_count;
    if (i->holding_count > 1)
        qsort(i->holding, i->holding_count, sizeof(*i->holding), compare_names);
    result.holding = NULL;
    result.holding_count = 0;
    if (!t->there)
        lose(i);
    else
        t->err = result.other;
    tgt_result_clear(&result);
    return NULL;
}

void serving_reconcile(struct serving *s, struct order *o, const struct serving_want *wants,
                       size_t count)
{
    for (uint32_t n = 0; n < s->count; n++) {
        s->instances[n].wants = wants;
        s->instances[n].want_count = count;
    }
    for_each(s, reconcile);
    for (size_t n = 0; n < o->volume_count; n++) {
        struct order_volume *ov = &o->volumes[n];
        const struct order_tgtd *t = &o->tgtds[ov->v.group - 1];
        if (ov->task != ORDER_DELETE && !t->there && ov->err.code == DV_OK)
            ov->err = t->err;
    }
}

static bool holds(const struct instance *i, const char *iqn)
{
    return i->holding_count > 0 &&
           bsearch(&iqn, i->holding, i->holding_count, sizeof(*i->holding), compare_names);
}

static bool has_our_prefix(const struct serving *s, const char *iqn)
{
    size_t len = strlen(s->config->iqn_prefix);
    return strncmp(iqn, s->config->iqn_prefix, len) == 0 && iqn[len] == ':';
}

bool serving_has_let_go(const struct serving *s, const struct order *o,
                        const struct order_volume *ov, struct dv_err *err)
{
    uint32_t first = ov->unrecorded ? 1 : ov->tgtd, last = ov->unrecorded ? o->groups : ov->tgtd;
    for (uint32_t n = first; n <= last && n > 0; n++) {
        const struct instance *i = &s->instances[n - 1];
        if (i->gone || (i->told && !holds(i, ov->v.iqn)))
            continue;
        *err = o->tgtds[n - 1].err;
        if (err->code == DV_OK)
            (void)(has_our_prefix(s, ov->v.iqn)
                       ? dv_fail(err, DV_BUSY, "tgtd still has it open")
                       : dv_fail(err, DV_BUSY,
                                 "tgtd still has it open with the target name %s: put the "
                                 "iqn-prefix with which the volume was made back into the "
                                 "configuration, or take that target away from tgtd",
                                 ov->v.iqn));
        return false;
    }
    return true;
}

// ---- Portals ----------------------------------------------------------------------------------

static struct portal *portals_of(const struct instance *i, size_t *count)
{
    struct portal *wanted = NULL;
    *count = 0;
    for (size_t n = 0; n < i->order->portal_count; n++)
        if (i->order->portals[n].group == i->number)
            *DV_APPEND(wanted, *count) = i->order->portals[n];
    return wanted;
}

// One whose process has ended listens nowhere.
static void close_old(struct instance *i)
{
    struct order *o = i->order;
    for (size_t n = 0; n < o->listener_count; n++) {
        struct order_listener *old = &o->listeners[n];
        if (old->l.tgtd != i->number)
            continue;
        struct portal p = {.port = old->l.port};
        dv_copy(p.address, sizeof(p.address), old->l.address);
        if (result_of(i)->there)
            old->closed = old->was_told = tgt_close_portal(i->tgt, &p, &old->err) == 0;
        else
            old->closed = i->gone;
        if (!old->closed && old->err.code == DV_OK)
            old->err = result_of(i)->err;
    }
}

// What nobody recorded is ours to close in a tgtd that is started from here and serves nobody else;
// in any other it is somebody's, and is told.
static void look_for_others(struct instance *i, const struct portal *wanted, size_t count)
{
    DV_FREE struct portal *others = NULL;
    size_t n;
    struct dv_err err;
    bool ours = i->serving->config->tgtd.supervise && !result_of(i)->foreign;
    if (tgt_other_portals(i->tgt, wanted, count, &others, &n, &err) != 0)
        return;
    for (size_t k = 0; k < n; k++) {
        char text[PORTAL_TEXT_ROOM];
        portal_format(&others[k], text);
        if (ours && tgt_close_portal(i->tgt, &others[k], &err) == 0) {
            log_info("unit", "tgtd listened at %s, which is not configured; it does so no more",
                     text);
            continue;
        }
        if (!result_of(i)->foreign && !result_of(i)->other_portal[0])
            dv_copy(result_of(i)->other_portal, sizeof(result_of(i)->other_portal), text);
        if (!i->told_others)
            log_warning("unit",
                        "tgtd listens at %s, too, which this unit did not ask for; its volumes "
                        "can be reached there",
                        text);
    }
    i->told_others = n > 0;
}

// One that serves nobody else has no cause to keep hosts out. Where it has other targets, their
// owner may have, as Debian's tgt.service has while it loads them or ends; so that is told.
static void unbar(struct instance *i)
{
    struct order_tgtd *t = result_of(i);
    struct tgt_barred barred;
    struct dv_err err = {0};
    t->barred[0] = '\0';
    if (tgt_read_barred(i->tgt, &barred, &err) != 0 || (!barred.offline && !barred.named))
        return;
    const char *what = barred.offline ? "tgtd is offline as a whole"
                                      : "tgtd admits only whom an iSNS server names to it";
    if (!t->foreign && tgt_unbar(i->tgt, &err) == 0) {
        log_warning("unit", "%s, so no host could log in; that is ended", what);
        return;
    }
    DV_FREE char *text =
        dv_printf("%s (%s): end that (tgtadm -C %s --lld iscsi --mode sys --op update --name %s)",
                  what, t->foreign ? "it has targets that are not this unit's, too" : err.text,
                  strrchr(i->socket, '.') + 1,
                  barred.offline ? "State -v ready" : "iSNSAccessControl -v Off");
    dv_copy(t->barred, sizeof(t->barred), text);
}

// Asked anew in each pass, so that what somebody closed is open again.
static void *listen_at(void *arg)
{
    struct instance *i = arg;
    struct order_tgtd *t = result_of(i);
    struct dv_err err;
    size_t count;
    close_old(i);
    if (i->number > i->order->groups || !t->there)
        return NULL;
    DV_FREE struct portal *wanted = portals_of(i, &count);
    t->portals_there = tgt_add_portals(i->tgt, wanted, count, &err) == 0;
    if (!t->portals_there) {
        t->portals_err = err;
        if (!i->complained)
            log_warning("unit", "tgtd does not serve all portals of group %u yet: %s", i->number,
                        err.text);
    }
    i->complained = !t->portals_there;
    look_for_others(i, wanted, count);
    unbar(i);
    return NULL;
}

void serving_listen(struct serving *s)
{
    for_each(s, listen_at);
}

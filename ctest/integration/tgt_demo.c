// Drives the tgt engine from standard input, for the integration test against a real tgtd.
// SPDX-License-Identifier: BSD-2-Clause
//
// usage: tgt_demo SOCKET PREFIX TIMEOUT_MS COMMAND [ARGUMENTS]
//   reconcile            reads lines "target TID IQN PATH UUID [offline]", "rule INITIATOR
//                        USER" (of the target above) and "account USER SECRET"
//   watch                prints tgtd's PID and waits for its end
//   portals ADDRESS...   adds each at port 3260
//   statistics           prints a line for each session and LUN
//   end TID INITIATOR    ends sessions
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "tgt/tgt.h"
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct input {
    struct plan_target *targets;
    size_t target_count;
    struct plan_account *accounts;
    size_t account_count;
};

static bool read_line(struct input *in, char *line)
{
    char *w[8] = {0};
    size_t n = 0;
    for (char *rest = line, *word; n < 8 && (word = strsep(&rest, " \n"));)
        if (*word)
            w[n++] = word;
    if (n >= 5 && strcmp(w[0], "target") == 0) {
        struct plan_target *t = DV_APPEND(in->targets, in->target_count);
        *t = (struct plan_target){.tid = (uint32_t)strtoul(w[1], NULL, 10),
                                  .iqn = dv_strdup(w[2]),
                                  .path = dv_strdup(w[3])};
        t->online = n < 6 || strcmp(w[5], "offline") != 0;
        return uuid_parse(w[4], &t->uuid);
    }
    if (n == 3 && strcmp(w[0], "rule") == 0 && in->target_count > 0) {
        struct plan_target *t = &in->targets[in->target_count - 1];
        struct plan_rule *rules = (struct plan_rule *)t->rules;
        *DV_APPEND(rules, t->rule_count) =
            (struct plan_rule){.initiator = dv_strdup(w[1]), .user = dv_strdup(w[2])};
        t->rules = rules;
        return true;
    }
    if (n == 3 && strcmp(w[0], "account") == 0) {
        *DV_APPEND(in->accounts, in->account_count) =
            (struct plan_account){.user = dv_strdup(w[1]), .secret = dv_strdup(w[2])};
        return true;
    }
    return n == 0;
}

static void free_input(struct input *in)
{
    for (size_t i = 0; i < in->target_count; i++) {
        struct plan_target *t = &in->targets[i];
        for (size_t k = 0; k < t->rule_count; k++) {
            free((char *)t->rules[k].initiator);
            free((char *)t->rules[k].user);
        }
        free((struct plan_rule *)t->rules);
        free((char *)t->iqn);
        free((char *)t->path);
    }
    for (size_t i = 0; i < in->account_count; i++) {
        free((char *)in->accounts[i].user);
        free((char *)in->accounts[i].secret);
    }
    free(in->targets);
    free(in->accounts);
}

static void print_result(const struct input *in, const struct tgt_result *r)
{
    printf("steps %zu\n", r->steps);
    for (size_t i = 0; i < r->target_count; i++)
        printf("target %u %s %u %s\n", in->targets[i].tid, dv_code_name(r->targets[i].code),
               r->sessions[i], r->targets[i].code ? r->targets[i].text : "");
    for (size_t i = 0; i < r->rule_count; i++) {
        const struct plan_target *t = &in->targets[r->rules[i].target];
        printf("rule %u %s %s %s\n", t->tid, t->rules[r->rules[i].rule].initiator,
               dv_code_name(r->rules[i].err.code), r->rules[i].err.text);
    }
    for (size_t i = 0; i < r->foreign_count; i++)
        printf("foreign %s\n", r->foreign[i].name);
    for (size_t i = 0; i < r->holding_count; i++)
        printf("holding %s\n", r->holding[i]);
    if (r->other.code != DV_OK)
        printf("other %s %s\n", dv_code_name(r->other.code), r->other.text);
}

static int reconcile(struct tgt_engine *e, struct dv_err *err)
{
    struct input in = {0};
    struct tgt_result result;
    char line[4096];
    int status = 0;
    while (status == 0 && fgets(line, sizeof(line), stdin))
        if (!read_line(&in, line))
            status = dv_fail(err, DV_INVALID, "line not understood");
    if (status == 0) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        status = tgt_reconcile(e, in.targets, in.target_count, in.accounts, in.account_count,
                               &result, err);
        clock_gettime(CLOCK_MONOTONIC, &b);
        printf("ms %ld\n", (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
        print_result(&in, &result);
        tgt_result_clear(&result);
    }
    free_input(&in);
    return status;
}

static int watch(struct tgt_engine *e, struct dv_err *err)
{
    pid_t pid;
    int fd;
    if (tgt_watch(e, &pid, &fd, err) != 0)
        return -1;
    printf("pid %d\n", (int)pid);
    fflush(stdout);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    poll(&p, 1, -1);
    printf("ended\n");
    dv_cleanup_close(&fd);
    return 0;
}

static int portals(struct tgt_engine *e, int count, char **addresses, struct dv_err *err)
{
    struct portal *list = NULL;
    size_t n = 0;
    for (int i = 0; i < count; i++) {
        struct portal *p = DV_APPEND(list, n);
        p->port = 3260;
        dv_copy(p->address, sizeof(p->address), addresses[i]);
    }
    int status = tgt_add_portals(e, list, n, err);
    free(list);
    return status;
}

static int statistics(struct tgt_engine *e, struct dv_err *err)
{
    struct tgt_statistics *rows;
    size_t count;
    if (tgt_read_statistics(e, &rows, &count, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        printf("lu %u %" PRIu64 " %" PRIu64 " read %" PRIu64 " %u written %" PRIu64 " %u\n",
               rows[i].tid, rows[i].lun, rows[i].sid, rows[i].read_bytes, rows[i].read_commands,
               rows[i].write_bytes, rows[i].write_commands);
    free(rows);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    log_init("tgt_demo", LOG_LEVEL_DEBUG);
    struct dv_err err = {0};
    struct tgt_engine *e = tgt_engine_new(argv[1], argv[2], atoi(argv[3]));
    int status = 2;
    if (strcmp(argv[4], "reconcile") == 0)
        status = reconcile(e, &err);
    else if (strcmp(argv[4], "watch") == 0)
        status = watch(e, &err);
    else if (strcmp(argv[4], "portals") == 0)
        status = portals(e, argc - 5, argv + 5, &err);
    else if (strcmp(argv[4], "statistics") == 0)
        status = statistics(e, &err);
    else if (strcmp(argv[4], "end") == 0 && argc == 7)
        status = tgt_end_sessions(e, (uint32_t)strtoul(argv[5], NULL, 10), argv[6], &err);
    tgt_engine_free(e);
    if (status != 0)
        printf("failed %s %s\n", dv_code_name(err.code), err.text);
    return status != 0;
}

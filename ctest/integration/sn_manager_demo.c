// A manager and notification receiver driven by lines on standard input, for test_snmp_layer.py.
// SPDX-License-Identifier: BSD-2-Clause
//
// usage: sn_manager_demo STATE_DIR USER AUTH_PASSPHRASE PRIV_PASSPHRASE
//   peer ADDRESS              makes the peer that the next lines speak to
//   get OID...
//   set OID i|u|s VALUE ...
//   walk AFTER|- COLUMN...    AFTER is an index such as 4.7
//   stop N                    the next walk stops behind its row N
//   drop N                    the next walk frees its peer in its row N
//   proof OID|- NUMBER        what each answer of the next walks has to carry
//   listen ADDRESS            makes the listener
//   accept ENGINE_ID          in hexadecimal digits: takes the engine's traps
//   stats
// Answers with lines; the last of each answer begins with "done".
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "snmp/listener.h"
#include "snmp/manager.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 32

struct demo {
    struct loop *loop;
    struct sn_env *env;
    struct sn_user user;
    struct sn_peer *peer;
    struct sn_listener *listener;
    bool has_proof;
    struct sn_proof proof;
    size_t columns; // of the walk under way
    unsigned rows, stop_at, drop_at;
};

static const struct sn_timing timing = {.timeout_ms = 1000, .retries = 5};

static void print_value(const struct sn_value *v)
{
    char text[600];
    switch (v->type) {
    case SN_INT:
        printf(" %d", v->i);
        break;
    case SN_UINT:
    case SN_COUNTER32:
    case SN_TICKS:
        printf(" %u", v->u);
        break;
    case SN_COUNTER64:
        printf(" %lu", v->u64);
        break;
    case SN_OCTETS:
        printf(" \"%.*s\"", (int)v->octets.len, (const char *)v->octets.data);
        break;
    case SN_OBJID:
        printf(" %s", sn_oid_format(v->oid, text, sizeof(text)));
        break;
    case SN_NO_OBJECT:
        printf(" noSuchObject");
        break;
    case SN_NO_INSTANCE:
        printf(" noSuchInstance");
        break;
    default:
        printf(" -");
    }
}

static void print_oid(const struct sn_oid *oid)
{
    char text[600];
    printf(" %s", sn_oid_format(oid, text, sizeof(text)));
}

static void on_get(void *arg, const struct sn_result *r)
{
    (void)arg;
    for (size_t i = 0; i < r->count; i++) {
        printf("var");
        print_oid(&r->vars[i].oid);
        print_value(&r->vars[i].value);
        printf("\n");
    }
    printf("done %s %d %s\n", dv_code_name(r->code), r->error_status, r->text);
}

static bool on_row(void *arg, const uint32_t *index, size_t len, const struct sn_value *values)
{
    struct demo *d = arg;
    d->rows++;
    printf("row");
    for (size_t i = 0; i < len; i++)
        printf("%c%u", i ? '.' : ' ', index[i]);
    for (size_t i = 0; i < d->columns; i++)
        print_value(&values[i]);
    printf("\n");
    if (d->rows == d->drop_at) {
        sn_peer_free(d->peer);
        d->peer = NULL;
    }
    return d->rows != d->stop_at;
}

static void on_walked(void *arg, const struct sn_result *r)
{
    struct demo *d = arg;
    d->stop_at = d->drop_at = 0;
    printf("done %s %u rows %s\n", dv_code_name(r->code), d->rows, r->text);
}

static void on_notification(void *arg, const struct sn_notification *n)
{
    (void)arg;
    printf("%s %s", n->inform ? "inform" : "trap", n->user);
    print_oid(n->trap);
    for (size_t i = 0; i < n->count; i++)
        print_value(&n->vars[i].value);
    printf("\n");
}

static void print_stats(const struct demo *d)
{
    struct sn_listener_stats s;
    sn_listener_stats(d->listener, &s);
    printf("done informs %lu traps %lu version %lu security %lu malformed %lu\n", s.informs,
           s.traps, s.dropped_version, s.dropped_security, s.dropped_malformed);
}

static void parse_engine(const char *hex, struct sn_engine_id *id)
{
    id->len = 0;
    for (; id->len < SN_ENGINE_ID_MAX && sscanf(hex, "%2hhx", &id->b[id->len]) == 1; hex += 2)
        id->len++;
}

static void set(struct demo *d, char **word, size_t words)
{
    struct sn_var vars[WORDS_MAX / 3];
    size_t n = 0;
    for (; 3 * n + 3 < words; n++) {
        const char *value = word[3 * n + 3];
        sn_oid_parse(word[3 * n + 1], &vars[n].oid);
        char type = word[3 * n + 2][0];
        vars[n].value = type == 'i'   ? sn_int(atoi(value))
                        : type == 'u' ? sn_uint((uint32_t)strtoul(value, NULL, 10))
                                      : sn_text(value);
    }
    sn_set(d->peer, vars, n, timing, on_get, d);
}

static bool command(struct demo *d, char **word, size_t words)
{
    struct dv_err err = {.text = ""};
    struct sn_oid oids[WORDS_MAX], after = {.len = 0};
    if (strcmp(word[0], "peer") == 0) {
        sn_peer_free(d->peer);
        d->peer = sn_peer_new(d->env, word[1], &d->user, NULL, &err);
    } else if (strcmp(word[0], "listen") == 0) {
        d->listener = sn_listener_new(d->env, word[1], on_notification, d, &err);
        if (d->listener)
            sn_listener_add_user(d->listener, &d->user, &err);
    } else if (strcmp(word[0], "accept") == 0) {
        struct sn_engine_id id;
        parse_engine(word[1], &id);
        sn_listener_accept_engine(d->listener, &id, &d->user, &err);
    } else if (strcmp(word[0], "stats") == 0) {
        print_stats(d);
        return true;
    } else if (strcmp(word[0], "get") == 0) {
        for (size_t i = 1; i < words; i++)
            sn_oid_parse(word[i], &oids[i - 1]);
        sn_get(d->peer, oids, words - 1, timing, on_get, d);
        return true;
    } else if (strcmp(word[0], "set") == 0) {
        set(d, word, words);
        return true;
    } else if (strcmp(word[0], "stop") == 0) {
        d->stop_at = (unsigned)atoi(word[1]);
    } else if (strcmp(word[0], "drop") == 0) {
        d->drop_at = (unsigned)atoi(word[1]);
    } else if (strcmp(word[0], "proof") == 0) {
        d->has_proof = sn_oid_parse(word[1], &d->proof.object);
        d->proof.value = (uint32_t)atoi(word[words - 1]);
    } else if (strcmp(word[0], "walk") == 0) {
        sn_oid_parse(word[1], &after); // leaves it alone for "-"
        for (size_t i = 2; i < words; i++)
            sn_oid_parse(word[i], &oids[i - 2]);
        d->rows = 0;
        d->columns = words - 2;
        sn_walk(d->peer, oids, d->columns, after.id, after.len, d->has_proof ? &d->proof : NULL,
                timing, on_row, on_walked, d);
        return true;
    } else {
        return false;
    }
    printf("done %s\n", err.text);
    return true;
}

static void on_line(void *arg, int fd, unsigned events)
{
    (void)fd, (void)events;
    struct demo *d = arg;
    char line[2000], *word[WORDS_MAX], *rest = line;
    size_t words = 0;
    if (!fgets(line, sizeof(line), stdin)) { // one line at a time: the test waits for the answer
        loop_stop(d->loop);
        return;
    }
    while (words < WORDS_MAX && (word[words] = strtok_r(rest, " \n", &rest)))
        words++;
    if (words == 0 || !command(d, word, words))
        printf("done unknown\n");
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    setlinebuf(stdout);
    log_init("sn_manager_demo", LOG_LEVEL_INFO);
    struct dv_err err;
    struct demo d = {.user = {argv[2], argv[3], argv[4]}};
    d.loop = loop_new();
    d.env = sn_env_new(d.loop, "sn_manager_demo", argv[1], NULL, &err);
    if (!d.env) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct loop_fd *input = loop_fd_new(d.loop, STDIN_FILENO, LOOP_READ, on_line, &d);
    loop_run(d.loop);
    loop_fd_free(input);
    sn_peer_free(d.peer);
    sn_listener_free(d.listener);
    sn_env_free(d.env);
    loop_free(d.loop);
    return 0;
}

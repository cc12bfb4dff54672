// Names in transport addresses, looked up without waiting.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp/resolve.h"

#include "base/mem.h"
#include "loop/loop.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Shared by the thread and the loop; whoever comes last frees it. A lookup that a stopped loop
// never heard of is not freed: the process is about to end.
struct sn_lookup {
    pthread_mutex_t mutex;
    struct loop *loop; // NULL once abandoned
    struct sn_name name;
    sn_lookup_fn *fn;
    void *arg;
    int error; // of getaddrinfo
    char address[16 + INET6_ADDRSTRLEN];
};

bool sn_name_split(const char *address, struct sn_name *out)
{
    static const char *const transports[] = {"udp", "udp6", "tcp", "tcp6"};
    struct sn_name name = {.transport = "udp"};
    const char *host = address, *colon = strchr(address, ':');
    for (size_t i = 0; colon && i < DV_COUNT(transports); i++) {
        size_t len = strlen(transports[i]);
        if ((size_t)(colon - address) == len && strncasecmp(address, transports[i], len) == 0) {
            memcpy(name.transport, transports[i], len + 1);
            host = colon + 1;
        }
    }
    size_t len = 0, digits = 0;
    while (isalnum((unsigned char)host[len]) || (host[len] && strchr("-._", host[len])))
        len++;
    if (len == 0 || len > SN_HOST_MAX || (host[len] != '\0' && host[len] != ':'))
        return false;
    memcpy(name.host, host, len);
    if (host[len] == ':') {
        const char *port = host + len + 1;
        digits = strspn(port, "0123456789");
        if (digits == 0 || digits > 5 || port[digits] != '\0')
            return false;
        memcpy(name.port, port, digits);
    }
    struct in_addr numeric;
    if (inet_aton(name.host, &numeric))
        return false;
    *out = name;
    return true;
}

static void free_lookup(struct sn_lookup *l)
{
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

static void on_found(void *arg)
{
    struct sn_lookup *l = arg;
    pthread_mutex_lock(&l->mutex); // the thread posts with it held, and must be through with it
    bool abandoned = l->loop == NULL;
    pthread_mutex_unlock(&l->mutex);
    if (!abandoned)
        l->fn(l->arg, l->error ? NULL : l->address, l->error ? gai_strerror(l->error) : "");
    free_lookup(l);
}

static void *look_up(void *arg)
{
    struct sn_lookup *l = arg;
    bool six = strchr(l->name.transport, '6') != NULL;
    struct addrinfo hints = {.ai_family = six ? AF_INET6 : AF_INET, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    l->error = getaddrinfo(l->name.host, NULL, &hints, &found);
    char host[INET6_ADDRSTRLEN];
    if (l->error == 0)
        l->error = getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof(host), NULL, 0,
                               NI_NUMERICHOST);
    if (l->error == 0)
        snprintf(l->address, sizeof(l->address), six ? "%s:[%s]%s%s" : "%s:%s%s%s",
                 l->name.transport, host, l->name.port[0] ? ":" : "", l->name.port);
    if (found)
        freeaddrinfo(found);

    pthread_mutex_lock(&l->mutex);
    bool abandoned = l->loop == NULL;
    if (!abandoned)
        loop_post(l->loop, on_found, l);
    pthread_mutex_unlock(&l->mutex);
    if (abandoned)
        free_lookup(l);
    return NULL;
}

struct sn_lookup *sn_lookup_start(struct loop *loop, const struct sn_name *name, sn_lookup_fn *fn,
                                  void *arg)
{
    struct sn_lookup *l = dv_calloc(1, sizeof(*l));
    pthread_mutex_init(&l->mutex, NULL);
    l->loop = loop;
    l->name = *name;
    l->fn = fn;
    l->arg = arg;
    pthread_attr_t detached;
    pthread_t thread;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &detached, look_up, l) != 0) {
        l->error = EAI_MEMORY;
        loop_post(loop, on_found, l);
    }
    pthread_attr_destroy(&detached);
    return l;
}

void sn_lookup_abandon(struct sn_lookup *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->mutex);
    l->loop = NULL;
    pthread_mutex_unlock(&l->mutex);
}

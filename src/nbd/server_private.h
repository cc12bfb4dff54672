// What the server and its clients share.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_NBD_SERVER_PRIVATE_H
#define DVSAN_NBD_SERVER_PRIVATE_H

#include "base/log.h"
#include "nbd/server.h"
#include "nbd/talk.h"

#define NBD_CLIENTS_MOST  64
#define NBD_SERVER_MOST   (256u << 20) // bytes of data of all clients' requests; each may have one
#define NBD_CLIENT_MOST   (64u << 20)  // of one client's
#define NBD_CLIENT_OWN    (1u << 20)   // of one client's, whatever the others have
#define NBD_REQUESTS_MOST 256          // of one client

struct nbd_client;

struct nbd_server {
    struct loop *loop;
    struct leg *leg;
    struct nbd_server_config config;
    struct nbd_listener *listeners;
    struct nbd_client *clients[NBD_CLIENTS_MOST];
    unsigned client_count;
    uint64_t held; // bytes of data of all requests
    struct log_limit failures, refusals;
    bool shut;
    struct loop_timer *patience; // while shutting
    struct loop_soon *gone;      // the last client is
    loop_fn *done;
    void *arg;
};

struct nbd_export nbd_server_export(const struct nbd_server *s);

// client.c. A client lives until it has been cut off and the leg has given back its requests.
struct nbd_client *nbd_client_new(struct nbd_server *s, int fd);
void nbd_client_shut(struct nbd_client *c); // asked for nothing more; ends when all is answered
void nbd_client_cut(struct nbd_client *c);  // at once
void nbd_client_free(struct nbd_client *c); // the leg has nothing of it any more
// server.c: it has been cut off and has nothing out.
void nbd_server_forget(struct nbd_server *s, struct nbd_client *c);

#endif

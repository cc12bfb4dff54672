// An NBD server of one leg: clients, and what they may take of the machine.
// SPDX-License-Identifier: BSD-2-Clause
//
// Everything happens on the loop's thread. One read takes all requests of a client that are there,
// and one write answers all that are done. What a client may hold is bounded: requests, their data,
// and the time in which it takes an answer; who goes beyond it is not read from, or cut off.
#ifndef DVSAN_NBD_SERVER_H
#define DVSAN_NBD_SERVER_H

#include "block/leg.h"
#include "loop/loop.h"

struct nbd_server;

struct nbd_server_config {
    const char *name; // of the export; "" names it, too. Borrowed
    bool read_only;   // even where the leg is not
    // How long a client may negotiate, and how long it may take nothing of what it asked for, or
    // send nothing of what it is writing; 0: 30 s, and 60 s.
    uint32_t handshake_ms, stalled_ms;
};

// The leg is borrowed, and has been ready before the first client is taken. The leg is freed first,
// and gives back by that what it holds of clients' requests; then the server.
struct nbd_server *nbd_server_new(struct loop *loop, struct leg *leg,
                                  const struct nbd_server_config *config);
// A listening socket, which is the server's from now on.
void nbd_server_listen(struct nbd_server *s, int fd);
// A client that is connected already, likewise.
void nbd_server_take(struct nbd_server *s, int fd);
// No more clients, and no more requests of those that are there: each is cut off as soon as it has
// the answers to what it asked. Then done(arg) is called, once, from the loop; after wait_ms at the
// latest. The leg is to be disconnected, so that there are answers.
void nbd_server_shut(struct nbd_server *s, uint32_t wait_ms, loop_fn *done, void *arg);
void nbd_server_free(struct nbd_server *s); // NULL is fine

#endif

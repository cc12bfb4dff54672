// A client's connection: its requests, one after the other, and their answers.
// SPDX-License-Identifier: BSD-2-Clause
//
// Reading and writing never wait for a client: they are events of the server's loop. Only a whole
// request of somebody who may ask is handed to civetweb, and gets a thread there. Each wait for a
// client has one end in time, for all of a request and for all of an answer.
#ifndef DVSAN_API_CONN_H
#define DVSAN_API_CONN_H

#include "console/api/places.h"

#define CONN_IDLE_MS    15000 // between requests
#define CONN_REQUEST_MS 10000 // from a request's first byte to its last
#define CONN_BUSY_MS                                                                               \
    90000 // from handing it to civetweb to its answer; waiting for tasks ends sooner
#define CONN_ANSWER_MS 30000 // until an answer is taken

struct conn;
struct dispatcher;
struct logins;
struct loop;
struct source;
struct web;

// What all connections share.
struct conn_env {
    struct loop *loop;
    struct dispatcher *dispatcher;
    struct web *web;
    struct logins *logins;
    void (*ended)(void *arg, struct conn *c); // it is about to be freed
    void *arg;
};

// Owns fd, which does not block. env must outlive it; source has a place for it.
struct conn *conn_new(const struct conn_env *env, int fd, struct source *source);
void conn_end(struct conn *c); // at once; what civetweb has begun for it goes on

struct place conn_place(const struct conn *c);
struct source *conn_source(const struct conn *c);

#endif

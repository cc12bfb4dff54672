// Where members enrol: a TCP port at the address of the notifications, and the talk with each.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_ENROL_DOOR_H
#define DVSAN_CMS_ENROL_DOOR_H

#include "enrol/message.h"
#include "loop/loop.h"

#define DOOR_KEY  32
#define DOOR_FROM 64 // room for a network address

// Who decides. Each is called from the loop; from is the network address of the other side.
struct door_judge {
    // The key of the code, which is one try from now on; -1 and a sentence: there is none, or it
    // may not be tried.
    int (*key)(void *arg, const char *code, const char *from, uint8_t key[DOOR_KEY],
               struct dv_err *why);
    // The other side has proven that it knows the code: the try was none.
    void (*proven)(void *arg, const char *code, const char *from);
    // It has not: it knows another code, or somebody sat between.
    void (*unproven)(void *arg, const char *code, const char *from);
    // What it gets, which is on disk before this returns 0; -1 and why not. station holds the
    // address at which it reached the station.
    int (*grant)(void *arg, const char *code, const char *from, const struct enrol_request *request,
                 struct grant *out, struct dv_err *why);
    void (*kept)(void *arg, const char *code, const struct dv_uuid *member); // it has it on disk
    void *arg;
};

struct enrol_door;

// listen: the transport address of the notifications; the TCP port is the same one. NULL and a
// sentence when it cannot be had. judge is copied.
struct enrol_door *enrol_door_new(struct loop *loop, const char *listen,
                                  const struct door_judge *judge, struct dv_err *err);
void enrol_door_free(struct enrol_door *door); // NULL is fine; ends all talks

#endif

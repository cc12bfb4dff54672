// Where members enrol: a TCP port at the address of the notifications, and the talk with each.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_CMS_ENROL_DOOR_H
#define DVSAN_CMS_ENROL_DOOR_H

#include "enrol/message.h"
#include "loop/loop.h"

#define DOOR_KEY  32
#define DOOR_FROM 64 // room for a network address

// Who decides. Each is called from the loop, and may take its time; from is the network address of
// the other side, talk the number of the talk with it.
struct door_judge {
    // It asks for the key of the code, which is one try from now on: enrol_door_key answers.
    void (*ask)(void *arg, uint64_t talk, const char *code, const char *from);
    // It has proven that it knows the code: the try was none.
    void (*proven)(void *arg, const char *code, const char *from);
    // It has not: it knows another code, or somebody sat between.
    void (*unproven)(void *arg, const char *code, const char *from);
    // What it says of itself, and the address at which it reached the station: enrol_door_grant
    // answers.
    void (*request)(void *arg, uint64_t talk, const char *code, const char *from,
                    const struct enrol_request *request, const char *station);
    void (*kept)(void *arg, const char *code, const struct dv_uuid *member); // it has it on disk
    void *arg;
};

struct enrol_door;

// listen: the transport address of the notifications; the TCP port is the same one. NULL and a
// sentence when it cannot be had. judge is copied.
struct enrol_door *enrol_door_new(struct loop *loop, const char *listen,
                                  const struct door_judge *judge, struct dv_err *err);
void enrol_door_free(struct enrol_door *door); // NULL is fine; ends all talks

// Whether the talk is there, and waits for an answer.
bool enrol_door_waits(const struct enrol_door *door, uint64_t talk);
// What is asked for in the talk, which is safe on disk; else NULL and why not. False: the talk has
// ended since.
bool enrol_door_key(struct enrol_door *door, uint64_t talk, const uint8_t *key,
                    const struct dv_err *why);
bool enrol_door_grant(struct enrol_door *door, uint64_t talk, const struct grant *grant,
                      const struct dv_err *why);

#endif

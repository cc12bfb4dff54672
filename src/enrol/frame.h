// Frames of an enrolment on a stream: two bytes of length, big-endian, one of type, and the data.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_ENROL_FRAME_H
#define DVSAN_ENROL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_HEAD 3
#define FRAME_MAX  4096 // bytes of data; more is no frame of ours

// ASK and ANSWER are the handshake, SEALED what follows. REFUSED is said in the clear, by a station
// that has no key in common with who asks: it proves nothing.
enum frame_type { FRAME_ASK = 1, FRAME_ANSWER, FRAME_SEALED, FRAME_REFUSED };

enum frame_state { FRAME_PART, FRAME_WHOLE, FRAME_BAD };
// Looks at what came. With FRAME_WHOLE, data points into it and the frame is FRAME_HEAD + *len
// long.
enum frame_state frame_read(const uint8_t *in, size_t in_len, enum frame_type *type,
                            const uint8_t **data, size_t *len);
// Writes the head of a frame whose data of len <= FRAME_MAX bytes follow it.
void frame_head(uint8_t head[FRAME_HEAD], enum frame_type type, size_t len);

#endif

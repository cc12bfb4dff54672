// Members of JSON objects, as the API writes values of each kind.
// SPDX-License-Identifier: BSD-2-Clause
#ifndef DVSAN_API_PUT_H
#define DVSAN_API_PUT_H

#include "base/uuid.h"
#include "model/kind.h"
#include <jansson.h>

// Texts that came from units need not be UTF-8, which JSON has to be.
json_t *put_text_value(const char *text);

void put_text(json_t *object, const char *name, const char *text);
// null for "", where that means "not known" or "none".
void put_text_or_null(json_t *object, const char *name, const char *text);
void put_number(json_t *object, const char *name, uint64_t value);
void put_bool(json_t *object, const char *name, bool value);
void put_uuid(json_t *object, const char *name, const struct dv_uuid *uuid);
// ISO 8601 in UTC, with milliseconds; null for 0, which is never.
void put_time(json_t *object, const char *name, int64_t ms);
// Of at most ENGINE_ID_MAX_LEN bytes; null for none.
void put_hex(json_t *object, const char *name, const uint8_t *bytes, size_t len);

// All of a record that its kind shows. Texts that are empty, and bytes that are none, are null.
void put_record(json_t *object, const struct kind *k, const void *record);

#endif

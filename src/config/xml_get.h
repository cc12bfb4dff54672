// Attributes as the values they stand for, checked, with errors that name the place.
// SPDX-License-Identifier: BSD-2-Clause
//
// Each leaves *out alone and returns 0 when the attribute is not there: the schema says which may
// be missing, so set the default first. What is allocated takes the place of what *out pointed to,
// which is freed.
#ifndef DVSAN_CONFIG_XML_GET_H
#define DVSAN_CONFIG_XML_GET_H

#include "base/address.h"
#include "base/log.h"
#include "base/text.h"
#include "config/user.h"
#include "config/xml.h"
#include <netinet/in.h>
#include <stdint.h>

int xml_get_number(const struct xml_node *node, const char *name, uint64_t min, uint64_t max,
                   uint64_t *out, struct dv_err *err);
int xml_get_size(const struct xml_node *node, const char *name, uint64_t *bytes,
                 struct dv_err *err);
int xml_get_duration(const struct xml_node *node, const char *name, uint32_t min_ms,
                     uint32_t max_ms, uint32_t *ms, struct dv_err *err);
int xml_get_bool(const struct xml_node *node, const char *name, bool *out, struct dv_err *err);
int xml_get_log_level(const struct xml_node *node, const char *name, enum log_level *out,
                      struct dv_err *err);

// A name by new_name_check; the element's name begins its sentence.
int xml_get_name(const struct xml_node *node, const char *name, char out[NAME_MAX_LEN + 1],
                 struct dv_err *err);
// Relative paths become relative to the folder of the file.
int xml_get_path(const struct xml_node *node, const char *name, char **out, struct dv_err *err);
// The same for what others are told, or what is used later: absolute even when the file was named
// relative to the working directory.
int xml_get_absolute_path(const struct xml_node *node, const char *name, char **out,
                          struct dv_err *err);
// An IPv4 or IPv6 address in numbers, by address_check; written back in its usual form.
int xml_get_ip(const struct xml_node *node, const char *name, enum address_use use,
               char out[INET6_ADDRSTRLEN], struct dv_err *err);
// A Net-SNMP transport string, by transport_check.
int xml_get_transport(const struct xml_node *node, const char *name, enum address_use use,
                      char **out, struct dv_err *err);
// min to max bytes in hex digits, perhaps with 0x in front; *len is 0 when not there.
int xml_get_hex(const struct xml_node *node, const char *name, size_t min, size_t max, uint8_t *out,
                size_t *len, struct dv_err *err);

// The attributes user, auth-pass-file and priv-pass-file; reads the files. *out is zeroed first.
int xml_get_user(const struct xml_node *node, struct user_config *out, struct dv_err *err);

#endif

// Turning attributes into checked values.
// SPDX-License-Identifier: BSD-2-Clause
#include "config/xml_get.h"

#include "base/mem.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int xml_get_number(const struct xml_node *node, const char *name, uint64_t min, uint64_t max,
                   uint64_t *out, struct dv_err *err)
{
    DV_FREE char *text = xml_attribute(node, name);
    struct dv_err reason;
    if (text && number_parse(name, text, min, max, out, &reason) < 0)
        return xml_fail(node, err, "%s", reason.text);
    return 0;
}

int xml_get_size(const struct xml_node *node, const char *name, uint64_t *bytes, struct dv_err *err)
{
    DV_FREE char *text = xml_attribute(node, name);
    struct dv_err reason;
    if (text && size_parse(text, bytes, &reason) < 0)
        return xml_fail(node, err, "%s %s", name, reason.text);
    return 0;
}

int xml_get_duration(const struct xml_node *node, const char *name, uint32_t min_ms,
                     uint32_t max_ms, uint32_t *ms, struct dv_err *err)
{
    DV_FREE char *text = xml_attribute(node, name);
    struct dv_err reason;
    uint32_t value;
    if (!text)
        return 0;
    if (duration_parse(text, &value, &reason) < 0)
        return xml_fail(node, err, "%s %s", name, reason.text);
    if (value < min_ms || value > max_ms)
        return xml_fail(node, err, "%s \"%.40s\" is not from %ums to %us", name, text, min_ms,
                        max_ms / 1000);
    *ms = value;
    return 0;
}

int xml_get_bool(const struct xml_node *node, const char *name, bool *out, struct dv_err *err)
{
    DV_FREE char *text = xml_attribute(node, name);
    if (!text)
        return 0;
    *out = strcmp(text, "yes") == 0;
    if (!*out && strcmp(text, "no") != 0)
        return xml_fail(node, err, "%s \"%.40s\" is neither yes nor no", name, text);
    return 0;
}

int xml_get_log_level(const struct xml_node *node, const char *name, enum log_level *out,
                      struct dv_err *err)
{
    DV_FREE char *text = xml_attribute(node, name);
    if (text && !log_level_parse(text, out))
        return xml_fail(node, err, "%s \"%.40s\" is not a level: error, warning, info or debug",
                        name, text);
    return 0;
}

int xml_get_name(const struct xml_node *node, const char *name, char out[NAME_MAX_LEN + 1],
                 struct dv_err *err)
{
    DV_FREE char *text = xml_attribute(node, name);
    struct dv_err reason;
    if (text && new_name_check(xml_name(node), text, &reason) < 0)
        return xml_fail(node, err, "%s", reason.text);
    if (text)
        dv_copy(out, NAME_MAX_LEN + 1, text);
    return 0;
}

int xml_get_path(const struct xml_node *node, const char *name, char **out, struct dv_err *err)
{
    DV_FREE char *text = xml_attribute(node, name);
    if (!text)
        return 0;
    if (*text == '\0')
        return xml_fail(node, err, "%s is empty; give it a path", name);
    const char *file = xml_path(node), *slash = strrchr(file, '/');
    free(*out);
    if (*text == '/' || !slash)
        *out = dv_strdup(text);
    else
        *out = dv_printf("%.*s/%s", (int)(slash - file), file, text);
    return 0;
}

int xml_get_absolute_path(const struct xml_node *node, const char *name, char **out,
                          struct dv_err *err)
{
    if (xml_get_path(node, name, out, err) < 0)
        return -1;
    if (!*out || **out == '/')
        return 0;
    DV_FREE char *here = getcwd(NULL, 0);
    if (!here)
        return xml_fail(node, err, "the working directory cannot be told: %s", strerror(errno));
    DV_FREE char *path = *out;
    *out = dv_printf("%s/%s", here, path);
    return 0;
}

int xml_get_ip(const struct xml_node *node, const char *name, enum address_use use,
               char out[INET6_ADDRSTRLEN], struct dv_err *err)
{
    DV_FREE char *text = xml_attribute(node, name);
    struct dv_err reason;
    if (text && address_check(text, use, out, &reason) < 0)
        return xml_fail(node, err, "%s %s", name, reason.text);
    return 0;
}

int xml_get_transport(const struct xml_node *node, const char *name, enum address_use use,
                      char **out, struct dv_err *err)
{
    DV_FREE char *text = xml_attribute(node, name);
    struct dv_err reason;
    if (!text)
        return 0;
    if (transport_check(text, use, &reason) < 0)
        return xml_fail(node, err, "%s %s", name, reason.text);
    free(*out);
    *out = dv_strdup(text);
    return 0;
}

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)((found - digits) & 15) : -1;
}

int xml_get_hex(const struct xml_node *node, const char *name, size_t min, size_t max, uint8_t *out,
                size_t *len, struct dv_err *err)
{
    *len = 0;
    DV_FREE char *text = xml_attribute(node, name);
    if (!text)
        return 0;
    const char *p = strncmp(text, "0x", 2) == 0 ? text + 2 : text;
    size_t digits = strlen(p);
    bool good = digits % 2 == 0 && digits / 2 >= min && digits / 2 <= max;
    for (size_t i = 0; good && i < digits; i += 2) {
        int high = hex_value(p[i]), low = hex_value(p[i + 1]);
        good = high >= 0 && low >= 0;
        if (good)
            out[i / 2] = (uint8_t)(high << 4 | low);
    }
    if (!good)
        return xml_fail(node, err, "%s \"%.80s\" is not %zu to %zu bytes in pairs of hex digits",
                        name, text, min, max);
    *len = digits / 2;
    return 0;
}

// Reading an SNMPv3 user and its pass-phrases.
// SPDX-License-Identifier: BSD-2-Clause
#include "config/user.h"

#include "base/mem.h"
#include "base/secret.h"
#include "config/xml_get.h"
#include <string.h>

void user_config_wipe(struct user_config *user)
{
    secret_free(user->auth_pass);
    secret_free(user->priv_pass);
    memset(user, 0, sizeof(*user));
}

static int get_pass(const struct xml_node *node, const char *name, char **out, struct dv_err *err)
{
    DV_FREE char *path = NULL;
    if (xml_get_path(node, name, &path, err) < 0)
        return -1;
    struct dv_err reason;
    if (secret_read_file(path, out, &reason) < 0) {
        xml_fail(node, err, "%s: %s", name, reason.text);
        if (err)
            err->code = reason.code;
        return -1;
    }
    if (strlen(*out) < SNMP_PASS_MIN)
        return xml_fail(node, err, "%s: the pass-phrase in %s has fewer than %d characters", name,
                        path, SNMP_PASS_MIN);
    return 0;
}

static int get_name(const struct xml_node *node, struct user_config *out, struct dv_err *err)
{
    DV_FREE char *name = xml_attribute(node, "user");
    bool good = *name != '\0' && dv_copy(out->name, sizeof(out->name), name);
    for (const char *p = name; *p && good; p++)
        good = *p > ' ' && *p < 0x7f && *p != '"' && *p != '\\';
    if (!good)
        return xml_fail(node, err,
                        "user \"%.64s\" is not an SNMP user name: 1 to %d printable characters "
                        "without white space",
                        name, SNMP_USER_MAX);
    return 0;
}

int xml_get_user(const struct xml_node *node, struct user_config *out, struct dv_err *err)
{
    memset(out, 0, sizeof(*out));
    if (get_name(node, out, err) < 0 || get_pass(node, "auth-pass-file", &out->auth_pass, err) < 0)
        return -1;
    return get_pass(node, "priv-pass-file", &out->priv_pass, err);
}

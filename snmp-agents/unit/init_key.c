// The key of a unit's journal as a credential of systemd.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/init.h"
#include "snmp-agents/unit/init_parts.h"

#include "base/mem.h"
#include "base/seal_key.h"
#include "base/secret.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define CREDENTIAL      "/etc/dvsan/unit-key.cred"
#define CREDENTIAL_KEY  "/etc/dvsan/unit-key" // while the credential is made
#define CREDENTIAL_CONF INIT_UNITS "/dvsan-unit.service.d/unit-key.conf"

// Whether a service gets the key of this credential.
static bool opens(const char *credential)
{
    DV_FREE char *load = dv_printf("LoadCredentialEncrypted=unit-key:%s", credential);
    return setup_try((const char *const[]){"systemd-run", "--quiet", "--wait", "--collect", "-p",
                                           load, "-p", "User=" INIT_USER, "/bin/sh", "-c",
                                           "test -s $$CREDENTIALS_DIRECTORY/unit-key", NULL});
}

// Complete and tried before it has its name.
static bool seal_credential(const char *key)
{
    bool good = setup_try((const char *const[]){"systemd-creds", "encrypt", "--name=unit-key", key,
                                                CREDENTIAL ".new", NULL}) &&
                opens(CREDENTIAL ".new") && rename(CREDENTIAL ".new", CREDENTIAL) == 0;
    if (!good)
        unlink(CREDENTIAL ".new");
    return good;
}

// A new key is never where the agent looks for its own: if this ends early, it would find one there
// that it may not read.
int init_make_key(const struct setup *s, const struct unit_config *config, struct dv_err *err)
{
    DV_FREE char *own = dv_printf("%s/key", config->member.state_dir);
    struct seal_key made;
    if (!setup_runs_services(s))
        return 0;
    if (setup_has(s, CREDENTIAL_CONF) && !opens(CREDENTIAL))
        return dv_fail(err, DV_CONFLICT,
                       "systemd cannot open " CREDENTIAL ", the key of hosts' secrets: it was made "
                       "on another machine, or what seals it, a TPM or "
                       "/var/lib/systemd/credential.secret, is not as it was. Put that back; where "
                       "it is lost, dvsan-unit --forget-secrets gives the secrets up, and the "
                       "station sends them again");
    if (setup_has(s, CREDENTIAL_CONF) || setup_has(s, CREDENTIAL))
        return 0;
    DV_FREE char *journal = dv_printf("%s/unit.db", config->member.state_dir);
    if (!setup_has(s, own) && setup_has(s, journal)) // the agent seals it by a key of its own first
        return 0;
    const char *key = setup_has(s, own) ? own : CREDENTIAL_KEY;
    int rc = key == own ? 0 : seal_key_make(key, &made, err);
    secret_wipe(&made, sizeof(made));
    if (rc < 0)
        return -1;
    bool good = seal_credential(key);
    if (good) {
        printf("made %s\n", CREDENTIAL);
        rc = setup_make(s, CREDENTIAL_CONF,
                        "# The key of hosts' secrets in unit.db.\n"
                        "[Service]\n"
                        "LoadCredentialEncrypted=unit-key:" CREDENTIAL "\n",
                        0644, NULL, NULL, err);
    } else {
        printf("no credential of systemd can be used here: hosts' secrets are sealed with %s\n",
               own);
    }
    unlink(CREDENTIAL_KEY);
    if (good && rc >= 0)
        unlink(own);
    return rc < 0 ? -1 : 0;
}

int init_drop_key(const struct setup *s, struct dv_err *err)
{
    if (!setup_has(s, CREDENTIAL_CONF))
        return 0;
    if (unlink(CREDENTIAL_CONF) != 0 || (unlink(CREDENTIAL) != 0 && errno != ENOENT))
        return dv_fail_errno(err, errno, "cannot remove the key %s", CREDENTIAL);
    printf("removed %s\nremoved %s\n", CREDENTIAL, CREDENTIAL_CONF);
    return setup_systemctl(s, (const char *const[]){"daemon-reload", NULL}, err);
}

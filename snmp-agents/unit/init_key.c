// The key of a unit's journal as a credential of systemd.
// SPDX-License-Identifier: BSD-2-Clause
#include "snmp-agents/unit/init_parts.h"

#include "base/mem.h"
#include "base/seal_key.h"
#include "base/secret.h"
#include <stdio.h>
#include <unistd.h>

#define CREDENTIAL      "/etc/dvsan/unit-key.cred"
#define CREDENTIAL_KEY  "/etc/dvsan/unit-key" // while the credential is made
#define CREDENTIAL_CONF INIT_UNITS "/dvsan-unit.service.d/unit-key.conf"

// Complete and tried before it has its name.
static bool seal_credential(const char *key)
{
    bool good = setup_try((const char *const[]){"systemd-creds", "encrypt", "--name=unit-key", key,
                                                CREDENTIAL ".new", NULL}) &&
                setup_try((const char *const[]){
                    "systemd-run", "--quiet", "--wait", "--collect", "-p",
                    "LoadCredentialEncrypted=unit-key:" CREDENTIAL ".new", "-p", "User=" INIT_USER,
                    "/bin/sh", "-c", "test -s $$CREDENTIALS_DIRECTORY/unit-key", NULL}) &&
                rename(CREDENTIAL ".new", CREDENTIAL) == 0;
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
    if (!setup_runs_services(s) || setup_has(s, CREDENTIAL_CONF) || setup_has(s, CREDENTIAL))
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

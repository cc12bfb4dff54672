// The settings of Net-SNMP that the agent counts on hold when the library has started.
// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "loop/loop.h"
#include "snmp/agent.h"
#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <net-snmp/agent/net-snmp-agent-includes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void on_changed(void *arg, bool connected)
{
    (void)arg, (void)connected;
}

// A ping interval other than 0 makes Net-SNMP open sessions by itself, behind the agent's back, and
// warn every so many seconds, for ever, that there is one already.
static void test_settings(void **state)
{
    (void)state;
    static const int booleans[] = {NETSNMP_DS_LIB_DONT_READ_CONFIGS,
                                   NETSNMP_DS_LIB_DONT_PERSIST_STATE,
                                   NETSNMP_DS_LIB_DONT_LOAD_HOST_FILES,
                                   NETSNMP_DS_LIB_ALARM_DONT_USE_SIG, NETSNMP_DS_LIB_NO_DISCOVERY};
    char dir[] = "/tmp/test_sn_agent.XXXXXX", path[64];
    struct dv_err err;
    assert_non_null(mkdtemp(dir));
    struct loop *loop = loop_new();
    struct sn_env *env = sn_env_new(loop, "test_sn_agent", dir, NULL, &err);
    assert_non_null(env);
    snprintf(path, sizeof(path), "%s/none", dir);
    struct sn_agent *agent = sn_agent_new(env, path, NULL, on_changed, NULL, &err);
    assert_non_null(agent);
    assert_int_equal(
        netsnmp_ds_get_int(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_AGENTX_PING_INTERVAL), 0);
    assert_int_equal(netsnmp_ds_get_int(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_TIMEOUT), 1);
    assert_int_equal(netsnmp_ds_get_int(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_RETRIES), 0);
    assert_true(
        netsnmp_ds_get_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_NO_CONNECTION_WARNINGS));
    for (size_t i = 0; i < DV_COUNT(booleans); i++)
        assert_true(netsnmp_ds_get_boolean(NETSNMP_DS_LIBRARY_ID, booleans[i]));
    sn_agent_free(agent);
    sn_env_free(env);
    loop_free(loop);
    snprintf(path, sizeof(path), "%s/engine", dir);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_settings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

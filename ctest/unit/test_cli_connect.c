// What connect-info prints.
// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "console/cli/connect.h"
#include <string.h>

static const char info[] =
    "{\"host\":\"web\",\"iqn\":\"iqn.2026-11.org.example:web\",\"chap_user\":\"w,e'b\","
    "\"volumes\":[{\"name\":\"db1\",\"iqn\":\"iqn.2026-11.org.dvsan:u1:x\",\"lun\":1,"
    "\"portals\":[\"127.0.0.1:3260\",\"127.0.0.2:3260\"],\"blocks\":20971520}]}";

static void test_lines(void **state)
{
    (void)state;
    struct strbuf out = {0};
    json_t *host = json_loads(info, 0, NULL);
    const json_t *volume = json_array_get(json_object_get(host, "volumes"), 0);
    connect_secret(&out, "web", "/etc/dvsan/web.secret");
    connect_open_iscsi_host(&out, "iqn.2026-11.org.example:web", "w,e'b", "/etc/my secret");
    connect_volume(&out, host, volume, "/etc/dvsan/web.secret");
    static const char *const wanted[] = {
        "(umask 077; mkdir -p /etc/dvsan\n"
        " read -rsp 'CHAP secret: ' s && printf %s \"$s\" > /etc/dvsan/web.secret)\n",
        "echo InitiatorName=iqn.2026-11.org.example:web > /etc/iscsi/initiatorname.iscsi\n",
        "  echo node.session.auth.username = 'w,e'\\''b'\n",
        "  echo node.session.auth.password = \"$(cat '/etc/my secret')\"\n",
        "### Volume db1, 10G, LUN 1, at 127.0.0.1:3260\n",
        "iscsiadm -m discovery -t sendtargets -p 127.0.0.1:3260\n",
        "iscsiadm -m node -T iqn.2026-11.org.dvsan:u1:x -p 127.0.0.1:3260 --login\n",
        "export LIBISCSI_CHAP_USERNAME='w,e'\\''b'\n",
        "export LIBISCSI_CHAP_PASSWORD=\"$(cat /etc/dvsan/web.secret)\"\n",
        "iscsi-inq -i iqn.2026-11.org.example:web "
        "iscsi://127.0.0.1:3260/iqn.2026-11.org.dvsan:u1:x/1\n",
        "--object secret,id=chap,file=<(tr -d '\\n' < /etc/dvsan/web.secret) \\\n",
        "lun=1,initiator-name=iqn.2026-11.org.example:web,user=w,,e'\\''b,password-secret=chap'\n",
        "nbdkit dvsan params=db1.json\n",
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (!strstr(out.text, wanted[i]))
            fail_msg("%s is not in:\n%s", wanted[i], out.text);
    strbuf_free(&out);
    json_decref(host);
}

static void test_plugin(void **state)
{
    (void)state;
    json_t *host = json_loads(info, 0, NULL);
    json_t *params = connect_plugin(host, json_array_get(json_object_get(host, "volumes"), 0),
                                    "/etc/dvsan/web.secret");
    json_t *wanted = json_loads("{\"portal\":\"127.0.0.1:3260\",\"lun\":1,"
                                "\"target\":\"iqn.2026-11.org.dvsan:u1:x\","
                                "\"initiator\":\"iqn.2026-11.org.example:web\","
                                "\"chap_user\":\"w,e'b\","
                                "\"chap_secret_file\":\"/etc/dvsan/web.secret\"}",
                                0, NULL);
    assert_true(json_equal(params, wanted));
    json_decref(wanted);
    json_decref(params);
    json_decref(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_plugin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

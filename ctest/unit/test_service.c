// Tests of base/service: what the service manager is told, and what goes into its journal.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/service.h"

#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

// A manager's socket of this name, which begins with / or, for the abstract namespace, @.
static int listen_at(const char *name)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path, name, strlen(name));
    if (name[0] == '@')
        addr.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_return_code(bind(fd, (struct sockaddr *)&addr,
                            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                       0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static void assert_heard(int fd, const char *wanted)
{
    char text[64] = "";
    assert_int_equal(recv(fd, text, sizeof(text) - 1, 0), strlen(wanted));
    assert_string_equal(text, wanted);
}

static void hears_both(const char *name)
{
    DV_CLOSE int fd = listen_at(name);
    service_ready();
    assert_heard(fd, "READY=1");
    service_stopping();
    assert_heard(fd, "STOPPING=1");
}

static void at_a_path(void **state)
{
    (void)state;
    char dir[] = "/tmp/dvsan-service-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/notify", dir);
    hears_both(path);
    unlink(path);
    rmdir(dir);
}

static void in_the_abstract_namespace(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof(name), "@dvsan/test/%d", getpid());
    hears_both(name);
}

static void nobody_listens(void **state)
{
    (void)state;
    char longer[200] = "/";
    memset(longer + 1, 'x', sizeof(longer) - 2);
    const char *const names[] = {"", "/", "/nonexistent/notify", longer};
    for (size_t i = 0; i < DV_COUNT(names); i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        service_ready();
    }
    unsetenv("NOTIFY_SOCKET");
    service_ready();
}

static void journal(void **state)
{
    (void)state;
    int fds[2];
    struct stat st;
    char stream[64];
    assert_return_code(pipe(fds), 0);
    assert_return_code(fstat(fds[1], &st), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    unsetenv("JOURNAL_STREAM");
    assert_false(service_logs(fds[1]));
    setenv("JOURNAL_STREAM", stream, 1);
    assert_true(service_logs(fds[1]));
    assert_false(service_logs(-1));
    setenv("JOURNAL_STREAM", "1:1", 1);
    assert_false(service_logs(fds[1]));
    setenv("JOURNAL_STREAM", "nonsense", 1);
    assert_false(service_logs(fds[1]));
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_a_path),
        cmocka_unit_test(in_the_abstract_namespace),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// Tests of what a configuration names and this machine has, or has not.
// SPDX-License-Identifier: BSD-2-Clause
#include "config/world.h"

#include "base/file.h"
#include "base/mem.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/dvsan-test-world-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) && chdir(dir) == 0 && mkdir("state", 0700) == 0 &&
                   mkdir("folder", 0700) == 0 &&
                   file_write_atomic("image", "x", 1, 0600, NULL) == 0 &&
                   link("image", "another-name") == 0
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return chdir("/") < 0 ? -1 : system(command);
}

// All that is told of these media and this portal, and the exit code.
static int look(struct medium_config *media, size_t count, struct portal_config portal,
                struct world *w)
{
    struct unit_config c = {
        .member.state_dir = (char[]){"state"}, .media = media, .media_count = count};
    c.portals = &portal;
    c.portal_count = 1;
    c.member.management_address = (char[]){"udp:unit1.example.net:161"};
    world_of_unit(&c, w);
    return world_print(w, "unit.xml");
}

static const struct portal_config here = {.index = 1, .address = "127.0.0.1"};
#define LOOPBACK                                                                                   \
    "portal 1 is at 127.0.0.1, which only this machine reaches: no host elsewhere can log in"

static void told(char **list, size_t count, const char *const *expected)
{
    size_t n = 0;
    for (; expected[n]; n++) {
        assert_true(n < count);
        assert_string_equal(list[n], expected[n]);
    }
    assert_int_equal(count, n);
}
#define TOLD(list, count, ...) told(list, count, (const char *const[]){__VA_ARGS__, NULL})

static void what_is_there_is_good(void **state)
{
    (void)state;
    struct world w;
    struct medium_config media[] = {{.name = "a", .kind = MEDIUM_DIR, .path = (char[]){"folder"}},
                                    {.name = "b", .kind = MEDIUM_DISK, .path = (char[]){"image"}}};
    assert_int_equal(look(media, 2, here, &w), 0);
    assert_int_equal(w.missing_count, 0);
    TOLD(w.doubts, w.doubt_count, LOOPBACK);
    world_clear(&w);
}

static void media_that_are_not_there(void **state)
{
    (void)state;
    struct world w;
    struct medium_config media[] = {
        {.name = "a", .kind = MEDIUM_DIR, .path = (char[]){"gone"}},
        {.name = "b", .kind = MEDIUM_DIR, .path = (char[]){"image"}},
        {.name = "c", .kind = MEDIUM_DISK, .path = (char[]){"image/x"}},
        {.name = "d", .kind = MEDIUM_DEVICE, .path = (char[]){"folder"}},
        {.name = "e", .kind = MEDIUM_DEVICE, .path = (char[]){"/dev/null"}},
        {.name = "f", .kind = MEDIUM_DISK, .path = (char[]){"another-name"}},
        {.name = "g", .kind = MEDIUM_DIR, .path = (char[]){"folder/../folder"}},
    };
    assert_int_equal(look(media, DV_COUNT(media), here, &w), 3);
    TOLD(w.missing, w.missing_count, "the folder gone of medium a is not there",
         "image of medium b is not a folder", "the disk image/x of medium c is not there",
         "folder of medium d is neither a block device nor an image",
         "/dev/null of medium e is neither a block device nor an image",
         "medium f is not one of its own: another-name and image of medium b are the same",
         "medium g is not one of its own: folder/../folder and folder of medium d are the same");
    world_clear(&w);
}

static void folders_that_are_not_for_a_medium(void **state)
{
    (void)state;
    struct world w;
    struct medium_config media[] = {
        {.name = "a", .kind = MEDIUM_DIR, .path = (char[]){"/proc"}},
        {.name = "b", .kind = MEDIUM_DIR, .path = (char[]){"/sys/kernel"}},
        {.name = "c", .kind = MEDIUM_DIR, .path = (char[]){"folder/../state"}},
        {.name = "d", .kind = MEDIUM_DIR, .path = (char[]){"."}},
        {.name = "e", .kind = MEDIUM_DIR, .path = (char[]){"state/inner"}},
    };
    assert_int_equal(mkdir("state/inner", 0700), 0);
    assert_int_equal(look(media, DV_COUNT(media), here, &w), 3);
    TOLD(w.missing, w.missing_count,
         "the folder /proc of medium a is in a file system that holds no data",
         "the folder /sys/kernel of medium b is in a file system that holds no data",
         "the folder folder/../state of medium c is no folder of its own: it is the state-dir");
    TOLD(w.doubts, w.doubt_count,
         "in the folder . of medium d there is the state-dir; a medium should have its folder for "
         "itself",
         "the folder state/inner of medium e is inside the state-dir; it should be elsewhere",
         LOOPBACK);
    world_clear(&w);
}

// More than any file system has that this is tried on.
static void more_than_there_is_room_for(void **state)
{
    (void)state;
    struct world w;
    struct medium_config m = {.name = "m",
                              .kind = MEDIUM_DIR,
                              .path = (char[]){"folder"},
                              .bytes = UINT64_C(1) << 62,
                              .thin = true};
    assert_int_equal(look(&m, 1, here, &w), 0);
    assert_int_equal(w.doubt_count, 2);
    assert_ptr_equal(strstr(w.doubts[0], "medium m promises 4EiB, and the file system of folder "
                                         "has room for "),
                     w.doubts[0]);
    world_clear(&w);
    m.thin = false;
    assert_int_equal(look(&m, 1, here, &w), 3);
    assert_int_equal(w.missing_count, 1);
    assert_non_null(strstr(w.missing[0], ", and medium m is to have 4EiB: make its size less"));
    world_clear(&w);
}

static void stations_of_a_unit(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        const char *doubts[3];
    } cases[] = {
        {"udp:192.0.2.1:1162", {NULL}},
        {"udp6:[2001:db8::1]:1162", {NULL}},
        {"udp:localhost:1162", {NULL}},
        {"udp:192.0.2.1",
         {"the cms address udp:192.0.2.1 has no port, so announcements go to port 161, where "
          "agents "
          "listen: add the port at which the station does, such as udp:192.0.2.1:1162"}},
        {"udp6:[2001:db8::1]", {"the cms address udp6:[2001:db8::1] has no port"}},
        {"udp:no-such-station.invalid:1162",
         {"the name no-such-station.invalid of the cms address udp:no-such-station.invalid:1162 "
          "has no IPv4 address now: "}},
        {"udp6:no-such-station.invalid",
         {"the cms address udp6:no-such-station.invalid has no port",
          "the name no-such-station.invalid of the cms address udp6:no-such-station.invalid has no "
          "IPv6 address now: "}},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct world w;
        size_t n = 0;
        DV_FREE char *address = dv_strdup(cases[i].address);
        struct unit_config c = {
            .member.state_dir = (char[]){"state"}, .member.cms = &address, .member.cms_count = 1};
        c.member.management_address = (char[]){"udp:unit1.example.net:161"};
        world_of_unit(&c, &w);
        for (; cases[i].doubts[n] && n < w.doubt_count; n++)
            assert_ptr_equal(strstr(w.doubts[n], cases[i].doubts[n]), w.doubts[n]);
        assert_int_equal(w.doubt_count, n);
        assert_null(cases[i].doubts[n]);
        world_clear(&w);
    }
}

static void a_pool_takes_its_program_and_file(void **state)
{
    (void)state;
    struct world w;
    struct medium_config m = {.name = "ceph",
                              .kind = MEDIUM_RBD,
                              .path = (char[]){"pool"},
                              .ceph_conf = (char[]){"no.conf"}};
    DV_FREE char *path = dv_strdup(getenv("PATH"));
    setenv("PATH", dir, 1);
    assert_int_equal(look(&m, 1, here, &w), 3);
    setenv("PATH", path, 1);
    TOLD(w.missing, w.missing_count,
         "the program rbd that medium ceph takes, of the package ceph-common, is not there",
         "the file no.conf of medium ceph cannot be read: No such file or directory");
    world_clear(&w);
}

static void portals_that_are_not_here(void **state)
{
    (void)state;
    static const struct {
        struct portal_config portal;
        const char *sentence; // NULL: it is here
    } cases[] = {
        {{.index = 1, .address = "127.0.0.9"}, NULL},
        {{.index = 1, .address = "192.0.2.7"},
         "no interface of this machine has the address 192.0.2.7 of portal 1"},
        {{.index = 2, .address = "2001:db8::7"},
         "no interface of this machine has the address 2001:db8::7 of portal 2"},
        {{.index = 3, .interface = "lo", .family = AF_INET}, NULL},
        {{.index = 4, .interface = "nosuch0", .family = AF_INET},
         "this machine has no network interface nosuch0, as portal 4 names it"},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct world w;
        assert_int_equal(look(NULL, 0, cases[i].portal, &w), cases[i].sentence ? 3 : 0);
        assert_int_equal(w.missing_count, cases[i].sentence ? 1 : 0);
        if (cases[i].sentence)
            assert_string_equal(w.missing[0], cases[i].sentence);
        world_clear(&w);
    }
}

static void names_of_the_kernels(void **state)
{
    (void)state;
    static const char *const its[] = {"/dev/sdb",   "/dev/vda1",  "/dev/nvme0n1",   "/dev/dm-3",
                                      "/dev/loop7", "/dev/md127", "/dev/block/8:16"};
    static const char *const ours[] = {"/dev/disk/by-id/wwn-0x5000c500a1b2c3d4",
                                       "/dev/vg0/sdb",
                                       "/dev/mapper/vg0-sdb",
                                       "/srv/sdb",
                                       "sdb",
                                       "/dev/md/data"};
    for (size_t i = 0; i < DV_COUNT(its); i++)
        assert_true(world_is_kernel_name(its[i]));
    for (size_t i = 0; i < DV_COUNT(ours); i++)
        assert_false(world_is_kernel_name(ours[i]));
    struct world w;
    struct medium_config m = {.name = "d", .kind = MEDIUM_DISK, .path = (char[]){"/dev/sdzzz"}};
    assert_int_equal(look(&m, 1, here, &w), 3);
    TOLD(w.missing, w.missing_count, "the disk /dev/sdzzz of medium d is not there");
    TOLD(w.doubts, w.doubt_count,
         "/dev/sdzzz of medium d is a name that the kernel may give to another disk after a "
         "restart; name it as in /dev/disk/by-id",
         LOOPBACK);
    world_clear(&w);
}

static void stations(void **state)
{
    (void)state;
    static const struct {
        const char *state_dir, *http, *listen;
        size_t missing, doubts;
    } cases[] = {
        {"state", "127.0.0.1", "udp:127.0.0.1:1162", 0, 0},
        {"state", "0.0.0.0", "1162", 0, 0},
        {"state", "::", "udp6:[::]:1162", 0, 0},
        {"state", "127.0.0.1", "udp:station.example.net:1162", 0, 0},
        {"not-yet", "127.0.0.1", "udp:1162", 0, 1},
        {"image", "127.0.0.1", "udp:1162", 1, 0},
        {"state", "192.0.2.1", "udp:192.0.2.1:1162", 2, 0},
        {"state", "127.0.0.1", "192.0.2.1:1162", 1, 0},
        {"state", "127.0.0.1", "udp6:[2001:db8::1]:1162", 1, 0},
    };
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        struct world w;
        DV_FREE char *state_dir = dv_strdup(cases[i].state_dir);
        DV_FREE char *listen = dv_strdup(cases[i].listen);
        struct cms_config c = {.state_dir = state_dir, .snmp.listen = listen};
        dv_copy(c.http.address, sizeof(c.http.address), cases[i].http);
        world_of_cms(&c, &w);
        if (w.missing_count != cases[i].missing || w.doubt_count != cases[i].doubts)
            fail_msg("case %zu: %zu missing, %zu doubts", i, w.missing_count, w.doubt_count);
        assert_int_equal(world_print(&w, "cms.xml"), cases[i].missing ? 3 : 0);
        world_clear(&w);
    }
}

// It may be right, behind something that changes addresses.
static void a_management_address_elsewhere(void **state)
{
    (void)state;
    struct world w;
    struct unit_config c = {.member.state_dir = (char[]){"state"},
                            .member.management_address = (char[]){"udp6:[2001:db8::7]:161"}};
    world_of_unit(&c, &w);
    assert_int_equal(w.missing_count, 0);
    assert_int_equal(w.doubt_count, 1);
    assert_non_null(strstr(w.doubts[0], "management-address 2001:db8::7"));
    world_clear(&w);
    c.member.management_address = (char[]){"udp:%portal1:161"};
    world_of_unit(&c, &w);
    assert_int_equal(w.missing_count + w.doubt_count, 0);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_is_good),
        cmocka_unit_test(media_that_are_not_there),
        cmocka_unit_test(folders_that_are_not_for_a_medium),
        cmocka_unit_test(more_than_there_is_room_for),
        cmocka_unit_test(stations_of_a_unit),
        cmocka_unit_test(a_pool_takes_its_program_and_file),
        cmocka_unit_test(portals_that_are_not_here),
        cmocka_unit_test(names_of_the_kernels),
        cmocka_unit_test(stations),
        cmocka_unit_test(a_management_address_elsewhere),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

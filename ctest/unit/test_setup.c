// Tests of config/setup: folders that root makes where somebody else may write.
// SPDX-License-Identifier: BSD-2-Clause
#include "config/setup.h"

#include "base/mem.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define OWNER 61234 // nobody's

static char root[] = "/tmp/dvsan-test-setup-XXXXXX";
static const struct setup setup = {.root = root};

static char *in_root(const char *name)
{
    return dv_printf("%s/%s", root, name);
}

static void write_text(const char *name, const char *text)
{
    DV_FREE char *path = in_root(name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, 0640), 0);
}

static int make_root(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(root));
    for (const char *const *name = (const char *const[]){"etc", "srv", "others", NULL}; *name;
         name++) {
        DV_FREE char *path = in_root(*name);
        assert_int_equal(mkdirat(AT_FDCWD, path, 0710), 0);
    }
    write_text("etc/passwd", "dvsan:x:61234:61234::/:/bin/false\n");
    write_text("etc/group", "dvsan:x:61234:\n");
    write_text("secret", "of root");
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    DV_FREE char *command = dv_printf("rm -rf '%s'", root);
    return system(command);
}

// ---- Who has the folder above -------------------------------------------------------------------

// What that one puts into the place of a folder as soon as there is one.
static int (*put)(const char *from, const char *to);
static const char *put_from;

int mkdir(const char *path, mode_t mode)
{
    int rc = mkdirat(AT_FDCWD, path, mode);
    if (rc == 0 && put) {
        DV_FREE char *from = in_root(put_from);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(put(from, path), 0);
    }
    return rc;
}

static void assert_is(const char *name, mode_t mode, uid_t owner)
{
    DV_FREE char *path = in_root(name);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
    assert_int_equal(st.st_uid, owner);
    assert_int_equal(st.st_gid, owner == OWNER ? OWNER : getegid());
}

static void a_folder_is_its_owners(void **state)
{
    (void)state;
    struct dv_err err;
    mode_t before = umask(077);
    assert_int_equal(setup_folder(&setup, "/srv/new", 0755, "dvsan", &err), 1);
    assert_int_equal(setup_folder(&setup, "/srv/new", 0700, "dvsan", &err), 0);
    umask(before);
    assert_is("srv/new", 0755, geteuid() == 0 ? OWNER : geteuid());
}

static void what_is_put_in_its_place_stays_as_it_is(void **state)
{
    (void)state;
    static const struct {
        int (*put)(const char *from, const char *to);
        const char *from;
        mode_t mode;
    } table[] = {
        {symlink, "others", 0710},
        {symlink, "secret", 0640},
        {link, "secret", 0640},
    };
    for (size_t i = 0; i < DV_COUNT(table); i++) {
        struct dv_err err;
        DV_FREE char *at = in_root("srv/swapped");
        put = table[i].put;
        put_from = table[i].from;
        int rc = setup_folder(&setup, "/srv/swapped", 0777, "dvsan", &err);
        put = NULL;
        assert_is(table[i].from, table[i].mode, geteuid());
        assert_int_equal(rc, -1);
        assert_non_null(strstr(err.text, "/srv/swapped"));
        assert_int_equal(unlink(at), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_its_owners),
        cmocka_unit_test(what_is_put_in_its_place_stays_as_it_is),
    };
    return cmocka_run_group_tests_name("setup", tests, make_root, remove_root);
}

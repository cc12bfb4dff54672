// Tests of files in a folder that only look like a volume's.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "media/media.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((off_t)1 << 20)

static void touch(const char *folder, const char *name, off_t bytes)
{
    DV_FREE char *path = dv_printf("%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, bytes), 0);
    close(fd);
}

// Two names of one file would be two volumes with the same blocks, and a name in capital letters
// is none that the file of its UUID is looked for by.
static void test_odd_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/dvsan-test-odd-XXXXXX";
    assert_non_null(mkdtemp(folder));
    const struct media_spec spec = {
        .kind = MEDIUM_DIR, .path = folder, .blocks = 64 * ALLOC_BLOCKS};
    struct media_layout l;
    struct dv_err err;
    struct media *m = media_open(&spec, &err);
    assert_non_null(m);
    touch(folder, "88FF4D7D-A272-4029-BBF7-C9ADAF3CC0F1.img", MIB);
    touch(folder, "88FF4D7D-A272-4029-BBF7-C9ADAF3CC0F2.new", MIB);
    assert_int_equal(media_read_layout(m, &l, &err), 0);
    assert_int_equal(l.unfinished_count, 0); // or deleting would be of another file
    assert_int_equal(l.found_count, 1);
    assert_string_equal(l.found[0].name, "88FF4D7D-A272-4029-BBF7-C9ADAF3CC0F1");
    assert_true(uuid_is_zero(&l.found[0].uuid));
    assert_non_null(strstr(l.found[0].odd, "small letters"));
    media_layout_clear(&l);

    DV_FREE char *upper = dv_printf("%s/88FF4D7D-A272-4029-BBF7-C9ADAF3CC0F1.img", folder);
    DV_FREE char *one = dv_printf("%s/00000000-1111-4222-8333-444444444444.img", folder);
    DV_FREE char *two = dv_printf("%s/00000000-1111-4222-8333-555555555555.img", folder);
    assert_int_equal(rename(upper, one), 0);
    assert_int_equal(link(one, two), 0);
    assert_int_equal(media_read_layout(m, &l, &err), 0);
    assert_int_equal(l.found_count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_non_null(strstr(l.found[i].odd, "another name"));
    media_layout_clear(&l);
    assert_int_equal(unlink(one), 0);
    assert_int_equal(media_read_layout(m, &l, &err), 0);
    assert_int_equal(l.found_count, 1);
    assert_null(l.found[0].odd);
    media_layout_clear(&l);
    media_close(m);
    DV_FREE char *remove = dv_printf("rm -r %s", folder);
    assert_int_equal(system(remove), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_odd_files)};
    return cmocka_run_group_tests_name("media odd", tests, NULL, NULL);
}

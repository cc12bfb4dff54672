// Fuzzes the rules for what is typed or shown: names, addresses, sizes, times, and text.
// SPDX-License-Identifier: BSD-2-Clause
//
// The input is one text. What a rule takes must have the properties that others rely on.
#include "base/address.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/uuid.h"
#include "cms/pool/names.h"
#include "cms/pool/pool.h"
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool holds, const char *what, const char *text)
{
    if (holds)
        return;
    fprintf(stderr, "it does not hold for \"%s\": %s\n", text, what);
    __builtin_trap();
}

// Whether it can be written anywhere: in a shell's line, XML, SQL, HTML, on a terminal.
static bool is_plain(const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-_.:[]";
    return text[0] && text[strspn(text, plain)] == '\0';
}

static void names(const char *text)
{
    struct dv_uuid uuid;
    char canonical[IQN_MAX_LEN + 1];
    if (iqn_check(text, NULL) == 0) {
        need(is_plain(text), "an iSCSI name is plain", text);
        iqn_canonical(text, canonical);
        need(iqn_check(canonical, NULL) == 0 && iqn_is_canonical(canonical), "its form", text);
        need(iqn_equal(text, canonical) && iqn_compare(text, canonical) == 0, "is equal", text);
    }
    if (new_name_check("volume", text, NULL) == 0)
        need(is_plain(text) && !uuid_parse(text, &uuid), "a name is plain and no UUID", text);
    if (chap_user_check(text, NULL) == 0)
        need(!strpbrk(text, " \t\"'\\`$,;\n\x1b"), "a CHAP user needs no care", text);
    if (uuid_parse(text, &uuid)) {
        char back[UUID_TEXT_LEN];
        struct dv_uuid again;
        need(uuid_parse(uuid_format(&uuid, back), &again) && uuid_equal(&uuid, &again), "a UUID",
             text);
    }
}

// What a unit calls its things becomes a name that nothing else has.
static void made_names(const char *text)
{
    static struct pool *pool;
    struct names given = {0};
    struct dv_uuid none = {{0}};
    char first[NAME_MAX_LEN + 1], second[NAME_MAX_LEN + 1];
    if (!pool)
        pool = pool_new();
    names_for_volume(pool, &given, text, first);
    names_for_volume(pool, &given, text, second);
    need(new_name_check("volume", first, NULL) == 0, "a volume's name is made valid", text);
    need(new_name_check("volume", second, NULL) == 0, "so is the second's", text);
    need(strcmp(first, second) != 0, "they differ", text);
    names_for_host(pool, &given, text, first);
    need(new_name_check("host", first, NULL) == 0, "a host's name is made valid", text);
    names_for_unit(pool, text, &none, first);
    need(new_name_check("unit", first, NULL) == 0, "a unit's name is made valid", text);
    need(names_stem_is(first, text), "it is known again", text);
    names_free(&given);
}

static void addresses(const char *text)
{
    char usual[INET6_ADDRSTRLEN], again[INET6_ADDRSTRLEN];
    struct dv_err err;
    for (int use = ADDRESS_OF_HOST; use <= ADDRESS_TO_LISTEN; use++) {
        if (address_check(text, (enum address_use)use, usual, &err) == 0)
            need(address_check(usual, (enum address_use)use, again, NULL) == 0 &&
                     strcmp(usual, again) == 0,
                 "an address has one usual form", text);
        if (transport_check(text, (enum address_use)use, &err) == 0)
            need(is_plain(text) && strlen(text) <= TRANSPORT_MAX_LEN, "an address is plain", text);
    }
    if (transport_check(text, ADDRESS_OF_HOST, NULL) == 0)
        need(transport_check(text, ADDRESS_TO_LISTEN, NULL) == 0, "one can listen there", text);
}

static void numbers(const char *text)
{
    uint64_t bytes = 0, number = 0;
    uint32_t ms = 0;
    char out[16];
    if (size_parse(text, &bytes, NULL) == 0) {
        need(bytes > 0 && bytes <= INT64_MAX, "a size has a range", text);
        need(strlen(size_format(bytes, out, sizeof(out))) < sizeof(out), "it can be written", text);
    }
    if (number_parse("n", text, 3, 70000, &number, NULL) == 0)
        need(number >= 3 && number <= 70000, "a number is in its range", text);
    (void)duration_parse(text, &ms, NULL);
}

static void printable(const char *text)
{
    DV_FREE char *once = dv_strdup(text), *twice = NULL;
    text_make_printable(once);
    twice = dv_strdup(once);
    text_make_printable(twice);
    need(strcmp(once, twice) == 0, "what is printable stays", text);
    need(strlen(once) == strlen(text), "no byte comes or goes", text);
    for (const unsigned char *p = (const unsigned char *)once; *p; p++)
        need(*p >= 0x20 && *p != 0x7f, "no control character", text);
    need(!strstr(once, "\xe2\x80\xae") && !strstr(once, "\xe2\x81\xa6"), "no turn", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DV_FREE char *text = dv_calloc(size + 1, 1);
    memcpy(text, data, size);
    text = dv_realloc(text, strlen(text) + 1, 1); // so that reading behind its end is seen
    names(text);
    made_names(text);
    addresses(text);
    numbers(text);
    printable(text);
    return 0;
}

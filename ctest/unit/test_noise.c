// The handshake against published numbers.
// SPDX-License-Identifier: BSD-2-Clause
//
// The test vector of Noise_NNpsk2_25519_ChaChaPoly_BLAKE2b in the collection "cacophony", which
// implementations of the Noise framework are checked with.
#include "enrol/noise.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/random.h"

#define MAX 128

static const char *const EPHEMERALS[] = {
    "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
    "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
};
static const char PSK[] = "54686973206973206d7920417573747269616e20706572737065637469766521";
static const char PROLOGUE[] = "John Galt";
static const char HASH[] = "5381ebae5894761a48b4a5ef092fdf9d00d249ae2155e30217948a59be9c27db"
                           "af66873c0cc09ef234c83b313c9648a2f21eb0faf2c2bc36be0d2b59f07cd4d7";
static const struct {
    const char *data, *message;
} TALK[] = {
    {"4c756477696720766f6e204d69736573", "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3af"
                                         "a4c7944abfa344c2d805651fdb6598f06493d"
                                         "f176d69a3db2ad157d22ba10eeda132dc4"},
    {"4d757272617920526f746862617264", "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448"
                                       "088433170318af23100d39526e44a7e9075"
                                       "ec4a86024ada2d1c51c9ad4ef7b8af7c"},
    {"462e20412e20486179656b", "f7ee2affd946ade372cd4120a7824ccc773c8482659fc1604e237b"},
    {"4361726c204d656e676572", "7e1d42dc8da74909bf92207680f0414b383257cec94922b50dc6be"},
    {"4a65616e2d426170746973746520536179",
     "13433e795a6c46ac1a7dc13945288ba789d221f666e3940c994da56aa72c74b209"},
    {"457567656e2042f6686d20766f6e2042617765726b",
     "5aa0325dd9907beca5e4e7e5d7adaffa1ba69b9f8b645e2ed048ae34991f3b3795d974b6a4"},
};

static size_t bytes(const char *hex, uint8_t out[MAX])
{
    size_t len = 0;
    assert_int_equal(sodium_hex2bin(out, MAX, hex, strlen(hex), NULL, &len, NULL), 0);
    return len;
}

// In place of the library's: first the one's ephemeral key, then the other's.
void random_fill(void *out, size_t len)
{
    static size_t drawn;
    uint8_t key[MAX];
    assert_true(drawn < DV_COUNT(EPHEMERALS));
    assert_int_equal(bytes(EPHEMERALS[drawn++], key), len);
    memcpy(out, key, len);
}

static void test_published_numbers(void **arg)
{
    (void)arg;
    struct noise ends[2];
    uint8_t psk[MAX], hash[MAX];
    bytes(PSK, psk);
    noise_begin(&ends[0], PROLOGUE);
    noise_begin(&ends[1], PROLOGUE);
    for (size_t i = 0; i < DV_COUNT(TALK); i++) {
        struct noise *from = &ends[i % 2], *to = &ends[1 - i % 2];
        uint8_t data[MAX], wanted[MAX], message[MAX], back[MAX];
        size_t len = bytes(TALK[i].data, data), all = bytes(TALK[i].message, wanted);
        switch (i) {
        case 0:
            noise_ask(from, data, len, message);
            assert_true(noise_read_ask(to, message, all, back));
            break;
        case 1:
            noise_answer(from, psk, data, len, message);
            assert_true(noise_read_answer(to, psk, message, all, back));
            assert_int_equal(bytes(HASH, hash), sizeof(from->hash));
            assert_memory_equal(from->hash, hash, sizeof(from->hash));
            assert_memory_equal(to->hash, hash, sizeof(to->hash));
            break;
        default:
            noise_seal(from, data, len, message);
            assert_true(noise_open(to, message, all, back));
        }
        assert_memory_equal(message, wanted, all);
        assert_memory_equal(back, data, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_published_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

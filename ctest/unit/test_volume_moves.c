// Tests of whether a volume that another unit shows, too, is there now.
// SPDX-License-Identifier: BSD-2-Clause
#include "base/mem.h"
#include "logic/moves.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct move_case {
    const char *name;
    bool was_seen, shown, failed, answers, failed_there;
    char proof, now, before; // filled with that; 0: none
    enum move_verdict verdict;
};

static const struct move_case cases[] = {
    // Its unit shows it no longer.
    {"gone, and none ever was known", true, false, false, true, false, 0, 0, 0, MOVE_BY_WORD},
    {"gone, none was known, and one is shown", true, false, false, true, false, 0, 'x', 'y',
     MOVE_BY_WORD},
    {"gone, and failed at the other", true, false, false, true, true, 0, 0, 0, MOVE_BY_WORD},
    {"gone, and its unit is down since", true, false, false, false, false, 0, 0, 0, MOVE_BY_WORD},
    {"gone, and a liar", true, false, false, true, false, 'p', 'x', 'y', MOVE_ASKED},
    {"gone, and one that shows no proof", true, false, false, true, false, 'p', 0, 0, MOVE_ASKED},
    {"gone, its unit is down since, and a liar", true, false, false, false, false, 'p', 'x', 0,
     MOVE_ASKED},
    {"gone, and a medium from before the last move", true, false, false, true, false, 'q', 'x', 'p',
     MOVE_ASKED},
    {"gone, and as it was", true, false, false, true, false, 'p', 'p', 0, MOVE_BY_PROOF},
    {"gone, and taken by another", true, false, false, true, false, 'p', 'x', 'p', MOVE_BY_PROOF},
    {"gone, failed at the other, and not proven", true, false, false, true, true, 'p', 0, 0,
     MOVE_ASKED},
    {"still to be made", false, false, false, true, false, 0, 0, 0, MOVE_UNPROVEN},
    {"still to be made, by one that is down", false, false, false, false, false, 0, 'x', 0,
     MOVE_UNPROVEN},
    // Its unit serves it.
    {"a liar", true, true, false, true, false, 'p', 'x', 0, MOVE_STAYS},
    {"a copy of the medium", true, true, false, true, false, 'p', 'x', 'p', MOVE_STAYS},
    {"its medium has failed at both", true, true, true, true, true, 'p', 'x', 'p', MOVE_STAYS},
    {"down, and failed at the other", true, true, false, false, true, 'p', 'x', 'p', MOVE_STAYS},
    // Its unit has failed it, or is away.
    {"failed, and a liar", true, true, true, true, false, 'p', 'x', 'y', MOVE_UNPROVEN},
    {"failed, and one that shows no proof", true, true, true, true, false, 'p', 0, 0,
     MOVE_UNPROVEN},
    {"failed, and none ever was known", true, true, true, true, false, 0, 0, 0, MOVE_UNPROVEN},
    {"failed, none was known, and one is shown", true, true, true, true, false, 0, 'x', 0,
     MOVE_UNPROVEN},
    {"failed, and taken by another", true, true, true, true, false, 'p', 'x', 'p', MOVE_BY_PROOF},
    {"failed, and as it was", true, true, true, true, false, 'p', 'p', 0, MOVE_BY_PROOF},
    {"down, and a liar", true, true, false, false, false, 'p', 'x', 'y', MOVE_UNPROVEN},
    {"down, and taken by another", true, true, false, false, false, 'p', 'x', 'p', MOVE_BY_PROOF},
    {"a medium from before the last move", true, true, true, true, false, 'q', 'x', 'p',
     MOVE_UNPROVEN},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < DV_COUNT(cases); i++) {
        const struct move_case *c = &cases[i];
        uint8_t proof[PROOF_BYTES];
        struct medium_proof there;
        memset(proof, c->proof, sizeof(proof));
        memset(there.now, c->now, sizeof(there.now));
        memset(there.before, c->before, sizeof(there.before));
        const struct move_facts facts = {.was_seen = c->was_seen,
                                         .shown = c->shown,
                                         .failed = c->failed,
                                         .answers = c->answers,
                                         .failed_there = c->failed_there,
                                         .proof = proof,
                                         .proof_there = &there};
        if (moves_judge(&facts) != c->verdict)
            fail_msg("%s: %d", c->name, (int)moves_judge(&facts));
    }
}

// One bit of it is enough.
static void test_a_proof_is_whole(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < PROOF_BYTES * 8; bit++) {
        uint8_t proof[PROOF_BYTES];
        struct medium_proof there = {0};
        memset(proof, 'p', sizeof(proof));
        memset(there.now, 'p', sizeof(there.now));
        there.now[bit / 8] ^= (uint8_t)(1u << bit % 8);
        const struct move_facts facts = {
            .was_seen = true, .shown = true, .proof = proof, .proof_there = &there};
        assert_int_equal(moves_judge(&facts), MOVE_UNPROVEN);
    }
}

// It goes not back by itself where a person said that it is no more, until its medium is there.
static void test_what_a_person_said(void **state)
{
    (void)state;
    uint8_t proof[PROOF_BYTES] = "its medium";
    struct medium_proof there = {.now = "another", .before = "its medium"};
    struct move_facts facts = {
        .was_seen = true, .answers = true, .left = true, .proof = proof, .proof_there = &there};
    assert_int_equal(moves_judge(&facts), MOVE_BY_PROOF);
    there.before[0] = 'x';
    assert_int_equal(moves_judge(&facts), MOVE_UNPROVEN); // not read yet where it is now
    facts.shown = true;
    assert_int_equal(moves_judge(&facts), MOVE_STAYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_a_proof_is_whole),
        cmocka_unit_test(test_what_a_person_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

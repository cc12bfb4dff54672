// Tests of what SET requests may ask of volumes and access rules, by calling the tables directly.
// SPDX-License-Identifier: BSD-2-Clause
#include "ctest/support/set_rows.h"

#include "dvsan_oids.h"
#include "loop/loop.h"

// ---- Volumes ----------------------------------------------------------------------------------

static void a_volume_is_created(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, create(7, 0, "data", 10)), SN_NO_ERROR);
    const struct unit_volume *v = state_volume(f->state, 7);
    assert_non_null(v);
    assert_int_equal(v->v.state, VOLUME_CREATING);
    assert_int_equal(v->v.blocks, 10 * BLOCKS_PER_MIB);
    assert_int_equal(v->v.start_lba, 0);
    assert_string_equal(v->v.iqn, PREFIX ":01000000-0000-0000-0000-000000000000");
    assert_true(v->v.thin);
    assert_int_equal(state_medium(f->state, 1)->m.free_blocks, 90 * BLOCKS_PER_MIB);
    assert_int_equal(f->work, 1);
    restart(f);
    assert_int_equal(state_volume(f->state, 7)->v.state, VOLUME_CREATING);
}

// Between a row's check and its turn to be applied the worker may end volumes, or take some in.
static void put(struct fixture *f, int uuid, const char *name)
{
    struct volume v = {.index = 7, .medium = 1, .lun = 1, .start_lba = 50 * ALLOC_BLOCKS};
    v.blocks = ALLOC_BLOCKS;
    v.state = VOLUME_OFFLINE;
    memcpy(v.uuid.b, UUIDS[uuid], sizeof(v.uuid.b));
    dv_copy(v.name, sizeof(v.name), name);
    snprintf(v.iqn, sizeof(v.iqn), PREFIX ":%s", name);
    assert_int_equal(journal_put_volume(f->journal, &v, true, NULL), 0);
    state_add_volume(f->state, &v)->made = true;
}

static void end_seventh(struct fixture *f)
{
    if (!state_volume(f->state, 7))
        return;
    assert_int_equal(journal_drop_volume(f->journal, 7, NULL), 0);
    state_remove_volume(f->state, 7);
}

static int ask_while(struct fixture *f, struct row r, bool another_gets_its_number)
{
    struct sn_change *c = &r.change;
    c->row = r.table->find(&f->tables, c->index, c->index_len);
    assert_int_equal(r.table->check(&f->tables, c), SN_NO_ERROR);
    assert_true(sets_under_way(f->tables.sets));
    end_seventh(f);
    if (another_gets_its_number)
        put(f, 5, "another");
    int status = r.table->apply(&f->tables, c);
    if (status == SN_NO_ERROR)
        r.table->commit(&f->tables, c);
    r.table->release(&f->tables, c);
    assert_false(sets_under_way(f->tables.sets));
    return status;
}

static void a_row_is_written_for_its_own_volume_alone(void **state)
{
    struct fixture *f = *state;
    for (int turn = 1; turn < 6; turn++) {
        const bool another = turn % 2;
        struct row r = turn < 4 ? volume_row(7) : create(7, 0, "made", 10);
        if (turn < 4)
            put(f, 6, "seventh");
        if (turn == 1)
            set(&r, SUB_dvsanVolumeName, sn_text("renamed"));
        if (turn == 4) // there is nothing to end where one is to be made
            continue;
        bool good = ask_while(f, turn == 2 || turn == 3 ? destroy(r) : r, another) == SN_NO_ERROR;
        assert_int_equal(good, turn == 2 || turn == 3);
        for (int again = 0; again < 2; again++) {
            const struct unit_volume *v = state_volume(f->state, 7);
            assert_int_equal(v != NULL, another);
            if (v)
                assert_string_equal(v->v.name, "another");
            if (v)
                assert_int_not_equal(v->v.state, VOLUME_DELETING);
            restart(f);
        }
        end_seventh(f);
    }
}

static void a_repeated_create_succeeds_without_change(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, create(7, 0, "data", 10)), SN_NO_ERROR);
    uint32_t before = state_generation(f->state);
    assert_int_equal(ask(f, create(7, 0, "data", 10)), SN_NO_ERROR);
    assert_int_equal(state_generation(f->state), before);
    assert_int_equal(f->work, 1);
    assert_refused(f, create(7, 1, "data", 10), SN_INCONSISTENT_VALUE, SUB_dvsanVolumeUuid);
    assert_refused(f, create(8, 0, "more", 10), SN_INCONSISTENT_VALUE, SUB_dvsanVolumeUuid);
    assert_refused(f, create(8, 1, "data", 10), SN_INCONSISTENT_VALUE, SUB_dvsanVolumeName);
}

static void an_incomplete_create_is_refused(void **state)
{
    struct fixture *f = *state;
    static const uint32_t needed[] = {SUB_dvsanVolumeUuid, SUB_dvsanVolumeName,
                                      SUB_dvsanVolumeMedium, SUB_dvsanVolumeSize};
    for (size_t i = 0; i < DV_COUNT(needed); i++) {
        struct row whole = create(1, 0, "data", 1), part = volume_row(1);
        for (size_t k = 0; k < whole.change.count; k++)
            if (whole.change.sets[k].column != needed[i])
                set(&part, whole.change.sets[k].column, whole.change.sets[k].value);
        assert_refused(f, part, SN_INCONSISTENT_VALUE, SUB_dvsanVolumeRowStatus);
    }
    struct row no_status = volume_row(1);
    set(&no_status, SUB_dvsanVolumeName, sn_text("data"));
    assert_refused(f, no_status, SN_INCONSISTENT_NAME, 0);
    assert_null(state_volume(f->state, 1));
}

static void bad_values_are_refused(void **state)
{
    struct fixture *f = *state;
    static const uint8_t zero[16];
    static const char *const names[] = {"-x", "a/b", "a b", "quote\"", "..\n"};
    static const int32_t statuses[] = {ROW_ACTIVE, ROW_NOT_IN_SERVICE, ROW_NOT_READY,
                                       ROW_CREATE_AND_WAIT};
    for (size_t i = 0; i < DV_COUNT(names); i++)
        assert_refused(f, create(1, 0, names[i], 1), SN_WRONG_VALUE, SUB_dvsanVolumeName);
    for (size_t i = 0; i < DV_COUNT(statuses); i++) {
        struct row r = create(1, 0, "data", 1);
        r.change.sets[4].value = sn_int(statuses[i]);
        assert_refused(f, r, SN_WRONG_VALUE, SUB_dvsanVolumeRowStatus);
    }
    struct row r = create(1, 0, "data", 1);
    r.change.sets[0].value = sn_octets(zero, sizeof(zero));
    assert_refused(f, r, SN_WRONG_VALUE, SUB_dvsanVolumeUuid);
    r = create(1, 0, "data", 1);
    r.change.sets[2].value = sn_uint(9);
    assert_refused(f, r, SN_WRONG_VALUE, SUB_dvsanVolumeMedium);
    assert_refused(f, create(0, 0, "data", 1), SN_NO_CREATION, 0);
    assert_refused(f, create(2147483648u, 0, "data", 1), SN_NO_CREATION, 0);
    assert_int_equal(state_volume_count(f->state), 0);
}

static void room_is_found_or_refused(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, create(1, 0, "data", 101), SN_RESOURCE_UNAVAILABLE, SUB_dvsanVolumeSize);
    assert_refused(f, create(1, 0, "data", UINT32_MAX), SN_RESOURCE_UNAVAILABLE,
                   SUB_dvsanVolumeSize);
    assert_int_equal(ask(f, create(1, 0, "a", 60)), SN_NO_ERROR);
    assert_refused(f, create(2, 1, "b", 41), SN_RESOURCE_UNAVAILABLE, SUB_dvsanVolumeSize);
    assert_int_equal(ask(f, create(2, 1, "b", 40)), SN_NO_ERROR);
    assert_int_equal(state_volume(f->state, 2)->v.start_lba, 60 * BLOCKS_PER_MIB);
}

static void rows_of_one_request_see_one_another(void **state)
{
    struct fixture *f = *state;
    struct row same_name[] = {create(1, 0, "data", 1), create(2, 1, "data", 1)};
    struct row same_uuid[] = {create(1, 0, "a", 1), create(2, 0, "b", 1)};
    struct row too_much[] = {create(1, 0, "a", 60), create(2, 1, "b", 60)};
    struct row good[] = {create(1, 0, "a", 60), create(2, 1, "b", 40),
                         grant(2, 1, "iqn.2026-11.host:a", "alice", "secret-of-alice")};
    assert_int_equal(request(f, same_name, 2, NO_FAULT), SN_INCONSISTENT_VALUE);
    assert_int_equal(request(f, same_uuid, 2, NO_FAULT), SN_INCONSISTENT_VALUE);
    assert_int_equal(request(f, too_much, 2, NO_FAULT), SN_RESOURCE_UNAVAILABLE);
    assert_int_equal(state_volume_count(f->state), 0);
    assert_int_equal(request(f, good, 3, NO_FAULT), SN_NO_ERROR);
    assert_int_equal(state_volume(f->state, 2)->v.start_lba, 60 * BLOCKS_PER_MIB);
    assert_non_null(state_rule(f->state, 2, 1));
    struct row both[] = {destroy(volume_row(1)),
                         grant(1, 1, "iqn.2026-11.host:a", "alice", "secret-of-alice")};
    assert_int_equal(request(f, both, 2, NO_FAULT), SN_INCONSISTENT_NAME);
}

// A request whose master went away after the test, beside one that goes its way.
static void a_request_that_is_given_up_is_in_nobodys_way(void **state)
{
    struct fixture *f = *state;
    struct row left[] = {create(1, 0, "a", 1), create(2, 1, "b", 1)};
    void *ctx = &f->tables;
    for (size_t i = 0; i < 2; i++) {
        left[i].change.request = 77;
        assert_int_equal(table_volume.check(ctx, &left[i].change), SN_NO_ERROR);
    }
    assert_int_equal(table_volume.apply(ctx, &left[0].change), SN_NO_ERROR);
    struct row good[] = {create(3, 2, "c", 1), create(1, 0, "a", 1)};
    assert_int_equal(request(f, good, 2, NO_FAULT), SN_NO_ERROR);
    for (size_t i = 0; i < 2; i++)
        table_volume.release(ctx, &left[i].change);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(state_volume_count(f->state), 2);
        assert_non_null(state_volume(f->state, 1));
        assert_non_null(state_volume(f->state, 3));
        restart(f);
    }
}

static void a_volume_is_changed_and_deleted(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, create(1, 0, "a", 1)), SN_NO_ERROR);
    assert_int_equal(ask(f, create(2, 1, "b", 1)), SN_NO_ERROR);
    struct row r = volume_row(1);
    set(&r, SUB_dvsanVolumeName, sn_text("c"));
    set(&r, SUB_dvsanVolumeAdminState, sn_int(dvsanVolumeAdminState_offline));
    assert_int_equal(ask(f, r), SN_NO_ERROR);
    r = volume_row(1);
    set(&r, SUB_dvsanVolumeName, sn_text("b"));
    assert_refused(f, r, SN_INCONSISTENT_VALUE, SUB_dvsanVolumeName);
    restart(f);
    assert_string_equal(state_volume(f->state, 1)->v.name, "c");
    assert_false(state_volume(f->state, 1)->v.admin_online);

    assert_int_equal(ask(f, destroy(volume_row(9))), SN_NO_ERROR); // there is none
    r = destroy(volume_row(1));
    set(&r, SUB_dvsanVolumeUuid, sn_octets(UUIDS[7], 16)); // another one is meant
    assert_refused(f, r, SN_INCONSISTENT_VALUE, SUB_dvsanVolumeUuid);
    set(&r, SUB_dvsanVolumeForce, sn_int(1));
    assert_refused(f, r, SN_INCONSISTENT_VALUE, SUB_dvsanVolumeUuid);
    struct row pair[] = {volume_row(1), destroy(rule_row(1, 1))};
    set(&pair[0], SUB_dvsanVolumeUuid, sn_octets(UUIDS[7], 16));
    assert_int_equal(request(f, pair, 2, NO_FAULT), SN_INCONSISTENT_VALUE);
    assert_int_not_equal(state_volume(f->state, 1)->v.state, VOLUME_DELETING);
    r = destroy(volume_row(1));
    set(&r, SUB_dvsanVolumeUuid, sn_octets(state_volume(f->state, 1)->v.uuid.b, 16));
    assert_int_equal(ask(f, r), SN_NO_ERROR);
    assert_int_equal(state_volume(f->state, 1)->v.state, VOLUME_DELETING);
    assert_int_equal(ask(f, destroy(volume_row(1))), SN_NO_ERROR);
    assert_refused(f, create(1, 0, "c", 1), SN_INCONSISTENT_VALUE, 0);
    restart(f);
    assert_int_equal(state_volume(f->state, 1)->v.state, VOLUME_DELETING);
}

static void a_volume_whose_medium_is_away_is_forgotten(void **state)
{
    struct fixture *f = *state;
    static const char *const iqn = "iqn.2026-11.host:a";
    assert_int_equal(ask(f, create(1, 0, "a", 1)), SN_NO_ERROR);
    assert_int_equal(ask(f, create(2, 1, "b", 1)), SN_NO_ERROR);
    assert_int_equal(ask(f, grant(1, 1, iqn, "alice", "secret-of-alice")), SN_NO_ERROR);
    assert_refused(f, forget(1), SN_INCONSISTENT_VALUE, SUB_dvsanVolumeForce);
    state_set_medium(f->state, state_medium(f->state, 1), MEDIUM_FAILED, "it is away");
    assert_int_equal(ask(f, destroy(volume_row(2))), SN_NO_ERROR);
    assert_int_equal(state_volume(f->state, 2)->v.state, VOLUME_DELETING);
    assert_int_equal(ask(f, forget(1)), SN_NO_ERROR);
    assert_int_equal(ask(f, forget(2)), SN_NO_ERROR);
    assert_int_equal(ask(f, forget(2)), SN_NO_ERROR);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(state_volume_count(f->state), 0);
        assert_null(state_rule(f->state, 1, 1));
        restart(f);
    }
}

static struct row resize(uint32_t index, uint32_t mib, bool force)
{
    struct row r = volume_row(index);
    set(&r, SUB_dvsanVolumeSize, sn_uint(mib));
    if (force)
        set(&r, SUB_dvsanVolumeForce, sn_int(TRUTH_TRUE));
    return r;
}

static void is_served(struct fixture *f, uint32_t index)
{
    struct unit_volume *v = state_volume(f->state, index);
    assert_int_equal(journal_put_volume(f->journal, &v->v, true, NULL), 0);
    v->made = true;
    state_set_volume(f->state, v, VOLUME_ONLINE, 100, "");
}

static void a_volume_is_resized(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, create(1, 0, "a", 10)), SN_NO_ERROR);
    assert_refused(f, resize(1, 20, false), SN_INCONSISTENT_VALUE, SUB_dvsanVolumeSize); // not made
    is_served(f, 1);
    f->work = 0;
    assert_int_equal(ask(f, resize(1, 10, false)), SN_NO_ERROR);
    assert_int_equal(f->work, 0);
    assert_int_equal(ask(f, resize(1, 20, false)), SN_NO_ERROR);
    assert_int_equal(f->work, 1);
    assert_int_equal(ask(f, resize(1, 20, false)), SN_NO_ERROR); // the same again
    assert_refused(f, resize(1, 30, false), SN_INCONSISTENT_VALUE, SUB_dvsanVolumeSize);
    for (int i = 0; i < 2; i++) {
        const struct unit_volume *v = state_volume(f->state, 1);
        assert_int_equal(v->v.blocks, 10 * ALLOC_BLOCKS);
        assert_int_equal(v->v.target_blocks, 20 * ALLOC_BLOCKS);
        assert_int_equal(v->v.target_start_lba, 0);
        assert_int_equal(state_medium(f->state, 1)->m.free_blocks, 80 * ALLOC_BLOCKS);
        restart(f);
    }
}

static void a_volume_grows_where_there_is_room(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 1; i <= 3; i++) {
        char name[] = {(char)('a' + i), '\0'};
        assert_int_equal(ask(f, create(i, (int)i, name, i == 2 ? 30 : 20)), SN_NO_ERROR);
        is_served(f, i);
    }
    // 0..20..50..70, free up to 100. Growth of one request sees that of the rows before it.
    state_medium(f->state, 1)->m.kind = MEDIUM_DEVICE;
    assert_refused(f, resize(1, 21, false), SN_RESOURCE_UNAVAILABLE, SUB_dvsanVolumeSize);
    assert_string_equal(state_volume(f->state, 1)->v.last_error, "");
    state_medium(f->state, 1)->m.kind = MEDIUM_DIR;
    struct row both[] = {resize(1, 21, false), resize(3, 30, false)};
    assert_int_equal(request(f, both, 2, NO_FAULT), SN_RESOURCE_UNAVAILABLE);
    assert_int_equal(state_volume(f->state, 1)->v.target_blocks, 0);
    struct row fits[] = {resize(3, 29, false), resize(1, 22, false)};
    assert_int_equal(request(f, fits, 2, NO_FAULT), SN_RESOURCE_UNAVAILABLE);
    assert_int_equal(ask(f, resize(1, 30, false)), SN_NO_ERROR);
    assert_string_equal(state_volume(f->state, 1)->v.last_error, "");
    assert_int_equal(state_volume(f->state, 1)->v.target_start_lba, 70 * ALLOC_BLOCKS);
    assert_int_equal(state_medium(f->state, 1)->m.free_blocks, 0);
    state_medium(f->state, 1)->m.state = MEDIUM_FAILED;
    assert_refused(f, resize(2, 31, false), SN_RESOURCE_UNAVAILABLE, SUB_dvsanVolumeSize);
}

static void a_copy_of_what_is_in_use_is_forced(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 1; i <= 2; i++) {
        char name[] = {(char)('a' + i), '\0'};
        assert_int_equal(ask(f, create(i, (int)i, name, 10)), SN_NO_ERROR);
        is_served(f, i);
    }
    state_medium(f->state, 1)->m.kind = MEDIUM_DISK;
    assert_int_equal(ask(f, grant(1, 1, "iqn.2026-11.host:a", "a", "a-secret-of-16ch")),
                     SN_NO_ERROR);
    assert_refused(f, resize(1, 81, true), SN_RESOURCE_UNAVAILABLE, SUB_dvsanVolumeSize);
    assert_refused(f, resize(1, 20, false), SN_INCONSISTENT_VALUE, SUB_dvsanVolumeSize);
    assert_int_equal(state_volume(f->state, 1)->v.target_blocks, 0);
    struct row offline = resize(1, 20, false);
    set(&offline, SUB_dvsanVolumeAdminState, sn_int(2));
    assert_int_equal(request(f, &offline, 1, 1), SN_GEN_ERR); // another agent refused
    assert_int_equal(ask(f, resize(1, 20, true)), SN_NO_ERROR);
    assert_int_equal(state_volume(f->state, 1)->v.target_start_lba, 20 * ALLOC_BLOCKS);
    // Both places are taken meanwhile; nobody may use the other volume, which needs no force.
    assert_int_equal(ask(f, resize(2, 20, false)), SN_NO_ERROR);
    assert_int_equal(state_volume(f->state, 2)->v.target_start_lba, 40 * ALLOC_BLOCKS);
    restart(f);
    assert_int_equal(state_volume(f->state, 1)->v.target_blocks, 20 * ALLOC_BLOCKS);
}

static void shrinking_is_forced(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, create(1, 0, "a", 10)), SN_NO_ERROR);
    is_served(f, 1);
    assert_refused(f, resize(1, 5, false), SN_INCONSISTENT_VALUE, SUB_dvsanVolumeSize);
    assert_string_equal(state_volume(f->state, 1)->v.last_error, "");
    struct row r = resize(1, 5, true);
    assert_int_equal(request(f, &r, 1, 1), SN_GEN_ERR); // another agent refused
    restart(f);
    assert_int_equal(state_volume(f->state, 1)->v.target_blocks, 0);
    assert_int_equal(ask(f, resize(1, 5, true)), SN_NO_ERROR);
    restart(f);
    assert_int_equal(state_volume(f->state, 1)->v.target_blocks, 5 * ALLOC_BLOCKS);
    assert_int_equal(state_medium(f->state, 1)->m.free_blocks, 90 * ALLOC_BLOCKS);
}

static void free_extents_are_walked(void **state)
{
    struct fixture *f = *state;
    uint32_t index[2];
    size_t len;
    for (uint32_t i = 1; i <= 3; i++) {
        char name[] = {(char)('a' + i), '\0'};
        assert_int_equal(ask(f, create(i, (int)i, name, 10)), SN_NO_ERROR);
    }
    state_remove_volume(f->state, 1);
    state_count_free(f->state, 1);
    const struct extent *e = table_free.next(&f->tables, NULL, 0, index, &len);
    assert_int_equal(len, 2);
    assert_int_equal(index[1], 0);
    assert_int_equal(e->blocks, 10 * ALLOC_BLOCKS);
    assert_ptr_equal(table_free.find(&f->tables, index, 2), e);
    e = table_free.next(&f->tables, index, 2, index, &len);
    assert_int_equal(index[0], 1);
    assert_int_equal(index[1], 30);
    assert_int_equal(e->blocks, 70 * ALLOC_BLOCKS);
    assert_null(table_free.next(&f->tables, index, 2, index, &len));
    assert_null(table_free.find(&f->tables, (uint32_t[]){1, 29}, 2));
    assert_null(table_free.find(&f->tables, (uint32_t[]){2, 0}, 2));
}

// ---- Access rules -----------------------------------------------------------------------------

static void rules_are_checked(void **state)
{
    struct fixture *f = *state;
    static const char *const iqn = "iqn.2026-11.host:a";
    assert_refused(f, grant(1, 1, iqn, "alice", "secret-of-alice"), SN_INCONSISTENT_NAME, 0);
    assert_int_equal(ask(f, create(1, 0, "a", 1)), SN_NO_ERROR);
    assert_refused(f, grant(1, 1, "no-iqn", "alice", "secret-of-alice"), SN_WRONG_VALUE,
                   SUB_dvsanAccessInitiator);
    assert_refused(f, grant(1, 1, iqn, "al ice", "secret-of-alice"), SN_WRONG_VALUE,
                   SUB_dvsanAccessChapUser);
    assert_refused(f, grant(1, 1, iqn, "dvsan:guard:x", "secret-of-alice"), SN_WRONG_VALUE,
                   SUB_dvsanAccessChapUser);
    assert_refused(f, grant(1, 1, iqn, "alice", "short"), SN_WRONG_LENGTH,
                   SUB_dvsanAccessChapSecret);
    assert_refused(f, grant(1, 1, iqn, "alice", "with space in it"), SN_WRONG_VALUE,
                   SUB_dvsanAccessChapSecret);
    assert_int_equal(ask(f, grant(1, 1, iqn, "alice", "secret-of-alice")), SN_NO_ERROR);
    assert_refused(f, grant(1, 2, iqn, "alice", "secret-of-alice"), SN_INCONSISTENT_VALUE,
                   SUB_dvsanAccessInitiator);
    assert_refused(f, grant(1, 1, "iqn.2026-11.host:b", "alice", "secret-of-alice"),
                   SN_INCONSISTENT_VALUE, SUB_dvsanAccessInitiator);
    uint32_t before = state_generation(f->state);
    assert_int_equal(ask(f, grant(1, 1, iqn, "alice", "secret-of-alice")), SN_NO_ERROR);
    assert_int_equal(state_generation(f->state), before);
    assert_refused(f, destroy(volume_row(1)), SN_INCONSISTENT_VALUE, SUB_dvsanVolumeRowStatus);
    struct row other = destroy(rule_row(1, 1));
    set(&other, SUB_dvsanAccessInitiator, sn_text("iqn.2026-11.host:b"));
    assert_refused(f, other, SN_INCONSISTENT_VALUE, SUB_dvsanAccessInitiator);
    other = destroy(rule_row(1, 1));
    set(&other, SUB_dvsanAccessInitiator, sn_text(iqn));
    assert_int_equal(ask(f, other), SN_NO_ERROR);
    assert_int_equal(state_rule(f->state, 1, 1)->r.state, ACCESS_REVOKING);
    assert_int_equal(ask(f, destroy(rule_row(1, 1))), SN_NO_ERROR);
    assert_int_equal(ask(f, destroy(rule_row(1, 9))), SN_NO_ERROR);
    assert_refused(f, grant(1, 1, iqn, "alice", "secret-of-alice"), SN_INCONSISTENT_VALUE, 0);
    restart(f);
    assert_int_equal(state_rule(f->state, 1, 1)->r.state, ACCESS_REVOKING);
}

static void a_chap_user_has_one_secret(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, create(1, 0, "a", 1)), SN_NO_ERROR);
    assert_int_equal(ask(f, create(2, 1, "b", 1)), SN_NO_ERROR);
    struct row two[] = {grant(1, 1, "iqn.2026-11.host:a", "alice", "secret-of-alice"),
                        grant(2, 1, "iqn.2026-11.host:a", "alice", "another-secret")};
    assert_int_equal(request(f, two, 2, NO_FAULT), SN_INCONSISTENT_VALUE);
    two[1] = grant(2, 1, "iqn.2026-11.host:a", "alice", "secret-of-alice");
    assert_int_equal(request(f, two, 2, NO_FAULT), SN_NO_ERROR);

    // Changed through one rule and in the same request as the other one is revoked.
    struct row change = rule_row(2, 1);
    set(&change, SUB_dvsanAccessChapSecret, sn_text("another-secret"));
    struct row both[] = {destroy(rule_row(1, 1)), change};
    assert_int_equal(request(f, both, 2, NO_FAULT), SN_NO_ERROR);
    for (int again = 0; again < 2; again++) {
        assert_string_equal(state_rule(f->state, 1, 1)->secret, "another-secret");
        assert_string_equal(state_rule(f->state, 2, 1)->secret, "another-secret");
        assert_int_equal(state_rule(f->state, 1, 1)->r.state, ACCESS_REVOKING);
        restart(f);
    }
    change = rule_row(2, 1);
    set(&change, SUB_dvsanAccessChapSecret, sn_octets("", 0));
    assert_int_equal(ask(f, change), SN_NO_ERROR);
    assert_false(state_rule(f->state, 2, 1)->r.secret_is_set);
}

// It tells which secret that is: whoever sets another one, or sets it without a mark, moves it.
static void a_mark_goes_with_the_secret(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, create(1, 0, "a", 1)), SN_NO_ERROR);
    assert_int_equal(ask(f, create(2, 1, "b", 1)), SN_NO_ERROR);
    struct row r = grant(1, 1, "iqn.2026-11.host:a", "alice", "secret-of-alice");
    set(&r, SUB_dvsanAccessSecretMark, sn_uint(4294967295u));
    assert_int_equal(ask(f, r), SN_NO_ERROR);
    struct row two[] = {grant(2, 1, "iqn.2026-11.host:a", "alice", "secret-of-alice"),
                        rule_row(1, 1)};
    set(&two[1], SUB_dvsanAccessChapSecret, sn_text("secret-of-alice"));
    set(&two[1], SUB_dvsanAccessSecretMark, sn_uint(7));
    assert_int_equal(request(f, two, 2, NO_FAULT), SN_INCONSISTENT_VALUE); // two marks
    set(&two[0], SUB_dvsanAccessSecretMark, sn_uint(7));
    assert_int_equal(request(f, two, 2, NO_FAULT), SN_NO_ERROR);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(state_rule(f->state, 1, 1)->r.secret_mark, 7);
        assert_int_equal(state_rule(f->state, 2, 1)->r.secret_mark, 7);
        restart(f);
    }
    r = rule_row(1, 1);
    set(&r, SUB_dvsanAccessSecretMark, sn_uint(8));
    assert_refused(f, r, SN_INCONSISTENT_VALUE, 0); // without a secret
    assert_int_equal(state_rule(f->state, 1, 1)->r.secret_mark, 7);
    r = rule_row(1, 1);
    set(&r, SUB_dvsanAccessChapSecret, sn_text("another-secret"));
    assert_int_equal(ask(f, r), SN_NO_ERROR);
    assert_int_equal(state_rule(f->state, 2, 1)->r.secret_mark, 0);
    r = rule_row(1, 1);
    set(&r, SUB_dvsanAccessChapSecret, sn_octets("", 0));
    set(&r, SUB_dvsanAccessSecretMark, sn_uint(9));
    assert_int_equal(ask(f, r), SN_NO_ERROR);
    assert_int_equal(state_rule(f->state, 1, 1)->r.secret_mark, 0); // of no secret
}

// Gives rule v.1 an account; ends: and no previous one.
static struct row account(uint32_t v, const char *user, const char *secret, uint32_t mark,
                          bool ends)
{
    struct row r = rule_row(v, 1);
    set(&r, SUB_dvsanAccessChapUser, sn_text(user));
    set(&r, SUB_dvsanAccessChapSecret, sn_text(secret));
    set(&r, SUB_dvsanAccessSecretMark, sn_uint(mark));
    if (ends)
        set(&r, SUB_dvsanAccessPreviousUser, sn_text(""));
    return r;
}

static void assert_accounts(struct fixture *f, uint32_t v, const char *user, const char *secret,
                            uint32_t mark, const char *previous, const char *previous_secret,
                            uint32_t previous_mark)
{
    for (int again = 0; again < 2; again++) {
        const struct unit_rule *r = state_rule(f->state, v, 1);
        assert_string_equal(r->r.chap_user, user);
        assert_string_equal(r->secret, secret);
        assert_int_equal(r->r.secret_mark, mark);
        assert_string_equal(r->r.previous_user, previous);
        assert_string_equal(r->previous_secret, previous_secret);
        assert_int_equal(r->previous_mark, previous_mark);
        restart(f);
    }
}

static void another_user_leaves_the_one_that_was_there_as_the_previous_one(void **state)
{
    struct fixture *f = *state;
    static const char *const iqn = "iqn.2026-11.host:a";
    for (uint32_t v = 1; v <= 2; v++) {
        const char name[] = {(char)('a' + v), '\0'};
        assert_int_equal(ask(f, create(v, (int)v, name, 1)), SN_NO_ERROR);
        struct row r = grant(v, 1, iqn, "web", "secret-of-web");
        set(&r, SUB_dvsanAccessSecretMark, sn_uint(7));
        assert_int_equal(ask(f, r), SN_NO_ERROR);
    }
    struct row r = rule_row(1, 1);
    set(&r, SUB_dvsanAccessChapUser, sn_text("web.2"));
    assert_refused(f, r, SN_INCONSISTENT_VALUE, 0); // without a secret
    assert_refused(f, account(1, "web.2", "", 0, false), SN_INCONSISTENT_VALUE,
                   SUB_dvsanAccessChapSecret);
    r = rule_row(1, 1);
    set(&r, SUB_dvsanAccessPreviousUser, sn_text("web"));
    assert_refused(f, r, SN_WRONG_VALUE, SUB_dvsanAccessPreviousUser);

    // What is given up, or undone when it was recorded, leaves both rules as they were.
    struct row one = account(1, "web.2", "secret-of-web2", 8, false);
    assert_int_equal(request(f, &one, 1, 1), SN_GEN_ERR);
    assert_accounts(f, 1, "web", "secret-of-web", 7, "", "", 0);
    assert_accounts(f, 2, "web", "secret-of-web", 7, "", "", 0);

    assert_int_equal(ask(f, one), SN_NO_ERROR);
    assert_int_equal(state_rule(f->state, 1, 1)->r.state, ACCESS_PENDING);
    uint32_t before = state_generation(f->state);
    assert_int_equal(ask(f, account(1, "web.2", "secret-of-web2", 8, false)), SN_NO_ERROR);
    assert_int_equal(state_generation(f->state), before); // a repeated request is one
    assert_accounts(f, 1, "web.2", "secret-of-web2", 8, "web", "secret-of-web", 7);
    assert_accounts(f, 2, "web", "secret-of-web", 7, "", "", 0);

    // A secret is its user's, also where he is the previous one; one request gives him one.
    struct row two[] = {account(2, "web", "another-of-web", 9, false),
                        account(1, "web.3", "secret-of-web3", 5, false)};
    assert_int_equal(ask(f, two[0]), SN_NO_ERROR);
    assert_accounts(f, 1, "web.2", "secret-of-web2", 8, "web", "another-of-web", 9);
    two[0] = account(2, "web.2", "other-of-web2", 4, false);
    assert_int_equal(request(f, two, 2, NO_FAULT), SN_INCONSISTENT_VALUE);

    // The old account ends by itself, and with the change.
    r = rule_row(1, 1);
    set(&r, SUB_dvsanAccessPreviousUser, sn_text(""));
    struct row ends = r;
    assert_int_equal(request(f, &r, 1, 1), SN_GEN_ERR);
    assert_accounts(f, 1, "web.2", "secret-of-web2", 8, "web", "another-of-web", 9);
    assert_int_equal(ask(f, ends), SN_NO_ERROR);
    assert_int_equal(state_rule(f->state, 1, 1)->r.state, ACCESS_PENDING);
    assert_accounts(f, 1, "web.2", "secret-of-web2", 8, "", "", 0);
    assert_int_equal(ask(f, account(2, "web.2", "secret-of-web2", 8, true)), SN_NO_ERROR);
    assert_accounts(f, 2, "web.2", "secret-of-web2", 8, "", "", 0);
}

static void secrets_read_as_empty(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(ask(f, create(1, 0, "a", 1)), SN_NO_ERROR);
    assert_int_equal(ask(f, grant(1, 1, "iqn.2026-11.host:a", "alice", "secret-of-alice")),
                     SN_NO_ERROR);
    const void *row = table_access.find(&f->tables, (uint32_t[]){1, 1}, 2);
    for (size_t i = 0; i < table_access.column_count; i++) {
        struct sn_value v;
        table_access.columns[i].get(&f->tables, row, &v);
        if (table_access.columns[i].number == SUB_dvsanAccessChapSecret)
            assert_int_equal(v.octets.len, 0);
        else if (v.type == SN_OCTETS && v.octets.len > 0)
            assert_null(memmem(v.octets.data, v.octets.len, "secret", 6));
    }
}

// ---- Walking, and the lease -------------------------------------------------------------------

static void tables_are_walked_in_order(void **state)
{
    struct fixture *f = *state;
    uint32_t index[SN_INDEX_MAX];
    size_t len = 0;
    for (uint32_t i = 5; i >= 1; i--) {
        DV_FREE char *name = dv_printf("v%u", i);
        assert_int_equal(ask(f, create(i, (int)i, name, 1)), SN_NO_ERROR);
        assert_int_equal(ask(f, grant(i, 3, "iqn.2026-11.host:a", "alice", "secret-of-alice")),
                         SN_NO_ERROR);
    }
    for (uint32_t i = 1; i <= 5; i++) {
        assert_non_null(table_access.next(&f->tables, index, len, index, &len));
        assert_int_equal(len, 2);
        assert_int_equal(index[0], i);
        assert_int_equal(index[1], 3);
    }
    assert_null(table_access.next(&f->tables, index, len, index, &len));
    // Half an index, and one that is too long.
    assert_non_null(table_access.next(&f->tables, (uint32_t[]){2}, 1, index, &len));
    assert_int_equal(index[0], 2);
    assert_non_null(table_volume.next(&f->tables, (uint32_t[]){2, 9}, 2, index, &len));
    assert_int_equal(index[0], 3);
    assert_null(table_volume.next(&f->tables, (uint32_t[]){UINT32_MAX}, 1, index, &len));
    assert_null(table_change.next(&f->tables, (uint32_t[]){UINT32_MAX}, 1, index, &len));
}

static void the_lease_runs_down(void **state)
{
    struct fixture *f = *state;
    struct sn_value v;
    struct row r = {.table = &scalars_table, .change = {.index = {0}, .index_len = 1}};
    set(&r, SUB_dvsanMemberLease, sn_uint(60));
    assert_int_equal(ask(f, r), SN_NO_ERROR);
    assert_int_equal(f->leased, 1);
    const void *row = scalars_table.find(&f->scalars, (uint32_t[]){0}, 1);
    const struct sn_column *lease = &scalars_table.columns[SUB_dvsanMemberLease - 1];
    assert_int_equal(lease->number, SUB_dvsanMemberLease);
    lease->get(&f->scalars, row, &v);
    assert_in_range(v.u, 59, 60);
    f->member.lease_end = loop_now_ms();
    lease->get(&f->scalars, row, &v);
    assert_int_equal(v.u, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_volume_is_created),
        TEST(a_repeated_create_succeeds_without_change),
        TEST(an_incomplete_create_is_refused),
        TEST(bad_values_are_refused),
        TEST(room_is_found_or_refused),
        TEST(rows_of_one_request_see_one_another),
        TEST(a_request_that_is_given_up_is_in_nobodys_way),
        TEST(a_volume_is_changed_and_deleted),
        TEST(a_volume_whose_medium_is_away_is_forgotten),
        TEST(a_volume_is_resized),
        TEST(a_volume_grows_where_there_is_room),
        TEST(a_copy_of_what_is_in_use_is_forced),
        TEST(shrinking_is_forced),
        TEST(free_extents_are_walked),
        TEST(rules_are_checked),
        TEST(a_chap_user_has_one_secret),
        TEST(a_mark_goes_with_the_secret),
        TEST(another_user_leaves_the_one_that_was_there_as_the_previous_one),
        TEST(secrets_read_as_empty),
        TEST(tables_are_walked_in_order),
        TEST(a_row_is_written_for_its_own_volume_alone),
        TEST(the_lease_runs_down),
    };
    return cmocka_run_group_tests_name("unit sets", tests, NULL, NULL);
}

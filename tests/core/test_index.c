// SPDX-License-Identifier: GPL-3.0-or-later
// The slot index beside a plain array that is searched from end to end.
#include "check.h"
#include "core/index.h"
#include "support/random.h"

#include <stdlib.h>

#define SLOTS 3000u

struct model {
    uint64_t keys[SLOTS];
    bool in[SLOTS];
    uint64_t mask; // how much of the key the hash keeps: few bits make many collisions
};

static uint64_t hash_key(const struct model *model, uint64_t key)
{
    return (key & model->mask) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t hash_of(const void *context, uint32_t slot)
{
    const struct model *model = context;
    return hash_key(model, model->keys[slot]);
}

static bool matches(const void *context, uint32_t slot, const void *key)
{
    const struct model *model = context;
    return model->keys[slot] == *(const uint64_t *)key;
}

static uint32_t find(const struct model *model, const struct dg_slot_index *index, uint64_t key)
{
    return dg_slot_index_find(index, hash_key(model, key), &key);
}

static uint32_t find_plainly(const struct model *model, uint64_t key)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        if (model->in[slot] && model->keys[slot] == key) {
            return slot;
        }
    }
    return DG_NO_SLOT;
}

static void play(uint64_t mask, unsigned steps)
{
    struct test_random random = {.state = dg_test_seed()};
    struct model *model = calloc(1, sizeof *model);
    REQUIRE(model != NULL);
    model->mask = mask;
    struct dg_slot_index *index = dg_slot_index_new(SLOTS, hash_of, matches, model);
    REQUIRE(index != NULL);
    uint32_t count = 0;
    for (unsigned step = 0; step < steps; step++) {
        uint32_t slot = (uint32_t)test_random_below(&random, SLOTS);
        if (model->in[slot]) {
            CHECK(dg_slot_index_remove(index, slot));
            model->in[slot] = false;
            count--;
        } else {
            CHECK(!dg_slot_index_remove(index, slot));
            model->keys[slot] = test_random_next(&random) << 12 | slot;
            CHECK(dg_slot_index_insert(index, slot));
            model->in[slot] = true;
            count++;
        }
        CHECK_EQ(dg_slot_index_count(index), count);
        uint64_t key = model->keys[test_random_below(&random, SLOTS)];
        CHECK_EQ(find(model, index, key), find_plainly(model, key));
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        CHECK_EQ(find(model, index, model->keys[slot]), model->in[slot] ? slot : find_plainly(model, model->keys[slot]));
    }
    dg_slot_index_free(index);
    free(model);
}

DG_TEST(slot_index_beside_a_plain_array)
{
    play(UINT64_MAX, 20000);
}

// Long runs of entries whose homes lie close together: what shifting back must get right.
DG_TEST(slot_index_with_few_distinct_hashes)
{
    play(0xff << 12, 6000);
}

// All run past the end of the table and on from its beginning.
DG_TEST(slot_index_with_one_hash_for_all)
{
    play(0, 1500);
}

DG_TEST(slot_index_of_one_slot)
{
    struct model *model = calloc(1, sizeof *model);
    REQUIRE(model != NULL);
    model->mask = UINT64_MAX;
    struct dg_slot_index *index = dg_slot_index_new(1, hash_of, matches, model);
    REQUIRE(index != NULL);
    CHECK_EQ(find(model, index, 0), DG_NO_SLOT);
    CHECK(!dg_slot_index_remove(index, 0));
    CHECK(dg_slot_index_insert(index, 0));
    CHECK_EQ(find(model, index, 0), 0);
    CHECK(dg_slot_index_remove(index, 0));
    CHECK_EQ(find(model, index, 0), DG_NO_SLOT);
    dg_slot_index_free(index);
    dg_slot_index_free(NULL);
    free(model);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(slot_index_beside_a_plain_array),
        DG_CASE(slot_index_with_few_distinct_hashes),
        DG_CASE(slot_index_with_one_hash_for_all),
        DG_CASE(slot_index_of_one_slot),
    };
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// The timer heap beside a plain array of deadlines that is searched from end to end.
#include "base/timer_heap.h"
#include "check.h"
#include "support/random.h"

#include <stdlib.h>

DG_TEST(timer_heap_gives_deadlines_in_order)
{
    static const dg_time DEADLINES[] = {50, 10, 40, 20, 30, 10};
    struct dg_timer_heap heap;
    REQUIRE(dg_timer_heap_init(&heap, 6));
    CHECK_EQ(dg_timer_heap_next(&heap), DG_NEVER);
    for (uint32_t id = 0; id < 6; id++) {
        dg_timer_heap_set(&heap, id, DEADLINES[id]);
    }
    uint32_t id = 99;
    CHECK(!dg_timer_heap_pop(&heap, 9, &id));
    CHECK_EQ(id, 99); // untouched on failure
    dg_time last = 0;
    for (int i = 0; i < 6; i++) {
        REQUIRE(dg_timer_heap_pop(&heap, 50, &id));
        CHECK(DEADLINES[id] >= last);
        CHECK_EQ(dg_timer_heap_get(&heap, id), DG_NEVER);
        last = DEADLINES[id];
    }
    CHECK(!dg_timer_heap_pop(&heap, DG_NEVER, &id));
    dg_timer_heap_clear(&heap);
}

DG_TEST(timer_heap_moves_and_removes)
{
    struct dg_timer_heap heap;
    REQUIRE(dg_timer_heap_init(&heap, 3));
    dg_timer_heap_set(&heap, 0, 10);
    dg_timer_heap_set(&heap, 1, 20);
    dg_timer_heap_set(&heap, 2, 30);
    dg_timer_heap_set(&heap, 2, 5);
    CHECK_EQ(dg_timer_heap_next(&heap), 5);
    dg_timer_heap_set(&heap, 2, DG_NEVER);
    dg_timer_heap_set(&heap, 2, DG_NEVER); // not set: nothing happens
    CHECK_EQ(dg_timer_heap_next(&heap), 10);
    dg_timer_heap_set(&heap, 0, 25);
    CHECK_EQ(dg_timer_heap_next(&heap), 20);
    uint32_t id;
    REQUIRE(dg_timer_heap_pop(&heap, 20, &id));
    CHECK_EQ(id, 1);
    CHECK(!dg_timer_heap_pop(&heap, 24, &id));
    CHECK_EQ(heap.count, 1);
    dg_timer_heap_clear(&heap);
}

DG_TEST(timer_heap_without_room_and_cleared_twice)
{
    struct dg_timer_heap heap;
    REQUIRE(dg_timer_heap_init(&heap, 0));
    uint32_t id;
    CHECK(!dg_timer_heap_pop(&heap, DG_NEVER, &id));
    dg_timer_heap_clear(&heap);
    dg_timer_heap_clear(&heap);
}

static dg_time earliest(const dg_time *deadlines, uint32_t capacity)
{
    dg_time least = DG_NEVER;
    for (uint32_t id = 0; id < capacity; id++) {
        least = dg_time_min(least, deadlines[id]);
    }
    return least;
}

static void check_shape(const struct dg_timer_heap *heap)
{
    for (uint32_t place = 0; place < heap->count; place++) {
        CHECK_EQ(heap->places[heap->entries[place].id], place + 1);
        CHECK(place == 0 || heap->entries[(place - 1) / 2].deadline <= heap->entries[place].deadline);
    }
}

static void run_against_array(struct test_random *random, uint32_t capacity, uint64_t horizon)
{
    struct dg_timer_heap heap;
    dg_time *deadlines = malloc(capacity * sizeof *deadlines);
    REQUIRE(deadlines != NULL);
    REQUIRE(dg_timer_heap_init(&heap, capacity));
    uint32_t set = 0;
    for (uint32_t id = 0; id < capacity; id++) {
        deadlines[id] = DG_NEVER;
    }
    for (int step = 0; step < 3000; step++) {
        uint64_t choice = test_random_below(random, 10);
        uint32_t id = (uint32_t)test_random_below(random, capacity);
        if (choice < 6) {
            dg_time deadline = test_random_below(random, horizon);
            set += deadlines[id] == DG_NEVER ? 1 : 0;
            deadlines[id] = deadline;
            dg_timer_heap_set(&heap, id, deadline);
        } else if (choice < 7) {
            set -= deadlines[id] != DG_NEVER ? 1 : 0;
            deadlines[id] = DG_NEVER;
            dg_timer_heap_set(&heap, id, DG_NEVER);
        } else {
            dg_time now = test_random_below(random, horizon);
            dg_time due = earliest(deadlines, capacity);
            if (dg_timer_heap_pop(&heap, now, &id)) {
                // Which of several with the same deadline comes first is not promised.
                REQUIRE(id < capacity);
                CHECK(due <= now);
                CHECK_EQ(deadlines[id], due);
                deadlines[id] = DG_NEVER;
                set--;
            } else {
                CHECK(due > now);
            }
        }
        CHECK_EQ(heap.count, set);
        CHECK_EQ(dg_timer_heap_next(&heap), earliest(deadlines, capacity));
        CHECK_EQ(dg_timer_heap_get(&heap, id), deadlines[id]);
        if (step % 16 == 0) {
            check_shape(&heap);
        }
    }
    dg_timer_heap_clear(&heap);
    free(deadlines);
}

DG_TEST(timer_heap_follows_a_plain_array)
{
    struct test_random random = {dg_test_seed()};
    for (int round = 0; round < 60; round++) {
        uint32_t capacity = 1 + (uint32_t)test_random_below(&random, 200);
        // A near horizon makes many equal deadlines.
        uint64_t horizon = test_random_permille(&random, 500) ? 8 : 1000000;
        run_against_array(&random, capacity, horizon);
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(timer_heap_gives_deadlines_in_order),
        DG_CASE(timer_heap_moves_and_removes),
        DG_CASE(timer_heap_without_room_and_cleared_twice),
        DG_CASE(timer_heap_follows_a_plain_array),
    };
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}

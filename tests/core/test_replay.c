// SPDX-License-Identifier: GPL-3.0-or-later
// The replay window beside a naive set: what was accepted is remembered for ever, what is older than the
// window is refused.
#include "check.h"
#include "core/replay.h"
#include "support/random.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define W DG_REPLAY_WIDTH

struct window {
    struct dg_replay replay;
    _Atomic uint64_t next;
};

static bool fresh(const struct window *window, uint64_t number)
{
    return dg_replay_is_fresh(&window->replay, window->next, number);
}

static bool take(struct window *window, uint64_t number)
{
    if (!fresh(window, number))
        return false;
    dg_replay_accept(&window->replay, &window->next, number);
    return true;
}

// The oracle: the numbers accepted, in the order of arrival, searched from end to end.
struct naive {
    uint64_t numbers[4096];
    size_t count;
};

static bool naive_take(struct naive *naive, uint64_t number)
{
    uint64_t highest = 0;

    for (size_t i = 0; i < naive->count; i++) {
        if (naive->numbers[i] == number)
            return false;
        if (naive->numbers[i] > highest)
            highest = naive->numbers[i];
    }
    if (naive->count > 0 && highest >= W && number <= highest - W)
        return false;
    naive->numbers[naive->count++] = number;
    return true;
}

// RFC 9147 4.5.1, RFC 6347 4.1.2.6: at least 32, 64 and more preferred
DG_TEST(replay_window_is_wide_enough)
{
    CHECK(W >= 64);
}

DG_TEST(replay_empty_window_takes_any_number_once)
{
    static const uint64_t numbers[] = {0, 1, 2, W - 1, W, W + 1, UINT64_C(1) << 40, (UINT64_C(1) << 48) - 1,
                                       UINT64_MAX - 1};

    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct window window = {0};

        CHECK(take(&window, numbers[i]));
        CHECK(!fresh(&window, numbers[i]));
        CHECK_EQ(window.next, numbers[i] + 1);
    }
}

// RFC 9147 4.2.1: a number behind which there is no other never counts, at any state of the window
DG_TEST(replay_last_number_of_all_is_never_fresh)
{
    struct window window = {0};

    CHECK(!fresh(&window, UINT64_MAX));
    CHECK(take(&window, UINT64_MAX - 1));
    CHECK(!fresh(&window, UINT64_MAX));
    CHECK(take(&window, UINT64_MAX - 2));
    CHECK(!fresh(&window, 0));
}

DG_TEST(replay_window_edges)
{
    struct window window = {0};

    CHECK(take(&window, 1000)); // the window is 1000-W+1 .. 1000
    CHECK(!fresh(&window, 1000 - W));
    CHECK(!fresh(&window, 1000 - W - 1));
    CHECK(!fresh(&window, 0));
    CHECK(take(&window, 1000 - W + 1));
    CHECK(!take(&window, 1000 - W + 1));
    CHECK(take(&window, 1001)); // pushes 1000-W+1 out
    CHECK(!fresh(&window, 1000 - W + 1));
    CHECK(take(&window, 1000 - W + 2));
}

// A bit that an earlier number left in the same place must not stand for the new number.
DG_TEST(replay_bits_of_passed_numbers_are_cleared)
{
    for (uint64_t jump = 1; jump <= 3 * W; jump++) {
        struct window window = {0};
        uint64_t top = 2 * W - 1 + jump;

        for (uint64_t number = 0; number < 2 * W; number++)
            CHECK(take(&window, number));
        CHECK(take(&window, top));
        for (uint64_t number = top - W + 1; number < top; number++)
            CHECK_EQ(take(&window, number), number >= 2 * W);
    }
}

DG_TEST(replay_random_arrivals_match_naive_set)
{
    struct test_random random = {.state = dg_test_seed()};
    struct naive *naive = malloc(sizeof *naive);

    REQUIRE(naive != NULL);
    for (unsigned round = 0; round < 30; round++) {
        struct window window = {0};
        uint64_t base = test_random_next(&random) >> (16 + test_random_below(&random, 48));
        uint64_t spread = 1 + test_random_below(&random, 6 * W);

        naive->count = 0;
        for (unsigned i = 0; i < 2000; i++) {
            uint64_t number = base + test_random_below(&random, spread);
            bool expected = naive_take(naive, number);

            CHECK_EQ(fresh(&window, number), expected);
            CHECK_EQ(take(&window, number), expected);
            if (test_random_permille(&random, 100))
                base += test_random_below(&random, 2 * W);
        }
    }
    free(naive);
}

// Each number exactly once, whatever the order, as long as none is displaced by more than the window.
DG_TEST(replay_permutations_with_duplicates_deliver_each_once)
{
    struct test_random random = {.state = dg_test_seed()};

    for (unsigned round = 0; round < 200; round++) {
        struct window window = {0};
        uint64_t numbers[2 * W];
        unsigned accepted[W] = {0};

        for (unsigned i = 0; i < 2 * W; i++)
            numbers[i] = i % W;
        for (unsigned i = 2 * W - 1; i > 0; i--) {
            unsigned other = (unsigned)test_random_below(&random, i + 1);
            uint64_t swap = numbers[i];

            numbers[i] = numbers[other];
            numbers[other] = swap;
        }
        for (unsigned i = 0; i < 2 * W; i++)
            if (take(&window, numbers[i]))
                accepted[numbers[i]]++;
        for (unsigned i = 0; i < W; i++)
            CHECK_EQ(accepted[i], 1);
    }
}

DG_TEST(replay_jumps_of_every_power_of_two_match_naive_set)
{
    struct test_random random = {.state = dg_test_seed()};
    struct naive *naive = malloc(sizeof *naive);

    REQUIRE(naive != NULL);
    for (unsigned bits = 0; bits <= 40; bits++) {
        struct window window = {0};
        uint64_t at = 0;

        naive->count = 0;
        for (unsigned i = 0; i < 60; i++) {
            at += UINT64_C(1) << bits;
            for (unsigned j = 0; j < 8; j++) {
                uint64_t back = test_random_below(&random, 2 * W);
                uint64_t number = at > back ? at - back : at;

                CHECK_EQ(take(&window, number), naive_take(naive, number));
            }
        }
    }
    free(naive);
}

// RFC 9147 4.5.1: only accept moves the window; asking never does
DG_TEST(replay_asking_changes_nothing)
{
    struct window window = {0}, before;

    CHECK(take(&window, 50));
    memcpy(&before, &window, sizeof before);
    for (uint64_t number = 0; number < 2000; number++)
        (void)fresh(&window, number);
    CHECK_MEM(&window, &before, sizeof before);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(replay_window_is_wide_enough),
    DG_CASE(replay_empty_window_takes_any_number_once),
    DG_CASE(replay_last_number_of_all_is_never_fresh),
    DG_CASE(replay_window_edges),
    DG_CASE(replay_bits_of_passed_numbers_are_cleared),
    DG_CASE(replay_random_arrivals_match_naive_set),
    DG_CASE(replay_permutations_with_duplicates_deliver_each_once),
    DG_CASE(replay_jumps_of_every_power_of_two_match_naive_set),
    DG_CASE(replay_asking_changes_nothing),
};

int main(int argc, char **argv)
{
    return dg_test_main(CASES, COUNT(CASES), argc, argv);
}

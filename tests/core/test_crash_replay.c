// SPDX-License-Identifier: GPL-3.0-or-later
// A process that dies between any two stores of the replay window never lets the next one accept a number
// again that was delivered. The death is a jump out of the crash point: what was stored stays.
#include "check.h"
#include "core/crash_point.h"
#include "core/replay.h"
#include "support/random.h"

#include <setjmp.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define W DG_REPLAY_WIDTH
#define NUMBERS 4096

static struct {
    struct dg_replay replay;
    _Atomic uint64_t next;
    bool delivered[NUMBERS]; // what the application has seen
} memory;                    // outlives the "process"

static jmp_buf death;
static int die_at; // crash points until death; negative: never
static unsigned points_passed;

static void hook(enum dg_crash_point point)
{
    CHECK(point == DG_CRASH_OPEN_NEXT_STORED || point == DG_CRASH_OPEN_WINDOW_STORED);
    points_passed++;
    if (die_at-- == 0)
        longjmp(death, 1);
}

// Returns false when the process died on the way.
static bool receive(uint64_t number)
{
    if (setjmp(death) != 0)
        return false;
    if (!dg_replay_is_fresh(&memory.replay, memory.next, number))
        return true;
    dg_replay_accept(&memory.replay, &memory.next, number);
    CHECK_MSG(!memory.delivered[number], "number %llu delivered twice", (unsigned long long)number);
    memory.delivered[number] = true;
    return true;
}

static void none_delivered_is_fresh(void)
{
    for (uint64_t number = 0; number < NUMBERS; number++)
        if (memory.delivered[number])
            CHECK_MSG(!dg_replay_is_fresh(&memory.replay, memory.next, number), "number %llu is fresh again",
                      (unsigned long long)number);
}

static void start(void)
{
    memset(&memory, 0, sizeof memory);
    die_at = -1;
    points_passed = 0;
    dg_crash_hook = hook;
}

DG_TEST(crash_replay_points_lie_between_the_stores)
{
    start();
    CHECK(receive(5)); // a new highest: next, cleared bits, own bit
    CHECK_EQ(points_passed, 2);
    CHECK(receive(3)); // within the window: own bit only
    CHECK_EQ(points_passed, 3);
}

// Each jump from a full window, each death; then everything delivered before is offered again.
DG_TEST(crash_replay_no_number_twice_after_any_jump)
{
    for (int point = 0; point < 2; point++) {
        for (uint64_t jump = 1; jump <= 2 * W + 2; jump++) {
            start();
            for (uint64_t number = 0; number < 2 * W; number++)
                CHECK(receive(number));
            die_at = point;
            CHECK(!receive(2 * W - 1 + jump));
            none_delivered_is_fresh();
            for (uint64_t number = 0; number < 6 * W; number++)
                CHECK(receive(number)); // checks that nothing is delivered twice
        }
    }
}

DG_TEST(crash_replay_random_deaths_never_deliver_twice)
{
    struct test_random random = {.state = dg_test_seed()};

    for (unsigned round = 0; round < 50; round++) {
        uint64_t base = 0;

        start();
        while (base + 2 * W < NUMBERS) {
            uint64_t number = base + test_random_below(&random, 2 * W);

            die_at = (int)test_random_below(&random, 5) - 2; // often lives, sometimes dies at point 0..2
            (void)receive(number);
            base += test_random_below(&random, 4);
        }
        none_delivered_is_fresh();
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(crash_replay_points_lie_between_the_stores),
    DG_CASE(crash_replay_no_number_twice_after_any_jump),
    DG_CASE(crash_replay_random_deaths_never_deliver_twice),
};

int main(int argc, char **argv)
{
    return dg_test_main(CASES, COUNT(CASES), argc, argv);
}

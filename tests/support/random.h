// SPDX-License-Identifier: GPL-3.0-or-later
// Repeatable numbers for tests: the same seed gives the same numbers everywhere. Predictable, so never
// for a key; src/base/random.h is for those.
#ifndef DG_TESTS_RANDOM_H
#define DG_TESTS_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct test_random {
    uint64_t state; // any value is a seed
};

static inline uint64_t test_random_next(struct test_random *random)
{
    // splitmix64: a counter in steps of the golden ratio, its bits then mixed until each depends on all.
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = random->state;
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

// 0..limit-1, for limit > 0. The bias is below what a test could notice.
static inline uint64_t test_random_below(struct test_random *random, uint64_t limit)
{
    return test_random_next(random) % limit;
}

static inline bool test_random_permille(struct test_random *random, unsigned permille)
{
    return test_random_below(random, 1000) < permille;
}

static inline void test_random_fill(struct test_random *random, void *data, size_t size_bytes)
{
    uint8_t *bytes = data;
    for (size_t i = 0; i < size_bytes; i++) {
        bytes[i] = (uint8_t)test_random_next(random);
    }
}

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// The sliding window over record numbers. Never decides what is delivered.
//
// The order of stores makes a death between any two of them safe (design.md, "The order of stores"):
//   1. `next` first: from then on nothing below next - DG_REPLAY_WIDTH is fresh, so the bits that the
//      window passes over may be cleared without making an old number fresh again;
//   2. those bits are cleared: until then they may be stale and refuse numbers that were never seen;
//   3. the number's own bit last. Until it is set the record was not delivered, and may come again.
#include "core/replay.h"

#include "core/crash_point.h"

#define WORD(number) (((number) % DG_REPLAY_WIDTH) / 64)
#define BIT(number) (UINT64_C(1) << ((number) % 64))

bool dg_replay_is_fresh(const struct dg_replay *replay, uint64_t next, uint64_t number)
{
    // RFC 9147 4.2.1: numbers never wrap. Behind the last one there is no next, so it is never accepted.
    if (number == UINT64_MAX)
        return false;
    if (number >= next)
        return true;
    if (next - number > DG_REPLAY_WIDTH)
        return false;
    return (replay->seen[WORD(number)] & BIT(number)) == 0;
}

// Clears the bits of the numbers from..to-1, none of which has been accepted.
static void clear_passed(struct dg_replay *replay, uint64_t from, uint64_t to)
{
    if (to - from >= DG_REPLAY_WIDTH) {
        for (unsigned i = 0; i < DG_REPLAY_WIDTH / 64; i++)
            replay->seen[i] = 0;
        return;
    }
    for (uint64_t number = from; number < to; number++)
        replay->seen[WORD(number)] &= ~BIT(number);
}

void dg_replay_accept(struct dg_replay *replay, _Atomic uint64_t *next, uint64_t number)
{
    uint64_t old_next = atomic_load_explicit(next, memory_order_relaxed);

    if (number >= old_next) {
        DG_STORE_ORDER();
        atomic_store_explicit(next, number + 1, memory_order_relaxed);
        DG_CRASH_POINT(OPEN_NEXT_STORED);
        clear_passed(replay, old_next, number);
    }
    DG_CRASH_POINT(OPEN_WINDOW_STORED);
    replay->seen[WORD(number)] |= BIT(number);
    DG_STORE_ORDER();
}

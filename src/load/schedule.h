// SPDX-License-Identifier: GPL-3.0-or-later
// When something that happens at a fixed rate is due. The time of each is computed from its number alone, so that what
// comes late does not put off what comes after it: an open loop without coordinated omission. Never reads a clock.
#ifndef DG_LOAD_SCHEDULE_H
#define DG_LOAD_SCHEDULE_H

#include "base/time_value.h"

#include <stdint.h>

#define DG_LOAD_NO_LIMIT UINT64_MAX

// `count` in each `period`, shared out among threads: this one has numbers first, first + step, first + 2 * step, ...
struct dg_load_schedule {
    dg_time start;
    dg_time period;
    uint64_t count; // 1..2^31; 0: everything is due at the start
    uint64_t count_from; // 0: the same; else the rate grows evenly from this to `count`, or shrinks, until the end
    uint64_t first, step;
    uint64_t taken; // of this thread's
    uint64_t limit; // of this thread's: nothing is due after so many
    dg_time end;    // nothing is due from then on; DG_NEVER: it has none
};

// The time of the next one, DG_NEVER after the last.
dg_time dg_load_schedule_next(const struct dg_load_schedule *schedule);
void dg_load_schedule_take(struct dg_load_schedule *schedule);
// How many are left until its end; at a rate only.
uint64_t dg_load_schedule_left(const struct dg_load_schedule *schedule);

// A thread's share of `total` things: thread `self` of `threads`.
uint64_t dg_load_share(uint64_t total, uint32_t self, uint32_t threads);

#endif

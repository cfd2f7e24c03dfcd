// SPDX-License-Identifier: GPL-3.0-or-later
// The arithmetic of due times: exact, so that nothing drifts over days. Owns nothing.
#include "load/schedule.h"

dg_time dg_load_schedule_next(const struct dg_load_schedule *schedule)
{
    if (schedule->taken >= schedule->limit)
        return DG_NEVER;
    if (schedule->count == 0)
        return schedule->start;
    uint64_t number = schedule->first + schedule->taken * schedule->step;
    uint64_t whole = number / schedule->count;
    uint64_t rest = number % schedule->count;
    // rest * period / count in parts that fit: count is at most 2^31, and so is the remainder of the period by it.
    dg_time within = rest * (schedule->period / schedule->count) +
                     rest * (schedule->period % schedule->count) / schedule->count;
    return schedule->start + whole * schedule->period + within;
}

void dg_load_schedule_take(struct dg_load_schedule *schedule)
{
    schedule->taken++;
}

uint64_t dg_load_share(uint64_t total, uint32_t self, uint32_t threads)
{
    return total / threads + (self < total % threads ? 1 : 0);
}

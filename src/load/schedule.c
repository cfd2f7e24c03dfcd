// SPDX-License-Identifier: GPL-3.0-or-later
// The arithmetic of due times: exact, so that nothing drifts over days. Owns nothing.
#include "load/schedule.h"

#include <stdbool.h>

static dg_time time_of(const struct dg_load_schedule *schedule, uint64_t taken)
{
    uint64_t number = schedule->first + taken * schedule->step;
    uint64_t whole = number / schedule->count;
    uint64_t rest = number % schedule->count;
    // rest * period / count in parts that fit: count is at most 2^31, and so is the remainder of the period by it.
    dg_time within = rest * (schedule->period / schedule->count) +
                     rest * (schedule->period % schedule->count) / schedule->count;
    return schedule->start + whole * schedule->period + within;
}

static bool is_due(const struct dg_load_schedule *schedule, uint64_t taken)
{
    return taken < schedule->limit && time_of(schedule, taken) < schedule->end;
}

dg_time dg_load_schedule_next(const struct dg_load_schedule *schedule)
{
    if (schedule->count == 0)
        return schedule->taken < schedule->limit ? schedule->start : DG_NEVER;
    return is_due(schedule, schedule->taken) ? time_of(schedule, schedule->taken) : DG_NEVER;
}

uint64_t dg_load_schedule_left(const struct dg_load_schedule *schedule)
{
    uint64_t few = 0, many = 1; // few are left, many are not
    if (!is_due(schedule, schedule->taken))
        return 0;
    while (is_due(schedule, schedule->taken + many)) {
        few = many;
        many *= 2;
    }
    while (many - few > 1) {
        uint64_t between = few + (many - few) / 2;
        if (is_due(schedule, schedule->taken + between))
            few = between;
        else
            many = between;
    }
    return many;
}

void dg_load_schedule_take(struct dg_load_schedule *schedule)
{
    schedule->taken++;
}

uint64_t dg_load_share(uint64_t total, uint32_t self, uint32_t threads)
{
    return total / threads + (self < total % threads ? 1 : 0);
}

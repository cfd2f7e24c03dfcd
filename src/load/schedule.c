// SPDX-License-Identifier: GPL-3.0-or-later
// The arithmetic of due times: exact, so that nothing drifts over days. Owns nothing.
#include "load/schedule.h"

#include <math.h>
#include <stdbool.h>

// When as many as `number` have been due by then: number = from * t + (to - from) * t^2 / 2, in the ramp's length and
// what is due in it at each rate; solved for t in the form that does not cancel out.
static dg_time time_in_ramp(const struct dg_load_schedule *schedule, double number)
{
    double length = (double)(schedule->end - schedule->start);
    double periods = length / (double)schedule->period;
    double from = (double)schedule->count_from * periods, to = (double)schedule->count * periods;
    double inside = from * from + 2 * (to - from) * number;
    if (number == 0)
        return schedule->start;
    if (inside < 0) // the rate has shrunk to nothing before
        return DG_NEVER;
    return schedule->start + (dg_time)(2 * number / (from + sqrt(inside)) * length);
}

static dg_time time_of(const struct dg_load_schedule *schedule, uint64_t taken)
{
    uint64_t number = schedule->first + taken * schedule->step;
    if (schedule->count_from != 0)
        return time_in_ramp(schedule, (double)number);
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

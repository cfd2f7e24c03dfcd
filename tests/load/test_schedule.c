// SPDX-License-Identifier: GPL-3.0-or-later
// When things at a fixed rate are due: exact over long times, shared out among threads without a gap or a double, and
// never put off by what came late.
#include "check.h"

#include "load/schedule.h"

static struct dg_load_schedule at_rate(uint64_t count, dg_time period)
{
    return (struct dg_load_schedule){
        .start = 1000, .count = count, .period = period, .step = 1, .limit = DG_LOAD_NO_LIMIT, .end = DG_NEVER};
}

static dg_time time_of(struct dg_load_schedule schedule, uint64_t number)
{
    schedule.taken = number;
    return dg_load_schedule_next(&schedule);
}

DG_TEST(load_schedule_spaces_evenly)
{
    struct dg_load_schedule schedule = at_rate(4, DG_SECOND);
    for (uint64_t i = 0; i < 9; i++) {
        CHECK_EQ(dg_load_schedule_next(&schedule), 1000 + i * DG_SECOND / 4);
        dg_load_schedule_take(&schedule);
    }
}

DG_TEST(load_schedule_does_not_drift)
{
    // Three a second: a third of a second is no whole number of nanoseconds.
    CHECK_EQ(time_of(at_rate(3, DG_SECOND), 3 * 86400 * 365), 1000 + 86400 * 365 * DG_SECOND);
    CHECK_EQ(time_of(at_rate(3, DG_SECOND), 1), 1000 + 333333333);
    CHECK_EQ(time_of(at_rate(3, DG_SECOND), 2), 1000 + 666666666);
}

// A million associations, each once in ten days: the numbers in between must not overflow.
DG_TEST(load_schedule_holds_large_numbers)
{
    const dg_time ten_days = 864000 * DG_SECOND;
    CHECK_EQ(time_of(at_rate(16000000, ten_days), 16000000), 1000 + ten_days);
    CHECK_EQ(time_of(at_rate(16000000, ten_days), 15999999), 1000 + ten_days - ten_days / 16000000);
    CHECK_EQ(time_of(at_rate(100000000, DG_SECOND), 99999999), 1000 + DG_SECOND - 10);
    dg_time before = 0;
    for (uint64_t i = 0; i < 16000000; i += 999983) {
        dg_time at = time_of(at_rate(16000000, ten_days + 7), i);
        CHECK(at > before);
        before = at;
    }
}

DG_TEST(load_schedule_is_shared_out_without_gap_or_double)
{
    enum { THREADS = 3, RATE = 7 };
    unsigned seen[2 * RATE] = {0};
    for (uint32_t self = 0; self < THREADS; self++) {
        struct dg_load_schedule schedule = at_rate(RATE, DG_SECOND);
        schedule.first = self;
        schedule.step = THREADS;
        for (dg_time at = dg_load_schedule_next(&schedule); at < 1000 + 2 * DG_SECOND;
             at = dg_load_schedule_next(&schedule)) {
            for (uint64_t i = 0; i < 2 * RATE; i++)
                seen[i] += at == time_of(at_rate(RATE, DG_SECOND), i);
            dg_load_schedule_take(&schedule);
        }
    }
    for (size_t i = 0; i < 2 * RATE; i++)
        CHECK_EQ(seen[i], 1);
}

DG_TEST(load_schedule_ends_at_its_limit)
{
    struct dg_load_schedule schedule = at_rate(0, DG_SECOND);
    schedule.limit = 2;
    CHECK_EQ(dg_load_schedule_next(&schedule), 1000); // no rate: everything is due at once
    dg_load_schedule_take(&schedule);
    CHECK_EQ(dg_load_schedule_next(&schedule), 1000);
    dg_load_schedule_take(&schedule);
    CHECK_EQ(dg_load_schedule_next(&schedule), DG_NEVER);
}

// Half of the two rates' sum, whichever way it goes; each later than the one before, and thinner or denser as it should.
DG_TEST(load_schedule_ramps_from_rate_to_rate)
{
    static const struct {
        uint64_t from, to;
    } ramps[] = {{1, 1000}, {1000, 1}, {500, 500}, {100, 300}};
    for (size_t i = 0; i < sizeof ramps / sizeof ramps[0]; i++) {
        struct dg_load_schedule schedule = at_rate(ramps[i].to, DG_SECOND);
        schedule.count_from = ramps[i].from;
        schedule.end = 1000 + 10 * DG_SECOND;
        uint64_t all = 5 * (ramps[i].from + ramps[i].to), before_half = 0;
        uint64_t wanted = (ramps[i].from * 3 + ramps[i].to) * 5 / 4; // of the first half
        dg_time last = 0;
        CHECK_EQ(dg_load_schedule_next(&schedule), 1000);
        CHECK_MSG(dg_load_schedule_left(&schedule) - all + 1 <= 2, "%llu of %llu",
                  (unsigned long long)dg_load_schedule_left(&schedule), (unsigned long long)all);
        for (dg_time at = dg_load_schedule_next(&schedule); at != DG_NEVER; at = dg_load_schedule_next(&schedule)) {
            CHECK(at > last && at < schedule.end);
            last = at;
            before_half += at < 1000 + 5 * DG_SECOND;
            dg_load_schedule_take(&schedule);
        }
        CHECK_MSG(before_half + 2 >= wanted && before_half <= wanted + 2, "%llu of %llu",
                  (unsigned long long)before_half, (unsigned long long)wanted);
    }
}

// What is due in the last nanosecond before the end is due; what is due at the end is not. left counts to there.
DG_TEST(load_schedule_counts_what_is_left)
{
    for (uint64_t rate = 1; rate < 2000; rate = rate * 3 + 1) {
        struct dg_load_schedule schedule = at_rate(rate, DG_SECOND);
        schedule.end = 1000 + 7 * DG_SECOND;
        uint64_t left = dg_load_schedule_left(&schedule);
        CHECK_EQ(left, 7 * rate);
        while (dg_load_schedule_next(&schedule) != DG_NEVER) {
            CHECK_EQ(dg_load_schedule_left(&schedule), left--);
            CHECK(dg_load_schedule_next(&schedule) < schedule.end);
            dg_load_schedule_take(&schedule);
        }
        CHECK_EQ(left, 0);
        CHECK_EQ(dg_load_schedule_left(&schedule), 0);
    }
}

DG_TEST(load_shares_add_up)
{
    for (uint32_t threads = 1; threads < 9; threads++) {
        uint64_t sum = 0;
        for (uint32_t self = 0; self < threads; self++) {
            uint64_t share = dg_load_share(100, self, threads);
            CHECK(share == 100 / threads || share == 100 / threads + 1);
            sum += share;
        }
        CHECK_EQ(sum, 100);
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(load_schedule_spaces_evenly),
        DG_CASE(load_schedule_does_not_drift),
        DG_CASE(load_schedule_holds_large_numbers),
        DG_CASE(load_schedule_is_shared_out_without_gap_or_double),
        DG_CASE(load_schedule_ends_at_its_limit),
        DG_CASE(load_schedule_ramps_from_rate_to_rate),
        DG_CASE(load_schedule_counts_what_is_left),
        DG_CASE(load_shares_add_up),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}

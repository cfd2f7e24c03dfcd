// SPDX-License-Identifier: GPL-3.0-or-later
// The token bucket beside a model in floating point, which it may never exceed and may fall short of by a
// thousandth of a token for each time that it was asked.
#include "base/bucket.h"
#include "check.h"
#include "support/random.h"

DG_TEST(bucket_gives_its_burst_then_its_rate)
{
    struct dg_bucket_rate rate = {.rate = 10, .burst = 5};
    dg_time now = 7 * DG_SECOND;
    struct dg_bucket bucket = dg_bucket_full(rate, now);
    for (int i = 0; i < 5; i++) {
        CHECK(dg_bucket_take(&bucket, rate, 1, now));
    }
    CHECK(!dg_bucket_take(&bucket, rate, 1, now));
    CHECK(!dg_bucket_take(&bucket, rate, 1, now + DG_SECOND / 10 - 1));
    CHECK(dg_bucket_take(&bucket, rate, 1, now + DG_SECOND / 10));
    CHECK(!dg_bucket_take(&bucket, rate, 1, now + DG_SECOND / 10));
    CHECK(!dg_bucket_take(&bucket, rate, 6, now + DG_HOUR)); // more than it ever holds
    CHECK(dg_bucket_take(&bucket, rate, 5, now + DG_HOUR));
}

DG_TEST(bucket_refusal_takes_nothing)
{
    struct dg_bucket_rate rate = {.rate = 0, .burst = 3};
    struct dg_bucket bucket = dg_bucket_full(rate, 1);
    CHECK(!dg_bucket_take(&bucket, rate, 4, 1));
    CHECK(dg_bucket_take(&bucket, rate, 0, 1));
    CHECK(dg_bucket_take(&bucket, rate, 3, 1));
    CHECK(dg_bucket_take(&bucket, rate, 0, 1));
    CHECK(!dg_bucket_take(&bucket, rate, 1, DG_NEVER - 1)); // a rate of 0 never refills
}

DG_TEST(bucket_clock_going_back_gives_nothing)
{
    struct dg_bucket_rate rate = {.rate = 1000, .burst = 2};
    struct dg_bucket bucket = dg_bucket_full(rate, DG_MINUTE);
    CHECK(dg_bucket_take(&bucket, rate, 2, DG_MINUTE));
    CHECK(!dg_bucket_take(&bucket, rate, 1, 0));
    CHECK(!dg_bucket_take(&bucket, rate, 1, DG_MINUTE));
    CHECK(dg_bucket_take(&bucket, rate, 1, DG_MINUTE + DG_MILLISECOND));
    // Full, then back: the same seconds are not counted twice.
    bucket = dg_bucket_full(rate, DG_MINUTE);
    CHECK(dg_bucket_take(&bucket, rate, 2, 0));
    CHECK(!dg_bucket_take(&bucket, rate, 1, DG_MINUTE));
}

DG_TEST(bucket_asked_often_loses_no_fractions)
{
    // One token in three seconds, asked each millisecond for an hour.
    struct dg_bucket_rate rate = {.rate = 3, .burst = 1};
    struct dg_bucket bucket = dg_bucket_full(rate, 0);
    unsigned given = 0;
    for (dg_time now = 0; now <= DG_HOUR; now += DG_MILLISECOND) {
        given += dg_bucket_take(&bucket, rate, 1, now) ? 1 : 0;
    }
    CHECK_MSG(given >= 10770 && given <= 10801, "given %u of 10801", given);
}

DG_TEST(bucket_extreme_rates_do_not_wrap)
{
    struct dg_bucket_rate most = {.rate = UINT32_MAX, .burst = UINT32_MAX};
    struct dg_bucket bucket = dg_bucket_full(most, 0);
    CHECK(dg_bucket_take(&bucket, most, UINT32_MAX, 0));
    CHECK(!dg_bucket_take(&bucket, most, UINT32_MAX, DG_SECOND - 1));
    CHECK(dg_bucket_take(&bucket, most, UINT32_MAX, DG_SECOND + 1));
    CHECK(dg_bucket_take(&bucket, most, UINT32_MAX, DG_NEVER - 1));
    struct dg_bucket_rate slow = {.rate = 1, .burst = UINT32_MAX};
    bucket = (struct dg_bucket){0};
    CHECK(!dg_bucket_take(&bucket, slow, UINT32_MAX, (UINT32_MAX - UINT64_C(1)) * DG_SECOND));
    CHECK(dg_bucket_take(&bucket, slow, UINT32_MAX, UINT32_MAX * DG_SECOND));
}

DG_TEST(bucket_smaller_burst_after_reload_cuts_what_was_saved)
{
    struct dg_bucket_rate before = {.rate = 1, .burst = 100};
    struct dg_bucket_rate after = {.rate = 1, .burst = 2};
    struct dg_bucket bucket = dg_bucket_full(before, DG_SECOND);
    CHECK(!dg_bucket_take(&bucket, after, 3, DG_SECOND));
    CHECK(dg_bucket_take(&bucket, after, 2, DG_SECOND));
    CHECK(!dg_bucket_take(&bucket, after, 1, DG_SECOND));
}

static void follow_model(struct test_random *random, struct dg_bucket_rate rate, dg_time longest_step)
{
    dg_time now = test_random_below(random, DG_HOUR);
    struct dg_bucket bucket = dg_bucket_full(rate, now);
    long double model = rate.burst;
    long double lost = 0; // at most this, by rounding
    const long double hair = 1e-6L;
    for (int i = 0; i < 2000; i++) {
        dg_time step = test_random_below(random, longest_step);
        now += step;
        model += (long double)step * rate.rate / 1e9L;
        lost += 0.001L;
        if (model >= rate.burst) {
            model = rate.burst;
        }
        uint32_t tokens = (uint32_t)test_random_below(random, (uint64_t)rate.burst + 2);
        if (test_random_permille(random, 500)) {
            tokens = 1;
        }
        if (dg_bucket_take(&bucket, rate, tokens, now)) {
            CHECK(model + hair >= tokens);
            model -= tokens;
        } else {
            CHECK(model - lost - hair < tokens);
        }
        long double held = (long double)bucket.tokens_milli / 1000;
        CHECK_MSG(held <= model + 0.001L, "step %d: holds %Lf, model %Lf", i, held, model);
        CHECK_MSG(held >= model - lost - 0.001L, "step %d: holds %Lf, model %Lf", i, held, model);
    }
}

DG_TEST(bucket_follows_a_naive_model)
{
    struct test_random random = {dg_test_seed()};
    for (int round = 0; round < 200; round++) {
        struct dg_bucket_rate rate = {
            .rate = (uint32_t)(test_random_next(&random) >> (32 + test_random_below(&random, 32))),
            .burst = (uint32_t)(test_random_next(&random) >> (40 + test_random_below(&random, 24))),
        };
        follow_model(&random, rate, UINT64_C(1) << (1 + test_random_below(&random, 34)));
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(bucket_gives_its_burst_then_its_rate),
        DG_CASE(bucket_refusal_takes_nothing),
        DG_CASE(bucket_clock_going_back_gives_nothing),
        DG_CASE(bucket_asked_often_loses_no_fractions),
        DG_CASE(bucket_extreme_rates_do_not_wrap),
        DG_CASE(bucket_smaller_burst_after_reload_cuts_what_was_saved),
        DG_CASE(bucket_follows_a_naive_model),
    };
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// The token bucket's arithmetic, in whole thousandths of a token. Owns nothing; never gives out a
// fraction twice, however often it is asked.
#include "base/bucket.h"

static const uint64_t NS_PER_MILLI_AT_RATE_ONE = DG_SECOND / 1000;

struct dg_bucket dg_bucket_full(struct dg_bucket_rate rate, dg_time now)
{
    return (struct dg_bucket){.tokens_milli = (uint64_t)rate.burst * 1000, .refilled_at = now};
}

static void refill(struct dg_bucket *bucket, struct dg_bucket_rate rate, dg_time now)
{
    uint64_t most_milli = (uint64_t)rate.burst * 1000;
    if (bucket->tokens_milli >= most_milli) {
        // Full, or the burst was made smaller since.
        bucket->tokens_milli = most_milli;
        bucket->refilled_at = bucket->refilled_at > now ? bucket->refilled_at : now;
        return;
    }
    uint64_t elapsed_ns = dg_time_since(now, bucket->refilled_at);
    if (rate.rate == 0 || elapsed_ns == 0) {
        return;
    }
    // At most 2^32 * 10^9: fits. So does elapsed_ns * rate below, where elapsed_ns < full_after_ns.
    uint64_t missing_scaled = (most_milli - bucket->tokens_milli) * NS_PER_MILLI_AT_RATE_ONE;
    uint64_t full_after_ns = (missing_scaled + rate.rate - 1) / rate.rate;
    if (elapsed_ns >= full_after_ns) {
        bucket->tokens_milli = most_milli;
        bucket->refilled_at = now;
        return;
    }
    uint64_t gained_milli = elapsed_ns * rate.rate / NS_PER_MILLI_AT_RATE_ONE;
    // The clock moves only by what the gain took, rounded up: neither is the rest of the time lost to
    // somebody who asks often, nor does rounding ever give more than the rate.
    uint64_t spent_ns = (gained_milli * NS_PER_MILLI_AT_RATE_ONE + rate.rate - 1) / rate.rate;
    bucket->tokens_milli += gained_milli;
    bucket->refilled_at += spent_ns;
}

bool dg_bucket_take(struct dg_bucket *bucket, struct dg_bucket_rate rate, uint32_t tokens, dg_time now)
{
    refill(bucket, rate, now);
    uint64_t wanted_milli = (uint64_t)tokens * 1000;
    if (wanted_milli > bucket->tokens_milli) {
        return false;
    }
    bucket->tokens_milli -= wanted_milli;
    return true;
}

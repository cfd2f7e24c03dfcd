// SPDX-License-Identifier: GPL-3.0-or-later
// A token bucket: `rate` tokens a second up to `burst`. Plain data; never reads a clock.
#ifndef DG_BASE_BUCKET_H
#define DG_BASE_BUCKET_H

#include "base/attributes.h"
#include "base/time_value.h"

#include <stdbool.h>
#include <stdint.h>

struct dg_bucket {
    uint64_t tokens_milli; // thousandths of a token
    dg_time refilled_at;
};

struct dg_bucket_rate {
    uint32_t rate;  // tokens a second; 0 never refills
    uint32_t burst; // most that can be saved up
};

// A full bucket.
struct dg_bucket dg_bucket_full(struct dg_bucket_rate rate, dg_time now);
// Takes `tokens` when they are there; false takes nothing. Never gives more than burst + rate * time; a
// clock that stands or goes back refills nothing. A zeroed bucket is one that was empty at time 0.
DG_MUST_USE bool dg_bucket_take(struct dg_bucket *bucket, struct dg_bucket_rate rate, uint32_t tokens, dg_time now);

#endif

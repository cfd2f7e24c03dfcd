// SPDX-License-Identifier: GPL-3.0-or-later
// A histogram of times whose buckets grow with the value, in the way of HdrHistogram: each is at most 1/256 of its
// value wide, from a nanosecond to over an hour, in memory of fixed size. One thread writes, any may read meanwhile.
#ifndef DG_LOAD_HISTOGRAM_H
#define DG_LOAD_HISTOGRAM_H

#include "base/time_value.h"

#include <stdatomic.h>
#include <stdint.h>

#define DG_LOAD_PRECISION_BITS 8  // buckets of an octave: 2^8
#define DG_LOAD_VALUE_BITS 42     // above 73 minutes everything is in the last bucket
#define DG_LOAD_BUCKETS ((DG_LOAD_VALUE_BITS - DG_LOAD_PRECISION_BITS + 1) << DG_LOAD_PRECISION_BITS)

struct dg_load_histogram {
    _Atomic uint64_t count;
    _Atomic uint64_t sum;
    _Atomic uint64_t least, greatest; // as recorded, not as rounded; 0 where there is none
    _Atomic uint64_t buckets[DG_LOAD_BUCKETS];
};

void dg_load_histogram_record(struct dg_load_histogram *histogram, dg_time value);
// into gains what from holds; used by into's writer.
void dg_load_histogram_add(struct dg_load_histogram *into, const struct dg_load_histogram *from);
// What `later` has above `earlier`, an older copy of it. least and greatest are then those of buckets.
void dg_load_histogram_between(struct dg_load_histogram *ret, const struct dg_load_histogram *later,
                               const struct dg_load_histogram *earlier);
void dg_load_histogram_clear(struct dg_load_histogram *histogram);

uint64_t dg_load_histogram_count(const struct dg_load_histogram *histogram);
dg_time dg_load_histogram_mean(const struct dg_load_histogram *histogram); // 0 where nothing was recorded
dg_time dg_load_histogram_least(const struct dg_load_histogram *histogram);
dg_time dg_load_histogram_greatest(const struct dg_load_histogram *histogram);
// The least value that at least so many of 100,000 values are not above, rounded up to its bucket's end (so never too
// good), but never above the greatest. 50000: the median; 99900: 99.9%.
dg_time dg_load_histogram_quantile(const struct dg_load_histogram *histogram, uint32_t of_100000);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// Values below 2^8 have a bucket each; above, an octave has 2^8 buckets. Counts are read and written relaxed: a reader
// may see a value in its bucket before it sees it in the count, never half a number.
#include "load/histogram.h"

#define PER_OCTAVE (UINT64_C(1) << DG_LOAD_PRECISION_BITS)
#define VALUE_MAX ((UINT64_C(1) << DG_LOAD_VALUE_BITS) - 1)
#define WHOLE 100000

static uint64_t get(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void set(_Atomic uint64_t *value, uint64_t to)
{
    atomic_store_explicit(value, to, memory_order_relaxed);
}

static uint32_t octave_of(uint64_t value)
{
    return value < PER_OCTAVE ? 0 : (uint32_t)(63 - __builtin_clzll(value)) - DG_LOAD_PRECISION_BITS + 1;
}

// In octave 0 a bucket is one wide, as in octave 1; in each further one twice as wide.
static uint32_t bucket_of(uint64_t value)
{
    if (value > VALUE_MAX)
        value = VALUE_MAX;
    uint32_t octave = octave_of(value);
    uint64_t within = octave == 0 ? value : (value >> (octave - 1)) - PER_OCTAVE;
    return (uint32_t)(octave * PER_OCTAVE + within);
}

static uint64_t last_of(uint32_t bucket)
{
    uint32_t octave = (uint32_t)(bucket / PER_OCTAVE);
    uint64_t within = bucket % PER_OCTAVE;
    if (octave == 0)
        return within;
    return ((PER_OCTAVE + within + 1) << (octave - 1)) - 1;
}

static void note_extremes(struct dg_load_histogram *histogram, uint64_t least, uint64_t greatest)
{
    if (get(&histogram->count) == 0 || least < get(&histogram->least))
        set(&histogram->least, least);
    if (greatest > get(&histogram->greatest))
        set(&histogram->greatest, greatest);
}

void dg_load_histogram_record(struct dg_load_histogram *histogram, dg_time value)
{
    _Atomic uint64_t *bucket = &histogram->buckets[bucket_of(value)];
    note_extremes(histogram, value, value);
    set(bucket, get(bucket) + 1);
    set(&histogram->sum, get(&histogram->sum) + value);
    set(&histogram->count, get(&histogram->count) + 1);
}

void dg_load_histogram_add(struct dg_load_histogram *into, const struct dg_load_histogram *from)
{
    if (get(&from->count) == 0)
        return;
    note_extremes(into, get(&from->least), get(&from->greatest));
    for (uint32_t i = 0; i < DG_LOAD_BUCKETS; i++)
        set(&into->buckets[i], get(&into->buckets[i]) + get(&from->buckets[i]));
    set(&into->sum, get(&into->sum) + get(&from->sum));
    set(&into->count, get(&into->count) + get(&from->count));
}

void dg_load_histogram_between(struct dg_load_histogram *ret, const struct dg_load_histogram *later,
                               const struct dg_load_histogram *earlier)
{
    uint64_t count = 0;
    dg_load_histogram_clear(ret);
    for (uint32_t i = 0; i < DG_LOAD_BUCKETS; i++) {
        uint64_t more = get(&later->buckets[i]) - get(&earlier->buckets[i]);
        if (more == 0)
            continue;
        set(&ret->buckets[i], more);
        if (count == 0)
            set(&ret->least, last_of(i));
        set(&ret->greatest, last_of(i));
        count += more;
    }
    set(&ret->sum, get(&later->sum) - get(&earlier->sum));
    set(&ret->count, count);
}

void dg_load_histogram_clear(struct dg_load_histogram *histogram)
{
    set(&histogram->count, 0);
    set(&histogram->sum, 0);
    set(&histogram->least, 0);
    set(&histogram->greatest, 0);
    for (uint32_t i = 0; i < DG_LOAD_BUCKETS; i++)
        set(&histogram->buckets[i], 0);
}

uint64_t dg_load_histogram_count(const struct dg_load_histogram *histogram)
{
    return get(&histogram->count);
}

dg_time dg_load_histogram_mean(const struct dg_load_histogram *histogram)
{
    uint64_t count = get(&histogram->count);
    return count > 0 ? get(&histogram->sum) / count : 0;
}

dg_time dg_load_histogram_least(const struct dg_load_histogram *histogram)
{
    return get(&histogram->least);
}

dg_time dg_load_histogram_greatest(const struct dg_load_histogram *histogram)
{
    return get(&histogram->greatest);
}

dg_time dg_load_histogram_quantile(const struct dg_load_histogram *histogram, uint32_t of_100000)
{
    uint64_t count = get(&histogram->count);
    if (count == 0)
        return 0;
    // Rounded up, in parts that fit.
    uint64_t wanted = count / WHOLE * of_100000 + (count % WHOLE * of_100000 + WHOLE - 1) / WHOLE;
    uint64_t seen = 0;
    uint32_t i = 0;
    while (i < DG_LOAD_BUCKETS - 1 && (seen += get(&histogram->buckets[i])) < (wanted > 0 ? wanted : 1))
        i++;
    dg_time greatest = get(&histogram->greatest);
    return i == DG_LOAD_BUCKETS - 1 || last_of(i) > greatest ? greatest : last_of(i);
}

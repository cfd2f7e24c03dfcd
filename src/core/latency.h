// SPDX-License-Identifier: GPL-3.0-or-later
// How long things took, in buckets that double from one to the next: fixed memory, one writer, any reader, no lock.
// Reads no clock: it is told how long.
#ifndef DG_CORE_LATENCY_H
#define DG_CORE_LATENCY_H

#include "base/time_value.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

// Bucket i holds what took at most 2^(10 + i) nanoseconds and more than the one before: from about a microsecond to
// 69 seconds. The last one holds whatever took longer.
#define DG_LATENCY_FIRST_BIT 10
#define DG_LATENCY_BUCKETS 27

struct dg_latency {
    _Atomic uint64_t buckets[DG_LATENCY_BUCKETS + 1];
    _Atomic uint64_t sum_ns;
};

// X(enum suffix, family, help, labels)
#define DG_LATENCY_LIST(X)                                                                                        \
    X(HANDSHAKE12, "handshake_seconds", "from the valid cookie to the hand-over to a worker", "version=\"1.2\",resumed=\"no\"") \
    X(HANDSHAKE12_RESUMED, "handshake_seconds", "", "version=\"1.2\",resumed=\"yes\"")                            \
    X(HANDSHAKE13, "handshake_seconds", "", "version=\"1.3\",resumed=\"no\"")                                     \
    X(HANDSHAKE13_RESUMED, "handshake_seconds", "", "version=\"1.3\",resumed=\"yes\"")                            \
    X(TO_BACKEND, "through_seconds", "from a worker's waking up until all that it then found is done and sent, for each datagram of a client delivered and each answer of a backend", "direction=\"to_backend\"") \
    X(TO_CLIENT, "through_seconds", "", "direction=\"to_client\"")

enum dg_latency_kind {
#define DG_LATENCY_ENUM(suffix, family, help, labels) DG_LATENCY_##suffix,
    DG_LATENCY_LIST(DG_LATENCY_ENUM)
#undef DG_LATENCY_ENUM
    DG_LATENCY_KINDS
};

// Of one thread, which alone writes it.
struct dg_latencies {
    struct dg_latency kinds[DG_LATENCY_KINDS];
};

static inline size_t dg_latency_bucket(dg_time elapsed)
{
    if (elapsed <= (UINT64_C(1) << DG_LATENCY_FIRST_BIT))
        return 0;
    size_t bits = 64 - (size_t)__builtin_clzll(elapsed - 1); // of the bound above
    return bits - DG_LATENCY_FIRST_BIT < DG_LATENCY_BUCKETS ? bits - DG_LATENCY_FIRST_BIT : DG_LATENCY_BUCKETS;
}

static inline uint64_t dg_latency_bound_ns(size_t bucket) { return UINT64_C(1) << (DG_LATENCY_FIRST_BIT + bucket); }

// So many things took that long, each of them.
static inline void dg_latency_record(struct dg_latency *latency, dg_time elapsed, uint64_t times)
{
    _Atomic uint64_t *bucket = &latency->buckets[dg_latency_bucket(elapsed)];
    atomic_store_explicit(bucket, atomic_load_explicit(bucket, memory_order_relaxed) + times, memory_order_relaxed);
    uint64_t sum = atomic_load_explicit(&latency->sum_ns, memory_order_relaxed);
    atomic_store_explicit(&latency->sum_ns, sum + elapsed * times, memory_order_relaxed);
}

#endif

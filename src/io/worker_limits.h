// SPDX-License-Identifier: GPL-3.0-or-later
// A worker's side of the limits that hold over all workers: it counts its associations in the shared tally, and ends those
// that have become one too many, its own at once, another worker's by a message. Never judges who is allowed.
#ifndef DG_IO_WORKER_LIMITS_H
#define DG_IO_WORKER_LIMITS_H

#include "core/counters.h"
#include "core/engine.h"
#include "core/policy.h"
#include "io/loop.h"
#include "io/tally.h"

struct dg_worker_limits {
    struct dg_tally *tally; // NULL: nothing is counted
    struct dg_loop *loop;
    struct dg_engine *engine;
    uint32_t worker, worker_count;
    struct dg_ref surplus[DG_POLICY_ASSOCIATIONS_MAX]; // of this worker, to be ended after the lock
    size_t surplus_count;
};

// As dg_engine_hooks.join. rules may be NULL.
enum dg_counter dg_worker_limits_join(struct dg_worker_limits *limits, const struct dg_policy *rules,
                                      uint32_t prefix_max, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                                      struct dg_bytes identity, bool is_new);
void dg_worker_limits_moved(struct dg_worker_limits *limits, uint32_t prefix_max, struct dg_ref ref,
                            const struct dg_slot *slot);
void dg_worker_limits_closed(struct dg_worker_limits *limits, struct dg_ref ref);

#endif

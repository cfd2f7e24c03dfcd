// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of a worker share. Never seen outside of them.
#ifndef DG_IO_WORKER_STATE_H
#define DG_IO_WORKER_STATE_H

#include "core/steer.h"
#include "io/worker_backends.h"
#include "io/worker_limits.h"
#include "io/worker_loop.h"

struct dg_worker_loop {
    struct dg_loop loop;
    struct dg_worker_loop_config config;
    struct dg_steer steer;
    struct dg_engine *engine;
    struct dg_worker_backends backends;
    struct dg_worker_limits limits;
    const struct dg_policy *rules; // the policy's; NULL: it has none
    void *policy; // in use
    _Atomic(void *) next_policy;
    _Atomic uint32_t policy_generation;
    bool is_draining;
    _Atomic bool is_holding;
    dg_time kept_until; // 0: not told to end yet
    uint8_t contested[DG_DATAGRAM_MAX];
};

// worker_hooks.c: the engine of this worker's shards, which calls the loop's backends and hooks. NULL: memory is short.
struct dg_engine *dg_worker_new_engine(struct dg_worker_loop *loop);

#endif

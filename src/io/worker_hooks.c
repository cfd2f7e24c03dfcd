// SPDX-License-Identifier: GPL-3.0-or-later
// What a worker's engine tells, passed on to its backends and to the owner's hooks. Decides nothing.
#include "io/worker_state.h"

static void on_deliver(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, const uint8_t *data,
                       size_t size)
{
    struct dg_worker_loop *loop = context;
    dg_worker_backends_deliver(&loop->backends, now, ref, slot, data, size);
}

static void on_opened(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                      const struct dg_handover *handover)
{
    struct dg_worker_loop *loop = context;
    if (loop->config.hooks.opened != NULL) {
        loop->config.hooks.opened(loop->config.hooks.context, now, ref, slot, handover);
    }
}

static void on_closed(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                      enum dg_counter reason)
{
    struct dg_worker_loop *loop = context;
    dg_worker_limits_closed(&loop->limits, ref);
    dg_worker_backends_closed(&loop->backends, now, ref);
    if (loop->config.hooks.closed != NULL) {
        loop->config.hooks.closed(loop->config.hooks.context, now, ref, slot, dg_engine_identity(loop->engine, ref),
                                  reason);
    }
}

static void on_moved(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                     const struct dg_address *from)
{
    struct dg_worker_loop *loop = context;
    dg_worker_limits_moved(&loop->limits, loop->config.engine.prefix_max, ref, slot);
    if (loop->config.hooks.moved != NULL) {
        loop->config.hooks.moved(loop->config.hooks.context, now, ref, slot, dg_engine_identity(loop->engine, ref),
                                 from);
    }
}

static struct dg_policy_verdict on_authorise(void *context, const struct dg_slot *slot, struct dg_bytes identity)
{
    struct dg_worker_loop *loop = context;
    return loop->config.hooks.authorise(loop->config.hooks.context, loop->policy, slot, identity);
}

static void on_allowed(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot)
{
    struct dg_worker_loop *loop = context;
    dg_worker_backends_settle(&loop->backends, now, ref, slot);
}

static enum dg_counter on_join(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                               struct dg_bytes identity, bool is_new)
{
    struct dg_worker_loop *loop = context;
    return dg_worker_limits_join(&loop->limits, loop->rules, loop->config.engine.prefix_max, now, ref, slot, identity,
                                 is_new);
}

static void on_refused(void *context, dg_time now, const struct dg_handover *handover, enum dg_counter reason,
                       uint16_t rule)
{
    struct dg_worker_loop *loop = context;
    if (loop->config.hooks.refused != NULL) {
        loop->config.hooks.refused(loop->config.hooks.context, loop->policy, now, handover, reason, rule);
    }
}

static void on_limited(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                       enum dg_counter reason)
{
    struct dg_worker_loop *loop = context;
    if (loop->config.hooks.limited != NULL) {
        loop->config.hooks.limited(loop->config.hooks.context, loop->policy, now, ref, slot,
                                   dg_engine_identity(loop->engine, ref), reason);
    }
}

struct dg_engine *dg_worker_new_engine(struct dg_worker_loop *loop)
{
    const struct dg_worker_loop_config *config = &loop->config;
    uint32_t shards[DG_SHARDS_MAX];
    size_t count = 0;
    for (uint32_t shard = 0; shard < loop->steer.shard_count && shard < DG_SHARDS_MAX; shard++) {
        if (dg_steer_worker(shard, config->worker_count) == config->worker) {
            shards[count++] = shard;
        }
    }
    const struct dg_engine_hooks hooks = {
        .context = loop,
        .deliver = on_deliver,
        .opened = on_opened,
        .closed = on_closed,
        .moved = on_moved,
        .authorise = config->hooks.authorise != NULL ? on_authorise : NULL,
        .allowed = on_allowed,
        .join = config->tally != NULL ? on_join : NULL,
        .refused = on_refused,
        .limited = on_limited,
    };
    const struct dg_output output = dg_send_batch_output(loop->loop.send);
    return dg_engine_new(&config->engine, config->memory, shards, count, config->aead, &output, &hooks,
                         config->counters);
}

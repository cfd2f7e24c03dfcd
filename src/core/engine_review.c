// SPDX-License-Identifier: GPL-3.0-or-later
// After the policy has changed: asks of every association whether it may go on, a slice at a time between datagrams, and
// ends those that may not, at the pace at which all would be told goodbye (C8). Never judges by itself.
#include "core/engine_internal.h"

// Some 0.1 ms: what is looked at costs a miss of the cache, what is asked about some microseconds.
#define LOOKED_AT 512
#define ASKED 32

void dg_engine_review_begin(struct dg_engine *engine)
{
    // Slots that are not found yet may hold some.
    bool is_wanted = engine->config.closes_removed || dg_engine_has_limits(engine);
    bool is_needed = is_wanted && (!engine->is_settled || dg_engine_live(engine) > 0);
    engine->review = (struct dg_review){.is_under_way = is_needed, .next = engine->review.next};
}

static struct dg_slot *next_slot(struct dg_engine *engine, struct dg_shard **ret_shard)
{
    struct dg_review *review = &engine->review;
    while (review->shard < engine->shard_count) {
        struct dg_shard *shard = &engine->shards[review->shard];
        if (review->slot < shard->fresh_slot) {
            *ret_shard = shard;
            return dg_memory_slot(engine->memory, shard->number, review->slot++);
        }
        review->shard++;
        review->slot = 0;
    }
    return NULL;
}

static dg_time pause_after(const struct dg_engine *engine, uint32_t ended)
{
    uint64_t rate = engine->config.drain_per_second;
    return rate == 0 ? 0 : ended * DG_SECOND / rate;
}

void dg_engine_review(struct dg_engine *engine, dg_time now)
{
    struct dg_review *review = &engine->review;
    if (!review->is_under_way || !engine->is_settled || now < review->next)
        return;
    uint32_t asked = 0, ended = 0;
    for (uint32_t looked_at = 0; looked_at < LOOKED_AT && asked < ASKED; looked_at++) {
        struct dg_shard *shard;
        struct dg_slot *slot = next_slot(engine, &shard);
        if (slot == NULL) {
            review->is_under_way = false;
            return;
        }
        if (atomic_load_explicit(&slot->state, memory_order_relaxed) != DG_SLOT_LIVE ||
            slot->policy_generation == engine->policy_generation)
            continue;
        struct dg_association association = dg_association_of(engine, now, shard, slot);
        uint32_t before = dg_shard_serve(shard, slot);
        asked++;
        if (!dg_association_review(&association))
            ended++;
        dg_shard_served(shard, before);
    }
    review->next = now + pause_after(engine, ended);
}

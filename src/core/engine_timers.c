// SPDX-License-Identifier: GPL-3.0-or-later
// The engine and time: side slots' deadlines by a heap, idle and expired associations by a sweep that looks at
// every slot once in a period and gives memory back on the way, the paced end of all. Never reads a clock.
#include "core/engine_internal.h"

#define SLICE (DG_SWEEP_PERIOD / DG_SWEEP_SLICES)

// --- side slots ---------------------------------------------------------------------------

static void flight_due(struct dg_engine *engine, dg_time now, struct dg_shard *shard, uint32_t number)
{
    struct dg_side_flight *flight = dg_shard_flight(shard, number);
    uint32_t owner = atomic_load_explicit(&flight->owner, memory_order_relaxed);
    DG_BUG_UNLESS(owner != 0); // a timer without an owner
    struct dg_slot *slot = dg_memory_slot(engine->memory, shard->number, owner - 1);
    struct dg_association association = dg_association_of(engine, now, shard, slot);
    uint32_t before = dg_shard_serve(shard, slot);
    switch (flight->kind) {
    case DG_FLIGHT_EPOCH_2: // RFC 9147 5.8.1: twice the MSL is over
        dg_shard_flight_free(shard, slot, flight);
        dg_association_forget_keys(&association);
        break;
    case DG_FLIGHT_FINAL_12:
    case DG_FLIGHT_KEPT:
        dg_shard_flight_free(shard, slot, flight);
        break;
    case DG_FLIGHT_CLOSING:
        dg_association_end(&association, DG_COUNT_CLOSED_BY_PEER, DG_ALERT_CLOSE_NOTIFY);
        break;
    case DG_FLIGHT_MESSAGE:
        dg_message_due(&association, flight);
        break;
    case DG_FLIGHT_PATH:
        dg_path_due(&association, flight);
        break;
    default:
        break; // lives as long as its slot
    }
    dg_shard_served(shard, before);
}

static dg_time next_of_all(const struct dg_engine *engine)
{
    dg_time next = DG_NEVER;
    for (size_t i = 0; i < engine->shard_count; i++)
        next = dg_time_min(next, dg_timer_heap_next(&engine->shards[i].timers));
    return next;
}

static void flights_due(struct dg_engine *engine, dg_time now)
{
    if (now < engine->soonest.at)
        return;
    for (size_t i = 0; i < engine->shard_count; i++) {
        uint32_t number;
        while (dg_timer_heap_pop(&engine->shards[i].timers, now, &number))
            flight_due(engine, now, &engine->shards[i], number);
    }
    engine->soonest.is_stale = true;
}

// --- what the process before left -------------------------------------------------------------

// So many slots and side slots of a shard, less than a quarter of a millisecond, before datagrams have their turn again.
#define SETTLE_SLICE 256

// All are found before any is judged: an association can wait for the first, hardly for the second.
static struct dg_shard *unsettled(struct dg_engine *engine)
{
    for (size_t i = 0; i < engine->shard_count && !engine->is_found; i++)
        if (!dg_shard_is_found(&engine->shards[i]))
            return &engine->shards[i];
    engine->is_found = true;
    for (size_t i = 0; i < engine->shard_count; i++)
        if (engine->shards[i].backlog != NULL)
            return &engine->shards[i];
    return NULL;
}

bool dg_engine_is_found(const struct dg_engine *engine) { return engine->is_found; }

static void settle(struct dg_engine *engine)
{
    struct dg_shard *shard = engine->is_settled ? NULL : unsettled(engine);
    if (shard != NULL)
        (void)dg_shard_settle(shard, SETTLE_SLICE);
    else
        engine->is_settled = engine->any_sweep = true;
}

// --- the sweep ------------------------------------------------------------------------------

static bool is_over(dg_time now, dg_time since, dg_time allowed)
{
    return allowed != DG_NEVER && dg_time_since(now, since) >= allowed;
}

static bool is_too_old(dg_time now, const struct dg_slot *slot, dg_time allowed)
{
    return allowed != DG_NEVER && dg_slot_age(slot, now) >= allowed;
}

static void look_at(struct dg_engine *engine, dg_time now, uint32_t now_wall_s, struct dg_shard *shard,
                    struct dg_slot *slot)
{
    const struct dg_engine_config *config = &engine->config;
    struct dg_association association = dg_association_of(engine, now, shard, slot);
    bool is_expired = slot->expires_s != 0 && now_wall_s >= slot->expires_s;
    if (is_expired || is_too_old(now, slot, config->maximal_age)) {
        dg_association_end(&association, DG_COUNT_CLOSED_EXPIRED, DG_ALERT_CLOSE_NOTIFY);
        return;
    }
    // Who says nothing is not asked before plaintext passes: an association ends with its credential all the same. The
    // review after a change of policy has asked most; this finds who was taken over meanwhile.
    if (config->closes_removed && !dg_association_authorised(&association))
        return;
    dg_time allowed = dg_association_idle_time(&association);
    if (is_over(now, atomic_load_explicit(&slot->active_at, memory_order_relaxed), allowed))
        dg_association_end(&association, DG_COUNT_CLOSED_IDLE, DG_ALERT_CLOSE_NOTIFY);
}

// Looks at as many slots as make a whole round in a period; at none of them twice at one time.
static void sweep_shard(struct dg_engine *engine, dg_time now, uint32_t now_wall_s, struct dg_shard *shard,
                        uint32_t slices)
{
    if (shard->backlog != NULL)
        return; // these are not judged yet
    uint32_t budget = slices * (shard->fresh_slot / DG_SWEEP_SLICES + 1);
    if (budget > shard->fresh_slot)
        budget = shard->fresh_slot;
    for (uint32_t i = 0; i < budget; i++) {
        if (shard->sweep_at >= shard->fresh_slot)
            shard->sweep_at = 0;
        struct dg_slot *slot = dg_memory_slot(engine->memory, shard->number, shard->sweep_at++);
        if (atomic_load_explicit(&slot->state, memory_order_relaxed) != DG_SLOT_LIVE)
            continue;
        uint32_t before = dg_shard_serve(shard, slot);
        look_at(engine, now, now_wall_s, shard, slot);
        dg_shard_served(shard, before);
    }
}

// One shard that has something to give, on from where the slice before stopped.
static void trim(struct dg_engine *engine)
{
    for (size_t i = 0; i < engine->shard_count; i++) {
        struct dg_shard *shard = &engine->shards[engine->trim_shard];
        bool wanted = dg_shard_may_trim(shard);
        if (wanted && !dg_shard_trim(shard, DG_TRIM_PAGES))
            return;
        engine->trim_shard = (engine->trim_shard + 1) % engine->shard_count;
        if (wanted)
            return;
    }
}

static bool any_sweep(const struct dg_engine *engine)
{
    for (size_t i = 0; i < engine->shard_count; i++)
        if (engine->shards[i].live > 0 || dg_shard_may_trim(&engine->shards[i]))
            return true;
    return false;
}

static void sweep(struct dg_engine *engine, dg_time now, uint32_t now_wall_s)
{
    if (now < engine->sweep_next)
        return;
    // Called late: the slices that were missed are made up for, one whole round at most.
    uint64_t slices = dg_time_since(now, engine->sweep_next) / SLICE + 1;
    if (slices > DG_SWEEP_SLICES)
        slices = DG_SWEEP_SLICES;
    for (size_t i = 0; i < engine->shard_count; i++)
        sweep_shard(engine, now, now_wall_s, &engine->shards[i], (uint32_t)slices);
    trim(engine);
    engine->sweep_next = now + SLICE;
    engine->any_sweep = any_sweep(engine);
}

// --- the paced end (C8) -------------------------------------------------------------------------

void dg_engine_drain(struct dg_engine *engine, dg_time now)
{
    if (engine->is_draining)
        return;
    engine->is_draining = true;
    engine->drain_started_at = now;
}

static bool drain_one(struct dg_engine *engine, dg_time now)
{
    // A second look at every shard finds what was opened behind the cursor.
    for (size_t tries = 0; tries <= 2 * engine->shard_count && engine->shard_count > 0; tries++) {
        struct dg_shard *shard = &engine->shards[engine->drain_shard];
        struct dg_slot *slot = shard->live > 0 ? dg_shard_next_live(shard, &engine->drain_cursor) : NULL;
        if (slot != NULL) {
            struct dg_association association = dg_association_of(engine, now, shard, slot);
            dg_association_end(&association, DG_COUNT_CLOSED_SHUTDOWN, DG_ALERT_CLOSE_NOTIFY);
            return true;
        }
        engine->drain_shard = (engine->drain_shard + 1) % engine->shard_count;
        engine->drain_cursor = 0;
    }
    return false;
}

static void drain(struct dg_engine *engine, dg_time now)
{
    if (!engine->is_draining)
        return;
    uint64_t rate = engine->config.drain_per_second;
    uint64_t elapsed = dg_time_since(now, engine->drain_started_at);
    // The first at once, then one in each interval. Rate 0: no pacing.
    uint64_t allowed = rate == 0 ? UINT64_MAX : elapsed / (DG_SECOND / rate + (DG_SECOND % rate != 0)) + 1;
    while (engine->drained < allowed && drain_one(engine, now))
        engine->drained++;
}

static dg_time drain_deadline(const struct dg_engine *engine)
{
    uint64_t rate = engine->config.drain_per_second;
    if (rate == 0)
        return engine->drain_started_at;
    return engine->drain_started_at + engine->drained * (DG_SECOND / rate + (DG_SECOND % rate != 0));
}

// --- the clock ------------------------------------------------------------------------------------

dg_time dg_engine_deadline(const struct dg_engine *engine)
{
    if (!engine->is_settled)
        return 0; // at once, again and again
    dg_time deadline = engine->soonest.is_stale ? next_of_all(engine) : engine->soonest.at;
    if (engine->review.is_under_way)
        deadline = dg_time_min(deadline, engine->review.next);
    if (!engine->any_sweep)
        return deadline;
    deadline = dg_time_min(deadline, engine->sweep_next);
    if (engine->is_draining && dg_engine_live(engine) > 0)
        deadline = dg_time_min(deadline, drain_deadline(engine));
    return deadline;
}

void dg_engine_advance(struct dg_engine *engine, dg_time now, uint32_t now_wall_s)
{
    if (engine->sweep_next == 0)
        engine->sweep_next = now + SLICE; // of a process that goes on after another
    settle(engine);
    flights_due(engine, now);
    dg_engine_review(engine, now);
    sweep(engine, now, now_wall_s);
    drain(engine, now);
    if (engine->soonest.is_stale)
        engine->soonest = (struct dg_soonest){.at = next_of_all(engine)};
}
